"""What killed processes leave unfinished: recognised by its name and its lock, and cleared by whoever writes there next."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

try:
    import fcntl
except ImportError:  # where there are no locks, an open file cannot be deleted
    fcntl = None  # type: ignore[assignment]

TEMPORARY_PREFIX = ".coldray-"
"""File names starting so are unfinished writes; they may be deleted when no coldray runs."""

_OWNER = re.compile(r"(\d+)-[0-9a-f]+\.part")
_swept: set[tuple[int, str, str]] = set()
"""Folders that a process has cleared already."""


def clear_leftovers(folder: Path, deep: bool = True, prefix: str = TEMPORARY_PREFIX) -> int:
    """Delete what killed processes left unfinished, by default through all levels; returns how many."""
    count = 0
    pattern = f"{prefix}*.part"
    for path in folder.rglob(pattern) if deep else folder.glob(pattern):
        owner = _OWNER.fullmatch(path.name, len(prefix))
        if owner and not _runs(int(owner[1])) and not _is_locked(path):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                count += 1
    return count


def temporary_in(folder: Path, prefix: str = TEMPORARY_PREFIX) -> Path:
    """Name of an unfinished file of this process."""
    return folder / f"{prefix}{os.getpid()}-{os.urandom(6).hex()}.part"


def clear_once(folder: Path, prefix: str = TEMPORARY_PREFIX) -> None:
    """Clear a folder when a process first writes into it; a scratch folder is new."""
    if os.path.basename(folder).startswith(TEMPORARY_PREFIX):
        return
    key = os.getpid(), os.path.abspath(folder), prefix
    if key not in _swept:
        _swept.add(key)
        clear_leftovers(folder, deep=False, prefix=prefix)


def lock(handle: int) -> None:
    """Say that an unfinished file has a living owner, also to those who cannot see the process."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_locked(path: Path) -> bool:
    """Whether somebody holds an unfinished file; in doubt somebody does."""
    if fcntl is None:
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _runs(process: int) -> bool:
    """Whether a process of this number exists; where that cannot be asked, an open file resists deletion."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
