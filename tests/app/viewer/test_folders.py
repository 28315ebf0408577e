"""The folder browser: small pictures, verdicts from the ledger, decisions beside the images, and the way onto the desk."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.cli import main
from coldray.app.viewer import folders
from coldray.app.viewer.folders import Folders, decide, open_entry
from coldray.app.viewer.shelf import Shelf
from coldray.checkpoint import file_sha256
from coldray.errors import ColdrayError, ImageReadError
from coldray.metrology.inspection import Inspection, Mark, read_inspection, write_inspection


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_scan):
    """Simulated: three scans, two of them restored, and a file that is no image."""
    root = tmp_path_factory.mktemp("plant")
    (root / "scans" / "line 2").mkdir(parents=True)
    for number, name in enumerate(("a.tif", "b.tif", "line 2/c.tif")):
        write_scan(root / "scans" / name, number, shape=(96, 128))
    (root / "scans" / "line 2" / "c.tif").rename(root / "late.tif")
    with pytest.raises(SystemExit) as left:
        main(
            ["restore", str(root / "scans"), "-o", str(root / "restored"), "--method", "wiener", "--exposure-s", "0.25"]
        )
    assert left.value.code == 0
    (root / "late.tif").rename(root / "scans" / "line 2" / "c.tif")
    (root / "scans" / "torn.tif").write_bytes(b"II*\0 none")
    return root


@pytest.fixture
def plant(made, tmp_path, monkeypatch):
    """A copy at another place, where the ledger's originals are still those of the first one."""
    shutil.copytree(made / "restored", tmp_path / "restored")
    yield made
    for beside in made.rglob("*.inspection.json"):
        beside.unlink()


@pytest.fixture
def shelf():
    shelf = Shelf()
    yield shelf
    shelf.close()


def listed(*paths):
    """Folders on a desk, and the listing of each by name."""
    found = Folders()
    for path in paths:
        found.add(path)
    lists = [{e["name"]: e for e in found.listing(f["id"])["files"]} for f in found.to_json()]
    handles = [f["id"] for f in found.to_json()]
    return found, handles, lists


def test_verdicts_come_from_the_ledger_to_originals_and_results(plant):
    _, _, (scans, restored) = listed(plant / "scans", plant / "restored")
    assert list(scans) == ["a.tif", "b.tif", "line 2/c.tif", "torn.tif"]
    for name in ("a.tif", "b.tif"):
        verdict = scans[name]["verdict"]
        assert (
            verdict in ("consistent", "contradicted in places", "contradicted") and restored[name]["verdict"] == verdict
        )
        assert scans[name]["restored"] and restored[name]["restored"]
    assert scans["line 2/c.tif"]["verdict"] == "" and not scans["line 2/c.tif"]["restored"]
    # alone, the scans know nothing of their results
    _, _, (alone,) = listed(plant / "scans")
    assert {e["verdict"] for e in alone.values()} == {""}


def test_an_image_is_opened_with_its_result_and_a_result_with_its_original(plant, shelf):
    found, (scans, restored), lists = listed(plant / "scans", plant / "restored")
    study = open_entry(shelf, found.entry(scans, lists[0]["a.tif"]["id"]))
    assert {"original", "restored"} <= set(study.layers) and study.home == plant / "scans" / "a.tif"
    again = open_entry(shelf, found.entry(restored, lists[1]["a.tif"]["id"]))
    assert again is study and len(shelf.studies()) == 1
    with pytest.raises(ColdrayError, match="torn"):
        open_entry(shelf, found.entry(scans, lists[0]["torn.tif"]["id"]))


def test_a_result_of_other_content_is_opened_once_as_an_image_of_its_own(plant, shelf):
    entry = folders.Entry(plant / "scans" / "b.tif", "b.tif", restored=plant / "restored" / "a.tif")
    study = open_entry(shelf, entry)
    assert open_entry(shelf, entry) is study and "restored" not in study.layers
    assert [(s.name, s.browsed) for s in shelf.studies()] == [("b.tif", True), ("a.tif", True)]


