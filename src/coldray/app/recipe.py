"""What to do to every image, as plain values that cross processes, machines and time."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldray import __version__
from coldray.app.build import build
from coldray.errors import MetadataError

if TYPE_CHECKING:
    from coldray.restoration.pipeline import Job

PLAIN = (
    "method",
    "steps",
    "gain",
    "degradation",
    "exposure_s",
    "open_beam",
    "pixel_pitch_mm",
    "provenance",
    "report",
    "certificate_map",
    "reference",
    "random_state",
    "raw",
    "on_contradiction",
    "even",
    "even_contrast",
    "safeguards",
    "average",
)
"""Fields whose value is itself the setting; the others name files."""
RECORD_FORMAT = 4
"""Of what is recorded of a restoration: 1 had no recipe, 2 no reports in it, 3 no safeguards. Raise it when a setting comes
or goes."""
REPEATABLE_FORMATS = (3, RECORD_FORMAT)
"""Formats whose restorations this version repeats."""
_SINCE_FORMAT_3 = {"report", "certificate_map", "reference"}
_BEFORE_FORMAT_4 = {
    "on_contradiction": "keep",
    "even": "network",
    "even_contrast": None,
    "safeguards": False,
    "average": False,
}
"""What version 0.1 did, and did not record."""
_OWN_METHODS = {("cold", "naive", True): "cold_naive", ("pnp", "denoiser", "tv"): "pnp_tv"}
"""Methods that were an option's value of another one in version 0.1; with any other value the option meant its default."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a restoration as the command line states them.

    Small and picklable: every process builds its own `Job` (model engine, flats) from it once.

    Parameters
    ----------
    method, model, steps, gain, blurred, sharp, degradation, exposure_s, open_beam, pixel_pitch_mm, provenance
        As in `coldray.restoration.pipeline.Job`, but the model by name or file.
    noise : tuple of str
        Files with flat fields.
    options_json : str
        Further options of the method, a JSON object.
    random_state : int
        Of methods that draw.
    raw : str, optional
        Geometry of raw files.
    on_contradiction, even, even_contrast, safeguards
        As in `coldray.restoration.job.Job`.
    report, certificate_map : bool
        Whether to write reports, and the map of the certificate, beside every result.
    reference : str, optional
        Sharper image to compare with in reports, or a folder of them by name.
    average : bool
        Whether all frames of all inputs become one image, which is restored.
    """

    method: str = "cold"
    model: str | None = None
    steps: int | None = None
    gain: str = "calibrated"
    blurred: str = "gos135"
    sharp: str = "gos34"
    degradation: str = "mtf_blend"
    exposure_s: float | None = None
    noise: tuple[str, ...] = ()
    open_beam: float | None = None
    pixel_pitch_mm: float | None = None
    provenance: bool = False
    options_json: str = "{}"
    random_state: int = 0
    raw: str | None = None
    on_contradiction: str = "linear"
    even: str = "linear"
    even_contrast: float | None = None
    safeguards: bool = True
    report: bool = False
    certificate_map: bool = False
    reference: str | None = None
    average: bool = False

    @property
    def geometry(self) -> Any:
        """Geometry of raw files, parsed; None if there is none."""
        from coldray.formats.raw import RawGeometry

        return None if self.raw is None else RawGeometry.parse(self.raw)

    def job(self) -> Job:
        """Return the job with model and flats loaded; the same object every time within a process."""
        return _job(self)

    def settings(self) -> dict[str, Any]:
        """Everything but the input that decides an output: values, and files by the hash of their content."""
        from coldray.checkpoint import file_sha256

        job = self.job()
        return {name: getattr(self, name) for name in PLAIN} | {
            "options": json.loads(self.options_json),
            "coldray": __version__,
            "model": None if job.model is None else job.model.sha256,
            "blurred": _content(self.blurred),
            "sharp": _content(self.sharp),
            "noise": [file_sha256(Path(path)) for path in self.noise],
        }

    def sources(self) -> dict[str, Any]:
        """Where the files named in `settings` are, absolute; built-in names stay names."""

        def place(text: str | None) -> str | None:
            return str(Path(text).absolute()) if text and Path(text).is_file() else text

        return {
            "model": place(self.model),
            "blurred": place(self.blurred),
            "sharp": place(self.sharp),
            "noise": [place(path) for path in self.noise],
        }

    @classmethod
    def of_record(cls, settings: Mapping[str, Any], sources: Mapping[str, Any]) -> Recipe:
        """Rebuild a recipe from recorded `settings` and from where its files are now.

        Raises
        ------
        MetadataError
            If the record lacks a setting.
        """
        try:
            known = as_now(settings)
            plain = {name: known[name] for name in PLAIN}
            options = json.dumps(known["options"], sort_keys=True)
            return cls(
                **plain,
                options_json=options,
                model=sources.get("model") if known["model"] else None,
                blurred=sources.get("blurred") or known["blurred"],
                sharp=sources.get("sharp") or known["sharp"],
                noise=tuple(sources.get("noise") or ()),
            )
        except (KeyError, TypeError) as problem:
            raise MetadataError(
                f"the recorded settings are incomplete ({problem}); the restoration cannot be repeated"
            ) from None


def as_now(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings as this version states them: what came since with what was done then, methods by their names now."""
    from coldray.plugins import plugin

    known = {**_BEFORE_FORMAT_4, **settings} if "safeguards" not in settings else dict(settings)
    options = dict(known["options"])
    for (method, option, value), now in _OWN_METHODS.items():
        if known["method"] == method and option in options and options.pop(option) == value:
            known |= {"method": now, "model": known["model"] if plugin("method", now).LEARNS else None}
    return known | {"options": options}


