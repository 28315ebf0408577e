"""What a page may ask of a restoration: names from lists, numbers within bounds, never a path."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from coldray.app.recipe import Recipe
from coldray.app.viewer.flats import MOST_FILES
from coldray.errors import SettingsError


class RestoreRequest(BaseModel):
    """Settings of one restoration, as the page sends them."""

    model_config = ConfigDict(extra="forbid")

    method: str | None = Field(default=None, max_length=64)
    blurred: str | None = Field(default=None, max_length=256)
    sharp: str | None = Field(default=None, max_length=256)
    steps: int | None = Field(default=None, ge=1, le=100)
    model: str | None = Field(default=None, max_length=256)
    gain: str | None = Field(default=None, max_length=32)
    even: str | None = Field(default=None, max_length=32)
    on_contradiction: str | None = Field(default=None, max_length=32)
    flats: list[Annotated[str, Field(pattern="^[0-9a-f]{16}$")]] = Field(default=[], max_length=MOST_FILES)
    exposure_s: float | None = Field(default=None, gt=0, le=1e5, allow_inf_nan=False)
    open_beam: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)
    pitch_um: float | None = Field(default=None, ge=0.1, le=1e4, allow_inf_nan=False)


@dataclass(frozen=True)
class Defaults:
    """What the command line chose: defaults of the page, and detectors it may name.

    Parameters
    ----------
    method : str
    model : str, optional
        Name or file of the model; the shipped one by default.
    blurred, sharp : str
        Detectors: name, model or file.
    exposure_s, open_beam, pitch_um : float, optional
    """

    method: str = "cold"
    model: str | None = None
    blurred: str = "gos135"
    sharp: str = "gos34"
    exposure_s: float | None = None
    open_beam: float | None = None
    pitch_um: float | None = None

    def detectors(self) -> dict[str, str]:
        """Detectors by the name the page knows; files given on the command line appear by file name."""
        from coldray.physics.detector import built_in_detectors

        known = {name: name for name in built_in_detectors()}
        for source in (self.blurred, self.sharp):
            known[Path(source).name if Path(source).is_file() else source] = source
        return known

    def methods(self) -> list[dict[str, Any]]:
        """Methods that can run here, with what they need."""
        from coldray.plugins import CorrectingMethod, plugin, plugin_names, settings_of

        out = []
        for name in plugin_names("method"):
            method = plugin("method", name)
            if method.LEARNS and not _model_fits(self.model, name):
                continue
            out.append(
                {
                    "name": name,
                    "learns": bool(method.LEARNS),
                    "corrects": isinstance(method, CorrectingMethod),
                    "steps": "steps" in settings_of(method),
                }
            )
        return out

    def models(self) -> dict[str, str | None]:
        """Models by the name the page knows, the one to start with first."""
        from coldray.restoration.model import DEFAULT_MODEL, shipped_models

        shipped: dict[str, str | None] = {name: name for name in shipped_models()}
        if self.model is None or self.model in shipped:
            first = self.model or DEFAULT_MODEL
            return {first: self.model} | {name: source for name, source in shipped.items() if name != first}
        return {Path(self.model).name: self.model} | shipped

    def choices(self) -> dict[str, Any]:
        """What the page may choose from, and what it starts with."""
        from coldray.gain import GAINS
        from coldray.restoration.even import EVENS
        from coldray.restoration.guard import CONTRADICTIONS

        names = {source: name for name, source in self.detectors().items()}
        methods = self.methods()
        return {
            "methods": methods,
            "detectors": sorted(names.values()),
            "models": list(self.models()),
            "gains": list(GAINS),
            "evens": list(EVENS),
            "contradictions": list(CONTRADICTIONS),
            "method": self.method if self.method in [m["name"] for m in methods] else "wiener",
            "blurred": names[self.blurred],
            "sharp": names[self.sharp],
            "exposure_s": self.exposure_s,
            "open_beam": self.open_beam,
            "pitch_um": self.pitch_um,
        }

    def recipe(self, request: RestoreRequest, flats: tuple[str, ...] = ()) -> Recipe:
        """Build the recipe of a request, as the command line would.

        Parameters
        ----------
        request : RestoreRequest
        flats : tuple of str
            Where the files of its flat fields are.

        Raises
        ------
        SettingsError
            If a name is not on the lists.
        ColdrayError
            If method and model do not fit.
        """
        method = request.method or self.method
        names = [known["name"] for known in self.methods()]
        if method not in names:
            raise SettingsError(f"no method {method!r} here; choose {', '.join(names)}")
        pitch_um = request.pitch_um if request.pitch_um is not None else self.pitch_um
        recipe = Recipe(
            method=method,
            model=self._model(request.model),
            steps=request.steps,
            noise=flats,
            **{name: getattr(request, name) for name in ("gain", "even", "on_contradiction") if getattr(request, name)},
            blurred=self._detector(request.blurred, self.blurred),
            sharp=self._detector(request.sharp, self.sharp),
            exposure_s=request.exposure_s if request.exposure_s is not None else self.exposure_s,
            open_beam=request.open_beam if request.open_beam is not None else self.open_beam,
            pixel_pitch_mm=None if pitch_um is None else pitch_um * 1e-3,
            provenance=True,
        )
        recipe.job()
        return recipe

    def _model(self, asked: str | None) -> str | None:
        if asked is None:
            return self.model
        known = self.models()
        if asked not in known:
            raise SettingsError(f"no model {asked!r} here; choose {', '.join(known)}")
        return known[asked]

    def _detector(self, asked: str | None, default: str) -> str:
        if asked is None:
            return default
        known = self.detectors()
        if asked not in known:
            raise SettingsError(f"no detector {asked!r} here; choose {', '.join(sorted(known))}")
        return known[asked]


@cache
def _loaded(model: str | None) -> Any:
    from coldray.restoration.model import load_model

    return load_model(model)


def _model_fits(model: str | None, method: str) -> bool:
    """Whether the model at hand was trained for a method."""
    from coldray.errors import ColdrayError
    from coldray.plugins import plugin

    try:
        _loaded(model).check_fits(plugin("method", method), method)
    except ColdrayError:
        return False
    return True
