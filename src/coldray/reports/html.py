"""A report as one HTML page with everything inside."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from coldray.reports.blocks import Report
from coldray.reports.demo import data_uri


@cache
def _template() -> Any:
    import jinja2

    text = resources.files("coldray.reports").joinpath("templates", "report.html").read_text(encoding="utf-8")
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
    page: str = _template().render(report=report)
    return page
