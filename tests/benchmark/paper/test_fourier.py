"""Targets with exact truth: a perfect restorer reaches every mark, a linear filter has no contrast dependence."""

import json

import numpy as np
import pytest

from coldray.benchmark.paper import fourier as F
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, Contestant, Output
from coldray.benchmark.paper.far_edge import known_edge_transfer
from coldray.benchmark.paper.marks import judge_marks
from coldray.benchmark.paper.scenes import THIN, paper_pair
from coldray.objects.phantoms import presampled_mtf
from coldray.physics.prior import ObjectPrior
from coldray.physics.transfer import TransferOperator
from coldray.simulation.paper import PITCH_MM


class Inverse(Contestant):
    """Divides by H: the exact sharp image, and all the noise."""

    def restore(self, frame, degradation, **told):
        gain = 1 / degradation.transfer(frame.frequency_lp_mm, 1.0)
        return Output(TransferOperator(gain)(np.asarray(frame.blurred, dtype=np.float64)).astype(np.float32), 0, 0, 0)


def test_targets_have_the_detectors_transfer():
    pair = paper_pair()
    for is_sharp, detector in ((True, pair.sharp), (False, pair.blurred)):
        truth = presampled_mtf(F.screen_blur(is_sharp), PITCH_MM, 0.0)
        np.testing.assert_allclose(truth.value, detector.mtf(truth.frequency_lp_mm), atol=0.01)


@pytest.mark.parametrize("angle", [30.0, F.FAR_ANGLE_DEG, 55.0])
@pytest.mark.parametrize("is_sharp", [True, False])
def test_tilted_edges_at_a_known_place(angle, is_sharp):
    image = F.edge_images(0.2, angle)[1 if is_sharp else 0]
    found = known_edge_transfer(image[None], PITCH_MM, angle)
    truth = presampled_mtf(F.screen_blur(is_sharp), PITCH_MM, angle)
    assert np.abs(found.value - truth(found.frequency_lp_mm)).max() < 0.005
    assert found.low is None


def test_the_band_of_a_tilted_edge_covers_the_truth():
    image = F.edge_images(0.2, 40.0)[1]
    stack = image + 0.005 * np.random.default_rng(0).standard_normal((16, *image.shape))
    found = known_edge_transfer(stack, PITCH_MM, 40.0)
    truth = presampled_mtf(F.screen_blur(True), PITCH_MM, 40.0)(found.frequency_lp_mm)
    # the systematic error of 0.003 comes on top
    assert np.mean((found.low - 0.003 <= truth) & (truth <= found.high + 0.003)) > 0.85


def test_the_thin_screen_shows_its_own_bars():
    recipe = F.FourierRecipe(bar_repeats=2)
    thin = F.bar_contrast(Contestant("thin", "thin", None, screen=THIN), recipe, ObjectPrior())
    wanted = F.bar_contrast(None, recipe, ObjectPrior())
    np.testing.assert_allclose([g["ctf"] for g in thin], [g["ctf"] for g in wanted], atol=0.03)


def test_data_end_earlier_at_low_dose():
    limits = [F.measured_limit_lp_mm(e) for e in (1.0, 0.25, 0.05)]
    assert 10 > limits[0] > limits[1] > limits[2] > 1


def test_noise_of_a_linear_filter_does_not_know_edges():
    clean, truth = F.edge_images(0.2, F.ANGLE_DEG)
    noise = 0.01 * np.random.default_rng(1).standard_normal((16, *clean.shape))
    found = F.edge_noise((truth + noise).astype(np.float32), truth)
    assert found["ratio"] == pytest.approx(1, abs=0.03)
    columns = np.arange(truth.shape[1])
    strip = np.abs(columns - columns.mean()) < 12
    assert F.edge_noise((truth + noise * np.where(strip, 3, 1)).astype(np.float32), truth)["ratio"] > 2
    assert F.edge_noise((1.1 * truth + noise).astype(np.float32), truth)["edge_bias_rms"] > 0.04


def test_bars_of_the_sharp_detector_fall():
    ctf = [g["ctf"] for g in F.bar_contrast(None, F.FourierRecipe(), ObjectPrior())]
    assert len(ctf) == len(F.BAR_FREQUENCIES_LP_MM) and np.all(np.diff(ctf) < 0) and ctf[0] > 0.95


