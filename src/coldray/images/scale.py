"""Invertible scaling between stored pixel values and the fraction of the open beam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import EllipsisType

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError, MetadataError
from coldray.images.open_beam import bright_plateau
from coldray.radiograph import Radiograph
from coldray.scratch import copied, empty, strips
from coldray.words import percent

LARGEST_VALUE = 1e30
"""Largest pixel value restored: single precision ends at 3e38, and powers and sums of pixels are taken."""
FOUND = ("image", "full scale")
"""Sources of an open beam that nobody states."""
LEAST_OPEN_BEAM, LARGEST_OPEN_BEAM = 1e-6, 1e15
"""Pixel values that an open beam may have [DN]."""
LARGEST_FRACTION = 4.0
"""Floating-point pixels up to this are fractions of the open beam."""
SATURATED_LEVEL = 0.98
"""A plateau from this share of full scale on is saturated and tells no level."""
PART_PIXELS = 2**16
ROUNDING_VARIANCE = 1 / 12
"""That storing whole numbers adds [stored values squared]."""
SATURATED_SHARE = 1e-4
"""Share of pixels at the top of their type above which the user is warned."""


@dataclass(frozen=True)
class Scale:
    """Stored value = fraction of the open beam times `open_beam`.

    Parameters
    ----------
    open_beam : float
        Stored value of the unattenuated beam; 1 for floating-point images.
    dtype : numpy.dtype
        Stored type.
    source : str
        "fraction", "option", "file", "image" or "full scale": where `open_beam` comes from.
    """

    open_beam: float
    dtype: np.dtype[np.number]
    source: str

    def to_fraction(self, pixels: NDArray[np.number]) -> NDArray[np.float32]:
        """Stored values as float32 fractions of the open beam."""
        if self.open_beam == 1:
            return copied(pixels, np.float32)
        out = empty(pixels.shape, np.float32)
        for part in _parts(pixels.shape):
            out[part] = pixels[part] / self.open_beam
        return out

    def to_stored(self, fraction: NDArray[np.floating]) -> tuple[NDArray[np.number], int]:
        """Return stored values and how many had to be clipped to the type's range.

        Raises
        ------
        ImageError
            If pixels are NaN or infinite: no integer says that, and nothing restored may.

        Notes
        -----
        Integers are rounded to nearest; floats are never clipped.
        """
        if bad := _count(fraction, lambda part: ~np.isfinite(part)):
            raise ImageError(f"{bad} of {fraction.size} pixels to be written are NaN or infinite; nothing was written")
        if self.dtype.kind == "f":
            return (fraction * np.float32(self.open_beam)).astype(self.dtype), 0
        limits, clipped = np.iinfo(self.dtype.str), 0
        out = empty(fraction.shape, self.dtype)
        for part in _parts(fraction.shape):
            values = self._exact(fraction[part])
            if values.min() < limits.min or values.max() > limits.max:
                clipped += int(np.count_nonzero((values < limits.min) | (values > limits.max)))
                np.clip(values, limits.min, limits.max, out=values)
            out[part] = values
        return out, clipped

    def beyond(self, fraction: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Where the stored value that a fraction asks for lies beyond the range of the type, an integer one."""
        limits, out = np.iinfo(self.dtype.str), empty(fraction.shape, np.bool_)
        for part in _parts(fraction.shape):
            values = self._exact(fraction[part])
            np.logical_or(values < limits.min, values > limits.max, out=out[part])
        return out

    def _exact(self, fraction: NDArray[np.floating]) -> NDArray[np.float64]:
        """Whole stored values that fractions ask for, also those beyond the type's range."""
        values = np.asarray(fraction, dtype=np.float64) * self.open_beam
        return np.rint(values, out=values)


def _parts(shape: tuple[int, ...]) -> Iterator[tuple[slice | EllipsisType, ...]]:
    """Runs of rows of an image or stack that stay in the processor's cache in double precision."""
    for rows in strips(shape, pixels=PART_PIXELS):
        yield ..., rows, slice(None)


