"""Which detectors an image is restored between, at which pixel pitch."""

from __future__ import annotations

from coldray.errors import DetectorError, PitchError
from coldray.physics.detector import PITCH_TOLERANCE, load_detector
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Radiograph
from coldray.restoration.job import Job


def pixel_pitch(image: Radiograph, stated_mm: float | None, needed_mm: float | None) -> tuple[float, list[str]]:
    """Decide the pixel pitch of an image.

    Parameters
    ----------
    image : Radiograph
    stated_mm : float, optional
        What the user says; overrides the file with a warning if they differ.
    needed_mm : float, optional
        Pitch of the detectors, taken with a warning if nobody else knows.

    Returns
    -------
    float
        Pixel pitch [mm].
    list of str
        Warnings.

    Raises
    ------
    PitchError
        If nothing states a pitch.
    """
    from_file = image.acquisition.pixel_pitch_mm
    if stated_mm is not None:
        if from_file is not None and abs(from_file / stated_mm - 1) > PITCH_TOLERANCE:
            return stated_mm, [
                f"a pixel pitch of {stated_mm * 1e3:.4g} um was stated and is used, although the file says {from_file * 1e3:.4g} um"
            ]
        return stated_mm, []
    if from_file is not None:
        return from_file, []
    if needed_mm is None:
        raise PitchError("the image states no pixel pitch and neither do the detectors; give `pixel_pitch_mm`")
    return needed_mm, [
        f"the image states no pixel pitch; the detectors' {needed_mm * 1e3:.4g} um is assumed: state it if that is wrong"
    ]


def detectors_of(image: Radiograph, job: Job) -> tuple[DetectorPair, list[str]]:
    """Load both detectors and check their pitch against the image's.

    Parameters
    ----------
    image : Radiograph
    job : Job
        Names both, and may state the pixel pitch.

    Returns
    -------
    DetectorPair
    list of str
        Warnings.

    Raises
    ------
    DetectorError
        If a detector is none, or the pitches of image and detectors differ by more than 1 %.
    """
    pitch, warnings = pixel_pitch(image, job.pixel_pitch_mm, _own_pitch(job))
    blurred, sharp = (load_detector(source, pixel_pitch_mm=pitch) for source in (job.blurred, job.sharp))
    pair = DetectorPair(blurred, sharp)
    if abs(pair.pixel_pitch_mm / pitch - 1) > PITCH_TOLERANCE:
        raise DetectorError(
            f"pixel pitch is {pitch * 1e3:.4g} um for the image and {pair.pixel_pitch_mm * 1e3:.4g} um for the detectors "
            f"{blurred.name!r} and {sharp.name!r}; choose the image's own detectors (`blurred`, `sharp`) or correct "
            "`pixel_pitch_mm`"
        )
    return pair, [*warnings, *pair.notes()]


def _own_pitch(job: Job) -> float | None:
    """Pitch [mm] of the first detector that has one of its own; models and some tables take the image's."""
    for source in (job.blurred, job.sharp):
        try:
            return load_detector(source).pixel_pitch_mm
        except PitchError:
            continue
    return None
