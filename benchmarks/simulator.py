"""How fast the simulator and `prepare` are, and whether the numbers of the physics come out.

python benchmarks/simulator.py [--size 512] [--workers 2] [--boards 8] [--out benchmarks/results/simulator.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from coldray.dataset.prepare import PrepareSettings, Sources, prepare
from coldray.detectors.phosphor import detector as phosphor_detector
from coldray.objects.boards import procedural_board
from coldray.physics.source import AIR_KERMA_RATE_UGY_S, attenuation, spectrum_70kv
from coldray.simulation.acquire import acquire_pair
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import BLURRED_MG_CM2, OVERSAMPLING, PITCH_MM, SHARP_MG_CM2

LOADINGS_MG_CM2 = {"thin": SHARP_MG_CM2, "thick": BLURRED_MG_CM2}
EXPECTED = {
    "mean_energy_kev": 39.6,
    "hvl_mm_al": 2.45,
    "photons_px_s": 1685,
    "noise_thin": 0.018,
    "noise_thick": 0.006,
    "dqe1_thin": 0.25,
    "dqe1_thick": 0.39,
}


def half_value_layer_mm() -> float:
    """Aluminium that halves the air kerma [mm]: NIST's air, xraylib's aluminium; spekpy's own tables give 2.447."""
    beam, table = spectrum_70kv(), attenuation()
    # mu_en/rho of dry air, NIST SRD 126 [cm2/g]
    energy = np.array([5, 6, 8, 10, 15, 20, 30, 40, 50, 60, 80])
    air = np.array([39.31, 22.70, 9.446, 4.742, 1.334, 0.5389, 0.1537, 0.06833, 0.04098, 0.03041, 0.02407])
    mu_en = np.exp(CubicSpline(np.log(energy), np.log(air))(np.log(beam.energy_kev)))
    kerma = beam.photons_mm2_ugy * beam.energy_kev * mu_en
    mu = np.interp(beam.energy_kev, table.energy_kev, table.linear_per_mm("Al"))
    thickness = np.linspace(0, 5, 2001)
    left = np.array([(kerma * np.exp(-mu * t)).sum() for t in thickness]) / kerma.sum()
    return float(np.interp(0.5, left[::-1], thickness[::-1]))


def physics(side: int) -> dict[str, float]:
    """Return the numbers of physics.md as the code gives them now."""
    beam = spectrum_70kv()
    found = {
        "mean_energy_kev": beam.mean_energy_kev,
        "hvl_mm_al": half_value_layer_mm(),
        "photons_px_s": beam.fluence_mm2_ugy * AIR_KERMA_RATE_UGY_S * PITCH_MM**2,
    }
    for name, loading in LOADINGS_MG_CM2.items():
        fine = np.ones((side * OVERSAMPLING,) * 2, dtype=np.float32)
        frame = ScreenDetector.gos(loading, PITCH_MM).frame(fine, OVERSAMPLING, 1.0, np.random.default_rng(0))
        found[f"noise_{name}"] = float(frame[8:-8, 8:-8].std())
        curves = phosphor_detector(str(loading), PITCH_MM)
        assert curves.nnps is not None
        quanta = AIR_KERMA_RATE_UGY_S * beam.fluence_mm2_ugy
        found[f"dqe1_{name}"] = float(curves.mtf(1.0) ** 2 / (quanta * curves.nnps(1.0)))
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Result of a call with its wall and processor time [s]."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def speed(size: int, workers: int) -> dict[str, Any]:
    """Time every stage of one frame pair of a board."""
    cells = size * OVERSAMPLING
    board, drawing = timed(lambda: procedural_board("dense_bga", (cells, cells), PITCH_MM / OVERSAMPLING, 1))
    thin, thick = (ScreenDetector.gos(x, PITCH_MM) for x in LOADINGS_MG_CM2.values())
    fine, transmitting = timed(lambda: thick.transmission(board, workers=workers))
    stages = {"board": drawing, "transmission": transmitting}
    for name, detector, frames in (("frame_thin", thin, 1), ("frame_thick", thick, 1), ("mean_of_20_thin", thin, 20)):
        _, stages[name] = timed(
            lambda: detector.frame(fine, OVERSAMPLING, 1.0, np.random.default_rng(0), frames=frames, workers=workers)
        )
    _, stages["pair"] = timed(
        lambda: acquire_pair(
            board,
            thin,
            thick,
            OVERSAMPLING,
            np.random.default_rng(0),
            exposure_s=1.0,
            sharp_frames=1,
            workers=workers,
        )
    )
    layers = thin.screen.quanta_mm2_ugy.size
    return {
        "materials": len(board.thickness_mm),
        "stages": stages,
        "ns_per_cell_and_layer_cpu": stages["frame_thick"]["cpu_s"] / (cells**2 * layers) * 1e9,
        "ns_per_pixel_and_layer_cpu": stages["frame_thick"]["cpu_s"] / (size**2 * layers) * 1e9,
        "pair_s": stages["pair"]["wall_s"],
        "pair_cpu_s": stages["pair"]["cpu_s"],
    }


def dataset(boards: int, workers: int) -> dict[str, Any]:
    """Time `prepare` on a share of the paper's 15,000 + 600 patches and extrapolate to all of them.

    Notes
    -----
    The test patches are all different; a training patch is one of eight flips and rotations of a base patch, as in
    the paper. What does not grow with the number of boards (start, response curve) is counted once.
    """

    def cpu_s() -> float:
        return sum(
            r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )

    found = {}
    for count in (2, boards):
        with tempfile.TemporaryDirectory() as folder:
            how = PrepareSettings(patches=count * 128, validation_patches=0, test_patches=16)
            wall, cpu = time.perf_counter(), cpu_s()
            manifest, _ = prepare(
                Path(folder) / "set", Sources((f"simulated:train:{count}", "simulated:test:1")), how, workers=workers
            )
            found[count] = {
                "boards": count + 1,
                "patches": sum(s["patches"] for s in manifest["splits"].values()),
                "base_patches": sum(s["distinct_base_patches"] for s in manifest["splits"].values()),
                "wall_s": time.perf_counter() - wall,
                "cpu_s": cpu_s() - cpu,
            }
    few, many = found[2], found[boards]
    per_board = (many["cpu_s"] - few["cpu_s"]) / (boards - 2)
    fixed = few["cpu_s"] - 3 * per_board
    base_of_board = many["base_patches"] / many["boards"]
    needed = int(np.ceil(15000 / (8 * base_of_board)) + np.ceil(600 / base_of_board))
    distinct = int(np.ceil(15600 / base_of_board))
    return {
        "share": many,
        "cpu_s_per_board_of_512": per_board,
        "paper": {"boards": needed, "cpu_min_extrapolated": (fixed + needed * per_board) / 60},
        "all_patches_distinct": {"boards": distinct, "cpu_min_extrapolated": (fixed + distinct * per_board) / 60},
    }


def main() -> None:
    """Run, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="pixels per side of the timed pair")
    parser.add_argument("--noise-size", type=int, default=256, help="pixels per side of the flat fields")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--boards", type=int, default=8, help="training boards of the timed share of a dataset")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = physics(given.noise_size)
    result = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}",
        "size_px": given.size,
        "oversampling": OVERSAMPLING,
        "workers": given.workers,
        "load_average_of_1_min": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "speed": speed(given.size, given.workers),
        "dataset": dataset(max(given.boards, 3), given.workers),
        "physics": {k: {"found": found[k], "expected": EXPECTED[k]} for k in EXPECTED},
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
