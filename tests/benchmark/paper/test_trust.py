"""Trust tests have teeth: restorers that are wrong on purpose are caught, a plain Wiener filter is not."""

from dataclasses import replace

import numpy as np
import pytest

from coldray.benchmark.paper import questions, strangers, trust
from coldray.benchmark.paper.contestants import DEFAULT, WIENER, Contestant, Output, learned
from coldray.benchmark.paper.controls import Memoriser, Smoother
from coldray.benchmark.paper.scenes import VALIDATION_FAMILIES, BoardSet, paper_pair
from coldray.objects.defects import Defect
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.restoration.model import load_model

PRIOR = ObjectPrior()
WIENER_FILTER = Contestant(WIENER, "Wiener", "wiener")
BOARDS = BoardSet(("handheld", "chip_on_board"), 2, 192, 31)


@pytest.fixture(scope="module")
def recipe():
    return trust.TrustRecipe(pairs=6, boards=BOARDS, flats=6, flat_exposures_s=(0.25,))


@pytest.fixture(scope="module")
def boards():
    return [image for _, image in BOARDS.sharp_truths()]


@pytest.fixture(scope="module")
def parts():
    return list(trust.removed_parts(BOARDS))


def test_inserted_defects_are_lost_by_smoothing_only(boards, recipe):
    # enough pairs for the marks of two restorers to differ by more than their noise on any board
    many = replace(recipe, pairs=24)
    kept, lost = (trust.insertion(c, boards, many, PRIOR) for c in (WIENER_FILTER, Smoother()))
    strong = [{(c["task"], c["cnr"]): c["amplitude"]["mean"] for c in r["cells"]}["void", 5.0] for r in (kept, lost)]
    assert strong[0] > 0.6 and strong[1] < 0.6 * strong[0]
    assert lost["lowest_bound"] < kept["lowest_bound"]
    assert not lost["passed"] and len(kept["cells"]) == 6


def test_removed_parts_differ_where_they_should(parts):
    assert parts
    for _, sound, faulty, windows in parts:
        inside = np.zeros(sound.shape, dtype=bool)
        for kind, window in windows:
            assert kind in trust.REMOVED_KINDS
            inside[window] = True
            assert np.abs(sound[window] - faulty[window]).max() > 0.005
        assert windows and np.abs((sound - faulty)[inside]).sum() > 0


def test_removed_parts_are_drawn_back_by_memory_only(parts, recipe):
    honest, golden = (trust.removal(c, parts, recipe, PRIOR) for c in (WIENER_FILTER, Memoriser()))
    assert golden["drawn_back"]["mean"] > 0.25 > trust.DRAWN_BACK > honest["drawn_back"]["mean"]
    assert not golden["passed"]
    assert honest["contrast_kept"] > 0.7 and honest["parts"] >= 2
    kinds = golden["by_kind"].values()
    assert sum(kind["parts"] for kind in kinds) == golden["parts"]
    pooled = sum(kind["drawn_back"] * kind["power"] for kind in kinds) / sum(kind["power"] for kind in kinds)
    assert min(golden["by_board"]) <= pooled <= max(golden["by_board"])


def test_a_part_that_leaves_no_trace_is_none(monkeypatch):
    def hidden(maps, count, rng, kinds):
        mask = np.ones((40, 40), dtype=bool)
        return maps, tuple(Defect(kind, (96 + 64 * n, 200, 40, 40), mask, 0.1, ("Cu",)) for n, kind in enumerate(kinds))

    monkeypatch.setattr(trust, "add_defects", hidden)
    assert list(trust.removed_parts(BOARDS)) == []


def test_matched_contrast_of_white_noise_is_energy_over_variance():
    """d^2 = sum of squares over the variance of one pixel, whatever the shape; colour counts where the difference lies."""
    pitch, sd = 0.05, 0.02
    white = NoiseModel(FrequencyCurve(np.array([0.0, 100.0]), np.zeros(2)), (sd * pitch) ** 2, pitch)
    shape = np.random.default_rng(3).normal(0, 0.01, (24, 31))
    assert trust.matched_contrast(shape, white, 0.4) == pytest.approx(np.sqrt((shape**2).sum()) / sd, rel=1e-9)
    detector = NoiseModel.of_detector(paper_pair().blurred, 1.0)
    fine = np.indices((32, 32)).sum(axis=0) % 2 - 0.5
    coarse = np.where(np.arange(32) < 16, 0.5, -0.5)[:, None] * np.ones(32)
    assert trust.matched_contrast(fine, detector, 0.4) > 2 * trust.matched_contrast(coarse, detector, 0.4)
    four = trust.matched_contrast(coarse, detector.scaled(0.25), 0.4)
    assert four == pytest.approx(2 * trust.matched_contrast(coarse, detector, 0.4), rel=1e-9)


