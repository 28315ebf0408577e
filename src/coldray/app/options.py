"""Options of the command line that derive from the declared settings."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from coldray.app.recipe import Recipe
from coldray.declaration import Setting
from coldray.document import Json, value_of
from coldray.errors import ColdrayError, SettingsError
from coldray.plugins import load_plugin_files
from coldray.settings import declared, defaults

_TAKES: Mapping[str, Any] = {"number": float, "whole": int, "switch": bool, "flats": list[Path], "options": list[str]}
"""Type of an option by the kind of its setting; text for all others."""


def flag_of(name: str, said: Setting) -> str:
    """Long option of a setting."""
    return said.flags[-1] if said.flags else "--" + said.told(name).replace("_", "-")


def flagged(text: str) -> str:
    """Text with options where it names settings in backticks; extras may have the names of settings."""
    known = declared()

    def named(found: re.Match[str]) -> str:
        extra, name = found[1] or "", found[2]
        return extra + name if extra or name not in known else flag_of(name, known[name])

    return re.sub(r"(extra )?`(\w+)`", named, text)


def option(name: str, said: Setting, default: Any, help: str) -> inspect.Parameter:
    """Parameter of a command from which typer makes the option of a setting."""
    takes: Any = _TAKES.get(said.kind, str)
    unit = said.stated[1] if said.stated else said.unit
    about: dict[str, Any] = {"help": flagged(help) + (f" [{unit}]" if unit else "")}
    if said.words:
        about["metavar"] = "|".join(said.words)
    elif said.metavar:
        about["metavar"] = said.metavar
    if said.kind == "whole":
        about |= {"min": said.least, "max": said.most}
    if default is None or said.kind in ("flats", "options"):
        takes, default = takes | None, None
    annotation: Any = Annotated[takes, typer.Option(*(said.flags or (flag_of(name, said),)), **about)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def with_settings(
    verb: Callable[..., int],
    shown: Callable[[str, Setting], bool] = lambda name, said: said.command,
    help: str | None = None,
) -> Callable[..., int]:
    """Command with options for settings in the place of the parameter ``stated`` of a verb, which gets their values.

    Parameters
    ----------
    verb : callable
        Takes ``stated``, a dict of settings by name, in the units of the code; `recipe_of` makes a recipe of it.
    shown : callable
        Which settings it takes, by name and what is said of them.
    help : str, optional
        For all of them, if they mean something else here; they have no default then.
    """
    said = {name: one for name, one in declared().items() if shown(name, one)}
    texts = {name: said.pop(name) for name in list(said) if said[name].kind == "texts"}
    own = inspect.signature(verb, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        if name != "stated":
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        for each, one in said.items():
            about = " ".join([one.help, *(text.help for text in texts.values() if text.flags == one.flags)])
            parameters.append(option(each, one, None if help else defaults()[each], help or about))

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters.append(inspect.Parameter("context", kind, annotation=typer.Context))

    @functools.wraps(verb)
    def command(context: typer.Context, **given: Any) -> int:
        # what nobody states is left to defaults, or to a profile
        given = {name: value for name, value in given.items() if name not in said or _is_stated(context, name)}
        stated: dict[str, Json] = {}
        for name, one in ((name, one) for name, one in said.items() if name in given):
            value = given.pop(name)
            if one.kind == "options":
                stated |= _named_values(name, value or [], {k: t for k, t in texts.items() if t.flags == one.flags})
            else:
                stated[name] = _as_field(one, value)
        return verb(stated={name: value for name, value in stated.items() if value is not None}, **given)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _is_stated(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _as_field(said: Setting, value: Any) -> Any:
    """Value of an option as its setting holds it."""
    if value is None:
        return None
    if said.kind == "flats":
        from coldray.app.files import expand

        return tuple(str(path) for path, _ in expand(value)) or None
    return said.taken(value)


def _named_values(name: str, changes: list[str], texts: Mapping[str, Setting]) -> dict[str, Json]:
    """Values of options from NAME=VALUE, and of the texts that share their flag; what nobody states is left out."""
    given = _assigned(changes)
    found: dict[str, Json] = {}
    for field, said in texts.items():
        found[field] = {word: given.pop(word) for word in said.words if word in given}
    found[name] = {word: value_of(text) for word, text in given.items()}
    return {field: values for field, values in found.items() if values}


def recipe_of(stated: Mapping[str, Json]) -> Recipe:
    """Recipe of what the command line states, all of it loaded and checked."""
    if stated.get("reference") is not None and not stated.get("report"):
        raise SettingsError("`reference` is compared with in reports; give `report` too")
    recipe = Recipe.of_stated(stated)
    _check(recipe)
    for name, one in recipe.every() if recipe.profile is not None else []:
        try:
            _check(one)
        except ColdrayError as problem:
            raise SettingsError(f"{Path(str(recipe.profile)).name}: {name}: {problem}") from None
    return recipe


def _check(recipe: Recipe) -> None:
    """Load what a recipe names."""
    if recipe.sign is not None:
        from coldray.app.signature import signer_of

        signer_of(Path(recipe.sign))
    recipe.job()


def _assigned(changes: list[str]) -> dict[str, str]:
    """Texts by name from NAME=VALUE; of a name that is given again the last one counts."""
    out = {}
    for change in changes:
        name, mark, text = change.partition("=")
        if not mark:
            raise SettingsError(f"--set {change!r}: write NAME=VALUE")
        out[name.strip()] = text
    return out


def with_plugins(verb: Callable[..., int]) -> Callable[..., int]:
    """Command that also takes files with plug-ins, and loads them before anything else."""
    parameters = list(inspect.signature(verb, eval_str=True).parameters.values())
    annotation: Any = Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE.py",
            help="Python file with a plug-in, which is run; repeats. Nothing else runs a file.",
        ),
    ]
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [p.replace(kind=kind) for p in parameters] + [
        inspect.Parameter("plugin_files", kind, default=None, annotation=annotation)
    ]

    @functools.wraps(verb)
    def command(plugin_files: list[Path] | None = None, **given: Any) -> int:
        load_plugin_files(str(path) for path in plugin_files or ())
        return verb(**given)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command
