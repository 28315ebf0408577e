"""Pixel pitch from what image files say about resolution, and how much to believe it."""

from __future__ import annotations

import math
import re
from fractions import Fraction

MM_PER_INCH = 25.4

# Screen defaults that programs write when they know nothing [pixels per inch].
_DEFAULT_DPI = (72.0, 96.0)
# Detectors outside this range are not X-ray imagers; the tag is a left-over [mm].
_PLAUSIBLE_MM = (1e-4, 5.0)

# OME-XML keeps its pixel sizes near the start; a description can be huge [characters].
_SEARCHED = 2**20

# Length of each unit [mm] and the words it goes by, in lower case; a plural s and the spelling -meter are added.
_UNITS: tuple[tuple[float, str], ...] = (
    (1e-7, "\u00e5 \u212b angstrom"),
    (1e-6, "nm nanometre"),
    (1e-3, "um \u00b5m \u03bcm \\u00b5m micron micrometre"),
    (1.0, "mm millimetre"),
    (10.0, "cm centimetre"),
    (1000.0, "m metre"),
    (1e-3 * MM_PER_INCH, "mil thou"),
    (MM_PER_INCH, 'in " inch inche'),
)
_UNIT_MM = {
    word: mm
    for mm, words in _UNITS
    for singular in words.split()
    for spelled in (singular, singular.replace("metre", "meter"))
    for word in (spelled, spelled + "s")
}
_NO_UNIT = ("", "pixel", "pixels", "px")
# What programs write for print when nobody chose a resolution [pixels per inch].
_PRINT_DPI = (150.0, 200.0, 300.0, 600.0, 1200.0)


def square_pitch(columns_mm: float, rows_mm: float, source: str, notes: list[str]) -> float | None:
    """Accept a pitch that is plausible and equal along both axes.

    Parameters
    ----------
    columns_mm, rows_mm : float
        Distance of neighbouring columns and rows [mm].
    source : str
        Where the numbers stand, for the note.
    notes : list of str
        Is told why a pitch is not believed.

    Returns
    -------
    float or None
        Pitch [mm]; None if unknown.
    """
    if not all(math.isfinite(mm) and mm > 0 for mm in (columns_mm, rows_mm)):
        notes.append(f"{source} is not a positive number: pixel pitch unknown")
        return None
    if not math.isclose(columns_mm, rows_mm, rel_tol=1e-3):
        notes.append(f"{source} gives pixels of {columns_mm:.6g} x {rows_mm:.6g} mm, not square: pixel pitch unknown")
        return None
    if not _PLAUSIBLE_MM[0] <= columns_mm <= _PLAUSIBLE_MM[1]:
        notes.append(f"{source} gives {columns_mm:.6g} mm, not plausible: pixel pitch unknown")
        return None
    return columns_mm if columns_mm == rows_mm else 0.5 * (columns_mm + rows_mm)


def from_density(x: float, y: float, unit_mm: float, source: str, notes: list[str]) -> float | None:
    """Pitch from pixels per unit; the screen defaults of 72 and 96 dpi count as unknown."""
    if not all(math.isfinite(n) and n > 0 for n in (x, y)):
        notes.append(f"{source} is not a positive number: pixel pitch unknown")
        return None
    dpi = x * MM_PER_INCH / unit_mm
    if any(abs(dpi - default) < 0.75 for default in _DEFAULT_DPI):
        notes.append(f"{source} of {dpi:.4g} dpi is a program's default: pixel pitch unknown")
        return None
    pitch = square_pitch(unit_mm / x, unit_mm / y, source, notes)
    if pitch is not None and any(abs(dpi - default) < 0.01 for default in _PRINT_DPI):
        notes.append(
            f"pixel pitch {1e3 * pitch:.4g} um is from a {source} of {dpi:.4g} dpi, which programs also write for "
            "print: check it"
        )
    return pitch


def from_description(text: str, x: float, y: float, notes: list[str]) -> tuple[bool, float | None]:
    """Pitch from an ImageJ or OME description; the flag says whether it speaks of pitch at all.

    `x`, `y` are the values of the resolution tags [pixels per ImageJ unit].
    """
    if text.startswith("ImageJ="):
        unit = re.search(r"^unit=(.*)$", text[:65536], re.MULTILINE)
        name = unit.group(1).strip() if unit else ""
        scale = _UNIT_MM.get(name.lower())
        if scale is None:
            if name.lower() not in _NO_UNIT:
                notes.append(f"ImageJ's unit {name[:40]!r} is not known: pixel pitch unknown")
            return unit is not None, None
        if not all(math.isfinite(n) and n > 0 for n in (x, y)):
            notes.append("ImageJ scale is not a positive number: pixel pitch unknown")
            return True, None
        return True, square_pitch(scale / x, scale / y, "ImageJ scale", notes)
    if "<OME" in text[:4096] and (pixels := re.search(r"<(?:\w+:)?Pixels\b[^>]{0,4096}", text[:_SEARCHED])):
        found = {
            axis + part: match.group(1)
            for axis in "XY"
            for part in ("", "Unit")
            if (match := re.search(rf'\bPhysicalSize{axis}{part}\s*=\s*"([^"]{{1,40}})"', pixels.group()))
        }
        if "X" not in found:
            return False, None
        try:
            columns = float(found["X"]) * _UNIT_MM[found.get("XUnit", "um").lower()]
            rows = float(found.get("Y", found["X"])) * _UNIT_MM[found.get("YUnit", found.get("XUnit", "um")).lower()]
        except (KeyError, ValueError):
            notes.append("OME PhysicalSizeX is not a length: pixel pitch unknown")
            return True, None
        return True, square_pitch(columns, rows, "OME PhysicalSizeX", notes)
    return False, None


def pixels_per_cm(pitch_mm: float) -> tuple[int, int] | None:
    """Resolution as an exact rational where 32 bits allow: 0.0495 mm gives 20000/99.

    Parameters
    ----------
    pitch_mm : float
        Pixel pitch [mm].

    Returns
    -------
    tuple of int, or None
        Numerator and denominator, both below 2**32; None if no such pair is near.
    """
    density = 10 / Fraction(repr(float(pitch_mm)))
    ceiling = 2**32 - 1
    if max(density.numerator, density.denominator) > ceiling:
        density = density.limit_denominator(max(1, min(ceiling, int(ceiling / density))))
    return (density.numerator, density.denominator) if 0 < density.numerator <= ceiling else None
