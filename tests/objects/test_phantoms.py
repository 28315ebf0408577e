"""Analytic targets: closed forms against brute-force integration, and truths against known identities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.objects import phantoms
from coldray.objects.phantoms import BlurSum, CurveBlur, GaussianBlur, PhosphorBlur, with_glare
from coldray.physics.curves import FrequencyCurve

BLURS = [GaussianBlur(0.5), GaussianBlur(1.2), PhosphorBlur(0.6), with_glare(GaussianBlur(0.5))]


def sampled(profile, d, angle_deg, cells=200):
    """Mean of a point profile over a square pixel, by summing over a fine grid of points in the pixel."""
    a = np.deg2rad(angle_deg)
    s = (np.arange(cells) + 0.5) / cells - 0.5
    shift = (s[:, None] * np.cos(a) - s[None, :] * np.sin(a)).ravel()
    return np.array([profile(x + shift).mean() for x in d])


@pytest.mark.parametrize("angle", [0.0, 3.0, -7.3, 30.0, 45.0])
def test_pixel_value_is_the_mean_over_a_square_pixel(angle):
    d = np.linspace(-3, 3, 13)
    tail = PhosphorBlur(0.6)
    expected = sampled(lambda x: np.where(x < 0, np.exp(x / 0.6) / 2, 1 - np.exp(-x / 0.6) / 2), d, angle)
    np.testing.assert_allclose(tail.edge(d, angle), expected, atol=2e-5)


@pytest.mark.parametrize("blur", BLURS)
@pytest.mark.parametrize("angle", [0.0, 2.0, 45.0])
def test_line_spread_transforms_to_mtf_times_aperture(blur, angle):
    step = 1 / 32
    d = np.arange(-400, 400, step)
    spread = np.diff(blur.edge(d, angle))
    middle = d[:-1] + step / 2
    for f in (0.05, 0.2, 0.5):
        found = spread @ np.cos(2 * np.pi * f * middle) / np.sinc(f * step)
        assert found == pytest.approx(float(blur.mtf(f) * phantoms.aperture(f, angle)), abs=2e-6)


def test_unblurred_edge_covers_the_pixel_in_proportion():
    assert GaussianBlur(0.0).edge(np.array([-0.5, -0.25, 0.0, 0.5]), 0.0) == pytest.approx([0, 0.25, 0.5, 1])


def test_tabulated_mtf_gives_the_closed_form_edge():
    f = np.linspace(0, 8, 4001)
    d = np.linspace(-20, 20, 501)
    for blur in (GaussianBlur(0.5), PhosphorBlur(0.8)):
        table = CurveBlur(FrequencyCurve(f, blur.mtf(f)))
        np.testing.assert_allclose(table.edge(d, 3.0), blur.edge(d, 3.0), atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(-45, 45),
    sigma=st.floats(0.05, 3),
    tail=st.floats(0.1, 5),
    weight=st.floats(0, 1),
)
def test_edges_rise_from_0_to_1_and_are_odd(angle, sigma, tail, weight):
    blur = BlurSum(((weight, GaussianBlur(sigma)), (1 - weight, PhosphorBlur(tail))))
    d = np.linspace(-80, 80, 401)
    edge = blur.edge(d, angle)
    assert np.all(np.diff(edge) > -1e-9)
    np.testing.assert_allclose(edge + edge[::-1], 1, atol=1e-8)
    assert edge[0] == pytest.approx(0, abs=1e-6)


def test_edge_orientation_polarity_and_levels():
    down, mtf = phantoms.slanted_edge((60, 90), GaussianBlur(0.5), 0.1, angle_deg=4, low=0.2, high=0.8)
    assert down.dtype == np.float32 and down.shape == (60, 90)
    assert down[:, 0] == pytest.approx(0.2) and down[:, -1] == pytest.approx(0.8)
    crossing = [np.argmax(row > 0.5) for row in down]
    assert crossing[-1] > crossing[0]  # positive angle: the column grows with the row
    across, _ = phantoms.slanted_edge(
        (90, 60), GaussianBlur(0.5), 0.1, angle_deg=4, low=0.2, high=0.8, orientation="horizontal"
    )
    np.testing.assert_array_equal(across, down.T)
    falling, _ = phantoms.slanted_edge((60, 90), GaussianBlur(0.5), 0.1, angle_deg=4, low=0.2, high=0.8, rising=False)
    np.testing.assert_allclose(falling, 1.0 - down, atol=1e-6)
    assert mtf.last_frequency_lp_mm == pytest.approx(5)
    assert float(mtf(5.0)) == pytest.approx(np.exp(-2 * (np.pi * 0.25) ** 2) * 2 / np.pi, rel=2e-3)


def test_square_wave_series_is_coltman():
    assert phantoms.square_wave_response(lambda f: np.ones_like(f), 1.0)[0] == pytest.approx(1, abs=1e-4)

    def cut(f):
        return np.where(f < 1, 1 - f, 0.0)

    assert phantoms.square_wave_response(cut, 0.5)[0] == pytest.approx(4 / np.pi * 0.5)  # only the fundamental is left


def test_bars_show_the_response_they_promise():
    blur = GaussianBlur(0.5)
    image, groups = phantoms.bars([1.0, 2.5], blur, 0.1, rows=400, count=20, tilt_deg=2, low=0.2, high=1.0)
    for group in groups:
        x, y, width, height = group.box
        box = image[y : y + height, x : x + width].astype(float)
        row = np.arange(height)[:, None] - (height - 1) / 2
        a = np.deg2rad(2)
        d = (np.arange(width) + x - np.tan(a) * row) * np.cos(a)
        period = 10 / group.frequency_lp_mm
        start = np.median(d[box < 0.6])
        inner = np.abs(d - start) < 6 * period
        phase = 2 * np.pi * d[inner] / period
        design = np.stack([np.ones_like(phase), np.cos(phase), np.sin(phase)], axis=1)
        mean, c, s = np.linalg.lstsq(design, box[inner], rcond=None)[0]
        assert mean == pytest.approx(0.6, abs=0.02)
        assert np.pi / 4 * np.hypot(c, s) / 0.4 == pytest.approx(group.mtf, abs=0.005)
        assert np.ptp(box[inner]) / 0.8 == pytest.approx(group.ctf, abs=0.02)


def test_duplex_truth_matches_the_known_resolution():
    # metrology.md 3.3: 53.9 and 87.4 um for 0.7 and 1.2 px of 50 um.
    for sigma, isrb in ((0.7, 0.0539), (1.2, 0.0874)):
        image, truth = phantoms.duplex_wires(GaussianBlur(sigma), 0.05, rows=32)
        assert truth.isrb_mm == pytest.approx(isrb, rel=0.005)
        assert truth.spacing_mm[0] == 0.8 and len(truth.dip_percent) == 13
        assert np.all(np.diff(truth.dip_percent) <= 1e-6)
        assert image.shape[1] == truth.box[2]
        assert image.min() == pytest.approx(0.6, abs=0.01)


def test_flat_field_has_the_spectrum_asked_for():
    curve = FrequencyCurve(np.array([0.0, 2.0, 5.0]), np.array([4e-6, 2e-6, 1e-6]))
    image, _ = phantoms.flat_field((256, 256), 0.1, curve, 5, frames=6)
    power = np.mean(np.abs(np.fft.fft2(image - image.mean(axis=(1, 2), keepdims=True))) ** 2, axis=0) * 0.01 / 256**2
    u = np.abs(np.fft.fftfreq(256, 0.1))
    radial = np.hypot(u[:, None], u[None, :])
    for low, high in ((0.5, 1.5), (2.5, 3.5), (4.0, 5.0)):
        ring = (radial > low) & (radial < high)
        assert power[ring].mean() == pytest.approx(curve(radial[ring]).mean(), rel=0.03)
    white, _ = phantoms.flat_field((256, 256), 0.1, 1e-6, 0)
    assert float(white.var()) == pytest.approx(1e-6 / 0.01, rel=0.03)
    same, _ = phantoms.flat_field((256, 256), 0.1, 1e-6, 0)
    np.testing.assert_array_equal(white, same)
    bowl, _ = phantoms.flat_field((64, 64), 0.1, 0.0, 0, trend=0.02)
    assert bowl.mean() == pytest.approx(1) and np.ptp(bowl) == pytest.approx(0.02, rel=0.01)


def test_wedge_levels():
    image, steps = phantoms.step_wedge([1.0, 0.5, 0.2], GaussianBlur(0.5), orientation="horizontal")
    for level, (x, y, width, height) in steps:
        assert image[y : y + height, x : x + width] == pytest.approx(level, abs=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: GaussianBlur(-1),
        lambda: PhosphorBlur(0),
        lambda: with_glare(GaussianBlur(1), 1.5),
        lambda: BlurSum(((0.5, GaussianBlur(1)),)),
        lambda: phantoms.slanted_edge((9, 9), GaussianBlur(1), 0.1, low=1, high=0),
        lambda: phantoms.slanted_edge((9, 9), GaussianBlur(1), 0.1, orientation="diagonal"),
        lambda: phantoms.slanted_edge((9, 9), GaussianBlur(1), 0.1, angle_deg=80),
        lambda: phantoms.slanted_edge((0, 9), GaussianBlur(1), 0.1),
        lambda: phantoms.bars([], GaussianBlur(1), 0.1),
        lambda: phantoms.bars([-1.0], GaussianBlur(1), 0.1),
        lambda: phantoms.duplex_wires(GaussianBlur(1), 0.1, contrast=0),
        lambda: phantoms.flat_field((8, 8), 0.1, -1.0, 0),
        lambda: phantoms.step_wedge([], GaussianBlur(1)),
    ],
)
def test_impossible_targets_are_refused(call):
    with pytest.raises(PhysicsError):
        call()
