"""The noise of the reference cancels between halves; the interval and what follows from it, by hand."""

import numpy as np
import pytest
from scipy.stats import t

from coldray.adaptation.proof import (
    AFTER,
    BEFORE,
    LINEAR,
    LOST,
    BoardScores,
    HalfScores,
    Proof,
    half_scores,
    with_features,
)
from coldray.benchmark.statistics import interval
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.plugins import degradation_of


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.02])
def test_the_score_does_not_see_the_noise_of_the_halves(noise):
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.2, 0.9, (512, 512))
    error = 0.01 * rng.standard_normal(truth.shape)
    one, other = (truth + noise * rng.standard_normal(truth.shape) for _ in range(2))
    found = half_scores(truth + error, one, other, 1e-4)
    assert found.psnr_noise_free_db == pytest.approx(40.0, abs=0.1)
    assert found.psnr_of_half_db == pytest.approx(-10 * np.log10(1e-4 + noise**2), abs=0.1)
    if noise:
        assert found.ceiling_db == pytest.approx(-20 * np.log10(noise), abs=0.05)
        perfect = half_scores(truth, one, other, 1e-4)
        assert perfect.psnr_of_half_db == pytest.approx(found.ceiling_db, abs=0.1)
    else:
        assert np.isnan(found.ceiling_db)


def test_one_factor_is_matched():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0.2, 0.9, (128, 128))
    error = 0.01 * rng.standard_normal(truth.shape)
    plain, scaled = (half_scores(f * (truth + error), truth, truth, 1e-4) for f in (1.0, 1.05))
    assert scaled.psnr_noise_free_db == pytest.approx(plain.psnr_noise_free_db, abs=1e-9)


def proof_of(gains, kept=(0.0, 0.0, 0.0)):
    boards = tuple(
        BoardScores(
            f"b{i}", 1,
            {BEFORE: HalfScores(30.0, 30.0, 29.0, 40.0), AFTER: HalfScores(30.0 + g, 31.0, 29.0, 40.0), LINEAR: HalfScores(28.0, 28.0, 27.0, 40.0)},
            {BEFORE: 0.9, AFTER: 0.9 + k, LINEAR: 0.5}, 0.0,
        )
        for i, (g, k) in enumerate(zip(gains, kept, strict=True))
    )  # fmt: skip
    return Proof(boards, interval([b.gain_db for b in boards]), interval(list(kept)))


def test_the_interval_is_that_of_paired_differences():
    found = proof_of([0.4, 0.6, 0.8]).gain_db
    half = t.ppf(0.975, 2) * 0.2 / np.sqrt(3)
    assert (found.mean, found.low, found.high) == pytest.approx((0.6, 0.6 - half, 0.6 + half))


def test_a_gain_that_may_be_none_is_none():
    assert proof_of([0.5, 0.6, 0.7]).holds
    # shown beyond doubt, and not worth a model of one's own
    assert not proof_of([0.08, 0.09, 0.1]).holds and proof_of([0.08, 0.09, 0.1]).gain_db.low > 0
    assert not proof_of([0.1, 1.5, 0.2]).holds
    assert not proof_of([-0.5, -0.6, -0.7]).holds
    assert "no difference" in proof_of([0.1, 1.5, 0.2]).words()


def test_a_gain_paid_with_small_features_is_none():
    lost = proof_of([0.5, 0.6, 0.7], (-3 * LOST, -3.1 * LOST, -2.9 * LOST))
    assert lost.gain_db.low > 0 and lost.loses_features and not lost.holds
    assert "less of their contrast" in lost.words()
    assert proof_of([0.5, 0.6, 0.7], (-0.2 * LOST, -0.3 * LOST, -0.1 * LOST)).holds


def test_means_are_over_boards():
    assert proof_of([0.4, 0.6, 0.8]).mean(AFTER)["psnr_db"] == pytest.approx(30.6)
    assert proof_of([0.4, 0.6, 0.8]).mean(LINEAR)["features_kept"] == pytest.approx(0.5)


def test_gains_are_told_apart():
    found = proof_of([0.4, 0.6, 0.8]).boards[0]
    assert found.gain_db == pytest.approx(0.4) and found.gain_seen_db == pytest.approx(1.0)
    assert found.reference_error_db != found.reference_error_db  # none was found


def test_features_go_in_through_the_physics_that_the_models_state(board_of):
    board, put = board_of(3), []
    for physics in ("mtf_blend", "focal_spot:400,1.5"):
        frame, seen = with_features(board, 0, physics)
        probe = Frame(frame, board.pair, NoiseModel.of_detector(board.pair.blurred, board.exposure_s))
        put.append(frame - board.frames[0])
        np.testing.assert_allclose(put[-1], probe.operator(degradation_of(physics)(board.pair))(seen), atol=1e-6)
    # the focal spot is seen: a thousand times the tolerance
    assert np.abs(put[0] - put[1]).max() > 1e-3
