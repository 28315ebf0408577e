"""What a page may ask of a restoration: names from lists, numbers within bounds, never a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, create_model

from coldray.app.console import one_line
from coldray.app.recipe import Recipe, switches_beside
from coldray.app.viewer.flats import MOST_FILES
from coldray.declaration import SOURCES, Setting
from coldray.document import Json, as_text
from coldray.errors import ColdrayError, SettingsError
from coldray.restoration.profile import WITHOUT_RULE, Profile, read_profile
from coldray.settings import declared

if TYPE_CHECKING:
    from coldray.app.viewer.shelf import Study
    from coldray.restoration.model import Model

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
    """Settings of one restoration, as the page sends them; flat fields by the handles of their uploads.

    With a rule of the profile, they count over those of the rule.
    """

    model_config = ConfigDict(extra="forbid")

    flats: list[Annotated[str, Field(pattern="^[0-9a-f]{16}$")]] = Field(default=[], max_length=MOST_FILES)
    rule: str | None = Field(default=None, max_length=LONGEST_TEXT)


@dataclass(frozen=True)
class Menu:
    """What a page may choose from, and what it starts with.

    Parameters
    ----------
    start : Recipe
        What the command line chose: what counts where the page states nothing, and the profile, detectors and model that the
        page may name.
    """

    start: Recipe

    @cached_property
    def profile(self) -> Profile | None:
        """The profile, read once: what a page may choose, what is done and what is recorded are of the same content."""
        return None if self.start.profile is None else read_profile(self.start.profile)

    @cached_property
    def rules(self) -> dict[str, Recipe]:
        """Recipes of the profile by the names of their rules; none without a profile."""
        every = () if self.profile is None else self.profile.every_settings()
        return {name: self.start.of_rule(settings) for name, settings in every}

    @property
    def _all(self) -> list[Recipe]:
        return [self.start, *self.rules.values()]

    def rule_of(self, study: Study) -> dict[str, str] | None:
        """Rule of the profile that fits an image, or why it refuses the image; None without a profile."""
        if self.profile is None:
            return None
        try:
            led = self.start.for_image(study.home, study.image, self.profile)[1] or {}
        except ColdrayError as problem:
            return {"name": "", "refused": one_line(problem)}
        return {"name": as_text(led["rule"] or WITHOUT_RULE), "refused": ""}

    def led(self, request: RestoreRequest) -> dict[str, Json] | None:
        """What of the profile a request follows, for the record; None if it follows none."""
        if request.rule is None or self.profile is None:
            return None
        return dict(self.profile.led(None if request.rule == WITHOUT_RULE else request.rule))

    def detectors(self) -> dict[str, str]:
        """Detectors by the name the page knows; files given on the command line appear by file name."""
        from coldray.physics.detector import built_in_detectors

        known = {name: name for name in built_in_detectors()}
        for recipe in self._all:
            known |= {_named(source): source for source in (recipe.blurred, recipe.sharp)}
        return known

    def methods(self) -> list[dict[str, Json]]:
        """Methods that can run here, with what they need."""
        from coldray.contracts import CorrectingMethod, settings_of
        from coldray.plugins import plugin, plugin_names

        out: list[dict[str, Json]] = []
        for name in plugin_names("method"):
            method = plugin("method", name)
            if method.LEARNS and not any(_model_fits(recipe.model, name) for recipe in self._all):
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
        named = {DEFAULT_MODEL if each.model is None else _named(each.model): each.model for each in self._all}
        return named | {name: source for name, source in shipped.items() if name not in named}

    def choices(self) -> dict[str, Json]:
        """What the page may choose from, and what it starts with."""
        methods = self.methods()
        words = {name: list(said.words) for name, (_, said) in on_page().items() if said.words}
        rules = {name: self._shown(recipe) for name, recipe in self.rules.items()}
        profile: Json = None if self.profile is None else {"name": self.profile.path.name, "rules": rules}
        return {
            **self._shown(self.start),
            "methods": methods,
            "detectors": sorted(self.detectors()),
            "profile": profile,
            "models": list(self.models()),
            "words": words,
            "method": self.start.method if self.start.method in [m["name"] for m in methods] else "wiener",
        }

    def _shown(self, recipe: Recipe) -> dict[str, Json]:
        """Settings of a recipe by the names and in the units of the page."""
        from coldray.restoration.model import DEFAULT_MODEL

        plain = {
            name: said.shown(getattr(recipe, field))
            for name, (field, said) in on_page().items()
            if said.kind not in SOURCES
        }
        model = DEFAULT_MODEL if recipe.model is None else _named(recipe.model)
        return plain | {"blurred": _named(recipe.blurred), "sharp": _named(recipe.sharp), "model": model}

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
        base = self.start
        if request.rule is not None:
            if request.rule not in self.rules:
                raise SettingsError(f"no rule {request.rule!r} here; choose {', '.join(self.rules) or 'none'}")
            base = self.rules[request.rule]
        # the page offers the files itself
        stated: dict[str, Any] = dict.fromkeys(switches_beside(), False) | {"provenance": True}
        if flats:
            stated["flats"] = flats
        for name, (field, said) in on_page().items():
            if said.kind != "flats" and getattr(request, name) is not None:
                stated[field] = said.taken(getattr(request, name))
        # of two files with one name, that of the rule is meant
        detectors = self.detectors() | {_named(source): source for source in (base.blurred, base.sharp)}
        models = self.models() | ({} if base.model is None else {_named(base.model): base.model})
        methods = [as_text(known["name"]) for known in self.methods()]
        for name, known in (
            ("method", dict(zip(methods, methods, strict=True))),
            ("model", models),
            ("blurred", detectors),
            ("sharp", detectors),
        ):
            asked = stated.get(name, base.method if name == "method" else None)
            if asked is None:
                continue
            if asked not in known:
                kind = "detector" if declared()[name].kind == "detector" else name
                raise SettingsError(f"no {kind} {asked!r} here; choose {', '.join(known)}")
            stated[name] = known[asked]
        recipe = replace(base, **stated, profile=None, stated=())
        recipe.job()
        return recipe


def _named(source: str) -> str:
    """Name under which a page knows a detector or a model: a file by its own."""
    return Path(source).name if Path(source).is_file() else source


@cache
def _loaded(model: str | None) -> Model:
    from coldray.restoration.model import load_model

    return load_model(model)


def _model_fits(model: str | None, method: str) -> bool:
    """Whether the model at hand was trained for a method."""
    from coldray.plugins import plugin

    try:
        _loaded(model).check_fits(plugin("method", method), method)
    except ColdrayError:
        return False
    return True
