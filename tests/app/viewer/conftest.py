"""A viewer served from a thread, small simulated images, and a browser."""

# ruff: noqa: E402

import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.formats import write_image
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph

for needed in ("fastapi", "uvicorn", "httpx"):
    pytest.importorskip(needed, reason="the viewer needs the extra view")

import httpx
import uvicorn

from coldray.app.recipe import Recipe
from coldray.app.viewer.connections import Server
from coldray.app.viewer.desk import Desk
from coldray.app.viewer.guard import Access
from coldray.app.viewer.run import server_config
from coldray.app.viewer.server import create_app
from coldray.app.viewer.settings import Menu

OPEN_BEAM = 50000.0
TOKEN = "a-token-for-tests-only"


HANGS_S = 600.0
"""Only a server that hangs takes longer; no verdict depends on it."""


def wait_until(condition):
    """Wait until a condition holds, and return what it gave."""
    ends = time.monotonic() + HANGS_S
    while not (found := condition()):
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def until():
    return wait_until


@pytest.fixture(scope="session")
def hangs_s():
    return HANGS_S


@dataclass(frozen=True)
class Served:
    """A running viewer."""

    desk: Desk
    server: uvicorn.Server
    port: int
    client: httpx.Client

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def link(self):
        return f"{self.base}/?token={TOKEN}"

    def upload(self, path, name=None, query="/api/studies"):
        headers = {"Content-Type": "application/octet-stream", "X-File-Name": name or path.name}
        return self.client.post(query, content=path.read_bytes(), headers=headers)

    def state(self):
        return self.client.get("/api/state").json()

    def wait_for(self, task_id):
        def ended():
            task = next(t for t in self.state()["tasks"] if t["id"] == task_id)
            return task if task["state"] in ("done", "failed", "cancelled") else None

        return wait_until(ended)


@contextmanager
def serving(menu=None, max_upload_bytes=2**26, root_path="", **limits):
    desk = Desk(menu or Menu(Recipe(method="wiener")), **({"reports": False} | limits))
    listener = socket.create_server(("127.0.0.1", 0))
    access = Access(TOKEN, max_upload_bytes=max_upload_bytes, root_path=root_path)
    server = Server(server_config(create_app(desk, access)))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = listener.getsockname()[1]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=HANGS_S, trust_env=False
        ) as client:
            yield Served(desk, server, port, client)
    finally:
        server.should_exit = True
        thread.join(20)
        desk.close()
        listener.close()


@pytest.fixture(scope="module")
def served():
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def serve():
    return serving


def board_image(shape=(160, 224), random_state=0):
    """Simulated: blurred boxes with the noise of the thick screen at 1 s, fraction of the open beam."""
    rng = np.random.default_rng(random_state)
    image = np.full(shape, 0.7)
    for _ in range(30):
        r, c = rng.integers(0, shape[0] - 20), rng.integers(0, shape[1] - 20)
        image[r : r + rng.integers(4, 20), c : c + rng.integers(4, 20)] *= 0.6
    image = gaussian_filter(image, 1.5)
    return image + NoiseModel.of_detector(load_detector("gos135"), 1.0).draw(image, rng)


@pytest.fixture(scope="session")
def write_scan():
    """Write a simulated 16-bit scan; returns its stored values."""

    def write(path, random_state=0, shape=(160, 224), image=None, **known):
        fraction = board_image(shape, random_state) if image is None else image
        stored = np.rint(fraction * OPEN_BEAM).astype(np.uint16)
        acquisition = Acquisition(
            **({"pixel_pitch_mm": 0.048, "open_beam": OPEN_BEAM, "exposure_s": 0.25, "linear": True} | known)
        )
        write_image(path, Radiograph(stored, acquisition))
        return stored

    return write


@pytest.fixture
def scan(tmp_path, write_scan):
    path = tmp_path / "scan.tif"
    write_scan(path)
    return path


STANDS = """name => {
  const open = document.getElementById("study");
  return open.selectedOptions[0]?.text === name && open.value === document.documentElement.dataset.study;
}"""


@pytest.fixture(scope="session")
def stands():
    """Wait until an image stands on a page with all that is shown of it: the title changes before its pixels are there."""

    def wait(page, name):
        page.wait_for_function(STANDS, arg=name)

    return wait


@pytest.fixture(scope="session")
def list_anew():
    """Open the list of the folder, and wait until its cards are those of an answer that was asked for now."""

    def look(page, opens):
        page.evaluate("() => document.querySelectorAll('.card').forEach(card => card.classList.add('before'))")
        opens()
        page.wait_for_selector("#folder-dialog[open] .card:not(.before) >> nth=0")

    return look


BROWSER_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader-webgl",
    "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium; without it the tests fail under CI and are skipped elsewhere, with the reason."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail("Chromium is not installed: apt-get install chromium")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=list(BROWSER_FLAGS), timeout=1000 * HANGS_S)
        new_context = chromium.new_context

        def patient(**options):
            """A context in which whatever is waited for may take as long as on a machine with much else to do."""
            context = new_context(**options)
            context.set_default_timeout(1000 * HANGS_S)
            return context

        chromium.new_context = patient
        yield chromium
        chromium.close()


def read_png(data):
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.fixture(scope="session")
def png():
    return read_png


@pytest.fixture(scope="session")
def static_folder():
    import coldray.app.viewer

    return Path(coldray.app.viewer.__file__).parent / "static"
