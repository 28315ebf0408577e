"""Folders that the command line named: their images as small pictures, with verdicts and decisions."""

from __future__ import annotations

import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coldray.app.files import LEDGER, Pairing, walk
from coldray.app.ledger import entries
from coldray.app.viewer.shelf import Shelf, Study
from coldray.checkpoint import file_sha256
from coldray.document import Json
from coldray.errors import ColdrayError, ImageReadError
from coldray.files import shown
from coldray.metrology.inspection import (
    Decision,
    Inspection,
    checked_inspection,
    inspection_path,
    read_inspection,
    write_inspection,
)

MOST_FILES = 5000
KEPT_THUMBNAILS = 2000
KEPT_OPEN = 6
"""Images that stay open after another one of a folder is opened, unless something was made of them."""


@dataclass(frozen=True)
class Entry:
    """One image of a folder.

    Parameters
    ----------
    path : Path
    name : str
        Its place below the folder, as shown.
    restored : Path, optional
        What it was restored to, where the ledger of a folder at hand says so.
    original : Path, optional
        What it was restored from, where the ledger says so and the file is still there.
    verdict : str
        Of its certificate, or that of what it was restored to; empty if it has none.
    """

    path: Path
    name: str
    restored: Path | None = None
    original: Path | None = None
    verdict: str = ""

    @property
    def noted_on(self) -> Path:
        """The image beside which its inspection is kept: the original, where that is at hand."""
        return self.original or self.path

    def to_json(self) -> dict[str, Json]:
        """What a page is told, with what was noted so far."""
        is_restored = bool(self.original or self.restored or self.verdict)
        told: dict[str, Json] = {"name": self.name, "verdict": self.verdict, "restored": is_restored}
        beside = inspection_path(self.noted_on)
        try:
            found = checked_inspection(beside.read_bytes(), shown(beside))
        except (ColdrayError, OSError):  # none, or said when the image is opened
            return told | {"decision": "open", "inspector": "", "defects": 0}
        return told | {"decision": found.decision, "inspector": found.inspector, "defects": len(found.defects)}


class Folders:
    """Folders on the desk; what is in them is looked up whenever somebody asks."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        self._files: dict[str, dict[str, Entry]] = {}
        self._handles: dict[tuple[str, str], str] = {}
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, path: Path) -> None:
        """Put a folder on the desk.

        Raises
        ------
        ImageReadError
            If it cannot be read or holds no image.
        """
        if next(walk(path), None) is None:
            raise ImageReadError(f"{shown(path)}: the folder holds no image")
        self._paths[secrets.token_hex(8)] = path

    def to_json(self) -> list[dict[str, Json]]:
        """Handles and names."""
        return [{"id": handle, "name": shown(path.absolute())} for handle, path in self._paths.items()]

    def listing(self, folder: str) -> dict[str, Json]:
        """Images of a folder, and how many more there are than are listed; KeyError if there is no such folder.

        Raises
        ------
        ImageReadError
            If it cannot be read.
        """
        root = self._paths[folder]
        known = [result for path in self._paths.values() for result in _results(path)]
        by_source = {_same(original): (target, entry) for target, original, entry in known}
        by_target = {_same(target): (original, entry) for target, original, entry in known}
        found = [path for path in walk(root) if _is_inside(path, root)]
        files: dict[str, Entry] = {}
        for path in found[:MOST_FILES]:
            restored, as_source = by_source.get(_same(path), (None, {}))
            original, as_target = by_target.get(_same(path), (None, {}))
            verdict = (as_target or as_source).get("consistency", {})
            verdict = verdict.get("verdict", "") if isinstance(verdict, Mapping) else ""
            name = "/".join(shown(part) for part in path.relative_to(root).parts)
            handle = self._handles.setdefault((folder, _same(path)), secrets.token_hex(8))
            at_hand = original if original is not None and original.is_file() else None
            files[handle] = Entry(path, name, restored, at_hand, str(verdict))
        self._files[folder] = files
        told = [{"id": handle} | entry.to_json() for handle, entry in files.items()]
        return {"files": told, "more": len(found) - len(files)}

    def entry(self, folder: str, file: str) -> Entry:
        """One image of a folder; KeyError if it was not listed."""
        return self._files[folder][file]

    def picture(self, entry: Entry) -> bytes:
        """Small picture of an image as PNG, made once.

        Raises
        ------
        ColdrayError
            If it cannot be read.
        """
        from coldray.formats import read_image
        from coldray.reports.thumbnails import thumbnail

        try:
            key = (_same(entry.path), entry.path.stat().st_mtime_ns)
        except OSError as problem:
            raise ImageReadError(f"{entry.name}: cannot be read ({problem.strerror})") from None
        with self._lock:
            if key in self._pictures:
                return self._pictures[key]
        made = thumbnail(read_image(entry.path).pixels)
        with self._lock:
            self._pictures[key] = made
            while len(self._pictures) > KEPT_THUMBNAILS:
                self._pictures.popitem(last=False)
        return made


def _same(path: Path) -> str:
    return os.path.abspath(path)


def _is_inside(path: Path, root: Path) -> bool:
    """Whether a file that was found below a folder lies in it, as `restore` wants it."""
    try:
        Pairing(path, path, False, root).check()
    except ImageReadError:
        return False
    return True


def _results(folder: Path) -> Iterable[tuple[Path, Path, Mapping[str, Json]]]:
    """Results, originals and entries that a folder's ledger knows; none if there is no ledger, or it cannot be read."""
    if not (folder / LEDGER).is_file():
        return []
    try:
        return [(target, source, entry) for target, source, entry in entries(folder) if target.is_file()]
    except ColdrayError:
        return []


