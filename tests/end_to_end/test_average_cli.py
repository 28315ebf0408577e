"""`restore --average`: one image of many frames, one record, and the same again by `verify`."""

import json

import numpy as np
import pytest

import coldray
from coldray.formats import read_image, write_image
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.simulation.detector import ScreenDetector

OPEN_BEAM, PITCH = 50000.0, 0.048
FAST = ("--method", "wiener")


def frames(count, side=96):
    """Simulated frames of one board at 0.25 s, as uint16."""
    rng = np.random.default_rng(4)
    fine = np.full((3 * side, 3 * side), 0.75, dtype=np.float32)
    for _ in range(25):
        r, c = rng.integers(0, 3 * side - 24, 2)
        fine[r : r + 24, c : c + rng.integers(9, 60)] *= 0.8
    clean = ScreenDetector.gos(134.55, PITCH).image(fine, 3)
    noise = NoiseModel.of_detector(load_detector("gos135"), 0.25)
    return np.stack([np.rint(OPEN_BEAM * (clean + noise.draw(clean, rng))) for _ in range(count)]).astype(np.uint16)


def radiograph(pixels):
    return Radiograph(pixels, Acquisition(pixel_pitch_mm=PITCH, open_beam=OPEN_BEAM, exposure_s=0.25))


@pytest.fixture
def folder(tmp_path):
    for number, frame in enumerate(frames(4)):
        (tmp_path / "scans").mkdir(exist_ok=True)
        write_image(tmp_path / "scans" / f"{number}.tif", radiograph(frame))
    return tmp_path / "scans"


def test_a_folder_becomes_one_image_that_verify_repeats(call, folder, tmp_path):
    code, out, err = call("restore", folder, "-o", tmp_path / "mean.tif", "--average", "--json", *FAST)
    assert code == 0, err
    (entry,) = json.loads(out)["files"]
    assert entry["average"]["frames"] == 4
    assert [one["input"] for one in entry["inputs"]] == [str(folder / f"{n}.tif") for n in range(4)]
    image = read_image(tmp_path / "mean.tif")
    assert image.acquisition.frames == 4
    assert [step.verb for step in image.history] == ["average", "restore"]
    assert image.history[-1].details["noise"] == "frames"
    code, out, _ = call("verify", tmp_path / "mean.tif", "--json")
    assert code == 0 and json.loads(out)["repeated"]["same_bytes"]


def test_verify_finds_moved_frames_by_their_hashes_and_misses_a_changed_one(call, folder, tmp_path):
    assert call("restore", folder, "-o", tmp_path / "mean.tif", "--average", *FAST)[0] == 0
    folder.rename(tmp_path / "archive")
    assert call("verify", tmp_path / "mean.tif")[0] == 3
    assert call("verify", tmp_path / "mean.tif", "--input", tmp_path / "archive")[0] == 0
    write_image(tmp_path / "archive" / "2.tif", radiograph(frames(5)[4]))
    code, _, err = call("verify", tmp_path / "mean.tif", "--input", tmp_path / "archive")
    assert code == 3 and "no file there has the sha256" in err


def test_files_and_their_stack_give_the_same_image(call, folder, tmp_path):
    write_image(tmp_path / "stack.tif", radiograph(frames(4)))
    assert call("restore", tmp_path / "stack.tif", "-o", tmp_path / "a.tif", "--average", *FAST)[0] == 0
    assert call("restore", *sorted(folder.iterdir()), "-o", tmp_path / "b.tif", "--average", *FAST)[0] == 0
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, read_image(tmp_path / "b.tif").pixels)
    assert call("verify", tmp_path / "a.tif")[0] == 0


def test_what_cannot_be_averaged_is_said_before_anything_is_written(call, folder, tmp_path):
    for arguments, message in (
        ((folder, "-o", tmp_path / "out"), "writes one image"),
        ((folder, "-o", tmp_path / "out.tif", "--watch"), "leave out --watch"),
        ((folder / "0.tif", folder / "0.tif", "-o", tmp_path / "out.tif"), "named twice"),
        ((folder / "0.tif", "-o", tmp_path / "out.tif"), "two frames"),
        ((folder, "-o", folder / "1.tif"), "would replace an input"),
    ):
        code, _, err = call("restore", *arguments, "--average", *FAST)
        assert code in (2, 3) and message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scans"]


@pytest.mark.parametrize("count", [4, 16, pytest.param(64, marks=pytest.mark.slow)])
def test_right_averages_are_not_contradicted(count):
    found = coldray.restore(radiograph(frames(count)), average=True, method="wiener")
    assert found.verdict == "consistent"
    assert not any("times the noise power" in warning for warning in found.warnings)
    assert found.measured.acquisition.frames == count