def test_classes_of_contrast_share_out_all_parts():
    rng = np.random.default_rng(5)
    found = [
        trust.Drawn(*map(float, rng.normal(0, 1, 2)), float(rng.uniform(1, 2)), float(c))
        for c in rng.uniform(0, 40, 60)
    ]
    told = trust.told_of_kind([*found, trust.Drawn(0.0, 1.0, 1.0, 3.0)])
    classes = told["by_contrast"]
    assert [c["contrast_from"] for c in classes] == [0, 3, 6, 12, 25] and classes[-1]["contrast_to"] is None
    assert sum(c["parts"] for c in classes) == told["parts"] == 61
    assert sum(c["power"] * c["drawn_back"] for c in classes) == pytest.approx(told["power"] * told["drawn_back"])
    assert classes[1]["parts"] == 1 + sum(3 <= part.contrast < 6 for part in found)


class Textured(Contestant):
    """Adds a faint regular texture: blanks are not blank."""

    def restore(self, frame, degradation, **told):
        rows, cols = frame.shape
        texture = 0.001 * np.cos(np.arange(rows))[:, None] * np.cos(np.arange(cols))
        return Output(np.asarray(frame.blurred + texture, dtype=np.float32), 0, 0, 0)


class Dotted(Contestant):
    """Draws dots into noise."""

    def restore(self, frame, degradation, **told):
        out = np.array(frame.blurred, dtype=np.float32)
        rng = np.random.default_rng(int(1e6 * abs(float(out[0, 0]))))
        rows, cols = rng.integers(20, 140, (2, 40))
        for r, c in zip(rows, cols, strict=True):
            out[r - 1 : r + 2, c - 1 : c + 2] += 0.2
        return Output(out, 0, 0, 0)


def test_the_default_leaves_open_what_is_open():
    """Of 18 opens in traces of validation boards the network of decision 0024 drew 0.15 of the contrast closed."""
    opened = list(trust.removed_parts(BoardSet(VALIDATION_FAMILIES, 6, 320, 31)))
    default = next(c for c in learned(load_model(None), 1) if c.key == DEFAULT)
    found = trust.removal(default, opened, trust.TrustRecipe(), ObjectPrior())["by_kind"]
    assert found["trace_open"]["parts"] >= 15 and found["trace_open"]["drawn_back"] < 0.1
    assert all(kind["drawn_back"] < 0.05 for name, kind in found.items() if name != "trace_open")
    # what is drawn closed is what the measurement hardly shows
    clear = [c for kind in found.values() for c in kind["by_contrast"] if c["contrast_from"] >= 12]
    assert sum(c["parts"] for c in clear) >= 5 and all(c["drawn_back"] < 0.1 for c in clear)


def test_a_blank_stays_blank():
    assert trust.blank(WIENER_FILTER, PRIOR, 1.0)["passed"]
    found = trust.blank(Textured("t", "t", None), PRIOR, 1.0)
    assert not found["passed"] and max(level["sd_lsb"] for level in found["levels"]) > 5


def test_a_flat_field_stays_flat(recipe):
    assert trust.flat(WIENER_FILTER, recipe, PRIOR)["passed"]
    dotted = trust.flat(Dotted("d", "d", None), recipe, PRIOR)
    assert not dotted["passed"]
    assert dotted["exposures"][0]["blobs"] > 10 * (dotted["exposures"][0]["blobs_sharp"] + 1)


def test_strangers_stand_out(boards):
    found = strangers.out_of_distribution(WIENER_FILTER, boards, 1.0, PRIOR)
    kinds = {k["kind"]: k for k in found["kinds"]}
    for kind in ("photograph", "text", "unblurred", "gain x 4", "noise x 4"):
        assert kinds[kind]["auroc"] >= 0.95, kind
    assert kinds["photograph"]["gain_over_wiener_db"] == pytest.approx(0, abs=1e-6)
    warned = strangers.out_of_distribution(WIENER_FILTER, boards[:1], 1.0, PRIOR, lambda frame, blend: ["no"])
    assert all(k["flagged"] == 1 for k in warned["kinds"])


def test_controls_are_part_of_the_run(recipe, monkeypatch):
    monkeypatch.setattr(
        questions, "insertion", lambda c, *_: {"test": "defect insertion", "passed": not isinstance(c, Smoother)}
    )
    monkeypatch.setattr(questions, "removal", lambda c, *_: {"test": "defect removal", "passed": True})
    monkeypatch.setattr(questions, "removed_parts", lambda boards: [])
    monkeypatch.setattr(BoardSet, "sharp_truths", lambda self: iter(()))
    found = questions.run_trust([], recipe, PRIOR)["controls"]
    assert found["control_smoother"]["passed"] and found["control_smoother"]["caught_by"] == ["defect insertion"]
    # a control that nothing catches fails the suite
    assert not found["control_memoriser"]["passed"]
