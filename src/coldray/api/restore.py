"""Restoration of the front door: `restore` and `Restorer`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldray.api.inputs import AnyDetector, Images, detector_of, radiograph_of, radiographs_of
from coldray.api.results import Result
from coldray.document import Json, as_cell, as_number, as_numbers, as_tables, as_text
from coldray.errors import ImageError
from coldray.physics.transfer import Operators
from coldray.radiograph import Radiograph
from coldray.restoration.job import DEFAULT_METHOD, Job
from coldray.settings import check_options, checked, declared, defaults, documented
from coldray.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from coldray.physics.detector import Detector
    from coldray.physics.tables import Column
    from coldray.restoration.model import Model
    from coldray.restoration.profile import Profile


@dataclass(frozen=True, eq=False, repr=False)
class Restored(Result):
    """A restored image and what is to be said about it; ``np.asarray`` gives its pixels.

    Parameters
    ----------
    image : Radiograph
        In the input's units, dtype and shape, with its history.
    verdict : str
        Of the certificate: consistent, contradicted in places, contradicted, or not testable; not judged without one.
    consistency : dict
        The certificate as data and in words.
    layers : ndarray, float32, shape (3 or 4, rows, cols), optional
        Measurement, linear part and prior part as fractions of the open beam, and the share of the network, if asked for.
    measured : Radiograph
        What went in.
    interval : ndarray, float32, shape (2, rows, cols), optional
        Lower and upper image as fractions of the open beam, before a `response`, if asked for.
    """

    image: Radiograph
    verdict: str
    consistency: dict[str, Json]
    layers: NDArray[np.float32] | None
    measured: Radiograph
    warnings: tuple[str, ...] = field(default=())
    interval: NDArray[np.float32] | None = None

    @property
    def _title(self) -> str:  # type: ignore[override]
        done = self.image.history[-1].details
        return f"Restored image {self.image.shape}, {self.image.dtype}: {done['blurred']} to {done['sharp']}"

    @property
    def pixels(self) -> NDArray[np.number]:
        """Restored pixels, in the input's units and dtype."""
        return self.image.pixels

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.number]:
        return np.array(self.image.pixels, dtype=dtype, copy=copy)

    def facts(self) -> list[tuple[str, str]]:
        """Method, verdict, and where the noise came from."""
        done = self.image.history[-1].details
        found = done["noise_relative_sd"]
        deviation = max(as_numbers(found)) if isinstance(found, Sequence) else as_number(found)
        return [
            ("certificate", self.verdict),
            ("method", f"{done['method']}, {done['steps']} network evaluation{'s' if done['steps'] != 1 else ''}"),
            ("noise", f"{percent(deviation)} of the open beam per pixel ({done['noise']})"),
        ]

    def columns(self) -> Mapping[str, Column]:
        """What the certificate found in every band of frequency."""
        bands = as_tables(self.consistency["bands"])
        return {
            name: [as_cell(band[name]) for band in bands]
            for name in ("low_lp_mm", "high_lp_mm", "found_over_noise", "marked_tiles")
        }

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form: what was done, and the certificate."""
        return dict(self.image.history[-1].details) | {
            "consistency": self.consistency,
            "warnings": list(self.warnings),
        }

    def _draw(self, ax: Axes) -> None:
        first = self.image.pixels if self.image.pixels.ndim == 2 else self.image.pixels[0]
        low, high = np.quantile(first[::4, ::4], [0.002, 0.998])
        ax.imshow(first, cmap="gray", vmin=low, vmax=max(high, low + 1e-12))
        ax.set(title=f"restored: {self.verdict}", xticks=[], yticks=[])


OWN_BYTES = 2**30
"""Of the filters that one `Restorer` keeps: ten of 4096 x 4096 pixels, more of smaller images."""


@documented
class Restorer:
    """A restoration prepared once for many images of one detector pair; safe to call from several threads.

    Model, detectors and flat fields are loaded here. Filters are worked out for the first image of a shape and kept: with
    `exposure_s` and `filter_signal` stated, the next one needs none.

    Parameters
    ----------
    {settings}

    Raises
    ------
    SettingsError
        If a setting is unknown, outside its range or does not fit the method.
    DetectorError
        If a detector is none.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> restore = coldray.Restorer("gos135", "gos34", exposure_s=0.25, filter_signal=0.5, method="wiener")
    >>> restore(np.full((64, 64), 0.5, dtype=np.float32)).shape
    (64, 64)
    """

    def __init__(self, blurred: AnyDetector = "gos135", sharp: AnyDetector = "gos34", **stated: Any) -> None:
        check_options({name: said for name, said in declared().items() if said.python}, stated, "restore")
        self._stated = {"blurred": blurred, "sharp": sharp, **stated}
        self._profile: Profile | None = None
        if stated.get("profile") is not None:
            from coldray.restoration.profile import read_profile

            self._profile = read_profile(os.fspath(stated["profile"]))
        pair = {"blurred": blurred, "sharp": sharp}
        usual = {name for name, one in pair.items() if isinstance(one, str) and one == defaults()[name]}
        self._own = {name: value for name, value in self._stated.items() if name not in usual | {"profile"}}
        self._jobs: dict[str | None, Job] = {}
        self._job = _job(self._stated if self._profile is None else {**self._profile.settings, **self._own})

    @classmethod
    def of_job(cls, job: Job) -> Restorer:
        """Restorer of settings that were loaded already, with filters of its own."""
        made = cls.__new__(cls)
        made._stated = {name: getattr(job, name) for name, said in declared().items() if said.python}
        made._profile, made._own, made._jobs = None, {}, {}
        made._job = replace(job, operators=Operators(OWN_BYTES))
        return made

    def __repr__(self) -> str:
        return f"Restorer({', '.join(f'{name}={value!r}' for name, value in self._stated.items())})"

    @property
    def job(self) -> Job:
        """What is done to every image."""
        return self._job

    @property
    def profile(self) -> Profile | None:
        """Rules that choose what is done to an image, if there are any."""
        return self._profile

    def job_for(self, image: Radiograph, source: Images | None = None) -> Job:
        """What is done to one image: by the profile's first rule that fits, if there is one.

        Parameters
        ----------
        image : Radiograph
        source : path, optional
            Where it was read from, for rules on folder and file; anything else counts as none.

        Raises
        ------
        MetadataError
            If no rule fits and the profile says to refuse.
        """
        if self._profile is None:
            return self._job
        from coldray.formats import tag_text
        from coldray.restoration.profile import Seen

        path = Path(source) if isinstance(source, (str, os.PathLike)) else None
        seen = Seen(path, image.acquisition.pixel_pitch_mm, lambda keyword: tag_text(image, keyword))
        rule = self._profile.rule_for(seen)
        name = None if rule is None else rule.name
        if name not in self._jobs:
            self._jobs[name] = _job({**self._profile.settings_of(rule), **self._own})
        return self._jobs[name]

    def restore(
        self,
        image: Images,
        *,
        frames: float | None = None,
        judged: bool = True,
        filter_signal: float | None = None,
    ) -> Restored:
        """Restore one image or stack, with its certificate.

        Parameters
        ----------
        image : ndarray (rows, cols) or (frames, rows, cols), path or Radiograph
            With `average` also a sequence of them. Linear. Floats are fractions of the open beam, integers are divided by their open-beam level.
        frames : float, optional
            Independent frames whose mean has the noise of this image, see `coldray.images.recursive`; those that its
            acquisition counts by default.
        judged : bool
            Whether it gets a certificate, unless the job of `of_job` goes without. Without one no contradiction is found, and
            nothing corrects the network or stands in for it.
        filter_signal : float, optional
            For this image, in place of the one that the restorer was given.

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

        if self.job.average:
            images = radiographs_of(image)
            repeats = average_repeats(images)
            measured, changing = repeats.image, repeats.changing
            notes = [*repeats.warnings, *(note for one in images for note in reading_notes(one))]
        else:
            measured, changing = radiograph_of(image), None
            notes = list(reading_notes(measured))
        job = self.job_for(measured, image)
        signal = job.filter_signal if filter_signal is None else filter_signal
        found = restore_image(
            measured, replace(job, judged=judged and job.judged, filter_signal=signal), changing, frames
        )
        warnings = tuple(dict.fromkeys([*notes, *found.warnings]))
        layers = None if found.provenance is None else found.provenance.layers
        bounds = None if found.interval is None else found.interval.bounds
        verdict = as_text(found.consistency["verdict"])
        return Restored(found.image, verdict, found.consistency, layers, measured, warnings, bounds)

    def __call__(self, image: Images) -> NDArray[np.number]:
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
    return Restorer(blurred, sharp, **settings).restore(image)


