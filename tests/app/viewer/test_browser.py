"""The viewer in a real browser: pixels on the screen against stored values, numbers in the dock against numpy."""

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")
pytest.importorskip("playwright.sync_api", reason="the viewer is tested with playwright")

from coldray.formats import read_image, write_image
from coldray.metrology.contrast import contrast
from coldray.radiograph import Acquisition, Radiograph

VIEWPORT = {"width": 1280, "height": 820}
BLUE, ORANGE = (38, 120, 255), (255, 138, 0)


@dataclass
class Visit:
    """One page of the viewer, with what went wrong on it."""

    page: Any
    served: Any
    complaints: list

    def open(self, *paths):
        before = self.page.evaluate("document.documentElement.dataset.study || ''")
        self.page.set_input_files("#file-input", [str(p) for p in paths])
        self.page.wait_for_function("b => (document.documentElement.dataset.study || b) !== b", arg=before)
        self.settle()

    def settle(self):
        """Wait until nothing loads and two frames were drawn."""
        self.page.wait_for_selector("#loading", state="hidden")
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def type(self, **values):
        """Fill number fields by id (underscores for dashes) as a user does: type, then Tab."""
        for name, value in values.items():
            field = self.page.locator(f"#{name.replace('_', '-')}")
            field.fill(str(value))
            field.press("Tab")
        self.page.evaluate("document.activeElement.blur()")
        self.settle()

    def one_to_one(self):
        """Fit, then one image pixel per screen pixel; returns where image pixel (0, 0) is in the stage."""
        self.press("f", "z")
        box, (rows, cols) = self.stage(), self.shape
        # Math.round: halves go up
        return int(np.floor(box["width"] / 2 - cols / 2 + 0.5)), int(np.floor(box["height"] / 2 - rows / 2 + 0.5))

    def stage(self):
        return self.page.locator("#stage").bounding_box()

    def screen(self, png):
        return png(self.page.locator("#stage").screenshot())

    def drag(self, start, end, **more):
        box = self.stage()
        at = [(box["x"] + x, box["y"] + y) for x, y in (start, end)]
        self.page.mouse.move(*at[0])
        self.page.mouse.down(**more)
        self.page.mouse.move((at[0][0] + at[1][0]) / 2, (at[0][1] + at[1][1]) / 2)
        self.page.mouse.move(*at[1])
        self.page.mouse.up(**more)
        self.settle()

    def point(self, x, y):
        box = self.stage()
        self.page.mouse.move(box["x"] + x, box["y"] + y)
        self.settle()

    def value(self, role):
        return float(self.page.get_attribute(f"#values .{role}", "data-value"))

    def table(self, name):
        cells = self.page.locator(f"#{name} td[data-quantity]")
        return cells.evaluate_all(
            "all => Object.fromEntries(all.map(c => [`${c.dataset.quantity}/${c.dataset.role}`, Number(c.dataset.value)]))"
        )

    def restore(self, **choices):
        self.page.click("#restore")
        for name, value in choices.items():
            if name == "method":
                self.page.select_option("#r-method", value)
            else:
                self.page.fill(f"#r-{name}", str(value))
        self.page.click("#restore-go")
        self.page.wait_for_selector("[data-download=image]")
        self.page.wait_for_selector("#images [data-role=restored]")
        self.settle()

    def download(self, selector):
        with self.page.expect_download() as caught:
            self.page.click(selector)
        return caught.value.suggested_filename, caught.value.path().read_bytes()

    @property
    def shape(self):
        """Rows and columns of the image on the desk."""
        study = self.page.evaluate("document.documentElement.dataset.study")
        layers = next(s for s in self.served.state()["studies"] if s["id"] == study)["layers"]
        return layers[0]["rows"], layers[0]["cols"]


@pytest.fixture
def visit(browser, served):
    """Return a function that opens the page, and check at the end that the browser had nothing to complain about."""
    contexts, visits = [], []

    def open_page(query="", **context):
        contexts.append(browser.new_context(**({"viewport": VIEWPORT, "color_scheme": "dark"} | context)))
        page = contexts[-1].new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.goto(served.link + (f"&{query}" if query else ""))
        page.wait_for_selector("html[data-drawn][data-study]", state="attached")
        visits.append(Visit(page, served, complaints))
        visits[-1].settle()
        return visits[-1]

    yield open_page
    for one in visits:
        assert one.complaints == []
    for context in contexts:
        context.close()
    for study in served.state()["studies"]:
        served.client.delete(f"/api/studies/{study['id']}")


def grey(values, low, high):
    return np.clip((np.asarray(values, dtype=float) - low) / (high - low), 0, 1) * 255


@pytest.fixture(params=["renderer=webgl", "renderer=2d"], ids=["webgl", "canvas"])
def renderer(request):
    return request.param


