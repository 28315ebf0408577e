"""A finished run becomes a model that every engine reads, with its card and its calibrated gain."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("onnx")

from coldray.app.cli import main  # noqa: E402
from coldray.checkpoint import file_sha256, read_tensors, write_tensors  # noqa: E402
from coldray.errors import CheckpointError  # noqa: E402
from coldray.restoration.gate_constants import EvenConstants, OpenShare  # noqa: E402
from coldray.restoration.model import load_model  # noqa: E402
from coldray.training import trained  # noqa: E402
from coldray.training.export import PARITY, parity_input  # noqa: E402
from coldray.training.loop import Training  # noqa: E402
from coldray.training.pairs import PairSource  # noqa: E402
from coldray.training.trained import trained_model  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module", autouse=True)
def small_cloud():
    """A twentieth of the detector pairs that a model's card is made of; the card holds as much as there is."""
    with pytest.MonkeyPatch.context() as fewer:
        fewer.setattr(trained, "CLOUD_POINTS", 10)
        fewer.setattr(trained, "CLOUD_CANDIDATES", 100)
        trained._drawn_conditions.cache_clear()
        yield
    trained._drawn_conditions.cache_clear()


@pytest.fixture(scope="module")
def runs(fields, recipe_of, tmp_path_factory):
    """Run folders by method, with their trainings."""
    torch.set_num_threads(1)
    made = {}
    for method in ("cold", "direct"):
        recipe = recipe_of(
            method=method,
            data={"window": 64, "margin": 16, "field_size": 80, "folder": str(fields[0].folder.parent)},
            optimiser={"steps": 1},
        )
        training = Training(recipe, *(PairSource(f, recipe) for f in fields), tmp_path_factory.mktemp(method))
        training.run()
        made[method] = training
    return made


def test_a_trained_model_is_the_averaged_network_and_its_card(runs, fields):
    training = runs["cold"]
    found = trained_model(training.folder, "mine")
    wanted = training.plain_network.state_dict()
    assert found.weights.keys() == wanted.keys()
    assert all(np.array_equal(found.weights[k], wanted[k].numpy()) for k in wanted)
    assert found.header["name"] == "mine" and found.header["training"]["steps"] == 1
    assert found.header["training"]["fields_sha256"] == fields[0].digest()
    assert found.header["validation"]["step"] == 1
    assert EvenConstants.of_header(found.header["even"]) == EvenConstants()
    low, high = (np.array(found.header["family"][f"conditions_{k}"]) for k in ("low", "high"))
    assert np.all(low <= high)
    assert "folder" not in found.header["training"]["recipe"]["data"]
    assert len(found.validation) == len(fields[1])


def test_the_card_says_what_a_run_started_from(runs, recipe_of, fields, tmp_path):
    first = trained_model(runs["cold"].folder, "first")
    assert first.header["training"]["started_from"] is None
    path = tmp_path / "first.safetensors"
    write_tensors(path, first.weights, first.header)
    recipe = recipe_of(network={"start": str(path), "teacher": str(path)}, optimiser={"steps": 1})
    Training(recipe, *(PairSource(f, recipe) for f in fields), tmp_path / "second").run()
    card = trained_model(tmp_path / "second", "second").header["training"]
    wanted = {"file": path.name, "name": "first", "sha256": file_sha256(path), "steps": 1, "started_from": None}
    assert card["started_from"] == card["taught_by"] == wanted
    assert str(tmp_path) not in json.dumps(card)
    path.unlink()
    assert trained_model(tmp_path / "second", "second").header["training"]["started_from"] == {"file": path.name}


def test_a_method_without_a_consistency_step_has_nothing_to_calibrate(runs):
    assert trained_model(runs["direct"].folder, "mine").validation is None


def test_a_folder_without_a_state_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no state to export"):
        trained_model(tmp_path, "mine")


@pytest.mark.parametrize("method", ["cold", "direct"])
def test_the_command_exports_a_run_and_exports_it_again(call, runs, tmp_path, method):
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    code, out, _ = call("model", "export", runs[method].folder, "-o", first, "--json")
    written = json.loads(out)
    assert code == 0 and written["parity"] <= PARITY
    model, stored = load_model(first), load_model(first.with_suffix(".safetensors"))
    assert model.sha256 == written["sha256"] and model.name == "first"
    assert ("consistency_errors" in model.header) is (method == "cold")
    shown = parity_input(model.header["network"]["settings"], 64)
    np.testing.assert_allclose(model.engine.run(*shown), stored.engine.run(*shown), atol=PARITY)
    # the model file alone gives the same model, its calibration included
    assert call("model", "export", first.with_suffix(".safetensors"), "-o", second)[0] == 0
    assert load_model(second).header == model.header
    again, before = read_tensors(second.with_suffix(".safetensors")), read_tensors(first.with_suffix(".safetensors"))
    assert again[1] == before[1] and all(np.array_equal(again[0][k], before[0][k]) for k in before[0])


