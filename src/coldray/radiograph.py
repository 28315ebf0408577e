"""Radiograph: pixels, how they were acquired, and what was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import ImageError, MetadataError


@dataclass(frozen=True)
class Acquisition:
    """How an image was taken; `None` means the file does not say.

    Parameters
    ----------
    pixel_pitch_mm : float, optional
        Pixel pitch at the detector plane [mm], equal along rows and columns.
    tube_voltage_kv : float, optional
        Tube voltage [kV].
    exposure_s : float, optional
        Exposure of one frame [s].
    air_kerma_ugy : float, optional
        Air kerma at the detector per frame [uGy].
    frames : int
        Number of averaged frames.
    magnification : float
        Source-detector over source-object distance; 1 means object on the detector.
    open_beam : float, optional
        Pixel value of the unattenuated beam, in the units of `pixels`.
    detector : str, optional
        Name of the detector.
    linear : bool, optional
        True if pixel value is a straight line of absorbed energy; False for log-scaled data.
    inverted : bool, optional
        True if pixel values fall as the X-ray intensity rises; where their zero lies is then not known.
    """

    pixel_pitch_mm: float | None = None
    tube_voltage_kv: float | None = None
    exposure_s: float | None = None
    air_kerma_ugy: float | None = None
    frames: int = 1
    magnification: float = 1.0
    open_beam: float | None = None
    detector: str | None = None
    linear: bool | None = None
    inverted: bool | None = None

    @property
    def not_proportional(self) -> str | None:
        """Why pixel values are not proportional to the signal; None if they are, or if the file does not say."""
        if self.linear is False:
            return "log-scaled, or made for display"
        return "inverted (values fall as the X-ray intensity rises)" if self.inverted else None

    def __post_init__(self) -> None:
        for name in ("pixel_pitch_mm", "open_beam", "magnification", "exposure_s", "air_kerma_ugy"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise MetadataError(f"{name} is {value!r}; it must be positive and finite, or None if unknown")


@dataclass(frozen=True)
class Step:
    """One entry of an image's history: a verb and its JSON-able details."""

    verb: str
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Radiograph:
    """One radiograph or a stack of frames.

    Parameters
    ----------
    pixels : ndarray, shape (rows, cols) or (frames, rows, cols)
        Stored values, in the file's own dtype and byte-swapped to native order.
    acquisition : Acquisition
        How the image was taken.
    history : tuple of Step
        What was done to it, oldest first.
    carrier : object, optional
        What the reading format wants to give back to its writer (tags, a DICOM data set).
    mask : ndarray of bool, shape (rows, cols), optional
        True where a value is no measurement of its own: a bad pixel (replaced by its neighbours or not) or padding.
        One map for all frames; None if nothing is known. TIFF, PNG and DICOM files carry it.

    Raises
    ------
    ImageError
        If `pixels` is not a real-valued 2-D or 3-D array with at least one pixel, or `mask` does not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray import Radiograph
    >>> image = Radiograph(np.zeros((3, 5), dtype=np.uint16)).with_acquisition(pixel_pitch_mm=0.05)
    >>> image.shape, image.acquisition.pixel_pitch_mm
    ((3, 5), 0.05)
    """

    pixels: NDArray[np.number]
    acquisition: Acquisition = Acquisition()
    history: tuple[Step, ...] = ()
    carrier: Any = field(default=None, repr=False, compare=False)
    mask: NDArray[np.bool_] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.pixels.ndim not in (2, 3) or self.pixels.size == 0:
            raise ImageError(
                f"an image has shape (rows, cols) or (frames, rows, cols) with at least one pixel; found {self.pixels.shape}"
            )
        if self.pixels.dtype.kind not in "uif":
            raise ImageError(f"pixel type {self.pixels.dtype} is not an intensity; integers or floats are needed")
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.shape != self.pixels.shape[-2:]):
            raise ImageError(
                f"mask is {self.mask.dtype} of shape {self.mask.shape}; bool of shape {self.pixels.shape[-2:]} is needed"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixel array."""
        return tuple(self.pixels.shape)

    @property
    def dtype(self) -> np.dtype[np.number]:
        """Type of the pixel values."""
        return self.pixels.dtype

    def with_pixels(self, pixels: NDArray[np.number], step: Step | None = None) -> Radiograph:
        """Return a copy that holds `pixels` and, if given, one more history step.

        The mask stays if it fits; pixels of another size are other pixels, and nothing is known of them.
        """
        history = self.history if step is None else (*self.history, step)
        mask = self.mask if self.mask is not None and self.mask.shape == pixels.shape[-2:] else None
        return replace(self, pixels=pixels, history=history, mask=mask)

    def with_mask(self, mask: NDArray[np.bool_] | None) -> Radiograph:
        """Return a copy whose mask also holds the given one.

        Raises
        ------
        ImageError
            If it does not fit the pixels.
        """
        if mask is None:
            return self
        whole = replace(self, mask=mask)
        return whole if self.mask is None else replace(whole, mask=self.mask | mask)

    def with_acquisition(self, **changes: Any) -> Radiograph:
        """Return a copy whose acquisition has the given fields replaced."""
        return replace(self, acquisition=replace(self.acquisition, **changes))
