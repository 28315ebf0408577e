"""A trial's reading page: what the server tells, what it keeps from a reader, and a reading from the first image to the last."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

import httpx

from coldray.app.viewer.connections import Server
from coldray.app.viewer.guard import Access
from coldray.app.viewer.reading import Room, create_reading_app
from coldray.app.viewer.run import server_config
from coldray.benchmark.trial.analysis import analyse
from coldray.benchmark.trial.cases import Source
from coldray.benchmark.trial.documents import Defect, read_manifest, read_sealed
from coldray.benchmark.trial.package import make_trial, write_trial
from coldray.formats import read_image
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.job import Job

TOKEN = "a-token-for-tests-only"
SIDE = 64


def disc(number, has_defect):
    """Simulated: even ground with the noise of the thick screen at 1 s, and a bright disc at x 40, y 24."""
    rows, cols = np.mgrid[:SIDE, :SIDE] + 0.5
    image = np.where((cols - 40) ** 2 + (rows - 24) ** 2 <= 16, 0.6, 0.5) if has_defect else np.full((SIDE, SIDE), 0.5)
    image = image + NoiseModel.of_detector(load_detector("gos135"), 1.0).draw(image, np.random.default_rng(number))
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, linear=True)
    return Source(f"{number}.tif", f"{number:064d}", Radiograph(np.rint(50000 * image).astype(np.uint16), known))


@pytest.fixture(scope="module")
def made():
    sources = [disc(number, number < 2) for number in range(4)]
    table = {one.name: (Defect(x_px=40, y_px=24, radius_px=4),) if k < 2 else () for k, one in enumerate(sources)}
    job = Job(method="wiener", model=None, blurred="gos135", sharp="gos34", exposure_s=1.0)
    return make_trial(sources, table, job, ("A", "B"), random_state=2, washout_days=1)


class Clock:
    """A time that moves when it is told to."""

    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def trial(made, tmp_path):
    folder, sealed = tmp_path / "trial", tmp_path / "trial.sealed.json"
    write_trial(made, folder, sealed)
    return folder, sealed


@contextmanager
def reading(folder, clock, readers=()):
    """The reading room on a free port; gives its client and address."""
    (folder / "answers").mkdir(exist_ok=True)
    listener = socket.create_server(("127.0.0.1", 0))
    room = Room(folder, folder / "answers", readers, clock)
    server = Server(server_config(create_reading_app(room, Access(TOKEN))))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        with httpx.Client(
            base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=600, trust_env=False
        ) as client:
            yield client, base
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def client(trial, clock):
    with reading(trial[0], clock) as (client, _):
        yield client


def test_the_server_tells_neither_arm_nor_truth_nor_what_comes_later(client, trial, made):
    text = client.get("/api/trial/A").text
    told, manifest = json.loads(text), read_manifest(trial[0])
    shown = told["item"]["layer"]["id"]
    assert shown == manifest.readers["A"][0][0]
    others = [token for token in manifest.items if token != shown]
    for word in ("raw", "linear", ".tif", "defect", "sealed", "commit", made.sealed.nonce, *others):
        assert word not in text.replace(manifest.question, "")
    first_of_b = manifest.readers["B"][0][0]
    for token in manifest.items:
        status = client.get(f"/api/layers/{token}/pixels").status_code
        assert status == (200 if token in (shown, first_of_b) else 404)
    for path in (
        "/api/state",
        "/api/studies",
        "/api/choices",
        "/trial.sealed.json",
        "/static/trial.json",
        "/answers/A",
        "/images",
    ):
        assert client.get(path).status_code in (404, 405)


def test_the_pixels_of_all_images_are_told_alike(client, trial):
    """What describes an image is the same for all of them but for its own values."""
    described = []
    for reader in ("A", "B"):
        layer = client.get(f"/api/trial/{reader}").json()["item"]["layer"]
        got = np.frombuffer(client.get(f"/api/layers/{layer['id']}/pixels").content, dtype="<u2").reshape(SIDE, SIDE)
        np.testing.assert_array_equal(got, read_image(trial[0] / "images" / f"{layer['id']}.tif").pixels)
        described.append({k: v for k, v in layer.items() if k not in ("id", "minimum", "maximum")})
    assert described[0] == described[1] and described[0]["title"] == "Image" and described[0]["pixel_pitch_mm"] == 0.048


@pytest.mark.parametrize("given", [{}, {"rating": 500}, {"rating": 5, "arm": "raw"}, {"rating": 50, "marks": [{"x_px": 999, "y_px": 1, "rating": 5}]}])  # fmt: skip
def test_what_is_no_answer_is_one_line_and_nothing_is_kept(client, trial, given):
    item = client.get("/api/trial/A").json()["item"]["layer"]["id"]
    found = client.post("/api/trial/A", json={"item": item} | given)
    assert found.status_code == 422 and "\n" not in found.json()["error"]
    assert not list((trial[0] / "answers").iterdir())


def test_strangers_and_those_without_the_token_read_nothing(client, trial, clock):
    assert client.get("/api/trial/C").status_code == 404
    assert client.get("/api/trial/A", headers={"Authorization": "Bearer wrong"}).status_code == 401
    with reading(trial[0], clock, ["B"]) as (only_b, _):
        assert only_b.get("/api/trial/A").status_code == 404 and only_b.get("/api/trial/B").status_code == 200


def test_the_token_of_a_reader_is_good_for_no_other(client, trial):
    first = {one: read_manifest(trial[0]).readers[one][0][0] for one in ("A", "B")}
    own, base = Access(TOKEN).token_of("A"), str(client.base_url)
    assert len({own, Access(TOKEN).token_of("B"), TOKEN, Access(TOKEN[::-1]).token_of("A")}) == 4
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {own}"}, timeout=600, trust_env=False) as a:
        assert a.get("/api/trial/A").status_code == 200
        assert a.get(f"/api/layers/{first['A']}/pixels").status_code == 200
        other = a.get("/api/trial/B")
        assert other.status_code == 403 and "another reader's" in other.json()["error"]
        assert a.post("/api/trial/B", json={"item": first["B"], "rating": 10}).status_code == 403
        assert a.get(f"/api/layers/{first['B']}/pixels").status_code == 404
    opened = httpx.get(f"{base}/?token={own}&reader=A", trust_env=False)
    assert opened.status_code == 303 and opened.headers["location"].endswith(f"#token={own}")
    assert own in opened.headers["set-cookie"] and TOKEN not in str(opened.headers)
    assert not list((trial[0] / "answers").iterdir())


def test_an_image_that_was_changed_is_not_shown(client, trial):
    item = read_manifest(trial[0]).readers["A"][0][0]
    path = trial[0] / "images" / f"{item}.tif"
    path.write_bytes(path.read_bytes()[:-2] + b"00")
    found = client.get("/api/trial/A")
    assert found.status_code == 422 and "was changed since the trial was made" in found.json()["error"]


def test_the_next_block_opens_after_the_washout(client, trial, clock):
    for _ in range(4):
        state = client.get("/api/trial/A").json()
        client.post("/api/trial/A", json={"item": state["item"]["layer"]["id"], "rating": 10}).raise_for_status()
    state = client.get("/api/trial/A").json()
    assert (state["done"], state["block"], state["item"]) == (4, 2, None) and state["opens_at"].startswith(
        "2026-01-02T00:00"
    )
    early = read_manifest(trial[0]).readers["A"][1][0]
    assert client.post("/api/trial/A", json={"item": early, "rating": 1}).status_code == 422
    assert client.get(f"/api/layers/{early}/pixels").status_code == 404
    clock.time += timedelta(days=1)
    assert client.get("/api/trial/A").json()["item"]["layer"]["id"] == early


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1100, "height": 760})
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "500" not in m.text else None)
    yield page
    context.close()
    assert complaints == []


def rate(page, selector, value):
    page.locator(selector).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); slider.dispatchEvent(new Event('change')); }",
        value,
    )


def test_two_readers_read_a_trial_from_the_first_image_to_the_last(page, trial, clock):
    """One marks what is there, goes away and comes back after the washout; the other rates by what their eyes tell."""
    folder, sealed = trial
    manifest = read_manifest(folder)
    truth = read_sealed(sealed, manifest)
    where = truth.shown_as()
    with reading(folder, clock) as (client, base):
        page.goto(f"{base}/?token={TOKEN}&reader=A")
        for done in range(8):
            page.wait_for_function("done => document.documentElement.dataset.done === String(done)", arg=done)
            token = page.evaluate("() => document.documentElement.dataset.item")
            assert token == [t for block in manifest.readers["A"] for t in block][done]
            assert page.is_disabled("#t-next")
            if truth.cases[where[token][0]].defects:
                # pixel x 40, y 24 at one screen pixel each, in the middle of the stage
                page.click("#t-one")
                box = page.locator("#stage").bounding_box()
                left = box["x"] + np.floor(box["width"] / 2 - SIDE / 2 + 0.5)
                top = box["y"] + np.floor(box["height"] / 2 - SIDE / 2 + 0.5)
                page.mouse.click(left + 40, top + 24)
                assert "place 1" in page.text_content("#t-hint")
                rate(page, "#t-marks input", 70 + done)
                assert page.text_content("#t-shown") == str(70 + done)  # the image is as sure as its surest place
            else:
                rate(page, "#t-rating", done)
            page.click("#t-next")
            if done == 3:
                page.wait_for_selector("#t-state:not([hidden])")
                assert "block is read" in page.text_content("#t-state") and page.is_hidden("#t-form")
                clock.time += timedelta(days=1)
                page.reload()
            clock.time += timedelta(minutes=1)
        page.wait_for_function("() => document.querySelector('#t-state').textContent.includes('every image')")
        assert "8 of 8" in page.text_content("#t-progress")
        for _ in range(8):
            state = client.get("/api/trial/B").json()
            if state["item"] is None:
                clock.time += timedelta(days=1)
                state = client.get("/api/trial/B").json()
            client.post("/api/trial/B", json={"item": state["item"]["layer"]["id"], "rating": 50}).raise_for_status()
    lines = [json.loads(line) for line in (folder / "answers" / "A.answers.jsonl").read_text().splitlines()]
    marks = [mark for line in lines for mark in line["given"]["marks"]]
    assert len(marks) == 4 and all(abs(m["x_px"] - 40) <= 1 and abs(m["y_px"] - 24) <= 1 for m in marks)
    assert all(line["given"]["seconds"] > 0 for line in lines)
    found = analyse(folder, sealed).to_dict()
    area, located = found["figures"]
    assert [arm["readers"] for arm in area["arms"]] == [{"A": 1.0, "B": 0.5}] * 2
    # B marked nothing: one half; A marked every defect and no control
    assert [arm["readers"] for arm in located["arms"]] == [{"A": 1.0, "B": 0.5}] * 2


def test_a_place_is_moved_and_deleted_and_an_answer_that_fails_stays(page, trial, clock):
    folder, _ = trial
    with reading(folder, clock) as (_, base):
        page.goto(f"{base}/?token={TOKEN}&reader=A")
        page.wait_for_function("() => document.documentElement.dataset.done === '0'")
        box = page.locator("#stage").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.click(x, y)
        page.mouse.click(x + 60, y)
        assert page.locator("#t-marks li").count() == 2
        page.click("[aria-label='Delete place 1']")
        assert page.locator("#t-marks li").count() == 1
        # a place that was rated and deleted leaves no rating of the whole image behind
        page.mouse.click(x - 60, y)
        rate(page, "#t-marks li:last-child input", 80)
        assert page.text_content("#t-shown") == "80"
        page.click("[aria-label='Delete place 2']")
        assert page.text_content("#t-shown") == "–"
        rate(page, "#t-marks input", 30)
        rate(page, "#t-rating", 10)
        assert page.text_content("#t-shown") == "30"
        # the page's own request fails: what was marked is still there, and is sent again
        page.route("**/api/trial/A", lambda route: route.fulfill(status=500, json={"error": "no room on the disk"}))
        page.click("#t-next")
        page.wait_for_selector("#notice:not([hidden])")
        assert page.text_content("#notice") == "no room on the disk" and page.locator("#t-marks li").count() == 1
        page.unroute("**/api/trial/A")
        page.click("#t-next")
        page.wait_for_function("() => document.documentElement.dataset.done === '1'")
        assert page.is_hidden("#notice")


def test_an_image_that_does_not_arrive_leaves_none_before_it_on_the_page(page, trial, clock):
    """The answer is taken, the next image's pixels fail: the answered image goes, and the next one is asked for again."""
    folder, _ = trial
    with reading(folder, clock) as (client, base):
        page.goto(f"{base}/?token={Access(TOKEN).token_of('A')}&reader=A")
        page.wait_for_function("() => document.documentElement.dataset.done === '0'")
        page.route("**/pixels*", lambda route: route.fulfill(status=500, json={"error": "no pixels today"}))
        rate(page, "#t-rating", 10)
        page.click("#t-next")
        page.wait_for_selector("#t-again:not([hidden])")
        assert page.text_content("#notice") == "no pixels today" and page.is_hidden("#t-form")
        assert "did not arrive" in page.text_content("#t-state")
        assert page.evaluate("() => document.documentElement.dataset.item") == ""
        assert client.get("/api/trial/A").json()["done"] == 1
        page.unroute("**/pixels*")
        page.click("#t-again")
        page.wait_for_selector("#t-form:not([hidden])")
        assert page.is_hidden("#notice") and page.is_hidden("#t-again")
        token = page.evaluate("() => document.documentElement.dataset.item")
        assert token == [t for block in read_manifest(folder).readers["A"] for t in block][1]


def test_the_page_has_no_violation_of_accessibility(page, trial, clock):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="accessibility is tested with axe-core")
    with reading(trial[0], clock) as (_, base):
        page.goto(f"{base}/?token={TOKEN}&reader=A")
        page.wait_for_function("() => document.documentElement.dataset.done === '0'")
        box = page.locator("#stage").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        found = axe.Axe().run(page).response["violations"]
    assert {rule["id"]: rule["nodes"][0]["html"][:200] for rule in found} == {}


def test_a_link_without_a_reader_says_so(page, trial, clock):
    with reading(trial[0], clock) as (_, base):
        page.goto(f"{base}/?token={TOKEN}")
        page.wait_for_selector("#token-dialog[open]")
        assert "names no reader" in page.text_content("#t-link")
