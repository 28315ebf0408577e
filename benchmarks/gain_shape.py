"""What the measurement's correction of the network costs in PSNR and keeps of faint defects, for every linear gain.

python benchmarks/gain_shape.py [--turns 36] [--boards 12] [--models compact compact-0.1] [--out benchmarks/results/gain_shape.json]

The default writes x + K (y - H x) where the gate is open, with K a share of K0 (decisions 0008 and 0016). Both its price in
PSNR and what an observer finds again are worked out here from the same predictions for any share over frequency: the result
is linear in it, so after one pass of the network a gain costs a few multiplications. Equal shares at all frequencies, and
the share over six bands of frequency that is best for a given exchange of AUC for PSNR, are two fronts; what they give at
the marks of `trust_marks.py` is printed, and what the share gives that the model carries. Validation boards, simulated; no test
board is looked at.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import _one_thread  # noqa: F401
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from trust_marks import EXPOSURES_S, POOLED_MARK, PRICE_DB

from coldray.benchmark.paper.detection import CELLS, defect_image, draw_sites, noisy, with_defects
from coldray.benchmark.paper.scenes import (
    ACQUIRED,
    VALIDATION_FAMILIES,
    BoardSet,
    board_scenes,
    paper_blend,
    paper_pair,
)
from coldray.benchmark.statistics import auc
from coldray.files import write_text
from coldray.frame import Frame
from coldray.gain import share_of, unshared_gain
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.physics.transfer import image_of, spectrum_of
from coldray.plugins import plugin
from coldray.restoration.even import read
from coldray.restoration.job import Job, even_constants
from coldray.restoration.model import Model, load_model

Float = NDArray[np.float64]

WIDTHS_PX = (0.7, 1.4, 2.8, 5.6, 11.2)
"""Gaussians whose differences are the bands, fine to coarse."""
EQUAL = tuple(round(0.05 * n, 2) for n in range(21))
EXCHANGES_PER_DB = (0.6, 0.3, 0.15, 0.08, 0.04, 0.02)
"""AUC that a dB is worth; each has its best share over the bands."""
AS_CURVE = (0.005, 0.01, 0.02, 0.03, 0.045, 0.065, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5)
"""Frequencies at which the shares of the bands are told as one curve [cycles/pixel]."""
BORDER_PX = 8


@dataclass(frozen=True, eq=False)
class Parts:
    """A default result as the prediction alone and what each part of K0 (y - H x) adds to it, shape (1 + parts, rows, cols).

    Parts are the bands, and last the model's own share of all of it.
    """

    layers: Float
    blurred: NDArray[np.float32]


@dataclass(eq=False)
class Found:
    """What one exposure says of every share.

    Parameters
    ----------
    errors : list of (float, ndarray, ndarray)
        Squared error of a board as a quadratic form of the shares: constant, linear and quadratic part.
    pixels : list of int
        Of each board.
    scores : dict
        Of a cell: scores with and without the defect, one column for the prediction and one for each part of the gain.
    raw : dict
        AUC of a cell in the blurred frame.
    """

    errors: list[tuple[float, Float, Float]] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)
    scores: dict[tuple[str, float], tuple[Float, Float]] = field(default_factory=dict)
    raw: dict[tuple[str, float], float] = field(default_factory=dict)

    def psnr_db(self, share: Float) -> float:
        """Mean over boards."""
        squared = np.array([e + 2 * share @ b + share @ a @ share for e, b, a in self.errors]) / np.array(self.pixels)
        return float(np.mean(-10 * np.log10(squared)))

    def price_db(self, share: Float) -> float:
        """What the correction costs, mean over boards."""
        return self.psnr_db(0 * share) - self.psnr_db(share)

    def kept(self, share: Float) -> float:
        """Pooled AUC of the result less that of the blurred frame."""
        by = np.concatenate([[1.0], share])
        return float(np.mean([auc(here @ by, away @ by) - self.raw[c] for c, (here, away) in self.scores.items()]))


def bands(cycles_per_px: Float) -> list[Float]:
    """Filters that sum to 1."""
    smooth = [np.exp(-2 * (np.pi * width * cycles_per_px) ** 2) for width in WIDTHS_PX]
    edges = [np.ones_like(cycles_per_px), *smooth, np.zeros_like(cycles_per_px)]
    return [fine - coarse for fine, coarse in itertools.pairwise(edges)]


def carried(model: Model) -> FrequencyCurve:
    """Share that the model's header states, over cycles/pixel."""
    constants = even_constants(Job(model=model))
    assert constants is not None
    return constants.least_share()


