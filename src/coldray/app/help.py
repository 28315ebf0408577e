"""Verbs of the command line: where each is written, loaded when it is asked for; and their help, in groups."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.models import DefaultPlaceholder

from coldray.app.options import with_plugins
from coldray.app.stopping import Stopped

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

GROUPS = {
    "Start": {"demo": "demo", "info": "images"},
    "Restore": {
        "restore": "restore",
        "stream": "stream",
        "verify": "verify",
        "key": "key",
        "correct": "correct",
        "profile": "profile",
        "push": "push",
    },
    "Look": {"view": "view", "serve": "view"},
    "Measure detectors": {
        "measure": "measure",
        "characterise": "characterise",
        "panel": "panel",
        "stability": "stability",
    },
    "Simulate": {"simulate": "simulate", "degrade": "images"},
    "Train and compare": {
        "prepare": "prepare",
        "train": "models",
        "adapt": "adapt",
        "evaluate": "models",
        "pod": "pod",
        "trial": "trial",
        "dossier": "dossier",
        "benchmark": "benchmark",
        "model": "models",
    },
}
"""Verbs by what people come for, each with the module of `coldray.app.commands` that registers it."""

WITHOUT_PLUGINS = {"key", "model"}
"""Groups of verbs that use none."""


def first_sentence(text: str | None) -> str:
    """First sentence of a docstring, on one line; a point within a word ends none."""
    paragraph = " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


def unwrapped(epilog: str | DefaultPlaceholder | None) -> str | None:
    """Examples below a help text, each on a line of its own however long it is, so that it can be copied."""
    if not isinstance(epilog, str):  # what nobody gave
        return None
    return "\n\n".join(f"\b\n{line}" for line in epilog.split("\n") if line.strip())


@cache
def _verbs_of(module: str) -> Mapping[str, Command]:
    """Commands of one module, by verb."""
    app = typer.Typer(rich_markup_mode=None)
    import_module(f"coldray.app.commands.{module}").register(app)
    groups = ((str(one.name), one.typer_instance) for one in app.registered_groups)
    for name, group in (("", app), *((name, group) for name, group in groups if group is not None)):
        group.info.epilog = unwrapped(group.info.epilog)
        for command in group.registered_commands:
            command.epilog = unwrapped(command.epilog)
            if command.callback is not None and name not in WITHOUT_PLUGINS:
                command.callback = with_plugins(command.callback)
    return typer.main.get_group(app).commands


class Verbs(Mapping[str, "Command"]):
    """Commands by verb; the module of one is loaded when it is asked for."""

    def __init__(self) -> None:
        self._modules = {verb: module for verbs in GROUPS.values() for verb, module in verbs.items()}

    def __getitem__(self, verb: str) -> Command:
        return _verbs_of(self._modules[verb])[verb]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class SentencesHelp(TyperGroup):
    """Verbs with their first sentences in full."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write one section."""
        self.write_section(formatter, "Commands", self.commands)

    def write_section(self, formatter: HelpFormatter, title: str, names: Iterable[str]) -> None:
        """Write verbs under a heading, with the sentences of all sections below one another."""
        width = max(map(len, self.commands))
        with formatter.section(title):
            formatter.write_dl([(name.ljust(width), first_sentence(self.commands[name].help)) for name in names])


class GroupedHelp(SentencesHelp):
    """The verbs of the whole command line, under headings."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Verbs()  # type: ignore[assignment]

    def invoke(self, ctx: Context) -> Any:
        """Run a verb; an interrupt at the keyboard passes through, which typer would end with code 130 and not a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped(signal.SIGINT) from None

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write a section for each group."""
        for title, names in GROUPS.items():
            self.write_section(formatter, title, names)
