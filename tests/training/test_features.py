"""Features put into training windows: closed forms of their shapes, and pairs that stay exact."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.degradations.mtf_blend import Degradation
from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import radial_operator
from coldray.training.features import (
    BARS,
    DEEPEST,
    EDGE_CNR,
    EDGE_PX,
    FIXED_PATTERN_SD,
    HIT_SHARE,
    KINDS,
    SLOPE,
    add_change,
    disturb,
    draw_breaks,
    draw_features,
    faint_edges,
    feature_mask,
    sharp_screen,
    slope,
)
from coldray.training.pairs import PairSource

PAIR = DetectorPair(load_detector("gos135"), load_detector("gos34"))
NOISE = NoiseModel.of_detector(PAIR.blurred, 0.25)


@given(st.sampled_from(KINDS), st.integers(0, 10**6))
def test_a_mask_is_a_share_of_pixels_within_its_square(kind, seed):
    mask = feature_mask(kind, np.random.default_rng(seed))
    assert mask.dtype == np.float32 and mask.shape[0] == mask.shape[1]
    assert mask.min() >= 0 and 0 < mask.max() <= 1


def test_masks_have_the_area_and_the_spread_of_their_shape():
    for seed in range(40):
        disc = feature_mask("disc", np.random.default_rng(seed))
        radius = np.sqrt(disc.sum() / np.pi)
        assert 0.6 < radius < 7.1
        if radius > 2:
            # second moment along an axis: r^2 / 4 of the disc and 1/12 of the pixel
            at = np.arange(disc.shape[0])
            moment = (disc.sum(1) @ (at - (disc.sum(1) @ at) / disc.sum()) ** 2) / disc.sum()
            assert moment == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.05)
        rod = feature_mask("rod", np.random.default_rng(seed))
        assert 0.55 * 4 < rod.sum() < 4 * 36.5


def test_bars_repeat_with_their_period():
    axis_aligned = 0
    for seed in range(60):
        mask = feature_mask("bars", np.random.default_rng(seed))
        profile = np.maximum(mask.sum(0), mask.sum(1) if np.ptp(mask.sum(1)) > np.ptp(mask.sum(0)) else 0)
        inside = profile > 0.3 * profile.max()
        bars = int(np.sum(np.diff(inside.astype(int)) == 1) + inside[0])
        axis_aligned += BARS[0] <= bars <= BARS[1]
    assert axis_aligned > 15, "half of all bars stand along an axis, within 5 degrees"


@given(st.integers(0, 10**6))
def test_features_keep_off_the_border_and_leave_light(seed):
    signal = np.full((96, 128), 0.4, np.float32)
    change = draw_features(signal, NOISE, np.random.default_rng(seed))
    assert change.shape == signal.shape and change.dtype == np.float32
    inner = np.zeros_like(change, bool)
    inner[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX] = True
    assert not change[~inner].any()
    assert (signal + change).min() >= (1 - DEEPEST) * 0.4 - 1e-6


def test_the_pair_stays_exact_and_the_mean_is_conserved():
    rng = np.random.default_rng(3)
    sharp = rng.uniform(0.3, 0.8, (160, 160)).astype(np.float32)
    blur = radial_operator(lambda f: Degradation(PAIR).transfer(f, 1.0), sharp.shape, PAIR.pixel_pitch_mm)
    change = draw_features(sharp, NOISE, np.random.default_rng(4))
    frame = Frame(blur(sharp), PAIR, NOISE)
    more, blurred = add_change(sharp, frame.blurred, change, frame, Degradation(PAIR))
    assert np.abs(more - sharp).max() > 0.01
    np.testing.assert_allclose(blurred, blur(more), atol=2e-6)
    assert float((more - sharp).mean()) == pytest.approx(float(change.mean()), abs=1e-6)


def test_a_small_feature_spreads_as_the_sharp_detector_spreads_it():
    """A step plate in the middle: its edge profile has the sharp detector's edge spread, pixel aperture included."""
    sharp = np.full((160, 160), 0.5, np.float32)
    plate = np.zeros_like(sharp)
    plate[:, 80:] = 0.1
    shown = sharp_screen(PAIR, sharp.shape)(plate)[80]
    line = np.diff(shown)[60:99]
    f = np.arange(0.0, 0.45, 0.05)
    # a difference of pixels has the transfer sinc(f), a covered share of pixels has the aperture already
    transfer = np.abs(np.exp(-2j * np.pi * f[:, None] * np.arange(line.size)) @ line) / line.sum()
    expected = PAIR.sharp.mtf(f / PAIR.pixel_pitch_mm) / np.sinc(f)
    np.testing.assert_allclose(transfer, expected, atol=0.01)


