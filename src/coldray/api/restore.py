"""Restoration of the front door: `restore` and `Restorer`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.api.inputs import (
    AnyDetector,
    Images,
    detector_of,
    number_of,
    radiograph_of,
    radiographs_of,
    text_of,
)
from coldray.api.results import Result
from coldray.errors import ImageError, SettingsError
from coldray.radiograph import Radiograph
from coldray.restoration.job import DEFAULT_METHOD, Job


@dataclass(frozen=True, eq=False, repr=False)
class Restored(Result):
    """A restored image and what is to be said about it; ``np.asarray`` gives its pixels.

    Parameters
    ----------
    image : Radiograph
        In the input's units, dtype and shape, with its history.
    verdict : str
        Of the certificate: consistent, contradicted in places, contradicted, or not testable.
    consistency : dict
        The certificate as data and in words.
    layers : ndarray, float32, shape (3 or 4, rows, cols), optional
        Measurement, linear part and prior part as fractions of the open beam, and the share of the network, if asked for.
    measured : Radiograph
        What went in.
    """

    image: Radiograph
    verdict: str
    consistency: dict[str, Any]
    layers: NDArray[np.float32] | None
    measured: Radiograph
    warnings: tuple[str, ...] = field(default=())

    @property
    def _title(self) -> str:  # type: ignore[override]
        done = self.image.history[-1].details
        return f"Restored image {self.image.shape}, {self.image.dtype}: {done['blurred']} to {done['sharp']}"

    @property
    def pixels(self) -> NDArray[Any]:
        """Restored pixels, in the input's units and dtype."""
        return self.image.pixels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.image.pixels, dtype=dtype, copy=copy)

    def facts(self) -> list[tuple[str, str]]:
        """Method, verdict, and where the noise came from."""
        done = self.image.history[-1].details
        deviation = np.max(done["noise_relative_sd"])
        return [
            ("certificate", self.verdict),
            ("method", f"{done['method']}, {done['steps']} network evaluation{'s' if done['steps'] != 1 else ''}"),
            ("noise", f"{100 * deviation:.2g} % of the open beam per pixel ({done['noise']})"),
        ]

    def columns(self) -> dict[str, Any]:
        """What the certificate found in every band of frequency."""
        bands = self.consistency["bands"]
        return {
            name: [band[name] for band in bands]
            for name in ("low_lp_mm", "high_lp_mm", "found_over_noise", "marked_tiles")
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form: what was done, and the certificate."""
        return dict(self.image.history[-1].details) | {
            "consistency": self.consistency,
            "warnings": list(self.warnings),
        }

    def _draw(self, ax: Any) -> None:
        first = self.image.pixels if self.image.pixels.ndim == 2 else self.image.pixels[0]
        low, high = np.quantile(first[::4, ::4], [0.002, 0.998])
        ax.imshow(first, cmap="gray", vmin=low, vmax=max(high, low + 1e-12))
        ax.set(title=f"restored: {self.verdict}", xticks=[], yticks=[])


@dataclass(frozen=True, eq=False)
class Restorer:
    """A restoration prepared once for many images of one detector pair; safe to call from several threads.

    Parameters
    ----------
    blurred, sharp : str, path, Detector or (frequency_lp_mm, mtf)
        Detector that took the images, and the one to restore towards.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what each image states by default. Tables need it.
    exposure_s : float, optional
        Exposure of one frame [s]; the noise is estimated from each image by default.
    flats : ndarray, path, Radiograph, or a sequence of them, optional
        Flat fields of the same exposure.
    open_beam : float, optional
        Stored value of the open beam.
    method : str
        Name of a method.
    model : Model, path or str, optional
        Model of methods that learn; the shipped one by default.
    degradation : str
        Name of the degradation: the physics of the blur.
    gain : {"calibrated", "detail", "paper", "network"}
        How the measurement corrects the network's prediction.
    steps : int, optional
        Steps of methods that go step by step.
    on_contradiction : {"linear", "keep", "refuse"}
        What becomes of places where the measurement contradicts the network.
    even : {"linear", "network"}
        What gives the result where the measurement shows no structure beyond noise.
    even_contrast : float, optional
        Contrast that faint detail keeps there; the model's own by default.
    provenance : bool
        Whether to compute the layers.
    random_state : int
        Of methods that draw.
    options : dict, optional
        Further options of the method, by name.
    average : bool
        Whether all frames given are averaged, registered if they moved, and restored as one image, with the noise taken
        from how they differ. Without it every frame of a stack is restored by itself.

    Raises
    ------
    SettingsError
        If a setting is unknown or does not fit the method.
    DetectorError
        If a detector is none.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> restore = coldray.Restorer("gos135", "gos34", exposure_s=0.25, method="wiener")
    >>> restore(np.full((64, 64), 0.5, dtype=np.float32)).shape
    (64, 64)
    """

    blurred: AnyDetector = "gos135"
    sharp: AnyDetector = "gos34"
    pixel_pitch_mm: float | None = None
    exposure_s: float | None = None
    flats: Images | None = None
    open_beam: float | None = None
    method: str = DEFAULT_METHOD
    model: Any = None
    degradation: str = "mtf_blend"
    gain: str = "calibrated"
    steps: int | None = None
    on_contradiction: str = "linear"
    even: str = "linear"
    even_contrast: float | None = None
    provenance: bool = False
    random_state: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    average: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "_job", self._checked())

    def _checked(self) -> Job:
        """Return the job, with everything loaded and checked."""
        from coldray.plugins import plugin
        from coldray.restoration.job import check_job

        pitch = None if self.pixel_pitch_mm is None else number_of(self.pixel_pitch_mm, "pixel_pitch_mm", "mm")
        learns = plugin("method", text_of(self.method, "method")).LEARNS
        if not isinstance(self.steps, (int, type(None))) or (self.steps is not None and self.steps < 1):
            raise SettingsError(f"steps is {self.steps!r}; a whole number of at least 1 is needed")
        job = Job(
            method=self.method,
            model=_model(self.model) if learns else None,
            steps=self.steps,
            blurred=_ready(self.blurred, "blurred", pitch),
            sharp=_ready(self.sharp, "sharp", pitch),
            degradation=text_of(self.degradation, "degradation"),
            gain=text_of(self.gain, "gain"),
            exposure_s=None if self.exposure_s is None else number_of(self.exposure_s, "exposure_s", "s"),
            flats=None if self.flats is None else _frames(self.flats, "flats"),
            open_beam=None if self.open_beam is None else number_of(self.open_beam, "open_beam", "pixel value"),
            pixel_pitch_mm=pitch,
            even=text_of(self.even, "even"),
            even_contrast=None if self.even_contrast is None else number_of(self.even_contrast, "even_contrast", "1"),
            provenance=bool(self.provenance),
            options=dict(self.options),
            random_state=self.random_state,
            on_contradiction=text_of(self.on_contradiction, "on_contradiction"),
        )
        check_job(job)
        return job

    @property
    def job(self) -> Job:
        """What is done to every image."""
        found: Job = self._job  # type: ignore[attr-defined]
        return found

    def restore(self, image: Images) -> Restored:
        """Restore one image or stack, with its certificate.

        Parameters
        ----------
        image : ndarray (rows, cols) or (frames, rows, cols), path or Radiograph
            With `average` also a sequence of them. Linear. Floats are fractions of the open beam, integers are divided by their open-beam level.

        Returns
        -------
        Restored

        Raises
        ------
        ColdrayError
            As `coldray.restore`.
        """
        from coldray.formats import reading_notes
        from coldray.images.repeats import average_repeats
        from coldray.restoration.pipeline import restore as restore_image

        if self.average:
            images = radiographs_of(image)
            repeats = average_repeats(images)
            measured, changing = repeats.image, repeats.changing
            notes = [*repeats.warnings, *(note for one in images for note in reading_notes(one))]
        else:
            measured, changing = radiograph_of(image), None
            notes = list(reading_notes(measured))
        found = restore_image(measured, self.job, changing)
        warnings = tuple(dict.fromkeys([*notes, *found.warnings]))
        layers = None if found.provenance is None else found.provenance.layers
        return Restored(found.image, found.consistency["verdict"], found.consistency, layers, measured, warnings)

    def __call__(self, image: Images) -> NDArray[Any]:
        """Restored pixels of one image, in its units and dtype."""
        return self.restore(image).pixels


def restore(
    image: Images,
    blurred: AnyDetector = "gos135",
    sharp: AnyDetector = "gos34",
    **settings: Any,
) -> Restored:
    """Restore what a thick phosphor blurred, with a certificate.

    Parameters
    ----------
    image : ndarray (rows, cols) or (frames, rows, cols), path or Radiograph
        With ``average=True`` also a sequence of them, which becomes one image. Linear. Floats are fractions of the open
        beam, integers are divided by their open-beam level.
    blurred, sharp : str, path, Detector or (frequency_lp_mm, mtf)
        Detector that took the image, and the one to restore towards; two MTF tables are enough.
    **settings
        Keyword parameters of `Restorer`: ``pixel_pitch_mm``, ``exposure_s``, ``flats``, ``open_beam``, ``method``,
        ``gain``, ``on_contradiction``, ``average`` and so on.

    Returns
    -------
    Restored
        ``np.asarray`` gives the restored image in the input's units.

    Raises
    ------
    ImageError
        If `image` is no linear image.
    DetectorError
        If the detectors are none, or do not fit the image.
    SettingsError
        If a setting is unknown or does not fit.
    RefusalError
        If the result would be worse than none.

    Notes
    -----
    The blur is H = MTF_blurred / MTF_sharp (eq. 1 of Oh et al.); `coldray.restoration` says the rest.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> frequency = np.linspace(0, 10, 101)
    >>> thick, thin = np.exp(-frequency / 3), np.exp(-frequency / 8)
    >>> image = np.random.default_rng(0).normal(0.5, 0.01, (96, 96))
    >>> found = coldray.restore(image, (frequency, thick), (frequency, thin), pixel_pitch_mm=0.05, method="wiener")
    >>> np.asarray(found).shape
    (96, 96)
    """
    try:
        restorer = Restorer(blurred, sharp, **settings)
    except TypeError as problem:
        raise SettingsError(f"restore: {str(problem).replace('Restorer.__init__() got an ', '')}") from None
    return restorer.restore(image)


def _ready(source: Any, parameter: str, pitch_mm: float | None) -> Any:
    """Names, models and files stay as they are until the image tells the pitch; all else becomes a detector now."""
    import os

    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return detector_of(source, parameter, pitch_mm)


def _model(source: Any) -> Any:
    from coldray.restoration.model import Model, load_model

    return source if isinstance(source, Model) else load_model(source)


def _frames(images: Any, parameter: str) -> NDArray[Any]:
    """All frames of one or several images as one stack."""
    stacks = [image.pixels for image in radiographs_of(images, parameter)]
    stacks = [pixels if pixels.ndim == 3 else pixels[None] for pixels in stacks]
    shapes = {pixels.shape[1:] for pixels in stacks}
    if len(shapes) > 1:
        raise ImageError(f"{parameter} differ in shape: {sorted(shapes)}; give frames of one detector")
    return np.concatenate(stacks)
