"""`coldray prepare` from simulated boards and data folders, and a training on what it made."""

import json

import numpy as np
import pytest

from coldray.app.cli import main
from coldray.dataset.store import PatchSet
from coldray.files import own_folder

SMALL = ("--patch-px", 32, "--context-px", 8, "--size-px", 96, "--json")


@pytest.fixture(scope="module")
def call():
    """Run the command line; returns exit code, stdout and stderr."""
    import contextlib
    import io

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with pytest.raises(SystemExit) as left, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main([str(a) for a in arguments])
        return left.value.code, out.getvalue(), err.getvalue()

    return run


@pytest.fixture(scope="module")
def folder(call, tmp_path_factory):
    """Two simulated boards in data folders."""
    out = tmp_path_factory.mktemp("data")
    for family, state in (("power", 0), ("mixed_signal", 1)):
        arguments = ("--family", family, "--size-px", 96, "--frames", 3, "--random-state", state)
        assert call("simulate", "board", "-o", out, *arguments)[0] == 0
    return out


@pytest.fixture(scope="module")
def acquired(call, folder, tmp_path_factory):
    """Folders for training, simulated boards for validation and test."""
    out = tmp_path_factory.mktemp("set") / "acquired"
    code, text, err = call(
        "prepare", folder, "simulated:memory_module:1", "simulated:sensor_mcu:1", "-o", out,
        "--patches", 24, "--validation-patches", 2, "--test-patches", 4, "--workers", 1, *SMALL,
    )  # fmt: skip
    assert code == 0, err
    return out, json.loads(text)


def test_the_answer_names_boards_and_counts(acquired):
    out, answer = acquired
    assert (answer["train"], answer["validation"], answer["test"]) == (24, 2, 4)
    assert [b["split"] for b in answer["boards"]] == ["train", "train", "validation", "test"]
    assert answer["largest_overlap"] <= 0.25
    assert "truth" in answer["layers"] and "measured" in answer["layers"]
    assert answer["response"]["boards"] and answer["response"]["gain"] > 1
    rms = answer["response"]["rms"]
    assert rms["curve"] < rms["gain"] < rms["unmatched"]
    assert PatchSet(out, "train").verify() == []


def test_simulated_boards_give_the_same_bytes_whatever_the_number_of_workers(call, tmp_path):
    made = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        code, _, err = call(
            "prepare", "simulated:rf:1", "simulated:power:1", "simulated:handheld:1", "-o", out, "--patches", 12,
            "--kind", "synthetic", "--validation-patches", 0, "--test-patches", 4, "--workers", workers, *SMALL,
        )  # fmt: skip
        assert code == 0, err
        made.append({p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()})
    assert made[0] == made[1]


def test_references_are_in_the_measured_response(acquired):
    out, _ = acquired
    patches = PatchSet(out, "test")
    left = []
    for number in range(len(patches)):
        truth, mean, measured = (patches.patch(number, layer) for layer in ("truth", "mean", "measured"))
        assert abs(np.mean(mean - truth)) < 0.006
        left.append(np.mean(patches.patch(number, "truth_blurred") - measured))
    # one patch of a short exposure may be off by as much from its noise alone
    assert abs(np.mean(left)) < 0.006


def recipe_for(out, tmp_path, **data):
    from coldray.training.recipe import parse_recipe

    return parse_recipe(
        {
            "run": str(tmp_path / "run"),
            "data": {"dataset": "folder", "folder": str(out), "margin": 8, **data},
            "network": {"settings": {"width": 16, "deep_width": 16, "blocks": [1, 1, 0], "embedding": 8}},
            "optimiser": {
                "steps": 2, "batch": 2, "warmup_steps": 1, "decay_steps": 1, "border": 2,
                "precision": "fp32", "threads": 1,
            },
        }
    )  # fmt: skip


def test_training_draws_its_pairs_from_the_dataset(acquired, tmp_path):
    from coldray.training.patch_pairs import PatchSource

    out, _ = acquired
    source = PatchSource(PatchSet(out, "train"), recipe_for(out, tmp_path))
    one, two = source.example(3), source.example(3)
    np.testing.assert_array_equal(one.channels, two.channels)
    assert one.target.shape == (32, 32)
    pair, degradation = source.pair(0, np.random.default_rng(0))
    patches = PatchSet(out, "train")
    np.testing.assert_array_equal(pair.sharp, patches.patch(0, "truth", 8))
    np.testing.assert_array_equal(pair.frame.blurred, patches.patch(0, "measured", 8))
    again = degradation.transfer(np.array([0.0, 5.0]), 1.0)
    assert again[0] == 1 and again[1] < 0.5
    mean = PatchSource(patches, recipe_for(out, tmp_path, target="mean"))
    np.testing.assert_array_equal(mean.pair(0, np.random.default_rng(0))[0].sharp, patches.patch(0, "mean", 8))


