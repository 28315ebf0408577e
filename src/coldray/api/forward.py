"""The forward model of the front door: `degrade` blurs as a detector would, `certify` tests a result by blurring it again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coldray.api.inputs import AnyDetector, Image, Images, radiograph_of, text_of
from coldray.api.restore import Restorer
from coldray.document import Json
from coldray.errors import ImageError
from coldray.radiograph import Radiograph


def certify(
    image: Image,
    restored: Image,
    blurred: AnyDetector = "gos135",
    sharp: AnyDetector = "gos34",
    *,
    pixel_pitch_mm: float | None = None,
    exposure_s: float | None = None,
    flats: Images | None = None,
    open_beam: float | None = None,
) -> dict[str, Json]:
    """Test any restored image, of this or another program, against its measurement.

    Parameters
    ----------
    image : ndarray (rows, cols), path or Radiograph
        The measurement.
    restored : ndarray (rows, cols), path or Radiograph
        What was made of it, in the same units. If its history says that it was brought to the sharp detector's response, it is
        brought back before.
    blurred, sharp : str, path, Detector or (frequency_lp_mm, mtf)
        Detector that took the image, and the one it was restored towards.
    pixel_pitch_mm, exposure_s, flats, open_beam
        As for `restore`.

    Returns
    -------
    dict
        Verdict, statement in sentences, and the numbers behind both.

    Raises
    ------
    ImageError
        If the images are none, are stacks, or differ in shape.
    DetectorError, MetadataError
        As for `restore`.
    """
    from coldray.degradations.mtf_blend import Degradation
    from coldray.frame import Frame
    from coldray.images.scale import scale_of
    from coldray.physics.response import ResponseCurve
    from coldray.restoration.certificate.certify import certify as certify_frame
    from coldray.restoration.certificate.words import summary
    from coldray.restoration.guard import saturated
    from coldray.restoration.noise import choose_noise
    from coldray.restoration.pair import detectors_of

    stated = {"pixel_pitch_mm": pixel_pitch_mm, "exposure_s": exposure_s, "flats": flats, "open_beam": open_beam}
    job = Restorer(blurred, sharp, method="wiener", **stated).job
    measured, result = radiograph_of(image), radiograph_of(restored, "restored")
    for name, one in (("image", measured), ("restored", result)):
        if one.pixels.ndim != 2:
            raise ImageError(f"{name} has the shape {one.shape}; one frame (rows, cols) is certified")
    scale, _ = scale_of(measured, job.open_beam)
    pair, _ = detectors_of(measured, job)
    fraction = scale.to_fraction(measured.pixels)
    noise, _ = choose_noise(fraction, pair.blurred, job.exposure_s, job.flats)
    frame = Frame(fraction, pair, noise).as_restored()
    found = replace(scale, dtype=result.dtype).to_fraction(result.pixels)
    mapped = next((step.details["response"] for step in reversed(result.history) if "response" in step.details), None)
    response = None if mapped is None else ResponseCurve.from_dict(mapped)
    blur = Degradation(frame.pair)
    return summary(certify_frame(frame, blur, found, excluded=saturated(measured.pixels), response=response))


def degrade(
    image: Image,
    blurred: AnyDetector = "gos135",
    sharp: AnyDetector = "gos34",
    *,
    strength: float = 1.0,
    exposure_s: float | None = None,
    degradation: str = "mtf_blend",
    pixel_pitch_mm: float | None = None,
    open_beam: float | None = None,
    random_state: int | list[int] = 0,
) -> Radiograph:
    """Blur a sharp image as another detector would (eqs. 1 and 2), and add the noise of one frame; synthetic.

    Parameters
    ----------
    image : ndarray (rows, cols) or (frames, rows, cols), path or Radiograph
        Image of the sharp detector.
    blurred, sharp : str, path, Detector or (frequency_lp_mm, mtf)
    strength : float
        The paper's t / T, 0 to 1.
    exposure_s : float, optional
        Adds the noise of one frame of this exposure [s]; needs a blurred detector that states its NNPS.
    degradation : str
        Name of a degradation, with its argument if it takes one.
    pixel_pitch_mm, open_beam
        As for `restore`.
    random_state : int or list of int
        Of the noise.

    Returns
    -------
    Radiograph
        In the input's units, with one more step of history. Its history says how many pixels were clipped.

    Raises
    ------
    ImageError, DetectorError, MetadataError, StrengthError, PluginError
        As for `restore`; if `strength` is not within [0, 1].

    References
    ----------
    Oh et al., diffusion-inspired deblur model for X-ray detectors, eqs. 1 and 2.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> sharp = np.random.default_rng(0).random((64, 64))
    >>> soft = coldray.degrade(sharp, pixel_pitch_mm=0.048)
    >>> bool(soft.pixels.std() < 0.5 * sharp.std()), bool(np.isclose(soft.pixels.mean(), sharp.mean()))
    (True, True)
    """
    from coldray.images.scale import scale_of
    from coldray.physics.noise import NoiseModel
    from coldray.physics.transfer import radial_operator
    from coldray.plugins import degradation_of
    from coldray.radiograph import Step
    from coldray.restoration.pair import detectors_of

    build = degradation_of(text_of(degradation, "degradation"))
    stated = {"pixel_pitch_mm": pixel_pitch_mm, "exposure_s": exposure_s, "open_beam": open_beam}
    job = Restorer(blurred, sharp, method="wiener", **stated).job
    original = radiograph_of(image)
    scale, warnings = scale_of(original, job.open_beam)
    pair, more = detectors_of(original, job)
    blend = build(pair)
    stack = scale.to_fraction(original.pixels if original.pixels.ndim == 3 else original.pixels[None])
    blur = radial_operator(lambda f: blend.transfer(f, strength), stack.shape[1:], pair.pixel_pitch_mm)
    noise = None if job.exposure_s is None else NoiseModel.of_detector(pair.blurred, job.exposure_s)
    rng = np.random.default_rng(random_state)
    frames = [blur(f) if noise is None else blur(f) + noise.draw(f, rng) for f in stack]
    stored, clipped = scale.to_stored(np.stack(frames).reshape(original.shape))
    details: dict[str, Json] = {
        "blurred": pair.blurred.name,
        "sharp": pair.sharp.name,
        "strength": strength,
        "exposure_s": job.exposure_s,
        "degradation": degradation,
        "random_state": random_state if isinstance(random_state, int) else random_state[0],
        "kind": "synthetic",
        "clipped_pixels": clipped,
        "warnings": [*warnings, *more],
    }
    return original.with_pixels(stored, Step("degrade", details)).with_acquisition(
        pixel_pitch_mm=pair.pixel_pitch_mm,
        exposure_s=job.exposure_s or original.acquisition.exposure_s,
        open_beam=scale.open_beam,
    )
