"""Sphinx settings: everything needed is in the repository, nothing is fetched."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from matplotlib.mathtext import math_to_image
from sphinx.errors import SphinxError

import coldray

project = "coldray"
author = "The coldray authors"
copyright = "The coldray authors"
version = release = coldray.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
suppress_warnings: list[str] = []
default_role = "literal"
smartquotes = False  # options are copied from pages: two hyphens stay two hyphens
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

nb_execution_mode = "cache"
nb_execution_timeout = 1800  # ends what hangs; how long a cell may take on a free machine is measured, not asserted
nb_execution_raise_on_error = True
nb_execution_show_tb = True

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_preprocess_types = False

html_theme = "furo"
html_title = f"coldray {release}"
html_static_path = ["_static"]
html_css_files = ["coldray.css"]
html_copy_source = False
html_show_sphinx = False


class Equation(Directive):
    """An equation as inline SVG, drawn by matplotlib: no page loads a script or a font from elsewhere."""

    has_content = True

    def run(self):
        """Return one block; the source is its text for screen readers."""
        source = " ".join(line.strip() for line in self.content)
        drawn = io.BytesIO()
        math_to_image(f"${source}$", drawn, format="svg")
        svg = drawn.getvalue().decode()
        svg = (
            svg[svg.index("<svg") :]
            .replace("<svg ", '<svg fill="currentColor" ', 1)
            .replace("fill: #ffffff", "fill: none")
        )
        svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
        label = html.escape(source, quote=True)
        text = f'<div class="equation" role="img" aria-label="{label}">{svg}</div>'
        return [nodes.raw("", text, format="html")]


def _plain_text(app, what, name, obj, options, lines):
    """Docstrings are prose: keep |x| and names with a trailing underscore from being read as markup."""
    for number, line in enumerate(lines):
        lines[number] = re.sub(r"(?<!\\)\|", r"\\|", line)


def _types_are_prose(app, doctree):
    """Words such as "shape" in the description of a type are no references; names of classes are."""
    from sphinx.addnodes import pending_xref

    for node in list(doctree.findall(pending_xref)):
        target = node.get("reftarget", "")
        if node.get("refdomain") == "py" and target[:1].islower() and not target.startswith("coldray."):
            node.replace_self(node.children)


LONGEST_WHOLE = 32


def _options_stay_whole(app, doctree):
    """A short option is not broken behind its hyphens at the end of a line: it is read, and copied, as one."""
    for node in doctree.findall(nodes.literal):
        if node.astext().startswith("-") and len(node.astext()) <= LONGEST_WHOLE:
            node["classes"].append("option")


RED_BOX = re.compile(r'class="(system-message|contents )')
"""What a page shows as an error: a message of docutils, or a table of contents, which the theme paints over."""


def _no_red_boxes(app, problem):
    """Some errors become a box in a page without a warning: such a site is not built."""
    if problem is None and app.builder.format == "html":
        pages = [path for path in Path(app.outdir).rglob("*.html") if RED_BOX.search(path.read_text(encoding="utf-8"))]
        if pages:
            names = ", ".join(path.relative_to(app.outdir).as_posix() for path in sorted(pages))
            raise SphinxError(f"boxes of errors (class system-message or contents) in {names}; mend their sources")


def setup(app):
    """Register the hooks; docstrings are escaped before napoleon reads them."""
    app.add_directive("equation", Equation)
    app.connect("doctree-read", _types_are_prose)
    app.connect("doctree-read", _options_stay_whole)
    app.connect("autodoc-process-docstring", _plain_text, priority=400)
    app.connect("build-finished", _no_red_boxes)
    return {"parallel_read_safe": True}
