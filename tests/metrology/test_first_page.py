"""Linearity, uniformity, wire indicators and the DQE table against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from coldray.errors import MeasurementError
from coldray.metrology.dqe import neq_dqe
from coldray.metrology.dqe_table import dqe_table
from coldray.metrology.linearity import linearity
from coldray.metrology.noise import flat_nnps
from coldray.metrology.uniformity import uniformity
from coldray.metrology.wire_iqi import DIAMETERS_MM, wire_iqi
from coldray.physics.curves import FrequencyCurve

RNG = np.random.default_rng


def flats(levels, rng, sd=5.0):
    return [level + sd * rng.standard_normal((2, 80, 80)) for level in levels]


def test_a_straight_detector_is_straight_and_its_offset_is_found():
    exposure = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    found = linearity(flats(300 + 1000 * exposure, RNG(0)), exposure)
    assert found.slope == pytest.approx(1000, abs=4 * found.slope_sd) and found.slope == pytest.approx(1000, rel=1e-3)
    assert found.intercept == pytest.approx(300, abs=max(4 * found.intercept_sd, 1.0))
    assert found.r_squared > 0.999999 and found.largest_deviation < 1e-3 and not found.warnings


def test_a_bent_detector_is_told_by_how_much_it_leaves_the_line():
    exposure = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    signal = 1000 * exposure * (1 - 0.01 * exposure)
    found = linearity(flats(signal, RNG(0))[::-1], exposure[::-1])
    # the straight line of least relative squares, by another way
    weight = 1 / signal
    line = np.polyval(np.polyfit(exposure, signal, 1, w=weight), exposure)
    np.testing.assert_allclose(found.deviation, signal / line - 1, atol=1e-3)
    assert any("leaves the line" in w for w in found.warnings)


def test_exposures_that_are_no_series_are_refused():
    images = flats([100, 200, 300], RNG(0))
    for exposure in ([1, 1, 2], [1, 2], [1, -2, 3], [1, 2, np.nan]):
        with pytest.raises(MeasurementError):
            linearity(images[: len(exposure)], exposure)
    with pytest.raises(MeasurementError, match="rise"):
        linearity(images, [3, 2, 1])


def test_uniformity_is_that_of_a_known_slope_and_noise():
    """Signal rising by 10 % over 8 tiles, noise of 1 % of it: tile means and SNR in closed form."""
    rows, cols, side = 160, 320, 40
    ramp = 1000 * (1 + 0.1 * (np.arange(cols) + 0.5 - cols / 2) / cols)
    frames = ramp * (1 + 0.01 * RNG(0).standard_normal((12, rows, cols)))
    found = uniformity(frames, 0.1, tile_mm=4.0)
    assert found.tile_px == side and found.signal.shape == (4, 8) and found.temporal
    assert found.signal_global == pytest.approx(0.1 * 7 / 8, rel=0.02)
    # two of the three neighbours of a corner are a step away
    assert found.signal_local == pytest.approx(0.1 / 8 * 2 / 3, rel=0.1)
    np.testing.assert_allclose(found.snr, 100, rtol=0.05)
    assert found.snr_smallest == found.snr.min()
    single = uniformity(frames[0], 0.1, tile_mm=4.0)
    assert not single.temporal and single.snr.mean() == pytest.approx(100, rel=0.02)


def test_masked_tiles_do_not_count_and_small_panels_are_refused():
    frames = 100 + RNG(0).standard_normal((4, 120, 120))
    frames[:, :40, :40] = 0.0
    mask = np.zeros((120, 120), dtype=bool)
    mask[:40, :40] = True
    found = uniformity(frames, 0.1, tile_mm=4.0, mask=mask)
    assert np.isnan(found.signal[0, 0]) and found.signal_global < 0.01
    with pytest.raises(MeasurementError, match="positive signal"):
        uniformity(frames, 0.1, tile_mm=4.0)
    with pytest.raises(MeasurementError, match="3 x 3"):
        uniformity(frames[:, :50, :50], 0.1)


def wires(first, pitch, noise, rng, contrast_per_mm=0.1, spacing=5.0, reverse=False):
    """Seven wires as chords of circles, blurred over a pixel, upright; columns from the chord over eight samples each."""
    diameters = np.array(DIAMETERS_MM[first - 1 : first + 6])
    cols = int((6 * spacing + 8) / pitch)
    x = (np.arange(cols * 8) + 0.5) / 8 * pitch
    places = 4 + spacing * np.arange(7)
    chord = sum(2 * np.sqrt(np.maximum((d / 2) ** 2 - (x - p) ** 2, 0)) for d, p in zip(diameters, places, strict=True))
    line = np.exp(-contrast_per_mm * gaussian_filter1d(chord, 8.0)).reshape(cols, 8).mean(axis=1)
    image = 1000 * np.tile(line[::-1] if reverse else line, (160, 1))
    return image + noise * rng.standard_normal(image.shape), diameters


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("turn", [False, True])
def test_wires_are_numbered_and_their_contrast_is_that_of_the_chord(reverse, turn):
    image, diameters = wires(6, 0.08, 2.0, RNG(0), reverse=reverse)
    found = wire_iqi(image.T if turn else image, 0.08, first_wire=6)
    assert found.spacing_mm == pytest.approx(5.0, rel=0.02)
    assert [w.number for w in found.wires] == list(range(6, 13))
    for wire, d in list(zip(found.wires, diameters, strict=True))[:4]:
        assert wire.contrast == pytest.approx(-np.expm1(-0.1 * d), rel=0.08)
    assert all(a.cnr > b.cnr for a, b in zip(found.wires[:4], found.wires[1:5], strict=True))


def test_more_noise_hides_finer_wires():
    seen = []
    for noise in (1.0, 25.0, 100.0):
        image, _ = wires(10, 0.05, noise, RNG(1))
        found = wire_iqi(image, 0.05, first_wire=10)
        seen.append(found.finest or 0)
    assert seen[0] > seen[1] > seen[2] >= 0
    with pytest.raises(MeasurementError, match="begin with"):
        wire_iqi(image, 0.05, first_wire=2)
    with pytest.raises(MeasurementError, match="30 mm wide"):
        wire_iqi(image[:, :300], 0.05, first_wire=10)


def test_the_dqe_table_is_mtf_squared_over_nnps_and_quanta_at_half_line_pairs():
    """White noise: NNPS = pitch^2 sd^2; both directions, with bands that hold the truth."""
    pitch, sd = 0.1, 0.02
    frames = 1 + sd * RNG(0).standard_normal((8, 512, 512))
    flat = flat_nnps(frames, pitch, 128)
    f = np.linspace(0, 5, 201)
    mtfs = {"u": FrequencyCurve(f, np.exp(-f / 4)), "v": FrequencyCurve(f, np.exp(-f / 3))}
    measured = neq_dqe(mtfs["u"], flat, air_kerma_ugy=2.0, beam_quality="RQA5")
    rows = dqe_table(mtfs, flat, measured)
    assert [(r.direction, r.frequency_lp_mm) for r in rows] == [(d, k / 2) for d in "uv" for k in range(1, 11)]
    truth = [float(mtfs[r.direction](r.frequency_lp_mm)) ** 2 / (pitch**2 * sd**2) for r in rows]
    neq = [r.neq_per_mm2 for r in rows]
    np.testing.assert_allclose(neq, truth, rtol=0.05)
    quanta = measured.beam.snr_in2_per_ugy_mm2 * 2.0
    assert np.mean([r.dqe_low <= t / quanta <= r.dqe_high for r, t in zip(rows, truth, strict=True)]) >= 0.9
    assert dqe_table({"u": mtfs["u"]}, flat, neq_dqe(mtfs["u"], flat))[0].dqe is None
    with pytest.raises(MeasurementError, match="direction"):
        dqe_table({"x": mtfs["u"]}, flat, measured)


def test_noise_that_falls_steeply_within_a_bin_is_read_at_its_frequency():
    """Noise that follows the squared MTF has one NEQ at all frequencies; a plain mean over the bin is 3 % too high."""
    f = np.arange(1, 128) / 256 / 0.1
    power = 1e-4 * np.exp(-2 * 0.45 * f**2)
    curve = FrequencyCurve(f, power, 0.99 * power, 1.01 * power)
    flat = replace(
        flat_nnps(1 + 0.02 * RNG(0).standard_normal((256, 256)), 0.1),
        nnps=curve,
        nnps_vertical=curve,
        leaks_above_lp_mm=None,
    )
    mtf = FrequencyCurve(np.linspace(0, 5, 501), np.exp(-0.45 * np.linspace(0, 5, 501) ** 2))
    rows = dqe_table({"u": mtf, "v": mtf}, flat, neq_dqe(mtf, flat))
    np.testing.assert_allclose([row.neq_per_mm2 for row in rows if row.frequency_lp_mm < 5], 1e4, rtol=0.005)
    np.testing.assert_allclose([row.neq_per_mm2 for row in rows], 1e4, rtol=0.01)  # at Nyquist one side is missing
