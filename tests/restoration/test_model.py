"""Model files: what is read is what was written, and everything else is refused with its reason."""

import json
import pickle

import numpy as np
import pytest

from coldray.benchmark.paper.contestants import Contestant
from coldray.channels import FIRST_CONDITIONS, conditions
from coldray.checkpoint import MODEL_FORMAT, MODEL_VERSION, file_sha256, write_tensors
from coldray.degradations.mtf_blend import Degradation
from coldray.errors import CheckpointError
from coldray.frame import Frame
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.restoration.card import settings_sha256
from coldray.restoration.guard import linear_filter
from coldray.restoration.model import load_model, network_of
from coldray.restoration.pipeline import Job, run_method

SETTINGS = {"width": 16, "deep_width": 16, "blocks": [1, 0, 0], "embedding": 8}


def header(**changes):
    out = {
        "format": MODEL_FORMAT, "version": MODEL_VERSION, "name": "tiny", "method": "cold", "stride": 8, "radius": 40,
        "network": {"name": "compact", "settings": SETTINGS},
        "prior": {"amplitude_mm2": 0.2, "corner_lp_mm": 0.3, "exponent": 2.5},
    }  # fmt: skip
    return {k: v for k, v in (out | changes).items() if v is not ...}


@pytest.fixture
def network(torch):
    from coldray.networks.compact import Network

    torch.manual_seed(0)
    made = Network(**SETTINGS).eval()
    torch.nn.init.normal_(made.tail.weight)
    return made


@pytest.fixture
def save(network, tmp_path):
    def build(changes=None, drop=None, **head):
        tensors = {k: v.numpy() for k, v in network.state_dict().items()} | (changes or {})
        path = tmp_path / "m.safetensors"
        write_tensors(path, {k: v for k, v in tensors.items() if k != drop}, header(**head))
        return path

    return build


@pytest.mark.torch
def test_a_model_file_predicts_what_its_network_does(torch, save, network):
    model = load_model(save())
    assert (model.name, model.prior) == ("tiny", ObjectPrior(0.2, 0.3, 2.5))
    rng = np.random.default_rng(0)
    channels = tuple(rng.uniform(0, 1, (48, 64)).astype(np.float32) for _ in range(3))
    conditions = rng.uniform(0, 1, 11).astype(np.float32)
    predictor = model.predictor()
    border = predictor.border
    wide = np.stack([np.pad(c, border, mode="symmetric") for c in channels])[None]
    with torch.no_grad():
        expected = network(torch.from_numpy(wide), torch.from_numpy(conditions[None]))[
            0, 0, border:-border, border:-border
        ].numpy()
    np.testing.assert_allclose(predictor(channels, conditions), expected, atol=1e-5)
    assert predictor.evaluations == 1


@pytest.mark.torch
@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"format": "other"}, "not a coldray model"),
        ({"version": 99}, "version 99"),
        *(({key: ...}, f"lacks '{key}'") for key in ("network", "stride", "radius", "prior", "method")),
    ],
)
def test_a_wrong_header_says_what_is_wrong(save, head, message):
    with pytest.raises(CheckpointError, match=message):
        load_model(save(**head))


@pytest.mark.torch
def test_tensors_must_fit_the_network(save):
    with pytest.raises(CheckpointError, match="do not match"):
        network_of(save(drop="tail.bias"))
    with pytest.raises(CheckpointError, match="do not match"):
        network_of(save({"extra": np.ones(2, np.float32)}))
    with pytest.raises(CheckpointError, match=r"tail\.bias has shape"):
        network_of(save({"tail.bias": np.ones(3, np.float32)}))


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no model 'nothing'"):
        load_model("nothing")
    pickled = tmp_path / "m.pt"
    pickled.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError, match="pickled"):
        load_model(pickled)
    onnx = tmp_path / "m.onnx"
    onnx.write_bytes(b"not onnx")
    with pytest.raises(CheckpointError, match="header.*missing"):
        load_model(onnx)
    note = tmp_path / "m.json"
    note.write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_model(onnx)
    note.write_text(json.dumps(header(sha256="0" * 64)))
    with pytest.raises(CheckpointError, match="does not match its header"):
        load_model(onnx)


