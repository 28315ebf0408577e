"""What exposure is saved: closed forms, and every curve of the figure."""

import numpy as np
import pytest

from coldray.benchmark.paper import words, worth
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, THIN_RAW, WIENER
from coldray.benchmark.paper.figures import worth_figure
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.run import line_up
from coldray.benchmark.paper.scenes import BoardSet, paper_pair
from coldray.metrology.tasks import disc
from coldray.physics.prior import ObjectPrior
from coldray.simulation.paper import PITCH_MM

EXPOSURES_S = (1.0, 0.25, 0.0625)


def rows_of(gains_db):
    """Boards whose score is 30 dB + 10 log10 exposure for the thin screen, and a gain above it for the method."""
    return [
        {"method": key, "board": str(board), "exposure_s": e, "psnr_db_truth": 30 + 10 * np.log10(e) + gain}
        for board, by_key in enumerate(gains_db)
        for key, gain in by_key.items()
        for e in EXPOSURES_S
    ]


@pytest.mark.parametrize("gain", [0.0, 3.0, 9.0])
def test_a_gain_in_decibels_is_a_factor_of_exposure(gain):
    rows = rows_of([{THIN_RAW: 0.0, DEFAULT: gain}, {THIN_RAW: 2.0, DEFAULT: 2.0 + gain}])
    found = worth.saved(rows, DEFAULT, THIN_RAW, "psnr_db_truth")
    assert found["factor"]["mean"] == pytest.approx(10 ** (gain / 10)) and found["factor"]["count"] == 2
    assert found["factor"]["low"] == pytest.approx(found["factor"]["high"])
    assert (found["reached"], found["at_least"], found["never"]) == (2, 0, 0)


def test_what_is_beyond_the_exposures_is_a_bound_and_no_number():
    rows = rows_of([{THIN_RAW: 0.0, DEFAULT: 15.0}, {THIN_RAW: 0.0, DEFAULT: 3.0}])
    found = worth.saved(rows, DEFAULT, THIN_RAW, "psnr_db_truth")
    assert found["factor"] is None and found["at_least"] == 1 and found["least"] == pytest.approx(10**0.3)
    rows = rows_of([{THIN_RAW: 0.0, DEFAULT: -1.0}, {THIN_RAW: 0.0, DEFAULT: 3.0}])
    found = worth.saved(rows, DEFAULT, THIN_RAW, "psnr_db_truth")
    assert found["factor"] is None and found["never"] == 1 and found["least"] is None


def test_detection_saves_what_makes_the_index_equal():
    found = worth.detection_saved((4, 16))
    pair = paper_pair()
    for width, factor in zip((4, 16), found["saved"], strict=True):
        task = disc(width * PITCH_MM, worth.VOID_CONTRAST)
        there, wanted = worth.void_index(pair.blurred, task, 1.0 / factor), worth.void_index(pair.sharp, task, 1.0)
        assert there == pytest.approx(wanted, rel=1e-3)
    # what the thick screen absorbs more counts for what is large; its blur for what is small
    assert found["saved"][1] > max(found["saved"][0], 1)


def test_the_ideal_observer_has_the_quanta_of_a_frame():
    """Twice the exposure is twice d' squared, where the electronics do not count."""
    task = disc(8 * PITCH_MM, worth.VOID_CONTRAST)
    one, two = (worth.void_index(paper_pair().blurred, task, e) for e in (4.0, 8.0))
    assert two / one == pytest.approx(np.sqrt(2), rel=0.01)


@pytest.fixture(scope="module")
def measured(fake):
    line = [c for c in line_up(fake(), {}, PaperSettings()) if c.key in worth.CONTENDERS]
    boards = BoardSet(("handheld",), 1, 128, 31)
    said = []
    found = worth.measure_worth(
        line, boards, ObjectPrior(), exposures_s=(1.0, 0.05), loadings_mg_cm2=(33.91, 134.55), loading_exposures_s=(0.25,),
        say=said.append,
    )  # fmt: skip
    assert len(said) == 2
    return found, {c.key: c.to_json() for c in line}


def test_every_row_has_its_curves(measured):
    found, _ = measured
    assert {e["method"] for e in found["exposure"]} == set(worth.CONTENDERS)
    by = {(e["method"], e["loading_mg_cm2"]): e["psnr_db_truth"]["mean"] for e in found["loading"]}
    assert set(by) == {(m, w) for m in worth.RESTORED for w in (33.91, 134.55)}
    # the thin screen's loading is not blurred: nothing is lost but to noise
    assert by[BLURRED, 33.91] > by[BLURRED, 134.55]
    assert by[WIENER, 134.55] > by[BLURRED, 134.55]


def test_the_figure_and_the_sentences_tell_it(measured):
    found, methods = measured
    figure = worth_figure(found, methods)
    texts = [axis.get_ylabel() for axis in figure.axes] + [axis.get_xlabel() for axis in figure.axes]
    assert {"PSNR [dB]", "SSIM", "exposure [s]", "phosphor loading [mg/cm²]"} <= set(texts)
    said = words.said_of_worth({"worth": found, "methods": methods})
    assert any("thin screen, as it is" in s for s in said)
    assert words.said_of_worth({}) == []


@pytest.mark.parametrize(
    ("factor", "said"),
    [(2.43, "2.4 times less exposure"), (0.4, "2.5 times more exposure"), (0.999, "the same exposure")],
)
def test_a_saving_reads_as_a_sentence(factor, said):
    found = {"boards": 18, "factor": {"mean": factor, "low": factor / 2, "high": 2 * factor}}
    assert words._saving(found).startswith(f"with {said} (factor {factor:.2f}")
