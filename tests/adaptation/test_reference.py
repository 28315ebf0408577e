"""The error that a reference has of its own is found without truth, whatever blur and noise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from coldray.adaptation.reference import Reference
from coldray.images.registration import Registration, resample


def error_found(board):
    return Reference(board).error


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
    shares = [error_found(board) / float(np.var(board.mean)) for board in (small, large)]
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
    found = error_found(spoiled(board, change)) - error_found(board)
    if kind == "pattern":
        assert found == pytest.approx(wanted, rel=0.25)
    else:
        # a shift is a filter of its own in each direction: found, and not overrated
        assert 0.02 * wanted < found < 1.2 * wanted


def test_neither_blur_nor_scale_counts(board_of):
    board = board_of(6, noise=0.0)
    assert error_found(replace(board, frames=0.8 * board.frames)) == pytest.approx(error_found(board), abs=1e-7)


def tapered(image):
    """Mean square under the window of the estimate."""
    window = (np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])) ** 2
    rest = image - image.mean()
    return float(np.sum(rest**2 * window) / np.sum(window))


@pytest.mark.parametrize("noise", [0.0, 0.004])
@pytest.mark.parametrize("learnt", [0.0, 0.5, 1.0])
def test_a_result_that_learnt_the_error_is_not_nearer(board_of, noise, learnt):
    """Against the spoiled reference it looks up to 6 dB better; the estimate goes up with what was learnt, as the truth does."""
    found, wanted = [], []
    for seed in range(5, 10):  # by chance the error resembles the board, one way or the other
        rng = np.random.default_rng(seed)
        truth = board_of(seed, side=320, noise=0.0).halves[0]
        pattern, own = (ndimage.gaussian_filter(rng.standard_normal(truth.shape), 1.0) for _ in range(2))
        pattern, own = (0.008 / pattern.std() * pattern).astype(np.float32), 0.006 / own.std() * own
        right = board_of(seed, side=320, noise=noise)
        board = spoiled(right, lambda half, added=pattern: half + added)
        # what window and blur do to a right reference counts against every result alike
        found.append(Reference(board).error_of(truth + own + learnt * pattern, 0) - Reference(right).error)
        wanted.append(tapered(own + learnt * pattern))
    assert np.mean(found) == pytest.approx(np.mean(wanted), rel=0.15)


def test_the_frame_that_a_result_was_made_of_does_not_speak_for_it(board_of):
    """Its noise is in the result: with it for the reference's own error, a noisier result would look better."""
    board = board_of(5, side=320, noise=0.01)
    noise = board.frames[0] - board_of(5, side=320, noise=0.0).frames[0]
    truth = board_of(5, side=320, noise=0.0).halves[0]
    for share in (0.5, 1.0):
        found = Reference(board).error_of(truth + share * noise, 0)
        assert found == pytest.approx(tapered(share * noise), rel=0.25)
