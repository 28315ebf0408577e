"""Materials that are not in the built-in table."""

import importlib.util

import numpy as np
import pytest

from coldray.errors import MissingExtraError, PhysicsError
from coldray.physics.source import attenuation
from coldray.simulation.compounds import with_compound
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.thickness import ThicknessMaps

installed = importlib.util.find_spec("xraylib") is not None


def test_what_is_no_new_material_is_refused():
    with pytest.raises(PhysicsError, match="in the attenuation table already"):
        with_compound("Cu", "Cu", 8.96)
    with pytest.raises(PhysicsError, match="density of lead is 0"):
        with_compound("lead", "Pb", 0.0)


@pytest.mark.skipif(installed, reason="xraylib is installed")
def test_the_extra_is_named():
    with pytest.raises(MissingExtraError, match="spectra"):
        with_compound("lead", "Pb", 11.35)


@pytest.mark.skipif(not installed, reason="needs the extra spectra")
def test_a_compound_is_the_built_in_one_where_both_are_known():
    table = with_compound("copper again", "Cu", 8.96)
    np.testing.assert_allclose(table.mass_cm2_g["copper again"], attenuation().mass_cm2_g["Cu"], rtol=1e-4)
    lead = with_compound("Pb", "Pb", 11.35, table)
    maps = ThicknessMaps({"Pb": np.array([[0.0, 0.05, 1.0]], dtype=np.float32)}, 0.01)
    seen = ScreenDetector.gos(33.91, 0.048).transmission(maps, table=lead)[0]
    assert seen[0] == 1 and 0.2 < seen[1] < 0.5 and seen[2] < 2e-3
    with pytest.raises(PhysicsError, match="no formula"):
        with_compound("x", "Nonsense9", 1.0)
    with pytest.raises(PhysicsError, match="not in the attenuation table"):
        ScreenDetector.gos(33.91, 0.048).transmission(maps)
