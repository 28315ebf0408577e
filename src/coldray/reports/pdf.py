"""A report as PDF on A4."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table

MARGIN_MM = 15.0
NAME_WIDTH_MM = 44.0
LINE_MM = 4.6
TONES_RGB = {"good": (31, 122, 68), "doubtful": (163, 92, 0), "bad": (179, 38, 30), "unknown": (85, 97, 108)}
INK, SOFT, LINE = (27, 36, 45), (91, 104, 115), (211, 218, 224)
PICTURE_DPI = 150


@cache
def _fonts() -> dict[str, Path]:
    """Fonts that know Greek, micro and minus signs; they come with matplotlib."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return {"": folder / "DejaVuSans.ttf", "B": folder / "DejaVuSans-Bold.ttf"}


@cache
def _page_type() -> Any:
    from fpdf import FPDF

    class Page(FPDF):
        """Pages with a running foot."""

        running = ""

        def footer(self) -> None:
            self.set_y(-11)
            self.set_font("text", "", 7.5)
            self.set_text_color(*SOFT)
            room = self.w - 2 * MARGIN_MM
            self.cell(room - 25, 4, _fitting(self, self.running, room - 27))
            self.cell(25, 4, f"page {self.page_no()} of {{nb}}", align="R")

    return Page


@cache
def _known() -> frozenset[int]:
    """Characters that both fonts can draw."""
    from fontTools.ttLib import TTFont

    maps = []
    for path in _fonts().values():
        with TTFont(path, lazy=True) as font:
            maps.append(frozenset(font.getBestCmap()))
    return frozenset.intersection(*maps)


def drawable(part: Any) -> Any:
    """Copy of a report, or of any part of it, in which characters that no font draws are written as their code."""
    if isinstance(part, str):
        return "".join(c if ord(c) in _known() or c in "\n\t" else f"\\u{ord(c):04x}" for c in part)
    if isinstance(part, tuple):
        return tuple(drawable(item) for item in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: drawable(getattr(part, f.name)) for f in fields(part)})
    return part


def _fitting(pdf: Any, text: str, width_mm: float) -> str:
    """Text cut to a width."""
    while text and pdf.get_string_width(text) > width_mm:
        text = text[:-2] + "…" if len(text) > 2 else ""
    return text


def to_pdf(report: Report) -> bytes:
    """Render a report.

    Returns
    -------
    bytes
        The same content as the HTML page; the same bytes for the same report.
    """
    report = drawable(report)
    pdf = _page_type()(format="A4")
    pdf.running = f"{report.title} · {report.subtitle}"
    pdf.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))
    pdf.set_title(report.title)
    pdf.set_lang("en")
    for style, path in _fonts().items():
        pdf.add_font("text", style, path)
    pdf.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
    pdf.set_auto_page_break(True, 16)
    pdf.add_page()
    _paragraph(pdf, report.title, 15, style="B", line=7)
    _paragraph(pdf, report.subtitle, 9, colour=SOFT)
    _verdict(pdf, report)
    for section in report.sections:
        _section(pdf, section)
    return bytes(pdf.output())


def _paragraph(
    pdf: Any,
    text: str,
    size: float,
    *,
    style: str = "",
    colour: tuple[int, int, int] = INK,
    line: float = LINE_MM,
    after: float = 0.0,
    x: float = MARGIN_MM,
) -> None:
    pdf.set_font("text", style, size)
    pdf.set_text_color(*colour)
    pdf.set_x(x)
    pdf.multi_cell(pdf.w - MARGIN_MM - x, line, text, align="L", new_x="LMARGIN", new_y="NEXT")
    if after:
        pdf.ln(after)


def _verdict(pdf: Any, report: Report) -> None:
    pdf.ln(3)
    top, page = pdf.get_y(), pdf.page_no()
    _paragraph(pdf, report.verdict, 12, style="B", colour=TONES_RGB[report.tone], line=6.5, x=MARGIN_MM + 5)
    for sentence in report.statement:
        _paragraph(pdf, sentence, 9, after=0.8, x=MARGIN_MM + 5)
    if pdf.page_no() == page:
        pdf.set_fill_color(*TONES_RGB[report.tone])
        pdf.rect(MARGIN_MM, top, 2, pdf.get_y() - top, style="F")
        pdf.set_fill_color(255, 255, 255)


