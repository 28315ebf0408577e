"""Which file of a fabrication archive becomes what, by content first, then X2 attributes, then names; and which board."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coldray.errors import ImageReadError
from coldray.objects.gerber.drill_statements import looks_like_drill, tool_list
from coldray.objects.gerber.names import BOTTOM, PLANES, TOP, Role, role_of_words, roles_of_names, words_of

_HEAD_BYTES = 20_000
_X2_KINDS = {
    "paste": "paste", "soldermask": "mask", "profile": "outline",
    "plated": "drill", "nonplated": "drill", "mixedplating": "drill",
}  # fmt: skip
_NOT_DATA = re.compile(
    r"\.(gbrjob|ipc|d356|pdf|svg|png|jpe?g|gif|html?|md|py|zip|rar|7z|tgz|gz|rul|ldp|rep|extrep|apr\w*|drr|log|json|"
    r"kicad_\w+|brd|sch|step|stp|dxf|xlsx?|docx?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class FileUse:
    """What became of one file.

    Parameters
    ----------
    name : str
        File, with its folder in the archive.
    role : str
        copper, paste, mask, drill, placement, outline, or "left out".
    layer : int or None
        Number of a copper layer, 1 at the top.
    why : str
        How the role is known, or why the file is left out.
    """

    name: str
    role: str
    layer: int | None
    why: str


def is_gerber(content: bytes) -> bool:
    """Whether a file looks like RS-274X."""
    return b"%FS" in content[:_HEAD_BYTES] or b"%MO" in content[:_HEAD_BYTES]


def roles_of(members: Mapping[str, bytes]) -> dict[str, Role]:
    """Role of every file.

    Parameters
    ----------
    members : mapping of str to bytes
        Files by their path in the archive.

    Returns
    -------
    dict
        Role by path; its kind is "" for what is not drawn, with the reason.
    """
    roles: dict[str, Role] = {}
    unnamed: dict[str, list[str]] = defaultdict(list)
    for path, content in members.items():
        name = PurePosixPath(path).name
        role = _by_content(name, content)
        if role is not None:
            roles[path] = role
        else:
            unnamed[str(PurePosixPath(path).parent)].append(path)
    for paths in unnamed.values():
        for path, role in zip(paths, roles_of_names([PurePosixPath(p).name for p in paths]), strict=True):
            head = members[path][:_HEAD_BYTES].decode("latin-1")
            roles[path] = _refined(role or _by_comment(head), head)
    excellon = any(r.kind == "drill" and r.why != _GERBER_DRILL for r in roles.values())
    for path, role in roles.items():
        if excellon and role.kind == "drill" and role.why == _GERBER_DRILL:
            roles[path] = Role("", TOP, "drill data in Gerber form; the drill files are used")
    return roles


_GERBER_DRILL = "drill data in Gerber form"
NO_DATA = "neither Gerber nor drill data"


def _by_content(name: str, content: bytes) -> Role | None:
    """Role that the content or its attributes state; None for Gerber files that say nothing."""
    head = content[:_HEAD_BYTES].decode("latin-1")
    if _NOT_DATA.search(name):
        return Role("", TOP, "no fabrication data")
    if name.lower().endswith(".pos") or re.search(r"pick.?(and.?)?place", name.lower()):
        return Role("placement", TOP, "its name")
    if is_gerber(content):
        return _by_attribute(head)
    text = content.decode("latin-1")
    if not looks_like_drill(text):
        return Role("", TOP, "a list of tools" if tool_list(text) else NO_DATA)
    if not re.search(r"(?im)^T\d+.*C\.?\d|Holesize", text) and re.search(r"(?im)^G0?0X", text):
        return Role("", TOP, "a routing path without tool sizes")
    return Role("drill", TOP, "drill data")


def _by_attribute(head: str) -> Role | None:
    """Role by the X2 file function, in a statement or in a comment."""
    found = re.search(r"TF\.FileFunction,([^*%\r\n]+)", head)
    if not found:
        return None
    kind, *fields = [f.strip().lower() for f in found.group(1).split(",")]
    why = f"X2 attribute {found.group(1).strip()}"
    negative = re.search(r"TF\.FilePolarity,Negative", head) is not None
    if kind == "copper":
        number = re.fullmatch(r"l(\d+)", fields[0]) if fields else None
        if "bot" in fields:
            return Role("copper", BOTTOM, why, negative)
        depth = float(number.group(1)) if number else TOP
        return Role("copper", TOP if "top" in fields else depth, why, negative, ordered=number is not None)
    return Role(_X2_KINDS.get(kind, ""), BOTTOM if "bot" in fields else TOP, why)


def _by_comment(head: str) -> Role | None:
    """Role by what a layout program notes of the layer in the file."""
    found = re.search(r"G04\s*(?:Film Name|Layer|Layer Name)\s*[:=]\s*([^*\r\n]+)\*", head)
    role = role_of_words(words_of(found.group(1).strip())) if found else None
    return None if role is None else Role(role.kind, role.depth, "a comment in it", role.negative, role.ordered)


def _refined(role: Role | None, head: str) -> Role:
    """What the content adds to a role by name."""
    if role is None:
        return Role("", math.inf, "its name says no layer")
    if role.kind == "drill":
        return Role("drill", role.depth, _GERBER_DRILL)
    order = re.search(r"G04\s*Layer_Physical_Order\s*=\s*(\d+)", head)
    if role.kind == "copper" and order and TOP < role.depth < BOTTOM:
        return Role("copper", float(order.group(1)), f"{role.why}, order by a comment", role.negative)
    if not role.kind:
        return Role("", role.depth, f"{role.why}: not metal")
    return role


def boards_of(roles: Mapping[str, Role]) -> dict[str, list[str]]:
    """Files of each board, if folders or names tell several apart; one entry "" if there is one board.

    Raises
    ------
    ImageReadError
        If two files claim the same layer and neither folders nor names tell which board they belong to.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for path in roles:
        folders[str(PurePosixPath(path).parent)].append(path)
    holding = [f for f, paths in folders.items() if any(roles[p].kind == "copper" for p in paths)]
    whole = [f for f in holding if sum(roles[p].kind == "copper" for p in folders[f]) > 1]
    if len(holding) < 2 or (len(whole) < 2 and not _clashes(roles, roles)):
        return _by_name(list(roles), roles)
    if any(_clashes({p: roles[p] for p in folders[f]}, roles) for f in holding):
        groups: dict[str, list[str]] = {}
        _none_left((p for f, paths in folders.items() if f not in holding for p in paths), roles, holding)
        for f in holding:
            for name, paths in _by_name(folders[f], roles).items():
                groups["/".join(p for p in (f if f != "." else "", name) if p)] = paths
        return groups
    boards = {f: list(folders[f]) for f in holding}
    for folder, paths in folders.items():
        if folder not in boards:
            near = max(_common(folder, f) for f in holding)
            owners = [f for f in holding if _common(folder, f) == near]
            if len(owners) == 1:
                boards[owners[0]] += paths
            else:
                _none_left(paths, roles, holding)
    return boards


