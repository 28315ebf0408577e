"""Objects beyond boards: finite, non-negative, reproducible, the same in millimetres at any grid step, kept apart by role."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.objects.kinds import KINDS, draw
from coldray.physics.screen import gos_screen
from coldray.physics.source import attenuation, energy_bins, spectrum_70kv
from coldray.simulation.transmission import transmission

ALL = [(k, v, role == "seen") for k, kind in KINDS.items() for role, makers in kind.variants.items() for v in makers]
BINS = energy_bins(gos_screen(134.55).response, spectrum_70kv(), 12)


@pytest.mark.parametrize(("kind", "variant", "seen"), ALL)
def test_every_variant_is_an_object_that_the_beam_gets_through(kind, variant, seen):
    shape, step = (96, 144), 0.1
    maps = draw(kind, shape, step, 5, variant=variant, seen=seen)
    again = draw(kind, shape, step, 5, variant=variant, seen=seen)
    assert maps.shape == shape
    assert set(maps.thickness_mm) <= set(attenuation().mass_cm2_g)
    for material, thickness in maps.thickness_mm.items():
        assert thickness.dtype == np.float32
        np.testing.assert_array_equal(thickness, again.thickness_mm[material])
    assert {maps.labels["kind"], maps.labels["variant"]} == {kind, variant}
    signal = transmission(maps, BINS)
    assert np.quantile(signal, 0.02) > 0.01
    assert np.ptp(signal) > 0.002


@pytest.mark.parametrize(("kind", "variant", "seen"), ALL)
def test_another_grid_step_shows_the_same_object(kind, variant, seen):
    coarse = transmission(draw(kind, (60, 60), 0.16, 3, variant=variant, seen=seen), BINS)
    fine = transmission(draw(kind, (240, 240), 0.04, 3, variant=variant, seen=seen), BINS)
    averaged = fine.reshape(60, 4, 60, 4).mean((1, 3))
    # transmission of a mean is not the mean of transmissions: edges and what is finer than a cell may differ
    assert np.median(np.abs(coarse - averaged)) < 0.03
    assert np.corrcoef(coarse.ravel(), averaged.ravel())[0, 1] > 0.8 or np.std(averaged - coarse) < 0.01


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 10**6))
def test_objects_for_tests_are_none_for_training(kind, number):
    seen, unseen = (draw(kind, (24, 24), 0.2, number, seen=s) for s in (True, False))
    assert (seen.labels["role"], unseen.labels["role"]) == ("seen", "unseen")
    same = set(seen.thickness_mm) == set(unseen.thickness_mm)
    assert not same or any(np.any(seen.thickness_mm[m] != unseen.thickness_mm[m]) for m in seen.thickness_mm)


def test_unknown_kinds_variants_and_empty_grids_are_refused():
    with pytest.raises(PhysicsError, match=r"'gremlin' is unknown; choose one of plate"):
        draw("gremlin", (8, 8), 0.1, 0)
    with pytest.raises(PhysicsError, match=r"plate has no seen variant 'arcs'; choose one of faint_edges"):
        draw("plate", (8, 8), 0.1, 0, variant="arcs")
    for shape, step in (((0, 8), 0.1), ((8, 8), 0.0), ((8, 8), float("nan"))):
        with pytest.raises(PhysicsError, match="both must be positive"):
            draw("plate", shape, step, 0)
