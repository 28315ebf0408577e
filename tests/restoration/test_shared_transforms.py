"""What is worked out of a frame is worked out once: transforms and operators of a restoration are counted."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from scipy.ndimage import gaussian_filter

from coldray.frame import Frame
from coldray.physics import transfer
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import PARALLEL_PIXELS, TransferOperator, radial_operator
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import Job, restore

SHAPE = (112, 144)
CERTIFICATE = 4
"""Transforms of a certificate: of the result, and back its residual, its bias and its signal."""


@pytest.fixture
def radiograph(frame_of, blend, pair):
    """Pads beside even ground, 0.25 s: the gate is open on some of it and shut on some."""
    truth = np.full(SHAPE, 0.7, dtype=np.float32)
    truth[:, :60] = np.kron(np.random.default_rng(3).uniform(0.2, 0.9, (14, 10)), np.ones((8, 6)))
    truth = gaussian_filter(truth, 1.2)
    blurred = frame_of(truth).operator(blend)(truth)
    noise = NoiseModel.of_detector(pair.blurred, 0.25).draw(blurred, np.random.default_rng(1))
    stored = np.rint((blurred + noise) * 50000).astype(np.uint16)
    return Radiograph(stored, Acquisition(pixel_pitch_mm=pair.pixel_pitch_mm, open_beam=50000.0, linear=True))


@pytest.fixture
def transforms(monkeypatch):
    """Cosine transforms of the whole frame, forward and back, that were asked for."""
    seen = {"dctn": 0, "idctn": 0}

    def counted(name, original):
        def call(image, *args, **kwargs):
            seen[name] += image.shape == SHAPE
            return original(image, *args, **kwargs)

        return call

    for name in seen:
        monkeypatch.setattr(scipy.fft, name, counted(name, getattr(scipy.fft, name)))
    return seen


def test_a_wiener_restoration_transforms_the_frame_once(radiograph, transforms):
    """Back for every level of signal that the frame holds, at most four."""
    restore(radiograph, Job(method="wiener", exposure_s=0.25))
    assert transforms["dctn"] == 1 + 1
    assert transforms["idctn"] <= 4 + 3


def test_the_default_shares_its_spectra(radiograph, transforms):
    """Frame, prediction, base of the linear reading and result forward; back two channels, the correction, one band of
    the gate, the linear reading and the certificate's three."""
    found = restore(radiograph, Job(model=load_model(), exposure_s=0.25, provenance=True))
    assert 0.1 < found.image.history[-1].details["linear_share"] < 0.9
    assert transforms["dctn"] == 4
    assert transforms["idctn"] == 5 + 3


def test_one_step_towards_the_measurement(frame_of, blend, picture, torch):
    """prediction + K (y - H prediction), in one pass over spectra and by operators alike; so in torch."""
    frame = frame_of(picture)
    blur, gain = frame.operator(blend), frame.radial_operator(lambda f: np.exp(-f))
    guess = np.roll(picture, 3, axis=1)
    wanted = guess + gain(picture - blur(guess))
    np.testing.assert_allclose(frame.corrected(guess, blur, gain), wanted, atol=1e-13)
    tensors = replace(frame, blurred=torch.from_numpy(picture))
    np.testing.assert_allclose(tensors.corrected(torch.from_numpy(guess), blur, gain).numpy(), wanted, atol=1e-12)


def test_a_filtered_frame_is_that_of_its_operator(frame_of, blend, picture):
    frame = frame_of(picture)
    for operator in (frame.wiener_operator(blend), TransferOperator(np.full(frame.shape, 0.5))):
        np.testing.assert_allclose(frame.filtered(operator), operator(picture), atol=1e-13)
    assert frame.wiener_estimate(blend) is frame.wiener_estimate(blend)
    with pytest.raises(ValueError, match="read-only"):
        frame.wiener_estimate(blend)[0, 0] = 1.0


def test_what_is_asked_once_is_worked_out_once(frame_of, picture):
    asked = []

    def rows(frame: Frame) -> int:
        asked.append(frame)
        return frame.shape[0]

    frame = frame_of(picture)
    assert [frame.once(rows), frame.once(rows)] == [40, 40] and len(asked) == 1
    assert frame.told(frame.noise.scaled(2.0)).once(rows) == 40 and len(asked) == 2


def test_another_noise_keeps_the_spectrum(frame_of, picture):
    frame = frame_of(picture)
    louder = frame.told(frame.noise.scaled(2.0))
    assert louder.spectrum is frame.spectrum
    assert louder.noise.relative_sd() == pytest.approx(np.sqrt(2) * frame.noise.relative_sd())


def test_frames_of_tables_trusted_in_part_share_one_spectrum(pair, picture):
    mtf = pair.blurred.mtf
    unsure = FrequencyCurve(mtf.frequency_lp_mm, mtf.value, 0.4 * mtf.value, np.minimum(1.6 * mtf.value, 1.0))
    part = DetectorPair(replace(pair.blurred, mtf=unsure), pair.sharp)
    frame = Frame(picture, part, NoiseModel.of_detector(part.blurred, 0.25))
    assert not part.fully_trusted
    assert frame.as_restored() is frame.as_restored()
    assert frame.as_restored().spectrum is frame.spectrum


@pytest.mark.parametrize("shape", [(40, 56), (PARALLEL_PIXELS // 512, 512), (PARALLEL_PIXELS // 512 + 3, 512)])
def test_gains_are_those_of_the_frequency(shape):
    """In double precision for small images and in single precision for large ones, whether places are kept or not."""
    pitch, slope = 0.05, 0.1
    operator = radial_operator(lambda f: np.exp(-slope * f), shape, pitch)
    v, u = (np.arange(n) / (2 * n * pitch) for n in shape)
    exact = np.exp(-slope * np.hypot(v[:, None], u))
    np.testing.assert_allclose(operator.transfer, exact, atol=1e-9 if operator.transfer.dtype == np.float64 else 1.2e-7)


def test_places_of_large_images_are_the_same_whether_they_are_kept(monkeypatch):
    shape = (1040, 520)
    kept = radial_operator(lambda f: 1 / (1 + f), shape, 0.05).transfer
    monkeypatch.setattr(transfer, "KEPT_PLACES", 0)
    again = radial_operator(lambda f: 1 / (1 + f), shape, 0.05, transfer.Operators())
    np.testing.assert_array_equal(again.transfer, kept)
