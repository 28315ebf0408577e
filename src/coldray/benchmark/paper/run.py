"""The whole comparison: what is run for how long, in what order, and everything it gives as one JSON-able result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.benchmark.paper import detection, efficiency, fourier, scores, trust
from coldray.benchmark.paper.contestants import (
    BLURRED,
    DEFAULT,
    DETAIL,
    DIFFUSION,
    UNGATED,
    VAN_CITTERT,
    WIENER,
    WIENER_TV,
    Contestant,
    absent,
    classical,
    extra,
    in_order,
    learned,
    updates,
)
from coldray.benchmark.paper.conventions import conventions
from coldray.benchmark.paper.marks import judge_marks
from coldray.benchmark.paper.path import Pictures, path_of
from coldray.benchmark.paper.questions import run_trust
from coldray.benchmark.paper.record import Entry, Fourier, Results, Row
from coldray.benchmark.paper.scenes import ACQUIRED, EXPOSURES_S, KINDS, BoardSet, Scene, board_scenes, judge_scenes
from coldray.benchmark.paper.worth import measure_worth
from coldray.document import Json, as_table
from coldray.errors import MeasurementError, SettingsError
from coldray.frame import Frame
from coldray.metrology.metrics import Convention, psnr_db
from coldray.physics.prior import ObjectPrior
from coldray.plugins import Degradation
from coldray.restoration.model import Model

PARTS = ("scores", "worth", "steps", "fourier", "detection", "efficiency", "trust")
Say = Callable[[str], None]
Shown = tuple[Scene, dict[str, NDArray[np.float32]]]
"""A scene and what every method made of it."""


@dataclass(frozen=True)
class PaperSettings:
    """How much is run.

    Parameters
    ----------
    parts : tuple of str
        Some of `PARTS`.
    exposures_s : tuple of float
        Exposures of the blurred frames [s].
    kinds : tuple of str
        Some of `KINDS`, Eq. 1 with and without noise, and acquired pairs.
    boards : BoardSet
        Test boards.
    tuning_boards : int
        Validation boards on which the linear baselines are tuned; 0 leaves them at their defaults.
    steps : int
        Of the iterated samplers.
    diffusion_steps, samples : int
        DDIM steps of conditional diffusion and draws in its mean.
    step_counts, diffusion_step_counts : tuple of int
        For quality against steps: of the samplers on the main network, and of conditional diffusion.
    step_boards : int
        Boards of quality against steps, the first ones.
    fourier_exposures_s : tuple of float
    repeats, bar_repeats : int
        Noise realisations of edges and flats, and of bars.
    peer_repeats : int
        At most so many of `repeats` for all but the default and the blurred frame.
    pairs : int
        Images with and without a defect per cell, in detection and in the trust tests.
    flats : int
        Noise realisations per exposure of the flat-field test and of the detection efficiency.
    """

    parts: tuple[str, ...] = PARTS
    exposures_s: tuple[float, ...] = EXPOSURES_S
    kinds: tuple[str, ...] = KINDS
    boards: BoardSet = field(default_factory=BoardSet)
    tuning_boards: int = 4
    steps: int = 4
    diffusion_steps: int = 10
    samples: int = 8
    step_counts: tuple[int, ...] = (1, 2, 4)
    diffusion_step_counts: tuple[int, ...] = ()
    step_boards: int = 6
    fourier_exposures_s: tuple[float, ...] = (1.0,)
    repeats: int = 24
    bar_repeats: int = 12
    peer_repeats: int = 24
    pairs: int = 200
    flats: int = 40

    def __post_init__(self) -> None:
        if unknown := set(self.parts) - set(PARTS):
            raise SettingsError(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        if not self.kinds or set(self.kinds) - set(KINDS):
            raise SettingsError(f"kinds of pair {', '.join(self.kinds) or 'none'}; there are {', '.join(KINDS)}")

    @classmethod
    def full(cls) -> PaperSettings:
        """As large as the questions need: three times the boards, since intervals are over boards.

        Rows are those of the quick comparison, on boards of the same size. Noise is repeated more often where a mark is judged by
        it, not for peers; more steps of conditional diffusion, the costliest rows, are asked on a few boards at one exposure.
        """
        return cls(
            boards=BoardSet(count=18),
            step_counts=(1, 2, 4, 10, 20),
            diffusion_step_counts=(10, 50),
            fourier_exposures_s=(1.0, 0.05),
            repeats=200,
            pairs=400,
            flats=100,
        )


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
    judge: Path | None = None, say: Say = lambda _: None,
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

    Returns
    -------
    results : dict
        Every number with its convention; JSON-able.
    pictures : dict
        Of one board: "scene", "images" by key, and the "path" of Fig. 1; empty without the part "scores".
    """
    how = settings or PaperSettings()
    began, cpu = time.perf_counter(), time.process_time()
    prior = model.prior
    contestants = line_up(model, others or {}, how)
    tuned: dict[str, dict[float, dict[str, Json]]] = {}
    results: Results = {}
    if how.tuning_boards and "scores" in how.parts:
        say("tuning the linear baselines on validation boards")
        with timed(results, "tuning"):
            tuned = scores.tune(contestants, how.exposures_s, prior, boards=how.tuning_boards, say=say)
    contestants = [replace(c, by_exposure=tuned.get(c.key, {})) for c in contestants]
    by_key = {c.key: c for c in contestants}
    results |= head(model, others or {}, how, contestants)
    pictures: Pictures = {}
    if "scores" in how.parts:
        with timed(results, "scores"):
            found, candidates = _scores(contestants, how, judge, prior, say)
            results |= found
            pictures |= typical(candidates, model, others or {}, how.steps)
    if "worth" in how.parts:
        with timed(results, "worth"):
            results["worth"] = measure_worth(contestants, how.boards, prior, say=say)
    if "steps" in how.parts:
        say("quality against steps")
        with timed(results, "steps"):
            results["steps"] = quality_by_steps(model, others or {}, how)
    if "fourier" in how.parts:
        with timed(results, "fourier"):
            results["fourier"] = _fourier(contestants, how, prior, say)
    _add_inspector(results, model, by_key, how, say)
    results["marks"] = judge_marks(results)
    results |= {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    return results, pictures


@contextmanager
def timed(results: Results, part: str) -> Iterator[None]:
    """Note the core time that a part took [s]; one that cannot be measured is noted and takes no other along."""
    began = time.process_time()
    try:
        yield
    except MeasurementError as problem:
        results["failed"] = [*results.get("failed", []), f"not measured: {part}: {problem}"]
    results.setdefault("part_cpu_seconds", {})[part] = time.process_time() - began


def _fourier(contestants: Sequence[Contestant], how: PaperSettings, prior: ObjectPrior, say: Say) -> list[Fourier]:
    """Transfer, noise and bars at every exposure asked for, of all but means of draws."""
    measured = [c for c in contestants if not c.key.endswith("_mean")]
    recipes = [fourier.FourierRecipe(e, how.repeats, how.bar_repeats, peer_repeats=how.peer_repeats)
               for e in how.fourier_exposures_s]  # fmt: skip
    return [fourier.measure(measured, recipe, prior, say) for recipe in recipes]


def _add_inspector(
    results: Results, model: Model, by_key: Mapping[str, Contestant], how: PaperSettings, say: Say
) -> None:
    """What an inspector asks: detectability, what is left of faint details, trust."""
    if "detection" in how.parts:
        say("detectability of voids and cracks")
        seekers = [by_key[k] for k in (BLURRED, WIENER, WIENER_TV, VAN_CITTERT, DETAIL, DEFAULT)]
        with timed(results, "detection"):
            results["detection"] = {
                "exposure_s": 1.0, "cnr": list(detection.CNRS),
                "methods": detection.flat_detectability(seekers, 1.0, how.pairs, model.prior),
            }  # fmt: skip
    if "efficiency" in how.parts:
        say("detection efficiency on flats")
        shown = [by_key[k] for k in (WIENER, VAN_CITTERT, DETAIL, UNGATED, DEFAULT)]
        with timed(results, "efficiency"):
            results["efficiency"] = efficiency.measure_efficiency(shown, how.exposures_s, how.flats, model.prior)
    if "trust" in how.parts:
        recipe = trust.TrustRecipe(
            pairs=how.pairs, boards=replace(how.boards, count=min(how.boards.count, 12)), flats=how.flats
        )
        from coldray.channels import conditions

        def warnings_for(frame: Frame, degradation: Degradation) -> list[str]:
            return model.warnings_for(conditions(frame, degradation))

        with timed(results, "trust"):
            results["trust"] = run_trust([by_key[WIENER], by_key[DEFAULT]], recipe, model.prior, warnings_for, say)


def _scores(
    contestants: Sequence[Contestant],
    how: PaperSettings,
    judge: Path | None,
    prior: ObjectPrior,
    say: Say,
) -> tuple[Results, list[Shown]]:
    """Image quality on drawn boards and on the frozen pairs, and the boards that may be shown."""
    rows: list[Row] = []
    references: list[Scene] = []
    sources = [board_scenes(how.boards, how.exposures_s, how.kinds)]
    if judge is not None:
        sources.append(judge_scenes(judge, how.exposures_s))
    number = 0
    candidates: list[Shown] = []
    shown_exposure = sorted(how.exposures_s)[len(how.exposures_s) // 2]
    for source in sources:
        for scenes in source:
            say(f"image quality: {scenes[0].board}" + (" (frozen pairs)" if scenes[0].kind == "judge" else ""))
            references += [s for s in scenes[:1] if s.halves is not None]
            for scene in scenes:
                wanted = scene.exposure_s == shown_exposure and scene.kind == how.kinds[-1]
                images: dict[str, NDArray[np.float32]] = {}
                rows += scores.score_scene(scene, contestants, number, prior, images if wanted else None)
                if wanted:
                    candidates.append((scene, images))
                number += 1
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


def quality_by_steps(model: Model, others: Mapping[str, Model], how: PaperSettings) -> list[Entry]:
    """Scores of the samplers over the number of steps, on acquired pairs of the first test boards."""
    samplers = [
        ("cold, K = 1", "cold", "paper"), ("cold, K calibrated", "cold", "calibrated"), ("InDI", "indi", "calibrated")
    ]  # fmt: skip
    contestants = [
        Contestant(f"{label}|{steps}", label, method, {"steps": steps}, model, gain)
        for label, method, gain in samplers
        for steps in how.step_counts
    ]
    contestants += [
        replace(c, key=f"{c.label}|{steps}")
        for steps in how.diffusion_step_counts
        for name, other in others.items()
        if other.header["method"] in DIFFUSION
        for c in extra(name, other, how.steps, steps, how.samples)
    ]
    boards = replace(how.boards, count=min(how.boards.count, how.step_boards))
    rows: list[Row] = []
    for number, scenes in enumerate(board_scenes(boards, how.exposures_s[1:2] or how.exposures_s, (ACQUIRED,))):
        for scene in scenes:
            rows += scores.score_scene(scene, contestants, number, model.prior)
    return [
        {**entry, "sampler": sampler, "steps": int(taken)}
        for entry in scores.summarise(rows)
        for sampler, taken in [entry["method"].split("|")]
    ]
