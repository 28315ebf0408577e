"""Every plug-in of every kind meets its contract, and a new file is found by its name."""

import importlib.util
import inspect
import sys

import numpy as np
import pytest

from coldray import plugins
from coldray.contracts import CorrectingMethod, DetectorModel, LearningMethod, Method, settings_of
from coldray.errors import PluginError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.plugins import KINDS, Degradation, data_names, is_plugin, plugin, plugin_names

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="needs the train extra")


def names(kind):
    return plugin_names(kind)


def test_the_plugins_we_ship():
    assert {"mtf_blend", "mtf_power"} <= set(names("degradation"))
    assert {"wiener", "direct", "cold"} <= set(names("method"))
    assert "compact" in names("network")
    assert {"phosphor", "gos34", "gos135"} <= set(names("detector"))
    assert {"tiff", "dicom"} <= set(names("format"))
    for kind in KINDS:
        assert not [n for n in names(kind) if n.startswith("_")]


@pytest.mark.parametrize("name", names("degradation"))
def test_degradation(name, pair):
    degradation = plugin("degradation", name).Degradation(pair)
    assert isinstance(degradation, Degradation)
    assert degradation.pair is pair
    f = np.linspace(0, 15, 60).reshape(6, 10)
    weaker = np.ones_like(f)
    for strength in (0.0, 0.3, 1.0):
        transfer = degradation.transfer(f, strength)
        assert transfer.shape == f.shape
        assert transfer.dtype == np.float64
        assert transfer[0, 0] == 1
        assert transfer.min() >= 0
        assert transfer.max() <= 1
        assert np.all(transfer <= weaker + 1e-12), "more blur never adds contrast"
        weaker = transfer
    np.testing.assert_allclose(degradation.transfer(f, 0.0), 1)
    assert degradation.transfer(f, 1.0)[-1, -1] < 1


@pytest.mark.parametrize("degradation_name", names("degradation"))
@pytest.mark.parametrize("name", names("method"))
def test_method(name, degradation_name, pair, frame_of):
    method = plugin("method", name)
    assert isinstance(method, Method)
    assert isinstance(method.LEARNS, bool)
    assert list(inspect.signature(method.restore).parameters)[:4] == ["frame", "degradation", "predictor", "rng"]
    frame = frame_of(np.random.default_rng(0).uniform(0.2, 0.8, (31, 42)).astype(np.float32))
    degradation = plugin("degradation", degradation_name).Degradation(pair)
    calls = []

    def predictor(channels, conditions):
        calls.append(conditions)
        assert len(channels) == len(method.CHANNELS)
        assert conditions.shape == (len(method.CONDITIONS),)
        assert {c.shape for c in channels} == {frame.shape}
        return channels[1]

    before = frame.blurred.copy()
    out = method.restore(frame, degradation, predictor if method.LEARNS else None, np.random.default_rng(0))
    assert out.shape == frame.shape
    assert np.all(np.isfinite(out))
    assert bool(calls) is method.LEARNS
    assert float(out.mean()) == pytest.approx(float(before.mean()), abs=1e-5)
    np.testing.assert_array_equal(frame.blurred, before)


@pytest.mark.parametrize("name", [n for n in names("method") if hasattr(plugin("method", n), "gain")])
@pytest.mark.parametrize("share", [None, FrequencyCurve([0, 1], [0.5, 0.5])])
def test_methods_that_correct_say_what_they_leave(name, share, pair, blend, frame_of):
    """A prediction that is wrong by e leaves (1 - H K) of its residual: the two functions are one step, seen twice."""
    method = plugin("method", name)
    assert isinstance(method, CorrectingMethod)
    assert "consistency" not in settings_of(method)
    rng = np.random.default_rng(1)
    frame = frame_of(rng.uniform(0.2, 0.8, (31, 42)))
    guess = rng.uniform(0.2, 0.8, frame.shape)
    gain, left = method.gain(frame, blend, share), method.left(frame, blend, share)
    out = method.restore(frame, blend, lambda channels, conditions: guess, None, consistency=gain)
    blur = frame.operator(blend)
    np.testing.assert_allclose(
        frame.blurred - blur(out), frame.radial_operator(left)(frame.blurred - blur(guess)), atol=1e-9
    )


