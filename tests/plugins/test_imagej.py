"""The macro for ImageJ: what ImageJ makes coldray do is what coldray does."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import coldray
from coldray.radiograph import Acquisition, Radiograph

MACRO = Path(__file__).parents[2] / "plugins" / "imagej" / "coldray_restore.ijm"
JAR = Path("/usr/share/java/ij.jar")


@pytest.fixture
def imagej():
    """Command that runs a macro without a screen."""
    java = shutil.which("java")
    if java is None or not JAR.is_file():
        pytest.skip("ImageJ is not installed: apt-get install imagej")
    return [java, "-Djava.awt.headless=true", "-jar", JAR, "-batch"]


@pytest.fixture
def program(tmp_path):
    """The command as ImageJ calls it: a program without arguments, in a folder with a blank and a quote."""
    path = tmp_path / "it's here" / "coldray"
    path.parent.mkdir()
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:] = {sys.path!r}\nfrom coldray.app.cli import main\nmain()\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def run(imagej, *words):
    done = subprocess.run([*imagej, MACRO, "|".join(map(str, words))], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_file_is_restored_as_by_the_command_line(imagej, program, tmp_path):
    rng = np.random.default_rng(4)
    fraction = np.kron(rng.uniform(0.3, 0.8, (4, 5)), np.ones((16, 16))) + 0.01 * rng.standard_normal((64, 80))
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=50_000.0, linear=True)
    board = Radiograph(np.rint(50_000 * fraction).astype(np.uint16), known)
    source, out = program.parent / "a board.tif", program.parent / "restored.tif"
    coldray.write(source, board)
    said = run(imagej, source, out, program, "--method wiener --exposure-s 0.25 --set 'operator=N. N.'")
    assert str(out) in said, said
    wanted = coldray.restore(source, method="wiener", exposure_s=0.25)
    assert np.array_equal(coldray.read(out).pixels, wanted.pixels)
    assert '"operator": "N. N."' in out.with_name("restored.tif.json").read_text(encoding="utf-8")


def test_what_coldray_refuses_is_said(imagej, program, tmp_path):
    said = run(imagej, tmp_path / "absent.tif", tmp_path / "r.tif", program, "--method wiener")
    assert "absent.tif does not exist" in said and "no result" in said


def test_a_pitch_that_imagej_writes_is_read(imagej, tmp_path):
    """Scale and unit as ImageJ saves them: a ratio to 1,000,000, so not to the last digit."""
    macro = tmp_path / "make.ijm"
    macro.write_text(
        'newImage("a", "16-bit ramp", 40, 30, 1);\n'
        'setVoxelSize(48, 48, 1, "um");\n'
        f'saveAs("Tiff", "{tmp_path}/a.tif");\n',
        encoding="utf-8",
    )
    done = subprocess.run([*imagej, macro], capture_output=True, text=True)
    assert (tmp_path / "a.tif").is_file(), done.stdout + done.stderr
    read = coldray.read(tmp_path / "a.tif")
    assert read.acquisition.pixel_pitch_mm == pytest.approx(0.048, rel=1e-4) and read.shape == (30, 40)
    assert read.dtype == np.uint16
