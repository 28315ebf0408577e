"""A restored file, its record, and the restoration repeated: what agrees and what does not."""

import contextlib
import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from coldray.app.files import LEDGER
from coldray.declaration import FIRST_FORMAT
from coldray.formats import read_image, write_image
from coldray.physics.detector import load_detector
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import shipped_models
from coldray.settings import newest_format, recorded

FAST = ("--method", "wiener", "--exposure-s", "0.25")


@pytest.fixture
def one(call, put, tmp_path):
    """A file restored in one-file mode, with its record beside it."""
    put(tmp_path / "scan.tif", 3)
    assert call("restore", tmp_path / "scan.tif", "-o", tmp_path / "out.tif", *FAST)[0] == 0
    return tmp_path / "out.tif"


@pytest.fixture
def check(call):
    """Verify a file; returns exit code, JSON and stderr."""

    def run(*arguments):
        code, out, err = call("verify", *arguments, "--json")
        return code, json.loads(out), err

    return run


def test_what_was_written_matches(check, call, one):
    code, found, _ = check(one)
    assert code == 0 and found["matches"] is True and found["record"] == "file"
    assert found["repeated"]["same_bytes"] is True and found["problems"] == []
    assert found["sha256_out"] == found["sha256_recorded"]
    code, out, _ = call("verify", one)
    assert code == 0 and "matches" in out and "the same bytes" in out


def test_files_of_a_folder_are_found_in_its_ledger(check, call, put, tmp_path):
    for number in range(2):
        put(tmp_path / "scans" / "sub" / f"{number}.tif", number)
    assert call("restore", tmp_path / "scans", "-o", tmp_path / "out", *FAST, "--provenance")[0] == 0
    code, found, _ = check(tmp_path / "out" / "sub" / "1.tif")
    assert code == 0 and found["matches"] is True and found["record"] == "ledger"
    (tmp_path / "out" / "sub" / "1.provenance.tif").write_bytes(b"changed")
    code, found, _ = check(tmp_path / "out" / "sub" / "1.tif")
    assert code == 1 and found["matches"] is False and "1.provenance.tif was changed" in found["problems"][0]
    (tmp_path / "out" / "sub" / "0.provenance.tif").unlink()
    assert "is missing" in check(tmp_path / "out" / "sub" / "0.tif")[1]["problems"][0]
    code, _, err = call("verify", tmp_path / "out" / "sub" / "1.provenance.tif")
    assert code == 3 and "give the restored image itself" in err


def test_one_changed_pixel_does_not_match(check, one):
    image = read_image(one)
    pixels = image.pixels.copy()
    pixels[5, 6] += 40
    write_image(one, image.with_pixels(pixels))
    code, found, _ = check(one)
    assert code == 1 and found["matches"] is False
    assert found["repeated"]["largest_difference_lsb16"] == 40
    assert any("changed after it was written" in p for p in found["problems"])


def test_a_forged_record_does_not_help(check, one):
    image = read_image(one)
    pixels = image.pixels.copy()
    pixels[5, 6] += 40
    write_image(one, image.with_pixels(pixels))
    record = json.loads((one.parent / "out.tif.json").read_text())
    from coldray.checkpoint import file_sha256

    record["sha256_out"] = file_sha256(one)
    (one.parent / "out.tif.json").write_text(json.dumps(record))
    code, found, _ = check(one)
    assert code == 1 and found["matches"] is False and "40 steps of 16 bits" in found["problems"][0]


def test_changed_metadata_do_not_match(check, one):
    write_image(one, read_image(one).with_acquisition(tube_voltage_kv=90.0))
    (one.parent / "out.tif.json").unlink()
    code, found, _ = check(one, "--input", one.parent / "scan.tif")
    assert found["record"] == "history" and found["repeated"]["same_bytes"] is False
    # without a record of the environment nobody can know whether only the build differs
    assert found["repeated"]["largest_difference_lsb16"] == 0 and code == 0


def test_changed_metadata_with_a_record_do_not_match(check, one):
    image = read_image(one)
    write_image(one, image.with_acquisition(tube_voltage_kv=90.0))
    code, found, _ = check(one)
    assert code == 1 and any("metadata were changed" in p for p in found["problems"])


def test_another_build_may_differ_by_one_step_and_says_so(check, one):
    image, record = read_image(one), json.loads((one.parent / "out.tif.json").read_text())
    from coldray.checkpoint import file_sha256

    for step, matches in ((1, True), (2, False)):
        pixels = image.pixels.copy()
        pixels[0, 0] += step
        write_image(one, image.with_pixels(pixels))
        changed = json.loads(json.dumps(record))
        changed["sha256_out"] = file_sha256(one)
        changed["recipe"]["environment"]["numpy"] = "1.0"
        (one.parent / "out.tif.json").write_text(json.dumps(changed))
        code, found, _ = check(one)
        assert found["matches"] is matches and code == int(not matches)
        assert found["repeated"]["environment_differs"]["numpy"] == ["1.0", np.__version__]
        assert found["repeated"]["largest_difference_lsb16"] == step