def _none_left(paths: Iterable[str], roles: Mapping[str, Role], boards: Iterable[str]) -> None:
    """Refuse a layer or drill file that belongs to none of several boards: one of them lacks it."""
    lost = [p for p in paths if roles[p].kind]
    if lost:
        raise ImageReadError(
            f"holds several boards ({', '.join(sorted(boards))}), and {lost[0]} belongs to none of them by its folder; "
            "give each board its own folder or archive"
        )


def _common(first: str, second: str) -> int:
    """How many leading folders two paths share."""
    pairs = zip(PurePosixPath(first).parts, PurePosixPath(second).parts, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(first.count("/"), second.count("/")) + 1)


def _clashes(paths: Iterable[str], roles: Mapping[str, Role]) -> list[list[str]]:
    """Groups of files that claim the same copper layer."""
    claims: dict[float, list[str]] = defaultdict(list)
    for path in paths:
        role = roles[path]
        if role.kind == "copper" and (role.ordered or role.depth in (TOP, BOTTOM)):
            claims[role.depth].append(path)
    return [found for found in claims.values() if len(found) > 1]


def _by_name(paths: list[str], roles: Mapping[str, Role]) -> dict[str, list[str]]:
    """Boards of one folder by what their names begin or end with."""
    clashes = _clashes(paths, roles)
    if not clashes:
        return {"": paths}
    largest = max(clashes, key=len)
    needed = {p for p in paths if roles[p].kind}
    for words, tail in itertools.product((False, True), (False, True)):
        keys = _ends(largest, tail, words)
        groups: dict[str, list[str]] = {key: [] for key in sorted(set(keys), key=len, reverse=True)}
        for path in paths:
            whole = PurePosixPath(path).name
            stem = whole.rpartition(".")[0] if tail else whole
            owner = next((k for k in groups if (stem.endswith(k) if tail else stem.startswith(k))), None)
            if owner is not None:
                groups[owner].append(path)
        assigned = {p for found in groups.values() for p in found}
        if len(groups) == len(keys) and needed <= assigned and not any(_clashes(g, roles) for g in groups.values()):
            return {key.strip("-_. ") or "(no name)": found for key, found in groups.items()}
    raise ImageReadError(f"{' and '.join(largest[:4])} claim the same copper layer; name the layers in a layers.json")


