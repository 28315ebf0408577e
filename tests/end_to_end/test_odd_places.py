"""Odd names, links, pipes, full disks, missing homes and outputs in the way (F2, F11, F12, F26, F27, F28, F30)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from coldray.formats import read_image, write_image
from coldray.radiograph import Acquisition

FAST = ("--method", "wiener", "--exposure-s", "0.25")
posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and devices")

NAMES = [
    "two words.tif", "Ü µm 漢字.tif", "new\nline.tif", "-dash.tif", "%s{}.tif", "<img src=x onerror=alert(1)>.tif",
    "quote'\".tif", "dot..tif", "x" * 236 + ".tif", "bad\udcff.tif",
]  # fmt: skip


def linked(folder: Path, put) -> None:
    """A good file, and everything that only looks like one."""
    put(folder / "good.tif", 1)
    outside = put(folder.parent / "outside.tif", 2)
    (folder / "inside.tif").symlink_to(folder / "good.tif")
    (folder / "out_of_root.tif").symlink_to(outside)
    (folder / "dangling.tif").symlink_to(folder / "nothing.tif")
    (folder / "loop.tif").symlink_to(folder / "loop.tif")
    (folder / "null.tif").symlink_to("/dev/zero")
    (folder / "folder.tif").mkdir()
    os.mkfifo(folder / "pipe.tif")
    (folder / "up").symlink_to(folder.parent)


@posix
def test_links_pipes_and_devices_in_a_folder_are_named_and_harm_nobody(call, put, tmp_path, results):
    linked(tmp_path / "in", put)
    code, out, err = call("restore", tmp_path / "in", "-o", tmp_path / "out", *FAST, "--json")
    entries = {os.path.basename(e["input"]): e for e in json.loads(out)["files"]}
    assert code == 1 and len(entries) == 8
    assert {name for name, e in entries.items() if "error" not in e} == {"good.tif", "inside.tif"}
    for name, entry in entries.items():
        assert entry.get("error", name).startswith(name)
    assert sorted(results(tmp_path / "out")) == ["good.tif", "inside.tif"]
    assert len(err.splitlines()) == 6


def test_odd_names_in_an_ascii_world(put, tmp_path):
    made = []
    for number, name in enumerate(NAMES):
        try:
            put(tmp_path / "in" / name, number)
            made.append(name)
        except OSError:
            continue  # this file system has no such names
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "coldray", "restore", tmp_path / "in", "-o", tmp_path / "out", *FAST]
    told = subprocess.run([os.fspath(c) for c in command], capture_output=True, env=environment, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.isascii() and len(told.stdout.splitlines()) == len(made) >= 8
    assert sorted(os.listdir(tmp_path / "out")) == sorted([*made, ".coldray-ledger.sqlite"])
    told = subprocess.run(
        [os.fspath(c) for c in [*command, "--json"]], capture_output=True, env=environment, check=False
    )
    entries = json.loads(told.stdout)["files"]
    assert all(e["skipped"] for e in entries)
    told_names = [os.path.basename(e["input"]).encode("utf-8", "surrogateescape") for e in entries]
    assert sorted(told_names) == sorted(os.fsencode(name) for name in made)


def test_a_long_name_has_no_room_for_its_record_and_leaves_nothing(call, put, tmp_path):
    put(tmp_path / "scan.tif")
    name = "x" * 251 + ".tif"
    code, _, err = call("restore", tmp_path / "scan.tif", "-o", tmp_path / name, *FAST)
    assert code == 3 and len(err.splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["scan.tif"]


def test_same_names_get_distinct_outputs_or_are_refused_before_the_start(call, put, tmp_path, results):
    put(tmp_path / "in" / "a" / "x.tif", 1)
    put(tmp_path / "in" / "b" / "x.tif", 2)
    put(tmp_path / "in" / "a" / "x.png", 3)
    assert call("restore", tmp_path / "in", "-o", tmp_path / "out", *FAST)[0] == 0
    assert sorted(results(tmp_path / "out")) == ["a/x.png", "a/x.tif", "b/x.tif"]
    for arguments in ((tmp_path / "in" / "a", tmp_path / "in" / "b"), (tmp_path / "in", "--provenance")):
        code, _, err = call("restore", *arguments, "-o", tmp_path / "other", *FAST)
        assert code == 2 and "different folders" in err and not (tmp_path / "other").exists()
    pixels = read_image(tmp_path / "in" / "a" / "x.tif").pixels
    from PIL import Image

    Image.fromarray((pixels >> 8).astype(np.uint8)).save(tmp_path / "in" / "b" / "x.jpg")
    code, _, err = call("restore", tmp_path / "in" / "b", "-o", tmp_path / "other", *FAST)
    assert code == 2 and "same relative name" in err and not (tmp_path / "other").exists()


def test_outputs_that_cannot_be_are_refused_before_anything_is_computed(call, put, tmp_path, monkeypatch):
    put(tmp_path / "in" / "a.tif")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("coldray.restoration.pipeline.restore", lambda *_: pytest.fail("computed first"))
    for out in ("file", "file/below", "in"):
        code, _, err = call("restore", tmp_path / "in", "-o", tmp_path / out, *FAST)
        assert code == 3 and len(err.splitlines()) == 1 and out.split("/")[0] in (err + "in")
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    code, _, err = call("restore", tmp_path / "in", "-o", tmp_path / "out", *FAST)
    assert code == 3 and "cannot be written" in err and not (tmp_path / "out").exists()
    assert (tmp_path / "file").read_text() == "in the way" and os.listdir(tmp_path / "in") == ["a.tif"]


def test_own_outputs_are_never_taken_as_inputs(call, put, tmp_path, results):
    put(tmp_path / "in" / "a.tif")
    for _ in range(2):
        code, out, _ = call(
            "restore", tmp_path / "in", "-o", tmp_path / "in" / "restored", *FAST, "--provenance", "--json"
        )
        assert code == 0 and len(json.loads(out)["files"]) == 1
    assert sorted(results(tmp_path / "in")) == ["a.tif", "restored/a.provenance.tif", "restored/a.tif"]
    assert call("restore", tmp_path / "in", "-o", tmp_path / "out", *FAST)[0] == 0
    assert sorted(results(tmp_path / "out")) == ["a.tif"]


@posix
@pytest.mark.parametrize("stream", ["full stdout", "closed stdout", "closed pipe", "full stderr"])
def test_a_stream_that_takes_nothing_does_not_stop_the_work(stream, put, tmp_path, results):
    for number in range(3):
        put(tmp_path / "in" / f"{number}.tif", number)
    command = [sys.executable, "-m", "coldray", "restore", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *FAST]
    tail = {"full stdout": ">/dev/full", "closed stdout": ">&-", "closed pipe": "| true", "full stderr": "2>/dev/full"}
    told = subprocess.run(
        ["sh", "-c", f'"$@" {tail[stream]}', "sh", *command], capture_output=True, check=False, timeout=600
    )
    assert told.returncode == 0 and b"Traceback" not in told.stderr
    assert len(results(tmp_path / "out")) == 3


@posix
def test_json_that_cannot_be_printed_is_an_error_not_a_traceback(put, tmp_path):
    put(tmp_path / "in.tif")
    command = [sys.executable, "-m", "coldray", "info", str(tmp_path / "in.tif"), "--json"]
    told = subprocess.run(["sh", "-c", '"$@" >/dev/full', "sh", *command], capture_output=True, check=False)
    assert told.returncode == 3 and b"No space left" in told.stderr and b"Traceback" not in told.stderr


@posix
def test_no_environment_at_all(put, tmp_path):
    put(tmp_path / "scan.tif")
    for environment in ({}, {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}):
        out = tmp_path / f"out{len(environment)}.tif"
        told = subprocess.run(
            [sys.executable, "-m", "coldray", "restore", str(tmp_path / "scan.tif"), "-o", str(out), *FAST],
            capture_output=True, env=environment, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert told.returncode == 0 and out.exists(), told.stderr


@posix
@pytest.mark.parametrize("uid", ["../../../x", "/etc/x", "..\\..\\x"])
def test_no_path_is_ever_taken_from_a_dicom_object(call, put, tmp_path, uid):
    image = read_image(put(tmp_path / "scan.tif")).with_acquisition(linear=True)
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.dcm", image)
    whole = (tmp_path / "in" / "a.dcm").read_bytes()
    own = pydicom.dcmread(tmp_path / "in" / "a.dcm").SOPInstanceUID.encode()
    hostile = uid.encode() + b"\0" * (len(own) - len(uid))
    assert whole.count(own) == 2
    (tmp_path / "in" / "a.dcm").write_bytes(whole.replace(own, hostile))
    before = {p for p in tmp_path.rglob("*") if p.is_file()}
    code, _, err = call("restore", tmp_path / "in", "-o", tmp_path / "out", *FAST)
    assert "Traceback" not in err and code in (0, 3)
    new = {p for p in tmp_path.rglob("*") if p.is_file()} - before
    assert {p.relative_to(tmp_path).as_posix() for p in new} <= {"out/a.dcm", "out/.coldray-ledger.sqlite"}


@pytest.mark.parametrize("relation", ["LOG", "DISP"])
def test_dicom_that_is_not_linear_is_refused_and_unstated_linearity_is_said(call, put, tmp_path, relation):
    image = read_image(put(tmp_path / "scan.tif")).with_acquisition(linear=True)
    write_image(tmp_path / "a.dcm", image)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset[0x00990010], dataset[0x00991001]
    dataset.PixelIntensityRelationship = relation
    dataset.save_as(tmp_path / "log.dcm")
    code, _, err = call("restore", tmp_path / "log.dcm", "-o", tmp_path / "out.dcm", *FAST)
    assert code == 3 and "linear" in err and not (tmp_path / "out.dcm").exists()
    del dataset.PixelIntensityRelationship
    dataset.save_as(tmp_path / "unstated.dcm")
    code, out, _ = call("restore", tmp_path / "unstated.dcm", "-o", tmp_path / "out.dcm", *FAST, "--json")
    assert code == 0 and any("linear in the X-ray intensity" in w for w in json.loads(out)["files"][0]["warnings"])


def test_what_the_reader_remarked_reaches_the_user(call, put, tmp_path):
    from PIL import Image

    pixels = read_image(put(tmp_path / "scan.tif")).pixels
    Image.fromarray((pixels >> 8).astype(np.uint8)).save(tmp_path / "scan.jpg")
    code, out, _ = call("restore", tmp_path / "scan.jpg", "-o", tmp_path / "out.tif", *FAST, "--json")
    assert code == 0 and any("lossy compression" in w for w in json.loads(out)["files"][0]["warnings"])
    assert read_image(tmp_path / "out.tif").dtype == np.uint8
    assert read_image(tmp_path / "out.tif").acquisition != Acquisition()
