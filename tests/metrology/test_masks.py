"""A pixel that its neighbours replaced is no measurement: with the mask every figure is that of the intact image."""

import numpy as np
import pytest

from coldray.errors import ImageError, MeasurementError
from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.contrast import contrast
from coldray.metrology.duplex.isrb import duplex_isrb
from coldray.metrology.inputs import filled, joined_mask
from coldray.metrology.lag import lag_of
from coldray.metrology.noise import flat_nnps
from coldray.objects.phantoms import GaussianBlur
from coldray.radiograph import Acquisition, Radiograph

PITCH = 0.1
RNG = np.random.default_rng(77)


def replaced(image, columns=(), rows=()):
    """Image whose lines are means of their neighbours, and the mask that says so."""
    spoilt, mask = image.copy(), np.zeros(image.shape[-2:], dtype=bool)
    for c in columns:
        spoilt[..., c] = (image[..., c - 1] + image[..., c + 1]) / 2
        mask[:, c] = True
    for r in rows:
        spoilt[..., r, :] = (image[..., r - 1, :] + image[..., r + 1, :]) / 2
        mask[r] = True
    return spoilt, mask


def test_noise_of_a_flat_with_many_replaced_lines():
    flat = RNG.normal(3000, 30, (2, 512, 512))
    spoilt, mask = replaced(flat, range(10, 500, 9))
    whole, plain = flat_nnps(flat, PITCH), flat_nnps(spoilt, PITCH)
    masked = flat_nnps(Radiograph(spoilt, mask=mask), PITCH)
    given = flat_nnps(spoilt, PITCH, mask=mask)
    assert abs(plain.pixel_relative_sd / whole.pixel_relative_sd - 1) > 0.02
    assert masked.pixel_relative_sd == pytest.approx(whole.pixel_relative_sd, rel=0.006)
    assert np.array_equal(masked.nnps.value, given.nnps.value)


def test_snr_counts_measured_pixels_alone():
    flat = RNG.normal(3000, 30, (3, 200, 200))
    spoilt, mask = replaced(flat, range(5, 195, 4))
    spoilt[:, mask] = 0
    whole, masked = contrast(flat), contrast(Radiograph(spoilt, mask=mask))
    for name in ("mean", "sd", "sd_detrended", "sd_temporal"):
        assert getattr(masked.signal, name) == pytest.approx(getattr(whole.signal, name), rel=0.015), name
    assert masked.signal.pixels == 200 * 200 - 200 * len(range(5, 195, 4))
    with pytest.raises(MeasurementError, match="masked"):
        contrast(flat, mask=np.arange(40000).reshape(200, 200) % 3 > 0)


def bars_image():
    """Two groups of tilted sine-blurred bars on an even ground, in closed form."""
    y, x = np.mgrid[:140, :300].astype(float)
    image = np.full((140, 300), 1000.0)
    for centre, period in ((75, 14.0), (220, 8.0)):
        u = (x - centre) + 0.05 * (y - 70)
        inside = (np.abs(u) < 2.75 * period) & (np.abs(y - 70) < 50)
        image -= np.where(inside, 300 - 300 * np.sin(2 * np.pi * u / period), 0)
    return image + RNG.normal(0, 3, image.shape)


def test_bars_are_fitted_without_the_replaced_lines():
    image = bars_image()
    columns = [60, 61, 70, 80, 90, 205, 214, 223, 232]
    spoilt, mask = replaced(image, columns)
    spoilt[:, columns] = 700
    levels = (400.0, 1000.0)
    for rois in ([(30, 10, 95, 120), (185, 10, 75, 120)],):
        whole = bars_ctf(image, PITCH, rois, plateau=levels)
        masked = bars_ctf(Radiograph(spoilt, mask=mask), PITCH, rois, plateau=levels)
        plain = bars_ctf(spoilt, PITCH, rois, plateau=levels)
        for a, b, c in zip(whole.groups, masked.groups, plain.groups, strict=True):
            assert b.ctf == pytest.approx(a.ctf, abs=0.012)
            assert abs(c.ctf - a.ctf) > abs(b.ctf - a.ctf)


