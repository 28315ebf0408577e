"""What a fabrication archive holds, read safely, and the table of its layers."""

from __future__ import annotations

import hashlib
import math
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from coldray.document import Json, read_object
from coldray.errors import ImageReadError
from coldray.objects.gerber.names import BOTTOM, SHEET, SURE_OUTLINE, TOP, Role, role_of_extension
from coldray.objects.gerber.roles import NO_DATA, FileUse, boards_of, choose_board, copper_order, roles_of

_MAX_MEMBERS = 500
_MAX_MEMBER_BYTES = 200_000_000
_MAX_TOTAL_BYTES = 600_000_000
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What some editors put before a text, and the encoding it tells; no file of a board is anything else."""
_ROLES = ("copper", "paste", "mask", "drill", "placement", "outline")


def read_members(path: Path) -> dict[str, bytes]:
    """Files of an archive or folder, in memory, by their path in it.

    Parameters
    ----------
    path : Path
        A zip archive or a folder, with its sub-folders.

    Returns
    -------
    dict
        Path inside, with forward slashes, to content; side files of archivers and file managers are left out.

    Raises
    ------
    ImageReadError
        If the path is missing, is no zip, is damaged, too large, or names a member outside itself.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise ImageReadError(f"{path}: no such file or folder; give a zip or folder of Gerber files")
    members: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir()]
            _check_size(path, [e.file_size for e in entries])
            for entry in entries:
                _check_member(path, entry.filename)
                inside = PurePosixPath(entry.filename.replace("\\", "/"))
                if not _is_side_file(inside):
                    members[str(inside)] = _plain(archive.read(entry))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ImageReadError(f"{path}: not a readable zip archive ({error}); export the Gerber files again") from error
    except OSError as error:
        if isinstance(error, ImageReadError):
            raise
        raise ImageReadError(f"{path}: cannot be read ({error}); check the file and its permissions") from error
    except Exception as error:  # zlib.error has no common base with the above
        if type(error).__name__ != "error":
            raise
        raise ImageReadError(f"{path}: the compressed data are damaged ({error}); copy the archive again") from error
    return members


def _plain(content: bytes) -> bytes:
    """A text without the mark of its encoding, its characters as single bytes; everything else as it is."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, "replace").encode("utf-8")
    return content


def _read_folder(path: Path) -> dict[str, bytes]:
    """Plain files of a folder and its sub-folders; links to folders are not followed."""
    files: list[Path] = []
    try:
        for folder, inner, names in os.walk(path):
            inner.sort()
            files += [Path(folder) / name for name in sorted(names)]
            if len(files) > 10 * _MAX_MEMBERS:
                break
        files = [p for p in files if p.is_file() and not _is_side_file(p.relative_to(path))]
        _check_size(path, [p.stat().st_size for p in files])
        return {p.relative_to(path).as_posix(): _plain(p.read_bytes()) for p in files}
    except OSError as error:
        if isinstance(error, ImageReadError):
            raise
        raise ImageReadError(f"{path}: cannot be read ({error}); check the permissions") from error


def _is_side_file(path: PurePath) -> bool:
    """Whether a file is one that archivers and file managers add."""
    return any(p.startswith((".", "__MACOSX")) for p in path.parts) or path.name in ("Thumbs.db", "desktop.ini")


def _check_size(path: Path, sizes: Sequence[int]) -> None:
    """Refuse archives that would unpack into something no board needs."""
    if len(sizes) > _MAX_MEMBERS or sum(sizes) > _MAX_TOTAL_BYTES or max(sizes, default=0) > _MAX_MEMBER_BYTES:
        raise ImageReadError(
            f"{path}: {len(sizes)} files of {sum(sizes) / 1e6:.0f} MB in all; at most {_MAX_MEMBERS} files, "
            f"{_MAX_MEMBER_BYTES / 1e6:.0f} MB each and {_MAX_TOTAL_BYTES / 1e6:.0f} MB together are read"
        )


def _check_member(path: Path, name: str) -> None:
    """Refuse members that point outside the archive."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or re.match(r"^[A-Za-z]:", name):
        raise ImageReadError(f"{path}: member {name!r} points outside the archive; do not use this file")


