"""Pixels of a frame that are no measurement: direct hits, dead pixels and masked ones give way to their prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.images.hits import REACH_PX, Hits, find_hits, padding_of
from coldray.images.repeats import ChangingPower
from coldray.images.scale import ROUNDING_VARIANCE, Scale
from coldray.physics.detector import Detector
from coldray.physics.noise import NoiseModel
from coldray.restoration.guard import around
from coldray.restoration.job import Job
from coldray.restoration.noise import choose_noise

MOST_HITS = 0.1
"""Share of the pixels above which what stands out is no hits: the frame is sharper than its detector, or not linear."""
LEAST_SIDE_PX = 16
"""Frames smaller than this are not looked through."""
TOO_MANY = (
    "more pixels stand out than direct hits and dead pixels could, and none was replaced: the image is sharper than the "
    "stated detector or holds other noise; check the MTF table and the pixel pitch"
)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a frame, as everything that restores or judges it sees it.

    Parameters
    ----------
    stored : ndarray, shape (rows, cols)
        Stored values with the replaced pixels' predictions in place of what stood there.
    fraction : ndarray, float32, same shape
        The same as fractions of the open beam.
    noise : NoiseModel
    hits : Hits, optional
        Direct hits and dead pixels; None if there are none.
    predicted : ndarray of bool, same shape, optional
        Pixels that hold a prediction; None if there are none.
    padding : ndarray of bool, same shape, optional
        Masked areas too large to be predicted; what is stored there stays. None if there are none.
    warnings : tuple of str
    """

    stored: NDArray[np.number]
    fraction: NDArray[np.float32]
    noise: NoiseModel
    hits: Hits | None = None
    predicted: NDArray[np.bool_] | None = None
    padding: NDArray[np.bool_] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def excluded(self) -> NDArray[np.bool_] | None:
        """Padding and what the blur mixes with it, where no result is compared with the measurement; None if there is none."""
        if self.padding is None:
            return None
        return around(self.padding, REACH_PX)


def measured_of(
    stored: NDArray[np.number],
    mask: NDArray[np.bool_] | None,
    scale: Scale,
    detector: Detector,
    job: Job,
    frames: float,
    changing: ChangingPower | None = None,
) -> Measured:
    """Find the noise of a frame and the pixels that are no measurement of it, and replace them.

    Parameters
    ----------
    stored : ndarray, shape (rows, cols)
        Stored values.
    mask : ndarray of bool, same shape, optional
        Pixels known to be none: bad ones, padding.
    scale : Scale
    detector : Detector
        That took the frame.
    job : Job
        Exposure and flat fields, if any.
    frames : float
        Independent frames that the image is the mean of.
    changing : ChangingPower, optional
        What changes between them; decides the noise.

    Notes
    -----
    The noise is found twice if anything was replaced: first as `find_hits` needs it, then in what is left. Padding stays as
    it is for that, since an even area that somebody filled in would count as one without noise.
    """
    fraction = scale.to_fraction(stored)
    # the noise that is stated is that of a frame, with its rounding; a mean was rounded once more
    rounding = ROUNDING_VARIANCE if frames > 1 and stored.dtype.kind in "ui" else 0.0
    given = (detector, job.exposure_s, job.flats, frames, changing, scale.open_beam, rounding)
    noise, warnings = choose_noise(fraction, *given)
    known = mask if mask is not None and mask.any() and not mask.all() else None
    if min(stored.shape) < LEAST_SIDE_PX:
        return Measured(stored, fraction, noise, warnings=tuple(warnings))
    found, remark = find_hits(fraction, detector.mtf, noise, known=known), []
    if found.mask.mean() > MOST_HITS:
        found, remark = find_hits(fraction, detector.mtf, noise, known=known, threshold=np.inf), [TOO_MANY]
    replaced = found.mask if known is None else found.mask | known
    if not replaced.any():
        return Measured(stored, fraction, noise, warnings=(*warnings, *remark))
    padding = None if known is None else padding_of(known)
    seen = np.where(replaced, found.filled, fraction)
    noise, warnings = choose_noise(seen if padding is None else np.where(padding, fraction, seen), *given)
    return Measured(
        stored=np.where(replaced, scale.to_stored(found.filled)[0], stored),
        fraction=seen,
        noise=noise,
        hits=found if found.mask.any() else None,
        predicted=replaced,
        padding=padding,
        warnings=(*warnings, *remark),
    )


def counted(bright: int, dark: int, masked: int) -> str | None:
    """One sentence on what was replaced; None if nothing was."""
    counts = ((bright, "direct hit"), (dark, "dead pixel"), (masked, "masked pixel"))
    parts = [f"{count} {name}{'s' if count != 1 else ''}" for count, name in counts if count]
    if not parts:
        return None
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    verb = "was" if bright + dark + masked == 1 else "were"
    return f"{listed} {verb} replaced by what the neighbours predict; the mask of the written image holds them"
