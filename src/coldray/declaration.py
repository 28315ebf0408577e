"""What is said of one setting: what it takes, in which unit and range, and who may state it; values are checked against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias

from coldray.errors import SettingsError

FIRST_FORMAT = 3
"""Of the records that this version repeats: what version 0.1.0 wrote."""

Kind: TypeAlias = Literal[
    "text", "number", "whole", "switch", "path", "options", "texts", "model", "detector", "flats", "response"
]
SOURCES = ("model", "detector", "flats", "response")
"""Kinds that name a file, or an object that Python holds; recorded by the hash of their content."""
MAPPINGS = ("options", "texts")
"""Kinds that hold values by name; the names of texts are given as `words`, those of options are the method's."""

_TYPES: Mapping[str, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    **dict.fromkeys(("text", "path"), ("a text", lambda value: isinstance(value, str), str)),
    "number": (
        "a finite number",
        lambda value: isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value),
        float,
    ),
    "whole": ("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool), int),
    "switch": ("True or False", lambda value: isinstance(value, bool), bool),
    "options": ("a dict", lambda value: isinstance(value, Mapping), dict),
    "texts": (
        "a dict of texts",
        lambda value: (
            isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
        ),
        dict,
    ),
}
"""What each kind takes in words, whether a value is of it, and the value as plain Python holds it."""


@dataclass(frozen=True)
class Setting:
    """What is known of a setting besides its name and default.

    Parameters
    ----------
    kind : str
        What it takes.
    help : str
        A sentence for option and docstring; other settings stand in it as parameters in backticks.
    unit : str
        Of a number.
    words : tuple of str
        All values it may have; of texts all names.
    above, least, most : float, optional
        Range; `above` does not belong to it.
    flags : tuple of str
        On the command line; ``--name`` by default.
    metavar : str, optional
        Of the option.
    stated : tuple of (str, str, float), optional
        Name, unit and factor where people state it in another unit than the code: stated value times factor is the field.
    python, command, page, profile : bool
        Whether `coldray.restore`, the command line, a page of the viewer and a profile may state it.
    recorded : bool
        Whether a record holds it.
    beside : bool
        Whether it only decides what is written beside the image: the history in the image does not hold it.
    key : str
        Its name there; its own unless stated.
    since : int
        Format of the record in which it appeared.
    before : object
        What was done before, and not recorded; the default unless stated.
    """

    kind: Kind
    help: str
    unit: str = ""
    words: tuple[str, ...] = ()
    above: float | None = None
    least: float | None = None
    most: float | None = None
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    stated: tuple[str, str, float] | None = None
    python: bool = True
    command: bool = True
    page: bool = True
    profile: bool = True
    recorded: bool = True
    beside: bool = False
    key: str = ""
    since: int = FIRST_FORMAT
    before: Any = ...

    def told(self, name: str) -> str:
        """Name under which people state it, given the field's."""
        return self.stated[0] if self.stated else name

    def shown(self, value: Any) -> Any:
        """Value of the field in the unit in which people state it."""
        return value / self.stated[2] if self.stated and value is not None else value

    def taken(self, value: Any) -> Any:
        """Value of the field, given what people state."""
        return value * self.stated[2] if self.stated and value is not None else value

    def checked(self, name: str, value: Any) -> Any:
        """Value of the field as plain Python holds it; sources as they are, which only reading them checks.

        Raises
        ------
        SettingsError
            If it is of another type, or outside the range.
        """
        if self.kind in SOURCES:
            return value
        kind, take, plain = _TYPES[self.kind]
        if not take(value):
            raise SettingsError(f"`{name}` is {value!r}; {kind} is needed")
        unit = self.stated[1] if self.stated else self.unit
        shown = f"{self.shown(value):.6g} {unit}".rstrip() if self.kind == "number" else repr(value)
        for word in (value if self.kind == "texts" else [value]) if self.words else ():
            if word not in self.words:
                held = f"has {word!r}" if self.kind == "texts" else f"is {shown}"
                raise SettingsError(f"`{name}` {held}; choose one of {', '.join(self.words)}")
        if not self._within(value):
            raise SettingsError(f"`{name}` is {shown}; it must {self._range()}")
        return plain(value)

    def _within(self, value: Any) -> bool:
        """Whether a value lies in the range."""
        if self.above is not None and not value > self.above:
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def _range(self) -> str:
        """Allowed values in words, in the unit in which people state them."""
        low, high = self.shown(self.least if self.above is None else self.above), self.shown(self.most)
        if high is None:
            return "be positive" if self.above == 0 else f"be at least {low:g}"
        return f"be at most {high:g}" if low is None else f"lie between {low:g} and {high:g}"


def setting(default: Any, kind: Kind, help: str, **known: Any) -> Any:
    """Field of `Settings`: its default, what it takes, and what else `Setting` says of it."""
    said = Setting(kind, help, **known)
    if kind in MAPPINGS:
        # an empty dict for each; what cannot be hashed must not make the settings unhashable
        return field(default_factory=dict, hash=False, metadata={"setting": said})
    return field(default=default, metadata={"setting": said})
