"""The figures of a panel's sheet against closed forms, and what the reader and the simulator must not share."""

import ast
from pathlib import Path

import numpy as np
import pytest

import coldray
from coldray.errors import MeasurementError
from coldray.metrology.panel.efficiency import Exposure, efficiency
from coldray.metrology.panel.figure import over_panels, with_sd
from coldray.metrology.panel.lag import burn_in, image_lag
from coldray.metrology.panel.scatter import internal_scatter
from coldray.metrology.panel.sheet import Acquisitions, BurnInImages, measure_panel
from coldray.metrology.panel.thickness import crossing, read_wedge, where_snr_falls
from coldray.metrology.panel.wedge import find_steps
from coldray.objects.panel.model import through_dips
from coldray.objects.phantoms import GaussianBlur, slanted_edge, with_glare

ROOT = Path(coldray.__file__).parent


def imports_of(folder):
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
            elif isinstance(node, ast.Import):
                found |= {a.name for a in node.names}
    return {name for name in found if name.startswith("coldray")}


def test_reader_and_simulator_share_no_formula():
    """The truth of a simulated panel must not come from the code that reads it, nor the reverse."""
    reader, simulator = imports_of(ROOT / "metrology" / "panel"), imports_of(ROOT / "objects" / "panel")
    assert reader and simulator
    assert not [name for name in reader if name.startswith(("coldray.objects", "coldray.simulation"))]
    assert not [name for name in simulator if name.startswith(("coldray.metrology", "coldray.images", "coldray.app"))]


def test_the_truth_of_the_isrb_is_the_crossing_of_a_parabola_or_a_line():
    spacing = (0.5, 0.4, 0.32, 0.25, 0.2)
    line = tuple(100 * d - 8 for d in spacing)
    assert through_dips(spacing, line) == pytest.approx(0.28, abs=1e-9)
    parabola = tuple(100 * (1.7 * d) ** 2 for d in spacing)
    assert through_dips(spacing, parabola) == pytest.approx(np.sqrt(0.2) / 1.7, rel=1e-9)
    # the parabola through these four does not come down to 20 % between the two pairs that do
    assert 0.25 <= through_dips(spacing, (90.0, 80.0, 20.5, 19.0, 18.9)) <= 0.32


def exposures(rng, kerma, snr_1, electronic=0.0, fixed=0.03, shape=(160, 160)):
    """Pairs whose SNR^2 is snr_1^2 K / (1 + electronic / K), with a fixed pattern that both images of a pair share."""
    pattern = 1 + fixed * rng.standard_normal(shape)
    for k in kerma:
        level = 1000.0 * k
        sd = level / snr_1 * np.sqrt(1 / k + electronic / k**2)
        yield Exposure(k, *(level * pattern + sd * rng.standard_normal(shape) for _ in range(2)))


@pytest.mark.parametrize("electronic", [0.0, 0.2])
def test_efficiency_is_free_of_fixed_patterns_and_covers_the_truth(electronic):
    found = [
        efficiency("b", list(exposures(np.random.default_rng(k), (0.1, 0.5, 2.0), 400.0, electronic)), 0.0886, 0.0)
        for k in range(8)
    ]
    truth = 400.0 / np.sqrt(1 + electronic)
    assert np.mean([one.at_1_mgy.value for one in found]) == pytest.approx(truth, rel=0.01)
    pulls = [4 * (one.at_1_mgy.value - truth) / (one.at_1_mgy.high - one.at_1_mgy.low) for one in found]
    assert np.sqrt(np.mean(np.square(pulls))) < 1.7
    assert all((one.r_squared > 0.999) == (electronic == 0) for one in found)


def test_the_resolution_and_its_uncertainty_scale_the_efficiency():
    given = list(exposures(np.random.default_rng(0), (0.5, 2.0), 300.0))
    sharp, wide = (efficiency("b", given, isrb, 0.1 * isrb) for isrb in (0.0886, 0.1772))
    assert sharp.at_1_mgy.value == pytest.approx(2 * wide.at_1_mgy.value, rel=1e-12)
    assert (wide.at_1_mgy.high - wide.at_1_mgy.low) / wide.at_1_mgy.value > 0.39
    far = efficiency("b", list(exposures(np.random.default_rng(0), (0.05, 0.2), 300.0)), 0.0886, 0.0)
    assert "extrapolated" in far.warnings[0]
    with pytest.raises(MeasurementError, match="two or more"):
        efficiency("b", given[:1], 0.1, 0.0)


