"""Trust tests: are defects kept, removed parts left out, blanks blank, noise noise, strangers flagged; and the controls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import BLURRED, Contestant
from coldray.benchmark.paper.detection import CELLS, LEAST_DIFFERENCE, defect_image, draw_sites, noisy, with_defects
from coldray.benchmark.paper.scenes import BoardSet, paper_blend, paper_pair, screens
from coldray.benchmark.statistics import auc_difference, interval
from coldray.document import Json, as_number
from coldray.errors import PhysicsError
from coldray.frame import Frame
from coldray.metrology.transfer import noise_by_repeats
from coldray.objects.defects import Defect, add_defects
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.simulation.paper import OVERSAMPLING, PITCH_MM

Image = NDArray[np.float32]

AMPLITUDE = (0.8, 1.2)
DRAWN_BACK = 0.10
LSB = 1 / 65535
BLANKS = (0.0, 0.01, 0.5, 0.99, 1.0)
REMOVED_KINDS = ("ball_missing", "ball_offset", "wire_missing", "wire_broken", "trace_open")
REACH_PX = 10
CONTRASTS = (0.0, 3.0, 6.0, 12.0, 25.0, np.inf)
"""Classes of parts by their matched contrast."""
FALSE_ALARM_SD = 4.5
SMOOTHING_PX = 1.2
"""Blob detector: a Gaussian of this width before counting local extremes."""


@dataclass(frozen=True)
class TrustRecipe:
    """How much is tested.

    Parameters
    ----------
    exposure_s : float
    pairs : int
        Images with and without a defect per cell.
    boards : BoardSet
        Test boards with defects in them or parts removed.
    flats : int
        Noise realisations per exposure.
    flat_exposures_s : tuple of float
    repeats : int
        Noise realisations of a board whose even ground is searched for what is not there.
    random_state : int
    """

    exposure_s: float = 1.0
    pairs: int = 200
    boards: BoardSet = field(default_factory=BoardSet)
    flats: int = 40
    flat_exposures_s: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1, 0.05)
    repeats: int = 100
    random_state: int = 11


def verdict(number: int, name: str, passed: Json, mark: str, **measured: Json) -> dict[str, Json]:
    """Verdict of one test, as data."""
    return {"number": number, "test": name, "passed": bool(passed), "mark": mark, **measured}


def insertion(
    contestant: Contestant, boards: Sequence[Image], recipe: TrustRecipe, prior: ObjectPrior
) -> dict[str, Json]:
    """Test 3: voids and cracks in test boards, put in before blur and noise.

    Notes
    -----
    The observer knows the board: the restored noise-free sound board is subtracted, and the template is the
    defect as the sharp detector shows it. AUC by all pairs, its difference from the blurred frame by DeLong.
    """
    noise = NoiseModel.of_detector(paper_pair().blurred, recipe.exposure_s)
    blend = paper_blend()
    plain = Contestant(BLURRED, "", None)
    scores: dict[tuple[str, float], list[list[float]]] = {cell: [[], [], [], []] for cell in CELLS}
    amplitudes: dict[tuple[str, float], list[float]] = {cell: [] for cell in CELLS}
    turn = 0
    while min(len(s[0]) for s in scores.values()) < recipe.pairs:
        sharp = boards[turn % len(boards)]
        rng = np.random.default_rng([recipe.random_state, 53, turn])
        sites = draw_sites(sharp.shape, rng)
        contestant.remember(sharp)
        frames = [noisy(with_defects(sharp, sites, noise), noise, rng, prior), noisy(sharp, noise, rng, prior)]
        clean = Frame(np.asarray(frames[0].operator(blend)(sharp)), frames[0].pair, noise, prior)
        for column, who in ((0, contestant), (2, plain)):
            state = (recipe.random_state, turn)
            golden, faulty, sound = (
                who.restore(f, blend, exposure_s=recipe.exposure_s, random_state=state).image for f in (clean, *frames)
            )
            for site in sites:
                shape = defect_image(site.name)
                window = site.window()
                for offset, image in ((0, faulty), (1, sound)):
                    scores[site.name, site.cnr][column + offset].append(
                        float(np.vdot(image[window] - golden[window], shape))
                    )
                if column == 0:
                    full = site.cnr * noise.relative_sd(float(sharp[site.row, site.col])) * float(np.vdot(shape, shape))
                    amplitudes[site.name, site.cnr].append(float(np.vdot(faulty[window] - sound[window], shape)) / full)
        turn += 1
    cells: list[dict[str, Json]] = []
    worst = np.inf
    amplitude_kept = True
    for name, cnr in CELLS:
        found = scores[name, cnr]
        difference = auc_difference((found[0], found[1]), (found[2], found[3]))
        kept = interval(amplitudes[name, cnr])
        worst = min(worst, difference.low)
        inside = kept.low >= AMPLITUDE[0] and kept.high <= AMPLITUDE[1]
        amplitude_kept &= inside or cnr < 3
        cells.append(
            {"task": name, "cnr": cnr, "amplitude": kept.to_json(), "amplitude_kept": inside, **difference.to_json()}
        )
    return verdict(
        3, "defect insertion", worst >= LEAST_DIFFERENCE,
        f"AUC(restored) - AUC(blurred): lower end of the 95 % interval >= {LEAST_DIFFERENCE} in each of {len(CELLS)} cells",
        lowest_bound=worst, pooled=float(np.mean([as_number(c["difference"]) for c in cells])), amplitude_in_range=amplitude_kept,
        amplitude_mark=f"amplitude within {AMPLITUDE[0]} to {AMPLITUDE[1]} of the sharp detector's at CNR >= 3",
        cells=cells,
    )  # fmt: skip


class RemovedParts(NamedTuple):
    """A board whose parts are missing, displaced or open: sound and faulty sharp image, and every part's kind and window."""

    name: str
    sound: Image
    faulty: Image
    windows: list[tuple[str, tuple[slice, slice]]]


