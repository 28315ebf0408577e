"""Inputs from outside: photographs, text, inverted images, wrong pitch, gain or compression, and how they are flagged."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Required, TypedDict

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import Contestant
from coldray.benchmark.paper.detection import noisy
from coldray.benchmark.paper.scenes import paper_blend, paper_pair
from coldray.benchmark.statistics import auc
from coldray.document import Json
from coldray.frame import Frame
from coldray.methods import wiener
from coldray.metrology.metrics import Convention, psnr_db
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.plugins import Degradation
from coldray.restoration.certificate.certify import certify

Image = NDArray[np.float32]

LEAST_AUROC = 0.95
MOST_LOSS_DB = 0.5
LEAST_EVIDENCE = 2.0
"""Evidence -log10 p that counts as 1 at least: p = 0.01, adjusted for all tests of an image."""


def photograph(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """Scene of overlapping textured discs of all sizes, as photographs have them (dead leaves)."""
    rows, cols = shape
    y, x = np.ogrid[:rows, :cols]
    image = np.full(shape, 0.5)
    for _ in range(250):
        radius = 4 / np.sqrt(rng.uniform(0.003, 1))
        inside = (y - rng.uniform(0, rows)) ** 2 + (x - rng.uniform(0, cols)) ** 2 < radius**2
        image[inside] = rng.uniform(0.05, 0.95)
    return np.asarray(np.clip(image + 0.05 * _fractal(shape, rng), 0, 1), dtype=np.float32)


def _fractal(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise with a 1/f amplitude, SD 1."""
    v, u = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) / np.maximum(np.hypot(v, u), 1 / max(shape))
    image = np.fft.irfft2(spectrum, shape)
    return np.asarray((image - image.mean()) / image.std())


