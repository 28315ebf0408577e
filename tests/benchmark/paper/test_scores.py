"""Scenes with their truths, scores and their summary; tuned baselines."""

from dataclasses import replace

import numpy as np
import pytest

from coldray.benchmark.paper import scores
from coldray.benchmark.paper.contestants import (
    BLURRED,
    DEFAULT,
    THIN_RAW,
    VAN_CITTERT,
    WIENER,
    Contestant,
    classical,
)
from coldray.benchmark.paper.scenes import (
    JUDGE_KEYS,
    NOISE_FREE,
    TEST_FAMILIES,
    THIN,
    VALIDATION_FAMILIES,
    BoardSet,
    blend_of,
    board_scenes,
    judge_scenes,
    paper_blend,
    paper_pair,
)
from coldray.errors import ImageError, ImageReadError, SettingsError
from coldray.metrology.metrics import Convention, psnr_db
from coldray.objects.boards import ROLES
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior


def test_roles_are_kept_apart():
    assert {ROLES[f] for f in TEST_FAMILIES} == {"test"} and len(TEST_FAMILIES) >= 5
    assert {ROLES[f] for f in VALIDATION_FAMILIES} == {"validation"}


def test_scenes_hold_what_they_say(one_board):
    by = {(s.kind, s.exposure_s): s for s in one_board}
    assert set(by) == {(k, e) for k in ("synthetic", "acquired") for e in (1.0, 0.05)}
    how = Convention()
    for exposure in (1.0, 0.05):
        synthetic = by["synthetic", exposure]
        truth = synthetic.truths["truth"]
        clean = synthetic.frame().operator(paper_blend())(truth)
        assert np.std(synthetic.blurred - clean) == pytest.approx(
            synthetic.frame().noise.relative_sd(float(truth.mean())), rel=0.2
        )
        assert psnr_db(synthetic.truths["mean20"], truth, how) > 40
    acquired = by["acquired", 1.0]
    off = [
        psnr_db(acquired.truths[k], acquired.frame().operator(paper_blend())(acquired.truths[k]), how)
        for k in acquired.truths
    ]
    assert set(acquired.truths) == {"truth", "same_response", "mean20"} and min(off) > 15
    residual = {
        k: acquired.blurred - acquired.frame().operator(paper_blend())(acquired.truths[k])
        for k in ("truth", "same_response")
    }
    # beam hardening: only the truth in the blurred detector's response explains the measurement
    assert np.abs(residual["same_response"].mean()) < 0.3 * np.abs(residual["truth"].mean())


def test_a_pair_without_noise_is_eq_1_alone_and_linear_methods_know_it():
    (scene,) = next(board_scenes(BoardSet(("handheld",), 1, 128, 31), (0.05, 1.0), (NOISE_FREE,)))
    truth = scene.truths["truth"]
    assert (scene.kind, scene.exposure_s, scene.thin) == (NOISE_FREE, 1.0, None)
    np.testing.assert_array_equal(scene.blurred, scene.frame().operator(paper_blend())(truth))
    told, knows = scene.frame(), scene.frame(learns=False)
    assert told.noise.relative_sd(1.0) == NoiseModel.of_detector(paper_pair().blurred, 1.0).relative_sd(1.0)
    assert knows.noise.relative_sd(1.0) < 1e-5 * told.noise.relative_sd(1.0)
    rows = {r["method"]: r for r in scores.score_scene(scene, classical(), 0, ObjectPrior())}
    assert rows[WIENER]["psnr_db_truth"] > rows[BLURRED]["psnr_db_truth"] + 15
    assert not any(key.startswith("thin") for key in rows)


