"""Hostile options, names and records over the commands: code 2 or 3, one line that names what is wrong, nothing left."""

import json

import numpy as np
import pytest

from coldray.app import cli, console, engines

KNOWN = ("--method", "wiener")
EXPOSED = (*KNOWN, "--exposure-s", "0.25")
LONG = "n" * 300


@pytest.fixture(autouse=True)
def nothing_unclassified(monkeypatch):
    """The branches for exceptions that nobody foresaw are not reached: their words are traps here."""
    seen = []
    for module, name in ((cli.console, "fail"), (engines, "ImageError")):
        original = getattr(module, name)

        def counted(message, *more, _original=original, **others):
            if any(word in str(message) for word in ("Error: ", "--debug", "Exception: ")):
                seen.append(str(message))
            return _original(message, *more, **others)

        monkeypatch.setattr(module, name, counted)
    yield
    assert not seen, "an exception outside the tree reached the console"


RESTORE = {
    "detector path": ((*EXPOSED, "--blurred", "../../app/cli:x"), "app/cli"),
    "detector package": ((*EXPOSED, "--blurred", "__init__:x"), "__init__"),
    "detector helper": ((*EXPOSED, "--sharp", "_x:1"), "_x"),
    "detector word": ((*EXPOSED, "--blurred", "phosphor:x"), "phosphor"),
    "detector infinite": ((*EXPOSED, "--blurred", "phosphor:1e999"), "phosphor"),
    "detector long": ((*EXPOSED, "--blurred", LONG), "no detector"),
    "exposure tiny": ((*KNOWN, "--exposure-s", "1e-300"), "exposure"),
    "exposure huge": ((*KNOWN, "--exposure-s", "1e308"), "exposure"),
    "exposure none": ((*KNOWN, "--exposure-s", "nan"), "exposure"),
    "open beam tiny": ((*EXPOSED, "--open-beam", "1e-300"), "open beam"),
    "open beam huge": ((*EXPOSED, "--open-beam", "1e300"), "open beam"),
    "pitch tiny": ((*EXPOSED, "--pitch-um", "1e-300"), "pitch"),
    "pitch huge": ((*EXPOSED, "--pitch-um", "1e300"), "pitch"),
    "method": (("--method", "../cold", "--exposure-s", "0.25"), "../cold"),
    "flats long": ((*KNOWN, "--noise", LONG), "nnn"),
    "model long": (("--exposure-s", "0.25", "-m", LONG), "nnn"),
    "raw": ((*EXPOSED, "--raw", "9" * 400), "raw"),
}


def refused(answer, named, folder, before):
    code, out, err = answer
    assert code in (console.USAGE, console.CANNOT_RUN), (code, out, err)
    assert len(err.splitlines()) == 1 and err.startswith("coldray: ") and "Traceback" not in err
    assert named in err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("case", RESTORE)
def test_options_of_restore(call, put, tmp_path, case):
    options, named = RESTORE[case]
    source = put(tmp_path / "in.tif")
    before = sorted(tmp_path.rglob("*"))
    refused(call("restore", source, "-o", tmp_path / "out.tif", *options), named, tmp_path, before)


VERBS = {
    "restore input": ("restore", f"{LONG}.tif", "-o", "out.tif", *EXPOSED),
    "restore output": ("restore", "in.tif", "-o", f"{LONG}.tif", *EXPOSED),
    "verify": ("verify", f"{LONG}.tif"),
    "correct": ("correct", "in.tif", "-o", f"{LONG}.tif", "--dark", "in.tif", "--flat", "in.tif"),
    "prepare": ("prepare", LONG, "-o", "dataset"),
    "simulate": ("simulate", "board", "-o", LONG),
    "measure": ("measure", "flat", f"{LONG}.tif"),
    "export": ("model", "export", f"{LONG}.safetensors", "-o", "m.onnx"),
}


@pytest.mark.parametrize("case", VERBS)
def test_names_longer_than_a_file_can_have(call, put, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "in.tif")
    before = sorted(tmp_path.rglob("*"))
    refused(call(*VERBS[case]), "nnn", tmp_path, before)


def test_pixels_beyond_any_intensity(call, tmp_path):
    np.save(tmp_path / "in.npy", np.full((48, 64), 1e300))
    before = sorted(tmp_path.rglob("*"))
    answer = call("restore", tmp_path / "in.npy", "-o", tmp_path / "out.npy", *EXPOSED, "--pitch-um", 48)
    refused(answer, "in.npy: pixels reach 1e+300", tmp_path, before)


@pytest.mark.parametrize(
    ("setting", "value"), [("raw", "x"), ("degradation", "../x"), ("method", "nothing"), ("gain", "all"), ("even", 3)]
)
def test_a_record_that_cannot_be_repeated_is_no_wrong_option(call, put, tmp_path, setting, value):
    out = tmp_path / "out.tif"
    assert call("restore", put(tmp_path / "in.tif"), "-o", out, *EXPOSED)[0] == 0
    beside = tmp_path / "out.tif.json"
    record = json.loads(beside.read_text())
    record["recipe"]["settings"][setting] = value
    beside.write_text(json.dumps(record))
    before = sorted(tmp_path.rglob("*"))
    answer = call("verify", out)
    refused(answer, "out.tif", tmp_path, before)
    assert answer[0] == console.CANNOT_RUN