def test_recipes_without_extras_keep_their_stream(fields, recipe_of):
    plain, added = (PairSource(fields[0], recipe_of(data={"feature_share": share})) for share in (0.0, 1.0))
    same = [np.array_equal(plain.example(n).target, added.example(n).target) for n in range(6)]
    assert not any(same)
    rng = np.random.default_rng([3, 7, 2])
    pair, _ = plain.pair(plain._number(rng), rng)
    np.testing.assert_array_equal(plain.example(2).target, pair.sharp[16:-16, 16:-16])


def test_flat_backgrounds_are_constant(fields, recipe_of):
    source = PairSource(fields[0], recipe_of(data={"flat_share": 1.0}))
    levels = {float(source.example(n).target[0, 0]) for n in range(4)}
    assert len(levels) == 4
    assert all(np.ptp(source.example(n).target) == 0 for n in range(4))
    assert np.ptp(source.example(0).channels[0]) > 0, "noise is still there"


def test_edges_of_a_window_have_one_contrast_within_its_range():
    sd = NOISE.relative_sd(0.6)
    for seed in range(20):
        change = faint_edges(128, 0.6, NOISE, np.random.default_rng(seed)).astype(np.float64)
        levels, counts = np.unique(change.round(6), return_counts=True)
        flat = levels[counts > 60]  # whole areas; pixels on an edge lie between
        steps = np.diff(flat)
        assert np.allclose(steps / steps.min(), np.rint(steps / steps.min()), atol=1e-2), "multiples of one contrast"
        assert (
            min(EDGE_CNR[0] * sd, DEEPEST * 0.6 / 4) <= steps.min() + 1e-6 and (change >= -DEEPEST * 0.6 - 1e-6).all()
        )


def test_a_straight_edge_covers_half_of_the_window_it_halves():
    """Mean coverage over the windows: what one side takes the other leaves."""
    rng = np.random.default_rng(0)
    signs = [np.sign(faint_edges(64, 0.5, NOISE, rng).mean()) for _ in range(200)]
    assert abs(np.mean(signs)) < 0.2


def test_nuisances_keep_to_their_sizes():
    rng = np.random.default_rng(1)
    for _ in range(20):
        factor = slope((64, 96), rng)
        assert np.abs(np.diff(factor, axis=0)).max() < 0.02 and np.abs(factor - 1).max() <= 1.5 * SLOPE
    frame = rng.normal(0.5, 0.01, (200, 200)).astype(np.float32)
    for _ in range(20):
        change = disturb(frame, rng) / frame - 1
        assert np.median(np.abs(change)) < 3 * FIXED_PATTERN_SD[1]
        assert np.mean(np.abs(change) > 5 * FIXED_PATTERN_SD[1]) <= 1.3 * HIT_SHARE[1]


def test_prepared_patches_take_no_features(recipe_of):
    from coldray.training.patch_pairs import PatchSource

    class Patches:
        folder, split, layers, context_px = Path("set"), "train", ("truth",), 99

        def __len__(self):
            return 3

    with pytest.raises(SettingsError, match="nothing is put into prepared patches"):
        PatchSource(Patches(), recipe_of(data={"feature_share": 0.5, "dataset": "folder"}))
    with pytest.raises(SettingsError, match="where prepared patches have defects is not known"):
        PatchSource(Patches(), recipe_of(data={"dataset": "folder"}, optimiser={"defect_pixels": 9}))


def test_breaks_bring_the_level_beside_a_line_into_it_or_the_lines_beside_it():
    signal = np.full((96, 96), 0.8, dtype=np.float32)
    signal[:, 40:46], signal[70:73, :36] = 0.5, 0.9
    broken = 0.0
    for seed in range(8):
        change = draw_breaks(signal, np.random.default_rng(seed))
        assert change.dtype == np.float32 and change.shape == signal.shape
        # nothing goes beyond the levels that are there
        after = signal + change
        assert after.min() >= 0.5 - 1e-6 and after.max() <= 0.9 + 1e-6
        broken += np.abs(change).max()
    assert broken / 8 > 0.1
    np.testing.assert_array_equal(draw_breaks(np.full((64, 64), 0.5, np.float32), np.random.default_rng(0)), 0)