def parts_of(frame: Frame, model: Model, gated_as: Model) -> Parts:
    """Restore a frame and take the result apart by bands of the gain."""
    blend, cold = paper_blend(), plugin("method", "cold")
    shown = model.familiar(frame, blend)
    alone = cold.gain(shown, blend, share_of("network", None))
    prediction = np.asarray(cold.restore(shown, blend, model.predictor(), None, consistency=alone), dtype=np.float32)
    constants = even_constants(Job(model=gated_as))
    assert constants is not None
    reading = read(frame, blend, constants)
    frequency = frame.frequency_lp_mm
    gain = unshared_gain(frame, blend, frequency)
    gain[0, 0] = 0.0
    residual = frame.spectrum - spectrum_of(prediction - frame.level) * blend.transfer(frequency, 1.0)
    cycles_per_px = frequency * frame.pair.pixel_pitch_mm
    layers = [reading.join(prediction).out]
    layers += [
        reading.gate * image_of(residual * gain * part, np.ones_like(gain))
        for part in (*bands(cycles_per_px), carried(model)(cycles_per_px))
    ]
    return Parts(np.stack(layers).astype(np.float64), np.asarray(frame.blurred, dtype=np.float32))


def priced(found: Found, boards: BoardSet, exposure_s: float, model: Model, gated_as: Model) -> None:
    """Squared errors of boards seen by both detectors, in the blurred detector's response."""
    inner = slice(BORDER_PX, -BORDER_PX)
    for scenes in board_scenes(boards, (exposure_s,), (ACQUIRED,)):
        for scene in scenes:
            layers = parts_of(scene.frame(model.prior), model, gated_as).layers[:, inner, inner]
            rows = layers.reshape(len(layers), -1)
            error = rows[0] - scene.truths["same_response"][inner, inner].ravel()
            found.errors.append((float(error @ error), rows[1:] @ error, rows[1:] @ rows[1:].T))
            found.pixels.append(error.size)


def inserted(found: Found, boards: BoardSet, exposure_s: float, turns: int, model: Model, gated_as: Model) -> None:
    """Scores of voids and cracks in boards, as test 3 of `trust.insertion` takes them, for every part of the gain."""
    pair, blend, prior = paper_pair(), paper_blend(), model.prior
    noise = NoiseModel.of_detector(pair.blurred, exposure_s)
    sharps = [image for _, image in boards.sharp_truths()]
    sound = [
        parts_of(
            Frame(np.asarray(Frame(x, pair, noise, prior).operator(blend)(x)), pair, noise, prior), model, gated_as
        )
        for x in sharps
    ]
    columns: dict[tuple[str, float], tuple[list[Float], list[Float]]] = {cell: ([], []) for cell in CELLS}
    raw: dict[tuple[str, float], tuple[list[float], list[float]]] = {cell: ([], []) for cell in CELLS}
    for turn in range(turns):
        number = turn % len(sharps)
        sharp, golden = sharps[number], sound[number]
        rng = np.random.default_rng([977, 53, turn])
        sites = draw_sites(sharp.shape, rng)
        for which, image in enumerate((with_defects(sharp, sites, noise), sharp)):
            restored = parts_of(noisy(image, noise, rng, prior), model, gated_as)
            for site in sites:
                window, shape = site.window(), defect_image(site.name)
                cell = site.name, site.cnr
                change = restored.layers[:, *window] - golden.layers[:, *window]
                columns[cell][which].append(np.tensordot(change, shape, 2))
                raw[cell][which].append(float(np.vdot(restored.blurred[window] - golden.blurred[window], shape)))
    found.scores = {cell: (np.stack(here), np.stack(away)) for cell, (here, away) in columns.items()}
    found.raw = {cell: auc(np.array(here), np.array(away)) for cell, (here, away) in raw.items()}


