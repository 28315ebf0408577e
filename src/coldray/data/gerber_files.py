"""What a fabrication archive holds: safe reading, which file is which layer, placements, board outline."""

from __future__ import annotations

import hashlib
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageReadError

_MAX_MEMBERS = 500
_MAX_MEMBER_BYTES = 200_000_000
_MAX_TOTAL_BYTES = 600_000_000
_ROLES = ("copper", "paste", "mask", "drill", "placement", "outline")
_MM_PER_UNIT = {"mm": 1.0, "mil": 0.0254, "in": 25.4, "inch": 25.4, "inches": 25.4, "": 1.0}


@dataclass(frozen=True)
class Placement:
    """One line of a pick-and-place file, in board coordinates.

    Parameters
    ----------
    designator, package : str
        Reference (R50) and footprint text (RES0402).
    x_mm, y_mm : float
        Centre of the part [mm].
    rotation_deg : float
        Counter-clockwise [degrees].
    side : str
        "top" or "bottom".
    """

    designator: str
    package: str
    x_mm: float
    y_mm: float
    rotation_deg: float
    side: str


def read_members(path: Path) -> dict[str, bytes]:
    """Files of an archive or folder, in memory, by their bare name.

    Parameters
    ----------
    path : Path
        A zip archive or a folder; sub-folders of a folder are not searched.

    Returns
    -------
    dict
        File name without folders to content.

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
                members.setdefault(PurePosixPath(entry.filename.replace("\\", "/")).name, archive.read(entry))
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


def _read_folder(path: Path) -> dict[str, bytes]:
    """Plain files of one folder."""
    files = sorted(p for p in path.iterdir() if p.is_file())
    _check_size(path, [p.stat().st_size for p in files])
    try:
        return {p.name: p.read_bytes() for p in files}
    except OSError as error:
        raise ImageReadError(f"{path}: cannot be read ({error}); check the permissions") from error


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
    """Key of a rasterised board: its files and how they are drawn."""
    total = hashlib.sha256(repr(settings).encode())
    for name in sorted(members):
        total.update(name.encode() + b"\0" + hashlib.sha256(members[name]).digest())
    return total.hexdigest()[:16]


def layer_table(path: Path, members: Mapping[str, bytes], layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """File names per role, copper from top to bottom.

    Parameters
    ----------
    path : Path
        The archive or folder; a `layers.json` beside it with an entry of this stem is used.
    members : mapping
        From `read_members`.
    layers : mapping, optional
        Roles to file names; overrides everything found.

    Returns
    -------
    dict
        Keys copper, paste, mask, drill, placement, outline (lists) and, if known, board_mm.

    Raises
    ------
    ImageReadError
        If a named file is absent, or no copper layer is found.
    """
    given = layers if layers is not None else _beside(path)
    found = _guess(members)
    if given is not None:
        unknown = {k for k in given if k not in (*_ROLES, "board_mm", "units", "bbox_mm")}
        if unknown:
            raise ImageReadError(f"{path}: layer table has unknown entries {sorted(unknown)}; known are {_ROLES}")
        for role in _ROLES:
            if role in given:
                found[role] = list(given[role])
        if "board_mm" in given:
            found["board_mm"] = [float(v) for v in given["board_mm"]]
        absent = [f for role in _ROLES for f in found[role] if f not in members]
        if absent:
            raise ImageReadError(f"{path}: the layer table names {absent[0]!r}, which the archive does not hold")
    if not found["copper"]:
        raise ImageReadError(
            f"{path}: no copper layer among {len(members)} files; name the layers in a layers.json beside it"
        )
    return found


def _beside(path: Path) -> Mapping[str, Any] | None:
    """Entry of this board in a `layers.json` next to it."""
    table = path.parent / "layers.json"
    if not table.is_file():
        return None
    try:
        entry = json.loads(table.read_text(encoding="utf-8")).get(path.stem)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, AttributeError) as error:
        raise ImageReadError(f"{table}: not a readable layer table ({error}); repair or remove it") from error
    return entry if isinstance(entry, Mapping) else None


def is_gerber(content: bytes) -> bool:
    """Whether a file looks like RS-274X."""
    return b"%FS" in content[:20000] or b"%MO" in content[:20000]


def _guess(members: Mapping[str, bytes]) -> dict[str, Any]:
    """Roles from X2 attributes, then from names and extensions; gerbonara's own rules if that finds no copper."""
    table: dict[str, Any] = {role: [] for role in _ROLES}
    copper: list[tuple[float, str]] = []
    for name, content in sorted(members.items()):
        low = name.lower()
        suffix = low.rsplit(".", 1)[-1]
        head = content[:3000].decode("latin-1")
        if content.lstrip()[:3] == b"M48":
            table["drill"].append(name)
        elif suffix == "pos" or re.search(r"pick.?(and.?)?place", low):
            table["placement"].append(name)
        elif is_gerber(content):
            role, depth = _role_of(low, suffix, head)
            if role == "copper":
                copper.append((depth, name))
            elif role:
                table[role].append((depth, name))
    for role in ("paste", "mask", "outline"):
        table[role] = [name for _, name in sorted(table[role])]
    if not copper:
        copper = _gerbonara_copper(members)
    table["copper"] = [name for _, name in sorted(copper)]
    return table