def test_a_recorded_walk(visit, scan, tmp_path, png, capsys):
    """Open a 16-bit TIFF, set the window, draw a profile, measure, restore, swipe, toggle provenance, download."""
    stored = read_image(scan).pixels.astype(int)
    desk = visit("renderer=webgl")
    assert desk.page.locator("#empty").is_visible()
    desk.open(scan)
    assert desk.page.locator("#engine").inner_text() == "WebGL2, 16-bit"

    # at first: fitted, and windowed from 0.5 to 99.5 % of the pixels
    box = desk.stage()
    zoom = min((box["width"] - 24) / stored.shape[1], (box["height"] - 24) / stored.shape[0])
    assert float(desk.page.locator("#zoom").inner_text().split()[1]) == pytest.approx(100 * zoom, rel=1e-3)
    shares = [(stored <= float(desk.page.input_value(f"#{name}"))).mean() for name in ("low", "high")]
    assert shares == pytest.approx([0.005, 0.995], abs=5e-4)

    # window: what is on the screen is the stored value through the window, for every pixel looked at
    desk.type(low=12000, high=36000)
    left, top = desk.one_to_one()
    seen = desk.screen(png)[top + 60 : top + 120, left + 40 : left + 200]
    assert np.abs(seen - grey(stored[60:120, 40:200], 12000, 36000)[..., None]).max() <= 1
    assert desk.page.locator("#level-width").inner_text() == "level 24000, width 24000"
    desk.press("w")
    desk.drag((left + 100, top + 80), (left + 210, top + 80))
    low, high = (float(desk.page.input_value(f"#{name}")) for name in ("low", "high"))
    assert (high - low) / 24000 == pytest.approx(np.exp(0.5), rel=1e-3)
    assert (high + low) / 2 == pytest.approx(24000, abs=1)

    # read-out
    desk.point(left + 50.5, top + 70.5)
    assert desk.value("original") == stored[70, 50]
    assert desk.page.locator("#at").inner_text() == "x 50 y 70 (2.424, 3.384) mm"

    # profile: the numbers of numpy, in mm
    desk.press("p")
    desk.drag((left + 20.5, top + 90.5), (left + 180.5, top + 90.5))
    ends = [int(desk.page.input_value(f"#p-{k}")) for k in ("x0", "y0", "x1", "y1")]
    assert ends == [20, 90, 180, 90]
    table, line = desk.table("profile-table"), stored[90, 20:181]
    assert table["Mean/original"] == pytest.approx(line.mean(), rel=1e-12)
    assert (table["Minimum/original"], table["Maximum/original"]) == (line.min(), line.max())
    assert desk.page.locator("#p-length").inner_text() == "7.680 mm (160.0 px)"
    name, text = desk.download("#profile-csv")
    rows = list(csv.reader(io.StringIO(text.decode())))
    assert name == "profile.csv" and rows[0] == ["distance_mm", "original"] and len(rows) == 162
    assert [float(r[1]) for r in rows[1:]] == line.tolist()
    assert float(rows[-1][0]) == pytest.approx(160 * 0.048)
    desk.type(p_width=5)
    assert desk.table("profile-table")["Mean/original"] == pytest.approx(stored[88:93, 20:181].mean(), rel=1e-12)

    # restore and look at both
    desk.restore(method="wiener", exposure=0.25)
    assert desk.page.locator("#verdict").inner_text() in ("Consistent", "Contradicted in places")
    name, restored_bytes = desk.download("[data-download=image]")
    assert name == "scan_restored.tif"
    (tmp_path / "viewer.tif").write_bytes(restored_bytes)
    restored = read_image(tmp_path / "viewer.tif")
    assert restored.history[-1].verb == "restore" and restored.dtype == np.uint16
    from coldray.app.cli import main

    with pytest.raises(SystemExit):
        main(["restore", str(scan), "-o", str(tmp_path / "line.tif"), "--method", "wiener", "--exposure-s", "0.25",
              "--provenance"])  # fmt: skip
    capsys.readouterr()
    assert restored_bytes == (tmp_path / "line.tif").read_bytes()
    out = restored.pixels.astype(int)

    # regions: the numbers of measure snr, for both images
    desk.page.click("#profile-clear")
    desk.press("s")
    desk.drag((left + 30.5, top + 30.5), (left + 59.5, top + 54.5))
    desk.press("b")
    desk.drag((left + 150.5, top + 40.5), (left + 179.5, top + 64.5))
    table = desk.table("roi-table")
    for role, image in (("original", stored), ("restored", out)):
        found = contrast(image, (30, 30, 30, 25), (150, 40, 30, 25))
        assert table[f"Mean/{role}"] == pytest.approx(found.signal.mean, rel=1e-12)
        assert table[f"SD/{role}"] == pytest.approx(found.signal.sd, rel=1e-10)
        assert table[f"SNR/{role}"] == pytest.approx(found.signal.snr, rel=1e-10)
        # the page takes the SD of the pixels; measure snr takes the noise about the trend
        noise = np.sqrt((found.signal.sd**2 + found.background.sd**2) / 2)
        assert table[f"CNR/{role}"] == pytest.approx(abs(found.signal.mean - found.background.mean) / noise, rel=1e-10)
    desk.type(srb=100)
    found = contrast(stored, (30, 30, 30, 25), srb_um=100)
    assert desk.table("roi-table")["SNR_N/original"] == pytest.approx(found.signal.snr * 88.6 / 100, rel=1e-10)
    assert "1.440 × 1.200 mm" in desk.page.locator("#roi-note").inner_text()
    desk.page.click("#roi-clear")

    # swipe: left of the handle the original, right of it the restored image
    desk.type(low=12000, high=36000)
    left, top = desk.one_to_one()
    middle = round(desk.stage()["width"] / 2)
    part = slice(top + 100, top + 140)
    rows = slice(100, 140)
    near = slice(middle - 70, middle - 20)
    desk.press("v")
    seen = desk.screen(png)[part, near]
    assert np.abs(seen - grey(stored[rows, near.start - left : near.stop - left], 12000, 36000)[..., None]).max() <= 1
    desk.page.locator(".handle").focus()
    desk.press(*["Shift+ArrowLeft"] * 4)  # shares of the image: 224 pixels, so 90 to the left
    assert desk.page.locator(".handle").get_attribute("aria-valuenow") == "10"
    seen = desk.screen(png)[part, near]
    expected = grey(out[rows, near.start - left : near.stop - left], 12000, 36000)
    assert np.abs(seen - expected[..., None]).max() <= 1
    assert np.abs(expected - grey(stored[rows, near.start - left : near.stop - left], 12000, 36000)).max() > 8

    # Space shows the original while it is held
    desk.page.evaluate("document.activeElement.blur()")
    desk.page.keyboard.down(" ")
    desk.settle()
    seen = desk.screen(png)[part, near]
    assert np.abs(seen - grey(stored[rows, near.start - left : near.stop - left], 12000, 36000)[..., None]).max() <= 1
    desk.page.keyboard.up(" ")
    desk.settle()
    assert np.abs(desk.screen(png)[part, near] - expected[..., None]).max() <= 1

    # provenance: colours and numbers of the layer that is handed out
    name, data = desk.download("[data-download=provenance]")
    (tmp_path / "layers.tif").write_bytes(data)
    linear = read_image(tmp_path / "layers.tif").pixels[1]
    desk.press("l")
    assert desk.page.locator("[data-overlay=linear]").get_attribute("aria-checked") == "true"
    reach = float(desk.page.input_value("#overlay-scale"))
    desk.page.locator("#opacity").fill("100")
    desk.settle()
    t = np.clip(linear[rows, near.start - left : near.stop - left] / reach, -1, 1)[..., None]
    colour = np.where(t < 0, BLUE, ORANGE)
    assert (
        np.abs(desk.screen(png)[part, near] - (expected[..., None] * (1 - np.abs(t)) + colour * np.abs(t))).max() <= 2
    )
    desk.point(near.start + 10.5, part.start + 10.5)
    assert desk.value("linear") == pytest.approx(linear[110, near.start + 10 - left], rel=1e-6)
    desk.press("l")
    assert np.abs(desk.screen(png)[part, near] - expected[..., None]).max() <= 1

    # residual
    desk.press("r")
    desk.point(near.start + 10.5, part.start + 10.5)
    assert "noise SD" in desk.page.locator("#values .residual").inner_text() and abs(desk.value("residual")) < 6
    name, data = desk.download("[data-download=record]")
    record = json.loads(data)
    assert name == "scan_restored.tif.json" and record["sha256_in"] == record["settings"]["sha256_in"]
    assert (
        f"{record['consistency']['verifiable_to_lp_mm']:.2f} lp/mm" in desk.page.locator("#result-facts").inner_text()
    )
    prior_from = float(desk.page.get_attribute("#mtf-note", "data-prior-from"))
    assert 1 < prior_from < 10.4 and f"{prior_from:.2f} lp/mm" in desk.page.locator("#mtf-note").inner_text()