def best(found: dict[float, Found], exchange: float) -> Float:
    """Share over the bands, one for all exposures, at which nothing is won by giving AUC for PSNR at this rate."""

    def cost(share: Float) -> float:
        tried = of_bands(np.abs(share))
        return sum(exchange * f.price_db(tried) - f.kept(tried) for f in found.values())

    start = np.full(len(WIDTHS_PX) + 1, 0.3)
    return np.abs(minimize(cost, start, method="Powell", options={"maxfev": 700, "xtol": 0.02, "ftol": 1e-5}).x).round(
        3
    )


def of_bands(share: Float) -> Float:
    """Shares of all parts: of the bands as given, of the model's own share none."""
    return np.append(share, 0.0)


def as_curve(share: Float) -> str:
    """Shares of the bands as `coldray model export --open-share` takes them."""
    curve = sum(one * band for one, band in zip(share, bands(np.array(AS_CURVE)), strict=True))
    return ",".join(f"{value:.3g}@{u:g}" for value, u in zip(np.asarray(curve), AS_CURVE, strict=True))


def row(share: Float, found: dict[float, Found]) -> dict:
    """One gain by bands in the table."""
    return {"share": share.tolist(), "open_share": as_curve(share)} | told(of_bands(share), found)


def told(share: Float, found: dict[float, Found]) -> dict:
    """What shares of all parts give."""
    return {
        "psnr_db": {f"{e:g} s": round(f.psnr_db(share), 3) for e, f in found.items()},
        "price_db": {f"{e:g} s": round(f.price_db(share), 4) for e, f in found.items()},
        "insertion": {f"{e:g} s": round(f.kept(share), 4) for e, f in found.items()},
    }


def own(model: Model, found: dict[float, Found]) -> dict:
    """The gain that the model carries."""
    points = carried(model)
    shares = [[float(u), float(v)] for u, v in zip(points.frequency_lp_mm, points.value, strict=True)]
    return {"cycles_px_share": shares} | told(np.append(np.zeros(len(WIDTHS_PX) + 1), 1.0), found)


def at_marks(rows: list[dict]) -> dict[str, dict[str, float | None]]:
    """Of a front, by exposure: least price at which the insertion mark holds, and the best insertion at the mark of price."""
    out: dict[str, dict[str, float | None]] = {}
    for name in rows[0]["price_db"]:
        dear = [r["price_db"][name] for r in rows if r["insertion"][name] >= POOLED_MARK]
        good = [r["insertion"][name] for r in rows if r["price_db"][name] <= PRICE_DB]
        out[name] = {"least_price_db": min(dear, default=None), "best_insertion": max(good, default=None)}
    return out


def fronts(found: dict[float, Found]) -> Iterator[tuple[str, list[dict]]]:
    """Both families of gains."""
    yield "equal", [row(np.full(len(WIDTHS_PX) + 1, share), found) for share in EQUAL]
    yield "by band", [{"auc_per_db": x} | row(best(found, x), found) for x in EXCHANGES_PER_DB]


def main() -> None:
    """Predict once, weigh every gain, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["compact", "compact-0.1"])
    parser.add_argument("--boards", type=int, default=12)
    parser.add_argument("--turns", type=int, default=36, help="frames with defects, and as many without, per exposure")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    boards = BoardSet(families=VALIDATION_FAMILIES, count=given.boards)
    shipped = load_model(given.models[0])
    table: dict = {"benchmark": "gain shape", "date": date.today().isoformat(), "kind": "simulated", "models": {}}
    table |= {"boards": given.boards, "pairs_per_cell": 0, "widths_px": WIDTHS_PX}
    for name in given.models:
        model, found = load_model(name), {e: Found() for e in EXPOSURES_S}
        for exposure_s, f in found.items():
            priced(f, boards, exposure_s, model, shipped)
            inserted(f, boards, exposure_s, given.turns, model, shipped)
        table["pairs_per_cell"] = min(len(here) for here, _ in found[EXPOSURES_S[0]].scores.values())
        said = table["models"][name] = {"sha256": model.sha256, "carried": own(model, found)}
        print(f"{name}, as it is:", said["carried"])
        for kind, rows in fronts(found):
            said[kind] = rows
            said[f"{kind}, at the marks"] = at_marks(rows)
            print(f"{name}, {kind}:")
            for each in rows:
                print("  ", *each["share"], "price", each["price_db"], "insertion", each["insertion"], flush=True)
            print("   at the marks:", said[f"{kind}, at the marks"])
    if given.out:
        write_text(given.out, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
