"""Analytic test targets: every pixel integrated in closed form, the truth returned beside the image.

All targets are straight and run through the whole image, so that the signal depends on one coordinate only: the
distance `d` along their normal. A square pixel then averages over a known trapezoid, and the edge response
of a blur has a closed form (`coldray.objects._blur`). Images are fractions of the open beam.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.objects._blur import Blur, BlurSum, CurveBlur, GaussianBlur, PhosphorBlur, aperture, with_glare
from coldray.objects._line_targets import (
    DUPLEX_SPACING_MM,
    BarGroup,
    DuplexTruth,
    bars,
    duplex_wires,
    square_wave_response,
)
from coldray.objects.target_geometry import Box, Image, before_turning, normal_distance, turned
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import dft_axes, nyquist_lp_mm

__all__ = [
    "DUPLEX_SPACING_MM",
    "BarGroup",
    "Blur",
    "BlurSum",
    "CurveBlur",
    "DuplexTruth",
    "GaussianBlur",
    "PhosphorBlur",
    "bars",
    "duplex_wires",
    "flat_field",
    "presampled_mtf",
    "slanted_edge",
    "square_wave_response",
    "step_wedge",
    "with_glare",
]


def presampled_mtf(blur: Blur, pixel_pitch_mm: float, angle_deg: float = 0.0, points: int = 501) -> FrequencyCurve:
    """MTF of a blur seen through square pixels, along the normal of a tilted edge.

    Parameters
    ----------
    blur : Blur
    pixel_pitch_mm : float
        Pixel pitch [mm].
    angle_deg : float
        Tilt of the edge; the pixel projects on its normal as sinc(f cos a) sinc(f sin a).
    points : int
        Number of frequencies from 0 to Nyquist.

    Returns
    -------
    FrequencyCurve
    """
    nyquist = nyquist_lp_mm(pixel_pitch_mm)
    f = np.linspace(0, 0.5, points)
    return FrequencyCurve(f / 0.5 * nyquist, blur.mtf(f) * aperture(f, angle_deg))


def slanted_edge(
    shape: tuple[int, int],
    blur: Blur,
    pixel_pitch_mm: float,
    *,
    angle_deg: float = 3.0,
    orientation: str = "vertical",
    rising: bool = True,
    low: float = 0.05,
    high: float = 1.0,
    centre_px: float | None = None,
) -> tuple[Image, FrequencyCurve]:
    """One straight edge between two plateaus.

    Parameters
    ----------
    shape : (rows, cols)
    blur : Blur
        Detector blur without the pixel aperture, lengths in pixels.
    pixel_pitch_mm : float
        Pixel pitch [mm], for the truth.
    angle_deg : float
        Tilt: positive if the column of a vertical edge grows with the row, or the row of a horizontal one
        with the column.
    orientation : {"vertical", "horizontal"}
        Whether the edge runs from top to bottom or from side to side.
    rising : bool
        True if the signal grows with the column (row).
    low, high : float
        Plateaus, as fractions of the open beam.
    centre_px : float, optional
        Column (row) of the edge at the middle row (column); the image centre by default.

    Returns
    -------
    image : ndarray of float32, shape `shape`
    mtf : FrequencyCurve
        Presampled MTF along the edge normal, 0 to Nyquist.

    Raises
    ------
    PhysicsError
        If the plateaus, the angle or the orientation make no edge.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.objects.phantoms import GaussianBlur, slanted_edge
    >>> image, mtf = slanted_edge((64, 64), GaussianBlur(0.8), 0.1)
    >>> image.shape, bool(mtf(5.0) < mtf(1.0))
    ((64, 64), True)
    """
    if not high > low:
        raise PhysicsError(
            f"the bright plateau ({high}) must be above the dark one ({low}); use rising=False to turn the edge"
        )
    distance = normal_distance(before_turning(shape, orientation), angle_deg, centre_px)
    step = blur.edge(distance if rising else -distance, angle_deg)
    return turned(low + (high - low) * step, orientation), presampled_mtf(blur, pixel_pitch_mm, angle_deg)


def flat_field(
    shape: tuple[int, int],
    pixel_pitch_mm: float,
    nnps: FrequencyCurve | float,
    rng: np.random.Generator | int,
    *,
    frames: int = 1,
    mean: float = 1.0,
    trend: float = 0.0,
) -> tuple[Image, FrequencyCurve]:
    """Open fields with Gaussian noise of a given normalised noise power spectrum.

    Parameters
    ----------
    shape : (rows, cols)
    pixel_pitch_mm : float
        Pixel pitch [mm].
    nnps : FrequencyCurve or float
        Radial NNPS over cycles/mm [mm^2], held beyond its last point; a number means white noise.
    rng : Generator or int
        Source of the noise; one stream per call.
    frames : int
        Independent frames; the image has shape (frames, rows, cols) if more than 1.
    mean : float
        Mean signal.
    trend : float
        Relative fall from the centre to the corners by a centred parabola; the mean stays.

    Returns
    -------
    image : ndarray of float32
    nnps : FrequencyCurve
        What was asked for, up to sqrt(2) times Nyquist.

    Raises
    ------
    PhysicsError
        If the spectrum is negative.

    Notes
    -----
    White noise of unit variance has NNPS = pitch^2, so its transform is multiplied by sqrt(NNPS) / pitch.
    A border is synthesised and cut off, so that opposite sides are not correlated.
    """
    generator = np.random.default_rng(rng)
    corner = np.sqrt(2) * nyquist_lp_mm(pixel_pitch_mm)
    if isinstance(nnps, FrequencyCurve):
        curve = nnps
    else:
        curve = FrequencyCurve(np.array([0.0, corner]), np.full(2, float(nnps)))
    if np.any(curve.value < 0):
        raise PhysicsError("an NNPS cannot be negative")
    rows, cols = shape
    border = 0 if np.ptp(curve.value) == 0 else 64
    padded = (rows + border, cols + border)
    v, u = dft_axes(padded, pixel_pitch_mm)
    gain = np.sqrt(curve(np.hypot(v, u))) / pixel_pitch_mm
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)[None, :]
    bowl = (x * x + y * y) / 2
    field = mean * (1 - trend * (bowl - bowl.mean()))
    out = np.empty((frames, rows, cols), dtype=np.float32)
    for k in range(frames):
        noise = np.fft.ifft2(np.fft.fft2(generator.standard_normal(padded)) * gain).real[:rows, :cols]
        out[k] = field * (1 + noise)
    return (out[0] if frames == 1 else out), curve


def step_wedge(
    levels: Sequence[float],
    blur: Blur,
    *,
    rows: int = 64,
    step_px: int = 64,
    orientation: str = "vertical",
) -> tuple[Image, tuple[tuple[float, Box], ...]]:
    """Plateaus of known signal side by side.

    Parameters
    ----------
    levels : sequence of float
        Signal of every step, as a fraction of the open beam.
    blur : Blur
    rows, step_px : int
        Size along the steps' borders and width of one step [px].
    orientation : {"vertical", "horizontal"}
        How the borders between the steps run.

    Returns
    -------
    image : ndarray of float32
    steps : tuple of (level, (x, y, width, height))
        Level and the inner half of every step.

    Raises
    ------
    PhysicsError
        If there is no level.
    """
    if not len(levels):
        raise PhysicsError("a step wedge needs at least one level")
    cols = step_px * len(levels)
    d = np.arange(cols, dtype=np.float64)
    profile = np.full(cols, float(levels[0]))
    for k in range(1, len(levels)):
        profile += (levels[k] - levels[k - 1]) * blur.edge(d - (k * step_px - 0.5), 0.0)
    steps: list[tuple[float, Box]] = []
    for k, level in enumerate(levels):
        inner = (k * step_px + step_px // 4, 0, step_px // 2, rows)
        steps.append((float(level), inner if orientation == "vertical" else (inner[1], inner[0], inner[3], inner[2])))
    image: NDArray[np.float64] = np.broadcast_to(profile, (rows, cols))
    return turned(image, orientation), tuple(steps)
