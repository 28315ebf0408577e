"""Bar patterns and duplex wires with their truth; public through `coldray.objects.phantoms`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from coldray.errors import PhysicsError
from coldray.objects._blur import Blur, aperture
from coldray.objects.target_geometry import Box, Float, Image, normal_distance, strips, turned

# ISO 19232-5 duplex wire pairs 1D to 13D: wire diameter = gap [mm].
DUPLEX_SPACING_MM = (0.80, 0.63, 0.50, 0.40, 0.32, 0.25, 0.20, 0.16, 0.13, 0.10, 0.08, 0.063, 0.05)
DIP_LIMIT_PERCENT = 20.0


def square_wave_response(mtf: Callable[[Float], Float], frequency: ArrayLike, *, terms: int = 200) -> Float:
    """Peak-to-valley response of an endless 50 % square wave: (4/pi) sum (-1)^k M((2k+1) f) / (2k+1).

    Parameters
    ----------
    mtf : callable
        Presampled MTF, valid well beyond Nyquist.
    frequency : array_like
        Bar frequency in the units of `mtf`; must be positive.
    terms : int
        Harmonics summed.

    Returns
    -------
    ndarray
        Contrast transfer, 1 for coarse bars.

    References
    ----------
    Coltman, J. Opt. Soc. Am. 44 (1954) 468.
    """
    f = np.atleast_1d(np.asarray(frequency, dtype=np.float64))
    k = np.arange(terms)
    odd = 2 * k + 1
    # Averaging two partial sums removes the alternating remainder of the slowly falling series.
    series = np.where(k % 2 == 0, 1.0, -1.0) / odd * mtf(f[:, None] * odd)
    partial = np.cumsum(series, axis=1)
    return np.asarray(4 / np.pi * (partial[:, -1] + partial[:, -2]) / 2)


@dataclass(frozen=True)
class BarGroup:
    """One group of a bar pattern and its truth for endless bars.

    Parameters
    ----------
    frequency_lp_mm : float
        Along the normal of the bars [lp/mm].
    box : (x, y, width, height)
        Pixels that hold the whole group in every row.
    ctf : float
        Peak-to-valley response relative to coarse bars.
    mtf : float
        Presampled MTF at this frequency: (pi / 4) of the fundamental's amplitude over the plateau's.
    """

    frequency_lp_mm: float
    box: Box
    ctf: float
    mtf: float


def bars(
    frequencies_lp_mm: Sequence[float],
    blur: Blur,
    pixel_pitch_mm: float,
    *,
    rows: int = 128,
    count: int = 8,
    tilt_deg: float = 2.0,
    orientation: str = "vertical",
    low: float = 0.3,
    high: float = 1.0,
    margin_mm: float | None = None,
) -> tuple[Image, tuple[BarGroup, ...]]:
    """Groups of absorbing bars side by side, with a wide plateau bar on the left.

    Parameters
    ----------
    frequencies_lp_mm : sequence of float
        One group each, in this order [lp/mm].
    blur : Blur
    pixel_pitch_mm : float
        Pixel pitch [mm].
    rows : int
        Image size along the bars [px]; the size across follows from the groups.
    count : int
        Bars per group (as many spaces of equal width less one).
    tilt_deg : float
        Tilt of the bars, as for `slanted_edge`.
    orientation : {"vertical", "horizontal"}
        How the bars run.
    low, high : float
        Signal under a wide bar and beside it.
    margin_mm : float, optional
        Clear space beside each group and half-width of the plateau bar; 20 pixels by default.

    Returns
    -------
    image : ndarray of float32
    groups : tuple of BarGroup

    Raises
    ------
    PhysicsError
        If there is no group, or a frequency is not positive.
    """
    f = np.asarray(frequencies_lp_mm, dtype=np.float64) * pixel_pitch_mm
    if f.size == 0 or not np.all(np.isfinite(f)) or not np.all(f > 0) or count < 1:
        raise PhysicsError("bars need at least one positive frequency and at least one bar per group")
    margin = 20.0 if margin_mm is None else margin_mm / pixel_pitch_mm
    slack = rows * abs(np.tan(np.deg2rad(tilt_deg))) / 2
    left, right, spans = [slack + margin], [slack + 3 * margin], []
    position = slack + 4 * margin
    for frequency in f:
        start = position
        edges = position + np.arange(2 * count) / (2 * frequency)
        left.extend(edges[0::2])
        right.extend(edges[1::2])
        position = float(edges[-1]) + margin
        spans.append((start, position - margin))
    cols = int(np.ceil(position + slack))
    origin = (cols - 1) / 2
    profile = strips(np.array(left) - origin, np.array(right) - origin, np.ones(len(left)), blur, tilt_deg)
    image = high - (high - low) * profile(normal_distance((rows, cols), tilt_deg, None))

    def mtf(frequency: Float) -> Float:
        return blur.mtf(frequency) * aperture(frequency, tilt_deg)

    groups = []
    for frequency, (start, stop) in zip(f, spans, strict=True):
        x, width = int(np.floor(start - slack)), int(np.ceil(stop - start + 2 * slack)) + 1
        box = (x, 0, width, rows) if orientation == "vertical" else (0, x, rows, width)
        response = float(square_wave_response(mtf, frequency)[0])
        groups.append(BarGroup(float(frequency / pixel_pitch_mm), box, response, float(mtf(np.array(frequency)))))
    return turned(image, orientation), tuple(groups)


@dataclass(frozen=True)
class DuplexTruth:
    """What a duplex-wire target holds.

    Parameters
    ----------
    spacing_mm : tuple of float
        Wire diameter = gap of every pair, 1D first [mm].
    dip_percent : tuple of float
        Dip between the two wires of every pair along their normal [%].
    isrb_mm : float or None
        Spacing at which the dip is 20 % [mm]; None if it is so at none between 0.01 mm and 2 mm.
    centre_px : tuple of float
        Place of every pair's middle gap across the wires [px], at the middle row.
    box : (x, y, width, height)
        Pixels that hold the whole target.
    """

    spacing_mm: tuple[float, ...]
    dip_percent: tuple[float, ...]
    isrb_mm: float | None
    centre_px: tuple[float, ...]
    box: Box


def _wires(centres: Float, widths: Float, round_wires: bool) -> tuple[Float, Float, Float]:
    """Strips whose sum is the thickness of pairs of wires: (left, right, depth); the deepest thickness is 1."""
    place = np.concatenate([centres - widths, centres + widths])
    width = np.concatenate([widths, widths])
    if not round_wires:
        return place - width / 2, place + width / 2, np.ones(place.size)
    # A circle's chord is a stack of strips of half-width r cos t and weight cos t dt, t from 0 to pi / 2.
    node, weight = np.polynomial.legendre.leggauss(16)
    t = (node + 1) * np.pi / 4
    half = (width[:, None] / 2 * np.cos(t)).ravel()
    depth = np.tile(weight * np.pi / 4 * np.cos(t), place.size)
    centre = np.repeat(place, t.size)
    return centre - half, centre + half, depth


def _dip(spacing_px: float, blur: Blur, angle_deg: float, round_wires: bool) -> float:
    """Dip of one wire pair [%]: 100 (A + B - 2 C) / (A + B) with the extreme depths of wires and gap."""
    profile = strips(*_wires(np.array([0.0]), np.array([spacing_px]), round_wires), blur, angle_deg)
    d = np.linspace(0, 2 * spacing_px, 2001)
    depth = profile(d)
    peak = float(depth.max())
    return 100 * (peak - float(depth[0])) / peak


def duplex_wires(
    blur: Blur,
    pixel_pitch_mm: float,
    *,
    rows: int = 128,
    spacing_mm: Sequence[float] = DUPLEX_SPACING_MM,
    tilt_deg: float = 3.0,
    orientation: str = "vertical",
    contrast: float = 0.4,
    round_wires: bool = True,
    margin_px: float = 16.0,
) -> tuple[Image, DuplexTruth]:
    """Pairs of wires of falling diameter side by side on an open field.

    Parameters
    ----------
    blur : Blur
    pixel_pitch_mm : float
        Pixel pitch [mm].
    rows : int
        Image size along the wires [px].
    spacing_mm : sequence of float
        Wire diameter = gap of every pair [mm]; ISO 19232-5 by default.
    tilt_deg : float
        Tilt of the wires.
    orientation : {"vertical", "horizontal"}
        How the wires run.
    contrast : float
        Signal lost at the middle of an unblurred wire, the same for all pairs.
    round_wires : bool
        Chord of a circle (weak attenuation); else strips of even depth.
    margin_px : float
        Clear space between pairs [px].

    Returns
    -------
    image : ndarray of float32
    truth : DuplexTruth

    Raises
    ------
    PhysicsError
        If a spacing or the contrast is not positive.
    """
    width = np.asarray(spacing_mm, dtype=np.float64) / pixel_pitch_mm
    if width.size == 0 or not np.all(width > 0) or not 0 < contrast <= 1:
        raise PhysicsError("duplex wires need positive spacings and a contrast in (0, 1]")
    slack = rows * abs(np.tan(np.deg2rad(tilt_deg))) / 2
    centres, position = [], slack + 2 * margin_px
    for w in width:
        centres.append(position + 1.5 * w)
        position += 3 * w + margin_px
    cols = int(np.ceil(position + slack + margin_px))
    middle = (cols - 1) / 2
    wires = _wires(np.array(centres) - middle, width, round_wires)
    image = 1 - contrast * strips(*wires, blur, tilt_deg)(normal_distance((rows, cols), tilt_deg, None))

    def excess(spacing: float) -> float:
        return _dip(spacing / pixel_pitch_mm, blur, tilt_deg, round_wires) - DIP_LIMIT_PERCENT

    isrb = float(scipy.optimize.brentq(excess, 0.01, 2.0, xtol=1e-6)) if excess(0.01) < 0 < excess(2.0) else None
    dips = tuple(_dip(w, blur, tilt_deg, round_wires) for w in width)
    box = (0, 0, cols, rows) if orientation == "vertical" else (0, 0, rows, cols)
    truth = DuplexTruth(tuple(float(s) for s in spacing_mm), dips, isrb, tuple(centres), box)
    return turned(image, orientation), truth
