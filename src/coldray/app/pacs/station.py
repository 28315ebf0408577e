"""A station between a machine and an archive: objects come in, are restored as they come, and go on."""

from __future__ import annotations

import threading
from pathlib import Path

from coldray.app import console
from coldray.app.each import Verb, run_each
from coldray.app.files import check_folder
from coldray.app.ledger import Ledger
from coldray.app.one import Restoring, line_of, recipe_record
from coldray.app.pacs.node import Node, Told
from coldray.app.pacs.outbox import Outbox
from coldray.app.pacs.receive import Listening, Receiver
from coldray.app.recipe import Recipe
from coldray.app.watch import Watcher, survive_lease_breaks
from coldray.errors import ColdrayError
from coldray.leftovers import clear_leftovers

INCOMING, RESTORED = "incoming", "restored"
"""Folders below the station's own: what came, as it came; what became of it, with its ledger."""
LEAVES_S = 30.0
"""Longest wait for what is being written when a station closes."""


class Station:
    """Receive, restore, send on, until closed.

    Parameters
    ----------
    folder : Path
        Holds `INCOMING` and `RESTORED`.
    recipe : Recipe
        How every object is restored.
    listening : Listening
    onward : Node, optional
        Where results go.
    say : callable
        Takes one line of prose.

    Raises
    ------
    SettingsError
        If the address cannot be bound.
    ImageWriteError
        If the folder cannot be written, or another process restores into it.
    MissingExtraError
        If the extra `pacs` is not installed.

    Notes
    -----
    A received object is on the disk before its sender is told so; the ledger knows what was restored, the outbox what
    has arrived. So a station that was killed goes on where it was. Pixels are decoded in a process of their own: an object
    that ends it costs one object.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, listening: Listening, onward: Node | None, say: Told = console.say
    ) -> None:
        self._incoming, self._restored = folder / INCOMING, folder / RESTORED
        self._recipe, self._say = recipe, say
        check_folder(self._restored)
        self._stop = threading.Event()
        survive_lease_breaks()
        self._ledger = Ledger(self._restored, recipe.settings(), recipe_record(recipe), shared=True)
        self._outbox: Outbox | None = None
        try:
            clear_leftovers(self._restored)
            if onward is not None:
                self._outbox = Outbox(self._restored, onward, listening.aet, say)
            self._receiver = Receiver(self._incoming, listening, say)
        except BaseException:
            self._close_files()
            raise
        self._thread = threading.Thread(target=self._run, name="coldray-station", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Port on which objects are received."""
        return self._receiver.port

    def close(self) -> None:
        """Take nothing more, give up what is being restored, and leave; the next start goes on."""
        self._receiver.close()
        self._stop.set()
        self._thread.join(LEAVES_S)
        self._close_files()

    def _close_files(self) -> None:
        if self._outbox is not None:
            self._outbox.close()
        self._ledger.close()

    def _run(self) -> None:
        """Restore what comes, in this thread's own worker process."""
        onward = None if self._outbox is None else self._outbox.add
        verb = Verb("restore", Restoring(self._recipe), line_of, as_json=False, each=onward, aside=True)
        # what is there is whole, so nothing is waited for
        coming = Watcher([self._incoming], self._restored, settle_s=0.0)
        try:
            run_each(verb, coming, None, ledger=self._ledger, watching=True, stop=self._stop)
        except ColdrayError as problem:
            self._say(
                f"coldray: {console.one_line(problem)}; objects are received, but not restored before the next start"
            )
