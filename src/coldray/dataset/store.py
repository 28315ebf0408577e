"""Patches on disk: one 16-bit array per layer and split, memory-mapped, with a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from coldray.dataset.note import BoardNote, Count, Entries
from coldray.dataset.patches import exchanges_axes, turned
from coldray.document import Json, as_number, as_table, as_tables, as_texts, first_fault, read_object
from coldray.errors import ImageReadError, MetadataError, PhysicsError
from coldray.files import write_atomically, write_text
from coldray.physics.detector import Detector
from coldray.physics.pair import DetectorPair

FILE_FORMAT = "coldray-patches"
FILE_VERSION = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**28
"""Longest manifest read [bytes]: a line per patch."""
STEP, OFFSET = 2.0**-15, 2**13
"""Stored value = fraction / STEP + OFFSET: -0.25 to 1.75 of the open beam in steps of 3e-5, rms error 9e-6."""


def encode(image: NDArray[np.floating]) -> tuple[NDArray[np.uint16], int]:
    """Fractions of the open beam as stored values, and how many pixels had to be clipped."""
    code = np.rint(np.asarray(image, dtype=np.float64) / STEP) + OFFSET
    clipped = int(np.count_nonzero((code < 0) | (code > 65535)))
    return np.clip(code, 0, 65535).astype(np.uint16), clipped


def decode(stored: NDArray[np.number]) -> NDArray[np.float32]:
    """Stored values as fractions of the open beam."""
    return (stored.astype(np.float32) - np.float32(OFFSET)) * np.float32(STEP)


def detector_key(name: str, pixel_pitch_mm: float) -> str:
    """Name of a detector among those of a dataset; models have one curve for every pitch.

    Parameters
    ----------
    name : str
        Of the detector.
    pixel_pitch_mm : float
        Pixel pitch [mm].

    Returns
    -------
    str
    """
    return f"{name} at {pixel_pitch_mm:g} mm"


def write_array(path: Path, array: NDArray[np.number]) -> None:
    """Write a .npy file whole or not at all.

    Parameters
    ----------
    path : Path
        Final name.
    array : ndarray
    """
    write_atomically(path, lambda file: np.save(file, array, allow_pickle=False))


def write_arrays(
    path: Path, pieces: Iterable[NDArray[np.number]], shape: tuple[int, ...], dtype: np.dtype[np.number]
) -> None:
    """Write a .npy file of `shape` whole or not at all from pieces along its first axis, one in memory at a time.

    Parameters
    ----------
    path : Path
        Final name.
    pieces : iterable of ndarray
        Of `dtype`, of the shape of the rest behind the first axis.
    shape : tuple of int
        Of the whole.
    dtype : dtype
    """

    def write(file: BinaryIO) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype=dtype).data)

    write_atomically(path, write)


def write_json(path: Path, data: Json) -> None:
    """Write a JSON file whole or not at all; equal data give equal bytes.

    Parameters
    ----------
    path : Path
        Final name.
    data : dict, list, str, int, float, bool or None
    """
    write_text(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def file_digest(path: Path) -> str:
    """sha256 of a file of any size."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


class _Split(Entries):
    """What a split says of its patches."""

    patches: Count
    files: dict[str, str]


class _Manifest(Entries):
    """Entries of a manifest that reading patches needs."""

    kind: str
    request: str
    problems: list[str]
    layers: list[str]
    patch_px: Annotated[int, Field(ge=1)]
    context_px: Count
    splits: dict[str, _Split]
    boards: list[dict[str, Any]]
    detectors: dict[str, dict[str, Any]]


def _check(found: Mapping[str, Json]) -> None:
    """Refuse a manifest whose entries cannot be what was written."""
    try:
        known = _Manifest.model_validate(found)
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        raise MetadataError(f"{fault.name} {fault.reason}; prepare the dataset again") from None
    _pairs_of(known.detectors, [BoardNote.from_dict(board) for board in known.boards])


def _pairs_of(detectors: Mapping[str, Json], boards: Iterable[BoardNote]) -> dict[tuple[str, str, float], DetectorPair]:
    """Detectors of the boards, by both names and the pixel pitch."""
    known = {key: Detector.from_dict(as_table(data)) for key, data in detectors.items()}
    asked = {(b.blurred, b.sharp, b.pixel_pitch_mm) for b in boards}
    missing = {detector_key(name, pitch) for thick, thin, pitch in asked for name in (thick, thin)} - set(known)
    if missing:
        raise MetadataError(f"boards need the detector {min(missing)}, which is not there; prepare the dataset again")
    return {
        (thick, thin, pitch): DetectorPair(known[detector_key(thick, pitch)], known[detector_key(thin, pitch)])
        for thick, thin, pitch in asked
    }


