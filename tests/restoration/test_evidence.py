"""Evidence of structure: its law under noise, whose power is checked against the frame, and what opens the gate."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.errors import CheckpointError
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.restoration.even_power import EVEN_GROUND, HIGH_BAND, NO_NOISE, NOTHING, even_scale
from coldray.restoration.evidence import evidence, gate, noise_law, whitening
from coldray.restoration.gate_constants import Band, Base, EvenConstants, OpenShare
from coldray.restoration.noise import choose_noise, white_noise

CONSTANTS = EvenConstants()
SIDE = 288


@pytest.fixture
def noisy(pair):
    """Frame of an image with the noise of an exposure, stated right or off by a factor."""

    def build(image, exposure_s=1.0, stated=1.0, seed=0, truth=None):
        noise = NoiseModel.of_detector(pair.blurred, exposure_s)
        drawn = (truth or noise).draw(image, np.random.default_rng(seed))
        return Frame((image + drawn).astype(np.float32), pair, noise.scaled(stated))

    return build


@pytest.fixture
def flat():
    return np.full((SIDE, SIDE), 0.6, dtype=np.float32)


def opened(frame, blend):
    """Share of pixels that the gate gives to a network at all."""
    found = evidence(frame, blend, CONSTANTS)
    return float(np.mean(found.gate(CONSTANTS) > 0.01)), found


@pytest.mark.parametrize("band", CONSTANTS.bands)
@pytest.mark.parametrize("exposure_s", [1.0, 0.05])
def test_the_law_under_noise_is_exact(noisy, blend, flat, band, exposure_s):
    """Mean and spread of the smoothed whitened energy, worked out from the spectrum alone, are what noise shows."""
    frames = [noisy(flat, exposure_s, seed=k) for k in range(3)]
    constants = replace(CONSTANTS, bands=(band,), clip=1e6)
    z = np.stack([evidence(frame, blend, constants).z for frame in frames])
    inner = z[:, 10:-10, 10:-10]
    samples = inner[0].size * 16 * 3 / (4 * np.pi * band.sigma_px**2)
    assert abs(inner.mean()) < 4 / np.sqrt(samples)
    assert inner.std() == pytest.approx(1, abs=3 / np.sqrt(2 * samples) + 0.03)


def test_the_variance_follows_the_local_signal(noisy, blend):
    # the slowest wave of the frame's own transform: nothing of it passes a band
    levels = 0.55 - 0.35 * np.cos(np.pi * (np.arange(SIDE) + 0.5) / SIDE)[:, None] * np.ones((1, SIDE))
    frame = noisy(levels.astype(np.float32))
    law = noise_law(frame, whitening(frame, blend, CONSTANTS.bands[0]), 5.0, 1)
    assert law.slope > 0 and law.dark >= 0
    z = evidence(frame, blend, replace(CONSTANTS, bands=CONSTANTS.bands[:1])).z
    dark, bright = z[:24].mean(), z[-24:].mean()
    assert abs(dark) < 0.3 and abs(bright) < 0.3


@pytest.mark.parametrize("exposure_s", [1.0, 0.25, 0.05])
def test_even_noise_keeps_the_gate_shut(noisy, blend, flat, exposure_s):
    share, found = opened(noisy(flat, exposure_s), blend)
    assert share <= 1e-3
    assert found.power.witness == EVEN_GROUND
    assert found.power.used == (1.0, 1.0, 1.0)
    assert not found.power.warnings()


@pytest.mark.parametrize("stated", [0.5, 0.7, 1.4, 2.0, 4.0, 16.0])
@pytest.mark.parametrize("exposure_s", [1.0, 0.05])
def test_a_wrong_power_is_replaced_by_what_the_frame_shows(noisy, blend, flat, stated, exposure_s):
    share, found = opened(noisy(flat, exposure_s, stated), blend)
    assert share <= 1e-3
    assert found.power.used[0] * stated == pytest.approx(1, abs=0.1)
    (warning,) = found.power.warnings()
    assert "times the stated noise power" in warning


def test_a_power_off_by_less_than_a_quarter_is_used_as_stated(noisy, blend, flat):
    share, found = opened(noisy(flat, stated=0.85), blend)
    assert found.power.used == (1.0, 1.0, 1.0)
    assert found.power.shown[0] == pytest.approx(1 / 0.85, abs=0.1)
    assert share <= 2e-3


@pytest.mark.parametrize("frames", [4, 16])
def test_averages_of_frames_restored_blind_stay_shut(pair, blend, flat, frames):
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    drawn = np.mean([noise.draw(flat, np.random.default_rng(k)) for k in range(frames)], axis=0)
    image = (flat + drawn).astype(np.float32)
    stated, _ = choose_noise(image, pair.blurred)
    share, _ = opened(Frame(image, pair, stated), blend)
    assert share <= 1e-3


def test_white_noise_taken_for_a_screens_stays_shut(pair, blend, flat):
    image = (flat + white_noise(pair.blurred, 0.01).draw(flat, np.random.default_rng(1))).astype(np.float32)
    stated, _ = choose_noise(image, pair.blurred)
    share, _ = opened(Frame(image, pair, stated), blend)
    assert share <= 1e-3


def test_redder_noise_than_stated_is_told_by_the_wide_bands(pair, blend, noisy, flat):
    slow = gaussian_filter(np.random.default_rng(2).standard_normal(flat.shape), 4.0)
    frame = noisy(flat)
    frame = replace(frame, blurred=(frame.blurred + 0.004 * slow / slow.std()).astype(np.float32))
    share, found = opened(frame, blend)
    assert share <= 1e-3
    assert max(found.power.used) > 2


def test_two_percent_fixed_pattern_stays_shut_and_is_said(noisy, blend, flat):
    pattern = 1 + 0.02 * np.random.default_rng(4).standard_normal(flat.shape)
    frame = noisy(flat)
    share, found = opened(replace(frame, blurred=(frame.blurred * pattern).astype(np.float32)), blend)
    assert share <= 1e-3
    assert found.power.used[0] > 3
    assert found.power.warnings()


@pytest.mark.parametrize("kind", ["heel", "scatter"])
def test_slow_shading_is_not_structure(noisy, blend, flat, kind):
    place = np.linspace(-1, 1, SIDE)
    if kind == "heel":
        shape = 1 + 0.1 * place[None] * np.ones((SIDE, 1))
    else:
        shape = 1 + 0.1 * np.exp(-(place[:, None] ** 2 + place[None] ** 2))
    share, _ = opened(noisy((flat * shape).astype(np.float32)), blend)
    assert share <= 2e-3


def test_a_stitched_step_opens_along_its_seam_only(noisy, blend, flat):
    image = flat.copy()
    image[:, SIDE // 2 :] *= 1.05
    found = evidence(noisy(image), blend, CONSTANTS)
    g = found.gate(CONSTANTS)
    seam = slice(SIDE // 2 - 70, SIDE // 2 + 70)
    assert g[:, SIDE // 2].mean() > 0.9
    outside = np.delete(g, np.arange(SIDE)[seam], axis=1)
    assert np.mean(outside > 0.01) <= 2e-3


@pytest.mark.parametrize(("contrast", "exposure_s"), [(0.5, 1.0), (0.5, 0.05), (0.1, 1.0)])
def test_edges_open_it_and_far_from_them_it_is_shut(noisy, blend, contrast, exposure_s):
    image = np.full((SIDE, 2 * SIDE), 0.8, dtype=np.float32)
    image[:, SIDE:] *= 1 - contrast
    frame = noisy(image)
    g = evidence(frame, blend, CONSTANTS).gate(CONSTANTS)
    assert g[20:-20, SIDE].min() > 0.95
    assert np.mean(g[:, : SIDE - 120] > 0.01) <= 2e-3


def test_more_structure_is_more_evidence(noisy, blend, flat):
    """Evidence at a disc grows with its contrast; the gate never falls."""
    rows, cols = np.mgrid[0:SIDE, 0:SIDE]
    disc = (np.hypot(rows - SIDE / 2, cols - SIDE / 2) < 8).astype(np.float32)
    z = [evidence(noisy(flat + k * disc), blend, CONSTANTS).z[SIDE // 8, SIDE // 8] for k in (0, 0.01, 0.03, 0.1)]
    assert np.all(np.diff(z) > 0)
    assert np.all(np.diff(gate(np.array(z), CONSTANTS)) >= 0)


@pytest.mark.parametrize("value", [0.0, 1e-4, 0.37, 1.0, 1.3])
def test_a_blank_frame_has_nothing_to_gate(pair, blend, value):
    frame = Frame(np.full((80, 96), value, dtype=np.float32), pair, NoiseModel.of_detector(pair.blurred, 1.0))
    found = evidence(frame, blend, CONSTANTS)
    assert found.power.witness == NO_NOISE
    assert not found.gate(CONSTANTS).any()
    assert not found.power.warnings()


def test_faint_structure_without_noise_does_not_lower_the_power(pair, blend):
    image = np.full((160, 160), 0.6, dtype=np.float32)
    image[60:66, 60:66] += 0.004
    frame = Frame(image, pair, NoiseModel.of_detector(pair.blurred, 1.0))
    frame = replace(frame, blurred=frame.operator(blend)(image))
    found = evidence(frame, blend, CONSTANTS)
    assert found.power.used == (1.0, 1.0, 1.0)
    assert not found.gate(CONSTANTS).any()


def test_a_frame_of_structure_all_over_asks_the_high_band(noisy, blend):
    """Busy texture at every scale has no even ground; a power stated too low is raised by the band near Nyquist."""
    rng = np.random.default_rng(6)
    squares = np.kron(rng.uniform(0.2, 0.9, (72, 72)), np.ones((4, 4))).astype(np.float32)
    squares *= np.kron(rng.uniform(0.3, 1.0, (9, 9)), np.ones((32, 32))).astype(np.float32)
    image = gaussian_filter(squares, 2.5)
    g = {}
    for stated in (1.0, 0.25):
        found = evidence(noisy(image, 0.25, stated), blend, CONSTANTS)
        assert found.power.witness == HIGH_BAND
        g[stated] = found.gate(CONSTANTS).mean()
    assert found.power.used[0] > 2
    assert "high band" in found.power.warnings()[0]
    assert min(g.values()) > 0.9


@pytest.mark.parametrize("period_px", [8, 12])
@pytest.mark.parametrize("exposure_s", [0.25, 0.05])
def test_a_mesh_is_as_alike_as_noise_and_is_structure(noisy, blend, period_px, exposure_s):
    """Its power is many times that of the noise and none of it lies in the high band."""
    lines = np.cos(2 * np.pi * (np.arange(SIDE) + 0.5) / period_px)
    found = evidence(noisy((0.5 + 0.1 * lines[:, None] * lines).astype(np.float32), exposure_s), blend, CONSTANTS)
    assert found.power.witness == HIGH_BAND and max(found.power.used) < 2
    assert found.gate(CONSTANTS).mean() > 0.9


def test_where_nothing_shows_the_noise_the_evidence_says_so(pair, blend):
    rng = np.random.default_rng(8)
    busy = np.kron(np.exp(rng.uniform(-3, 0, (12, 12))), np.ones((4, 4))).astype(np.float32)
    found = evidence(Frame(busy, pair, NoiseModel.of_detector(pair.blurred, 1.0)), blend, CONSTANTS)
    assert found.power.witness == NOTHING
    assert not found.power.known
    assert "linear filter is used everywhere" in found.power.warnings()[0]


def test_the_scale_of_even_ground_beside_structure():
    rng = np.random.default_rng(9)
    sd = 0.1
    noise = 3.0 * rng.gamma(1 / sd**2, sd**2, 20000)
    scale, share = even_scale(noise, sd)
    assert scale == pytest.approx(3, rel=0.01)
    assert share > 0.97
    mixed = np.concatenate([noise, rng.uniform(10, 500, 20000)])
    scale, share = even_scale(mixed, sd)
    assert scale == pytest.approx(3, rel=0.1)
    assert share == pytest.approx(0.5, abs=0.05)


def test_any_size_has_its_evidence(noisy, blend):
    found = evidence(noisy(np.full((130, 151), 0.5, dtype=np.float32)), blend, CONSTANTS)
    assert found.z.shape == (33, 38)
    assert found.gate(CONSTANTS).shape == (130, 151)


def test_constants_travel_in_a_models_header():
    own = EvenConstants(bands=(Band(0.03, 0.2, 6.0),), contrast=0.25, closed_below=5)
    assert EvenConstants.of_header(own.to_header()) == own
    # as it was before there were several
    assert EvenConstants.of_header({}) == replace(CONSTANTS, bases=(Base(36.0, 1.0),))
    assert EvenConstants.of_header({"base_sigma_px": 30}).bases == (Base(30.0, 1.0),)
    assert EvenConstants.of_header({"open_share": 0.2}).open_share == (OpenShare(0.2),)
    assert CONSTANTS.to_header()["open_share"] == 0.3
    shares = (OpenShare(0.5, 0.05), OpenShare(0.1, 0.2))
    assert EvenConstants.of_header(replace(own, open_share=shares).to_header()).open_share == shares
    for broken, words in (
        ({"sigma": 3}, "unknown constants sigma"),
        ({"clip": -1}, "must be positive"),
        ({"open_above": 7.0}, "must be positive, with open_above over"),
        ({"bands": []}, "some band"),
        ({"bands": [{"low": 0.1}]}, "cannot be read"),
        ({"clip": "much"}, "cannot be read"),
        ({"bases": [{"sigma_px": 30, "share": 0.9}]}, "must sum to 1"),
        ({"bases": []}, "must sum to 1"),
        ({"bases": [{"sigma_px": -3}]}, "must be positive"),
        ({"open_share": []}, "rising frequencies"),
        ({"open_share": [{"share": 0.1, "cycles_px": 0.2}, {"share": 0.3, "cycles_px": 0.2}]}, "rising frequencies"),
        ({"open_share": [{"cycles_px": 0.2}]}, "cannot be read"),
    ):
        with pytest.raises(CheckpointError, match=words):
            EvenConstants.of_header(broken)
