"""Flat fields that pages send: kept for the restorations of this run, and named by handles, never by paths."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from pathlib import Path

from coldray.app.viewer.shelf import named
from coldray.errors import SettingsError
from coldray.files import move_into_place

MOST_FILES = 16


class Flats:
    """Files with flat fields.

    Parameters
    ----------
    folder : Path
        Private and temporary; goes with the server.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Path] = {}
        self._lock = threading.Lock()

    def add(self, path: Path, name: str) -> str:
        """Keep a file that arrived; returns its handle.

        Raises
        ------
        ColdrayError
            If it is no image, or too many are kept.
        """
        from coldray.formats import read_image

        named(lambda: read_image(path), path, name)
        with self._lock:
            if len(self._known) >= MOST_FILES:
                raise SettingsError(f"{MOST_FILES} files with flat fields are kept; forget them first")
            handle = secrets.token_hex(8)
            kept = self._folder / f"flats-{handle}{path.suffix}"
            move_into_place(path, kept)
            self._known[handle] = kept
        return handle

    def paths(self, handles: Iterable[str]) -> tuple[str, ...]:
        """Where files are; SettingsError if one is not kept."""
        with self._lock:
            try:
                return tuple(str(self._known[handle]) for handle in handles)
            except KeyError:
                raise SettingsError("flat fields were forgotten meanwhile; choose their files again") from None

    def forget(self, handle: str) -> None:
        """Delete a file; KeyError if it is not kept."""
        with self._lock:
            path = self._known.pop(handle)
        path.unlink(missing_ok=True)
