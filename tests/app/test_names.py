"""Folders and names: how deep, how long, and who becomes the same file."""

import os

import numpy as np
import pytest

from coldray.app import console
from coldray.app.files import DEEPEST, Pairing, check_names, walk
from coldray.app.recipe import Recipe, switches_beside
from coldray.app.watch import Watcher
from coldray.errors import ImageReadError, ImageWriteError, MetadataError
from coldray.formats import noting
from coldray.radiograph import Radiograph, Step


def nested(folder, levels):
    os.makedirs(folder / "/".join(["d"] * levels))
    place = folder / "/".join(["d"] * levels)
    (place / "x.tif").touch()
    return folder


def test_folders_are_searched_as_deep_as_stated_and_deeper_ones_are_one_error(tmp_path):
    assert len(list(walk(nested(tmp_path / "a", DEEPEST - 1)))) == 1
    with pytest.raises(ImageReadError, match=f"more than {DEEPEST} deep"):
        list(walk(nested(tmp_path / "b", DEEPEST + 200)))


def test_order_dot_names_and_the_own_output_are_as_before(tmp_path):
    for name in ("b/2.tif", "a.tif", "b/1.tif", ".hidden/3.tif", "out/4.tif", "c/d/5.png", "b/1.provenance.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in walk(tmp_path, tmp_path / "out")]
    assert found == ["a.tif", "b/1.tif", "b/2.tif", "c/d/5.png"]


def test_names_that_no_file_system_holds_are_refused_before_work(tmp_path):
    check_names([tmp_path / ("n" * 251 + ".tif"), tmp_path / "missing" / "x.tif"])
    with pytest.raises(ImageWriteError, match=r"259 bytes, 255 are the most"):
        check_names([tmp_path / "a.tif", tmp_path / ("n" * 255 + ".tif")])
    with pytest.raises(ImageWriteError, match="too long"):
        check_names([tmp_path / ("\u00e9" * 130 + ".tif")])


def test_a_watched_folder_names_two_files_that_would_become_one(tmp_path):
    now = [0.0]
    (tmp_path / "in").mkdir()
    for name in ("a.tif", "a.jpg"):
        (tmp_path / "in" / name).write_bytes(b"x")
    watcher = iter(Watcher([tmp_path / "in"], tmp_path / "out", settle_s=0, clock=lambda: now[0]))
    pairs = []
    for _ in range(12):
        now[0] += 100.0
        pairs += [pair for pair in [next(watcher)] if pair is not None]
    assert [pair.source.name for pair in pairs] == ["a.jpg", "a.tif"]
    pairs[0].check()
    with pytest.raises(ImageWriteError, match=r"a\.tif and a\.jpg would both become a\.tif"):
        pairs[1].check()


def test_a_note_is_not_told_with_an_error_of_another_command(tmp_path, call):
    (tmp_path / "a.png").write_bytes(b"no image")
    console.remembered.append("e.dcm: pixels are not square")
    code, _, err = call("measure", "snr", tmp_path / "a.png")
    assert code == console.CANNOT_RUN and "a.png" in err and "e.dcm" not in err


def test_a_note_made_while_reading_is_told_with_the_error_that_follows(tmp_path):
    image = Radiograph(np.ones((3, 3)), history=(Step("read", {"notes": ["pixels are not square"]}),))
    with pytest.raises(MetadataError) as caught, noting((tmp_path / "e.dcm", image)):
        raise MetadataError("the pixel pitch is not known")
    line = console.one_line(caught.value)
    assert line == "the pixel pitch is not known (noted before: e.dcm: pixels are not square)"
    assert Pairing(tmp_path, tmp_path, False).rival is None


@pytest.mark.parametrize("flag", ["--interval", "--provenance", "--map", "--report"])
def test_two_inputs_that_would_leave_one_file_beside_them_are_refused(tmp_path, flag):
    from coldray.app.cli import main

    (tmp_path / "in").mkdir()
    for name in ("a.tif", "a.png"):
        (tmp_path / "in" / name).touch()
    with pytest.raises(SystemExit, match="2"):
        main(["restore", str(tmp_path / "in"), "-o", str(tmp_path / "out"), flag])
    assert not list(tmp_path.glob("out/a*"))


@pytest.mark.parametrize("name", ["r.interval.tif", "r.provenance.tif", "r.certificate.tif"])
@pytest.mark.parametrize("average", [(), ("b.tif", "--average")])
def test_what_lies_beside_a_result_replaces_no_input(tmp_path, monkeypatch, capsys, name, average):
    from coldray.app.cli import main

    monkeypatch.chdir(tmp_path)
    for one in (name, "b.tif"):
        (tmp_path / one).write_bytes(b"kept")
    flags = ("--provenance", "--map", "--overwrite", "--method", "wiener")
    with pytest.raises(SystemExit, match="3"):
        main(["restore", name, "-o", "r.tif", *average, *flags])
    assert f"{name}: the output would replace an input" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == b"kept"


def test_every_switch_that_leaves_a_file_beside_the_image_is_known():
    assert set(switches_beside()) == {"interval", "provenance", "report", "certificate_map"}
    assert not Recipe().leaves_more and all(Recipe(**{name: True}).leaves_more for name in switches_beside())