@pytest.mark.parametrize(
    ("build", "steps", "matches"),
    [("same", 1, False), ("other", 1, True), ("other", 2, False), ("unknown", 1, True), ("unknown", 2, False)],
)
def test_builds_of_one_version_are_told_apart(check, call, one, build, steps, matches):
    from coldray.checkpoint import file_sha256

    beside = one.parent / "out.tif.json"
    record, image = json.loads(beside.read_text()), read_image(one)
    here = record["recipe"]["environment"]["build"]
    pixels = image.pixels.copy()
    pixels[0, 0] += steps
    write_image(one, image.with_pixels(pixels))
    record["sha256_out"] = file_sha256(one)
    if build == "other":
        record["recipe"]["environment"]["build"] = "0123456789abcdef"
    elif build == "unknown":
        del record["recipe"]["environment"]["build"]
    beside.write_text(json.dumps(record))
    code, found, _ = check(one)
    assert found["matches"] is matches and code == int(not matches)
    before = {"same": here, "other": "0123456789abcdef", "unknown": None}[build]
    assert found["repeated"]["environment_differs"] == ({} if build == "same" else {"build": [before, here]})
    if build == "same":
        assert "same build, machine and threads give other pixels" in found["problems"][0]
    elif not matches:
        assert ("another build may differ by" in found["problems"][0]) is (build == "other")
    if matches:
        shown = "not recorded" if before is None else before
        assert f"build     {shown} then, {here} now" in call("verify", one)[1]


def test_a_record_without_a_build_still_matches(check, one):
    beside = one.parent / "out.tif.json"
    record = json.loads(beside.read_text())
    del record["recipe"]["environment"]["build"]
    beside.write_text(json.dumps(record))
    code, found, _ = check(one)
    assert code == 0 and found["matches"] is True and found["repeated"]["same_bytes"] is True


def test_the_original_may_move_but_not_change(check, call, put, one, tmp_path):
    (tmp_path / "archive" / "2026").mkdir(parents=True)
    put(tmp_path / "archive" / "2026" / "other.tif", 9)
    shutil.move(tmp_path / "scan.tif", tmp_path / "archive" / "2026" / "renamed.tif")
    code, found, err = check(one)
    assert code == 3 and "--input" in err and "matches" not in found
    code, found, _ = check(one, "--input", tmp_path / "archive")
    assert code == 0 and found["matches"] is True and found["input"].endswith("renamed.tif")
    code, _, err = check(one, "--input", tmp_path / "archive" / "2026" / "other.tif")
    assert code == 3 and "not the original" in err
    (tmp_path / "empty").mkdir()
    assert "no file there" in check(one, "--input", tmp_path / "empty")[2]
    # a file that was changed does not match, with or without its original
    one.write_bytes(one.read_bytes() + b"\0")
    code, found, _ = check(one)
    assert code == 1 and found["matches"] is False and "not repeated" in found["problems"][-1]


def test_detectors_and_flats_are_checked_by_content(check, call, put, tmp_path):
    put(tmp_path / "scan.tif", 3)
    for name, loading in (("thick", 120), ("thin", 40)):
        detector = load_detector(f"phosphor:{loading}", pixel_pitch_mm=0.048)
        (tmp_path / f"{name}.json").write_text(json.dumps(detector.to_dict()))
    rng = np.random.default_rng(1)
    flats = np.rint((1 + 0.01 * rng.standard_normal((2, 256, 256))) * 50000).astype(np.uint16)
    write_image(tmp_path / "flats.tif", Radiograph(flats, Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0)))
    command = (
        "restore", tmp_path / "scan.tif", "-o", tmp_path / "out.tif", "--method", "wiener", "--noise",
        tmp_path / "flats.tif", "--blurred", tmp_path / "thick.json", "--sharp", tmp_path / "thin.json",
    )  # fmt: skip
    assert call(*command)[0] == 0
    assert check(tmp_path / "out.tif")[1]["matches"] is True
    shutil.move(tmp_path / "thick.json", tmp_path / "moved.json")
    code, _, err = check(tmp_path / "out.tif")
    assert code == 3 and "thick.json" in err
    assert check(tmp_path / "out.tif", "--blurred", tmp_path / "moved.json")[0] == 0
    code, _, err = check(tmp_path / "out.tif", "--blurred", tmp_path / "thin.json")
    assert code == 3 and "not the recorded one" in err
    write_image(tmp_path / "flats.tif", Radiograph(flats + 1, Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0)))
    code, _, err = check(tmp_path / "out.tif", "--blurred", tmp_path / "moved.json")
    assert code == 3 and "--noise" in err


