"""How much work the parts of a comparison are, roughly: for what is left of a run, never for a result."""

from __future__ import annotations

from collections.abc import Sequence

from coldray.benchmark.paper.contestants import Contestant, effort
from coldray.benchmark.paper.fourier import effort_of_targets, recipes_of, targeted
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.scenes import NOISE_FREE
from coldray.benchmark.paper.worth import CONTENDERS, EXPOSURES_S, LOADING_EXPOSURES_S, LOADINGS_MG_CM2, RESTORED

A_PAIR = {"detection": 1.5, "trust": 4.0}
"""Of a pair with and without a defect, in evaluations of a network on 10^5 pixels."""
A_FLAT = 2.5
"""Of a flat in the efficiency's five methods at one exposure, in the same."""


def effort_of_inspection(part: str, how: PaperSettings) -> float:
    """Work of one of the inspector's parts, as `effort` counts."""
    return A_FLAT * how.flats * len(how.exposures_s) if part == "efficiency" else A_PAIR[part] * how.pairs


def effort_of_all(how: PaperSettings, contestants: Sequence[Contestant], of_steps: Sequence[Contestant]) -> float:
    """Work of all parts that are asked for, as `effort` counts."""
    shape = (how.boards.size_px, how.boards.size_px)
    frames = sum(1 if kind == NOISE_FREE else len(how.exposures_s) for kind in how.kinds)
    shown, restored = ([c for c in contestants if c.key in keys] for keys in (CONTENDERS, RESTORED))
    loaded = len(LOADINGS_MG_CM2) * len(LOADING_EXPOSURES_S)
    found = {
        "scores": how.boards.count * frames * effort(contestants, shape),
        "worth": how.boards.count * (len(EXPOSURES_S) * effort(shown, shape) + loaded * effort(restored, shape)),
        "steps": min(how.boards.count, how.step_boards) * effort(of_steps, shape),
        "fourier": sum(effort_of_targets(c, recipe) for recipe in recipes_of(how) for c in targeted(contestants)),
        **{part: effort_of_inspection(part, how) for part in ("detection", "efficiency", "trust")},
    }
    return sum(found[part] for part in how.parts)