def digest(members: Mapping[str, bytes], *settings: Any) -> str:
    """Key of a rasterised board: its files and how they are drawn.

    Parameters
    ----------
    members : mapping of str to bytes
        Content of its files.
    *settings
        What decides how they are drawn; counted by their repr.

    Returns
    -------
    str
    """
    total = hashlib.sha256(repr(settings).encode())
    for name in sorted(members):
        total.update(name.encode() + b"\0" + hashlib.sha256(members[name]).digest())
    return total.hexdigest()[:16]


def layer_table(
    path: Path, members: Mapping[str, bytes], layers: Mapping[str, Any] | None, board: str | None = None
) -> dict[str, Any]:
    """Files per role, copper from top to bottom, and what became of every file.

    Parameters
    ----------
    path : Path
        The archive or folder; a `layers.json` beside it with an entry of this stem is used.
    members : mapping
        From `read_members`.
    layers : mapping, optional
        Roles to file names; overrides everything found.
    board : str, optional
        Which board, where folders or names tell several apart.

    Returns
    -------
    dict
        Keys copper, paste, mask, drill, placement, outline and negative (lists of paths), bottom (those of `paste`
        on the bottom side), mechanical (those of `outline` that may be another drawing), drawings (Gerber files that
        may show the outline among much else, or whose name says nothing), files (a `FileUse` for every file), notes and, if
        known, board_mm.

    Raises
    ------
    ImageReadError
        If a named file is absent, several boards are held and none is asked for, or no copper layer is found.
    """
    given = dict((layers if layers is not None else _beside(path)) or {})
    unknown = {k for k in given if k not in (*_ROLES, "negative", "board_mm", "units", "bbox_mm")}
    if unknown:
        raise ImageReadError(f"{path}: layer table has unknown entries {sorted(unknown)}; known are {_ROLES}")
    _check_types(path, given)
    for kind in (*_ROLES, "negative"):
        if kind in given:
            given[kind] = [_member(path, members, name) for name in given[kind]]
    roles = roles_of(members)
    _apply(roles, given)
    try:
        boards = {"": list(roles)} if "copper" in given and board is None else boards_of(roles)
    except ImageReadError as error:
        raise ImageReadError(f"{path}: {error}") from error
    chosen = choose_board(path, boards, board)
    return _table(path, {p: roles[p] for p in chosen}, given, set(roles) - set(chosen))


def _check_types(path: Path, given: Mapping[str, Any]) -> None:
    """Lists of file names, and a frame with an area."""
    for kind in (*_ROLES, "negative"):
        names = given.get(kind, [])
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            raise ImageReadError(f"{path}: {kind} of the layer table must be a list of file names")
    frame = given.get("board_mm", [0, 0, 1, 1])
    numbers = isinstance(frame, list | tuple) and len(frame) == 4
    if not numbers or not all(isinstance(v, int | float) and abs(v) < 1e5 for v in frame):
        raise ImageReadError(f"{path}: board_mm of the layer table must be x0, y0, x1, y1 in mm")
    if not (frame[0] < frame[2] and frame[1] < frame[3]):
        raise ImageReadError(f"{path}: board_mm of the layer table is {list(frame)}; x0 < x1 and y0 < y1 are needed")


def _member(path: Path, members: Mapping[str, bytes], name: str) -> str:
    """A file of the layer table, given with or without its folder."""
    fitting = [m for m in members if name == m] or [m for m in members if PurePosixPath(m).name == name]
    if len(fitting) != 1:
        many = f"which is there {len(fitting)} times; give its folder" if fitting else "which the archive does not hold"
        raise ImageReadError(f"{path}: the layer table names {name!r}, {many}")
    return fitting[0]


