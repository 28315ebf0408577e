"""Of a record's values changed one at a time, each that the restoration determines is found, without any key."""

import json
import sqlite3
from contextlib import closing

import pytest

from coldray.app.files import LEDGER
from coldray.app.ledger import _seal
from coldray.app.said import determined, differences, leaves

from .conftest import changed, replaced

SETTINGS = ("--method", "wiener", "--exposure-s", "0.25", "--map")
FOUND_BY_HASH = {("sha256_out",), ("side_files", "out.certificate.tif")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("record")


@pytest.fixture
def restored(call, put, folder):
    """A restored file with its record beside it, the same for all tests here."""
    target = folder / "out.tif"
    if not target.exists():
        put(folder / "scan.tif", 3)
        assert call("restore", folder / "scan.tif", "-o", target, *SETTINGS)[0] == 0
    return target


def test_each_value_that_a_restoration_determines_is_compared(restored):
    record = json.loads((restored.parent / "out.tif.json").read_text())
    known = dict(leaves(record))
    free = {place for place in known if not determined(place)}
    assert len(known) - len(free) > 120
    for place, value in known.items():
        found = differences(replaced(record, place, changed(value)), record)
        assert bool(found) is (place not in free), place
        if found:
            assert all(str(step) in found[0] for step in place) and "the record says" in found[0]
    assert not differences(record, record)


def test_what_is_free_says_where_when_and_on_what_machine(restored):
    record = json.loads((restored.parent / "out.tif.json").read_text())
    free = {place[:2] if place[0] == "recipe" else place[:1] for place, _ in leaves(record) if not determined(place)}
    assert free == {
        *(("input",), ("name",), ("output",), ("seconds",), ("sha256_out",), ("side_files",), ("certificate_map",)),
        *(("recipe", part) for part in ("input", "sources", "environment")),
    }


@pytest.mark.parametrize("third", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_verify_finds_each_changed_value(call, restored, third):
    """All that decides how the restoration is repeated, and of everything else one value per part; by thirds."""
    beside = restored.parent / "out.tif.json"
    record = json.loads(beside.read_text())
    assert call("verify", restored)[0] == 0
    tried = set()
    try:
        for place, value in leaves(record):
            part = place if place[0] == "recipe" or len(place) == 1 else place[:2]
            if part in tried or not (determined(place) or place in FOUND_BY_HASH):
                continue
            tried.add(part)
            if len(tried) % 3 != third:
                continue
            beside.write_text(json.dumps(replaced(record, place, changed(value))))
            code, out, err = call("verify", restored)
            assert code in (1, 3), (place, out, err)
    finally:
        beside.write_text(json.dumps(record))
    assert len(tried) > 60


def test_values_left_out_and_put_in_are_found(restored):
    record = json.loads((restored.parent / "out.tif.json").read_text())
    without = {name: part for name, part in record.items() if name != "warnings"}
    assert "nothing for warnings" in differences(without, record)[0]
    assert "approved" in differences(record | {"approved": True}, record)[0]
    assert len(differences({}, record)) == 6 and "more of what the record says" in differences({}, record)[-1]


def test_on_another_machine_numbers_may_be_off_a_little_but_not_the_verdict(restored):
    record = json.loads((restored.parent / "out.tif.json").read_text())
    place = ("consistency", "residual_over_noise")
    found = record["consistency"]["residual_over_noise"]
    for factor, alike in ((1.01, True), (1.1, False)):
        assert (not differences(replaced(record, place, found * factor), record, 0.02)) is alike
    words = record["consistency"]["statement"]
    assert not differences(replaced(record, ("consistency", "statement"), words), record, 0.02)
    for part, wrong in (("verdict", "contradicted"), ("statement", words + " Approved.")):
        assert differences(replaced(record, ("consistency", part), wrong), record, 0.02)


@pytest.mark.parametrize("part", ["entry", "record"])
def test_a_ledger_whose_seals_were_made_anew_does_not_help(call, put, tmp_path, part):
    """Verdict of an entry, and a setting of a run, with all hashes right again."""
    put(tmp_path / "scans" / "a.npy", 1)
    settings = ("--method", "wiener", "--exposure-s", "0.25", "--pitch-um", "48")
    assert call("restore", tmp_path / "scans", "-o", tmp_path / "out", *settings)[0] == 0
    assert call("verify", tmp_path / "out" / "a.npy")[0] == 0
    with closing(sqlite3.connect(tmp_path / "out" / LEDGER, isolation_level=None)) as base:
        entry, stated, run, record = base.execute(
            "SELECT entry, settings, run, record FROM work JOIN runs USING (run)"
        ).fetchone()
        if part == "entry":
            entry = json.dumps(replaced(json.loads(entry), ("consistency", "verdict"), "contradicted"))
            base.execute("UPDATE work SET entry = ?, seal = ?", (entry, _seal(entry)))
        else:
            record = json.dumps(replaced(json.loads(record), ("settings", "exposure_s"), 0.5), sort_keys=True)
            anew = _seal(stated + record)
            base.execute("UPDATE runs SET record = ?, run = ? WHERE run = ?", (record, anew, run))
            base.execute("UPDATE work SET run = ?", (anew,))
    code, _, err = call("verify", tmp_path / "out" / "a.npy")
    assert code == 1
    assert ("contradicted" if part == "entry" else "pixels differ") in err
