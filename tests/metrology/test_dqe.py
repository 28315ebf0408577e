"""NEQ and DQE: identities, beams, and what is refused."""

import numpy as np
import pytest

from coldray.errors import MeasurementError
from coldray.metrology.dqe import SNR_IN2, Beam, beam, neq_dqe, spectrum_snr_in2
from coldray.metrology.edge.mtf import edge_mtf
from coldray.metrology.noise import flat_nnps
from coldray.objects.phantoms import GaussianBlur, slanted_edge
from coldray.physics.curves import FrequencyCurve
from coldray.radiograph import Step

F = np.linspace(0, 10, 101)
MTF = FrequencyCurve(F, np.exp(-F / 5))


def test_an_ideal_detector_has_dqe_one():
    quanta = beam("RQA5").snr_in2_per_ugy_mm2 * 3.0
    result = neq_dqe(MTF, FrequencyCurve(F, MTF.value**2 / quanta), air_kerma_ugy=3.0, beam_quality="RQA5")
    assert result.label == "DQE"
    assert result.dqe.value == pytest.approx(np.ones(101), rel=1e-12)
    assert result.neq.value == pytest.approx(np.full(101, quanta), rel=1e-12)


def test_a_poisson_counter_by_image():
    rng = np.random.default_rng(0)
    pitch, quanta = 0.1, 300.0  # per pixel
    flat = flat_nnps(rng.poisson(quanta, (512, 512)).astype(float), pitch)
    aperture = FrequencyCurve(F / 2, np.ones(101))
    q = Beam("counted", quanta / pitch**2, "made")
    result = neq_dqe(aperture, flat, air_kerma_ugy=1.0, beam_quality=q)
    assert result.dqe.value.mean() == pytest.approx(1, abs=0.05)
    assert np.all(result.dqe.low < result.dqe.value)


def test_the_band_covers_as_it_says():
    """Edges and flats of known MTF and NNPS: the k = 2 band holds the truth at 92 to 99 % of the points, each alone and both."""
    pitch, sigma, levels = 0.1, 0.6, 0.01
    clean, mtf = slanted_edge((128, 128), GaussianBlur(sigma), pitch, angle_deg=2.5)
    rng, covered = np.random.default_rng(11), []
    for _ in range(24):
        edge = edge_mtf(clean + 0.01 * rng.standard_normal(clean.shape), pitch).mtf
        flat = flat_nnps(1 + levels * rng.standard_normal((2, 256, 256)), pitch, 128)
        f = flat.nnps.frequency_lp_mm
        f = f[f <= edge.last_frequency_lp_mm]
        response, power = mtf(f), np.full(f.size, (levels * pitch) ** 2)
        known = FrequencyCurve(f, response)
        pairs = ((edge, FrequencyCurve(f, power)), (known, flat), (edge, flat))
        for curve, noise in pairs:
            neq = neq_dqe(curve, noise).neq
            truth = response**2 / power
            covered.append(np.mean((neq.low <= truth) & (truth <= neq.high)))
    edges, flats, both = np.reshape(covered, (-1, 3)).mean(axis=0)
    assert 0.92 <= edges <= 0.995
    assert 0.92 <= flats <= 0.985
    assert 0.92 <= both <= 0.985


def test_the_json_holds_the_band():
    flat = flat_nnps(1 + 0.01 * np.random.default_rng(0).standard_normal((128, 128)), 0.1, 128)
    found = neq_dqe(MTF, flat, air_kerma_ugy=1.0, beam_quality="RQA5").to_json()
    for name in ("neq{}_per_mm2", "dqe{}"):
        low, value, high = (np.array(found[name.format(end)]) for end in ("_low", "", "_high"))
        assert np.all((low >= 0) & (low < value) & (value < high))


def test_beams():
    assert beam("RQA5", "2003").snr_in2_per_ugy_mm2 == 30174
    assert beam("rqa-5").snr_in2_per_ugy_mm2 == SNR_IN2["2015"]["RQA5"] == 29653
    assert "unverified" in beam("RQA9").source
    assert beam("W70kV").snr_in2_per_ugy_mm2 == pytest.approx(17181, rel=1e-3)
    assert beam("mine", snr_in2_per_ugy_mm2=1e4).snr_in2_per_ugy_mm2 == 1e4
    for wrong in ({"name": "RQA4"}, {"name": "RQA5", "edition": "1999"}, {"name": "x", "snr_in2_per_ugy_mm2": -1.0}):
        with pytest.raises(MeasurementError):
            beam(**wrong)


def test_a_spectrum_of_one_energy_counts_its_photons_either_way():
    energy, phi = np.array([30.0, 60.0]), np.array([0.0, 500.0])
    assert spectrum_snr_in2(energy, phi) == spectrum_snr_in2(energy, phi, integrating=True) == 500
    assert spectrum_snr_in2(energy, np.array([500.0, 500.0]), integrating=True) == pytest.approx(900)


def test_a_restored_image_has_no_dqe():
    noise = FrequencyCurve(F, np.full(101, 1e-5))
    with pytest.raises(MeasurementError, match="restored"):
        neq_dqe(MTF, noise, air_kerma_ugy=1.0, beam_quality="RQA5", history=[Step("correct"), Step("restore")])
    apparent = neq_dqe(MTF, noise, history=[Step("restore")])
    assert apparent.label == "apparent NEQ" and apparent.dqe is None and apparent.warnings


def test_half_a_beam_or_noise_that_is_none_is_refused():
    noise = FrequencyCurve(F, np.full(101, 1e-5))
    with pytest.raises(MeasurementError, match="both"):
        neq_dqe(MTF, noise, air_kerma_ugy=1.0)
    with pytest.raises(MeasurementError, match="positive"):
        neq_dqe(MTF, FrequencyCurve(F, np.zeros(101)))
    with pytest.raises(MeasurementError, match="overlap"):
        neq_dqe(FrequencyCurve([0, 1], [1, 0.5]), FrequencyCurve([2, 3], [1.0, 1.0]))
