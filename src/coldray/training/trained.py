"""A run's averaged weights with the card of the model they make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.channels import CONDITIONS, conditions
from coldray.checkpoint import MODEL_FORMAT, MODEL_VERSION
from coldray.dataset.family import (
    PITCH_RANGE_MM,
    PairDraw,
    draw_noise,
    draw_pitch,
)
from coldray.dataset.fields import FieldSet
from coldray.degradations.mtf_blend import Degradation
from coldray.document import parse_json
from coldray.errors import CheckpointError
from coldray.frame import Frame
from coldray.physics.prior import ObjectPrior
from coldray.plugins import CorrectingMethod, plugin, shown_by
from coldray.restoration.build import build_network
from coldray.restoration.domain import thinned
from coldray.training.pairs import PairSource
from coldray.training.recipe import Recipe, parse_recipe
from coldray.training.start import described
from coldray.training.states import RunStates


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a run leaves.

    Parameters
    ----------
    weights : dict of str to ndarray
        Averaged weights, by tensor name.
    header : dict
        Model card as data.
    validation : PairSource, optional
        Validation fields, to calibrate the consistency share on; None if they are not at hand or the method has no
        data-consistency step.
    """

    weights: dict[str, NDArray[np.number]]
    header: dict[str, Any]
    validation: PairSource | None


def trained_model(folder: Path, name: str) -> TrainedModel:
    """Read the newest state of a run folder of `coldray train` as a model.

    Parameters
    ----------
    folder : Path
        Run folder.
    name : str
        Of the model.

    Raises
    ------
    CheckpointError
        If the run has no state.
    """
    found = RunStates(folder / "states", 2).newest()
    if found is None:
        raise CheckpointError(f"{folder.name}: no state to export; has the run saved one?")
    tensors, run, _ = found
    scores_file = folder / "scores.jsonl"
    scores = (
        [parse_json(s, "scores.jsonl", CheckpointError) for s in scores_file.read_text(encoding="utf-8").splitlines()]
        if scores_file.exists()
        else []
    )
    settings = run["recipe"]["network"]
    method = plugin("method", run["recipe"]["method"])
    shown, told = shown_by(method)
    network = build_network(
        settings["name"],
        {"channels": len(shown), "conditions": len(told)} | settings["settings"],
        CheckpointError,
    )
    weights = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
    header = header_of(run, network, scores, name)
    stated = parse_recipe(run["recipe"])
    data = Path(stated.data.folder)
    if (data / "train").is_dir():
        boards = FieldSet(data / "train", stated.data.train_fields)
        header["training"] |= {"fields": len(boards), "fields_sha256": boards.digest()}
    fields = FieldSet(data / "validation", stated.data.validation_fields)
    corrects = isinstance(method, CorrectingMethod) and len(fields) > 0
    validation = PairSource(fields, stated) if corrects else None
    return TrainedModel(weights, header, validation)


CLOUD_POINTS, CLOUD_CANDIDATES = 200, 2000
"""Points of the thinned cloud of conditions, and draws they are chosen from."""


def family_limits(recipe: Recipe, random_state: int = 5) -> dict[str, Any]:
    """Conditions that training draws from, MTF ratio and noise as the network is told them: span and cloud.

    Parameters
    ----------
    recipe : Recipe
    random_state : int

    Returns
    -------
    dict
        ``conditions_low``, ``conditions_high``: span of every condition; ``cloud``: ``points`` without the strength and
        their ``reach`` (`coldray.restoration.domain.Domain`); exposures [s] and pixel pitches [mm] drawn from.
    """
    data = recipe.data
    wide = data.wide_exposure_s if data.wide_share else None
    noises = data.exposure_s, wide, data.wide_share, data.white_share
    low, high, points, reach = _drawn_conditions(data.paper_share, data.other_share, noises, random_state)
    return {
        "conditions_low": low.round(4).tolist(),
        "conditions_high": high.round(4).tolist(),
        "cloud": {"points": points.tolist(), "reach": round(reach, 4)},
        "exposure_s": list(wide or data.exposure_s),
        "pixel_pitch_mm": list(PITCH_RANGE_MM),
    }


@lru_cache(maxsize=4)
def _drawn_conditions(
    paper_share: float, other_share: float, noises: tuple[Any, ...], random_state: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """Span and thinned cloud of a family's conditions: thousands of detector pairs, once per family and process."""
    rng = np.random.default_rng(random_state)
    low, high = np.full(len(CONDITIONS), np.inf), np.full(len(CONDITIONS), -np.inf)

    def draw(rng: np.random.Generator) -> NDArray[np.float32]:
        is_paper = rng.random() < paper_share
        pair = (PairDraw() if is_paper else PairDraw.draw(rng, draw_pitch(rng), other_share)).pair()
        noise = draw_noise(pair, rng, *noises)
        told = conditions(Frame(np.ones((1, 1), dtype=np.float32), pair, noise), Degradation(pair))
        np.minimum(low, told, out=low)
        np.maximum(high, told, out=high)
        return told

    points, reach = thinned(draw, CLOUD_POINTS, rng, CLOUD_CANDIDATES)
    return low, high, points, reach


BOARDS = ("gerber", "gerber_if_present")
"""Settings that name real boards."""


def _real_boards(data: dict[str, Any]) -> list[str]:
    """Names of the real boards that fields were made of, without where they are."""
    optional = (board for board in data.get("gerber_if_present", ()) if Path(board).exists())
    return [Path(board).stem for board in (*data["gerber"], *optional)]


def header_of(run: dict[str, Any], network: Any, scores: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Build the model card as data."""
    recipe = run["recipe"]
    channels, told = shown_by(plugin("method", recipe["method"]))
    paper = PairDraw()
    return {
        "format": MODEL_FORMAT,
        "version": MODEL_VERSION,
        "name": name,
        "coldray": __version__,
        "method": recipe["method"],
        "degradation": recipe["degradation"],
        "network": {"name": recipe["network"]["name"], "settings": network.settings},
        "stride": network.stride,
        "radius": network.radius,
        "channels": channels,
        "conditions": told,
        "prior": {k: getattr(ObjectPrior(), k) for k in ("amplitude_mm2", "corner_lp_mm", "exponent")},
        "family": family_limits(parse_recipe(recipe)),
        "training": {
            "steps": run["step"],
            "started_from": described(recipe["network"].get("start")),
            "taught_by": described(recipe["network"].get("teacher")),
            "recipe": {k: v for k, v in recipe.items() if k != "run"}
            | {"network": {k: v for k, v in recipe["network"].items() if k not in ("start", "teacher")}}
            | {"data": {k: v for k, v in recipe["data"].items() if k not in ("folder", "gerber_cache", *BOARDS)}},
            "real_boards": _real_boards(recipe["data"]),
            "detectors": {
                "loadings_mg_cm2": [paper.sharp_loading_mg_cm2, paper.blurred_loading_mg_cm2],
                "pixel_pitch_mm": paper.pixel_pitch_mm,
            },
            "kind": "simulated pairs (eq. 1 on noise-free sharp fields, noise of the measured NPS)",
        },
        "validation": scores[-1] if scores else {},
    }
