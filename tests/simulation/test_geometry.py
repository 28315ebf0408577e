"""Magnification, focal spot, scatter and oblique views in closed form; other voltages; calibration objects."""

import importlib.util

import numpy as np
import pytest

from coldray.errors import MissingExtraError, PhysicsError
from coldray.metrology.edge.mtf import edge_mtf
from coldray.objects.targets import bars_object, duplex_object, edge_object, step_wedge_object
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.source import energy_bins, spectrum_70kv
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.geometry import Geometry, oblique
from coldray.simulation.thickness import ThicknessMaps
from coldray.simulation.tube import tube_spectrum

PITCH = 0.048


@pytest.fixture(scope="module")
def detector():
    return ScreenDetector.gos(33.91, PITCH)


def test_transmission_is_the_ray_sum(detector):
    """One ray after another through the whole spectrum, in double precision."""
    rng = np.random.default_rng(2)
    shape = (4, 5)
    maps = ThicknessMaps(
        {
            "Cu": rng.uniform(0, 0.2, shape).astype(np.float32),
            "FR4": np.full(shape, 1.6, np.float32),
            "SAC305": rng.uniform(0, 0.1, shape).astype(np.float32),
        },
        0.012,
    )
    beam = spectrum_70kv()
    fine = detector.transmission(maps, bins=12)
    per_energy = energy_bins(detector.screen.response, beam, bins=5000)
    for row in range(shape[0]):
        for col in range(shape[1]):
            total = 0.0
            for energy, weight in enumerate(per_energy.weight):
                depth = 0.0
                for material, thickness in maps.thickness_mm.items():
                    depth += per_energy.per_mm[material][energy] * float(thickness[row, col])
                total += weight * np.exp(-depth)
            assert fine[row, col] == pytest.approx(total, abs=0.002)
    assert per_energy.weight.size > 100


def test_transmission_does_not_depend_on_workers(detector):
    rng = np.random.default_rng(0)
    maps = ThicknessMaps(
        {"Cu": rng.random((300, 700), dtype=np.float32) * 0.1, "Au": np.zeros((300, 700), np.float32)}, 0.012
    )
    np.testing.assert_array_equal(detector.transmission(maps, workers=1), detector.transmission(maps, workers=3))


def test_an_open_field_stays_open():
    fine = np.ones((64, 96), dtype=np.float32)
    seen = Geometry(1.5, 100.0, scatter_to_primary=0.1).at_detector(fine, 0.012)
    np.testing.assert_allclose(seen, 1, atol=1e-5)
    assert Geometry().at_detector(fine, 0.012) is not None


@pytest.mark.parametrize("shape", ["gaussian", "box"])
def test_focal_spot_blurs_by_its_transfer(shape):
    n, step, k = 256, 0.012, 24
    geometry = Geometry(2.0, 80.0, shape)
    assert geometry.unsharpness_mm == pytest.approx(0.08)
    wave = 0.5 + 0.4 * np.cos(np.pi * k * (np.arange(n) + 0.5) / n)
    seen = geometry.at_detector(np.broadcast_to(wave, (32, n)).astype(np.float32), step)
    f = k / (2 * n * step)
    gain = np.sinc(0.08 * f) if shape == "box" else np.exp(-2 * (np.pi * 0.08 / 2.3548 * f) ** 2)
    np.testing.assert_allclose(seen[5], 0.5 + gain * (wave - 0.5), atol=2e-4)


def test_contact_images_are_not_blurred():
    fine = np.random.default_rng(0).random((16, 16), dtype=np.float32)
    assert Geometry(1.0, 400.0).at_detector(fine, 0.012) is fine


def test_scatter_follows_the_object():
    geometry = Geometry(scatter_to_primary=0.2, scatter_width_mm=1.0)
    np.testing.assert_allclose(geometry.at_detector(np.full((64, 64), 0.3, np.float32), 0.1), 0.36, atol=1e-5)
    half = np.ones((64, 256), np.float32)
    half[:, :128] = 0.4
    seen = geometry.at_detector(half, 0.1)
    assert seen[32, 5] == pytest.approx(0.48, abs=1e-3)
    assert seen[32, -5] == pytest.approx(1.0, abs=1e-3)
    # at the edge half of the scatter arrives
    assert seen[32, 127:129].mean() == pytest.approx(0.7 + 0.04, abs=2e-3)