def test_the_thin_screen_is_seen_at_the_same_exposure_with_noise_of_its_own(one_board):
    thin = NoiseModel.of_detector(paper_pair().sharp, 1.0)
    for scene in one_board:
        frame, truth = scene.frame(screen=THIN), scene.truths["truth"]
        assert frame.pair.blurred is frame.pair.sharp
        np.testing.assert_allclose(blend_of(THIN).transfer(np.linspace(0, 10, 20), 1.0), 1.0)
        noise, of_mean = frame.blurred - truth, scene.truths["mean20"] - truth
        expected = thin.relative_sd(float(truth.mean())) / np.sqrt(scene.exposure_s)
        assert noise.std() == pytest.approx(expected, rel=0.15)
        assert abs(np.corrcoef(noise.ravel(), of_mean.ravel())[0, 1]) < 0.03  # not one of the 20 frames
    with pytest.raises(ImageError, match="no frame of the thin screen"):
        replace(one_board[0], thin=None).frame(screen=THIN)


def test_scenes_without_a_thin_frame_have_no_thin_rows(one_board):
    rows = scores.score_scene(replace(one_board[0], thin=None), classical()[:4], 0, ObjectPrior())
    assert [r["method"] for r in rows] == [BLURRED]


def test_exposures_are_exchanged_on_equal_boards():
    board = np.random.default_rng(0).normal(0, 5, 6)
    rows = []
    for exposure, gain in ((1.0, 3.0), (0.25, 1.0)):
        rows += [r | {"exposure_s": exposure} for r in rows_of({THIN_RAW: 30 + board, DEFAULT: 30 + gain + board})]
    found = scores.exposure_exchange(rows, {THIN_RAW: "thin", DEFAULT: "restored"})
    assert [(c["exposure_s"], c["against_exposure_s"], c["field"]) for c in found] == [
        (0.25, 1.0, "psnr_db_truth"), (0.25, 1.0, "ssim_truth")]  # fmt: skip
    assert found[0]["mean"] == pytest.approx(1.0)
    assert "restored at 0.25 s beats thin at 1 s" in found[0]["verdict"]


def test_equal_sets_give_equal_bytes(one_board):
    again = next(board_scenes(BoardSet(("handheld",), 1, 128, 31), (1.0, 0.05)))
    for a, b in zip(one_board, again, strict=True):
        np.testing.assert_array_equal(a.blurred, b.blurred)


@pytest.mark.parametrize("bad", [{"count": 0}, {"families": ()}, {"size_px": 64}])
def test_sets_that_cannot_be_drawn_are_refused(bad):
    with pytest.raises(SettingsError):
        BoardSet(**bad)


def test_boxes_are_flat_in_the_truth_and_apart(one_board):
    noise = NoiseModel.of_detector(paper_pair().blurred, 1.0)
    truth = one_board[0].truths["truth"]
    boxes = scores.flat_boxes(truth)
    assert len(boxes) == 2
    for x, y, w, h in boxes:
        part = truth[y : y + h, x : x + w]
        assert part.std() <= 0.2 * noise.relative_sd(float(part.mean())) * 1.01
    halves = np.full((128, 128), 0.5)
    halves[:, 64:] = 0.7
    pair = scores.flat_boxes(halves)
    assert sorted(halves[y, x] for x, y, _, _ in pair) == [0.5, 0.7]
    noisy = halves + 0.01 * np.random.default_rng(0).standard_normal(halves.shape)
    assert scores.contrast_to_noise(noisy, pair) == pytest.approx(20, rel=0.2)
    with pytest.raises(ImageError, match="boxes"):
        scores.flat_boxes(np.ones((30, 30)))


def test_where_the_truth_is_nowhere_flat_there_is_no_snr(one_board):
    structure = 0.5 + 0.2 * np.random.default_rng(0).standard_normal((128, 128))
    assert scores.flat_boxes(structure) == ()
    scene = replace(one_board[0], truths={"truth": structure.astype(np.float32)})
    row, *_ = scores.score_scene(scene, classical()[3:4], 0, ObjectPrior())
    assert not {"snr_box_1", "snr_box_2", "cnr"} & set(row)


