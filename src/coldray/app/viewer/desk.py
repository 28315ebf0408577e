"""The desk: shelf, workshop, and the pages that watch them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from coldray.app.viewer.flats import Flats
from coldray.app.viewer.folders import Folders
from coldray.app.viewer.presets import Presets
from coldray.app.viewer.settings import Menu
from coldray.app.viewer.shelf import Shelf
from coldray.app.viewer.work import Task, Workshop
from coldray.document import Json, plain

MAX_LISTENERS = 32


class TooManyPagesError(Exception):
    """More pages listen than the server serves."""


class Broadcast:
    """Messages from any thread to every page that listens; a page that does not read misses them."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Take the running loop as the one that pages are served from."""
        self._loop = asyncio.get_running_loop()

    def send(self, message: Mapping[str, Json]) -> None:
        """Send a message to all pages; from any thread."""
        loop, text = self._loop, json.dumps(plain(message))
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._put, text)

    def _put(self, text: str) -> None:
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(text)

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[asyncio.Queue[str]]:
        """Mailbox of one page, as long as it listens; TooManyPagesError if too many do."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyPagesError
        mailbox: asyncio.Queue[str] = asyncio.Queue(64)
        self._listeners.add(mailbox)
        try:
            yield mailbox
        finally:
            self._listeners.discard(mailbox)


class Desk:
    """Shelf, workshop and the pages that watch them.

    Parameters
    ----------
    menu : Menu
    max_bytes : int, optional
        Memory of all open pixels [bytes].
    queue_length : int, optional
        Restorations that may wait.
    reports : bool
        Whether restorations of single frames also get a report.
    settings_folder : Path, optional
        Where presets are kept; without one, only as long as the viewer runs.
    """

    def __init__(
        self,
        menu: Menu,
        max_bytes: int | None = None,
        queue_length: int | None = None,
        reports: bool = True,
        settings_folder: Path | None = None,
    ) -> None:
        self.menu = menu
        self.presets = Presets(settings_folder)
        self.folders = Folders()
        self.broadcast = Broadcast()
        room = {} if max_bytes is None else {"max_bytes": max_bytes}
        self.shelf = Shelf(changed=lambda: self.broadcast.send({"type": "studies"}), **room)
        self.flats = Flats(self.shelf.folder)
        length = {} if queue_length is None else {"queue_length": queue_length}
        self.workshop = Workshop(self.shelf, self._told, reports=reports, **length)

    def _told(self, task: Task) -> None:
        self.broadcast.send({"type": "task", "task": task.to_json()})

    def close(self) -> None:
        """End the workshop and remove all temporary files."""
        self.workshop.close()
        self.shelf.close()
