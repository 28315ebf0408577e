"""What a thick screen and a restoration are worth: quality over exposure and over phosphor loading, and the exposure saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from coldray.benchmark.paper import scores
from coldray.benchmark.paper.contestants import (
    BLURRED,
    DEFAULT,
    THIN_NETWORK,
    THIN_RAW,
    THIN_WIENER,
    WIENER,
    Contestant,
)
from coldray.benchmark.paper.record import Entry, Row, Saved, Score, Seen, Worth
from coldray.benchmark.paper.scenes import ACQUIRED, BoardSet, Scene, board_scenes, paper_pair
from coldray.benchmark.statistics import interval
from coldray.document import as_number
from coldray.metrology.detectability import detectability
from coldray.metrology.tasks import Task, disc
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.processes import Crew
from coldray.simulation.acquire import project_pair
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import OVERSAMPLING, PITCH_MM, SHARP_MG_CM2

CONTENDERS = (THIN_RAW, THIN_WIENER, THIN_NETWORK, BLURRED, WIENER, DEFAULT)
"""Rows of the curve over exposure."""
RESTORED = (BLURRED, WIENER, DEFAULT)
"""Rows of the curve over loading."""
EXPOSURES_S = (2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.025)
LOADINGS_MG_CM2 = (SHARP_MG_CM2, 60.0, 90.0, 134.55, 200.0)
LOADING_EXPOSURES_S = (0.25, 0.05)
REFERENCE_S = 1.0
"""Exposure of the thin screen whose quality is to be reached."""
FIELDS: tuple[Score, ...] = ("psnr_db_truth", "psnr_db_curve", "ssim_truth")
"""Scores that are to be reached; the second one has beam hardening taken out as far as one curve can."""
VOIDS_PX = (2, 4, 8, 16, 32)
VOID_CONTRAST, VOID_SIGNAL = 0.01, 0.6
"""Voids whose detection is compared: contrast and the signal around them [fraction of the open beam]."""
SEARCHED_S = (1e-3, 1e3)
"""Exposures among which the thick screen's is sought [s]."""


def measure_worth(
    contestants: Sequence[Contestant], boards: BoardSet, prior: ObjectPrior, *,
    exposures_s: Sequence[float] = EXPOSURES_S, loadings_mg_cm2: Sequence[float] = LOADINGS_MG_CM2,
    loading_exposures_s: Sequence[float] = LOADING_EXPOSURES_S, say: Callable[[str], None] = lambda _: None,
    crew: Crew | None = None,
) -> Worth:  # fmt: skip
    """Quality over exposure and over loading on acquired pairs, the exposure saved, and detection without any restoration.

    Parameters
    ----------
    contestants : sequence of Contestant
        Those of `CONTENDERS` count.
    boards : BoardSet
    prior : ObjectPrior
        Of the linear estimates.
    exposures_s : sequence of float
        Exposures of the thin and of the thick screen [s].
    loadings_mg_cm2 : sequence of float
        Of the blurred screen [mg/cm2]; the thin screen's own is the thin screen, only denoised.
    loading_exposures_s : sequence of float
        Exposures at which loadings are compared [s].
    say : callable
        Told what happens next.
    crew : Crew, optional
        Shares the frames.

    Returns
    -------
    dict
        "exposure" and "loading": means with intervals over boards, as `scores.summarise` gives them; "saved": per method and score
        the exposure of the thin screen over that of equal quality, see `saved`; "detection": see `detection_saved`.
    """
    by_key = {c.key: c for c in contestants if c.key in CONTENDERS}
    team = crew or Crew()

    def over_exposure() -> Iterator[scores.Heat]:
        for number, scenes in enumerate(board_scenes(boards, exposures_s, (ACQUIRED,))):
            say(f"quality over exposure: {scenes[0].board}")
            yield from ((scene, number, False) for scene in scenes)

    rows = [row for made, _ in scores.score_heats(over_exposure(), list(by_key.values()), prior, team) for row in made]
    loadings: list[float | None] = []

    def over_loading() -> Iterator[scores.Heat]:
        for number, scene in enumerate(loading_scenes(boards, loadings_mg_cm2, loading_exposures_s)):
            if number % (len(loadings_mg_cm2) * len(loading_exposures_s)) == 0:
                say(f"quality over phosphor loading: {scene.board}")
            loadings.append(scene.detectors().blurred.loading_mg_cm2)
            yield scene, number, False

    restored = [by_key[k] for k in RESTORED if k in by_key]
    loaded = [
        row | {"loading_mg_cm2": loadings[number]}
        for number, (made, _) in enumerate(scores.score_heats(over_loading(), restored, prior, team))
        for row in made
    ]
    by_loading: list[Entry] = [
        {**entry, "loading_mg_cm2": loading}
        for loading in dict.fromkeys(as_number(r["loading_mg_cm2"]) for r in loaded)
        for entry in scores.summarise([r for r in loaded if r["loading_mg_cm2"] == loading])
    ]
    return {
        "reference_s": REFERENCE_S,
        "exposure": scores.summarise(rows),
        "saved": [
            saved(rows, key, against, field)
            for key in (BLURRED, WIENER, DEFAULT)
            for against in (THIN_RAW, THIN_WIENER, THIN_NETWORK)
            for field in FIELDS
            if {key, against} <= set(by_key)
        ],
        "loading": by_loading,
        "detection": detection_saved(),
    }


