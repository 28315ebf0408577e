"""What every format plug-in shares: opening, refusing, checking and writing without surprises.

A file from outside is a claim. It is opened without blocking, its declared size is
checked before anything is allocated, and whatever a library throws becomes one line:
file name, cause, remedy.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageReadError
from coldray.files import Location, refuse_writing, shown, told
from coldray.scratch import strips

MAX_PIXELS = 2**28
"""Largest declared image read by default [pixels]; `COLDRAY_MAX_MPIXEL` in the environment raises it."""

DEFLATE_RATIO = 1032
"""Bytes that one compressed byte can stand for at most (RFC 1951: 258 bytes per 2 bits)."""


def refuse(path: Location, cause: str, remedy: str) -> ImageReadError:
    """Build the one-line error for a file that cannot be read; `cause` continues its name with a verb."""
    text = " ".join(f"{cause}; {remedy}".split())
    return ImageReadError(f"{shown(path)} " + "".join(c if c.isprintable() else "?" for c in text))


def max_pixels() -> int:
    """Ceiling on declared pixels, from the environment if set there."""
    try:
        return max(1, int(float(os.environ["COLDRAY_MAX_MPIXEL"]) * 2**20))
    except (KeyError, ValueError, OverflowError):
        return MAX_PIXELS


@contextlib.contextmanager
def opened(path: Location) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular, non-empty file without ever blocking; give the file and its size in bytes."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            kind = "a folder" if os.path.isdir(path) else "a pipe, socket or device"
            raise refuse(path, f"is {kind}, not an image file", "give the path of one image")
        # Between stat and open the name may have become a pipe: O_NONBLOCK cannot hang on it.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    except FileNotFoundError as error:
        raise refuse(path, "does not exist", "check the path") from error
    except ImageReadError:
        raise
    except (OSError, ValueError) as error:
        raise refuse(path, f"cannot be opened ({told(error)})", "check the path and its permissions") from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise refuse(path, "is not a regular file", "give the path of one image")
        if status.st_size == 0:
            raise refuse(path, "is empty (0 bytes)", "copy or export it again")
        ceiling = 8 * max_pixels() + 2**26
        if status.st_size > ceiling:
            raise refuse(
                path,
                f"has {status.st_size} bytes, more than the ceiling of {ceiling}",
                "split it, or raise COLDRAY_MAX_MPIXEL",
            )
        yield file, status.st_size


@contextlib.contextmanager
def reading(path: Location, kind: str) -> Iterator[None]:
    """Silence the libraries and turn whatever they raise into one `ImageReadError`."""
    try:
        with quiet():
            yield
    except ImageReadError:
        raise
    except RecursionError as error:
        raise refuse(path, f"is nested too deeply for a {kind} file", "export it again") from error
    except Exception as error:
        raise refuse(path, f"is not a whole {kind} file ({told(error)})", "copy or export it again") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep library warnings and log lines of this thread off the console."""
    thread = threading.get_ident()

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = [logging.getLogger(name) for name in ("tifffile", "pydicom", "PIL")]
    for logger in loggers:
        logger.addFilter(elsewhere)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(elsewhere)


def needs_extra(path: Location, package: str, writing: bool = False) -> None:
    """Refuse a file whose format is read by a package of the extra `science` that is not installed."""
    if find_spec(package) is None:
        error = refuse_writing if writing else refuse
        raise error(path, f"needs the package {package}", "pip install 'coldray[science]', or use TIFF")


