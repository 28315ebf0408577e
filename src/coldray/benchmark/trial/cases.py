"""Cases of a trial: images with defects that are known from elsewhere, or with simulated ones put into fields of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.pod.defects import Stamp, added, side_px, stamp
from coldray.benchmark.pod.places import allowed_places
from coldray.benchmark.pod.study import ARMS, LINEAR, RAW, Ground, ground_of
from coldray.benchmark.trial.documents import Defect
from coldray.document import LARGEST_BYTES, content_of
from coldray.errors import ImageError, MeasurementError, MetadataError, PhysicsError, SettingsError
from coldray.radiograph import Radiograph
from coldray.restoration.job import Job

Image = NDArray[np.float32]
Advance = Callable[[int, int, str], None]
Table = Mapping[str, tuple[Defect, ...]]

FEWEST = 2
"""Of controls and of cases with defects; the analysis leaves one out at a time."""
SHOWN_SHARES = (0.001, 0.999)
"""Quantiles between which an image is shown first."""
COLUMNS = ("file", "x_px", "y_px", "diameter_px")


@dataclass(frozen=True, eq=False)
class Source:
    """An image that cases are made of.

    Parameters
    ----------
    name, sha256 : str
        Of its file.
    image : Radiograph
    """

    name: str
    sha256: str
    image: Radiograph


@dataclass(frozen=True, eq=False)
class Shown:
    """One case in all arms.

    Parameters
    ----------
    source : Source
    field_px : (x, y, width, height)
        What is shown of it.
    defects : tuple of Defect
        In pixels of the field.
    images : dict of str to ndarray, float32, shape (rows, cols)
        Fraction of the open beam, by arm.
    window : (low, high)
        Fractions between which it is shown first, of the image without what was put in: a window that a defect moves tells it.
    """

    source: Source
    field_px: tuple[int, int, int, int]
    defects: tuple[Defect, ...]
    images: Mapping[str, Image]
    window: tuple[float, float]


@dataclass(frozen=True)
class Simulated:
    """Simulated defects that are put into images, one into every second field.

    Parameters
    ----------
    sizes_mm : tuple of float
    kinds : tuple of str
    contrast : float
        Relative change of the signal before any blur.
    cases : int
        Fields that are shown; half of them, rounded down, have a defect.
    field_px : int
        Side of a field [pixels].
    """

    sizes_mm: tuple[float, ...]
    kinds: tuple[str, ...] = ("void",)
    contrast: float = 0.1
    cases: int = 40
    field_px: int = 256


def arms_of(job: Job) -> tuple[str, ...]:
    """Arms that differ: a Wiener filter as the method is the linear arm, and there is no third."""
    return (RAW, LINEAR) if job.method == "wiener" else ARMS


def read_table(path: Path) -> Table:
    """Known defects by file: columns file, x_px, y_px, diameter_px, one row for each; a control has a row without numbers.

    Raises
    ------
    MetadataError
        If it cannot be read as such a table.
    """
    content = content_of(path, MetadataError, LARGEST_BYTES)
    if len(content) > LARGEST_BYTES:
        raise MetadataError(f"{path.name}: larger than {LARGEST_BYTES >> 20} MiB; no table of defects is")
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace")))
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise MetadataError(f"{path.name}: the columns {', '.join(COLUMNS)} are needed; found {rows.fieldnames}")
    found: dict[str, tuple[Defect, ...]] = {}
    for number, row in enumerate(rows, 2):
        name, texts = str(row["file"]).strip(), [str(row[key] or "").strip() for key in COLUMNS[1:]]
        known = found.setdefault(name, ())
        if not any(texts):
            continue
        try:
            x, y, diameter = map(float, texts)
        except ValueError:
            raise MetadataError(
                f"{path.name} line {number}: x_px, y_px and diameter_px are numbers, or all empty"
            ) from None
        if not (np.isfinite([x, y, diameter]).all() and diameter >= 0):
            raise MetadataError(f"{path.name} line {number}: a place is finite and a diameter not negative")
        found[name] = (*known, Defect(x_px=x, y_px=y, radius_px=diameter / 2))
    return found


def known_cases(
    sources: Sequence[Source], table: Table, job: Job, advance: Advance = lambda *_: None
) -> tuple[list[Shown], list[str]]:
    """One case of every image, with the defects that a table states.

    Returns
    -------
    cases : list of Shown
    warnings : list of str

    Raises
    ------
    MetadataError
        If the table does not speak of an image, or states a defect outside of it.
    MeasurementError
        If there are too few controls, or cases with defects.
    """
    for one in sources:
        rows, cols = one.image.shape[-2:]
        if one.name not in table:
            raise MetadataError(f"{one.name}: the table has no row of it; a control has one without numbers")
        for defect in table[one.name]:
            if not (0 <= defect.x_px <= cols and 0 <= defect.y_px <= rows):
                raise MetadataError(
                    f"{one.name}: a defect at {defect.x_px:g}, {defect.y_px:g} lies outside of its {cols} x {rows} pixels"
                )
    _check_counts(sum(not table[one.name] for one in sources), sum(bool(table[one.name]) for one in sources))
    shown, warnings = [], []
    for number, one in enumerate(sources):
        advance(number, len(sources), one.name)
        ground = _ground(one, job)
        rows, cols = ground.fraction.shape
        images = ground.images(ground.fraction)
        arms = {arm: images[arm] for arm in arms_of(job)}
        shown.append(Shown(one, (0, 0, cols, rows), table[one.name], arms, _window(ground.fraction)))
        warnings += [f"{one.name}: {text}" for text in ground.warnings]
    return shown, list(dict.fromkeys(warnings))


def simulated_cases(
    sources: Sequence[Source],
    wanted: Simulated,
    job: Job,
    rng: np.random.Generator,
    advance: Advance = lambda *_: None,
) -> tuple[list[Shown], list[str]]:
    """Fields of images without defects, a simulated defect in half of them.

    Parameters
    ----------
    sources : sequence of Source
        Images that are free of defects, so far as anybody knows.
    wanted : Simulated
    job : Job
    rng : numpy.random.Generator
    advance : callable

    Returns
    -------
    cases : list of Shown
        No two share a pixel.
    warnings : list of str

    Raises
    ------
    MeasurementError
        If defects are larger than a field, the images hold too few fields, or too few are asked for.

    Notes
    -----
    Each defect goes through the stated forward model with the noise of the quanta that it lets through (see
    `coldray.benchmark.pod.defects`), then the whole image is restored.
    """
    _check_counts(wanted.cases - wanted.cases // 2, wanted.cases // 2)
    if not wanted.sizes_mm:
        raise SettingsError("no size of a defect is stated; give one or more")
    places = [(k, x, y) for k, one in enumerate(sources) for x, y in _corners(one.image.shape[-2:], wanted.field_px)]
    if len(places) < wanted.cases:
        raise MeasurementError(
            f"the images hold {len(places)} fields of {wanted.field_px} x {wanted.field_px} pixels and {wanted.cases} cases "
            "are wanted; give more images, smaller fields or fewer cases"
        )
    chosen = [places[k] for k in rng.permutation(len(places))[: wanted.cases]]
    shown, warnings = [], []
    used = sorted({place[0] for place in chosen})
    for done, number in enumerate(used):
        advance(done, len(used), sources[number].name)
        fields = [(x, y, rank < wanted.cases // 2) for rank, (k, x, y) in enumerate(chosen) if k == number]
        found, more = _with_defects(sources[number], fields, wanted, job, rng)
        shown += found
        warnings += [f"{sources[number].name}: {text}" for text in more]
    return shown, list(dict.fromkeys(warnings))


def _ground(source: Source, job: Job) -> Ground:
    """An image and its arms; what is wrong with it is said with its name."""
    try:
        return ground_of(source.image, job)
    except (ImageError, MetadataError, PhysicsError) as problem:
        raise problem.worded(f"{source.name}: {problem}") from None


def _check_counts(controls: int, defective: int) -> None:
    if min(controls, defective) < FEWEST:
        raise MeasurementError(
            f"{controls} controls and {defective} cases with defects; at least {FEWEST} of each are needed, and dozens for "
            "bands that tell anything"
        )


def _corners(shape: tuple[int, ...], side: int) -> list[tuple[int, int]]:
    """Left upper corners of the disjoint fields of an image, centred in it."""
    first = [(n % side) // 2 for n in shape]
    return [
        (first[1] + col * side, first[0] + row * side)
        for row in range(shape[0] // side)
        for col in range(shape[1] // side)
    ]


def _with_defects(
    source: Source, fields: list[tuple[int, int, bool]], wanted: Simulated, job: Job, rng: np.random.Generator
) -> tuple[list[Shown], tuple[str, ...]]:
    """The fields of one image, restored once with all its defects."""
    ground, side = _ground(source, job), wanted.field_px
    placed: list[tuple[Stamp, int, int]] = []
    defects: list[tuple[Defect, ...]] = []
    for x, y, has_defect in fields:
        if not has_defect:
            defects.append(())
            continue
        one = _drawn(ground, wanted, rng)
        allowed = allowed_places(
            ground.fraction.shape, one.half, [(x + one.half, y + one.half, side - 2 * one.half, side - 2 * one.half)],
            ground.excluded,
        )  # fmt: skip
        free = np.argwhere(allowed)
        if not len(free):
            raise MeasurementError(f"a field at {x}, {y} px has no place that bad pixels leave free; use larger fields")
        row, col = (int(at) for at in free[rng.integers(len(free))])
        placed.append((one, row, col))
        half = one.size_mm / ground.pair.pixel_pitch_mm / 2
        defects.append(
            (
                Defect(
                    x_px=col - x + 0.5, y_px=row - y + 0.5, radius_px=half, kind=one.kind, size_mm=one.size_mm,
                    contrast=one.contrast,
                ),
            )
        )  # fmt: skip
    images = ground.images(ground.fraction + added(ground.fraction, placed, ground.noise, rng))
    shown = []
    for (x, y, _), known in zip(fields, defects, strict=True):
        inside = np.s_[y : y + side, x : x + side]
        arms = {arm: images[arm][inside] for arm in arms_of(job)}
        shown.append(Shown(source, (x, y, side, side), known, arms, _window(ground.fraction[inside])))
    return shown, ground.warnings


def _window(fraction: Image) -> tuple[float, float]:
    low, high = np.quantile(fraction, SHOWN_SHARES)
    return float(low), float(high)


def _drawn(ground: Ground, wanted: Simulated, rng: np.random.Generator) -> Stamp:
    """A class of defects, drawn among those that are wanted."""
    kind = wanted.kinds[int(rng.integers(len(wanted.kinds)))]
    size = wanted.sizes_mm[int(rng.integers(len(wanted.sizes_mm)))]
    pitch = ground.pair.pixel_pitch_mm
    if not (np.isfinite(size) and size > 0):
        raise MeasurementError(f"a defect has the size {size:g} mm; sizes must be positive")
    if side_px(size, pitch) >= wanted.field_px:
        raise MeasurementError(
            f"a defect of {size:.4g} mm and its blur need {side_px(size, pitch)} pixels, and a field has {wanted.field_px}; "
            "choose smaller defects or larger fields"
        )
    return stamp(kind, size, wanted.contrast, ground.pair, ground.degradation)
