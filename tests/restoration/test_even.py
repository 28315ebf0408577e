"""The gated result: one linear filter where there is no evidence, and exactly no network in it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter

from coldray.errors import ImageError
from coldray.frame import Frame
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.restoration import even
from coldray.restoration.even import apply, even_filter, read
from coldray.restoration.even_gain import even_gain, fixed_gain
from coldray.restoration.gate_constants import Base, EvenConstants
from coldray.restoration.guard import linear_filter
from coldray.restoration.provenance import provenance_of

CONSTANTS = EvenConstants()


@pytest.fixture
def scene(pair):
    """A bright half with faint noise and a strong edge, 1 s: both kinds of ground in one frame."""

    def build(seed=0, exposure_s=1.0):
        image = np.full((200, 320), 0.8, dtype=np.float32)
        image[:, 40:90] = 0.3
        noise = NoiseModel.of_detector(pair.blurred, exposure_s)
        return Frame((image + noise.draw(image, np.random.default_rng(seed))).astype(np.float32), pair, noise)

    return build


@given(st.floats(0.0, 2.0, width=32), st.integers(3, 70), st.integers(3, 70))
def test_a_constant_stays_constant_to_the_last_bit(pair, blend, value, rows, cols):
    frame = Frame(np.full((rows, cols), value, dtype=np.float32), pair, NoiseModel.of_detector(pair.blurred, 1.0))
    guess = np.random.default_rng(1).uniform(0, 1, (rows, cols)).astype(np.float32)
    assert np.all(apply(frame, blend, guess, CONSTANTS).out == np.float32(value))
    assert np.all(even_filter(frame, blend, CONSTANTS) == np.float32(value))


def test_the_filter_is_linear_and_has_the_stated_gain(scene, blend):
    frame = scene()
    rng = np.random.default_rng(2)
    parts = [rng.uniform(0.2, 0.8, frame.shape).astype(np.float32) for _ in range(2)]
    one, other, both = (
        even_filter(replace(frame, blurred=y), blend, CONSTANTS) for y in (*parts, 0.25 * parts[0] + 0.5 * parts[1])
    )
    np.testing.assert_allclose(both, 0.25 * one + 0.5 * other, atol=2e-6)
    pitch = frame.pair.pixel_pitch_mm
    cols = np.ones((frame.shape[0], 1)) * (np.arange(frame.shape[1]) + 0.5)
    for k in (1, 3, 8, 40, 150):
        wave = np.cos(np.pi * k * cols / frame.shape[1])
        u = k / (2 * frame.shape[1])
        base = sum(part.share * np.exp(-2 * (np.pi * part.sigma_px * u) ** 2) for part in CONSTANTS.bases)
        transfer = float(blend.transfer(np.array([u / pitch]), 1.0)[0])
        wanted = base + even_gain(blend, CONSTANTS, pitch, np.array([u / pitch]))[0] * (1 - transfer * base)
        found = even_filter(replace(frame, blurred=(0.5 + 0.2 * wave).astype(np.float32)), blend, CONSTANTS)
        assert np.vdot(found - 0.5, wave) / np.vdot(0.2 * wave, wave) == pytest.approx(wanted, abs=2e-3)


def test_an_observer_who_does_not_whiten_keeps_wide_discs(pair, blend):
    """Closed form on even noise: index of the non-prewhitening observer behind the fixed filter over that of the raw frame.

    With one width of 36 px the worst of the three loses a tenth more.
    """
    side, pitch = 512, pair.pixel_pitch_mm
    u = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    far = np.hypot(*(np.indices((side, side)) - side // 2))
    power = NoiseModel.of_detector(pair.blurred, 0.25).power(np.maximum(u, 1e-6) / pitch, 0.6)
    shown = u > 1 / 256  # nobody knows the mean of a patch

    def index(gain, diameter):
        signal = np.abs(np.fft.fft2(far <= diameter / 2) * blend.transfer(u / pitch, 1.0)) ** 2
        return (gain**2 * signal)[shown].sum() / np.sqrt((gain**4 * signal * power)[shown].sum())

    def worst(constants):
        gain = fixed_gain(blend, constants, pitch, u / pitch)
        return min(index(gain, size) / index(np.ones_like(gain), size) for size in (20, 40, 60))

    assert worst(CONSTANTS) > 0.88
    assert worst(replace(CONSTANTS, bases=(Base(36.0),))) < worst(CONSTANTS) - 0.08


@pytest.mark.parametrize("contrast", [0.2, 0.3, 0.5])
def test_the_gain_is_the_dial(pair, blend, contrast):
    pitch = pair.pixel_pitch_mm
    u = np.array([0.0, 0.01, 0.2, 0.5])
    gain = even_gain(blend, replace(CONSTANTS, contrast=contrast), pitch, u / pitch)
    assert gain[0] == pytest.approx(contrast)
    assert gain[2] == pytest.approx(contrast * 1.6 * np.exp(-((0.2 / 0.35) ** 4)), rel=1e-6)
    assert gain.max() <= 1.2
    assert gain[3] < 0.05 * contrast


def test_no_network_enters_where_the_gate_is_shut(scene, blend):
    """Two predictions as different as can be give the same bits there, near structure and far from it."""
    frame = scene()
    rng = np.random.default_rng(3)
    results = [apply(frame, blend, rng.uniform(-5, 5, frame.shape).astype(np.float32), CONSTANTS) for _ in range(2)]
    shut = results[0].gate == 0
    assert 0.1 < shut.mean() < 0.9
    for result in results:
        assert np.all(result.claim[shut] == 0)
        np.testing.assert_array_equal(result.out[shut], result.linear_part[shut])
    np.testing.assert_array_equal(results[0].out[shut], results[1].out[shut])
    np.testing.assert_array_equal(results[0].linear, results[1].linear)


@pytest.mark.parametrize("seed", range(5))
def test_layers_sum_in_single_precision(scene, blend, seed):
    frame = scene(seed)
    guess = np.random.default_rng(seed).normal(0.5, 0.2, frame.shape).astype(np.float32)
    found = apply(frame, blend, guess, CONSTANTS)
    assert all(part.dtype == np.float32 for part in (found.out, found.measured, found.linear, found.claim, found.gate))
    np.testing.assert_array_equal((found.measured + found.linear) + found.claim, found.out)
    np.testing.assert_array_equal(found.measured, frame.blurred)
    # where the gate is open the network rules, but for the one number that keeps the mean of the frame
    claimed = found.gate * (guess - found.linear_part)
    kept = claimed.mean(dtype=np.float64) / found.gate.mean(dtype=np.float64)
    assert abs(kept) > 1e-4
    np.testing.assert_allclose(found.out[found.gate == 1], guess[found.gate == 1] - kept, atol=1e-6)
    assert found.out.mean(dtype=np.float64) == pytest.approx(found.linear_part.mean(dtype=np.float64), abs=1e-8)


def test_far_from_structure_it_is_the_fixed_filter(pair, blend):
    flat = np.full((256, 256), 0.6, dtype=np.float32)
    noise = NoiseModel.of_detector(pair.blurred, 1.0)
    frame = Frame(flat + noise.draw(flat, np.random.default_rng(0)), pair, noise)
    found = apply(frame, blend, flat, CONSTANTS)
    assert not found.gate.any()
    np.testing.assert_array_equal(found.out, found.linear_part)
    first = read(frame, blend, CONSTANTS)
    assert not first.asks_network
    np.testing.assert_array_equal(first.join().out, found.out)
    np.testing.assert_allclose(found.out, even_filter(frame, blend, CONSTANTS), atol=2e-7)
    assert found.linear_share == 1.0


def test_edges_leave_no_halo_in_the_ground_beside_them(scene, blend):
    """In the mean of repeats the linear reading beside an edge is as level as a good network's own result."""
    truth = np.full((200, 320), 0.8, dtype=np.float32)
    truth[:, 40:90] = 0.3
    frames = [scene(k) for k in range(8)]
    noise = frames[0].noise
    rng = np.random.default_rng(4)
    results = []
    for frame in frames:
        blurred = frame.operator(blend)(truth)
        frame = replace(frame, blurred=(blurred + noise.draw(blurred, rng)).astype(np.float32))
        results.append(apply(frame, blend, truth, CONSTANTS))
    mean = np.mean([r.out - truth for r in results], axis=(0, 1))
    assert np.abs(mean[115:-20]).max() < 2e-3
    unmasked = np.mean([even_filter(replace(f, blurred=r.measured), blend, CONSTANTS)
                        for f, r in zip(frames, results, strict=True)], axis=(0, 1)) - truth[0]  # fmt: skip
    assert np.abs(unmasked[115:-20]).max() > 0.02


