"""What scenes are drawn with: volumes, areas, heights and contrasts in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.objects import plates, textures
from coldray.objects._scene import Scene, broken
from coldray.objects._visibility import behind, depth_for, open_beam_noise, pixel_sd, reference_bins
from coldray.objects.castings import tube
from coldray.objects.defects import DEFECT_KINDS, add_defects, fitting_kinds
from coldray.objects.kinds import draw_kind
from coldray.objects.stroke import add_stroke, ellipsoid_chord
from coldray.objects.wires import IQI_MM, chords
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.thickness import ThicknessMaps
from coldray.simulation.transmission import transmission

PITCH = 0.05
SHAPE = (120, 140)
SIZES = st.floats(0.02, 1.5)
TURNS = st.floats(-7, 7)


def scene(pitch=PITCH, shape=SHAPE, state=0, ranges=plates.SEEN):
    return Scene(shape, pitch, np.random.default_rng(state), ranges)


@given(st.floats(0.15, 2.5), st.floats(0.15, 2.5), st.floats(0.01, 2.0), TURNS, st.floats(0, 1), st.floats(0, 1))
def test_an_ellipsoid_has_its_volume_wherever_it_lies(long, short, deep, turn, dx, dy):
    window = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))
    chord = ellipsoid_chord(window, PITCH, (3.5 + dx * PITCH, 3.0 + dy * PITCH), (long, short, deep), turn)
    assert chord.sum() * PITCH**2 == pytest.approx(np.pi / 6 * long * short * deep, rel=0.02)
    # a cell shows its mean: of a ball ten cells across the middle loses 2 % at most
    assert min(long, short) < 0.5 or chord.max() > 0.97 * deep
    assert chord.max() <= deep * (1 + 1e-5)


@settings(max_examples=30)
@given(SIZES, TURNS, st.booleans(), st.floats(0, 0.05))
def test_a_line_has_its_volume_however_thin_and_turned(width, turn, is_round, off):
    out = np.zeros(SHAPE, np.float32)
    along = 1.4 * np.array([np.cos(turn), np.sin(turn)])
    middle = np.array([3.5 + off, 3.0])
    add_stroke(out, PITCH, np.stack([middle - along, middle + along]), width, 0.7, round_wire=is_round)
    section = np.pi / 4 * width**2 if is_round else width
    assert out.sum(dtype=np.float64) * PITCH**2 == pytest.approx(0.7 * section * 2.8, rel=0.02)


def test_a_tapered_line_and_a_corner_shift():
    points = np.array([[1.0, 1.0], [2.0, 1.5], [3.5, 1.2]])
    whole = np.zeros(SHAPE, np.float32)
    add_stroke(whole, PITCH, points, np.array([0.2, 0.1]), np.array([1.0, 0.5]))
    lengths = np.hypot(*np.diff(points, axis=0).T)
    assert whole.sum() * PITCH**2 == pytest.approx(lengths[0] * 0.2 + lengths[1] * 0.05, rel=0.02)
    part = np.zeros((40, 60), np.float32)
    add_stroke(part, PITCH, points, np.array([0.2, 0.1]), np.array([1.0, 0.5]), corner=(10, 15))
    np.testing.assert_allclose(part, whole[10:50, 15:75], atol=1e-6)


@settings(max_examples=30)
@given(st.floats(PITCH, 1.5), st.floats(0.3, 1.8), TURNS)
def test_a_sheet_covers_its_area_at_any_turn(width, height, turn):
    window, cover = scene().sheet(3.5, 3.0, (width, height), turn)
    assert cover.sum() * PITCH**2 == pytest.approx(width * height, rel=0.03)
    assert cover.min() >= 0
    assert scene().sheet(30.0, 3.0, (width, height), turn) is None
    assert window[0].stop <= SHAPE[0]


@pytest.mark.parametrize("turn", [0.0, 0.4, np.pi / 2])
def test_profiles_of_parallel_wires_tubes_and_half_planes_have_their_areas(turn):
    s = scene(shape=(200, 200))
    d = s.across(turn)
    wires = s.profile(d, chords(np.array([-1.0, 0.2, 1.9]), 0.31))
    # through the middle every line along the normal crosses all: areas over that line
    middle = np.abs(s.across(turn + np.pi / 2)) < 2
    per_length = PITCH**2 / 4.0
    assert wires[middle].sum() * per_length == pytest.approx(3 * np.pi / 4 * 0.31**2, rel=0.03)
    assert s.profile(d, tube(2.0, 1.2))[middle].sum() * per_length == pytest.approx(np.pi / 4 * (4 - 1.44), rel=0.02)
    assert s.half(turn, (5.0, 5.0)).mean() == pytest.approx(0.5, abs=0.01)


def test_honeycomb_walls_take_their_share_of_the_area():
    s = scene(shape=(400, 400), pitch=0.02)
    walls = textures.hexagons(s, 0.8, 0.3)
    assert walls.max() == pytest.approx(0.4, abs=0.01)
    assert walls.min() > -1e-3
    assert np.mean(walls > 0.04) == pytest.approx((1 - 0.1) ** 2, abs=0.01)


def test_surfaces_have_unit_spread_and_are_the_same_at_any_grid_step():
    coarse, fine = scene(0.1, (200, 240)).surface(0.5), scene(0.05, (400, 480)).surface(0.5)
    assert coarse.std() == pytest.approx(1, abs=0.1)
    assert abs(coarse.mean()) < 0.1
    np.testing.assert_allclose(fine.reshape(200, 2, 240, 2).mean((1, 3)), coarse, atol=0.04)


@given(st.sampled_from(["Al", "Fe", "W", "FR4"]), st.floats(0.02, 0.98), st.floats(-0.3, 0.5))
def test_depths_and_steps_are_those_of_the_signal(material, signal, contrast):
    depth = depth_for(material, signal)
    left, slopes = behind({material: depth})
    assert left == pytest.approx(signal, rel=2e-3)
    assert slopes[material] == pytest.approx(-np.log(behind({material: depth + 1e-4})[0] / left) / 1e-4, rel=1e-2)
    if signal * (1 - contrast) <= 1:
        after = depth + scene().step_for(material, signal, contrast)
        assert behind({material: after})[0] == pytest.approx(signal * (1 - contrast), rel=3e-3)


def test_the_noise_that_contrasts_are_told_in_is_that_of_the_screen():
    assert open_beam_noise() == pixel_sd(ScreenDetector.gos(134.55, 0.048), 1.0, 1.0)


def test_what_is_behind_agrees_with_the_transmission_of_maps():
    maps = ThicknessMaps({m: np.full((2, 2), t, np.float32) for m, t in (("Cu", 0.1), ("FR4", 1.0))}, 1.0)
    assert behind({"Cu": 0.1, "FR4": 1.0})[0] == pytest.approx(
        float(transmission(maps, reference_bins())[0, 0]), rel=1e-5
    )
    assert behind({})[0] == pytest.approx(1)


@pytest.mark.parametrize("state", range(4))
def test_faint_edges_are_faint(state):
    maps = draw_kind("plate", (300, 300), 0.048, state, variant="faint_edges", defects=False)
    signal = transmission(maps, reference_bins())
    low, high = np.quantile(signal, [0.01, 0.99])
    # seven edges of 5 % at most, and waves of 3 %
    assert 0.001 < (high - low) / high < 0.5


@pytest.mark.parametrize(("contrast", "state"), [(0.005, 1), (0.02, 2), (0.05, 3)])
def test_a_long_edge_has_the_contrast_it_is_asked_for(contrast, state):
    ranges = {**plates.SEEN, "faint": (contrast, contrast), "edges": (1, 1), "wave": (1e-9, 1e-9)}
    s = scene(0.2, (100, 100), state, ranges)
    plates.VARIANTS["seen"]["faint_edges"](s)
    signal = transmission(ThicknessMaps(s.finished(), 0.2), reference_bins())
    levels, counts = np.unique(signal.round(5), return_counts=True)
    one, other = levels[np.argsort(counts)[-2:]]
    # thicker by the contrast, or thinner by as much metal
    assert abs(one - other) / max(one, other) == pytest.approx(contrast, rel=0.06)


@pytest.mark.parametrize("tipped", [False, True])
def test_pores_and_drilled_holes_take_their_volume_and_no_more_than_there_is(tipped):
    s = scene()
    s.map("Al")[...] = 5.0
    s.pore("Al", 2.0, 2.0, 1.2)
    assert (5.0 - s.map("Al")).sum() * PITCH**2 == pytest.approx(np.pi / 6 * 1.2**3, rel=0.01)
    s.map("Al")[...] = 5.0
    plates._hole(s, "Al", 2.0, 2.0, 1.2, 2.0, tipped)
    cone = 2 / 3 * np.pi * 0.6**3 * np.tan(np.radians(31)) if tipped else 0.0
    assert (5.0 - s.map("Al")).sum() * PITCH**2 == pytest.approx(np.pi * 0.36 * 2.0 - cone, rel=0.02)
    s.map("Al")[...] = 0.1
    s.pore("Al", 2.0, 2.0, 1.2)
    assert s.map("Al").min() == 0


def test_soft_edges_keep_the_metal_and_magnified_parts_are_fewer():
    s = scene()
    s.add_sheet("Al", 3.5, 3.0, (2.0, 1.0), 0.3, 1.5)
    sharp = s.map("Al").copy()
    s.soften(0.2)
    assert s.map("Al").sum() == pytest.approx(sharp.sum(), rel=1e-3)
    assert s.map("Al").max() < sharp.max() and np.abs(np.gradient(s.map("Al"))).max() < 0.3
    few, many = scene(state=4), scene(state=4)
    before = many.zoom
    few.magnify(3.0)
    assert few.zoom == pytest.approx(3 * before)
    assert few.many("shims") < many.many("shims")


def test_scenes_are_thinned_until_light_comes_through():
    s = scene()
    s.map("Fe")[...] = 30.0
    (iron,) = s.finished().values()
    assert behind({"Fe": float(iron.max())})[0] == pytest.approx(0.02, rel=0.01)
    assert np.ptp(iron) < 1e-5
    assert scene().finished()["Al"].max() == 0


def test_wire_indicators_are_those_of_the_standard():
    nominal = "3.2 2.5 2 1.6 1.25 1 0.8 0.63 0.5 0.4 0.32 0.25 0.2 0.16 0.125 0.1 0.08 0.063 0.05".split()
    np.testing.assert_allclose(IQI_MM, [float(d) for d in nominal], rtol=0.03)


def test_half_of_regular_places_lose_move_and_double_some():
    grid, step = scene().grid(12, 0.5)
    assert len(np.unique(grid, axis=0)) == 144
    made = [broken(grid, step, np.random.default_rng(k)) for k in range(200)]
    assert 70 < sum(was for _, was in made) < 130
    for places, was in made:
        away = np.abs(places[:, None] - grid[None]).max(2).min(1)
        if not was:
            np.testing.assert_array_equal(places, grid)
        # no part strays further than half a step
        assert away.max() <= step / 2 + 1e-9
        assert len(places) > 100


@pytest.mark.parametrize("kind", ["pore", "inclusion", "pore_chain", "crack", "scratch", "patch"])
def test_defects_of_materials_have_the_contrast_they_are_asked_for(kind):
    plate = ThicknessMaps({"Al": np.full((240, 240), 6.0, np.float32)}, 0.048 / 3, "plate", {"kind": "plate"})
    assert kind in fitting_kinds(plate)
    sound = transmission(plate, reference_bins())[0, 0]
    for state in range(4):
        faulty, (defect,) = add_defects(plate, 1, state, kinds=[kind])
        change = transmission(faulty, reference_bins()) / sound - 1
        inside = defect.full_mask(plate.shape)
        assert np.all(change[~inside] < 2e-3)
        peak = np.abs(change).max()
        assert peak > 0.5 * open_beam_noise() / np.sqrt(sound)
        if kind in ("pore", "pore_chain", "crack"):
            assert change.min() > -1e-5
        assert min(t.min() for t in faulty.thickness_mm.values()) >= 0


def test_defects_make_do_with_fewer_where_there_is_no_room():
    air = ThicknessMaps({"Al": np.zeros((60, 60), np.float32)}, 0.05, "air", {"kind": "plate"})
    _, found = add_defects(air, 5, 0, kinds=["pore", "crack"], fewer=True)
    assert found == ()
    with pytest.raises(PhysicsError, match="only 0 of 5 defects found a place"):
        add_defects(air, 5, 0, kinds=["pore", "crack"])


def test_kinds_that_fit_are_those_of_the_object():
    board = ThicknessMaps({"Cu": np.ones((8, 8), np.float32)}, 0.05)
    assert "ball_void" in fitting_kinds(board) and "pore" not in fitting_kinds(board)
    cell = draw_kind("battery", (40, 40), 0.5, 0, defects=False)
    labelled = ThicknessMaps(cell.thickness_mm, 0.5, "cell", {"kind": "battery", "cell": object()})
    assert {"fold", "crack"} <= set(fitting_kinds(labelled)) <= set(DEFECT_KINDS)
