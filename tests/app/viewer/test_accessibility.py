"""What axe-core finds on every state of the page and on the report: nothing, in both themes, wide and narrow."""

import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.viewer.folders import Folders

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="accessibility is tested with axe-core")

RUNNING = {"study": "0" * 16, "name": "scan.tif", "method": "wiener", "note": "network, 1 of 2 steps", "seconds": 1.0,
           "id": "f" * 16, "eta_s": 3.0, "error": None}  # fmt: skip


def violations(page):
    """Rules that a page breaks, with the first element of each."""
    found = axe.Axe().run(page).response["violations"]
    return {rule["id"]: rule["nodes"][0]["html"][:200] for rule in found}


@pytest.fixture(scope="module")
def served_with_reports(serve):
    with serve(reports=True) as running:
        yield running


@pytest.fixture
def page(browser, served_with_reports, request):
    scheme, width = request.param
    folder = request.getfixturevalue("tmp_path") / "folder"
    folder.mkdir()
    for number in range(2):
        request.getfixturevalue("write_scan")(folder / f"{number}.tif", number, shape=(64, 96))
    served_with_reports.desk.folders = Folders()
    served_with_reports.desk.folders.add(folder)
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 820})
    page = context.new_page()
    page.goto(served_with_reports.link)
    page.wait_for_selector("html[data-drawn][data-study]", state="attached")
    yield page
    context.close()
    for study in served_with_reports.state()["studies"]:
        served_with_reports.client.delete(f"/api/studies/{study['id']}")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(("light", 1280), marks=pytest.mark.slow),
        ("dark", 1280),
        ("light", 420),
        pytest.param(("dark", 420), marks=pytest.mark.slow),
    ],
    indirect=True,
    ids=str,
)
def test_no_state_of_the_page_has_a_violation(page, served_with_reports, scan, tmp_path):
    page.wait_for_selector("#folder-dialog[open] .card >> nth=1")
    page.click("#folder-dialog [data-decision=rejected] >> nth=0")
    page.click("#folder-dialog [data-decision=accepted] >> nth=1")
    for card in (1, 2):
        page.wait_for_selector(f"#folder-dialog .card:nth-child({card}) [aria-pressed=true]")
    found = {"folder": violations(page)}
    page.click("#folder-close")
    found["start"] = violations(page)
    page.set_input_files("#file-input", str(scan))
    page.wait_for_selector("#images [data-role=original]")
    page.locator("#stage").focus()
    for key, drag in (("p", 60), ("s", 50)):
        page.keyboard.press(key)
        box = page.locator("#stage").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + drag, y + drag)
        page.mouse.up()
    page.click("#sec-file > summary")
    page.click("#preset-keeping > summary")
    page.fill("#preset-name", "balls")
    page.click("#preset-keep")
    page.wait_for_selector("[data-preset=balls]")
    found["image"] = violations(page)
    page.click("[data-tool=rectangle]")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30)
    page.mouse.up()
    page.fill("#n-class", "void")
    page.select_option("#n-decision", "rejected")
    page.click("[data-tool=distance]")
    found["marks"] = violations(page)
    page.click("#restore")
    found["dialog"] = violations(page)
    page.click("#restore-dialog [value=cancel]")
    page.click("#help")
    found["help"] = violations(page)
    page.keyboard.press("Escape")

    told = served_with_reports.desk.broadcast.send
    told({"type": "task", "task": RUNNING | {"state": "queued", "fraction": 0.0}})
    told({"type": "task", "task": RUNNING | {"state": "running", "fraction": 0.4}})
    page.wait_for_selector("#task progress[value]")
    found["running"] = violations(page)
    told({"type": "task", "task": RUNNING | {"state": "cancelled", "fraction": 0.4}})
    page.wait_for_selector("#notice:not(.error)")
    found["toast"] = violations(page)

    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0 none")
    page.set_input_files("#file-input", str(broken))
    page.wait_for_selector("#notice.error")
    found["error"] = violations(page)

    page.click("#restore")
    page.click("#restore-go")
    page.wait_for_selector("[data-download=report]")
    page.click("[data-overlay=certificate]")
    page.wait_for_selector("#overlay-row:not([hidden])")
    found["restored"] = violations(page)
    with page.expect_download() as caught:
        page.click("[data-download=report]")
    report = tmp_path / "report.html"
    report.write_bytes(caught.value.path().read_bytes())
    other = tmp_path / "other.tif"
    other.write_bytes(scan.read_bytes())
    study = page.evaluate("document.documentElement.dataset.study")
    served_with_reports.upload(other, query=f"/api/studies/{study}/layers/restored")
    page.wait_for_selector("#images [data-role=compared]")
    page.click("[data-overlay=comparison]")
    page.wait_for_function("() => document.querySelector('[data-overlay=comparison]').ariaChecked === 'true'")
    found["compared"] = violations(page)
    page.goto(report.as_uri())
    found["report"] = violations(page)
    assert {state: broken for state, broken in found.items() if broken} == {}
