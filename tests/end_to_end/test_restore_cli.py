"""The main job through the command line, on small simulated data."""

import json
import os
import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.formats import read_image, write_image
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph

OPEN_BEAM = 50000.0


def board_image(shape=(96, 120), random_state=0):
    """Simulated: blurred boxes with the noise of the thick screen at 1 s, fraction of the open beam."""
    rng = np.random.default_rng(random_state)
    image = np.full(shape, 0.7)
    for _ in range(12):
        r, c = rng.integers(0, shape[0] - 20), rng.integers(0, shape[1] - 20)
        image[r : r + rng.integers(4, 20), c : c + rng.integers(4, 20)] *= 0.6
    image = gaussian_filter(image, 1.5)
    return image + NoiseModel.of_detector(load_detector("gos135"), 1.0).draw(image, rng)


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.tif"
    stored = np.rint(board_image() * OPEN_BEAM).astype(np.uint16)
    write_image(path, Radiograph(stored, Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, exposure_s=0.25)))
    return path


def test_one_image_keeps_type_pitch_and_mean_and_gains_a_history(call, scan, tmp_path):
    before = scan.read_bytes()
    code, out, _ = call("restore", scan, "-o", tmp_path / "out.tif", "--exposure-s", 0.25, "--json")
    assert code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.tif", "out.tif.json", "scan.tif"]
    entry = json.loads(out)["files"][0]
    result, source = read_image(tmp_path / "out.tif"), read_image(scan)
    assert scan.read_bytes() == before
    assert result.dtype == source.dtype and result.shape == source.shape
    assert result.acquisition.pixel_pitch_mm == pytest.approx(0.048)
    assert result.pixels.mean() == pytest.approx(source.pixels.mean(), rel=2e-5)
    assert result.history[-1].verb == "restore"
    assert result.history[-1].details["sha256_in"] == entry["sha256_in"]
    assert entry["method"] == "cold" and entry["steps"] >= 1 and len(entry["sha256_out"]) == 64
    # neither the linear reading nor what the network claims moves the mean: what does is what left the range of the type
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=1.0, exposure_s=0.25)
    write_image(tmp_path / "float.tif", Radiograph((source.pixels / OPEN_BEAM).astype(np.float32), known))
    _, out, _ = call("restore", tmp_path / "float.tif", "-o", tmp_path / "whole.tif", "--exposure-s", 0.25, "--json")
    assert abs(json.loads(out)["files"][0]["consistency"]["mean_shift"]) < 1e-6
    whole = read_image(tmp_path / "whole.tif").pixels.astype(np.float64)
    clipped = (np.clip(whole, 0, 65535 / OPEN_BEAM) - whole).mean()
    assert abs(entry["consistency"]["mean_shift"] - clipped) < 1e-6
    assert json.loads((tmp_path / "out.tif.json").read_text())["sha256_out"] == entry["sha256_out"]


def test_the_same_command_gives_the_same_bytes(call, scan, tmp_path):
    for name in ("a.tif", "b.tif"):
        assert call("restore", scan, "-o", tmp_path / name, "--exposure-s", 0.25)[0] == 0
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize("method", ["wiener", "direct", "cold"])
def test_every_method_sharpens_what_degrade_blurred(call, tmp_path, method):
    sharp = tmp_path / "sharp.tif"
    known = Acquisition(pixel_pitch_mm=0.048, linear=True)
    write_image(sharp, Radiograph(board_image((160, 128), 3).astype(np.float32), known))
    assert call("degrade", sharp, "-o", tmp_path / "blurred.tif", "--exposure-s", 1.0)[0] == 0
    assert (
        call("restore", tmp_path / "blurred.tif", "-o", tmp_path / "out.tif", "--method", method, "--exposure-s", 1.0)[
            0
        ]
        == 0
    )
    truth, blurred, out = (read_image(tmp_path / f"{n}.tif").pixels for n in ("sharp", "blurred", "out"))
    assert out.dtype == np.float32
    assert np.mean((out - truth) ** 2) < 0.5 * np.mean((blurred - truth) ** 2)


def test_strength_zero_returns_the_input_and_one_is_the_full_blur(call, scan, tmp_path):
    assert call("degrade", scan, "-o", tmp_path / "same.tif", "--strength", 0)[0] == 0
    assert np.array_equal(read_image(tmp_path / "same.tif").pixels, read_image(scan).pixels)
    code, _, err = call("degrade", scan, "-o", tmp_path / "no.tif", "--strength", 1.5)
    assert code == 2 and "1.5" in err and not (tmp_path / "no.tif").exists()


