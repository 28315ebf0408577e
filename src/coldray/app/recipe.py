"""What to do to every image, as plain values that cross processes, machines and time."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldray import __version__
from coldray.app.build import build
from coldray.declaration import FIRST_FORMAT, MAPPINGS, SOURCES
from coldray.document import Json, as_table, shortened
from coldray.errors import MetadataError
from coldray.plugins import from_outside
from coldray.settings import Settings, check_settings, declared, defaults, laid_over, newest_format, recorded
from coldray.threads import core_count, stated_threads

if TYPE_CHECKING:
    from coldray.formats.raw import RawGeometry
    from coldray.radiograph import Radiograph
    from coldray.restoration.pipeline import Job
    from coldray.restoration.profile import Profile

RECORD_FORMAT = newest_format()
"""Of what is recorded of a restoration: 1 had no recipe, 2 no reports in it, 3 no safeguards; each later setting says when
it came."""
REPEATABLE_FORMATS = range(FIRST_FORMAT, RECORD_FORMAT + 1)
"""Formats whose restorations this version repeats."""
MODEL_SETTINGS = "model_settings"
"""Name in a record of the hash of what of the model's header decides a result, beside that of its file; earlier records have none."""
_OWN_METHODS = {("cold", "naive", True): "cold_naive", ("pnp", "denoiser", "tv"): "pnp_tv"}
"""Methods that were an option's value of another one in version 0.1; with any other value the option meant its default."""
_AS_RECORDED: Mapping[str, Callable[[Json], bool]] = {
    **dict.fromkeys(("model", "response"), lambda value: value is None or isinstance(value, str)),
    "detector": lambda value: isinstance(value, str),
    "flats": lambda value: value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value)),
    "options": lambda value: isinstance(value, Mapping),
}
"""What a record holds of files, by their kind, and of options."""


