"""The site builds without a warning, and a page that docutils cannot read stops the build."""

import json
import re
import shutil
import subprocess
import sys

import pytest

import coldray

from .pages import ROOT

pytest.importorskip("sphinx", reason="Sphinx is not installed; make docs installs it (extra docs)")
pytest.importorskip("myst_nb", reason="myst-nb is not installed; make docs installs it (extra docs)")
pytest.importorskip("furo", reason="furo is not installed; make docs installs it (extra docs)")


def build(source, out, *options):
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", *options, str(source), str(out)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_the_site_is_clean(tmp_path):
    """Every page, every docstring, every executed cell."""
    done = build(ROOT / "docs", tmp_path, "-W", "--keep-going", "-D", "nb_execution_mode=force")
    assert done.returncode == 0, done.stderr[-3000:]
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 50
    assert not [page.name for page in pages if "system-message" in page.read_text(encoding="utf-8")]
    curly = re.compile("[\u201c\u201d\u2018\u2019]|(?<=[ >])\u2013(?=[a-z])")
    command_line = (tmp_path / "reference" / "cli.html").read_text(encoding="utf-8")
    assert not curly.findall(command_line), "options are copied from pages: no quotes or hyphens in place of others"


NOTEBOOKS = sorted(p for p in (ROOT / "docs").rglob("*.ipynb") if "_build" not in p.parts)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_outputs_and_names_what_is_there(path):
    """The site executes it; what somebody ran last is not kept, and its code is that of this version."""
    import ast
    import importlib

    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert path.relative_to(ROOT / "docs").with_suffix("").as_posix() in (ROOT / "docs/index.md").read_text("utf-8")
    for node in ast.walk(ast.parse("\n".join("".join(cell["source"]) for cell in code))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("coldray."):
            assert all(hasattr(importlib.import_module(node.module), name.name) for name in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "coldray":
            assert hasattr(coldray, node.attr)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 2


def test_a_box_of_an_error_stops_the_build(tmp_path):
    """Even where it gets into a page without a warning; every page that has one is named, and no other."""
    shutil.copy(ROOT / "docs" / "conf.py", tmp_path / "conf.py")
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "coldray.css").touch()
    kinds = {"message": "system-message", "table": "contents local topic", "index": "contentment"}
    for name, kind in kinds.items():
        listed = "```{toctree}\nmessage\ntable\n```\n" if name == "index" else ""
        page = f'# Page\n\nGive "it" --even, `--json` and `{"-" * 40}`.\n\n```{{raw}} html\n<div class="{kind}">no</div>\n```\n{listed}'
        (tmp_path / f"{name}.md").write_text(page, encoding="utf-8")
    done = build(tmp_path, tmp_path / "html")
    assert done.returncode != 0
    assert "boxes of errors (class system-message or contents) in message.html, table.html;" in done.stderr
    written = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    assert "&quot;it&quot; --even" in written
    whole = re.findall(r'<code class="[^"]*\boption\b[^"]*"><span class="pre">([^<]*)', written)
    assert whole == ["--json"], "short options are not broken at the end of a line, long ones may be"