def loading_scenes(boards: BoardSet, loadings_mg_cm2: Sequence[float], exposures_s: Sequence[float]) -> Iterator[Scene]:
    """Acquired pairs of every board, with a blurred screen of each loading."""
    thin = ScreenDetector.gos(SHARP_MG_CM2, PITCH_MM)
    for family, index in boards.names():
        maps = boards.maps(family, index)
        for number, loading in enumerate(loadings_mg_cm2):
            pair = pair_of_loading(loading)
            seen = project_pair(maps, thin, ScreenDetector.gos(loading, PITCH_MM), OVERSAMPLING)
            rng = boards.rng(family, index, 3 + number)
            truths = {"truth": seen.sharp.truth, "same_response": seen.target}
            for exposure in exposures_s:
                taken = seen.blurred.frame(exposure, rng)
                yield Scene(f"{family}-{index}", ACQUIRED, exposure, taken, truths, pair=pair)


@cache
def pair_of_loading(loading_mg_cm2: float) -> DetectorPair:
    """A screen of a loading [mg/cm2] restored towards the thin one."""
    return DetectorPair(load_detector(f"phosphor:{loading_mg_cm2:g}", pixel_pitch_mm=PITCH_MM), paper_pair().sharp)


def saved(rows: Sequence[Row], key: str, against: str, field: Score) -> Saved:
    """How many times less exposure a method needs for the quality that the thin screen has at `REFERENCE_S`.

    Parameters
    ----------
    rows : sequence of dict
        From `scores.score_scene`, of several exposures.
    key, against : str
        The method, and the row of the thin screen.
    field : str
        A score.

    Returns
    -------
    dict
        "factor": geometric mean over the boards with its 95 % interval; null where the quality is reached on no board or a board is
        beyond the exposures that were measured. "reached", "at_least", "never": boards on which it is reached within the exposures,
        already at the shortest one, and not at the longest one. "least": smallest factor that every board reaches.
    """
    factors, shortest, never = [], 0, 0
    mine = {e: scores.values_of([r for r in rows if r["exposure_s"] == e], key, field) for e in _exposures(rows)}
    wanted = scores.values_of([r for r in rows if r["exposure_s"] == REFERENCE_S], against, field)
    for board, aim in wanted.items():
        exposures = np.array(sorted(mine))
        curve = np.maximum.accumulate([mine[e][board] for e in exposures])
        if curve[-1] < aim:
            never += 1
        elif curve[0] >= aim:
            shortest += 1
            factors.append(REFERENCE_S / exposures[0])
        else:
            factors.append(REFERENCE_S / reached_at(exposures, curve, aim))
    found: Saved = {
        "method": key, "against": against, "field": field, "boards": len(wanted), "at_least": shortest, "never": never,
        "reached": len(factors) - shortest, "least": min(factors) if factors and not never else None, "factor": None,
    }  # fmt: skip
    if factors and not shortest and not never:
        logs = interval(np.log(factors))
        found["factor"] = {k: float(np.exp(getattr(logs, k))) for k in ("mean", "low", "high")} | {"count": logs.count}
    return found


def reached_at(exposures_s: NDArray[np.float64], curve: NDArray[np.float64], aim: float) -> float:
    """Exposure [s] at which a rising curve reaches a value, straight over the logarithm of exposure between its points."""
    place = int(np.searchsorted(curve, aim))
    low, high = curve[place - 1], curve[place]
    share = (aim - low) / (high - low)
    start, end = np.log(exposures_s[place - 1 : place + 1])
    return float(np.exp(start + share * (end - start)))


def _exposures(rows: Sequence[Row]) -> list[float]:
    return sorted({as_number(r["exposure_s"]) for r in rows})


def detection_saved(widths_px: Sequence[float] = VOIDS_PX) -> Seen:
    """Exposure that the thick screen saves at equal detection of a void, in raw frames and for the ideal observer.

    No restoration adds to what the ideal observer has. d' is that of NEQ: int |W|^2 MTF^2 / NNPS over the frequencies up to Nyquist.

    Returns
    -------
    dict
        "void_mm"; "saved": exposure of the thin screen, `REFERENCE_S`, over that of the thick one at equal d'; what the void is.
    """
    pair = paper_pair()
    found = []
    for width in widths_px:
        task = disc(width * PITCH_MM, VOID_CONTRAST)
        aim = void_index(pair.sharp, task, REFERENCE_S)

        def off(log_exposure: float, task: Task = task, aim: float = aim) -> float:
            return void_index(pair.blurred, task, float(np.exp(log_exposure))) - aim

        found.append(REFERENCE_S / float(np.exp(brentq(off, *np.log(SEARCHED_S), xtol=1e-4))))
    return {
        "void_mm": [width * PITCH_MM for width in widths_px], "saved": found,
        "task": f"voids of {VOID_CONTRAST:.0%} contrast at {VOID_SIGNAL:g} of the open beam, ideal observer",
    }  # fmt: skip


def void_index(detector: Detector, task: Task, exposure_s: float) -> float:
    """Detectability d' of a task in a raw frame of an exposure [s], by the ideal observer."""
    noise = NoiseModel.of_detector(detector, exposure_s)
    frequency = np.linspace(0, np.sqrt(0.5) / PITCH_MM, 256)
    spectrum = FrequencyCurve(frequency, noise.power(frequency, VOID_SIGNAL))
    return detectability(detector.mtf, spectrum, task, PITCH_MM, observer="pw").d_prime