def test_both_renderers_show_the_same_and_tell_neighbouring_grey_levels_apart(visit, renderer, tmp_path, png):
    """Values 30000 to 30007 differ by 0.01 % of full scale: 8 bits would show one grey."""
    stored = np.full((120, 160), 30000, dtype=np.uint16) + (np.arange(160) // 20).astype(np.uint16)
    stored[60:] = 30007 - (np.arange(160) // 20)
    path = tmp_path / "steps.tif"
    write_image(path, Radiograph(stored, Acquisition(pixel_pitch_mm=0.05)))
    desk = visit(renderer)
    desk.open(path)
    assert desk.page.locator("#engine").inner_text() == ("2-D canvas" if "2d" in renderer else "WebGL2, 16-bit")
    desk.type(low=30000, high=30007)
    left, top = desk.one_to_one()
    seen = desk.screen(png)[top : top + 120, left : left + 160]
    expected = grey(stored.astype(int), 30000, 30007)
    assert np.abs(seen - expected[..., None]).max() <= 1
    assert len(np.unique(seen[..., 0])) == 8
    desk.press("i")
    assert np.abs(desk.screen(png)[top : top + 120, left : left + 160] - (255 - expected)[..., None]).max() <= 1


def test_saturated_pixels_are_marked_and_zoom_keeps_pixels_square(visit, renderer, tmp_path, png):
    stored = np.full((40, 60), 20000, dtype=np.uint16)
    stored[10:12, 20:23] = 65535
    path = tmp_path / "hot.tif"
    write_image(path, Radiograph(stored, Acquisition(pixel_pitch_mm=0.05, open_beam=50000.0)))
    desk = visit(renderer)
    desk.open(path)
    desk.type(low=0, high=65535)
    desk.page.check("#mark-saturated")
    left, top = desk.one_to_one()
    red = (np.abs(desk.screen(png) - (235, 41, 56)).max(axis=2) <= 1).nonzero()
    assert (red[0].min() - top, red[0].max() - top, red[1].min() - left, red[1].max() - left) == (10, 11, 20, 22)
    desk.point(left + 21.5, top + 11.5)
    desk.page.mouse.wheel(0, -900)  # pixels become visible squares
    desk.page.wait_for_function("() => parseFloat(document.getElementById('zoom').textContent.slice(5)) > 300")
    desk.settle()
    scale = float(desk.page.locator("#zoom").inner_text().split()[1]) / 100
    red = (np.abs(desk.screen(png) - (235, 41, 56)).max(axis=2) <= 1).nonzero()
    assert np.ptp(red[0]) + 1 == pytest.approx(2 * scale, abs=1.5)
    assert np.ptp(red[1]) + 1 == pytest.approx(3 * scale, abs=1.5)


def test_zoomed_out_the_screen_shows_means_not_samples(visit, renderer, tmp_path, png):
    """A one-pixel checkerboard is grey from afar; picking single pixels would show black or white."""
    stored = (np.indices((1200, 1200)).sum(axis=0) % 2 * 40000).astype(np.uint16)
    path = tmp_path / "checkers.tif"
    write_image(path, Radiograph(stored, Acquisition(pixel_pitch_mm=0.05, open_beam=50000.0)))
    desk = visit(renderer)
    desk.open(path)
    desk.type(low=0, high=40000)
    desk.press("f")
    box = desk.stage()
    x, y = int(box["width"] / 2), int(box["height"] / 2)
    seen = desk.screen(png)[y - 100 : y + 100, x - 100 : x + 100]
    assert np.abs(seen - 127.5).max() <= 1.5


def test_panes_side_by_side_share_one_view_also_when_pitches_differ(visit, served, scan, tmp_path, png):
    """The reference has pixels of half the pitch: the same millimetre is at the same place in both panes."""
    stored = read_image(scan).pixels
    path = tmp_path / "fine.tif"
    fine = np.kron(stored, np.ones((2, 2), dtype=np.uint16))
    write_image(path, Radiograph(fine, Acquisition(pixel_pitch_mm=0.024, open_beam=50000.0)))
    study = served.upload(scan).json()["id"]
    served.upload(path, query=f"/api/studies/{study}/layers/reference")
    desk = visit()
    desk.press("2", "f")
    desk.type(low=12000, high=36000)
    assert desk.page.locator(".label").all_inner_texts() == ["Original", "Reference: fine.tif"]
    box = desk.stage()
    half = round(box["width"] / 2)
    seen = desk.screen(png)
    y = round(box["height"] / 2)
    a, b = seen[y - 60 : y + 60, 90 : half - 90], seen[y - 60 : y + 60, half + 90 : 2 * half - 90]
    assert np.median(np.abs(a[:, : b.shape[1]] - b[:, : a.shape[1]])) <= 3
    desk.drag((half / 2, y), (half / 2 + 60, y + 20))
    seen = desk.screen(png)
    moved, moved_too = seen[y - 40 : y + 60, 150 : half - 90], seen[y - 40 : y + 60, half + 150 : 2 * half - 90]
    assert np.median(np.abs(moved[:, : moved_too.shape[1]] - moved_too[:, : moved.shape[1]])) <= 3
    desk.point(half / 2, y)
    first = [int(n) for n in desk.page.locator("#at").inner_text().split()[1:4:2]]
    desk.point(half + half / 2, y)
    second = [int(n) for n in desk.page.locator("#at").inner_text().split()[1:4:2]]
    assert np.abs(np.subtract(first, second)).max() <= 1
    desk.press("s")
    desk.drag((half / 2, y), (half / 2 + 30, y + 30))
    desk.type(s_x=20, s_y=20, s_w=30, s_h=30)
    table = desk.table("roi-table")
    assert table["Mean/reference"] == pytest.approx(table["Mean/original"], rel=1e-12)


def test_two_files_at_once_and_one_from_elsewhere_leave_the_last_chosen_one_on_the_desk(
    visit, served, tmp_path, write_scan
):
    for number in range(3):
        write_scan(tmp_path / f"{number}.tif", random_state=number)
    desk = visit()
    desk.page.set_input_files("#file-input", [str(tmp_path / "0.tif"), str(tmp_path / "1.tif")])
    desk.page.wait_for_function("() => document.title.startsWith('1.tif')")
    served.upload(tmp_path / "2.tif")
    desk.page.wait_for_function("() => document.querySelectorAll('#study option').length === 3")
    desk.settle()
    assert desk.page.title().startswith("1.tif")
    desk.page.select_option("#study", label="0.tif")
    desk.page.wait_for_function("() => document.title.startsWith('0.tif')")
    desk.settle()
    stored = read_image(tmp_path / "0.tif").pixels
    shares = [(stored <= float(desk.page.input_value(f"#{name}"))).mean() for name in ("low", "high")]
    assert shares == pytest.approx([0.005, 0.995], abs=5e-4)


def test_frames_of_a_stack_are_chosen_by_number(visit, tmp_path):
    stack = np.random.default_rng(6).integers(1000, 50000, (3, 80, 100)).astype(np.uint16)
    path = tmp_path / "stack.tif"
    write_image(path, Radiograph(stack, Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0)))
    desk = visit()
    desk.open(path)
    assert desk.page.locator("#frame-count").inner_text() == "of 3"
    left, top = desk.one_to_one()
    for number in (1, 3, 2):
        desk.type(frame=number)
        desk.point(left + 40.5, top + 30.5)
        desk.page.wait_for_function(
            "v => document.querySelector('#values .original')?.dataset.value === v", arg=str(stack[number - 1, 30, 40])
        )


@pytest.mark.parametrize("angle", [0, 37])
def test_an_oblique_profile_measures_the_width_of_an_edge(visit, tmp_path, angle):
    """An error-function edge of sigma 3 px has a 10-90 % width of 2.563 sigma across it."""
    from scipy.special import erf

    y, x = np.indices((120, 160))
    normal = np.deg2rad(angle)
    across = (x - 80) * np.cos(normal) + (y - 60) * np.sin(normal)
    stored = np.rint(20000 + 10000 * (1 + erf(across / (3 * np.sqrt(2))))).astype(np.uint16)
    path = tmp_path / "edge.tif"
    write_image(path, Radiograph(stored, Acquisition(pixel_pitch_mm=0.05, open_beam=50000.0)))
    desk = visit()
    desk.open(path)
    desk.press("p")
    desk.drag((300, 300), (400, 300))
    reach = 32
    dx, dy = reach * np.cos(normal), reach * np.sin(normal)
    desk.type(p_x0=80 - dx, p_y0=60 - dy, p_x1=80 + dx, p_y1=60 + dy)
    width_um = desk.table("profile-table")["10–90 % edge, µm/original"]
    assert width_um == pytest.approx(2 * 1.2815516 * 3 * 50, rel=0.02)


def test_names_and_metadata_are_shown_as_text(visit, tmp_path, write_scan):
    path = tmp_path / "<img src=x onerror=document.title=1>.tif"
    write_scan(path, detector="<script>document.title='2'</script><b>bold</b>")
    desk = visit()
    desk.open(path)
    desk.page.click("#sec-file summary")
    assert "<b>bold</b>" in desk.page.locator("#facts").inner_text()
    assert path.name in desk.page.locator("#study").inner_text()
    assert desk.page.title() == f"{path.name} – coldray"
    assert desk.page.locator("#facts b, #facts script, img[src=x]").count() == 0
    broken = tmp_path / "<b>x<b>.tif"
    broken.write_bytes(b"II*\0 none")
    desk.page.set_input_files("#file-input", str(broken))
    desk.page.wait_for_selector("#notice.error")
    assert "<b>x<b>.tif" in desk.page.locator("#notice").inner_text()
    desk.complaints[:] = [c for c in desk.complaints if "422" not in c]


def test_inline_script_would_not_run(visit, scan):
    desk = visit()
    ran = desk.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = true';"
        " document.body.append(s); return Boolean(window.ran); }"
    )
    assert ran is False
    assert any("Content Security Policy" in c for c in desk.complaints)
    desk.complaints.clear()


