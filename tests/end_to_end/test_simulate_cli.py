"""`coldray simulate`: every kind of object, what its truth promises against what measuring finds, and raw frames."""

import json
from contextlib import contextmanager

import numpy as np
import pytest

from coldray.app import console
from coldray.app.cli import main
from coldray.dataset.frames import read_board
from coldray.formats import read_image

SMALL = ("--size-px", 96)


@pytest.fixture(scope="module")
def call():
    """Run the command line; returns exit code, JSON and stderr."""
    import contextlib
    import io

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with pytest.raises(SystemExit) as left, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main([*(str(a) for a in arguments), "--json"])
        return left.value.code, json.loads(out.getvalue()), err.getvalue()

    return run


def truth_of(found, kind):
    with open(found["truth"][kind]) as handle:
        return json.load(handle)


def test_an_edge_measures_as_the_truth_says(call, tmp_path):
    _, found, _ = call("simulate", "edge", "-o", tmp_path, "--size-px", 256)
    truth = truth_of(found, "edge")
    for role in ("hr", "lr"):
        _, measured, _ = call("measure", "edge", found["truth"][role])
        inside = np.array(measured["frequency_lp_mm"]) < 10
        frequency = np.array(measured["frequency_lp_mm"])[inside]
        promised = np.interp(frequency, truth[role]["frequency_lp_mm"], truth[role]["mtf"])
        assert np.abs(np.array(measured["mtf"])[inside] - promised).max() < 0.005


def test_bars_measure_as_the_truth_says(call, tmp_path):
    _, found, _ = call("simulate", "bars", "-o", tmp_path, "--size-px", 128, "--detector", "gos135")
    groups = truth_of(found, "bars")["frames"]["groups"]
    _, measured, _ = call("measure", "bars", found["truth"]["frames"])
    assert len(measured["groups"]) == len(groups) == 6
    for seen, promised in zip(measured["groups"], groups, strict=True):
        assert seen["frequency_lp_mm"] == pytest.approx(promised["frequency_lp_mm"], rel=5e-3)
        assert seen["ctf"] == pytest.approx(promised["ctf"], abs=0.006)


def test_wires_lie_where_the_truth_says(call, tmp_path):
    _, found, _ = call("simulate", "duplex", "-o", tmp_path, "--size-px", 64, "--detector", "gos34", "--angle-deg", 0)
    pairs = truth_of(found, "duplex")["frames"]["pairs"]
    assert [p["spacing_mm"] for p in pairs][:3] == [0.8, 0.63, 0.5] and len(pairs) == 13
    profile = read_image(found["truth"]["frames"]).pixels[32]
    column = np.arange(profile.size)
    for pair in pairs[:9]:
        wide = pair["spacing_mm"] / 0.048
        gap, left, right = np.interp([pair["column_px"] + k * wide for k in (0, -1, 1)], column, profile)
        assert gap > left + 0.05 and gap > right + 0.05
        assert left == pytest.approx(right, abs=0.06)


def test_a_flat_measures_as_the_truth_says(call, tmp_path):
    _, found, _ = call("simulate", "flat", "-o", tmp_path, "--size-px", 384, "--exposure-s", 0.5)
    truth = truth_of(found, "flat")
    for role in ("hr", "lr"):
        _, measured, _ = call("measure", "flat", *(f for f in found["files"] if f"/{role}/" in f))
        promised = np.interp(measured["frequency_lp_mm"], truth[role]["frequency_lp_mm"], truth[role]["nnps_mm2"])
        assert np.mean(np.array(measured["nnps_mm2"]) / promised) == pytest.approx(1, abs=0.05)


def test_a_wedge_shows_its_steps_and_the_thick_screen_sees_more_light(call, tmp_path):
    _, found, _ = call("simulate", "wedge", "-o", tmp_path, "--size-px", 192)
    truth = truth_of(found, "wedge")
    for role in ("hr", "lr"):
        image = read_image(found["truth"][role]).pixels
        for step in truth[role]["steps"]:
            first, last = step["columns_px"]
            middle = int((first + last) / 2)
            assert image[96, middle] == pytest.approx(step["signal"], abs=0.04)
    signals = {r: np.array([s["signal"] for s in truth[r]["steps"]]) for r in ("hr", "lr")}
    assert signals["hr"][0] == 1 and np.all(np.diff(signals["hr"]) < 0)
    assert np.all(signals["lr"][1:] > signals["hr"][1:])


