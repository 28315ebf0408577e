"""The two documents of a trial: what readers are given, and the truth that is sealed until all have read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from coldray.document import LARGEST_BYTES, content_of, first_fault, parse_object
from coldray.errors import MetadataError

MANIFEST = "trial.json"
"""Of the reader's package, in its folder."""
IMAGES, ANSWERS = "images", "answers"
"""Folders in it."""
VERSION: Literal[1] = 1
HIGHEST_RATING = 100
MOST_MARKS = 50
READER = "[A-Za-z0-9][A-Za-z0-9_-]{0,39}"

Token = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
ReaderId = Annotated[str, Field(pattern=f"^{READER}$")]
Whole = Annotated[int, Field(ge=1, le=2**20)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
ReadBy = Literal["people", "simulated"]
Document = TypeVar("Document", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(_Strict):
    """One image as a reader sees it.

    Parameters
    ----------
    rows, cols : int
    sha256 : str
        Of its file.
    low, high : float
        Window in which it is shown first [stored values]; the same in all arms of a case.
    """

    rows: Whole
    cols: Whole
    sha256: Sha256
    low: Finite
    high: Finite


class Manifest(_Strict):
    """The reader's package: which images, in which order for whom, and the hash of the sealed truth.

    Parameters
    ----------
    id : str
        Of the trial.
    commitment : str
        SHA-256 of the sealed truth, so that it cannot be changed once readings exist.
    washout_days : float
        Least time between two blocks of a reader.
    question : str
        What a reader is asked of every image.
    items : dict of str to Item
        By random token, which is the name of the image's file.
    readers : dict of str to list of list of str
        Tokens by block, in the order in which they are shown.
    """

    format: Literal["coldray trial"] = "coldray trial"
    version: Literal[1] = VERSION
    id: Token
    commitment: Sha256
    washout_days: Annotated[float, Field(ge=0, le=3650)]
    question: Annotated[str, Field(max_length=400)]
    items: dict[Token, Item]
    readers: dict[ReaderId, list[list[Token]]]

    @model_validator(mode="after")
    def _everyone_reads_everything(self) -> Self:
        for reader, blocks in self.readers.items():
            read = sorted(token for block in blocks for token in block)
            if read != sorted(self.items):
                raise ValueError(f"reader {reader} does not read every image once")
            if len({len(block) for block in blocks}) != 1:
                raise ValueError(f"the blocks of reader {reader} differ in length")
        return self


class Defect(_Strict):
    """A known defect.

    Parameters
    ----------
    x_px, y_px : float
        Centre; pixel (0, 0) covers 0 to 1.
    radius_px : float
        Half its diameter or length.
    kind : str
    size_mm, contrast : float, optional
    """

    x_px: Finite
    y_px: Finite
    radius_px: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    kind: Annotated[str, Field(max_length=80)] = ""
    size_mm: Finite | None = None
    contrast: Finite | None = None


class Case(_Strict):
    """One case: where it is from, its defects, and the image of each arm.

    Parameters
    ----------
    source, sha256 : str
        Name and hash of the file that it is from.
    field_px : list of int
        x, y, width and height of what is shown of it.
    defects : list of Defect
        Empty for a control.
    items : dict of str to str
        Token by arm.
    """

    source: str
    sha256: Sha256
    field_px: Annotated[list[int], Field(min_length=4, max_length=4)]
    defects: list[Defect]
    items: dict[str, Token]


class Sealed(_Strict):
    """The truth of a trial.

    Parameters
    ----------
    id : str
    nonce : str
        Secret, so that nobody finds the truth by trying until the hash fits.
    random_state : str
        What places, order and names were drawn with; a whole number, which may be longer than programs hold.
    defects : {"simulated", "known"}
        Put into the images by the stated forward model, or stated by a table.
    tolerance_px : float
        How far from the rim of a defect a mark may lie that counts as on it.
    arms : list of str
    settings : dict
        Of the restoration.
    model : dict
        Name and SHA-256 of the model; empty without one.
    read_by : {"people", "simulated"}
        Who will read it, as its maker states.
    cases : list of Case
    """

    format: Literal["coldray sealed truth"] = "coldray sealed truth"
    version: Literal[1] = VERSION
    id: Token
    nonce: Sha256
    random_state: Annotated[str, Field(pattern="^[0-9]{1,60}$")]
    defects: Literal["simulated", "known"]
    tolerance_px: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    arms: Annotated[list[str], Field(min_length=2)]
    settings: dict[str, JsonValue]
    model: dict[str, str]
    read_by: ReadBy = "people"
    cases: list[Case]

    def shown_as(self) -> Mapping[str, tuple[int, int]]:
        """Case and arm, by number, of every token."""
        return {one.items[arm]: (k, i) for k, one in enumerate(self.cases) for i, arm in enumerate(self.arms)}


def written(document: BaseModel) -> bytes:
    """Bytes of a document; its hash is taken of them."""
    return (json.dumps(document.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()


def sha256_of(content: bytes) -> str:
    """Hash of the bytes of a document."""
    return hashlib.sha256(content).hexdigest()


def checked(kind: type[Document], content: bytes, name: str) -> Document:
    """Document of JSON that somebody may have changed.

    Raises
    ------
    MetadataError
        If it is no such document; `name` begins the message.
    """
    found = parse_object(content, name, MetadataError)
    try:
        return kind.model_validate(found)
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        raise MetadataError(
            f"{name}: no {kind.model_fields['format'].default}; {fault.name or 'document'}: {fault.reason}"
        ) from None


def read_manifest(folder: Path) -> Manifest:
    """What `coldray trial make` left in a folder for the readers.

    Raises
    ------
    MetadataError
        If the folder holds no trial.
    """
    if not (folder / MANIFEST).is_file():
        raise MetadataError(
            f"{folder.name}: the folder holds no {MANIFEST}; give the one that coldray trial make wrote"
        )
    return checked(Manifest, content_of(folder / MANIFEST, MetadataError, LARGEST_BYTES), MANIFEST)


def read_sealed(path: Path, manifest: Manifest) -> Sealed:
    """The truth, if it is the one to which the trial is committed.

    Raises
    ------
    MetadataError
        If it cannot be read, belongs to another trial or was changed since the trial was made.
    """
    content = content_of(path, MetadataError, LARGEST_BYTES)
    found = checked(Sealed, content, path.name)
    if found.id != manifest.id:
        raise MetadataError(
            f"{path.name}: the truth of trial {found.id}, not of {manifest.id}; give the file made with it"
        )
    if sha256_of(content) != manifest.commitment:
        raise MetadataError(
            f"{path.name}: differs from the truth that the trial was made with (sha256 {manifest.commitment[:16]}… is "
            "published with it); nothing is analysed. Take the file as it was written"
        )
    if sorted(found.shown_as()) != sorted(manifest.items):
        raise MetadataError(f"{path.name}: names other images than the trial shows; give the file made with it")
    return found
