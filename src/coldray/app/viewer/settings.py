"""What a page may ask of a restoration: names from lists, numbers within bounds, never a path."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from coldray.app.recipe import Recipe
from coldray.errors import SettingsError


class RestoreRequest(BaseModel):
    """Settings of one restoration, as the page sends them."""

    model_config = ConfigDict(extra="forbid")

    method: str | None = Field(default=None, max_length=64)
    blurred: str | None = Field(default=None, max_length=256)
    sharp: str | None = Field(default=None, max_length=256)
    steps: int | None = Field(default=None, ge=1, le=100)
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
        from pathlib import Path

        from coldray.physics.detector import built_in_detectors

        known = {name: name for name in built_in_detectors()}
        for source in (self.blurred, self.sharp):
            known[Path(source).name if Path(source).is_file() else source] = source
        return known

    def methods(self) -> list[dict[str, Any]]:
        """Methods that can run here, with what they need."""
        from coldray.plugins import plugin, plugin_names, settings_of

        out = []
        for name in plugin_names("method"):
            method = plugin("method", name)
            if method.LEARNS and not _model_fits(self.model, name):
                continue
            out.append({"name": name, "learns": bool(method.LEARNS), "steps": "steps" in settings_of(method)})
        return out

    def recipe(self, request: RestoreRequest) -> Recipe:
        """Build the recipe of a request, as the command line would.

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
            model=self.model,
            steps=request.steps,
            blurred=self._detector(request.blurred, self.blurred),
            sharp=self._detector(request.sharp, self.sharp),
            exposure_s=request.exposure_s if request.exposure_s is not None else self.exposure_s,
            open_beam=request.open_beam if request.open_beam is not None else self.open_beam,
            pixel_pitch_mm=None if pitch_um is None else pitch_um * 1e-3,
            provenance=True,
        )
        recipe.job()
        return recipe

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
