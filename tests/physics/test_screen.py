"""The phosphor screen against the tables and closed forms of the physics notes."""

import numpy as np
import pytest

from coldray.errors import PhysicsError
from coldray.physics import screen as model
from coldray.physics.screen import gos_screen, open_beam_nnps
from coldray.physics.source import AIR_KERMA_RATE_UGY_S, Spectrum, attenuation, spectrum_70kv

HR, LR = 33.91, 134.55
PITCH = 0.048
LP_MM = np.array([0.5, 1, 2, 3, 4, 5, 6, 8, 10, 10.42])
MTF = {
    HR: [0.983, 0.935, 0.787, 0.628, 0.496, 0.397, 0.323, 0.227, 0.170, 0.161],
    LR: [0.855, 0.598, 0.287, 0.169, 0.116, 0.087, 0.069, 0.047, 0.035, 0.034],
}
WITH_PIXEL = {
    HR: [0.982, 0.932, 0.775, 0.607, 0.467, 0.360, 0.281, 0.176, 0.112, 0.102],
    LR: [0.854, 0.596, 0.283, 0.163, 0.109, 0.079, 0.060, 0.037, 0.023, 0.021],
}


@pytest.mark.parametrize("loading", [HR, LR])
def test_swank_mtf_table(loading):
    mtf = gos_screen(loading).mtf
    assert mtf(0.0) == pytest.approx(1)
    np.testing.assert_allclose(mtf(LP_MM), MTF[loading], atol=0.0011)
    np.testing.assert_allclose(mtf(LP_MM) * np.sinc(PITCH * LP_MM), WITH_PIXEL[loading], atol=0.0011)


@pytest.mark.parametrize(("loading", "half", "tenth"), [(HR, 3.97, 14.8), (LR, 1.23, 4.48)])
def test_half_and_tenth_contrast(loading, half, tenth):
    mtf = gos_screen(loading).mtf
    assert mtf.frequency_at(0.5) == pytest.approx(half, rel=0.005)
    assert mtf.frequency_at(0.1) == pytest.approx(tenth, rel=0.005)


@pytest.mark.parametrize(
    ("loading", "c", "a", "b", "error"), [(HR, 0.0918, 0.00425, 0.0759, 0.0006), (LR, 0.0461, 0.0102, 0.7274, 0.0017)]
)
def test_two_lorentzians_describe_the_screen_within_their_stated_error(loading, c, a, b, error):
    f = np.linspace(0, 15, 301)
    lorentz = c / (1 + a * f**2) + (1 - c) / (1 + b * f**2)
    assert np.abs(gos_screen(loading).mtf(f) - lorentz).max() < error


@pytest.mark.parametrize(
    ("loading", "quanta", "gain"),
    [
        (HR, [1236, 1110, 1003, 910, 828], [19.12, 22.88, 26.72, 30.64, 34.62]),
        (LR, [4230, 2905, 2093, 1557, 1187], [9.71, 16.02, 22.67, 29.60, 36.80]),
    ],
)
def test_quanta_and_gain_of_the_layers(loading, quanta, gain):
    screen = gos_screen(loading)
    assert screen.quanta_mm2_ugy == pytest.approx(quanta, rel=1e-3)
    assert screen.gain_kev == pytest.approx(gain, rel=1e-3)


@pytest.mark.parametrize(
    ("loading", "absorbed", "per_pixel", "electrons", "signal"),
    [(HR, 0.296, (87, 499, 2165), 650, 0.32e6), (LR, 0.697, (204, 1174, 5095), 470, 0.55e6)],
)
def test_absorbed_quanta_and_electrons(loading, absorbed, per_pixel, electrons, signal):
    screen = gos_screen(loading)
    total = screen.quanta_mm2_ugy.sum()
    assert total / spectrum_70kv().fluence_mm2_ugy == pytest.approx(absorbed, abs=0.001)
    rate = total * AIR_KERMA_RATE_UGY_S
    assert [rate * p**2 for p in (0.020, 0.048, 0.100)] == pytest.approx(per_pixel, rel=0.006)
    assert screen.signal_electrons_mm2_ugy / total == pytest.approx(electrons, rel=0.002)
    assert screen.signal_electrons_mm2_ugy * AIR_KERMA_RATE_UGY_S * PITCH**2 == pytest.approx(signal, rel=0.02)


def test_absorption_is_lambert_beer_however_many_layers():
    beam, table = spectrum_70kv(), attenuation()
    mu = np.interp(beam.energy_kev, table.energy_kev, table.mass_cm2_g["Gd2O2S"])
    expected = (beam.photons_mm2_ugy * (1 - np.exp(-mu * 0.08))).sum()
    for layers in (1, 3, 5):
        screen = gos_screen(80.0, layers)
        assert screen.quanta_mm2_ugy.sum() == pytest.approx(expected, rel=1e-9)
        assert len(screen.gain_kev) == layers
    one, five = gos_screen(80.0, 1), gos_screen(80.0, 5)
    np.testing.assert_allclose(one.mtf(LP_MM), five.mtf(LP_MM), atol=0.002)
    assert one.signal_electrons_mm2_ugy == pytest.approx(five.signal_electrons_mm2_ugy, rel=1e-3)