def wedge(thickness, mu, shape=(400, 500), groove=5.0, open_level=5e4):
    """A wedge without blur or noise, its steps along the columns and a groove in the middle fifth of the rows."""
    t = np.repeat(np.asarray(thickness, dtype=float), shape[1] // len(thickness))[None, :] * np.ones((shape[0], 1))
    t[shape[0] * 2 // 5 : shape[0] * 3 // 5] *= 1 - groove / 100
    return open_level * np.exp(-mu * t)


@pytest.mark.parametrize("turn", [lambda i: i, np.fliplr, np.transpose])
def test_steps_and_groove_are_found_whichever_way_the_wedge_lies(turn):
    image = turn(wedge((2, 6, 10, 14, 18), 0.1))
    steps = find_steps(image + np.random.default_rng(0).standard_normal(image.shape), 5)
    for t, step in zip((2, 6, 10, 14, 18), steps, strict=True):
        for (x, y, w, h), depth in ((step.beside, t), (step.groove, 0.95 * t)):
            part = image[y : y + h, x : x + w]
            assert part.min() == part.max() == pytest.approx(5e4 * np.exp(-0.1 * depth))


def test_a_wedge_that_is_not_as_told_is_refused():
    image = wedge((2, 6, 10, 14, 18), 0.1)
    noisy = image + np.random.default_rng(0).standard_normal(image.shape)
    with pytest.raises(MeasurementError, match="borders stand out"):
        find_steps(noisy, 7)
    flat = wedge((2, 6, 10, 14, 18), 0.1, groove=0.0) + np.random.default_rng(0).standard_normal(image.shape)
    with pytest.raises(MeasurementError, match="no groove"):
        find_steps(flat, 5)


def test_contrast_sensitivity_and_thickness_limits_follow_their_definitions():
    """Noise of a constant deviation: CNR, SNR and both ends of the range in closed form."""
    mu, thickness, sd, open_level = 0.1, (2.0, 10.0, 18.0, 26.0, 34.0), 60.0, 5e4
    image = wedge(thickness, mu, open_level=open_level)
    rng = np.random.default_rng(2)
    read = read_wedge(
        image + sd * rng.standard_normal(image.shape), "Al", 4.0, thickness,
        groove_percent=5.0, isrb_mm=0.0886, isrb_sd_mm=0.0, saturation=3e4,
    )  # fmt: skip
    figures = {f.key: f for f in read.figures}
    for t in thickness:
        signal = open_level * np.exp(-mu * t)
        truth = 5.0 * sd / (signal * np.expm1(0.05 * mu * t))
        own = figures[f"csa.Al.4s.{t:g}mm"]
        assert abs(own.value - truth) < (own.high - own.low) and own.value == pytest.approx(truth, rel=0.06)
    thin = np.log(open_level / (0.8 * 3e4)) / mu
    for key, level in (("smtr2.Al.4s", 130.0), ("smtr1.Al.4s", 250.0)):
        assert figures[key].value == pytest.approx(np.log(open_level / sd / level) / mu - thin, rel=0.03)
    assert figures["iso_mtl_b.Al.4s"].value == pytest.approx(np.log(open_level / sd / 100.0) / mu, rel=0.01)
    assert all("public preview" in f.clause for f in read.figures)


def test_a_crossing_outside_of_the_steps_is_none():
    t = np.array([1.0, 2.0, 3.0, 4.0])
    value = np.array([4.0, 3.0, 2.0, 1.0])
    assert crossing(t, value, np.full(4, 0.01), 2.5)[0] == pytest.approx(2.5, abs=1e-9)
    assert crossing(t, value, np.full(4, 0.01), 0.5) is None
    assert crossing(t, value, np.full(4, 0.01), 5.0) is None


@pytest.mark.parametrize(("quanta", "flats", "electronics"), [(1.4, 0.0, 0.0), (1.4, 2e-6, 400.0), (0.5, 1e-5, 5e3)])
def test_the_thickness_at_an_snr_follows_the_noise_law(quanta, flats, electronics):
    """A straight line or parabola through ln SNR misses where the noise of the flats levels it off; the law does not."""
    mu, thickness = 0.3, np.array([1.0, 3.5, 6.0, 8.5, 11.0])

    def snr(t):
        signal = 5e4 * np.exp(-mu * t)
        return signal / np.sqrt(quanta * signal + flats * signal**2 + electronics)

    mean, relative = 5e4 * np.exp(-mu * thickness), np.full(5, 0.01)
    for truth in (1.7, 5.1, 9.9):
        found = where_snr_falls(thickness, mean, snr(thickness), relative, float(snr(truth)))
        assert found[0] == pytest.approx(truth, abs=1e-4) and 0 < found[1] < 1
    assert where_snr_falls(thickness, mean, snr(thickness), relative, float(snr(0.9))) is None
    assert where_snr_falls(thickness, mean, snr(thickness), relative, float(snr(11.2))) is None
    rng, truth = np.random.default_rng(4), 5.1
    found = [
        where_snr_falls(
            thickness, mean, snr(thickness) * (1 + 0.01 * rng.standard_normal(5)), relative, float(snr(truth))
        )
        for _ in range(300)
    ]
    assert np.mean([abs(at - truth) < 2 * sd for at, sd in found]) > 0.9


def test_image_lag_is_the_share_left_and_its_band_holds_the_offset():
    rng = np.random.default_rng(0)
    time = (np.arange(40) + 0.5) * 2.0
    left = 0.01 * np.exp(-time / 4) + 0.002 * np.exp(-time / 70)
    after = 2e4 * left[:, None, None] + rng.standard_normal((40, 120, 120))
    exposed = 2e4 + 100 * rng.standard_normal((3, 120, 120))
    found = image_lag(exposed, after, 2.0)
    for figure, t in zip(found.figures, (1.0, 60.0), strict=True):
        truth = 100 * (0.01 * np.exp(-t / 4) + 0.002 * np.exp(-t / 70))
        assert figure.value == pytest.approx(truth, rel=0.003)
        assert figure.low <= truth <= figure.high
    wide = image_lag(exposed, after, 2.0, offset_sd=4.0).figures[0]
    assert wide.high - wide.low == pytest.approx(4 * 100 * 4.0 / 2e4, rel=0.01)
    with pytest.raises(MeasurementError, match="offset"):
        image_lag(exposed - 3e4, after, 2.0)


def test_burn_in_compares_both_sides_of_the_plate():
    rng = np.random.default_rng(1)
    shape = (200, 240)
    hit = np.zeros(shape, dtype=bool)
    hit[:, 110:] = True
    plate = np.where(hit, 1e4, 500.0) + 20 * rng.standard_normal(shape)
    before = 1e4 * (1 + 0.05 * rng.standard_normal(shape))
    after = before * (1 + 0.012 * hit) + 30 * rng.standard_normal(shape)
    figure = burn_in(1.0, before, plate, after)
    assert figure.low <= 1.2 <= figure.high and figure.value == pytest.approx(1.2, abs=0.03)
    with pytest.raises(MeasurementError, match="shadow"):
        burn_in(1.0, before, before, after)


@pytest.mark.parametrize(("share", "reach"), [(0.03, 20.0), (0.08, 45.0)])
@pytest.mark.parametrize("rising", [True, False])
def test_internal_scatter_is_the_share_that_is_spread_far(share, reach, rising):
    blur = with_glare(GaussianBlur(0.8), share, reach)
    image, _ = slanted_edge((256, 420), blur, 0.1, angle_deg=2.5, low=0.02, high=1.0, rising=rising)
    noisy = image * (1 + 0.004 * np.random.default_rng(3).standard_normal(image.shape))
    found = internal_scatter(noisy)
    assert found.figure.low <= 100 * share <= found.figure.high
    assert found.figure.value == pytest.approx(100 * share, rel=0.03)
    assert found.reach_px == pytest.approx(reach, rel=0.1)


def test_an_edge_without_scatter_has_none():
    image, _ = slanted_edge((256, 300), GaussianBlur(0.8), 0.1, angle_deg=2.5)
    noisy = image + 0.003 * np.random.default_rng(3).standard_normal(image.shape)
    figure = internal_scatter(noisy).figure
    assert figure.low <= 0 <= figure.high and abs(figure.value) < 0.3


def test_what_fails_is_left_out_with_its_reason():
    """No shadow of a plate: burn-in is missing and said to be; counts of bad pixels stand."""
    shape = (120, 120)
    even = np.ones(shape)
    given = Acquisitions(
        0.1, 6e4, np.zeros(shape, dtype=bool), {"total": 3}, burn_in=BurnInImages(even, even, {1.0: even})
    )
    found = measure_panel("p", given)
    assert [f.key for f in found.figures] == ["bad.total"] and "burn-in after 1 min" in found.warnings[0]
    assert found["bad.total"].low == found["bad.total"].high == 3
    with pytest.raises(MeasurementError, match="none of the acquisitions"):
        measure_panel("p", Acquisitions(0.1, 6e4, np.zeros(shape, dtype=bool)))


def test_several_panels_give_mean_and_spread():
    panels = [[with_sd("a", "a", v, 0.1, "", "f")] for v in (1.0, 2.0, 3.0)] + [[with_sd("b", "b", 5.0, 0.1, "", "f")]]
    first, second = over_panels(panels)
    assert first.values == (1.0, 2.0, 3.0, None) and first.mean == 2.0 and first.sd == pytest.approx(1.0)
    assert second.mean == 5.0 and second.sd is None
