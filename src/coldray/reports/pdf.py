"""A report as PDF on A4, made to be kept: PDF/A-2b (ISO 19005-2)."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table
from coldray.reports.canvas import PNG_LEVEL, fonts

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.enums import WrapMode

MARGIN_MM = 15.0
NAME_WIDTH_MM = 44.0
LINE_MM = 4.6
TONES_RGB = {"good": (31, 122, 68), "doubtful": (163, 92, 0), "bad": (179, 38, 30), "unknown": (85, 97, 108)}
INK, SOFT, LINE = (27, 36, 45), (91, 104, 115), (211, 218, 224)
PICTURE_DPI = 150
CELL_PADDING_MM = 1.0
SMALL_PICTURE_MM = 22.0
FOOT = "page 0123456789 of {nb} …"
"""Characters of the running foot, beside those of the report."""
MADE = datetime(2000, 1, 1, tzinfo=UTC)
"""Time that every PDF states, so that the same report has the same bytes; when it was made is known from its file."""


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
    for path in fonts().values():
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


def characters(part: Any) -> frozenset[int]:
    """Code points of all text in a report, or in any part of it."""
    if isinstance(part, str):
        return frozenset(map(ord, part))
    if is_dataclass(part) and not isinstance(part, type):
        part = tuple(getattr(part, f.name) for f in fields(part))
    return frozenset().union(*map(characters, part)) if isinstance(part, tuple) else frozenset()


def _fitting(pdf: FPDF, text: str, width_mm: float) -> str:
    """Text cut to a width."""
    while text and pdf.get_string_width(text) > width_mm:
        text = text[:-2] + "…" if len(text) > 2 else ""
    return text


def to_pdf(report: Report) -> bytes:
    """Render a report.

    Returns
    -------
    bytes
        The same content as the HTML page; the same bytes for the same report. PDF/A-2b: fonts and colour profile are
        inside, nothing runs, nothing is fetched.

    References
    ----------
    ISO 19005-2:2011.
    """
    report = drawable(report)
    pdf = _page_type()(format="A4", enforce_compliance="PDFA_2B")
    pdf.running = f"{report.title} · {report.subtitle}"
    pdf.set_creation_date(MADE)
    pdf.set_xmp_metadata(_about(report.title))
    pdf.set_title(report.title)
    pdf.set_lang("en")
    # widths of the characters that occur, not of thousands
    used = sorted(characters(FOOT) | characters(pdf.running) | characters(report))
    for style, path in fonts().items():
        pdf.add_font("text", style, path, unicode_range=used)
    pdf.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
    pdf.set_auto_page_break(True, 16)
    pdf.add_page()
    _paragraph(pdf, report.title, 15, style="B", line=7)
    _paragraph(pdf, report.subtitle, 9, colour=SOFT)
    _verdict(pdf, report)
    for section in report.sections:
        _section(pdf, section)
    return bytes(pdf.output())


def _about(title: str) -> str:
    """XMP packet of a PDF/A-2b file (ISO 16684-1, ISO 19005-2 clause 6.6)."""
    from coldray import __version__

    made = MADE.isoformat(timespec="seconds")
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(title)}</rdf:li></rdf:Alt></dc:title>
<xmp:CreateDate>{made}</xmp:CreateDate><xmp:ModifyDate>{made}</xmp:ModifyDate>
<xmp:CreatorTool>coldray {__version__}</xmp:CreatorTool><pdf:Producer>coldray {__version__}</pdf:Producer>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>"""