def test_provenance_layers_sum_to_the_output(call, tmp_path):
    path = tmp_path / "in.tif"
    write_image(path, Radiograph(board_image().astype(np.float32), Acquisition(pixel_pitch_mm=0.048, linear=True)))
    assert call("restore", path, "-o", tmp_path / "out.tif", "--exposure-s", 0.25, "--provenance")[0] == 0
    layers = read_image(tmp_path / "out.provenance.tif").pixels
    assert layers.shape == (4, 96, 120) and layers.dtype == np.float32
    measured, linear, claim, gate = layers
    np.testing.assert_array_equal((measured + linear) + claim, read_image(tmp_path / "out.tif").pixels)
    assert np.all(claim[gate == 0] == 0) and gate.min() >= 0 and gate.max() <= 1
    assert np.allclose(layers[0], read_image(path).pixels, atol=1e-7)
    details = read_image(tmp_path / "out.provenance.tif").history[-1].details
    assert details["layers"][3] == "share of the network g" and details["even"] == "linear"
    assert details["linear_filter"]["name"] == "even ground"
    gain = details["linear_filter"]["gain"]
    assert gain[0] == pytest.approx(1.0, abs=1e-3) and len(gain) > 50


def test_with_the_network_everywhere_the_layers_are_those_of_wiener(call, tmp_path):
    path = tmp_path / "in.tif"
    write_image(path, Radiograph(board_image().astype(np.float32), Acquisition(pixel_pitch_mm=0.048, linear=True)))
    options = ("--exposure-s", 0.25, "--provenance", "--even", "network")
    assert call("restore", path, "-o", tmp_path / "out.tif", *options)[0] == 0
    beside = read_image(tmp_path / "out.provenance.tif")
    assert beside.pixels.shape == (3, 96, 120)
    assert np.allclose(beside.pixels.sum(axis=0), read_image(tmp_path / "out.tif").pixels, atol=1e-6)
    assert beside.history[-1].details["linear_filter"]["name"] == "wiener"
    assert "even" not in beside.history[-1].details


SECOND_BLUR = '''
import numpy as np


class Degradation:
    """MTF ratio times a Gaussian focal spot of 60 um in the detector's plane."""

    def __init__(self, pair):
        self.pair = pair

    def transfer(self, frequency_lp_mm, strength):
        f = np.asarray(frequency_lp_mm, dtype=np.float64)
        full = self.pair.ratio(f) * np.exp(-2 * (np.pi * 0.03 * f) ** 2)
        return 1 - strength * (1 - full)
'''


def test_a_degradation_of_other_physics_restores_by_its_name(call, scan, tmp_path, monkeypatch):
    """One new file beside the others: more blur is assumed, so more is undone, and the record names it."""
    import coldray.degradations as package

    (tmp_path / "second_blur.py").write_text(SECOND_BLUR)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    command = ("restore", scan, "--method", "wiener", "--exposure-s", 0.25, "--json")
    try:
        assert call(*command, "-o", tmp_path / "usual.tif")[0] == 0
        code, out, _ = call(*command, "-o", tmp_path / "more.tif", "--degradation", "second_blur")
    finally:
        sys.modules.pop("coldray.degradations.second_blur", None)
    assert code == 0 and json.loads(out)["files"][0]["steps"] == 0
    usual, more = (read_image(tmp_path / f"{name}.tif") for name in ("usual", "more"))
    assert more.history[-1].details["degradation"] == "second_blur"
    assert np.std(np.diff(more.pixels.astype(float))) > 1.02 * np.std(np.diff(usual.pixels.astype(float)))
    code, _, err = call(*command, "-o", tmp_path / "no.tif", "--degradation", "mtf_blned")
    assert code == 2 and "did you mean 'mtf_blend'" in err


def test_methods_without_a_network_say_nothing_of_evaluations(call, scan, tmp_path):
    code, out, err = call("restore", scan, "-o", tmp_path / "w.tif", "--method", "wiener", "--exposure-s", 0.25)
    said = out + err
    assert code == 0 and "(wiener, " in said and "evaluation" not in said and "steps" not in said


