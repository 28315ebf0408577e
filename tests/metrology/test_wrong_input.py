"""Every measurement against every kind of wrong input: a clear error or a warning in the result, never a silent number."""

import numpy as np
import pytest

from coldray.errors import ColdrayError
from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.contrast import contrast
from coldray.metrology.duplex.isrb import duplex_isrb
from coldray.metrology.edge.mtf import edge_mtf
from coldray.metrology.noise import flat_nnps
from coldray.metrology.uniformity import uniformity
from coldray.objects.phantoms import GaussianBlur, bars, duplex_wires, flat_field, slanted_edge
from coldray.radiograph import Acquisition, Radiograph

PITCH = 0.1
BLUR = GaussianBlur(0.6)


def noisy(image, seed):
    return image + 0.01 * np.random.default_rng(seed).standard_normal(image.shape)


@pytest.fixture(scope="module")
def good():
    """One right image per measurement, all with noise of 1 %."""
    return {
        "edge": noisy(slanted_edge((256, 256), BLUR, PITCH, angle_deg=2.0)[0], 0),
        "flat": flat_field((256, 256), PITCH, (0.01 * PITCH) ** 2, 1)[0].astype(np.float64),
        "bars": noisy(bars([0.5, 1.5], BLUR, PITCH, rows=160, tilt_deg=2.0)[0], 2),
        "duplex": noisy(duplex_wires(BLUR, PITCH, rows=160)[0], 3),
        "snr": noisy(np.ones((64, 64)), 4),
    }


MEASURE = {
    "edge": lambda image, roi=None, pitch=PITCH: edge_mtf(image, pitch, roi),
    "flat": lambda image, roi=None, pitch=PITCH: flat_nnps(image, pitch),
    "bars": lambda image, roi=None, pitch=PITCH: bars_ctf(image, pitch, roi),
    "duplex": lambda image, roi=None, pitch=PITCH: duplex_isrb(image, pitch, roi),
    "snr": lambda image, roi=None, pitch=PITCH: contrast(image, roi),
}
EVERY = pytest.mark.parametrize("verb", MEASURE)
WITH_TARGET = pytest.mark.parametrize("verb", ["edge", "bars", "duplex"])


def said(verb, image, **options):
    """What the measurement says against an image: its error, or its warnings."""
    try:
        return " / ".join(MEASURE[verb](image, **options).warnings)
    except ColdrayError as problem:
        return str(problem)


@EVERY
def test_right_images_are_measured(verb, good):
    MEASURE[verb](good[verb])


@EVERY
def test_not_a_number(verb, good):
    image = good[verb].copy()
    image[20, 20] = np.nan
    assert "NaN" in said(verb, image)


@EVERY
def test_colour(verb, good):
    assert "colour" in said(verb, np.repeat(good[verb][..., None], 3, axis=2))


@EVERY
def test_complex_numbers(verb, good):
    assert "intensity" in said(verb, good[verb].astype(complex))


@EVERY
def test_marked_as_log_scaled(verb, good):
    image = Radiograph(good[verb].astype(np.float32), Acquisition(pixel_pitch_mm=PITCH, linear=False))
    assert "log-scaled" in said(verb, image)


def test_log_scaled_without_a_mark_shows_on_an_edge():
    """A logarithm bends the response, so the line spread is no longer symmetric."""
    clean = slanted_edge((256, 256), GaussianBlur(1.0), PITCH, angle_deg=2.0, low=0.05)[0]
    assert "asymmetric" in said("edge", -np.log(np.maximum(noisy(clean, 0), 1e-3)))


@EVERY
def test_saturated(verb, good):
    image = good[verb]
    level = np.quantile(image, 0.8 if verb in ("flat", "snr") else 0.995)
    # The open field of edge, bars and wires is clipped at the middle of its noise.
    level = level if verb in ("flat", "snr") else float(np.median(image[image > 0.9 * image.max()]))
    assert "saturated" in said(verb, np.minimum(image, level))
    counts = np.rint(np.clip(image / level, 0, 1) * 4095).astype(np.uint16)
    assert "saturated" in said(verb, counts)


@EVERY
def test_too_small(verb, good):
    assert ("no bar group" if verb == "bars" else "pixels") in said(verb, good[verb][:12, :12])


@EVERY
@pytest.mark.parametrize("level", [7.0, 0.1, 1 / 3, 40000.3])
@pytest.mark.parametrize("ulps", [0, 1])
def test_constant(verb, level, ulps):
    """Also with what rounding adds on one processor or another."""
    last = np.spacing(level) * np.random.default_rng(0).integers(-ulps, ulps, (256, 256), endpoint=True)
    text = said(verb, level + last)
    assert any(word in text for word in ("no straight edge", "no noise", "no bar group", "no wire", "noise is 0"))


@pytest.mark.parametrize("level", [7.0, 0.1, 1 / 3, 40000.3])
def test_a_constant_flat_is_not_taken_for_a_quiet_one(level):
    with pytest.raises(ColdrayError, match="a tile has no noise"):
        uniformity(np.full((256, 256), level), PITCH)


@WITH_TARGET
def test_no_target_in_the_image(verb):
    assert "no " in said(verb, noisy(np.ones((256, 256)), 5))


@WITH_TARGET
def test_no_target_in_the_region(verb, good):
    rows = good[verb].shape[0]
    assert said(verb, good[verb], roi=(0, 0, 24, min(rows, 100)))


@pytest.mark.parametrize("verb", ["edge", "bars", "duplex", "snr"])
def test_region_outside_the_image(verb, good):
    assert "leaves the image" in said(verb, good[verb], roi=(1_000_000, 0, 50, 50))


@pytest.mark.parametrize("verb", ["edge", "flat", "bars", "duplex"])
@pytest.mark.parametrize("pitch", [0.0, -0.1, float("nan"), float("inf")])
def test_pitch_that_is_none(verb, pitch, good):
    assert "pixel pitch is" in said(verb, good[verb], pitch=pitch)


def test_stacks(good):
    """Frames of an edge are joined on purpose, as a list; a mean of bars or wires is said to be one."""
    for verb in ("bars", "duplex"):
        assert "mean of 2 frames" in said(verb, np.stack([good[verb]] * 2))
    assert "list" in said("edge", np.stack([good["edge"]] * 2))
    for verb in MEASURE:
        assert "shape" in said(verb, good[verb][None, None])


def test_an_object_in_a_flat(good):
    assert any(word in said("flat", good["edge"]) for word in ("left out", "flat"))
