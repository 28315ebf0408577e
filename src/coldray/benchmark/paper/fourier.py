"""Transfer, noise and bar contrast of every contestant on simulated targets with exactly known truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, Contestant, effort
from coldray.benchmark.paper.far_edge import known_edge_transfer
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.record import Bars, Flat, Fourier, FourierMarks, Measured, Transfer
from coldray.benchmark.paper.scenes import THIN, blend_of, pair_of, paper_pair, screens
from coldray.errors import MeasurementError
from coldray.frame import Frame
from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.bars.group import Roi
from coldray.metrology.transfer import TaskTransfer, contrast_dependence, noise_by_repeats, task_transfer
from coldray.objects.phantoms import CurveBlur, bars, slanted_edge
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import nyquist_lp_mm
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.physics.source import AIR_KERMA_RATE_UGY_S
from coldray.processes import Crew
from coldray.simulation.paper import PITCH_MM

Image = NDArray[np.float32]

CONTRASTS = (0.80, 0.20, 0.05, 0.02)
ANGLE_DEG, FAR_ANGLE_DEG, FAR_CONTRAST = 3.0, 40.0, 0.20
NEAR_UPRIGHT_DEG = 10.0
"""Edges tilted further are measured at their known place."""
BRIGHT = 0.8
"""Bright side of every target, fraction of the open beam."""
EDGE_SHAPE = (192, 192)
BAR_FREQUENCIES_LP_MM = (1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0)
BAR_CONTRAST = 0.5
BAR_TOLERANCE = 0.05
"""Relative distance from its frequency beyond which what was found is no group of bars but noise."""
NEAR_PX = 8
"""Half-width of the strip that counts as near the edge."""
CURVE_POINTS = 53
NYQUIST_SHARE = 0.8
"""Share of Nyquist up to which the 80 % TTF is compared with the sharp detector's MTF."""

MARKS = {"ttf80": 0.03, "ctf": 0.03, "edge_noise": 1.5}


@cache
def screen_blur(sharp: bool) -> CurveBlur:
    """Screen blur without the pixel aperture, in cycles/pixel far beyond Nyquist, for exact targets."""
    thin, thick = screens()
    f = np.linspace(0, 6, 1537)
    return CurveBlur(FrequencyCurve(f, (thin if sharp else thick).screen.mtf(f / PITCH_MM)))


def edge_images(contrast: float, angle_deg: float) -> tuple[Image, Image]:
    """Noise-free blurred and sharp image of one edge."""
    low = BRIGHT * (1 - contrast)
    blurred, sharp = (
        slanted_edge(EDGE_SHAPE, screen_blur(s), PITCH_MM, angle_deg=angle_deg, low=low, high=BRIGHT)[0]
        for s in (False, True)
    )
    return np.asarray(blurred, dtype=np.float32), np.asarray(sharp, dtype=np.float32)


@dataclass(frozen=True)
class FourierRecipe:
    """How much is measured.

    Parameters
    ----------
    exposure_s : float
    repeats : int
        Noise realisations of every edge and flat.
    bar_repeats : int
        Noise realisations of the bars.
    random_state : int
    peer_repeats : int
        At most so many of `repeats` for methods that are there to be compared with; what is judged by marks (the
        default, and the blurred frame beside it) gets all.
    """

    exposure_s: float = 1.0
    repeats: int = 40
    bar_repeats: int = 12
    random_state: int = 5
    peer_repeats: int = 24

    def of(self, key: str) -> FourierRecipe:
        """Recipe of one contestant."""
        in_full = key in (BLURRED, DEFAULT)
        return self if in_full else replace(self, repeats=min(self.repeats, self.peer_repeats))


def recipes_of(how: PaperSettings) -> list[FourierRecipe]:
    """Targets at every exposure asked for."""
    return [
        FourierRecipe(exposure, how.repeats, how.bar_repeats, peer_repeats=how.peer_repeats)
        for exposure in how.fourier_exposures_s
    ]


