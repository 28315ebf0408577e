"""HDF5: the one image, or stack of frames, of a file (extra `science`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.files import write_atomically
from coldray.formats import _record
from coldray.formats._kinds import check_kind
from coldray.formats._values import calibrated, outside, stated_line, without_value
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

_CF: Mapping[str, int | None] = {
    "scale_factor": 1, "add_offset": 1, "_FillValue": 1, "missing_value": None, "valid_min": 1, "valid_max": 1, "valid_range": 2,
}  # fmt: skip
"""Attributes of a data set that say what its numbers mean, and how many numbers each is; None for any."""
_RANGE = ("valid_min", "valid_max", "valid_range")
_OF_NO_CONVENTION = {"scaling_factor": 1.0, "offset": 0.0, "slope": 1.0, "intercept": 0.0}
"""Attributes that programs write to the same end, in orders of their own, and what each is where it changes nothing."""
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
        Pixels as stored, or scaled as the attributes of the data set or the fields of its NeXus group say; what stands for no
        value, or lies outside of the valid range, is masked. Nothing is known of the acquisition.

    Raises
    ------
    ImageReadError
        If the file is damaged, holds no image or several of which none has a usual name, keeps its pixels in other
        files, states a scale that cannot be applied, or h5py is not installed.

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
            stated = _stated(path, dataset)
            line = _line(path, dataset, stated)
            fraction = any(
                np.asarray(dataset.attrs[name]).dtype.kind == "f" for name in _RANGE if name in dataset.attrs
            )
            sign, kind = (_word(dataset.attrs.get(name, "")) for name in ("_Unsigned", "IMAGE_SUBCLASS"))
            if kind == "image_truecolor" or (kind == "image_indexed" and "PALETTE" in dataset.attrs):
                raise refuse(path, "is a colour image (IMAGE_SUBCLASS)", "save it as greyscale")
            inverse = _word(dataset.attrs.get("IMAGE_WHITE_IS_ZERO", "")) in ("1", "true")
        notes = ["IMAGE_WHITE_IS_ZERO: stored values are kept, larger means darker"] if inverse else []
        blanks = [
            without_value(pixels, number, "CF", notes)
            for number in {*stated.get("_FillValue", []), *stated.get("missing_value", [])}
        ]
        pixels = checked(path, pixels)
        if sign in ("true", "false") and pixels.dtype.kind in "ui":
            pixels = pixels.view(f"{'u' if sign == 'true' else 'i'}{pixels.dtype.itemsize}")
        # packed integers with a range of the other type: it is one of grey values
        unpacked = line is not None and pixels.dtype.kind in "ui" and fraction
        low, high = _valid(stated, pixels.dtype)
        if not unpacked:
            blanks.append(outside(pixels, low, high, "CF", notes))
        if line is not None:
            pixels = checked(path, calibrated(pixels, line, notes))
        if unpacked:
            blanks.append(outside(pixels, low, high, "CF", notes))
        blank = np.logical_or.reduce([np.zeros(pixels.shape[-2:], bool), *(one for one in blanks if one is not None)])
        if blank.all():
            raise refuse(path, "holds no pixel that it calls valid", "correct the fill value and the valid range in it")
        image = Radiograph(pixels, history=_record.noted((), "hdf5", notes))
        return image.with_mask(blank if blank.any() else None)


def _stated(path: Location, dataset: h5py.Dataset) -> dict[str, list[float]]:
    """What the attributes of a data set say of its numbers; what cannot be understood is refused by its name."""
    found = {}
    for name, count in _CF.items():
        if name in dataset.attrs:
            numbers = _numbers(dataset.attrs[name])
            if not numbers or count not in (None, len(numbers)):
                wanted = "one number" if count == 1 else f"{count or 'one or more'} numbers"
                raise refuse(
                    path, f"states {name} that is not {wanted}", f"correct {name}, or save the values themselves"
                )
            found[name] = numbers
    for name, nothing in _OF_NO_CONVENTION.items():
        if name in dataset.attrs and _numbers(dataset.attrs[name]) != [nothing]:
            raise refuse(
                path,
                f"states {name} on {dataset.name}, in an order of its own that is not known",
                "save the values themselves, or state scale_factor and add_offset (CF)",
            )
    return found


def _line(path: Location, dataset: h5py.Dataset, stated: Mapping[str, list[float]]) -> tuple[float, float, str] | None:
    """Straight line from stored to grey values: of the attributes (CF), or of the fields of the NeXus group; None for none."""
    if "scale_factor" in stated or "add_offset" in stated:
        return stated_line(path, stated.get("add_offset", [0.0])[0], stated.get("scale_factor", [1.0])[0], "CF")
    own = dataset.name.rpartition("/")[2]
    found = [_field(path, dataset, f"{own}_{part}") for part in ("offset", "scaling_factor")]
    if found == [None, None] and _name(dataset.parent.attrs.get("NX_class", "")) == "NXdata":
        found = [_field(path, dataset, part) for part in ("offset", "scaling_factor")]
        if None not in found and found[0] != 0 and found[1] != 1:
            # these two, unlike those named after the field, were never given an order
            raise refuse(
                path,
                "states NeXus offset and scaling_factor without saying which comes first",
                "save the values themselves",
            )
    if found == [None, None]:
        return None
    offset, factor = 0.0 if found[0] is None else found[0], 1.0 if found[1] is None else found[1]
    return stated_line(path, offset * factor, factor, "NeXus")


def _field(path: Location, dataset: h5py.Dataset, name: str) -> float | None:
    """Number of a field beside a data set; None if there is none."""
    import h5py

    if name not in dataset.parent:
        return None
    # no link is followed, which may lead out of the file
    own = isinstance(dataset.parent.get(name, getlink=True), h5py.HardLink)
    field = dataset.parent[name] if own else None
    numbers = _numbers(field[()]) if isinstance(field, h5py.Dataset) and field.size == 1 else []
    if len(numbers) != 1:
        raise refuse(
            path, f"states {name} that is not one number of its own", f"correct {name}, or save the values themselves"
        )
    return numbers[0]


def _valid(stated: Mapping[str, list[float]], stored: np.dtype[np.number]) -> tuple[float, float]:
    """Ends of the valid range."""
    low, high = stated.get("valid_range", [-np.inf, np.inf])
    low, high = stated.get("valid_min", [low])[0], stated.get("valid_max", [high])[0]
    if stored.kind == "u":
        # of unsigned numbers that the file holds as signed ones
        high = high + 2.0 ** (8 * stored.itemsize) if -np.inf < high < 0 else high
    return low, high


def _numbers(value: object) -> list[float]:
    """Numbers of an attribute, which many programs write as an array of one, and some as text; none if it is something else."""
    found = np.asarray(value).ravel()
    if found.dtype.kind in "uif":
        return [float(one) for one in found]
    try:
        return [float(_name(one)) for one in found]
    except ValueError:
        return []


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


def _word(value: object) -> str:
    """Word of an attribute in small letters, which may be an array of one."""
    found = np.asarray(value).ravel()
    return _name(found[0]).strip().lower() if found.size else ""


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