def _role_of(low: str, suffix: str, head: str) -> tuple[str | None, float]:
    """Role of a Gerber file and its depth, 0 at the top and 1000 at the bottom."""
    x2 = re.search(r"TF\.FileFunction,(\w+)(?:,L(\d+))?(?:,(\w+))?", head)
    if x2:
        kind, layer, side = x2.group(1).lower(), x2.group(2), (x2.group(3) or "").lower()
        if kind == "copper":
            return "copper", 1000.0 if side.startswith("bot") else float(layer or 0)
        bottom = re.search(r"FileFunction,\w+,Bot", head) is not None
        roles = {"paste": "paste", "soldermask": "mask", "profile": "outline"}
        return roles.get(kind), 1000.0 * bottom
    stem = low.rsplit(".", 1)[0]
    by_suffix = {
        "gtl": ("copper", 0.0), "gbl": ("copper", 1000.0), "gtp": ("paste", 0.0), "gbp": ("paste", 1000.0),
        "gts": ("mask", 0.0), "gbs": ("mask", 1000.0), "gko": ("outline", 0.0), "gm1": ("outline", 1.0),
        "gml": ("outline", 0.0), "gto": (None, 0.0), "gbo": (None, 0.0),
    }  # fmt: skip
    if suffix in by_suffix:
        return by_suffix[suffix]
    inner = re.fullmatch(r"g[lp]?(\d+)l?", suffix)
    if inner:
        return "copper", float(inner.group(1)) + 500.0 * suffix.startswith("gp")
    below = 1000.0 if re.search(r"b_|bot|back", stem) else 0.0
    for role, words in (
        ("paste", r"paste|cream|stencil"), ("mask", r"mask|stop"), (None, r"silk|legend|fab|court|assembly|adhes"),
        ("outline", r"edge|outline|dimension|profile|contour"),
    ):  # fmt: skip
        if re.search(words, stem):
            return role, below
    inner = re.search(r"(?:in|ln|inner|layer|l)[_ -]?(\d+)", stem)
    if inner:
        return "copper", float(inner.group(1))
    if re.search(r"f_cu|b_cu|copper|top|bottom|sig|gnd|pwr", stem):
        return "copper", below
    return None, 0.0


def _gerbonara_copper(members: Mapping[str, bytes]) -> list[tuple[float, str]]:
    """Copper files by gerbonara's naming rules."""
    from gerbonara import layers

    try:
        _, matched = layers._best_match([Path(n) for n in members])
    except Exception:  # a private, best-effort look-up: no answer is an answer
        return []
    copper = []
    for key, paths in matched.items():
        if "copper" in key:
            inner = re.search(r"\d+", key)
            depth = 0.0 if "top" in key else 1000.0 if "bottom" in key else float(inner.group()) if inner else 500.0
            copper += [(depth, Path(p).name) for p in paths]
    return copper


