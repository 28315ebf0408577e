"""Averages of repeated frames: what is counted, laid on each other, and refused."""

import numpy as np
import pytest
from scipy import ndimage

from coldray.errors import ImageError
from coldray.images.repeats import average_repeats
from coldray.radiograph import Acquisition, Radiograph

from ..dataset.pairs_of_boards import drawn_board

KNOWN = Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, exposure_s=0.25, frames=2)


def frames(count, shape=(64, 96), sd=100.0, fixed=0.0, seed=0):
    rng = np.random.default_rng(seed)
    pattern = fixed * rng.standard_normal(shape)
    return np.stack([30000 + pattern + sd * rng.standard_normal(shape) for _ in range(count)])


def test_a_stack_and_its_files_give_the_same_mean_and_all_frames_are_counted():
    stack = np.rint(frames(4)).astype(np.uint16)
    whole = average_repeats([Radiograph(stack, KNOWN)])
    apart = average_repeats([Radiograph(frame, KNOWN) for frame in stack])
    np.testing.assert_array_equal(whole.image.pixels, np.rint(stack.mean(axis=0)).astype(np.uint16))
    np.testing.assert_array_equal(whole.image.pixels, apart.image.pixels)
    assert whole.image.acquisition.frames == 8
    assert whole.image.history[-1].verb == "average"
    assert whole.image.history[-1].details["frames"] == 4


def test_what_changes_is_the_noise_of_one_frame_without_pattern_and_drift():
    stack = frames(16, shape=(128, 128), sd=100.0, fixed=300.0) * np.linspace(1, 1.05, 16)[:, None, None]
    changing = average_repeats([Radiograph(stack, KNOWN)]).changing
    assert changing.frames == 16
    assert changing.rounding == 0
    assert changing.power[:, 1:, 1:].mean() == pytest.approx(100.0**2, rel=0.08)


def test_frames_that_moved_are_laid_on_the_first():
    board = drawn_board(3, 160)
    shifts = [(0.0, 0.0), (1.4, -2.3), (-0.6, 3.0)]
    moved = np.stack([ndimage.shift(board, s, order=5, mode="mirror") for s in shifts]).astype(np.float32)
    found = average_repeats([Radiograph(moved, KNOWN)])
    for place, shift in zip(found.moved, shifts, strict=True):
        assert place.shift_px == pytest.approx(shift, abs=0.05)
    rows, cols = (slice(1, 158), slice(3, 157))
    assert found.image.shape[0] in range(155, 159) and found.image.shape[1] in range(152, 156)
    assert found.image.history[-1].details["registered"] == 2
    top, left = 1, 3
    inner = found.image.pixels[8:-8, 8:-8]
    expected = board[top + 8 : top + 8 + inner.shape[0], left + 8 : left + 8 + inner.shape[1]]
    unaligned = moved.mean(axis=0)[rows, cols]
    assert np.std(inner - expected) < 0.3 * np.std(unaligned - board[rows, cols])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([Radiograph(frames(1), KNOWN)], "two frames"),
        ([Radiograph(frames(2), KNOWN), Radiograph(frames(2, shape=(64, 64)), KNOWN)], "one shape"),
        ([Radiograph(frames(2), KNOWN), Radiograph(frames(2), Acquisition(exposure_s=1.0))], "differs"),
        ([Radiograph(np.full((2, 64, 64), np.nan), KNOWN)], "NaN"),
    ],
)
def test_what_is_no_repeated_scene_is_refused(images, message):
    with pytest.raises(ImageError, match=message):
        average_repeats(images)
