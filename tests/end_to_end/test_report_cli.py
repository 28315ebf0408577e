"""`restore --report --map --reference`: what lies beside the results, and what holds over a second run."""

import csv
import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.formats import read_image, write_image
from coldray.radiograph import Acquisition, Radiograph
from coldray.reports import restoration

OPEN_BEAM = 50000.0
DOT = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDATx\x9cc`"
    b"\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Pictures are one dot; tests/evaluate draws them."""
    for name in ("bands", "certificate", "curves", "detail", "images", "layers"):
        monkeypatch.setattr(restoration, f"{name}_picture", lambda *_: DOT)


def scan(path, seed=0, shape=(96, 112)):
    """Write a simulated scan of rectangles, not truly of any detector."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, 0.7)
    for _ in range(10):
        r, c = rng.integers(0, 70, 2)
        image[r : r + 14, c : c + 14] *= 0.7
    stored = np.rint((gaussian_filter(image, 2) + rng.normal(0, 0.01, shape)) * OPEN_BEAM).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, Radiograph(stored, Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True)))
    return path


def restore(call, *arguments):
    return call("restore", *arguments, "--method", "wiener", "--exposure-s", 0.25, "--json")


def test_one_image_with_report_map_and_reference(call, tmp_path):
    source, reference = scan(tmp_path / "in.tif"), scan(tmp_path / "thin.tif", 1)
    out = tmp_path / "out" / "r.tif"
    code, text, _ = restore(call, source, "-o", out, "--report", "--map", "--reference", reference)
    entry = json.loads(text)["files"][0]
    assert code == 0
    names = sorted(p.name for p in out.parent.iterdir())
    assert names == ["r.certificate.tif", "r.report.html", "r.report.pdf", "r.tif", "r.tif.json"]
    assert set(entry["side_files"]) == {"r.certificate.tif", "r.report.html", "r.report.pdf"}
    page = (out.parent / "r.report.html").read_text(encoding="utf-8")
    assert entry["sha256_in"] in page and entry["sha256_out"] in page and "thin.tif" in page
    assert str(tmp_path) not in page
    assert (out.parent / "r.report.pdf").read_bytes().startswith(b"%PDF")
    evidence = read_image(out.parent / "r.certificate.tif")
    assert evidence.shape == (3, 96, 112) and evidence.dtype == np.float32
    share = float(np.mean(evidence.pixels[0] >= 2 - 1e-6))
    assert share == pytest.approx(entry["consistency"]["marked_share"], abs=1e-3)
    assert evidence.history[-1].details["verdict"] == entry["consistency"]["verdict"]
    assert evidence.acquisition.pixel_pitch_mm == pytest.approx(0.048)


@pytest.mark.parametrize("suffix", ["dcm", "tif"])
def test_the_image_is_the_same_whatever_lies_beside_it(call, tmp_path, suffix):
    """Its bytes, and so the SOP Instance UID; its history alone still says how it was made."""
    source = scan(tmp_path / f"in.{suffix}")
    more = ("--report", "--map", "--provenance", "--reference", source)
    written = []
    for name, beside in (("plain", ()), ("full", more)):
        assert restore(call, source, "-o", tmp_path / name / f"r.{suffix}", *beside)[0] == 0
        written.append((tmp_path / name / f"r.{suffix}").read_bytes())
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in written[1]
    assert restore(call, source, "-o", tmp_path / f"direct.{suffix}", "--open-beam", OPEN_BEAM)[0] == 0
    assert (tmp_path / f"direct.{suffix}").read_bytes() != written[0]  # what decides the image is in its history
    (tmp_path / "full" / f"r.{suffix}.json").unlink()
    code, text, _ = call("verify", tmp_path / "full" / f"r.{suffix}", "--input", source, "--json")
    assert code == 0 and json.loads(text)["record"] == "history"


def test_a_folder_gets_one_report_each_and_one_for_all(call, tmp_path):
    for seed, name in enumerate(("a.tif", "sub/b.tif")):
        scan(tmp_path / "in" / name, seed)
    (tmp_path / "in" / "line2").mkdir()
    (tmp_path / "in" / "line2" / "bad.tif").write_bytes(b"II*\0")
    command = (tmp_path / "in", "-o", tmp_path / "out", "--report")
    code, text, _ = restore(call, *command)
    assert code == 1
    first = {e["input"]: e for e in json.loads(text)["files"]}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'href="a.report.html"' in page and 'href="sub/b.report.html"' in page and "line2/bad.tif" in page
    assert page.count("data:image/png") == 2
    assert ">sub/b.tif<" in (tmp_path / "out" / "sub" / "b.report.html").read_text(encoding="utf-8")
    assert {e["name"] for e in first.values()} == {"a.tif", "sub/b.tif", "line2/bad.tif"}
    lines = (tmp_path / "out" / "report.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["image", "a.tif", "line2/bad.tif", "sub/b.tif"]
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    # results and what lies beside them are whole: nothing is done again, and nothing of it is taken for an input
    code, text, _ = restore(call, *command)
    again = {e["input"]: e for e in json.loads(text)["files"]}
    assert code == 1 and [e.get("skipped", False) for e in again.values()].count(True) == 2
    assert {k: e.get("sha256_out") for k, e in again.items()} == {k: e.get("sha256_out") for k, e in first.items()}
    # a report that was lost is made anew
    (tmp_path / "out" / "a.report.pdf").unlink()
    assert restore(call, *command)[0] == 1
    assert (tmp_path / "out" / "a.report.pdf").is_file()


def test_a_reference_without_a_report_or_of_another_size_is_refused(call, tmp_path):
    source = scan(tmp_path / "in.tif")
    code, _, err = restore(call, source, "-o", tmp_path / "r.tif", "--reference", source)
    assert code == 2 and "--report" in err
    other = scan(tmp_path / "other.tif", shape=(80, 80))
    code, _, err = restore(call, source, "-o", tmp_path / "r.tif", "--report", "--reference", other)
    assert code == 3 and "reference" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.tif", "other.tif"]


def test_without_json_the_verdict_is_in_the_line(call, tmp_path):
    source = scan(tmp_path / "in.tif")
    code, out, _ = call("restore", source, "-o", tmp_path / "r.tif", "--method", "wiener", "--exposure-s", 0.25)
    verdict = json.loads((tmp_path / "r.tif.json").read_text())["consistency"]["verdict"]
    assert code == 0 and f"; {verdict})" in out


def test_odd_names_are_text_and_links_are_paths(call, tmp_path):
    odd = "javascript:alert(1)#<b>?.tif"
    scan(tmp_path / "in" / odd)
    code, _, err = restore(call, tmp_path / "in", "-o", tmp_path / "out", "--report")
    assert code == 0, err
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'href="javascript%3Aalert%281%29%23%3Cb%3E%3F.report.html"' in page
    assert "javascript:alert(1)#&lt;b&gt;?.tif" in page and "<b>" not in page


def test_part_and_inspection_can_be_stated_where_no_tag_says_them(call, tmp_path):
    """Texts as they are typed, in report and record; the image is the same with and without."""
    source, out = scan(tmp_path / "in.tif"), tmp_path / "r.tif"
    assert restore(call, source, "-o", tmp_path / "plain.tif")[0] == 0
    stated = {
        "part": "pump, housing",
        "component_id": "0012",
        "order": "4711",
        "operator": "N. N.",
        "date": "2026-11-29",
    }
    options = [word for name, text in stated.items() for word in ("--set", f"{name}={text}")]
    code, text, _ = restore(call, source, "-o", out, "--report", *options, "--set", "noise=mean")
    assert code == 0 and out.read_bytes() != (tmp_path / "plain.tif").read_bytes()  # noise=mean is the method's
    assert json.loads(text)["files"][0]["about"] == stated
    assert json.loads((tmp_path / "r.tif.json").read_text())["recipe"]["settings"]["about"] == stated
    page = (tmp_path / "r.report.html").read_text(encoding="utf-8")
    assert all(f">{text}<" in page for text in stated.values()) and "Inspection date" in page
    code, text, _ = restore(call, source, "-o", tmp_path / "other.tif", *options)
    assert (tmp_path / "other.tif").read_bytes() == (tmp_path / "plain.tif").read_bytes()
    assert call("verify", out)[0] == 0
    code, _, err = restore(call, source, "-o", tmp_path / "no.tif", "--set", "orders=4711")
    assert code == 2 and "orders" in err


def test_a_profile_states_what_is_alike_and_the_command_line_what_is_not(call, tmp_path):
    source, plant = scan(tmp_path / "line1" / "in.tif"), tmp_path / "plant.toml"
    plant.write_text(
        "[settings]\nmethod = 'wiener'\nabout = { part = 'pump', operator = 'N. N.' }\n"
        "[[rule]]\nwhen = { folder = 'line1' }\nsettings = { about = { order = '1', operator = 'M. M.' } }\n",
        encoding="utf-8",
    )
    command = ("restore", source, "-o", tmp_path / "r.tif", "--profile", plant, "--set", "order=2", "--json")
    code, text, err = call(*command)
    assert code == 0, err
    assert json.loads(text)["files"][0]["about"] == {"part": "pump", "order": "2", "operator": "M. M."}


def test_what_inspectors_note_on_results_stands_in_the_report_of_the_batch(call, tmp_path):
    """The same command again: nothing is restored anew, the report knows the marks."""
    from coldray.checkpoint import file_sha256
    from coldray.metrology.inspection import Inspection, Mark, inspection_path, write_inspection

    for seed, name in enumerate("abc"):
        scan(tmp_path / "in" / f"{name}.tif", seed)
    command = (tmp_path / "in", "-o", tmp_path / "out", "--report", "--set", "order=4711")
    assert restore(call, *command)[0] == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Inspected" not in page and page.count("data:image/png") == 3 and ">4711<" in page
    a, b, c = (tmp_path / place for place in ("in/a.tif", "out/b.tif", "in/c.tif"))
    void = Mark(kind="rectangle", points=[(10, 10), (30, 20)], defect="void", decision="rejected", text="left <ball>")
    crack = Mark(kind="point", points=[(5, 5)], defect="crack", decision="accepted")
    notes = Inspection(sha256=file_sha256(a), marks=[void, crack], decision="rejected", inspector="N. N.")
    write_inspection(a, notes)
    write_inspection(b, Inspection(sha256=file_sha256(b), decision="accepted"))
    write_inspection(c, notes)  # of another image
    code, text, _ = restore(call, *command)
    assert code == 0 and all(entry["skipped"] for entry in json.loads(text)["files"])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Inspected: 1 rejected, 1 accepted. 2 defects marked (1 rejected, 1 accepted)." in page
    assert "left &lt;ball&gt;" in page and "0.96 × 0.48 mm" in page
    assert page.count("data:image/png") == 5
    assert inspection_path(c).name in page and "another content" in page
    rows = list(csv.DictReader((tmp_path / "out" / "report.csv").read_text(encoding="utf-8").splitlines()))
    told = {row["image"]: (row["decision"], row["defects"], row["rejected_defects"], row["inspector"]) for row in rows}
    assert told == {"a.tif": ("rejected", "2", "1", "N. N."), "b.tif": ("accepted", "0", "0", ""), "c.tif": ("",) * 4}
    assert {row["order"] for row in rows} == {"4711"}