def _paragraph(
    pdf: FPDF,
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


def _verdict(pdf: FPDF, report: Report) -> None:
    pdf.ln(3)
    top, page = pdf.get_y(), pdf.page_no()
    _paragraph(pdf, report.verdict, 12, style="B", colour=TONES_RGB[report.tone], line=6.5, x=MARGIN_MM + 5)
    for sentence in report.statement:
        _paragraph(pdf, sentence, 9, after=0.8, x=MARGIN_MM + 5)
    if pdf.page_no() == page:
        pdf.set_fill_color(*TONES_RGB[report.tone])
        pdf.rect(MARGIN_MM, top, 2, pdf.get_y() - top, style="F")
        pdf.set_fill_color(255, 255, 255)


def _section(pdf: FPDF, section: Section) -> None:
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


def _room(pdf: FPDF, height_mm: float) -> None:
    """Start a page unless this height is left."""
    if pdf.get_y() + height_mm > pdf.page_break_trigger:
        pdf.add_page()


def _facts(pdf: FPDF, facts: Facts) -> None:
    from fpdf.enums import WrapMode

    width = pdf.w - 2 * MARGIN_MM - NAME_WIDTH_MM
    for name, value in facts.rows:
        pdf.set_font("text", "", 8.5)
        lines = [
            _lines(pdf, w, LINE_MM, t, m)
            for w, t, m in ((NAME_WIDTH_MM - 2, name, WrapMode.WORD), (width, value, _wrapping(value)))
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


def _lines(pdf: FPDF, width_mm: float, line_mm: float, text: str, mode: WrapMode) -> int:
    """How many lines a text takes at a width."""
    found = pdf.multi_cell(width_mm, line_mm, text, align="L", dry_run=True, output="LINES", wrapmode=mode)
    assert isinstance(found, list)
    return len(found)


def _wrapping(text: str) -> WrapMode:
    """Break long names anywhere, prose between words."""
    from fpdf.enums import WrapMode

    return WrapMode.CHAR if max((len(word) for word in text.split()), default=0) > 60 else WrapMode.WORD


def _table(pdf: FPDF, table: Table) -> None:
    from fpdf.fonts import FontFace

    pdf.set_text_color(*INK)
    pdf.set_draw_color(*LINE)
    room = pdf.w - 2 * MARGIN_MM - (SMALL_PICTURE_MM if table.pictures else 0)
    widths, breaks = _widths(pdf, table, room)
    align = ("LEFT",) + ("RIGHT",) * (len(table.columns) - 1)
    if table.pictures:
        widths, align = (SMALL_PICTURE_MM, *widths), ("LEFT", *align)
    pdf.set_font("text", "", 7.8)
    with pdf.table(
        col_widths=widths,
        text_align=align,
        borders_layout="HORIZONTAL_LINES",
        line_height=LINE_MM - 0.4,
        headings_style=FontFace(emphasis="B", color=INK),
        padding=(0.5, CELL_PADDING_MM, 0.5, CELL_PADDING_MM),
        wrapmode="CHAR" if breaks else "WORD",
    ) as drawn:
        drawn.row(("", *table.columns) if table.pictures else table.columns)
        for number, cells in enumerate(table.rows):
            row = drawn.row()
            if table.pictures:
                small = table.pictures[number]
                row.cell(img=None if small is None else io.BytesIO(small), img_fill_width=True)
            for cell in cells:
                row.cell(cell)
    pdf.ln(1)
    if table.note:
        _paragraph(pdf, table.note, 8, colour=SOFT, line=4, after=1.5)


def _widths(pdf: FPDF, table: Table, room_mm: float) -> tuple[tuple[float, ...], bool]:
    """Widths of columns in which no word is broken, if there are such, and whether words have to be broken.

    Every column gets what its longest word needs, and what is left in proportion to what whole cells need beyond it. If
    that does not fit, the first column, which holds names, gives way.
    """
    least, whole = [], []
    for number, title in enumerate(table.columns):
        cells = [("B", title), *(("", row[number]) for row in table.rows)]
        widest = [0.0, 0.0]
        for style, text in cells:
            pdf.set_font("text", style, 7.8)
            words = max((pdf.get_string_width(word) for word in text.split()), default=0.0)
            widest = [max(widest[0], words), max(widest[1], pdf.get_string_width(text))]
        least.append(widest[0] + 2 * CELL_PADDING_MM + 0.5)
        whole.append(widest[1] + 2 * CELL_PADDING_MM + 0.5)
    if sum(least) > room_mm:
        first = max(room_mm - sum(least[1:]), room_mm / 4)
        scale = (room_mm - first) / sum(least[1:]) if len(least) > 1 else 1.0
        return (first, *(width * scale for width in least[1:])), True
    more = [wide - narrow for wide, narrow in zip(whole, least, strict=True)]
    share = min(1.0, (room_mm - sum(least)) / sum(more)) if sum(more) else 0.0
    widths = [narrow + share * extra for narrow, extra in zip(least, more, strict=True)]
    return tuple(width * room_mm / sum(widths) for width in widths), False


def _picture_size(pdf: FPDF, picture: Picture) -> tuple[float, float]:
    """Width and height on the page [mm]."""
    from PIL import Image

    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = image.size
    width = min(pdf.w - 2 * MARGIN_MM, pixels[0] / PICTURE_DPI * 25.4)
    height = width * pixels[1] / pixels[0]
    limit = pdf.page_break_trigger - MARGIN_MM - 30
    return (width, height) if height <= limit else (width * limit / height, limit)


def _picture(pdf: FPDF, picture: Picture) -> None:
    from fpdf.enums import WrapMode
    from fpdf.image_parsing import SETTINGS

    width, height = _picture_size(pdf, picture)
    pdf.set_font("text", "", 8)
    caption = _lines(pdf, 0, 4, picture.caption, WrapMode.WORD) * 4.0
    _room(pdf, height + caption + 3)
    # fpdf packs pictures again, by a level that all of the process share
    before, SETTINGS.compression_level = SETTINGS.compression_level, PNG_LEVEL
    try:
        pdf.image(io.BytesIO(picture.png), x=MARGIN_MM, w=width, h=height, alt_text=picture.caption)
    finally:
        SETTINGS.compression_level = before
    pdf.ln(1)
    _paragraph(pdf, picture.caption, 8, colour=SOFT, line=4, after=2)
