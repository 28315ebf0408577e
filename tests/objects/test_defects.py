"""Defects lie where such parts are, change what they say, and are as visible as recorded."""

import numpy as np
import pytest

from coldray.errors import PhysicsError
from coldray.objects._defect_sites import Sites
from coldray.objects.defects import DEFECT_KINDS, Defect, add_defects, defect_labels, pixel_sd
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.thickness import ThicknessMaps

PITCH, STEP = 0.048, 0.012
SIDE = 480
MISSING = {"ball_void", "ball_missing", "trace_crack", "trace_open", "trace_mouse_bite", "via_void", "wire_missing",
           "wire_broken", "die_attach_void"}  # fmt: skip
ADDED = {"ball_bridge", "trace_short", "particle"}
KINDS = sorted(MISSING | ADDED | {"ball_offset"})


@pytest.fixture(scope="module")
def board():
    """One of everything: balls, parallel traces, vias, a gold wire and a die-attach joint."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) * STEP
    maps = {"FR4": np.full((SIDE, SIDE), 1.6, np.float32)}
    solder, copper, gold, silver = (np.zeros((SIDE, SIDE), np.float32) for _ in range(4))
    for cy in (0.6, 1.4, 2.2):
        for cx in (0.6, 1.4, 2.2):
            solder += 2 * np.sqrt(np.maximum(0.25**2 - (y - cy) ** 2 - (x - cx) ** 2, 0))
    for cx in (3.2, 3.5, 3.8, 4.1):
        copper[np.abs(x - cx) < 0.06] = 0.035
    for cy in (3.2, 3.9, 4.6, 5.3):
        r = np.hypot(y - cy, x - 5.2)
        copper[(r > 0.10) & (r < 0.13)] = 1.6
    gold[(np.abs(y - 3.6) < 0.012) & (x > 0.4) & (x < 1.8)] = 0.02
    silver[(y > 4.0) & (y < 5.4) & (x > 0.5) & (x < 2.5)] = 0.05
    return ThicknessMaps(maps | {"SAC305": solder, "Cu": copper, "Au": gold, "Ag": silver}, STEP, "sampler")


@pytest.fixture(scope="module")
def detector():
    return ScreenDetector.gos(33.91, PITCH)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_its_place(board, detector, kind):
    faulty, (found,) = add_defects(board, 1, 3, kinds=[kind], detector=detector, exposure_s=1.0)
    assert found.kind == kind and found.size_mm > 0 and found.mask.any()
    mask = found.full_mask(board.shape)
    changed = np.zeros(board.shape, bool)
    total = np.zeros(board.shape)
    for material, thickness in faulty.thickness_mm.items():
        before = board.thickness_mm.get(material, np.zeros(board.shape, np.float32))
        changed |= np.abs(thickness - before) > 1e-4
        total += thickness - before
        assert thickness.min() >= 0
    np.testing.assert_array_equal(mask, changed)
    row, col, height, width = found.box
    assert found.mask.shape == (height, width) and changed[row : row + height, col : col + width].any()
    if kind in MISSING:
        assert total.min() < 0 and total.max() < 1e-6 and found.contrast > 0
    if kind in ADDED:
        assert total.max() > 0 and total.min() > -1e-6 and found.contrast < 0
    assert found.cnr > 0 and found.matched_snr >= found.cnr
    assert faulty.labels["defects"] == (found,)


def test_sizes_stay_within_their_ranges(board):
    for kind, low, high in (("ball_void", 0.07, 0.31), ("trace_crack", 0.005, 0.05), ("trace_open", 0.05, 0.3),
                            ("via_void", 0.05, 0.3), ("ball_offset", 0.03, 0.3), ("particle", 0.02, 0.3)):  # fmt: skip
        for seed in range(4):
            size = add_defects(board, 1, seed, kinds=[kind])[1][0].size_mm
            assert low <= size <= high


def test_a_missing_ball_leaves_no_rim(board):
    faulty, (found,) = add_defects(board, 1, 0, kinds=["ball_missing"])
    row, col, height, width = found.box
    around = faulty.thickness_mm["SAC305"][row - 3 : row + height + 3, col - 3 : col + width + 3]
    assert around.max() <= 0.021


def test_a_cut_opens_one_trace_only(board):
    faulty, (found,) = add_defects(board, 1, 5, kinds=["trace_open"])
    gone = board.thickness_mm["Cu"] - faulty.thickness_mm["Cu"]
    assert gone.max() == pytest.approx(0.035, rel=0.05)
    assert np.count_nonzero(gone.max(axis=0) > 0.01) <= 12
    assert gone.sum() * STEP**2 == pytest.approx(0.12 * found.size_mm * 0.035, rel=0.35)


def test_contrast_is_that_of_the_missing_copper(board, detector):
    """35 um of copper off 1.6 mm of FR4: dT/T from the same beam."""
    _, (found,) = add_defects(board, 1, 5, kinds=["trace_open"], detector=detector)
    with_foil, without = (
        float(detector.transmission(ThicknessMaps({"FR4": np.full((2, 2), 1.6, np.float32), "Cu": np.full((2, 2), c, np.float32)}, STEP)).mean())
        for c in (0.035, 0.0)
    )  # fmt: skip
    full = without / with_foil - 1
    assert 0.5 * full < found.contrast <= 1.02 * full


def test_cnr_grows_with_the_root_of_exposure(board, detector):
    one, four = (
        add_defects(board, 1, 1, kinds=["ball_void"], detector=detector, exposure_s=t)[1][0].cnr for t in (1.0, 4.0)
    )
    assert four / one == pytest.approx(2, rel=0.03)
    assert pixel_sd(detector, 1.0, 1.0) == pytest.approx(0.0177, rel=0.04)


def test_many_defects_do_not_meet_and_repeat_exactly(board):
    faulty, found = add_defects(board, 8, 11)
    again, same = add_defects(board, 8, 11)
    assert [d.kind for d in found] == [d.kind for d in same]
    for material, thickness in faulty.thickness_mm.items():
        np.testing.assert_array_equal(thickness, again.thickness_mm[material])
    assert sum(d.full_mask(board.shape).astype(int) for d in found).max() == 1
    labels = defect_labels(found, board.shape, 4)
    assert labels.shape == (SIDE // 4, SIDE // 4)
    assert set(np.unique(labels)) - {0} <= set(range(1, 9))
    assert "defects" not in board.labels
    assert found[0].to_dict(STEP)["area_mm2"] > 0


def test_refusals(board, detector):
    with pytest.raises(PhysicsError, match="unknown kind"):
        add_defects(board, 1, 0, kinds=["gremlin"])
    with pytest.raises(PhysicsError, match="found a place"):
        add_defects(board, 1, 0, kinds=["fold"])
    with pytest.raises(PhysicsError, match="count >= 0"):
        add_defects(board, -1, 0)
    with pytest.raises(PhysicsError, match="exposure"):
        add_defects(board, 1, 0, kinds=["particle"], detector=detector, exposure_s=0.0)
    with pytest.raises(PhysicsError, match="whole fraction"):
        add_defects(board, 1, 0, kinds=["particle"], detector=detector, magnification=1.3)
    assert {"fold", "overhang_fault"} < set(DEFECT_KINDS)
    assert Defect("x", (0, 0, 1, 1), np.ones((1, 1), bool), 0.1, ("Cu",)).cnr is None


def test_a_lead_is_no_barrel():
    """A rectangle with a thin middle is not taken for a plated hole; a ring is."""
    y, x = np.mgrid[:100, :220].astype(np.float32)
    ring = np.abs(np.hypot(y - 50, x - 50) - 17) < 3
    lead = (np.abs(y - 50) < 20) & (np.abs(x - 160) < 20) & ~((np.abs(y - 50) < 14) & (np.abs(x - 160) < 14))
    maps = ThicknessMaps({"Cu": np.where(ring | lead, np.float32(1.6), np.float32(0))}, 0.01)
    (barrel,) = Sites(maps).barrels
    assert barrel.centre == pytest.approx((50, 50), abs=0.5)