def test_the_same_state_gives_the_same_bytes_and_frames_do_not_depend_on_their_number(call, tmp_path):
    arguments = ("simulate", "battery", "--family", "pouch", *SMALL, "--random-state", 3, "--defects", 2)
    _, one, _ = call(*arguments, "-o", tmp_path / "a", "--frames", 1)
    _, two, _ = call(*arguments, "-o", tmp_path / "b", "--frames", 2)
    for path in one["files"]:
        twin = path.replace(str(tmp_path / "a"), str(tmp_path / "b"))
        assert twin in two["files"]
        np.testing.assert_array_equal(read_image(path).pixels, read_image(twin).pixels)
    note = json.loads((tmp_path / "a" / "pouch-3" / "pair.json").read_text())
    assert len(note["defects"]) == 2 and all(d["cnr"] > 0 and d["kind"] for d in note["defects"])
    assert read_image(one["truth"]["defects"]).pixels.max() == 2


def test_a_weld_with_defects_says_where_they_are_and_how_visible(call, tmp_path):
    _, found, _ = call("simulate", "weld", "-o", tmp_path, *SMALL, "--random-state", 2, "--defects", 3)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("weld-") and folder.name.endswith("-2")
    note = json.loads((folder / "pair.json").read_text())
    assert len(note["defects"]) == 3 and all(d["cnr"] > 0 and d["area_mm2"] > 0 for d in note["defects"])
    assert read_image(found["truth"]["defects"]).pixels.max() == 3


def test_raw_frames_are_corrected_to_the_truth(call, tmp_path):
    """Gain pattern, offset, bad pixels and lag go in; darks and flats take them out again."""
    _, found, _ = call(
        "simulate",
        "board",
        "--family",
        "rf",
        "-o",
        tmp_path,
        *SMALL,
        "--raw",
        "--frames",
        4,
        "--calibration-frames",
        8,
        "--random-state",
        2,
    )
    folder = tmp_path / "rf-2"
    raw = read_image(found["files"][0])
    assert raw.pixels.dtype == np.uint16 and raw.acquisition.open_beam is None
    assert len(list((folder / "dark" / "hr").iterdir())) == len(list((folder / "flat" / "lr").iterdir())) == 8
    images = read_board(folder)
    clean = {role: read_image(found["truth"][role]).pixels for role in ("hr", "lr")}
    residual = images.mean - clean["hr"]
    assert abs(residual.mean()) < 2e-3
    assert residual.std() < 0.02
    assert np.std(images.frames[0] - clean["lr"]) < 0.01
    # a raw frame is far from it
    assert np.std(raw.pixels / raw.pixels.max() - clean["hr"]) > 0.05


HEAD = "%FSLAX35Y35*%\n%MOMM*%\n%ADD10C,1.5*%\n%ADD11C,0.2*%\n"
DISCS = "D10*\n" + "".join(f"X{x}00000Y{y}00000D03*\n" for x in (2, 5, 9) for y in (2, 6)) + "M02*\n"
FRAME = "D11*\nX0Y0D02*\nX1100000D01*\nY800000D01*\nX0D01*\nY0D01*\nM02*\n"


