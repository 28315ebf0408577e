"""The fast engine answers as ONNX Runtime does, to the last bit the same for any cut and any number of threads."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

ncnn = pytest.importorskip("ncnn", reason="needs the extra fast")

from coldray.checkpoint import read_tensors, write_tensors  # noqa: E402
from coldray.errors import CheckpointError  # noqa: E402
from coldray.restoration import fast, ladder  # noqa: E402
from coldray.restoration.engines import OnnxEngine, TorchEngine  # noqa: E402
from coldray.restoration.fast import FastEngine, available, design_of, fast_engine, probe_input  # noqa: E402
from coldray.restoration.model import load_model  # noqa: E402
from coldray.restoration.tiles import TiledPredictor  # noqa: E402

LSB = 1 / 65535


@pytest.fixture(scope="module", params=[None, "compact-0.1"], ids=["default", "first release"])
def model(request):
    return load_model(request.param)


@pytest.fixture(scope="module")
def engine(model):
    return FastEngine(design_of(model.header, read_tensors(model.path.with_suffix(".safetensors"))[0]))


@pytest.fixture(scope="module")
def reference(model):
    return OnnxEngine(model.path, int(model.header["stride"]), model.reach)


def told(model):
    return np.array(model.header["probe"]["conditions"], dtype=np.float32)


def shown(rows, cols, seed=0):
    rng = np.random.default_rng(seed)
    image = np.kron(rng.uniform(0.2, 0.9, (rows // 8 + 1, cols // 8 + 1)), np.ones((8, 8)))[:rows, :cols]
    return (image + rng.normal(0, 0.01, (3, rows, cols))).astype(np.float32)


def test_the_shipped_model_runs_in_it(model):
    assert available() in fast.TESTED_VERSIONS
    assert isinstance(model.engine, FastEngine)


@pytest.mark.skipif(sys.platform != "linux", reason="other wheels bring another OpenMP")
@pytest.mark.parametrize(("stated", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_its_threads_sleep_while_they_wait_unless_the_user_says_otherwise(stated, used):
    """Beside other work threads that spin took three times the core time: GNU OpenMP reads its policy while it loads."""
    code = "import os; from coldray.restoration.fast import available; available(); print(os.environ.get('OMP_WAIT_POLICY'))"
    world = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "COLDRAY_ENGINE")}
    world |= {"OMP_DISPLAY_ENV": "true"} | ({} if stated is None else {"OMP_WAIT_POLICY": stated})
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=world, check=True)
    assert f"OMP_WAIT_POLICY = '{used}'" in done.stderr
    assert done.stdout.strip() == str(stated)


def test_nothing_is_stored_in_half_precision(engine, model):
    engine.run(*probe_input(3, told(model), engine.stride))
    # those of other tests too: the engine keeps a net per size
    halves = ("fp16_storage", "fp16_packed", "fp16_arithmetic", "bf16_storage", "bf16_packed")
    assert {getattr(net.opt, f"use_{half}") for net in engine._nets.values() for half in halves} == {False}


@pytest.mark.parametrize("part", range(0, 8, 2))
def test_every_remainder_of_tile_sizes_answers_as_onnx_runtime(part, engine, reference, model):
    conditions = told(model)[None]
    rows = 64 + engine.stride * part
    for cols in (64, 64 + engine.stride * ((3 * part + 1) % 8)):
        image = shown(rows, cols, rows)[None]
        apart = np.abs(engine.run(image, conditions) - reference.run(image, conditions)).max()
        assert apart <= 0.05 * LSB


@pytest.mark.parametrize("content", ["random", "saturated", "black"])
def test_contents_far_from_any_image_answer_as_onnx_runtime(content, engine, reference, model):
    rng = np.random.default_rng(3)
    image = {
        "random": rng.uniform(0, 1.3, (1, 3, 96, 96)),
        "saturated": np.kron(rng.integers(0, 2, (1, 3, 12, 12)), np.ones((8, 8))),
        "black": np.zeros((1, 3, 96, 96)),
    }[content].astype(np.float32)
    expected = reference.run(image, told(model)[None])
    found = engine.run(image, told(model)[None])
    # of a network evaluated in float64, ONNX Runtime's float32 misses up to 1.5e-6 of the largest answer and ncnn's 2.5e-6
    assert np.abs(found - expected).max() <= 4e-6 * max(1.0, float(np.abs(expected).max()))


def test_tiles_give_the_bits_of_the_whole(engine, model):
    halo, step = TiledPredictor(engine).halo, engine.stride
    channels = tuple(shown(2 * halo + 9 * step, 2 * halo + 8 * step + 11))
    whole = TiledPredictor(engine, 10**9)(channels, told(model))
    for budget in ((2 * halo + 6 * step) ** 2, (2 * halo + 9 * step) * (2 * halo + 5 * step)):
        predictor = TiledPredictor(engine, budget)
        np.testing.assert_array_equal(predictor(channels, told(model)), whole)
        assert predictor.tiles_run > 1
    predictor.needed = np.zeros([-(-n // step) for n in whole.shape], dtype=bool)
    rows, cols = (n // step // 2 for n in whole.shape)
    predictor.needed[:rows, cols:] = True
    spared = predictor(channels, told(model))
    corner = slice(0, rows * step), slice(cols * step, None)
    np.testing.assert_array_equal(spared[corner], whole[corner])


@pytest.mark.parametrize("content", ["random", "saturated"])
def test_last_bits_depend_on_no_more_than_the_stated_reach(content, engine, model):
    rng = np.random.default_rng(11)
    step, farthest = engine.stride, []
    least = 2 * engine.radius // step + 1
    for _ in range(6):
        top, size, more = engine.alignment * int(rng.integers(1, 3)), *(int(n) for n in rng.integers((1, 1), 6))
        size, rows = step * (least + size), top + step * (least + size + more)
        image = {
            "random": rng.uniform(0, 1.3, (1, 3, rows, 192)),
            "saturated": np.kron(rng.integers(0, 2, (1, 3, rows // 8, 24)), np.ones((8, 8))),
        }[content].astype(np.float32)
        whole = engine.run(image, told(model)[None])[0, 0, top : top + size]
        part = engine.run(np.ascontiguousarray(image[:, :, top : top + size]), told(model)[None])[0, 0]
        rows_apart = np.flatnonzero((whole != part).any(axis=1))
        farthest.append(int(np.minimum(rows_apart, size - 1 - rows_apart).max()) + 1)
    assert max(farthest) <= engine.radius
    # and hardly less: a smaller margin would show
    assert max(farthest) > 0.8 * engine.radius - 8


@pytest.fixture(
    scope="module", params=[{}, {"blocks": 2, "kernel": 5, "unshuffle": 1}, {"shown": [1, 0], "told": [0, 3]}]
)
def grown(request):
    """Engine of a narrow U-Net, every weight random, and the network in torch."""
    torch = pytest.importorskip("torch")
    from coldray.networks.unet import Network

    torch.manual_seed(5)
    network = Network(
        conditions=5, **{"width": 8, "blocks": 1, "kernel": 3, "unshuffle": 2, "residual": 1} | request.param
    )
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn_like(weight) / max(4, weight[0].numel() if weight.ndim > 1 else 16) ** 0.5)
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    header = {"network": {"name": "unet", "settings": network.settings}}
    return FastEngine(design_of(header, state)), network.eval()


@pytest.mark.torch
def test_a_unet_answers_as_torch(grown):
    torch = pytest.importorskip("torch")
    engine, network = grown
    image, given = probe_input(3, np.linspace(0.1, 1, 5, dtype=np.float32), network.stride)
    assert image.shape[-2] % network.stride == image.shape[-1] % network.stride == 0
    with torch.no_grad():
        expected = network(torch.from_numpy(image), torch.from_numpy(given)).numpy()
    assert np.abs(expected - image[:, 1:2]).max() > 0.01
    np.testing.assert_allclose(engine.run(image, given), expected, atol=0.1 * LSB)


@pytest.mark.torch
@pytest.mark.parametrize("channels", [2, 4])
def test_a_unet_of_any_number_of_images_is_probed(channels, tmp_path):
    torch = pytest.importorskip("torch")
    from coldray.networks.unet import Network

    torch.manual_seed(6)
    network = Network(channels, 2, width=4, blocks=1, kernel=3, residual=channels - 1).eval()
    torch.nn.init.normal_(network.tail.weight)
    settings, path = network.settings, tmp_path / "n.onnx"
    header = {"network": {"name": "unet", "settings": settings}, "stride": network.stride, "radius": network.radius}
    header["probe"] = fast.probe_of(TorchEngine(network), header, np.array([0.2, 0.7], dtype=np.float32))
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    write_tensors(path.with_suffix(".safetensors"), state, header)
    found, note = fast_engine(path, header)
    assert found is not None and note == ""


@pytest.mark.torch
@pytest.mark.parametrize("cols", [70, 133])
def test_tiles_of_a_unet_give_the_bits_of_the_whole(grown, cols):
    engine, network = grown
    conditions = np.linspace(0.1, 1, 5, dtype=np.float32)
    rng = np.random.default_rng(2)
    channels = tuple(rng.uniform(0, 1.3, (3, 5 * network.radius, cols)).astype(np.float32))
    whole = TiledPredictor(engine, 10**9)(channels, conditions)
    predictor = TiledPredictor(engine, 3 * network.radius * (cols + 90))
    np.testing.assert_array_equal(predictor(channels, conditions), whole)
    assert predictor.tiles_run > 1


@pytest.mark.torch
def test_strips_of_a_unet_give_the_bits_of_the_whole_no_matter_how_high(grown, monkeypatch):
    engine, network = grown
    rows = network.stride * 23
    image = np.random.default_rng(4).uniform(0, 1.3, (1, 3, rows, 2 * network.stride)).astype(np.float32)
    conditions = np.linspace(0.1, 1, 5, dtype=np.float32)[None]
    found = []
    for height in (16, 40, 10**6):
        for module in (fast, ladder):
            monkeypatch.setattr(module, "STRIP_ROWS", height)
        found.append(engine.run(image, conditions))
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[2])


@pytest.mark.torch
def test_last_bits_of_a_unet_depend_on_no_more_than_the_stated_reach(grown):
    engine, network = grown
    rng, step, farthest = np.random.default_rng(12), engine.alignment, 0
    conditions = np.linspace(0.1, 1, 5, dtype=np.float32)[None]
    for _ in range(4):
        top = step * int(rng.integers(1, 3))
        size = network.stride * (2 * engine.radius // network.stride + int(rng.integers(4, 9)))
        rows = top + size + network.stride * int(rng.integers(2, 9))
        image = rng.uniform(0, 1.3, (1, 3, rows, 2 * network.stride)).astype(np.float32)
        whole = engine.run(image, conditions)[0, 0, top : top + size]
        part = engine.run(np.ascontiguousarray(image[:, :, top : top + size]), conditions)[0, 0]
        apart = np.flatnonzero((whole != part).any(axis=1))
        farthest = max(farthest, int(np.minimum(apart, size - 1 - apart).max()) + 1)
    assert network.radius // 2 < farthest <= engine.radius


def test_frames_are_cut_across_where_they_are_wide_and_never_along(grown):
    engine, _ = grown
    predictor = TiledPredictor(engine)
    assert len(predictor._tiles(25_000, fast.WIDEST_PX - 2 * predictor.border)) == 1
    wide = predictor._tiles(900, 2 * fast.WIDEST_PX)
    assert len(wide) > 1 and len({down for down, _ in wide}) == 1
    assert all(across.bottom - across.top <= fast.WIDEST_PX for _, across in wide)
    # a frame that lies on disk leaves half of that
    large = predictor._tiles(12_000, 12_000)
    assert len({down for down, _ in large}) == 1
    assert all(across.bottom - across.top <= fast.WIDEST_PX // 2 for _, across in large)


def test_an_engine_that_forgot_its_networks_gives_the_same_bits(engine, model):
    image = shown(64, 96)[None]
    before = engine.run(image, told(model)[None])
    engine.forget()
    assert not engine._nets
    np.testing.assert_array_equal(engine.run(image, told(model)[None]), before)


def test_any_number_of_threads_gives_the_same_bits(engine, model, monkeypatch):
    image = shown(192, 256)[None]
    answers = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        answers.append(FastEngine(engine.design).run(image, told(model)[None]))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_calls_from_several_threads_do_not_disturb_each_other(engine, model):
    images = [shown(64, 96, seed)[None] for seed in range(8)]
    conditions = [told(model)[None] + 0.01 * (i % 3) for i in range(8)]
    alone = [engine.run(*pair) for pair in zip(images, conditions, strict=True)]
    with ThreadPoolExecutor(4) as team:
        together = list(team.map(engine.run, images, conditions))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(engine._nets) <= fast.KEPT_NETS


def test_a_tile_off_the_grid_is_refused_before_the_engine_sees_it(engine, model):
    image = shown(2 * engine.stride, 2 * engine.stride + 4)[None]
    with pytest.raises(CheckpointError, match=f"multiples of {engine.stride} rows"):
        engine.run(image, told(model)[None])


def test_a_header_with_another_stride_leads_to_onnx_runtime(model):
    found, note = fast_engine(model.path, model.header | {"stride": 2 * model.header["stride"]})
    assert found is None and "not of this model's network" in note


def test_an_engine_that_misses_the_stored_answer_is_not_used(model):
    probe = dict(model.header["probe"])
    probe["answer"] = (np.array(probe["answer"]) + 2 * LSB).tolist()
    found, note = fast_engine(model.path, model.header | {"probe": probe})
    assert found is None
    assert note.startswith("the engine ncnn misses the model's stored answer by 2 steps of 16 bits")
    fallen = replace(model, header=model.header | {"probe": probe})
    assert isinstance(fallen.engine, OnnxEngine)
    assert fallen.predictor().note == note


@pytest.mark.parametrize("damage", ["weights", "shapes", "answer"])
def test_weights_or_an_answer_of_another_network_lead_to_onnx_runtime(damage, model, tmp_path):
    tensors, _ = read_tensors(model.path.with_suffix(".safetensors"))
    if damage == "weights":
        del tensors["head.bias"]
    elif damage == "shapes":
        first = next(name for name in tensors if name.startswith("embed.") and name.endswith("0.weight"))
        tensors[first] = tensors[first][:, :-1]
    path = tmp_path / "mine.onnx"
    write_tensors(path.with_suffix(".safetensors"), tensors, {})
    told_of = dict(model.header)
    if damage == "answer":
        told_of["probe"] = model.header["probe"] | {"answer": [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]}
    found, note = fast_engine(path, told_of)
    assert found is None
    assert note == "ncnn: mine.safetensors or the stored answer is not of this model's network; ONNX Runtime is used"


def test_other_networks_other_versions_and_the_users_word_lead_to_onnx_runtime(model, monkeypatch):
    other = model.header | {"network": {"name": "mine", "settings": {}}}
    assert fast_engine(model.path, other) == (None, "")
    alone = model.header | {"network": {"name": "unet", "settings": {"residual": None}}}
    assert fast_engine(model.path, alone) == (None, "")
    assert fast_engine(model.path, {k: v for k, v in model.header.items() if k != "probe"}) == (None, "")
    monkeypatch.setattr(ncnn, "__version__", "1.0.20200101")
    assert fast_engine(model.path, model.header) == (None, "")
    monkeypatch.undo()
    monkeypatch.setenv("COLDRAY_ENGINE", "onnxruntime")
    assert available() is None
    assert isinstance(load_model().engine, OnnxEngine)


def test_without_a_folder_for_unfinished_files_onnx_runtime_is_used(model, monkeypatch):
    """A container whose file system is read-only has none."""

    def none():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(fast, "gettempdir", none)
    found, note = fast_engine(model.path, model.header)
    assert found is None and "No usable temporary directory" in note and note.endswith("ONNX Runtime is used")
