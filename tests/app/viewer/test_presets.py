"""Presets of window and regions: kept in the user's folder, shared by pages, and put on an image in a browser."""

from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.viewer.presets import FILE, MOST, PresetFile, Presets, user_folder
from coldray.errors import ImageWriteError

BALLS = {
    "name": "balls",
    "low": 0.2,
    "high": 0.6,
    "signal": [10, 12, 40, 30],
    "background": None,
    "marks": [{"kind": "ellipse", "points": [[20, 20], [60, 50]], "threshold": 20000.0, "defect": "void"}],
}


def test_presets_are_kept_and_read_again(tmp_path):
    folder = tmp_path / "not there yet" / "coldray"
    Presets(folder).replace(PresetFile(presets=[BALLS]))
    again = Presets(folder).to_json()
    assert again["problem"] == "" and again["presets"][0]["marks"][0]["defect"] == "void"
    assert PresetFile.model_validate({"presets": again["presets"]}) == PresetFile(presets=[BALLS])


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2}', '{"presets": [{"name": "a", "low": 1, "high": 1}]}'])
def test_a_file_that_is_none_is_named_and_never_written_over(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    found = Presets(tmp_path)
    assert FILE in found.to_json()["problem"]
    found.replace(PresetFile(presets=[BALLS]))
    assert [p["name"] for p in found.to_json()["presets"]] == ["balls"]
    assert (tmp_path / FILE).read_text() == text


def test_where_they_cannot_be_kept_the_earlier_ones_stay(tmp_path):
    (tmp_path / "file").write_text("")
    found = Presets(tmp_path / "file" / "coldray")
    with pytest.raises(ImageWriteError, match="presets are not kept"):
        found.replace(PresetFile(presets=[BALLS]))
    assert found.to_json()["presets"] == []


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "coldray"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the specification: ignored
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(lambda kind: tmp_path / "home"))
    assert user_folder() == tmp_path / "home" / ".config" / "coldray"

    def homeless(_kind):
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", classmethod(homeless))
    assert user_folder() is None and Presets(user_folder()).to_json() == {"presets": [], "problem": ""}


def test_pages_share_them_and_nonsense_is_refused(served):
    put = served.client.put("/api/presets", json={"presets": [BALLS]})
    assert put.status_code == 204
    assert [p["name"] for p in served.state()["own_presets"]["presets"]] == ["balls"]
    refused = {
        "one name": [BALLS, BALLS],
        "before": [BALLS | {"low": 0.7}],
        "presets.0.path": [BALLS | {"path": "/etc/passwd"}],
        "at most": [BALLS | {"name": str(k)} for k in range(MOST + 1)],
    }
    for words, presets in refused.items():
        answer = served.client.put("/api/presets", json={"presets": presets})
        assert answer.status_code == 422 and words in answer.json()["error"]
    assert [p["name"] for p in served.state()["own_presets"]["presets"]] == ["balls"]
    assert served.client.put("/api/presets", json={"presets": []}).status_code == 204


def test_a_preset_brings_window_region_and_shapes_to_the_next_image(browser, served, tmp_path, write_scan, stands):
    context = browser.new_context(viewport={"width": 1280, "height": 820})
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    served.client.put("/api/presets", json={"presets": [BALLS]})
    write_scan(tmp_path / "first.tif", 1)
    write_scan(tmp_path / "second.tif", 2, open_beam=40000.0)
    page.goto(served.link)
    page.wait_for_selector("html[data-drawn][data-study]", state="attached")
    page.set_input_files("#file-input", str(tmp_path / "second.tif"))
    stands(page, "second.tif")
    page.click("[data-preset=balls]")
    # shares of the open beam: 0.2 and 0.6 of 40 000
    assert (page.input_value("#low"), page.input_value("#high")) == ("8000", "24000")
    assert [page.input_value(f"#s-{k}") for k in "xywh"] == ["10", "12", "40", "30"]
    assert page.locator("#note-list .entry").count() == 1
    page.click("[data-preset=balls]")
    assert page.locator("#note-list .entry").count() == 1  # the same shape is not put there twice
    page.fill("#low", "10000")
    page.keyboard.press("Tab")
    page.click("#preset-keeping summary")
    page.fill("#preset-name", "dark <b>parts</b>")
    page.click("#preset-keep")
    page.wait_for_selector("#own-presets .pair >> nth=1")
    page.set_input_files("#file-input", str(tmp_path / "first.tif"))
    stands(page, "first.tif")
    page.click("#own-presets .pair:nth-child(2) button:first-child")
    assert (page.input_value("#low"), page.input_value("#high")) == ("12500", "30000")
    assert page.locator("#own-presets").inner_text().split("\n")[0].startswith("balls")
    assert "dark <b>parts</b>" in page.locator("#own-presets").inner_text()
    page.click("[aria-label='Delete the preset balls']")
    page.wait_for_function("() => document.querySelectorAll('#own-presets .pair').length === 1")
    kept = served.state()["own_presets"]["presets"]
    assert [p["name"] for p in kept] == ["dark <b>parts</b>"]
    assert kept[0]["signal"] == [10, 12, 40, 30] and kept[0]["marks"][0]["decision"] == "open"
    context.close()
    assert complaints == []
