"""A disk that is full or broken at any file of a command: one line, nothing left, a rerun mends."""

import errno
import os

import numpy as np
import pytest

from coldray.app import console
from coldray.formats import write_image
from coldray.leftovers import TEMPORARY_PREFIX
from coldray.objects import phantoms
from coldray.radiograph import Acquisition, Radiograph

FAULTS = [
    ("open", errno.ENOSPC),
    ("write", errno.ENOSPC),
    ("write", errno.EIO),
    ("fsync", errno.EIO),
    ("rename", errno.EIO),
]
PITCH_MM = 0.1


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Raw frames, darks, flats and an edge, simulated."""
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(4)
    known = Acquisition(pixel_pitch_mm=PITCH_MM, exposure_s=0.25, linear=True)
    for role, level, count in (("frame", 10000, 2), ("flat", 20000, 2), ("dark", 100, 2)):
        (folder / role).mkdir()
        for number in range(count):
            pixels = np.rint(level + 20 * rng.standard_normal((48, 48))).astype(np.uint16)
            write_image(folder / role / f"{number}.tif", Radiograph(pixels, known))
    blur = phantoms.GaussianBlur(0.6)
    edge, _ = phantoms.slanted_edge((160, 160), blur, PITCH_MM)
    noisy = edge + 0.002 * rng.standard_normal(edge.shape).astype(np.float32)
    write_image(folder / "edge.tif", Radiograph(noisy, known))
    flats, _ = phantoms.flat_field((256, 256), PITCH_MM, 1e-6, 5, frames=2)
    (folder / "even").mkdir()
    for number, frame in enumerate(flats):
        write_image(folder / "even" / f"{number}.tif", Radiograph(frame, Acquisition(PITCH_MM, 1.0, exposure_s=0.5)))
    return folder


def correct(frames, out):
    return (
        "correct", frames / "frame", "--dark", frames / "dark", "--flat", frames / "flat", "-o", out / "mean.tif",
        "--report", out / "mean.html",
    )  # fmt: skip


def characterise(frames, out):
    return (
        "characterise",
        "--name",
        "mine",
        "--edge",
        frames / "edge.tif",
        "--flat",
        frames / "even",
        "-o",
        out / "d.json",
    )


def template(frames, out):
    return ("panel", out / "mine", "--init")


def finals(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("command", [correct, characterise, template], ids=lambda made: made.__name__)
@pytest.mark.parametrize(("kind", "code"), FAULTS, ids=lambda value: errno.errorcode.get(value, value))
def test_a_command_whose_disk_fails_says_so_and_can_be_repeated(
    call, frames, tmp_path, failing_disk, monkeypatch, command, kind, code
):
    out = tmp_path / "out"
    out.mkdir()
    with monkeypatch.context() as planted:
        failing_disk(planted, kind, 1, code)
        ended, _, err = call(*command(frames, out))
    line = [text for text in err.splitlines() if not text.startswith("warning: ")]
    assert ended == console.CANNOT_RUN and len(line) == 1 and line[0].startswith("coldray: "), err
    assert os.strerror(code) in line[0] and "Traceback" not in err
    assert finals(out) == set(), "nothing came before the first file"
    assert call(*command(frames, out))[0] == console.OK
    assert finals(out) and not list(out.rglob(f"{TEMPORARY_PREFIX}*"))


@pytest.mark.parametrize("older", [False, True], ids=["new", "replaced"])
def test_the_outputs_of_a_command_come_together_whichever_of_them_fails(
    call, frames, tmp_path, failing_disk, monkeypatch, older
):
    out = tmp_path / "out"
    out.mkdir()
    assert call(*correct(frames, out))[0] == console.OK and len(finals(out)) == 3
    was = {name: (out / name).read_bytes() for name in finals(out)}
    if not older:
        for name in was:
            (out / name).unlink()
    for kind, code in (("open", errno.ENOSPC), ("write", errno.ENOSPC), ("fsync", errno.EIO)):
        for number in (2, 3):
            with monkeypatch.context() as planted:
                failing_disk(planted, kind, number, code)
                ended, _, err = call(*correct(frames, out), "--overwrite")
            assert ended == console.CANNOT_RUN and os.strerror(code) in err
            assert {name: (out / name).read_bytes() for name in finals(out)} == (was if older else {})
    assert not list(out.rglob(f"{TEMPORARY_PREFIX}*"))
