"""The profile of a plant on the page: the rule that fits an image, its settings in the dialog, and what is recorded of it."""

import hashlib
import json
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.recipe import Recipe
from coldray.app.viewer.settings import Menu, RestoreRequest
from coldray.app.viewer.shelf import Shelf
from coldray.errors import SettingsError

PROFILE = """
without_rule = "refuse"
[settings]
method = "wiener"
[[rule]]
name = "fine"
when = { pitch_um = "40..60" }
settings = { exposure_s = 0.25, report = true, interval = true, random_state = 3 }
[[rule]]
name = "coarse"
when = { pitch_um = "90..110" }
settings = { blurred = "screens/thick.json", sharp = "gos34", exposure_s = 0.5 }
"""


@pytest.fixture
def menu(tmp_path):
    import coldray

    (tmp_path / "screens").mkdir()
    built_in = Path(coldray.__file__).parent / "detectors/gos135.json"
    (tmp_path / "screens" / "thick.json").write_bytes(built_in.read_bytes())
    (tmp_path / "plant.toml").write_text(PROFILE, encoding="utf-8")
    return Menu(Recipe.of_stated({"profile": str(tmp_path / "plant.toml")}))


def test_a_rule_is_the_base_and_what_the_page_states_counts_over_it(menu, tmp_path):
    recipe = menu.recipe(RestoreRequest(rule="fine"))
    assert (recipe.method, recipe.exposure_s, recipe.random_state) == ("wiener", 0.25, 3)
    assert recipe.profile is None and recipe.provenance
    assert not (recipe.report or recipe.interval)  # the page offers the reports itself, and no intervals
    recipe = menu.recipe(RestoreRequest(rule="coarse", blurred="thick.json", exposure_s=2.0))
    assert recipe.blurred == str(tmp_path / "screens" / "thick.json") and recipe.exposure_s == 2.0
    with pytest.raises(SettingsError, match="no rule 'absent'"):
        menu.recipe(RestoreRequest(rule="absent"))
    with pytest.raises(SettingsError, match="no rule"):
        Menu(Recipe()).recipe(RestoreRequest(rule="fine"))
    told = json.dumps(menu.choices(), default=str)
    assert "thick.json" in told and str(tmp_path) not in told


def test_a_profile_that_changes_meanwhile_is_neither_followed_nor_recorded(menu, tmp_path, write_scan):
    """What is recorded is the content that the settings are of."""
    write_scan(tmp_path / "fine.tif")
    path = tmp_path / "plant.toml"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert menu.recipe(RestoreRequest(rule="fine")).exposure_s == 0.25
    path.write_text(PROFILE.replace('"fine"', '"finer"').replace("exposure_s = 0.25", "exposure_s = 4.0"))
    shelf = Shelf()
    study = shelf.open(tmp_path / "fine.tif", "fine.tif")
    assert menu.rule_of(study) == {"name": "fine", "refused": ""}
    assert menu.recipe(RestoreRequest(rule="fine")).exposure_s == 0.25
    assert menu.led(RestoreRequest(rule="fine")) == {"file": "plant.toml", "sha256": digest, "rule": "fine"}
    shelf.close()


def test_the_dialog_has_the_rule_that_fits_and_the_record_says_so(browser, serve, menu, tmp_path, write_scan, stands):
    write_scan(tmp_path / "fine.tif")
    write_scan(tmp_path / "odd.tif", pixel_pitch_mm=0.2)
    with serve(menu) as served:
        context = browser.new_context(viewport={"width": 1280, "height": 820})
        page, complaints = context.new_page(), []
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.goto(served.link)
        page.wait_for_selector("html[data-drawn][data-study]", state="attached")
        page.set_input_files("#file-input", str(tmp_path / "odd.tif"))
        stands(page, "odd.tif")
        page.click("#restore")
        assert "no rule of plant.toml fits" in page.locator("#r-refused").inner_text()
        assert page.input_value("#r-rule") == "" and page.input_value("#r-exposure") == ""
        page.click("#restore-dialog [value=cancel]")
        page.set_input_files("#file-input", str(tmp_path / "fine.tif"))
        stands(page, "fine.tif")
        page.click("#restore")
        assert page.input_value("#r-rule") == "fine" and page.input_value("#r-exposure") == "0.25"
        page.select_option("#r-rule", "coarse")
        assert (page.input_value("#r-blurred"), page.input_value("#r-exposure")) == ("thick.json", "0.5")
        page.select_option("#r-rule", "fine")
        assert page.input_value("#r-blurred") == "gos135" and page.locator("#r-refused").is_hidden()
        page.click("#restore-go")
        page.wait_for_selector("[data-download=record]", timeout=600_000)
        with page.expect_download() as caught:
            page.click("[data-download=record]")
        record = json.loads(caught.value.path().read_bytes())
        digest = hashlib.sha256((tmp_path / "plant.toml").read_bytes()).hexdigest()
        assert record["profile"] == {"file": "plant.toml", "sha256": digest, "rule": "fine"}
        assert record["recipe"]["settings"]["exposure_s"] == 0.25
        context.close()
    assert complaints == []