def test_handles_stay_and_what_is_new_or_gone_is_seen(plant, tmp_path):
    folder = tmp_path / "belt"
    folder.mkdir()
    shutil.copy(plant / "scans" / "a.tif", folder / "1.tif")
    found, (handle,), (before,) = listed(folder)
    shutil.copy(plant / "scans" / "b.tif", folder / "2.tif")
    (folder / "1.tif").unlink()
    shutil.copy(plant / "scans" / "a.tif", folder / "1.tif")
    after = {e["name"]: e["id"] for e in found.listing(handle)["files"]}
    assert list(after) == ["1.tif", "2.tif"] and after["1.tif"] == before["1.tif"]["id"]
    (folder / "1.tif").unlink()
    gone = found.entry(handle, after["1.tif"])
    with pytest.raises(ImageReadError, match="no longer there"):
        open_entry(Shelf(), gone)
    with pytest.raises(ImageReadError, match=r"1\.tif"):
        found.picture(gone)
    with pytest.raises(ImageReadError, match=r"1\.tif"):
        decide(Shelf(), gone, "accepted", "")


def test_links_out_of_the_folder_are_not_shown_and_long_lists_are_counted(plant, tmp_path, monkeypatch):
    folder = tmp_path / "linked"
    folder.mkdir()
    for name in ("1.tif", "2.tif"):
        shutil.copy(plant / "scans" / "a.tif", folder / name)
    (folder / "out.tif").symlink_to(plant / "scans" / "b.tif")
    monkeypatch.setattr(folders, "MOST_FILES", 1)
    found, (handle,), _ = listed(folder)
    told = found.listing(handle)
    assert [e["name"] for e in told["files"]] == ["1.tif"] and told["more"] == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageReadError, match="no image"):
        found.add(tmp_path / "empty")


def test_a_decision_keeps_what_else_was_noted_and_is_kept_with_the_original(plant, shelf):
    scan = plant / "scans" / "a.tif"
    mark = Mark.model_validate({"kind": "point", "points": [[5, 5]], "defect": "void"})
    write_inspection(scan, Inspection(sha256=file_sha256(scan), marks=[mark], note="old"))
    found, (scans, restored), lists = listed(plant / "scans", plant / "restored")
    assert lists[0]["a.tif"]["defects"] == lists[1]["a.tif"]["defects"] == 1
    decide(shelf, found.entry(restored, lists[1]["a.tif"]["id"]), "rejected", "N. N.")
    notes = read_inspection(scan, file_sha256(scan))
    assert (notes.decision, notes.inspector, notes.note, len(notes.marks)) == ("rejected", "N. N.", "old", 1)
    assert read_inspection(plant / "restored" / "a.tif", "") is None
    # of an open image: the page is told, and its notes stay
    entry = found.entry(scans, lists[0]["a.tif"]["id"])
    study = open_entry(shelf, entry)
    decide(shelf, entry, "accepted", "")
    assert (study.inspection.decision, study.inspection.inspector) == ("accepted", "N. N.")
    assert entry.to_json()["decision"] == "accepted"
    # notes that are of another content are never written over
    (plant / "scans" / "b.tif.inspection.json").write_text(Inspection(sha256="0" * 64).model_dump_json())
    with pytest.raises(ColdrayError, match="another content"):
        decide(shelf, found.entry(scans, lists[0]["b.tif"]["id"]), "accepted", "")


def test_images_opened_long_ago_are_closed_but_never_work(plant, tmp_path, shelf, monkeypatch):
    monkeypatch.setattr(folders, "KEPT_OPEN", 2)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.tif").write_bytes((plant / "scans" / "a.tif").read_bytes() + bytes(number))
    found, (handle,), (entries,) = listed(folder)
    shelf.open(plant / "scans" / "b.tif", "b.tif", stays=True)  # not from a list
    first = open_entry(shelf, found.entry(handle, entries["0.tif"]["id"]))
    made = tmp_path / "result.tif"
    made.write_bytes(b"")
    first.downloads = {"image": (made, "result.tif")}
    for number in range(1, 5):
        open_entry(shelf, found.entry(handle, entries[f"{number}.tif"]["id"]))
    assert [s.name for s in shelf.studies()] == ["b.tif", "0.tif", "3.tif", "4.tif"]


def test_pictures_are_small_grey_and_made_once(plant, monkeypatch):
    found, (handle,), (entries,) = listed(plant / "scans")
    entry = found.entry(handle, entries["a.tif"]["id"])
    picture = found.picture(entry)
    image = Image.open(io.BytesIO(picture))
    assert image.format == "PNG" and image.mode == "L" and image.size == (128, 96) and np.ptp(np.asarray(image)) > 200
    monkeypatch.setattr("coldray.formats.read_image", None)
    assert found.picture(entry) is picture


