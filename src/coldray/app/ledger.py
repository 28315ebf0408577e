"""What a folder of results already holds: one SQLite ledger per output folder."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coldray.app.files import LEDGER as NAME
from coldray.checkpoint import file_sha256
from coldray.document import Json, parse_json, parse_object
from coldray.errors import ImageWriteError, MetadataError

VERSION = 3
READERS_LEAVE_MS = 60000
"""Longest wait for processes that look into the ledger while it is taken; they do not stay."""


class Ledger:
    """Finished and claimed work by content, not by name or time; one owner at a time.

    Parameters
    ----------
    folder : Path
        Output folder; made if absent.
    settings : dict
        Everything but the input that decides an output, JSON-able.
    record : dict
        What else is worth keeping once per run: where files are, versions, threads.
    fresh : bool
        Take nothing as done, and any file in the way as ours to replace (``--overwrite``).
    shared : bool
        Used, one after another, by other threads than the one that opens it.

    Raises
    ------
    ImageWriteError
        If another process works in this folder, or the ledger is damaged.

    Notes
    -----
    A row is written before the output ("claimed") and completed after it, so after a kill at any point the same
    command finishes what is missing, repeats nothing that is whole, and never takes a stranger's file for its own.
    The database stays locked while it is open: the operating system frees the lock of an owner that was killed.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Json],
        record: Mapping[str, Json] | None = None,
        *,
        fresh: bool = False,
        shared: bool = False,
    ) -> None:
        self._folder, self._fresh = folder, fresh
        self._settings = _seal(json.dumps(settings, sort_keys=True))
        kept = json.dumps(record or {}, sort_keys=True)
        self._run = _seal(self._settings + kept)
        self._mine: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        with _told(folder):
            self._base = sqlite3.connect(folder / NAME, timeout=0, isolation_level=None, check_same_thread=not shared)
        try:
            self._own(kept)
        except BaseException:
            self._base.close()
            raise

    def _own(self, kept: str) -> None:
        """Take the ledger for this process alone, and enter the run."""
        with _told(self._folder):
            # Of several that ask at once exactly one gets this lock, at once or not at all. Asking for the exclusive
            # lock first would let each see another's reading lock, and all be refused.
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._base.execute(f"PRAGMA busy_timeout={READERS_LEAVE_MS}")
            version = self._base.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise ImageWriteError(
                    f"{self._folder.name}/{NAME}: written by another version of coldray ({version}, this one writes {VERSION}); "
                    "choose another OUT, or delete the ledger and give --overwrite"
                )
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS work (target TEXT PRIMARY KEY, source TEXT NOT NULL, settings TEXT NOT NULL, "
                "run TEXT NOT NULL, entry TEXT, seal TEXT)"
            )
            self._base.execute("CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, record TEXT NOT NULL)")
            self._base.execute(f"PRAGMA user_version={VERSION}")
            self._base.execute("REPLACE INTO runs VALUES (?, ?)", (self._run, kept))
            self._base.execute("COMMIT")
            if self._base.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its check fails")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the folder to others."""
        self._base.close()

    def finished(self, source: Path, target: Path, *, replace: bool = False) -> dict[str, Json] | None:
        """Return the entry of work that is done and whole; None if it is to be done.

        Parameters
        ----------
        source, target : Path
        replace : bool
            Do it again if this ledger's own result is of an earlier content of the same source.

        Raises
        ------
        ImageWriteError
            If the output exists and this ledger did not write it from this input with these settings.
        """
        name = _key(target.relative_to(self._folder))
        if not target.exists() or (self._fresh and name not in self._mine):
            return None
        with _told(self._folder):
            row = self._base.execute(
                "SELECT source, settings, entry, seal FROM work WHERE target = ?", (name,)
            ).fetchone()
        if row is not None and row[0] == _key(source) and row[1] == self._settings:
            entry = _unsealed(row[2], row[3])
            if entry is None:
                return None  # claimed, then killed: the file is ours, whole or not
            if source.is_file() and entry["sha256_in"] == file_sha256(source):
                return entry if self._whole(target, entry) else None
            if replace:
                return None
            raise ImageWriteError(
                f"{target.name}: exists already, restored from an earlier content of {source.name}; "
                "give --overwrite or another OUT"
            )
        raise ImageWriteError(f"{target.name}: exists already and is not this work's; give --overwrite or another OUT")

    @staticmethod
    def _whole(target: Path, entry: dict[str, Any]) -> bool:
        """Whether an output and what belongs beside it are what was written."""
        written = {target.name: entry["sha256_out"], **entry.get("side_files", {})}
        return all(
            (target.parent / name).is_file() and file_sha256(target.parent / name) == digest
            for name, digest in written.items()
        )

    def claim(self, source: Path, target: Path) -> None:
        """Note that an output is about to be written."""
        name = _key(target.relative_to(self._folder))
        self._mine.add(name)
        with _told(self._folder):
            self._base.execute(
                "REPLACE INTO work VALUES (?, ?, ?, ?, NULL, NULL)", (name, _key(source), self._settings, self._run)
            )

    def finish(self, target: Path, entry: Mapping[str, Json]) -> None:
        """Note that an output is whole."""
        text = json.dumps(entry)
        with _told(self._folder):
            self._base.execute(
                "UPDATE work SET entry = ?, seal = ? WHERE target = ?",
                (text, _seal(text), _key(target.relative_to(self._folder))),
            )


