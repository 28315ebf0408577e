"""The whole comparison: what is run for how long, in what order, and everything it gives as one JSON-able result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.benchmark.paper import fourier, scores
from coldray.benchmark.paper.contestants import (
    DEFAULT,
    DIFFUSION,
    WIENER,
    Contestant,
    absent,
    classical,
    extra,
    in_order,
    learned,
    updates,
)
from coldray.benchmark.paper.conventions import conventions
from coldray.benchmark.paper.effort import effort_of_all, effort_of_inspection
from coldray.benchmark.paper.inspector import inspected
from coldray.benchmark.paper.marks import judge_marks
from coldray.benchmark.paper.path import Pictures, path_of
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.record import Entry, Fourier, Results, Row
from coldray.benchmark.paper.scenes import ACQUIRED, Scene, board_scenes, judge_scenes
from coldray.benchmark.paper.worth import measure_worth
from coldray.document import Json, as_table
from coldray.errors import MeasurementError, SettingsError
from coldray.metrology.metrics import Convention, psnr_db
from coldray.physics.prior import ObjectPrior
from coldray.processes import Crew
from coldray.restoration.model import Model

Say = Callable[[str], None]
Shown = tuple[Scene, dict[str, NDArray[np.float32]]]
"""A scene and what every method made of it."""


def line_up(model: Model, others: Mapping[str, Model], settings: PaperSettings) -> list[Contestant]:
    """Everyone who takes part, untuned."""
    found = [*classical(), *learned(model, settings.steps)]
    for name, other in others.items():
        found += extra(name, other, settings.steps, settings.diffusion_steps, settings.samples)
    if len({c.key for c in found}) != len(found):
        raise SettingsError("two models have one name, or the name of a method; give each -m NAME=FILE its own")
    return in_order(found)


def head(
    model: Model, others: Mapping[str, Model], settings: PaperSettings, contestants: Sequence[Contestant]
) -> Results:
    """What every comparison says of itself: conventions, settings, models, who takes part and who does not."""
    return {
        "coldray": __version__,
        "benchmark": "paper",
        "convention": conventions(),
        "settings": asdict(settings),
        "model": {
            **model.named(),
            "updates": updates(as_table(model.header.get("training", {}))),
        },
        "methods": {c.key: c.to_json() for c in contestants},
        "absent": absent(others),
    }


def run_paper(
    model: Model, others: Mapping[str, Model] | None = None, settings: PaperSettings | None = None, *,
    judge: Path | None = None, say: Say = lambda _: None, workers: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Results, Pictures]:  # fmt: skip
    """Run the comparison.

    Parameters
    ----------
    model : Model
        Main model; must fit the cold sampler.
    others : mapping of str to Model, optional
        Further models by name: regression, conditional diffusion, cold diffusion on another network.
    settings : PaperSettings, optional
        Quick ones by default.
    judge : Path, optional
        File of frozen pairs that is scored beside the drawn boards.
    say : callable
        Told what happens next.
    workers : int
        Processes; no number depends on them but times.
    progress : callable
        Told how many of 100 parts of the work are done.

    Returns
    -------
    results : dict
        Every number with its convention; JSON-able.
    pictures : dict
        Of one board: "scene", "images" by key, and the "path" of Fig. 1; empty without the part "scores".
    """
    how = settings or PaperSettings()
    began, cpu = time.perf_counter(), time.process_time()
    beside = others or {}
    work = effort_of_all(how, line_up(model, beside, how), step_line_up(model, beside, how))
    with Crew(workers, _counter(work, progress)) as crew:
        results, pictures = _run(model, beside, how, judge, say, crew)
    results["marks"] = judge_marks(results)
    results |= cost(began, cpu, crew, workers)
    return results, pictures


def _counter(total: float, progress: Callable[[int, int], None]) -> Callable[[float], None]:
    """Adds up work that is done, and tells how many of 100 parts of the whole that is."""
    done = 0.0

    def add(work: float) -> None:
        nonlocal done
        done += work
        progress(min(100, round(100 * done / total)), 100)

    return add


def _run(
    model: Model, others: Mapping[str, Model], how: PaperSettings, judge: Path | None, say: Say, crew: Crew
) -> tuple[Results, Pictures]:
    """All parts that are asked for, one after the other."""
    prior = model.prior
    contestants = line_up(model, others, how)
    tuned: dict[str, dict[float, dict[str, Json]]] = {}
    results: Results = {}
    if how.tuning_boards and set(how.parts) - {"steps"}:
        say("tuning the linear baselines on validation boards")
        with timed(results, "tuning", crew):
            tuned = scores.tune(contestants, how.exposures_s, prior, boards=how.tuning_boards, say=say)
    contestants = [replace(c, by_exposure=tuned.get(c.key, {})) for c in contestants]
    results |= head(model, others, how, contestants)
    pictures: Pictures = {}
    if "scores" in how.parts:
        with timed(results, "scores", crew):
            found, candidates = _scores(contestants, how, judge, prior, say, crew)
            results |= found
            pictures |= typical(candidates, model, others, how.steps)
    if "worth" in how.parts:
        with timed(results, "worth", crew):
            results["worth"] = measure_worth(contestants, how.boards, prior, say=say, crew=crew)
    if "steps" in how.parts:
        say("quality against steps")
        with timed(results, "steps", crew):
            results["steps"] = quality_by_steps(model, others, how, crew)
    if "fourier" in how.parts:
        with timed(results, "fourier", crew):
            results["fourier"] = _fourier(contestants, how, prior, say, crew)
    _add_inspector(results, model, contestants, how, say, crew)
    return results, pictures


def cost(began_s: float, began_core_s: float, crew: Crew, workers: int) -> Results:
    """What a comparison took since the wall clock and the processor time of its start [s], in so many processes."""
    return {
        "seconds": time.perf_counter() - began_s,
        "cpu_seconds": time.process_time() - began_core_s + crew.core_seconds,
        "processes": workers,
    }


@contextmanager
def timed(results: Results, part: str, crew: Crew) -> Iterator[None]:
    """Note the core time that a part took [s]; one that cannot be measured is noted and takes no other along."""
    began = time.process_time() + crew.core_seconds
    try:
        yield
    except MeasurementError as problem:
        _note_failure(results, part, problem)
    spent = time.process_time() + crew.core_seconds - began
    results.setdefault("part_cpu_seconds", {})[part] = spent


def _note_failure(results: Results, part: str, problem: MeasurementError) -> None:
    results["failed"] = [*results.get("failed", []), f"not measured: {part}: {problem}"]


def _fourier(
    contestants: Sequence[Contestant], how: PaperSettings, prior: ObjectPrior, say: Say, crew: Crew
) -> list[Fourier]:
    """Transfer, noise and bars at every exposure asked for, of all but means of draws."""
    return [
        fourier.measure(fourier.targeted(contestants), recipe, prior, say, crew) for recipe in fourier.recipes_of(how)
    ]


def _add_inspector(
    results: Results, model: Model, contestants: Sequence[Contestant], how: PaperSettings, say: Say, crew: Crew
) -> None:
    """What an inspector asks, each part by a process of the crew: detectability, what is left of faint details, trust."""
    asked = {
        "trust": "trust tests", "efficiency": "detection efficiency on flats", "detection": "detectability of voids and cracks",
    }  # fmt: skip

    def announced() -> Iterator[str]:
        for part, words in asked.items():
            if part in how.parts:
                say(words)
                yield part

    by_key = {c.key: c for c in contestants}
    for part, found, core_s in crew.map(
        partial(inspected, model, by_key, how), announced(), lambda part: effort_of_inspection(part, how)
    ):
        results.setdefault("part_cpu_seconds", {})[part] = core_s
        if isinstance(found, MeasurementError):
            _note_failure(results, part, found)
        else:
            results |= found


def _scores(
    contestants: Sequence[Contestant], how: PaperSettings, judge: Path | None, prior: ObjectPrior, say: Say, crew: Crew
) -> tuple[Results, list[Shown]]:
    """Image quality on drawn boards and on the frozen pairs, and the boards that may be shown."""
    references: list[Scene] = []
    sources = [board_scenes(how.boards, how.exposures_s, how.kinds)]
    if judge is not None:
        sources.append(judge_scenes(judge, how.exposures_s))
    shown_exposure = sorted(how.exposures_s)[len(how.exposures_s) // 2]
    shown: list[Scene] = []

    def heats() -> Iterator[scores.Heat]:
        numbers = count()
        for scenes in chain(*sources):
            say(f"image quality: {scenes[0].board}" + (" (frozen pairs)" if scenes[0].kind == "judge" else ""))
            references.extend(s for s in scenes[:1] if s.halves is not None)
            for scene in scenes:
                wanted = scene.exposure_s == shown_exposure and scene.kind == how.kinds[-1]
                shown.extend([scene] if wanted else [])
                yield scene, next(numbers), wanted

    made = list(scores.score_heats(heats(), contestants, prior, crew))
    rows: list[Row] = [row for found, _ in made for row in found]
    candidates = list(zip(shown, (images for _, images in made if images), strict=True))
    labels = {c.key: c.label for c in contestants}
    found = scores.comparisons(rows, labels)
    results: Results = {
        "ceiling": scores.ceiling(references),
        "summary": scores.summarise(rows),
        "paired": found,
        "exposures": scores.exposure_exchange(rows, labels),
        "verdicts": scores.headline(found),
        "images": rows,
    }
    return results, candidates


def typical(candidates: Sequence[Shown], model: Model, others: Mapping[str, Model], steps: int) -> Pictures:
    """The board whose gain of the default over NPS-Wiener is the median: its "scene", its "images" by key, its "path"."""

    def gain(candidate: Shown) -> float:
        scene, images = candidate
        ours, linear = (psnr_db(images[key], scene.truths["truth"], Convention()) for key in (DEFAULT, WIENER))
        return ours - linear

    ordered = sorted(candidates, key=gain)
    if not ordered:
        return {}
    scene, images = ordered[(len(ordered) - 1) // 2]
    return {"scene": scene, "images": images, "path": path_of(scene, model, others, steps)}


def step_line_up(model: Model, others: Mapping[str, Model], how: PaperSettings) -> list[Contestant]:
    """The samplers of quality against steps, by every number of steps."""
    samplers = [
        ("cold, K = 1", "cold", "paper"), ("cold, K calibrated", "cold", "calibrated"), ("InDI", "indi", "calibrated")
    ]  # fmt: skip
    walks = [
        Contestant(f"{label}|{steps}", label, method, {"steps": steps}, model, gain)
        for label, method, gain in samplers
        for steps in how.step_counts
    ]
    return walks + [
        replace(c, key=f"{c.label}|{steps}")
        for steps in how.diffusion_step_counts
        for name, other in others.items()
        if other.header["method"] in DIFFUSION
        for c in extra(name, other, how.steps, steps, how.samples)
    ]


def quality_by_steps(
    model: Model, others: Mapping[str, Model], how: PaperSettings, crew: Crew | None = None
) -> list[Entry]:
    """Scores of the samplers over the number of steps, on acquired pairs of the first test boards."""
    contestants = step_line_up(model, others, how)
    boards = replace(how.boards, count=min(how.boards.count, how.step_boards))
    exposures = how.exposures_s[1:2] or how.exposures_s
    heats = (
        (scene, number, False)
        for number, scenes in enumerate(board_scenes(boards, exposures, (ACQUIRED,)))
        for scene in scenes
    )
    rows = [r for found, _ in scores.score_heats(heats, contestants, model.prior, crew or Crew()) for r in found]
    return [
        {**entry, "sampler": sampler, "steps": int(taken)}
        for entry in scores.summarise(rows)
        for sampler, taken in [entry["method"].split("|")]
    ]
