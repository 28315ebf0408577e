"""Dead columns, rows and pixels in images of targets: left out and told; lines of the targets stay."""

import numpy as np
import pytest

from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.contrast import contrast
from coldray.metrology.duplex.isrb import duplex_isrb
from coldray.metrology.panel.thickness import read_wedge
from coldray.metrology.strays import stray_columns, stray_lines, without_strays
from coldray.metrology.wire_iqi import wire_iqi
from coldray.objects.phantoms import GaussianBlur, bars, duplex_wires

PITCH = 0.05


def noisy(shape=(160, 200), sd=1.0, seed=0):
    return 100 + sd * np.random.default_rng(seed).standard_normal(shape)


def told(result, words="whole length"):
    return any(words in one for one in result.warnings)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("value", [0.0, 97.0, 103.0, 500.0])
def test_a_stray_column_is_found_with_its_width_and_turned_a_row(width, value):
    image = noisy()
    image[:, 60 : 60 + width] = value + 0.5 * np.random.default_rng(1).standard_normal((160, width))
    assert stray_columns(image) == [slice(60, 60 + width)]
    assert stray_lines(image.T) == ([], [slice(60, 60 + width)])


@pytest.mark.parametrize("seed", range(20))
def test_noise_has_no_stray_lines(seed):
    columns, rows = stray_lines(noisy(seed=seed))
    assert not columns and not rows


