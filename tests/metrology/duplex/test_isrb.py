"""Duplex wires of known blur: dips, SRb and iSRb."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import erf

from coldray.errors import ImageError, MeasurementError
from coldray.metrology.duplex.halo import halo
from coldray.metrology.duplex.isrb import SPACINGS_MM, duplex_isrb, interpolated_srb
from coldray.objects.ideal import ideal_blur
from coldray.objects.phantoms import GaussianBlur, PhosphorBlur, duplex_wires, with_glare

PITCH = 0.05


def integral(x, sigma):
    """Antiderivative of erf(x / (sqrt(2) sigma)) / 2."""
    return sigma / np.sqrt(2 * np.pi) * np.exp(-(x**2) / (2 * sigma**2)) + x / 2 * erf(x / (np.sqrt(2) * sigma))


def strip(x, left, right, sigma, pixel=1.0):
    """Strip blurred by a Gaussian and averaged over a pixel, exactly."""
    return (
        integral(x - left + pixel / 2, sigma)
        - integral(x - left - pixel / 2, sigma)
        - integral(x - right + pixel / 2, sigma)
        + integral(x - right - pixel / 2, sigma)
    ) / pixel


def exact_dip(width_px, sigma):
    x = np.linspace(0, 2.5 * width_px + 3, 8001)
    profile = strip(x, -1.5 * width_px, -0.5 * width_px, sigma) + strip(x, 0.5 * width_px, 1.5 * width_px, sigma)
    return 100 * (profile.max() - profile[0]) / profile.max()


def exact_isrb(sigma):
    return brentq(lambda w: exact_dip(w, sigma) - 20, 0.5, 16) * PITCH


def wires(sigma, angle_deg, rows=240, cols=660, contrast=0.6):
    """All thirteen pairs; the pixel is taken upright on the wires, which is exact to second order of the tilt."""
    a = np.radians(angle_deg)
    y, x = np.arange(rows)[:, None] - (rows - 1) / 2, np.arange(cols)[None, :]
    across = x * np.cos(a) - y * np.sin(a)
    image, place = np.zeros((rows, cols)), 26.0
    for spacing in SPACINGS_MM:
        w = spacing / PITCH
        for k in (0, 2):
            image += strip(across, place + k * w, place + (k + 1) * w, sigma)
        place += 3 * w + 30
    image *= np.abs(y) < 0.42 * rows
    return 4000 * (1 - contrast * image) * (1 + 0.02 * y / rows + 0.03 * x / cols)


@pytest.mark.parametrize(
    ("sigma", "angle"),
    [
        (0.7, 2.5),
        (1.2, -4.0),
        (2.4, 2.5),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in ((0.7, -4.0), (1.2, 2.5), (2.4, -4.0))),
    ],
)
def test_isrb_is_within_three_percent(sigma, angle):
    m = duplex_isrb(wires(sigma, angle), PITCH)
    assert m.isrb_mm == pytest.approx(exact_isrb(sigma), rel=0.015)
    assert m.angle_deg == pytest.approx(angle, abs=0.05)
    assert [p.element for p in m.pairs][:10] == list(range(1, 11))
    resolved = [p for p in m.pairs if p.spacing_mm > 1.2 * m.isrb_mm]
    for pair in resolved:
        assert pair.dip_percent == pytest.approx(exact_dip(pair.spacing_mm / PITCH, sigma), abs=1.5)
    assert m.srb_mm == next(d for d in SPACINGS_MM if exact_dip(d / PITCH, sigma) < 20)


def test_wires_along_rows_bright_wires_and_reversed_order():
    image = wires(1.2, 3.0)
    truth = exact_isrb(1.2)
    for variant in (image.T, 8000 - image, image[:, ::-1]):
        assert duplex_isrb(variant, PITCH).isrb_mm == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("sigma", [1.2, *(pytest.param(sigma, marks=pytest.mark.slow) for sigma in (0.7, 2.4))])
def test_no_crash_and_little_scatter_at_snr_50(sigma):
    rng, clean = np.random.default_rng(0), wires(sigma, 3.3)
    found = [duplex_isrb(clean + clean / 50 * rng.standard_normal(clean.shape), PITCH).isrb_mm for _ in range(4)]
    assert all(f is not None for f in found)
    assert np.allclose(found, exact_isrb(sigma), rtol=0.04)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_speck_beside_the_coarse_end_does_not_turn_the_order(drawn_wires, mirrored):
    """Noise once made a stretch of 0.2 % of the first wire's area before it: the indicator was read from the fine end."""
    image, truth = drawn_wires(GaussianBlur(2.4), PITCH, rows=120, tilt_deg=3.0)
    y, x = np.indices(image.shape)
    across = x - np.tan(np.radians(3.0)) * (y - (image.shape[0] - 1) / 2)
    image = image - 0.06 * np.ptp(image) * np.exp(-(((across - 12) / 1.5) ** 2))
    found = duplex_isrb(image[:, ::-1] if mirrored else image, PITCH)
    assert found.isrb_mm == pytest.approx(truth.isrb_mm, rel=0.03)
    assert found.pairs[0].element == 1


