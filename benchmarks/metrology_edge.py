"""How accurate, honest and fast is the edge MTF? One command, one table, every number against a known truth.

    python benchmarks/metrology_edge.py [--quick] [--out results.json] [--peer NAME=COMMAND ...]

Questions, in the order of the table: noise-free error over edge shapes and angles; median over noisy images of the
largest error; how often the k = 2 band holds the truth; angle error; seconds.

A peer is a command that lives in its own environment. It is called as `COMMAND IN.npz OUT.json`: IN holds `images`
(n, rows, cols) and `angle_deg`; OUT must hold a list of n objects with `frequency_px` and `mtf`, or null for an image
the peer could not measure. Peers see the same noise-free and noisy images and are timed in the same run.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from coldray.measure.edge import edge_mtf
from coldray.physics.phantoms import Blur, GaussianBlur, PhosphorBlur, slanted_edge, with_glare

PITCH_MM = 0.1
LOWEST = 0.02  # cycles/px; below it every method is judged by its normalisation alone
Image = NDArray[np.floating[Any]]
Measure = Callable[[Sequence[Image], float], list[tuple[NDArray[Any], NDArray[Any]] | None]]


@dataclass(frozen=True)
class NoisyCase:
    """One edge at one noise level, with the largest median error allowed (None: reported only)."""

    name: str
    blur: Blur
    angle_deg: float
    electrons: float
    mark: float | None
    correlation_px: float = 0.0
    signal_dependent: bool = False

    def images(self, count: int, seed: int) -> Iterator[Image]:
        """Noisy images of 256 x 256 pixels, one random stream each."""
        clean = slanted_edge((256, 256), self.blur, PITCH_MM, angle_deg=self.angle_deg, low=0.0)[0].astype(np.float64)
        for stream in np.random.default_rng(seed).spawn(count):
            noise = stream.standard_normal(clean.shape)
            if self.correlation_px:
                noise = gaussian_filter(noise, self.correlation_px, mode="wrap")
                noise /= noise.std()
            level = np.sqrt(0.05 + 0.95 * clean) if self.signal_dependent else 1.0
            yield clean + level * noise / np.sqrt(self.electrons)


GLARE = with_glare(GaussianBlur(0.5))
SHAPES: dict[str, Blur] = {
    "Gauss 0.3 px": GaussianBlur(0.3),
    "Gauss 0.5 px": GaussianBlur(0.5),
    "Gauss 0.8 px": GaussianBlur(0.8),
    "Gauss 1.2 px": GaussianBlur(1.2),
    "phosphor 0.6 px": PhosphorBlur(0.6),
    "phosphor 1.2 px": PhosphorBlur(1.2),
    "glare 4 %": GLARE,
}
ANGLES = (1.5, 2.0, 2.5, 3.0, 4.0, 5.7106, 7.3, -1.5, -2.2, -7.3)
NOISY = (
    NoisyCase("Gauss 0.5, 10000 e-", GaussianBlur(0.5), 2.0, 1e4, 0.006),
    NoisyCase("Gauss 1.2, 10000 e-", GaussianBlur(1.2), 2.5, 1e4, 0.006),
    NoisyCase("glare 4 %, 10000 e-", GLARE, 2.2, 1e4, 0.006),
    NoisyCase("phosphor 0.6, 2500 e-", PhosphorBlur(0.6), 3.0, 2500, 0.012),
    NoisyCase("Gauss 0.5, SNR 20", GaussianBlur(0.5), 2.0, 400, 0.026),
    NoisyCase("Gauss 0.5, 10000 e-, correlated", GaussianBlur(0.5), 2.0, 1e4, None, correlation_px=0.8),
    NoisyCase("Gauss 0.5, 10000 e-, Poisson", GaussianBlur(0.5), 2.0, 1e4, None, signal_dependent=True),
)


def truth(blur: Blur, angle_deg: float, frequency_px: NDArray[Any]) -> NDArray[Any]:
    """Presampled MTF along the normal."""
    a = np.deg2rad(angle_deg)
    return blur.mtf(frequency_px) * np.sinc(frequency_px * np.cos(a)) * np.sinc(frequency_px * np.sin(a))


def ours(images: Sequence[Image], angle_deg: float) -> list[tuple[NDArray[Any], NDArray[Any]] | None]:
    """coldray, through the same door as a peer."""
    curves = [edge_mtf(image, PITCH_MM).mtf for image in images]
    return [(curve.frequency_lp_mm * PITCH_MM, curve.value) for curve in curves]


def peer(command: str) -> Measure:
    """A peer in its own environment, by the protocol at the top of this file."""

    def measure(images: Sequence[Image], angle_deg: float) -> list[tuple[NDArray[Any], NDArray[Any]] | None]:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "in.npz", Path(folder) / "out.json"
            np.savez(source, images=np.stack(images).astype(np.float32), angle_deg=angle_deg)
            subprocess.run([*shlex.split(command), str(source), str(target)], check=True, stdout=subprocess.DEVNULL)
            answer = json.loads(target.read_text())
        return [None if a is None else (np.asarray(a["frequency_px"]), np.asarray(a["mtf"])) for a in answer]

    return measure


def largest_error(answer: tuple[NDArray[Any], NDArray[Any]] | None, blur: Blur, angle_deg: float) -> float:
    """Largest |dMTF| from `LOWEST` to Nyquist; infinite for a failure."""
    if answer is None:
        return float("inf")
    grid = np.arange(LOWEST, 0.5 + 1e-9, 0.005)
    return float(np.abs(np.interp(grid, *answer) - truth(blur, angle_deg, grid)).max())


def mtf50_error(answer: tuple[NDArray[Any], NDArray[Any]] | None, blur: Blur, angle_deg: float) -> float:
    """Relative error of the frequency where the MTF is one half."""
    if answer is None:
        return float("inf")
    grid = np.linspace(0, 0.5, 5001)
    true, found = truth(blur, angle_deg, grid), np.interp(grid, *answer)
    if true[-1] > 0.5:
        return 0.0
    return float(grid[np.argmax(found < 0.5)] / grid[np.argmax(true < 0.5)] - 1)


def noise_free(measure: Measure, angles: Sequence[float]) -> dict[str, Any]:
    """Worst error of every shape over angles, both orientations and polarities in turn."""
    rows = {}
    for name, blur in SHAPES.items():
        errors, relative = [], []
        for k, angle in enumerate(angles):
            orientation = ("vertical", "horizontal")[k % 2]
            image, _ = slanted_edge(
                (256, 256), blur, PITCH_MM, angle_deg=angle, orientation=orientation, rising=k % 3 > 0, centre_px=128.3
            )
            answer = measure([image], angle)[0]
            errors.append(largest_error(answer, blur, angle))
            relative.append(abs(mtf50_error(answer, blur, angle)))
        rows[name] = {"max_error": max(errors), "mtf50_relative_error": max(relative)}
    return rows


def noisy(measures: dict[str, Measure], images_per_case: int) -> dict[str, Any]:
    """Median over images of the largest error, for every tool on the same images."""
    rows: dict[str, Any] = {}
    for case in NOISY:
        images = list(case.images(images_per_case, 1))
        rows[case.name] = {"mark": case.mark}
        for name, measure in measures.items():
            errors = [largest_error(a, case.blur, case.angle_deg) for a in measure(images, case.angle_deg)]
            rows[case.name][name] = float(np.median(errors))
    return rows


def wilson(hits: NDArray[Any], trials: int, z: float = 1.96) -> tuple[NDArray[Any], NDArray[Any]]:
    """Wilson 95 % interval of a proportion."""
    p = hits / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return centre - half, centre + half


def coverage(trials: int) -> dict[str, Any]:
    """How often the k = 2 band holds the truth, per frequency, and the angle error on the way."""
    rows = {}
    for case in NOISY:
        hits: NDArray[Any] = np.zeros(0)
        frequency: NDArray[Any] = np.zeros(0)
        angles = []
        for k, image in enumerate(case.images(trials, 2)):
            result = edge_mtf(image, PITCH_MM)
            frequency = result.mtf.frequency_lp_mm * PITCH_MM
            expected = truth(case.blur, case.angle_deg, frequency)
            assert result.mtf.low is not None and result.mtf.high is not None
            hit = (result.mtf.low <= expected) & (expected <= result.mtf.high)
            hits = hit.astype(np.float64) if k == 0 else hits + hit
            angles.append(result.angle_deg - case.angle_deg)
        judged = frequency >= LOWEST - 1e-9
        low, high = wilson(hits[judged], trials)
        share = hits[judged] / trials
        rows[case.name] = {
            "mean": float(share.mean()),
            "lowest": float(share.min()),
            "highest": float(share.max()),
            "frequencies_off": int(((high < 0.90) | (low > 0.98)).sum()),
            "angle_sd_deg": float(np.std(angles)),
            "angle_max_deg": float(np.abs(angles).max()),
        }
    return rows


def speed(measures: dict[str, Measure], repeats: int) -> dict[str, Any]:
    """Fastest of several runs on one noisy edge [s]."""
    rows: dict[str, Any] = {}
    for shape in ((256, 256), (2048, 1024)):
        image = slanted_edge(shape, GaussianBlur(0.5), PITCH_MM, angle_deg=2.0)[0]
        image = image + 0.01 * np.random.default_rng(3).standard_normal(shape).astype(np.float32)
        row = {}
        for name, measure in measures.items():
            spent = []
            for _ in range(repeats):
                start = time.perf_counter()
                measure([image], 2.0)
                spent.append(time.perf_counter() - start)
            row[name] = min(spent)
        rows[f"{shape[0]} x {shape[1]}"] = row
    return rows


def print_table(result: dict[str, Any]) -> None:
    """Everything as one table on stdout."""
    tools = list(result["noise_free"])
    print("noise-free: max |dMTF| (mark 0.001), MTF50 error (mark 0.1 %)")
    for shape in SHAPES:
        cells = [
            f"{tool} {result['noise_free'][tool][shape]['max_error']:.4f} "
            f"{100 * result['noise_free'][tool][shape]['mtf50_relative_error']:.3f} %"
            for tool in tools
        ]
        print(f"  {shape:32s}", "   ".join(cells))
    print("noisy, 256 x 256: median of max |dMTF|")
    for case, row in result["noisy"].items():
        mark = "-" if row["mark"] is None else f"{row['mark']:.3f}"
        print(f"  {case:32s} mark {mark:6s}", "   ".join(f"{tool} {row[tool]:.4f}" for tool in tools))
    print("k = 2 band: coverage over 0.02 to 0.5 cycles/px (mark: mean 93-97 %, no frequency off 90-98 %); angle")
    for case, row in result["coverage"].items():
        print(
            f"  {case:32s} mean {100 * row['mean']:.1f} %  range {100 * row['lowest']:.1f}-{100 * row['highest']:.1f} %"
            f"  off {row['frequencies_off']}  angle SD {row['angle_sd_deg']:.4f}, max {row['angle_max_deg']:.4f} deg"
        )
    print("seconds, one edge (ratio to coldray)")
    for shape, row in result["speed"].items():
        cells = [f"{tool} {row[tool]:.3f} ({row[tool] / row['coldray']:.1f}x)" for tool in tools]
        print(f"  {shape:32s}", "   ".join(cells))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Accuracy, coverage and speed of the edge MTF against known truth.")
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer angles, images and trials")
    parser.add_argument("--trials", type=int, help="noise trials for the coverage (default 1000, quick 100)")
    parser.add_argument("--out", type=Path, help="write all numbers to this JSON file")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND", help="see the top of the script")
    options = parser.parse_args(arguments)
    measures: dict[str, Measure] = {"coldray": ours}
    for text in options.peer:
        name, found, command = text.partition("=")
        if not found:
            parser.error(f"--peer needs NAME=COMMAND; found {text!r}")
        measures[name] = peer(command)
    angles = ANGLES[::3] if options.quick else ANGLES
    trials = options.trials or (100 if options.quick else 1000)
    result = {
        "noise_free": {name: noise_free(measure, angles) for name, measure in measures.items()},
        "noisy": noisy(measures, 31 if options.quick else 60),
        "coverage": coverage(trials),
        "coverage_trials": trials,
        "speed": speed(measures, 3 if options.quick else 9),
    }
    print_table(result)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