def _signature() -> inspect.Signature:
    """Parameters of `Restorer`, derived from the settings."""
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [
            inspect.Parameter(name, kinds[said.kind != "detector"], default=defaults()[name])
            for name, said in declared().items()
            if said.python
        ]
    )


Restorer.__signature__ = _signature()  # type: ignore[attr-defined]


def _job(stated: Mapping[str, Any]) -> Job:
    """Job of what is stated, with everything loaded and checked."""
    from coldray.physics.response import response_of
    from coldray.plugins import plugin
    from coldray.restoration.job import check_job

    values = {name: checked(name, value) for name, value in stated.items()}
    for name, value in values.items():
        kind = declared()[name].kind
        if kind == "detector":
            values[name] = _ready(value, name, values.get("pixel_pitch_mm"))
        elif kind == "flats" and value is not None:
            values[name] = _frames(value, name)
        elif kind == "response" and value is not None:
            values[name] = response_of(value)
    learns = plugin("method", as_text(values.get("method", DEFAULT_METHOD))).LEARNS
    own = {"model": _model(values.get("model")) if learns else None, "operators": Operators(OWN_BYTES)}
    job = Job(**values | own)
    check_job(job)
    return job


def _ready(source: AnyDetector, parameter: str, pitch_mm: float | None) -> str | Detector:
    """Names, models and files stay as they are until the image tells the pitch; all else becomes a detector now."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return detector_of(source, parameter, pitch_mm)


def _model(source: Model | str | os.PathLike[str] | None) -> Model:
    from coldray.restoration.model import Model, load_model

    return source if isinstance(source, Model) else load_model(source)


def _frames(images: Images, parameter: str) -> NDArray[np.number]:
    """All frames of one or several images as one stack."""
    stacks = [image.pixels for image in radiographs_of(images, parameter)]
    stacks = [pixels if pixels.ndim == 3 else pixels[None] for pixels in stacks]
    shapes = {pixels.shape[1:] for pixels in stacks}
    if len(shapes) > 1:
        raise ImageError(f"{parameter} differ in shape: {sorted(shapes)}; give frames of one detector")
    return np.concatenate(stacks)