def test_even_ground_is_a_linear_filter_and_the_record_says_so(call, tmp_path):
    """A simulated flat: no network runs, nothing is claimed, and there is nothing to certify."""
    detector = load_detector("gos135")
    flat = np.full((160, 176), 0.7, dtype=np.float32)
    image = flat + NoiseModel.of_detector(detector, 0.25).draw(flat, np.random.default_rng(3))
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True)
    write_image(tmp_path / "in.tif", Radiograph(np.rint(image * OPEN_BEAM).astype(np.uint16), known))
    command = ("restore", tmp_path / "in.tif", "--exposure-s", 0.25, "--json")
    code, out, _ = call(*command, "-o", tmp_path / "out.tif")
    entry = json.loads(out)["files"][0]
    assert code == 0 and entry["steps"] == 0
    found = entry["consistency"]
    assert found["verdict"] == "linear" and found["linear_share"] == 1 and found["tests"] == 0
    assert "100 % of this picture is a fixed linear filter of the measurement" in found["statement"]
    details = json.loads((tmp_path / "out.tif.json").read_text())["settings"]
    assert details["linear_share"] == 1 and details["settings"]["even"] == "linear"
    assert call(*command, "-o", tmp_path / "network.tif", "--even", "network")[0] == 0
    assert call(*command, "-o", tmp_path / "clear.tif", "--even-contrast", 1.0)[0] == 0
    raw, usual, clear = (
        read_image(tmp_path / f"{name}.tif").pixels[20:-20, 20:-20].std() for name in ("in", "out", "clear")
    )
    assert 0.2 < usual / raw < 0.6 < clear / raw < 1.2


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--even", "both", "choose one of linear, network"), ("--even-contrast", 3, "between 0.1 and 1")],
)
def test_wrong_settings_of_even_ground_are_refused(call, scan, tmp_path, option, value, words):
    code, _, err = call("restore", scan, "-o", tmp_path / "out.tif", option, value)
    assert code == 2 and words in " ".join(err.split())


def test_two_mtf_tables_and_flats_are_enough(call, tmp_path):
    for name, loading in (("thin", 20), ("thick", 80)):
        curve = load_detector(f"phosphor:{loading}", pixel_pitch_mm=0.1).mtf
        rows = "".join(f"{f:.4f},{v:.5f}\n" for f, v in zip(curve.frequency_lp_mm, curve.value, strict=True))
        (tmp_path / f"{name}.csv").write_text("frequency_lp_mm,mtf\n" + rows)
    rng = np.random.default_rng(1)
    flats = np.rint((1 + 0.01 * rng.standard_normal((2, 256, 256))) * OPEN_BEAM).astype(np.uint16)
    write_image(tmp_path / "flats.tif", Radiograph(flats, Acquisition(pixel_pitch_mm=0.1, open_beam=OPEN_BEAM)))
    stored = np.rint(board_image() * OPEN_BEAM).astype(np.uint16)
    write_image(tmp_path / "in.tif", Radiograph(stored, Acquisition(pixel_pitch_mm=0.1, open_beam=OPEN_BEAM)))
    code, out, _ = call(
        "restore", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--blurred", tmp_path / "thick.csv",
        "--sharp", tmp_path / "thin.csv", "--noise", tmp_path / "flats.tif", "--json",
    )  # fmt: skip
    assert code == 0 and json.loads(out)["files"][0]["clipped_pixels"] == 0


def test_a_folder_keeps_names_and_counts_one_bad_file(call, scan, tmp_path):
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.tif", "sub/b.tif"):
        (folder / name).write_bytes(scan.read_bytes())
    (folder / "bad.tif").write_bytes(scan.read_bytes()[:400])
    code, out, err = call("restore", folder, "-o", tmp_path / "out", "--exposure-s", 0.25, "--json")
    entries = json.loads(out)["files"]
    assert code == 1 and len(entries) == 3
    assert [e["input"].endswith("bad.tif") for e in entries if "error" in e] == [True]
    assert "bad.tif" in err and len(err.strip().splitlines()) == 1
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("[!.]*") if p.is_file())
    assert made == ["a.tif", os.path.join("sub", "b.tif")]


