"""Wire image quality indicator: contrast-to-noise ratio of every wire on a profile, and the finest that is visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.duplex import ground
from coldray.metrology.duplex.profile import project, tilt_of_lines, without_stray_pixels
from coldray.metrology.inputs import as_frame, check_pitch, crop, crop_mask, joined_mask
from coldray.metrology.strays import without_strays
from coldray.radiograph import Radiograph

DIAMETERS_MM = (
    3.2, 2.5, 2.0, 1.6, 1.25, 1.0, 0.8, 0.63, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.125, 0.1, 0.08, 0.063, 0.05,
)  # fmt: skip
"""Wires W1 to W19 of ISO 19232-1 (recalled)."""
FIRSTS, WIRES = (1, 6, 10, 13), 7
"""Coarsest wire of the indicators, and the wires of each."""
SPACING_MM, SPACING_RANGE = 5.0, 0.2
VISIBLE_CNR = 3.0
"""Peak of a wire on the profile over the noise of the profile filtered alike; ours, no criterion of a standard."""
BINS = 1

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Wire:
    """One wire: its number, diameter [mm], contrast at its middle, CNR on the profile, and place [mm]."""

    number: int
    diameter_mm: float
    contrast: float
    cnr: float
    position_mm: float

    @property
    def visible(self) -> bool:
        """Whether it stands out of the noise."""
        return self.cnr >= VISIBLE_CNR


@dataclass(frozen=True, eq=False)
class WireIqiMeasurement:
    """Wires of one indicator.

    Parameters
    ----------
    wires : tuple of Wire
        Coarse to fine.
    finest : int or None
        Number of the finest wire that is visible with all coarser ones; None if the coarsest is not.
    spacing_mm : float
        Distance of the wires, as fitted; 5 mm times the magnification.
    angle_deg : float
        Tilt of the wires from the pixel axis.
    position_mm, depth : ndarray, shape (n,)
        Profile: 1 - signal / background.
    warnings : tuple of str
    """

    wires: tuple[Wire, ...]
    finest: int | None
    spacing_mm: float
    angle_deg: float
    position_mm: Float
    depth: Float
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure iqi`."""
        return {
            "wires": [
                {"wire": f"W{w.number}", "diameter_mm": w.diameter_mm, "contrast": w.contrast, "cnr": w.cnr,
                 "visible": w.visible, "position_mm": w.position_mm}
                for w in self.wires
            ],
            "finest": None if self.finest is None else f"W{self.finest}",
            "spacing_mm": self.spacing_mm,
            "angle_deg": self.angle_deg,
            "warnings": list(self.warnings),
        }  # fmt: skip


def wire_iqi(
    image: NDArray[np.number] | Radiograph,
    pixel_pitch_mm: float,
    roi: tuple[int, int, int, int] | None = None,
    *,
    first_wire: int,
    mask: NDArray[np.bool_] | None = None,
) -> WireIqiMeasurement:
    """Measure a wire indicator.

    Parameters
    ----------
    image : ndarray (rows, cols) or Radiograph
        Linear intensities; the wires within 15 degrees of rows or columns.
    pixel_pitch_mm : float
        Pixel pitch [mm], at the object for a magnified image.
    roi : X, Y, W, H [pixels], optional
        Region with the wires alone; the whole image by default.
    first_wire : {1, 6, 10, 13}
        Coarsest wire of the indicator.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel must not count; joined with the mask of a Radiograph.

    Returns
    -------
    WireIqiMeasurement

    Raises
    ------
    MeasurementError
        If the indicator is unknown, or its wires do not fit into the region.

    Notes
    -----
    The middle 60 % of the wires is projected along them. A comb of seven wires with the known diameters and one free
    distance is laid where it agrees best; each wire is then filtered with its own width, and compared with the noise of
    the profile under the same filter away from all wires.

    References
    ----------
    ISO 19232-1 (wires, recalled); the visibility is by contrast to noise, not by eye.
    """
    if first_wire not in FIRSTS:
        raise MeasurementError(f"first_wire is {first_wire}; indicators begin with one of {FIRSTS}")
    pitch = check_pitch(pixel_pitch_mm)
    mask = joined_mask(image, mask)
    pixels, warnings = as_frame(image, mask)
    region, bad = crop(pixels, roi), crop_mask(mask, roi)
    if min(region.shape) < 32 or max(region.shape) * pitch < (WIRES - 1) * SPACING_MM * (1 - SPACING_RANGE):
        raise MeasurementError(
            f"the region is {region.shape[1] * pitch:.3g} x {region.shape[0] * pitch:.3g} mm; seven wires are "
            f"{(WIRES - 1) * SPACING_MM:g} mm wide"
        )
    region, bad = without_strays(region, bad, warnings, ground.directions_deg)
    turned = ground.upright(region)
    depth_image = ground.depth_below_background(turned)
    angle = tilt_of_lines(depth_image)
    edge = depth_image.shape[0] // 5
    bad = None if bad is None else (bad if turned is region else bad.T)[edge:-edge]
    middle = depth_image[edge:-edge]
    bad = without_stray_pixels(middle, angle, BINS, bad, warnings)
    position, depth, _ = project(middle, angle, BINS, bad)
    depth = depth - ground.baseline(depth)
    diameters = np.array(DIAMETERS_MM[first_wire - 1 : first_wire - 1 + WIRES]) / pitch
    # In noise the sign of the depth cannot be told from single pixels; that in which the comb agrees better counts.
    combs = {
        sign: _comb([_filtered(sign * depth, d) for d in diameters], diameters, SPACING_MM / pitch) for sign in (1, -1)
    }
    sign = max(combs, key=lambda one: combs[one][2])
    depth = sign * depth
    filters = [_filtered(depth, d) for d in diameters]
    start, spacing, _ = combs[sign]
    places: Float = np.asarray(start + spacing * np.arange(WIRES), dtype=np.float64)
    wires = [
        _wire(first_wire + k, diameters[k] * pitch, filtered, depth, places, k, position, pitch)
        for k, filtered in enumerate(filters)
    ]
    unseen = next((k for k, wire in enumerate(wires) if not wire.visible), WIRES)
    finest = None if unseen == 0 else wires[unseen - 1].number
    if unseen == 0:
        warnings.append("the coarsest wire is not visible: the numbers of the others are a guess")
    if any(wire.visible for wire in wires[unseen:]):
        warnings.append("a finer wire is visible where a coarser one is not: check --first-wire and the region")
    if unseen == WIRES:
        warnings.append(f"all wires are visible: the image quality is better than W{wires[-1].number}")
    return WireIqiMeasurement(
        tuple(wires), finest, float(abs(spacing) * pitch), angle, position * pitch, depth, tuple(warnings)
    )


