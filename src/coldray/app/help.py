"""Help of the whole command line: verbs in groups, each with its first sentence in full."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Start": ("demo", "info"),
    "Restore": ("restore", "stream", "verify", "key", "correct", "profile", "push"),
    "Look": ("view", "serve"),
    "Measure detectors": ("measure", "characterise", "panel", "stability"),
    "Simulate": ("simulate", "degrade"),
    "Train and compare": ("prepare", "train", "evaluate", "pod", "benchmark", "model"),
}
"""Verbs by what people come for; one that is in none follows under its own heading."""
OTHERS = "Others"


def first_sentence(text: str | None) -> str:
    """First sentence of a docstring, on one line; a point within a word ends none."""
    paragraph = " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


class GroupedHelp(TyperGroup):
    """The verbs under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        known = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = {name: first_sentence(verb.help) for name, verb in known.items() if verb is not None and not verb.hidden}
        width = max(map(len, rows), default=0)
        sections = {title: [name for name in names if name in rows] for title, names in GROUPS.items()}
        grouped = {name for names in sections.values() for name in names}
        sections[OTHERS] = [name for name in rows if name not in grouped]
        for title, names in sections.items():
            if names:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(width), rows[name]) for name in names])
