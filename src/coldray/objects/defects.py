"""Known defects in any object: made from its own thickness maps, each with mask, size, contrast and contrast-to-noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import PhysicsError
from coldray.objects._battery_defects import BATTERY_KINDS
from coldray.objects._defect_makers import BOARD_KINDS, Change, Maker
from coldray.objects._defect_sites import Sites, Window
from coldray.objects._material_defects import MATERIAL_KINDS
from coldray.objects._visibility import pixel_sd
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.thickness import ThicknessMaps

__all__ = ["DEFECT_KINDS", "KINDS_IN_BOARDS", "Defect", "add_defects", "defect_labels", "fitting_kinds", "pixel_sd"]

MAKERS: dict[str, Maker] = BOARD_KINDS | BATTERY_KINDS | MATERIAL_KINDS
DEFECT_KINDS: tuple[str, ...] = tuple(MAKERS)
KINDS_IN_BOARDS: tuple[str, ...] = (*BOARD_KINDS, *MATERIAL_KINDS)
LEAST_CHANGE_MM = 1e-4
"""A cell belongs to a defect if some material differs by this much [mm]."""
_MARGIN_PX = 12
_ATTEMPTS = 40


@dataclass(frozen=True, eq=False)
class Defect:
    """One defect and how visible it is.

    Parameters
    ----------
    kind : str
        One of `DEFECT_KINDS`.
    box : (row, col, height, width)
        Bounding box on the object's grid [cells].
    mask : ndarray of bool, shape (height, width)
        Changed cells inside the box.
    size_mm : float
        What names its size: diameter, gap, width or displacement [mm].
    materials : tuple of str
        Materials that changed.
    contrast : float, optional
        (T - T_sound) / T_sound, mean over the mask: positive where material is missing.
    cnr : float, optional
        Largest noise-free difference in the detector's image over the standard deviation of a pixel at that
        signal and exposure; below about 3 it cannot be seen in one pixel.
    matched_snr : float, optional
        Root of the summed squared difference over the same standard deviation: what an observer who knew
        the shape could reach in white noise.
    """

    kind: str
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]
    size_mm: float
    materials: tuple[str, ...]
    contrast: float | None = None
    cnr: float | None = None
    matched_snr: float | None = None

    def full_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Mask on the whole grid."""
        out = np.zeros(shape, dtype=bool)
        row, col, height, width = self.box
        out[row : row + height, col : col + width] = self.mask
        return out

    def to_dict(self, grid_pitch_mm: float) -> dict[str, Json]:
        """JSON-able form without the mask."""
        return {
            "kind": self.kind,
            "box_cells": list(self.box),
            "size_mm": self.size_mm,
            "area_mm2": float(self.mask.sum()) * grid_pitch_mm**2,
            "materials": list(self.materials),
            "contrast": self.contrast,
            "cnr": self.cnr,
            "matched_snr": self.matched_snr,
        }


def fitting_kinds(maps: ThicknessMaps) -> tuple[str, ...]:
    """Kinds of defect that belong to an object: what `draw_kind` draws takes those of any material, and a cell its own."""
    if "kind" not in maps.labels:
        return (*BOARD_KINDS, *BATTERY_KINDS)
    return (*MATERIAL_KINDS, *BATTERY_KINDS) if "cell" in maps.labels else tuple(MATERIAL_KINDS)


def add_defects(
    maps: ThicknessMaps,
    count: int,
    rng: np.random.Generator | int,
    *,
    kinds: Sequence[str] | None = None,
    detector: ScreenDetector | None = None,
    exposure_s: float = 1.0,
    magnification: float = 1.0,
    fewer: bool = False,
) -> tuple[ThicknessMaps, tuple[Defect, ...]]:
    """Put defects into an object, at places found from its own maps.

    Parameters
    ----------
    maps : ThicknessMaps
        Sound object.
    count : int
        How many defects; they do not overlap.
    rng : Generator or int
        The same integer gives the same defects.
    kinds : sequence of str, optional
        Kinds to choose from, each equally likely while it finds a place; by default `fitting_kinds`.
    detector : ScreenDetector, optional
        Also compute contrast and contrast-to-noise for this detector.
    exposure_s : float
        Exposure for the noise [s].
    magnification : float
        Magnification that relates the object's grid to the detector's pixels.
    fewer : bool
        Make do with as many as find a place.

    Returns
    -------
    maps : ThicknessMaps
        Changed copy; `labels["defects"]` holds the records.
    defects : tuple of Defect

    Raises
    ------
    PhysicsError
        If a kind is unknown, or not all defects find a place and `fewer` is not given.
    """
    wanted = fitting_kinds(maps) if kinds is None else tuple(kinds)
    if unknown := sorted(set(wanted) - set(DEFECT_KINDS)):
        raise PhysicsError(f"unknown kind of defect: {', '.join(unknown)}; known: {', '.join(DEFECT_KINDS)}")
    if count < 0 or not wanted:
        raise PhysicsError(f"{count} defects of {len(wanted)} kinds; give a count >= 0 and at least one kind")
    random = np.random.default_rng(rng)
    sites = Sites(maps)
    thickness = {m: np.array(t, dtype=np.float32) for m, t in maps.thickness_mm.items()}
    used = np.zeros(maps.shape, dtype=bool)
    found: list[Defect] = []
    alive = list(wanted)
    misses = dict.fromkeys(wanted, 0)
    while len(found) < count and alive:
        kind = alive[int(random.integers(len(alive)))]
        change = MAKERS[kind](thickness, sites, random)
        record = None if change is None else _record(kind, change, thickness, used)
        if change is None or record is None:
            misses[kind] += 1
            # without a site at once, or crowded out after many tries
            if misses[kind] >= (3 if change is None else _ATTEMPTS):
                alive.remove(kind)
            continue
        if detector is not None:
            record = _graded(record, change, thickness, maps, detector, exposure_s, magnification)
        for material, changed in change.thickness_mm.items():
            thickness.setdefault(material, np.zeros(maps.shape, dtype=np.float32))[change.window] = changed
        row, col, height, width = record.box
        used[max(0, row - 3) : row + height + 3, max(0, col - 3) : col + width + 3] = True
        found.append(record)
    if len(found) < count and not fewer:
        raise PhysicsError(
            f"only {len(found)} of {count} defects found a place in {maps.name!r}; ask for fewer, or for other kinds "
            f"than {', '.join(wanted)}"
        )
    labels = {**maps.labels, "defects": (*maps.labels.get("defects", ()), *found)}
    return ThicknessMaps(thickness, maps.grid_pitch_mm, maps.name, labels), tuple(found)


