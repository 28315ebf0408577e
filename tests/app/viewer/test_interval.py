"""The interval in the line profile: drawn, saved, and what it says of the features on the line."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")
pytest.importorskip("playwright.sync_api", reason="the viewer is tested with playwright")

from coldray.app.viewer.layers import Layer
from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph, Step

ASKED = """async ([values, lower, upper]) => {
  const { established, forcedTurns, said } = await import(new URL("static/interval.js", document.baseURI));
  const found = established(values, lower, upper);
  return { ...found, forced: forcedTurns(lower, upper).turns, words: said(found, "90 % interval") };
}"""
OPEN_BEAM = 50000.0


@pytest.fixture(scope="module")
def page(browser, served):
    context = browser.new_context(viewport={"width": 1280, "height": 820})
    page = context.new_page()
    page.goto(served.link)
    page.wait_for_selector("html[data-study]", state="attached")
    yield page
    context.close()


def fewest_turns(lower, upper):
    """Fewest peaks and dips of any curve between bounds of whole numbers, by trying all of them at once."""
    cost = {(value, 0): 0 for value in range(lower[0], upper[0] + 1)}
    for low, high in zip(lower[1:], upper[1:], strict=True):
        after = {}
        for (value, direction), turns in cost.items():
            for new in range(low, high + 1):
                step = int(np.sign(new - value))
                key = (new, step or direction)
                more = turns + (step != 0 and direction != 0 and step != direction)
                after[key] = min(after.get(key, 99), more)
        cost = after
    return min(cost.values())


def test_the_turns_that_are_forced_are_the_fewest_of_any_curve_within(page):
    rng = np.random.default_rng(3)
    for _ in range(150):
        lower = rng.integers(0, 6, rng.integers(2, 10))
        upper = lower + rng.integers(0, 4, lower.size)
        found = page.evaluate(ASKED, [((lower + upper) / 2).tolist(), lower.tolist(), upper.tolist()])
        assert len(found["forced"]) == fewest_turns(lower.tolist(), upper.tolist()), (lower, upper)
        peaks = [turn["peak"] for turn in found["forced"]]
        assert all(one != other for one, other in pairwise(peaks))
        assert all(turn["from"] <= turn["to"] for turn in found["forced"])


def test_a_dip_larger_than_its_interval_is_established_and_a_smaller_one_is_not(page):
    x = np.arange(80)
    deep, faint = np.exp(-((x - 20) ** 2) / 18), np.exp(-((x - 60) ** 2) / 18)
    values = 1 - 0.5 * deep - 0.1 * faint
    found = page.evaluate(ASKED, [values.tolist(), (values - 0.1).tolist(), (values + 0.1).tolist()])
    assert [turn["at"] for turn in found["sure"]] == [20] and not found["sure"][0]["peak"] and found["unsure"] == 2
    assert found["words"].startswith("Established within the 90 % interval: 1 peak or dip. 2 further peaks and dips")
    faint_only = 1 - 0.1 * faint
    found = page.evaluate(ASKED, [faint_only.tolist(), (faint_only - 0.1).tolist(), (faint_only + 0.1).tolist()])
    assert not found["sure"] and found["words"].startswith(
        "Not established: an even line lies within the 90 % interval"
    )
    edge = 1 - 0.5 * (x > 40)
    found = page.evaluate(ASKED, [edge.tolist(), (edge - 0.1).tolist(), (edge + 0.1).tolist()])
    assert not found["sure"] and found["unsure"] == 0 and "rises or falls, which is established" in found["words"]


@pytest.fixture
def study(served, tmp_path):
    """A restored file with a deep and a faint dip along every row, and an interval of 10 % of the open beam to either side."""
    x = np.arange(80)
    row = 0.8 - 0.5 * np.exp(-((x - 20) ** 2) / 18) - 0.1 * np.exp(-((x - 60) ** 2) / 18)
    fraction = np.tile(row.astype(np.float32), (40, 1))
    known = Acquisition(pixel_pitch_mm=0.05, open_beam=OPEN_BEAM, linear=True)
    done = Step("restore", {"method": "cold", "interval": {"share": 0.9, "objects": 12}})
    write_image(tmp_path / "r.tif", Radiograph(np.rint(OPEN_BEAM * fraction).astype(np.uint16), known, (done,)))
    bounds = np.stack([fraction - 0.1, fraction + 0.1]).astype(np.float32)
    write_image(
        tmp_path / "r.interval.tif", Radiograph(bounds, Acquisition(pixel_pitch_mm=0.05, open_beam=1.0), (done,))
    )
    study = served.desk.shelf.open(tmp_path / "r.tif", "r.tif")
    assert isinstance(study.layers["lower"], Layer)
    yield study
    served.desk.shelf.remove(study.id)


def test_the_profile_shows_the_interval_and_says_what_it_establishes(page, study, stands):
    stands(page, "r.tif")
    page.click("[data-tool=profile]")
    page.locator("#stage").focus()
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 - 40, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2)
    page.mouse.up()
    for name, value in (("x0", 0), ("y0", 20), ("x1", 79), ("y1", 20)):
        page.fill(f"#p-{name}", str(value))
        page.keyboard.press("Tab")
    page.wait_for_selector("#profile-plot .area.restored", state="attached")
    text = page.text_content("#p-interval")
    assert text.startswith("Established within the 90 % interval: 1 peak or dip.") and "not established" in text
    with page.expect_download() as caught:
        page.click("#profile-csv")
    head, *lines = caught.value.path().read_text().splitlines()
    assert head == "distance_mm,restored,lower,upper"
    table = np.array([[float(v) for v in line.split(",")] for line in lines])
    np.testing.assert_allclose(table[:, 2:], table[:, 1:2] + OPEN_BEAM * np.array([-0.1, 0.1]), atol=1)
    # across the faint dip alone nothing is established
    page.fill("#p-x0", "45")
    page.keyboard.press("Tab")
    assert page.text_content("#p-interval").startswith("Not established: an even line lies within the 90 % interval")
    page.click("#profile-clear")


def test_without_an_interval_the_profile_says_nothing_of_one(page, served, scan, stands):
    study = served.desk.shelf.open(scan, "scan.tif")
    stands(page, "scan.tif")
    page.evaluate("() => document.querySelector('[data-tool=profile]').click()")
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 - 40, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2)
    page.mouse.up()
    page.wait_for_selector("#profile-plot .series", state="attached")
    assert page.is_hidden("#p-interval") and page.locator("#profile-plot .area").count() == 0
    served.desk.shelf.remove(study.id)
