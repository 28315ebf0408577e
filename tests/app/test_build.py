"""The build: the same for the same sources wherever they lie, another for any change of code or tables."""

import shutil
from pathlib import Path

import pytest

import coldray
from coldray.app.build import build, digest_of


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    (folder / "physics").mkdir(parents=True)
    (folder / "a.py").write_text("x = 1\n")
    (folder / "physics" / "b.py").write_text("")
    (folder / "physics" / "table.csv").write_text("1,2\n")
    return folder


def test_this_build_is_that_of_the_installed_files():
    assert build() == digest_of(Path(coldray.__file__).parent)
    assert len(build()) == 16 and set(build()) <= set("0123456789abcdef")


def test_place_and_compiled_files_do_not_count(package, tmp_path):
    here = digest_of(package)
    moved = shutil.copytree(package, tmp_path / "elsewhere" / "coldray")
    (moved / "__pycache__").mkdir()
    (moved / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"compiled")
    assert digest_of(moved) == here


@pytest.mark.parametrize("change", ["code", "table", "name", "more", "less", "moved bytes"])
def test_every_change_is_another_build(package, change):
    here = digest_of(package)
    if change == "code":
        (package / "a.py").write_text("x = 2\n")
    elif change == "table":
        (package / "physics" / "table.csv").write_text("1,3\n")
    elif change == "name":
        (package / "a.py").rename(package / "c.py")
    elif change == "more":
        (package / "empty.py").touch()
    elif change == "less":
        (package / "physics" / "b.py").unlink()
    else:
        (package / "physics" / "b.py").write_text("x = 1\n")
        (package / "a.py").write_text("")
    assert digest_of(package) != here
