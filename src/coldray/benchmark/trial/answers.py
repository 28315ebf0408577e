"""What readers answer: one line for each image, never changed, each bound to the line before and the first to the sealed truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from coldray.benchmark.trial.documents import (
    HIGHEST_RATING,
    LARGEST_BYTES,
    MOST_MARKS,
    Finite,
    Manifest,
    ReaderId,
    Sha256,
    Token,
    checked,
    sha256_of,
)
from coldray.document import content_of
from coldray.errors import MetadataError, SettingsError
from coldray.files import write_bytes

Rating = Annotated[int, Field(ge=0, le=HIGHEST_RATING)]
ENDING = ".answers.jsonl"


def utc_now() -> datetime:
    """Time of the machine that asks."""
    return datetime.now(UTC)


class Place(BaseModel):
    """A marked place: where, and how sure the reader is that a defect is there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x_px: Finite
    y_px: Finite
    rating: Annotated[int, Field(ge=1, le=HIGHEST_RATING)]


class Given(BaseModel):
    """What a page sends of one image.

    Parameters
    ----------
    item : str
        Token of the image.
    rating : int
        How sure the reader is that there is a defect anywhere, 0 to 100.
    marks : list of Place
    seconds : float
        How long it was looked at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    item: Token
    rating: Rating
    marks: Annotated[list[Place], Field(max_length=MOST_MARKS)] = []
    seconds: Annotated[float, Field(ge=0, le=1e7)] = 0.0

    @model_validator(mode="after")
    def _at_least_as_sure(self) -> Self:
        surest = max((mark.rating for mark in self.marks), default=0)
        if self.rating < surest:
            raise ValueError(
                f"the image is rated {self.rating} and a place in it {surest}; the image is at least as sure"
            )
        return self


class Answer(BaseModel):
    """One line of a reader's answers.

    Parameters
    ----------
    reader : str
    number : int
        Of the image, in the reader's order.
    given : Given
    at : str
        When, UTC.
    before : str
        SHA-256 of the line before; of the first one the sealed truth's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Annotated[str, Field(pattern="^coldray answer$")] = "coldray answer"
    reader: ReaderId
    number: Annotated[int, Field(ge=0)]
    given: Given
    at: datetime
    before: Sha256


@dataclass
class Answers:
    """The answers of one reader, in a file that only grows.

    Parameters
    ----------
    manifest : Manifest
    reader : str
    folder : Path
        Where it lies.

    Raises
    ------
    SettingsError
        If the trial has no such reader.
    MetadataError
        If the file cannot be read or was changed.
    """

    manifest: Manifest
    reader: str
    folder: Path
    lines: list[bytes] = field(init=False, default_factory=list)
    found: list[Answer] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.reader not in self.manifest.readers:
            known = ", ".join(self.manifest.readers)
            raise SettingsError(f"the trial has no reader {self.reader!r}; its readers are {known}")
        if self.path.is_file():
            for line in content_of(self.path, MetadataError, LARGEST_BYTES).splitlines():
                self._take(line)

    @property
    def path(self) -> Path:
        """File of the answers."""
        return self.folder / f"{self.reader}{ENDING}"

    @property
    def order(self) -> list[str]:
        """Tokens in the order in which the reader sees them."""
        return [token for block in self.manifest.readers[self.reader] for token in block]

    @property
    def is_complete(self) -> bool:
        """Whether every image was answered."""
        return len(self.found) == len(self.manifest.items)

    @property
    def next_item(self) -> str | None:
        """Token of the image that is to be read now; None when all were."""
        return None if self.is_complete else self.order[len(self.found)]

    @property
    def block(self) -> int:
        """Number of the block of the next image, from 0."""
        return min(len(self.found) // self._per_block, len(self.manifest.readers[self.reader]) - 1)

    @property
    def opens_at(self) -> datetime | None:
        """When the block of the next image may begin; None within a block."""
        if not self.found or self.is_complete or len(self.found) % self._per_block:
            return None
        return self.found[-1].at + timedelta(days=self.manifest.washout_days)

    def waits(self, at: datetime) -> bool:
        """Whether the block of the next image is still closed at a time."""
        opens = self.opens_at
        return opens is not None and at < opens

    @property
    def _per_block(self) -> int:
        return len(self.manifest.readers[self.reader][0])

    def shortest_pause(self) -> timedelta | None:
        """Shortest time between two blocks; None before the second one began."""
        first = self.found[self._per_block :: self._per_block]
        pauses = [one.at - self.found[one.number - 1].at for one in first]
        return min(pauses, default=None)

    def typical_pace(self) -> timedelta | None:
        """Median time from one answer to the next within a block, by the server's clock; None if there are no two."""
        paces = sorted(
            later.at - earlier.at for earlier, later in pairwise(self.found) if later.number % self._per_block
        )
        return paces[len(paces) // 2] if paces else None

    def take(self, given: Given, now: Callable[[], datetime] = utc_now) -> None:
        """Keep the answer to the next image; an answer is never changed.

        Raises
        ------
        SettingsError
            If it is of another image than the next, or its block does not begin yet.
        ImageWriteError
            If it cannot be written; then it was not given.
        """
        at = now()
        if given.item != self.next_item:
            raise SettingsError("this image was answered already, or is not the next one; load the page again")
        if (opens := self.opens_at) is not None and self.waits(at):
            raise SettingsError(f"the next block begins at {opens.isoformat(timespec='minutes')}")
        answer = Answer(reader=self.reader, number=len(self.found), given=given, at=at, before=self._seal)
        line = json.dumps(answer.model_dump(mode="json"), sort_keys=True).encode()
        # the file as it was and one line more, under its name only when all of it is on disk
        write_bytes(self.path, b"".join(one + b"\n" for one in [*self.lines, line]))
        self._take(line)

    @property
    def _seal(self) -> str:
        """What the next line is bound to."""
        return sha256_of(self.lines[-1]) if self.lines else self.manifest.commitment

    def _take(self, line: bytes) -> None:
        number, name = len(self.found), self.path.name
        answer = checked(Answer, line, f"{name} line {number + 1}")
        fits = answer.reader == self.reader and answer.number == number and answer.given.item == self.next_item
        if not fits or answer.before != self._seal:
            raise MetadataError(
                f"{name}: line {number + 1} does not follow from the one before; answers were changed, lost or are of "
                "another trial. Take the file as it was written"
            )
        self.lines.append(line)
        self.found.append(answer)
