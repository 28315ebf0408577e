"""HDF5: the one image, or stack of frames, of a file (extra `science`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.files import write_atomically
from coldray.formats import _record
from coldray.formats._kinds import check_kind
from coldray.formats._values import calibrated, stated_line, without_value
from coldray.radiograph import Radiograph
from coldray.reading import (
    DEFLATE_RATIO,
    Location,
    check_declared,
    check_writable,
    checked,
    needs_extra,
    opened,
    reading,
    refuse,
)

if TYPE_CHECKING:
    import h5py

suffixes: tuple[str, ...] = (".h5", ".hdf5", ".hdf", ".nxs")
"""File name endings this plug-in answers to."""

carries: frozenset[str] = frozenset()
"""What a written file gives back when read: pixels alone."""

DTYPES = "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64"
"""Pixel types that can be written."""

DATASET = "image"
"""Name of the written data set."""

_CF = ("scale_factor", "add_offset", "_FillValue", "missing_value")
_DEEPEST = 8
# Where NeXus, Data Exchange and this plug-in keep the image; they decide where a file holds several arrays.
_USUAL = ("entry/data/data", "entry/instrument/detector/data", "exchange/data", DATASET, "data")


def read(path: Location) -> Radiograph:
    """Read the image of an HDF5 file: a data set of two or three dimensions.

    Parameters
    ----------
    path : path-like
        File ending in .h5, .hdf5, .hdf or .nxs.

    Returns
    -------
    Radiograph
        Pixels as stored, or scaled as the attributes of the data set say; nothing is known of the acquisition.

    Raises
    ------
    ImageReadError
        If the file is damaged, holds no image or several of which none has a usual name, keeps its pixels in other
        files, or h5py is not installed.

    References
    ----------
    NeXus NXdata; Data Exchange (De Carlo et al., J. Synchrotron Rad. 21 (2014) 1224); NetCDF Climate and Forecast
    conventions, packed data and missing values.
    """
    with opened(path) as (file, size), reading(path, "HDF5"):
        check_kind(path, file, {"HDF5": suffixes})
        needs_extra(path, "h5py")
        import h5py

        with h5py.File(file, "r") as content:
            found: dict[str, h5py.Dataset] = {}

            def look(name: str, item: h5py.Dataset | h5py.Group) -> None:
                image = isinstance(item, h5py.Dataset) and item.ndim in (2, 3) and item.dtype.kind in "uif"
                if image and item.size:
                    found[name] = item

            content.visititems(look)  # follows no link out of the file
            usual = [name for name in _USUAL if name in found]
            names = _signals(content, found) or usual[:1] or list(found)
            if len(names) != 1:
                listed = ", ".join(sorted(names)[:5])
                cause = f"holds {len(names)} images ({listed})" if names else "holds no image"
                raise refuse(path, cause, f"keep one array of rows and columns, or name it {DATASET}")
            dataset = found[names[0]]
            if dataset.external or dataset.is_virtual:
                raise refuse(path, "keeps its pixels in other files", "save them in one file")
            packed = DEFLATE_RATIO if dataset.compression or dataset.id.get_create_plist().get_nfilters() else 1
            check_declared(path, tuple(dataset.shape), dataset.dtype.itemsize, size, packed)
            pixels: NDArray[np.number] = np.asarray(dataset[()])
            stated = {key: _number(dataset.attrs.get(key)) for key in _CF}
        notes: list[str] = []
        none = next((stated[key] for key in ("_FillValue", "missing_value") if stated[key] is not None), None)
        blank = without_value(pixels, none, "CF", notes)
        pixels = checked(path, pixels)
        offset, slope = stated["add_offset"], stated["scale_factor"]
        if offset is not None or slope is not None:
            line = stated_line(path, 0 if offset is None else offset, 1 if slope is None else slope, "CF")
            pixels = checked(path, calibrated(pixels, line, notes))
        return Radiograph(pixels, history=_record.noted((), "hdf5", notes)).with_mask(blank)


def _number(value: object) -> float | None:
    """One number of an attribute, which many programs write as an array of one; None if there is none."""
    found = np.asarray(value).ravel() if value is not None else np.zeros(0)
    return float(found[0]) if found.size == 1 and found.dtype.kind in "uif" else None


def _signals(content: h5py.File, found: Mapping[str, h5py.Dataset]) -> list[str]:
    """The array that a NeXus file names as what to look at first, if it says so: `default` down to a `signal`."""
    group, name = content, ""
    for _ in range(_DEEPEST):
        step, signal = (_name(group.attrs.get(key, "")) for key in ("default", "signal"))
        if signal:
            return [name + signal] if name + signal in found else []
        # only where images were found, so that no link leads out of the file
        if not step or not any(one.startswith(f"{name}{step}/") for one in found):
            return []
        group, name = group[step], f"{name}{step}/"
    return []


def _name(value: bytes | str) -> str:
    """Text of an attribute; those of a fixed length, as many instruments write them, are bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def write(path: Location, radiograph: Radiograph) -> None:
    """Write the pixels as data set `image`, whole or not at all; pitch and history do not go along.

    Parameters
    ----------
    path : path-like
        Final name.
    radiograph : Radiograph
        Any integer or float type up to 64 bits.

    Raises
    ------
    ImageWriteError
        If the pixels are not finite or the disk does not take the file.
    """
    needs_extra(path, "h5py", writing=True)
    pixels = check_writable(path, radiograph.pixels, "HDF5", DTYPES, "write TIFF, or convert it to float32")

    def save(file: BinaryIO) -> None:
        import h5py

        with h5py.File(file, "w") as content:
            content.create_dataset(DATASET, data=pixels, track_times=False)

    write_atomically(path, save)