def defect_labels(defects: Sequence[Defect], shape: tuple[int, int], oversampling: int) -> NDArray[np.uint16]:
    """Label image on detector pixels: 0, or the number (from 1) of the defect that touches a pixel.

    Parameters
    ----------
    defects : sequence of Defect
    shape : (rows, cols)
        Grid of the object [cells], a multiple of the oversampling.
    oversampling : int
        Cells per pixel and direction.

    Returns
    -------
    ndarray of uint16, shape (rows // oversampling, cols // oversampling)
    """
    out = np.zeros((shape[0] // oversampling, shape[1] // oversampling), dtype=np.uint16)
    for number, defect in enumerate(defects, start=1):
        rows, cols = np.nonzero(defect.mask)
        rows, cols = (rows + defect.box[0]) // oversampling, (cols + defect.box[1]) // oversampling
        inside = (rows < out.shape[0]) & (cols < out.shape[1])
        out[rows[inside], cols[inside]] = number
    return out


def _record(
    kind: str, change: Change, thickness: dict[str, NDArray[np.float32]], used: NDArray[np.bool_]
) -> Defect | None:
    """Mask and box of a change; None if it changes nothing or meets another defect."""
    differs: NDArray[np.bool_] | None = None
    materials = []
    for material, changed in change.thickness_mm.items():
        before = thickness[material][change.window] if material in thickness else np.float32(0)
        here = np.abs(changed - before) > LEAST_CHANGE_MM
        if here.any():
            materials.append(material)
            differs = here if differs is None else differs | here
    if differs is None:
        return None
    rows, cols = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    part = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1))
    mask = differs[part].copy()
    row, col = change.window[0].start + part[0].start, change.window[1].start + part[1].start
    if used[row : row + mask.shape[0], col : col + mask.shape[1]].any():
        return None
    return Defect(kind, (row, col, *mask.shape), mask, float(change.size_mm), tuple(materials))


def _graded(
    defect: Defect,
    change: Change,
    thickness: dict[str, NDArray[np.float32]],
    maps: ThicknessMaps,
    detector: ScreenDetector,
    exposure_s: float,
    magnification: float,
) -> Defect:
    """Contrast and contrast-to-noise from the object with and without the defect."""
    ratio = detector.pixel_pitch_mm / (maps.grid_pitch_mm * magnification)
    oversampling = round(ratio)
    if oversampling < 1 or abs(ratio / max(oversampling, 1) - 1) > 0.01:
        raise PhysicsError(
            f"the grid step {maps.grid_pitch_mm:.6g} mm at magnification {magnification:g} is not a whole fraction of "
            f"the {detector.pixel_pitch_mm} mm pixels"
        )
    row, col, height, width = defect.box
    outer = _aligned(maps.shape, defect.box, oversampling)
    sound = {m: t[outer] for m, t in thickness.items()}
    faulty = dict(sound)
    for material, changed in change.thickness_mm.items():
        whole = thickness.get(material)
        piece = np.zeros(maps.shape, dtype=np.float32) if whole is None else whole.copy()
        piece[change.window] = changed
        faulty[material] = piece[outer]
    before, after = (
        detector.transmission(ThicknessMaps(part, maps.grid_pitch_mm, maps.name)) for part in (sound, faulty)
    )
    top, left = row - outer[0].start, col - outer[1].start
    inner = (slice(top, top + height), slice(left, left + width))
    contrast = float((after - before)[inner][defect.mask].mean() / max(float(before[inner][defect.mask].mean()), 1e-9))
    seen = np.abs(detector.image(after - before, oversampling))
    level = detector.image(after, oversampling)
    peak = int(np.argmax(seen))
    sd = pixel_sd(detector, exposure_s, float(level.flat[peak]))
    return replace(
        defect,
        contrast=contrast,
        cnr=float(seen.flat[peak]) / sd,
        matched_snr=float(np.sqrt((seen.astype(np.float64) ** 2).sum())) / sd,
    )


def _aligned(shape: tuple[int, int], box: tuple[int, int, int, int], oversampling: int) -> Window:
    """Window round a box with a margin, on whole pixels."""
    spans = []
    for n, first, extent in zip(shape, box[:2], box[2:], strict=True):
        low = max(0, (first // oversampling - _MARGIN_PX) * oversampling)
        high = min(n // oversampling * oversampling, ((first + extent) // oversampling + 1 + _MARGIN_PX) * oversampling)
        spans.append(slice(low, high))
    return spans[0], spans[1]
