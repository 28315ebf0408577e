"""The proof: both models on boards kept apart, scored against halves of the sharp frames whose noise cancels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from coldray.adaptation.reference import Reference
from coldray.adaptation.source import noise_of
from coldray.benchmark.statistics import Interval, interval, verdict
from coldray.dataset.frames import BoardImages
from coldray.document import Json, as_text
from coldray.frame import Frame
from coldray.metrology.metrics import gain_to
from coldray.plugins import degradation_of
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import Model
from coldray.restoration.pipeline import Job, restore
from coldray.training.features import add_change, draw_features

BORDER_PX = 16
LEAST_ERROR = 1e-9
"""Mean squared error [fraction of the open beam, squared] below which nothing is told apart."""
LOST = 0.02
"""Share of small features' contrast that an adapted model may lose on the average."""
LEAST_GAIN_DB = 0.1
"""What the boards kept apart must prove: a model of one's own has no intervals and must be qualified anew, which less is not worth."""
BEFORE, AFTER, LINEAR = "before", "after", "wiener"

Image = NDArray[np.float32]
Progress = Callable[..., None]


@dataclass(frozen=True)
class HalfScores:
    """Scores of one result against two halves of the sharp frames.

    Parameters
    ----------
    psnr_db : float
        Against the sharp image that the halves mean, without their noise and their own error: an estimate, see
        `coldray.adaptation.reference`.
    psnr_noise_free_db : float
        From the mean product of the errors to both halves: an estimate of the PSNR against a reference without noise. NaN if
        that product is not positive.
    psnr_of_half_db : float
        Against one half as it is, noise and all.
    ceiling_db : float
        What a perfect result would reach against that half.
    """

    psnr_db: float
    psnr_noise_free_db: float
    psnr_of_half_db: float
    ceiling_db: float

    @classmethod
    def mean(cls, found: Sequence[HalfScores]) -> HalfScores:
        """Mean of every score."""
        return cls(*(float(np.mean([getattr(one, score.name) for one in found])) for score in fields(cls)))


def half_scores(
    result: NDArray[np.floating], one: NDArray[np.floating], other: NDArray[np.floating], error: float
) -> HalfScores:
    """Score a result against two halves of independent noise.

    Parameters
    ----------
    result, one, other : ndarray, shape (rows, cols)
        Fractions of the open beam; `result` is multiplied by the factor that fits the mean of the halves best.
    error : float
        Mean squared error as `Reference.error_of` estimates it.

    Returns
    -------
    HalfScores

    Notes
    -----
    With A = t + a, B = t + b and noises a, b independent of each other and of x, E mean (x - A)(x - B) = mean (x - t)^2: the
    noise of the reference cancels. What is common to both halves stays in it: fixed pattern, registration, response
    (`coldray.adaptation.reference` says how much). Against
    one half the error has var(b) on top, estimated as mean (A - B)^2 / 2, which is the ceiling.
    """
    inner = (slice(BORDER_PX, -BORDER_PX),) * 2
    x, a, b = (np.asarray(image[inner], dtype=np.float64) for image in (result, one, other))
    x = x * gain_to(x, 0.5 * (a + b))
    seen = (np.mean((x - a) * (x - b)), np.mean((x - b) ** 2), np.mean((a - b) ** 2) / 2)
    return HalfScores(_db(max(error, LEAST_ERROR)), *(_db(float(power)) for power in seen))


def _db(power: float) -> float:
    return -10 * float(np.log10(power)) if power > 0 else float("nan")


