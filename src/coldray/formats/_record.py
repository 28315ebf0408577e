"""The record that travels inside a written image: acquisition, history and source.

The same JSON goes into a TIFF description, a PNG text chunk and a private DICOM
element, so that any of them gives back what was known when it was written.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json, parse_json
from coldray.errors import MetadataError
from coldray.radiograph import Acquisition, Radiograph, Step

_KEY = "coldray"
_LONGEST_TEXT = 2**20

_TYPES: dict[str, type | tuple[type, ...]] = {
    "pixel_pitch_mm": (int, float),
    "tube_voltage_kv": (int, float),
    "exposure_s": (int, float),
    "air_kerma_ugy": (int, float),
    "frames": int,
    "magnification": (int, float),
    "open_beam": (int, float),
    "detector": str,
    "linear": bool,
    "inverted": bool,
}


class Record(NamedTuple):
    """What a file says about its image: acquisition fields, history, texts of the original file, packed mask."""

    known: dict[str, Any]
    history: tuple[Step, ...]
    source: dict[str, str]
    mask: dict[str, Json] | None = None


@cache
def software() -> str:
    """Name and version written into files."""
    from importlib import metadata

    import coldray

    version = getattr(coldray, "__version__", None)
    if version is None:
        try:
            version = metadata.version("coldray")
        except metadata.PackageNotFoundError:
            version = "0+unknown"
    return f"coldray {version}"


_SHAPED, _NOT_SHAPED = '"shape":', '"\\u0073hape":'
"""tifffile takes every description with this key for its own, and cannot read the file; to JSON both are the same key."""


def dumps(radiograph: Radiograph, source: Mapping[str, str] | None = None) -> str:
    """Write acquisition, history, source and mask as ASCII JSON with a fixed order of keys.

    Parameters
    ----------
    radiograph : Radiograph
        Only its acquisition, history and mask are used.
    source : mapping of str to str, optional
        Text of the original file worth keeping (description, date).

    Returns
    -------
    str
        Values that JSON does not know become lists, numbers or text.
    """
    known = {f.name: getattr(radiograph.acquisition, f.name) for f in fields(Acquisition)}
    record: dict[str, Json] = {
        _KEY: 1,
        "acquisition": {name: plain(value) for name, value in known.items() if value is not None},
        "history": [{"verb": step.verb, "details": plain(step.details)} for step in radiograph.history],
    }
    if source:
        record["source"] = dict(source)
    if radiograph.mask is not None and radiograph.mask.any():
        bits = zlib.compress(np.packbits(radiograph.mask).tobytes(), 9)
        record["mask"] = {"shape": list(radiograph.mask.shape), "deflated_bits": base64.b64encode(bits).decode("ascii")}
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace(_SHAPED, _NOT_SHAPED)


def plain(value: Any) -> Any:
    """Reduce a value to what JSON can say; NaN and infinity become text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [plain(item) for item in value]
    return str(value)


def loads(text: str | None) -> Record | None:
    """Read a record back; None if the text is no record of ours.

    Entries of the wrong type are left out: a file may have passed through other hands.
    """
    if not text or not text.lstrip().startswith("{") or _KEY not in text:
        return None
    try:
        record = parse_json(text, "", ValueError)
    except ValueError:
        return None
    if not isinstance(record, dict) or _KEY not in record:
        return None
    acquisition, history, source = (record.get(name) for name in ("acquisition", "history", "source"))
    known = acquisition if isinstance(acquisition, dict) else {}
    steps = [item for item in history if isinstance(item, dict)] if isinstance(history, list) else []
    return Record(
        {name: known[name] for name, kind in _TYPES.items() if _is(known.get(name), kind)},
        tuple(
            Step(step["verb"], step["details"])
            for step in steps
            if isinstance(step.get("verb"), str) and isinstance(step.get("details"), dict)
        ),
        {name: value for name, value in source.items() if isinstance(value, str)} if isinstance(source, dict) else {},
        mask if isinstance(mask := record.get("mask"), dict) else None,
    )


def mask_of(record: Record, pixels: NDArray[np.number], notes: list[str]) -> NDArray[np.bool_] | None:
    """Unpack the mask of a record; None (and a note) if it does not belong to these pixels.

    Parameters
    ----------
    record : Record
    pixels : ndarray, shape (rows, cols) or (frames, rows, cols)
        As read from the same file; a mask of another shape is not unpacked.
    notes : list of str
        Is told why a mask was left out.

    Returns
    -------
    ndarray of bool, shape (rows, cols), or None
    """
    if record.mask is None:
        return None
    rows, cols = pixels.shape[-2:]
    packed, needed = record.mask.get("deflated_bits"), -(-rows * cols // 8)
    if record.mask.get("shape") != [rows, cols]:
        notes.append("the file's bad-pixel map is of another size than its image and was left out")
        return None
    try:
        inflater = zlib.decompressobj()
        bits = inflater.decompress(base64.b64decode(packed, validate=True), needed + 1)  # type: ignore[arg-type]
    except (binascii.Error, zlib.error, TypeError, ValueError):
        bits = b""
    if len(bits) != needed:
        notes.append("the file's bad-pixel map is damaged and was left out")
        return None
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=rows * cols).reshape(rows, cols).astype(bool)


def _is(value: Json, kind: type | tuple[type, ...]) -> bool:
    """Whether a value has the type a field needs; True is no number."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def acquire(known: Mapping[str, Any], notes: list[str]) -> Acquisition:
    """Build an `Acquisition` from what a file says, dropping (and noting) impossible values."""
    kept: dict[str, Any] = {}
    for name, value in known.items():
        if value is None:
            continue
        try:
            Acquisition(**{name: value})
        except (MetadataError, TypeError, ValueError):
            notes.append(f"{name} {value!r} in the file is impossible and was ignored")
        else:
            kept[name] = value
    return Acquisition(**kept)


def noted(history: tuple[Step, ...], format_name: str, notes: list[str]) -> tuple[Step, ...]:
    """Append one step "read" if there is something to say that was not said last time."""
    if not notes:
        return history
    step = Step("read", {"format": format_name, "notes": list(notes)})
    return history if history and history[-1] == step else (*history, step)


def shortened(text: str) -> str:
    """Cut a foreign text that is too long to carry along."""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " [cut]"
