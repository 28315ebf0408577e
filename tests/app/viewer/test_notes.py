"""Notes on images: over the interface, beside the file, in reports, and drawn in a browser."""

import csv
import json
import math

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.viewer.shelf import Shelf
from coldray.checkpoint import file_sha256
from coldray.formats import read_image, write_image
from coldray.metrology.shapes import CLOSED, POINTS, measures, region
from coldray.radiograph import Acquisition, Radiograph

VOID = {"kind": "ellipse", "points": [[20, 20], [60, 50]], "defect": "void", "decision": "rejected"}


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(3).integers(9000, 30000, (120, 160)).astype(np.uint16)
    path = tmp_path / "part 7.tif"
    write_image(path, Radiograph(pixels, Acquisition(pixel_pitch_mm=0.05, open_beam=50000.0, linear=True)))
    return path


def notes_of(path, **more):
    return {"format": "coldray inspection", "version": 1, "sha256": file_sha256(path), "marks": [VOID]} | more


def test_notes_are_kept_given_out_and_refused_if_they_are_of_another_image(served, image):
    study = served.upload(image).json()["id"]
    place = f"/api/studies/{study}/inspection"
    assert served.client.put(place, json=notes_of(image, note="x")).json() == {"kept": False}
    told = next(s for s in served.state()["studies"] if s["id"] == study)
    assert told["inspection"]["marks"][0]["defect"] == "void" and told["keeps_notes"] is False
    answer = served.client.get(f"{place}/json")
    assert answer.json()["note"] == "x" and "part%207.tif.inspection.json" in answer.headers["content-disposition"]
    page = served.client.get(f"{place}/html").text
    assert "void" in page and file_sha256(image) in page
    assert served.client.get(f"{place}/pdf").content.startswith(b"%PDF")
    assert served.client.get(f"{place}/exe").status_code == 404
    refused = served.client.put(place, json=notes_of(image) | {"sha256": "0" * 64})
    assert refused.status_code == 422 and "another image" in refused.json()["error"]
    assert served.client.put(place, json=notes_of(image, approved=1)).status_code == 422
    many = notes_of(image, marks=[VOID | {"kind": "polygon", "points": [[k, k % 7] for k in range(150)]}] * 60)
    assert len(json.dumps(many)) > 2**16 and served.client.put(place, json=many).status_code == 200
    assert served.client.put(f"/api/studies/{'0' * 16}/inspection", json=notes_of(image)).status_code == 404


def test_notes_lie_beside_the_file_that_was_named_and_come_back_with_it(image):
    from coldray.metrology.inspection import Mark

    shelf, before = Shelf(), image.read_bytes()
    study = shelf.open(image, image.name, stays=True)
    shelf.note(study, study.inspection.model_copy(update={"marks": [Mark.model_validate(VOID)]}))
    shelf.close()
    beside = image.with_name(image.name + ".inspection.json")
    assert json.loads(beside.read_text())["marks"][0]["defect"] == "void" and image.read_bytes() == before
    again = Shelf()
    assert [m.defect for m in again.open(image, image.name, stays=True).inspection.marks] == ["void"]
    assert again.open(image, image.name).inspection.is_empty
    beside.write_text("{")
    damaged = again.open(image, image.name, stays=True)
    assert any("inspection.json" in warning for warning in damaged.warnings)
    again.note(damaged, damaged.inspection.model_copy(update={"note": "anew"}))
    assert beside.read_text() == "{"  # what cannot be read is never written over
    again.close()


@pytest.fixture
def page(browser, served, image):
    context = browser.new_context(viewport={"width": 1280, "height": 820})
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    study = served.desk.shelf.open(image, image.name, stays=True)
    page.goto(served.link)
    page.wait_for_selector(f"html[data-drawn][data-study='{study.id}']", state="attached")
    page.locator("#stage").focus()
    page.keyboard.press("f")
    page.keyboard.press("z")
    yield page
    context.close()
    served.client.delete(f"/api/studies/{study.id}")
    assert complaints == []


