"""What an inspector notes on an image: shapes with numbers, marks with classes and decisions; the JSON beside the image.

The image itself is never touched. The document names the image by its hash, so that notes never move to another one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from coldray.document import Json, first_fault, parse_json, read_object
from coldray.errors import MetadataError, SettingsError
from coldray.files import shown, write_text
from coldray.metrology.shapes import CLOSED, MOST_POINTS, Kind, check_points, measures

ENDING = ".inspection.json"
"""Of the document beside an image, after the whole name of the image."""
FORMAT: Literal["coldray inspection"] = "coldray inspection"
VERSION: Literal[1] = 1
MOST_MARKS = 500
LARGEST_BYTES = 2**20
FARTHEST_PX = 1e6

Decision = Literal["open", "accepted", "rejected"]
Text = Annotated[str, Field(max_length=400)]
Short = Annotated[str, Field(max_length=80)]
Pixel = Annotated[float, Field(ge=-FARTHEST_PX, le=FARTHEST_PX)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Corners = Annotated[list[tuple[Pixel, Pixel]], Field(min_length=1, max_length=MOST_POINTS)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mark(_Strict):
    """A shape on the image with what was said of it.

    Parameters
    ----------
    kind : str
        See `coldray.metrology.shapes.POINTS`.
    points : list of (float, float)
        x and y [px]; pixel (0, 0) covers 0 to 1.
    text : str
    defect : str
        Class of the defect, as "void"; empty for what is only measured.
    decision : {"open", "accepted", "rejected"}
    threshold : float, optional
        Stored value beyond which a pixel of a closed shape is void.
    voids : {"brighter", "darker"}
    """

    kind: Kind
    points: Corners
    text: Text = ""
    defect: Short = ""
    decision: Decision = "open"
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    voids: Literal["brighter", "darker"] = "brighter"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            check_points(self.kind, self.points)
        except SettingsError as problem:
            raise ValueError(str(problem)) from None
        if self.threshold is not None and self.kind not in CLOSED:
            raise ValueError(f"a shape `{self.kind}` has no inside that a threshold could divide")
        return self


class Calibration(_Strict):
    """Where millimetres at the object come from; without one they are those of the file's pixel pitch and magnification.

    Parameters
    ----------
    magnification : float, optional
        Size in the image over size of the object; the pitch at the detector is divided by it.
    known_mm : float, optional
        Length of something in the image [mm]; with `between`, and instead of a magnification.
    between : list of (float, float), optional
        Its two ends [px].
    """

    magnification: Positive | None = None
    known_mm: Positive | None = None
    between: Annotated[list[tuple[Pixel, Pixel]], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.known_mm is None) != (self.between is None):
            raise ValueError("a known length needs its two ends, and two ends a known length")
        if (self.known_mm is None) == (self.magnification is None):
            raise ValueError("give a magnification, or a known length with its ends")
        if self.between is not None and not measures("distance", self.between)["length_px"]:
            raise ValueError("the ends of the known length are the same point")
        return self

    def pixel_mm(self, pitch_mm: float | None) -> float | None:
        """Size of a pixel at the object [mm]; None if a magnification meets an unknown pitch."""
        if self.known_mm is not None and self.between is not None:
            return self.known_mm / measures("distance", self.between)["length_px"]
        return None if pitch_mm is None or self.magnification is None else pitch_mm / self.magnification


class Inspection(_Strict):
    """All that was noted on one image.

    Parameters
    ----------
    sha256 : str
        Of the image's file.
    marks : list of Mark
    calibration : Calibration, optional
    decision : {"open", "accepted", "rejected"}
        On the image as a whole.
    inspector, note : str
    """

    format: Literal["coldray inspection"] = FORMAT
    version: Literal[1] = VERSION
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    marks: Annotated[list[Mark], Field(max_length=MOST_MARKS)] = []
    calibration: Calibration | None = None
    decision: Decision = "open"
    inspector: Short = ""
    note: Text = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was noted."""
        return self == Inspection(sha256=self.sha256)

    @property
    def defects(self) -> list[Mark]:
        """Marks that name a class of defect."""
        return [mark for mark in self.marks if mark.defect]

    def pixel_mm(self, pitch_mm: float | None, magnification: float = 1.0) -> float | None:
        """Size of a pixel at the object [mm], of the calibration or of the file's pitch at the detector and magnification."""
        if self.calibration is not None:
            return self.calibration.pixel_mm(pitch_mm)
        return None if pitch_mm is None else pitch_mm / magnification


def inspection_path(image: Path) -> Path:
    """Where the notes on an image are kept: NAME.inspection.json beside it."""
    return image.with_name(image.name + ENDING)


def checked_inspection(document: Json, name: str) -> Inspection:
    """Notes from JSON that somebody wrote.

    Raises
    ------
    MetadataError
        If it is no such document, or of a newer version; `name` begins the message.
    """
    if isinstance(document, str | bytes):
        document = parse_json(document, name, MetadataError, LARGEST_BYTES)
    if isinstance(document, dict) and document.get("format") == FORMAT and document.get("version") != VERSION:
        raise MetadataError(
            f"{name}: inspection notes of version {document.get('version')!r}; this coldray reads version {VERSION}: use a "
            "newer one"
        )
    try:
        return Inspection.model_validate(document)
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        raise MetadataError(f"{name}: no inspection notes; {fault.name or 'document'}: {fault.reason}") from None


def read_inspection(image: Path, sha256: str) -> Inspection | None:
    """Notes beside an image; None if there are none.

    Parameters
    ----------
    image : Path
    sha256 : str
        Of the image's file.

    Raises
    ------
    MetadataError
        If they cannot be read, or belong to another content of the file.
    """
    path = inspection_path(image)
    if not path.is_file():
        return None
    found = checked_inspection(read_object(path, MetadataError, LARGEST_BYTES), shown(path))
    if found.sha256 != sha256:
        raise MetadataError(
            f"{shown(path)}: the notes are of another content of {shown(image)}; they are not used. Delete or rename them to "
            "begin anew"
        )
    return found


def write_inspection(image: Path, found: Inspection) -> Path:
    """Write notes beside an image, whole or not at all.

    Raises
    ------
    ImageWriteError
        If the folder cannot be written.
    """
    path = inspection_path(image)
    write_text(path, json.dumps(found.model_dump(mode="json"), indent=1))
    return path
