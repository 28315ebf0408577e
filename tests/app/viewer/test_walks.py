"""Recorded walks: what an inspector and a detector scientist do on the page, every number against its own."""

import csv
import io
import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

pytest.importorskip("fastapi", reason="the viewer needs the extra view")
pytest.importorskip("playwright.sync_api", reason="the viewer is tested with playwright")

from coldray.api.measure import edge_mtf
from coldray.checkpoint import file_sha256
from coldray.formats import read_image, write_image
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph

PITCH_MM, OPEN_BEAM = 0.048, 50000.0
BALL, VOIDS = (60, 50, 24), ((54, 46, 6), (68, 58, 4))
"""Centre and radius of a solder ball and of two voids in it [px]."""


def ball_image():
    """Simulated: a dark disc with two bright voids, blurred, with the noise of the thick screen at 1 s."""
    rows, cols = np.mgrid[:120, :160] + 0.5
    image = np.full((120, 160), 0.75)
    for (x, y, radius), value in ((BALL, 0.25), *((void, 0.55) for void in VOIDS)):
        image[(cols - x) ** 2 + (rows - y) ** 2 <= radius**2] = value
    image = gaussian_filter(image, 1.5)
    image += NoiseModel.of_detector(load_detector("gos135"), 1.0).draw(image, np.random.default_rng(1))
    return np.rint(OPEN_BEAM * image).astype(np.uint16)


@pytest.fixture
def walk(browser, serve):
    """A viewer with reports and a page at 1280 x 820; whatever the page complains of fails the walk."""
    with serve(reports=True) as served:
        context = browser.new_context(viewport={"width": 1280, "height": 820})
        page, complaints = context.new_page(), []
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "422" not in m.text else None)
        yield page, served
        context.close()
    assert complaints == []


def one_to_one(page, rows, cols):
    """One screen pixel per image pixel; returns where image pixel (0, 0) is on the screen."""
    page.locator("#stage").focus()
    for key in "fz":
        page.keyboard.press(key)
    box = page.locator("#stage").bounding_box()
    return box["x"] + np.floor(box["width"] / 2 - cols / 2 + 0.5), box["y"] + np.floor(
        box["height"] / 2 - rows / 2 + 0.5
    )


def drag(page, origin, tool, start, end):
    page.click(f"[data-tool={tool}]")
    page.mouse.move(origin[0] + start[0], origin[1] + start[1])
    page.mouse.down()
    page.mouse.move(origin[0] + end[0], origin[1] + end[1])
    page.mouse.up()


def numbers(page, table):
    cells = page.locator(f"#{table} td[data-quantity]")
    return cells.evaluate_all(
        "all => Object.fromEntries(all.map(c => [`${c.dataset.quantity}/${c.dataset.role}`, Number(c.dataset.value)]))"
    )


def download(page, selector):
    with page.expect_download(timeout=600_000) as caught:
        page.click(selector)
    return caught.value.path().read_bytes()


