"""Bar groups against the exact square-wave response of a Gaussian detector, and Coltman's series."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import erf

from coldray.errors import MeasurementError
from coldray.metrology.bars.coltman import continued_ctf, ctf_from_mtf, mtf_from_ctf
from coldray.metrology.bars.ctf import bars_ctf
from coldray.objects import phantoms
from coldray.physics.curves import FrequencyCurve

REAL = Path(__file__).parents[4] / "shared" / "data" / "real" / "qa_phantoms_pylinac_mit"
SUB = 6


def mtf_px(f, sigma):
    """MTF of a Gaussian blur and a square pixel of which the test images take SUB samples."""
    aperture = np.sin(np.pi * f) / (SUB * np.sin(np.pi * f / SUB)) if f > 0 else 1.0
    return aperture * np.exp(-2 * (np.pi * sigma * f) ** 2)


def ctf_px(f, sigma):
    k = np.arange(1, int(2.9 / f) + 1, 2)
    return 4 / np.pi * sum((-1) ** ((n - 1) // 2) * mtf_px(n * f, sigma) / n for n in k)


def group(f, sigma, angle_deg, bars=7, length=70.0, margin=10):
    """Bars of value 1 on 0, tilted about the middle; shape fits around them."""
    extent, a = bars / f, np.radians(angle_deg)
    reach = np.abs([[np.cos(a), np.sin(a)], [np.sin(a), np.cos(a)]]) @ [extent, length] + 2 * margin
    cols, rows = (int(n) for n in reach)
    x = (np.arange(cols * SUB) + 0.5) / SUB - cols / 2 + 0.3
    y = (np.arange(rows * SUB) + 0.5) / SUB - rows / 2
    across = x[None, :] * np.cos(a) - y[:, None] * np.sin(a)
    along = y[:, None] * np.cos(a) + x[None, :] * np.sin(a)

    def window(d, low, high):
        return 0.5 * (erf((d - low) / (np.sqrt(2) * sigma)) - erf((d - high) / (np.sqrt(2) * sigma)))

    edges = (np.arange(bars) - (bars - 1) / 2) / f
    image = sum(window(across, c - 0.25 / f, c + 0.25 / f) for c in edges) * window(along, -length / 2, length / 2)
    return image.reshape(rows, SUB, cols, SUB).mean(axis=(1, 3))


def target(frequencies, sigma, angle_deg):
    tiles = [group(f, sigma, angle_deg, bars=5 if f < 0.1 else 9) for f in frequencies]
    rows = max(t.shape[0] for t in tiles)
    return 1000 * (1 - 0.7 * np.hstack([np.pad(t, ((0, rows - t.shape[0]), (0, 0))) for t in tiles]))


FREQUENCIES = (0.045, 0.08, 0.13, 0.21, 0.3, 0.38)


@pytest.mark.parametrize(("sigma", "angle"), [(0.6, 2.0), (0.6, -3.0), (1.0, 5.0)])
def test_ctf_of_a_whole_target(sigma, angle):
    frequencies = [f for f in FREQUENCIES if ctf_px(f, sigma) > 0.05]
    m = bars_ctf(target(frequencies, sigma, angle), 0.1)
    assert [g.frequency_lp_mm * 0.1 for g in m.groups] == pytest.approx(frequencies, rel=1e-4)
    for g, f in zip(m.groups, frequencies, strict=True):
        assert g.ctf == pytest.approx(ctf_px(f, sigma), abs=0.002)
        assert g.mtf == pytest.approx(mtf_px(f, sigma), abs=0.002)
        assert g.angle_deg == pytest.approx(angle, abs=0.01)
    assert m.ctf_curve(0.0) == 1


def test_bars_along_columns_and_rows_agree():
    image = target((0.045, 0.21, 0.3), 0.6, 3.0)
    upright, lying = bars_ctf(image, 0.1), bars_ctf(image.T, 0.1)
    assert [g.ctf for g in lying.groups] == pytest.approx([g.ctf for g in upright.groups], abs=1e-6)


def test_one_group_per_region_and_given_plateau():
    f, sigma = 0.28, 0.7
    image = 1000 * (1 - 0.7 * group(f, sigma, 2.0, bars=9))
    rows, cols = image.shape
    inside = (16, rows // 2 - 15, cols - 36, 30)
    for roi in ((0, 0, cols, rows), inside):
        m = bars_ctf(image, 0.1, [roi], plateau=(300, 1000))
        assert m.groups[0].ctf == pytest.approx(ctf_px(f, sigma), abs=0.005)
    two = bars_ctf(np.hstack([image, image]), 0.1, [(0, 0, cols, rows), (cols, 0, cols, rows)], plateau=(300, 1000))
    assert len(two.groups) == 2


def test_a_solid_patch_or_the_mean_gives_the_plateau():
    f, sigma = 0.2, 0.6
    image = np.pad(1000 * (1 - 0.7 * group(f, sigma, 2.0, bars=11)), 20, constant_values=1000)
    alone = bars_ctf(image, 0.1)
    assert "mean" in alone.plateau_source and alone.warnings
    assert alone.groups[0].ctf == pytest.approx(ctf_px(f, sigma), abs=0.03)
    patched = np.hstack([image, np.full((image.shape[0], 60), 1000.0)])
    patched[30:70, -50:-10] = 300
    m = bars_ctf(patched, 0.1)
    assert "patch" in m.plateau_source
    assert m.groups[0].ctf == pytest.approx(ctf_px(f, sigma), abs=0.005)


def test_noise_moves_the_ctf_by_its_stated_uncertainty():
    clean = target((0.045, 0.13, 0.3), 0.7, 2.0)
    rng = np.random.default_rng(0)
    truth = [ctf_px(f, 0.7) for f in (0.045, 0.13, 0.3)]
    pulls, held = [], []
    for _ in range(12):
        m = bars_ctf(clean + 30 * rng.standard_normal(clean.shape), 0.1)
        assert len(m.groups) == 3
        pulls += [(g.ctf - t) / max(g.ctf_sd, 0.004) for g, t in zip(m.groups, truth, strict=True)]
        held += [g.ctf_low <= t <= g.ctf_high for g, t in zip(m.groups, truth, strict=True)]
    assert np.sqrt(np.mean(np.square(pulls))) < 1.6
    assert np.mean(held) >= 0.9


def test_noise_correlated_over_a_pixel_widens_the_band_of_coarse_bars_alone():
    """White and correlated noise of one deviation: its power is higher at low frequencies and lower at high ones."""
    clean = target((0.045, 0.13, 0.35), 0.7, 2.0)
    white = np.random.default_rng(3).standard_normal(clean.shape)
    soft = ndimage.gaussian_filter(white, 1.0, mode="wrap")
    soft /= soft.std()
    sd = [[g.ctf_sd for g in bars_ctf(clean + 30 * noise, 0.1).groups] for noise in (white, soft)]
    assert sd[1][1] > 1.5 * sd[0][1]
    assert sd[1][2] < sd[0][2]


@pytest.mark.parametrize("period", [4.3, 10.3, 15.2])
def test_an_image_full_of_bars_has_no_background_to_measure_them_by(period):
    """One group, no more than 1 by its own plateaus, and a word on what those lack; not four figures with half of a step."""
    rows, cols = 200, 240
    y, x = np.mgrid[:rows, :cols]
    phase = (x + np.tan(np.radians(2.5)) * y) * np.cos(np.radians(2.5)) / period
    order = np.arange(1, int(2 * period), 2)
    wave = sum(
        np.where(k % 4 == 1, 1, -1) * 4 / np.pi / k * mtf_px(k / period, 0.5) * np.cos(2 * np.pi * k * phase)
        for k in order
    )
    m = bars_ctf(500 + 400 * wave, 0.1)
    assert [g.frequency_lp_mm for g in m.groups] == [pytest.approx(10 / period, rel=1e-3)]
    assert m.groups[0].ctf == pytest.approx(1, abs=0.01)
    assert any("normalised to the coarsest group" in w for w in m.warnings)


def test_a_wrong_nominal_frequency_is_told():
    image = 1000 * (1 - 0.7 * group(0.2, 0.6, 2.0, bars=9))
    m = bars_ctf(image, 0.1, [(0, 0, image.shape[1], image.shape[0])], frequencies_lp_mm=[8.0])
    assert any("nominal" in w for w in m.warnings)


def test_bars_along_the_pixels_are_told():
    image = target((0.05, 0.25), 0.6, 0.0)
    assert any("tilt" in w for w in bars_ctf(image, 0.1).warnings)


def test_a_region_at_nyquist_along_the_pixels_is_refused():
    """Every second pixel bright: phase and amplitude cannot be told apart, so there is no CTF."""
    image = np.tile([300.0, 1000.0], (60, 30))
    with pytest.raises(MeasurementError, match="two pixels"):
        bars_ctf(image, 0.1, [(0, 0, 60, 60), (0, 0, 60, 60)], plateau=(300, 1000))
    single = np.full((80, 80), 1000.0)
    single[5:75, 30:42] = 300.0
    with pytest.raises(MeasurementError, match="no bar group"):
        bars_ctf(single, 0.1)


def test_fine_groups_are_not_lost_to_one_bar_taken_for_a_grating():
    """At 1 degree a single bar of this target was fitted at 0.52 cycles/pixel, and hid what is finer than it seemed."""
    image, truth = phantoms.bars([0.8, 1.6, 2.5, 4, 6, 8], phantoms.PhosphorBlur(0.6), 0.05, tilt_deg=1.0)
    found = bars_ctf(image, 0.05).groups
    assert [g.frequency_lp_mm for g in found] == pytest.approx([t.frequency_lp_mm for t in truth], rel=1e-3)
    assert [g.ctf for g in found] == pytest.approx([t.ctf for t in truth], abs=0.005)


def test_images_without_bars_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(MeasurementError, match="no bar group"):
        bars_ctf(1000 + rng.standard_normal((200, 200)), 0.1)
    edge = np.where(np.arange(200) < 100, 300.0, 1000.0)[None, :] + rng.standard_normal((200, 200))
    with pytest.raises(MeasurementError, match="no bar group"):
        bars_ctf(edge, 0.1)
    with pytest.raises(MeasurementError):
        bars_ctf(np.full((100, 100), 5.0), 0.1, [(0, 0, 50, 50)])
    with pytest.raises(MeasurementError, match="leaves the image"):
        bars_ctf(np.full((100, 100), 5.0), 0.1, [(80, 0, 50, 50)])


def test_json_has_the_keys_of_the_contract():
    out = bars_ctf(target((0.045, 0.21), 0.6, 2.0), 0.1).to_json()
    assert {"groups", "mtf", "warnings"} <= set(out)
    assert {"frequency_lp_mm", "ctf"} <= set(out["groups"][0])
    assert len(out["mtf"]) == len(out["groups"])


@settings(max_examples=20, deadline=None)
@given(width=st.floats(0.5, 8.0), power=st.floats(0.6, 2.5))
def test_coltman_identity(width, power):
    frequency = np.linspace(0, 9.9, 34)

    def mtf(f):
        return np.exp(-((np.asarray(f) / width) ** power))

    back = mtf_from_ctf(lambda f: ctf_from_mtf(mtf, f, 10.0), frequency, 10.0)
    assert np.max(np.abs(back - mtf(frequency))) < 1e-6


def test_coltman_of_curves_and_its_simple_limit():
    f = np.linspace(0, 10, 1001)
    curve = FrequencyCurve(f, np.exp(-f / 4))
    ctf = FrequencyCurve(f, ctf_from_mtf(curve, f))
    assert np.max(np.abs(mtf_from_ctf(ctf, f) - curve.value)) < 1e-6
    assert ctf(5.0) == pytest.approx(4 / np.pi * curve(5.0))
    assert ctf(0.0) == pytest.approx(1)
    with pytest.raises(MeasurementError, match="cutoff"):
        ctf_from_mtf(np.exp, f)


@pytest.mark.parametrize(("sigma", "finest", "limit"), [(0.8, 0.21, 0.03), (0.8, 0.3, 0.012), (1.2, 0.21, 0.01)])
def test_coltman_beyond_the_finest_group(sigma, finest, limit):
    """A series that stops at the finest bars takes C(3f) for zero; one that is continued loses little."""
    frequency = np.array([f for f in (0.03, 0.045, 0.06, 0.08, 0.1, 0.13, 0.17, 0.21, 0.25, 0.3) if f <= finest])
    truth = np.array([mtf_px(f, sigma) for f in frequency])
    ctf = FrequencyCurve(np.r_[0, frequency], np.r_[1, [ctf_px(f, sigma) for f in frequency]])
    stopped = np.abs(mtf_from_ctf(ctf, frequency) - truth).max()
    continued = np.abs(mtf_from_ctf(continued_ctf(ctf), frequency) - truth).max()
    assert continued < limit < 0.5 * stopped
    ended = FrequencyCurve([0, 1, 2], [1, 0.5, 0.0])
    assert continued_ctf(ended) is ended


def test_a_guessed_part_of_coltmans_series_is_told():
    coarse = bars_ctf(target((0.045, 0.08, 0.13, 0.21), 0.6, 2.0), 0.1)
    assert any("continued" in w for w in coarse.warnings)
    frequency = np.array([g.frequency_lp_mm for g in coarse.groups])
    truth = [mtf_px(f * 0.1, 0.6) for f in frequency]
    stopped = mtf_from_ctf(coarse.ctf_curve, frequency)
    assert np.abs(np.array(coarse.mtf) - truth).max() < 0.6 * np.abs(stopped - truth).max()
    whole = bars_ctf(target(FREQUENCIES, 1.2, 2.0), 0.1)
    assert not any("continued" in w for w in whole.warnings)


def test_an_impossible_contrast_is_told():
    f = 0.1
    image = 1000 * (1 - 0.7 * group(f, 0.6, 2.0, bars=9))
    roi = (0, 0, image.shape[1], image.shape[0])
    assert any("impossible" in w for w in bars_ctf(image, 0.1, [roi], plateau=(500, 1000)).warnings)
    assert not any("impossible" in w for w in bars_ctf(image, 0.1, [roi], plateau=(300, 1000)).warnings)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real radiographs are not beside the repository")
def test_real_line_pairs():
    tifffile = pytest.importorskip("tifffile")
    leeds = bars_ctf(tifffile.imread(REAL / "leeds_tor18_kv.tif"), 0.388, (400, 300, 214, 172))
    ctf = [g.ctf for g in leeds.groups]
    assert len(ctf) >= 10
    assert np.all(np.diff(ctf) < 0.02)
    assert all(abs(g.angle_deg + 0.8) < 0.3 for g in leeds.groups)
    rois = [(488, 355, 54, 60), (440, 300, 40, 50), (555, 415, 40, 50)]
    qc3 = bars_ctf(tifffile.imread(REAL / "qc3_mv.tif"), 0.392, rois, plateau=(2100, 3500))
    assert [g.ctf for g in qc3.groups] == sorted((g.ctf for g in qc3.groups), reverse=True)


def test_a_ctf_far_above_one_is_refused_and_not_listed():
    """Coarse bars of a weaker material would make the finer ones swing four times as much as the plateaus."""
    y, x = np.mgrid[:160, :320]
    across = x - np.tan(np.radians(3.0)) * y
    image = 1 + np.where(x < 160, 0.1 * np.sin(2 * np.pi * across / 24), 0.4 * np.sin(2 * np.pi * across / 8))
    rois = [(0, 0, 150, 160), (170, 0, 150, 160)]
    with pytest.raises(MeasurementError, match="plateau"):
        bars_ctf(image, 0.1, rois)
    assert bars_ctf(image, 0.1, rois, plateau=(0.6, 1.4)).groups[-1].ctf < 1.02


@pytest.mark.parametrize("angle", [0.7, 1.0, -1.0])
def test_aliased_bars_are_read_as_what_they_are(angle):
    """Their samples are those of coarser bars of the opposite tilt."""
    m = bars_ctf(target((0.045, 0.2, 0.3, 0.526), 0.5, angle), 0.1)
    finest = m.groups[-1]
    assert finest.frequency_lp_mm == pytest.approx(5.26, rel=1e-3)
    assert finest.angle_deg == pytest.approx(angle, abs=0.1)
    assert finest.mtf == pytest.approx(mtf_px(0.526, 0.5), abs=0.005)
    assert [w for w in m.warnings if "aliased" in w and "5.26" in w]


def test_bars_along_the_pixels_that_may_be_aliased_are_told():
    """0.474 and 0.526 cycles/px have the same samples; a pixel passes too little of 0.8 cycles/px to be taken for 0.2."""
    m = bars_ctf(target((0.045, 0.2, 0.526), 0.5, 0.0), 0.1)
    assert [w[:20] for w in m.warnings if "may be aliased" in w] == ["group at 4.74 lp/mm:"]
    assert any("5.26 lp/mm" in w for w in m.warnings)
    image = 1000 * (1 - 0.7 * group(0.526, 0.5, 0.0, bars=15))
    rows, cols = image.shape
    nominal = bars_ctf(image, 0.1, [(0, 0, cols, rows)], plateau=(300, 1000), frequencies_lp_mm=[5.26])
    assert any("beyond Nyquist: it is aliased to 4.74" in w for w in nominal.warnings)


@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_bars_that_are_not_parallel_are_told_by_what_they_cost(noise):
    """A shear that grows along the bars: the period changes by `taper` of its mean from end to end."""
    f, sigma, rng = 0.2, 0.6, np.random.default_rng(1)
    y, x = np.mgrid[:90, :150]
    middle = (x - 75) * f
    lost = []
    for taper in (0.0, 0.05, 0.12):
        phase = middle * (1 + taper * (y - 45) / 90) + 0.03 * f * (y - 45)
        image = 650 + 350 * 4 / np.pi * mtf_px(f, sigma) * np.cos(2 * np.pi * phase)
        image += noise * rng.standard_normal(image.shape)
        m = bars_ctf(image, 0.1, [(0, 0, 150, 90)], plateau=(300, 1000))
        told = [w for w in m.warnings if "not parallel" in w]
        lost.append(1 - m.groups[0].mtf / mtf_px(f, sigma))
        assert bool(told) == (taper > 0)
        if told:
            assert float(told[0].split("about ")[1].split(" %")[0]) == pytest.approx(100 * lost[-1], rel=0.5, abs=1)
    assert lost[0] < 0.01 < lost[1] < lost[2]


@pytest.mark.parametrize(
    ("noise", "tilt"),
    [
        (0.002, 0.0),
        (0.005, 1.0),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in ((0.002, 1.0), (0.005, 0.0))),
    ],
)
def test_a_single_broad_bar_is_no_group_of_fine_ones(tilt, noise):
    image, truth = phantoms.bars([1.0, 3.0], phantoms.GaussianBlur(0.4), 0.05, tilt_deg=tilt)
    for seed in range(4):
        found = bars_ctf(image + noise * np.random.default_rng(seed).standard_normal(image.shape), 0.05)
        assert [g.frequency_lp_mm for g in found.groups] == pytest.approx([1.0, 3.0], rel=0.01)
        for group, one in zip(found.groups, truth, strict=True):
            assert group.ctf == pytest.approx(one.ctf, abs=0.02)
