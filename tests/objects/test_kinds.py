"""Objects beyond boards: finite, non-negative, reproducible, the same in millimetres at any grid step, kept apart by role."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.objects.batteries import battery
from coldray.objects.defects import add_defects, fitting_kinds
from coldray.objects.kinds import KINDS, SCENES, draw_kind, variants
from coldray.objects.request import SCENES as requested
from coldray.objects.request import ObjectRequest, draw_object
from coldray.physics.screen import gos_screen
from coldray.physics.source import attenuation, energy_bins, spectrum_70kv
from coldray.simulation.transmission import transmission

ALL = [(k, v, role) for k in SCENES for role in ("train", "test") for v in variants(k, role)]
BINS = energy_bins(gos_screen(134.55).response, spectrum_70kv(), 12)


@pytest.mark.parametrize(("kind", "variant", "role"), ALL)
def test_every_variant_is_an_object_that_the_beam_gets_through(kind, variant, role):
    shape, step = (96, 144), 0.1
    maps = draw_kind(kind, shape, step, 5, role, variant=variant)
    again = draw_kind(kind, shape, step, 5, role, variant=variant)
    assert maps.shape == shape
    assert set(maps.thickness_mm) <= set(attenuation().mass_cm2_g)
    for material, thickness in maps.thickness_mm.items():
        assert thickness.dtype == np.float32
        np.testing.assert_array_equal(thickness, again.thickness_mm[material])
    assert [maps.labels[n] for n in ("kind", "variant", "role")] == [kind, variant, role]
    signal = transmission(maps, BINS)
    assert np.quantile(signal, 0.02) > 0.01
    assert np.ptp(signal) > 0.002


@pytest.mark.parametrize(("kind", "variant", "role"), ALL)
def test_another_grid_step_shows_the_same_object(kind, variant, role):
    coarse = draw_kind(kind, (120, 120), 0.08, 3, role, variant=variant, defects=False).thickness_mm
    fine = draw_kind(kind, (360, 360), 0.08 / 3, 3, role, variant=variant, defects=False).thickness_mm
    for material in coarse.keys() | fine.keys():
        # a grain at the border of the field may miss one of both grids
        seen, more = coarse.get(material, np.zeros((120, 120))), fine.get(material, np.zeros((360, 360)))
        averaged = more.reshape(120, 3, 120, 3).mean((1, 3))
        assert seen.mean() == pytest.approx(averaged.mean(), rel=0.1, abs=1e-5)
        assert (
            averaged.mean() < 1e-5 or np.ptp(averaged) < 1e-5 or np.corrcoef(seen.ravel(), averaged.ravel())[0, 1] > 0.9
        )


@given(st.sampled_from(KINDS), st.integers(0, 10**6))
def test_every_role_has_objects_of_its_own(kind, number):
    drawn = [draw_kind(kind, (24, 24), 0.5, number, role) for role in ("train", "validation", "test")]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        a, b = drawn[one].thickness_mm, drawn[other].thickness_mm
        assert set(a) != set(b) or any(np.any(a[m] != b[m]) for m in a)


@pytest.mark.parametrize("kind", SCENES)
def test_tables_for_tests_reach_beyond_those_for_training(kind):
    seen, unseen = SCENES[kind].ranges["seen"], SCENES[kind].ranges["unseen"]
    assert all(low <= high for table in (seen, unseen) for low, high in table.values())
    apart = [n for n in seen if seen[n][1] <= unseen[n][0] or unseen[n][1] <= seen[n][0]]
    assert len(apart) >= 3
    assert set(variants(kind, "test")) - set(variants(kind, "train"))


@pytest.mark.parametrize("form", ["pouch", "cylindrical"])
def test_batteries_are_a_kind_like_others(form):
    cell = draw_kind("battery", (120, 120), 0.2, 4, variant=form)
    again = draw_kind("battery", (120, 120), 0.2, 4, variant=form)
    assert {"Cu", "Al", "graphite_coating"} & set(cell.thickness_mm)
    for material, thickness in cell.thickness_mm.items():
        np.testing.assert_array_equal(thickness, again.thickness_mm[material])


@pytest.mark.parametrize("state", [2, 13, 308])
def test_cells_of_which_little_is_in_view_take_defects(state):
    """Sheets and coatings beyond the field are no error."""
    for pitch, shape in ((0.009, (91, 61)), (0.035, (12, 54)), (0.02, (60, 20))):
        for form in ("pouch", "cylindrical"):
            cell = battery(form, shape, pitch, state)
            add_defects(cell, 12, state, kinds=fitting_kinds(cell), fewer=True)


def test_unknown_kinds_variants_and_empty_grids_are_refused():
    with pytest.raises(PhysicsError, match=r"'gremlin' is unknown; choose one of plate"):
        draw_kind("gremlin", (8, 8), 0.1, 0)
    with pytest.raises(PhysicsError, match=r"plate has no variant 'arcs' for train; choose one of faint_edges"):
        draw_kind("plate", (8, 8), 0.1, 0, variant="arcs")
    with pytest.raises(PhysicsError, match=r"role 'exam' is unknown; choose one of train, validation, test"):
        draw_kind("plate", (8, 8), 0.1, 0, "exam")
    for shape, step in (((0, 8), 0.1), ((8, 8), 0.0), ((8, 8), float("nan"))):
        with pytest.raises(PhysicsError, match="both must be positive"):
            draw_kind("plate", shape, step, 0)


def test_the_reference_lists_every_variant():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for kind in SCENES:
        train, test = (", ".join(variants(kind, role)) for role in ("train", "test"))
        assert f"| `{kind}` | `{train}` | `{test}` |" in text


@pytest.mark.parametrize("kind", SCENES)
def test_simulate_draws_every_kind_for_tests_and_training_variants_by_name(kind):
    only = next(v for v in variants(kind, "train") if v not in variants(kind, "test"))
    for family, role in ((None, "test"), (only, "train")):
        asked = ObjectRequest(kind, 64, 2, 0.1, family=family)
        maps = draw_object(asked, np.random.default_rng(1))
        assert (maps.shape, maps.grid_pitch_mm) == ((128, 128), 0.05)
        assert (maps.labels["kind"], maps.labels["role"]) == (kind, role)
        assert family in (None, maps.labels["variant"])
        assert "defects" not in maps.labels
    assert tuple(SCENES) == requested
