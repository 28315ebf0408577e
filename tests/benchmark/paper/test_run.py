"""What the quick and the full comparison consist of, and what a run says of its own cost."""

import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from coldray.app.cli import main
from coldray.benchmark.paper import run
from coldray.benchmark.paper.plan import PARTS, PaperSettings
from coldray.benchmark.paper.run import run_paper
from coldray.benchmark.paper.scenes import NOISE_FREE, BoardSet, board_scenes
from coldray.benchmark.paper.scores import TUNING_SETS
from coldray.benchmark.statistics import interval
from coldray.errors import MeasurementError
from coldray.restoration.model import load_model

KEPT = Path(__file__).parents[3] / "benchmarks" / "results" / "paper" / "results.json"
BOARDS = BoardSet(("handheld", "backplane"), 2, 128, 31)


def test_the_full_comparison_holds_the_quick_one():
    """The same rows on the same kind of boards, and of nothing less."""
    quick, full = PaperSettings(), PaperSettings.full()
    assert full.boards.names()[: quick.boards.count] == quick.boards.names()
    for name in (
        "parts",
        "exposures_s",
        "steps",
        "diffusion_steps",
        "samples",
        "peer_repeats",
        "tuning_boards",
    ):
        assert getattr(full, name) == getattr(quick, name), f"{name} decides what a row is"
    assert full.boards.size_px == quick.boards.size_px
    for field in fields(PaperSettings):
        mine, theirs = getattr(full, field.name), getattr(quick, field.name)
        if isinstance(mine, int):
            assert mine >= theirs, field.name
        elif isinstance(mine, tuple):
            assert set(mine) >= set(theirs), field.name
    widths = [w.high - w.low for w in (interval([-1.0, 1.0] * (s.boards.count // 2)) for s in (full, quick))]
    assert widths[0] <= 0.55 * widths[1], "what is asked is asked over boards"


def test_the_full_comparison_costs_what_its_help_says():
    """Five times the quick one, by the kept seconds of each method and the evaluations of its costliest parts."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    cost: dict[str, list[float]] = {}
    for row in kept["images"]:
        cost.setdefault(row["method"], []).append(row["cpu_seconds_per_mpx"])
    mean = {key: sum(values) / len(values) for key, values in cost.items()}

    def frames_of(how: PaperSettings) -> int:
        """A pair without noise comes once, the others at every exposure."""
        return sum(1 if kind == NOISE_FREE else len(how.exposures_s) for kind in how.kinds)

    def restoring_s(how: PaperSettings) -> float:
        mpx = how.boards.size_px**2 / 1e6
        scores = how.boards.count * frames_of(how) * mpx * sum(mean.values())
        drawn = sum(value for key, value in mean.items() if key.startswith("cdm"))
        steps = (
            min(how.boards.count, how.step_boards) * mpx * drawn * sum(how.diffusion_step_counts) / how.diffusion_steps
        )
        frames = {
            key: 6 * (how.repeats if key in ("blurred", "coldray") else min(how.repeats, how.peer_repeats))
            for key in mean
        }
        targets = sum(0.037 * frames[key] * value for key, value in mean.items() if not key.endswith("_mean"))
        return scores + steps + targets * len(how.fourier_exposures_s)

    quick, full = restoring_s(PaperSettings()), restoring_s(PaperSettings.full())
    ran = full if kept["command"].endswith("--full") else quick
    # where the peers' rows are kept, the run that they are of is the one that restored with everyone
    took = sum(kept.get("kept", kept)["part_cpu_seconds"].values())
    assert 0.5 * took < ran < took, "most of the time is restoring"
    assert 4 < full / quick < 6


@pytest.fixture
def parts(fake, monkeypatch):
    """A comparison of two parts; the other parts' work is left out."""
    monkeypatch.setattr(run, "measure_worth", lambda *_, **__: {"saved": []})
    settings = PaperSettings(
        parts=("worth", "steps"), exposures_s=(1.0, 0.25), boards=BOARDS, step_counts=(1, 2), diffusion_step_counts=(1, 3),
        step_boards=1, samples=2, tuning_boards=0,
    )  # fmt: skip
    results, _ = run_paper(fake(), {"mine": fake("direct"), "cdm": fake("ddim")}, settings)
    return results


def test_steps_of_conditional_diffusion_stand_beside_those_of_the_walk(parts):
    steps: dict[str, list[int]] = {}
    for entry in parts["steps"]:
        steps.setdefault(entry["sampler"], []).append(entry["steps"])
        assert (entry["kind"], entry["exposure_s"], entry["psnr_db_truth"]["count"]) == ("acquired", 0.25, 1)
    drawn = [name for name in steps if name.startswith("CDM that answers with the noise")]
    assert {name.rpartition(", ")[2] for name in drawn} == {"one sample", "mean of 2"}
    assert all(steps[name] == [1, 3] for name in drawn)
    assert all(found == [1, 2] for name, found in steps.items() if name not in drawn)
    assert all(a < b for found in steps.values() for a, b in pairwise(found))


def test_numbers_do_not_depend_on_the_processes():
    """Nor does what cannot be measured: two flats are too few for an efficiency."""
    settings = PaperSettings(
        parts=("scores", "efficiency"),
        exposures_s=(0.25,),
        kinds=("acquired",),
        boards=BOARDS,
        tuning_boards=0,
        flats=2,
    )
    (alone, pictures), (shared, others) = (
        run_paper(load_model(None), None, settings, workers=workers) for workers in (1, 2)
    )
    assert alone["processes"] == 1 and shared["processes"] == 2

    def told(results):
        """What is no time."""
        rows = [{k: v for k, v in row.items() if "seconds" not in k} for row in results["images"]]
        return rows, results["paired"], results["failed"], results["ceiling"]

    assert told(alone) == told(shared)
    assert pictures["images"].keys() == others["images"].keys()
    assert all(np.array_equal(image, others["images"][key]) for key, image in pictures["images"].items())
    assert 0 < shared["part_cpu_seconds"]["scores"] < shared["cpu_seconds"]


def test_progress_rises_to_all_of_the_work(fake):
    told = []
    settings = PaperSettings(
        parts=("steps", "worth"), boards=BoardSet(count=1, size_px=128), step_counts=(1, 2), tuning_boards=0
    )
    run_paper(fake(), None, settings, progress=lambda *done: told.append(done))
    assert told == sorted(told) and told[0][0] < 10 and told[-1] == (100, 100)


def test_every_part_says_its_core_time(parts):
    assert set(parts["part_cpu_seconds"]) == {"worth", "steps"} < set(PARTS)
    assert 0 < parts["part_cpu_seconds"]["steps"] <= parts["cpu_seconds"]


def test_a_part_measures_the_filters_of_the_whole(fake, monkeypatch):
    """Options that are chosen on validation boards hold for every part, not for the scores alone."""
    monkeypatch.setattr(run, "_fourier", lambda *_: [])
    settings = PaperSettings(parts=("fourier",), exposures_s=(0.25,), tuning_boards=1)
    results, _ = run_paper(fake(), None, settings)
    assert {key for key, told in results["methods"].items() if told["options_by_exposure_s"]} == set(TUNING_SETS)


def test_a_part_that_cannot_be_measured_takes_no_other_along(fake, monkeypatch, tmp_path, capsys):
    def refuses(*_, **__):
        raise MeasurementError("nothing stands out")

    monkeypatch.setattr(run, "measure_worth", refuses)
    monkeypatch.setattr(run, "quality_by_steps", lambda *_: [])
    monkeypatch.setattr(run.scores, "tune", lambda *_, **__: {})
    monkeypatch.setattr("coldray.restoration.model.load_model", lambda source=None: fake())
    monkeypatch.setattr("coldray.benchmark.paper.contestants.peers", lambda others: {})
    with pytest.raises(SystemExit) as left:
        main(["benchmark", "paper", "-o", str(tmp_path), "--part", "worth", "--part", "steps"])
    assert left.value.code == 1
    said = "not measured: worth: nothing stands out"
    assert said in capsys.readouterr().out and said in (tmp_path / "report.html").read_text()
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept["failed"] == [said] and kept["steps"] == [] and "worth" not in kept


def test_the_first_boards_of_a_set_do_not_depend_on_its_size():
    one, two = (next(board_scenes(BoardSet(BOARDS.families, n, 128, 31), (1.0,)))[0] for n in (1, 2))
    assert one.blurred.tobytes() == two.blurred.tobytes()
