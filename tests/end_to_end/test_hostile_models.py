"""Hostile model files through the commands: code 3, one line that names the file, nothing written, no memory taken."""

import json

import pytest

from coldray.app import console
from coldray.checkpoint import MODEL_FORMAT, MODEL_VERSION, file_sha256

HEADER = {
    "format": MODEL_FORMAT, "version": MODEL_VERSION, "name": "tiny", "method": "cold", "stride": 8, "radius": 40,
    "network": {"name": "compact", "settings": {}},
    "prior": {"amplitude_mm2": 0.2, "corner_lp_mm": 0.3, "exponent": 2.5},
}  # fmt: skip

HEADERS = {
    "conditions as text": {"network": {"name": "compact", "settings": {"conditions": "x"}}},
    "no conditions": {"network": {"name": "compact", "settings": {"conditions": 0}}},
    "conditions below none": {"network": {"name": "compact", "settings": {"conditions": -3}}},
    "conditions that nobody tells": {"conditions": ["phase of the moon"]},
    "empty conditions": {"conditions": []},
    "a hundred thousand conditions": {"conditions": ["strength"] * 100_000},
    "empty channels": {"channels": []},
    "a thousand channels": {"channels": ["state"] * 1000},
    "channels of another kind": {"channels": ["x", "y", "z"]},
    "stride over the limit": {"stride": 10**9},
    "other method": {"method": "wiener"},
    "cloud of other conditions": {"family": {"exposure_s": [0.05, 1], "conditions_low": [0.0], "conditions_high": [1.0],
                                             "cloud": {"points": [[0.5, 0.5]], "reach": 0.1}}},
    "family upside down": {"family": {"exposure_s": [0.05, 1], "conditions_low": [1.0] * 11, "conditions_high": [0.0] * 11}},
    "family of two lengths": {"family": {"exposure_s": [0.05, 1], "conditions_low": [0.0] * 11, "conditions_high": [1.0]}},
}  # fmt: skip


def onnx_file(path, **changes):
    """Graph with the signature of our networks, one image out, and a header that says what the test wants."""
    onnx = pytest.importorskip("onnx")
    helper, numbers = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("Slice", ["channels", "begin", "end", "axis"], ["answer"])]
    made = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("channels", numbers.FLOAT, [1, 3, "rows", "cols"]),
            helper.make_tensor_value_info("conditions", numbers.FLOAT, [1, 11]),
        ],
        [helper.make_tensor_value_info("answer", numbers.FLOAT, [1, None, None, None])],
        [helper.make_tensor(k, numbers.INT64, [1], [v]) for k, v in (("begin", 0), ("end", 1), ("axis", 1))],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".json").write_text(json.dumps(HEADER | {"sha256": file_sha256(path)} | changes))
    return path


def refused(answer, path):
    code, _, err = answer
    assert code == console.CANNOT_RUN, answer
    assert len(err.splitlines()) == 1 and err.startswith("coldray: "), err
    assert path.stem in err and len(err) < 500, err
    assert "Traceback" not in err and "Error: " not in err and "--debug" not in err, err


def commands(path, scan, out):
    """The commands that use a model; they end before they write or serve."""
    return [
        ("model", "verify", path),
        ("restore", scan, "-o", out, "--exposure-s", "0.25", "-m", path),
        ("view", scan, "-m", path, "--no-browser"),
    ]


def test_a_model_as_it_should_be_is_taken(call, tmp_path):
    assert call("model", "verify", onnx_file(tmp_path / "m.onnx"))[0] == 0


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("verb", [0, 1, 2], ids=["verify", "restore", "view"])
def test_headers(call, put, tmp_path, monkeypatch, case, verb):
    path, scan = onnx_file(tmp_path / "mine.onnx", **HEADERS[case]), put(tmp_path / "in.tif")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("coldray.app.commands.view._run", lambda *_: pytest.fail("the viewer was started"))
    refused(call(*commands(path, scan, tmp_path / "out.tif")[verb]), path)
    assert sorted(tmp_path.rglob("*")) == before


GRAPHS = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "an image": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(200),
    "fields without end": lambda content: b"\x0a\xff\xff\xff\xff\x0f" * 1000,
}


@pytest.mark.parametrize("case", GRAPHS)
@pytest.mark.parametrize("verb", [0, 1], ids=["verify", "restore"])
def test_graphs_whose_header_agrees_with_the_file(call, put, tmp_path, case, verb):
    """The digest is no proof: whoever made the graph made the header too."""
    path, scan = onnx_file(tmp_path / "mine.onnx"), put(tmp_path / "in.tif")
    path.write_bytes(GRAPHS[case](path.read_bytes()))
    path.with_suffix(".json").write_text(json.dumps(HEADER | {"sha256": file_sha256(path)}))
    before = sorted(tmp_path.rglob("*"))
    refused(call(*commands(path, scan, tmp_path / "out.tif")[verb]), path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", ["[" * 100_000, "1e999", '{"format": ' + "9" * 5000 + "}", "\ufeff{}", "nul"])
def test_headers_that_are_hardly_json(call, tmp_path, content):
    path = onnx_file(tmp_path / "mine.onnx")
    path.with_suffix(".json").write_text(content, encoding="utf-8")
    refused(call("model", "verify", path), path)