@pytest.fixture
def desk(serve, plant):
    with serve() as running:
        for name in ("scans", "restored"):
            running.desk.folders.add(plant / name)
        yield running


def test_over_the_interface_only_what_was_listed_is_reached(desk):
    get, (scans, _) = desk.client.get, desk.state()["folders"]
    assert scans["name"] == "scans" and set(scans) == {"id", "name"}
    place = f"/api/folders/{scans['id']}"
    files = {e["name"]: e["id"] for e in get(place).json()["files"]}
    assert get(f"{place}/files/{files['a.tif']}/picture").content.startswith(b"\x89PNG")
    torn = get(f"{place}/files/{files['torn.tif']}/picture")
    assert torn.status_code == 422 and "torn.tif" in torn.json()["error"]
    for unknown in (
        f"/api/folders/{'0' * 16}",
        f"{place}/files/{'0' * 16}/picture",
        f"{place}/files/a.tif/picture",
    ):
        assert get(unknown).status_code in (404, 422)
    put = f"{place}/files/{files['a.tif']}/decision"
    told = desk.client.put(put, json={"decision": "rejected", "inspector": "N. N."}).json()
    assert (told["decision"], told["inspector"], told["id"]) == ("rejected", "N. N.", files["a.tif"])
    assert desk.client.put(put, json={"decision": "burnt"}).status_code == 422
    assert desk.client.post(f"{place}/files/{files['a.tif']}/open").status_code == 201
    assert [s["name"] for s in desk.state()["studies"]] == ["a.tif"]
    other = desk.client.get(put.replace("/decision", "/picture"), headers={"Authorization": "Bearer wrong"})
    assert other.status_code == 401


def test_a_batch_is_looked_through_decided_and_stepped(browser, desk, plant, stands, list_anew):
    context = browser.new_context(viewport={"width": 900, "height": 700})
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.goto(desk.link)
    page.wait_for_selector("#folder-dialog[open] .card >> nth=3")
    assert page.locator("#folder-counts").inner_text().startswith("4 images: ")
    page.wait_for_function("() => document.querySelectorAll('.thumb img[src^=\"blob:\"]').length === 3")
    page.wait_for_selector(".thumb.none")  # the file that is no image
    names = page.locator(".thumb .name").all_inner_texts()
    verdicts = page.locator(".card .verdict").all_inner_texts()
    shown = dict(zip(names, verdicts, strict=True))
    record = next(
        e
        for e in desk.client.get(f"/api/folders/{desk.state()['folders'][0]['id']}").json()["files"]
        if e["name"] == "a.tif"
    )
    assert shown["a.tif"] == record["verdict"] and shown["line 2/c.tif"] == "not restored"
    page.fill("#folder-inspector", "N. N.")
    page.click(".card:first-child [data-decision=rejected]")
    page.wait_for_selector(".card:first-child [data-decision=rejected][aria-pressed=true]")
    notes = json.loads((plant / "scans" / "a.tif.inspection.json").read_text())
    assert (notes["decision"], notes["inspector"]) == ("rejected", "N. N.")
    page.select_option("#folder-filter", "open")
    assert page.locator(".thumb .name").all_inner_texts() == ["b.tif", "line 2/c.tif", "torn.tif"]
    page.click(".card:first-child .thumb")
    stands(page, "b.tif")
    page.wait_for_selector("#images [data-role=restored]")
    said = "wanted => document.querySelector('#verdict').innerText.toLowerCase() === wanted"
    page.wait_for_function(said, arg=shown["b.tif"])
    page.locator("#stage").focus()
    page.keyboard.press("PageDown")
    stands(page, "c.tif")
    page.wait_for_selector("#loading", state="hidden")
    page.keyboard.press("PageDown")
    # the note of a contradicted image may still stand there
    page.wait_for_function("() => document.querySelector('#notice.error')?.innerText.includes('torn.tif')")
    list_anew(page, lambda: page.keyboard.press("e"))
    page.select_option("#folder-filter", "rejected")
    assert page.locator(".thumb .name").all_inner_texts() == ["a.tif"]
    # what is noted on the page is seen in the list
    page.click(".card .thumb")
    stands(page, "a.tif")
    page.wait_for_function("() => document.querySelector('#i-decision').value === 'rejected'")
    page.wait_for_function("() => document.querySelector('#i-inspector').value === 'N. N.'")
    context.close()
    assert complaints == []