def test_the_same_folder_command_repeats_nothing_and_finishes_what_is_missing(call, scan, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.tif").write_bytes(scan.read_bytes())
    command = ("restore", folder, "-o", tmp_path / "out", "--method", "wiener", "--exposure-s", 0.25, "--json")
    first = json.loads(call(*command)[1])["files"]
    (tmp_path / "out" / "1.tif").unlink()
    code, out, _ = call(*command)
    again = json.loads(out)["files"]
    assert code == 0 and [e.get("skipped", False) for e in again] == [True, False, True]
    assert [e["sha256_out"] for e in again] == [e["sha256_out"] for e in first]
    # other settings are other work
    code, _, err = call(*command[:-1], "--pitch-um", 48.1)
    assert code == 3 and "--overwrite" in err
    # a damaged result of this very work is made anew
    (tmp_path / "out" / "1.tif").write_bytes(b"damaged")
    assert json.loads(call(*command)[1])["files"][1].get("skipped") is None
    assert call(*command[:-1], "--pitch-um", 48.1, "--overwrite")[0] == 0


def test_workers_give_the_same_bytes(call, scan, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for i in range(2):
        (folder / f"{i}.tif").write_bytes(scan.read_bytes())
    hashes = []
    for workers in (1, 2):
        code, out, _ = call(
            "restore", folder, "-o", tmp_path / f"out{workers}", "--exposure-s", 0.25, "--workers", workers, "--json"
        )
        assert code == 0
        hashes.append([e["sha256_out"] for e in json.loads(out)["files"]])
    assert hashes[0] == hashes[1]


def test_pitch_that_does_not_fit_is_refused_with_a_remedy(call, scan, tmp_path):
    code, _, err = call("restore", scan, "-o", tmp_path / "out.tif", "--pitch-um", 100)
    assert code == 3 and "100" in err and "48" in err and "--blurred" in err
    assert not (tmp_path / "out.tif").exists()


def test_unknown_pitch_and_level_are_assumed_with_a_warning(call, tmp_path):
    np.save(tmp_path / "in.npy", np.rint(board_image() * 60000).astype(np.uint16))
    code, out, _ = call("restore", tmp_path / "in.npy", "-o", tmp_path / "out.npy", "--json")
    warnings = " ".join(json.loads(out)["files"][0]["warnings"])
    assert code == 0 and "48 um is assumed" in warnings and "--open-beam" in warnings


def test_a_wrong_dose_is_noticed(call, scan, tmp_path):
    code, out, _ = call("restore", scan, "-o", tmp_path / "out.tif", "--exposure-s", 100, "--json")
    assert code == 0 and any("noise power" in w for w in json.loads(out)["files"][0]["warnings"])


def bad_inputs(folder, scan):
    good = scan.read_bytes()
    yield "empty", _write(folder / "empty.tif", b"")
    yield "cut", _write(folder / "cut.tif", good[: len(good) // 2])
    yield "another format", _write(folder / "text.tif", b"hello, this is not an image")
    nan = board_image().astype(np.float32)
    nan[3, 4] = np.nan
    np.save(folder / "nan.npy", nan)
    yield "NaN", folder / "nan.npy"
    np.save(folder / "colour.npy", np.zeros((8, 8, 3, 2)))
    yield "four axes", folder / "colour.npy"
    np.save(folder / "zero.npy", np.zeros((0, 8)))
    yield "zero size", folder / "zero.npy"
    yield "missing", folder / "missing.tif"


def _write(path, content):
    path.write_bytes(content)
    return path


def test_bad_inputs_get_one_line_the_right_code_and_leave_nothing(call, scan, tmp_path):
    for cause, path in bad_inputs(tmp_path, scan):
        code, _, err = call("restore", path, "-o", tmp_path / "out" / "x.tif")
        assert code == 3, cause
        assert len(err.strip().splitlines()) == 1 and path.name in err and "Traceback" not in err, cause
        assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir()), cause


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--method", "colt"], 2, "did you mean 'cold'"),
        (["--steps", "0"], 2, "steps"),
        (["--exposure-s", "-1"], 2, "--exposure-s"),
        (["--nonsense"], 2, "nonsense"),
        (["--gain", "loud"], 2, "calibrated"),
        (["-m", "nothing.onnx"], 3, "nothing.onnx"),
        (["--blurred", "gos13"], 3, "gos135"),
        (["--method", "direct", "--steps", "3"], 2, "one step"),
    ],
)
def test_bad_options(call, scan, tmp_path, arguments, code, word):
    found, _, err = call("restore", scan, "-o", tmp_path / "out.tif", *arguments)
    assert found == code and word in err and not (tmp_path / "out.tif").exists()


def test_a_pickle_is_refused_as_a_model(call, scan, tmp_path):
    import pickle

    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"weights": 1}))
    code, _, err = call("restore", scan, "-o", tmp_path / "out.tif", "-m", path)
    assert code == 3 and "pickle" in err


def test_outputs_are_never_overwritten_unasked_and_never_the_input(call, scan, tmp_path):
    assert call("restore", scan, "-o", tmp_path / "out.tif", "--method", "wiener")[0] == 0
    code, _, err = call("restore", scan, "-o", tmp_path / "out.tif", "--method", "wiener")
    assert code == 3 and "--overwrite" in err
    code, _, err = call("restore", scan, "-o", scan, "--method", "wiener", "--overwrite")
    assert code == 3 and "input" in err


