"""Edges that are not as they should be: each kind is told, left out, or held by the band."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter, median_filter

from coldray.errors import ImageError, MeasurementError
from coldray.metrology.edge.ends import read_ends
from coldray.metrology.edge.mtf import edge_mtf
from coldray.metrology.edge.projection import Projection
from coldray.objects.phantoms import GaussianBlur, slanted_edge, with_glare
from coldray.radiograph import Acquisition, Radiograph

PITCH = 0.1
GRID = np.arange(0.02, 0.501, 0.005) / PITCH
BLUR = GaussianBlur(0.5)
ROUGH, ASYMMETRIC, FILTERED = "lie off a straight edge", "asymmetric", "noise at the edge"


def clean(angle=2.5, shape=(256, 256), blur=BLUR, low=0.1):
    return slanted_edge(shape, blur, PITCH, angle_deg=angle, low=low)


def noise(shape, seed=0, relative=0.01):
    return relative * np.random.default_rng(seed).standard_normal(shape)


def covered(result, truth):
    low, high = (np.interp(GRID, result.mtf.frequency_lp_mm, side) for side in (result.mtf.low, result.mtf.high))
    return np.mean((low <= truth(GRID)) & (truth(GRID) <= high))


def error(result, truth):
    return np.abs(result.mtf(GRID) - truth(GRID)).max()


def told(result, word):
    return any(word in w for w in result.warnings)


def displaced(offsets, angle=2.5):
    """A slanted edge whose rows are moved by whole multiples of 1/8 px: rows of edges with another centre."""
    image, truth = clean(angle, (offsets.size, 256))
    for step in np.unique(offsets):
        rows = offsets == step
        moved = slanted_edge(image.shape, BLUR, PITCH, angle_deg=angle, low=0.1, centre_px=127.5 + step / 8)[0]
        image[rows] = moved[rows]
    return image, truth


OFFSETS = {
    "rough": lambda row: np.rint(8 * 0.4 * np.random.default_rng(1).standard_normal(row.size)),
    "wavy": lambda row: np.rint(8 * 0.4 * np.sin(2 * np.pi * row / 64)),
    "stepped": lambda row: 8.0 * (row > row.size / 2),
    "nicked": lambda row: 16.0 * (np.abs(row - 100) < 8),
}


@pytest.mark.parametrize("kind", OFFSETS)
@pytest.mark.parametrize("rows", [256, 1024])
def test_rows_off_the_line_are_told_and_the_band_reaches_the_truth(kind, rows):
    image, truth = displaced(OFFSETS[kind](np.arange(rows)))
    result = edge_mtf(image + noise(image.shape), PITCH)
    assert told(result, ROUGH)
    assert covered(result, truth) > 0.95


def test_noise_alone_moves_no_rows():
    image, _ = clean()
    for seed, correlation in ((1, 0), (2, 0.8), (3, 1.2)):
        grain = np.random.default_rng(seed).standard_normal(image.shape)
        grain = gaussian_filter(grain, correlation, mode="wrap") if correlation else grain
        assert edge_mtf(image + 0.01 * grain / grain.std(), PITCH).warnings == ()


def ghost(image, share=0.03, shift=25):
    moved = np.concatenate([np.repeat(image[:, :1], shift, axis=1), image[:, :-shift]], axis=1)
    return (1 - share) * image + share * moved


def knee(image, part=0.1):
    over = np.maximum(image - (1 - part), 0)
    return np.where(over > 0, 1 - part + part * np.tanh(over / part), image)


@pytest.mark.parametrize(
    "spoil",
    [ghost, lambda x: ghost(x, 0.02, 60), knee, lambda x: knee(x, 0.2), lambda x: np.maximum(x, 0.12)],
    ids=["ghost", "far ghost", "knee", "wide knee", "clipped dark"],
)
def test_what_lies_on_one_side_is_told_as_asymmetry(spoil):
    image, _ = clean()
    assert told(edge_mtf(spoil(image) + noise(image.shape), PITCH), ASYMMETRIC)


@pytest.mark.parametrize("lag_px", [0.6, 1.0])
def test_an_asymmetric_line_spread_is_read_by_its_modulus(lag_px):
    """Twelve edges, moved and weighted by Gauss and Laguerre, stand for a read-out that lags exponentially."""
    node, weight = np.polynomial.laguerre.laggauss(12)
    image = 0.0
    for x, w in zip(lag_px * node, weight, strict=True):
        part, truth = slanted_edge((256, 384), BLUR, PITCH, angle_deg=2.5, low=0.1, centre_px=180 + x)
        image = image + w * part

    def lagging(frequency):
        along = frequency[:, None] * PITCH * np.cos(np.deg2rad(2.5))
        return truth(frequency) * np.abs(np.exp(-2j * np.pi * along * lag_px * node) @ weight)

    result = edge_mtf(image + noise(image.shape), PITCH)
    assert told(result, ASYMMETRIC)
    assert error(result, lagging) < 0.01
    assert covered(result, lagging) > 0.9


def jpeg(image):
    import io

    stream = io.BytesIO()
    Image.fromarray(np.clip(np.rint(220 * image), 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=50)
    return np.asarray(Image.open(stream)) / 220


@pytest.mark.parametrize(
    "spoil", [lambda x: median_filter(x, 3), lambda x: median_filter(x, 5), jpeg], ids=["3x3", "5x5", "jpeg"]
)
def test_non_linear_filters_show_by_the_noise_at_the_edge(spoil):
    image, _ = clean()
    assert told(edge_mtf(spoil(image + noise(image.shape)), PITCH), FILTERED)


def test_a_linear_filter_is_no_non_linear_one():
    image, _ = clean()
    assert edge_mtf(gaussian_filter(image + noise(image.shape), 0.8), PITCH).warnings == ()


@pytest.mark.parametrize(("share", "decay"), [(0.1, 120.0), (0.05, 120.0), (0.2, 200.0), (0.1, 60.0)])
def test_the_band_holds_glare_longer_than_the_half_length(share, decay):
    image, truth = clean(blur=with_glare(BLUR, share, decay))
    result = edge_mtf(image + noise(image.shape), PITCH)
    assert told(result, "glare") or told(result, "extrapolated")
    assert covered(result, truth) > 0.95


@pytest.mark.parametrize("field", [(0.02, 0), (-0.05, 0), (0.1, 0), (0, 0.05), (0, -0.05), (0.03, 0.1)])
def test_the_band_holds_a_field_that_is_not_even(field):
    image, truth = clean()
    u = np.linspace(-1, 1, 256)
    result = edge_mtf(image * (1 + field[0] * u / 2 + field[1] * u * u) + noise(image.shape), PITCH)
    assert told(result, "uneven field")
    assert covered(result, truth) > 0.9
    assert error(result, truth) < 0.01


def with_column(image, how, at=128):
    out = image.copy()
    out[:, at] = {"dead": 0.0, "copied": image[:, at - 1], "interpolated": (image[:, at - 1] + image[:, at + 1]) / 2}[
        how
    ]
    return out


@pytest.mark.parametrize("how", ["dead", "copied", "interpolated"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_bad_column_on_the_edge_is_found_and_left_out(how, turned):
    image, truth = clean()
    spoilt = with_column(image + noise(image.shape), how)
    result = edge_mtf(spoilt.T if turned else spoilt, PITCH)
    assert told(result, "1 rows or columns")
    assert error(result, truth) < 0.01
    assert covered(result, truth) > 0.9


def test_a_mask_is_honoured_and_costs_no_warning():
    image, truth = clean()
    rng = np.random.default_rng(5)
    mask = rng.random(image.shape) < 0.02
    mask[:, 128] = True
    spoilt = np.where(mask, rng.uniform(0, 2, image.shape), image + noise(image.shape))
    spoilt[3, 3], mask[3, 3] = np.nan, True
    result = edge_mtf(spoilt, PITCH, mask=mask)
    assert result.warnings == ()
    assert error(result, truth) < 0.01
    own = edge_mtf(Radiograph(spoilt, Acquisition(pixel_pitch_mm=PITCH), mask=mask))
    assert np.array_equal(own.mtf.value, result.mtf.value)
    with pytest.raises(ImageError, match="mask has shape"):
        edge_mtf(image, PITCH, mask=mask[1:])
    with pytest.raises(MeasurementError, match="masked"):
        edge_mtf(image, PITCH, mask=rng.random(image.shape) < 0.5)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_masked_values_do_not_count(seed):
    image, _ = clean(shape=(128, 128))
    rng = np.random.default_rng(seed)
    image, mask = image + noise(image.shape), rng.random(image.shape) < 0.01
    first, second = (edge_mtf(np.where(mask, rng.uniform(-5, 5), image), PITCH, mask=mask) for _ in range(2))
    assert np.array_equal(first.mtf.value, second.mtf.value)
    assert first.warnings == second.warnings


def test_single_outliers_are_left_out():
    image, truth = clean()
    rng = np.random.default_rng(2)
    spoilt = np.where(rng.random(image.shape) < 1e-3, 1.7, image + noise(image.shape))
    result = edge_mtf(spoilt, PITCH)
    assert told(result, "bad pixels")
    assert error(result, truth) < 0.01


@pytest.mark.parametrize("levels", [255, 60, 20, 6])
def test_the_band_holds_grey_levels_that_no_noise_smooths(levels):
    image, truth = clean()
    result = edge_mtf(np.rint(levels * image).astype(np.uint8), PITCH)
    assert covered(result, truth) == 1
    assert told(result, "grey levels") == (levels < 200)


def test_an_opaque_edge_stored_without_negative_values_is_good():
    image, truth = clean(low=0.0)
    stored = np.clip(np.rint(10_000 * (image + noise(image.shape, relative=0.003))), 0, 65535).astype(np.uint16)
    result = edge_mtf(stored, PITCH)
    assert result.warnings == ()
    assert covered(result, truth) > 0.9


def test_half_floats_are_measured():
    image, truth = clean()
    assert error(edge_mtf((image + noise(image.shape)).astype(np.float16), PITCH), truth) < 0.01


@pytest.mark.parametrize("gamma", [0.45, 0.7, 1.0, 1.3, 2.2])
def test_two_contrasts_tell_whether_values_are_linear(gamma):
    strong, _ = clean(low=0.1)
    weak, _ = clean(low=0.7)
    images = [image**gamma + noise(image.shape, seed, 0.002) for seed, image in enumerate((strong, weak))]
    assert told(edge_mtf(images, PITCH), "not linear, or a") == (gamma != 1)


def test_a_tail_knows_its_noise_and_noise_alone_is_no_tail():
    """The standard error of what is extrapolated is its scatter over repeats; a tail within it is not told."""
    step, half, bins = 0.5, 60.0, 240
    distance = (np.arange(bins) - (bins - 1) / 2) * step
    response = np.where(distance < 0, 0.05, 1 - 0.05) + 0.05 * np.sign(distance) * (1 - np.exp(-np.abs(distance) / 25))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        deviation = 1e-4 * rng.standard_normal((20, bins))
        esf = response + deviation.sum(axis=0)
        found.append(
            read_ends(Projection(distance, step, esf, *np.ones((2, bins)), deviation, step**2 / 12, 0.0), half)
        )
    tail, noise_of_it = (np.array([getattr(one, name) for one in found]) for name in ("tail", "tail_noise"))
    beyond = 2 * 0.05 * 25 / 12 * (np.exp(-48 / 25) - np.exp(-60 / 25))  # what lies beyond the mean of the outer fifth
    assert np.median(tail) == pytest.approx(beyond, rel=0.02)
    assert np.median(noise_of_it) == pytest.approx(tail.std(), rel=0.15)


def test_noise_beyond_short_glare_is_not_told_as_a_tail():
    image, _ = slanted_edge((256, 256), with_glare(BLUR), PITCH, angle_deg=2.2, low=0.0)
    results = [edge_mtf(image + noise(image.shape, seed), PITCH) for seed in range(40)]
    assert not any(told(one, "extrapolated") for one in results)
    long, _ = slanted_edge((256, 256), with_glare(BLUR, 0.1, 50.0), PITCH, angle_deg=2.2, low=0.0)
    assert told(edge_mtf(long + noise(long.shape), PITCH), "extrapolated")


@pytest.mark.parametrize("amount", [0.2, 0.4])
def test_weak_sharpening_is_told_by_the_noise_it_leaves(amount):
    """Below the overshoot that shows in the response; the noise of sharpened neighbours is opposed."""
    image, _ = clean()
    image = image + noise(image.shape)
    result = edge_mtf(image + amount * (image - gaussian_filter(image, 1.5)), PITCH)
    assert told(result, "was sharpened")
    assert not told(edge_mtf(gaussian_filter(image, 0.5), PITCH), "was sharpened")


def test_columns_of_unlike_gain_are_told_and_correlated_noise_is_not():
    image, _ = clean()
    gain = 1 + 0.015 * np.random.default_rng(1).standard_normal(image.shape[1])
    assert told(edge_mtf(image * gain + noise(image.shape), PITCH), "columns differ")
    smooth = gaussian_filter(np.random.default_rng(2).standard_normal(image.shape), 4.0, mode="wrap")
    assert not told(edge_mtf(image + 0.01 * smooth / smooth.std(), PITCH), "columns differ")


@pytest.mark.parametrize("left", [0.3, 0.0, -0.3])
def test_rows_in_which_the_step_vanishes_are_not_raised_to_the_mean_step(left):
    """Share of the mean step that is left in the last row: such rows are no part of the edge that is measured."""
    image, truth = slanted_edge((256, 256), GaussianBlur(0.6), 1.0, angle_deg=2.5, low=0.2, high=0.8)
    fading = 0.2 + (image - 0.2) * (1 - (1 - left) * np.linspace(-1, 1, 256)[:, None])
    found = edge_mtf(fading, 1.0)
    assert np.abs(found.mtf.value - truth(found.mtf.frequency_lp_mm)).max() < 1e-3
    assert told(found, "vary along the edge")


@settings(max_examples=8, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.1, 0.1), st.floats(-0.2, 0.2), st.sampled_from([1.7, -3.0, 5.2]))
def test_what_changes_along_the_edge_changes_no_mtf(fall, bend, offset, angle):
    image, truth = slanted_edge((256, 256), GaussianBlur(0.6), 1.0, angle_deg=angle)
    row = np.linspace(-1, 1, 256)[:, None]
    found = edge_mtf(image * (1 + fall / 2 * row + bend * row**2) + offset * row, 1.0)
    f = found.mtf.frequency_lp_mm
    assert np.abs(found.mtf.value - truth(f)).max() < 2e-3
    assert np.all((found.mtf.low <= truth(f))[4:] & (truth(f) <= found.mtf.high)[4:])
