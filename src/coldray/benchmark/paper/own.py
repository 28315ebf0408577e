"""The comparison on a user's own frames: pictures, scores, and what can be measured where there is no truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper import scores
from coldray.benchmark.paper.contestants import Contestant
from coldray.benchmark.paper.path import Pictures
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.record import Results, Row
from coldray.benchmark.paper.run import cost, head, line_up, typical
from coldray.benchmark.paper.scenes import OWN, THICK, Scene
from coldray.channels import conditions
from coldray.document import Json, as_table, as_text
from coldray.frame import Frame
from coldray.metrology.metrics import Convention
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.plugins import Degradation
from coldray.processes import Crew
from coldray.restoration.model import Model

Image = NDArray[np.float32]
NOT_HERE = (
    "The thin screen at the same exposure has no row: a data folder holds its frames for the reference, and none that is to be judged.",
    "MTF, NNPS and CTF of every method (Fig. 3) have no figure: they need targets, not boards.",
)
"""What the comparison on drawn boards has and this one cannot have."""


class SeenBoard(Protocol):
    """One object seen by both detectors, as `coldray.dataset.frames.read_board` gives it; images are fractions of the open beam."""

    @property
    def board(self) -> str:
        """Its name."""

    @property
    def pair(self) -> DetectorPair:
        """Both detectors."""

    @property
    def mean(self) -> Image:
        """Mean of the sharp frames."""

    @property
    def halves(self) -> tuple[Image, Image] | None:
        """Means of every other sharp frame."""

    @property
    def truth(self) -> Image | None:
        """Noise-free sharp image."""

    @property
    def truth_is_matched(self) -> bool:
        """Whether `truth` is in the blurred detector's response."""

    @property
    def frames(self) -> Image | None:
        """Blurred frames, shape (n, rows, cols)."""

    @property
    def exposure_s(self) -> float | None:
        """Exposure of one of them [s]."""

    @property
    def details(self) -> dict[str, Json]:
        """Where the images came from."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found when they were read."""


def run_own(
    boards: Iterable[SeenBoard], folder: str, model: Model, others: Mapping[str, Model] | None = None, settings: PaperSettings | None = None, *,
    say: Callable[[str], None] = lambda _: None, workers: int = 1,
) -> tuple[Results, Pictures]:  # fmt: skip
    """Run every method on a data folder in the layout of `coldray prepare`.

    Parameters
    ----------
    boards : iterable of SeenBoard
        Registered; read one after the other.
    folder : str
        Name of where they come from.
    model : Model
        Main model; must fit the cold sampler.
    others : mapping of str to Model, optional
        Further models by name.
    settings : PaperSettings, optional
        Numbers of steps and samples count.
    say : callable
        Told what happens next.
    workers : int
        Processes, which share the frames of a board.

    Returns
    -------
    results : dict
        As `run_paper` gives them; each row of "images" says what holds without a truth, too: see `without_truth`.
    pictures : dict
        Of the board whose gain is the median: "scene", "images" by key, and the "path" of Fig. 1.
    """
    how, prior = settings or PaperSettings(), model.prior
    began, cpu = time.perf_counter(), time.process_time()
    line = [c for c in line_up(model, others or {}, how) if c.screen == THICK]
    labels = {c.key: c.label for c in line}
    rows: list[Row] = []
    seen, warnings, shown, first = [], [], [], []
    numbers = count()
    with Crew(workers) as crew:
        for images in boards:
            say(f"own frames: {images.board}")
            scenes = list(own_scenes(images))
            warnings += [*images.warnings, *_unfamiliar(line, scenes[0])]
            seen.append(
                {"board": images.board, "frames": len(scenes), "reference": _reference(images), **images.details}
            )
            heats = ((scene, next(numbers), True) for scene in scenes)
            results_of = list(scores.score_heats(heats, line, prior, crew))
            made = [restored for _, restored in results_of]
            found = [
                {**row, **without_truth(restored[as_text(row["method"])], scene.frame(prior), scene.degradation())}
                for scene, (scored, restored) in zip(scenes, results_of, strict=True)
                for row in scored
            ]
            rows += _with_repeats(found, made)
            shown.append((scenes[0], made[0]))
            first += scenes[:1]
    compared = scores.comparisons(rows, labels)
    results = head(model, others or {}, how, line)
    results["absent"] = [*results["absent"], *NOT_HERE]
    results |= {
        "own": {"folder": folder, "boards": seen, "warnings": list(dict.fromkeys(warnings))},
        "ceiling": scores.ceiling(first),
        "summary": scores.summarise(rows),
        "paired": compared,
        "verdicts": scores.headline(compared),
        "images": rows,
    }
    pictures = typical(shown, model, others or {}, how.steps)
    results |= cost(began, cpu, crew, workers)
    return results, pictures


def own_scenes(images: SeenBoard) -> Iterator[Scene]:
    """Every blurred frame of a board with its references: the noise-free truth if there is one, else the mean of the sharp frames."""
    assert images.frames is not None and images.exposure_s is not None, "an acquired board has frames and an exposure"
    truths = {"truth": images.mean if images.truth is None else images.truth}
    if images.truth is not None:
        truths["mean20"] = images.mean
    for frame in images.frames:
        yield Scene(images.board, OWN, images.exposure_s, frame, truths, images.halves, pair=images.pair)


def _reference(images: SeenBoard) -> str:
    """What the scores are against."""
    if images.truth is not None:
        return "noise-free truth" + (" in the blurred detector's response" if images.truth_is_matched else "")
    return f"mean of {as_table(images.details['sharp'])['frames_used']} sharp frames"


def without_truth(image: NDArray[np.floating], frame: Frame, degradation: Degradation) -> dict[str, float]:
    """What a result says of itself: how far its blur is from the measured frame.

    Returns
    -------
    dict
        "residual_over_noise": standard deviation of y - H x, the border of the scores left out, over that of the frame's stated noise at its
        mean signal. 1 is what the truth has; far above, the result contradicts the frame; far below, it holds the frame's noise.
    """
    border = Convention().border_px
    inner = (slice(border, -border),) * 2
    rest = (frame.blurred - frame.operator(degradation)(np.asarray(image, dtype=np.float64)))[inner]
    return {"residual_over_noise": float(np.std(rest) / frame.noise.relative_sd(frame.mean_signal))}


def _with_repeats(rows: list[dict[str, Json]], made: Sequence[Mapping[str, Image]]) -> list[dict[str, Json]]:
    """Rows with the noise that repeated frames show: the SD over frames of one board, root of its mean over pixels, in percent."""
    if len(made) < 2:
        return rows
    spread = {
        key: 100 * float(np.sqrt(np.var([images[key] for images in made], axis=0, ddof=1).mean())) for key in made[0]
    }
    return [row | {"repeat_sd_percent": spread[as_text(row["method"])]} for row in rows]


def _unfamiliar(line: Sequence[Contestant], scene: Scene) -> list[str]:
    """Models that were trained for other detectors or doses than these."""
    told = conditions(scene.frame(ObjectPrior()), scene.degradation())
    models = {c.model.name: c.model for c in line if c.model is not None}
    return [f"{scene.board}, model {name}: {said}" for name, one in models.items() for said in one.warnings_for(told)]
