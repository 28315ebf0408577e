"""JSON and TOML that outsiders wrote: bounded in size, depth and digits, each name once, and never a traceback.

`json.loads` alone answers a file of 100 000 brackets with RecursionError, one of 5000 digits with ValueError and
`1e999` with infinity; `tomllib.loads` does the first two as well. Everything that reads somebody's JSON or TOML reads it
here.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeAlias

from coldray.errors import MetadataError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What JSON can hold."""

LARGEST_BYTES = 2**24
"""Longest document read [bytes]."""
LARGEST_TOML_BYTES = 2**20
"""Longest recipe or description read [bytes]; it holds no images."""
DEEPEST = 64
"""Deepest nesting; what coldray writes stays under 12."""
MOST_DIGITS = 300
"""Longest number; a float has 17 digits and an exponent."""

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def parse_json(
    text: str | bytes, name: str, error: type[Exception], largest_bytes: int = LARGEST_BYTES, deepest: int = DEEPEST
) -> Any:
    """Value of a JSON text, or one error that names where it came from.

    Parameters
    ----------
    text : str or bytes
        UTF-8.
    name : str
        File name for the message.
    error : type
        Exception that is raised, of the tree under `ColdrayError` where a user will see it.
    largest_bytes, deepest : int
        Bounds of the text and of its nesting.

    Returns
    -------
    dict, list, str, int, float, bool or None
        Numbers are finite.

    Raises
    ------
    error
        If the text is no JSON, beyond a bound, or an object in it has a name twice.

    References
    ----------
    RFC 8259, section 9: an implementation may set limits on size, depth, range and precision; section 4: what software makes
    of an object whose names are not unique is unpredictable.

    Examples
    --------
    >>> from coldray.document import parse_json
    >>> from coldray.errors import SettingsError
    >>> parse_json('{"steps": 3}', "job.json", SettingsError)
    {'steps': 3}
    """
    if len(text) > largest_bytes:
        raise error(f"{name}: {len(text)} bytes of JSON; {largest_bytes} are the most that is read")
    try:
        whole = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise error(f"{name}: not valid JSON (the text is not UTF-8); save it as UTF-8") from None
    depth = deep = 0
    for token in _TOKENS.finditer(whole):
        first = token.group()[0]
        if first in "[{":
            depth += 1
            deep = max(deep, depth)
        elif first != '"':
            depth -= 1
    if deep > deepest:
        raise error(f"{name}: JSON nested {deep} deep; {deepest} is the deepest that is read")

    def number(digits: str) -> float:
        value = float(digits) if len(digits) <= MOST_DIGITS else math.inf
        if not math.isfinite(value):
            refuse(digits)
        return value

    def whole_number(digits: str) -> int:
        if len(digits) > MOST_DIGITS:
            refuse(digits)
        return int(digits)

    def refuse(digits: str) -> NoReturn:
        raise error(f"{name}: the number {shortened(digits)} is not finite, or beyond what a float holds")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Json]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(known for known, _ in pairs).most_common(1)[0][0]
            raise error(
                f"{name}: {twice[:40]!r} stands twice in one object; readers differ in which they take, keep one"
            )
        return found

    try:
        return json.loads(
            whole, object_pairs_hook=once, parse_float=number, parse_int=whole_number, parse_constant=refuse
        )
    except json.JSONDecodeError as problem:
        raise error(f"{name}: not valid JSON ({problem})") from None


def as_table(found: Json) -> Mapping[str, Json]:
    """An object of a document; of anything else a MetadataError says what it is.

    Examples
    --------
    >>> from coldray.document import as_number, as_table
    >>> as_number(as_table({"sd": 0.5})["sd"])
    0.5
    """
    if not isinstance(found, Mapping):
        raise _other(found, "an object of names and values")
    return found


def as_entries(found: Json) -> Sequence[Json]:
    """A list of a document; of anything else a MetadataError says what it is."""
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise _other(found, "a list")
    return found


def as_tables(found: Json) -> list[Mapping[str, Json]]:
    """A list of objects; see `as_table`."""
    return [as_table(entry) for entry in as_entries(found)]


def as_number(found: Json) -> float:
    """A number of a document; of anything else, ``true`` and ``false`` too, a MetadataError says what it is."""
    if isinstance(found, bool) or not isinstance(found, Real):
        raise _other(found, "a number")
    return found


def as_numbers(found: Json) -> list[float]:
    """A list of numbers; see `as_number`."""
    return [as_number(entry) for entry in as_entries(found)]


def as_text(found: Json) -> str:
    """A text of a document; of anything else a MetadataError says what it is."""
    if not isinstance(found, str):
        raise _other(found, "a text")
    return found


def as_texts(found: Json) -> list[str]:
    """A list of texts; see `as_text`."""
    return [as_text(entry) for entry in as_entries(found)]


def as_cell(found: Json) -> str | float | None:
    """A value that has room in a table: a text, a number, whether or nothing; of anything else a MetadataError says what it is."""
    return found if found is None or isinstance(found, str | bool) else as_number(found)