def test_an_inspector_rejects_a_ball_for_its_voids(walk, tmp_path, until, stands, list_anew):
    """Open from the list, restore, mark voids and measure them, decide, report; all of it is there the next morning."""
    page, served = walk
    folder = tmp_path / "line"
    folder.mkdir()
    pixels = ball_image()
    for name in ("ball 1.tif", "ball 2.tif"):
        write_image(
            folder / name, Radiograph(pixels, Acquisition(pixel_pitch_mm=PITCH_MM, open_beam=OPEN_BEAM, linear=True))
        )
    served.desk.folders.add(folder)
    page.goto(served.link)
    page.wait_for_selector("#folder-dialog[open] .card >> nth=1")
    page.fill("#folder-inspector", "N. N.")
    page.click(".card:nth-child(1) [data-decision=accepted]")
    page.wait_for_selector(".card:nth-child(1) [data-decision=accepted][aria-pressed=true]")
    page.click(".card:nth-child(2) .thumb")
    stands(page, "ball 2.tif")
    page.click("#restore")
    page.fill("#r-exposure", "1")
    page.click("#restore-go")
    page.wait_for_selector("[data-download=report]", timeout=600_000)
    verdict = (
        "() => /^(consistent|contradicted|contradicted in places)$/i.test(document.querySelector('#verdict').innerText)"
    )
    page.wait_for_function(verdict)

    # the void percentage of the ball, on the original: the pixels of the voids over those of the ball
    origin = one_to_one(page, *pixels.shape)
    x, y = BALL[:2]
    radius = BALL[2] - 3  # the blurred rim is no void
    drag(page, origin, "circle", (x - radius, y), (x + radius, y))
    page.fill("#n-threshold", "20000")
    page.fill("#n-class", "void")
    page.select_option("#n-decision", "rejected")
    rows, cols = np.mgrid[:120, :160] + 0.5
    inside = (cols - x) ** 2 + (rows - y) ** 2 <= radius**2
    table = numbers(page, "n-table")
    assert table["Void, %/original"] == pytest.approx(100 * np.mean(pixels[inside] > 20000), rel=1e-12)
    assert table["Void, %/original"] == pytest.approx(100 * (6**2 + 4**2) / radius**2, abs=0.8)  # the areas, blurred
    assert table["Mean/original"] == pytest.approx(pixels[inside].mean(), rel=1e-12)
    # 2.016 mm of diameter; a known length makes it 1.05 mm at the object
    assert "⌀ 2.016 mm, 3.192 mm²" in page.text_content("#n-size")
    page.fill("#n-known", "1.05")
    page.keyboard.press("Tab")
    assert "⌀ 1.05 mm, 0.8659 mm²" in page.text_content("#n-size") and "25 µm per pixel" in page.text_content(
        "#i-calibration"
    )
    drag(page, origin, "distance", (54, 46), (68, 58))
    assert f"{0.025 * np.hypot(14, 12):.4g} mm" in page.text_content("#n-size")
    page.select_option("#i-decision", "rejected")
    page.fill("#i-inspector", "N. N.")
    page.keyboard.press("Tab")

    beside = folder / "ball 2.tif.inspection.json"
    until(beside.is_file)
    notes = until(lambda: (d := json.loads(beside.read_text()))["decision"] == "rejected" and d["inspector"] and d)
    assert notes["sha256"] == file_sha256(folder / "ball 2.tif") and notes["calibration"]["known_mm"] == 1.05
    assert [(m["kind"], m["defect"], m["decision"]) for m in notes["marks"]] == [
        ("circle", "void", "rejected"),
        ("distance", "", "open"),
    ]
    rows = list(csv.DictReader(io.StringIO(download(page, "#i-csv").decode())))
    assert float(rows[0]["void_percent"]) == table["Void, %/original"] and float(rows[0]["pixel_mm"]) == pytest.approx(
        0.025
    )
    report = download(page, "[data-inspection=html]").decode()
    share = f"{table['Void, %/original']:.5g}"
    assert "rejected by N. N." in report and share in report and "1 rejected" in report
    assert download(page, "[data-inspection=pdf]").startswith(b"%PDF")

    # the list knows both decisions, and the marks come back with the image
    list_anew(page, lambda: page.keyboard.press("e"))
    pressed = page.locator(".card [aria-pressed=true]").evaluate_all("all => all.map(b => b.dataset.decision)")
    assert pressed == ["accepted", "rejected"] and "1 defect" in page.locator(".card:nth-child(2)").inner_text()
    page.click("#folder-close")
    page.click("#close-study")
    page.wait_for_selector("#empty", state="visible")
    list_anew(page, lambda: page.click("#browse"))
    page.click(".card:nth-child(2) .thumb")
    page.wait_for_selector("#note-list .entry >> nth=1")
    page.wait_for_function("() => document.querySelector('#i-decision').value === 'rejected'")


def edge_image():
    """Simulated: an edge 3 degrees off the columns as the thick screen sees it at 1 s; its MTF is that of the detector's file."""
    detector = load_detector("gos135")
    rows, cols = np.mgrid[:200, :240] + 0.5
    angle = np.deg2rad(3.0)
    distance = PITCH_MM * (cols - 120 - (rows - 100) * np.tan(angle)) * np.cos(angle)
    # edge response of an MTF: 1/2 + integral of MTF(f) sin(2 pi f x) / (pi f)
    frequency = (np.arange(4000) + 0.5) * detector.nyquist_lp_mm / 4000
    grid = np.linspace(distance.min(), distance.max(), 4001)
    waves = np.sin(2 * np.pi * frequency * grid[:, None]) * detector.mtf(frequency) / (np.pi * frequency)
    response = 0.5 + waves.sum(axis=1) * (frequency[1] - frequency[0])
    image = 0.3 + 0.4 * np.interp(distance, grid, response)
    image += NoiseModel.of_detector(detector, 1.0).draw(image, np.random.default_rng(7))
    return np.rint(OPEN_BEAM * image).astype(np.uint16)


