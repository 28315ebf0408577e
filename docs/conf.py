"""Sphinx settings: everything needed is in the repository, nothing is fetched."""

from __future__ import annotations

import re
from importlib import metadata

project = "coldray"
author = "The coldray authors"
copyright = "The coldray authors"
try:
    release = metadata.version("coldray")
except metadata.PackageNotFoundError:
    from coldray import __version__ as release
version = release

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "matplotlib.sphinxext.mathmpl",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
suppress_warnings: list[str] = []
default_role = "literal"
nitpicky = False

# equations are drawn by matplotlib, so no page loads a script or a font from elsewhere
mathmpl_fontsize = 11.0
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

nb_execution_mode = "cache"
nb_execution_timeout = 80
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


def _plain_text(app, what, name, obj, options, lines):
    """Docstrings are prose: keep |x| and names with a trailing underscore from being read as markup."""
    for number, line in enumerate(lines):
        lines[number] = re.sub(r"(?<!\\)\|", r"\\|", line)


def setup(app):
    """Register the docstring hook before napoleon's."""
    app.connect("autodoc-process-docstring", _plain_text, priority=400)
    return {"parallel_read_safe": True}