def targeted(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Whose targets are measured: everyone's, but means of draws."""
    return [c for c in contestants if not c.key.endswith("_mean")]


def repeats_of(
    contestant: Contestant,
    clean: Image,
    recipe: FourierRecipe,
    prior: ObjectPrior,
    stream: int,
    count: int | None = None,
) -> NDArray[np.float32]:
    """Restore one target again and again, each time with other noise; the same noise for every contestant of a screen.

    Notes
    -----
    Noise is drawn from the detector's NNPS at the local signal; beam hardening plays no part, so that the truth
    is exact.
    """
    pair, blend = pair_of(contestant.screen), blend_of(contestant.screen)
    noise = NoiseModel.of_detector(pair.blurred, recipe.exposure_s)
    out = []
    for number in range(recipe.repeats if count is None else count):
        rng = np.random.default_rng([recipe.random_state, 43, stream, number])
        frame = Frame(clean + noise.draw(clean, rng), pair, noise, prior)
        restored = contestant.restore(
            frame, blend, exposure_s=recipe.exposure_s, random_state=(recipe.random_state, stream, number)
        )
        out.append(restored.image)
    return np.stack(out)


def measured_limit_lp_mm(exposure_s: float, prior: ObjectPrior | None = None, signal: float = BRIGHT) -> float:
    """Frequency where MTF^2 SNR falls to 1: beyond it a result is prior, not data [cycles/mm].

    Notes
    -----
    SNR is the mean board spectrum seen through the sharp detector, over the noise power of one blurred frame.
    """
    pair = paper_pair()
    frame = Frame(np.full((2, 2), signal, dtype=np.float32), pair, NoiseModel.of_detector(pair.blurred, exposure_s),
                  prior or ObjectPrior())  # fmt: skip
    f = np.linspace(0.01, nyquist_lp_mm(PITCH_MM), 2000)
    share = pair.ratio(f) ** 2 * frame.contrast_power(f) / frame.noise.power(f, signal)
    below = np.flatnonzero(share < 1)
    return float(f[below[0]]) if below.size else float(f[-1])


def edge_family(contestant: Contestant, recipe: FourierRecipe, prior: ObjectPrior) -> Measured:
    """TTF at every contrast, and noise by repeats in flats and near the edge.

    Returns
    -------
    dict
        "transfers": list of curves, each with the contrast kept; "contrast_dependence": the index of the 5 % and 80 %
        edges, or None; "noise": per contrast the SDs and their ratio.
    """
    kerma = AIR_KERMA_RATE_UGY_S * recipe.exposure_s
    cases = [(c, ANGLE_DEG) for c in CONTRASTS] + [(FAR_CONTRAST, FAR_ANGLE_DEG)]
    transfers: list[Transfer] = []
    noise: dict[str, dict[str, float | None]] = {}
    near: list[TaskTransfer] = []
    for stream, (contrast, angle) in enumerate(cases):
        blurred, truth = edge_images(contrast, angle)
        clean = truth if contestant.screen == THIN else blurred
        stack = repeats_of(contestant, clean, recipe, prior, stream)
        entry: Transfer = {"contrast": contrast, "angle_deg": angle, "repeats": len(stack)}
        if abs(angle) > NEAR_UPRIGHT_DEG:
            curve = known_edge_transfer(stack, PITCH_MM, angle)
            with_curve(entry, curve)
            transfers.append({**entry, "ttf50_lp_mm": curve.frequency_at(0.5), "warnings": []})
            continue
        try:
            found = task_transfer(stack, PITCH_MM, contrast=contrast, air_kerma_ugy=kerma)
            near.append(found)
            with_curve(entry, found.ttf)
            entry |= {
                "name": found.name, "ttf50_lp_mm": found.ttf50_lp_mm, "contrast_kept": found.contrast_kept,
                "warnings": list(found.warnings),
            }  # fmt: skip
        except MeasurementError as problem:
            entry["failed"] = str(problem)
        transfers.append(entry)
        noise[f"{contrast:g}"] = edge_noise(stack, truth)
    return {"transfers": transfers, "contrast_dependence": _dependence(near), "noise": noise}


def _dependence(transfers: Sequence[TaskTransfer]) -> float | None:
    """Index of contrast dependence; None where it is not defined."""
    try:
        return contrast_dependence(transfers)
    except MeasurementError:
        return None


def with_curve(entry: Transfer, curve: FrequencyCurve) -> None:
    """Add a curve and its band, on a common grid up to Nyquist."""
    f = np.linspace(0, nyquist_lp_mm(PITCH_MM), CURVE_POINTS)
    entry |= {"frequency_lp_mm": f.round(4).tolist(), "value": curve(f).round(5).tolist()}
    if curve.low is not None and curve.high is not None:
        low, high = (np.interp(f, curve.frequency_lp_mm, end).round(5).tolist() for end in (curve.low, curve.high))
        entry |= {"low": low, "high": high}


def edge_noise(stack: NDArray[np.float32], truth: Image) -> dict[str, float | None]:
    """Noise of the repeats near the edge over that of the flats on both sides, and spectra of both.

    Notes
    -----
    The edge is upright and passes through the centre, tilted by 3 degrees: boxes of the strip follow it.
    """
    rows, cols = EDGE_SHAPE
    height = 24
    regions: dict[str, tuple[int, int, int, int]] = {}
    for top in range(16, rows - 16 - height + 1, height):
        shift = (top + height / 2 - rows / 2) * np.tan(np.deg2rad(ANGLE_DEG))
        middle = round(cols / 2 + shift)
        regions[f"edge{top}"] = (middle - NEAR_PX, top, 2 * NEAR_PX, height)
        regions[f"dark{top}"] = (16, top, 40, height)
        regions[f"bright{top}"] = (cols - 56, top, 40, height)
    found = noise_by_repeats(stack, PITCH_MM, regions, truth=truth)

    def sd(side: str) -> float:
        return float(np.sqrt(np.mean([r.sd**2 for name, r in found.regions.items() if name.startswith(side)])))

    edge, dark, bright = sd("edge"), sd("dark"), sd("bright")
    flat = float(np.sqrt((dark**2 + bright**2) / 2))
    bias = float(np.sqrt(np.mean([r.bias**2 for n, r in found.regions.items() if n.startswith("edge") and r.bias])))
    return {"edge_sd": edge, "dark_sd": dark, "bright_sd": bright, "ratio": edge / flat if flat > 0 else None,
            "edge_bias_rms": bias}  # fmt: skip


def flat_noise(contestant: Contestant, recipe: FourierRecipe, prior: ObjectPrior) -> Flat:
    """NNPS [mm2] of restored flats, from repeats."""
    clean = np.full(EDGE_SHAPE, BRIGHT, dtype=np.float32)
    stack = repeats_of(contestant, clean, recipe, prior, 60)
    found = noise_by_repeats(stack, PITCH_MM, {"flat": (32, 32, 128, 128)})
    nps = found.regions["flat"].nps.scaled(1 / BRIGHT**2)
    return {
        "frequency_lp_mm": nps.frequency_lp_mm.round(4).tolist(), "nnps_mm2": nps.value.tolist(),
        "relative_sd": found.regions["flat"].sd / BRIGHT, "repeats": found.repeats, "signal": BRIGHT,
    }  # fmt: skip


def bar_contrast(contestant: Contestant | None, recipe: FourierRecipe, prior: ObjectPrior) -> list[Bars]:
    """CTF of the mean over repeats, per group; the sharp detector's own, without noise, for no contestant."""
    blur = screen_blur(contestant is None or contestant.screen == THIN)
    image, groups = bars(BAR_FREQUENCIES_LP_MM, blur, PITCH_MM, rows=96, low=BRIGHT * (1 - BAR_CONTRAST), high=BRIGHT)
    if contestant is not None:
        clean = np.asarray(image, dtype=np.float32)
        image = repeats_of(contestant, clean, recipe, prior, 70, recipe.bar_repeats).mean(axis=0)
    return [_group(np.asarray(image), g.box, f) for g, f in zip(groups, BAR_FREQUENCIES_LP_MM, strict=True)]


def _group(image: Image, box: Roi, frequency_lp_mm: float) -> Bars:
    """One group by itself: what is lost in the noise takes no other along."""
    try:
        found = bars_ctf(image, PITCH_MM, [box], plateau=(BRIGHT * (1 - BAR_CONTRAST), BRIGHT)).groups[0]
    except MeasurementError:
        found = None
    if found is None or abs(found.frequency_lp_mm / frequency_lp_mm - 1) > BAR_TOLERANCE:
        return {"frequency_lp_mm": frequency_lp_mm, "ctf": None, "ctf_sd": None}
    return {"frequency_lp_mm": found.frequency_lp_mm, "ctf": found.ctf, "ctf_sd": found.ctf_sd}


def contrasts(groups: Sequence[Bars]) -> NDArray[np.float64]:
    """CTF of groups, NaN where they do not stand out."""
    return np.array([np.nan if g["ctf"] is None else g["ctf"] for g in groups])


def measure(
    contestants: Sequence[Contestant],
    recipe: FourierRecipe,
    prior: ObjectPrior,
    say: Callable[[str], None] = lambda _: None,
    crew: Crew | None = None,
) -> Fourier:
    """Everything of this module for every contestant, with the marks at this exposure.

    Parameters
    ----------
    contestants : sequence of Contestant
    recipe : FourierRecipe
    prior : ObjectPrior
    say : callable
        Told what happens next.
    crew : Crew, optional
        Shares the contestants.

    Returns
    -------
    dict
        "methods" per key, "sharp" and "limit_lp_mm"; JSON-able.
    """
    pair = paper_pair()
    f = np.linspace(0, nyquist_lp_mm(PITCH_MM), CURVE_POINTS)
    reference = NoiseModel.of_detector(pair.sharp, 20.0)
    results: Fourier = {
        "exposure_s": recipe.exposure_s,
        "repeats": recipe.repeats,
        "peer_repeats": min(recipe.repeats, recipe.peer_repeats),
        "bright": BRIGHT,
        "limit_lp_mm": measured_limit_lp_mm(recipe.exposure_s, prior),
        "sharp": {
            "frequency_lp_mm": f.round(4).tolist(),
            "mtf": pair.sharp.mtf(f).round(5).tolist(),
            "blurred_mtf": pair.blurred.mtf(f).round(5).tolist(),
            "nnps_20_frames_mm2": (reference.power(f, BRIGHT) / BRIGHT**2).tolist(),
            "ctf": bar_contrast(None, recipe, prior),
        },
        "methods": {},
    }

    def announced() -> Iterator[Contestant]:
        for contestant in contestants:
            say(f"Fourier targets at {recipe.exposure_s:g} s: {contestant.label}")
            yield contestant

    measured = (crew or Crew()).map(
        partial(_measured, recipe, prior), announced(), lambda contestant: effort_of_targets(contestant, recipe)
    )
    results["methods"] |= {c.key: found for c, found in zip(contestants, measured, strict=True)}
    for found in results["methods"].values():
        found["marks"] = marks_of(found, results)
    return results


def effort_of_targets(contestant: Contestant, recipe: FourierRecipe) -> float:
    """Work of the edges, the flat and the bars of one contestant, as `effort` counts."""
    frames = (len(CONTRASTS) + 2) * recipe.of(contestant.key).repeats + recipe.bar_repeats
    return frames * effort([contestant], EDGE_SHAPE)


def _measured(recipe: FourierRecipe, prior: ObjectPrior, contestant: Contestant) -> Measured:
    own = recipe.of(contestant.key)
    return {
        **edge_family(contestant, own, prior),
        "flat": flat_noise(contestant, own, prior),
        "ctf": bar_contrast(contestant, own, prior),
    }


def marks_of(found: Measured, results: Fourier) -> FourierMarks:
    """How one contestant stands against the Fourier marks; None where a curve is missing.

    A TTF is 1 at zero for whatever step is left; compared is what becomes of the object, TTF times the contrast kept.
    """
    f = np.array(results["sharp"]["frequency_lp_mm"])
    sharp = np.array(results["sharp"]["mtf"])
    near = {t["contrast"]: t for t in found["transfers"] if t["angle_deg"] == ANGLE_DEG and "value" in t}
    raw = results["methods"].get("blurred")
    raw_near = {
        t["contrast"]: t for t in (raw["transfers"] if raw else ()) if t["angle_deg"] == ANGLE_DEG and "value" in t
    }
    inside = f <= NYQUIST_SHARE * nyquist_lp_mm(PITCH_MM)
    strong, faint = near.get(0.80), near.get(0.05)
    off = None if strong is None else float(np.abs(_response(strong, "value") - sharp)[inside].max())
    below = None
    if faint is not None and "high" in faint and 0.05 in raw_near:
        data = f <= results["limit_lp_mm"]
        below = float((_response(raw_near[0.05], "value") - _response(faint, "high"))[data].max())
    off_bars = np.abs(contrasts(found["ctf"]) - contrasts(results["sharp"]["ctf"])).round(4)
    seen = off_bars[np.isfinite(off_bars)]
    ratios = [n["ratio"] for n in found["noise"].values() if n["ratio"] is not None]
    return {
        "ttf80_largest_difference": off,
        "ttf5_largest_shortfall_below_raw": below,
        "ctf_difference": [float(one) if np.isfinite(one) else None for one in off_bars],
        "ctf_largest_difference": float(seen.max()) if seen.size else None,
        "edge_over_flat_noise": max(ratios) if ratios else None,
        "contrast_dependence": found["contrast_dependence"],
    }


def _response(entry: Transfer, part: Literal["value", "high"]) -> NDArray[np.float64]:
    """TTF of an edge, or an end of its band, times the contrast kept."""
    return np.array(entry[part]) * entry["contrast_kept"]