def test_the_least_share_of_the_gain_is_the_models_own(call, runs, tmp_path):
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    assert call("model", "export", runs["cold"].folder, "-o", first, "--open-share", 0.45)[0] == 0
    assert load_model(first).even.open_share == (OpenShare(0.45),)
    # exported again it stays; nothing else changes
    assert call("model", "export", first.with_suffix(".safetensors"), "-o", second)[0] == 0
    assert load_model(second).header == load_model(first).header
    by_frequency = tmp_path / "by_frequency.onnx"
    shares = "1.3@0.03,0.5@0.055,0.1@0.2"
    assert (
        call("model", "export", first.with_suffix(".safetensors"), "-o", by_frequency, "--open-share", shares)[0] == 0
    )
    told = load_model(by_frequency).even
    assert told.open_share == (OpenShare(1.3, 0.03), OpenShare(0.5, 0.055), OpenShare(0.1, 0.2))
    np.testing.assert_allclose(told.least_share()([0.0, 0.03, 0.0425, 0.2, 0.6]), [1.3, 1.3, 0.9, 0.1, 0.1])


@pytest.mark.parametrize(
    ("shares", "words"),
    [("2.5", "shares of 0 to 2"), ("-0.1", "shares of 0 to 2"), ("0.5@0.2,0.1@0.1", "rising"), ("0.1@nan", "rising"),
     ("much", "give a share"), ("0.1@0.2@0.3", "give a share"), ("", "give a share"), ("nan", "shares of 0 to 2")],
)  # fmt: skip
def test_shares_of_the_gain_that_make_no_curve_are_refused(call, runs, tmp_path, shares, words):
    code, _, err = call("model", "export", runs["cold"].folder, "-o", tmp_path / "third.onnx", f"--open-share={shares}")
    assert code == 2 and words in err and len(err.splitlines()) == 1 and not list(tmp_path.glob("third*"))


def test_the_file_must_end_in_onnx(call, runs, tmp_path):
    code, _, err = call("model", "export", runs["direct"].folder, "-o", tmp_path / "model.pt")
    assert code != 0 and "must end in .onnx" in err
    assert list(tmp_path.iterdir()) == []


def test_a_state_is_no_model_to_export_again(call, runs, tmp_path):
    state = next((runs["direct"].folder / "states").glob("*.safetensors"))
    code, _, err = call("model", "export", state, "-o", tmp_path / "model.onnx")
    assert code == 3 and "not a coldray model" in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_fails_its_check_leaves_the_one_before(call, runs, tmp_path, monkeypatch):
    out = tmp_path / "model.onnx"
    call("model", "export", runs["direct"].folder, "-o", out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["model.json", "model.onnx", "model.safetensors"]
    monkeypatch.setattr("coldray.training.export.PARITY", -1.0)
    code, _, err = call("model", "export", runs["direct"].folder, "-o", out)
    assert code == 3 and "ONNX Runtime and torch differ" in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", ["open", "write", "fsync", "rename"])
def test_a_disk_that_fails_leaves_the_model_before_and_nothing_else(
    call, runs, tmp_path, failing_disk, monkeypatch, kind
):
    out = tmp_path / "model.onnx"
    assert call("model", "export", runs["direct"].folder, "-o", out)[0] == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as planted:
        failing_disk(planted, kind, 1)
        code, _, err = call("model", "export", runs["direct"].folder, "-o", out)
    assert code == 3 and "No space left on device" in err and "Traceback" not in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("method", "warns"), [("cold", True), ("direct", False)])
def test_an_export_far_from_its_fields_says_that_the_gain_is_not_calibrated(
    runs, method, warns, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(trained, "_data_of", lambda _recipe, _role: None)
    with pytest.raises(SystemExit) as ended:
        main(["model", "export", str(runs[method].folder), "-o", str(tmp_path / "far.onnx")])
    assert ended.value.code == 0
    assert ("not calibrated" in capsys.readouterr().err) == warns
    assert "consistency_share" not in json.loads((tmp_path / "far.json").read_text(encoding="utf-8"))