@dataclass(frozen=True)
class Recipe(Settings[str, str, tuple[str, ...]]):
    """Settings of a restoration as they are stated, recorded and sent between processes: all values plain, files by name.

    Small and picklable: every process builds its own `Job` (model engine, flats) from it once.

    Parameters
    ----------
    stated : tuple of (str, object)
        Settings that were stated beside a profile, over which its rules have no say.
    """

    stated: tuple[tuple[str, Any], ...] = field(default=(), hash=False)

    @classmethod
    def of_stated(cls, stated: Mapping[str, Any]) -> Recipe:
        """Recipe of what is stated, over what a profile says of every image.

        Raises
        ------
        SettingsError
            If there is a profile that is none.
        """
        if stated.get("profile") is None:
            return cls(**stated)
        from coldray.restoration.profile import read_profile

        return cls(**laid_over(read_profile(stated["profile"]).settings, stated), stated=tuple(stated.items()))

    def of_rule(self, settings: Mapping[str, Any]) -> Recipe:
        """The recipe that the settings of a rule make of this one; it needs no profile any more."""
        return replace(self, **laid_over(settings, dict(self.stated)) | {"profile": None}, stated=())

    def every(self) -> list[tuple[str, Recipe]]:
        """What may become of an image, by the name of the rule; the recipe itself without a profile."""
        if self.profile is None:
            return [("", self)]
        from coldray.restoration.profile import read_profile

        return [(name, self.of_rule(settings)) for name, settings in read_profile(self.profile).every_settings()]

    def for_image(
        self, source: Path | None, image: Radiograph, profile: Profile | None = None
    ) -> tuple[Recipe, dict[str, Json] | None]:
        """The recipe for one image, and what of the profile led to it; itself and None without one.

        Parameters
        ----------
        source : Path, optional
            File of the image, whose name and folder rules may ask for.
        image : Radiograph
        profile : Profile, optional
            As it was read before; by default it is read now.

        Raises
        ------
        MetadataError
            If no rule fits and the profile says to refuse.
        """
        if self.profile is None:
            return self, None
        from coldray.formats import tag_text
        from coldray.restoration.profile import Seen, read_profile

        profile = profile or read_profile(self.profile)
        seen = Seen(source, image.acquisition.pixel_pitch_mm, lambda keyword: tag_text(image, keyword))
        rule = profile.rule_for(seen)
        led: dict[str, Json] = {**profile.led(None if rule is None else rule.name)}
        return self.of_rule(profile.settings_of(rule)), led

    @property
    def leaves_more(self) -> bool:
        """Whether files are left beside the image, or of a profile beside some."""
        return any(getattr(one, name) for _, one in self.every() for name in switches_beside())

    @property
    def geometry(self) -> RawGeometry | None:
        """Geometry of raw files, parsed; None if there is none."""
        from coldray.formats.raw import RawGeometry

        return None if self.raw is None else RawGeometry.parse(self.raw)

    def job(self) -> Job:
        """Return the job with model and flats loaded; the same object every time within a process."""
        return _job(self)

    def settings(self) -> dict[str, Json]:
        """Everything but the input that decides an output: values, and files by the hash of their content."""
        from coldray.checkpoint import file_sha256

        job = self.job()

        def content_or_text(source: str | None) -> str | None:
            return file_sha256(Path(source)) if source and Path(source).is_file() else source

        content: Mapping[str, Callable[[Any], Any]] = {
            "model": lambda _: None if job.model is None else job.model.sha256,
            "detector": content_or_text,
            "response": content_or_text,
            "flats": lambda files: [file_sha256(Path(path)) for path in files or ()],
        }
        values, further, sources = {}, {}, {}
        for key, (name, said) in recorded().items():
            value = getattr(self, name)
            if said.kind in SOURCES:
                sources[key] = content[said.kind](value)
            elif said.kind in MAPPINGS:
                further[key] = json.loads(json.dumps(value, sort_keys=True, default=str))
            else:
                values[key] = value
        if self.profile is not None:
            # of a folder: which of its settings an image has depends on the image
            values["profile"] = {"sha256": file_sha256(Path(self.profile))}
            values["profile"] |= {"rules": {name: one.settings() for name, one in self.every()}}
        values[MODEL_SETTINGS] = None if job.model is None else job.model.settings_sha256
        return {**values, **further, "coldray": __version__, **{key: sources[key] for key in _source_keys()}}

    def history(self) -> dict[str, Json]:
        """Those of `settings` that decide the image itself, for its history: it is the same whatever lies beside it."""
        known = recorded()
        return {key: value for key, value in self.settings().items() if key not in known or not known[key][1].beside}

    def sources(self) -> dict[str, Json]:
        """Where the files named in `settings` are, absolute; built-in names stay names."""

        def place(text: str | None) -> str | None:
            return str(Path(text).absolute()) if text and Path(text).is_file() else text

        found: dict[str, Json] = {}
        for key in _source_keys():
            name, said = recorded()[key]
            value = getattr(self, name)
            found[key] = [place(path) for path in value or ()] if said.kind == "flats" else place(value)
        return found

    @classmethod
    def of_record(cls, settings: Mapping[str, Any], sources: Mapping[str, Any]) -> Recipe:
        """Rebuild a recipe from recorded `settings` and from where its files are now.

        Raises
        ------
        MetadataError
            If the record lacks a setting, or what it holds of a file is of another type.
        SettingsError
            If a setting is of another type or outside its range.
        """
        stated: dict[str, Any] = {}
        known = as_now(settings)
        for key, (name, said) in recorded().items():
            value, place = known[key], sources.get(key)
            if said.kind == "flats":
                stated[name] = tuple(place or ()) or None
            elif said.kind == "model":
                stated[name] = place if value else None
            elif said.kind in ("detector", "response"):
                stated[name] = place or value
            else:
                stated[name] = value
        made = cls(**stated)
        check_settings(made)
        return made


def switches_beside() -> list[str]:
    """Settings each of which leaves files beside the image."""
    return [name for name, said in declared().items() if said.beside and said.kind == "switch"]


def _source_keys() -> list[str]:
    """Names in a record of what is recorded by its content: the model, the detectors, the flat fields."""
    return [key for kind in SOURCES for key, (_, said) in recorded().items() if said.kind == kind]


