"""From a folder of measured pairs to an adapted model with its proof, or to nothing."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from coldray.adaptation.boards import Boards, board_digest, load_boards
from coldray.adaptation.checks import MeasuredRatio, measured_ratio
from coldray.adaptation.proof import AFTER, BEFORE, LEAST_GAIN_DB, LINEAR, Proof, prove
from coldray.adaptation.report import adaptation_report
from coldray.adaptation.tune import Tuned, TuneSettings, check_base, request_of, tune
from coldray.checkpoint import read_tensors, write_tensors
from coldray.dataset.frames import BoardImages
from coldray.document import Json, as_table, plain
from coldray.files import own_folder, scratch_folder, together, write_bytes, write_text
from coldray.reports.html import to_html
from coldray.restoration.model import Model, load_model
from coldray.training.export import check_model_path

WRITTEN = (".onnx", ".json", ".safetensors", ".html")
"""Endings of what is written: model, card, weights to go on from, report."""


class Stages(Protocol):
    """Shows how far each stage is."""

    def __call__(self, title: str, unit: str) -> contextlib.AbstractContextManager[Callable[..., None]]:
        """Begin a stage; what it yields is called as progress(done, total, note)."""


@contextlib.contextmanager
def silent(title: str, unit: str) -> Iterator[Callable[..., None]]:
    """Show nothing."""
    yield lambda *_: None


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What an adaptation found, and what it wrote.

    Parameters
    ----------
    proof : Proof
    written : tuple of Path
        Model, card, weights and report; empty if no gain was shown.
    boards : Boards
    ratio : MeasuredRatio
    base : Model
    """

    proof: Proof
    written: tuple[Path, ...]
    boards: Boards
    ratio: MeasuredRatio
    base: Model

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found when the boards were read, and what they say of their detectors."""
        return (*self.boards.warnings, *self.ratio.warnings())

    def finding(self) -> str:
        """One line: what was found, with its figures."""
        gain = self.proof.gain_db
        figures = f"{gain.mean:+.2f} dB, 95 % interval {gain.low:+.2f} to {gain.high:+.2f} dB over {gain.count} boards kept apart"
        if self.written:
            return f"gain {figures}"
        if self.proof.loses_features:
            kept = self.proof.features
            return f"no gain: {figures}, but small features keep {-100 * kept.mean:.1f} % less of their contrast; nothing is written"
        if gain.low > 0:
            return (
                f"too small a gain: {figures}, and {LEAST_GAIN_DB:g} dB must be proven for a model of your own; nothing is written, "
                f"{self.base.name} stays the model for this pair"
            )
        return f"no gain: {figures}; nothing is written, {self.base.name} stays the model for this pair"

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form."""
        proof = self.proof
        return {
            "before": proof.mean(BEFORE),
            "after": proof.mean(AFTER),
            "wiener": proof.mean(LINEAR),
            "gain_db": proof.gain_db.to_json(),
            "features_kept": proof.features.to_json(),
            "statement": proof.words(),
            "finding": self.finding(),
            "model_before": self.base.named(),
            "learnt_from": sorted({b.board for b in self.boards.tuned}),
            "boards": [board.to_dict() for board in proof.boards],
            "ratio": {name: value.tolist() for name, value in asdict(self.ratio).items()},
            "written": [str(path) for path in self.written],
            "warnings": list(self.warnings),
        }


