"""What a run starts from: shipped names and files, described without where they lie; pruned only where that fits."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from coldray.checkpoint import write_tensors  # noqa: E402
from coldray.errors import CheckpointError, SettingsError  # noqa: E402
from coldray.networks.compact import Network  # noqa: E402
from coldray.restoration.model import load_model  # noqa: E402
from coldray.training.start import described, load_weights, weights_file  # noqa: E402

pytestmark = pytest.mark.torch


def batch(number):
    """Images and conditions as training shows them."""
    rng = np.random.default_rng(number)
    shown = rng.random((2, 3, 32, 32), dtype=np.float32), rng.random((2, 14), dtype=np.float32)
    return *shown, np.zeros((2, 1, 32, 32), np.float32)


def test_a_shipped_model_is_named_with_its_digest_and_no_path(tmp_path):
    found = described("compact")
    assert found["file"] == "compact.safetensors" and len(found["sha256"]) == 64
    assert found["steps"] == load_model("compact").header["training"]["steps"]
    assert described(None) is None
    assert described(str(tmp_path / "gone.safetensors")) == {"file": "gone.safetensors"}


def test_the_weights_of_the_first_release_are_pruned_into_a_smaller_network():
    slim = Network(3, 14, blocks=(2, 0, 1), hidden=64)
    load_weights(slim, weights_file("compact-0.1"), batch)
    tensors = slim.state_dict()
    assert tensors["before.0.first.weight"].shape == (64, 128, 3, 3)
    assert not tensors["embed.0.weight"][:, 11:].any() and tensors["embed.0.weight"][:, :11].any()


def test_other_widths_cannot_be_pruned_from_it():
    with pytest.raises(SettingsError, match="other widths"):
        load_weights(
            Network(3, 14, width=64, deep_width=192, blocks=(2, 0, 1), hidden=32), weights_file("compact-0.1"), batch
        )


@pytest.mark.parametrize("header", [{"training": 3, "network": 3}, {"training": [], "network": {"settings": "deep"}}])
def test_an_odd_header_is_told_with_its_file(tmp_path, header):
    path = tmp_path / "mine.safetensors"
    write_tensors(path, {"weight": np.zeros(2, np.float32)}, header)
    with pytest.raises(CheckpointError, match=r"^mine\.safetensors: an object"):
        described(str(path))
    with pytest.raises(CheckpointError, match=r"^mine\.safetensors: an object"):
        load_weights(Network(3, 14, blocks=(1, 0, 1), hidden=64), path, batch)
