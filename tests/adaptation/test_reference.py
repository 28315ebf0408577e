"""The error that a reference has of its own is found without truth, whatever blur and noise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from coldray.adaptation.reference import reference_error
from coldray.images.registration import Registration, resample


def spoiled(board, change):
    """The board with both halves changed alike."""
    one, other = (change(half) for half in board.halves)
    return replace(board, halves=(one, other), mean=0.5 * (one + other))


def error_of(board, change):
    """Mean squared error of a changed noise-free reference, windowed as it is measured."""
    clean = board.mean
    window = (np.hanning(clean.shape[0])[:, None] * np.hanning(clean.shape[1])) ** 2
    rest = change(clean) - clean
    rest = rest - rest.mean()
    return float(np.sum(rest**2 * window) / np.sum(window))


@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_a_right_reference_has_hardly_an_error_of_its_own(board_of, noise):
    """Window and blur do not quite commute; the larger the frame, the less that matters. It errs on the careful side."""
    small, large = (board_of(5, side=side, noise=noise) for side in (192, 448))
    shares = [reference_error(board) / float(np.var(board.mean)) for board in (small, large)]
    assert shares[1] < 0.5 * shares[0] and shares[0] < 4e-3


@pytest.mark.parametrize("noise", [0.0, 0.004])
@pytest.mark.parametrize("kind", ["pattern", "moved"])
def test_what_both_halves_share_is_found(board_of, noise, kind):
    pattern = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal((192, 192)), 1.0).astype(np.float32)
    pattern *= 0.008 / pattern.std()
    moved = Registration((0.3, -0.2))
    change = {"pattern": lambda half: half + pattern, "moved": lambda half: resample(half, moved)}[kind]
    wanted = error_of(board_of(5, noise=0.0), change)
    board = board_of(5, noise=noise)
    found = reference_error(spoiled(board, change)) - reference_error(board)
    if kind == "pattern":
        assert found == pytest.approx(wanted, rel=0.25)
    else:
        # a shift is a filter of its own in each direction: found, and not overrated
        assert 0.02 * wanted < found < 1.2 * wanted


def test_neither_blur_nor_scale_counts(board_of):
    board = board_of(6, noise=0.0)
    assert reference_error(replace(board, frames=0.8 * board.frames)) == pytest.approx(reference_error(board), abs=1e-7)
