"""A trial from make to report: readers whose skill is known, marks on and beside defects, and what is refused."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from coldray.benchmark.trial.analysis import analyse, ratings_of
from coldray.benchmark.trial.answers import Answers, Given
from coldray.benchmark.trial.documents import Defect, read_manifest, read_sealed
from coldray.benchmark.trial.package import write_trial
from coldray.benchmark.trial.report import trial_report
from coldray.errors import MeasurementError, MetadataError
from coldray.metrology.readers.merit import UNMARKED
from coldray.reports.html import to_html


@pytest.fixture
def truth(written):
    folder, sealed = written
    return read_sealed(sealed, read_manifest(folder))


def answer_of(truth, reader=0, blind=("raw",)):
    """A reader who sees every defect in one arm, and guesses in others; the guess differs from reader to reader."""
    where, rng = truth.shown_as(), np.random.default_rng([reader, 5])
    guesses = {token: int(rng.integers(1, 101)) for token in where}

    def answer(token):
        case, arm = where[token]
        defects = truth.cases[case].defects
        if truth.arms[arm] in blind:
            # a guess: a mark in the corner, where no defect is
            return {"rating": guesses[token], "marks": [{"x_px": 0, "y_px": 0, "rating": guesses[token]}]}
        marks = [{"x_px": one.x_px + 1, "y_px": one.y_px, "rating": 80 + reader} for one in defects]
        return {"rating": 80 + reader if defects else 5 * reader, "marks": marks}

    return answer


@pytest.fixture
def read(written, truth, read_all):
    folder, _ = written
    manifest = read_manifest(folder)
    for number, reader in enumerate(manifest.readers):
        read_all(manifest, reader, folder / "answers", answer_of(truth, number))
    return written


def test_a_skilled_arm_is_told_from_a_blind_one(read, truth):
    found = analyse(*read)
    assert found.readers == ("A", "B") and found.arms == ["raw", "linear"]
    told = found.to_dict()
    area, located = told["figures"]
    assert (area["figure"], located["figure"]) == ("auc", "wafroc")
    assert area["arms"][1]["value"] == 1 and located["arms"][1]["value"] == 1
    # every mark of the blind arm is false, so that no defect is found: 0 against marked controls
    assert located["arms"][0]["value"] == 0
    by_hand = []
    for reader, number in (("A", 0), ("B", 1)):
        answer = answer_of(truth, number)
        rated = [(bool(one.defects), answer(one.items["raw"])["rating"]) for one in truth.cases]
        controls, defective = ([r for has, r in rated if has is wanted] for wanted in (False, True))
        by_hand.append(np.mean([(d > c) + 0.5 * (d == c) for d in defective for c in controls]))
        assert area["arms"][0]["readers"][reader] == pytest.approx(by_hand[-1])
    difference = area["differences"][0]
    assert (difference["of"], difference["minus"]) == ("linear", "raw")
    assert difference["value"] == pytest.approx(1 - np.mean(by_hand))
    assert difference["low"] < difference["value"] < difference["high"]
    # nothing scatters in the located figure: 1 and 0 for everybody, whatever is left out
    assert located["differences"][0]["low"] is None and any("no band" in text for text in told["warnings"])


def test_the_page_says_what_it_rests_on_and_what_is_not_claimed(read):
    page = to_html(trial_report(analyse(*read), [{"role": "truth", "file": "t.json", "sha256": "0" * 64}]))
    for words in ("What is not claimed", "The defects are simulated", "linear - raw", "readers and cases like these",
                  "no band: nothing scatters", "Hillis", "Area below the ROC curve (Wilcoxon): linear minus raw", "Readers may tell an arm by"):  # fmt: skip
        assert words in page


def test_one_finished_reader_is_refused_and_may_be_taken_as_fixed(written, truth, read_all):
    folder, sealed = written
    read_all(read_manifest(folder), "A", folder / "answers", answer_of(truth))
    with pytest.raises(MeasurementError, match=r"one reader \(A\) .* let more finish, or give --fixed-readers"):
        analyse(folder, sealed)
    found = analyse(folder, sealed, readers_are_fixed=True)
    assert found.readers == ("A",) and found.figures[0].random is None and found.to_dict()["readers_are_fixed"]
    assert "reader B answered 0 of 18 images and is left out" in found.warnings
    assert (
        found.figures[0].main.components is None
        and found.figures[0].main.differences[1, 0].degrees_of_freedom == np.inf
    )
    assert "for these readers alone" in to_html(trial_report(found))


def test_simulated_readers_are_named_so(tmp_path, make, read_all):
    folder, sealed = tmp_path / "trial", tmp_path / "trial.sealed.json"
    manifest = write_trial(make(read_by="simulated"), folder, sealed)
    for number, reader in enumerate(manifest.readers):
        read_all(manifest, reader, folder / "answers", answer_of(read_sealed(sealed, manifest), number))
    found = analyse(folder, sealed)
    page = to_html(trial_report(found))
    assert found.to_dict()["read_by"] == "simulated"
    assert "2 simulated readers" in page and "what people find is not said" in page and "reads better" not in page


def test_who_answers_faster_than_people_look_is_taken_for_simulated(read):
    folder, sealed = read
    assert analyse(folder, sealed).read_by == "people"
    manifest, kept = read_manifest(folder), folder.parent / "fast"
    kept.mkdir()
    for reader in manifest.readers:
        slow, fast = Answers(manifest, reader, folder / "answers"), Answers(manifest, reader, kept)
        step = timedelta(seconds=0.9 if reader == "B" else 1.1)
        for number, answer in enumerate(slow.found):
            fast.take(answer.given, lambda number=number, step=step: datetime(2026, 1, 1, tzinfo=UTC) + number * step)
    found = analyse(folder, sealed, kept)
    assert found.read_by == "simulated"
    assert next(text for text in found.warnings if "which nobody who looks does" in text).startswith(
        "reader B answered"
    )


def test_nobody_finished_is_one_line(written):
    with pytest.raises(MeasurementError, match=r"no reader has answered every image \(A 0 of 18, B 0 of 18\)"):
        analyse(*written)


def test_a_changed_truth_is_not_analysed(read):
    folder, sealed = read
    sealed.write_text(sealed.read_text().replace('"tolerance_px": 10.0', '"tolerance_px": 99.0'))
    with pytest.raises(MetadataError, match="differs from the truth"):
        analyse(folder, sealed)


def test_without_marks_there_is_no_located_figure(written, truth, read_all):
    folder, sealed = written
    manifest = read_manifest(folder)
    for number, reader in enumerate(manifest.readers):
        answer = answer_of(truth, number)
        read_all(manifest, reader, folder / "answers", lambda token, answer=answer: {"rating": answer(token)["rating"]})
    found = analyse(folder, sealed)
    assert [one.name for one in found.figures] == ["auc"] and any("nobody marked" in text for text in found.warnings)


def test_a_mark_belongs_to_the_nearest_defect_within_reach():
    defects = [Defect(x_px=20, y_px=20, radius_px=2), Defect(x_px=30, y_px=20, radius_px=2)]

    def marks(*places):
        found = [{"x_px": x, "y_px": y, "rating": rating} for x, y, rating in places]
        return ratings_of(defects, Given(item="0" * 16, rating=100, marks=found), 3.0)

    assert marks() == [UNMARKED, UNMARKED]
    assert marks((20, 25, 7)) == [7, UNMARKED]  # on the limit: 2 + 3 pixels from the centre
    assert marks((20, 25.01, 7)) == [UNMARKED, UNMARKED]
    assert marks((24, 20, 7), (26, 20, 9)) == [7, 9]
    assert marks((20, 20, 7), (21, 20, 50), (20, 21, 3)) == [50, UNMARKED]  # the surest of several