def scale_of(image: Radiograph, open_beam: float | None = None, *, plateau: bool = True) -> tuple[Scale, list[str]]:
    """Find the open-beam level of an image.

    Parameters
    ----------
    image : Radiograph
    open_beam : float, optional
        Stored value of the open beam, overriding the file.
    plateau : bool
        Whether the image's bright plateau counts where nothing states a level; full scale does otherwise.

    Returns
    -------
    scale : Scale
    warnings : list of str

    Raises
    ------
    ImageError
        If the image is known to be log-scaled, or holds NaN or infinite pixels.
    MetadataError
        If the given level is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray import Radiograph
    >>> from coldray.images.scale import scale_of
    >>> scale, _ = scale_of(Radiograph(np.full((4, 4), 30000, dtype=np.uint16)), open_beam=60000)
    >>> float(scale.to_fraction(np.full((4, 4), 30000, dtype=np.uint16))[0, 0])
    0.5
    """
    if (why := image.acquisition.not_proportional) is not None:
        raise ImageError(
            f"the image is {why}; restoration needs values proportional to the signal: export the linear image"
        )
    if image.dtype.kind == "f" and (bad := _count(image.pixels, lambda part: ~np.isfinite(part))):
        raise ImageError(f"{bad} pixels are NaN or infinite; correct bad pixels first (coldray correct)")
    largest = max(abs(float(image.pixels.max())), abs(float(image.pixels.min())))
    if largest > LARGEST_VALUE:
        raise ImageError(
            f"pixels reach {largest:.3g}; intensities up to {LARGEST_VALUE:.0e} are restored: scale the image"
        )
    warnings = _saturation(image)
    known = image.acquisition.open_beam if open_beam is None else open_beam
    if known is not None:
        if not LEAST_OPEN_BEAM <= known <= LARGEST_OPEN_BEAM:
            raise MetadataError(
                f"open beam is {known}; it must be positive, from {LEAST_OPEN_BEAM:g} to {LARGEST_OPEN_BEAM:g}"
            )
        return Scale(float(known), image.dtype, "file" if open_beam is None else "option"), warnings
    if image.dtype.kind == "f" and float(np.max(image.pixels)) <= LARGEST_FRACTION:
        return Scale(1.0, image.dtype, "fraction"), warnings
    found, warning = _level_of_image(image, plateau)
    return found, [*warnings, warning]


def _level_of_image(image: Radiograph, plateau: bool) -> tuple[Scale, str]:
    """Open-beam level from the image's own bright plateau, and what to say about it."""
    full = float(np.iinfo(image.dtype.str).max) if image.dtype.kind in "ui" else None
    seen = bright_plateau(image.pixels) if plateau else None
    remedy = "give `open_beam` if it is another"
    if seen is None or (full is not None and seen.level >= SATURATED_LEVEL * full):
        if full is None:
            return Scale(1.0, image.dtype, "fraction"), (
                f"floating-point pixels reach {float(np.max(image.pixels)):.4g} but should be fractions of the open beam; "
                "give `open_beam`"
            )
        return Scale(full, image.dtype, "full scale"), (
            f"open-beam level unknown: full scale {full:.0f} is taken as the open beam; {remedy}"
        )
    scale = Scale(seen.level, image.dtype, "image")
    if seen.found:
        return scale, (
            f"open-beam level not stated: {seen.level:.5g}, the bright plateau on {percent(seen.share)} of the image, "
            f"is taken; {remedy}"
        )
    return scale, (
        f"open-beam level unknown: no bright plateau is in view, and {seen.level:.5g}, the brightest part, is taken; {remedy}"
    )


def _saturation(image: Radiograph) -> list[str]:
    if image.dtype.kind not in "ui":
        return []
    top = np.iinfo(image.dtype.str).max
    share = _count(image.pixels, lambda part: part == top) / image.pixels.size
    if share <= SATURATED_SHARE:
        return []
    return [f"{percent(share)} of the pixels are saturated; what is restored in and near them is not measured"]


def _count(pixels: NDArray[np.number], of: Callable[[NDArray[np.number]], NDArray[np.bool_]]) -> int:
    """Number of pixels for which something is true, strip by strip."""
    return sum(int(np.count_nonzero(of(pixels[..., rows, :]))) for rows in strips(pixels.shape))
