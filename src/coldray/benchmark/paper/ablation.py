"""Ablations: one thing is changed at a time, everything else stays, on acquired pairs of test boards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldray import __version__
from coldray.benchmark.paper import scores
from coldray.benchmark.paper.contestants import (
    COLD,
    DEFAULT,
    ONE_STEP,
    VAN_CITTERT,
    WIENER,
    Contestant,
    Output,
    learned,
)
from coldray.benchmark.paper.conventions import conventions
from coldray.benchmark.paper.record import Difference, Results, Row, Statistic
from coldray.benchmark.paper.scenes import ACQUIRED, EXPOSURES_S, BoardSet, Scene, board_scenes
from coldray.benchmark.statistics import verdict
from coldray.document import as_table, plain_table
from coldray.errors import SettingsError
from coldray.files import write_text
from coldray.frame import Frame
from coldray.physics.pair import DetectorPair
from coldray.plugins import Degradation
from coldray.processes import Crew
from coldray.restoration.model import Model

NAMES = ("steps", "sampler", "gain", "noise", "levels", "blur", "dose", "registration")
DOSES_S = (1.0, 0.5, 0.25, 0.1, 0.05, 0.025)
STEP_COUNTS = (1, 2, 4, 10, 20)
SHIFT_PX = 0.5
BLUR_ERROR = 0.10


@dataclass(frozen=True, eq=False)
class Stretched:
    """A degradation whose MTF ratio is wrong: its frequency axis is stretched.

    Parameters
    ----------
    right : Degradation
    factor : float
        Over 1 the blur is taken for milder than it is.
    """

    right: Degradation
    factor: float

    @property
    def pair(self) -> DetectorPair:
        """Pair of the right one."""
        return self.right.pair

    def transfer(self, frequency_lp_mm: NDArray[np.floating], strength: float) -> NDArray[np.float64]:
        """Transfer at the stretched frequency; 1 at zero."""
        return np.asarray(self.right.transfer(np.asarray(frequency_lp_mm) / self.factor, strength))


@dataclass(frozen=True, eq=False)
class Misled(Contestant):
    """A contestant that is told a wrong blur."""

    factor: float = 1.0

    def restore(
        self,
        frame: Frame,
        degradation: Degradation,
        *,
        exposure_s: float | None = None,
        random_state: Sequence[int] = (0,),
    ) -> Output:
        """Restore with the wrong blur."""
        wrong = Stretched(degradation, self.factor)
        return super().restore(frame, wrong, exposure_s=exposure_s, random_state=random_state)


def misled(contestant: Contestant, factor: float, key: str, label: str) -> Contestant:
    """Tell a contestant a blur whose frequency axis is stretched by `factor`."""
    known = {one.name: getattr(contestant, one.name) for one in fields(contestant)}
    return Misled(**known | {"key": key, "label": label}, factor=factor)


def shifted(image: NDArray[np.floating], rows: float, cols: float) -> NDArray[np.float32]:
    """Shift by a fraction of a pixel through the spectrum of the mirrored image."""
    wide = np.concatenate([image, image[::-1]], axis=0)
    wide = np.concatenate([wide, wide[:, ::-1]], axis=1)
    v, u = np.fft.fftfreq(wide.shape[0])[:, None], np.fft.rfftfreq(wide.shape[1])
    moved = scipy.fft.irfft2(scipy.fft.rfft2(wide) * np.exp(-2j * np.pi * (v * rows + u * cols)), wide.shape)
    return np.asarray(moved[: image.shape[0], : image.shape[1]], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Ablation:
    """What is compared: contestants, exposures and a change of the scenes.

    Parameters
    ----------
    contestants : list of Contestant
    exposures_s : tuple of float
    question : str
    pairs : list of (key, key)
        Paired differences that answer it.
    change : callable, optional
        Makes further scenes of a scene: ``change(scene)`` gives (suffix, scene).
    missing : str
        What was not run, and why.
    """

    contestants: list[Contestant]
    exposures_s: tuple[float, ...]
    question: str
    pairs: list[tuple[str, str]] = field(default_factory=list)
    change: Callable[[Scene], list[tuple[str, Scene]]] | None = None
    missing: str = ""


def counted(steps: int) -> str:
    """Steps in words."""
    return f"{steps} step{'s' * (steps > 1)}"


def _cold(key: str, label: str, model: Model, steps: int, gain: str) -> Contestant:
    return Contestant(key, label, "cold", {"steps": steps}, model, gain)


def plan(name: str, model: Model, others: Mapping[str, Model]) -> Ablation:
    """What an ablation compares.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    usual = {c.key: c for c in learned(model, 4)}
    linear = Contestant(WIENER, "Wiener, measured NPS", "wiener")
    if name == "steps":
        found = [
            _cold(f"{key}_{n}", f"{counted(n)}, {words}", model, n, gain)
            for key, gain, words in (("cold", "paper", "K = 1"), ("calibrated", "calibrated", "K calibrated"))
            for n in STEP_COUNTS
        ]
        return Ablation(found, EXPOSURES_S, "Do more steps help?", [(f"cold_{n}", "cold_1") for n in STEP_COUNTS[1:]])
    if name == "sampler":
        found = [
            _cold("tacos_4", "TACoS, 4 steps, K = 1", model, 4, "paper"),
            Contestant("naive_4", "naive (Algorithm 1), 4 steps", "cold_naive", {"steps": 4}, model),
            Contestant("indi_4", "InDI, 4 steps", "indi", {"steps": 4}, model),
            Contestant("pnp_4", "plug-and-play, network, 4 rounds", "pnp", {"steps": 4}, model),
            usual[ONE_STEP],
        ]
        pairs = [("tacos_4", "naive_4"), ("tacos_4", "indi_4"), ("tacos_4", "pnp_4"), ("tacos_4", ONE_STEP)]
        return Ablation(found, EXPOSURES_S, "Which sampler on the same weights?", pairs)
    if name == "gain":
        found = [
            _cold(f"{gain}_{n}", f"{counted(n)}, {words}", model, n, gain)
            for n in (1, 4)
            for gain, words in (("network", "K = 0"), ("paper", "K = 1"), ("calibrated", "K calibrated"))
        ]
        pairs = [(f"calibrated_{n}", f"{gain}_{n}") for n in (1, 4) for gain in ("network", "paper")]
        return Ablation(found, EXPOSURES_S, "Which data-consistency gain?", pairs)
    if name == "noise":
        return _trained_without_noise([usual[ONE_STEP], usual[VAN_CITTERT]], others)
    if name == "levels":
        return _levels(others)
    if name == "blur":
        found = []
        for contestant in (linear, usual[DEFAULT], usual[VAN_CITTERT]):
            found.append(contestant)
            for sign, words in ((1, "taken for milder"), (-1, "taken for stronger")):
                key = f"{contestant.key}_{'milder' if sign > 0 else 'stronger'}"
                label = f"{contestant.label}, blur {words} by {100 * BLUR_ERROR:g} %"
                found.append(misled(contestant, 1 + sign * BLUR_ERROR, key, label))
        pairs = [(f"{k}_{w}", k) for k in (WIENER, DEFAULT, VAN_CITTERT) for w in ("milder", "stronger")]
        return Ablation(found, EXPOSURES_S, "What does a wrong MTF ratio cost?", pairs)
    if name == "dose":
        found = [linear, usual[VAN_CITTERT], usual[DEFAULT]]
        return Ablation(found, DOSES_S, "How does the gain depend on dose?", [(DEFAULT, WIENER), (VAN_CITTERT, WIENER)])
    if name == "registration":
        found = [Contestant("blurred", "thick screen, as it is", None), linear, usual[DEFAULT]]
        return Ablation(
            found,
            EXPOSURES_S,
            f"What do references off by {SHIFT_PX} px do to the scores?",
            [(DEFAULT, WIENER)],
            _off_register,
        )
    raise SettingsError(f"no ablation {name!r}; there are {', '.join(NAMES)}")


