"""Parts of a board from pick-and-place files."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

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
        if words[:1] == ["Ref"] and {"PosX", "PosY"} <= set(words):
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
            if x_mm is None or y_mm is None or not all(map(math.isfinite, (x_mm, y_mm, rotation))):
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
