"""Detector tables as text: what a spreadsheet or `measure edge --csv` writes, read or refused with the remedy."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from coldray.errors import DetectorError
from coldray.physics.curves import FrequencyCurve

COLUMNS = ("frequency_lp_mm", "mtf")
BAND = ("mtf_low", "mtf_high")
DIRECTIONS = ("mtf_horizontal", "mtf_vertical")
"""MTF along the columns' axis (u) and along the rows' axis (v), each with its own ``_low`` and ``_high``."""
NOISE = "nnps_mm2"
KNOWN = (*COLUMNS, *BAND, *(name + end for name in DIRECTIONS for end in ("", "_low", "_high")), NOISE)
PITCH_NOTE = "pixel_pitch_mm"
"""Name of the comment line that carries the pitch of a table."""
LAYOUT = "frequency_lp_mm,mtf[,mtf_low,mtf_high][,mtf_horizontal,mtf_vertical][,nnps_mm2]"
DECIMAL_COMMA = (
    "the numbers have decimal commas; export with decimal points, or with semicolons between the columns "
    "(Excel: 'CSV UTF-8' with the system's list separator set to ';', LibreOffice: field delimiter ';')"
)

LEAST_REACH = 0.9
"""Share of Nyquist that a table must reach, unless its MTF has fallen to `FALLEN` before."""
FALLEN = 0.1
LEAST_REACH_FALLEN = 0.3
"""Share of Nyquist that every table must reach."""
OPEN_APERTURE = 0.5
"""Smallest side of a pixel's sensitive area over the pitch; bounds what an MTF with the aperture in it can pass."""
ABOVE_APERTURE = 0.1
FARTHEST = 10.0
"""Times Nyquist beyond which no MTF with the pixel aperture in it is tabulated."""

Column: TypeAlias = Sequence[str | float | None] | NDArray[np.number]
"""Values of a column; None where one is missing."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a detector table.

    Parameters
    ----------
    columns : dict
        Column name to ndarray, of equal lengths; ``frequency_lp_mm`` and ``mtf`` among them.
    pixel_pitch_mm : float, optional
        From the comment ``# pixel_pitch_mm: P`` [mm].
    """

    columns: dict[str, NDArray[np.float64]]
    pixel_pitch_mm: float | None = None

    def curve(self, name: str) -> FrequencyCurve | None:
        """Curve of a column, with its band if the table has one; None if the table has no such column."""
        if name not in self.columns:
            return None
        low, high = (self.columns.get(name + end) for end in ("_low", "_high"))
        return FrequencyCurve(self.columns["frequency_lp_mm"], self.columns[name], low, high)