def record_format(recipe: Mapping[str, Any]) -> int:
    """Format of a record: the number in it, or what its settings tell; formats up to the first 3 carry no number."""
    settings = dict(recipe["settings"])
    if isinstance(recipe.get("format"), int):
        return int(recipe["format"])
    missing = set(PLAIN) - set(settings)
    if missing >= _SINCE_FORMAT_3:
        return 2
    return 3 if missing else RECORD_FORMAT


def _content(source: str) -> str:
    """Hash of a detector file; names and models stand for themselves."""
    from coldray.checkpoint import file_sha256

    return file_sha256(Path(source)) if Path(source).is_file() else source


@lru_cache(maxsize=2)
def _job(recipe: Recipe) -> Job:
    import numpy as np

    from coldray.formats import read_image
    from coldray.plugins import plugin
    from coldray.restoration.model import load_model
    from coldray.restoration.pipeline import Job, check_job

    flats = None
    if recipe.noise:
        frames = [read_image(Path(path), raw=recipe.geometry).pixels for path in recipe.noise]
        flats = np.concatenate([f if f.ndim == 3 else f[None] for f in frames])
    job = Job(
        method=recipe.method,
        model=load_model(recipe.model) if plugin("method", recipe.method).LEARNS else None,
        steps=recipe.steps,
        gain=recipe.gain,
        blurred=recipe.blurred,
        sharp=recipe.sharp,
        degradation=recipe.degradation,
        exposure_s=recipe.exposure_s,
        flats=flats,
        open_beam=recipe.open_beam,
        pixel_pitch_mm=recipe.pixel_pitch_mm,
        provenance=recipe.provenance,
        keep_certificate=recipe.report or recipe.certificate_map,
        options=json.loads(recipe.options_json),
        random_state=recipe.random_state,
        on_contradiction=recipe.on_contradiction,
        even=recipe.even,
        even_contrast=recipe.even_contrast,
        safeguards=recipe.safeguards,
    )
    check_job(job)
    return job


def environment(workers: int = 1) -> dict[str, Any]:
    """What besides the settings can move the last bit of a result: build, versions, processor, threads of each process."""
    from coldray.restoration.fast import available

    packages = {name: metadata.version(name) for name in ("numpy", "scipy", "onnxruntime")}
    fast = available()
    packages["engine"] = "onnxruntime" if fast is None else f"ncnn {fast}"
    threads = int(os.environ.get("OMP_NUM_THREADS", "0") or 0) or max(1, (os.cpu_count() or 1) // workers)
    return {"coldray": __version__, "build": build(), **packages, "machine": _machine(), "threads": threads}


@cache
def _machine() -> str:
    model = platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{platform.system()} {platform.machine()} {model}".strip()
