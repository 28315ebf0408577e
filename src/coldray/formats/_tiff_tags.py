"""Reading between the lines of a TIFF file: its tags as pitch, record and texts to hand on."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from coldray.document import parse_json
from coldray.formats import _pitch, _record
from coldray.formats._tiff_layout import Layout, Page
from coldray.formats._values import stated_line
from coldray.reading import refuse

NO_VALUE = 42113
"""GDAL's tag with the stored number of a pixel without a value."""
_LONGEST_DESCRIPTION = 2**24
# Document name, make, model, page name, artist, host, copyright; and private numbers from 32768 on.
_TEXT_TAGS = (269, 271, 272, 285, 315, 316, 33432)
_SHOWN_TAGS = {271: "make", 272: "model", 315: "artist", 316: "host", 33432: "copyright"}
# Private tags that describe the old file's bytes, not the image: ImageJ, sub-IFDs, EXIF and GPS, COG, and GDAL's calibration.
_NOT_CARRIED = frozenset({32997, 32996, 33434, 34665, 34853, 40965, 42112, NO_VALUE, 50838, 50839, 65000, 65420, 65426})
_LONGEST_CARRIED = 2**16


@dataclass(frozen=True)
class TiffCarrier:
    """What a TIFF file gives back to the TIFF writer.

    Parameters
    ----------
    compressed : bool
        Whether the pixels were compressed.
    differenced : bool
        Whether a predictor was used.
    photometric : int
        0 for MinIsWhite, 1 for MinIsBlack.
    tile : (rows, cols), optional
        Size of its tiles; None for strips.
    source : dict of str to str
        Description, software and date of the original.
    carried : tuple
        Further tags, as tifffile's `extratags`.
    """

    compressed: bool
    differenced: bool
    photometric: int
    tile: tuple[int, int] | None = None
    source: dict[str, str] = field(default_factory=dict)
    carried: tuple[tuple[int, int, int, Any, bool], ...] = ()

    def tags(self) -> dict[str, str]:
        """Texts of the original for people to read."""
        found = dict(self.source)
        for code, name in _SHOWN_TAGS.items():
            text = next((value for tag, _, _, value, _ in self.carried if tag == code), None)
            if isinstance(text, bytes):
                found[name] = text.decode("utf-8", "replace").strip("\0 ")
        return {name: " ".join(text.split())[:200] for name, text in found.items() if text.strip()}


def description(layout: Layout, page: Page, notes: list[str]) -> str:
    """ImageDescription, unless it is absurdly long."""
    tag = page.tags.get(270)
    if tag is not None and tag.size > _LONGEST_DESCRIPTION:
        notes.append(f"an ImageDescription of {tag.size} bytes was left out")
        return ""
    return layout.text(page, 270)


def _imagej(description: str) -> dict[str, str]:
    """Properties that ImageJ wrote; empty for other descriptions."""
    if not description.startswith("ImageJ="):
        return {}
    return dict(line.split("=", 1) for line in description[:65536].splitlines() if "=" in line)


def declared_shape(description: str) -> tuple[int, ...]:
    """Shape that a tifffile description speaks of; empty if it speaks of none."""
    if not description.startswith('{"shape"'):
        return ()
    try:
        shape = parse_json(description, "", ValueError)["shape"]
        return tuple(int(n) for n in shape)
    except (ValueError, TypeError, KeyError):
        return ()


def declared_frames(description: str, page: Page) -> int:
    """Frames that an ImageJ or tifffile description speaks of: both may write one page for many."""
    if (images := _imagej(description).get("images", "")).isdecimal():
        return int(images[:9])
    return math.prod(declared_shape(description)) // (page.rows * page.cols * page.samples) or 1


def calibration(layout: Layout, page: Page, description: str) -> tuple[float, float, str] | None:
    """Straight line from stored to grey values, as offset, slope and who states it; None if none is stated.

    Raises
    ------
    ImageReadError
        If the stated relation is no straight line, or no relation at all.

    References
    ----------
    ImageJ, `ij.measure.Calibration` (cf 0: y = c0 + c1 x; 20: none); GDAL_METADATA (tag 42112), items of role
    offset and scale; Molecular Dynamics GEL, tag 33445 (2: square root, 128: linear).
    """
    found = _imagej(description)
    function = found.get("cf", "20").strip()
    if function == "0" and page.sample_format != 3:
        return stated_line(layout.path, found.get("c0"), found.get("c1"), "ImageJ")
    if function not in ("0", "20"):
        raise refuse(
            layout.path, f"states a calibration that is no straight line (ImageJ cf={function})", "export linear values"
        )
    if 33445 in page.tags and layout.number(page, 33445, 0) != 128:
        raise refuse(layout.path, "holds square-root-coded values (GEL)", "export linear values")
    if 42112 in page.tags:
        roles = {
            role: match.group(1)
            for role in ("offset", "scale")
            if (match := re.search(rf'role="{role}"[^>]*>([^<]*)<', layout.text(page, 42112)[:65536]))
        }
        if roles:
            return stated_line(layout.path, roles.get("offset", "0"), roles.get("scale", "1"), "GDAL")
    return None


def pitch_mm(layout: Layout, page: Page, description: str, recorded: float | None, notes: list[str]) -> float | None:
    """Pixel pitch [mm]: our own record, then ImageJ or OME, then the resolution tags."""
    if (orientation := int(layout.number(page, 274, 1))) != 1:
        notes.append(f"Orientation is {orientation}: rows and columns are kept as stored")
    if page.photometric == 0:
        notes.append("MinIsWhite: stored values are kept, larger means darker")
    x = layout.number(page, 282, math.nan)
    y = layout.number(page, 283, x)
    unit_mm = {2: _pitch.MM_PER_INCH, 3: 10.0}.get(int(layout.number(page, 296, 2)))
    if recorded is not None:
        if unit_mm is None or not x > 0 or math.isclose(unit_mm / x, recorded, rel_tol=1e-6):
            return recorded
        notes.append(f"resolution tags changed since coldray wrote {recorded:.6g} mm: the tags are believed")
    spoken, pitch = _pitch.from_description(description, x, y, notes)
    if spoken or unit_mm is None or 282 not in page.tags:
        return pitch
    return _pitch.from_density(x, y, unit_mm, "resolution", notes)


def source(layout: Layout, page: Page, description: str) -> dict[str, str]:
    """Texts of a foreign file that go into our record."""
    texts = {"description": description, "software": layout.text(page, 305), "date_time": layout.text(page, 306)}
    return {name: _record.shortened(text) for name, text in texts.items() if text}


def carried(layout: Layout, page: Page) -> tuple[tuple[int, int, int, Any, bool], ...]:
    """Tags to hand on: who made it with what, its orientation, and private ones of moderate size."""
    kept: list[tuple[int, int, int, Any, bool]] = []
    for code, tag in sorted(page.tags.items()):
        private = code >= 32768 and code not in _NOT_CARRIED and code != 33432
        if not (code in _TEXT_TAGS or code == 274 or private) or not 0 < tag.size <= _LONGEST_CARRIED or tag.kind > 12:
            continue
        value: Any = layout.raw(tag) if tag.kind in (1, 2, 7) else layout.values(tag)
        if code == 274 and value == (1,):
            continue
        if len(value) == 1 and tag.kind not in (1, 2, 7):
            value = value[0]
        kept.append((code, tag.kind, tag.count, value, True))
    return tuple(kept)