def test_the_linear_reading_keeps_the_mean_wherever_its_even_ground_lies(scene, blend):
    for exposure_s in (1.0, 0.25):
        found = read(scene(3, exposure_s), blend, CONSTANTS)
        assert 0.1 < found.gate.mean() < 0.95
        assert abs(found.linear.mean(dtype=np.float64)) < 1e-8


def test_no_side_of_an_edge_takes_the_level_of_the_other(pair, blend):
    """In the mean of repeats, far from one strong edge: neither side is lifted or lowered towards the other."""
    truth = np.full((160, 320), 0.8, dtype=np.float32)
    truth[:, :160] = 0.2
    noise = NoiseModel.of_detector(pair.blurred, 0.05)
    rng = np.random.default_rng(5)
    blurred = Frame(truth, pair, noise).operator(blend)(truth)
    results = []
    for _ in range(6):
        frame = Frame((blurred + noise.draw(blurred, rng)).astype(np.float32), pair, noise)
        results.append(apply(frame, blend, truth, CONSTANTS))
    shut = np.max([r.gate.max(axis=0) for r in results], axis=0) == 0
    # both grounds lie within 72 pixels of each other and of the strip between them where the gate is open
    assert shut[:100].any() and shut[-100:].any() and not shut[150:170].any()
    off = np.mean([r.out - truth for r in results], axis=(0, 1))
    # 0.0031 and 0.0019 where the mean of even ground reached over the edge
    assert np.abs(off[:160][shut[:160]]).mean() < 0.002 and np.abs(off[160:][shut[160:]]).mean() < 0.0015


