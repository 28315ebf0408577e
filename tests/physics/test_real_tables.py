"""Tables of a real series of edges, measured as a user would, and what is restored by them."""

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from coldray.formats import read_image
from coldray.metrology.edge.mtf import edge_mtf
from coldray.physics.detector import Detector
from coldray.physics.pair import DetectorPair

EDGES = Path(__file__).parents[3] / "shared" / "data" / "real" / "neutron_edges_niqa"
PITCH_MM = 0.05
BLUR_GROWS = (0, 1, 3, 4)
ALONG = {"across columns": (40, 150, 110, 250), "across rows": (150, 40, 250, 110)}

pytestmark = pytest.mark.skipif(
    not EDGES.is_dir(), reason="no ../shared/data/real/neutron_edges_niqa beside the repository"
)


@cache
def detector(number, direction):
    dark, beam, edge = (
        read_image(EDGES / name).pixels.astype(np.float64) for name in ("dc.tif", "ob.tif", f"edge20mm_000{number}.tif")
    )
    measured = edge_mtf((edge - dark) / np.maximum(beam - dark, 1), PITCH_MM, ALONG[direction])
    return Detector(f"position {number}", PITCH_MM, measured.mtf)


@pytest.mark.parametrize("direction", ALONG)
@pytest.mark.parametrize(("sharp", "blurred"), [(a, b) for a, b in product(BLUR_GROWS, repeat=2) if a <= b])
def test_every_pair_of_measured_tables_amplifies_no_noise(sharp, blurred, direction):
    pair = DetectorPair(detector(blurred, direction), detector(sharp, direction))
    f = np.linspace(0, 14, 1401)
    gain = pair.target(f) / pair.ratio(f)
    assert np.all(np.isfinite(gain))
    assert gain.min() >= 1 - 1e-12
    assert gain.max() < 25
    assert np.all(gain[f > 1.3 * pair.trusted_lp_mm] < 1.01)
    inside = f < 0.9 * pair.trusted_lp_mm
    assert np.all(np.diff(pair.ratio(f))[inside[1:]] < 0.01)
    if sharp == blurred:
        assert np.all(gain == 1)
    elif (sharp, blurred) in [(0, 4), (1, 4)]:
        assert pair.trusted_lp_mm == pytest.approx(3.4, abs=0.15)
