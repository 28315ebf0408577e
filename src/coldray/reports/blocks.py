"""A report as data: sections of facts, tables, pictures and notes, from which HTML and PDF are made alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

TONES = ("good", "doubtful", "bad", "unknown")


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Name and value pairs; every value carries its unit."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table; units stand in brackets in its columns.

    Parameters
    ----------
    columns : tuple of str
    rows : tuple of tuple of str
        Cells in the order of the columns.
    note : str
        Below the table.
    links : tuple of (str or None)
        Where the first cell of every row leads to, relative to the report; empty for none.
    pictures : tuple of (bytes or None)
        Small picture (PNG) at the beginning of every row; empty for none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    links: tuple[str | None, ...] = ()
    pictures: tuple[bytes | None, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption.

    Parameters
    ----------
    png : bytes
    caption : str
        Also the text for those who do not see the picture.
    """

    png: bytes
    caption: str


Block: TypeAlias = Note | Facts | Table | Picture
"""What a section is made of."""


@dataclass(frozen=True)
class Section:
    """A heading with what follows it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Parameters
    ----------
    title, subtitle : str
    verdict : str
        A word or two.
    tone : {"good", "doubtful", "bad", "unknown"}
        How the verdict is coloured; the words never depend on it.
    statement : tuple of str
        The verdict in sentences.
    sections : tuple of Section
    """

    title: str
    subtitle: str
    verdict: str
    tone: str
    statement: tuple[str, ...]
    sections: tuple[Section, ...]
