"""A reference set of edges with known MTF that anybody can measure: images, truth as text, and what tools make of it.

    python benchmarks/reference_set.py FOLDER [--peers NAME ...] [--budget-s N] [--table benchmarks/results/reference_set.md]

Writes 36 edges as 16-bit TIFF (under 5 MB) with `truth.csv`: the presampled MTF along the edge normal. Every pixel
is a closed form; a second way, which shares no formula with it, integrates the line spread by quadrature over sampled
pixels and frequencies and must agree within 1e-5 (before the values are rounded to grey levels). With `--table` coldray
and the peers that are installed (`peers/setup.py`) measure the same files as written, and their largest errors stand side
by side. All images are simulated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread
import numpy as np
import tifffile
from _peers import PACKAGES, Peers, figures
from metrology_edge import PITCH_MM, Curve, largest_error, measured, request, truth
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.objects.phantoms import Blur, GaussianBlur, PhosphorBlur, slanted_edge, with_glare

Float = NDArray[np.float64]
SIDE, CENTRE_PX, LOW, HIGH = 256, 128.3, 0.05, 0.95
GREY_LEVELS = 60_000
AGREEMENT = 1e-5
ANGLES_DEG = (2.0, 3.7, 6.1)
FREQUENCIES = np.arange(0.0, 0.5001, 0.005)
STEP_PX, REACH_PX, NODES = 1 / 128, 160.0, 24


def gaussian(sigma: float) -> Callable[[Float], Float]:
    """Line spread of a Gaussian [1/px]."""
    return lambda x: np.exp(-x * x / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))


def exponential(reach: float) -> Callable[[Float], Float]:
    """Line spread of a phosphor [1/px]."""
    return lambda x: np.exp(-np.abs(x) / reach) / (2 * reach)


BLURS: dict[str, tuple[Blur, Callable[[Float], Float]]] = {
    "gauss_0.5": (GaussianBlur(0.5), gaussian(0.5)),
    "gauss_0.9": (GaussianBlur(0.9), gaussian(0.9)),
    "phosphor_0.8": (PhosphorBlur(0.8), exponential(0.8)),
    "glare_0.05": (
        with_glare(GaussianBlur(0.7), 0.05, 15.0),
        lambda x: 0.95 * gaussian(0.7)(x) + 0.05 * exponential(15.0)(x),
    ),
}
NOISE = {"clean": 0.0, "10000e": 0.01, "400e": 0.05}


@dataclass(frozen=True)
class Reference:
    """One image of the set."""

    blur: str
    angle_deg: float
    noise: str

    @property
    def name(self) -> str:
        """File name without its suffix."""
        return f"edge_{self.blur}_{self.angle_deg:g}deg_{self.noise}"

    def clean(self) -> Float:
        """Fractions of the open beam."""
        image, _ = slanted_edge(
            (SIDE, SIDE),
            BLURS[self.blur][0],
            PITCH_MM,
            angle_deg=self.angle_deg,
            low=LOW,
            high=HIGH,
            centre_px=CENTRE_PX,
        )
        return np.asarray(image, dtype=np.float64)

    def stored(self, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Grey levels as written, with noise that grows with the root of the signal."""
        image = self.clean()
        noisy = image + NOISE[self.noise] * np.sqrt(image) * rng.standard_normal(image.shape)
        return np.clip(np.round(noisy * GREY_LEVELS), 0, 65535).astype(np.uint16)


def references() -> list[Reference]:
    """All of them."""
    return [Reference(blur, angle, noise) for blur in BLURS for angle in ANGLES_DEG for noise in NOISE]


def by_quadrature(spread: Callable[[Float], Float], angle_deg: float, rng: np.random.Generator) -> tuple[float, float]:
    """Largest disagreement of pixels, and of the MTF, with sums over the line spread and over the area of pixels."""
    x = np.arange(-REACH_PX, REACH_PX + STEP_PX / 2, STEP_PX)
    middle = spread((x[:-1] + x[1:]) / 2)
    # Simpson's rule per cell; a kink of the exponential at 0 lies on a border.
    cell = STEP_PX / 6 * (spread(x[:-1]) + 4 * middle + spread(x[1:]))
    edge = np.r_[0.0, np.cumsum(cell)]
    edge += (1 - edge[-1]) / 2
    blur = next(b for b, s in BLURS.values() if s is spread)
    image, _ = slanted_edge((SIDE, SIDE), blur, PITCH_MM, angle_deg=angle_deg, low=0.0, high=1.0, centre_px=CENTRE_PX)
    node, weight = np.polynomial.legendre.leggauss(NODES)
    a, worst = np.deg2rad(angle_deg), 0.0
    for row, offset in zip(rng.integers(8, SIDE - 8, 60), rng.uniform(-12, 12, 60), strict=True):
        column = int(np.clip(round(CENTRE_PX + np.tan(a) * (row - (SIDE - 1) / 2) + offset), 0, SIDE - 1))
        v = row + node[:, None] / 2 - (SIDE - 1) / 2
        u = column + node[None, :] / 2 - CENTRE_PX
        value = np.interp((u - np.tan(a) * v) * np.cos(a), x, edge)
        mean = float(weight @ value @ weight / 4)
        worst = max(worst, abs(mean - float(image[row, column])))
    f = FREQUENCIES[1:]
    phase = np.cos(2 * np.pi * np.outer(f, (x[:-1] + x[1:]) / 2))
    aperture = np.array([_mean_cosine(q * np.cos(a), q * np.sin(a), node, weight) for q in f])
    return worst, float(np.abs((phase @ cell) * aperture - truth(blur, angle_deg, f)).max())