def test_the_token_stays_out_of_the_address_and_another_tab_without_it_sees_nothing(visit, browser, served, scan):
    served.upload(scan)
    desk = visit()
    assert "token" not in desk.page.url
    other = browser.new_context().new_page()
    answer = other.goto(served.base)
    assert answer.status == 401 and "scan.tif" not in other.content()
    other.context.close()


def drop(page, path, zone):
    page.evaluate(
        """([hex, name, zone]) => {
          const bytes = Uint8Array.from(hex.match(/../g), h => parseInt(h, 16)), carried = new DataTransfer();
          carried.items.add(new File([bytes], name));
          const target = document.querySelector(`[data-drop=${zone}]`), more = { dataTransfer: carried, bubbles: true, cancelable: true };
          window.dispatchEvent(new DragEvent("dragenter", more));
          target.dispatchEvent(new DragEvent("dragover", more));
          target.dispatchEvent(new DragEvent("drop", more));
        }""",
        [path.read_bytes().hex(), path.name, zone],
    )


@pytest.fixture
def thin(tmp_path, write_scan):
    write_scan(tmp_path / "thin.tif", random_state=5)
    return tmp_path / "thin.tif"


def test_a_file_can_be_dropped_and_becomes_the_reference(visit, served, scan, thin):
    served.upload(scan)
    desk = visit()
    drop(desk.page, thin, "reference")
    desk.page.wait_for_selector("#images [data-role=reference]")
    desk.settle()
    assert desk.page.locator(".label").all_inner_texts() == ["Original", "Reference: thin.tif"]


