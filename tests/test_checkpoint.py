"""Tensor files: whole or not at all, never a pickle."""

import hashlib
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from coldray.checkpoint import file_sha256, read_tensors, write_tensors
from coldray.errors import CheckpointError, ImageWriteError

TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.c": np.array(3.5, np.float32), "n": np.arange(4)}


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "m.safetensors"
    header = {"step": 3, "name": "µ", "nested": {"list": [1, None, "x"]}}
    write_tensors(path, TENSORS | {"t": TENSORS["a"].T}, header)
    tensors, found = read_tensors(path)
    assert found == header
    assert set(tensors) == {*TENSORS, "t"}
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype
    np.testing.assert_array_equal(tensors["t"], TENSORS["a"].T)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    write_tensors(path, TENSORS, {"step": 1})

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("coldray.files.os.replace", full)
    with pytest.raises(ImageWriteError, match=r"m\.safetensors cannot be written \(disk full\)"):
        write_tensors(path, TENSORS, {"step": 2})
    assert read_tensors(path)[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle ran",))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_and_never_run(tmp_path, protocol):
    path = tmp_path / "m.safetensors"
    path.write_bytes(pickle.dumps(Bomb(), protocol))
    with pytest.raises(CheckpointError, match="pickle" if protocol >= 2 else "broken"):
        read_tensors(path)


def test_a_torch_archive_is_named_as_a_pickle(tmp_path):
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="pickled checkpoint"):
        read_tensors(path)


@given(cut=st.integers(0, 400))
def test_a_cut_file_is_refused(cut, tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "m.safetensors"
    write_tensors(path, TENSORS, {"step": 1})
    content = path.read_bytes()
    path.write_bytes(content[: min(cut, len(content) - 1)])
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 4, b"not a model at all", struct.pack("<Q", 2**60) + b"{}"])
def test_garbage_is_refused(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_tensors(path)


@pytest.mark.parametrize("metadata", [None, {"other": "1"}, {"coldray": "[1]"}, {"coldray": "{"}])
def test_a_foreign_file_is_refused(tmp_path, metadata):
    path = tmp_path / "m.safetensors"
    save_file({"a": TENSORS["a"]}, path, metadata)
    with pytest.raises(CheckpointError, match="header|broken|not valid JSON"):
        read_tensors(path)


@pytest.mark.torch
def test_a_foreign_file_of_half_precision_is_refused(torch, tmp_path):
    from safetensors.torch import save_file as save_torch

    path = tmp_path / "m.safetensors"
    save_torch({"a": torch.ones(3, dtype=torch.bfloat16)}, path)
    with pytest.raises(CheckpointError):
        read_tensors(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    path = tmp_path / "m.safetensors"
    tensors = {"good": np.ones(2), "bad": np.array([1.0, value])}
    save_file(tensors, path, {"coldray": "{}"})
    with pytest.raises(CheckpointError, match=r"m\.safetensors: tensor bad.*NaN"):
        read_tensors(path)
    with pytest.raises(CheckpointError, match="bad.*NaN"):
        write_tensors(tmp_path / "other.safetensors", tensors, {})
    assert not (tmp_path / "other.safetensors").exists()


def test_a_missing_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"^m\.safetensors: no such") as found:
        read_tensors(tmp_path / "m.safetensors")
    assert str(tmp_path) not in str(found.value)


def test_the_header_is_json(tmp_path):
    path = tmp_path / "m.safetensors"
    write_tensors(path, TENSORS, {"x": 1})
    length = struct.unpack("<Q", path.read_bytes()[:8])[0]
    assert json.loads(json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]["coldray"]) == {"x": 1}
