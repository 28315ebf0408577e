"""What a certificate could have found: checked by planting discs of the stated contrast."""

import numpy as np
import pytest
import scipy.stats

from coldray.methods import wiener
from coldray.restoration.certificate.certify import certify
from coldray.restoration.certificate.limits import detectable, disc


@pytest.fixture
def flat(frame_of, blend):
    """A flat frame of 0.8 with its noise, and its noise-free truth."""

    def build(seed, shape=(128, 128), exposure_s=0.25):
        truth = np.full(shape, 0.8, dtype=np.float32)
        noise = frame_of(truth, exposure_s=exposure_s).noise
        return frame_of(truth + noise.draw(truth, np.random.default_rng(seed)), exposure_s=exposure_s), truth

    return build


@pytest.mark.parametrize("diameter", [2.0, 5.5, 16.0])
def test_a_disc_has_its_area_and_centre(diameter):
    found = disc(diameter, (64, 70), (30.3, 41.75))
    assert found.sum() == pytest.approx(np.pi * diameter**2 / 4, rel=0.03)
    rows, cols = np.indices(found.shape)
    assert (found * rows).sum() / found.sum() == pytest.approx(30.3, abs=0.1)
    assert (found * cols).sum() / found.sum() == pytest.approx(41.75, abs=0.1)
    assert found.max() == 1 and found.min() == 0


@pytest.mark.parametrize("method", [pytest.param("truth", marks=pytest.mark.slow), "wiener"])
def test_discs_of_the_stated_contrast_are_found_with_the_stated_chance(flat, blend, method):
    """At least 90 % within the binomial band at the limit, fewer than half at 60 % of it: neither boast nor modesty."""
    runs = 60
    limits, found, weak = None, {}, {}
    for seed in range(runs):
        frame, truth = flat(seed)
        base = truth if method == "truth" else wiener.restore(frame, blend)
        if limits is None:
            limits = detectable(certify(frame, blend, base))[1:]
            found, weak = ({d.diameter_mm: 0 for d in limits} for _ in range(2))
        rng = np.random.default_rng(1000 + seed)
        centre = tuple(rng.uniform(48, 80, 2))
        for limit in limits:
            shape = rng.choice([-1, 1]) * disc(limit.diameter_mm / 0.048, truth.shape, centre) * limit.contrast
            for tally, strength in ((found, 1.0), (weak, 0.6)):
                marked = certify(frame, blend, base + np.float32(strength) * shape).marked
                tally[limit.diameter_mm] += bool(marked[int(centre[0]), int(centre[1])])
    assert all(n >= scipy.stats.binom.isf(0.999, runs, 0.9) for n in found.values()), found
    assert all(n < 0.5 * runs for n in weak.values()), weak


def test_larger_discs_and_longer_exposures_show_fainter_contrasts(flat, blend):
    by_dose = []
    for exposure_s in (0.05, 0.25, 1.0):
        frame, truth = flat(0, exposure_s=exposure_s)
        limits = detectable(certify(frame, blend, truth))
        contrasts = [d.contrast for d in limits]
        assert contrasts == sorted(contrasts, reverse=True)
        for d in limits:
            assert d.cnr == pytest.approx(d.contrast / frame.noise.relative_sd(frame.mean_signal))
        by_dose.append(contrasts[-1])
    assert by_dose == sorted(by_dose, reverse=True)


def test_small_images_state_what_they_can(flat, blend):
    frame, truth = flat(0, shape=(24, 24))
    assert [round(d.diameter_mm / 0.048) for d in detectable(certify(frame, blend, truth))] in ([], [2, 4, 8])
    frame, truth = flat(0, shape=(5, 5))
    assert detectable(certify(frame, blend, truth)) == []
