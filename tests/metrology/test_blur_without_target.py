"""Noise transfer of simulated flats against the blur they were made with; two blurs of edges at several distances."""

import numpy as np
import pytest

from coldray.errors import MeasurementError
from coldray.metrology.blurs import separate_blurs, shadow_transfer
from coldray.metrology.noise_mtf import disagreement, noise_mtf
from coldray.physics.curves import FrequencyCurve

PITCH = 0.1
OVER = 4


def flats(sigma_px, signal, read_sd, frames, rng, size=256):
    """Quanta on a grid of quarter pixels, blurred there, gathered by pixels, with white read-out noise."""
    n = size * OVER
    v, u = np.fft.fftfreq(n)[:, None] * OVER, np.fft.rfftfreq(n)[None, :] * OVER
    blur = np.exp(-2 * (np.pi * sigma_px) ** 2 * (u**2 + v**2))
    out = []
    for _ in range(frames):
        quanta = signal / OVER**2 + np.sqrt(signal / OVER**2) * rng.standard_normal((n, n))
        fine = np.fft.irfft2(np.fft.rfft2(quanta) * blur, (n, n))
        out.append(fine.reshape(size, OVER, size, OVER).sum(axis=(1, 3)) + read_sd * rng.standard_normal((size, size)))
    return np.stack(out)


def truth(f, sigma_px):
    return np.sinc(f) * np.exp(-2 * (np.pi * sigma_px * f) ** 2)


@pytest.mark.parametrize(("sigma", "read"), [(0.5, 0.0), (0.9, 15.0)])
def test_the_noise_of_flats_has_the_blur_they_were_made_with(sigma, read):
    rng = np.random.default_rng(4)
    levels = [flats(sigma, signal, read, 4, rng) for signal in (300.0, 1200.0)]
    found = noise_mtf(levels, PITCH)
    f = np.linspace(0.05, 0.45, 30)
    error = found.mtf(f / PITCH) - truth(f, sigma)
    assert np.abs(error).max() < 0.06
    assert np.mean(np.abs(error) <= found.mtf.width(f / PITCH) / 2 + 0.005) > 0.85
    assert (found.white_share > 0.1) == (read > 0)


def test_a_table_that_is_too_sharp_or_too_blurred_is_told():
    f = np.linspace(0, 5, 101)
    own = FrequencyCurve(f, truth(f * PITCH, 0.6), truth(f * PITCH, 0.6) - 0.01, truth(f * PITCH, 0.6) + 0.01)
    assert disagreement(own, FrequencyCurve(f, truth(f * PITCH, 0.6)), PITCH) == []
    sharper = disagreement(own, FrequencyCurve(f, truth(f * PITCH, 0.3)), PITCH)
    blurred = disagreement(own, FrequencyCurve(f, truth(f * PITCH, 1.2)), PITCH)
    assert "table and your flats disagree" in sharper[0] and "sharper" in sharper[0]
    assert "more blurred" in blurred[0]
    # thick screens: noise is somewhat sharper than signals
    assert disagreement(own, FrequencyCurve(f, truth(f * PITCH, 0.63)), PITCH) == []


def test_single_frames_and_none_are_refused():
    one = np.random.default_rng(0).normal(100, 1, (256, 256))
    with pytest.raises(MeasurementError, match="one frame"):
        noise_mtf([one], PITCH)
    with pytest.raises(MeasurementError, match="no flats"):
        noise_mtf([], PITCH)


def edges(magnifications, spot_mm, rng, shape="uniform", sigma_px=0.6, sd=0.003):
    """MTFs at the detector with noise that is smooth over a few frequencies."""
    f = np.arange(0, 5.0001, 0.05)
    for m in magnifications:
        value = truth(f * PITCH, sigma_px) * shadow_transfer(f, spot_mm * (m - 1), shape)
        rough = np.convolve(rng.standard_normal(f.size + 3), np.full(4, 0.5), "valid")
        noisy = value + sd * rough * (f > 0)
        yield FrequencyCurve(f, noisy, noisy - 2 * sd, noisy + 2 * sd)


@pytest.mark.parametrize("shape", ["uniform", "gaussian"])
def test_spot_and_detector_are_told_apart(shape):
    held, inside = [], []
    for seed in range(12):
        m = (1.05, 1.5, 2.2)
        found = separate_blurs(list(edges(m, 0.25, np.random.default_rng(seed), shape)), m)
        held.append(found.spot_low_mm <= 0.25 <= found.spot_high_mm)
        assert found.spot_mm == pytest.approx(0.25, rel=0.08)
        f = found.detector_mtf.frequency_lp_mm[1:]
        error = np.abs(found.detector_mtf.value[1:] - truth(f * PITCH, 0.6))
        assert error.max() < 0.03
        inside.append(np.mean(error <= found.detector_mtf.width(f) / 2))
    assert np.mean(held) >= 0.8 and np.mean(inside) >= 0.85


def test_a_point_source_has_no_width_and_what_tells_nothing_is_refused():
    m = (1.0, 2.0)
    found = separate_blurs(list(edges(m, 0.0, np.random.default_rng(1))), m)
    assert found.spot_low_mm == 0 and found.spot_high_mm < 0.12 and "no focal spot" in found.warnings[0]
    curves = list(edges((2.0, 2.0), 0.2, np.random.default_rng(1)))
    for wrong, word in (((2.0, 2.0), "too alike"), ((0.5, 2.0), "1 or larger"), ((2.0,), "two or more")):
        with pytest.raises(MeasurementError, match=word):
            separate_blurs(curves[: len(wrong)], wrong)


def test_edges_that_are_not_two_blurs_are_told():
    m = (1.0, 1.5, 2.0)
    curves = list(edges(m, 0.2, np.random.default_rng(2)))
    assert any("differ from two blurs" in w for w in separate_blurs(curves[::-1], m).warnings)