def test_magnified_objects_need_their_own_grid(detector):
    geometry = Geometry(2.0, 5.0)
    assert geometry.object_grid_mm(PITCH, 4) == pytest.approx(0.006)
    good = ThicknessMaps({"Cu": np.full((16, 16), 0.1, np.float32)}, 0.006)
    assert geometry.project(good, detector, 4).shape == (16, 16)
    with pytest.raises(PhysicsError, match="need 0.006 mm"):
        geometry.project(ThicknessMaps({"Cu": np.ones((16, 16), np.float32)}, 0.012), detector, 4)


def test_oblique_view_shifts_by_height_and_lengthens_paths():
    dot = np.zeros((20, 200), np.float32)
    dot[10, 80:90] = 0.05
    maps = ThicknessMaps({"Cu": dot, "FR4": np.full((20, 200), 1.6, np.float32)}, 0.02)
    seen = oblique(maps, 45.0, {"Cu": (1.0, 1.0)})
    moved = seen.thickness_mm["Cu"]
    centre = (moved[10] * np.arange(200)).sum() / moved[10].sum()
    assert centre == pytest.approx(84.5 + 1.0 / 0.02, abs=0.01)
    assert moved.sum() == pytest.approx(dot.sum() * np.sqrt(2), rel=1e-5)
    np.testing.assert_allclose(seen.thickness_mm["FR4"], 1.6 * np.sqrt(2), rtol=1e-5)
    # a barrel through the board becomes a streak of the board's height
    streak = oblique(maps, -45.0, {"Cu": (0.0, 1.0)}, along="cols").thickness_mm["Cu"][10]
    assert np.count_nonzero(streak > 1e-4) == pytest.approx(10 + 1.0 / 0.02, abs=3)
    for thickness in oblique(maps, 0.0).thickness_mm.items():
        np.testing.assert_allclose(thickness[1], maps.thickness_mm[thickness[0]], atol=1e-6)
    up = oblique(maps, 45.0, {"Cu": (0.2, 0.2)}, along="rows").thickness_mm["Cu"]
    assert up[10 + 10 - 1 : 10 + 12].sum() == pytest.approx(0) or up.argmax() // 200 == 19


def test_a_tungsten_edge_measures_the_screen(detector):
    fine = detector.transmission(edge_object((640, 640), PITCH / 4))
    assert fine.min() < 1e-3 and fine.max() == 1
    found = edge_mtf(detector.image(fine, 4), PITCH)
    assert found.angle_deg == pytest.approx(3.0, abs=0.05)
    f = np.linspace(0.5, 9, 30)
    np.testing.assert_allclose(found.mtf(f), detector.screen.mtf(f) * np.sinc(PITCH * f), atol=0.012)


def test_step_wedge_has_its_steps(detector):
    wedge = step_wedge_object((8, 40), 0.05, [0, 1, 2, 4])
    fine = detector.transmission(wedge)
    levels = [fine[:, a:b].mean() for a, b, _ in wedge.labels["steps"]]
    assert levels[0] == 1 and np.all(np.diff(levels) < 0)
    with pytest.raises(PhysicsError, match="at least one"):
        step_wedge_object((8, 40), 0.05, [])
    with pytest.raises(PhysicsError, match="unknown|not in the attenuation"):
        step_wedge_object((8, 40), 0.05, [1.0], "unobtainium")


def test_the_built_in_beam_needs_no_extra():
    assert tube_spectrum(70.0) is spectrum_70kv()
    with pytest.raises(PhysicsError, match="20 to 300"):
        tube_spectrum(5.0)
    with pytest.raises(PhysicsError, match="mm Al"):
        tube_spectrum(70.0, aluminium_mm=0.0)


@pytest.mark.skipif(importlib.util.find_spec("spekpy") is not None, reason="spekpy is installed")
def test_other_voltages_name_the_extra():
    with pytest.raises(MissingExtraError, match=r"coldray\[spectra\]"):
        tube_spectrum(90.0)