@pytest.mark.parametrize("name", [n for n in names("method") if plugin("method", n).LEARNS])
def test_methods_that_learn_show_examples(name, pair, blend, frame_of):
    from coldray.frame import TrainingPair

    sharp = np.random.default_rng(0).uniform(0.2, 0.8, (24, 32)).astype(np.float32)
    method = plugin("method", name)
    assert isinstance(method, LearningMethod)
    shown = method.example(TrainingPair(frame_of(sharp), sharp, sharp), blend, np.random.default_rng(0))
    assert shown.channels.shape == (len(method.CHANNELS), 24, 32)
    assert shown.conditions.shape == (len(method.CONDITIONS),)
    assert shown.target.shape == sharp.shape
    assert {shown.channels.dtype, shown.conditions.dtype, shown.target.dtype} == {np.dtype(np.float32)}


@needs_torch
@pytest.mark.torch
@pytest.mark.parametrize("name", names("network"))
def test_network(name):
    import torch

    from coldray.channels import CHANNELS, CONDITIONS

    torch.set_num_threads(1)
    network = plugin("network", name).Network(channels=len(CHANNELS), conditions=len(CONDITIONS)).eval()
    assert network.stride > 0
    assert network.radius > 0
    rows, cols = 2 * network.stride, 3 * network.stride
    with torch.no_grad():
        out = network(torch.rand(2, len(CHANNELS), rows, cols), torch.rand(2, len(CONDITIONS)))
    assert out.shape == (2, 1, rows, cols)
    assert plugin("network", name).Network(**network.settings).state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize("name", names("detector"))
def test_detector(name):
    model = plugin("detector", name)
    assert isinstance(model, DetectorModel)
    measured = name in data_names("detector")
    detector = model.detector("" if measured else "80", None if measured else 0.1)
    assert isinstance(detector, Detector)
    assert measured or detector.pixel_pitch_mm == 0.1
    assert Detector.from_dict(detector.to_dict()).to_dict() == detector.to_dict()


@pytest.mark.parametrize("kind", ["degradation", "method", "network", "detector", "format"])
def test_what_is_listed_is_a_plugin_and_nothing_else_is(kind):
    assert all(is_plugin(kind, name) for name in plugin_names(kind))
    assert not is_plugin(kind, "no_such_thing")


def test_a_new_file_is_a_new_plugin(tmp_path, monkeypatch, pair):
    package = sys.modules["coldray.degradations"]
    (tmp_path / "twice.py").write_text("class Degradation:\n    def __init__(self, pair):\n        self.pair = pair\n")
    (tmp_path / "_helper.py").write_text("")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    try:
        assert "twice" in plugin_names("degradation")
        assert "_helper" not in plugin_names("degradation")
        assert plugin("degradation", "twice").Degradation(pair).pair is pair
    finally:
        sys.modules.pop("coldray.degradations.twice", None)
    monkeypatch.undo()
    assert "twice" not in plugins.plugin_names("degradation")


@pytest.mark.parametrize(
    ("kind", "wrong", "near"), [("method", "cald", "cold"), ("degradation", "mtf_blned", "mtf_blend")]
)
def test_a_misspelt_name_gets_a_suggestion(kind, wrong, near):
    with pytest.raises(PluginError, match=f"did you mean '{near}'"):
        plugin(kind, wrong)


@pytest.mark.parametrize("name", ["_frame", "../errors", "", "os"])
def test_what_is_no_plugin_is_not_imported(name):
    with pytest.raises(PluginError, match="no method"):
        plugin("method", name)