BLURS = {
    "gos135": ideal_blur("gos135", 0.0, 0.048)[0],
    "gos34": ideal_blur("gos34", 0.0, 0.048)[0],
    "phosphor": PhosphorBlur(2.0),
    "glare": with_glare(GaussianBlur(1.2), 0.04, 20.0),
    "gauss": GaussianBlur(1.2),
}


FAR = (128, 64.0)
"""Rows and distance of the pairs of a large image, where tails of one pair hardly reach the next."""


@pytest.mark.parametrize(
    ("blur", "round_wires", "rows", "margin_px"),
    [
        *((blur, True, 96, 16.0) for blur in BLURS if blur != "gos34"),
        ("gos135", False, 96, 16.0),
        *(pytest.param(blur, False, 96, 16.0, marks=pytest.mark.slow) for blur in BLURS if blur != "gos135"),
        pytest.param("gos34", True, 96, 16.0, marks=pytest.mark.slow),
        *(pytest.param(blur, is_round, *FAR, marks=pytest.mark.slow) for blur in BLURS for is_round in (True, False)),
    ],
)
def test_tails_of_the_line_spread_do_not_move_the_isrb(blur, round_wires, rows, margin_px):
    """The truth is of one pair alone on the open field; pairs 16 px apart read gos135 11 % low (14 % with strips)."""
    image, truth = duplex_wires(BLURS[blur], 0.048, rows=rows, round_wires=round_wires, margin_px=margin_px)
    found = duplex_isrb(image, 0.048)
    assert found.isrb_mm == pytest.approx(truth.isrb_mm, rel=0.02)
    assert [p.element for p in found.pairs] == list(range(1, 14))
    assert [p.dip_percent for p in found.pairs] == pytest.approx(truth.dip_percent, abs=1.5)
    low = [(p.dip_percent, dip) for p, dip in zip(found.pairs, truth.dip_percent, strict=True) if 2 < dip < 60]
    assert [a for a, _ in low] == pytest.approx([b for _, b in low], abs=0.8)


def test_the_halo_is_taken_apart_into_field_and_pairs():
    position, middle, spacing = np.arange(0, 400, 0.25), np.array([70.0, 130.0, 180.0]), np.array([12.0, 8.0, 5.0])
    blur = PhosphorBlur(4.0)

    def pair(k: int):
        edges = [middle[k] + s * spacing[k] for s in (-1.5, -0.5, 0.5, 1.5)]
        a, b, c, d = (blur.edge(position - e, 3.0) for e in edges)
        return 0.3 * (a - b + c - d)

    pairs, field = [pair(k) for k in range(3)], -0.02 + 1e-4 * position
    fit = halo(position, sum(pairs) + field, middle, spacing)
    assert fit.background == pytest.approx(field, abs=3e-4)
    for k in range(3):
        near = np.abs(position - middle[k]) < 1.5 * spacing[k] + 3
        assert fit.alone(sum(pairs) + field, k)[near] == pytest.approx(pairs[k][near], abs=5e-4)
    noise = 0.01 * np.random.default_rng(0).standard_normal(position.size)
    assert not np.any(halo(position, noise, middle, spacing).tails), "noise has no tails"
    assert halo(position[:10], noise[:10], middle, spacing) is None


