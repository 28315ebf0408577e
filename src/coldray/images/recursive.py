"""Recursive mean of the frames of a stream: its noise is known, and it starts anew when something moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError, SettingsError
from coldray.physics.noise import NoiseModel

BLOCK_PX = 16
"""Side of the blocks whose mean is compared with that of the frames before."""
FALSE_RESETS = 1e-6
"""Chance that a frame of a scene at rest starts the mean anew, all blocks together."""
HELD_SD = 6.0
"""A pixel counts as differing by at most so many standard deviations: a direct hit moves no block."""
LARGEST_DRIFT = 0.1
"""Change of the whole level that still is drift of the tube."""
STEPS_PER_OCTAVE = 32
"""Of the noise power of a mean: it is stated at most 2.2 % too high, so that all later means of a scene share their filters."""
SURE = 2.0
"""Standard uncertainties of the noise by which its power may be larger than stated."""


@dataclass(frozen=True, eq=False)
class RunningMean:
    """Mean of a stream's frames up to one of them.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, cols)
        In the units of the frames.
    power : float
        Its noise power over that of one frame: the sum of the squared weights of the frames in it.
    frames : int
        Frames since something moved.
    moved : bool
        Whether this frame started it anew.
    """

    image: NDArray[np.float32]
    power: float
    frames: int
    moved: bool = False

    @property
    def independent(self) -> float:
        """Independent frames of equal weight whose mean has this noise, a step of `STEPS_PER_OCTAVE` or less too few."""
        return float(2.0 ** (math.floor(-STEPS_PER_OCTAVE * math.log2(self.power)) / STEPS_PER_OCTAVE))


class RecursiveMean:
    """Mean of the frames of one scene, the latest with the weight that is asked for.

    Parameters
    ----------
    weight : float
        Of the latest frame, over 0 and at most 1. The first frames of a scene count alike until one has this weight.
    noise : NoiseModel
        Noise of one frame; decides when something moved.

    Raises
    ------
    SettingsError
        If the weight is outside its range.

    Notes
    -----
    m_t = (1 - a) m_(t-1) + a x_t with a = max(1/t, weight), so the noise power of m_t, in units of that of a frame, is
    v_t = (1 - a)^2 v_(t-1) + a^2: 1/t at first, and weight / (2 - weight) in the end.

    Something moved when the mean of a block of `BLOCK_PX` differs from that of the frames before by more than noise explains:
    the difference has the variance (1 + v) P / block area, P the largest noise power over frequency at the block's signal, which
    noise of any colour stays below. All levels are brought to one first, as tubes drift. The limit is set by `FALSE_RESETS`.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.images.recursive import RecursiveMean
    >>> from coldray.physics.detector import load_detector
    >>> from coldray.physics.noise import NoiseModel
    >>> mean = RecursiveMean(0.25, NoiseModel.of_detector(load_detector("gos135"), 1.0))
    >>> [round(mean.add(np.full((32, 32), 0.5, np.float32)).power, 4) for _ in range(4)]
    [1.0, 0.5, 0.3333, 0.25]
    """

    def __init__(self, weight: float, noise: NoiseModel) -> None:
        if not 0 < weight <= 1:
            raise SettingsError(f"weight of the latest frame is {weight:g}; it must be over 0 and at most 1")
        self._weight = weight
        frequency = noise.quantum.frequency_lp_mm
        surely = 1.0 + SURE * float(np.max(noise.error(frequency)))
        # variance of a pixel that noise of any colour stays below: of each unit of signal, and without any
        self._quantum, self._electronic = (
            surely * power / noise.pixel_pitch_mm**2
            for power in (float(np.max(noise.quantum(frequency))), noise.electronic_mm2)
        )
        self._now: RunningMean | None = None

    def add(self, frame: NDArray[np.floating]) -> RunningMean:
        """Take in the next frame.

        Parameters
        ----------
        frame : ndarray, shape (rows, cols)
            Fraction of the open beam.

        Returns
        -------
        RunningMean
            With this frame; not to be written to.

        Raises
        ------
        ImageError
            If it is of another shape than the frames before; the mean is what it was.
        """
        latest, before = np.asarray(frame, dtype=np.float32), self._now
        if latest.ndim != 2 or (before is not None and latest.shape != before.image.shape):
            expected = "(rows, cols)" if before is None else str(before.image.shape)
            raise ImageError(f"a frame of the stream has shape {latest.shape}; {expected} is needed")
        if before is None or self._differs(latest, before):
            self._now = RunningMean(latest, 1.0, 1, moved=before is not None)
            return self._now
        count = before.frames + 1
        share = max(1.0 / count, self._weight)
        image = before.image + np.float32(share) * (latest - before.image)
        self._now = RunningMean(image, (1.0 - share) ** 2 * before.power + share**2, count)
        return self._now

    def _differs(self, latest: NDArray[np.float32], before: RunningMean) -> bool:
        """Whether a frame shows another scene than the mean."""
        level = float(np.vdot(before.image, before.image))
        gain = float(np.vdot(before.image, latest)) / level if level > 0 else 1.0
        if abs(gain - 1.0) > LARGEST_DRIFT:
            return True
        size = min(BLOCK_PX, *latest.shape)
        signal = np.maximum(_means(before.image, size), 0.0)
        deviation = np.sqrt((self._quantum * signal + self._electronic) * (1.0 + before.power))
        apart = latest - np.float32(gain) * before.image
        held = np.float32(HELD_SD) * np.float32(deviation.max())
        np.clip(apart, -held, held, out=apart)
        limit = NormalDist().inv_cdf(1.0 - FALSE_RESETS / (2 * signal.size))
        return bool(np.any(np.abs(_means(apart, size)) > limit * deviation / size))


def _means(image: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Means of whole square blocks."""
    rows, cols = (side // size * size for side in image.shape)
    blocks = image[:rows, :cols].reshape(rows // size, size, cols // size, size)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64))