def check_declared(path: Location, shape: tuple[int, ...], itemsize: int, stored: int, ratio: int = 1) -> int:
    """Check a declared shape before anything is allocated.

    `stored` is the number of bytes that hold the pixels, `ratio` what a byte can
    expand to. Returns the declared number of bytes.
    """
    size = " x ".join(str(n) for n in shape)
    if any(n < 1 for n in shape):
        raise refuse(path, f"declares {size} pixels", "an image needs at least one row and one column; export it again")
    pixels = 1
    for n in shape:
        pixels *= n
    if pixels > max_pixels():
        raise refuse(
            path,
            f"declares {size} pixels, more than the ceiling of {max_pixels() / 2**20:.4g} Mpixel",
            "split it, or raise COLDRAY_MAX_MPIXEL if it is genuine",
        )
    if pixels * itemsize > stored * ratio:
        raise refuse(
            path,
            f"declares {size} pixels of {itemsize} bytes but holds only {stored} bytes of data",
            "it was cut or is damaged; copy it again",
        )
    return pixels * itemsize


def check_finite(path: Location, pixels: NDArray[np.number]) -> None:
    """Refuse NaN and infinite pixels, saying how many there are.

    Parameters
    ----------
    path : path-like
        Named in the message.
    pixels : ndarray, any shape
        Integers always pass.

    Raises
    ------
    ImageReadError
        If a pixel is NaN or infinite.
    """
    if (message := _not_finite(pixels)) is not None:
        raise refuse(path, message, "replace them by measured or interpolated values")


def _not_finite(pixels: NDArray[np.number]) -> str | None:
    """Count what is not finite; None if all is well."""
    if pixels.dtype.kind != "f" or not pixels.size:
        return None
    nan = infinite = 0
    for rows in strips(pixels.shape) if pixels.ndim > 1 else [slice(None)]:
        part = pixels[..., rows, :] if pixels.ndim > 1 else pixels
        if not np.isfinite(part).all():
            nan, infinite = nan + int(np.isnan(part).sum()), infinite + int(np.isinf(part).sum())
    if not nan + infinite:
        return None
    return f"has {nan + infinite} of {pixels.size} pixels that are not finite ({nan} NaN, {infinite} infinite)"


def checked(path: Location, pixels: NDArray[np.number]) -> NDArray[np.number]:
    """Give intensities in native byte order, C order and own memory, or refuse what is not an image."""
    if pixels.dtype.kind not in "uif" or pixels.dtype.itemsize > 8:
        raise refuse(path, f"holds {pixels.dtype}, not intensities", "store integers or float16, float32 or float64")
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise refuse(path, f"holds an array of shape {pixels.shape}", "store (rows, cols) or (frames, rows, cols)")
    check_finite(path, pixels)
    native = np.asanyarray(pixels, dtype=pixels.dtype.newbyteorder("="), order="C")
    return native if native.flags.writeable else native.copy()


def one_channel(path: Location, samples: NDArray[np.number], alpha: bool) -> tuple[NDArray[np.number], list[str]]:
    """Reduce (..., channels) to grey where nothing is lost: equal channels, opaque alpha."""
    notes = []
    if alpha:
        opaque = 1.0 if samples.dtype.kind == "f" else np.iinfo(samples.dtype.str).max
        if (samples[..., -1] != opaque).any():
            raise refuse(path, "has an alpha channel that is not opaque", "flatten it and save it as greyscale")
        samples = samples[..., :-1]
        notes.append("an opaque alpha channel was dropped")
    channels = samples.shape[-1]
    if any((samples[..., 0] != samples[..., k]).any() for k in range(1, channels)):
        raise refuse(path, f"is a colour image: its {channels} channels differ", "save it as greyscale")
    if channels > 1:
        notes.append(f"{channels} equal colour channels were read as one")
    return samples[..., 0], notes


def check_writable(
    path: Location, pixels: NDArray[np.number], kind: str, dtypes: str, remedy: str
) -> NDArray[np.number]:
    """Require one of the named dtypes and finite values; give native, C-ordered pixels."""
    if pixels.dtype.name not in dtypes.split():
        raise refuse_writing(path, f"cannot be written: {kind} does not hold {pixels.dtype.name} pixels", remedy)
    if (message := _not_finite(pixels)) is not None:
        raise refuse_writing(path, f"cannot be written: it {message}", "correct the image first")
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