def test_a_model_that_ships_under_another_name_by_now_is_found_by_its_content(check, call, put, tmp_path, monkeypatch):
    from coldray.restoration import model as models

    put(tmp_path / "scan.tif", 3)
    assert call("restore", tmp_path / "scan.tif", "-o", tmp_path / "out.tif", "-m", "compact", *FAST[2:])[0] == 0
    renamed = {"older": models.shipped_models()["compact"]}
    monkeypatch.setattr(models, "shipped_models", lambda: renamed)
    code, found, _ = check(tmp_path / "out.tif")
    assert code == 0 and found["matches"] is True and found["repeated"]["same_bytes"] is True


def test_a_model_with_other_constants_is_not_the_recorded_one(check, call, put, tmp_path):
    """The same weights behind another gate; a record from before the constants were told says nothing of them."""
    shipped = shipped_models()["compact"]
    for name in ("m", "other"):
        for suffix in (".onnx", ".json", ".safetensors"):
            shutil.copy(shipped.with_suffix(suffix), tmp_path / f"{name}{suffix}")
    put(tmp_path / "scan.tif", 3)
    one = tmp_path / "out.tif"
    assert call("restore", tmp_path / "scan.tif", "-o", one, "-m", tmp_path / "m.onnx", *FAST[2:])[0] == 0
    record = json.loads((tmp_path / "out.tif.json").read_text())
    header = json.loads((tmp_path / "m.json").read_text())
    assert record["recipe"]["settings"]["model_settings"] == header.pop("settings_sha256")
    assert record["settings"]["model_settings_sha256"] == record["recipe"]["settings"]["model_settings"]
    assert check(one)[1]["matches"] is True
    (tmp_path / "other.json").write_text(json.dumps(header | {"even": header["even"] | {"open_above": 15.0}}))
    code, _, err = check(one, "-m", tmp_path / "other.onnx")
    assert code == 3 and "other constants in its header" in err and "--model" in err
    del record["recipe"]["settings"]["model_settings"], record["recipe"]["environment"]["build"]
    (tmp_path / "out.tif.json").write_text(json.dumps(record))
    code, found, _ = check(one)
    assert code == 0 and found["matches"] is True


@pytest.mark.parametrize("suffix", [".dcm", ".png", ".npy"])
def test_every_format_can_be_verified(check, call, put, tmp_path, suffix):
    put(tmp_path / "scan.tif", 3)
    assert call("restore", tmp_path / "scan.tif", "-o", tmp_path / f"out{suffix}", *FAST)[0] == 0
    code, found, _ = check(tmp_path / f"out{suffix}")
    assert code == 0 and found["repeated"]["same_bytes"] is True