@pytest.mark.parametrize("content", ["[]", "null", "3"])
def test_a_header_that_is_no_object_is_refused(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(b"x")
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "m.onnx")


@pytest.mark.torch
def test_noise_below_the_family_is_brought_up_to_it(save):
    frame, degradation = weak_frame(1.0)
    told = conditions(frame, degradation)
    first = told[:FIRST_CONDITIONS]

    def trained(low):
        family = {"conditions_low": low.tolist(), "conditions_high": (low + 9).tolist(), "exposure_s": [0.05, 1.0]}
        return load_model(save(family=family))

    low = first.copy()
    low[-2:] += [0.04, -0.5]  # within the margin that is not warned of either
    assert trained(low).familiar(frame, degradation) is frame
    assert trained(low).warnings_for(told) == []
    low[-2:] = first[-2:] + np.array([0.05 + 2 / 3, 0.05 + 1 / 3])  # 1.5 decades per unit: the larger gap is one decade
    raised = trained(low).familiar(frame, degradation)
    assert raised.noise.relative_sd() == pytest.approx(np.sqrt(10) * frame.noise.relative_sd(), rel=1e-4)
    assert raised.blurred is frame.blurred
    assert "noise is weaker than in training" in trained(low).warnings_for(told)[0]
    assert trained(low[:5]).familiar(frame, degradation) is frame  # another vector: nothing known
    assert load_model(save()).familiar(frame, degradation) is frame


def weak_frame(exposure_s):
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    image = (0.6 + 0.2 * (np.indices((48, 48)).sum(0) % 24 < 12)).astype(np.float32)
    return Frame(image, pair, NoiseModel.of_detector(pair.blurred, exposure_s)), Degradation(pair)


def test_weak_noise_is_restored_as_the_weakest_trained_noise():
    model, (frame, degradation) = load_model(None), weak_frame(1000.0)
    raised = model.familiar(frame, degradation)
    assert raised.noise.relative_sd() > 3 * frame.noise.relative_sd()
    assert model.domain.share(model.domain.distance(conditions(raised, degradation))) > 0.98
    job = Job(method="direct", model=model, safeguards=False, even="network")
    np.testing.assert_array_equal(run_method(frame, degradation, job)[0], run_method(raised, degradation, job)[0])
    contestant = Contestant("x", "x", "direct", {}, model)
    np.testing.assert_array_equal(contestant.restore(frame, degradation).image, run_method(raised, degradation, job)[0])
    # so far from all that was trained, the linear filter takes over
    guarded, evaluations = run_method(frame, degradation, Job(method="direct", model=model, even="network"))
    assert evaluations == 0
    np.testing.assert_array_equal(guarded, linear_filter(frame, degradation))


@pytest.mark.torch
@pytest.mark.parametrize(
    "settings",
    [
        {"width": 60_000},
        {"width": 10**12},
        {"blocks": [10**9, 0, 0]},
        {"embedding": -1},
        {"width": "wide"},
        {"depth": 3},
        {"blocks": 4},
    ],
    ids=str,
)
def test_the_network_of_a_header_takes_no_memory_before_it_fits_its_file(torch, save, settings, monkeypatch):
    """What the header asks for is built without values first: nothing is taken for weights the file does not hold."""
    made = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: on_meta(made(*a, **k)))

    def on_meta(tensor):
        assert tensor.device.type == "meta", "memory was taken"
        return tensor

    with pytest.raises(CheckpointError, match=r"^m\.safetensors: ") as refused:
        network_of(save(network={"name": "compact", "settings": SETTINGS | settings}))
    assert "\n" not in str(refused.value)