def test_bars_that_noise_hides_have_no_contrast_and_take_no_others_along(monkeypatch):
    """The finest bars behind the thin screen at 0.05 s: the whole comparison ended there, after an hour and a half."""
    monkeypatch.setattr(F, "CONTRASTS", (0.80,))
    recipe = F.FourierRecipe(exposure_s=2e-3, repeats=2, bar_repeats=1)
    results = F.measure([Contestant(DEFAULT, "as it is", None)], recipe, ObjectPrior())
    found = results["methods"][DEFAULT]
    seen = F.contrasts(found["ctf"])
    assert np.isfinite(seen[0]) and np.isnan(seen[-1]) and len(seen) == len(F.BAR_FREQUENCIES_LP_MM)
    off = found["marks"]["ctf_difference"]
    assert off[-1] is None and found["marks"]["ctf_largest_difference"] == max(o for o in off if o is not None)
    json.dumps(results, allow_nan=False)
    # against one that shows them all, what the hidden ones have behind the thin screen is missing
    results["exposure_s"] = 1.0  # the one that is judged
    results["methods"]["sharp"] = {"marks": {"ctf_difference": [0.0] * len(seen)}}
    (mark,) = (
        m for m in judge_marks({"fourier": [results], "settings": {"repeats": 2}}) if m["mark"].startswith("CTF")
    )
    hidden = np.isnan(seen)
    assert not mark["passed"] and mark["measured"] >= F.contrasts(results["sharp"]["ctf"])[hidden].max()


def test_the_marks_tell_a_perfect_restorer_from_none(monkeypatch):
    monkeypatch.setattr(F, "CONTRASTS", (0.80, 0.05))
    recipe = F.FourierRecipe(exposure_s=20.0, repeats=2, bar_repeats=2)
    line = [Contestant(BLURRED, "raw", None), Inverse("inverse", "1 / H", None)]
    results = F.measure(line, recipe, ObjectPrior())
    perfect, none = (results["methods"][k]["marks"] for k in ("inverse", BLURRED))
    assert perfect["ttf80_largest_difference"] < F.MARKS["ttf80"] < 0.3 < none["ttf80_largest_difference"]
    assert perfect["ctf_largest_difference"] < F.MARKS["ctf"] < 0.3 < none["ctf_largest_difference"]
    assert perfect["ttf5_largest_shortfall_below_raw"] <= 0
    assert perfect["contrast_dependence"] == pytest.approx(1, abs=0.15)
    far = [t for t in results["methods"]["inverse"]["transfers"] if t["angle_deg"] == F.FAR_ANGLE_DEG]
    assert len(far) == 1 and far[0]["ttf50_lp_mm"] == pytest.approx(3.7, abs=0.5)
    # inverse filtering raises noise, most at high frequency
    flat = {k: results["methods"][k]["flat"] for k in ("inverse", BLURRED)}
    assert flat["inverse"]["relative_sd"] > 2 * flat[BLURRED]["relative_sd"]


def test_the_marks_count_contrast_that_is_lost():
    """A restorer that leaves faint edges at half of their step has the same TTF, but not the same marks."""

    class Faint(Inverse):
        def restore(self, frame, degradation, **told):
            image = super().restore(frame, degradation).image
            level = float(np.median(image))
            faint = float(np.ptp(frame.blurred)) < 0.2 * level
            return Output(level + (0.5 if faint else 1.0) * (image - level), 0, 0, 0)

    recipe = F.FourierRecipe(exposure_s=20.0, repeats=2, bar_repeats=2)
    family = F.edge_family(Faint("faint", "half", None), recipe, ObjectPrior())
    kept = {t["contrast"]: t["contrast_kept"] for t in family["transfers"] if "contrast_kept" in t}
    assert kept[0.80] == pytest.approx(1, abs=0.02) and kept[0.05] == pytest.approx(0.5, abs=0.03)
    assert family["contrast_dependence"] is not None and family["contrast_dependence"] < 0.7


def test_what_marks_judge_gets_all_repeats_and_its_peers_some():
    recipe = F.FourierRecipe(1.0, 200, peer_repeats=24)
    assert recipe.of("coldray") is recipe and recipe.of("blurred") is recipe
    assert recipe.of("wiener").repeats == 24
    assert F.FourierRecipe(1.0, 10).of("wiener").repeats == 10