def test_what_was_never_restored_and_damaged_records(check, call, one, tmp_path):
    code, _, err = call("verify", tmp_path / "scan.tif")
    assert code == 3 and "nothing says how it was restored" in err and len(err.splitlines()) == 1
    assert call("verify", tmp_path / "absent.tif")[0] == 3
    beside = tmp_path / "out.tif.json"
    whole = beside.read_text()
    for damaged in ("", whole[: len(whole) // 2], "[]", '{"recipe": 3}'):
        beside.write_text(damaged)
        code, found, _ = check(one, "--input", tmp_path / "scan.tif")
        assert code == 1 and found["matches"] is False and "out.tif.json is damaged" in found["problems"]
        assert found["repeated"]["same_bytes"] is True


def older(record, written_by):
    """The record as earlier versions wrote it: without its number, without reports, without a recipe."""
    record = json.loads(json.dumps(record))
    del record["recipe"]["format"]
    for key, (_, said) in recorded().items():
        if said.since > max(written_by, FIRST_FORMAT):
            del record["recipe"]["settings"][key]
    if FIRST_FORMAT < written_by < newest_format():  # its own build would say the same in the same words
        record["recipe"]["environment"]["build"] = "another"
    if written_by <= 2:
        for name in ("report", "certificate_map", "reference"):
            del record["recipe"]["settings"][name]
    if written_by == 1:
        del record["recipe"]
    return record


@pytest.mark.parametrize("written_by", [1, 2, newest_format() + 1])
def test_a_record_of_another_format_is_named_and_not_a_mismatch(check, call, one, written_by):
    beside = one.parent / "out.tif.json"
    record = json.loads(beside.read_text())
    if written_by < 3:
        record = older(record, written_by)
    else:
        record["recipe"]["format"] = written_by
    beside.write_text(json.dumps(record))
    code, out, err = call("verify", one)
    assert code == 3 and not out and len(err.splitlines()) == 1
    assert f"written by format {written_by} of the record; cannot be re-run by this version" in err
    assert "matches" not in check(one)[1]
    # whether the file is the recorded one can still be told
    one.write_bytes(one.read_bytes() + b"\0")
    code, found, _ = check(one)
    assert code == 1 and found["matches"] is False
    assert "changed after it was written" in found["problems"][0] and f"format {written_by}" in found["problems"][1]


@pytest.mark.parametrize("written_by", [3, 4, newest_format()])
def test_a_whole_record_without_a_number_tells_its_format_by_its_settings(check, one, written_by):
    """Format 3 is version 0.1's: repeated as it was then, without safeguards; on an ordinary image to the same pixels."""
    beside = one.parent / "out.tif.json"
    beside.write_text(json.dumps(older(json.loads(beside.read_text()), written_by)))
    code, found, _ = check(one)
    assert found["repeated"]["largest_difference_lsb16"] == 0
    assert (code == 0) == (written_by > 3)  # the file's own history says that it was written with safeguards


def test_a_history_of_another_format_is_named(call, one):
    image = read_image(one)
    step = image.history[-1]
    # up to format 3 a history carried no number, and from format 3 on the settings of reports
    step = replace(step, details={k: v for k, v in step.details.items() if k != "format"})
    write_image(one, replace(image, history=(*image.history[:-1], step)))
    (one.parent / "out.tif.json").unlink()
    code, _, err = call("verify", one, "--input", one.parent / "scan.tif")
    assert code == 3 and "written by format 2 of the record" in err


@pytest.mark.parametrize(
    ("written_by", "statements"),
    [
        (1, ["DROP TABLE work", "CREATE TABLE work (target TEXT, key TEXT, entry TEXT)", "PRAGMA user_version=0"]),
        (2, ["PRAGMA user_version=2"]),
    ],
)
def test_a_ledger_of_another_format_is_named(call, put, tmp_path, written_by, statements):
    put(tmp_path / "scans" / "a.tif", 1)
    assert call("restore", tmp_path / "scans", "-o", tmp_path / "out", *FAST)[0] == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / LEDGER, isolation_level=None)) as base:
        for statement in statements:
            base.execute(statement)
    code, out, err = call("verify", tmp_path / "out" / "a.tif")
    assert code == 3 and not out and len(err.splitlines()) == 1
    assert f"written by format {written_by} of the ledger; cannot be re-run by this version" in err


def test_a_folder_is_audited_through_its_ledger(check, call, put, tmp_path):
    for number in range(4):
        put(tmp_path / "scans" / f"{number}.tif", number)
    assert call("restore", tmp_path / "scans", "-o", tmp_path / "out", *FAST)[0] == 0
    code, found, _ = check(tmp_path / "out")
    assert code == 0 and found["matches"] is True and found["counts"] == {"matches": 4}
    assert [entry["repeated"]["same_bytes"] for entry in found["files"]] == [True] * 4
    (tmp_path / "out" / "0.tif").unlink()
    image = read_image(tmp_path / "out" / "1.tif")
    write_image(tmp_path / "out" / "1.tif", image.with_pixels(image.pixels + 1))
    (tmp_path / "scans" / "2.tif").unlink()
    put(tmp_path / "out" / "stranger.tif", 9)
    code, found, _ = check(tmp_path / "out")
    assert code == 1 and found["matches"] is False
    assert found["counts"] == {"missing": 1, "differs": 1, "not repeated": 2, "matches": 1}
    by_name = {entry["file"].rpartition("/")[2]: entry for entry in found["files"]}
    assert by_name["3.tif"]["matches"] is True and "missing" in by_name["0.tif"]["problems"][0]
    assert "was changed" in by_name["1.tif"]["problems"][0] and "not there any more" in by_name["2.tif"]["error"]
    assert (
        "the ledger of out does not know" in " ".join(by_name["stranger.tif"]["problems"])
        or by_name["stranger.tif"]["error"]
    )
    code, out, err = call("verify", tmp_path / "out")
    assert code == 1 and out.count("DOES NOT MATCH") == 4 and out.count(": matches") == 1
    assert err.splitlines()[-1] == "verify: 1 missing, 1 differs, 2 not repeated, 1 matches"


def test_a_folder_without_results_is_no_archive(check, put, tmp_path):
    put(tmp_path / "scans" / "a.tif", 1)
    code, found, _ = check(tmp_path / "scans")
    assert code == 3 and "nothing there was written" in found["error"]