def _key(path: Path) -> str:
    """Path as ASCII text: names need not be UTF-8."""
    return json.dumps(path.as_posix())


def _path(key: str) -> Path:
    """Path of a key."""
    return Path(str(parse_json(key, NAME, MetadataError)))


def _seal(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _unsealed(text: str | None, seal: str | None) -> dict[str, Json] | None:
    """Entry of a row, unless it is open or was changed."""
    if text is None or seal != _seal(text):
        return None
    return parse_object(text, NAME, MetadataError)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what SQLite complains about into one line with a remedy."""
    try:
        yield
    except sqlite3.Error as problem:
        if "locked" in str(problem):
            raise ImageWriteError(
                f"{folder.name}: another coldray restores into this folder; wait for it or choose another OUT"
            ) from None
        raise ImageWriteError(
            f"{folder.name}/{NAME}: the ledger cannot be used ({problem}); "
            "check the disk, or delete the ledger and give --overwrite to start anew"
        ) from None


def _version(base: sqlite3.Connection) -> int:
    """Version of a ledger; the first bore no number, but a column of its own."""
    version = int(base.execute("PRAGMA user_version").fetchone()[0])
    if version:
        return version
    return 1 if base.execute("SELECT 1 FROM pragma_table_info('work') WHERE name = 'key'").fetchone() else VERSION


def targets(folder: Path) -> list[Path]:
    """Outputs that a folder's ledger knows as finished, whether or not they are still there.

    Raises
    ------
    ImageWriteError
        If the ledger is damaged or in use.
    MetadataError
        If it is of another version.
    """
    with _read_only(folder) as base:
        rows = base.execute("SELECT target FROM work WHERE entry IS NOT NULL").fetchall()
    return [folder / _path(row[0]) for row in rows]


def entries(folder: Path) -> list[tuple[Path, Path, dict[str, Json]]]:
    """Output, input and entry of everything that a folder's ledger knows as finished; rows that were changed are left out.

    Raises
    ------
    ImageWriteError
        If the ledger is damaged or in use.
    MetadataError
        If it is of another version.
    """
    with _read_only(folder) as base:
        rows = base.execute("SELECT target, source, entry, seal FROM work WHERE entry IS NOT NULL").fetchall()
    known = [(_path(target), _path(source), _unsealed(entry, seal)) for target, source, entry, seal in rows]
    return [(folder / target, source, entry) for target, source, entry in known if entry is not None]


@contextmanager
def _read_only(folder: Path) -> Iterator[sqlite3.Connection]:
    """Ledger of a folder to read in."""
    with _told(folder):
        base = sqlite3.connect(f"{(folder / NAME).absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            if (version := _version(base)) != VERSION:
                raise MetadataError(
                    f"{folder.name}/{NAME}: written by format {version} of the ledger; cannot be re-run by this version, "
                    f"which reads format {VERSION}: verify it with the coldray that wrote it"
                )
            yield base
        finally:
            base.close()


def recorded(folder: Path, target: Path) -> tuple[dict[str, Json], dict[str, Json]] | None:
    """Entry and record of one output in a folder's ledger, which is only read.

    Parameters
    ----------
    folder : Path
        Holds the ledger.
    target : Path
        In it.

    Returns
    -------
    tuple of dict, or None
        None if the ledger does not know the file, or its row was changed.

    Raises
    ------
    ImageWriteError
        If the ledger is damaged or in use.
    MetadataError
        If it is of another version.
    """
    with _read_only(folder) as base:
        row = base.execute(
            "SELECT entry, seal, record, settings, run FROM work JOIN runs USING (run) WHERE target = ?",
            (_key(target.relative_to(folder)),),
        ).fetchone()
    whole = row is not None and row[4] == _seal(row[3] + row[2])
    entry = _unsealed(row[0], row[1]) if whole else None
    return None if entry is None else (entry, parse_object(row[2], NAME, MetadataError))
