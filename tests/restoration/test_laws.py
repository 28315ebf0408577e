"""Laws of every restoration: identity, continuity, bounds, scale and offset of the beam, flips; simulated, hostile, real."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from coldray.degradations import mtf_blend
from coldray.errors import RefusalError
from coldray.frame import Frame
from coldray.images.registration import register, resample
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import plugin, plugin_names
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.guard import linear_filter
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import Job, restore

PITCH_MM, OPEN_BEAM = 0.048, 50000.0
REAL = Path(__file__).parents[3] / "shared" / "data" / "real"


@pytest.fixture(scope="module")
def model():
    return load_model()


def runnable(model):
    """Methods that run with what ships, on the engine at hand."""
    return [n for n in plugin_names("method") if not plugin("method", n).LEARNS or model.fits(plugin("method", n))]


METHODS = runnable(load_model())
OURS = [n for n in ("cold", "direct", "wiener") if n in METHODS]
"""Methods whose laws are ours to keep; the others are there to compare with, come from scikit-image or have no closed form."""
LINEAR = ("wiener",)
ENGINES = ("onnx", "torch")


def model_of(engine):
    if engine == "onnx":
        return load_model()
    pytest.importorskip("torch")
    found = load_model()
    return load_model(found.path.with_suffix(".safetensors"))


def simulated(pair, seed=0, shape=(96, 128), exposure_s=0.25):
    """Squares through the blur of a pair, with its noise; fraction of the open beam."""
    rng = np.random.default_rng(seed)
    blocks = rng.uniform(0.2, 0.9, (shape[0] // 16, shape[1] // 16))
    sharp = gaussian_filter(np.kron(blocks, np.ones((16, 16))), 1.0).astype(np.float32)
    noise = NoiseModel.of_detector(load_detector("gos135"), exposure_s)
    blurred = Frame(sharp, pair, noise).operator(mtf_blend.Degradation(pair))(sharp)
    return (blurred + noise.draw(blurred, rng)).astype(np.float32)


def softened(amount):
    """Pair whose blurred detector is the sharp one with a further Gaussian blur of MTF exp(-amount u^2), u to Nyquist."""
    sharp = load_detector("gos34")
    frequency = sharp.mtf.frequency_lp_mm
    gain = np.exp(-amount * (frequency * 2 * PITCH_MM) ** 2)
    blurred = Detector("softened", PITCH_MM, FrequencyCurve(frequency, sharp.mtf.value * gain))
    return DetectorPair(blurred, sharp)


def stored(fraction, open_beam=OPEN_BEAM, dtype=np.float32):
    values = fraction * open_beam
    if np.dtype(dtype).kind == "u":
        values = np.clip(np.rint(values), 0, np.iinfo(dtype).max)
    return Radiograph(values.astype(dtype), Acquisition(pixel_pitch_mm=PITCH_MM, open_beam=open_beam, linear=True))


def job(method, tmp_path=None, pair=None, engine="onnx", **settings):
    names = {"blurred": "gos135", "sharp": "gos34"}
    if pair is not None:
        for role in names:
            path = tmp_path / f"{role}.json"
            path.write_text(json.dumps(getattr(pair, role).to_dict()))
            names[role] = str(path)
    learns = plugin("method", method).LEARNS
    return Job(method=method, model=model_of(engine) if learns else None, exposure_s=None, **names, **settings)


def hostile(name):
    rng = np.random.default_rng(4)
    shape = (96, 96)
    return {
        "black": np.zeros(shape),
        "constant": np.full(shape, 0.5),
        "one bright pixel": np.where(np.arange(96 * 96).reshape(shape) == 4000, 1.0, 0.4),
        "checkerboard": 0.2 + 0.6 * (np.indices(shape).sum(0) % 2),
        "step": 0.1 + 0.8 * (np.indices(shape)[1] > 48),
        "white noise of 20 %": 0.6 + 0.2 * rng.standard_normal(shape),
        "half saturated": np.where(np.indices(shape)[0] < 48, 65535 / OPEN_BEAM, 0.3),
        "random": rng.uniform(0, 1.3, shape),
    }[name].astype(np.float32)


HOSTILE = (
    "black",
    "constant",
    "one bright pixel",
    "checkerboard",
    "step",
    "white noise of 20 %",
    "half saturated",
    "random",
)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        # ours with every frame; the methods to compare with take two each, and the others in make test-slow
        pytest.param(name, method, marks=() if method in OURS or (i - j) % 4 == 0 else pytest.mark.slow)
        for i, name in enumerate(HOSTILE)
        for j, method in enumerate(METHODS)
    ],
)
def test_a_hostile_frame_is_refused_or_gives_a_bounded_result(method, name, tmp_path):
    image = stored(hostile(name), dtype=np.uint16)
    try:
        found = restore(image, job(method, tmp_path))
    except RefusalError as problem:
        assert "not restored" in str(problem) and "check" in str(problem)
        return
    clipped = (found.image.pixels == 0) | (found.image.pixels == 65535)
    limited = (image.pixels == 0) | (image.pixels == 65535)
    assert np.mean(clipped & ~limited) <= 0.01
    before, after = (x.pixels.mean(dtype=float) for x in (image, found.image))
    assert abs(after - before) <= 0.02 * max(before, 50.0)
    assert found.consistency["verdict"] in (
        "consistent",
        "contradicted in places",
        "contradicted",
        "not testable",
        "linear",
    )


@pytest.mark.parametrize("method", [name for name in OURS if name not in LINEAR])
@pytest.mark.parametrize(
    ("amount", "exposure_s"),
    [(0.0, 0.25), (0.02, 0.25), (20.0, 2e-4)],
    ids=["alike", "nearly alike", "far outside the training"],
)
def test_where_the_network_does_not_count_the_result_is_that_of_wiener(method, amount, exposure_s, tmp_path):
    """It once was another linear filter, up to 2.3 dB worse under white noise."""
    pair = softened(amount)
    image = stored(simulated(pair, exposure_s=exposure_s))
    found, linear = (restore(image, job(name, tmp_path, pair)) for name in (method, "wiener"))
    assert found.network_share == 0
    assert any("the network counts" in warning for warning in found.warnings)
    np.testing.assert_allclose(found.image.pixels, linear.image.pixels, atol=1e-6 * OPEN_BEAM)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", OURS)
def test_where_nothing_is_to_be_restored_no_more_changes_than_a_linear_filter_does(method, engine, tmp_path):
    if engine == "torch" and not plugin("method", method).LEARNS:
        pytest.skip("no network, no engine")
    sharp = load_detector("gos34")
    pair = DetectorPair(sharp, sharp)
    measured = simulated(pair)
    change = {}
    for name in (method, "wiener"):
        found = restore(stored(measured), job(name, tmp_path, pair, engine)).image.pixels / OPEN_BEAM
        change[name] = float(np.sqrt(np.mean((found - measured) ** 2)))
    assert change[method] <= 1.01 * change["wiener"]


@pytest.mark.parametrize("method", OURS)
def test_nearly_the_same_detectors_give_nearly_the_same_result(method, tmp_path):
    measured = simulated(softened(0.02))
    noise = NoiseModel.of_detector(load_detector("gos135"), 0.25).relative_sd()
    results = []
    for amount in (0.0, 0.01, 0.02, 0.04):
        results.append(restore(stored(measured), job(method, tmp_path, softened(amount))).image.pixels / OPEN_BEAM)
    for other, amount in zip(results[1:], (0.01, 0.02, 0.04), strict=True):
        # a gain of at most 1 / H at Nyquist on the noise, and the network's share near the identity is nil
        assert np.sqrt(np.mean((other - results[0]) ** 2)) <= 3 * (np.exp(amount) - 1) * noise + 0.02 * noise


@settings(max_examples=6)
@given(method=st.sampled_from(METHODS), factor=st.floats(0.2, 5.0), seed=st.integers(0, 3))
def test_the_unit_of_the_stored_values_does_not_matter(method, factor, seed):
    measured = simulated(DetectorPair(load_detector("gos135"), load_detector("gos34")), seed)
    plain = restore(stored(measured), job(method)).image.pixels / OPEN_BEAM
    scaled = restore(stored(measured, factor * OPEN_BEAM), job(method)).image.pixels / (factor * OPEN_BEAM)
    np.testing.assert_allclose(scaled, plain, atol=2e-4)


@pytest.mark.parametrize("method", OURS)
def test_an_offset_of_the_beam_moves_the_result_by_it(method, tmp_path):
    """The noise grows with the signal, so that it is an offset and a little of another filter."""
    measured = simulated(DetectorPair(load_detector("gos135"), load_detector("gos34")))
    work = job(method, tmp_path)
    plain, moved = (restore(stored(measured + offset), work).image.pixels / OPEN_BEAM for offset in (0.0, 0.02))
    done = np.sqrt(np.mean((plain - measured) ** 2))
    assert abs(float(moved.mean() - plain.mean()) - 0.02) < 2e-4
    assert np.sqrt(np.mean((moved - plain - 0.02) ** 2)) <= 0.25 * done


@pytest.mark.parametrize("method", OURS)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_flipped_frame_gives_the_flipped_result(method, axis, tmp_path):
    """Exactly for linear filters; within the noise for a network, which learned flips and does not have them built in."""
    measured = simulated(DetectorPair(load_detector("gos135"), load_detector("gos34")))
    noise = NoiseModel.of_detector(load_detector("gos135"), 0.25).relative_sd()
    work = job(method, tmp_path)
    plain, flipped = (
        restore(stored(image), work).image.pixels / OPEN_BEAM for image in (measured, np.flip(measured, axis))
    )
    apart = np.sqrt(np.mean((np.flip(flipped, axis) - plain) ** 2))
    assert apart <= (0.01 * noise if method in LINEAR else noise)


@pytest.fixture(scope="module")
def real_edges(tmp_path_factory):
    """Real frames of an edge that is blurred more and more, corrected, with tables measured by ourselves."""
    folder = REAL / "neutron_edges_niqa"
    if not folder.is_dir():
        pytest.skip("no real frames here")
    from coldray.formats import read_image
    from coldray.metrology.edge.mtf import edge_mtf

    dark, beam = (read_image(folder / f"{name}.tif").pixels.astype(float) for name in ("dc", "ob"))
    out, tables = {}, tmp_path_factory.mktemp("tables")
    for number in (0, 1, 3, 4):
        raw = read_image(folder / f"edge20mm_000{number}.tif").pixels.astype(float)
        fraction = np.clip((raw - dark) / np.maximum(beam - dark, 1.0), 0, 1.5)
        curve = edge_mtf(fraction[150:400, 40:150], 0.05)
        table = tables / f"{number}.csv"
        value = np.nan_to_num(curve.mtf.value, nan=0.0)
        rows = "\n".join(f"{f},{max(v, 1e-4)}" for f, v in zip(curve.mtf.frequency_lp_mm, value, strict=True))
        table.write_text(f"frequency_lp_mm,mtf\n{rows}")
        known = Acquisition(pixel_pitch_mm=0.05, open_beam=27000.0, linear=True)
        out[number] = Radiograph(np.rint(fraction * 27000).astype(np.uint16), known), str(table)
    return out


@pytest.mark.parametrize(
    ("blurred", "sharp"),
    [
        (4, 0),
        (4, 3),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ((0, 0), (1, 0), (3, 0), (3, 1), (4, 1))),
    ],
)
def test_real_frames_are_never_destroyed(blurred, sharp, real_edges, model):
    """No worse than the linear filter, hardly a pixel clipped; bare tables without a band are the hardest case."""
    image, table = real_edges[blurred]
    jobs = [
        Job(method=m, model=model if m == "cold" else None, blurred=table, sharp=real_edges[sharp][1])
        for m in ("cold", "wiener")
    ]
    results = []
    for work in jobs:
        try:
            found = restore(image, work)
            limited = np.count_nonzero((image.pixels == 0) | (image.pixels == 65535))
            assert found.clipped_pixels - limited <= 0.01 * image.pixels.size
            results.append(found.image.pixels.astype(float))
        except RefusalError as problem:
            results.append(str(problem))
    if isinstance(results[1], str):
        # a network may pass where the linear filter would clip; its own clipping is counted above
        return
    first, linear, before = *results, image.pixels.astype(float)
    if blurred == sharp:
        # the target is the frame itself: nothing is to be restored, and no more may change than the linear filter changes
        assert np.std(first - before) <= 1.001 * np.std(linear - before) + 1
        return
    level = image.acquisition.open_beam
    target = real_edges[sharp][0].pixels / level
    target = resample(target, register(target, image.pixels / level)).astype(float) * level

    def distance(result):
        inner = np.s_[40:-40, 40:-40]
        x, y = result[inner], target[inner]
        return np.sqrt(np.mean((x * (x * y).sum() / (x * x).sum() - y) ** 2))

    assert distance(first) <= 1.001 * distance(linear) + 1


def test_the_linear_filter_stands_for_one_method(frame_of, blend):
    frame = frame_of(simulated(DetectorPair(load_detector("gos135"), load_detector("gos34"))))
    np.testing.assert_array_equal(linear_filter(frame, blend), plugin("method", "wiener").restore(frame, blend))