def test_a_scientist_measures_an_edge_before_and_after(walk, tmp_path, stands):
    """Window, profile, SNR, the MTF of an edge with its band and CSV, restored and not; the numbers of the library."""
    page, served = walk
    pixels = edge_image()
    path = tmp_path / "edge.tif"
    write_image(path, Radiograph(pixels, Acquisition(pixel_pitch_mm=PITCH_MM, open_beam=OPEN_BEAM, linear=True)))
    page.goto(served.link)
    page.wait_for_selector("html[data-drawn][data-study]", state="attached")
    page.set_input_files("#file-input", str(path))
    stands(page, "edge.tif")
    origin = one_to_one(page, *pixels.shape)
    drag(page, origin, "profile", (60.5, 100.5), (180.5, 100.5))
    profile = list(csv.reader(io.StringIO(download(page, "#profile-csv").decode())))
    assert [float(line[1]) for line in profile[1:]] == pixels[100, 60:181].tolist()

    page.click("#restore")
    page.select_option("#r-method", "wiener")
    page.fill("#r-exposure", "1")
    page.click("#restore-go")
    page.wait_for_selector("#images [data-role=restored]", timeout=600_000)
    page.wait_for_selector("[data-download=image]", timeout=600_000)
    (tmp_path / "restored.tif").write_bytes(download(page, "[data-download=image]"))
    region = (40, 20, 160, 160)
    drag(page, origin, "signal", (40.5, 20.5), (199.5, 179.5))
    assert tuple(int(page.input_value(f"#s-{k}")) for k in "xywh") == region
    page.click("#edge-measure")
    page.wait_for_selector("#edge-body:not([hidden])", timeout=600_000)
    shown = numbers(page, "edge-table")
    for role, file in (("original", path), ("restored", tmp_path / "restored.tif")):
        known = edge_mtf(read_image(file), roi=region)
        lines = [
            line for line in download(page, f"[data-edge={role}]").decode().splitlines() if not line.startswith("#")
        ]
        table = {name: [float(v) for v in column] for name, *column in zip(*csv.reader(lines), strict=True)}
        assert table == {
            name: pytest.approx(np.asarray(v, dtype=float).tolist()) for name, v in known.columns().items()
        }
        assert shown[f"MTF 50 %/{role}"] == pytest.approx(known.mtf50_lp_mm, rel=1e-12)
        assert shown[f"Angle, °/{role}"] == pytest.approx(known.angle_deg, rel=1e-12)
        low, high = (np.asarray(known.columns()[name]) for name in ("mtf_low", "mtf_high"))
        if role == "original":  # the detector's own MTF lies in the band of two sigmas
            frequency = np.asarray(known.columns()["frequency_lp_mm"])
            truth = load_detector("gos135").mtf(frequency)
            inside = (truth >= low - 1e-3) & (truth <= high + 1e-3)
            assert inside[frequency < 6].mean() >= 0.9
            assert known.angle_deg == pytest.approx(3.0, abs=0.05)
    assert shown["MTF 50 %/restored"] > 1.2 * shown["MTF 50 %/original"]
    assert page.locator("#edge-plot path.area").count() == 2 and page.locator("#edge-plot path.series").count() == 2
    # the result belongs to its region
    page.fill("#s-w", "150")
    page.keyboard.press("Tab")
    page.wait_for_selector("#edge-body", state="hidden")
    # a region without an edge is told, with what to do
    drag(page, origin, "signal", (5.5, 5.5), (60.5, 60.5))
    page.click("#edge-measure")
    # the note of a contradicted result may still stand there
    page.wait_for_function("() => document.querySelector('#notice.error')?.innerText.includes('edge')")
    assert page.locator("#edge-body").is_hidden()