def _mean_cosine(u: float, v: float, node: Float, weight: Float) -> float:
    """Mean of a plane wave over a pixel, by Gauss and Legendre."""
    wave = np.cos(2 * np.pi * (u * node[None, :] / 2 + v * node[:, None] / 2))
    return float(weight @ wave @ weight / 4)


def write(folder: Path) -> tuple[list[NDArray[np.uint16]], tuple[float, float]]:
    """Write images and truth; returns the images and the largest disagreements of the second way."""
    folder.mkdir(parents=True, exist_ok=True)
    worst = np.zeros(2)
    for _, spread in BLURS.values():
        for angle in ANGLES_DEG:
            worst = np.maximum(worst, by_quadrature(spread, angle, np.random.default_rng(1)))
    images, columns = [], {"frequency_px": FREQUENCIES}
    for k, one in enumerate(references()):
        images.append(one.stored(np.random.default_rng([2, k])))
        tifffile.imwrite(folder / f"{one.name}.tif", images[-1])
        columns[one.name] = truth(BLURS[one.blur][0], one.angle_deg, FREQUENCIES)
    lines = [
        f"# presampled MTF along the edge normal, cycles/pixel; simulated, coldray reference set, {len(images)} edges",
        ",".join(columns),
        *(",".join(f"{value:.8f}" for value in row) for row in zip(*columns.values(), strict=True)),
    ]
    (folder / "truth.csv").write_text("\n".join([*lines, ""]))
    return images, (float(worst[0]), float(worst[1]))


def table(images: Sequence[NDArray[np.uint16]], peers: Peers, agreement: tuple[float, float]) -> str:
    """Largest error of every tool on every image as Markdown."""
    known = references()
    ours: list[float | None] = []
    for one, image in zip(known, images, strict=True):
        try:
            ours.append(_error(measured(image.astype(np.float32)), one))
        except MeasurementError:
            ours.append(None)
    told = [request(one.angle_deg, CENTRE_PX) for one in known]
    answers = peers.ask([image / GREY_LEVELS for image in images], told)
    names = [name for name in PACKAGES if name in peers.versions]
    lines = [
        "# Reference set of edges: largest |ΔMTF| from 0.02 cycles/px to Nyquist",
        "",
        f"{date.today().isoformat()}, `python benchmarks/reference_set.py FOLDER --table FILE`, simulated images as written.",
        "",
        f"Closed form against quadrature: pixels within {agreement[0]:.1e}, MTF within {agreement[1]:.1e} (required {AGREEMENT:g}).",
        "",
        "| image | coldray | " + " | ".join(PACKAGES[name] for name in names) + " |",
        "|" + " --- |" * (len(names) + 2),
    ]
    for k, one in enumerate(known):
        found = figures(
            answers, [k], lambda a, at: _error((np.asarray(a["frequency_px"]), np.asarray(a["mtf"])), known[at])
        )
        cells = [_cell(ours[k]), *(_cell(found[n].value if n in found else None) for n in names)]
        lines.append(f"| {one.name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "A dash: no answer, or not within the time that a peer has for all images. Peers are told angle and place.",
    ]
    lines += ["Peers: " + "; ".join(f"{PACKAGES[n]} {v}" for n, v in peers.versions.items()) + "."] if names else []
    return "\n".join([*lines, ""])


def _error(curve: Curve, one: Reference) -> float:
    return largest_error(curve, BLURS[one.blur][0], one.angle_deg)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.4f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="to write the images and the truth into")
    parser.add_argument("--table", type=Path, help="measure the set, and write the table here")
    parser.add_argument("--peers", nargs="*", default=list(PACKAGES), choices=list(PACKAGES), metavar="NAME")
    parser.add_argument("--budget-s", type=float, default=20.0, help="processor time of a peer for the whole set")
    options = parser.parse_args(arguments)
    images, agreement = write(options.folder)
    size = sum(path.stat().st_size for path in options.folder.iterdir()) / 2**20
    print(f"{len(images)} images, {size:.1f} MiB; closed form against quadrature: pixels {agreement[0]:.1e}, "
          f"MTF {agreement[1]:.1e}; {_one_thread.THREADS} thread")  # fmt: skip
    if options.table:
        text = table(images, Peers(options.peers, options.budget_s), agreement)
        print(text)
        options.table.write_text(text)
    return int(max(agreement) > AGREEMENT)


if __name__ == "__main__":
    sys.exit(main())
