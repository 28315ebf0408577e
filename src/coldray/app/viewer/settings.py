"""What a page may ask of a restoration: names from lists, numbers within bounds, never a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, create_model

from coldray.app.recipe import Recipe
from coldray.app.viewer.flats import MOST_FILES
from coldray.declaration import SOURCES, Setting
from coldray.errors import SettingsError
from coldray.settings import declared

LONGEST_TEXT = 256
"""Of a name that a page may send."""
_TAKES: Mapping[str, Any] = {"number": float, "whole": int, "switch": bool}


def on_page() -> dict[str, tuple[str, Setting]]:
    """Settings that a page may state, by the name it knows: the field, and what is said of it."""
    return {said.told(name): (name, said) for name, said in declared().items() if said.page}


def _field(said: Setting) -> tuple[Any, Any]:
    """Type and bounds of a setting as a page sends it."""
    takes = _TAKES.get(said.kind, str)
    if takes is str:
        return str | None, Field(default=None, max_length=LONGEST_TEXT)
    if takes is bool:
        return bool | None, Field(default=None)
    bounds = {"gt": said.above, "ge": said.least, "le": said.most}
    known: dict[str, Any] = {name: said.shown(bound) for name, bound in bounds.items() if bound is not None}
    if takes is float:
        known["allow_inf_nan"] = False
    return takes | None, Field(default=None, **known)


_FIELDS: dict[str, Any] = {name: _field(said) for name, (_, said) in on_page().items() if said.kind != "flats"}
_Stated: Any = create_model("_Stated", **_FIELDS)


class RestoreRequest(_Stated):
    """Settings of one restoration, as the page sends them; flat fields by the handles of their uploads."""

    model_config = ConfigDict(extra="forbid")

    flats: list[Annotated[str, Field(pattern="^[0-9a-f]{16}$")]] = Field(default=[], max_length=MOST_FILES)


@dataclass(frozen=True)
class Menu:
    """What a page may choose from, and what it starts with.

    Parameters
    ----------
    start : Recipe
        What the command line chose: what counts where the page states nothing, and detectors and model that the page may name.
    """

    start: Recipe

    def detectors(self) -> dict[str, str]:
        """Detectors by the name the page knows; files given on the command line appear by file name."""
        from coldray.physics.detector import built_in_detectors

        known = {name: name for name in built_in_detectors()}
        for source in (self.start.blurred, self.start.sharp):
            known[Path(source).name if Path(source).is_file() else source] = source
        return known

    def methods(self) -> list[dict[str, Any]]:
        """Methods that can run here, with what they need."""
        from coldray.plugins import CorrectingMethod, plugin, plugin_names, settings_of

        out = []
        for name in plugin_names("method"):
            method = plugin("method", name)
            if method.LEARNS and not _model_fits(self.start.model, name):
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
        chosen = self.start.model
        if chosen is None or chosen in shipped:
            first = chosen or DEFAULT_MODEL
            return {first: chosen} | {name: source for name, source in shipped.items() if name != first}
        return {Path(chosen).name: chosen} | shipped

    def choices(self) -> dict[str, Any]:
        """What the page may choose from, and what it starts with."""
        names = {source: name for name, source in self.detectors().items()}
        methods = self.methods()
        plain = {
            name: said.shown(getattr(self.start, field))
            for name, (field, said) in on_page().items()
            if said.kind not in SOURCES
        }
        words = {name: list(said.words) for name, (_, said) in on_page().items() if said.words}
        return plain | {
            "methods": methods,
            "detectors": sorted(names.values()),
            "models": list(self.models()),
            "words": words,
            "method": self.start.method if self.start.method in [m["name"] for m in methods] else "wiener",
            "blurred": names[self.start.blurred],
            "sharp": names[self.start.sharp],
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
        stated: dict[str, Any] = {"flats": flats or None, "provenance": True}
        for name, (field, said) in on_page().items():
            if said.kind != "flats" and getattr(request, name) is not None:
                stated[field] = said.taken(getattr(request, name))
        for name, known in (
            ("method", {known["name"]: known["name"] for known in self.methods()}),
            ("model", self.models()),
            ("blurred", self.detectors()),
            ("sharp", self.detectors()),
        ):
            asked = stated.get(name, self.start.method if name == "method" else None)
            if asked is None:
                continue
            if asked not in known:
                kind = "detector" if declared()[name].kind == "detector" else name
                raise SettingsError(f"no {kind} {asked!r} here; choose {', '.join(known)}")
            stated[name] = known[asked]
        # the page states all that rules could set
        recipe = replace(self.start, **stated, profile=None, stated=())
        recipe.job()
        return recipe


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