def write_table(
    columns: Mapping[str, Column],
    pixel_pitch_mm: float | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Text of a table that `read_table` reads as it is.

    Parameters
    ----------
    columns : mapping of name to values
        Columns of one length, numbers or texts; what is missing or not finite becomes an empty cell.
    pixel_pitch_mm : float, optional
        Stated in a comment line [mm].
    notes : sequence of str
        Further comment lines.

    Returns
    -------
    str
        Comma-separated, decimal points, shortest digits that read back exactly.

    Examples
    --------
    >>> from coldray.physics.tables import write_table
    >>> print(write_table({"frequency_lp_mm": [0, 1], "mtf": [1, 0.5]}, pixel_pitch_mm=0.1), end="")
    # pixel_pitch_mm: 0.1
    frequency_lp_mm,mtf
    0.0,1.0
    1.0,0.5
    """
    out = io.StringIO()
    for note in notes:
        out.write(f"# {' '.join(note.split())}\n")
    if pixel_pitch_mm is not None:
        out.write(f"# {PITCH_NOTE}: {pixel_pitch_mm!r}\n")
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        rows.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or not math.isfinite(value) else repr(float(value))


def read_table(content: str) -> Table:
    r"""Read a detector table.

    Parameters
    ----------
    content : str
        Lines of cells between commas, semicolons or tabs; the first is the header. Comment lines begin with ``#``.
        Decimal commas are read where semicolons or tabs part the cells.

    Returns
    -------
    Table

    Raises
    ------
    DetectorError
        If a column is unknown or missing, a cell is no number, or too few rows are left.

    Examples
    --------
    >>> from coldray.physics.tables import read_table
    >>> table = read_table("# pixel_pitch_mm: 0.1\nfrequency_lp_mm,mtf\n0,1\n1,0.5\n")
    >>> table.pixel_pitch_mm, float(table.curve("mtf")(0.5))
    (0.1, 0.75)
    """
    lines, pitch = [], None
    for line in content.lstrip("\ufeff").splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            pitch = _pitch_note(bare) or pitch
        elif bare.strip(",;\t ") and not bare.lower().startswith("sep="):
            lines.append(line)
    if not lines:
        raise DetectorError(f"the table is empty; the columns must be {LAYOUT}")
    delimiter = next((mark for mark in ";\t" if mark in lines[0]), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    header = [cell.lower() for cell in _trimmed(rows[0])]
    _check_header(header)
    numbers = np.array([_numbers(row, header, delimiter) for row in rows[1:]], dtype=np.float64)
    if numbers.ndim != 2 or numbers.shape[0] < 2:
        raise DetectorError(f"at least two rows of {len(header)} numbers are needed below the header")
    return Table(dict(zip(header, numbers.T, strict=True)), pitch)


def _trimmed(row: list[str]) -> list[str]:
    """The row without the empty cells that a spreadsheet leaves at its end."""
    while row and not row[-1]:
        row = row[:-1]
    return row


def _check_header(header: list[str]) -> None:
    if tuple(header[:2]) != COLUMNS or len(set(header)) != len(header) or not set(header) <= set(KNOWN):
        raise DetectorError(f"the columns must be {LAYOUT}; found {','.join(header)}")
    for name in ("mtf", *DIRECTIONS):
        band = [name + end in header for end in ("_low", "_high")]
        if any(band) and not (all(band) and name in header):
            raise DetectorError(f"a band of {name} needs both columns, {name}_low and {name}_high, beside it")
    if (DIRECTIONS[0] in header) != (DIRECTIONS[1] in header):
        raise DetectorError(f"two directions need both columns, {' and '.join(DIRECTIONS)}")


def _numbers(row: list[str], header: list[str], delimiter: str) -> list[float]:
    cells = _trimmed(row)
    if delimiter == "," and len(cells) == 2 * len(header) and all(cell.lstrip("-").isdigit() for cell in cells):
        raise DetectorError(DECIMAL_COMMA)
    if delimiter != ",":
        cells = [cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell for cell in cells]
    try:
        found = [float(cell) for cell in cells]
    except ValueError:
        bad = next(cell for cell in cells if not _is_number(cell))
        if "%" in bad:
            remedy = "write percent as a fraction"
        elif "," in bad:
            remedy = DECIMAL_COMMA
        else:
            remedy = "write plain numbers with decimal points"
        raise DetectorError(f"every cell below the header must be a number; found {bad[:40]!r}: {remedy}") from None
    if len(found) != len(header):
        raise DetectorError(f"a row has {len(found)} numbers where the header names {len(header)} columns")
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _pitch_note(line: str) -> float | None:
    name, _, value = line.lstrip("# ").partition(":")
    return float(value) if name.strip() == PITCH_NOTE and _is_number(value) else None


def check_axis(name: str, mtf: FrequencyCurve, pixel_pitch_mm: float) -> None:
    """Refuse an MTF whose frequencies cannot be cycles/mm at this pixel pitch.

    Parameters
    ----------
    name : str
        Of the detector, for the message.
    mtf : FrequencyCurve
        Presampled MTF with the pixel aperture in it.
    pixel_pitch_mm : float
        Pixel pitch [mm].

    Raises
    ------
    DetectorError
        If the table ends long before the Nyquist frequency while the MTF is still high (cycles/pixel, or a table cut short),
        or passes more than a pixel can at its frequencies, or reaches beyond `FARTHEST` times Nyquist (1/cm, 1/m).

    Notes
    -----
    An aperture of side a passes abs(sinc(a f)); a lies between half the pitch and the pitch.
    """
    nyquist = 0.5 / pixel_pitch_mm
    frequency, value = mtf.frequency_lp_mm, mtf.value / float(mtf(0.0))
    at = f"Nyquist is {nyquist:.4g} lp/mm at {pixel_pitch_mm * 1e3:.4g} um"
    reach = frequency[-1] / nyquist
    if reach < LEAST_REACH_FALLEN or (reach < LEAST_REACH and value[-1] > FALLEN):
        why = f"detector {name!r}: the MTF table ends at {frequency[-1]:.4g} lp/mm with {value[-1]:.2f}, {at}"
        if 0.4 <= frequency[-1] <= 1.0 and reach < 0.5:
            raise DetectorError(
                f"{why}: the unit looks like cycles/pixel; multiply by {1 / pixel_pitch_mm:.4g} for lp/mm"
            )
        raise DetectorError(f"{why}: measure the MTF to Nyquist, or correct the unit (lp/mm) or the pixel pitch")
    sides_px = np.linspace(OPEN_APERTURE, 1.0, 33)
    bound = np.abs(np.sinc(frequency[:, None] * pixel_pitch_mm * sides_px)).max(axis=1)
    over = np.flatnonzero((value > bound + ABOVE_APERTURE) & (frequency > nyquist))
    unit = f"if the unit is 1/cm divide by 10, if 1/m by 1000 ({at})"
    if over.size:
        worst = int(over[np.argmax((value - bound)[over])])
        raise DetectorError(
            f"detector {name!r}: the MTF is {value[worst]:.2f} at {frequency[worst]:.4g} lp/mm, where a pixel of "
            f"{pixel_pitch_mm * 1e3:.4g} um passes at most {bound[worst]:.2f}: {unit}, or correct the pixel pitch"
        )
    if reach >= FARTHEST:
        raise DetectorError(
            f"detector {name!r}: the MTF table reaches to {frequency[-1]:.4g} lp/mm, {reach:.3g} times "
            f"Nyquist: {unit}; else leave out what lies beyond twice Nyquist"
        )


ORDER_TOLERANCE = 0.03
"""How far the blurred MTF may lie above the sharp one, in the mean over the band, beyond what both bands allow."""


def check_order(blurred: tuple[str, FrequencyCurve], sharp: tuple[str, FrequencyCurve], nyquist_lp_mm: float) -> None:
    """Refuse a pair whose blurred detector is the sharper one.

    Parameters
    ----------
    blurred, sharp : (str, FrequencyCurve)
        Names and MTFs.
    nyquist_lp_mm : float
        Nyquist frequency [cycles/mm].

    Raises
    ------
    DetectorError
        If the blurred MTF lies above the other by more than both bands and `ORDER_TOLERANCE`, in the mean to Nyquist.
    """
    frequency = np.linspace(0.0, nyquist_lp_mm, 257)
    above = blurred[1](frequency) - sharp[1](frequency)
    spread = sum(0.5 * float(np.mean(mtf.width(frequency))) for _, mtf in (blurred, sharp))
    if float(above.mean()) > ORDER_TOLERANCE + spread:
        at = frequency[int(np.argmax(above))]
        raise DetectorError(
            f"the detector given as blurred, {blurred[0]!r}, is sharper than {sharp[0]!r}, given as sharp: MTF "
            f"{float(blurred[1](at)):.2f} against {float(sharp[1](at)):.2f} at {at:.3g} lp/mm; exchange the two"
        )