def test_without_noise_a_state_is_eq_2_of_the_mean_and_nothing_else(call, acquired, tmp_path):
    """The paper's recipe: no thick frame, whose noise would be in every state, is shown."""
    from coldray.errors import SettingsError
    from coldray.methods.cold import example
    from coldray.training.patch_pairs import PatchSource

    asked = {"target": "mean", "noise": "none"}
    with pytest.raises(SettingsError, match=r"data\.noise=\"none\": .* holds measured frames"):
        PatchSource(PatchSet(acquired[0], "train"), recipe_for(acquired[0], tmp_path, **asked))
    out = tmp_path / "eq1"
    made = call(
        "prepare", "simulated:train:1", "-o", out, "--kind", "synthetic", "--test-patches", 0,
        "--validation-patches", 0, "--patches", 4, "--workers", 1, *SMALL,
    )  # fmt: skip
    assert made[0] == 0, made[2]
    patches = PatchSet(out, "train")
    pair, degradation = PatchSource(patches, recipe_for(out, tmp_path, **asked)).pair(1, np.random.default_rng(0))
    mean, blurred = patches.patch(1, "mean", 8), patches.patch(1, "mean_blurred", 8)
    shown = example(pair, degradation, np.random.default_rng(2), full_strength_share=0.0, levels=4)
    t = shown.conditions[0]
    assert t in (0.25, 0.5, 0.75, 1)
    np.testing.assert_allclose(shown.channels[0], (1 - t) * mean + t * blurred, atol=1e-6)
    np.testing.assert_array_equal(shown.target, mean)