def _ends(paths: list[str], tail: bool, words: bool) -> list[str]:
    """What names begin with before the part that they have in common; or end with after it, without extension.

    The common part ends at a sign between words, or with `words` also where a capital begins one.
    """
    names = [PurePosixPath(p).name for p in paths]
    if tail:
        names = [n.rpartition(".")[0][::-1] for n in names]
    size = 0
    while size < min(map(len, names)) and len({n[-size - 1] for n in names}) == 1:
        size += 1
    while size and any(not _is_edge(n, len(n) - size, words) for n in names):
        size -= 1
    ends = [n[: len(n) - size] for n in names]
    return [e[::-1] for e in ends] if tail else ends


def _is_edge(name: str, at: int, words: bool) -> bool:
    """Whether a word ends or begins at a place of a name, read in either direction."""
    if at <= 0 or at >= len(name):
        return True
    before, after = name[at - 1], name[at]
    return not (before.isalnum() and after.isalnum()) or (words and before.isupper() != after.isupper())


def choose_board(path: Path, boards: Mapping[str, list[str]], board: str | None) -> list[str]:
    """Files of the board asked for, or of the only one.

    Raises
    ------
    ImageReadError
        If there are several and none, or an unknown one, is asked for.
    """
    names = sorted(boards)
    if board is not None:
        fitting = [n for n in names if board.lower() in (n.lower(), PurePosixPath(n).name.lower())]
        if board in names:
            fitting = [board]
        if names == [""] and board.lower() in (path.stem.lower(), path.name.lower()):
            fitting = [""]
        if len(fitting) == 1:
            return boards[fitting[0]]
        known = ", ".join(n or path.stem for n in names)
        raise ImageReadError(f"{path}: holds no board {board!r}; it holds {known}")
    if len(names) > 1:
        listed = ", ".join(f"{n} ({len(boards[n])} files)" for n in names)
        raise ImageReadError(f"{path}: holds {len(names)} boards: {listed}; choose one by its name (board=NAME)")
    return boards[names[0]]


def copper_order(roles: Mapping[str, Role]) -> tuple[list[str], list[str]]:
    """Copper files from the top down, and what had to be assumed about their order."""
    copper = sorted((r.depth, p) for p, r in roles.items() if r.kind == "copper")
    loose = [p for _, p in copper if not roles[p].ordered and TOP < roles[p].depth < BOTTOM]
    if not loose or len(copper) - len(loose) + 1 < 2 or (len(copper) <= 3 and len(loose) == 1):
        return [p for _, p in copper], []
    if all(roles[p].depth >= PLANES for p in loose) and len(loose) == len(copper) - 2:
        return [p for _, p in copper], []
    return [p for _, p in copper], [
        f"the order of the inner layers is assumed; no file states that of {', '.join(loose)}"
    ]