@pytest.mark.torch
def test_a_network_that_is_not_there_is_refused_with_the_file(save):
    with pytest.raises(CheckpointError, match=r"m\.safetensors: no network 'nets/x'"):
        network_of(save(network={"name": "nets/x", "settings": {}}))


def graph(path, outputs=1, names=("channels", "conditions"), kind=np.float32, shrink=False):
    """ONNX file of a network that answers with its second image, or with something else."""
    onnx = pytest.importorskip("onnx")
    helper, numbers = onnx.helper, onnx.TensorProto
    ends = 4 if shrink else 2**31
    nodes = [
        helper.make_node("Slice", [names[0], "begin", "end", "axis"], ["part"]),
        helper.make_node("Slice", ["part", "zero", "row", "rows"], ["cut"]),
        helper.make_node("Cast", ["cut"], ["answer"], to=helper.np_dtype_to_tensor_dtype(np.dtype(kind))),
    ]
    constants = {"begin": 0, "end": outputs, "axis": 1, "zero": 0, "row": ends, "rows": 2}
    made = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info(names[0], numbers.FLOAT, [1, 3, "rows", "cols"]),
            helper.make_tensor_value_info(names[1], numbers.FLOAT, [1, 11]),
        ],
        [
            helper.make_tensor_value_info(
                "answer", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [1, None, None, None]
            )
        ],
        [helper.make_tensor(k, numbers.INT64, [1], [v]) for k, v in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".json").write_text(json.dumps(header(sha256=file_sha256(path))))
    return load_model(path)


def test_a_header_changed_in_what_decides_is_refused(tmp_path):
    """Names, scores and words may change; the gate may not."""
    path = tmp_path / "m.onnx"
    graph(path)
    made = json.loads(path.with_suffix(".json").read_text())
    made |= {"settings_sha256": settings_sha256(made)}
    for changes in ({"name": "another"}, {"validation": {"a_psnr_db": 40.0}}, {"family": {"exposure_s": [0.1, 1.0]}}):
        path.with_suffix(".json").write_text(json.dumps(made | changes))
        assert load_model(path).settings_sha256 == made["settings_sha256"]
    for changes in ({"even": {"clip": 24.0}}, {"radius": 33}, {"family": {"cloud": {"points": [[0.0]], "reach": 1.0}}},
                    {"consistency_share": {"frequency_cycles_px": [0.0, 0.5], "share": [0.0, 1.0]}}):  # fmt: skip
        path.with_suffix(".json").write_text(json.dumps(made | changes))
        with pytest.raises(CheckpointError, match=r"m\.onnx: its header was changed in what decides"):
            load_model(path)


def asked(model, images=3):
    return model.predictor()(tuple(np.full((16, 16), 0.5, np.float32) for _ in range(images)), np.zeros(11, np.float32))


def test_a_graph_that_is_a_network_answers(tmp_path):
    np.testing.assert_allclose(asked(graph(tmp_path / "m.onnx")), 0.5)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"outputs": 3}, r"shape \(1, 3, \d+, \d+\), not with one image"),
        ({"shrink": True}, r"not with one image"),
        ({"names": ("x", "y")}, r"m\.onnx: the graph takes 'x'.*'channels'"),
        ({"kind": np.int64}, r"m\.onnx: the graph .*int64"),
    ],
)
def test_a_graph_that_is_no_network_of_ours_is_refused(tmp_path, how, message):
    with pytest.raises(CheckpointError, match=message):
        asked(graph(tmp_path / "m.onnx", **how))


def test_a_graph_for_another_number_of_images_is_refused_in_one_line(tmp_path, capfd):
    with pytest.raises(CheckpointError, match=r"m\.onnx: the network cannot be run .* on 2 images and 11 conditions"):
        asked(graph(tmp_path / "m.onnx"), images=2)
    assert capfd.readouterr().err == "", "the engine says nothing of its own"