@pytest.mark.parametrize(
    "shape",
    [
        lambda x, y: np.where(x > 90, 200.0, 100.0),  # a step
        lambda x, y: 100 + 0.3 * x + 20 * np.exp(-((x - 80) ** 2) / 800),  # a field
        lambda x, y: np.where((x // 6) % 2 == 0, 100.0, 200.0),  # bars
        lambda x, y: 100 - 50 * (np.abs(x - 70) < 2) * (y < 130),  # a wire that ends
        lambda x, y: 100 + 50 * np.cos(0.4 * np.pi * (x - 90) * (1 + 0.12 * (y - 80) / 160)),  # bars that spread
    ],
)
def test_structure_is_not_stray(shape):
    y, x = np.mgrid[:160, :200].astype(float)
    assert stray_columns(shape(x, y) + noisy() - 100) == []


def line(tilt_deg, width=1.2):
    y, x = np.mgrid[:160, :200].astype(float)
    return noisy() - 60 * np.exp(-((x - 100 - np.tan(np.radians(tilt_deg)) * (y - 80)) ** 2) / (2 * width**2))


def test_a_line_that_moves_sideways_is_the_targets_and_one_that_does_not_is_told_and_kept():
    image = line(2.0)
    assert without_strays(image, None, [], lambda clean: [2.0])[1] is None
    words = []
    upright = line(0.0)
    kept, mask = without_strays(upright, None, words, lambda clean: [0.0])
    assert kept is upright and mask is None and "were kept" in words[0]
    words = []
    left, mask = without_strays(upright, None, words, lambda clean: [30.0])
    assert mask[:, 100].all() and left is not upright and "left out" in words[0]


@pytest.mark.parametrize(
    "kind", ["dead", "row", *(pytest.param(k, marks=pytest.mark.slow) for k in ("hot", "two wide"))]
)
def test_the_duplex_gauge_is_read_past_a_stray_line(drawn_wires, kind):
    image, _ = drawn_wires(GaussianBlur(2.0), PITCH, rows=128, tilt_deg=3.0)
    clean = np.asarray(image, dtype=np.float64) + np.random.default_rng(0).standard_normal(image.shape) / 300
    spoilt, middle = clean.copy(), image.shape[1] // 2
    if kind == "row":
        spoilt[60] = 0.0
    else:
        spoilt[:, middle : middle + (2 if kind == "two wide" else 1)] = 3.0 if kind == "hot" else 0.0
    expected, found = duplex_isrb(clean, PITCH), duplex_isrb(spoilt, PITCH)
    assert found.isrb_mm == pytest.approx(expected.isrb_mm, rel=0.01)
    assert told(found) and not told(expected)


def test_the_duplex_gauge_is_read_past_stray_pixels():
    image, _ = duplex_wires(GaussianBlur(1.5), PITCH, rows=128, tilt_deg=3.0)
    rng = np.random.default_rng(0)
    clean = np.asarray(image, dtype=np.float64) + rng.standard_normal(image.shape) / 200
    spoilt = clean.copy()
    for row, col in zip(rng.integers(0, 125, 12), rng.integers(0, image.shape[1] - 3, 12), strict=True):
        spoilt[row : row + 3, col : col + 3] = 0.0
    found = duplex_isrb(spoilt, PITCH)
    assert found.isrb_mm == pytest.approx(duplex_isrb(clean, PITCH).isrb_mm, rel=0.01)
    assert told(found, "along the same line")


def test_bars_are_read_past_a_stray_column():
    image, truth = bars([1.6, 2.5, 4.0], GaussianBlur(0.8), PITCH, tilt_deg=2.0)
    spoilt = np.asarray(image, dtype=np.float64).copy()
    x, _, width, _ = truth[0].box
    spoilt[:, x + width // 3] = 0.0
    found = bars_ctf(spoilt, PITCH)
    assert told(found)
    for true, group in zip(truth, found.groups, strict=True):
        assert group.ctf == pytest.approx(true.ctf, abs=0.006)


def test_wires_are_read_past_a_stray_column():
    y, x = np.mgrid[:160, :500].astype(float)
    place = x - np.tan(np.radians(3)) * (y - 80)
    image = 1000 + 2 * np.random.default_rng(0).standard_normal(x.shape)
    for k, d in enumerate((1.0, 0.8, 0.63, 0.5, 0.4, 0.32, 0.25)):
        image -= 100 * d * np.exp(-((place - 60 - 62.5 * k) ** 2) / (2 * (d / 0.08 / 3) ** 2))
    spoilt = image.copy()
    spoilt[:, 280] = 0.0
    expected, found = (wire_iqi(one, 0.08, first_wire=6) for one in (image, spoilt))
    assert told(found) and not told(expected)
    for a, b in zip(expected.wires, found.wires, strict=True):
        assert b.contrast == pytest.approx(a.contrast, rel=0.03)


def test_regions_are_measured_past_a_stray_column():
    image = noisy((200, 400))
    image[:, :200] -= 5
    spoilt = image.copy()
    spoilt[:, 300] = 0.0
    rois = (200, 0, 200, 200), (0, 0, 200, 200)
    expected, found = contrast(image, *rois, srb_um=88.6), contrast(spoilt, *rois, srb_um=88.6)
    assert found.cnr == pytest.approx(expected.cnr, rel=0.01)
    assert found.snr_n == pytest.approx(expected.snr_n, rel=0.01)
    assert told(found) and not told(expected)


def test_a_step_wedge_is_read_past_stray_lines():
    thickness = (2.0, 4.0, 6.0, 8.0)
    image = np.repeat(5e4 * np.exp(-0.1 * np.array(thickness)), 100)[None, :] * np.ones((300, 1))
    image[120:180] *= np.exp(0.1 * np.repeat(thickness, 100) * 0.05)
    image += 0.004 * image * np.random.default_rng(0).standard_normal(image.shape)
    spoilt = image.copy()
    spoilt[:, 150] = 0.0
    spoilt[150] = 7e4
    known = {"groove_percent": 5.0, "isrb_mm": 0.1, "isrb_sd_mm": 0.001, "saturation": 6e4}
    expected, found = (read_wedge(one, "Fe", 1.0, thickness, **known) for one in (image, spoilt))
    assert told(found) and not told(expected)
    for a, b in zip(expected.steps, found.steps, strict=True):
        assert b.cnr == pytest.approx(a.cnr, rel=0.02)
        assert b.snr == pytest.approx(a.snr, rel=0.02)
