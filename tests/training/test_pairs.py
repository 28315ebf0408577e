"""Training pairs: a reproducible stream of windows, noise and exposures."""

from types import SimpleNamespace

import numpy as np
import pytest

from coldray.channels import CONDITIONS
from coldray.dataset.fields import FieldRecipe, build_fields
from coldray.errors import SettingsError
from coldray.physics.transfer import radial_operator
from coldray.training.pairs import LEAST_PX, PairSource, defect_weight, drawn_window
from coldray.training.validation import scores


@pytest.fixture(scope="module")
def source(fields, recipe_of):
    return PairSource(fields[0], recipe_of())


def test_example_n_is_always_the_same(fields, recipe_of, source):
    again = PairSource(fields[0], recipe_of())
    for number in (0, 5, 123456):
        one, two = source.example(number), again.example(number)
        np.testing.assert_array_equal(one.channels, two.channels)
        np.testing.assert_array_equal(one.conditions, two.conditions)
        np.testing.assert_array_equal(one.target, two.target)
    assert np.any(source.example(0).target != source.example(1).target)
    other = PairSource(fields[0], recipe_of(random_state=4))
    assert np.any(other.example(0).channels != source.example(0).channels)


def test_a_batch_is_its_examples_whatever_the_batch_size(fields, recipe_of, source):
    channels, conditions, target = source.batch(3)
    assert channels.shape == (2, 3, 32, 32)
    assert conditions.shape == (2, len(CONDITIONS))
    assert target.shape == (2, 1, 32, 32)
    for i, number in enumerate((6, 7)):
        example = source.example(number)
        np.testing.assert_array_equal(channels[i], example.channels)
        np.testing.assert_array_equal(target[i, 0], example.target)
    large = PairSource(fields[0], recipe_of(optimiser={"batch": 4})).batch(1)
    np.testing.assert_array_equal(large[0][2:], channels)


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ({}, "no entry 'pair'"),
        ({"pair": 7}, "found 7"),
        ({"pair": {"sharp_stretch": "wide"}}, "found 'wide'"),
        ({"pair": {"x": 1}}, "'x'"),
    ],
)
def test_a_description_that_is_damaged_is_told_with_its_field(fields, recipe_of, note, reason):
    whole = next(iter(fields[0]))
    with pytest.raises(SettingsError, match=f"^the description of field 1: .*{reason}"):
        PairSource([whole, (whole[0], note)], recipe_of())


def test_without_a_margin_the_whole_window_is_shown(fields, recipe_of):
    assert PairSource(fields[0], recipe_of(data={"margin": 0})).example(0).target.shape == (64, 64)


def turned(part, turns, flip):
    part = np.rot90(part, turns)
    return part[:, ::-1] if flip else part


def test_a_window_is_a_turned_cut_of_the_field_and_of_its_blur(fields, recipe_of):
    source = PairSource(fields[0], recipe_of(data={"noise": "none"}))
    sharp, _ = next(iter(fields[0]))
    seen = set()
    for seed in range(8):
        pair, degradation = source.pair(0, np.random.default_rng(seed))
        assert pair.sharp.shape == pair.blurred.shape == (64, 64)
        np.testing.assert_array_equal(pair.frame.blurred, pair.blurred)
        pitch = pair.frame.pair.pixel_pitch_mm
        blurred = radial_operator(lambda f, d=degradation: d.transfer(f, 1.0), sharp.shape, pitch)(sharp)
        found = [
            (turns, flip)
            for turns in range(4)
            for flip in (False, True)
            for r in range(17)
            for c in range(17)
            if np.array_equal(turned(sharp[r : r + 64, c : c + 64], turns, flip), pair.sharp)
            and np.allclose(turned(blurred[r : r + 64, c : c + 64], turns, flip), pair.blurred, atol=1e-6)
        ]
        assert found
        seen.add(found[0])
    assert len(seen) > 2


@pytest.mark.parametrize(("directional", "rows_stay"), [(True, {True}), (False, {True, False})])
def test_windows_are_flipped_and_turned_as_the_detectors_allow(directional, rows_stay):
    """Of an image that rises along its columns alone a window rises along them still, unless it was turned by 90°."""
    rising = np.tile(np.arange(40, dtype=np.float32), (24, 1))
    cuts = [
        drawn_window((24, 40), 16, SimpleNamespace(directional=directional), np.random.default_rng(n))(rising)
        for n in range(40)
    ]
    assert all(cut.shape == (16, 16) and cut.flags.c_contiguous for cut in cuts)
    assert {bool((cut[0] == cut[-1]).all()) for cut in cuts} == rows_stay
    assert {float(np.sign(cut[-1, -1] - cut[0, 0])) for cut in cuts} == {-1.0, 1.0}