def removed_parts(boards: BoardSet, per_board: int = 10) -> Iterator[RemovedParts]:
    """Boards with parts missing, displaced or open."""
    thin, _ = screens()
    for family, index in boards.names():
        maps = boards.maps(family, index)
        faulty = maps
        defects: tuple[Defect, ...] = ()
        for count in range(per_board, 0, -1):
            try:
                faulty, defects = add_defects(maps, count, boards.rng(family, index, 2), kinds=REMOVED_KINDS)
                break
            except PhysicsError:
                continue
        if not defects:
            continue
        sound_image, faulty_image = (
            thin.image(thin.transmission(m, workers=None), OVERSAMPLING) for m in (maps, faulty)
        )
        rows, cols = sound_image.shape
        windows = []
        for defect in defects:
            row, col, height, width = (n // OVERSAMPLING for n in defect.box)
            if row < 16 or col < 16 or row + height > rows - 16 or col + width > cols - 16:
                continue
            window = slice(row - REACH_PX, row + height + REACH_PX), slice(col - REACH_PX, col + width + REACH_PX)
            # what lies under something opaque leaves nothing to be drawn back
            if np.any(sound_image[window] != faulty_image[window]):
                windows.append((defect.kind, window))
        if windows:
            yield RemovedParts(f"{family}-{index}", sound_image, faulty_image, windows)


class Drawn(NamedTuple):
    """What became of one part: products with what it ought to look like, and how clearly the measurement shows it."""

    back: float
    kept: float
    power: float
    contrast: float


def matched_contrast(difference: NDArray[np.floating], noise: NoiseModel, signal: float) -> float:
    """Contrast over noise of the filter matched to a known difference, in the blurred frame.

    Parameters
    ----------
    difference : ndarray, shape (rows, cols)
        Noise-free difference as the detector shows it, fraction of the open beam; it has died out at the border.
    noise : NoiseModel
    signal : float
        Local signal, fraction of the open beam.

    Returns
    -------
    float
        d = sqrt(sum |D|^2 / (n N / pitch^2)) over all frequencies: an ideal observer who knows place and shape finds it
        with AUC = Phi(d / sqrt 2) (Barrett and Myers, Foundations of Image Science, 13.2.8). In white noise that is
        `Defect.matched_snr`.
    """
    pitch = noise.pixel_pitch_mm
    rows, cols = (np.fft.fftfreq(n, pitch) for n in difference.shape)
    power = noise.power(np.hypot(rows[:, None], cols), signal) / pitch**2 * difference.size
    return float(np.sqrt((np.abs(np.fft.fft2(difference.astype(np.float64))) ** 2 / power).sum()))


def share_drawn(parts: Sequence[Drawn]) -> float:
    """Share drawn back of several parts, weighed by their contrast."""
    return sum(part.back for part in parts) / sum(part.power for part in parts)


def told_of_kind(found: Sequence[Drawn]) -> dict[str, Json]:
    """Share drawn back of the parts of one kind: of all, and by how clearly the measurement shows them."""
    classes: list[Json] = []
    for low, high in itertools.pairwise(CONTRASTS):
        some = [part for part in found if low <= part.contrast < high]
        if some:
            classes.append(
                {
                    "contrast_from": low,
                    "contrast_to": high if np.isfinite(high) else None,
                    "parts": len(some),
                    "power": sum(part.power for part in some),
                    "drawn_back": share_drawn(some),
                    "mean_of_parts": float(np.mean([share_drawn([part]) for part in some])),
                    "sd_of_parts": float(np.std([share_drawn([part]) for part in some])),
                }
            )
    power = sum(part.power for part in found)
    return {"parts": len(found), "drawn_back": share_drawn(found), "power": power, "by_contrast": classes}


def removal(
    contestant: Contestant, boards: Sequence[RemovedParts], recipe: TrustRecipe, prior: ObjectPrior
) -> dict[str, Json]:
    """Test 4: is a part that is missing or displaced drawn back where it ought to be.

    Notes
    -----
    Share drawn back = <R(y_faulty) - x_faulty, s> / <s, s> with s = x_sound - x_faulty in a window around the part,
    y_faulty blurred and noisy, both sums over all parts of a board: 0 if faults are shown as they are, 1 if the sound
    board is shown. Contrast kept = <R(y_sound) - R(y_faulty), s> / <s, s>. Kinds of parts are told by the same sums over
    all boards, so strong parts rule there, and in classes of `matched_contrast`.
    """
    noise = NoiseModel.of_detector(paper_pair().blurred, recipe.exposure_s)
    blend = paper_blend()
    shares: list[float] = []
    by_kind: dict[str, list[Drawn]] = {}
    for number, (_, sound, faulty, windows) in enumerate(boards):
        rng = np.random.default_rng([recipe.random_state, 59, number])
        contestant.remember(sound)
        state = (recipe.random_state, number)
        frames = [noisy(x, noise, rng, prior) for x in (faulty, sound)]
        restored = [
            contestant.restore(f, blend, exposure_s=recipe.exposure_s, random_state=state).image for f in frames
        ]
        shown = np.asarray(frames[0].operator(blend)(sound - faulty))
        here = []
        for kind, window in windows:
            s = (sound[window] - faulty[window]).astype(np.float64)
            back, kept = restored[0][window] - faulty[window], restored[1][window] - restored[0][window]
            contrast = matched_contrast(shown[window], noise, float(faulty[window].mean()))
            here.append(Drawn(float(np.vdot(back, s)), float(np.vdot(kept, s)), float(np.vdot(s, s)), contrast))
            by_kind.setdefault(kind, []).append(here[-1])
        shares.append(share_drawn(here))
    share = interval(shares)
    found = list(itertools.chain(*by_kind.values()))
    return verdict(
        4, "defect removal", share.high <= DRAWN_BACK,
        f"share of a missing or displaced part that is drawn back: 95 % interval over boards <= {DRAWN_BACK}",
        drawn_back=share.to_json(), by_board=shares, parts=len(found),
        contrast_kept=sum(part.kept for part in found) / sum(part.power for part in found),
        by_kind={kind: told_of_kind(parts) for kind, parts in sorted(by_kind.items())},
    )  # fmt: skip


def blank(contestant: Contestant, prior: ObjectPrior, exposure_s: float) -> dict[str, Json]:
    """Test 5: a constant image comes back constant."""
    pair, blend = paper_pair(), paper_blend()
    noise = NoiseModel.of_detector(pair.blurred, exposure_s)
    found = []
    for level in BLANKS:
        frame = Frame(np.full((160, 160), level, dtype=np.float32), pair, noise, prior)
        out = contestant.restore(frame, blend, exposure_s=exposure_s).image.astype(np.float64)
        inner = out[16:-16, 16:-16]
        found.append(
            {
                "level": level,
                "sd_lsb": float(out.std() / LSB),
                "border_lsb": float(np.abs(out - inner.mean()).max() / LSB),
                "mean_error": float(abs(out.mean() - level) / max(level, 1e-9)) if level else float(abs(out.mean())),
                "finite": bool(np.all(np.isfinite(out))),
            }
        )
    good = all(f["finite"] and f["sd_lsb"] <= 0.5 and f["border_lsb"] <= 1 and f["mean_error"] <= 1e-3 for f in found)
    return verdict(5, "blank", good, "SD <= 0.5 LSB, mean within 0.1 %, no border over 1 LSB of 16 bits", levels=found)


def alarms(image: NDArray[np.floating], sd: float) -> int:
    """Blobs: local extremes of the smoothed image beyond 4.5 standard deviations `sd` of that smoothed image."""
    smooth = scipy.ndimage.gaussian_filter(np.asarray(image, dtype=np.float64), SMOOTHING_PX)
    off = np.abs(smooth - np.median(smooth))
    return int(((off == scipy.ndimage.maximum_filter(off, 7)) & (off > FALSE_ALARM_SD * sd))[16:-16, 16:-16].sum())


def flat(contestant: Contestant, recipe: TrustRecipe, prior: ObjectPrior) -> dict[str, Json]:
    """Test 6: a flat field with detector noise stays a flat field with noise.

    Notes
    -----
    Blobs are counted beyond 4.5 times the robust SD of the smoothed image itself, so that the number measures
    the shape of the noise: heavy tails and invented dots, not its strength.
    """
    pair, blend = paper_pair(), paper_blend()
    found = []
    for number, exposure in enumerate(recipe.flat_exposures_s):
        noise = NoiseModel.of_detector(pair.blurred, exposure)
        sharp_noise = NoiseModel.of_detector(pair.sharp, exposure)
        level = np.full((160, 160), 0.6, dtype=np.float32)
        stack, counts = [], [0, 0]
        for repeat in range(recipe.flats):
            rng = np.random.default_rng([recipe.random_state, 61, number, repeat])
            frame = noisy(level, noise, rng, prior)
            out = contestant.restore(frame, blend, exposure_s=exposure, random_state=(number, repeat)).image
            stack.append(out)
            for place, image in enumerate((out, level + sharp_noise.draw(level, rng))):
                smooth = scipy.ndimage.gaussian_filter(image, SMOOTHING_PX)
                robust = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
                counts[place] += alarms(image, max(robust, 1e-9))
        images = np.stack(stack).astype(np.float64)
        measured = noise_by_repeats(images, PITCH_MM, {"flat": (16, 16, 128, 128)})
        inner = images[:, 16:-16, 16:-16] - images.mean(axis=0)[16:-16, 16:-16]
        standard = measured.sd[16:-16, 16:-16] / np.sqrt(len(images))
        deviation = np.abs(measured.mean[16:-16, 16:-16] - measured.mean[16:-16, 16:-16].mean()) / np.maximum(
            standard, 1e-9
        )
        nps = measured.regions["flat"].nps.value
        smooth = scipy.ndimage.median_filter(nps, 9, mode="nearest")
        found.append(
            {
                "exposure_s": exposure,
                "largest_deviation_se": float(deviation.max()),
                "blobs": counts[0],
                "blobs_sharp": counts[1],
                "excess_kurtosis": float(np.mean(inner**4) / np.mean(inner**2) ** 2 - 3),
                "nps_peak": float((nps[2:] / smooth[2:]).max()),
                "sd": measured.regions["flat"].sd,
            }
        )
    # with few repeats the standard error itself scatters: Student's t in place of 5.7 normal ones
    from scipy.stats import norm, t

    limit = float(t.isf(norm.sf(5.7), recipe.flats - 1))
    good = all(
        f["largest_deviation_se"] <= limit
        and f["blobs"] <= 1.5 * f["blobs_sharp"] + 3 * np.sqrt(f["blobs_sharp"] + 1)
        and abs(f["excess_kurtosis"]) <= 0.3
        and f["nps_peak"] <= 1.3
        for f in found
    )
    return verdict(
        6, "flat field with noise", good,
        f"mean over repeats flat within {limit:.1f} SE, blobs <= 1.5 x those of the sharp detector (+ 3 SD of the count), "
        "excess kurtosis within 0.3, no NPS peak over 1.3",
        exposures=found,
    )  # fmt: skip