@pytest.mark.parametrize("loading", [HR, LR])
def test_mtf_of_one_energy_is_the_closed_form_of_swank(loading):
    energy = 40.25
    table = attenuation()
    mu = float(np.interp(energy, table.energy_kev, table.mass_cm2_g["Gd2O2S"]))
    w = loading / 1000

    def signal(f_lp_mm):
        q = np.sqrt(model.SIGMA_CM2_G**2 + (2 * np.pi * 10 * f_lp_mm / model.PACKING_DENSITY_G_CM3) ** 2)
        tau = model.SIGMA_CM2_G / model.BETA
        r0, r1 = tau * model.BACK_FACE_R0, tau * model.EXIT_FACE_R1
        rising, falling = ((np.exp((s * q - mu) * w) - 1) * mu / (s * q - mu) for s in (1, -1))
        top = r1 * ((q + r0) * rising + (q - r0) * falling)
        return top / ((q + r0) * (q + r1) * np.exp(q * w) - (q - r0) * (q - r1) * np.exp(-q * w))

    f = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0])
    screen = gos_screen(loading, 5, Spectrum(np.array([energy]), np.array([17000.0])))
    np.testing.assert_allclose(screen.mtf(f), signal(f) / signal(0.0), atol=0.001)
    assert screen.quanta_mm2_ugy @ screen.gain_kev == pytest.approx(17000 * energy * signal(0.0), rel=1e-3)


@pytest.mark.parametrize("loading", [HR, LR])
def test_lubberts_fraction_and_escape_are_physical(loading):
    screen = gos_screen(loading)
    f = screen.frequency_lp_mm
    noise = (screen.quanta_mm2_ugy * screen.gain_kev**2) @ screen.transfer**2
    lubberts = screen.mtf(f) ** 2 / (noise / noise[0])
    assert np.all(lubberts <= 1 + 1e-12)
    assert np.all(np.diff(screen.transfer, axis=0) >= -1e-12), "light born nearer to the sensor is sharper"
    assert np.all(screen.transfer[:, 1:] < 1)
    assert np.all((screen.gain_kev > 0) & (screen.gain_kev < 70))


def test_a_thicker_screen_absorbs_more_and_blurs_more():
    thin, thick = gos_screen(40.0), gos_screen(120.0)
    assert thick.quanta_mm2_ugy.sum() > thin.quanta_mm2_ugy.sum()
    assert np.all(thick.mtf(LP_MM) < thin.mtf(LP_MM))


@pytest.mark.parametrize("loading", [0.0, 4.9, 501.0, -30.0, float("nan")])
def test_the_model_has_a_range(loading):
    with pytest.raises(PhysicsError, match="from 5 to 500"):
        gos_screen(loading)


def nnps(loading, u, v=0.0, **kw):
    return open_beam_nnps(gos_screen(loading), PITCH, AIR_KERMA_RATE_UGY_S, u, v, **kw)


@pytest.mark.parametrize(("loading", "at_1", "at_5"), [(HR, 0.25, 0.17), (LR, 0.39, 0.08)])
def test_dqe(loading, at_1, at_5):
    f = np.array([1.0, 5.0])
    quantum, electronic = nnps(loading, f)
    mtf = gos_screen(loading).mtf(f) * np.sinc(PITCH * f)
    dqe = mtf**2 / (AIR_KERMA_RATE_UGY_S * spectrum_70kv().fluence_mm2_ugy * (quantum + electronic))
    assert dqe == pytest.approx([at_1, at_5], abs=0.006)


@pytest.mark.parametrize(("loading", "relative_sd"), [(HR, 0.0177), (LR, 0.0062)])
def test_open_field_noise_of_one_second(loading, relative_sd):
    f = np.fft.fftfreq(48, PITCH)
    quantum, electronic = nnps(loading, f[None], f[:, None])
    variance = (quantum + electronic).sum() / (48 * PITCH) ** 2
    assert np.sqrt(variance) == pytest.approx(relative_sd, rel=0.02)


def test_quantum_noise_falls_as_kerma_and_electronic_noise_as_its_square():
    screen, u = gos_screen(LR), np.array([0.5, 5.0])
    once, twice = (open_beam_nnps(screen, PITCH, k, u, 0.0) for k in (10.0, 20.0))
    np.testing.assert_allclose(once[0], 2 * twice[0], rtol=1e-12)
    np.testing.assert_allclose(once[1], 4 * twice[1], rtol=1e-12)
    np.testing.assert_allclose(once[1], (200.0 / (10.0 * screen.signal_electrons_mm2_ugy * PITCH)) ** 2, rtol=1e-12)


def test_low_frequency_quantum_noise_is_one_over_the_effective_quanta():
    """Towards zero only the gains of the layers count: sum q G^2 / (A (sum q G)^2), and the light quanta."""
    screen = gos_screen(HR)
    quanta, gain = screen.quanta_mm2_ugy * 10.0, screen.gain_kev * model.ELECTRONS_PER_KEV
    expected = (quanta @ gain**2) / model.SWANK_FACTOR / (quanta @ gain) ** 2 + 1 / (quanta @ gain)
    found, _ = open_beam_nnps(screen, PITCH, 10.0, 0.0, 0.0)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_aliasing_adds_power():
    bare, folded = (nnps(HR, np.array([10.0]), aliases=n)[0] for n in (0, 6))
    assert folded[0] > bare[0] * 1.5


@pytest.mark.parametrize("kerma", [0.0, -1.0, float("nan")])
def test_no_kerma_no_noise_model(kerma):
    with pytest.raises(PhysicsError, match="must be positive"):
        open_beam_nnps(gos_screen(HR), PITCH, kerma, 1.0, 0.0)