def _trained_without_noise(found: list[Contestant], others: Mapping[str, Model]) -> Ablation:
    """Ours beside models that never saw noise."""
    pairs = []
    for other, file in others.items():
        found += [
            Contestant(f"{other}_{ONE_STEP}", f"{other}, one step", "direct", {}, file),
            _cold(f"{other}_{VAN_CITTERT}", f"{other}, one step + Van Cittert", file, 1, "paper"),
        ]
        pairs.append((ONE_STEP, f"{other}_{ONE_STEP}"))
    missing = "" if others else (
        "no model trained without noise was given: coldray train RECIPE --set data.noise=none, then -m noise_free=FILE"
    )  # fmt: skip
    return Ablation(found, EXPOSURES_S, "What does noise in training change?", pairs, missing=missing)


def _levels(others: Mapping[str, Model]) -> Ablation:
    """Models that were trained with other T: what one step and four steps, whose strengths every T that 4 divides has seen, make of it."""
    found, pairs = [], []
    first = next(iter(others), "")
    for name, model in others.items():
        label = f"{name}, {levels_of(model)}"
        found += [
            Contestant(f"{name}_{ONE_STEP}", f"{label}, one step", "direct", {}, model),
            _cold(f"{name}_{COLD}", f"{label}, 4 steps, K = 1", model, 4, "paper"),
        ]
        pairs += [(f"{name}_{kind}", f"{first}_{kind}") for kind in (ONE_STEP, COLD) if name != first]
    missing = "" if len(others) > 1 else (
        "two models or more are to be given: coldray train RECIPE --set example.levels=T, then -m T4=FILE -m T20=FILE"
    )  # fmt: skip
    return Ablation(found, EXPOSURES_S, "What does the T of training change?", pairs, missing=missing)


