"""Direct hits, dead and masked pixels give way to their prediction before anything restores or judges; all simulated."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from coldray.errors import RefusalError
from coldray.images.scale import Scale
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import Job, restore
from coldray.restoration.unmeasured import TOO_MANY, counted, measured_of

OPEN_BEAM = 20000.0
JOB = Job(method="wiener", exposure_s=0.25)


@pytest.fixture
def measured(frame_of, blend, pair):
    """A simulated frame of squares at 0.25 s, fraction of the open beam."""
    squares = np.kron(np.random.default_rng(7).uniform(0.3, 0.9, (6, 8)), np.ones((20, 20)))
    truth = gaussian_filter(squares, 1.2).astype(np.float32)
    blurred = frame_of(truth).operator(blend)(truth)
    return blurred + NoiseModel.of_detector(pair.blurred, 0.25).draw(blurred, np.random.default_rng(0))


@pytest.fixture
def where():
    """2 % of its pixels, none at the border."""
    out = np.random.default_rng(1).random((120, 160)) < 0.02
    out[:4], out[-4:], out[:, :4], out[:, -4:] = False, False, False, False
    return out


def stored(fraction, mask=None):
    pixels = np.clip(np.rint(fraction * OPEN_BEAM), 0, 65535).astype(np.uint16)
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True)
    return Radiograph(pixels, known, mask=mask)


def rms(image):
    return float(np.sqrt(np.mean(image.astype(float) ** 2)))


@pytest.mark.parametrize("method", ["wiener", "cold"])
def test_hits_leave_neither_rings_nor_a_moved_mean_and_are_counted(measured, where, method):
    job = replace(JOB, method=method, model=load_model() if method == "cold" else None)
    clean, hit = (restore(stored(image), job) for image in (measured, measured + 0.8 * where))
    assert clean.hits == {"bright": 0, "dark": 0, "masked": 0} and clean.image.mask is None
    assert abs(hit.hits["bright"] - where.sum()) <= 0.01 * where.sum() and hit.hits["dark"] == 0
    assert hit.image.mask[where].mean() > 0.99 and hit.image.mask.sum() == hit.hits["bright"]
    assert hit.image.history[-1].details["hits"] == hit.hits
    assert any("direct hits were replaced" in warning for warning in hit.warnings)
    assert hit.consistency["verdict"] == clean.consistency["verdict"] == "consistent"
    a, b = (r.image.pixels.astype(float) / OPEN_BEAM for r in (clean, hit))
    around = binary_dilation(where, np.ones((9, 9), dtype=bool)) & ~where
    noise = NoiseModel.of_detector(load_detector("gos135"), 0.25).relative_sd()
    assert rms((a - b)[around]) < 0.3 * noise
    assert abs(a.mean() - b.mean()) < 2e-4


def test_records_of_version_0_1_replace_nothing(measured, where):
    found = restore(stored(measured + 0.8 * where), replace(JOB, safeguards=False))
    assert found.hits == {"bright": 0, "dark": 0, "masked": 0} and found.image.mask is None
    assert "hits" not in found.image.history[-1].details


def test_dead_pixels_are_counted_as_dark(measured, where):
    found = restore(stored(np.where(where, 0.0, measured)), JOB)
    assert found.hits["dark"] > 0.98 * where.sum() and found.hits["bright"] == 0


def test_what_masked_pixels_hold_does_not_matter(measured, where):
    results = [restore(stored(np.where(where, value, measured), where), JOB) for value in (0.0, 0.4, 3.0)]
    for found in results:
        assert found.hits == {"bright": 0, "dark": 0, "masked": int(where.sum())}
        np.testing.assert_array_equal(found.image.pixels, results[0].image.pixels)
        np.testing.assert_array_equal(found.image.mask, where)


def test_padding_stays_as_it_is_and_gives_no_rings(measured):
    padding = np.zeros(measured.shape, dtype=bool)
    padding[:, :30] = True
    image = np.where(padding, 0.0, measured)
    found = restore(stored(image, padding), JOB)
    assert not found.image.pixels[padding].any()
    whole = restore(stored(measured), JOB).image.pixels.astype(float)
    # padding taken for signal is refused, since its rings leave the range and move the mean
    with pytest.raises(RefusalError):
        restore(stored(image), JOB)
    assert rms(found.image.pixels[:, 34:] - whole[:, 34:]) < 0.02 * OPEN_BEAM


def test_frames_of_a_stack_are_looked_through_one_by_one(measured, where):
    frames = stored(np.stack([measured, measured + 0.8 * where]))
    found, alone = restore(frames, JOB), restore(stored(measured + 0.8 * where), JOB)
    assert found.hits == alone.hits
    np.testing.assert_array_equal(found.image.mask, alone.image.mask)
    np.testing.assert_array_equal(found.image.pixels[1], alone.image.pixels)


def test_an_image_sharper_than_its_detector_is_kept_and_said():
    sharp = np.random.default_rng(0).choice([0.2, 0.9], (128, 128), p=[0.7, 0.3]).astype(np.float32)
    scale = Scale(OPEN_BEAM, np.dtype(np.uint16), "file")
    image = np.rint(sharp * OPEN_BEAM).astype(np.uint16)
    found = measured_of(image, None, scale, load_detector("gos135"), JOB, 1)
    if TOO_MANY in found.warnings:
        assert found.hits is None
        np.testing.assert_array_equal(found.stored, image)
    else:
        assert found.hits is None or found.hits.mask.mean() <= 0.1


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((0, 0, 0), None),
        ((1, 0, 0), "1 direct hit was replaced"),
        ((0, 2, 0), "2 dead pixels were replaced"),
        ((3, 1, 5), "3 direct hits, 1 dead pixel and 5 masked pixels were replaced"),
    ],
)
def test_what_was_replaced_is_one_sentence(counts, text):
    said = counted(*counts)
    assert said is None if text is None else said.startswith(text)
