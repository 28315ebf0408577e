"""Files and folders with a final name: whole or absent, whatever happens while they are written.

Everything coldray leaves under a name that somebody may read goes through this module. A file is written
under a temporary name in the same folder, flushed to the disk and renamed; a folder is filled under a
temporary name and renamed. What a killed process leaves behind is dealt with by `coldray.leftovers`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from coldray.errors import ImageWriteError
from coldray.leftovers import TEMPORARY_PREFIX, clear_once, lock, temporary_in

try:
    import fcntl
except ImportError:  # where there are no locks, an open file cannot be deleted
    fcntl = None  # type: ignore[assignment]

Location = str | os.PathLike[str]


def shown(path: Location) -> str:
    """File name fit for one line of text: unprintable characters are escaped."""
    name = os.path.basename(os.fspath(path)) or os.fspath(path) or "''"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def is_file(path: Path) -> bool:
    """Whether a path names a file; texts that no system takes for a path name none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def told(error: BaseException) -> str:
    """Say in a few words what a library complained about."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    return (text if len(text) <= 160 else text[:157] + "...") or type(error).__name__


def refuse_writing(path: Location, cause: str, remedy: str) -> ImageWriteError:
    """Build the one-line error for a file that cannot be written; `cause` continues its name with a verb."""
    text = " ".join(f"{cause}; {remedy}".split())
    return ImageWriteError(f"{shown(path)} " + "".join(c if c.isprintable() else "?" for c in text))


def write_atomically(
    path: Location, writer: Callable[[BinaryIO], object], *, mode: int = 0o666, replace: bool = True
) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : path-like
        Final name, in a folder that exists. An older file there stays untouched until the new one is complete on
        disk; a link is replaced, not followed.
    writer : callable
        Is given a binary file, open for writing and seekable.
    mode : int
        Permissions from the first moment on, less those that the process's mask takes away.
    replace : bool
        Whether the name may be taken; if not, it must be free, also when the file is complete.

    Raises
    ------
    ImageWriteError
        If anything fails; the temporary file is removed first.

    Notes
    -----
    Temporary dot file in the same folder, flush, fsync, rename, fsync of the folder. Interrupts pass through after
    the same clean-up. The first write of a process into a folder clears what dead processes left there.
    """
    target = Path(path)
    temporary = temporary_in(target.parent)
    try:
        if replace:
            _check_replaceable(target)
        clear_once(target.parent)
        with open(temporary, "x+b", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            lock(file.fileno())
            writer(file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, target)
        elif os.name == "nt":
            os.rename(temporary, target)
        else:  # unlike a rename, a link fails where something is
            os.link(temporary, target)
            os.unlink(temporary)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, ImageWriteError) or not isinstance(error, Exception):
            raise
        if isinstance(error, FileExistsError):
            raise refuse_writing(path, "exists already", "choose another name") from error
        remedy = "check that the folder exists, is writable and has space"
        raise refuse_writing(path, f"cannot be written ({told(error)})", remedy) from error
    _sync_folder(target)


def write_new(path: Location, content: bytes, mode: int = 0o666) -> None:
    """Write a file whole or not at all where there is none yet; see `write_atomically`."""
    write_atomically(path, lambda file: file.write(content), mode=mode, replace=False)


def write_bytes(path: Location, content: bytes) -> None:
    """Write a file whole or not at all; see `write_atomically`."""
    write_atomically(path, lambda file: file.write(content))


