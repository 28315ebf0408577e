"""Faint details on even ground: what a linear observer loses by restoration, cell by cell, with paired intervals.

python benchmarks/faint.py [--quick] [--work runs/faint] [--pairs 2000] [--methods coldray,...] [--model FILE]
    [--out benchmarks/results/faint.json]

Voids and cracks of CNR 2 to 8, porosity, wide discs and a long edge, at 1, 0.25 and 0.05 s, on the signal levels 0.35 and
0.8 of the open beam and random states from 5000 on: no constant of the gate was chosen on any of them. Everything is
simulated. The efficiency's prediction is checked over several methods: --methods coldray_network,coldray_detail,...
Pieces are kept in the work folder, so that a run that was cut goes on where it stopped; those of another model or build are kept apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from numpy.typing import NDArray

from coldray.app.build import build
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, Contestant, classical, learned
from coldray.benchmark.paper.detection import channels_for, defect_image
from coldray.benchmark.paper.efficiency import agreement, measure_efficiency
from coldray.benchmark.paper.scenes import paper_blend, paper_pair
from coldray.benchmark.statistics import auc_difference
from coldray.frame import Frame
from coldray.metrology.observer import laguerre_gauss_channels
from coldray.physics.noise import NoiseModel
from coldray.restoration.model import Model, load_model
from coldray.simulation.paper import PITCH_MM

FIRST_STATE = 5000
LEVELS = (0.35, 0.8)
EXPOSURES_S = (1.0, 0.25, 0.05)
CNRS = (2.0, 3.0, 5.0, 8.0)
MARK, WIDE_MARK = -0.02, -0.03
WIDE_INDEX = 3.0
"""Index d' that a wide structure has in the raw frame for the best linear observer."""

Image = NDArray[np.float32]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One kind of faint structure.

    Parameters
    ----------
    kind : {"void", "crack", "porosity", "disc", "edge"}
    size : float
        CNR of voids, cracks and porosity; diameter of discs [pixels]; index d' of a long edge within one patch.
    """

    kind: str
    size: float

    @property
    def name(self) -> str:
        """Name in tables."""
        return (
            "long edge"
            if self.kind == "edge"
            else f"{self.kind} {self.size:g}" + (" px" if self.kind == "disc" else "")
        )

    @property
    def wide(self) -> bool:
        """Whether it is wider than the patch of a void."""
        return self.kind in ("disc", "edge")

    @property
    def side(self) -> int:
        """Side of a patch [pixels], odd."""
        return 33 if not self.wide else 49 if self.kind == "edge" else 2 * int(self.size) + 1

    @property
    def spacing(self) -> int:
        """Distance of sites [pixels]."""
        return {"porosity": 16, "edge": 64}.get(self.kind, 48 if not self.wide else 2 * self.side)


CELLS = (
    *(Cell(kind, cnr) for kind in ("void", "crack") for cnr in CNRS),
    Cell("porosity", 5.0),
    *(Cell("disc", d) for d in (20.0, 40.0, 60.0)),
    Cell("edge", WIDE_INDEX),
)


@dataclass(frozen=True)
class Piece:
    """One frame with and one without the structure."""

    cell: Cell
    exposure_s: float
    level: float
    number: int

    @property
    def state(self) -> list[int]:
        """Random state of its noise and places."""
        return [
            FIRST_STATE + self.number,
            round(1000 * self.exposure_s),
            round(100 * self.level),
            CELLS.index(self.cell),
        ]


def structure(
    cell: Cell, shape: tuple[int, int], level: float, noise: NoiseModel, rng: np.random.Generator
) -> tuple[Float, list[tuple[int, int]]]:
    """Sharp image of what is added, and the centres of its sites."""
    out = np.zeros(shape)
    half = cell.side // 2
    margin = half + 24
    rows, cols = (np.arange(margin, n - margin, cell.spacing) for n in shape)
    sites = [(int(r), int(c)) for r in rows for c in cols]
    if cell.kind == "edge":
        sites = [(r, shape[1] // 2) for r in range(margin, shape[0] - margin, cell.spacing)]
        step = np.sign(np.arange(cell.side) - half + 0.5) * np.ones((cell.side, 1))
        out += (
            0.5 * cell.size / _index_of(0.5 * step, level, noise) * np.sign(np.arange(shape[1]) - shape[1] // 2 + 0.5)
        )
        return out, sites
    if cell.kind == "disc":
        y, x = np.mgrid[-half : half + 1, -half : half + 1]
        small = np.clip(cell.size / 2 + 0.5 - np.hypot(y, x), 0, 1)
        peak = WIDE_INDEX / _index_of(small, level, noise)
    else:
        small, peak = defect_image("crack" if cell.kind == "crack" else "void"), cell.size * noise.relative_sd(level)
    if cell.kind != "porosity":
        sites = [
            (r + int(a), c + int(b)) for (r, c), (a, b) in zip(sites, rng.integers(-3, 4, (len(sites), 2)), strict=True)
        ]
    reach = small.shape[0] // 2
    taken = rng.random(len(sites)) < 0.5 if cell.kind == "porosity" else np.ones(len(sites), dtype=bool)
    for (r, c), there in zip(sites, taken, strict=True):
        if there:
            out[r - reach : r + reach + 1, c - reach : c + reach + 1] += peak * small
    return out, [s for s, t in zip(sites, taken, strict=True) if t]


def _index_of(small: Float, level: float, noise: NoiseModel) -> float:
    """Index d' of the best linear observer for a structure of peak 1 in the raw frame."""
    side = 4 * small.shape[0]
    u = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    image = np.zeros((side, side))
    image[: small.shape[0], : small.shape[1]] = small
    seen = np.abs(np.fft.fft2(image)) ** 2 / side**2 * paper_blend().transfer(u / PITCH_MM, 1.0) ** 2
    return float(np.sqrt(np.sum(seen / (noise.power(u / PITCH_MM, level) / PITCH_MM**2))))


