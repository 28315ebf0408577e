"""Take the pictures of the viewer and of a report: a simulated board, restored, in Chromium through Playwright.

python docs/images/make.py [--only NAME ...] [--data FOLDER]   (about two minutes of processor time)
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
LARGEST_BYTES = 300_000
WIDE, NARROW, SHEET = (1280, 820), (420, 860), (900, 1180)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu")
FAMILY, RANDOM_STATE, SIZE_PX, EXPOSURE_S = "handheld", 7, 640, 1.0


def coldray(*arguments: object) -> None:
    """Run one command."""
    subprocess.run([sys.executable, "-m", "coldray", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def data(folder: Path) -> tuple[Path, Path, Path]:
    """Simulate a board and restore it; returns thick, thin and report. What is there already is used."""
    thick, thin, restored = folder / "board_thick.tif", folder / "board_thin.tif", folder / "restored.tif"
    if not thin.exists():
        coldray(
            "simulate", "board", "-o", folder / "pairs", "--family", FAMILY, "--exposure-s", EXPOSURE_S,
            "--random-state", RANDOM_STATE, "--size-px", SIZE_PX,
        )  # fmt: skip
        pair = folder / "pairs" / f"{FAMILY}-{RANDOM_STATE}"
        shutil.copy(pair / "lr" / "000.tif", thick)
        shutil.copy(pair / "hr" / "000.tif", thin)
    if not restored.exists():
        coldray("restore", thick, "-o", restored, "--exposure-s", EXPOSURE_S, "--report")
    return thick, thin, folder / "restored.report.html"


def settle(page: Page) -> None:
    """Wait until nothing loads and two frames were drawn."""
    page.wait_for_selector("#loading", state="hidden")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def press(page: Page, *keys: str) -> None:
    """Keys on the images."""
    page.evaluate("document.activeElement.blur()")
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def fold(page: Page, *closed: str) -> None:
    """Close sections of the dock."""
    for name in closed:
        page.evaluate("name => { document.getElementById(name).open = false; }", name)


def restored(page: Page) -> None:
    """Restore in the page and wait for the result."""
    page.click("#restore")
    page.fill("#r-exposure", str(EXPOSURE_S))
    page.click("#restore-go")
    page.wait_for_selector("[data-download=image]", timeout=300_000)
    page.wait_for_selector("#images [data-role=restored]")
    # the report is written while the image is looked at
    page.wait_for_selector("#task", state="hidden", timeout=300_000)
    page.wait_for_selector("#notice", state="hidden")
    settle(page)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the images; places are parts of their width and height."""
    box = page.locator("#stage").bounding_box()
    assert box is not None
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    page.mouse.move(x1, y1)
    page.mouse.up()
    settle(page)


def dark(page: Page) -> None:
    """Three images under one window, swiped."""
    press(page, "1", "f", "+", "+")


def measure(page: Page) -> None:
    """A line profile and two regions."""
    fold(page, "sec-window", "sec-layers", "sec-curves", "sec-result")
    press(page, "1", "f", "p")
    drag(page, (0.3, 0.62), (0.62, 0.62))
    press(page, "s")
    drag(page, (0.46, 0.76), (0.52, 0.81))
    press(page, "b")
    drag(page, (0.8, 0.62), (0.86, 0.69))
    press(page, "v")


def places(page: Page) -> None:
    """Side by side, with the statement of the certificate and its places, if there are any."""
    fold(page, "sec-window", "sec-layers", "sec-profile", "sec-roi", "sec-curves")
    press(page, "2", "f", "c")
    first = page.locator("#places button")
    if first.count():
        first.first.click()
        settle(page)
    page.evaluate("document.getElementById('sec-result').scrollIntoView()")


def narrow(page: Page) -> None:
    """The same on a narrow screen."""
    fold(page, "sec-window", "sec-layers", "sec-profile", "sec-roi", "sec-curves")
    press(page, "1", "f")
    page.evaluate("document.getElementById('sec-result').scrollIntoView()")


VIEWS: dict[str, tuple[Callable[[Page], None], tuple[int, int], Literal["light", "dark"]]] = {
    "viewer_dark": (dark, WIDE, "dark"),
    "viewer_measure": (measure, WIDE, "light"),
    "viewer_places": (places, WIDE, "dark"),
    "viewer_narrow": (narrow, NARROW, "light"),
}
REPORT = "report"


def save(name: str, png: bytes) -> None:
    """Write a picture as WebP, small enough for the repository."""
    path = HERE / f"{name}.webp"
    Image.open(io.BytesIO(png)).convert("RGB").save(path, quality=80, method=6)
    if path.stat().st_size > LARGEST_BYTES:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes; {LARGEST_BYTES} are the most")
    print(path.name, path.stat().st_size)


def take(names: list[str], folder: Path) -> None:
    """Serve the viewer and take the pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    thick, thin, report = data(folder)
    command = [sys.executable, "-m", "coldray", "serve", thick, "--reference", thin, "--port", 0, "--json"]
    with (
        subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as driver,
    ):
        try:
            assert server.stdout is not None
            told: dict[str, Any] = json.loads(server.stdout.readline())
            browser = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
            first = True
            for name in names:
                if name == REPORT:
                    page = browser.new_page(viewport={"width": SHEET[0], "height": SHEET[1]}, color_scheme="light")
                    page.goto(report.as_uri())
                    page.wait_for_load_state("load")
                else:
                    show, size, scheme = VIEWS[name]
                    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
                    page.goto(told["url"])
                    page.wait_for_selector("html[data-drawn][data-study]", state="attached")
                    settle(page)
                    if first:
                        restored(page)
                        first = False
                    show(page)
                save(name, page.screenshot())
                page.close()
            browser.close()
        finally:
            server.terminate()


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [*VIEWS, REPORT]
    parser.add_argument("--only", nargs="*", choices=every, default=every, metavar="NAME", help=", ".join(every))
    parser.add_argument("--data", type=Path, help="keep the simulated images here, and use them if they exist")
    asked = parser.parse_args()
    if asked.data is not None:
        asked.data.mkdir(parents=True, exist_ok=True)
        take(asked.only, asked.data)
        return
    with tempfile.TemporaryDirectory() as folder:
        take(asked.only, Path(folder))


if __name__ == "__main__":
    main()