def write_text(path: Location, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all; see `write_atomically`."""
    write_bytes(path, text.encode("utf-8"))


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str = TEMPORARY_PREFIX) -> Iterator[Path]:
    """Give a folder for unfinished files inside `parent`; it is gone afterwards, even after a kill.

    Parameters
    ----------
    parent : Path
        Made if it is missing. A file that is finished moves out by `move_into_place`.
    prefix : str
        How its name begins; folders of that prefix whose processes are gone are cleared first.

    Yields
    ------
    Path

    Raises
    ------
    ImageWriteError
        If it cannot be made.
    """
    folder = temporary_in(parent, prefix)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        clear_once(parent, prefix)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise refuse_writing(
            parent, f"cannot be written ({told(error)})", "check that it can be, and has space"
        ) from error
    handle = os.open(folder, os.O_RDONLY) if fcntl is not None else None
    try:
        if handle is not None:
            lock(handle)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def move_into_place(finished: Path, target: Path) -> None:
    """Give a finished file or folder of a `scratch_folder` its final name.

    Parameters
    ----------
    finished : Path
        A file, flushed to the disk here; or a folder of files that were written by this module.
    target : Path
        On the same disk. A file there is replaced; a folder must not be there, or be empty.

    Raises
    ------
    ImageWriteError
        If it cannot be moved.
    """
    try:
        if finished.is_file():
            with open(finished, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(finished, target)
    except OSError as error:
        remedy = "check that the folder exists, is writable and has space"
        raise refuse_writing(target, f"cannot be written ({told(error)})", remedy) from error
    _sync_folder(target)


@contextlib.contextmanager
def together() -> Iterator[Callable[[Path], Path]]:
    """Give several files their final names at once: all of them, or none, and then what was there before stays.

    Yields
    ------
    callable
        Given a final name, says where its file is to be written meanwhile: under the same name, in a scratch folder
        beside it. The folder of the final name is made if it is missing.

    Raises
    ------
    ImageWriteError
        If one of them cannot be written or moved.

    Notes
    -----
    Nothing has a final name before all are complete on disk; then they are renamed one after the other, what was asked
    for first as the last: once it is there, all are. If a rename fails, those before it are undone. A kill between two
    renames leaves whole files, but not all of them.
    """
    with contextlib.ExitStack() as held:
        folders: dict[Path, Path] = {}
        finals: dict[Path, Path] = {}

        def staged(final: Path) -> Path:
            _check_replaceable(final)
            if final.parent not in folders:
                folders[final.parent] = held.enter_context(scratch_folder(final.parent))
            finals[final] = folders[final.parent] / final.name
            return finals[final]

        yield staged
        _place(finals)


def _place(finals: dict[Path, Path]) -> None:
    """Rename finished files to their final names, the last one first, or none of them."""
    undo: list[Callable[[], object]] = []
    try:
        for final, made in reversed(finals.items()):
            undo.append(_way_back(final, made.parent / f"{TEMPORARY_PREFIX}{len(undo)}"))
            move_into_place(made, final)
    except BaseException:
        for back in reversed(undo):
            with contextlib.suppress(OSError):
                back()
        raise


def _check_replaceable(target: Path) -> None:
    if os.path.lexists(target) and not (target.is_symlink() or target.is_file()):
        raise refuse_writing(target, "is a folder or a device", "choose another output name")


def _way_back(final: Path, spare: Path) -> Callable[[], object]:
    """Keep what has a final name, if anything has; returns what restores that."""
    if not os.path.lexists(final):
        return lambda: final.unlink(missing_ok=True)
    try:
        os.link(final, spare, follow_symlinks=False)
    except OSError:  # a disk without links
        try:
            shutil.copy2(final, spare, follow_symlinks=False)
        except OSError as error:
            raise refuse_writing(
                final, f"cannot be replaced ({told(error)})", "check that its disk has space"
            ) from error
    return lambda: os.replace(spare, final)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; it gets its final name when all is in it.

    Parameters
    ----------
    folder : Path
        Final name. If it exists, files of the same names are replaced, all or none, and others stay.

    Yields
    ------
    Path
        Where to write; of the same name.
    """
    with scratch_folder(folder.parent) as scratch:
        made = scratch / folder.name
        made.mkdir()
        yield made
        if not folder.is_dir():
            move_into_place(made, folder)
            return
        finals = {folder / path.relative_to(made): path for path in sorted(made.rglob("*")) if not path.is_dir()}
        for final in finals:
            final.parent.mkdir(parents=True, exist_ok=True)
            _check_replaceable(final)
        _place(finals)


@contextlib.contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone, where the system can; it is made if it is missing.

    Parameters
    ----------
    folder : Path
        What is made here and stays empty, parents included, is removed again.

    Raises
    ------
    ImageWriteError
        If another process holds it, or it cannot be made.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refuse_writing(folder, f"cannot be made ({told(error)})", "choose another folder") from error
    handle = None
    try:
        if fcntl is not None:
            handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise refuse_writing(
                    folder, "is being written by another coldray", "wait until that is done, or choose another folder"
                ) from None
            except OSError:
                pass  # a disk without locks
        yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
        if handle is not None:
            os.close(handle)


def _sync_folder(target: Path) -> None:
    """Make the rename durable, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise refuse_writing(
                target, f"is written, but its folder could not be flushed ({told(error)})", "check the disk"
            ) from error