@pytest.mark.parametrize("shape", [(1021, 77), (9, 200), (1, 1)])
def test_any_size(call, tmp_path, shape):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "in.npy", rng.uniform(0.3, 1, shape).astype(np.float32))
    assert call("restore", tmp_path / "in.npy", "-o", tmp_path / "out.npy", "--exposure-s", 1)[0] == 0
    assert np.load(tmp_path / "out.npy").shape == shape


def test_info_names_what_is_missing(call, scan, tmp_path):
    code, out, _ = call("info", scan, "--json")
    entry = json.loads(out)["files"][0]
    assert code == 0 and entry["pixel_pitch_mm"] == pytest.approx(0.048) and entry["dtype"] == "uint16"
    assert entry["saturated_fraction"] == 0 and entry["open_beam"] == OPEN_BEAM
    np.save(tmp_path / "bare.npy", np.ones((4, 4), np.uint16))
    missing = json.loads(call("info", tmp_path / "bare.npy", "--json")[1])["files"][0]["missing"]
    assert any("pitch" in m for m in missing)
    assert call("info", tmp_path / "absent.tif")[0] == 3


def test_simulate_then_evaluate_ranks_the_methods(call, tmp_path):
    code, out, _ = call(
        "simulate", "board", "-o", tmp_path / "pairs", "--family", "sensor_mcu", "--size-px", 128,
        "--exposure-s", 0.25, "--random-state", 4, "--json",
    )  # fmt: skip
    assert code == 0 and set(json.loads(out)["truth"]) == {"hr", "lr", "target"}
    code, out, _ = call("evaluate", "--pairs", tmp_path / "pairs", "-o", tmp_path / "report", "--json")
    methods = json.loads(out)["methods"]
    assert code == 0 and methods["wiener"]["psnr_db"] > methods["blurred"]["psnr_db"]
    assert (tmp_path / "report" / "report.html").stat().st_size > 1000


def test_demo_writes_a_self_contained_report(call, tmp_path):
    code, out, _ = call("demo", "-o", tmp_path / "demo", "--size-px", 128, "--json")
    result = json.loads(out)
    assert code == 0 and result["kind"] == "simulated"
    assert {"wiener", "direct", "cold"} <= set(result["methods"])
    assert result["methods"]["cold"]["psnr_db"] > result["methods"]["blurred"]["psnr_db"]
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page and "https://" not in page and "data:image/png;base64," in page
    assert (tmp_path / "demo" / "before_after.png").stat().st_size > 10000


def test_model_verbs(call, tmp_path):
    listed = json.loads(call("model", "list", "--json")[1])["models"]
    assert any(m["default"] for m in listed)
    assert json.loads(call("model", "verify", "--json")[1])["matches"] is True
    card = json.loads(call("model", "card", "--json")[1])
    assert card["radius"] > 0 and "training" in card and "validation" in card


def test_a_changed_model_file_is_refused(call, scan, tmp_path):
    from coldray.restoration.model import shipped_models

    source = shipped_models()["compact"]
    content = bytearray(source.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "m.onnx").write_bytes(content)
    (tmp_path / "m.json").write_bytes(source.with_suffix(".json").read_bytes())
    code, _, err = call("restore", scan, "-o", tmp_path / "out.tif", "-m", tmp_path / "m.onnx")
    assert code == 3 and "sha256" in err


def test_help_has_an_example_for_every_verb(call):
    for verb in ("demo", "info", "degrade", "restore", "simulate", "train", "evaluate"):
        code, out, _ = call(verb, "--help")
        assert code == 0 and "Example:" in out, verb


def test_a_folder_ends_in_one_line_and_a_warning_of_all_is_told_once(call, put, tmp_path):
    for number in range(3):
        put(tmp_path / "scans" / f"{number}.tif", number)
    for _ in range(2):  # the second time everything is done already
        code, _, err = call("restore", tmp_path / "scans", "-o", tmp_path / "out", "--method", "wiener")
        lines = err.splitlines()
        assert code == 0 and lines[-1].startswith("restore: 3 of 3 done, ")
        assert sum(int(part.split()[0]) for part in lines[-1].split(", ")[1:]) == 3
        told = [line.partition(": ")[2].partition(": ") for line in lines if line.startswith("warning: ")]
        for name, _, text in told:
            assert sum(t == text and n.endswith(".tif") for n, _, t in told) <= 1
            assert name.endswith(".tif") or name in ("2 images", "3 images")