def channels_of(cell: Cell) -> Float:
    """Channels of the Hotelling observer."""
    if cell.kind == "disc":
        return laguerre_gauss_channels((cell.side, cell.side), 1.5 * cell.size, 6)
    if cell.kind == "edge":
        x = np.arange(cell.side) - cell.side // 2
        waves = [np.sign(x + 1e-9) * np.exp(-((x / w) ** 2)) for w in (3.0, 6.0, 12.0, 20.0)]
        found = np.stack([np.ones((cell.side, 1)) * w for w in waves])
        return np.asarray(found / np.sqrt(np.sum(found**2, axis=(1, 2), keepdims=True)))
    return channels_for("crack" if cell.kind == "crack" else "void")


def patches(image: Image, sites: list[tuple[int, int]], side: int) -> Float:
    """Patches around sites, one row each."""
    half = side // 2
    return np.stack([image[r - half : r + half + 1, c - half : c + half + 1].ravel() for r, c in sites]).astype(
        np.float64
    )


def shape_of(cell: Cell) -> tuple[int, int]:
    """Frame that holds a good number of sites."""
    return (448, 256) if cell.kind == "edge" else (448, 448) if cell.wide else (320, 320)


def run_piece(piece: Piece, contestants: list[Contestant], model: Model) -> dict[str, Float]:
    """Channel outputs and template scores of one frame with and one without the structure, by method."""
    cell, blend, pair = piece.cell, paper_blend(), paper_pair()
    noise = NoiseModel.of_detector(pair.blurred, piece.exposure_s)
    rng = np.random.default_rng(piece.state)
    flat = np.full(shape_of(cell), piece.level, dtype=np.float32)
    added, sites = structure(cell, flat.shape, piece.level, noise, rng)
    probe = Frame(flat, pair, noise, model.prior)
    sharp = (flat + added).astype(np.float32)
    blurred = probe.operator(blend)(sharp)
    noisy = [(b + noise.draw(s, rng)).astype(np.float32) for b, s in ((blurred, sharp), (flat, flat))]
    unit = noise.relative_sd(piece.level)

    def seen_at(image: Image) -> Float:
        # in units of the noise about the level, so that pieces of all levels may be ranked together
        return patches((image - np.float32(piece.level)) / np.float32(unit), sites, cell.side)

    features = channels_of(cell).reshape(len(channels_of(cell)), -1).T
    out: dict[str, Float] = {}
    for contestant in contestants:
        quiet = [contestant.restore(Frame(i, pair, noise, model.prior), blend).image for i in (blurred, flat)]
        template = (seen_at(quiet[0]) - seen_at(quiet[1])).mean(axis=0)
        for what, image in zip(("present", "absent"), noisy, strict=True):
            seen = seen_at(contestant.restore(Frame(image, pair, noise, model.prior), blend).image)
            out[f"{contestant.key}.{what}.channels"] = seen @ features
            out[f"{contestant.key}.{what}.template"] = seen @ template
    return out


def crossed(yes: Float, no: Float) -> tuple[Float, Float]:
    """Hotelling scores, every half with the template of the other."""
    scores = [np.empty(len(yes)), np.empty(len(no))]
    for half in (0, 1):
        learn = [part[half::2] for part in (yes, no)]
        scatter = (np.cov(learn[0], rowvar=False) + np.cov(learn[1], rowvar=False)) / 2
        template = np.linalg.pinv(np.atleast_2d(scatter), hermitian=True) @ (learn[0].mean(0) - learn[1].mean(0))
        template = template / np.sqrt(max(float(template @ scatter @ template), 1e-30))
        for score, part in zip(scores, (yes, no), strict=True):
            score[1 - half :: 2] = (part[1 - half :: 2] - learn[1].mean(axis=0)) @ template
    return scores[0], scores[1]


def pieces_of(cell: Cell, exposure_s: float, pairs: int) -> Iterator[Piece]:
    """Frames until there are enough pairs, the levels in turn."""
    gathered, number = 0, 0
    noise = NoiseModel.of_detector(paper_pair().blurred, exposure_s)
    while gathered < pairs:
        piece = Piece(cell, exposure_s, LEVELS[number % len(LEVELS)], number)
        _, sites = structure(cell, shape_of(cell), piece.level, noise, np.random.default_rng(piece.state))
        gathered, number = gathered + len(sites), number + 1
        yield piece


