"""A run's averaged weights with the card of the model they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.channels import CONDITIONS, RATIO_FREQUENCIES, conditions
from coldray.checkpoint import MODEL_FORMAT, MODEL_VERSION
from coldray.contracts import CorrectingMethod, shown_by
from coldray.dataset.family import ANISOTROPY, PITCH_RANGE_MM, PairDraw, draw_noise, draw_pitch
from coldray.dataset.fields import FieldSet
from coldray.dataset.store import MANIFEST, PatchSet
from coldray.degradations.mtf_blend import Degradation
from coldray.document import Json, as_table, as_text, entries_of
from coldray.errors import CheckpointError
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.plugins import plugin
from coldray.restoration.build import build_network
from coldray.restoration.domain import thinned
from coldray.restoration.gate_constants import EvenConstants
from coldray.training.features import FIXED_PATTERN_SD, HIT_SHARE, SLOPE
from coldray.training.pairs import PairSource
from coldray.training.recipe import DataRecipe, Recipe, parse_recipe
from coldray.training.run import source_of
from coldray.training.start import described
from coldray.training.states import RunStates, read_scores


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
    header: dict[str, Json]
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
    scores = read_scores(folder)
    with entries_of(f"the newest state of {folder.name}", CheckpointError):
        recipe = as_table(run["recipe"])
        design = as_table(recipe["network"])
        design_name, settings = as_text(design["name"]), as_table(design["settings"])
        method_name = as_text(recipe["method"])
    method = plugin("method", method_name)
    shown, told = shown_by(method)
    network = build_network(design_name, {"channels": len(shown), "conditions": len(told), **settings}, CheckpointError)
    weights = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
    stated = parse_recipe(recipe)
    train, fields = (_data_of(stated, role) for role in ("train", "validation"))
    header = header_of(run, network, scores, name, train if isinstance(train, PatchSet) else None)
    header["even"] = EvenConstants().to_header()
    if train is not None:
        what = "patches" if isinstance(train, PatchSet) else "fields"
        header["training"] = {**as_table(header["training"]), what: len(train), f"{what}_sha256": train.digest()}
    if isinstance(fields, FieldSet) and len(fields) > 0:
        darkest, brightest = np.min([np.quantile(f, 1e-3) for f, _ in fields]), np.max([f.max() for f, _ in fields])
        family = as_table(header["family"])
        signal = [float(f"{v:.3g}") for v in (darkest, brightest)]
        header["family"] = {**family, "in_units": {**as_table(family["in_units"]), "signal": signal}}
    corrects = isinstance(method, CorrectingMethod) and fields is not None and len(fields) > 0
    validation = source_of(fields, stated) if corrects and fields is not None else None
    return TrainedModel(weights, header, validation)


def _data_of(recipe: Recipe, role: str) -> FieldSet | PatchSet | None:
    """What a run was trained or scored on, if it is still at hand."""
    data, folder = recipe.data, Path(recipe.data.folder)
    if data.dataset == "folder":
        return PatchSet(folder, role) if (folder / MANIFEST).exists() else None
    count = data.train_fields if role == "train" else data.validation_fields
    return FieldSet(folder / role, count) if (folder / role).is_dir() else None


CLOUD_POINTS, CLOUD_CANDIDATES = 200, 2000
"""Points of the thinned cloud of conditions, and draws they are chosen from."""


def family_limits(recipe: Recipe, random_state: int = 5, patches: PatchSet | None = None) -> dict[str, Json]:
    """Conditions that training draws from, MTF ratio and noise as the network is told them: span and cloud.

    Parameters
    ----------
    recipe : Recipe
    random_state : int
    patches : PatchSet, optional
        Prepared patches that the recipe trains on, whose detectors are its family.

    Returns
    -------
    dict
        ``conditions_low``, ``conditions_high``: span of every condition; ``cloud``: ``points`` without the strength and
        their ``reach`` (`coldray.restoration.domain.Domain`); exposures [s] and pixel pitches [mm] drawn from;
        ``in_units``: the same in the units of a user, see `_in_units`.
    """
    data = recipe.data
    if patches is not None:
        of_boards = [board.pixel_pitch_mm for board in patches.boards]
        pitches = min(of_boards), max(of_boards)
        return limits_of(_of_patches(patches, data.exposure_s), data.exposure_s, pitches, random_state)
    wide = data.wide_exposure_s if data.wide_share else None
    noises = data.exposure_s, wide, data.wide_share, data.white_share
    span = _drawn_conditions(data.paper_share, data.other_share, noises, random_state)
    return _limits(span, wide or data.exposure_s, PITCH_RANGE_MM, _nuisances(data))


def limits_of(
    draw: Drawn,
    exposure_s: tuple[float, float],
    pixel_pitch_mm: tuple[float, float],
    random_state: int = 5,
    more: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """`family_limits` of measured pairs.

    Parameters
    ----------
    draw : callable
        ``draw(rng)`` gives detectors and noise as training has them.
    exposure_s, pixel_pitch_mm : (float, float)
        Shortest and longest exposure [s], smallest and largest pitch [mm].
    random_state : int
    more : mapping, optional
        What else ``in_units`` says.
    """
    return _limits(_span(draw, random_state), exposure_s, pixel_pitch_mm, more or {})


def _limits(
    span: Span, exposure_s: tuple[float, float], pixel_pitch_mm: tuple[float, float], more: Mapping[str, Json]
) -> dict[str, Json]:
    """What a header says of a span; `more` goes into ``in_units``."""
    return {
        "conditions_low": span.low.round(4).tolist(),
        "conditions_high": span.high.round(4).tolist(),
        "cloud": {"points": span.points.tolist(), "reach": round(span.reach, 4)},
        "exposure_s": list(exposure_s),
        "pixel_pitch_mm": list(pixel_pitch_mm),
        "in_units": _in_units(span) | dict(more),
    }


def _in_units(span: Span) -> dict[str, Json]:
    """Domain of use: what frames and detectors were like in training, lowest and highest each.

    Returns
    -------
    dict
        MTF ratio of blurred over sharp detector at frequencies [cycles/pixel]; standard deviation of one pixel at the open
        beam, as a share of it; colour of the noise, its power at 1/32 over that at 1/2 cycles/pixel.
    """
    ratio = slice(1, 1 + len(RATIO_FREQUENCIES))
    return {
        "mtf_ratio": {
            "frequency_cycles_px": list(RATIO_FREQUENCIES),
            "low": ((span.low[ratio] + 1) / 2).round(4).tolist(),
            "high": ((span.high[ratio] + 1) / 2).round(4).tolist(),
        },
        "noise_relative_sd": [float(f"{v:.3g}") for v in span.noise_relative_sd],
        "noise_colour": [float(f"{v:.3g}") for v in span.noise_colour],
    }


def _nuisances(data: DataRecipe) -> dict[str, Json]:
    """What simulated frames had besides: lowest and highest each.

    Returns
    -------
    dict
        Relative difference of the blurred detector's MTF along rows and columns, share of pixels without a measurement, slope of
        the signal over a field, and fixed pattern that a gain correction leaves.
    """
    most = 1.0 if data.nuisance_share > 0 else 0.0
    return {
        "anisotropy": [0.0, ANISOTROPY if data.other_share > 0 else 0.0],
        "direct_hit_share": [0.0, most * HIT_SHARE[1]],
        "slope": [0.0, most * SLOPE],
        "fixed_pattern_sd": [0.0, most * FIXED_PATTERN_SD[1]],
    }


Drawn = Callable[[np.random.Generator], tuple[DetectorPair, NoiseModel]]


class Span(NamedTuple):
    """Span and thinned cloud of what is drawn, with its reach; span of the noise in units of the open beam, and of its colour."""

    low: NDArray[np.number]
    high: NDArray[np.number]
    points: NDArray[np.number]
    reach: float
    noise_relative_sd: tuple[float, float]
    noise_colour: tuple[float, float]


def _of_patches(patches: PatchSet, exposure_s: tuple[float, float]) -> Drawn:
    """Detectors and noise of a prepared patch: measured with an exposure of its own, or by Eq. 1 at one that is drawn."""

    def draw(rng: np.random.Generator) -> tuple[DetectorPair, NoiseModel]:
        number = int(rng.integers(len(patches)))
        pair, taken_s = patches.pair(number), patches.board(number).exposure_s
        limits = exposure_s if taken_s is None else (taken_s, taken_s)
        return pair, draw_noise(pair, rng, limits)

    return draw


@lru_cache(maxsize=4)
def _drawn_conditions(paper_share: float, other_share: float, noises: tuple[Any, ...], random_state: int) -> Span:
    """Span and thinned cloud of a family's conditions: thousands of detector pairs, once per family and process."""

    def draw(rng: np.random.Generator) -> tuple[DetectorPair, NoiseModel]:
        is_paper = rng.random() < paper_share
        pair = (PairDraw() if is_paper else PairDraw.draw(rng, draw_pitch(rng), other_share)).pair()
        return pair, draw_noise(pair, rng, *noises)

    return _span(draw, random_state)