def test_the_way_from_one_ground_to_the_other_is_no_noisier_than_even_ground(scene, blend):
    """The estimate inside open ground amplifies noise; between two grounds that are quieter none of it is seen."""
    truth = scene().blurred.copy()
    truth[:] = 0.8
    truth[:, 40:90] = 0.3
    sharp, noise = scene().operator(blend)(truth), scene().noise
    rng = np.random.default_rng(6)
    frames = [replace(scene(), blurred=sharp + noise.draw(sharp, rng)) for _ in range(12)]
    results = [apply(frame, blend, truth, CONSTANTS) for frame in frames]
    between = np.logical_and.reduce([(r.gate > 0) & (r.gate < 1) for r in results])
    shut = np.logical_and.reduce([r.gate == 0 for r in results])
    assert between.sum() > 500
    error = np.mean([(r.out - truth) ** 2 for r in results], axis=0)
    # 1.8 times where the estimate was shown as far as the gate was open
    assert error[between].mean() < error[shut].mean()


def test_the_way_from_one_ground_to_the_other_follows_a_slope(pair, blend):
    """Where even ground ends on a slope, its own mean lags behind it."""
    truth = np.tile(np.linspace(0.3, 0.9, 320, dtype=np.float32), (200, 1))
    truth[:, 60:110] = 0.1
    noise = NoiseModel.of_detector(pair.blurred, 1.0)
    blurred, rng = Frame(truth, pair, noise).operator(blend)(truth), np.random.default_rng(7)
    results = []
    for _ in range(8):
        frame = Frame((blurred + noise.draw(blurred, rng)).astype(np.float32), pair, noise)
        results.append(apply(frame, blend, truth, CONSTANTS))
    between = np.logical_and.reduce([(r.gate > 0) & (r.gate < 1) for r in results])
    assert between.sum() > 200
    off = np.mean([r.out - truth for r in results], axis=0)
    # 0.0139; 0.0191 with the mean of even ground all the way
    assert abs(off[between].mean()) < 0.016


