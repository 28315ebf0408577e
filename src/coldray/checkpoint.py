"""Tensor files: safetensors with a JSON header, written whole, never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from coldray.document import Json, parse_json
from coldray.errors import CheckpointError
from coldray.files import write_bytes

MODEL_FORMAT = "coldray-model"
MODEL_VERSION = 1


def write_tensors(path: Path, tensors: Mapping[str, NDArray[np.number]], header: Mapping[str, Json]) -> None:
    """Write tensors and a JSON header; whole or not at all.

    Parameters
    ----------
    path : Path
        Final path.
    tensors : dict of str to ndarray
    header : dict
        JSON-able; stored under the key "coldray" of the file's metadata.

    Raises
    ------
    CheckpointError
        If a tensor is not finite: no reader would take the file.
    ImageWriteError
        If the disk does not take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, packed(tensors, header))


def packed(tensors: Mapping[str, NDArray[np.number]], header: Mapping[str, Json]) -> bytes:
    """Content of a tensor file; see `write_tensors`."""
    for name, value in tensors.items():
        _check_finite(name, value)
    # ascontiguousarray alone would turn a scalar into an array of one
    whole = {k: np.ascontiguousarray(v).reshape(np.shape(v)) for k, v in tensors.items()}
    return save(whole, {"coldray": json.dumps(header)})


def read_tensors(path: Path) -> tuple[dict[str, NDArray[np.number]], dict[str, Json]]:
    """Read what `write_tensors` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, cut, a pickle, or has no coldray header.
    """
    if not path.is_file():
        raise CheckpointError(f"{path.name}: no such model file")
    with open(path, "rb") as handle:
        start = handle.read(4)
    if start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK"):
        raise CheckpointError(
            f"{path.name}: this is a pickled checkpoint, which can run code; coldray reads safetensors and ONNX only"
        )
    try:
        with safe_open(path, framework="np") as file:
            header = parse_json((file.metadata() or {}).get("coldray", "null"), path.name, CheckpointError)
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, TypeError) as problem:
        raise CheckpointError(f"{path.name}: broken or not a safetensors file ({problem})") from None
    if not isinstance(header, dict):
        raise CheckpointError(
            f"{path.name}: a safetensors file without a coldray header; it was not written by coldray"
        )
    for name, value in tensors.items():
        _check_finite(name, value, f"{path.name}: ")
    return tensors, header


def _check_finite(name: str, value: NDArray[np.number], where: str = "") -> None:
    if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
        raise CheckpointError(f"{where}tensor {name} holds NaN or infinite weights")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