def _filtered(depth: Float, diameter_px: float) -> Float:
    """Profile averaged over the width of a wire, at least one pixel, with a Gaussian of the same variance."""
    return np.asarray(ndimage.gaussian_filter1d(depth, max(diameter_px / 4, 0.5), mode="nearest"))


def _comb(filters: list[Float], diameters: Float, spacing_px: float) -> tuple[float, float, float]:
    """Place of the coarsest wire, signed distance of the wires [px], and the sum, where the weighted comb agrees best."""
    n = filters[0].size
    weight = diameters / np.linalg.norm(diameters)
    grid = np.arange(n, dtype=np.float64)
    best, found = -np.inf, (0.0, spacing_px)
    for size in spacing_px * np.linspace(1 - SPACING_RANGE, 1 + SPACING_RANGE, 81):
        for spacing in (size, -size):
            reach = spacing * (WIRES - 1)
            starts = np.arange(max(0.0, -reach), min(n - 1.0, n - 1.0 - reach) + 1e-9, 0.5)
            if starts.size == 0:
                continue
            total = sum(
                w * np.interp(starts + k * spacing, grid, filtered)
                for k, (w, filtered) in enumerate(zip(weight, filters, strict=True))
            )
            place = int(np.argmax(total))
            if total[place] > best:
                best, found = float(total[place]), (float(starts[place]), float(spacing))
    if not np.isfinite(best):
        raise MeasurementError("seven wires at 5 mm do not fit into the profile; check --pitch-um and the region")
    return *found, best


def _wire(
    number: int,
    diameter_mm: float,
    filtered: Float,
    depth: Float,
    places: Float,
    own: int,
    position: Float,
    pitch: float,
) -> Wire:
    """Contrast and CNR of one wire; noise where no wire is within a third of the distance."""
    grid = np.arange(filtered.size, dtype=np.float64)
    spacing = abs(places[1] - places[0])
    away = np.abs(grid[:, None] - places[None, :]).min(axis=1) > spacing / 3
    inside = (grid > places.min() - spacing) & (grid < places.max() + spacing)
    background = filtered[away & inside]
    noise = 1.4826 * float(np.median(np.abs(background - np.median(background))))
    slack = max(1.0, spacing / 20)
    near = np.abs(grid - places[own]) <= slack
    # The largest of a few values near the place would count noise as contrast; the place is the comb's.
    height = float(np.interp(places[own], grid, filtered)) - float(np.median(background))
    peak = float(np.max(depth[near])) if near.any() else height
    return Wire(
        number,
        float(diameter_mm),
        peak,
        height / noise if noise > 0 else float("inf"),
        float(np.interp(places[own], grid, position) * pitch),
    )
