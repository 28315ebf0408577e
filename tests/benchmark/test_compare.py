"""Evaluation of a data folder: references in order, paired differences, Fourier metrics, files."""

import json

import numpy as np
import pytest
import tifffile

from coldray.benchmark import compare
from coldray.errors import ImageReadError, MetadataError
from coldray.frame import Frame


@pytest.fixture
def folder(tmp_path, pair, blend, frame_of):
    rng = np.random.default_rng(0)
    for number in range(2):
        board = tmp_path / f"board-{number}"
        for part in ("lr", "hr", "truth"):
            (board / part).mkdir(parents=True)
        truth = np.kron(rng.uniform(0.3, 0.9, (8, 8)), np.ones((8, 8))).astype(np.float32)
        frame: Frame = frame_of(truth)
        blurred = frame.operator(blend)(truth) + frame.noise.draw(truth, rng)
        tifffile.imwrite(board / "lr" / "000.tif", blurred.astype(np.float32))
        tifffile.imwrite(board / "truth" / "hr.tif", truth)
        for index in range(3):
            tifffile.imwrite(
                board / "hr" / f"{index:03d}.tif", (truth + 0.01 * rng.standard_normal(truth.shape)).astype(np.float32)
            )
        note = {"pixel_pitch_mm": 0.048, "blurred": "gos135", "sharp": "gos34", "exposure_s": 0.25}
        (board / "pair.json").write_text(json.dumps(note))
    return tmp_path


class Plain:
    """Enough of a model for methods without a network."""

    name, sha256 = "none", "0" * 64

    def __init__(self):
        from coldray.physics.prior import ObjectPrior

        self.prior = ObjectPrior()

    def fits(self, method):
        return False

    def named(self):
        return {"name": self.name, "sha256": self.sha256}


def test_truth_comes_first_and_frames_second(folder):
    blurred, references, note = compare.read_pair(folder / "board-0")
    assert list(references) == ["noise-free truth", "mean of 3 sharp frames"]
    assert len(blurred) == 1 and note["exposure_s"] == 0.25
    (folder / "board-0" / "truth" / "hr.tif").unlink()
    assert list(compare.read_pair(folder / "board-0")[1]) == ["mean of 3 sharp frames"]
    for frame in (folder / "board-0" / "hr").glob("*.tif"):
        frame.unlink()
    with pytest.raises(ImageReadError, match="needs lr"):
        compare.read_pair(folder / "board-0")


def test_methods_are_compared_board_by_board(folder, tmp_path):
    results = compare.evaluate_folder(folder, Plain(), ["wiener", "tv"])
    assert set(results["methods"]) == {"blurred", "wiener", "tv"}
    blurred, wiener = (results["methods"][n] for n in ("blurred", "wiener"))
    assert wiener["psnr_db"] > blurred["psnr_db"] + 1
    # a restored image holds more of the truth's spectrum than the blurred one
    assert np.all(np.array(wiener["fourier"]["transfer"])[:4] > np.array(blurred["fourier"]["transfer"])[:4])
    words = {(p["method"], p["field"]): p for p in results["paired"]}
    assert words["blurred", "psnr_db"]["against"] == "wiener" and words["blurred", "psnr_db"]["mean"] < 0
    row = results["images"]["wiener"][0]
    assert row["reference"] == "noise-free truth" and row["second"]["reference"].startswith("mean of 3")
    report = compare.write_results(tmp_path / "out", results)
    assert (
        "Share of the truth" in report.read_text()
        and json.loads((tmp_path / "out" / "results.json").read_text())["paired"]
    )


def test_scores_stand_in_every_response_and_under_their_ceiling(folder, tmp_path):
    """truth/target.tif is sqrt(truth): the curve undoes it but for what no cubic can."""
    for board in sorted(folder.glob("board-*")):
        truth = tifffile.imread(board / "truth" / "hr.tif")
        tifffile.imwrite(board / "truth" / "target.tif", np.sqrt(truth))
    results = compare.evaluate_folder(folder, Plain(), ["wiener"])
    found = results["methods"]["wiener"]["responses"]
    assert set(found) == {"own", "curve", "thin"}
    assert found["thin"]["psnr_db"] == results["methods"]["wiener"]["psnr_db"]
    assert found["curve"]["psnr_db"] >= found["thin"]["psnr_db"] > found["own"]["psnr_db"]
    ceiling = results["ceiling"]
    assert set(ceiling["boards"]) == {"board-0", "board-1"} and ceiling["psnr_db"] > 45
    assert ceiling["ssim"] == np.mean([board["ssim"] for board in ceiling["boards"].values()])
    page = compare.write_results(tmp_path / "out", results).read_text()
    assert "In the right response" in page and f"{found['own']['psnr_db']:.2f} / " in page
    assert f"{ceiling['psnr_db']:.2f}" in page
    # frames are no truth: what they leave is noise, not hardening
    for board in sorted(folder.glob("board-*")):
        (board / "truth" / "hr.tif").unlink()
    found = compare.evaluate_folder(folder, Plain(), ["wiener"])
    assert set(found["methods"]["wiener"]["responses"]) == {"curve", "thin"} and found["ceiling"] is None


def test_a_folder_without_boards_is_refused(tmp_path):
    with pytest.raises(ImageReadError, match="no board folder"):
        compare.evaluate_folder(tmp_path, Plain(), ["wiener"])


@pytest.mark.parametrize("key", ["pixel_pitch_mm", "blurred", "sharp", "exposure_s"])
@pytest.mark.parametrize("odd", [True, [1], {"a": 1}])
def test_an_odd_value_of_a_pair_is_told_with_its_file(tmp_path, key, odd):
    note = {"pixel_pitch_mm": 0.048, "blurred": "gos135", "sharp": "gos34", "exposure_s": 0.25} | {key: odd}
    (tmp_path / "pair.json").write_text(json.dumps(note))
    with pytest.raises(MetadataError, match=rf"^{tmp_path.name}/pair\.json: {key}: .*is needed"):
        compare.read_pair(tmp_path)
