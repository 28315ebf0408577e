"""Turns: how many requests of a kind are worked on at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException


class Turns:
    """So many at once, so many who wait for their turn, and no more.

    Parameters
    ----------
    at_once, waiting : int
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._left = at_once + waiting

    @asynccontextmanager
    async def turn(self, words: str) -> AsyncIterator[None]:
        """Wait for a turn; HTTP 429 with these words if too many wait."""
        if not self._left:
            raise HTTPException(429, f"{words}; try again", {"Retry-After": "2"})
        self._left -= 1
        try:
            async with self._room:
                yield
        finally:
            self._left += 1