def adapt(
    pairs: Path,
    out: Path,
    model: str | None = None,
    how: TuneSettings | None = None,
    *,
    keep_apart: int | None = None,
    states: Path | None = None,
    stages: Stages = silent,
) -> Adaptation:
    """Adapt a model to a user's own measured pairs; write it only if it is shown to be better.

    Parameters
    ----------
    pairs : Path
        Data folder of 6 boards or more: BOARD/hr, BOARD/lr, BOARD/pair.json; see `coldray prepare --init`.
    out : Path
        Model file (.onnx); card (.json), weights (.safetensors) and report (.html) go beside it, all or none.
    model : str, optional
        Model to begin with: name or file; the shipped default by default.
    how : TuneSettings, optional
    keep_apart : int, optional
        Boards kept for the proof; a third of them by default, 3 at least.
    states : Path, optional
        Folder in which states of the training are kept, so that the same call goes on from there; without it they go with
        the call. Emptied once the adaptation is through.
    stages : callable, optional
        Shows how far each stage is.

    Returns
    -------
    Adaptation

    Raises
    ------
    CheckpointError
        If `out` is no .onnx, or the model cannot learn on.
    SettingsError
        If there are too few boards, or several detector pairs.
    ImageError, MetadataError, MeasurementError
        If a board cannot be read, its detectors or halves are swapped, or it does not register.
    TrainingError
        If the training diverges.

    Notes
    -----
    1. Sharp frames are averaged in halves: one is the target, the other calibrates; no noise is in both.
    2. The boards that prove the gain give nothing to learning, calibration or the response curve.
    3. Written if the 95 % interval of the paired gain (Student's t, one value for each board kept apart) lies above 0.1 dB, and
       small features are not shown to lose contrast.
    """
    check_model_path(out)
    base = load_model(model)
    check_base(base)
    settings = how or TuneSettings()
    with stages("boards", "boards") as progress:
        boards = load_boards(pairs, keep_apart, progress)
    ratio = measured_ratio(list(boards.tuned))
    with contextlib.ExitStack() as held:
        work = held.enter_context(scratch_folder(out.parent))
        run = work / "run"
        if states is not None:
            held.enter_context(own_folder(states))
            run = states / request_of(boards.tuned, base, settings)
        with stages("learning", "updates") as progress:
            tuned = tune(boards.tuned, base, settings, work / out.name, run, progress)
        with stages("proof", "boards") as progress:
            proof = prove(boards.apart, base, tuned.model, progress)
        written = _write(boards, ratio, proof, tuned, base, settings, out) if proof.holds else ()
        if states is not None:
            shutil.rmtree(run, ignore_errors=True)
    return Adaptation(proof, written, boards, ratio, base)


def _write(
    boards: Boards, ratio: MeasuredRatio, proof: Proof, tuned: Tuned, base: Model, how: TuneSettings, out: Path
) -> tuple[Path, ...]:
    """Write model, card, weights and report, all or none."""
    report = to_html(adaptation_report(boards, ratio, proof, tuned, base, how))
    card = dict(tuned.model.header)
    # a score that is none must not be written as a number: no reader of JSON takes it
    card["adaptation"] = plain(
        {
            "model_before": base.named(),
            "settings_sha256": tuned.model.settings_sha256,
            "gain_db": proof.gain_db.to_json(),
            "features_kept": proof.features.to_json(),
            "before": proof.mean(BEFORE),
            "after": proof.mean(AFTER),
            "boards": [_account(b, "learnt from") for b in boards.tuned]
            + [_account(b, "kept apart") for b in boards.apart],
            "response": boards.response.to_dict(),
        }
    )
    finals = tuple(out.with_suffix(suffix) for suffix in WRITTEN)
    with together() as staged:
        places = dict(zip(WRITTEN, (staged(final) for final in finals), strict=True))
        write_bytes(places[".onnx"], tuned.model.path.read_bytes())
        tensors, header = read_tensors(tuned.model.path.with_suffix(".safetensors"))
        write_tensors(places[".safetensors"], tensors, header | {"adaptation": card["adaptation"]})
        write_text(places[".json"], json.dumps(card, indent=1) + "\n")
        write_text(places[".html"], report)
    return finals


def _account(images: BoardImages, role: str) -> dict[str, Json]:
    """What the card says of a board."""
    sharp = as_table(images.details["sharp"])
    return {
        "board": images.board,
        "role": role,
        "sharp_frames": sharp["frames_used"],
        "blurred_frames": 0 if images.frames is None else len(images.frames),
        "exposure_s": images.exposure_s,
        "sha256": board_digest(images),
        "registration": None if images.registration is None else images.registration.to_dict(),
    }