@pytest.mark.parametrize(("blur", "rows", "seed"), [("gos135", 128, 1), (GaussianBlur(2.4), 100, 3)])
def test_two_specks_at_the_end_are_not_the_first_pair(blur, rows, seed):
    """Two specks of noise once vouched for each other: 0.25 mm apart, they were read as pair 9D and 1D as 10D."""
    image, truth = duplex_wires(BLURS[blur] if isinstance(blur, str) else blur, 0.048, rows=rows)
    noisy = image * (1 + np.random.default_rng(seed).standard_normal(image.shape) / 50)
    found = duplex_isrb(noisy, 0.048)
    assert found.pairs[0].element == 1
    for p in found.pairs[:8]:
        assert p.position_mm / 0.048 == pytest.approx(truth.centre_px[p.element - 1], abs=2)


def test_lines_that_are_no_indicator_are_refused_in_one_line():
    """Twenty equal lines 0.25 mm apart: pairs of a spacing that never falls."""
    image = np.ones((120, 400))
    y, x = np.indices(image.shape)
    across = x - np.tan(np.radians(3.0)) * (y - 60)
    for k in range(20):
        image -= 0.3 * np.exp(-(((across - 60 - 14 * k) / 4.0) ** 2))
    with pytest.raises(MeasurementError, match="`first_element`") as caught:
        duplex_isrb(image, PITCH)
    assert "\n" not in str(caught.value)


def test_heavy_noise_gives_a_result_or_a_measurement_error():
    clean = wires(1.0, 3.0)
    for snr in (20, 5, 1):
        noisy = clean * (1 + np.random.default_rng(snr).standard_normal(clean.shape) / snr)
        try:
            duplex_isrb(noisy, PITCH)
        except MeasurementError:
            assert snr < 20


def test_a_region_with_part_of_the_pairs():
    image = wires(1.2, 3.0)
    m = duplex_isrb(image, PITCH, (250, 30, 410, 180))
    assert m.isrb_mm == pytest.approx(exact_isrb(1.2), rel=0.02)
    assert m.pairs[0].element > 3
    assert duplex_isrb(image, PITCH, (250, 30, 410, 180), first_element=m.pairs[0].element).pairs == m.pairs


def test_everything_resolved_has_no_srb():
    m = duplex_isrb(wires(1.2, 3.0)[:, :330], PITCH)
    assert m.srb_mm is None and m.isrb_mm is None and m.warnings
    assert {"pairs", "isrb_mm", "warnings"} <= set(m.to_json())


def test_interpolation_follows_a_parabola():
    spacing = np.array(SPACINGS_MM[:8])
    dip = np.clip(200 * (spacing - 0.25) - 60 * (spacing - 0.25) ** 2, 0, None)
    truth = brentq(lambda d: 200 * (d - 0.25) - 60 * (d - 0.25) ** 2 - 20, 0.25, 1)
    notes: list[str] = []
    assert interpolated_srb(spacing, dip, notes) == pytest.approx(truth, abs=1e-3)
    assert interpolated_srb(spacing, np.full(8, 90.0)) is None


@pytest.mark.parametrize(
    "image", [np.full((100, 100), 5.0), 1000 + np.random.default_rng(0).standard_normal((150, 200))]
)
def test_images_without_wires_are_refused(image):
    with pytest.raises(MeasurementError, match="wire"):
        duplex_isrb(image, PITCH)


def test_wrong_input_is_refused():
    with pytest.raises(MeasurementError, match="16 x 16"):
        duplex_isrb(np.ones((8, 100)), PITCH)
    with pytest.raises(MeasurementError, match="pitch"):
        duplex_isrb(np.ones((80, 100)), -1)
    with pytest.raises(ImageError):
        duplex_isrb(np.full((80, 100), np.nan), PITCH)