def open_entry(shelf: Shelf, entry: Entry) -> Study:
    """Put an image on the shelf with its original or its result; one that is open already is given as it is.

    Raises
    ------
    ColdrayError
        If it is no image, or there is no room.
    """
    wanted = [path for path in (entry.original, entry.path, entry.restored) if path is not None and path.is_file()]
    if not wanted:
        raise ImageReadError(f"{entry.name} is no longer there")
    study = _open_already(shelf, wanted[0])
    if study is None:
        study = shelf.open(wanted[0], shown(wanted[0]), stays=True)
        study.browsed = True
    if "restored" not in study.layers:
        for path in wanted[1:]:
            if _open_already(shelf, path) is None:
                known = shelf.studies()
                other = shelf.open(path, shown(path), stays=True)
                # one that does not belong to the original any more is an image of its own
                other.browsed |= other not in known
    _leave_room(shelf, study)
    return study


def _open_already(shelf: Shelf, path: Path) -> Study | None:
    return next((s for s in shelf.studies() if s.home is not None and _same(s.home) == _same(path)), None)


def _leave_room(shelf: Shelf, newest: Study) -> None:
    """Close the images of folders that were opened first; not those of which something was made here."""
    idle = [
        s for s in shelf.studies() if s.browsed and s is not newest and not s.downloads and "reference" not in s.layers
    ]
    for study in idle[: max(0, len(idle) + 1 - KEPT_OPEN)]:
        with suppress(KeyError):  # closed by a page meanwhile
            shelf.remove(study.id)


def decide(shelf: Shelf, entry: Entry, decision: Decision, inspector: str) -> None:
    """Accept or reject an image, or leave it undecided; everything else that was noted on it stays.

    Raises
    ------
    ColdrayError
        If notes are there that cannot be read or are of another content, or cannot be written.
    """
    by = {"inspector": inspector} if inspector else {}
    study = _open_already(shelf, entry.noted_on)
    if study is not None:
        shelf.note(study, study.inspection.model_copy(update={"decision": decision} | by))
        return
    try:
        digest = file_sha256(entry.noted_on)
    except OSError as problem:
        raise ImageReadError(f"{entry.name}: cannot be read ({problem.strerror})") from None
    notes = read_inspection(entry.noted_on, digest) or Inspection(sha256=digest)
    write_inspection(entry.noted_on, notes.model_copy(update={"decision": decision} | by))