@dataclass(frozen=True)
class BoardScores:
    """Scores of one board kept apart.

    Parameters
    ----------
    board : str
    frames : int
    scores : dict
        Means over its frames by arm: ``before``, ``after``, ``wiener``.
    features_kept : dict
        Share of their contrast that small features keep, by arm.
    reference_error : float
        Mean squared error that the reference has of its own, see `Reference.error`.
    """

    board: str
    frames: int
    scores: dict[str, HalfScores]
    features_kept: dict[str, float]
    reference_error: float

    @property
    def gain_db(self) -> float:
        """After over before, without what could be learnt of the reference's own error."""
        return self.scores[AFTER].psnr_db - self.scores[BEFORE].psnr_db

    @property
    def gain_seen_db(self) -> float:
        """After over before, against the reference as it is, noise apart."""
        return self.scores[AFTER].psnr_noise_free_db - self.scores[BEFORE].psnr_noise_free_db

    @property
    def reference_error_db(self) -> float:
        """PSNR of the reference itself, but for its noise; NaN if no error was found."""
        return _db(self.reference_error)

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form."""
        return {
            "board": self.board,
            "frames": self.frames,
            "gain_db": self.gain_db,
            "gain_seen_db": self.gain_seen_db,
            "reference_error_db": self.reference_error_db,
            "features_kept": {arm: value for arm, value in self.features_kept.items()},
            **{arm: dict(vars(found)) for arm, found in self.scores.items()},
        }


@dataclass(frozen=True)
class Proof:
    """What the boards kept apart say.

    Parameters
    ----------
    boards : tuple of BoardScores
    gain_db, features : Interval
        Paired difference, after less before, of the PSNR (`BoardScores.gain_db`) and of the share of contrast that small features keep.
    """

    boards: tuple[BoardScores, ...]
    gain_db: Interval
    features: Interval

    @property
    def holds(self) -> bool:
        """Whether a gain of `LEAST_GAIN_DB` is proven and small features are not lost for it."""
        return self.gain_db.low >= LEAST_GAIN_DB and not self.loses_features

    @property
    def loses_features(self) -> bool:
        """Whether small features are shown to keep less contrast, by more than `LOST`."""
        return self.features.mean < -LOST and self.features.high < 0

    def words(self) -> str:
        """The finding in a sentence."""
        said = verdict(self.gain_db, "the adapted model", "the model before", "PSNR", "dB")
        if self.loses_features:
            said += f" Small features keep {-100 * self.features.mean:.1f} % less of their contrast."
        return said

    def mean(self, arm: str) -> dict[str, float]:
        """Means over the boards of one arm."""
        return asdict(HalfScores.mean([b.scores[arm] for b in self.boards])) | {
            "features_kept": float(np.mean([b.features_kept[arm] for b in self.boards]))
        }


def prove(boards: Sequence[BoardImages], before: Model, after: Model, progress: Progress | None = None) -> Proof:
    """Restore the boards kept apart with both models, as a user would, and compare.

    Parameters
    ----------
    boards : sequence of BoardImages
        Registered, references in the blurred detector's response.
    before, after : Model
    progress : callable, optional
        Called as progress(done, total, note).

    Returns
    -------
    Proof
        One value for each board: folders of one board are averaged first.
    """
    rows = []
    for number, images in enumerate(boards):
        rows.append(_scored(images, before, after, number))
        if progress is not None:
            progress(number + 1, len(boards), images.board)
    of_board: dict[str, list[BoardScores]] = {}
    for row in rows:
        of_board.setdefault(row.board, []).append(row)
    gains = [float(np.mean([row.gain_db for row in same])) for same in of_board.values()]
    kept = [
        float(np.mean([row.features_kept[AFTER] - row.features_kept[BEFORE] for row in same]))
        for same in of_board.values()
    ]
    return Proof(tuple(rows), interval(gains), interval(kept))


def _scored(images: BoardImages, before: Model, after: Model, number: int) -> BoardScores:
    assert images.frames is not None and images.halves is not None
    reference = Reference(images)
    window = reference.window
    one, other = (half[window] for half in images.halves)
    jobs = {BEFORE: _job(images, before), AFTER: _job(images, after), LINEAR: _job(images, None)}
    scores: dict[str, HalfScores] = {}
    kept: dict[str, float] = {}
    changed, expected = with_features(images, number, as_text(before.header["degradation"]))
    for arm, job in jobs.items():
        results = [_restored(frame, job) for frame in images.frames]
        errors = [reference.error_of(result, i) for i, result in enumerate(results)]
        found = [half_scores(x[window], one, other, error) for x, error in zip(results, errors, strict=True)]
        scores[arm] = HalfScores.mean(found)
        difference = (_restored(changed, job) - results[0])[window]
        kept[arm] = float(np.vdot(difference, expected[window]) / np.vdot(expected[window], expected[window]))
    return BoardScores(images.board, len(images.frames), scores, kept, reference.error)


def with_features(images: BoardImages, number: int, degradation: str) -> tuple[Image, Image]:
    """Put small features into the first frame.

    Parameters
    ----------
    images : BoardImages
    number : int
        Of the board: which features.
    degradation : str
        Physics of the blur, as the models state it.

    Returns
    -------
    frame, features : ndarray, shape (rows, cols)
        The frame with them, and how the sharp detector would show them alone.
    """
    assert images.frames is not None
    frame, noise = images.frames[0], noise_of(images, 0)
    flat = np.zeros_like(frame)
    change = np.zeros_like(frame)
    rng = np.random.default_rng([number, 41])
    for _ in range(max(1, frame.size // 128**2)):
        change += draw_features(images.mean, noise, rng)
    physics = degradation_of(degradation)(images.pair)
    sharp, blurred = add_change(flat, flat, change, Frame(frame, images.pair, noise), physics)
    return frame + blurred, sharp


def _job(images: BoardImages, model: Model | None) -> Job:
    method = "wiener" if model is None else as_text(model.header["method"])
    pair, exposure_s = images.pair, images.exposure_s
    return Job(
        pair.blurred, pair.sharp, method=method, model=model, exposure_s=exposure_s, pixel_pitch_mm=pair.pixel_pitch_mm
    )


def _restored(frame: Image, job: Job) -> Image:
    known = Acquisition(pixel_pitch_mm=job.pixel_pitch_mm, exposure_s=job.exposure_s, open_beam=1.0, linear=True)
    return np.asarray(restore(Radiograph(frame, known), job).image.pixels, dtype=np.float32)