def run_cell(
    cell: Cell, exposure_s: float, pairs: int, contestants: list[Contestant], model: Model, work: Path
) -> list[dict[str, Any]]:
    """All pieces of a cell, then the paired differences of every method from the raw frame."""
    gathered: dict[str, list[Float]] = {}
    said = json.dumps([build(), model.sha256, *(c.to_json() for c in contestants)], sort_keys=True)
    who = hashlib.sha256(said.encode()).hexdigest()[:8]
    for piece in pieces_of(cell, exposure_s, pairs):
        place = work / f"{cell.kind}-{cell.size:g}-{exposure_s:g}-{piece.number}-{who}.npz"
        if not place.is_file():
            found = run_piece(piece, contestants, model)
            partial = place.with_suffix(".part.npz")
            np.savez(partial, **found)
            partial.rename(place)
        with np.load(place) as kept:
            for key in kept.files:
                gathered.setdefault(key, []).append(kept[key])
    data = {k: np.concatenate(v) for k, v in gathered.items()}
    rows = []
    readings = {
        c.key: {
            "hotelling": crossed(data[f"{c.key}.present.channels"], data[f"{c.key}.absent.channels"]),
            "npw": (data[f"{c.key}.present.template"], data[f"{c.key}.absent.template"]),
        }
        for c in contestants
    }
    for c in contestants:
        if c.key == BLURRED:
            continue
        for observer in ("hotelling", "npw"):
            found = auc_difference(readings[c.key][observer], readings[BLURRED][observer])
            rows.append(
                {"method": c.key, "cell": cell.name, "exposure_s": exposure_s, "observer": observer, "wide": cell.wide}
                | found.to_json()
            )
    return rows


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 pairs per cell at 1 s only")
    parser.add_argument("--pairs", type=int, default=2000, help="least pairs per cell; wide structure a fifth of it")
    parser.add_argument("--methods", default=DEFAULT, help="keys of contestants, comma-separated")
    parser.add_argument("--exposure-s", type=float, action="append", help="repeats; 1, 0.25 and 0.05 by default")
    parser.add_argument("--cells", help="kinds of cell, comma-separated")
    parser.add_argument("--flats", type=int, default=24, help="flats per method and exposure for the efficiency")
    parser.add_argument("--model")
    parser.add_argument("--work", type=Path, default=Path("runs/faint"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/faint.json"))
    given = parser.parse_args()
    began = time.process_time()
    model = load_model(given.model)
    by_key = {c.key: c for c in [*classical(), *learned(model, 4)]}
    contestants = [by_key[BLURRED], *(by_key[k] for k in given.methods.split(","))]
    exposures = tuple(given.exposure_s or ((1.0,) if given.quick else EXPOSURES_S))
    pairs = 60 if given.quick else given.pairs
    given.work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for exposure_s in exposures:
        for cell in CELLS:
            if given.cells and cell.kind not in given.cells.split(","):
                continue
            rows += run_cell(cell, exposure_s, pairs // 5 if cell.wide else pairs, contestants, model, given.work)
            for row in rows[-2 * (len(contestants) - 1) :]:
                mark = WIDE_MARK if row["wide"] else MARK
                print(
                    f"{row['exposure_s']:5g} s  {row['cell']:12s} {row['method']:22s} {row['observer']:9s} "
                    f"raw {row['other_auc']:.3f}  {row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f}) "
                    f"{row['images']} pairs{'' if row['low'] >= mark else '  UNDER THE MARK'}",
                    flush=True,
                )
    efficiency = measure_efficiency(contestants[1:], exposures, given.flats, model.prior)
    for row in efficiency:
        print(
            f"{row['exposure_s']:5g} s  eta of {row['method']}: least {row['lowest']:.3f}; "
            + " ".join(f"{e:.2f}" for e in row["eta"])
        )
    results: dict[str, Any] = {
        "benchmark": "faint", "date": date.today().isoformat(), "kind": "simulated",
        "model": model.named(), "levels": LEVELS, "first_random_state": FIRST_STATE,
        "pairs": pairs, "marks": {"lowest": MARK, "lowest_wide": WIDE_MARK}, "cells": rows, "efficiency": efficiency,
        "prediction": predictions(rows, efficiency), "core_seconds": time.process_time() - began,
    }  # fmt: skip
    if results["prediction"]:
        print("measured over predicted loss:", results["prediction"])
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def predictions(rows: list[dict[str, Any]], efficiency: list[dict[str, Any]]) -> dict[str, float] | None:
    """Line of measured over predicted losses of the Hotelling observer in the cells that both know."""
    told = {
        (e["method"], e["exposure_s"], f"{p['task']} {p['cnr']:g}"): p["difference"]
        for e in efficiency for p in e["predicted"]
    }  # fmt: skip
    both = [
        (told[key], row["difference"])
        for row in rows
        if row["observer"] == "hotelling" and (key := (row["method"], row["exposure_s"], row["cell"])) in told
    ]
    return agreement(*zip(*both, strict=True)) if len(both) > 2 else None


if __name__ == "__main__":
    main()
