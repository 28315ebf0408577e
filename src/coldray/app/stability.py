"""Occasions of `coldray stability`: figures from what the measures print, from sheets and from restored folders; the baseline file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coldray.document import Json, first_fault, read_object
from coldray.errors import MetadataError, SettingsError, SettingsReadError
from coldray.metrology.readings import Reading, readings_of
from coldray.metrology.stability import History
from coldray.restoration.readings import restored_readings

MEASUREMENTS, RESTORATIONS = "measurements", "restorations"
Finite = Annotated[float, Field(allow_inf_nan=False)]


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
        figures = readings_of(document)
    except (LookupError, ValueError):
        figures = {}
    if not figures:
        raise MetadataError(
            f"{path.name}: no measurement; give what `coldray measure ... --json` printed, the JSON of a panel's sheet, or a "
            "folder of restored images"
        )
    return MEASUREMENTS, figures


def _of_entries(name: str, entries: Sequence[Mapping[str, Json]]) -> dict[str, Reading]:
    """What restored images of an archive have in common."""
    try:
        figures = restored_readings(entries)
    except (LookupError, MetadataError):
        figures = {}
    if not figures:
        raise MetadataError(f"{name}: holds no restored image with its record")
    return figures


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
