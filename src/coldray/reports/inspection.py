"""What was noted on an image, for its report: marks with thumbnails, measurements, decisions."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.metrology.inspection import Inspection, Mark
from coldray.metrology.shapes import CLOSED, measures, region
from coldray.radiograph import Radiograph
from coldray.reports.blocks import Block, Facts, Note, Picture, Report, Section, Table
from coldray.reports.canvas import DPI
from coldray.reports.demo import png_bytes
from coldray.reports.figures import empty_figure
from coldray.reports.pictures import WIDTH_IN
from coldray.reports.thumbnails import grey_levels, grey_range, shrunk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DECISIONS = {"open": "not decided", "accepted": "accepted", "rejected": "rejected"}
TONES = {"open": "unknown", "accepted": "good", "rejected": "bad"}
COLOURS = {"open": "#e69f00", "accepted": "#009e73", "rejected": "#d62728"}
CROP_PX = 160
LEAST_CROP_PX = 48
ROOM = 1.6
"""Side of a crop over the longer side of its mark."""


@dataclass(frozen=True, eq=False)
class Inspected:
    """An image as it was inspected.

    Parameters
    ----------
    notes : Inspection
    images : mapping of str to ndarray, shape (rows, cols)
        "original" and, if there is one, "restored": stored values.
    pixel_mm : float, optional
        At the object [mm].
    unit : str
        Of the stored values: "DN" or "open beam".
    """

    notes: Inspection
    images: Mapping[str, NDArray[np.number]]
    pixel_mm: float | None
    unit: str = "DN"


def inspected(image: Radiograph, restored: Radiograph | None, notes: Inspection) -> Inspected:
    """First frames of an image and of its restoration, with what was noted.

    Parameters
    ----------
    image : Radiograph
    restored : Radiograph, optional
    notes : Inspection
    """
    known = image.acquisition
    shown = {"original": image} | ({} if restored is None or restored is image else {"restored": restored})
    frames = {name: one.pixels if one.pixels.ndim == 2 else one.pixels[0] for name, one in shown.items()}
    unit = "DN" if image.dtype.kind in "ui" else "open beam"
    return Inspected(notes, frames, notes.pixel_mm(known.pixel_pitch_mm, known.magnification), unit)


def decision_in_words(notes: Inspection) -> str:
    """Decision on the image, with who made it."""
    by = f" by {notes.inspector}" if notes.inspector and notes.decision != "open" else ""
    return DECISIONS[notes.decision] + by


def counted_in_words(decisions: Iterable[str]) -> str:
    """How often each decision was made, rejections first."""
    counts = Counter(decisions)
    return ", ".join(f"{counts[d]} {DECISIONS[d]}" for d in ("rejected", "accepted", "open") if counts[d])


def marked_in_words(defects: Sequence[Mark]) -> str:
    """How many defects are marked, and what was decided on them."""
    if not defects:
        return "No defect is marked."
    counts = counted_in_words(mark.decision for mark in defects)
    return f"{len(defects)} defect{'s' if len(defects) != 1 else ''} marked ({counts})."


def inspection_section(found: Inspected) -> list[Section]:
    """Section on what was noted; nothing if nothing was."""
    if found.notes.is_empty:
        return []
    blocks: list[Block] = [Facts(_facts(found))]
    if found.notes.marks:
        blocks.append(
            Picture(
                overview_picture(found),
                "All marks by their numbers. Green: accepted, red: rejected, amber: not decided.",
            )
        )
    if found.notes.defects:
        blocks.append(_defects(found))
    measured = _measurements(found)
    if measured.rows:
        blocks.append(measured)
    return [Section("Inspection", tuple(blocks))]


def inspection_report(found: Inspected, name: str, sections: Sequence[Section] = (), sentence: str = "") -> Report:
    """Report on what was noted, whether or not the image was restored.

    Parameters
    ----------
    found : Inspected
    name : str
        Of the image, as shown.
    sections : sequence of Section
        What else is known: part and inspection, restoration.
    sentence : str
        What the certificate of the restoration says, in one sentence.
    """
    notes = found.notes
    decision, marked = decision_in_words(notes), marked_in_words(notes.defects)
    main = inspection_section(found) or [Section("Inspection", (Note("Nothing was noted on this image."),))]
    return Report(
        title=f"Inspection report: {name}",
        subtitle=f"coldray {__version__}",
        verdict=decision[0].upper() + decision[1:],
        tone=TONES[notes.decision],
        statement=tuple(text for text in (marked, sentence) if text),
        sections=(*main, *sections, Section("What is not claimed", (Note(NOT_CLAIMED),))),
    )


NOT_CLAIMED = (
    "Sizes are those of the shapes that were drawn. Mean, SD and void share are taken from stored values, with every pixel whose centre lies "
    "in the shape; a void share depends on its threshold. On a restored image they describe detector and network together: values for "
    "compliance are taken from the original."
)


def _facts(found: Inspected) -> tuple[tuple[str, str], ...]:
    notes, rows = found.notes, [("Decision on the image", decision_in_words(found.notes))]
    if notes.note:
        rows.append(("Note", notes.note))
    rows.append(("Marks", f"{len(notes.marks)} marks, {len(notes.defects)} of them defects"))
    rows.append(("Millimetres", _calibration(found)))
    return tuple(rows)


def _calibration(found: Inspected) -> str:
    known = found.notes.calibration
    if found.pixel_mm is None:
        return "unknown: sizes are in pixels"
    pixel = f"{1e3 * found.pixel_mm:.4g} µm per pixel at the object"
    if known is None:
        return f"{pixel}, from the file"
    if known.known_mm is not None:
        return f"{pixel}, from a length of {known.known_mm:.6g} mm in the image"
    return f"{pixel}, from the file's pitch and a magnification of {known.magnification:.6g} ×"


def _length(found: Inspected, pixels: float) -> str:
    return f"{pixels * (found.pixel_mm or 1.0):.4g}"


def _size(found: Inspected, mark: Mark) -> str:
    """Size of a shape in words: sides, diameter, length or perimeter."""
    known = measures(mark.kind, mark.points)
    if "width_px" in known:
        return f"{_length(found, known['width_px'])} × {_length(found, known['height_px'])}"
    for key, words in (("diameter_px", "⌀ "), ("length_px", ""), ("perimeter_px", "around ")):
        if key in known:
            return words + _length(found, known[key])
    return "–"


def _defects(found: Inspected) -> Table:
    columns = ("mark [number]", "class", "words", *_places(found), "decision")
    rows, pictures = defect_rows(found), tuple(crops(found, mark) for mark in found.notes.defects)
    note = "Defects. Small pictures: left original, right restored." if "restored" in found.images else "Defects."
    return Table(columns, rows, note, pictures=pictures)


def _places(found: Inspected) -> tuple[str, str, str]:
    unit = "px" if found.pixel_mm is None else "mm"
    return f"x [{unit}]", f"y [{unit}]", f"size [{unit}]"


def defect_rows(found: Inspected, with_unit: bool = False) -> tuple[tuple[str, ...], ...]:
    """Number, class, words, x, y, size and decision of every defect; lengths with their unit if they need one.

    Parameters
    ----------
    found : Inspected
    with_unit : bool
        For a table in which images of several calibrations meet.
    """
    unit = f" {'px' if found.pixel_mm is None else 'mm'}" if with_unit else ""
    rows = []
    for number, mark in enumerate(found.notes.marks, 1):
        if mark.defect:
            x, y = (sum(axis) / len(mark.points) for axis in zip(*mark.points, strict=True))
            given = (_length(found, x), _length(found, y), _size(found, mark))
            lengths = (text if text == "–" else text + unit for text in given)
            rows.append((str(number), mark.defect, mark.text or "–", *lengths, DECISIONS[mark.decision]))
    return tuple(rows)


@dataclass(frozen=True)
class Noted:
    """What a batch says of the notes on one of its images.

    Parameters
    ----------
    notes : Inspection
    rows : tuple of tuple of str
        See `defect_rows`.
    pictures : tuple of bytes
        Of the first of them.
    """

    notes: Inspection
    rows: tuple[tuple[str, ...], ...]
    pictures: tuple[bytes, ...]


def noted(found: Inspected, most_pictures: int) -> Noted:
    """Notes on one image for the report of its batch."""
    drawn = found.notes.defects[:most_pictures]
    return Noted(found.notes, defect_rows(found, with_unit=True), tuple(crops(found, mark) for mark in drawn))


def _measurements(found: Inspected) -> Table:
    unit = "px" if found.pixel_mm is None else "mm"
    rows: list[tuple[str, ...]] = []
    for number, mark in enumerate(found.notes.marks, 1):
        known = measures(mark.kind, mark.points)
        if mark.kind == "point":
            continue
        area = known.get("area_px2")
        shape = (
            "–" if mark.kind == "angle" else _size(found, mark),
            "–" if area is None else f"{area * (found.pixel_mm or 1.0) ** 2:.4g}",
            f"{known['angle_deg']:.2f}" if "angle_deg" in known else "–",
        )
        if mark.kind not in CLOSED:
            rows.append((str(number), mark.kind, *shape, "–", "–", "–", "–", "–"))
            continue
        for name, image in found.images.items():
            values = region(image, mark.kind, mark.points, mark.threshold, mark.voids)
            numbers = (values.mean, values.sd, values.snr, 100 * values.void_share)
            rows.append((str(number), mark.kind, *shape, name, *(_plain(v) for v in numbers)))
    columns = (
        "mark [number]", "shape", f"size [{unit}]", f"area [{unit}²]", "angle [°]", "image", f"mean [{found.unit}]", f"SD [{found.unit}]",
        "SNR [no unit]", "void [% of area]",
    )  # fmt: skip
    limits = sorted({(m.voids, m.threshold) for m in found.notes.marks if m.threshold is not None})
    note = " ".join(f"Void: {side} than {limit:.6g} {found.unit}." for side, limit in limits)
    return Table(columns, tuple(rows), f"Measurements. {note}".strip())


def _plain(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.5g}"


def crops(found: Inspected, mark: Mark, longest: int = CROP_PX) -> bytes:
    """Surroundings of a mark in every image, side by side on one grey scale, as PNG."""
    from PIL import Image

    rows, cols = next(iter(found.images.values())).shape
    points = np.asarray(mark.points)
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(LEAST_CROP_PX, math.ceil(ROOM * float((high - low).max())))
    left, top = (round(float(middle) - side / 2) for middle in (low + high) / 2)
    left, top = max(0, min(left, cols - side)), max(0, min(top, rows - side))
    parts = [image[top : top + side, left : left + side] for image in found.images.values()]
    small = [shrunk(part, longest) for part in parts]
    grey = grey_range(np.concatenate([part.ravel()[None] for part in small], axis=1))
    drawn = [Image.fromarray(grey_levels(part, grey)) for part in small]
    scale = max(1, longest // max(max(p.size) for p in drawn))
    pictures = [p.resize((p.width * scale, p.height * scale), Image.Resampling.NEAREST) for p in drawn]
    whole = Image.new("L", (sum(p.width for p in pictures) + 4 * (len(pictures) - 1), pictures[0].height), 255)
    at = 0
    for picture in pictures:
        whole.paste(picture, (at, 0))
        at += picture.width + 4
    out = io.BytesIO()
    whole.save(out, "PNG")
    return out.getvalue()


def overview_picture(found: Inspected) -> bytes:
    """The restored image, or the original, with all marks and their numbers; PNG."""
    image = found.images.get("restored", next(iter(found.images.values())))
    rows, cols = image.shape
    figure = empty_figure(WIDTH_IN, float(np.clip(WIDTH_IN * rows / cols, 1.5, 8.0)))
    axis = figure.subplots()
    scale = found.pixel_mm or 1.0
    low, high = grey_range(image)
    extent = (0.0, cols * scale, rows * scale, 0.0)
    axis.imshow(shrunk(image), extent=extent, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    for number, mark in enumerate(found.notes.marks, 1):
        _outline(axis, mark, scale, number)
    axis.set(xlim=extent[:2], ylim=extent[2:])
    axis.tick_params(labelsize=6.5, length=2)
    unit = "px" if found.pixel_mm is None else "mm at the object"
    axis.set_xlabel(unit, fontsize=7)
    axis.set_ylabel(unit, fontsize=7)
    return png_bytes(figure, DPI)


def _outline(axis: Axes, mark: Mark, scale: float, number: int) -> None:
    from matplotlib.patches import Ellipse, Polygon, Rectangle

    points = np.asarray(mark.points) * scale
    low, high = points.min(axis=0), points.max(axis=0)
    line: dict[str, Any] = {"ec": COLOURS[mark.decision], "lw": 1.0, "fill": False}
    if mark.kind == "rectangle":
        axis.add_patch(Rectangle(tuple(low), *(high - low), **line))
    elif mark.kind == "polygon":
        axis.add_patch(Polygon(points, **line))
    elif mark.kind == "ellipse":
        axis.add_patch(Ellipse(tuple((low + high) / 2), *(high - low), **line))
    elif mark.kind == "circle":
        diameter = float(np.hypot(*(points[1] - points[0])))
        axis.add_patch(Ellipse(tuple(points.mean(axis=0)), diameter, diameter, **line))
    elif mark.kind == "point":
        axis.plot(*points[0], "+", color=line["ec"], ms=8, mew=1.2)
    else:
        axis.plot(*points.T, color=line["ec"], lw=1.0, marker="|", ms=5)
    text = axis.annotate(
        str(number),
        (high[0], low[1]),
        xytext=(2, 2),
        textcoords="offset points",
        fontsize=7,
        color=line["ec"],
        weight="bold",
    )
    text.set_clip_on(True)
