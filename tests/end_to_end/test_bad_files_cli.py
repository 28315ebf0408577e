"""Every malformed, hostile or odd file through the command line (F1, F2; reliability 3.3): 0 findings."""

import importlib.util
import json
import os
import resource
import sys
from pathlib import Path

import numpy as np
import pytest

from coldray.app.files import LEDGER
from coldray.formats import read_image, suffixes
from coldray.leftovers import TEMPORARY_PREFIX

FAST = ("--method", "wiener", "--exposure-s", "0.25")


def _malformed():
    """Generator of bad files that the tests of the readers use."""
    path = Path(__file__).parents[1] / "formats" / "malformed.py"
    spec = importlib.util.spec_from_file_location("malformed_of_the_command_line", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


malformed = _malformed()
CASES = [(case, False) for case in malformed.refused()] + [(case, True) for case in malformed.accepted()]


def named(number: int, case) -> str:
    return f"{number:03d}{Path(case.name).suffix.lower()}"


def check_done(entry: dict, source: Path) -> None:
    """What was restored is finite, of the same shape and type, and keeps its mean unless pixels were clipped."""
    before, after = read_image(source), read_image(entry["output"])
    assert after.shape == before.shape and after.dtype == before.dtype
    assert np.isfinite(after.pixels.astype(float)).all()
    mean, scale = before.pixels.mean(dtype=float), np.abs(before.pixels.astype(float)).mean()
    if not entry["clipped_pixels"]:
        assert abs(after.pixels.mean(dtype=float) - mean) <= 0.02 * scale + 0.5 * (after.dtype.kind != "f")
    if entry["output"].endswith(".dcm"):
        assert Path(entry["output"]).read_bytes()[:128] == bytes(128)


def test_all_of_them_as_one_batch(call, put, tmp_path, results):
    folder = tmp_path / "in"
    folder.mkdir()
    wanted = {}
    for number, (case, good) in enumerate(CASES):
        if Path(case.name).suffix.lower() in suffixes():
            (folder / named(number, case)).write_bytes(case.data)
            wanted[named(number, case)] = good
    put(folder / "good.tif", 5)
    sources = results(folder)
    code, out, err = call("restore", folder, "-o", tmp_path / "out", *FAST, "--json")
    entries = {os.path.basename(e["input"]): e for e in json.loads(out)["files"]}
    assert code == 1 and len(entries) == len(sources) == len(wanted) + 1
    failed = {name for name, entry in entries.items() if "error" in entry}
    for name in failed:
        assert entries[name]["error"].startswith(name)
    # a file is refused for what it is, or, read well, for what would be written of it: pixels of an
    # integer type, no radiograph; a file that cannot be clipped has no such excuse
    bad = {name for name, good in wanted.items() if not good}
    clipped = {
        name
        for name in failed
        if ": not restored: " in entries[name]["error"] and "leave the range" in entries[name]["error"]
    }
    unwritable = {name for name in failed if "DICOM does not hold float" in entries[name]["error"]}
    assert failed == bad | clipped | unwritable and not bad & (clipped | unwritable)
    for name in clipped:
        assert read_image(folder / name).dtype.kind in "ui", "floats are never clipped"
    assert len(err.splitlines()) == len(failed) and "Traceback" not in err and malformed.MARK not in out + err
    assert results(folder) == sources, "inputs are only read"
    assert len(results(tmp_path / "out")) == len(entries) - len(failed)
    for name in entries.keys() - failed:
        check_done(entries[name], folder / name)
    for name in sorted(clipped)[::20]:  # alone, with the same line and the code of what cannot be done
        code, _, line = call("restore", folder / name, "-o", tmp_path / f"alone-{name}", *FAST)
        assert code == 3 and line.strip().endswith(entries[name]["error"]) and not (tmp_path / f"alone-{name}").exists()
    for name in sorted(entries.keys() - failed)[::5]:  # a neighbour changes nothing
        assert call("restore", folder / name, "-o", tmp_path / f"alone-{name}", *FAST)[0] == 0
        assert (tmp_path / f"alone-{name}").read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert not list(tmp_path.rglob(f"{TEMPORARY_PREFIX}*.part"))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="memory of children")
def test_each_of_them_alone_ends_within_memory(start, put, tmp_path):
    put(tmp_path / "good.tif", 5)
    assert start("restore", tmp_path / "good.tif", "-o", tmp_path / "good_out.tif", *FAST).end()[0] == 0
    allowed_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss + 150_000
    for number, (case, good) in enumerate(CASES):
        source, out = tmp_path / named(number, case), tmp_path / f"out{number}" / named(number, case)
        source.write_bytes(case.data)
        code, _, err = start("restore", source, "-o", out, *FAST).end()
        assert "Traceback" not in err and malformed.MARK not in err
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < allowed_kb, case.title
        if good and code == 0:
            assert out.exists()
            continue
        assert code in (2, 3) and len(err.splitlines()) == 1 and source.name in err, (case.title, err)
        # OUT without a suffix is a folder, with a ledger of what went wrong
        left = [p.name for p in out.parent.rglob("*") if p.is_file() and not p.name.startswith(LEDGER)]
        assert not left and not out.is_file(), (case.title, left)


@pytest.mark.parametrize("make", ["zeros", "constant", "saturated", "negative", "dead rows", "one pixel", "one row"])
def test_images_that_are_not_physical_are_handled_or_said(call, tmp_path, make):
    shape = {"one pixel": (1, 1), "one row": (1, 64)}.get(make, (48, 64))
    pixels = np.random.default_rng(0).integers(20000, 40000, shape).astype(np.uint16)
    if make == "zeros":
        pixels[:] = 0
    elif make == "constant":
        pixels[:] = 30000
    elif make == "saturated":
        pixels[:] = 65535
    elif make == "negative":
        pixels = (pixels.astype(np.float32) / 50000) - 0.6
    elif make == "dead rows":
        pixels[20:24] = 0
    np.save(tmp_path / "in.npy", pixels)
    code, out, err = call(
        "restore", tmp_path / "in.npy", "-o", tmp_path / "out.npy", *FAST, "--open-beam", 50000 if make != "negative" else 1,
        "--pitch-um", 48, "--json",
    )  # fmt: skip
    assert "Traceback" not in err
    if code:
        assert code == 3 and len(err.splitlines()) == 1 and err.startswith("coldray: in.npy")
        return
    entry = json.loads(out)["files"][0]
    check_done(entry, tmp_path / "in.npy")
    if make == "saturated":
        assert any("saturated" in warning for warning in entry["warnings"])
    if make in ("zeros", "constant"):
        assert np.ptp(np.load(tmp_path / "out.npy")) <= 1, "a blank stays blank"


@pytest.mark.parametrize("link", ["http://example.org/a.tif", "file:///etc/hostname", "\\\\host\\share\\a.tif"])
def test_no_input_is_a_link(call, tmp_path, link):
    """F18: names are paths of files, nothing is fetched."""
    code, _, err = call("restore", link, "-o", tmp_path / "out.tif", *FAST)
    assert code == 3 and "does not exist" in err and len(err.splitlines()) == 1
