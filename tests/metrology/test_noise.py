"""NNPS against closed forms: white and correlated noise, Parseval, trends, parts, masks."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from coldray.errors import ImageError, MeasurementError
from coldray.metrology.budget import exposure_series, noise_budget
from coldray.metrology.noise import flat_nnps
from coldray.radiograph import Acquisition, Radiograph

PITCH = 0.05
REAL = Path(__file__).parents[3] / "shared" / "data" / "real" / "qa_phantoms_pylinac_mit"


def white(shape, relative_sd, seed=0, mean=1000.0):
    return mean * (1 + relative_sd * np.random.default_rng(seed).standard_normal(shape))


@pytest.fixture(scope="module")
def measured():
    return flat_nnps(white((1024, 1024), 0.02), PITCH)


def test_white_noise_is_flat_and_integrates_to_the_relative_variance(measured):
    truth = (0.02 * PITCH) ** 2
    assert measured.nnps.value.mean() == pytest.approx(truth, rel=0.015)
    assert measured.radial.value.mean() == pytest.approx(truth, rel=0.01)
    integral = measured.nnps_map.sum() / (measured.roi_size * PITCH) ** 2
    assert integral == pytest.approx(0.02**2, rel=0.01)
    assert measured.pixel_relative_sd == pytest.approx(np.sqrt(integral))
    assert measured.mean_signal == pytest.approx(1000, rel=1e-3)


def test_the_spread_is_told_where_it_is_wide_and_not_in_a_usual_flat(measured):
    assert measured.warnings == ()
    small = flat_nnps(white((256, 256), 0.02), PITCH)
    assert [w for w in small.warnings if "statistical spread" in w] == list(small.warnings) != []


def test_parseval(measured):
    assert measured.parseval_error < 1e-6


def test_scatter_of_the_points_is_as_stated(measured):
    middle = slice(15, 115)
    scatter = np.std(measured.nnps.value[middle] / (0.02 * PITCH) ** 2 - 1)
    assert 0.75 < scatter / np.median(measured.relative_sd[middle]) < 1.25
    assert 0.8 < np.median(measured.relative_sd[middle]) * np.sqrt(14 * 16) < 1.0


def test_correlated_noise_has_the_spectrum_it_was_made_with():
    rng = np.random.default_rng(3)
    f = np.hypot(np.fft.fftfreq(2048)[:, None], np.fft.fftfreq(2048)[None, :])
    shape = np.exp(-((f / 0.25) ** 2))
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((2048, 2048))) * np.sqrt(shape)).real
    m = flat_nnps(500 * (1 + 0.01 * noise), PITCH)
    f_px = m.nnps.frequency_lp_mm * PITCH
    band = (f_px > 0.05) & (f_px < 0.45)
    ratio = m.nnps.value / ((0.01 * PITCH) ** 2 * np.exp(-((f_px / 0.25) ** 2)))
    assert ratio[band].mean() == pytest.approx(1, abs=0.01)


def test_a_trend_does_not_reach_the_noise():
    flat = white((1024, 1024), 0.01, seed=5)
    y, x = np.mgrid[-1:1:1024j, -1:1:1024j]
    trended = flat * (1 + 0.02 * (1 - x**2 - 0.5 * y**2 + 0.3 * x))
    a, b = flat_nnps(flat, PITCH), flat_nnps(trended, PITCH)
    above = a.nnps.frequency_lp_mm * PITCH > 0.02
    assert np.max(np.abs(b.nnps.value / a.nnps.value - 1)[above]) < 0.02


def test_temporal_and_fixed_parts_are_told_apart():
    rng = np.random.default_rng(1)
    fixed = 0.02 * rng.standard_normal((512, 512))
    frames = 800 * (1 + fixed + 0.01 * rng.standard_normal((4, 512, 512)))
    m = flat_nnps(frames, PITCH)
    assert m.temporal_relative_sd == pytest.approx(0.01, rel=0.02)
    assert m.fixed_relative_sd == pytest.approx(0.02, rel=0.02)
    assert m.temporal.value.mean() == pytest.approx((0.01 * PITCH) ** 2, rel=0.05)
    assert np.allclose(m.temporal.value + m.fixed_pattern.value, m.nnps.value)
    assert any("fixed pattern dominates" in w for w in m.warnings)


def test_drifting_exposure_is_no_noise():
    frames = np.stack([white((256, 256), 0.01, seed=k, mean=1000 * (1 + 0.02 * k)) for k in range(3)])
    m = flat_nnps(frames, PITCH)
    assert m.temporal_relative_sd == pytest.approx(0.01, rel=0.03)


def test_masked_pixels_do_not_count():
    flat = white((512, 512), 0.02, seed=2)
    mask = np.random.default_rng(0).random(flat.shape) < 0.03
    broken = np.where(mask, np.nan, flat)
    m = flat_nnps(broken, PITCH, mask=mask)
    assert m.pixel_relative_sd == pytest.approx(0.02, rel=0.01)
    assert m.parseval_error < 1e-6
    with pytest.raises(ImageError, match="NaN"):
        flat_nnps(broken, PITCH)


def test_rows_and_columns_show_on_their_axes():
    flat = white((512, 512), 0.01) + 10 * np.random.default_rng(9).standard_normal((1, 512))
    m = flat_nnps(flat, PITCH)
    assert m.row_axis.value[10:].mean() > 50 * m.column_axis.value[10:].mean()
    assert m.column_axis.value[10:].mean() == pytest.approx((0.01 * PITCH) ** 2, rel=0.3)
    assert next(w for w in m.warnings if "structure" in w).startswith("column structure")
    turned = flat_nnps(np.ascontiguousarray(flat.T), PITCH)
    assert next(w for w in turned.warnings if "structure" in w).startswith("row structure")


def test_an_uneven_field_that_leaks_beside_the_axes_is_told():
    """Tiny noise on the steep flank of a beam: what the second-order trend leaves ends abruptly at the region's rim."""
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    field = 0.2 * np.tanh(2 * (x + y))
    flat = white((512, 512), 0.001) * (1 + field)
    assert any("beside the axes" in w for w in flat_nnps(flat, PITCH).warnings)
    noisy = white((512, 512), 0.02) * (1 + field)
    assert not any("beside the axes" in w for w in flat_nnps(noisy, PITCH).warnings)