def read_manifest(folder: Path) -> dict[str, Json]:
    """Read a dataset's manifest.

    Raises
    ------
    ImageReadError
        If the folder is no finished dataset.
    MetadataError
        If it was written by another version, or an entry is missing or damaged.
    """
    if not (folder / MANIFEST).is_file():
        raise ImageReadError(f"{folder.name}: holds no {MANIFEST}; make or finish it with coldray prepare")
    found = read_object(folder / MANIFEST, ImageReadError, LARGEST_MANIFEST)
    if (found.get("format"), found.get("version")) != (FILE_FORMAT, FILE_VERSION):
        raise MetadataError(f"{folder.name}/{MANIFEST}: not a {FILE_FORMAT} manifest of version {FILE_VERSION}")
    try:
        _check(found)
    except (ImageReadError, MetadataError, PhysicsError) as problem:
        raise MetadataError(f"{folder.name}/{MANIFEST}: {problem}") from None
    return found


@dataclass(frozen=True)
class PatchSet:
    """One split of a dataset.

    Parameters
    ----------
    folder : Path
        The dataset.
    split : str
        "train", "validation" or "test".

    Notes
    -----
    A patch is a base patch in one of eight variants; only base patches are stored, with `context_px` of the image
    around them. Arrays are memory-mapped: a set may be larger than memory, and processes share it.
    """

    folder: Path
    split: str

    @cached_property
    def manifest(self) -> dict[str, Json]:
        """The dataset's manifest."""
        return read_manifest(self.folder)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of what is stored of every patch."""
        return tuple(as_texts(self.manifest["layers"]))

    @property
    def patch_px(self) -> int:
        """Side of a patch without its context."""
        return int(as_number(self.manifest["patch_px"]))

    @property
    def context_px(self) -> int:
        """Pixels of the image kept around every patch."""
        return int(as_number(self.manifest["context_px"]))

    @cached_property
    def _index(self) -> NDArray[np.int32]:
        return self._load("patches")

    @cached_property
    def _bases(self) -> NDArray[np.int32]:
        return self._load("bases")

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.uint16]]:
        return {name: self._load(name) for name in self.layers}

    @cached_property
    def _pairs(self) -> dict[tuple[str, str, float], tuple[DetectorPair, DetectorPair]]:
        """Pairs as they lie and turned by 90 degrees."""
        found = _pairs_of(as_table(self.manifest["detectors"]), self.boards)
        return {key: (pair, pair.turned()) for key, pair in found.items()}

    def __len__(self) -> int:
        own = as_table(self.manifest["splits"]).get(self.split)
        return 0 if own is None else int(as_number(as_table(own)["patches"]))

    def patch(self, number: int, layer: str, margin: int = 0) -> NDArray[np.float32]:
        """Return one layer of patch `number` with `margin` pixels of context, fraction of the open beam.

        Raises
        ------
        MetadataError
            If the layer or so much context is not stored.
        """
        if layer not in self._arrays:
            raise MetadataError(f"{self.folder.name}: has no layer {layer!r}; it holds {', '.join(self.layers)}")
        if not 0 <= margin <= self.context_px:
            raise MetadataError(
                f"{self.folder.name}: stores {self.context_px} px of context, {margin} are asked for; set data.margin "
                "accordingly or prepare with --context-px"
            )
        base, variant = (int(v) for v in self._index[number])
        inner = slice(self.context_px - margin, self.context_px + self.patch_px + margin)
        return np.ascontiguousarray(turned(decode(self._arrays[layer][base, inner, inner]), variant))

    @cached_property
    def boards(self) -> tuple[BoardNote, ...]:
        """All boards of the dataset."""
        return tuple(BoardNote.from_dict(data) for data in as_tables(self.manifest["boards"]))

    def board(self, number: int) -> BoardNote:
        """What is known of the board that patch `number` was cut from."""
        return self.boards[int(self._bases[self._index[number][0], 0])]

    def pair(self, number: int) -> DetectorPair:
        """Detectors of patch `number`, turned with it."""
        board = self.board(number)
        as_it_lies, turned_by_90 = self._pairs[board.blurred, board.sharp, board.pixel_pitch_mm]
        return turned_by_90 if exchanges_axes(int(self._index[number][1])) else as_it_lies

    @property
    def _files(self) -> Mapping[str, Json]:
        """Hashes of the files of the split, by name."""
        own = as_table(self.manifest["splits"]).get(self.split)
        if own is None:
            raise MetadataError(f"{self.folder.name}/{MANIFEST}: has no split {self.split!r}")
        return as_table(as_table(own)["files"])

    def digest(self) -> str:
        """sha256 over the hashes of all files of the split."""
        return hashlib.sha256(json.dumps(self._files, sort_keys=True).encode()).hexdigest()

    def verify(self) -> list[str]:
        """Names of files that are missing or not what the manifest says."""
        place = self.folder / self.split
        return [
            n
            for n, wanted in sorted(self._files.items())
            if not (place / n).is_file() or file_digest(place / n) != wanted
        ]

    def _load(self, name: str) -> NDArray[Any]:
        try:
            return np.load(self.folder / self.split / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as problem:
            raise ImageReadError(f"{self.folder.name}/{self.split}/{name}.npy: cannot be read ({problem})") from None
