"""Cells weigh what their layers say, show their overhang, and take their own defects."""

import numpy as np
import pytest

from coldray.errors import PhysicsError
from coldray.objects.batteries import battery
from coldray.objects.cells import LEAST_TURNS, CylindricalCell, ElectrodeStack, PouchCell
from coldray.objects.defects import add_defects
from coldray.simulation.detector import ScreenDetector

STEP = 0.04
SHAPE = (500, 520)
POUCH_KINDS = (
    "overhang_fault",
    "misaligned_sheet",
    "fold",
    "tab_burr",
    "cell_particle",
    "coating_pinhole",
    "coating_agglomerate",
)


@pytest.fixture(scope="module")
def pouch():
    return battery(PouchCell(pairs=6, width_mm=14, height_mm=12), SHAPE, STEP, 1)


@pytest.fixture(scope="module")
def wound():
    return battery(CylindricalCell(diameter_mm=5, height_mm=16), SHAPE, STEP, 1)


def test_pouch_layers_add_up(pouch):
    s = ElectrodeStack()
    middle = (slice(300, 320), slice(250, 270))
    t = {m: float(v[middle].mean()) for m, v in pouch.thickness_mm.items()}
    assert t["NMC622_coating"] == pytest.approx(6 * 2 * 0.065, rel=0.03)
    assert t["graphite_coating"] == pytest.approx(7 * 2 * 0.075, rel=0.03)
    assert t["Al"] == pytest.approx(6 * 0.015 + 2 * 0.040, rel=1e-3)
    assert t["Cu"] == pytest.approx(7 * 0.008, rel=1e-3)
    assert s.pair_mm == pytest.approx(0.015 + 0.008 + 2 * (0.065 + 0.075 + 0.016))


def test_pouch_anodes_reach_beyond_cathodes(pouch):
    cathode, anode = (pouch.thickness_mm[m] for m in ("NMC622_coating", "graphite_coating"))
    row = 320
    reach = [np.flatnonzero(m[row] > 0.5 * m[row].max())[0] for m in (cathode, anode)]
    assert (reach[0] - reach[1]) * STEP == pytest.approx(1.0, abs=0.15)
    assert not np.any(cathode[anode == 0] > 0)


def test_pouch_has_two_tabs_above_the_stack(pouch):
    nickel, aluminium = pouch.thickness_mm["Ni"], pouch.thickness_mm["Al"]
    assert nickel[20].max() == pytest.approx(0.1, abs=0.01) and aluminium[20].max() >= 0.1
    assert abs(np.argmax(nickel[20]) - np.argmax(aluminium[20])) * STEP > 4


def test_wound_roll_holds_the_volume_of_its_spiral(wound):
    cell = CylindricalCell(diameter_mm=5, height_mm=16)
    layout = wound.labels["cell"]
    s, inner = cell.stack, cell.core_mm / 2
    # length of each layer's spiral times its thickness; the cathode lies inside the anode
    for material, thick_um, below_um in (
        ("NMC622_coating", 2 * s.cathode_um, s.separator_um + s.cathode_um + s.aluminium_um / 2),
        ("Al", s.aluminium_um, s.separator_um + s.cathode_um + s.aluminium_um / 2),
        ("Cu", s.copper_um, 2 * (s.separator_um + s.cathode_um) + s.aluminium_um + s.anode_um + s.copper_um / 2),
    ):
        middle_mm = inner + below_um / 1000 + 0.5 * cell.turns * s.pair_mm
        expected = 2 * np.pi * middle_mm * cell.turns * thick_um / 1000
        assert float(layout.turn_paths_mm[material].sum()) * STEP == pytest.approx(expected, rel=0.03)


def test_wound_cell_has_a_can_of_its_diameter(wound):
    steel = wound.thickness_mm["Fe"]
    body = np.flatnonzero(steel[250] > 0)
    assert (body[-1] - body[0] + 1) * STEP == pytest.approx(5, abs=3 * STEP)
    # walls are tangent to the beam: 2 sqrt(R^2 - r^2) there, twice the wall in the middle
    assert steel[250, (body[0] + body[-1]) // 2] == pytest.approx(0.3, rel=0.05)
    assert steel[250].max() > 4 * 0.15
    outside = np.ones(SHAPE, bool)
    outside[:, body[0] - 2 : body[-1] + 3] = False
    assert all(np.all(m[outside] == 0) for m in wound.thickness_mm.values())


def test_wound_anode_stands_over_the_cathode(wound):
    ends = wound.labels["cell"].ends_mm
    assert np.all(ends["NMC622_coating"][:, 0] - ends["graphite_coating"][:, 0] > 0.3)
    assert np.all(ends["graphite_coating"][:, 0] > ends["separator_PE"][:, 0])


@pytest.mark.parametrize("form", ["pouch", "cylindrical"])
def test_drawn_cells_repeat_and_differ(form):
    one, same, other = (battery(form, (120, 120), 0.2, n) for n in (4, 4, 5))
    assert one.name == f"{form}-4" and set(one.thickness_mm) == set(same.thickness_mm)
    for material, thickness in one.thickness_mm.items():
        assert thickness.dtype == np.float32
        np.testing.assert_array_equal(thickness, same.thickness_mm[material])
    assert any(np.any(one.thickness_mm[m] != other.thickness_mm.get(m, 0)) for m in one.thickness_mm)
    fine = ScreenDetector.gos(134.55, 0.4).transmission(one)
    assert 0 < fine.min() < 0.6 and fine.max() == 1


@pytest.mark.parametrize("kind", POUCH_KINDS)
def test_pouch_defects(pouch, kind):
    faulty, (found,) = add_defects(pouch, 1, 2, kinds=[kind], detector=ScreenDetector.gos(33.91, 0.08))
    assert found.kind == kind and found.mask.any() and np.isfinite(found.contrast)
    assert found.cnr > 0
    if kind == "coating_pinhole":
        assert found.contrast > 0 and found.materials == ("NMC622_coating",)
    if kind in ("misaligned_sheet", "fold"):
        # nothing is lost but what leaves the sheet's first place
        for material in found.materials:
            total = faulty.thickness_mm[material].sum() / pouch.thickness_mm[material].sum()
            assert total == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", ["overhang_fault", "cell_particle", "coating_pinhole"])
def test_wound_defects(wound, kind):
    _, (found,) = add_defects(wound, 1, 3, kinds=[kind], detector=ScreenDetector.gos(33.91, 0.08))
    assert found.kind == kind and found.cnr > 0
    if kind == "overhang_fault":
        assert found.contrast > 0 and found.size_mm > 0.4


def test_refusals():
    with pytest.raises(PhysicsError, match="unknown"):
        battery("prismatic", (10, 10), 0.1, 0)
    with pytest.raises(PhysicsError, match="empty"):
        battery("pouch", (10, 0), 0.1, 0)
    with pytest.raises(PhysicsError, match="cathode_um"):
        ElectrodeStack(cathode_um=-1.0)
    with pytest.raises(PhysicsError, match="choose one of"):
        ElectrodeStack(cathode="cheese")
    with pytest.raises(PhysicsError, match="cathode would be empty"):
        PouchCell(overhang_mm=9.0)
    with pytest.raises(PhysicsError, match="at least 2"):
        CylindricalCell(diameter_mm=1.8)


def test_every_drawn_cell_can_be_wound():
    """A thick stack in the narrowest can once had room for one turn."""
    assert min(CylindricalCell.draw(np.random.default_rng(seed)).turns for seed in range(3000)) >= LEAST_TURNS
