"""Known defects as the blurred detector shows them: their shape through the stated forward model, and their own noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.metrology.observer import gabor_channels, laguerre_gauss_channels
from coldray.metrology.tasks import Task, disc, line
from coldray.physics.grids import dft_axes
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import Degradation

Float = NDArray[np.float64]
Image = NDArray[np.float32]

CRACK_ANGLE_DEG = 30.0
CRACK_ASPECT = 10.0
"""Length of a crack over its width."""
LEAST_SIDE_PX = 33
BLUR_REACH_PX = 24
"""Sum of both sides' margin around a defect, for the blur [pixels]."""
CRACK_BANDS = (0.03, 0.06, 0.12, 0.24, 0.4)


@dataclass(frozen=True)
class Kind:
    """What a kind of defect is.

    Parameters
    ----------
    sign : {1, -1}
        Brighter or darker than the ground.
    task : callable
        ``task(size_mm, contrast)``.
    words : str
        What its size means.
    oriented : bool
        Whether it has a direction, which the observer knows.
    """

    sign: int
    task: Callable[[float, float], Task]
    words: str
    oriented: bool = False


KINDS: Mapping[str, Kind] = {
    "void": Kind(1, disc, "disc of missing material, brighter; its size is its diameter"),
    "crack": Kind(
        1,
        lambda size, contrast: line(size / CRACK_ASPECT, size, contrast, CRACK_ANGLE_DEG),
        f"straight gap, brighter; its size is its length, and it is 1/{CRACK_ASPECT:g} as wide",
        oriented=True,
    ),
    "inclusion": Kind(-1, disc, "disc of denser material, darker; its size is its diameter"),
}


@dataclass(frozen=True, eq=False)
class Stamp:
    """One class of defects: a kind of one size and contrast.

    Parameters
    ----------
    kind : str
    size_mm, contrast : float
        Contrast is the relative change of the signal before any blur, negative where it is darker.
    image : ndarray, shape (side, side)
        Noise-free change of the blurred image for a ground of signal 1, centred.
    channels : ndarray, float32, shape (channels, side * side)
        What the observer looks through.
    """

    kind: str
    size_mm: float
    contrast: float
    image: Float
    channels: NDArray[np.float32]

    @property
    def side(self) -> int:
        """Rows and columns of the patch [pixels]."""
        return len(self.image)

    @property
    def half(self) -> int:
        """Pixels from the centre to the border of the patch."""
        return self.side // 2

    def window(self, row: int, col: int) -> tuple[slice, slice]:
        """Patch around a pixel."""
        return slice(row - self.half, row + self.half + 1), slice(col - self.half, col + self.half + 1)

    def level(self, image: Image, row: int, col: int) -> float:
        """Signal of the ground around a place, weighted by the stamp; never negative."""
        weight = np.abs(self.image)
        return max(float(np.sum(image[self.window(row, col)] * weight) / weight.sum()), 0.0)


def side_px(size_mm: float, pixel_pitch_mm: float) -> int:
    """Side of the patch that a defect of this size and its blur need [pixels], odd.

    Parameters
    ----------
    size_mm : float
        Of the defect [mm].
    pixel_pitch_mm : float
        Pixel pitch [mm].

    Returns
    -------
    int
    """
    needed = int(np.ceil(size_mm / pixel_pitch_mm)) + BLUR_REACH_PX
    return max(LEAST_SIDE_PX, needed + 1 - needed % 2)


def stamp(kind: str, size_mm: float, contrast: float, pair: DetectorPair, degradation: Degradation) -> Stamp:
    """Make a class of defects.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    size_mm : float
    contrast : float
        Relative change of the signal before any blur, without sign, 0 to 1.
    pair : DetectorPair
    degradation : object
        The stated forward model: offers ``transfer(frequency, strength)`` from the sharp to the blurred image.

    Returns
    -------
    Stamp
        The defect's spectrum times the sharp detector's MTF times the blur.

    Raises
    ------
    MeasurementError
        If the kind is unknown, or size or contrast are impossible.
    """
    if kind not in KINDS:
        raise MeasurementError(f"a defect of kind {kind!r} is unknown; choose among {', '.join(KINDS)}")
    if not (np.isfinite(contrast) and 0 < contrast <= 1):
        raise MeasurementError(f"the contrast of a {kind} of {size_mm:g} mm is {contrast:g}; it must lie in (0, 1]")
    known, pitch = KINDS[kind], pair.pixel_pitch_mm
    task = known.task(size_mm, known.sign * contrast)
    side = side_px(size_mm, pitch)
    wide = 2 * side + 1
    v, u = dft_axes((wide, wide), pitch)
    frequency = np.hypot(v, u)
    seen = task.spectrum(v, u) * pair.sharp_mtf(frequency) * degradation.transfer(frequency, 1.0)
    whole = np.fft.fftshift(np.fft.ifft2(seen).real) / pitch**2
    first = wide // 2 - side // 2
    image = whole[first : first + side, first : first + side]
    return Stamp(kind, size_mm, known.sign * contrast, image, _channels(image, known.oriented))


def _channels(image: Float, oriented: bool) -> NDArray[np.float32]:
    """Oriented channels across a crack, Laguerre-Gauss ones as wide as a compact defect."""
    if oriented:
        angles = CRACK_ANGLE_DEG + np.array([-30.0, 0.0, 30.0])
        found = gabor_channels(image.shape, CRACK_BANDS, angles)
    else:
        weight = np.abs(image)
        y, x = (np.arange(n) - n // 2 for n in image.shape)
        variance = float(np.sum(weight * (y[:, None] ** 2 + x**2)) / (2 * weight.sum()))
        found = laguerre_gauss_channels(image.shape, float(np.sqrt(2 * np.pi * variance)))
    return found.reshape(len(found), -1).astype(np.float32)


def added(ground: Image, placed: list[tuple[Stamp, int, int]], noise: NoiseModel, rng: np.random.Generator) -> Image:
    """What defects change in a frame: their noise-free signal, and the quantum noise of what they let through.

    Parameters
    ----------
    ground : ndarray, float32, shape (rows, cols)
        The frame, fraction of the open beam; defects scale with its signal where they lie.
    placed : list of (Stamp, row, col)
    noise : NoiseModel
        Of the frame.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32, same shape

    Notes
    -----
    A void lets more quanta through; their noise is drawn at the added signal and coloured as the frame's. A darker defect
    keeps the noise of its ground, which is a little more than it would have.
    """
    change = np.zeros(ground.shape)
    for one, row, col in placed:
        change[one.window(row, col)] += one.level(ground, row, col) * one.image
    quanta = replace(noise, electronic_mm2=0.0).draw(np.maximum(change, 0.0), rng)
    return np.asarray(change + quanta, dtype=np.float32)