def levels_of(model: Model) -> str:
    """The T that a model was trained with, in words."""
    recipe = as_table(as_table(model.header.get("training", {})).get("recipe") or {})
    levels = as_table(recipe.get("example") or {}).get("levels")
    return "t continuous in training" if levels is None else f"T = {levels} in training"


def _off_register(scene: Scene) -> list[tuple[str, Scene]]:
    """The scene with its references shifted by half a pixel along both axes."""
    moved = {name: shifted(image, SHIFT_PX, SHIFT_PX) for name, image in scene.truths.items()}
    return [(", reference off by 0.5 px", replace(scene, truths=moved))]


def run_ablation(
    name: str, model: Model, others: Mapping[str, Model] | None = None, boards: BoardSet | None = None, *,
    say: Callable[[str], None] = lambda _: None, workers: int = 1,
) -> Results:  # fmt: skip
    """Run one ablation.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    model : Model
        Main model.
    others : mapping of str to Model, optional
        Models trained otherwise, for "noise" and "levels".
    boards : BoardSet, optional
    say : callable
        Told what happens next.
    workers : int
        Processes, which share the frames.

    Returns
    -------
    dict
        "summary", "paired" with verdicts in words, and every row; JSON-able.
    """
    how = plan(name, model, others or {})
    if how.missing:
        say(f"warning: {how.missing}")
    kinds: list[str] = []

    def heats() -> Iterator[scores.Heat]:
        number = 0
        for scenes in board_scenes(boards or BoardSet(), how.exposures_s, (ACQUIRED,)):
            say(f"{name}: {scenes[0].board}")
            for scene in scenes:
                for suffix, seen in [("", scene), *(how.change(scene) if how.change else [])]:
                    kinds.append(scene.kind + suffix)
                    yield seen, number, False
                number += 1

    with Crew(workers) as crew:
        made = list(scores.score_heats(heats(), how.contestants, model.prior, crew))
    rows: list[Row] = [row | {"kind": kind} for kind, (found, _) in zip(kinds, made, strict=True) for row in found]
    labels = {c.key: c.label for c in how.contestants}
    paired: list[Difference] = []
    for kind, exposure in scores.cells(rows):
        here = [r for r in rows if r["kind"] == kind and r["exposure_s"] == exposure]
        for one, other_key in how.pairs:
            for score, name_of, unit in scores.JUDGED:
                difference = scores.paired(here, one, other_key, score)
                if difference is not None:
                    what = f"{name_of} at {exposure:g} s, {kind} pairs"
                    words = verdict(difference, labels[one], labels[other_key], what, unit)
                    paired.append(scores.differs(one, other_key, exposure, score, difference, words, kind))
    return {
        "coldray": __version__,
        "benchmark": f"ablate {name}",
        "question": how.question,
        "missing": how.missing,
        "convention": conventions(),
        "model": {**model.named()},
        "methods": {c.key: c.to_json() for c in how.contestants},
        "summary": scores.summarise(rows),
        "paired": paired,
        "verdicts": [p["verdict"] for p in paired if p["field"] == "psnr_db_truth"],
        "images": rows,
    }


def table_markdown(results: Results, command: str) -> str:
    """Table and answers as Markdown."""
    lines = [f"# {results['question']}", "", f"`{command}`", ""]
    if results["missing"]:
        lines += [f"Not run: {results['missing']}.", ""]
    lines += [
        "| pairs | exposure | method | PSNR [dB] | SSIM | evaluations |", "| --- | --- | --- | --- | --- | --- |"
    ]  # fmt: skip
    for entry in results["summary"]:
        label = results["methods"][entry["method"]]["label"]
        psnr, ssim = _cell(entry["psnr_db_truth"], 2), _cell(entry["ssim_truth"], 4)
        lines.append(
            f"| {entry['kind']} | {entry['exposure_s']:g} s | {label} | {psnr} | {ssim} | {entry['evaluations']} |"
        )
    lines += ["", *(f"- {sentence}" for sentence in results["verdicts"]), ""]
    return "\n".join(lines)


def _cell(found: Statistic, digits: int) -> str:
    half = (found["high"] - found["low"]) / 2
    return f"{found['mean']:.{digits}f}" + (f" ± {half:.{digits}f}" if np.isfinite(half) else "")


def write_ablation(folder: Path, results: Results, command: str) -> Path:
    """Write NAME.json and NAME.md; returns the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    name = results["benchmark"].removeprefix("ablate ")
    texts: Sequence[tuple[str, str]] = (
        (f"{name}.json", json.dumps(plain_table(results) | {"command": command}, indent=1, allow_nan=False) + "\n"),
        (f"{name}.md", table_markdown(results, command)),
    )
    for file, content in texts:
        write_text(folder / file, content)
    return folder / f"{name}.md"