def read_placements(name: str, content: bytes) -> list[Placement]:
    """Parts of a pick-and-place file: Altium text table or KiCad `.pos`.

    Parameters
    ----------
    name : str
        File name; "bottom" or "top" in it is used if a line does not say the side.
    content : bytes
        The file.

    Returns
    -------
    list of Placement
        In the coordinates of the file; empty if the format is not recognised.
    """
    placements: list[Placement] = []
    columns: list[str] = []
    unit = 1.0
    for line in content.decode("utf-8", "replace").splitlines():
        said = re.match(r"#+\s*Unit\s*=\s*(\w+)", line)
        if said:
            unit = _MM_PER_UNIT.get(said.group(1).lower(), 1.0)
        words = line.lstrip("# ").split()
        if words[:1] == ["Ref"] and "PosX" in words:
            columns = words
        elif words[:2] == ["Designator", "Footprint"]:
            columns = ["Ref", "Package", "PosX", "PosY", "_", "_", "_", "_", "Side", "Rot"]
        elif columns and words and not line.startswith("#") and len(words) >= len(columns):
            row = dict(zip(columns, words, strict=False))
            x_mm, y_mm = _length_mm(row["PosX"], unit), _length_mm(row["PosY"], unit)
            try:
                rotation = float(row.get("Rot", "0"))
            except ValueError:
                continue
            if x_mm is None or y_mm is None:
                continue
            side = row.get("Side", name).lower()
            bottom = side.startswith("b") or "bottom" in side
            placements.append(
                Placement(row["Ref"], row.get("Package", ""), x_mm, y_mm, rotation, "bottom" if bottom else "top")
            )
    return placements


def _length_mm(text: str, unit: float) -> float | None:
    """A number with or without its unit, as millimetres."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)([a-z]*)", text)
    if not found or found.group(2) not in _MM_PER_UNIT:
        return None
    return float(found.group(1)) * (_MM_PER_UNIT[found.group(2)] if found.group(2) else unit)


def closed_loops(strokes: Sequence[NDArray[np.float64]], gap_mm: float = 0.05) -> list[NDArray[np.float64]]:
    """Join open strokes into closed loops.

    Parameters
    ----------
    strokes : sequence of ndarray, each of shape (n, 2)
        Polylines [mm].
    gap_mm : float
        Ends closer than this are one point.

    Returns
    -------
    list of ndarray, each of shape (n, 2)
        Closed outlines [mm], largest box first; strokes that close nothing are left out.
    """
    ends: dict[tuple[int, int], list[int]] = {}

    def key(point: NDArray[np.float64]) -> tuple[int, int]:
        return round(point[0] / gap_mm), round(point[1] / gap_mm)

    for i, stroke in enumerate(strokes):
        for point in (stroke[0], stroke[-1]):
            ends.setdefault(key(point), []).append(i)
    unused = set(range(len(strokes)))
    loops: list[NDArray[np.float64]] = []
    for first in range(len(strokes)):
        if first not in unused:
            continue
        unused.discard(first)
        chain = [np.asarray(strokes[first])]
        while not (math.dist(chain[0][0], chain[-1][-1]) <= gap_mm and sum(map(len, chain)) > 2):
            kx, ky = key(chain[-1][-1])
            near = [
                i for dx in (0, -1, 1) for dy in (0, -1, 1) for i in ends.get((kx + dx, ky + dy), ()) if i in unused
            ]
            if not near:
                break
            unused.discard(near[0])
            stroke = np.asarray(strokes[near[0]])
            if math.dist(stroke[-1], chain[-1][-1]) < math.dist(stroke[0], chain[-1][-1]):
                stroke = stroke[::-1]
            chain.append(stroke)
        points = np.concatenate(chain)
        if math.dist(points[0], points[-1]) <= 2 * gap_mm and len(points) > 3:
            loops.append(points)
    return sorted(loops, key=lambda loop: -float(np.prod(np.ptp(loop, axis=0))))