def text(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """Page of printed characters."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    page = Pillow.new("L", (shape[1], shape[0]), 235)
    draw = ImageDraw.Draw(page)
    letters = "abcdefghijklmnopqrstuvwxyz      ETAOIN0123456789"
    for top in range(4, shape[0], 13):
        draw.text((4, top), "".join(rng.choice(list(letters), shape[1] // 6)), fill=25)
    return np.asarray(page, dtype=np.float32) / np.float32(255)


def jpeg(image: NDArray[np.floating], quality: int = 20) -> Image:
    """An image after 8-bit JPEG compression."""
    from PIL import Image as Pillow

    out = io.BytesIO()
    Pillow.fromarray(np.clip(np.rint(image * 220), 0, 255).astype(np.uint8)).save(out, "JPEG", quality=quality)
    out.seek(0)
    return np.asarray(Pillow.open(out), dtype=np.float32) / np.float32(220)


def stranger_frames(
    board: Image, exposure_s: float, rng: np.random.Generator, prior: ObjectPrior
) -> dict[str, tuple[Frame, Image | None]]:
    """Frames that the model was not made for, with their truth where there is one."""
    pair = paper_pair()
    noise = NoiseModel.of_detector(pair.blurred, exposure_s)

    def told(image: NDArray[np.number]) -> Frame:
        return Frame(np.asarray(image, dtype=np.float32), pair, noise, prior)

    usual = noisy(board, noise, rng, prior).blurred
    sharper = noisy(board, NoiseModel.of_detector(pair.sharp, exposure_s), rng, prior)
    coarse = scipy.ndimage.zoom(usual[: usual.shape[0] // 2, : usual.shape[1] // 2], 2, order=1)
    photo, page, inverted = photograph(board.shape, rng), text(board.shape, rng), np.asarray(1.05 - board)
    sharp_noise = NoiseModel.of_detector(pair.sharp, exposure_s)
    return {
        "photograph": (noisy(photo, noise, rng, prior), photo),
        "text": (noisy(page, noise, rng, prior), page),
        "inverted": (noisy(inverted, noise, rng, prior), inverted),
        "unblurred": (told(board + sharp_noise.draw(board, rng)), board),
        "half the pitch": (told(coarse), None),
        "gain x 4": (told(0.25 * usual), None),
        "noise x 4": (told(usual + 3 * noise.draw(board, rng)), board),
        "JPEG": (told(jpeg(usual)), board),
        "noise of another detector": (told(sharper.blurred), board),
    }


WarningsFor = Callable[[Frame, Degradation], Sequence[str]]
"""What a model warns of a frame."""


class Stranger(TypedDict, total=False):
    """One frame that the model was not made for; the gain over Wiener only where its truth is known."""

    statistic: Required[float]
    flagged: Required[bool]
    gain_db: float


def out_of_distribution(
    contestant: Contestant, boards: Sequence[Image], exposure_s: float, prior: ObjectPrior,
    warnings_for: WarningsFor | None = None, random_state: int = 11,
) -> dict[str, Json]:  # fmt: skip
    """Test 7: are strangers flagged, and are those that are not flagged restored no worse than by Wiener.

    Notes
    -----
    Two readings of the certificate: how far the re-blurred residual over noise lies from its median over unseen boards
    (logarithm), and the strongest evidence against any place. Each counts in units of the largest value of the unseen
    boards, and the larger one is the statistic: over 1 is flagged, so that no unseen board is. A frame is also
    flagged where the model itself warns.
    """
    noise = NoiseModel.of_detector(paper_pair().blurred, exposure_s)
    blend, how = paper_blend(), Convention()

    def readings(frame: Frame) -> tuple[float, float, Image]:
        image = contestant.restore(frame, blend, exposure_s=exposure_s).image
        found = certify(frame, blend, image, gain=contestant.left_of_errors(frame, blend))
        return float(np.log(max(found.residual.residual_over_noise, 1e-6))), float(found.evidence.max()), image

    usual = []
    for number, board in enumerate(boards):
        for repeat in range(2):
            rng = np.random.default_rng([random_state, 67, number, repeat])
            usual.append(readings(noisy(board, noise, rng, prior))[:2])
    levels, evidence = np.array(usual).T
    centre = float(np.median(levels))
    scales = max(float(np.abs(levels - centre).max()), 1e-6), max(float(evidence.max()), LEAST_EVIDENCE)

    def statistic(level: float, strongest: float) -> float:
        return max(abs(level - centre) / scales[0], strongest / scales[1])

    inside = [statistic(*u) for u in usual]
    kinds: dict[str, list[Stranger]] = {}
    for number, board in enumerate(boards):
        rng = np.random.default_rng([random_state, 71, number])
        for kind, (frame, truth) in stranger_frames(board, exposure_s, rng, prior).items():
            level, strongest, image = readings(frame)
            off = statistic(level, strongest)
            warned = bool(warnings_for(frame, blend)) if warnings_for is not None else False
            entry: Stranger = {"statistic": off, "flagged": off > 1 or warned}
            if truth is not None:
                linear = np.asarray(wiener.restore(frame, blend), dtype=np.float32)
                entry["gain_db"] = psnr_db(image, truth, how) - psnr_db(linear, truth, how)
            kinds.setdefault(kind, []).append(entry)
    table: list[dict[str, Json]] = []
    worst_loss, strangers_all = 0.0, []
    for kind, entries in kinds.items():
        values = [e["statistic"] for e in entries]
        strangers_all += values
        gains = [e["gain_db"] for e in entries if "gain_db" in e]
        unflagged = [e["gain_db"] for e in entries if "gain_db" in e and not e["flagged"]]
        worst_loss = max([worst_loss, *(-g for g in unflagged)])
        table.append(
            {
                "kind": kind,
                "auroc": auc(values, inside),
                "flagged": float(np.mean([e["flagged"] for e in entries])),
                "gain_over_wiener_db": float(np.mean(gains)) if gains else None,
            }
        )
    total = auc(strangers_all, inside)
    return {
        "number": 7, "test": "out of distribution",
        "passed": bool(total >= LEAST_AUROC and worst_loss <= MOST_LOSS_DB),
        "mark": f"AUROC >= {LEAST_AUROC} of the certificate; unflagged inputs not worse than Wiener by over "
        f"{MOST_LOSS_DB} dB",
        "auroc": total, "worst_unflagged_loss_db": worst_loss, "boards": len(boards), "kinds": table,
    }  # fmt: skip
