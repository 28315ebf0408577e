"""Two restorations of one image: the earlier one stays, is swiped against, and its difference is told in units of the noise."""

import hashlib

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.viewer.curves import detector_curves
from coldray.app.viewer.shelf import Shelf
from coldray.errors import SettingsError
from coldray.formats import read_image, write_image
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Step
from coldray.restoration.job import Job

NOISE = 0.01


@pytest.fixture
def results(scan, tmp_path):
    """Two simulated results of the scan: the second darker by 600 DN, with another gain."""
    original, digest = read_image(scan), hashlib.sha256(scan.read_bytes()).hexdigest()
    paths = []
    for name, gain, change in (("default", "calibrated", 0), ("detail", "detail", -600)):
        details = {"method": "cold", "steps": 1, "gain": gain, "blurred": "gos135", "sharp": "gos34", "sha256_in": digest,
                   "noise": "exposure", "noise_relative_sd": NOISE}  # fmt: skip
        paths.append(tmp_path / f"{name}.tif")
        pixels = (original.pixels + np.int64(change)).astype(np.uint16)
        write_image(paths[-1], original.with_pixels(pixels, Step("restore", details)))
    return paths


@pytest.fixture
def shelf():
    shelf = Shelf()
    yield shelf
    shelf.close()


def test_a_second_restored_file_keeps_the_first_to_be_compared_with(shelf, scan, results):
    study = shelf.open(scan, scan.name)
    for path in results:
        assert shelf.open(path, path.name) is study
    shelf.open(results[1], results[1].name)  # the same bytes again: nothing to compare
    layers = study.layers
    assert layers["restored"].title == "Restored: detail.tif" and study.to_json()["warnings"] == study.warnings
    assert [layers[role].pixels[0, 0] for role in ("restored", "compared")] == [
        read_image(path).pixels[0, 0] for path in (results[1], results[0])
    ]
    assert layers["restored"].id != layers["compared"].id and layers["compared"].title == "Compared · cold"
    assert study.result["settings"]["gain"] == "detail" and study.compared["settings"]["gain"] == "calibrated"
    made = results[0].with_name("made.json")
    made.write_text("{}")
    shelf.offer(study, {"record": (made, "made.json")})
    shelf.attach(study, "restored", results[0], results[0].name)
    assert study.compared["settings"]["gain"] == "detail"
    assert study.downloads == {} and not made.exists()  # files of another result are not offered with this one
    shelf.forget_compared(study)
    assert study.compared is None and "compared" not in study.layers and "restored" in study.layers


def test_whoever_is_told_of_a_restored_image_finds_its_record_with_it(scan, results):
    seen = []
    shelf = Shelf(changed=lambda: seen.extend(study.to_json() for study in shelf.studies()))
    study = shelf.open(scan, scan.name)
    for path in results:
        shelf.open(path, path.name)
    shelf.forget_compared(study)
    titles = {"Restored: default.tif": "calibrated", "Restored: detail.tif": "detail"}
    for told in seen:
        by_role = {layer["role"]: layer["title"] for layer in told["layers"]}
        gain = told["result"] and told["result"]["settings"]["gain"]
        assert titles.get(by_role.get("restored")) == gain
        assert ("compared" in by_role) == (told["compared"] is not None)
    assert {told["result"]["settings"]["gain"] for told in seen if told["result"]} == {"calibrated", "detail"}
    shelf.close()


def test_what_is_kept_costs_no_second_room_and_a_refusal_leaves_the_record_of_what_is_shown(scan, results):
    size = read_image(scan).pixels.nbytes
    shelf = Shelf(max_bytes=3 * size)
    study = shelf.open(scan, scan.name)
    shelf.open(results[0], results[0].name)
    shelf.open(results[1], results[1].name)  # original, restored, compared: all that is allowed
    before = study.result
    with pytest.raises(SettingsError, match="close an image first"):
        shelf.attach(study, "restored", results[0], results[0].name)
    assert study.result is before and study.compared["settings"]["gain"] == "calibrated"
    shelf.close()


def test_the_variance_of_a_pixel_rises_along_a_line_from_the_dark_to_the_open_beam(scan):
    """What the page computes with its two ends is what the noise model says at every signal."""
    noise = NoiseModel.of_detector(load_detector("gos135"), 0.25)
    dark, open_beam = (noise.relative_sd(signal) ** 2 for signal in (0.0, 1.0))
    for signal in (0.1, 0.5, 0.9):
        assert dark + (open_beam - dark) * signal == pytest.approx(noise.relative_sd(signal) ** 2, rel=1e-9)
    curves = detector_curves(read_image(scan), Job(method="wiener", exposure_s=0.25))
    found = curves["noise_variance"]
    assert 0 < found["dark"] < found["open_beam"] == pytest.approx(curves["noise_relative_sd"] ** 2)


def test_two_restorations_are_swiped_and_their_difference_is_told_in_noise(browser, served, scan, results):
    context = browser.new_context(viewport={"width": 1280, "height": 820})
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.goto(served.link)
    page.wait_for_selector("html[data-drawn][data-study]", state="attached")
    page.set_input_files("#file-input", [str(p) for p in (scan, *results)])
    page.wait_for_selector("#images [data-role=compared]")
    page.wait_for_selector("#loading", state="hidden")
    assert page.locator("#images button").all_inner_texts() == ["Original", "Restored", "Compared"]
    page.click("#images [data-role=original]")
    # labels are drawn with the next picture
    labels = "() => [...document.querySelectorAll('.label')].map(label => label.innerText).join() === 'Restored · cold,Compared · cold'"
    page.wait_for_function(labels)
    page.wait_for_function("() => document.querySelector('#compared-facts').innerText.includes('calibrated → detail')")
    facts = page.locator("#compared-facts").inner_text()
    assert "gain" in facts and "steps" not in facts
    page.click("[data-overlay=comparison]")
    page.wait_for_selector("#overlay-row:not([hidden])")
    page.locator("#stage").focus()
    for key in "fz":
        page.keyboard.press(key)
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 - 30, box["y"] + box["height"] / 2 + 11)
    page.wait_for_selector("#values .comparison[data-value]")
    told = {
        role: float(page.get_attribute(f"#values .{role}", "data-value"))
        for role in ("restored", "compared", "comparison")
    }
    curves = served.client.post(
        f"/api/studies/{page.evaluate('document.documentElement.dataset.study')}/curves", json={"method": "wiener"}
    ).json()["noise_variance"]
    assert told["compared"] - told["restored"] == 600
    signal = (told["restored"] + told["compared"]) / 2 / 50000
    share = curves["dark"] / curves["open_beam"]
    sd = NOISE * np.sqrt(share + (1 - share) * signal)
    assert told["comparison"] == pytest.approx(-600 / 50000 / sd, rel=1e-6)
    page.click("#compared-forget")
    page.wait_for_selector("#images [data-role=compared]", state="detached")
    page.wait_for_selector("[data-overlay=comparison]", state="detached")
    page.locator("#stage").focus()
    page.keyboard.press("x")
    page.wait_for_function("() => document.querySelector('#notice').innerText.includes('open a second restored file')")
    context.close()
    assert complaints == []
