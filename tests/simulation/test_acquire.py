"""One acquisition: every user of it gives the same truths of the same object."""

import numpy as np
import pytest

from coldray.benchmark.paper.scenes import ACQUIRED, BoardSet, board_scenes, screens
from coldray.dataset.simulated import BoardRecipe
from coldray.errors import PhysicsError
from coldray.objects.boards import procedural_board
from coldray.physics.detector import load_detector
from coldray.simulation.acquire import acquire_pair, project, project_pair
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.geometry import Geometry
from coldray.simulation.paper import BLURRED_MG_CM2, OVERSAMPLING, PITCH_MM, SHARP_MG_CM2

SIDE = 96


@pytest.fixture(scope="module")
def board():
    cells = (SIDE * OVERSAMPLING,) * 2
    return procedural_board("discrete", cells, PITCH_MM / OVERSAMPLING, 4)


def test_truths_are_the_screens_own_images(board):
    sharp, blurred = screens()
    seen = project_pair(board, sharp, blurred, OVERSAMPLING)
    thin, thick = (s.transmission(board) for s in (sharp, blurred))
    np.testing.assert_array_equal(seen.sharp.truth, sharp.image(thin, OVERSAMPLING))
    np.testing.assert_array_equal(seen.blurred.truth, blurred.image(thick, OVERSAMPLING))
    np.testing.assert_array_equal(seen.target, sharp.image(thick, OVERSAMPLING))
    # sharp MTF, blurred response: neither detector's own image
    assert np.abs(seen.target - seen.sharp.truth).max() > 0.01 < np.abs(seen.target - seen.blurred.truth).max()


def test_frames_scatter_about_the_truth(board):
    sharp, blurred = screens()
    taken = acquire_pair(board, sharp, blurred, OVERSAMPLING, np.random.default_rng(0), exposure_s=1.0, sharp_frames=40)
    for frame, truth in ((taken.sharp, taken.sharp_truth), (taken.blurred, taken.blurred_truth)):
        noise = frame - truth
        assert abs(noise.mean()) < 4 * noise.std() / SIDE
        assert 0 < noise.std() < 0.01


def test_the_comparison_and_the_acquisition_agree():
    boards = BoardSet(("handheld",), 1, 128, 31)
    (scene,) = next(board_scenes(boards, (1.0,), (ACQUIRED,)))
    seen = project_pair(boards.maps("handheld", 0), *screens(), OVERSAMPLING)
    np.testing.assert_array_equal(scene.truths["truth"], seen.sharp.truth)
    np.testing.assert_array_equal(scene.truths["same_response"], seen.target)


def test_projection_in_contact_is_that_of_magnification_one(board):
    near = project(board, screens()[0], OVERSAMPLING)
    far = project(board, screens()[0], OVERSAMPLING, geometry=Geometry(1.0))
    np.testing.assert_allclose(near.truth, far.truth, atol=1e-6)


def test_the_papers_pair_is_that_of_the_built_in_detectors():
    recipe = BoardRecipe("discrete", 0)
    assert (recipe.sharp_mg_cm2, recipe.blurred_mg_cm2) == (SHARP_MG_CM2, BLURRED_MG_CM2)
    for name, loading in (("gos34", SHARP_MG_CM2), ("gos135", BLURRED_MG_CM2)):
        known = load_detector(name)
        assert (known.loading_mg_cm2, known.pixel_pitch_mm) == (loading, PITCH_MM)


def test_a_pair_needs_equal_pixels(board):
    with pytest.raises(PhysicsError, match="equal pixels"):
        project_pair(board, ScreenDetector.gos(34.0, 0.05), screens()[1], OVERSAMPLING)
