"""The transmission step against rays marched through solids, with nothing shared but the object's dimensions."""

import csv
from importlib import resources

import numpy as np
import pytest

from coldray.objects.boards._stack import Board, Layer
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.thickness import ThicknessMaps

CELL_MM, CELLS = 0.01, 120
SLAB_MM, FOIL_MM, DRILL_MM, PLATING_MM, PAD_MM = 1.2, 0.035, 0.3, 0.025, 0.5
VIA = (0.35, 0.4)
BALL, BALL_MM = (0.8, 0.75), 0.5
VOID, VOID_MM = (0.06, -0.04), 0.16
STEP_MM = 0.004


def csv_table(name):
    """Rows of a table, read without the package's own reader."""
    with (resources.files("coldray.physics") / "tables" / name).open(encoding="utf-8") as handle:
        return [row for row in csv.reader(handle) if row and not row[0].startswith("#")]


def solid_at(x, y, z):
    """Name of the material at points of the object; z = 0 is the lower face of the laminate."""
    from_via, from_ball = np.hypot(x - VIA[0], y - VIA[1]), np.hypot(x - BALL[0], y - BALL[1])
    found = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), "", dtype="<U6")
    inside = (z >= 0) & (z < SLAB_MM)
    found[np.broadcast_to(inside & (from_via > DRILL_MM / 2), found.shape)] = "FR4"
    barrel = inside & (from_via <= DRILL_MM / 2) & (from_via > DRILL_MM / 2 - PLATING_MM)
    # foils lie on both faces: the pad is a ring round the hole
    foil = ((z >= SLAB_MM) & (z < SLAB_MM + FOIL_MM)) | ((z < 0) & (z >= -FOIL_MM))
    found[np.broadcast_to(barrel | (foil & (from_via <= PAD_MM / 2) & (from_via > DRILL_MM / 2)), found.shape)] = "Cu"
    centre = SLAB_MM + FOIL_MM + BALL_MM / 2
    ball = from_ball**2 + (z - centre) ** 2 < (BALL_MM / 2) ** 2
    hollow = np.hypot(x - BALL[0] - VOID[0], y - BALL[1] - VOID[1]) ** 2 + (z - centre) ** 2 < (VOID_MM / 2) ** 2
    found[np.broadcast_to(ball & ~hollow, found.shape)] = "SAC305"
    return found


def marched(detector):
    """Detected fraction of every ray: path lengths by steps, every energy of the spectrum on its own."""
    table = csv_table("attenuation.csv")
    column = {name: i for i, name in enumerate(table[0])}
    density = {name: float(table[1][i]) for name, i in column.items() if i}
    energy = np.array([float(row[0]) for row in table[2:]])
    beam = {float(e): float(n) for e, n in csv_table("spectrum_w70kv_12deg_2.5mmal.csv")[1:]}
    photons = np.array([beam.get(e, 0.0) for e in energy])
    used = photons > photons.max() * 1e-12
    # what the detector makes of a photon is no part of the transmission step
    weight = photons[used] * detector.screen.response
    place = (np.arange(CELLS) + 0.5) * CELL_MM
    y, x = place[:, None], place[None, :]
    length = {name: np.zeros((CELLS, CELLS)) for name in ("FR4", "Cu", "SAC305")}
    for z in np.arange(-FOIL_MM, SLAB_MM + FOIL_MM + BALL_MM, STEP_MM) + STEP_MM / 2:
        here = solid_at(x, y, np.asarray(z))
        for name, total in length.items():
            total += STEP_MM * (here == name)
    depth = sum(
        length[name][..., None]
        * (np.array([float(row[column[name]]) for row in table[2:]])[used] * density[name] / 10.0)
        for name in length
    )
    return (np.exp(-depth) @ weight) / weight.sum(), length


def drawn():
    """The same object by the package's own drawing."""
    foils = [Layer(FOIL_MM), Layer(FOIL_MM)]
    board = Board(
        (CELLS, CELLS), CELL_MM, np.random.default_rng(0), thickness_mm=SLAB_MM, layers=foils, plating_mm=PLATING_MM
    )
    board.via(*VIA, DRILL_MM, ring_mm=(PAD_MM - DRILL_MM) / 2)
    board.canvas.ball("SAC305", *BALL, BALL_MM, None, [(*VOID, VOID_MM)])
    return ThicknessMaps(board.finish(), CELL_MM)


@pytest.mark.parametrize("loading", [33.91, 134.55])
def test_transmission_is_what_marched_rays_add_up_to(loading):
    detector = ScreenDetector.gos(loading, 0.04)
    expected, length = marched(detector)
    found = detector.transmission(drawn())
    assert expected.min() < 0.3 and expected.max() > 0.9
    # a cell on a rim is part this, part that, and a ray through its middle is not its mean
    rim = np.zeros((CELLS, CELLS), dtype=bool)
    for material in length.values():
        for axis in (0, 1):
            for step in (-1, 1):
                rim |= np.abs(material - np.roll(material, step, axis)) > 0.03
    assert rim.mean() < 0.2
    assert np.abs(found - expected)[~rim].max() < 0.012
    assert np.abs(found - expected)[~rim].mean() < 0.002
    assert found.mean() == pytest.approx(expected.mean(), rel=0.004)
