"""Efficiency of methods on flats: linear ones keep all, and what is lost predicts the observer's loss."""

import numpy as np
import pytest

from coldray.benchmark.paper import efficiency as E
from coldray.benchmark.paper.contestants import BLURRED, WIENER, Contestant, Output, classical
from coldray.benchmark.paper.detection import CELLS
from coldray.metrology.efficiency import EDGES_CYCLES_PX, Efficiency
from coldray.physics.prior import ObjectPrior


def constant(eta):
    rings = len(EDGES_CYCLES_PX) - 1
    middle = tuple((np.array(EDGES_CYCLES_PX[1:]) + EDGES_CYCLES_PX[:-1]) / 2)
    return Efficiency(middle, (1.0,) * rings, (0.0,) * rings, (eta,) * rings, (0.0,) * rings, 9, 1, 1.0, 1.0, 0.0)


class Limiter(Contestant):
    """Keeps the sign of every deviation alone."""

    def __init__(self):
        super().__init__("limiter", "limiter", None)

    def restore(self, frame, degradation, *, exposure_s=None, random_state=(0,)):
        mean = frame.blurred.mean()
        return Output((mean + 0.004 * np.sign(frame.blurred - mean)).astype(np.float32), 0.0, 0.0, 0)


def test_linear_methods_are_lossless_and_others_are_not():
    by_key = {c.key: c for c in classical()}
    rows = E.measure_efficiency([by_key[BLURRED], by_key[WIENER], Limiter()], (0.25,), 6, ObjectPrior())
    raw, wiener, limiter = rows
    assert raw["lowest"] == pytest.approx(1, abs=1e-3) and raw["lossless"]
    assert wiener["eta"][3] > 0.95
    assert limiter["lowest"] < 0.9 and not limiter["lossless"]
    assert max(p["difference"] for p in limiter["predicted"]) < 0
    assert all(abs(p["difference"]) < 1e-3 for p in raw["predicted"])


def test_predicted_indices_fall_with_the_root_of_the_efficiency():
    from scipy.special import ndtri

    whole, quarter = (E.predicted_losses(constant(eta), 1.0) for eta in (1.0, 0.25))
    for a, b in zip(whole, quarter, strict=True):
        assert a["difference"] == pytest.approx(0, abs=1e-12)
        assert ndtri(b["auc"]) / ndtri(a["auc"]) == pytest.approx(0.5, rel=1e-6)
    assert [(p["task"], p["cnr"]) for p in whole] == list(CELLS)
    aucs = [p["auc_raw"] for p in whole if p["task"] == "void"]
    assert aucs == sorted(aucs)


def test_agreement_is_a_straight_line():
    x = np.linspace(-0.2, 0, 12)
    found = E.agreement(x, 0.9 * x - 0.01)
    assert found["slope"] == pytest.approx(0.9)
    assert found["intercept"] == pytest.approx(-0.01)
    assert found["cells"] == 12