@contextmanager
def entries_of(name: str, error: type[Exception]) -> Iterator[None]:
    """Inside, what a document lacks or holds in another form is told with the document's name.

    Parameters
    ----------
    name : str
        Of the file, or where the document is.
    error : type
        Exception that is raised.

    Raises
    ------
    error
        In place of a KeyError, TypeError, ValueError or MetadataError.

    Examples
    --------
    >>> from coldray.document import as_number, entries_of
    >>> from coldray.errors import SettingsError
    >>> with entries_of("note.json", SettingsError):
    ...     as_number({"sd": "wide"}["sd"])
    Traceback (most recent call last):
    coldray.errors.SettingsError: note.json: a number is needed; found 'wide'
    """
    try:
        yield
    except KeyError as missing:
        raise error(f"{name}: there is no entry {missing}") from None
    except (MetadataError, TypeError, ValueError) as problem:
        raise error(f"{name}: {problem}") from None


def _other(found: Json, needed: str) -> MetadataError:
    return MetadataError(f"{needed} is needed; found {shortened(repr(found))}")


def shortened(text: str) -> str:
    """Text for a message: whole, or its beginning and its length."""
    return text if len(text) <= 40 else f"{text[:20]}... ({len(text)} characters)"


def content_of(path: Path, error: type[Exception], largest_bytes: int) -> bytes:
    """What a file holds; of one that is too large a byte more than is read, so that parsing refuses it."""
    try:
        with open(path, "rb") as file:
            return file.read(largest_bytes + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise error(f"{path.name}: cannot be read ({reason})") from None


def read_json(path: Path, error: type[Exception], largest_bytes: int = LARGEST_BYTES) -> Any:
    """Value of a JSON file; `parse_json` says what is refused.

    Parameters
    ----------
    path : Path
    error : type
        Exception that is raised.
    largest_bytes : int

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    error
        If the file is missing, unreadable, no JSON or beyond a bound; the message begins with its name.
    """
    return parse_json(content_of(path, error, largest_bytes), path.name, error, largest_bytes)


def read_object(path: Path, error: type[Exception], largest_bytes: int = LARGEST_BYTES) -> dict[str, Json]:
    """Like `read_json`, for files that must hold an object.

    Parameters
    ----------
    path : Path
    error : type
        Exception that is raised.
    largest_bytes : int

    Returns
    -------
    dict

    Raises
    ------
    error
        Also if the file holds something else than an object.
    """
    return parse_object(content_of(path, error, largest_bytes), path.name, error, largest_bytes)


def parse_object(
    content: str | bytes, name: str, error: type[Exception], largest_bytes: int = LARGEST_BYTES
) -> dict[str, Json]:
    """Object of a JSON text; `read_object` says what is refused."""
    found = parse_json(content, name, error, largest_bytes)
    if not isinstance(found, dict):
        raise error(f"{name}: holds a JSON {type(found).__name__}, not an object of names and values")
    return found


def read_toml(path: Path, error: type[Exception]) -> dict[str, Json]:
    """Tables of a TOML file.

    Parameters
    ----------
    path : Path
    error : type
        Exception that is raised.

    Returns
    -------
    dict

    Raises
    ------
    error
        If the file is missing, unreadable, larger than `LARGEST_TOML_BYTES` or no TOML; the message begins with its name.
    """
    return parse_toml(content_of(path, error, LARGEST_TOML_BYTES), path.name, error)


def parse_toml(content: bytes, name: str, error: type[Exception]) -> dict[str, Json]:
    """Tables of a TOML text; `read_toml` says what is refused."""
    if len(content) > LARGEST_TOML_BYTES:
        raise error(f"{name}: larger than {LARGEST_TOML_BYTES >> 20} MiB, the most that is read")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as problem:
        reason = "nested too deeply" if isinstance(problem, RecursionError) else str(problem).partition(";")[0]
        raise error(f"{name}: not valid TOML ({reason})") from None


class Fault(NamedTuple):
    """What is wrong with one entry of a document that a model of its entries refused."""

    name: str
    """Where it stands, with a point between the levels; empty for the whole."""
    reason: str
    is_unknown: bool
    """Whether no entry of that name exists."""


def first_fault(errors: Sequence[Mapping[str, Any]]) -> Fault:
    """First of the errors of pydantic, in words for a user.

    Parameters
    ----------
    errors : sequence of dict
        ``problem.errors()`` of a ``ValidationError``.

    Returns
    -------
    Fault
        The reason is one line without a capital, and says what was found where that is a single value.

    Examples
    --------
    >>> from coldray.document import first_fault
    >>> first_fault([{"loc": ("data", "window"), "type": "int_type", "msg": "Input should be an integer", "input": "x"}])
    Fault(name='data.window', reason="should be an integer (found 'x')", is_unknown=False)
    """
    first = errors[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return Fault(name, "there is no such entry", True)
    message = " ".join(str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ").split())
    found = first.get("input")
    shown = f" (found {shortened(repr(found))})" if isinstance(found, bool | int | float | str) else ""
    return Fault(name, f"{message[:1].lower()}{message[1:]}{shown}", False)


def plain(value: Any) -> Json:
    """Value as JSON holds it: arrays as lists, names as text, NaN and infinity as None.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.document import plain
    >>> plain({1: np.array([0.5, np.nan])})
    {'1': [0.5, None]}
    """
    if isinstance(value, dict):
        return plain_table(value)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain_table(found: Mapping[str, Any]) -> dict[str, Json]:
    """Names and values as a JSON object; see `plain`."""
    return {str(name): plain(value) for name, value in found.items()}


def value_of(text: str) -> Any:
    """Value of an option on the command line: as TOML writes it, or plain words.

    Parameters
    ----------
    text : str

    Returns
    -------
    object

    Examples
    --------
    >>> from coldray.document import value_of
    >>> value_of("[1, 2]"), value_of("true"), value_of("my board")
    ([1, 2], True, 'my board')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