def test_a_file_dropped_while_the_page_still_loads_waits_for_the_image_it_belongs_to(visit, served, scan, thin):
    served.upload(scan)
    desk, held = visit(), []
    desk.page.route("**/api/choices", lambda route: held.append(route))
    desk.page.reload()
    drop(desk.page, thin, "reference")
    desk.page.wait_for_function("document.documentElement.dataset.drawn")
    assert len(held) == 1 and len(served.state()["studies"]) == 1
    held[0].continue_()
    desk.page.wait_for_selector("#images [data-role=reference]")
    assert len(served.state()["studies"]) == 1


def test_an_overtaken_answer_of_the_server_does_not_take_the_reference_away(
    visit, served, scan, thin, write_scan, tmp_path
):
    served.upload(scan)
    desk, late = visit(), []

    def hold_the_first(route):
        if late:
            return route.continue_()
        late.append((route, route.fetch()))

    desk.page.route("**/api/state", hold_the_first)
    write_scan(tmp_path / "other.tif", random_state=6)
    served.upload(tmp_path / "other.tif")  # the news of it makes the page ask
    while not late:  # the handler above runs while we wait
        desk.page.wait_for_timeout(20)
    drop(desk.page, thin, "reference")
    desk.page.wait_for_selector("#images [data-role=reference]")
    route, answer = late[0]
    with desk.page.expect_event("requestfinished", lambda request: request == route.request):
        route.fulfill(response=answer)
    desk.settle()
    assert desk.page.locator("#images [data-role=reference]").count() == 1


def test_everything_can_be_reached_with_the_keyboard(visit, served, scan):
    served.upload(scan)
    desk = visit()
    names = set()
    desk.page.locator("#study").focus()
    for _ in range(80):
        desk.page.keyboard.press("Tab")
        names.add(desk.page.evaluate(
            "(e => e.id || e.dataset.tool || e.dataset.mode || e.dataset.role || e.textContent)(document.activeElement)"
        ))  # fmt: skip
    assert names >= {"open", "restore", "pan", "window", "profile", "signal", "background", "swipe", "side", "single", "fit",
                     "one", "theme", "help", "stage", "low", "high", "invert", "original"}  # fmt: skip
    unnamed = desk.page.evaluate(
        """() => [...document.querySelectorAll("button, input:not([type=file]), select")]
             .filter(e => e.offsetParent && !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length))
             .map(e => e.outerHTML)"""
    )
    assert unnamed == []
    desk.page.locator("#stage").focus()
    before = desk.page.locator("#zoom").inner_text()
    desk.press("+")
    assert desk.page.locator("#zoom").inner_text() != before
    desk.press("?")
    assert desk.page.locator("#help-dialog").is_visible()
    desk.press("Escape")
    desk.press("Enter")
    assert desk.page.locator("#restore-dialog").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_light_and_dark_wide_and_narrow(visit, served, scan, scheme, width, png):
    served.upload(scan)
    desk = visit(color_scheme=scheme, viewport={"width": width, "height": 820})
    # the button that only a viewer of a folder shows needs room too
    desk.page.evaluate("document.getElementById('browse').hidden = false")
    desk.settle()
    assert desk.page.evaluate(
        "document.documentElement.scrollWidth <= innerWidth && document.body.scrollHeight <= innerHeight"
    )
    hidden = desk.page.evaluate(
        """() => [...document.querySelectorAll(".bar button, .bar select")].filter(e => {
             const r = e.getBoundingClientRect();
             const top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
             return r.left < 0 || r.right > innerWidth || !(e === top || e.contains(top));
           }).map(e => e.title)"""
    )
    assert hidden == []
    box = desk.stage()
    assert box["width"] >= 0.6 * width and box["height"] >= 300
    # text against its ground: WCAG AA asks for 4.5 to 1
    ratio = desk.page.evaluate(
        """() => {
          const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                               return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const read = c => { const k = document.createElement("canvas").getContext("2d"); k.fillStyle = c; k.fillRect(0, 0, 1, 1);
                              return [...k.getImageData(0, 0, 1, 1).data].slice(0, 3); };
          const dock = read(getComputedStyle(document.getElementById("dock")).backgroundColor);
          return ["#dock summary", "#dock .muted", "#mtf-note", "#warnings", "#restore"].map(s => {
            const e = document.querySelector(s), own = getComputedStyle(e), filled = s === "#restore";
            const [a, b] = [light(read(own.color)), light(filled ? read(own.backgroundColor) : dock)].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05); });
        }"""
    )
    assert min(ratio) >= 4.5
    ground = png(desk.page.locator("#dock").screenshot())[5, 5]
    assert (ground > 128).all() == (scheme == "light")


