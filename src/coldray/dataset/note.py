"""What a dataset says of a board, and what stands beside the cut patches of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from coldray.document import Json, as_table, as_texts, first_fault, read_object
from coldray.errors import ImageReadError, MetadataError

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Entries(BaseModel):
    """Entries of a document that are read; a number in quotes is none."""

    model_config = ConfigDict(strict=True)


@dataclass(frozen=True)
class BoardNote:
    """One board of a dataset, as the manifest holds it.

    Parameters
    ----------
    board, family : str
    sharp, blurred : str
        Detectors.
    pixel_pitch_mm : float
    exposure_s : float or None
        Of a blurred frame [s]; None if none was taken.
    response_matched : bool
        Whether references are in the blurred detector's response.
    registration : dict or None
        Of the sharp images on the blurred ones, as `Registration.to_dict`; None if there was nothing to register.
    base_patches, empty_patches, clipped_pixels : int
        Patches stored and left out, and pixels outside what a stored value can hold.
    details : dict
        Where the images came from.
    warnings : tuple of str
    split : str
        "train", "validation" or "test"; empty until it is decided.
    """

    board: str
    family: str
    sharp: str
    blurred: str
    pixel_pitch_mm: Positive
    exposure_s: Positive | None
    response_matched: bool
    registration: dict[str, Any] | None
    base_patches: Count
    empty_patches: Count
    clipped_pixels: Count
    details: dict[str, Any]
    warnings: tuple[str, ...]
    split: str = ""

    def to_dict(self) -> dict[str, Json]:
        """The same as JSON holds it."""
        return asdict(self) | {"warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> BoardNote:
        """Inverse of `to_dict`.

        Raises
        ------
        ImageReadError
            If an entry is missing, or of another type.
        """
        try:
            known: dict[str, Any] = {f.name: data[f.name] for f in fields(cls)}
            return _checked().validate_json(json.dumps(known), strict=True)
        except (KeyError, TypeError) as problem:
            raise ImageReadError(f"the note of a board lacks {problem}; prepare the dataset again") from None
        except ValidationError as problem:
            fault = first_fault(problem.errors())
            raise ImageReadError(
                f"the note of a board is damaged: {fault.name} {fault.reason}; prepare the dataset again"
            ) from None


@cache
def _checked() -> TypeAdapter[BoardNote]:
    """Reads a board's note by the types of its entries; of JSON, where strict types allow a list for a tuple."""
    return TypeAdapter(BoardNote)


@dataclass(frozen=True)
class PartNote:
    """The patches of one board before they are part of a dataset.

    Parameters
    ----------
    key : str
        Begins the names of its files.
    board : BoardNote
    layers : tuple of str
        What is stored of every patch.
    detectors : dict
        Both detectors by key, as `Detector.to_dict`.
    """

    key: str
    board: BoardNote
    layers: tuple[str, ...]
    detectors: dict[str, Json]

    def to_dict(self) -> dict[str, Json]:
        """The same as JSON holds it."""
        return {
            "key": self.key,
            "board": self.board.to_dict(),
            "layers": list(self.layers),
            "detectors": self.detectors,
        }

    @classmethod
    def read(cls, path: Path) -> PartNote:
        """Inverse of `to_dict`, from a file.

        Raises
        ------
        ImageReadError
            If it is damaged.
        """
        data = read_object(path, ImageReadError)
        try:
            return cls(
                str(data["key"]),
                BoardNote.from_dict(as_table(data["board"])),
                tuple(as_texts(data["layers"])),
                dict(as_table(data["detectors"])),
            )
        except (KeyError, MetadataError, TypeError, ValueError) as problem:
            raise ImageReadError(f"{path.name}: damaged ({problem}); remove it") from None