def rows_of(values):
    return [
        {"method": m, "board": f"b{i}", "kind": "acquired", "exposure_s": 1.0, "psnr_db_truth": v, "ssim_truth": v / 50, "evaluations": 1}
        for m, column in values.items()
        for i, v in enumerate(column)
    ]  # fmt: skip


def test_summary_and_paired_differences():
    rng = np.random.default_rng(0)
    board = rng.normal(0, 5, 6)
    rows = rows_of({WIENER: 30 + board, VAN_CITTERT: 31 + board, "mine": 31.5 + board + rng.normal(0, 0.1, 6)})
    table = {e["method"]: e for e in scores.summarise(rows)}
    assert table[WIENER]["psnr_db_truth"]["mean"] == pytest.approx(30 + board.mean())
    found = {(c["method"], c["against"], c["field"]): c for c in scores.comparisons(rows, {m: m for m in table})}
    # boards differ by 5 dB, yet half a dB is seen, since differences are paired
    assert "mine beats one_step_van_cittert" in found["mine", VAN_CITTERT, "psnr_db_truth"]["verdict"]
    assert found["mine", WIENER, "psnr_db_truth"]["mean"] == pytest.approx(1.5, abs=0.1)
    assert scores.paired(rows, "mine", "absent", "psnr_db_truth") is None


def test_scores_are_the_metrics_of_the_images(one_board):
    kept = {}
    rows = scores.score_scene(one_board[0], classical()[:5], 0, ObjectPrior(), kept)
    how = Convention()
    for row in rows:
        for name, truth in one_board[0].truths.items():
            if row["method"].startswith("thin") and name == "same_response":
                continue
            assert row[f"psnr_db_{name}"] == psnr_db(kept[row["method"]], truth, how)
        assert row["psnr_db_curve"] >= row["psnr_db_truth"]
    assert np.array_equal(kept[BLURRED], one_board[0].blurred)
    ceiling = scores.ceiling(one_board[:1])
    assert ceiling["halves_psnr_db"]["mean"] < ceiling["mean20_psnr_db"]["mean"]
    # a perfect result in its own response scores the ceiling after the curve
    perfect = Contestant("perfect", "", None)
    scene = replace(one_board[0], blurred=one_board[0].truths["same_response"])
    (row,) = scores.score_scene(scene, [perfect], 0, ObjectPrior())
    assert row["psnr_db_curve"] == ceiling["hardening_psnr_db"]["mean"]
    assert row["psnr_db_curve"] > row["psnr_db_truth"] and row["psnr_db_same_response"] == np.inf


def test_tuning_takes_the_best_option(monkeypatch):
    monkeypatch.setitem(scores.TUNING_SETS, WIENER, [{"regularisation": r} for r in (1e-3, 1.0, 1e3)])
    line = [Contestant(WIENER, "Wiener", "wiener")]
    chosen = scores.tune(line, (0.25,), ObjectPrior(), boards=1, size_px=128)
    assert chosen == {WIENER: {0.25: {"regularisation": 1.0}}}


def test_frozen_pairs_are_read(tmp_path, one_board):
    truth = one_board[0].truths["truth"]
    stored = np.rint(np.stack([truth, truth]) * 20000).astype(np.uint16)
    np.savez(
        tmp_path / "pairs.npz", open_beam=20000, truth=stored, hr_20=stored, **{k: stored for k in JUDGE_KEYS.values()}
    )
    fields = list(judge_scenes(tmp_path / "pairs.npz", (1.0, 0.05, 0.3)))
    assert len(fields) == 2 and [s.exposure_s for s in fields[0]] == [1.0, 0.05]
    np.testing.assert_allclose(fields[0][0].truths["truth"], truth, atol=3e-5)
    (tmp_path / "other.npz").write_bytes(b"no")
    with pytest.raises(ImageReadError, match="not a file of judge pairs"):
        next(judge_scenes(tmp_path / "other.npz"))