def test_halves_keep_input_and_target_noise_apart(call, folder, tmp_path):
    """Measured frames without truth: the target's noise is in no channel the network is shown."""
    from coldray.errors import SettingsError
    from coldray.training.patch_pairs import PatchSource

    for note in folder.glob("*/pair.json"):
        copy = tmp_path / "boards" / note.parent.name
        copy.mkdir(parents=True)
        for name in ("hr", "lr", "pair.json"):
            (copy / name).symlink_to(note.parent / name)
    out = tmp_path / "halves"
    code, text, err = call(
        "prepare", tmp_path / "boards", "-o", out, "--kind", "synthetic", "--test-patches", 0,
        "--validation-patches", 0, "--patches", 8, "--workers", 1, *SMALL,
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(text)["layers"] == ["mean", "mean_blurred", "half_a", "half_a_blurred", "half_b"]
    patches = PatchSet(out, "train")
    source = PatchSource(patches, recipe_for(out, tmp_path, noise="none"))
    pair, _ = source.pair(0, np.random.default_rng(0))
    noise_a = patches.patch(0, "half_a", 8) - patches.patch(0, "mean", 8)
    np.testing.assert_array_equal(pair.sharp, patches.patch(0, "half_a", 8))
    example = source.example(0)
    shown = {p.tobytes() for n in range(8) for p in [patches.patch(n, "half_b")]}
    assert example.target.tobytes() in shown
    assert np.any(noise_a)
    with pytest.raises(SettingsError, match="noise-free truth"):
        PatchSource(patches, recipe_for(out, tmp_path, target="truth"))
    with pytest.raises(SettingsError, match="margin"):
        PatchSource(patches, recipe_for(out, tmp_path, margin=9))
    with pytest.raises(SettingsError, match="no validation patches"):
        PatchSource(PatchSet(out, "validation"), recipe_for(out, tmp_path))


def test_a_training_runs_on_the_dataset(acquired, tmp_path, torch):
    pytest.importorskip("accelerate")
    from coldray.training.run import prepare_fields, start

    recipe = recipe_for(acquired[0], tmp_path)
    run = start(recipe, prepare_fields(recipe, "train"), prepare_fields(recipe, "validation"))
    scores = run.run()
    assert run.step == 2
    assert np.isfinite([v for k, v in scores[-1].items() if k.endswith("_db")]).all()
    pytest.importorskip("onnx")
    from coldray.training.trained import trained_model

    card = trained_model(run.folder, "mine").header
    patches = PatchSet(acquired[0], "train")
    assert (card["training"]["patches"], card["training"]["patches_sha256"]) == (len(patches), patches.digest())
    assert card["family"]["pixel_pitch_mm"] == [0.048, 0.048]
    # one pair of detectors: the MTF ratios that are told do not vary
    low, high = (np.array(card["family"][f"conditions_{k}"]) for k in ("low", "high"))
    np.testing.assert_array_equal(low[1:9], high[1:9])


def test_bad_input_gives_one_line_and_the_right_code(call, folder, tmp_path):
    def refused(code, match, *arguments):
        left, out, err = call("prepare", *arguments, "-o", tmp_path / "d", *SMALL)
        assert left == code, err
        assert match in json.loads(out)["error"]
        assert len(err.strip().splitlines()) == 1

    refused(3, "no such folder", tmp_path / "nothing")
    (tmp_path / "lone" / "b" / "hr").mkdir(parents=True)
    refused(3, "no pair.json", tmp_path / "lone")
    refused(2, "no board family 'toaster'", "simulated:toaster:2")
    refused(2, "simulated:power:4", "simulated:power:none")
    board = next(folder.glob("power*"))
    refused(2, "leak: board 'power-0' is in two splits", folder, "--test", board)
    refused(2, "kind is 'both'", folder, "--kind", "both")
    refused(2, "exposure", folder, "--exposure-s", "long")


def test_raw_frames_and_a_step_wedge_become_matched_patches(call, tmp_path):
    """The whole way: raw frames, darks and flats of boards and of the wedge that the response is fitted on."""
    raw = ("--raw", "--calibration-frames", 6, "--exposure-s", 1)
    for kind, family, state in (("board", "rf", 0), ("board", "sensor_mcu", 1), ("wedge", None, 0)):
        place = tmp_path / ("boards" if kind == "board" else "calibration")
        named = ("--family", family) if family else ()
        size = ("--size-px", 96)
        assert call("simulate", kind, "-o", place, *raw, *named, *size, "--frames", 4, "--random-state", state)[0] == 0
    out = tmp_path / "set"
    code, text, err = call(
        "prepare", tmp_path / "boards", "--calibration", tmp_path / "calibration", "-o", out,
        "--patches", 8, "--validation-patches", 0, "--test-patches", 4, "--workers", 1, *SMALL,
    )  # fmt: skip
    assert code == 0, err
    answer = json.loads(text)
    assert answer["response"]["boards"] == ["step wedge"]
    assert all(board["response_matched"] for board in answer["boards"])
    rms = answer["response"]["rms"]
    assert rms["curve"] < 0.2 * rms["unmatched"]
    patches = PatchSet(out, "test")
    # the reference of four frames against the noise-free image in the blurred detector's response
    for number in range(4):
        error = patches.patch(number, "mean") - patches.patch(number, "truth")
        assert abs(error.mean()) < 0.006
        assert error.std() < 0.015
    note = patches.board(0)
    assert note.details["sharp"]["darks"] == note.details["blurred"]["flats"] == 6


def test_a_board_that_was_moved_between_the_detectors_is_laid_back(call, folder, tmp_path):
    """Sharp frames shifted by whole pixels; the stored reference is where the blurred frame is."""
    from coldray.formats import read_image, write_image

    for note_path in folder.glob("*/pair.json"):
        copy = tmp_path / "boards" / note_path.parent.name
        (copy / "hr").mkdir(parents=True)
        (copy / "lr").symlink_to(note_path.parent / "lr")
        for path in sorted((note_path.parent / "hr").glob("*.tif")):
            image = read_image(path)
            write_image(copy / "hr" / path.name, image.with_pixels(np.roll(image.pixels, (2, -3), axis=(0, 1))))
        note = json.loads(note_path.read_text()) | {"registration": "unknown"}
        (copy / "pair.json").write_text(json.dumps(note))
    out = tmp_path / "set"
    code, text, err = call(
        "prepare", tmp_path / "boards", "-o", out, "--patches", 4, "--test-patches", 0, "--validation-patches", 0,
        "--workers", 1, *SMALL,
    )  # fmt: skip
    assert code == 0, err
    for board in json.loads(text)["boards"]:
        found = board["registration"]
        assert found["shift_px"] == pytest.approx([2, -3], abs=0.05)
        assert (found["rotation_deg"], found["scale"]) == (0, 1)
        assert found["correlation"] > 0.8 and 0 < found["residual"] < 0.05
    patches = PatchSet(out, "train")
    for number in range(2):
        blurred, measured = patches.patch(number, "mean_blurred"), patches.patch(number, "measured")
        same = np.corrcoef(blurred.ravel(), measured.ravel())[0, 1]
        moved = np.corrcoef(np.roll(blurred, (2, -3), (0, 1)).ravel(), measured.ravel())[0, 1]
        assert same > 0.97 > moved


def test_a_preparation_that_fails_leaves_no_folder(call, folder, tmp_path):
    (tmp_path / "response.json").write_text("[]")
    code, _, err = call(
        "prepare", folder, "simulated:sensor_mcu:1", "-o", tmp_path / "sub" / "set", "--response", tmp_path / "response.json", *SMALL
    )  # fmt: skip
    assert code == 3 and err.count("\n") == 1 and "response.json" in err
    flat = tmp_path / "flat"
    for part in ("hr", "lr"):
        (flat / part).mkdir(parents=True)
    (flat / "pair.json").write_text(json.dumps({"pixel_pitch_mm": 0.048, "sharp": "gos34", "blurred": "gos135"}))
    code, _, err = call(
        "prepare", flat, "-o", tmp_path / "sub" / "set", "--validation-patches", 0, "--test-patches", 0, *SMALL
    )
    assert code in (1, 3) and "flat" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["flat", "response.json"]


def test_two_preparations_do_not_share_a_folder(call, folder, tmp_path):
    pytest.importorskip("fcntl")
    with own_folder(tmp_path / "set"):
        code, _, err = call(
            "prepare", folder, "simulated:sensor_mcu:1", "simulated:memory_module:1", "-o", tmp_path / "set", *SMALL
        )
        assert (code, err.count("\n")) == (3, 1)
        assert "set is being written by another coldray" in err
