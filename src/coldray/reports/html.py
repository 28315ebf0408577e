"""A report as one HTML page with everything inside."""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.reports.blocks import Report

if TYPE_CHECKING:
    from jinja2 import Template


def data_uri(png: bytes) -> str:
    """PNG image as a data URI, so that the page is a single file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@cache
def template(name: str) -> Template:
    """Template of a page, by its file in ``templates/``."""
    import jinja2

    text = resources.files("coldray.reports").joinpath("templates", name).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["data_uri"] = data_uri
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.from_string(text)


def to_html(report: Report) -> str:
    """Render a report.

    Returns
    -------
    str
        One HTML page: no script, no file beside it, no address outside it; prints on A4.
    """
    page: str = template("report.html").render(report=report)
    return page


def rendered(report: Report, path: Path) -> bytes:
    """Content of a report as the ending of its name says: PDF, else HTML."""
    if path.suffix.lower() == ".pdf":
        from coldray.reports.pdf import to_pdf

        return to_pdf(report)
    return to_html(report).encode()