@pytest.mark.parametrize("size", [(1600, 900), (900, 700), (420, 800)], ids=str)
def test_swipe_handles_stand_on_the_image_at_thirds_of_it_and_names_at_the_cuts(visit, served, scan, thin, size):
    study = served.upload(scan).json()["id"]
    for role in ("restored", "reference"):
        served.upload(thin, query=f"/api/studies/{study}/layers/{role}")
    desk = visit(viewport={"width": size[0], "height": size[1]})
    desk.press("f")
    box, (rows, cols) = desk.stage(), desk.shape
    zoom = min((box["width"] - 24) / cols, (box["height"] - 24) / rows)
    left = (box["width"] - zoom * cols) / 2
    handles = [h.bounding_box() for h in desk.page.locator(".handle").all()]
    middles = [h["x"] + h["width"] / 2 - box["x"] for h in handles]
    assert middles == pytest.approx([left + zoom * cols * share / 3 for share in (1, 2)], abs=2)
    labels = [label.bounding_box() for label in desk.page.locator(".label").all()]
    assert labels[0]["x"] + labels[0]["width"] == pytest.approx(box["x"] + middles[0] - 10, abs=2)
    assert [label["x"] for label in labels[1:]] == pytest.approx([box["x"] + m + 10 for m in middles], abs=2)
    desk.drag((middles[0], box["height"] / 2), (middles[0] + 30, box["height"] / 2))
    moved = desk.page.locator(".handle").first.bounding_box()
    assert moved["x"] + moved["width"] / 2 - box["x"] == pytest.approx(middles[0] + 30, abs=2)
    # zoomed in, they stay on the screen
    desk.press(*["+"] * 12)
    assert all(0 <= h.bounding_box()["x"] - box["x"] <= box["width"] for h in desk.page.locator(".handle").all())


@pytest.mark.parametrize("size", [(1280, 820), (900, 700), (420, 820)], ids=str)
def test_nothing_on_the_page_is_blank_and_the_picture_has_its_room(visit, served, scan, size):
    served.upload(scan)
    desk = visit(viewport={"width": size[0], "height": size[1]})
    status = desk.page.locator("#status").bounding_box()
    cells = [c.bounding_box() for c in desk.page.locator("#status .cell:visible").all() if c.inner_text()]
    assert status["y"] + status["height"] - max(c["y"] + c["height"] for c in cells) <= 10
    box = desk.stage()
    assert box["height"] >= (0.75 if size[0] > 800 else 0.4) * size[1]


def test_save_csv_takes_one_click_after_a_resolution_was_typed(visit, served, scan):
    """Leaving the field must not add a row above the button that is being clicked."""
    served.upload(scan)
    desk = visit()
    desk.press("s")
    box = desk.stage()
    desk.drag((box["width"] / 2, box["height"] / 2), (box["width"] / 2 + 60, box["height"] / 2 + 60))
    desk.page.locator("#srb").fill("100")
    name, text = desk.download("#roi-csv")
    assert name == "regions.csv" and b"SNR_N," in text


def test_the_words_of_an_error_stand_out_in_both_themes(visit, tmp_path):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0 none")
    for scheme in ("light", "dark"):
        desk = visit(color_scheme=scheme)
        desk.page.set_input_files("#file-input", str(broken))
        desk.page.wait_for_selector("#notice.error")
        assert desk.page.eval_on_selector("#notice", "e => getComputedStyle(e).color") == "rgb(255, 255, 255)"
        desk.complaints[:] = [c for c in desk.complaints if "422" not in c]