def test_fading_ends_at_the_filter_that_stands_in(scene, blend):
    frame = scene()
    found = apply(frame, blend, np.full(frame.shape, 7.0, dtype=np.float32), CONSTANTS)
    stand_in = frame.wiener_operator(blend)(frame.blurred)
    none, some, whole = (found.faded(share, stand_in) for share in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(none.out, stand_in, atol=1e-6)
    assert not none.gate.any() and not none.claim.any() and none.stood_in == 1.0
    np.testing.assert_array_equal(whole.out, found.out)
    np.testing.assert_allclose(some.out, 0.5 * (found.out + stand_in), atol=2e-6)
    np.testing.assert_array_equal(some.out, (some.measured + some.linear) + some.claim)
    assert some.linear_share == pytest.approx(1 - 0.5 * found.gate.mean(), rel=1e-5)
    twice = some.faded(0.5, stand_in)
    np.testing.assert_allclose(twice.out, found.faded(0.25, stand_in).out, atol=2e-6)
    assert twice.stood_in == pytest.approx(0.75)


def test_the_filter_that_stands_in_replaces_the_network_and_no_even_ground(scene, blend):
    frame = scene()
    found = apply(frame, blend, np.full(frame.shape, 7.0, dtype=np.float32), CONSTANTS)
    stand_in = frame.wiener_operator(blend)(frame.blurred)
    full = found.replaced(np.ones(frame.shape), stand_in)
    shut, open_ = found.gate == 0, found.gate == 1
    np.testing.assert_array_equal(full.out[shut], found.out[shut])
    np.testing.assert_allclose(full.out[open_], stand_in[open_], atol=1e-6)
    assert not full.gate.any() and not full.claim.any()
    side = np.broadcast_to(np.linspace(0, 1, frame.shape[1]), frame.shape)
    half = found.replaced(side, stand_in)
    np.testing.assert_array_equal(half.out, (half.measured + half.linear) + half.claim)
    assert abs(half.claim.mean(dtype=np.float64)) < 1e-6 < abs(((1 - side) * found.claim).mean())
    assert np.all(half.claim[shut] == 0)


def test_noise_that_nothing_shows_gives_the_linear_filter_everywhere(scene, blend):
    frame = scene()
    busy = np.kron(np.exp(np.random.default_rng(8).uniform(-3, 0, (12, 12))), np.ones((4, 4))).astype(np.float32)
    small = apply(replace(frame, blurred=busy), blend, np.zeros_like(busy), CONSTANTS)
    assert not small.gate.any()
    assert any("linear filter is used everywhere" in w for w in small.warnings)


@pytest.mark.parametrize(("sd", "share"), [(0.079, 0.0), (0.12, 0.5), (0.161, 1.0)])
def test_ground_whose_noise_takes_the_beam_gets_the_wiener_filter(pair, blend, monkeypatch, sd, share):
    """And the provenance names the filter that made it, with its gain."""
    white = NoiseModel(FrequencyCurve([0.0, 20.0], np.full(2, (sd * 0.048) ** 2)), 0.0, 0.048, "flats")
    flat = np.full((128, 128), 0.6, dtype=np.float32)
    frame = Frame(flat + white.draw(flat, np.random.default_rng(0)), pair, white)
    found = read(frame, blend, CONSTANTS).alone()
    monkeypatch.setattr(even, "DROWNED", (8.0, 16.0))
    dry = read(frame, blend, CONSTANTS).alone()
    assert found.stood_in == pytest.approx(share, abs=0.01) and dry.stood_in == 0
    wanted = dry.out + np.float32(found.stood_in) * (linear_filter(frame, blend) - dry.out)
    np.testing.assert_allclose(found.out, wanted, atol=1e-6)
    said, fixed, wiener = (
        provenance_of(frame, blend, one.out, one, CONSTANTS).filter
        for one in (found, dry, dry.faded(0.0, linear_filter(frame, blend)))
    )
    assert said["name"] == {0.0: "even ground", 0.5: "even ground and wiener", 1.0: "wiener"}[share]
    assert (fixed["name"], wiener["name"]) == ("even ground", "wiener")
    mixed = (1 - found.stood_in) * np.array(fixed["gain"]) + found.stood_in * np.array(wiener["gain"])
    np.testing.assert_allclose(said["gain"], mixed, atol=2e-6)


def test_wrong_predictions_are_refused(scene, blend):
    frame = scene()
    with pytest.raises(ImageError, match="found none"):
        read(frame, blend, CONSTANTS).join()
    with pytest.raises(ImageError, match="must be equal"):
        apply(frame, blend, np.zeros((3, 3), dtype=np.float32), CONSTANTS)
    broken = np.zeros(frame.shape, dtype=np.float32)
    broken[0, 0] = np.nan
    with pytest.raises(ImageError, match="not finite"):
        apply(frame, blend, broken, CONSTANTS)


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([8, 32, 50]), st.integers(0, 99))
def test_cells_count_as_far_as_a_correction_carries_the_network(rows, cols, cell, seed):
    gate = (np.random.default_rng(seed).uniform(size=(rows, cols)) < 2 / (rows * cols)).astype(np.float32)
    nothing = np.zeros((rows, cols), dtype=np.float32)
    found = even.Reading(nothing, nothing, gate, None).needed(cell)
    open_cells = np.zeros((-(-rows // cell), -(-cols // cell)), dtype=bool)
    for row, col in np.argwhere(gate > 0):
        open_cells[row // cell, col // cell] = True
    wanted = maximum_filter(open_cells, 2 * -(-even.NETWORK_REACH_PX // cell) + 1)
    np.testing.assert_array_equal(found, wanted)
