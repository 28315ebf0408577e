"""One part on its whole way, by one profile: plant, C-STORE, restoration, verdict, archive, viewer, marks, report."""

import csv
import json
import math
import signal

import pydicom
import pytest

pytest.importorskip("pynetdicom", reason="DICOM nodes need the extra pacs")
pytest.importorskip("playwright.sync_api", reason="the viewer is tested with playwright")

from coldray.app.ledger import recorded

TOKEN = "only-for-this-test-0123456789"
PLANT = """
without_rule = "refuse"

[settings]
method = "wiener"
report = true
about = { operator = "N. N." }

[[rule]]
name = "line 1"
when = { DetectorID = "CMOS-17*" }
settings = { exposure_s = 0.25, about = { order = "4711" } }
"""


@pytest.fixture
def part(tmp_path, write_scan):
    """Simulated: what the machine of the plant sends."""
    file = tmp_path / "plant" / "part.dcm"
    file.parent.mkdir()
    write_scan(file)
    dataset = pydicom.dcmread(file)
    dataset.DetectorID, dataset.PatientID = "CMOS-17 A", "A-17"
    dataset.save_as(file)
    return file


@pytest.fixture
def profile(tmp_path):
    (tmp_path / "plant.toml").write_text(PLANT, encoding="utf-8")
    return tmp_path / "plant.toml"


def restored_by_the_station(started, part, profile, folder, archive, client, until, call):
    """Send the part to a station that goes by the profile; returns what the archive then holds, and what lies in the folder."""
    station, said = started(
        "serve", "--port", 0, "--profile", profile, "--dicom-port", "0", "--dicom-folder", folder, "--dicom-to", archive,
        COLDRAY_TOKEN=TOKEN,
    )  # fmt: skip
    assert call("push", part, "--to", f"COLDRAY@127.0.0.1:{said['dicom_port']}")[0] == 0
    (instance,) = until(lambda: client.get("/instances").json())
    content = client.get(f"/instances/{instance}/file").content
    station.send_signal(signal.SIGTERM)
    assert station.wait() == 128 + signal.SIGTERM
    (original,), (restored,) = (sorted((folder / name).glob("*.dcm")) for name in ("incoming", "restored"))
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(content)), original, restored


def marked_on_the_page(browser, link, verdict, hangs_s):
    """What an inspector does: look at the verdict, draw around a void, name it, reject the part; returns the report."""
    context = browser.new_context(viewport={"width": 1280, "height": 820})
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.set_default_timeout(1000 * hangs_s)
    page.goto(link)
    page.wait_for_selector("html[data-drawn]", state="attached")
    page.wait_for_selector("#images [data-role=restored]", state="attached")
    said = "wanted => document.querySelector('#verdict').textContent.toLowerCase() === wanted"
    page.wait_for_function(said, arg=verdict)
    page.locator("#stage").focus()
    page.keyboard.press("f")
    page.keyboard.press("z")
    box = page.locator("#stage").bounding_box()
    left, top = (
        box[at] + math.floor(box[size] / 2 - n / 2 + 0.5) for at, size, n in (("x", "width", 224), ("y", "height", 160))
    )
    page.click("[data-tool=rectangle]")
    page.mouse.move(left + 20, top + 30)
    page.mouse.down()
    page.mouse.move(left + 60, top + 50)
    page.mouse.up()
    page.fill("#n-class", "void")
    page.select_option("#n-decision", "rejected")
    page.fill("#i-inspector", "M. M.")
    page.keyboard.press("Tab")
    page.select_option("#i-decision", "rejected")
    with page.expect_download() as caught:
        page.click("[data-inspection=html]")
    text = caught.value.path().read_text(encoding="utf-8")
    context.close()
    assert complaints == []
    return text


def test_one_part_from_the_plant_to_its_report(
    call, started, browser, orthanc, part, profile, tmp_path, until, hangs_s
):
    """Every step as its user does it, on simulated pixels; what one step says is what the next one finds."""
    folder = tmp_path / "station"
    with orthanc(tmp_path / "orthanc", until) as (archive, client):
        archived, original, restored = restored_by_the_station(
            started, part, profile, folder, archive, client, until, call
        )
        assert len(client.get("/studies").json()) == 1
    sent, written = pydicom.dcmread(part), pydicom.dcmread(restored)
    # C-STORE kept the pixels, the archive has what was written, and it names what it was made of
    assert pydicom.dcmread(original).PixelData == sent.PixelData
    assert (archived.SOPInstanceUID, archived.PixelData) == (written.SOPInstanceUID, written.PixelData)
    assert archived.SourceImageSequence[0].ReferencedSOPInstanceUID == sent.SOPInstanceUID
    # the verdict, and the rule of the profile that led to it
    entry, _ = recorded(folder / "restored", restored)
    verdict = entry["consistency"]["verdict"]
    assert entry["profile"]["rule"] == "line 1" and verdict in ("consistent", "contradicted in places")
    assert entry["about"] == {"component_id": "A-17", "order": "4711", "operator": "N. N."} | {
        name: text for name, text in entry["about"].items() if name == "date"
    }
    # the viewer shows that verdict; marks are kept beside the original and stand in its report
    viewer, said = started("view", original, restored, "--no-browser", COLDRAY_TOKEN=TOKEN)
    text = marked_on_the_page(browser, said["url"], verdict, hangs_s)
    viewer.send_signal(signal.SIGTERM)
    assert viewer.wait() == 128 + signal.SIGTERM
    assert (
        "Rejected by M. M." in text and "1 defect marked (1 rejected)" in text and "A-17" in text and ">4711<" in text
    )
    notes = json.loads(original.with_name(original.name + ".inspection.json").read_text(encoding="utf-8"))
    assert [mark["defect"] for mark in notes["marks"]] == ["void"] and notes["decision"] == "rejected"
    assert notes["marks"][0]["points"] == [[20, 30], [60, 50]]
    # the same profile over the same folders: nothing is restored anew, the report of the batch has it all
    command = ("restore", folder / "incoming", "-o", folder / "restored", "--profile", profile, "--json")
    code, out, _ = call(*command)
    assert code == 0 and [one["skipped"] for one in json.loads(out)["files"]] == [True]
    page = (folder / "restored" / "report.html").read_text(encoding="utf-8")
    assert "Inspected: 1 rejected. 1 defect marked (1 rejected)." in page and ">4711<" in page and verdict in page
    (row,) = csv.DictReader((folder / "restored" / "report.csv").read_text(encoding="utf-8").splitlines())
    told = {
        key: row[key] for key in ("verdict", "order", "component_id", "operator", "decision", "defects", "inspector")
    }
    assert told == {
        "verdict": verdict, "order": "4711", "component_id": "A-17", "operator": "N. N.", "decision": "rejected",
        "defects": "1", "inspector": "M. M.",
    }  # fmt: skip
    assert (folder / "restored" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert row["sha256_in"] == notes["sha256"]
