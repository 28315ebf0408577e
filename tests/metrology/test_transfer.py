"""Task transfer and noise by repeats: linear filters come out linear, others are found out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.benchmark.transfer_family import transfer_family
from coldray.errors import ImageError, MeasurementError
from coldray.metrology.detectability import detectability
from coldray.metrology.tasks import gaussian
from coldray.metrology.transfer import contrast_dependence, noise_by_repeats, task_transfer
from coldray.objects.phantoms import GaussianBlur, slanted_edge
from coldray.physics.curves import FrequencyCurve

PITCH = 0.1
BLUR = GaussianBlur(0.8)


def coring(image, rng):
    """Remove detail weaker than a threshold: strong edges stay sharp, faint ones are blurred."""
    smooth = gaussian_filter(image, 2.0)
    detail = image - smooth
    return smooth + np.where(np.abs(detail) > 0.06, detail, 0.0)


def test_linear_filter_does_not_depend_on_contrast():
    family = transfer_family(lambda image, rng: image, BLUR, PITCH, contrasts=(0.8, 0.05), quanta_px=(1e4,))
    truth = slanted_edge((8, 8), BLUR, PITCH, angle_deg=3)[1].frequency_at(0.5)
    assert family[0].ttf50_lp_mm == pytest.approx(truth, rel=0.01)
    assert contrast_dependence(family) == pytest.approx(1, abs=0.05)
    assert family[1].name == "TTF at contrast 5 %, 10000 quanta/px"
    data = json.loads(json.dumps(family[1].to_json(), allow_nan=False))
    assert "ttf" in data and not any("mtf" in key for key in data)


def test_coring_is_found_out_by_faint_edges():
    family = transfer_family(coring, BLUR, PITCH, contrasts=(0.8, 0.05), quanta_px=(1e4,), repeats=8)
    assert contrast_dependence(family) < 0.7
    assert any("repeats" in w for w in family[0].warnings)


@pytest.mark.parametrize("left", [0.4, 0.7, 0.9])
def test_a_faint_edge_left_at_a_part_of_its_step_is_found_out(left):
    """Its TTF is that of the whole edge: what is lost shows in the step, in the index and in d'."""

    def weaken(image, rng):
        faint = np.ptp(gaussian_filter(image, 3.0)) < 0.3
        return 0.975 + left * (image - 0.975) if faint else image

    strong, faint = transfer_family(weaken, BLUR, PITCH, contrasts=(0.8, 0.05), quanta_px=(1e6,), repeats=2)
    assert faint.ttf50_lp_mm == pytest.approx(strong.ttf50_lp_mm, rel=0.05)
    bright = 0.975 + 0.025 * left
    assert faint.contrast_kept == pytest.approx(left / bright, rel=0.01)
    assert strong.contrast_kept == pytest.approx(1, rel=0.001)
    assert faint.response(0.0) == faint.contrast_kept == faint.to_json()["contrast_kept"]
    index = contrast_dependence([strong, faint])
    assert index == 0 if left < 0.5 else index < 0.95
    white = FrequencyCurve([0, 10], [1e-6, 1e-6])
    lost, whole = (detectability(t, white, gaussian(0.3, 0.05), PITCH).d_prime for t in (faint, faint.ttf))
    assert lost == pytest.approx(faint.contrast_kept * whole, rel=1e-12)


def test_same_seed_same_curves():
    a, b = (
        transfer_family(coring, BLUR, PITCH, contrasts=(0.8,), quanta_px=(1e3,), repeats=3, rng=7)[0] for _ in range(2)
    )
    np.testing.assert_array_equal(a.ttf.value, b.ttf.value)


def test_index_refuses_what_cannot_be_compared():
    family = transfer_family(coring, BLUR, PITCH, contrasts=(0.8,), quanta_px=(1e3, 1e4), repeats=3)
    with pytest.raises(MeasurementError, match="exactly one"):
        contrast_dependence(family)
    low = transfer_family(coring, BLUR, PITCH, contrasts=(0.05,), quanta_px=(1e4,), repeats=8)
    with pytest.raises(MeasurementError, match="doses"):
        contrast_dependence([family[0], low[0]])


def test_noise_maps_and_spectrum_of_white_noise():
    rng = np.random.default_rng(0)
    truth = np.full((96, 128), 0.5)
    stack = truth + 0.1 + 0.02 * rng.standard_normal((30, 96, 128))
    result = noise_by_repeats(stack, PITCH, {"flat": (10, 20, 64, 64)}, truth=truth)
    region = result.regions["flat"]
    assert region.sd == pytest.approx(0.02, rel=0.02)
    assert region.bias == pytest.approx(0.1, rel=0.02)
    assert result.sd.shape == (96, 128) and result.warnings == ()
    assert region.nps.value[5:] == pytest.approx(0.02**2 * PITCH**2, rel=0.15)
    assert region.nps.value.mean() == pytest.approx(0.02**2 * PITCH**2, rel=0.03)


def test_noise_near_edges_of_a_nonlinear_filter_exceeds_that_in_flats():
    clean, _ = slanted_edge((96, 160), BLUR, PITCH, low=0.4)
    streams = np.random.default_rng(1).spawn(20)
    noisy = [clean + 0.02 * s.standard_normal(clean.shape) for s in streams]
    boxes = {"flat": (10, 16, 40, 64), "edge": (72, 16, 16, 64)}
    linear = noise_by_repeats([gaussian_filter(x, 1.0) for x in noisy], PITCH, boxes)
    cored = noise_by_repeats([coring(x, None) for x in noisy], PITCH, boxes)
    assert linear.ratio("edge", "flat") == pytest.approx(1, abs=0.1)
    assert cored.ratio("edge", "flat") > 1.5
    assert cored.bias is None


def test_wrong_repeats_are_refused():
    image = np.zeros((32, 32))
    with pytest.raises(ImageError):
        noise_by_repeats(image, PITCH, {})
    with pytest.raises(ImageError):
        noise_by_repeats([image], PITCH, {})
    with pytest.raises(ImageError):
        noise_by_repeats([image, image * np.nan], PITCH, {})
    with pytest.raises(ImageError):
        noise_by_repeats([image, image], PITCH, {}, truth=np.zeros((3, 3)))
    with pytest.raises(MeasurementError):
        noise_by_repeats([image, image], PITCH, {"flat": (30, 0, 16, 16)})
    with pytest.raises(MeasurementError):
        task_transfer([image, image], PITCH, contrast=2.0)
    with pytest.raises(MeasurementError):
        task_transfer([image, image], PITCH, contrast=0.5)
