"""Images in and out of files, by suffix."""

from __future__ import annotations

import os
from pathlib import Path

from coldray.api.inputs import Image, radiograph_of
from coldray.errors import ImageReadError
from coldray.radiograph import Radiograph


def read(path: str | os.PathLike[str]) -> Radiograph:
    """Read an image file: TIFF, DICOM (DICONDE), PNG, JPEG, NPY and what else `coldray info` knows.

    Parameters
    ----------
    path : path

    Returns
    -------
    Radiograph
        Stored values in the file's own type, with pitch, exposure and history where the file states them.

    Raises
    ------
    ImageReadError
        If the file is missing, cut, or no image.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ImageReadError(f"path is of type {type(path).__name__}; the path of an image file is needed")
    return radiograph_of(path, "path")


def write(path: str | os.PathLike[str], image: Image) -> Path:
    """Write an image in the format of its suffix, whole or not at all.

    Parameters
    ----------
    path : path
        Replaced if it is there.
    image : ndarray, Radiograph, or what `coldray.restore` returned
        Arrays are written as they are; a `Radiograph` with its pitch and history.

    Returns
    -------
    Path

    Raises
    ------
    ImageError
        If it is no image, or the format cannot hold it.
    ImageWriteError
        If it cannot be written.
    """
    from coldray.api.restore import Restored
    from coldray.formats import write_image

    if not isinstance(path, (str, os.PathLike)):
        raise ImageReadError(f"path is of type {type(path).__name__}; the path of an image file is needed")
    target = Path(path)
    write_image(target, image.image if isinstance(image, Restored) else radiograph_of(image))
    return target