def as_now(settings: Mapping[str, Any]) -> dict[str, Json]:
    """Recorded settings as this version states them: what came since with what was done then, methods by their names now.

    What a history leaves out, because it only decides what lies beside the image, is as by default.

    Raises
    ------
    MetadataError
        If the record lacks a setting, or the hash of a file or a method's options are of another type.
    """
    from coldray.plugins import plugin

    written = _written_as(settings)
    since = {key: (name, said) for key, (name, said) in recorded().items() if said.beside or said.since > written}
    known = {key: defaults()[name] if said.before is ... else said.before for key, (name, said) in since.items()}
    known |= settings
    for key, (_, said) in recorded().items():
        if key not in known:
            raise MetadataError(f"the recorded settings are incomplete ({key!r}); the restoration cannot be repeated")
        if not _AS_RECORDED.get(said.kind, lambda _: True)(known[key]):
            raise MetadataError(
                f"the recorded {key} is damaged ({shortened(repr(known[key]))}); the restoration cannot be repeated"
            )
    options = dict(as_table(known["options"]))
    for (method, option, value), now in _OWN_METHODS.items():
        if known["method"] == method and option in options and options.pop(option) == value:
            known |= {"method": now, "model": known["model"] if plugin("method", now).LEARNS else None}
    return known | {"options": options}


def _written_as(settings: Mapping[str, Json]) -> int:
    """Format of recorded settings: the newest of which they hold one."""
    return max((said.since for key, (_, said) in recorded().items() if key in settings), default=FIRST_FORMAT)


def record_format(recipe: Mapping[str, Any]) -> int:
    """Format of a record: the number in it, or what its settings tell; formats up to the first 3 carry no number."""
    settings = dict(recipe["settings"])
    if isinstance(recipe.get("format"), int):
        return int(recipe["format"])
    return _written_as(settings) if "report" in settings else 2


@lru_cache(maxsize=16)
def _job(recipe: Recipe) -> Job:
    import numpy as np

    from coldray.formats import read_image
    from coldray.physics.response import response_of
    from coldray.plugins import plugin
    from coldray.restoration.model import load_model
    from coldray.restoration.pipeline import Job, check_job

    check_settings(recipe)
    flats = None
    if recipe.flats:
        frames = [read_image(Path(path), raw=recipe.geometry).pixels for path in recipe.flats]
        flats = np.concatenate([f if f.ndim == 3 else f[None] for f in frames])
    loaded = {
        "model": load_model(recipe.model) if plugin("method", recipe.method).LEARNS else None,
        "flats": flats,
        "response": None if recipe.response is None else response_of(recipe.response),
        "keep_certificate": recipe.report or recipe.certificate_map,
    }
    job = Job(**{name: getattr(recipe, name) for name in declared()} | loaded)
    check_job(job)
    return job


def environment(workers: int = 1, device: str = "cpu") -> dict[str, Json]:
    """What besides the settings can move the last bit of a result: build, versions, processor, device, threads of each process."""
    from coldray.restoration.device import device_of
    from coldray.restoration.fast import available

    packages = {name: _version(name) for name in ("numpy", "scipy", "onnxruntime")}
    fast = available()
    used, _ = device_of(device)
    packages["engine"] = "onnxruntime" if fast is None else f"ncnn {fast}" + (f" on {used}" if used else "")
    outside = {"plugins": from_outside()} if from_outside() else {}
    threads = stated_threads() or max(1, core_count() // workers)
    return {"coldray": __version__, "build": build(), **packages, "machine": _machine(), "threads": threads, **outside}


@cache
def _version(package: str) -> str:
    """Version of an installed package, by the folder beside it that is named for it: quicker than all that is installed."""
    spec = find_spec(package)
    beside = Path(spec.origin).parents[1].glob(f"{package}-*.dist-info") if spec is not None and spec.origin else ()
    match [place.name.removesuffix(".dist-info").removeprefix(f"{package}-") for place in beside]:
        case [version]:
            return version
    from importlib import metadata

    return metadata.version(package)


@cache
def _machine() -> str:
    model = platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{platform.system()} {platform.machine()} {model}".strip()
