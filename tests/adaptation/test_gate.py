"""The gate on frames' own noise: raised where noise looks like structure, never lowered."""

from dataclasses import replace

import numpy as np
import pytest

from coldray.adaptation.gate import fit_gate, noise_alone
from coldray.physics.noise import NoiseModel
from coldray.restoration.gate_constants import EvenConstants

CONSTANTS = EvenConstants()


def test_two_frames_give_the_noise_of_one(pair):
    rng = np.random.default_rng(0)
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    scene = np.full((256, 256), 0.3, dtype=np.float32)
    scene[:, 128:] = 0.9
    one, other = (scene + noise.draw(scene, rng) for _ in range(2))
    alone = noise_alone(one, other, noise)
    level = float(scene.mean())
    assert alone.mean() == pytest.approx(level, abs=1e-3)
    for half in (alone[:, :120], alone[:, 136:]):
        # dark and bright places alike: the noise at the mean signal
        assert half.std() == pytest.approx(noise.relative_sd(level), rel=0.05)


def test_frames_with_the_stated_noise_leave_the_gate(board_of, pair):
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    board = board_of(2)
    frames = np.stack([board.frames[0] + noise.draw(board.frames[0], np.random.default_rng(n)) for n in range(2)])
    found = fit_gate([replace(board, frames=frames - 0.0)], CONSTANTS, "mtf_blend")
    assert found.constants == CONSTANTS and found.noise_z < CONSTANTS.closed_below and found.differences == 1


def test_noise_that_looks_like_structure_raises_the_gate(board_of):
    board = board_of(2, noise=0.0)
    streaks = np.zeros_like(board.frames[0])
    streaks[40:70, 40:150] = 0.2  # what is in one frame and not in the next: nothing that belongs to the board
    found = fit_gate(
        [replace(board, frames=np.stack([board.frames[0] + streaks, board.frames[0]]))], CONSTANTS, "mtf_blend"
    )
    assert found.noise_z > CONSTANTS.closed_below
    assert found.constants.closed_below == pytest.approx(found.noise_z)
    width = CONSTANTS.open_above - CONSTANTS.closed_below
    assert found.constants.open_above - found.constants.closed_below == pytest.approx(width)
