"""One folder of three detectors, one command, no other option: each image as by its own settings, verified, in Python too."""

import json

import numpy as np
import pytest

import coldray
from coldray.formats import read_image, write_image
from coldray.radiograph import Acquisition, Radiograph

from .conftest import OPEN_BEAM, stored

PLANT = """
[settings]
method = "wiener"

[[rule]]
name = "line 1"
when = { folder = "line1" }
settings = { exposure_s = 0.25 }

[[rule]]
name = "coarse"
when = { pitch_um = "90..110" }
settings = { blurred = "phosphor:150", sharp = "phosphor:40", exposure_s = 0.5 }

[[rule]]
name = "hot"
when = { KVP = "100..200" }
settings = { blurred = "phosphor:200", sharp = "gos34", exposure_s = 1.0, report = true }
"""
OPTIONS = {
    "line1/a.tif": (),
    "b.tif": ("--blurred", "phosphor:150", "--sharp", "phosphor:40", "--exposure-s", "0.5"),
    "c.tif": ("--blurred", "phosphor:200", "--exposure-s", "1"),
}
RULES = {"line1/a.tif": "line 1", "b.tif": "coarse", "c.tif": "hot"}


@pytest.fixture
def plant(tmp_path):
    """Images of three detectors, and the profile."""
    known = {"line1/a.tif": (0.048, 70.0), "b.tif": (0.1, 70.0), "c.tif": (0.048, 150.0)}
    for number, (name, (pitch, kv)) in enumerate(known.items()):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        acquisition = Acquisition(pixel_pitch_mm=pitch, open_beam=OPEN_BEAM, tube_voltage_kv=kv)
        write_image(path, Radiograph(stored(number), acquisition))
    (tmp_path / "plant.toml").write_text(PLANT, encoding="utf-8")
    return tmp_path


def test_a_folder_of_three_detectors_is_restored_by_one_command(plant, call, monkeypatch):
    monkeypatch.chdir(plant)
    code, out, err = call("restore", "in", "-o", "out", "--profile", "plant.toml", "--json")
    assert code == 0, err
    entries = {entry["name"]: entry for entry in json.loads(out)["files"]}
    assert {name: entry["profile"]["rule"] for name, entry in entries.items()} == RULES
    assert (plant / "out/c.report.html").is_file() and not (plant / "out/b.report.html").exists()
    for name, options in OPTIONS.items():
        fixed = ("--method", "wiener", "--exposure-s", "0.25") if name.startswith("line1") else ("--method", "wiener")
        code, _, err = call("restore", f"in/{name}", "-o", "alone.tif", *fixed, *options, "--overwrite")
        assert code == 0, err
        alone, found = read_image(plant / "alone.tif"), read_image(plant / "out" / name)
        np.testing.assert_array_equal(found.pixels, alone.pixels)
        by_python = coldray.restore(plant / "in" / name, profile=str(plant / "plant.toml"))
        np.testing.assert_array_equal(np.asarray(by_python), alone.pixels)
    code, out, err = call("verify", "out", "--json")
    assert code == 0, (out, err)
    assert json.loads(out)["counts"] == {"matches": 3}
    code, out, _ = call("restore", "in", "-o", "out", "--profile", "plant.toml", "--json")
    assert code == 0 and all(entry["skipped"] for entry in json.loads(out)["files"])


def test_what_is_stated_beside_it_counts_more(plant, call, monkeypatch):
    monkeypatch.chdir(plant)
    given = ("in/b.tif", "-o", "x.tif", "--profile", "plant.toml")
    code, _, err = call("restore", *given, "--exposure-s", "2", "--method", "wiener")
    assert code == 0, err
    settings = json.loads((plant / "x.tif.json").read_text())["recipe"]["settings"]
    assert settings["exposure_s"] == 2.0 and settings["blurred"] == "phosphor:150" and "profile" not in settings
    restorer = coldray.Restorer(profile="plant.toml", exposure_s=2.0)
    assert restorer.job_for(coldray.read("in/b.tif")).exposure_s == 2.0
    assert restorer.job_for(coldray.read("in/b.tif")).sharp == "phosphor:40"
    assert restorer.job_for(coldray.read("in/c.tif")).blurred == "phosphor:200"


def test_init_and_check_say_which_rule_fits(plant, call, monkeypatch):
    monkeypatch.chdir(plant)
    code, out, _ = call("profile", "init", "new.toml")
    assert code == 0 and "new.toml" in out and call("profile", "check", "new.toml")[0] == 0
    assert call("profile", "init", "new.toml")[0] == 3, "an existing file is not replaced unasked"
    code, out, err = call("profile", "check", "plant.toml", "in", "--json")
    assert code == 0, err
    assert [entry["rule"] for entry in json.loads(out)["files"]] == [
        RULES[n] for n in ("b.tif", "c.tif", "line1/a.tif")
    ]
    (plant / "plant.toml").write_text(PLANT.replace("phosphor:150", "phosphor:9999"), encoding="utf-8")
    code, out, _ = call("profile", "check", "plant.toml", "in/b.tif")
    assert code == 1 and "9999" in out


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("exposure_s = 0.5", "exposures_s = 0.5", "did you mean 'exposure_s'"),
        ('"100..200"', '"200..100"', "fits no number"),
        ('report = true', 'method = "cold", model = "none.onnx"', "plant.toml: hot: "),
    ],
)  # fmt: skip
def test_an_impossible_profile_is_one_line_and_nothing_is_written(plant, call, monkeypatch, before, after, words):
    monkeypatch.chdir(plant)
    (plant / "plant.toml").write_text(PLANT.replace(before, after), encoding="utf-8")
    code, out, err = call("restore", "in", "-o", "out", "--profile", "plant.toml")
    assert code == 2 and len(err.splitlines()) == 1 and words in err and not out
    assert not (plant / "out").exists()


def test_an_image_without_a_rule_may_be_refused(plant, call, monkeypatch):
    monkeypatch.chdir(plant)
    text = 'without_rule = "refuse"\n' + PLANT.partition('[[rule]]\nname = "coarse"')[0]
    (plant / "plant.toml").write_text(text, encoding="utf-8")
    code, _, err = call("restore", "in", "-o", "out", "--profile", "plant.toml")
    assert code == 1 and "no rule of plant.toml fits" in err and (plant / "out/line1/a.tif").is_file()


def test_a_page_knows_the_rule_of_every_image_and_states_otherwise_over_it(plant):
    from coldray.app.commands.view import _menu
    from coldray.app.viewer.settings import RestoreRequest
    from coldray.app.viewer.shelf import Shelf

    menu = _menu({"profile": str(plant / "plant.toml")})
    shelf = Shelf()
    for name, rule in RULES.items():
        path = plant / "in" / name
        assert menu.rule_of(shelf.open(path, path.name, stays=True)) == {"name": rule, "refused": ""}
    shelf.close()
    assert menu.choices()["profile"]["rules"]["coarse"]["blurred"] == "phosphor:150"
    recipe = menu.recipe(RestoreRequest(rule="coarse", exposure_s=3))
    assert recipe.exposure_s == 3 and recipe.sharp == "phosphor:40" and "profile" not in recipe.settings()
    assert menu.start.exposure_s is None and menu.start.method == "wiener"
