"""A shipped model goes on learning on measured boards, and is calibrated for their detectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from coldray import __version__
from coldray.adaptation.boards import board_digest
from coldray.adaptation.gate import GateFit, fit_gate
from coldray.adaptation.source import FAINTEST, JUDGE, TARGET, MeasuredSource
from coldray.contracts import shown_by
from coldray.dataset.frames import BoardImages
from coldray.document import Json, as_number, as_table, as_text
from coldray.errors import CheckpointError, SettingsError
from coldray.plugins import plugin
from coldray.restoration.model import Model, load_model
from coldray.training.export import write_model
from coldray.training.loop import Progress, Training
from coldray.training.recipe import Recipe, parse_recipe
from coldray.training.start import described
from coldray.training.trained import limits_of

WINDOW_PX, MARGIN_PX = 160, 16
STALE = ("sha256", "parity", "probe", "validation", "consistency_share", "consistency_errors", "reach", "taught_by")
"""Entries of a header that belong to the weights or pairs before."""


@dataclass(frozen=True)
class TuneSettings:
    """How long and how fast a model goes on learning.

    Parameters
    ----------
    steps, batch : int
        Updates, and windows in each.
    learning_rate : float
        Of Adam.
    random_state : int
        Of the stream of windows.

    Raises
    ------
    SettingsError
        If a number is out of range.
    """

    steps: int = 1500
    batch: int = 8
    learning_rate: float = 1e-4
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.random_state < 0 or not 0 < self.learning_rate <= 1e-2:
            raise SettingsError(
                f"{self.steps} steps of {self.batch} windows at a rate of {self.learning_rate:g}, random state "
                f"{self.random_state}: at least 1 step, 1 window, a rate within 0 to 0.01 and a state of 0 or more are needed"
            )


@dataclass(frozen=True, eq=False)
class Tuned:
    """A model that went on learning, not yet proven.

    Parameters
    ----------
    model : Model
        In a folder of unfinished files.
    gate : GateFit
    loss : float
        Of the last update.
    """

    model: Model
    gate: GateFit
    loss: float


def check_base(base: Model) -> Path:
    """Weights of the model to adapt.

    Raises
    ------
    CheckpointError
        If it has none that can learn on.
    """
    shown, told = shown_by(plugin("method", as_text(base.header["method"])))
    known = base.header.get("channels", shown), base.header.get("conditions", told)
    if known != (shown, told):
        raise CheckpointError(
            f"{base.name}: it is shown or told less than the method {base.header['method']!r} shows today; adapt the shipped model"
        )
    if "degradation" not in base.header:
        raise CheckpointError(
            f"{base.name}: its header does not say for which 'degradation' it was trained; adapt the shipped model"
        )
    weights = base.path.with_suffix(".safetensors")
    if not weights.is_file():
        raise CheckpointError(
            f"{base.path.name}: {weights.name} is missing beside it; learning goes on from those weights"
        )
    return weights


def recipe_of(base: Model, how: TuneSettings, run: Path) -> Recipe:
    """Training recipe of an adaptation."""
    network = as_table(base.header["network"])
    settings = {k: v for k, v in as_table(network["settings"]).items() if k not in ("channels", "conditions")}
    return parse_recipe(
        {
            "run": str(run),
            "method": base.header["method"],
            "degradation": base.header["degradation"],
            "random_state": how.random_state,
            # a measured frame is the state of full strength; there is no other
            "example": {"full_strength_share": 1.0},
            "data": {"window": WINDOW_PX, "margin": MARGIN_PX, "feature_share": 0.25},
            "network": {"name": network["name"], "settings": settings, "start": str(check_base(base))},
            "optimiser": {
                "steps": how.steps,
                "batch": how.batch,
                "learning_rate": how.learning_rate,
                "warmup_steps": min(50, how.steps // 10),
                "decay_steps": how.steps // 2,
                "ema": 0.99,
            },
            "log": {"validate_every": how.steps, "save_every": 100, "keep": 1},
        }
    )


def request_of(boards: Sequence[BoardImages], base: Model, how: TuneSettings) -> str:
    """Hash of everything that decides the weights; a run goes on only if it is the same."""
    known = [__version__, base.sha256, asdict(how), [(b.board, board_digest(b), b.exposure_s) for b in boards]]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def tune(
    boards: Sequence[BoardImages],
    base: Model,
    how: TuneSettings,
    out: Path,
    run: Path,
    progress: Progress | None = None,
) -> Tuned:
    """Train on boards, calibrate, and write a model.

    Parameters
    ----------
    boards : sequence of BoardImages
        Registered and in one response.
    base : Model
        What learns on.
    how : TuneSettings
    out : Path
        Model file (.onnx) to write in a folder of unfinished files.
    run : Path
        Folder for the states of the training; it goes on from what is there.
    progress : callable, optional
        Called as progress(done, total, note).

    Raises
    ------
    TrainingError
        If the training diverges.
    """
    recipe = recipe_of(base, how, run)
    learnt, judged = (MeasuredSource(boards, recipe, half) for half in (TARGET, JUDGE))
    training = Training(recipe, learnt, judged, run)
    scores = training.run(progress)
    gate = fit_gate(boards, base.even, recipe.degradation)
    weights = {
        name: tensor.detach().float().cpu().numpy() for name, tensor in training.plain_network.state_dict().items()
    }
    write_model(weights, header_of(base, boards, recipe, gate, learnt, out.stem), out, judged)
    return Tuned(load_model(out), gate, as_number(scores[-1]["loss"]))


def header_of(
    base: Model, boards: Sequence[BoardImages], recipe: Recipe, gate: GateFit, source: MeasuredSource, name: str
) -> dict[str, Json]:
    """Card of an adapted model: that of the model before, with what changed."""
    exposures = [b.exposure_s for b in boards if b.exposure_s is not None]
    pitch = boards[0].pair.pixel_pitch_mm
    signals = [np.quantile(b.frames, (1e-3, 1 - 1e-3)) for b in boards if b.frames is not None]
    signal = [float(f"{v:.3g}") for v in (min(s[0] for s in signals), max(s[1] for s in signals))]
    reach = (min(exposures) / FAINTEST, max(exposures)), (pitch, pitch)
    family = limits_of(source.told, *reach, more={"signal": signal})
    told = recipe.model_dump(mode="json")
    return {key: value for key, value in base.header.items() if key not in STALE} | {
        "name": name,
        "coldray": __version__,
        "family": family,
        "even": gate.constants.to_header(),
        "training": {
            "steps": recipe.optimiser.steps,
            "started_from": described(str(check_base(base))),
            "taught_by": None,
            "recipe": {k: told[k] for k in ("method", "degradation", "random_state", "example", "optimiser")},
            "detectors": {
                "sharp": boards[0].pair.sharp.name,
                "blurred": boards[0].pair.blurred.name,
                "pixel_pitch_mm": pitch,
            },
            "kind": "measured pairs: one half of the sharp frames as target",
        },
    }
