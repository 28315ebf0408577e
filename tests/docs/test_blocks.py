"""What pages tell people to type works: every block of commands runs, or says why no test runs it."""

import shlex
import shutil

import pytest

from .pages import COMMAND, PYTHON, SHELL, blocks, coldray_does, results, targets, world

ALL = blocks()
RUN = [block for block in ALL if block.kind in SHELL + PYTHON and block.mark != "not run"]
BEFORE = {"coldray verify restored/board_07.tif": results, "coldray measure edge edge.tif": targets}
"""What must be there before a block, by how it begins."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return folder, world(folder)


def remove(path):
    """What a command makes is not there before."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def marks(block):
    return [pytest.mark.slow] if block.mark == "slow" else []


@pytest.mark.parametrize("block", [pytest.param(b, id=str(b), marks=marks(b)) for b in RUN])
def test_blocks_run(block, made, tmp_path, monkeypatch, capsys):
    source, known = made
    here = shutil.copytree(source, tmp_path / "here")
    monkeypatch.chdir(here)
    for begins, prepare in BEFORE.items():
        if block.body.startswith(begins):
            prepare(here)
    if block.kind in PYTHON:
        exec(compile(block.body, str(block), "exec"), {"__name__": "page"} | known)
        return
    lines = [shlex.split(line, comments=True) for line in block.body.replace("\\\n", " ").splitlines()]
    for words in filter(None, lines):
        assert words[0] == "coldray", f"{block}: {words} is no coldray command; mark the block <!-- not run: reason -->"
        if "-o" in words and not any(words[words.index("-o") + 1] in line for line in lines[: lines.index(words)]):
            remove(here / words[words.index("-o") + 1])
        assert coldray_does(words[1:]) == 0, (words, capsys.readouterr())


def test_blocks_are_told_apart():
    """Commands stand in blocks of their language, and a reason is a reason."""
    assert len(RUN) >= 20
    for block in ALL:
        if block.kind not in SHELL + PYTHON and not block.kind.startswith("{"):
            assert not COMMAND.search(block.body), f"{block}: commands in a block of kind {block.kind!r}"
        if block.kind == "powershell":
            assert block.mark == "not run", f"{block}: no test can run PowerShell"
        assert block.mark is None or len(block.reason.split()) >= 3, f"{block}: say why it is not run"


def test_pages_hold_no_other_marks():
    """A marker that stands before no block says nothing."""
    from .pages import ROOT, pages

    for page in pages():
        text = page.read_text(encoding="utf-8")
        mine = [b for b in ALL if b.page == page.relative_to(ROOT).as_posix() and b.mark]
        assert text.count("<!-- not run: ") + text.count("<!-- slow: ") == len(mine), page