def test_a_real_board_says_which_file_became_what(call, tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    for name in ("lid", "base"):
        (root / f"{name}-F_Cu.gbr").write_text(HEAD + DISCS)
        (root / f"{name}-B_Cu.gbr").write_text(HEAD + DISCS)
        (root / f"{name}-Edge_Cuts.gbr").write_text(HEAD + FRAME)
        (root / f"{name}.drl").write_text("M48\nMETRIC\nT1C0.8\n%\nT1\nX2.0Y2.0\nX5.0Y6.0\nM30\n")
    arguments = ("simulate", "board", "--gerber", root, "-o", tmp_path / "out", *SMALL)
    code, answer, _ = call(*arguments)
    assert code == 3 and "base (4 files), lid (4 files)" in answer["error"]
    code, answer, err = call(*arguments, "--board", "lid")
    assert code == 0
    told = answer["gerber"]
    assert (told["copper_layers"], told["holes"], told["plated_holes"]) == (2, 2, 2)
    roles = {f["file"]: f["role"] for f in told["files"]}
    assert roles["lid-Edge_Cuts.gbr"] == "outline" and roles["base-F_Cu.gbr"] == "left out"
    with open(answer["pair"]) as handle:
        assert json.load(handle)["gerber"] == told
    assert "2 copper layers, 2 holes (2 plated)" in err and "lid.drl: drill, 2 holes" in err and "another board" in err


def test_options_that_do_not_belong_together_are_refused(call, tmp_path):
    def refused(match, *arguments):
        code, answer, err = call("simulate", *arguments, "-o", tmp_path / "x")
        assert code in (2, 3) and match in answer["error"], answer
        assert len(err.strip().splitlines()) == 1
        assert not (tmp_path / "x").exists()

    refused("cannot be simulated", "toaster")
    refused("exposure is 0.0 s", "flat", "--exposure-s", 0)
    refused("no place for defects", "edge", "--defects", 3)
    refused("belong to raw frames", "edge", "--direct-hits-s", 0.1)
    refused("--noise belongs to --ideal", "flat", "--noise", 0.1)
    refused("--gerber is for a board", "edge", "--gerber", tmp_path)
    refused("--board names a board of --gerber", "board", "--board", "x")
    refused("--family is for", "edge", "--family", "rf")
    refused("not both", "board", "--defects", 1, "--view-deg", 20)
    refused("um pixels", "edge", "--detector", "gos34", "--pitch-um", 100)
    refused("no detector", "edge", "--detector", "nobody")
    (tmp_path / "d.csv").write_text("frequency_lp_mm,mtf\n0,1\n10,0.1\n")
    refused("states no phosphor loading", "edge", "--detector", tmp_path / "d.csv")
    refused("magnification", "edge", "--magnification", 0.5)


def test_what_does_not_fit_into_memory_is_refused_before_it_starts(call, tmp_path, monkeypatch):
    from coldray.objects import request

    monkeypatch.setattr(request, "_free_bytes", lambda: 1e9)
    code, answer, _ = call("simulate", "board", "-o", tmp_path, "--size-px", 2048)
    assert code == 2
    assert "needs about 4.7 GB, 1.0 GB are free; choose --size-px 944 or less" in answer["error"]
    monkeypatch.setattr(request, "_free_bytes", lambda: None)
    assert call("simulate", "flat", "-o", tmp_path, "--size-px", 64)[0] == 0


def test_an_oblique_view_shifts_layers(call, tmp_path):
    arguments = ("simulate", "board", "--family", "dense_bga", *SMALL)
    _, plan, _ = call(*arguments, "-o", tmp_path / "plan")
    _, tilted, _ = call(*arguments, "-o", tmp_path / "tilted", "--view-deg", 30)
    one, two = (read_image(found["truth"]["hr"]).pixels for found in (plan, tilted))
    assert two.mean() < one.mean()
    assert np.abs(one - two).max() > 0.1


def test_progress_counts_the_drawing_and_every_frame(tmp_path, monkeypatch):
    """A board takes as long to draw as to expose: the bar stood at nothing meanwhile."""
    told = []

    @contextmanager
    def progress(title, total, quiet=False, unit=""):
        yield lambda done, whole=None, note="": told.append((done, total, note))

    monkeypatch.setattr(console, "progress", progress)
    asked = ["simulate", "wire", "-o", str(tmp_path), "--size-px", "64", "--frames", "2"]
    with pytest.raises(SystemExit, match="0"):
        main([*asked, "--detector", "gos135"])
    assert [done for done, _, _ in told] == [0, 1, 2, 3]
    assert {total for _, total, _ in told} == {3}
    assert told[0][2] == "drawing the object"
