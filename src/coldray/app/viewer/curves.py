"""Detector curves of a study, and the band in which its restoration rests on the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coldray.document import Json

if TYPE_CHECKING:
    from coldray.radiograph import Radiograph
    from coldray.restoration.job import Job

POINTS = 129
HALF = 0.5
"""Share of the expected power below which content counts as prior: less than half of it can come from the data."""


def detector_curves(image: Radiograph, job: Job) -> dict[str, Json]:
    """MTFs, their ratio, and the share of the content that the data support, at the mean signal of an image.

    Parameters
    ----------
    image : Radiograph
    job : Job
        Detectors, exposure and prior of the restoration.

    Returns
    -------
    dict
        ``frequency_lp_mm, blurred, sharp, ratio, support`` to Nyquist; ``prior_from_lp_mm``, the frequency from which on
        less than half of the expected power is supported (None if the data support all); names and noise source;
        ``noise_variance``, of a pixel ``dark`` and at the ``open_beam`` [fraction of the open beam, squared], linear between.

    Raises
    ------
    ColdrayError
        If detectors and image do not fit.

    Notes
    -----
    Support is H^2 S / (H^2 S + N): H the transfer of Eq. 1, S the object prior seen through the sharp MTF, N the noise
    power of this frame. It is the share of expected power that the best linear estimate recovers.
    """
    from coldray.frame import Frame
    from coldray.images.scale import scale_of
    from coldray.physics.prior import ObjectPrior
    from coldray.plugins import degradation_of
    from coldray.restoration.noise import choose_noise
    from coldray.restoration.pair import detectors_of

    scale, _ = scale_of(image, job.open_beam)
    pair, warnings = detectors_of(image, job)
    degradation = degradation_of(job.degradation)(pair)
    measured = scale.to_fraction(image.pixels if image.pixels.ndim == 2 else image.pixels[0])
    noise, more = choose_noise(measured, pair.blurred, job.exposure_s, job.flats, frames=image.acquisition.frames)
    frame = Frame(measured, pair, noise, job.model.prior if job.model is not None else ObjectPrior())
    frequency = np.linspace(0.0, pair.sharp.nyquist_lp_mm, POINTS)
    transfer = degradation.transfer(frequency, 1.0)
    power = transfer**2 * frame.contrast_power(frequency)
    support = power / (power + noise.power(frequency, frame.mean_signal))
    weak = np.flatnonzero(support[1:] < HALF)
    return {
        "frequency_lp_mm": frequency.tolist(),
        "blurred": pair.blurred.mtf(frequency).tolist(),
        "sharp": pair.sharp.mtf(frequency).tolist(),
        "ratio": transfer.tolist(),
        "support": support.tolist(),
        "prior_from_lp_mm": float(frequency[weak[0] + 1]) if weak.size else None,
        "nyquist_lp_mm": pair.sharp.nyquist_lp_mm,
        "names": {"blurred": pair.blurred.name, "sharp": pair.sharp.name},
        "noise": noise.source,
        "noise_relative_sd": noise.relative_sd(),
        "noise_variance": {"dark": noise.relative_sd(0.0) ** 2, "open_beam": noise.relative_sd(1.0) ** 2},
        "mean_signal": frame.mean_signal,
        "warnings": [*warnings, *more],
    }
