"""Detection in known noise: observers against closed forms; a filter that can be undone changes no ideal observer."""

import numpy as np
import pytest
from scipy.special import ndtr

from coldray.benchmark.paper import detection as D
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, Contestant, classical
from coldray.benchmark.paper.controls import Memoriser, Smoother
from coldray.benchmark.paper.scenes import paper_blend, paper_pair
from coldray.frame import Frame
from coldray.metrology.observer import crossed_scores
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior

FLAT = np.full((176, 176), 0.6, dtype=np.float32)


@pytest.fixture(scope="module")
def noise():
    return NoiseModel.of_detector(paper_pair().blurred, 1.0)


@pytest.mark.parametrize("name", list(D.TASKS))
def test_a_defect_has_its_stated_peak_over_the_noise(name, noise):
    site = D.Site(80, 90, name, 3.0)
    off = D.with_defects(FLAT, [site], noise) - FLAT
    assert off.max() == pytest.approx(3 * noise.relative_sd(0.6), rel=1e-3)
    assert np.unravel_index(off.argmax(), off.shape) == (80, 90)
    assert np.abs(off[:60]).max() == 0


def test_sites_stay_inside_and_take_all_cells_in_turn():
    sites = D.draw_sites((320, 320), np.random.default_rng(0))
    assert {(s.name, s.cnr) for s in sites} == set(D.CELLS)
    for site in sites:
        assert all(w.start >= 0 and w.stop <= 320 for w in site.window())
    assert {(s.name, s.cnr) for s in D.draw_sites((176, 176), np.random.default_rng(0), ("void", 2.0))} == {
        ("void", 2.0)
    }


def test_hotelling_scores_in_white_noise_reach_the_closed_form():
    """One channel along the signal: d' = |s| / sigma."""
    rng = np.random.default_rng(4)
    shape = D.defect_image("void")
    channel = (shape / np.sqrt(np.vdot(shape, shape)))[None]
    signal = 1.2 * channel[0]
    absent = rng.standard_normal((4000, *shape.shape))
    yes, no = crossed_scores(rng.standard_normal((4000, *shape.shape)) + signal, absent, channel)
    assert (yes.mean() - no.mean()) / no.std() == pytest.approx(1.2, abs=0.07)
    from coldray.benchmark.statistics import auc

    assert auc(yes, no) == pytest.approx(ndtr(1.2 / np.sqrt(2)), abs=0.02)


def test_an_invertible_filter_keeps_and_smoothing_loses(monkeypatch):
    monkeypatch.setattr(D, "CELLS", (("void", 5.0),))
    line = [c for c in classical() if c.key in (BLURRED, "wiener")] + [Smoother()]
    found = D.flat_detectability(line, 1.0, 72, ObjectPrior(), size_px=176)
    cells = {k: {c["observer"]: c for c in found[k]["cells"]} for k in found}
    assert cells[BLURRED]["npw"]["difference"] == 0
    assert abs(cells["wiener"]["hotelling"]["difference"]) < 0.03
    assert cells["control_smoother"]["npw"]["difference"] < -0.03
    assert cells[BLURRED]["npw"]["images"] >= 72
    assert DEFAULT not in found


def test_the_memoriser_draws_what_it_knows(noise):
    pair, rng = paper_pair(), np.random.default_rng(0)
    board = (FLAT - 0.2 * (rng.uniform(0, 1, FLAT.shape) > 0.995)).astype(np.float32)
    frame = Frame(np.asarray(Frame(FLAT, pair, noise).operator(paper_blend())(FLAT)), pair, noise)
    control = Memoriser()
    assert np.abs(control.restore(frame, paper_blend()).image - FLAT).max() < 1e-4
    control.remember(board)
    drawn = control.restore(frame, paper_blend()).image
    assert np.corrcoef(drawn.ravel(), board.ravel())[0, 1] > 0.9


def test_plain_contestants_see_the_blurred_frame(noise):
    frame = D.noisy(FLAT, noise, np.random.default_rng(0), ObjectPrior())
    np.testing.assert_array_equal(Contestant(BLURRED, "", None).restore(frame, paper_blend()).image, frame.blurred)
    assert frame.blurred.std() == pytest.approx(noise.relative_sd(0.6), rel=0.1)