def _section(pdf: Any, section: Section) -> None:
    first = section.blocks[0]
    # a heading stays with what it heads
    _room(pdf, 14 + (_picture_size(pdf, first)[1] if isinstance(first, Picture) else 12))
    pdf.ln(4)
    _paragraph(pdf, section.title, 11.5, style="B", line=6)
    pdf.set_draw_color(*LINE)
    pdf.line(MARGIN_MM, pdf.get_y(), pdf.w - MARGIN_MM, pdf.get_y())
    pdf.ln(1.5)
    for block in section.blocks:
        if isinstance(block, Note):
            _paragraph(pdf, block.text, 9, after=1.5)
        elif isinstance(block, Facts):
            _facts(pdf, block)
        elif isinstance(block, Table):
            _table(pdf, block)
        else:
            _picture(pdf, block)


def _room(pdf: Any, height_mm: float) -> None:
    """Start a page unless this height is left."""
    if pdf.get_y() + height_mm > pdf.page_break_trigger:
        pdf.add_page()


def _facts(pdf: Any, facts: Facts) -> None:
    width = pdf.w - 2 * MARGIN_MM - NAME_WIDTH_MM
    for name, value in facts.rows:
        pdf.set_font("text", "", 8.5)
        lines = [
            len(pdf.multi_cell(w, LINE_MM, t, align="L", dry_run=True, output="LINES", wrapmode=m))
            for w, t, m in ((NAME_WIDTH_MM - 2, name, "WORD"), (width, value, _wrapping(value)))
        ]
        _room(pdf, max(lines) * LINE_MM + 1)
        top = pdf.get_y()
        pdf.set_text_color(*SOFT)
        pdf.multi_cell(NAME_WIDTH_MM - 2, LINE_MM, name, align="L", new_x="RIGHT", new_y="TOP")
        pdf.set_text_color(*INK)
        pdf.set_x(MARGIN_MM + NAME_WIDTH_MM)
        pdf.multi_cell(width, LINE_MM, value, align="L", wrapmode=_wrapping(value))
        bottom = top + max(lines) * LINE_MM + 0.5
        pdf.set_draw_color(*LINE)
        pdf.line(MARGIN_MM, bottom, pdf.w - MARGIN_MM, bottom)
        pdf.set_xy(MARGIN_MM, bottom + 0.5)
    pdf.ln(1.5)


def _wrapping(text: str) -> str:
    """Break long names anywhere, prose between words."""
    return "CHAR" if max((len(word) for word in text.split()), default=0) > 60 else "WORD"


def _table(pdf: Any, table: Table) -> None:
    pdf.set_font("text", "", 7.8)
    pdf.set_text_color(*INK)
    pdf.set_draw_color(*LINE)
    lengths = [max(len(c) for c in column) for column in zip(table.columns, *table.rows, strict=True)]
    widths = tuple(min(max(n, 18 if number == 0 else 9), 34) for number, n in enumerate(lengths))
    align = ("LEFT",) + ("RIGHT",) * (len(table.columns) - 1)
    from fpdf.fonts import FontFace

    with pdf.table(
        col_widths=widths,
        text_align=align,
        borders_layout="HORIZONTAL_LINES",
        line_height=LINE_MM - 0.4,
        headings_style=FontFace(emphasis="B", color=INK),
        padding=(0.5, 1, 0.5, 1),
        wrapmode="CHAR" if any(len(w) > 30 for r in table.rows for c in r for w in c.split()) else "WORD",
    ) as drawn:
        drawn.row(table.columns)
        for row in table.rows:
            drawn.row(row)
    pdf.ln(1)
    if table.note:
        _paragraph(pdf, table.note, 8, colour=SOFT, line=4, after=1.5)


def _picture_size(pdf: Any, picture: Picture) -> tuple[float, float]:
    """Width and height on the page [mm]."""
    from PIL import Image

    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = image.size
    width = min(pdf.w - 2 * MARGIN_MM, pixels[0] / PICTURE_DPI * 25.4)
    height = width * pixels[1] / pixels[0]
    limit = pdf.page_break_trigger - MARGIN_MM - 30
    return (width, height) if height <= limit else (width * limit / height, limit)


def _picture(pdf: Any, picture: Picture) -> None:
    width, height = _picture_size(pdf, picture)
    pdf.set_font("text", "", 8)
    caption = len(pdf.multi_cell(0, 4, picture.caption, align="L", dry_run=True, output="LINES")) * 4.0
    _room(pdf, height + caption + 3)
    pdf.image(io.BytesIO(picture.png), x=MARGIN_MM, w=width, h=height, alt_text=picture.caption)
    pdf.ln(1)
    _paragraph(pdf, picture.caption, 8, colour=SOFT, line=4, after=2)