def draw(page, tool, *points):
    """Draw in image pixels at 1:1: a drag between two points, or clicks."""
    box = page.locator("#stage").bounding_box()
    left, top = box["x"] + math.floor(box["width"] / 2 - 80 + 0.5), box["y"] + math.floor(box["height"] / 2 - 60 + 0.5)
    page.click(f"[data-tool={tool}]")
    at = [(left + x, top + y) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    if tool in ("rectangle", "ellipse", "circle", "distance"):
        page.mouse.move(*at[1])
    page.mouse.up()
    for place in at[1:] if tool in ("polygon", "angle") else ():
        page.mouse.click(*place)


def kept(path, until, condition):
    beside = path.with_name(path.name + ".inspection.json")
    return until(lambda: beside.is_file() and (found := json.loads(beside.read_text())) and condition(found) and found)


def test_an_inspector_marks_measures_decides_and_finds_it_all_again(page, image, until, tmp_path):
    pixels = read_image(image).pixels
    draw(page, "rectangle", (10, 10), (50, 40))
    cells = page.locator("#n-table td[data-quantity]").evaluate_all(
        "all => Object.fromEntries(all.map(c => [c.dataset.quantity, Number(c.dataset.value)]))"
    )
    cut = pixels[10:40, 10:50].astype(float)
    assert cells["Mean"] == pytest.approx(cut.mean()) and cells["SD"] == pytest.approx(cut.std(ddof=1))
    assert "2 × 1.5 mm, 3 mm²" in page.text_content("#n-size")
    page.fill("#n-threshold", "20000")
    page.fill("#n-class", "void")
    page.select_option("#n-decision", "rejected")
    page.fill("#n-text", "left <b>ball</b>")
    page.keyboard.press("Tab")
    share = page.locator("#n-table td[data-quantity='Void, %']").get_attribute("data-value")
    assert float(share) == pytest.approx(100 * np.mean(cut > 20000))
    draw(page, "polygon", (70, 20), (110, 20), (90, 60), (70, 20))
    draw(page, "angle", (20, 100), (60, 100), (60, 70))
    assert "90.00°" in page.text_content("#n-size")
    draw(page, "distance", (20, 110), (120, 110))
    assert "5 mm" in page.text_content("#n-size")
    page.fill("#n-known", "2")
    page.keyboard.press("Tab")
    assert "20 µm per pixel" in page.text_content("#i-calibration") and "2 mm" in page.text_content("#n-size")
    draw(page, "point", (5, 5))
    page.fill("#i-inspector", "N. N.")
    page.keyboard.press("Tab")
    page.select_option("#i-decision", "rejected")
    found = kept(image, until, lambda d: d["inspector"] == "N. N." and d["decision"] == "rejected")
    assert [m["kind"] for m in found["marks"]] == ["rectangle", "polygon", "angle", "distance", "point"]
    assert found["marks"][0]["points"] == [[10, 10], [50, 40]] and found["marks"][1]["points"] == [
        [70, 20],
        [110, 20],
        [90, 60],
    ]
    assert found["marks"][0]["threshold"] == 20000 and found["calibration"]["known_mm"] == 2
    page.reload()
    page.wait_for_selector("#note-list .entry >> nth=4")
    assert page.input_value("#i-inspector") == "N. N." and "1.2" not in page.text_content("#i-calibration")
    page.click("#note-list .entry >> nth=4")
    page.click("#n-delete")
    kept(image, until, lambda d: len(d["marks"]) == 4)
    for selector, ending in (("[data-inspection=html]", ".inspection.html"), ("#i-csv", "marks.csv")):
        with page.expect_download() as caught:
            page.click(selector)
        assert caught.value.suggested_filename.endswith(ending)
        text = caught.value.path().read_text()
        assert "left &lt;b&gt;ball" in text if ending.endswith("html") else "left <b>ball" in text
    rows = list(csv.DictReader(text.splitlines()))
    assert float(rows[0]["void_percent"]) == pytest.approx(100 * np.mean(cut > 20000))
    assert float(rows[3]["length_px"]) == 100 and float(rows[3]["pixel_mm"]) == pytest.approx(0.02)


def test_news_that_overtake_a_change_on_its_way_do_not_undo_it(page, served, image, until):
    held = []
    page.route("**/inspection", lambda route: held.append(route))
    draw(page, "circle", (20, 20), (60, 60))
    while not held:  # the handler above runs while we wait
        page.wait_for_timeout(20)
    # another image comes in: the page asks for the state, which does not have the mark yet
    write_image(image.with_name("other.tif"), Radiograph(np.zeros((20, 20), np.uint16), Acquisition(open_beam=50000.0)))
    other = served.upload(image.with_name("other.tif")).json()["id"]
    page.wait_for_function("() => document.querySelectorAll('#study option').length > 1")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.locator("#note-list .entry").count() == 1
    held[0].continue_()
    kept(image, until, lambda notes: len(notes["marks"]) == 1)
    served.client.delete(f"/api/studies/{other}")


def test_a_grip_moves_a_corner_and_a_click_is_no_shape(page, image, until):
    draw(page, "ellipse", (20, 20), (80, 60))
    draw(page, "circle", (100, 100), (100, 100))
    assert page.locator("#note-list .entry").count() == 1
    page.click("[data-tool=pan] >> nth=0")
    box = page.locator("#stage").bounding_box()
    left, top = box["x"] + math.floor(box["width"] / 2 - 80 + 0.5), box["y"] + math.floor(box["height"] / 2 - 60 + 0.5)
    page.mouse.move(left + 80, top + 60)
    page.mouse.down()
    page.mouse.move(left + 100, top + 90)
    page.mouse.up()
    found = kept(image, until, lambda d: d["marks"][0]["points"][1] != [80, 60])
    assert found["marks"][0]["points"] == [[20, 20], [100, 90]]


def test_the_page_counts_like_the_library(page):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 60000, (40, 50)).astype(np.uint16)
    cases = []
    for kind in POINTS:
        for _ in range(6):
            count = 5 if kind == "polygon" else POINTS[kind][0]
            points = rng.uniform(-10, 60, (count, 2)).round(2).tolist()
            cases.append([kind, points, float(rng.integers(1000, 59000)), str(rng.choice(["brighter", "darker"]))])
    script = """async ([cases, data, closed]) => {
      const { measures, region } = await import("./static/shapes.js"), picture = { data, rows: 40, cols: 50 };
      const plain = (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, Number.isNaN(v) ? null : v]));
      return cases.map(([kind, points, threshold, voids]) =>
        [plain(measures(kind, points)), closed.includes(kind) ? plain(region(picture, kind, points, threshold, voids)) : null]);
    }"""
    found = page.evaluate(script, [cases, pixels.ravel().tolist(), list(CLOSED)])
    inside = 0
    for (kind, points, threshold, voids), (sizes, numbers) in zip(cases, found, strict=True):
        assert sizes == pytest.approx(measures(kind, points), rel=1e-12)
        if kind not in CLOSED:
            continue
        wanted = region(pixels, kind, points, threshold, voids)
        inside += wanted.pixels
        for name in ("pixels", "mean", "sd", "minimum", "maximum", "void_share"):
            value = math.nan if numbers[name] is None else numbers[name]
            assert value == pytest.approx(getattr(wanted, name), rel=1e-9, nan_ok=True), (kind, points, name)
    assert inside > 2000