@pytest.mark.parametrize("turned", [False, True])
def test_dips_of_a_duplex_wire_without_the_replaced_lines(drawn_wires, turned):
    image = 4000 * drawn_wires(GaussianBlur(1.2), 0.05, rows=160)[0].astype(float)
    columns = range(10, image.shape[1] - 10, 11)
    spoilt, mask = replaced(image, columns)
    if turned:
        image, spoilt, mask = image.T.copy(), spoilt.T.copy(), mask.T.copy()
    whole, plain = duplex_isrb(image, 0.05), duplex_isrb(spoilt, 0.05)
    masked = duplex_isrb(Radiograph(spoilt, mask=mask), 0.05)
    dips = [np.array([p.dip_percent for p in m.pairs][:6]) for m in (whole, masked, plain)]
    assert np.abs(dips[1] - dips[0]).max() < 0.5 * np.abs(dips[2] - dips[0]).max()
    assert masked.isrb_mm == pytest.approx(whole.isrb_mm, rel=0.02)


def test_a_mask_must_fit_and_leave_something():
    flat = RNG.normal(3000, 30, (128, 128))
    with pytest.raises(ImageError, match="shape"):
        flat_nnps(flat, PITCH, mask=np.ones((4, 4), dtype=bool) & (np.arange(4) > 1))
    with pytest.raises(ImageError, match="every pixel is masked"):
        contrast(flat, mask=np.ones(flat.shape, dtype=bool))
    one, two = np.zeros((2, 128, 128), dtype=bool)
    one[3, 4] = two[5, 6] = True
    assert np.argwhere(joined_mask(Radiograph(flat, mask=one), two)).tolist() == [[3, 4], [5, 6]]
    assert joined_mask(Radiograph(flat), None) is None


def test_filling_keeps_a_plane_and_good_pixels():
    y, x = np.mgrid[:40, :50].astype(float)
    plane, mask = 100 + x + 2 * y, np.zeros((40, 50), dtype=bool)
    mask[20, 25], mask[:, 10], mask[30:40, 30:50] = True, True, True
    out = filled(np.where(mask, np.nan, plane), mask)
    assert np.array_equal(out[~mask], plane[~mask]) and np.isfinite(out).all()
    assert np.abs(out - plane)[6:18, 8:12].max() < 1e-6 and abs(out[20, 25] - plane[20, 25]) < 1e-6


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "u2", "i4"])
def test_every_pixel_type_is_measured(dtype):
    flat = RNG.normal(100, 8, (128, 128)).astype(dtype)
    expected = float(flat.astype(float).std() / flat.astype(float).mean())
    assert flat_nnps(flat, PITCH, 64).pixel_relative_sd == pytest.approx(expected, rel=0.05)
    assert contrast(flat).signal.snr == pytest.approx(1 / expected, rel=0.01)


def test_inverted_data_are_refused_where_the_zero_matters():
    image = Radiograph(RNG.normal(3000, 30, (128, 128)), Acquisition(linear=True, inverted=True))
    for measure in (lambda: flat_nnps(image, PITCH, 64), lambda: contrast(image)):
        with pytest.raises(MeasurementError, match="inverted"):
            measure()


@pytest.mark.parametrize("lag", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("pattern", [0.0, 20.0])
def test_lag_is_seen_through_a_fixed_pattern(lag, pattern):
    frames = RNG.normal(3000, 30, (6, 256, 256)) + pattern * RNG.normal(size=(256, 256))
    for k in range(1, 6):
        frames[k] = (1 - lag) * frames[k] + lag * frames[k - 1]
    frames *= 1 + 0.01 * RNG.normal(size=(6, 1, 1))
    places = [(0, 0), (0, 128), (128, 0), (128, 128)]
    found, _ = lag_of(list(frames), frames.mean(axis=(1, 2)), places, 128)
    assert 0.6 * lag - 0.02 < found < 1.3 * lag + 0.02
    warned = any("correlated" in w for w in flat_nnps(frames, PITCH, 128).warnings)
    assert warned == (lag > 0)
