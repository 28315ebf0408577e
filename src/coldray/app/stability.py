"""Occasions of `coldray stability`: figures from what the measures print, from sheets and from restored folders; the baseline file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coldray.document import Json, first_fault, read_object
from coldray.errors import MetadataError, SettingsError, SettingsReadError
from coldray.metrology.stability import History

MEASUREMENTS, RESTORATIONS = "measurements", "restorations"
Finite = Annotated[float, Field(allow_inf_nan=False)]
SCALARS: dict[str, tuple[str, tuple[tuple[str, str, str, str | None], ...]]] = {
    "snr_n": ("snr", (
        ("snr", "SNR", "", None), ("snr_n", "SNR_N", "", "snr_n_sd"), ("cnr", "CNR", "", "cnr_sd"),
        ("mean", "mean signal", "", None),
    )),
    "nnps_mm2": ("flat", (
        ("pixel_relative_sd", "relative noise of the pixels", "", None),
        ("temporal_relative_sd", "noise from frame to frame", "", None),
        ("fixed_relative_sd", "fixed pattern", "", None), ("mean_signal", "mean signal", "", None),
    )),
    "r_squared": ("linearity", (
        ("slope", "slope", "", "slope_sd"), ("largest_deviation", "largest deviation from the line", "", None),
    )),
    "signal_global": ("uniformity", (
        ("signal_global", "signal, global", "", None), ("snr_global", "SNR, global", "", None),
        ("snr_smallest", "smallest SNR", "", None),
    )),
    "noise_mtf": ("blur", (("mtf50_lp_mm", "transfer 50 %, from noise", "lp/mm", None),)),
    "contrast_kept": ("ttf", (
        ("ttf50_lp_mm", "TTF 50 %", "lp/mm", None), ("contrast_kept", "contrast kept", "", None),
    )),
}  # fmt: skip
"""By a key that only they have: the numbers of a measure that are followed, each with the key of its standard uncertainty."""
MARKED = ("contradicted", "contradicted in places")


@dataclass(frozen=True)
class Reading:
    """One figure on one occasion: a value with its standard uncertainty, or the values of the images of an archive."""

    name: str
    unit: str
    values: tuple[float, ...]
    sd: float | None = None


@dataclass(frozen=True)
class Occasion:
    """What one file or folder says: its figures by key, and whether they are those of restored images."""

    name: str
    kind: Literal["measurements", "restorations"]
    figures: Mapping[str, Reading]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BaselineFigure(_Strict):
    """One figure of a baseline file; `tolerance` is for the user to fill in."""

    key: str
    name: str
    unit: str
    values: tuple[Finite, ...] = Field(min_length=1)
    sds: tuple[Finite | None, ...]
    tolerance: tuple[Finite | None, Finite | None] = (None, None)


class Baseline(_Strict):
    """A whole baseline file."""

    format: Literal["coldray stability baseline 1"]
    kind: Literal["measurements", "restorations"]
    occasions: tuple[str, ...]
    figures: tuple[BaselineFigure, ...] = Field(min_length=1)


def read_occasion(path: Path) -> Occasion:
    """Figures of a file of JSON that coldray printed, of a folder of such files, or of a folder of restored images.

    Raises
    ------
    MetadataError
        If it cannot be read, or holds nothing that coldray measured or restored.
    """
    from coldray.app.files import LEDGER

    if path.is_dir():
        if (path / LEDGER).is_file():
            return Occasion(path.name, "restorations", _of_entries(path.name, _entries(path)))
        files = sorted(path.glob("*.json"))
        if not files:
            raise MetadataError(
                f"{path.name}: holds neither restored images with their ledger nor JSON of measurements"
            )
        parts = [_of_document(file) for file in files]
        if any(kind == RESTORATIONS for kind, _ in parts):
            raise MetadataError(f"{path.name}: holds records of restorations; give the folder that `restore` wrote")
        figures = {
            f"{file.stem}.{key.partition('.')[2]}": one
            for file, (_, found) in zip(files, parts, strict=True)
            for key, one in found.items()
        }
        return Occasion(path.name, "measurements", figures)
    kind, figures = _of_document(path)
    return Occasion(path.name, "restorations" if kind == RESTORATIONS else "measurements", figures)


def _entries(folder: Path) -> list[dict[str, Json]]:
    """What a ledger says of all images of a folder, in the order in which they were restored."""
    from coldray.app.ledger import recorded, targets

    found = (recorded(folder, target) for target in targets(folder))
    return [one[0] for one in found if one is not None]


def _of_document(path: Path) -> tuple[str, dict[str, Reading]]:
    document = read_object(path, MetadataError)
    if "consistency" in document:
        return RESTORATIONS, _of_entries(path.name, [document])
    files = document.get("files")
    if isinstance(files, list) and files and all(isinstance(one, dict) and "input" in one for one in files):
        return RESTORATIONS, _of_entries(path.name, [one for one in files if "consistency" in one])
    try:
        figures = {key: one for key, one in _measured(document) if all(np.isfinite(one.values))}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        figures = {}
    if not figures:
        raise MetadataError(
            f"{path.name}: no measurement; give what `coldray measure ... --json` printed, the JSON of a panel's sheet, or a "
            "folder of restored images"
        )
    return MEASUREMENTS, figures


def _measured(document: Mapping[str, Any]) -> Iterator[tuple[str, Reading]]:
    """Figures of a measurement or a sheet, by key."""
    if "panels" in document:
        several = len(document["panels"]) > 1
        for panel in document["panels"]:
            for one in panel["figures"]:
                if one["value"] is not None:
                    key = f"{panel['name']}.{one['key']}" if several else one["key"]
                    yield f"panel.{key}", _banded(one["name"], one["unit"], one["value"], one["low"], one["high"])
        return
    if "mtf50_lp_mm" in document and "mtf" in document:
        yield from _edge(document)
    if "isrb_mm" in document and document["isrb_mm"] is not None:
        low, high = document["isrb_low_mm"], document["isrb_high_mm"]
        yield "duplex.isrb_mm", _banded("iSRb", "mm", document["isrb_mm"], low, high)
    if "spot_mm" in document:
        low, high = document["spot_low_mm"], document["spot_high_mm"]
        yield "source.spot_mm", _banded("focal spot", "mm", document["spot_mm"], low, high)
    for one in document.get("groups", ()):
        at = float(f"{one['frequency_lp_mm']:.2g}")
        yield f"bars.ctf_{at:g}", _banded(f"CTF near {at:g} lp/mm", "", one["ctf"], one["ctf_low"], one["ctf_high"])
    for one in document.get("wires", ()):
        yield f"iqi.cnr_{one['wire']}", Reading(f"CNR of wire {one['wire']}", "", (float(one["cnr"]),))
    for mark, (verb, numbers) in SCALARS.items():
        if mark in document:
            for key, name, unit, of_sd in numbers:
                if document[key] is not None:
                    sd = None if of_sd is None or document[of_sd] is None else float(document[of_sd])
                    yield f"{verb}.{key}", Reading(name, unit, (float(document[key]),), sd)


def _edge(document: Mapping[str, Any]) -> Iterator[tuple[str, Reading]]:
    """Where an MTF falls to 50 and 10 %, with what its band makes of it, and its value at half of Nyquist."""
    frequency = np.array(document["frequency_lp_mm"], dtype=np.float64)
    middle, low, high = (np.array(document[k], dtype=np.float64) for k in ("mtf", "mtf_low", "mtf_high"))
    for percent in (50, 10):
        value = document[f"mtf{percent}_lp_mm"]
        if value is not None:
            # the band at this frequency over the slope there
            half = float(np.interp(value, frequency, high - low)) / 4
            slope = abs(float(np.interp(value, frequency, np.gradient(middle, frequency))))
            sd = half / slope if slope > 0 else None
            yield f"edge.mtf{percent}_lp_mm", Reading(f"MTF {percent} %", "lp/mm", (float(value),), sd)
    half_nyquist = document["nyquist_lp_mm"] / 2 if "nyquist_lp_mm" in document else frequency[-1] / 2
    at = [float(np.interp(half_nyquist, frequency, curve)) for curve in (middle, low, high)]
    yield "edge.mtf_half_nyquist", _banded(f"MTF at {half_nyquist:.3g} lp/mm", "", *at)


def _banded(name: str, unit: str, value: float, low: float | None, high: float | None) -> Reading:
    """A value with a k = 2 band; a band without width is none."""
    sd = None if low is None or high is None or not high > low else (float(high) - float(low)) / 4
    return Reading(name, unit, (float(value),), sd)


def _of_entries(name: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Reading]:
    """What restored images of an archive have in common."""
    try:
        columns: dict[str, tuple[str, list[float]]] = {
            "marked": ("contradicted images", [float(e["consistency"]["verdict"] in MARKED) for e in entries]),
            "linear_share": ("share left to the linear filter by the gate", _numbers(entries, "linear_share")),
            "noise_ratio": ("residual over noise", _numbers(entries, "residual_over_noise")),
            "hits": ("pixels replaced as direct hits", [
                float(e["hits"]["bright"] + e["hits"]["dark"]) for e in entries if "hits" in e
            ]),
            "clipped": ("clipped pixels", [float(e["clipped_pixels"]) for e in entries]),
        }  # fmt: skip
    except (KeyError, TypeError, ValueError):
        columns = {}
    figures = {f"restore.{key}": Reading(words, "", tuple(v)) for key, (words, v) in columns.items() if v}
    if not figures:
        raise MetadataError(f"{name}: holds no restored image with its record")
    return figures


def _numbers(entries: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [float(e["consistency"][key]) for e in entries if e["consistency"].get(key) is not None]


def make_baseline(occasions: Sequence[Occasion]) -> Baseline:
    """Baseline of all occasions: figures that each of them has.

    Raises
    ------
    MetadataError
        If measurements and restorations are mixed, or nothing is common to all.
    """
    kinds = {one.kind for one in occasions}
    if len(kinds) > 1:
        raise MetadataError("measurements and restored images are mixed; make a baseline of each")
    common = [key for key in occasions[0].figures if all(key in one.figures for one in occasions)]
    if not common:
        raise MetadataError("the occasions have no figure in common; give the same measures of each")
    figures = tuple(
        BaselineFigure(
            key=key,
            name=occasions[0].figures[key].name,
            unit=occasions[0].figures[key].unit,
            values=tuple(v for one in occasions for v in one.figures[key].values),
            sds=tuple(one.figures[key].sd for one in occasions),
        )
        for key in common
    )
    return Baseline(
        format="coldray stability baseline 1",
        kind=occasions[0].kind,
        occasions=tuple(one.name for one in occasions),
        figures=figures,
    )


def read_baseline(path: Path) -> Baseline:
    """Baseline as `coldray stability --init` wrote it and the user filled it in.

    Raises
    ------
    SettingsReadError
        If it cannot be read.
    SettingsError
        If it is none.
    """
    document = read_object(path, SettingsReadError)
    try:
        found = Baseline.model_validate(document)
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        raise SettingsError(f"{path.name}: {fault.name!r}: {fault.reason}; make one with --init") from None
    for figure in found.figures:
        low, high = figure.tolerance
        if low is not None and high is not None and not low < high:
            raise SettingsError(
                f"{path.name}: tolerance of {figure.key!r} is {low:g} to {high:g}; the lowest comes first"
            )
    return found


def histories(baseline: Baseline, occasions: Sequence[Occasion]) -> tuple[list[History], list[str]]:
    """Figures of the baseline with what the new occasions say of them, and what they lack or have besides.

    Raises
    ------
    MetadataError
        If an occasion is of the other kind.
    """
    for one in occasions:
        if one.kind != baseline.kind:
            raise MetadataError(f"{one.name}: holds {one.kind}; the baseline is of {baseline.kind}")
    known = {figure.key for figure in baseline.figures}
    warnings = []
    for one in occasions:
        lacking, more = known - one.figures.keys(), one.figures.keys() - known
        warnings += [f"{one.name}: {len(lacking)} figure(s) of the baseline are not there: {_some(lacking)}"] * bool(
            lacking
        )
        warnings += [f"{one.name}: {len(more)} figure(s) are not in the baseline: {_some(more)}"] * bool(more)
    empty = Reading("", "", ())
    found = [
        History(
            figure.key, figure.name, figure.unit, figure.values, figure.sds,
            tuple(one.figures.get(figure.key, empty).values for one in occasions),
            tuple(one.figures.get(figure.key, empty).sd for one in occasions),
            figure.tolerance, baseline.kind == RESTORATIONS,
        )
        for figure in baseline.figures
    ]  # fmt: skip
    return found, warnings


def _some(keys: Iterable[str]) -> str:
    """The first few of some keys."""
    ordered = sorted(keys)
    return ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")
