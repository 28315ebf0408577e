"""Which pair is which, one indicator or two, how far it may be tilted; and the band of the iSRb."""

import numpy as np
import pytest

from coldray.errors import MeasurementError
from coldray.metrology.duplex.isrb import SPACINGS_MM, duplex_isrb, interpolated_srb
from coldray.objects.phantoms import GaussianBlur

PITCH = 0.05


@pytest.fixture(scope="module")
def wires(drawn_wires):
    """A gauge in noise, and its iSRb from the dips of the truth."""

    def noisy(sigma_px=2.0, first=1, snr=500, seed=0, **options):
        image, truth = drawn_wires(GaussianBlur(sigma_px), PITCH, spacing_mm=SPACINGS_MM[first - 1 : 13], **options)
        grain = np.random.default_rng(seed).standard_normal(image.shape)
        return image + grain / snr, interpolated_srb(truth.spacing_mm, truth.dip_percent)

    return noisy


@pytest.mark.parametrize(
    ("first", "sigma_px"),
    [
        (1, 2.0),
        (3, 4.0),
        (5, 0.9),
        (7, 2.0),
        *(pytest.param(5, sigma_px, marks=pytest.mark.slow) for sigma_px in (2.0, 4.0)),
    ],
)
def test_an_indicator_without_its_coarse_pairs_is_numbered_right(wires, first, sigma_px):
    image, truth = wires(sigma_px, first, margin_px=30)
    found = duplex_isrb(image, PITCH)
    assert found.pairs[0].element == first
    assert found.isrb_mm == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("first", [3, 7, pytest.param(5, marks=pytest.mark.slow)])
def test_numbers_that_follow_from_widths_are_told_or_refused(wires, first):
    image, _ = wires(6.0, first, margin_px=30)
    try:
        found = duplex_isrb(image, PITCH)
    except MeasurementError as error:
        assert "first_element" in str(error)
    else:
        assert any("give the number of the first element" in w for w in found.warnings)


@pytest.mark.parametrize("tilt", [0.5, 14.0, pytest.param(12.0, marks=pytest.mark.slow)])
def test_tilts_to_14_degrees_are_found(wires, tilt):
    image, truth = wires(tilt_deg=tilt, rows=160)
    found = duplex_isrb(image, PITCH)
    assert found.angle_deg == pytest.approx(tilt, abs=0.1)
    assert found.isrb_mm == pytest.approx(truth, rel=0.01)


def test_a_tilt_beyond_the_range_is_refused(wires):
    with pytest.raises(MeasurementError, match="tilted by 15 deg or more"):
        duplex_isrb(wires(tilt_deg=17.0, rows=160)[0], PITCH)


@pytest.mark.parametrize(
    ("mirrored", "axis"),
    [(False, 0), (True, 1), *(pytest.param(*other, marks=pytest.mark.slow) for other in ((False, 1), (True, 0)))],
)
def test_two_indicators_are_refused(wires, axis, mirrored):
    image, _ = wires()
    with pytest.raises(MeasurementError, match="more than one"):
        duplex_isrb(np.concatenate([image, image[:, ::-1] if mirrored else image], axis=axis), PITCH)


def test_the_band_holds_the_truth(wires):
    held = []
    for seed in range(10):
        image, truth = wires(1.3, 5, snr=50, seed=seed, rows=64)
        found = duplex_isrb(image, PITCH)
        held.append(found.isrb_low_mm <= truth <= found.isrb_high_mm)
        assert found.isrb_low_mm < found.isrb_mm < found.isrb_high_mm
    assert sum(held) >= 8


def test_noise_widens_the_band_and_the_dips(wires):
    quiet, loud = (duplex_isrb(wires(snr=snr)[0], PITCH) for snr in (1000, 50))
    assert loud.isrb_high_mm - loud.isrb_low_mm > quiet.isrb_high_mm - quiet.isrb_low_mm
    assert sum(p.dip_sd_percent for p in loud.pairs) > 5 * sum(p.dip_sd_percent for p in quiet.pairs)
    assert {"isrb_low_mm", "isrb_high_mm"} <= set(quiet.to_json())


def test_a_right_result_carries_no_warning(wires):
    assert all(duplex_isrb(wires(s)[0], PITCH).warnings == () for s in (0.9, 2.0, 4.0))
