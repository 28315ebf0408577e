"""What two detectors' frames of one board say of each other, before anything is learnt from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.adaptation.spectra import Float, Spectra
from coldray.dataset.frames import BoardImages
from coldray.errors import MeasurementError
from coldray.physics.pair import DetectorPair
from coldray.restoration.coarse import STEP_PX, block_mean

STEP, BINS = 0.02, 25
"""Width of the bins of radial frequency [cycles/pixel], and how many there are up to Nyquist."""
LEVEL_BINS, LOOKED_AT = slice(0, 2), slice(2, 13)
"""Bins whose ratio is the contrast of both responses, and bins whose ratio to that tells the blurrier detector."""
DEPARTURE = 0.03
"""Mean difference of measured and stated MTF ratio that is said; edges measure an MTF to 0.01 or so."""
CLEARLY_BLURRED = 0.9
"""Stated MTF ratio below which a bin tells."""
LEAST_LIKENESS = 0.8
"""Correlation of the halves' blocks under which they do not show one scene."""


@dataclass(frozen=True, eq=False)
class MeasuredRatio:
    """Transfer from the sharp to the blurred detector that boards show.

    Parameters
    ----------
    frequency_cycles_px, ratio : ndarray, shape (bins,)
        Radial frequency, and the ratio of blurred to sharp detail, that which is stated at the lowest frequencies.
    stated : ndarray, shape (bins,)
        The detectors' MTF ratio.
    """

    frequency_cycles_px: Float
    ratio: Float
    stated: Float

    def departure(self) -> float:
        """Mean of measured - stated over the bins from 0.04 to 0.26 cycles/pixel, without its sign."""
        return abs(float(np.mean((self.ratio - self.stated)[LOOKED_AT])))

    def warnings(self) -> tuple[str, ...]:
        """Say where boards contradict what their detectors state."""
        if self.departure() <= DEPARTURE:
            return ()
        return (
            f"these boards show an MTF ratio that is {self.departure():.2f} off what their detectors state, on the average from "
            f"{STEP * LOOKED_AT.start:.2f} to {STEP * LOOKED_AT.stop:.2f} cycles/pixel: measure both detectors (coldray characterise) "
            "first; adapting makes up for a part of it",
        )


def check_halves(images: BoardImages) -> None:
    """Refuse sharp frames whose halves do not show one scene.

    Raises
    ------
    MeasurementError
        If there are no halves, or their blocks do not correlate.
    """
    if images.halves is None:
        raise MeasurementError(
            f"{images.board}: one sharp frame has no halves, and its noise would be in target and score; give at least 2"
        )
    # little of their noise is left in means over blocks
    one, other = (_detail(block_mean(_whole_blocks(half))) for half in images.halves)
    alike = float(np.vdot(one, other)) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-30)
    if not alike >= LEAST_LIKENESS:
        raise MeasurementError(
            f"{images.board}: the two halves of its sharp frames do not show one scene (correlation {alike:.2f}, "
            f"{LEAST_LIKENESS} is needed); put the frames of one board, taken without moving it, into its hr/"
        )


def check_roles(images: BoardImages) -> None:
    """Refuse a board whose sharp frames are the blurrier ones; needs no registration.

    Raises
    ------
    MeasurementError
        If hr/ and lr/ are swapped, by the spectra of what they show.

    Notes
    -----
    Power is the cross power of two means with independent noise.
    """
    assert images.frames is not None and images.halves is not None
    spectra = Spectra((images.mean.shape[0], images.mean.shape[1]), STEP)
    sharp = spectra.cross(*map(spectra.of, images.halves))[:BINS]
    blurred = spectra.cross(*(spectra.of(images.frames[first::2].mean(axis=0)) for first in range(2)))[:BINS]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sqrt(np.maximum(blurred, 0.0) / sharp)
    seen = _relative(ratio)[LOOKED_AT]
    tells = (_stated(images.pair)[LOOKED_AT] < CLEARLY_BLURRED) & np.isfinite(seen)
    if tells.any() and float(np.median(seen[tells])) > 1.0:
        raise MeasurementError(
            f"{images.board}: hr/ is blurrier than lr/ (contrast of detail in lr/ is {float(np.median(seen[tells])):.2f} of that "
            f"in hr/, {float(np.median(_stated(images.pair)[LOOKED_AT][tells])):.2f} was expected): the detectors are swapped; "
            "put the sharp detector's frames into hr/"
        )


def measured_ratio(boards: list[BoardImages]) -> MeasuredRatio:
    """Transfer that registered boards in one response show together.

    Notes
    -----
    T(f) = sum Re Y (A + B)* / 2 sum Re A B*, Y the mean of the blurred frames, A and B the halves of the sharp ones: no noise
    is in two factors of a product, so that it biases neither. Scaled to the stated ratio at the lowest frequencies, where the
    contrast of both responses, not the blur, decides.
    """
    top, bottom = np.zeros(BINS), np.zeros(BINS)
    for images in boards:
        assert images.frames is not None and images.halves is not None
        window = seen_of(images)
        shown = [image[window] for image in (images.frames.mean(axis=0), *images.halves)]
        spectra = Spectra((shown[0].shape[0], shown[0].shape[1]), STEP)
        blurred, one, other = map(spectra.of, shown)
        top += 0.5 * (spectra.cross(blurred, one) + spectra.cross(blurred, other))[:BINS]
        bottom += spectra.cross(one, other)[:BINS]
    stated = _stated(boards[0].pair)
    seen = _relative(top / np.maximum(bottom, 1e-30)) * float(np.mean(stated[LEVEL_BINS]))
    return MeasuredRatio(_centres(), seen, stated)


def seen_of(images: BoardImages) -> tuple[slice, slice]:
    """Part of a registered board that both detectors saw."""
    rows, cols = images.mean.shape
    if images.registration is None or images.registration.is_identity:
        return slice(0, rows), slice(0, cols)
    return images.registration.seen((rows, cols))


def _centres() -> Float:
    return np.asarray(STEP * (np.arange(BINS) + 0.5), dtype=np.float64)


def _stated(pair: DetectorPair) -> Float:
    return np.asarray(pair.ratio(_centres() / pair.pixel_pitch_mm), dtype=np.float64)


def _relative(ratio: Float) -> Float:
    """Ratio over its mean at the lowest frequencies."""
    return np.asarray(ratio / max(float(np.mean(ratio[LEVEL_BINS])), 1e-30))


def _whole_blocks(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image without what is left over at its far borders."""
    rows, cols = (n - n % STEP_PX for n in image.shape)
    return image[:rows, :cols]


def _detail(blocks: NDArray[np.float32]) -> Float:
    """What is left without shading."""
    return np.asarray(blocks - scipy.ndimage.gaussian_filter(blocks, 4.0))
