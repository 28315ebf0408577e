"""The comparison on a user's own frames: scores, and what is measured without a truth."""

import html
import json

import numpy as np
import pytest
import tifffile

from coldray.benchmark.paper import own
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, WIENER
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.report import write_paper
from coldray.benchmark.paper.scenes import paper_pair
from coldray.dataset.frames import board_folders, read_board
from coldray.dataset.part import registered
from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel

SIDE = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_board):
    """One board with two blurred frames and four sharp ones, and another with a noise-free truth."""
    top = tmp_path_factory.mktemp("pairs")
    scene = next(s for s in one_board if s.kind == "synthetic" and s.exposure_s == 1.0)
    truth = scene.truths["truth"][:SIDE, :SIDE]
    rng = np.random.default_rng(0)
    for board, frames in (("first", 2), ("second", 1)):
        for part in ("lr", "hr"):
            (top / board / part).mkdir(parents=True)
        clean = Frame(truth, scene.detectors(), scene.frame().noise).operator(scene.degradation())(truth)
        for n in range(frames):
            frame = clean + scene.frame().noise.draw(truth, rng)
            tifffile.imwrite(top / board / "lr" / f"{n:03d}.tif", frame.astype(np.float32))
        thin = NoiseModel.of_detector(scene.detectors().sharp, 1.0)
        for n in range(4):
            sharp = truth + thin.draw(truth, rng)
            tifffile.imwrite(top / board / "hr" / f"{n:03d}.tif", sharp.astype(np.float32))
        note = {"pixel_pitch_mm": 0.048, "blurred": "gos135", "sharp": "gos34", "exposure_s": 1.0,
                "registration": "identity"}  # fmt: skip
        (top / board / "pair.json").write_text(json.dumps(note))
    (top / "second" / "truth").mkdir()
    tifffile.imwrite(top / "second" / "truth" / "hr.tif", truth.astype(np.float32))
    return top


@pytest.fixture(scope="module")
def found(folder, fake):
    seen = (registered(read_board(board)) for board in board_folders(folder))
    return own.run_own(seen, folder.name, fake(), {"mine": fake("direct")}, PaperSettings(steps=2))


def test_every_frame_is_scored_against_what_the_folder_has(found):
    results, _ = found
    frames = {(r["board"], r["method"]) for r in results["images"]}
    assert {b for b, _ in frames} == {"first", "second"} and {WIENER, BLURRED, DEFAULT, "mine"} <= {
        m for _, m in frames
    }
    assert [b["reference"] for b in results["own"]["boards"]] == ["mean of 4 sharp frames", "noise-free truth"]
    assert [b["frames"] for b in results["own"]["boards"]] == [2, 1]
    by = {(r["board"], r["method"]): r for r in results["images"]}
    assert by["second", WIENER]["psnr_db_truth"] > by["second", BLURRED]["psnr_db_truth"] + 2
    assert not any(key.startswith("thin") for key in results["methods"])


def test_what_needs_no_truth_is_measured(found):
    results, _ = found
    by = {(r["board"], r["method"]): r for r in results["images"]}
    raw = by["first", BLURRED]
    # two frames of one board: the noise of the detector, in percent
    scene_noise = 100 * NoiseModel.of_detector(paper_pair().blurred, 1.0).relative_sd(0.7)
    assert raw["repeat_sd_percent"] == pytest.approx(scene_noise, rel=0.25)
    assert by["first", "wiener_scalar"]["repeat_sd_percent"] > raw["repeat_sd_percent"]
    assert "repeat_sd_percent" not in by["second", BLURRED]
    assert 0 <= by["first", DEFAULT]["residual_over_noise"] < 3


def test_the_truth_leaves_the_noise_and_the_wrong_image_more(one_board):
    scene = next(s for s in one_board if s.kind == "synthetic" and s.exposure_s == 1.0)
    truth = scene.truths["truth"]
    right, wrong = (
        own.without_truth(image, scene.frame(), scene.degradation())["residual_over_noise"]
        for image in (truth, np.full_like(truth, truth.mean()))
    )
    assert right == pytest.approx(1, rel=0.1) and wrong > 5


def test_the_page_tells_of_own_frames(found, folder, tmp_path):
    results, pictures = found
    page = html.unescape(write_paper(tmp_path, results, pictures, "coldray benchmark paper --pairs pairs").read_text())
    assert "Everything here is" not in page and folder.name in page and "mean of 4 sharp frames" in page
    assert all(said in page for said in own.NOT_HERE) and "Own pairs, 1 s" in page
    assert {"images_1.pdf", "table.tex", "results.json"} <= {p.name for p in tmp_path.iterdir()}


def test_the_command_reads_a_folder_and_refuses_what_is_of_drawn_boards(call, folder, tmp_path, fake, monkeypatch):
    def run_own(boards, name, *rest, **more):
        raise SettingsError(f"{name}: " + ", ".join(f"{b.board} {len(b.frames)}" for b in boards))

    monkeypatch.setattr(own, "run_own", run_own)
    code, _, err = call("benchmark", "paper", "--pairs", folder, "-o", tmp_path / "a")
    assert code == 2 and "first 2, second 1" in err
    code, _, err = call("benchmark", "paper", "--pairs", folder, "-o", tmp_path / "b", "--boards", "3")
    assert code == 2 and "--boards is of drawn boards" in err
    code, _, err = call("benchmark", "paper", "--pairs", tmp_path, "-o", tmp_path / "c")
    assert code == 3 and "no BOARD" in err