@pytest.mark.parametrize("exposure_s", [0.05, 1.0])
def test_noise_has_the_level_of_the_exposure(source, exposure_s):
    noise = []
    for seed in range(6):
        pair, _ = source.pair(0, np.random.default_rng(seed), exposure_s)
        noise.append((pair.frame.blurred - pair.blurred).astype(np.float64))
    assert np.std(noise) == pytest.approx(pair.frame.noise.relative_sd(float(pair.sharp.mean())), rel=0.15)


def test_exposures_are_drawn_log_uniformly_over_the_range(source):
    power = [float(source.pair(0, np.random.default_rng(s))[0].frame.noise.quantum(1.0)) for s in range(200)]
    exposure = float(source.pair(0, np.random.default_rng(0), 1.0)[0].frame.noise.quantum(1.0)) / np.array(power)
    assert exposure.min() >= 0.05 * (1 - 1e-9)
    assert exposure.max() <= 1 + 1e-9
    assert np.median(np.log(exposure)) == pytest.approx(np.log(0.05) / 2, abs=0.4)


def test_every_field_keeps_its_own_detectors(source):
    assert len(source) == 2
    assert [source.pair(i, np.random.default_rng(0))[0].frame.pair.pixel_pitch_mm for i in range(2)] == [0.048, 0.1]


def test_fields_smaller_than_the_window_are_shown_whole(fields, recipe_of):
    source = PairSource(fields[0], recipe_of(data={"window": 256}))
    assert source.pair(0, np.random.default_rng(0))[0].sharp.shape == (80, 80)


def test_without_noise_the_fields_are_looked_at_once_and_the_linear_filter_knows(fields, recipe_of):
    """Three names for one measurement would be three lines of one number; noise that is not there would hold Wiener back."""
    _, validation = fields

    def blurred(frame, degradation, rng):
        return frame.blurred

    quiet, noisy = (PairSource(validation, recipe_of(data={"noise": noise})) for noise in ("none", "measured"))
    found, usual = (scores(source, "direct", blurred, {}) for source in (quiet, noisy))
    assert set(found) == {f"{m}_noise_free_{k}" for m in ("direct", "wiener") for k in ("psnr_db", "ssim")}
    assert {"direct_1s_psnr_db", "direct_0.25s_ssim", "wiener_0.05s_psnr_db", "direct_1s_eta"} <= set(usual)
    # frames of all exposures are equal without noise; the filter that knows it inverts the blur
    assert found["wiener_noise_free_psnr_db"] > max(usual["wiener_1s_psnr_db"] + 10, found["direct_noise_free_psnr_db"])


def test_a_defect_counts_as_so_many_pixels_whatever_its_size():
    defects = np.zeros((40, 40), dtype=np.uint16)
    defects[2:8, 2:8], defects[20:40, 20:40], defects[0, 30:33] = 1, 2, 3
    weight = defect_weight(defects, 500.0)
    assert weight.dtype == np.float32 and weight[defects == 0].max() == 1
    for number, size in ((1, 36), (2, 400)):
        assert (weight[defects == number] - 1).sum() == pytest.approx(500, rel=1e-5)
        assert np.ptp(weight[defects == number]) == 0 and (defects == number).sum() == size
    # three pixels of one that the border cut off are no defect of three pixels
    assert (weight[defects == 3] - 1).sum() == pytest.approx(500 * 3 / LEAST_PX, rel=1e-5)


def test_the_loss_is_told_where_defects_are(tmp_path, recipe_of):
    recipes = [FieldRecipe("train", i, size=128, defect_share=1.0) for i in range(3)]
    found = build_fields(tmp_path / "f", recipes)
    recipe = recipe_of(data={"feature_share": 0.5}, optimiser={"defect_pixels": 200.0, "batch": 6})
    source, plain = (
        PairSource(found, recipe),
        PairSource(found, recipe_of(data={"feature_share": 0.5}, optimiser={"batch": 6})),
    )
    (shown, _, target), (same, _, answer) = source.batch(0), plain.batch(0)
    assert target.shape == (6, 2, *answer.shape[2:])
    np.testing.assert_array_equal(shown, same)
    np.testing.assert_array_equal(target[:, :1], answer)
    assert target[:, 1].min() == 1 and target[:, 1].max() > 2
    pair, _ = source.pair(0, np.random.default_rng(5), 1.0, window=96)
    assert pair.defects is not None and pair.defects.shape == pair.sharp.shape
    assert np.any(pair.defects > 0) and np.any(pair.defects == 0)