@pytest.fixture
def gated(scan, tmp_path):
    """A simulated result as the gate leaves it: a quarter each linear, network, contradicted, linear; a record beside it."""
    import hashlib

    from coldray.radiograph import Step

    original = read_image(scan)
    rows, cols = original.shape
    digest = hashlib.sha256(scan.read_bytes()).hexdigest()
    details = {
        "method": "cold",
        "steps": 2,
        "blurred": "gos135",
        "sharp": "gos34",
        "sha256_in": digest,
        "on_contradiction": "keep",
    }
    path = tmp_path / "gated.tif"
    write_image(path, original.with_pixels(original.pixels + 10, Step("restore", details)))
    gate, evidence = np.zeros((rows, cols), np.float32), np.zeros((rows, cols), np.float32)
    gate[:, cols // 4 : 3 * cols // 4] = 0.5
    evidence[:, cols // 2 : 3 * cols // 4] = 4
    nothing = np.zeros((rows, cols), np.float32)
    write_image(tmp_path / "gated.provenance.tif", Radiograph(np.stack([nothing, nothing, nothing, gate])))
    write_image(tmp_path / "gated.certificate.tif", Radiograph(np.stack([evidence, nothing])))
    network = {"share": 0.8, "verdict": "contradicted", "marked_share": 0.25, "replaced_share": 0.0}
    consistency = {"verdict": "contradicted", "statement": "The measurement contradicts it.", "false_alarm_chance": 0.01,
                   "linear_share": 0.5, "network": network, "places": []}  # fmt: skip
    record = {"sha256_out": hashlib.sha256(path.read_bytes()).hexdigest(), "method": "cold", "steps": 2, "seconds": 1.0,
              "clipped_pixels": 0, "warnings": [], "consistency": consistency}  # fmt: skip
    (tmp_path / "gated.tif.json").write_text(json.dumps(record))
    return path


def test_a_contradicted_image_from_disk_shows_its_original_first_and_the_three_states_on_demand(
    visit, served, scan, gated, png
):
    for path in (scan, gated):
        served.desk.shelf.open(path, path.name)
    desk = visit()
    desk.page.wait_for_selector("#images [data-role=restored]")
    desk.settle()
    assert desk.page.locator(".label").all_inner_texts() == ["Original"]
    assert "the original is shown" in desk.page.locator("#notice").inner_text()
    assert desk.page.locator("#verdict").inner_text() == "Contradicted"
    facts = desk.page.locator("#result-facts").inner_text()
    assert "contradicted (25 % of the image); kept" in facts and "50 % of the image: no network enters there" in facts
    desk.press("1")
    assert desk.page.locator(".label").all_inner_texts() == ["Original", "Restored · cold"]
    desk.press("g", "3")
    desk.page.click("#images [data-role=restored]")
    shares = desk.page.locator("#shares dd").all_inner_texts()
    assert shares == ["50 %", "25 %", "25 %"]
    desk.page.locator("#opacity").fill("100")
    left, top = desk.one_to_one()
    rows, cols = desk.shape
    seen = desk.screen(png)[top + rows // 2]
    assert (np.abs(seen[left + cols // 4 + 2 : left + cols // 2 - 2] - BLUE) <= 1).all()
    assert (np.abs(seen[left + cols // 2 + 2 : left + 3 * cols // 4 - 2] - (232, 44, 150)) <= 1).all()
    bare = seen[left + 2 : left + cols // 4 - 2]
    assert (np.ptp(bare, axis=1) <= 1).all()
    desk.point(left + cols / 2 + 10.5, top + rows / 2)
    assert "contradicted" in desk.page.locator("#values .states").inner_text()
    desk.press("r")
    assert "it was not written with this restored image" in desk.page.locator("#notice").inner_text()


def test_everything_that_decides_a_result_can_be_chosen_on_the_page(visit, served, scan, tmp_path, until):
    import hashlib

    served.upload(scan)
    flats = tmp_path / "flats.tif"
    noise = np.random.default_rng(4).normal(40000, 250, (4, 160, 224))
    write_image(
        flats, Radiograph(np.rint(noise).astype(np.uint16), Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0))
    )
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0 none")
    desk = visit()
    desk.page.click("#restore")
    assert desk.page.locator("#r-gain").is_disabled() and desk.page.locator("#r-even").is_disabled()  # of wiener
    desk.page.select_option("#r-method", "cold")
    for name, value in (("gain", "detail"), ("even", "network"), ("contradiction", "keep"), ("model", "compact")):
        desk.page.select_option(f"#r-{name}", value)
    desk.page.set_input_files("#flat-input", str(broken))
    desk.page.wait_for_selector("#restore-error")
    assert "broken.tif" in desk.page.locator("#restore-error").inner_text()
    desk.complaints[:] = [c for c in desk.complaints if "422" not in c]
    desk.page.set_input_files("#flat-input", str(flats))
    desk.page.wait_for_function("() => document.getElementById('r-flats-names').textContent === 'flats.tif'")
    desk.page.click("#restore-go")
    desk.page.wait_for_selector("[data-download=record]")
    _, data = desk.download("[data-download=record]")
    used = json.loads(data)["recipe"]["settings"]
    assert (used["gain"], used["even"], used["on_contradiction"]) == ("detail", "network", "keep")
    assert used["noise"] == [hashlib.sha256(flats.read_bytes()).hexdigest()]
    assert str(served.desk.shelf.folder) not in data.decode()
    desk.page.click("#restore")
    desk.page.click("#r-flats-clear")
    desk.page.wait_for_function("() => document.getElementById('r-flats-clear').hidden")
    until(lambda: not list(served.desk.shelf.folder.glob("flats-*")))
    desk.page.click("#restore-dialog [value=cancel]")


def test_keys_of_overlays_say_why_there_is_none(visit, served, scan):
    served.upload(scan)
    desk = visit()
    for key in "grlmdc":
        desk.press(key)
        assert "restore this image first" in desk.page.locator("#notice").inner_text()
        desk.page.evaluate("document.getElementById('notice').textContent = ''")


def test_messages_name_fields_of_the_page_not_flags(visit, served, tmp_path):
    stored = np.random.default_rng(1).integers(20000, 40000, (120, 160), dtype=np.uint16)
    path = tmp_path / "bare.tif"
    write_image(path, Radiograph(stored, Acquisition()))
    served.upload(path)
    desk = visit()
    said = desk.page.locator("#warnings").inner_text() + desk.page.locator("#mtf-note").inner_text()
    assert "“Open beam”" in said and "--" not in said
    worded = """async text => (await import(new URL("static/panel.js", document.baseURI))).worded(text)"""
    told = {
        "give --open-beam DN or -m MODEL": "give “Open beam” or “Model”",
        "choose the detectors (--blurred, --sharp)": "choose the detectors (“Taken with”, “Restore towards”)",
        "`pixel_pitch_mm` is 0": "“Pixel pitch” is 0",
        "a--b.tif, `cat` and --nothing": "a--b.tif, `cat` and --nothing",
    }
    for text, words in told.items():
        assert desk.page.evaluate(worded, text) == words


def test_the_link_keeps_what_else_it_asks_for(visit):
    desk = visit("renderer=2d")
    assert desk.page.locator("#engine").inner_text() == "2-D canvas"
    assert desk.page.url.endswith("/?renderer=2d")


def test_the_theme_button_wins_over_the_system(visit, served, scan, png):
    served.upload(scan)
    desk = visit(color_scheme="dark")
    desk.page.click("#theme")
    desk.settle()
    assert desk.page.evaluate("document.documentElement.dataset.theme") == "light"
    assert (png(desk.page.locator("#dock").screenshot())[5, 5] > 128).all()
    box = desk.stage()
    assert desk.screen(png)[int(box["height"] / 2), 6].min() > 150


DRAG = """async (rounds) => {
  const stage = document.getElementById("stage");
  const fire = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind,
    { clientX: x, clientY: y + 60, pointerId: 1, bubbles: true, button: 0 }));
  stage.setPointerCapture = () => {};
  const frame = () => new Promise(done => requestAnimationFrame(done));
  fire("pointerdown", 300, 300);
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < 4; k++) fire("pointermove", 300 + 3 * i + k, 300 + i);
    stage.dispatchEvent(new WheelEvent("wheel", { deltaY: i % 2 ? -40 : 40, clientX: 500, clientY: 400, cancelable: true }));
    await frame();
  }
  fire("pointerup", 420, 340);
}"""
SWIPE = """async (rounds) => {
  const handle = document.querySelector(".handle"), stage = document.getElementById("stage").getBoundingClientRect();
  handle.setPointerCapture = () => {};
  const fire = (kind, x) => handle.dispatchEvent(new PointerEvent(kind, { clientX: x, clientY: 300, pointerId: 1, bubbles: true }));
  const frame = () => new Promise(done => requestAnimationFrame(done));
  fire("pointerdown", stage.x + stage.width / 2);
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < 4; k++) fire("pointermove", stage.x + stage.width * (0.3 + 0.4 * ((4 * i + k) % 9) / 9));
    await frame();
  }
  fire("pointerup", stage.x + stage.width / 2);
}"""
COUNT = """async () => {
  const { GlRenderer } = await import(new URL("static/gl.js", document.baseURI)), { Picture } = await import(new URL("static/pixels.js", document.baseURI));
  const gl = WebGL2RenderingContext.prototype, counts = window.counts = { draws: 0, uploads: 0, pictures: 0, scans: 0 };
  const count = (owner, name, key) => {
    const own = owner[name];
    owner[name] = function (...all) { counts[key]++; return own.apply(this, all); };
  };
  count(gl, "drawArrays", "draws");
  for (const name of ["texSubImage2D", "texImage2D", "texStorage2D", "bufferData"]) count(gl, name, "uploads");
  count(GlRenderer.prototype, "begin", "pictures");
  for (const name of ["quantile", "region", "profile"]) count(Picture.prototype, name, "scans");
}"""


def large_image(tmp_path, size):
    stored = np.random.default_rng(0).integers(8000, 52000, (size, size), dtype=np.uint16)
    np.save(tmp_path / f"{size}.npy", stored)
    return stored, tmp_path / f"{size}.npy"


def swiped_pair(desk, path):
    """Open an image and itself as its reference, and wait until both were drawn."""
    desk.open(path)
    study = desk.page.evaluate("document.documentElement.dataset.study")
    desk.served.upload(path, query=f"/api/studies/{study}/layers/reference")
    desk.page.wait_for_selector("#images [data-role=reference]", timeout=600_000)
    desk.settle()


# tiles are 2048 x 2048: both sizes have four
LARGE = [2304, pytest.param(4096, marks=pytest.mark.slow)]


@pytest.mark.parametrize("size", LARGE)
def test_an_image_of_four_tiles_costs_four_draw_calls_a_frame_and_nothing_else(visit, tmp_path, size):
    """Window, zoom and swipe on two images: no pixel is sent or scanned again, and several events make one picture."""
    stored, path = large_image(tmp_path, size)
    desk = visit("renderer=webgl")
    swiped_pair(desk, path)
    desk.press("w")
    desk.page.evaluate(COUNT)
    for action, rounds in ((DRAG, 12), (SWIPE, 12)):
        desk.page.evaluate("() => Object.keys(window.counts).forEach(key => (window.counts[key] = 0))")
        desk.page.evaluate(action, rounds)
        counts = desk.page.evaluate("() => window.counts")
        assert counts["uploads"] == 0 and counts["scans"] == 0
        assert 6 <= counts["pictures"] <= 14
        # each image is four tiles; those that the swipe hides are not drawn
        assert counts["draws"] <= 8 * counts["pictures"]
    desk.page.click("#images [data-role=reference]")
    desk.type(low=8000, high=52000)
    left, top = desk.one_to_one()
    desk.point(400.5, 300.5)
    col, row = (int(n) for n in re.search(r"x (\d+) y (\d+)", desk.page.locator("#at").inner_text()).groups())
    assert (col, row) == (400 - left, 300 - top)
    assert desk.value("original") == stored[row, col]


@pytest.mark.parametrize("large", LARGE)
def test_a_frame_of_a_large_image_touches_no_more_pixels_than_one_of_1024_by_1024(visit, tmp_path, large):
    """On a plain canvas, counted and not timed: a frame costs what the screen has pixels, not what the image has."""
    desk, touched = visit("renderer=2d"), {}
    count = """() => {
      const own = CanvasRenderingContext2D.prototype, put = own.putImageData;
      window.touched = [];
      own.putImageData = function (image, ...all) {
        window.touched.push(image.width * image.height);
        return put.call(this, image, ...all);
      };
    }"""
    desk.page.evaluate(count)
    for size in (1024, large):
        _, path = large_image(tmp_path, size)
        swiped_pair(desk, path)
        desk.press("w")
        desk.page.evaluate("() => (window.touched = [])")
        desk.page.evaluate(DRAG, 4)
        desk.page.evaluate(SWIPE, 4)
        # two images a frame, cut where the handle stands
        frames = desk.page.evaluate("() => window.touched")
        touched[size] = max(a + b for a, b in zip(frames[::2], frames[1::2], strict=True))
        desk.page.click("#close-study")
        desk.page.wait_for_selector("#empty", state="visible")
    assert 0 < touched[large] <= 1.3 * touched[1024]
    area = desk.page.evaluate(
        "() => document.getElementById('stage').clientWidth * document.getElementById('stage').clientHeight"
    )
    assert touched[large] <= 1.1 * area


def test_without_a_gpu_the_page_changes_to_the_canvas_that_is_faster(visit, served, scan, png):
    served.upload(scan)
    slow = visit()
    slow.page.evaluate(
        """async () => {
          const { Stage } = await import("/static/stage.js"), judge = Stage.prototype._judge;
          Stage.prototype._judge = function (began) { judge.call(this, began - 100); }; // every picture 100 ms late
        }"""
    )
    slow.page.wait_for_function("() => document.querySelector('#low').value && document.querySelector('#high').value")
    low, high = (float(slow.page.input_value(f"#{name}")) for name in ("low", "high"))
    for _ in range(10):
        slow.press("+", "-")
    assert slow.page.locator("#engine").inner_text() == "2-D canvas"
    slow.press("f", "z")
    left, top = slow.one_to_one()
    stored = read_image(scan).pixels.astype(int)
    seen = slow.screen(png)[top + 60 : top + 120, left + 40 : left + 200]
    assert np.abs(seen - grey(stored[60:120, 40:200], low, high)[..., None]).max() <= 1.6


def test_the_page_comes_back_after_the_server_was_away(visit, served, scan, until):
    desk = visit()
    served.upload(scan)
    desk.page.wait_for_function("() => document.documentElement.dataset.study")
    assert desk.page.locator("#study").inner_text() == "scan.tif"
    desk.page.click("#close-study")
    desk.page.wait_for_selector("#empty", state="visible")
    until(lambda: served.state()["studies"] == [])