@pytest.mark.parametrize("side", [300, 512, 1024])
def test_even_noise_has_no_structure(side):
    rng = np.random.default_rng(side)
    for sigma in (0.0, 0.8):
        noise = rng.standard_normal((side, side))
        flat = 1000 + 10 * (ndimage.gaussian_filter(noise, sigma) if sigma else noise)
        assert not any("axes" in w or "structure" in w for w in flat_nnps(flat, PITCH).warnings)


def test_anisotropic_noise_is_told():
    flat = 1000 + 30 * ndimage.gaussian_filter1d(np.random.default_rng(0).standard_normal((512, 512)), 1.0, axis=1)
    assert any("anisotropic" in w for w in flat_nnps(flat, PITCH).warnings)


def test_smaller_flats_fall_back_and_tiny_ones_are_refused():
    m = flat_nnps(white((200, 300), 0.02), PITCH)
    assert m.roi_size == 128 and any("128" in w for w in m.warnings)
    assert flat_nnps(white((70, 70), 0.02), PITCH).roi_size == 64
    with pytest.raises(MeasurementError, match="at least 64"):
        flat_nnps(white((63, 500), 0.02), PITCH)


def test_a_collimated_field_is_measured_inside():
    flat = white((900, 900), 0.01)
    flat[:150] = 20 + np.random.default_rng(0).standard_normal((150, 900))
    m = flat_nnps(flat, PITCH)
    assert m.pixel_relative_sd == pytest.approx(0.01, rel=0.02)
    assert any("left out" in w for w in m.warnings)


@pytest.mark.parametrize(
    ("image", "error", "match"),
    [
        (np.full((256, 256), 7.0), MeasurementError, "no noise"),
        (-white((256, 256), 0.02), MeasurementError, "positive"),
        (np.ones((256, 256, 3)), ImageError, "colour"),
        (np.ones((2, 2, 64, 64)), ImageError, "rows, cols"),
        (np.ones((128, 128), dtype=complex), ImageError, "intensity"),
    ],
)
def test_wrong_input_is_refused(image, error, match):
    with pytest.raises(error, match=match):
        flat_nnps(image, PITCH)


def test_saturated_and_log_scaled_flats_are_flagged():
    flat = np.minimum(white((256, 256), 0.02), 1010).astype(np.uint16)
    assert any("saturated" in w for w in flat_nnps(flat, PITCH).warnings)
    log = Radiograph(white((256, 256), 0.02), Acquisition(linear=False))
    assert any("log-scaled" in w for w in flat_nnps(log, PITCH).warnings)


def test_json_has_the_keys_of_the_contract(measured):
    out = measured.to_json()
    keys = "frequency_lp_mm nnps_mm2 relative_sd mean_signal radial_frequency_lp_mm radial_nnps_mm2 warnings"
    assert set(keys.split()) <= set(out)
    assert len(out["frequency_lp_mm"]) == len(out["nnps_mm2"]) == len(out["relative_sd"])
    assert len(out["radial_frequency_lp_mm"]) == len(out["radial_nnps_mm2"])


def test_variance_against_exposure():
    signal = np.array([50.0, 100, 400, 1600, 6400])
    budget = noise_budget(signal, 25 + 2 * signal + 1e-4 * signal**2)
    assert (budget.electronic, budget.quantum, budget.structure) == pytest.approx((25, 2, 1e-4), rel=1e-6)
    with pytest.raises(MeasurementError, match="3 or more"):
        noise_budget([1, 2], [1, 2])


def test_exposure_series_of_poisson_flats():
    rng = np.random.default_rng(0)
    series = exposure_series([flat_nnps(rng.poisson(n, (512, 512)).astype(float), PITCH) for n in (50, 200, 1000)])
    assert series.quantum == pytest.approx(1, rel=0.03)
    assert series.structure < 1e-4


@pytest.mark.skipif(not REAL.is_dir(), reason="the real radiographs are not beside the repository")
def test_real_open_field():
    tifffile = pytest.importorskip("tifffile")
    m = flat_nnps(tifffile.imread(REAL / "open_field_mv_a.tif"), 0.392)
    assert m.mean_signal > 50_000
    assert 1e-3 < m.pixel_relative_sd < 5e-3
    assert m.nnps.value[0] > m.nnps.value[-1]