def _span(draw: Drawn, random_state: int) -> Span:
    """Span, thinned cloud and its reach of the conditions of what is drawn."""
    rng = np.random.default_rng(random_state)
    low, high = np.full(len(CONDITIONS), np.inf), np.full(len(CONDITIONS), -np.inf)
    deviations, colours = [], []

    def told(rng: np.random.Generator) -> NDArray[np.float32]:
        pair, noise = draw(rng)
        found = conditions(Frame(np.ones((1, 1), dtype=np.float32), pair, noise), Degradation(pair))
        np.minimum(low, found, out=low)
        np.maximum(high, found, out=high)
        red, white = noise.power(np.array([1 / 32, 1 / 2]) / pair.pixel_pitch_mm, 1.0)
        deviations.append(noise.relative_sd())
        colours.append(float(red / white))
        return found

    points, reach = thinned(told, CLOUD_POINTS, rng, CLOUD_CANDIDATES)
    noises = ((min(found), max(found)) for found in (deviations, colours))
    return Span(low, high, points, reach, *noises)


BOARDS = ("gerber", "gerber_if_present")
"""Settings that name real boards."""


def _real_boards(data: dict[str, Any]) -> list[str]:
    """Names of the real boards that fields were made of, without where they are."""
    optional = (board for board in data.get("gerber_if_present", ()) if Path(board).exists())
    return [Path(board).stem for board in (*data["gerber"], *optional)]


def header_of(
    run: dict[str, Any], network: Any, scores: list[dict[str, Any]], name: str, patches: PatchSet | None = None
) -> dict[str, Json]:
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
        "family": family_limits(parse_recipe(recipe), patches=patches),
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
