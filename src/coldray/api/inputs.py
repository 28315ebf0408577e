"""What goes in everywhere: arrays, paths or radiographs; detectors by name, file, object or table; one pixel pitch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import DetectorError, ImageError, MetadataError, PhysicsError, SettingsError
from coldray.radiograph import Radiograph

if TYPE_CHECKING:
    from coldray.physics.detector import Detector

Image: TypeAlias = "NDArray[np.number] | Radiograph | str | os.PathLike[str]"
"""One image or stack: array (rows, cols) or (frames, rows, cols), path, or `Radiograph`."""
Images: TypeAlias = "Image | Sequence[Image]"
"""One or several of them."""
AnyDetector: TypeAlias = "str | os.PathLike[str] | Detector | tuple[ArrayLike, ArrayLike]"
"""Name, model, file, `Detector`, or the pair (frequency_lp_mm, mtf)."""

PITCH_SPREAD = 1e-3
"""How far the pixel pitches of images that are measured together may differ."""


def radiograph_of(image: Images, parameter: str = "image") -> Radiograph:
    """One image in any of its forms.

    Parameters
    ----------
    image : ndarray, path or Radiograph
        Arrays have the shape (rows, cols) or (frames, rows, cols).
    parameter : str
        Name for the message.

    Returns
    -------
    Radiograph

    Raises
    ------
    ImageError
        If it is none of the three, or its pixels are no intensities.
    ImageReadError
        If the file is missing or no image.
    """
    if isinstance(image, Radiograph):
        return image
    if isinstance(image, (str, os.PathLike)):
        from coldray.formats import read_image

        try:
            return read_image(Path(image))
        except ValueError as problem:
            # a text with a null character is a path of no system
            raise problem if isinstance(problem, ImageError) else ImageError(f"{parameter}: {problem}") from None
    if isinstance(image, np.ndarray):
        try:
            return Radiograph(image)
        except ImageError as problem:
            raise ImageError(f"{parameter}: {problem}") from None
    raise ImageError(
        f"{parameter} is of type {type(image).__name__}; an array (rows, cols) or (frames, rows, cols), a path or a "
        "Radiograph is needed"
    )


def radiographs_of(images: Images, parameter: str = "image") -> list[Radiograph]:
    """One or several images in any of their forms; `radiograph_of` says what is refused.

    Parameters
    ----------
    images : ndarray, path, Radiograph, or a sequence of them
    parameter : str
        Name of the argument, for messages.

    Returns
    -------
    list of Radiograph
    """
    if isinstance(images, (list, tuple)):
        if not images:
            raise ImageError(f"{parameter} is empty; at least one image is needed")
        return [radiograph_of(one, f"{parameter}[{number}]") for number, one in enumerate(images)]
    return [radiograph_of(images, parameter)]


def number_of(value: float | str, parameter: str, unit: str) -> float:
    """Positive, finite number.

    Parameters
    ----------
    value : float or str
    parameter : str
        Name of the argument, for messages.
    unit : str
        Unit, for messages.

    Returns
    -------
    float

    Raises
    ------
    MetadataError
        If it is none.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not 0 < number < float("inf"):
        raise MetadataError(f"{parameter} is {value!r}; a positive number [{unit}] is needed")
    return number


def text_of(value: str, parameter: str) -> str:
    """Text, such as the name of a method.

    Parameters
    ----------
    value : str
    parameter : str
        Name of the argument, for messages.

    Returns
    -------
    str

    Raises
    ------
    SettingsError
        If it is none.
    """
    if not isinstance(value, str):
        raise SettingsError(f"{parameter} is of type {type(value).__name__}; a text is needed")
    return value


def pitch_of(images: Sequence[Radiograph], stated_mm: float | None) -> float:
    """Pixel pitch [mm]: what is stated, else what the images say.

    Parameters
    ----------
    images : sequence of Radiograph
    stated_mm : float, optional
        What the caller states [mm].

    Returns
    -------
    float
        Pixel pitch [mm].

    Raises
    ------
    MetadataError
        If nothing states one, or the images differ.
    """
    if stated_mm is not None:
        return number_of(stated_mm, "pixel_pitch_mm", "mm")
    known = [i.acquisition.pixel_pitch_mm for i in images if i.acquisition.pixel_pitch_mm is not None]
    if not known:
        raise MetadataError("the image states no pixel pitch; give pixel_pitch_mm")
    if max(known) > min(known) * (1 + PITCH_SPREAD):
        raise MetadataError(
            f"the images state pixel pitches of {min(known):.4g} to {max(known):.4g} mm; give images of one pitch, or "
            "pixel_pitch_mm"
        )
    return known[0]


def detector_of(source: AnyDetector, parameter: str, pixel_pitch_mm: float | None) -> Detector:
    """Detector in any of its forms.

    Parameters
    ----------
    source : str, path, Detector or (frequency_lp_mm, mtf)
        A table needs the pitch; its MTF holds the pixel aperture.
    parameter : str
        Name for the message, and of a detector that is given as a table.
    pixel_pitch_mm : float, optional
        For models and tables, which have none.

    Returns
    -------
    Detector

    Raises
    ------
    DetectorError
        If it is none of these, or no detector.
    """
    from coldray.physics.curves import FrequencyCurve
    from coldray.physics.detector import Detector, load_detector

    try:
        if isinstance(source, Detector):
            return source
        if isinstance(source, (str, os.PathLike)):
            return load_detector(os.fspath(source), pixel_pitch_mm=pixel_pitch_mm)
        if isinstance(source, FrequencyCurve):
            curve = source
        elif isinstance(source, (tuple, list)) and len(source) == 2:
            curve = FrequencyCurve(*(np.asarray(column, dtype=np.float64) for column in source))
        else:
            raise DetectorError(f"an object of type {type(source).__name__} is no detector")
        if pixel_pitch_mm is None:
            raise DetectorError("a table has no pixel pitch; give pixel_pitch_mm")
        return Detector(parameter, pixel_pitch_mm, curve, description="table")
    except (PhysicsError, TypeError, ValueError, OSError) as problem:
        raise DetectorError(
            f"{parameter}: {problem} (give a name such as 'gos135', a file, a Detector, or (frequency_lp_mm, mtf))"
        ) from None
