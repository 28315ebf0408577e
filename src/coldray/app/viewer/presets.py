"""Presets of window and regions: named, the user's own, kept between runs."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from coldray.document import Json, first_fault, read_object
from coldray.errors import ColdrayError, MetadataError
from coldray.files import refuse_writing, told, write_text
from coldray.metrology.inspection import LARGEST_BYTES, Mark

FILE = "presets.json"
MOST = 40
MOST_MARKS = 50

Share = Annotated[float, Field(ge=-100, le=100)]
Rectangle = Annotated[list[int], Field(min_length=4, max_length=4)]


class Preset(BaseModel):
    """A window, with the regions and shapes of a task.

    Parameters
    ----------
    name : str
    low, high : float
        Window, shares of the open beam, so that it fits images of any level.
    signal, background : list of int, optional
        x, y, width, height [px].
    marks : list of Mark
        Shapes that it puts on an image.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=60)]
    low: Share
    high: Share
    signal: Rectangle | None = None
    background: Rectangle | None = None
    marks: Annotated[list[Mark], Field(max_length=MOST_MARKS)] = []

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.high > self.low:
            raise ValueError("the window ends where it begins, or before")
        return self


class PresetFile(BaseModel):
    """All presets, as they are kept and as a page sends them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["coldray presets"] = "coldray presets"
    version: Literal[1] = 1
    presets: Annotated[list[Preset], Field(max_length=MOST)] = []

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [preset.name for preset in self.presets]
        if len(set(names)) < len(names):
            raise ValueError("two presets have one name; rename one of them")
        return self


class Presets:
    """The user's presets; all pages share them.

    Parameters
    ----------
    folder : Path, optional
        Where they are kept; without one, only as long as the viewer runs.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / FILE
        self._lock = threading.Lock()
        self._known = PresetFile()
        self.problem = ""
        if self._path is not None and self._path.is_file():
            try:
                self._known = _read(self._path)
            except ColdrayError as problem:
                # what cannot be read is never written over
                self.problem = f"{problem}; presets of this run are not kept: repair or delete the file"
                self._path = None

    def to_json(self) -> dict[str, Json]:
        """What pages are told: all presets, and why they are not kept."""
        return {"presets": self._known.model_dump(mode="json")["presets"], "problem": self.problem}

    def replace(self, found: PresetFile) -> None:
        """Take other presets in the place of all.

        Raises
        ------
        ImageWriteError
            If they cannot be kept; the earlier ones stay.
        """
        with self._lock:
            if self._path is not None:
                try:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as problem:
                    cause = f"cannot be made ({told(problem)})"
                    raise refuse_writing(self._path.parent, cause, "presets are not kept") from None
                write_text(self._path, json.dumps(found.model_dump(mode="json"), indent=1))
            self._known = found


def _read(path: Path) -> PresetFile:
    document = read_object(path, MetadataError, LARGEST_BYTES)
    try:
        return PresetFile.model_validate(document)
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        raise MetadataError(f"{path.name}: no presets; {fault.name or 'document'}: {fault.reason}") from None


def user_folder() -> Path | None:
    """Where this user's programs keep their settings, and coldray its own; None for who has no home.

    References
    ----------
    XDG Base Directory Specification 0.8; `APPDATA` on Windows.
    """
    stated = Path(os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or "")
    if stated.is_absolute():
        return stated / "coldray"
    try:
        return Path.home() / ".config" / "coldray"
    except RuntimeError:
        return None
