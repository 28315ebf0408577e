"""What a folder of results already holds: one SQLite ledger per output folder."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from coldray.checkpoint import file_sha256
from coldray.errors import ImageWriteError

NAME = ".coldray-ledger.sqlite"


class Ledger:
    """Finished and started work by content, not by name or time.

    Parameters
    ----------
    folder : Path
        Output folder; made if absent.
    settings : dict
        Everything but the input that decides an output, JSON-able.

    Notes
    -----
    The key of a piece of work is the hash of the input's content and the settings. A row is written before the
    output ("started") and completed after it, so after a kill at any point the same command finishes what is
    missing, repeats nothing that is whole, and never takes a stranger's file for its own.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._settings = json.dumps(settings, sort_keys=True)
        try:
            self._base = sqlite3.connect(folder / NAME, timeout=60, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS work (target TEXT PRIMARY KEY, key TEXT NOT NULL, entry TEXT)"
            )
        except sqlite3.Error as problem:
            raise ImageWriteError(
                f"{folder.name}/{NAME}: the ledger cannot be used ({problem}); delete it to start anew"
            ) from None

    def key(self, sha256_in: str) -> str:
        """Return the key of one input's content under these settings."""
        return hashlib.sha256(f"{sha256_in}\n{self._settings}".encode()).hexdigest()

    def finished(self, source: Path, target: Path, name: str) -> dict[str, Any] | None:
        """Return the entry of work that is done and whole; None if it is to be done.

        Parameters
        ----------
        source, target : Path
        name : str
            Output path relative to the folder, as the ledger knows it.

        Raises
        ------
        ImageWriteError
            If the output exists and this ledger did not write it from this input with these settings.
        """
        row = self._base.execute("SELECT key, entry FROM work WHERE target = ?", (name,)).fetchone()
        if not target.exists():
            return None
        same = row is not None and source.is_file() and row[0] == self.key(file_sha256(source))
        if not same:
            raise ImageWriteError(
                f"{target.name}: exists already and is not this work's; give --overwrite or another OUT"
            )
        if row[1] is None:
            return None
        entry: dict[str, Any] = json.loads(row[1])
        return entry if entry["sha256_out"] == file_sha256(target) else None

    def start(self, sha256_in: str, name: str) -> None:
        """Note that an output is about to be written."""
        self._base.execute("REPLACE INTO work VALUES (?, ?, NULL)", (name, self.key(sha256_in)))

    def finish(self, name: str, entry: dict[str, Any]) -> None:
        """Note that an output is whole."""
        self._base.execute("UPDATE work SET entry = ? WHERE target = ?", (json.dumps(entry), name))
