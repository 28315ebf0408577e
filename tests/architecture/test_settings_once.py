"""A setting is declared once: a field more, and the command line, the record, the viewer and Python all know it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import coldray
from coldray.settings import EVENS, GAINS, checked, declared, defaults, newest_format

NEXT = newest_format() + 1
FIELDS = f"""    margin_mm: float | None = setting(
        None, "number", "Margin that is left as it is.", unit="mm", above=0, most=5, stated=("margin_um", "um", 1e-3), since={NEXT}
    )
    hurry: bool = setting(False, "switch", "Be quick.", recorded=False, since={NEXT + 1})
"""
KNOWN_EVERYWHERE = f"""
NEXT = {NEXT}
"""
KNOWN_EVERYWHERE += """
import inspect
import typer
import coldray
from coldray.app.cli import app, main
from coldray.app.recipe import RECORD_FORMAT, Recipe, as_now
from coldray.app.records import Record
from coldray.app.verify import Sources, _recipe
from coldray.app.viewer.settings import Menu, RestoreRequest
from coldray.errors import SettingsError
from coldray.restoration.job import Job

command = typer.main.get_command(app).commands
for verb in ("restore", "view", "serve"):
    option = next(p for p in command[verb].params if p.name == "margin_mm")
    assert option.opts == ["--margin-um"] and option.help == "Margin that is left as it is. [um]"
recipe = Recipe(method="wiener", margin_mm=2.0, hurry=True)
settings = recipe.settings()
assert settings["margin_mm"] == 2.0 and "hurry" not in settings and RECORD_FORMAT == NEXT
assert recipe.job().margin_mm == 2.0 and recipe.job().hurry
again = _recipe(Record(None, {}, settings, {}, {}, None, "file"), Sources())
assert again.margin_mm == 2.0 and not again.hurry
assert as_now({name: value for name, value in settings.items() if name != "margin_mm"})["margin_mm"] is None
menu = Menu(Recipe(method="wiener", margin_mm=1.0))
assert menu.choices()["margin_um"] == 1000 and menu.choices()["hurry"] is False
assert menu.recipe(RestoreRequest()).margin_mm == 1.0
assert menu.recipe(RestoreRequest(margin_um=500, hurry=True)).margin_mm == 0.5
restorer = coldray.Restorer(method="wiener", margin_mm=2.0)
assert restorer.job.margin_mm == 2.0
assert "margin_mm" in inspect.signature(coldray.Restorer).parameters
assert "margin_mm : float, optional\\n        Margin that is left as it is. [mm]" in coldray.Restorer.__doc__
assert "hurry : bool\\n" in Job.__doc__
for refused in (
    lambda: coldray.Restorer(method="wiener", margin_mm=-1.0),
    lambda: Recipe(method="wiener", margin_mm=9.0).job(),
    lambda: RestoreRequest(margin_um=9000),
):
    try:
        refused()
    except ValueError as problem:
        assert "margin" in str(problem), problem
    else:
        raise AssertionError("not refused")
main(["restore", "a.tif", "-o", "b.tif", "--method", "wiener", "--margin-um", "9000"])
"""


def test_one_field_more_is_known_everywhere(tmp_path):
    source = Path(coldray.__file__).parent
    shutil.copytree(
        source, tmp_path / "coldray", copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__")
    )
    declaring = tmp_path / "coldray" / "settings.py"
    text = declaring.read_text(encoding="utf-8")
    declaring.unlink()
    declaring.write_text(
        text.replace("\n\n\n@cache\ndef declared", f"\n{FIELDS}\n\n@cache\ndef declared"), encoding="utf-8"
    )
    found = subprocess.run(
        [sys.executable, "-c", KNOWN_EVERYWHERE],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.stderr == "coldray: --margin-um is 9000 um; it must lie between 0 and 5000\n"
    assert found.returncode == 2


@pytest.mark.parametrize("name", declared())
def test_every_default_is_what_the_setting_allows(name):
    assert checked(name, defaults()[name]) == defaults()[name]
    assert declared()[name].help.endswith(".")


@pytest.mark.parametrize(("name", "words"), [("gain", GAINS), ("even", EVENS)])
def test_words_are_all_and_only_those(name, words):
    assert all(checked(name, word) == word for word in words)
    with pytest.raises(coldray.errors.SettingsError, match=f"`{name}` is 'x'; choose one of {', '.join(words)}"):
        checked(name, "x")
