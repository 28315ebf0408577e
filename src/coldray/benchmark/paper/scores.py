"""Image quality of every contestant on every scene: PSNR, SSIM, SNR and CNR in boxes, time; and its summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import (
    COLD,
    DEFAULT,
    THIN_KEYS,
    THIN_TV,
    THIN_WIENER,
    VAN_CITTERT,
    WIENER,
    WIENER_TV,
    Contestant,
    effort,
)
from coldray.benchmark.paper.record import SCORES, Difference, Entry, Row, Score, Statistic
from coldray.benchmark.paper.scenes import (
    ACQUIRED,
    EXPOSURES_S,
    SYNTHETIC,
    THICK,
    THIN,
    VALIDATION_FAMILIES,
    BoardSet,
    Image,
    Scene,
    blend_of,
    board_scenes,
    paper_pair,
)
from coldray.benchmark.statistics import Interval, interval, verdict
from coldray.document import Json, as_number, as_text
from coldray.errors import ImageError
from coldray.metrology.metrics import Convention, psnr_db, roi_snr, ssim
from coldray.metrology.response import response_ceiling, response_scores
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.processes import Crew

Box = tuple[int, int, int, int]
BOX_SIDES_PX = (12, 8, 6)
FLAT_SHARE = 0.2
"""Largest SD of the truth in a box, over the noise of one pixel."""
_RESPONSES = {"own": "same_response", "curve": "curve", "thin": "truth"}
"""What the scores of `response_scores` are called in a row."""
_WIENER_OPTIONS = [{"regularisation": r} for r in (0.25, 0.5, 1.0, 2.0, 4.0)]
_TV_OPTIONS = [{"regularisation": r, "weight": w} for r in (0.1, 0.3, 1.0) for w in (0.5, 1.0, 2.0)]
TUNING_SETS = {WIENER: _WIENER_OPTIONS, THIN_WIENER: _WIENER_OPTIONS, WIENER_TV: _TV_OPTIONS, THIN_TV: _TV_OPTIONS}
"""Options tried on validation families, the same for both screens."""
TUNED_FOR = {WIENER: psnr_db, THIN_WIENER: psnr_db, WIENER_TV: ssim, THIN_TV: ssim}
"""Wiener is tuned for PSNR, Wiener with total variation for SSIM."""


def flat_boxes(truth: NDArray[np.floating]) -> tuple[Box, ...]:
    """Two boxes (x, y, width, height) of different signal that are flat in the truth: for SNR in each, CNR between.

    Flat means that the noise-free truth varies by less than a fifth of the noise of one thick frame of the longest exposure, so
    that what varies in a box is noise. Boxes shrink from 12 to 6 pixels until two are found; where fewer are, fewer are returned.

    Raises
    ------
    ImageError
        If the image is too small to hold them.
    """
    if min(truth.shape) < 4 * BOX_SIDES_PX[0]:
        raise ImageError(
            f"boxes need at least {4 * BOX_SIDES_PX[0]} px in both directions; the image has {truth.shape}"
        )
    found: tuple[Box, ...] = ()
    for side in BOX_SIDES_PX:
        tried = _flat_boxes_of(np.asarray(truth, dtype=np.float64), side)
        if len(tried) > len(found):
            found = tried
        if len(found) == 2:
            break
    return found


def _flat_boxes_of(truth: NDArray[np.float64], side: int) -> tuple[Box, ...]:
    """The flattest box of one side, and of the flat ones apart from it the one that differs most in signal."""
    inner = truth[BOX_SIDES_PX[0] : -BOX_SIDES_PX[0], BOX_SIDES_PX[0] : -BOX_SIDES_PX[0]]
    blocks = np.lib.stride_tricks.sliding_window_view(inner, (side, side))[:: side // 2, :: side // 2]
    mean, spread = blocks.mean(axis=(2, 3)), blocks.std(axis=(2, 3))
    noise = NoiseModel.of_detector(paper_pair().blurred, max(EXPOSURES_S))
    dark, open_beam = noise.relative_sd(0.0) ** 2, noise.relative_sd(1.0) ** 2
    uneven = spread / np.sqrt(dark + (open_beam - dark) * np.clip(mean, 0, 1))
    flat = uneven <= FLAT_SHARE
    if not flat.any():
        return ()

    def box(place: Iterable[np.intp]) -> Box:
        y, x = (int(n) * (side // 2) + BOX_SIDES_PX[0] for n in place)
        return x, y, side, side

    first = np.unravel_index(int(np.argmin(uneven)), uneven.shape)
    away = np.max([np.abs(axis - n) for axis, n in zip(np.indices(mean.shape), first, strict=True)], axis=0) >= 2
    others = flat & away
    if not others.any():
        return (box(first),)
    differs = np.where(others, np.abs(mean - mean[first]), -1.0)
    return box(first), box(np.unravel_index(int(np.argmax(differs)), differs.shape))


def contrast_to_noise(image: NDArray[np.floating], boxes: tuple[Box, Box]) -> float:
    """|m1 - m2| / sqrt((s1^2 + s2^2) / 2) of two boxes."""
    parts = [np.asarray(image[y : y + h, x : x + w], dtype=np.float64) for x, y, w, h in boxes]
    noise = np.sqrt(np.mean([p.var() for p in parts]))
    return float(abs(parts[0].mean() - parts[1].mean()) / noise) if noise > 0 else float("inf")


def score_scene(
    scene: Scene,
    contestants: Sequence[Contestant],
    number: int,
    prior: ObjectPrior,
    keep: dict[str, Image] | None = None,
) -> list[dict[str, Json]]:
    """Run every contestant on one scene.

    Parameters
    ----------
    scene : Scene
    contestants : sequence of Contestant
    number : int
        Of the scene; part of the random state of methods that draw.
    prior : ObjectPrior
        Of the linear estimates.
    keep : dict, optional
        Receives every restored image by key.

    Returns
    -------
    list of dict
        One row per contestant; none for the thin screen where the scene has no frame of it.
    """
    how, seen = Convention(), (THICK, THIN) if scene.thin is not None else (THICK,)
    frames = {
        (screen, learns): scene.frame(prior, screen, learns=learns) for screen in seen for learns in (False, True)
    }
    truth = scene.truths["truth"]
    boxes = flat_boxes(truth)
    rows: list[dict[str, Json]] = []
    for contestant in contestants:
        if contestant.screen not in seen:
            continue
        out = contestant.restore(
            frames[contestant.screen, contestant.model is not None],
            scene.degradation(contestant.screen),
            exposure_s=scene.exposure_s,
            random_state=(2026, number),
        )
        row: dict[str, Json] = {
            "method": contestant.key, "board": scene.board, "kind": scene.kind, "exposure_s": scene.exposure_s,
            "seconds": out.seconds,
            "seconds_per_mpx": out.seconds / out.image.size * 1e6,
            "cpu_seconds_per_mpx": out.cpu_seconds / out.image.size * 1e6, "evaluations": out.evaluations,
        }  # fmt: skip
        row |= {f"snr_box_{n}": roi_snr(out.image, box) for n, box in enumerate(boxes, 1)}
        if len(boxes) == 2:
            row["cnr"] = contrast_to_noise(out.image, (boxes[0], boxes[1]))
        # the thin screen's own response is that of "truth"
        own = None if contestant.screen == THIN else scene.truths.get("same_response")
        responses = response_scores(out.image, truth, own, how)
        for name, scores in responses.items():
            row |= {f"{field}_{_RESPONSES[name]}": value for field, value in scores.items()}
        if "mean20" in scene.truths:
            row["psnr_db_mean20"] = psnr_db(out.image, scene.truths["mean20"], how)
            row["ssim_mean20"] = ssim(out.image, scene.truths["mean20"], how)
        rows.append(row)
        if keep is not None:
            keep[contestant.key] = out.image
    return rows


Heat = tuple[Scene, int, bool]
"""A scene, its number, and whether the restored images are wanted."""


def score_heats(
    heats: Iterable[Heat], contestants: Sequence[Contestant], prior: ObjectPrior, crew: Crew
) -> Iterator[tuple[list[dict[str, Json]], dict[str, Image]]]:
    """Run every contestant on many scenes: rows of each as `score_scene` gives them, and images by key where they are wanted."""
    everyone = tuple(contestants)
    yield from crew.map(partial(_scored, everyone, prior), heats, lambda heat: effort(everyone, heat[0].blurred.shape))


def _scored(
    contestants: Sequence[Contestant], prior: ObjectPrior, heat: Heat
) -> tuple[list[dict[str, Json]], dict[str, Image]]:
    scene, number, wanted = heat
    images: dict[str, Image] = {}
    rows = score_scene(scene, contestants, number, prior, images if wanted else None)
    return rows, images


def ceiling(scenes: Iterable[Scene]) -> dict[str, Statistic]:
    """What the references allow: 20 frames against the truth, one half of them against the other, and beam hardening."""
    how = Convention()
    found: dict[str, list[float]] = {"mean20_psnr_db": [], "mean20_ssim": [], "halves_psnr_db": [], "halves_ssim": []}
    for scene in scenes:
        if "mean20" in scene.truths:
            found["mean20_psnr_db"].append(psnr_db(scene.truths["mean20"], scene.truths["truth"], how))
            found["mean20_ssim"].append(ssim(scene.truths["mean20"], scene.truths["truth"], how))
        if scene.halves is not None:
            found["halves_psnr_db"].append(psnr_db(*scene.halves, how))
            found["halves_ssim"].append(ssim(*scene.halves, how))
        if "same_response" in scene.truths:
            left = response_ceiling(scene.truths["same_response"], scene.truths["truth"], how)
            found.setdefault("hardening_psnr_db", []).append(left["psnr_db"])
            found.setdefault("hardening_ssim", []).append(left["ssim"])
    return {name: interval(values).to_json() for name, values in found.items() if values}


def values_of(rows: Sequence[Row], key: str, field: Score) -> dict[str, float]:
    """One value per board of one contestant: the mean over its frames."""
    boards: dict[str, list[float]] = {}
    for row in rows:
        if row["method"] == key and field in row:
            boards.setdefault(as_text(row["board"]), []).append(float(as_number(row[field])))
    return {board: float(np.mean(values)) for board, values in boards.items()}


def summarise(rows: Sequence[Row]) -> list[Entry]:
    """Mean and interval over boards per method, exposure and kind of pair."""
    table: list[Entry] = []
    for kind, exposure in cells(rows):
        here = [r for r in rows if r["kind"] == kind and r["exposure_s"] == exposure]
        for key in dict.fromkeys(as_text(r["method"]) for r in here):
            mine = [r for r in here if r["method"] == key]
            evaluations = as_number(mine[0]["evaluations"])
            entry: Entry = {"method": key, "kind": kind, "exposure_s": exposure, "evaluations": evaluations}
            for field in SCORES:
                values = list(values_of(mine, key, field).values())
                if values and np.all(np.isfinite(values)):
                    entry[field] = interval(values).to_json()
            table.append(entry)
    return table


def cells(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """Kinds of pair and exposures that occur, in order."""
    return list(dict.fromkeys((as_text(r["kind"]), as_number(r["exposure_s"])) for r in rows))


def paired(rows: Sequence[Row], key: str, other: str, field: Score) -> Interval | None:
    """Difference of two contestants, board by board; None if they share no board."""
    mine, theirs = values_of(rows, key, field), values_of(rows, other, field)
    shared = [b for b in mine if b in theirs]
    return interval([mine[b] - theirs[b] for b in shared]) if shared else None


JUDGED: tuple[tuple[Score, str, str], ...] = (("psnr_db_truth", "PSNR", "dB"), ("ssim_truth", "SSIM", ""))
"""What verdicts are about: score, name, unit."""


def differs(
    key: str, against: str, exposure_s: float, field: Score, difference: Interval, verdict: str,
    kind: str | None = None, against_exposure_s: float | None = None,
) -> Difference:  # fmt: skip
    """Paired difference of two methods, as an entry of the results."""
    entry: Difference = {
        "method": key, "against": against, "exposure_s": exposure_s, "field": field, "mean": difference.mean,
        "low": difference.low, "high": difference.high, "count": difference.count, "verdict": verdict,
    }  # fmt: skip
    if kind is not None:
        entry["kind"] = kind
    if against_exposure_s is not None:
        entry["against_exposure_s"] = against_exposure_s
    return entry


def comparisons(rows: Sequence[Row], labels: dict[str, str]) -> list[Difference]:
    """Paired differences: every method against NPS-Wiener and one step plus Van Cittert, the default against the thin screen."""
    found: list[Difference] = []
    present = {r["method"] for r in rows}
    for kind, exposure in cells(rows):
        here = [r for r in rows if r["kind"] == kind and r["exposure_s"] == exposure]
        for base in (WIENER, VAN_CITTERT, *THIN_KEYS):
            everyone = dict.fromkeys(as_text(r["method"]) for r in here)
            for key in everyone if base not in THIN_KEYS else [k for k in everyone if k == DEFAULT]:
                if key == base or base not in present:
                    continue
                for field, name, unit in JUDGED:
                    difference = paired(here, key, base, field)
                    if difference is None:
                        continue
                    what = f"{name} at {exposure:g} s, {kind} pairs"
                    words = verdict(difference, labels[key], labels[base], what, unit)
                    found.append(differs(key, base, exposure, field, difference, words, kind))
    return found


def exposure_exchange(rows: Sequence[Row], labels: dict[str, str]) -> list[Difference]:
    """What exposure the restoration saves: the default at a shorter exposure against the thin screen at a longer one.

    Parameters
    ----------
    rows : sequence of dict
        From `score_scene`; acquired pairs count.
    labels : dict
        By key.

    Returns
    -------
    list of dict
        Per pair of exposures, per thin row and per score: the paired difference with its interval, and a sentence.
    """
    acquired = [r for r in rows if r["kind"] == ACQUIRED]
    at = {e: [r for r in acquired if r["exposure_s"] == e] for _, e in cells(acquired)}
    found: list[Difference] = []
    for short, long in ((s, e) for s in sorted(at) for e in sorted(at) if s < e):
        for key in THIN_KEYS:
            for field, name, unit in JUDGED:
                mine, theirs = values_of(at[short], DEFAULT, field), values_of(at[long], key, field)
                if not (shared := [b for b in mine if b in theirs]):
                    continue
                difference = interval([mine[b] - theirs[b] for b in shared])
                names = f"{labels[DEFAULT]} at {short:g} s", f"{labels[key]} at {long:g} s"
                words = verdict(difference, *names, f"{name}, {ACQUIRED} pairs", unit)
                found.append(differs(DEFAULT, key, short, field, difference, words, against_exposure_s=long))
    return found


def headline(found: Sequence[Difference]) -> list[str]:
    """Sentences that belong at the top: the default against the thin screen and against Wiener, the cold sampler against one step."""
    wanted = (*((DEFAULT, key) for key in THIN_KEYS), (DEFAULT, WIENER), (COLD, VAN_CITTERT))
    return [
        c["verdict"] for pair in wanted for c in found if (c["method"], c["against"]) == pair and c["kind"] != SYNTHETIC
    ]


def tune(
    contestants: Sequence[Contestant], exposures_s: Sequence[float], prior: ObjectPrior, *, boards: int = 4,
    size_px: int = 256, say: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[float, dict[str, Json]]]:  # fmt: skip
    """Choose options of the linear baselines per exposure, on boards of validation families.

    Parameters
    ----------
    contestants : sequence of Contestant
        Those with a key in `TUNING_SETS` are tuned.
    exposures_s : sequence of float
    prior : ObjectPrior
    boards, size_px : int
        Boards and their size [pixels].
    say : callable
        Told what was chosen.

    Returns
    -------
    dict
        Options by key and exposure.
    """
    how = Convention()
    wanted = [c for c in contestants if c.key in TUNING_SETS]
    total: dict[tuple[str, float, int], float] = {}
    for scenes in board_scenes(BoardSet(VALIDATION_FAMILIES, boards, size_px, 7), exposures_s, ("acquired",)):
        for scene in scenes:
            frames = {screen: scene.frame(prior, screen) for screen in {c.screen for c in wanted}}
            for contestant in wanted:
                seen = frames[contestant.screen], blend_of(contestant.screen)
                for number, options in enumerate(TUNING_SETS[contestant.key]):
                    trial = Contestant(contestant.key, "", contestant.method, dict(contestant.options) | options)
                    value = TUNED_FOR[contestant.key](trial.restore(*seen).image, scene.truths["truth"], how)
                    place = (contestant.key, scene.exposure_s, number)
                    total[place] = total.get(place, 0.0) + value
    chosen: dict[str, dict[float, dict[str, Json]]] = {c.key: {} for c in wanted}
    for contestant in wanted:
        sets = TUNING_SETS[contestant.key]
        for exposure in exposures_s:
            best = max(range(len(sets)), key=lambda n, c=contestant, e=exposure: total[c.key, e, n])  # type: ignore[misc]
            chosen[contestant.key][exposure] = dict(sets[best])
            say(f"{contestant.label} at {exposure:g} s: {sets[best]}")
    return chosen