def test_other_voltages_agree_with_the_table():
    pytest.importorskip("spekpy")
    near, table = tube_spectrum(70.0, air_mm=1000.5), spectrum_70kv()
    assert near.mean_energy_kev == pytest.approx(table.mean_energy_kev, rel=0.005)
    assert near.fluence_mm2_ugy == pytest.approx(table.fluence_mm2_ugy, rel=0.02)
    hard = ScreenDetector.gos(33.91, PITCH, spectrum=tube_spectrum(100.0))
    copper = ThicknessMaps({"Cu": np.full((2, 2), 0.3, np.float32)}, 0.012)
    assert hard.transmission(copper).mean() > ScreenDetector.gos(33.91, PITCH).transmission(copper).mean()


def test_refusals():
    for values, text in (
        ({"magnification": 0.5}, "magnification"),
        ({"focal_spot_um": -1}, "focal spot"),
        ({"focal_shape": "star"}, "focal shape"),
        ({"scatter_to_primary": -0.1}, "scatter"),
        ({"scatter_width_mm": 0}, "scatter width"),
    ):
        with pytest.raises(PhysicsError, match=text):
            Geometry(**values)
    maps = ThicknessMaps({"Cu": np.ones((4, 4), np.float32)}, 0.02)
    with pytest.raises(PhysicsError, match="viewing angle"):
        oblique(maps, 80)
    with pytest.raises(PhysicsError, match="slab"):
        oblique(maps, 10, {"Cu": (1.0, 0.0)})
    with pytest.raises(PhysicsError, match="cols or rows"):
        oblique(maps, 10, along="up")
    with pytest.raises(PhysicsError, match="unknown|not in the attenuation"):
        ScreenDetector.gos(34, PITCH).transmission(ThicknessMaps({"Xx": np.ones((4, 4), np.float32)}, 0.02))
    with pytest.raises(PhysicsError, match=">= 0 mm"):
        ThicknessMaps({"Cu": -np.ones((4, 4), np.float32)}, 0.02)


def test_bars_have_their_duty_cycle_and_groups(detector):
    maps = bars_object(256, PITCH / 4, [1.0, 4.0], count=4, angle_deg=3.0)
    foil = maps.thickness_mm["W"] > 0
    for frequency, first, last in maps.labels["groups"]:
        part = foil[:, first:last]
        # four bars, half a period each
        assert part.sum() * (PITCH / 4) ** 2 == pytest.approx(
            4 * 0.5 / frequency * 256 * PITCH / 4 / np.cos(np.radians(3.0)), rel=0.01
        )
    with pytest.raises(PhysicsError, match="at most"):
        bars_object(256, PITCH / 4, [1.0, 40.0])
    with pytest.raises(PhysicsError, match="must be positive"):
        bars_object(256, PITCH / 4, [1.0], thickness_mm=0.0)


def test_wires_have_the_volume_of_cylinders():
    maps = duplex_object(128, 0.006, spacing_mm=(0.4, 0.1), angle_deg=0.0)
    wires = 2 * np.pi / 4 * (0.4**2 + 0.1**2) * 128 * 0.006
    assert maps.thickness_mm["W"].sum() * 0.006**2 == pytest.approx(wires, rel=2e-3)
    assert maps.thickness_mm["W"].max() == pytest.approx(0.4, abs=1e-3)
    for spacing, column in maps.labels["pairs"]:
        row = maps.thickness_mm["W"][64]
        assert row[round(column)] == 0 and row[round(column + spacing / 0.006)] == pytest.approx(spacing, rel=0.02)
    with pytest.raises(PhysicsError, match="all positive"):
        duplex_object(128, 0.006, spacing_mm=(0.4, -0.1))


def test_a_detector_of_ones_own_keeps_its_mtf():
    own = Detector(
        "own", PITCH, FrequencyCurve([0, 1, 2, 5, 10, 14], [1, 0.7, 0.45, 0.16, 0.05, 0.02]), loading_mg_cm2=100.0
    )
    screen = ScreenDetector.of(own).screen
    f = np.linspace(0, 14, 29)
    np.testing.assert_allclose(screen.mtf(f) * np.sinc(PITCH * f), own.mtf(f), atol=0.003)
    assert screen.quanta_mm2_ugy == pytest.approx(ScreenDetector.gos(100.0, PITCH).screen.quanta_mm2_ugy)
    with pytest.raises(PhysicsError, match="states no phosphor loading"):
        ScreenDetector.of(Detector("none", PITCH, own.mtf))