def _apply(roles: dict[str, Role], given: Mapping[str, Any]) -> None:
    """Let the layer table decide: named files get their role, others lose it."""
    for kind in _ROLES:
        if kind in given:
            for path, role in roles.items():
                if role.kind == kind:
                    roles[path] = Role("", role.depth, "the layer table names others")
    for kind in _ROLES:
        names = given.get(kind, ())
        for i, path in enumerate(names):
            depth = float(i)
            if kind in ("paste", "mask"):  # one alone is told by its name, two are top and bottom
                depth = BOTTOM if i == 1 or (len(names) == 1 and roles[path].depth == BOTTOM) else TOP
            roles[path] = Role(kind, depth, "the layer table")
    for path in given.get("negative", ()):
        roles[path] = replace(roles[path], negative=True)


def _table(path: Path, roles: Mapping[str, Role], given: Mapping[str, Any], others: set[str]) -> dict[str, Json]:
    """Paths per role in order, and the use of every file."""
    unclear = [p for p, r in roles.items() if math.isnan(r.depth)]
    if unclear:
        raise ImageReadError(f"{path}: the name of {unclear[0]} says top and bottom; name the layers in a layers.json")
    order, notes = copper_order(roles)
    notes += _not_what_named(path, roles)
    if not order:
        raise ImageReadError(
            f"{path}: no copper layer among {len(roles)} files; name the layers in a layers.json beside it"
        )
    unnamed = [p for p, r in roles.items() if math.isinf(r.depth)]
    outer = [(roles[p].depth == TOP, roles[p].depth == BOTTOM) for p in order]
    if unnamed and len(order) > 1 and any(t for t, _ in outer) != any(b for _, b in outer):
        raise ImageReadError(
            f"{path}: no file is the {'bottom' if any(t for t, _ in outer) else 'top'} copper, and the names of "
            f"{', '.join(unnamed[:4])} say no layer; name the layers in a layers.json beside it"
        )
    table: dict[str, Any] = {
        kind: [p for _, p in sorted((r.depth, p) for p, r in roles.items() if r.kind == kind)] for kind in _ROLES
    }
    table["copper"] = order
    table["bottom"] = [p for p in table["paste"] if roles[p].depth == BOTTOM]
    table["negative"] = [p for p in order if roles[p].negative]
    table["mechanical"] = [p for p in table["outline"] if roles[p].depth > SURE_OUTLINE]
    table["drawings"] = [p for p in table["outline"] if roles[p].depth >= SHEET] + unnamed
    if "board_mm" in given:
        table["board_mm"] = [float(v) for v in given["board_mm"]]
    numbers = {p: i for i, p in enumerate(order, start=1)}
    table["files"] = [
        FileUse(p, role.kind or "left out", numbers.get(p), role.why) for p, role in sorted(roles.items())
    ] + [FileUse(p, "left out", None, "another board") for p in sorted(others)]
    table["notes"] = notes
    return table


def _not_what_named(path: Path, roles: Mapping[str, Role]) -> list[str]:
    """Files of a layer's extension that hold no such data: copper is refused, the others are told."""
    notes = []
    for name in sorted(p for p, r in roles.items() if r.why == NO_DATA):
        called = role_of_extension(PurePosixPath(name).name)
        if called is None or not called.kind:
            continue
        if called.kind == "copper":
            raise ImageReadError(
                f"{path}: {name} is copper by its extension, but no Gerber file with a format (%FS) and apertures "
                "(RS-274X); export this layer again, or remove the file"
            )
        notes.append(f"{name}: left out; its extension says {called.kind}, and it holds no such data")
    return notes


def _beside(path: Path) -> Mapping[str, Json] | None:
    """Entry of this board in a `layers.json` next to it."""
    table = path.parent / "layers.json"
    if not table.is_file():
        return None
    try:
        entry = read_object(table, ImageReadError).get(path.stem)
    except ImageReadError as error:
        raise ImageReadError(f"{error}; repair or remove the layer table") from None
    return entry if isinstance(entry, Mapping) else None
