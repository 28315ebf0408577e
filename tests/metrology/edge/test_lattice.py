"""Edges near a diagonal of the pixels: measured on the pixels as they are, without interpolation."""

from pathlib import Path

import numpy as np
import pytest

from coldray.errors import MeasurementError
from coldray.metrology.edge.lattice import along_diagonal
from coldray.metrology.edge.mtf import edge_mtf
from coldray.objects.phantoms import GaussianBlur, PhosphorBlur, slanted_edge

PITCH = 0.1
REAL = Path(__file__).parents[4] / "shared" / "data" / "real" / "qa_phantoms_pylinac_mit"


@pytest.mark.parametrize("shape", [(40, 40), (41, 41), (40, 53), (60, 37)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_pixel_lies_where_the_lattice_says(shape, mirrored):
    """Coordinates taken along the diagonal, once as pixels and once from the lattice."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    if mirrored:
        x = -x
    along, lattice = along_diagonal((y + x) / np.sqrt(2), mirrored)
    across, _ = along_diagonal((x - y) / np.sqrt(2), mirrored)
    row, column = np.indices(along.shape).astype(float)
    place = (column + lattice.shifts(row)) * lattice.column_px
    assert np.ptp(across - place) < 1e-9
    assert np.ptp(along - row * lattice.row_px) < 1e-9
    assert along.shape[1] * lattice.column_px > 0.65 * min(shape)
    later = lattice.cut(3)
    assert np.array_equal(later.shifts(row[3:] - 3), lattice.shifts(row[3:]))


@pytest.mark.parametrize("blur", [GaussianBlur(0.4), PhosphorBlur(0.8)])
@pytest.mark.parametrize("angle", [43.5, 40.0, -43.0, 47.0, -48.5])
def test_diagonal_edges_are_exact(blur, angle):
    image, truth = slanted_edge((257, 240), blur, PITCH, angle_deg=angle, rising=angle > 0)
    result = edge_mtf(image, PITCH)
    f = result.mtf.frequency_lp_mm
    assert np.abs(result.mtf.value - truth(f)).max() <= 0.001
    assert result.orientation == "diagonal" and result.warnings == ()
    assert result.angle_deg == pytest.approx(np.sign(angle) * (45 - abs(abs(angle) - 45)), abs=0.003)


def test_a_noisy_diagonal_edge_stays_in_its_band():
    clean, truth = slanted_edge((256, 256), GaussianBlur(0.5), PITCH, angle_deg=43.0, low=0.0)
    rng, errors, covered = np.random.default_rng(0), [], []
    for _ in range(12):
        curve = edge_mtf(clean + 0.01 * rng.standard_normal(clean.shape), PITCH).mtf
        known = truth(curve.frequency_lp_mm)
        errors.append(np.abs(curve.value - known).max())
        covered.append(np.mean((curve.low <= known) & (known <= curve.high)))
    assert np.median(errors) < 0.009
    assert 0.85 < np.mean(covered)


def test_exactly_on_the_diagonal_is_flagged_or_refused():
    image, _ = slanted_edge((200, 200), GaussianBlur(0.5), PITCH, angle_deg=45.0)
    try:
        warnings = edge_mtf(image, PITCH).warnings
    except MeasurementError as problem:
        assert "sub-pixel positions" in str(problem)
    else:
        assert any("to the diagonal" in w for w in warnings)


def test_diagonal_and_upright_edges_are_not_mixed():
    pair = [slanted_edge((160, 160), GaussianBlur(0.5), PITCH, angle_deg=a)[0] for a in (3.0, 43.0)]
    with pytest.raises(MeasurementError, match="diagonal"):
        edge_mtf(pair, PITCH)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real radiographs are not beside the repository")
def test_real_diagonal_edge_and_bars_agree():
    """QC-3: the border of two patches against the bars beside it, which see tails that the patches cut off."""
    from coldray.metrology.bars.ctf import bars_ctf

    tifffile = pytest.importorskip("tifffile")
    image = tifffile.imread(REAL / "qc3_mv.tif")
    edge = edge_mtf(image, 0.392, (514, 204, 112, 112))
    assert edge.angle_deg == pytest.approx(-43.9, abs=0.1)
    bars = bars_ctf(image, 0.392, [(427, 298, 60, 60), (543, 404, 60, 60)], plateau=(2062, 3575))
    for group in bars.groups:
        assert 0.82 < group.mtf / float(edge.mtf(group.frequency_lp_mm)) < 1.0
