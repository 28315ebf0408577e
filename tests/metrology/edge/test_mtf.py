"""Edge MTF against analytic truth: accuracy marks on small samples, orientation, combination, flags, errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from coldray.errors import ImageError, MeasurementError, MetadataError
from coldray.metrology.edge.mtf import edge_mtf
from coldray.objects.phantoms import GaussianBlur, PhosphorBlur, slanted_edge, with_glare
from coldray.radiograph import Acquisition, Radiograph

PITCH = 0.1
GLARE = with_glare(GaussianBlur(0.5))
REAL = Path(__file__).parents[4] / "shared" / "data" / "real"


def noisy(blur, angle, electrons, seed, shape=(256, 256), correlation=0.0):
    image, truth = slanted_edge(shape, blur, PITCH, angle_deg=angle, low=0.0)
    noise = np.random.default_rng(seed).standard_normal(shape)
    if correlation:
        noise = gaussian_filter(noise, correlation, mode="wrap")
        noise /= noise.std()
    return image + noise / np.sqrt(electrons), truth


def error(result, truth, lowest=0.0):
    f = result.mtf.frequency_lp_mm
    return float(np.abs(result.mtf.value - truth(f))[f >= lowest].max())


@pytest.mark.parametrize("blur", [GaussianBlur(0.3), GaussianBlur(1.2), PhosphorBlur(0.6), PhosphorBlur(1.2), GLARE])
@pytest.mark.parametrize("angle", [1.5, -3.0, 5.7106, 7.3])
def test_noise_free_edges_are_exact(blur, angle):
    image, truth = slanted_edge((256, 256), blur, PITCH, angle_deg=angle, rising=angle > 0)
    result = edge_mtf(image, PITCH)
    assert error(result, truth) <= 0.001
    assert result.angle_deg == pytest.approx(angle, abs=0.002)
    if truth.frequency_at(0.5):
        assert result.mtf50_lp_mm == pytest.approx(truth.frequency_at(0.5), rel=0.001)
    assert result.warnings == ()


@pytest.mark.parametrize("denominator", [6, 7, 8, 9, 10, 15, 20])
def test_angles_that_repeat_few_positions(denominator):
    # tan(angle) = 1 / n: the rows hold n sub-pixel positions only.
    angle = np.rad2deg(np.arctan(1 / denominator))
    image, truth = slanted_edge((200, 200), GaussianBlur(0.5), PITCH, angle_deg=angle, centre_px=101.37)
    assert error(edge_mtf(image, PITCH), truth) <= 0.001


def test_orientation_and_polarity_change_nothing_but_names():
    image, _ = noisy(GaussianBlur(0.5), 2.5, 1e4, 1)
    first = edge_mtf(image, PITCH)
    assert first.orientation == "vertical" and first.angle_deg == pytest.approx(2.5, abs=0.01)
    for other, orientation, sign in (
        (image.T, "horizontal", 1),
        (1 - image, "vertical", 1),
        (image[::-1], "vertical", -1),
        (image[:, ::-1], "vertical", -1),
    ):
        result = edge_mtf(other, PITCH)
        assert result.orientation == orientation
        assert result.angle_deg == pytest.approx(sign * first.angle_deg, abs=1e-4)
        np.testing.assert_allclose(result.mtf.value, first.mtf.value, atol=0.004)
    assert first.mtf.frequency_lp_mm[0] == 0 and first.mtf.value[0] == 1
    assert np.diff(first.mtf.frequency_lp_mm).max() <= 0.01 / PITCH
    assert first.mtf.last_frequency_lp_mm == pytest.approx(0.5 / PITCH)


def test_pitch_and_signal_scale():
    image, _ = noisy(GaussianBlur(0.8), 3.0, 1e4, 2)
    a, b = edge_mtf(image, 0.1), edge_mtf(500 + 3000 * image, 0.05)
    np.testing.assert_allclose(a.mtf.value, b.mtf.value, atol=1e-9)
    assert b.mtf50_lp_mm == pytest.approx(2 * a.mtf50_lp_mm)


@pytest.mark.parametrize(
    ("blur", "angle", "electrons", "mark"),
    [
        (GaussianBlur(0.5), 2.0, 1e4, 0.006),
        (GLARE, 2.2, 1e4, 0.006),
        (PhosphorBlur(0.6), 3.0, 2500, 0.012),
        (GaussianBlur(0.5), 2.0, 400, 0.026),
    ],
)
def test_noisy_edges_stay_within_the_marks_and_the_band(blur, angle, electrons, mark):
    errors, inside, angles = [], [], []
    for seed in range(16):
        image, truth = noisy(blur, angle, electrons, seed)
        result = edge_mtf(image, PITCH)
        f = result.mtf.frequency_lp_mm
        judged = f >= 0.02 / PITCH
        errors.append(error(result, truth, 0.02 / PITCH))
        inside.append(((result.mtf.low <= truth(f)) & (truth(f) <= result.mtf.high))[judged].mean())
        angles.append(result.angle_deg - angle)
    assert np.median(errors) <= mark
    assert 0.85 <= np.mean(inside) <= 1.0
    assert np.abs(angles).max() <= (0.01 if electrons >= 1e4 else 0.03)


def test_band_holds_for_correlated_noise():
    inside = []
    for seed in range(16):
        image, truth = noisy(GaussianBlur(0.5), 2.0, 1e4, seed, correlation=0.8)
        result = edge_mtf(image, PITCH)
        f = result.mtf.frequency_lp_mm
        inside.append(((result.mtf.low <= truth(f)) & (truth(f) <= result.mtf.high))[4:].mean())
    assert 0.85 <= np.mean(inside) <= 1.0


def test_many_frames_are_combined_in_the_edge_response():
    frames = [noisy(GaussianBlur(0.5), 3.0, 400, seed)[0] for seed in range(9)]
    truth = noisy(GaussianBlur(0.5), 3.0, 400, 0)[1]
    one, all_ = edge_mtf(frames[0], PITCH), edge_mtf(frames, PITCH)
    width = [np.mean(r.mtf.high - r.mtf.low) for r in (one, all_)]
    assert width[1] == pytest.approx(width[0] / 3, rel=0.25)
    assert error(all_, truth) < 0.03 and all_.rows == 9 * 256


def test_fixed_pattern_shared_by_frames_stays_in_the_band():
    pattern = 0.02 * np.random.default_rng(1).standard_normal((256, 256))
    clean, truth = slanted_edge((256, 256), GaussianBlur(0.5), PITCH, angle_deg=3.0)
    frames = [clean + pattern + 0.002 * np.random.default_rng(k).standard_normal(clean.shape) for k in range(2, 8)]
    one, all_ = edge_mtf(frames[0], PITCH), edge_mtf(frames, PITCH)
    assert np.mean(all_.mtf.high - all_.mtf.low) > 0.8 * np.mean(one.mtf.high - one.mtf.low)
    f = all_.mtf.frequency_lp_mm
    assert ((all_.mtf.low <= truth(f)) & (truth(f) <= all_.mtf.high)).mean() > 0.7


def test_edges_of_unlike_contrast_and_angle_combine():
    first, truth = slanted_edge((200, 200), GaussianBlur(0.7), PITCH, angle_deg=3)
    second, _ = slanted_edge((200, 200), GaussianBlur(0.7), PITCH, angle_deg=-2.2, low=0.4, high=0.6, rising=False)
    assert error(edge_mtf([first, second], PITCH), truth) < 0.001


@settings(max_examples=12, deadline=None)
@given(
    angle=st.floats(1.2, 9.5),
    sign=st.sampled_from([-1, 1]),
    centre=st.floats(70, 130),
    sigma=st.floats(0.3, 1.5),
    orientation=st.sampled_from(["vertical", "horizontal"]),
    low=st.floats(0, 0.4),
)
def test_any_reasonable_edge_is_found_and_measured(angle, sign, centre, sigma, orientation, low):
    image, truth = slanted_edge(
        (180, 200) if orientation == "vertical" else (200, 180),
        GaussianBlur(sigma),
        PITCH,
        angle_deg=sign * angle,
        centre_px=centre,
        orientation=orientation,
        low=low,
    )
    result = edge_mtf(image, PITCH)
    assert result.orientation == orientation
    assert result.angle_deg == pytest.approx(sign * angle, abs=0.005)
    assert error(result, truth) <= 0.0015


def test_plate_is_found_in_a_large_image_and_measured_within_a_region():
    rows, cols, angle = 500, 700, 3.0
    a = np.deg2rad(angle)
    y, x = np.arange(rows)[:, None] - 260.0, np.arange(cols)[None, :] - 340.0
    u, v = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    blur = GaussianBlur(0.5)
    inside = (blur.edge(u + 180, angle) - blur.edge(u - 180, angle)) * (
        blur.edge(v + 120, angle) - blur.edge(v - 120, angle)
    )
    image = 1 - 0.9 * inside + 0.01 * np.random.default_rng(0).standard_normal((rows, cols))
    truth = slanted_edge((64, 64), blur, PITCH, angle_deg=angle)[1]
    whole = edge_mtf(image, PITCH)
    assert abs(whole.angle_deg) == pytest.approx(3, abs=0.01) and whole.rows > 150
    assert error(whole, truth) < 0.012
    part = edge_mtf(image, PITCH, roi=(100, 170, 150, 170))
    assert part.orientation == "vertical" and part.angle_deg == pytest.approx(3, abs=0.02)
    assert error(part, truth) < 0.02


def test_sloped_field_is_taken_off_and_reported():
    image, truth = noisy(GaussianBlur(0.5), 3.0, 1e4, 4)
    result = edge_mtf(image * (1 + 0.05 * np.linspace(-1, 1, 256)), PITCH)
    assert any("sloped" in w for w in result.warnings)
    assert error(result, truth) < 0.008


def test_glare_beyond_the_ends_is_extrapolated_and_reported():
    image, truth = slanted_edge((256, 256), with_glare(GaussianBlur(0.5), 0.04, 40.0), PITCH, angle_deg=2.2)
    result = edge_mtf(image, PITCH)
    assert any("beyond the half-length" in w for w in result.warnings)
    assert error(result, truth) < 0.001


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda x: np.minimum(x, 0.995), "saturated"),
        (lambda x: np.minimum(x, 0.9), "saturated"),
        (lambda x: (np.clip(x, 0, 0.99) / 0.99 * 65535).astype(np.uint16), "saturated"),
        (lambda x: np.maximum(x, 0.01), "clipped"),
        (lambda x: x + 1.0 * (x - gaussian_filter(x, 2.0)), "overshoots"),
        (lambda x: x + 0.4 * np.random.default_rng(0).standard_normal(x.shape), "noise is too high"),
        (lambda x: x[100:160], "rows"),
        (lambda x: np.log(np.maximum(x, 0) + 0.02), "asymmetric"),
        (lambda x: np.where(np.random.default_rng(0).random(x.shape) < 1e-3, 2.0, x), "bad pixels"),
        (lambda x: x[:, 104:152], "half-length"),
        (lambda x: x + 0.3 * (np.arange(256)[:, None] > 200) * (x > 0.5), "vary along the edge"),
        (lambda x: x * (1 + 0.002 * np.arange(256.0)[:, None]), "vary along the edge"),
    ],
)
def test_what_spoils_a_result_is_flagged(spoil, word):
    image, _ = noisy(GaussianBlur(0.5), 3.0, 1e4, 3)
    assert edge_mtf(image, PITCH).warnings == ()
    assert any(word in w for w in edge_mtf(spoil(image), PITCH).warnings)


def test_curved_and_badly_tilted_edges_are_flagged():
    row = np.arange(256)[:, None]
    x = np.arange(256) - 127.5 - np.tan(np.deg2rad(3)) * (row - 127.5) - 0.5 * ((row - 127.5) / 127.5) ** 2
    assert any("curved" in w for w in edge_mtf(GaussianBlur(0.5).edge(x, 3.0), PITCH).warnings)
    steep, _ = slanted_edge((300, 200), GaussianBlur(0.5), PITCH, angle_deg=14)
    assert any("outside 1 to 10 deg" in w for w in edge_mtf(steep, PITCH).warnings)


def test_wrong_input_is_refused():
    rng = np.random.default_rng(0)
    image, _ = noisy(GaussianBlur(0.5), 3.0, 1e4, 0)
    refused = [
        (MeasurementError, lambda: edge_mtf(np.ones((100, 100)), PITCH)),
        (MeasurementError, lambda: edge_mtf(rng.standard_normal((200, 200)), PITCH)),
        (MeasurementError, lambda: edge_mtf(image, PITCH, roi=(0, 0, 60, 100))),
        (MeasurementError, lambda: edge_mtf(image, PITCH, roi=(200, 0, 100, 100))),
        (MeasurementError, lambda: edge_mtf(image, PITCH, roi=(0, 0, 8, 8))),
        (MeasurementError, lambda: edge_mtf(image[:10], PITCH)),
        (MeasurementError, lambda: edge_mtf([], PITCH)),
        (MeasurementError, lambda: edge_mtf(slanted_edge((99, 99), GaussianBlur(0.5), PITCH, angle_deg=0)[0], PITCH)),
        (MeasurementError, lambda: edge_mtf(image, PITCH, half_length_mm=0.1)),
        (ImageError, lambda: edge_mtf(np.stack([image, image]), PITCH)),
        (ImageError, lambda: edge_mtf(np.where(image > 1.03, np.nan, image), PITCH)),
        (ImageError, lambda: edge_mtf(image.astype(complex), PITCH)),
        (MetadataError, lambda: edge_mtf(image)),
        (MetadataError, lambda: edge_mtf(image, -0.1)),
        (MeasurementError, lambda: edge_mtf(Radiograph(image, Acquisition(pixel_pitch_mm=0.1, linear=False)))),
    ]
    for kind, call in refused:
        with pytest.raises(kind):
            call()


def test_radiograph_brings_its_pitch_and_json_has_the_contract_keys():
    image, _ = noisy(GaussianBlur(0.5), 3.0, 1e4, 0)
    result = edge_mtf(Radiograph(image, Acquisition(pixel_pitch_mm=0.1)), half_length_mm=6.0)
    assert result.half_length_mm <= 6.0
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    keys = {"frequency_lp_mm", "mtf", "mtf_low", "mtf_high", "mtf50_lp_mm", "mtf10_lp_mm", "angle_deg", "warnings"}
    assert keys <= set(data)
    assert result.esf[0] == pytest.approx(0, abs=0.02) and result.esf[-1] == pytest.approx(1, abs=0.02)
    assert np.trapezoid(result.lsf_per_mm, result.distance_mm) == pytest.approx(1, abs=0.02)
    assert np.all(result.mtf.low <= result.mtf.value) and np.all(result.mtf.value <= result.mtf.high)
    clean, _ = slanted_edge((128, 128), GaussianBlur(0.5), PITCH)
    json.dumps(edge_mtf(clean, PITCH).to_json(), allow_nan=False)


@pytest.mark.skipif(not REAL.exists(), reason="real radiographs are not beside the project")
def test_real_square_patch_gives_one_answer_on_all_sides():
    import tifffile

    image = tifffile.imread(REAL / "qa_phantoms_pylinac_mit" / "leeds_tor18_kv.tif")
    regions = [(420, 150, 76, 85), (500, 150, 110, 85), (460, 110, 80, 75), (460, 190, 85, 90)]
    results = [edge_mtf(image, 0.388, roi) for roi in regions]
    assert [r.orientation for r in results] == ["vertical", "vertical", "horizontal", "horizontal"]
    for r in results:
        assert 0.5 < abs(r.angle_deg) < 1.1
        assert 0.75 < r.mtf50_lp_mm < 0.90
        assert any("saturated" in w for w in r.warnings)
    whole = edge_mtf(image, 0.388)
    assert 0.75 < whole.mtf50_lp_mm < 0.90
