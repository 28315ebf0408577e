"""Connections that cannot hold the server by doing nothing, and a server that ends as the program does."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from coldray.app.stopping import heeded

BUSY = 64
"""Connections with a request that is being answered, and WebSockets; more are answered by 503."""
SILENT = 32
"""Connections without a complete request; of more, one of the peer that has most of them goes:
the oldest of those that never asked anything, else the oldest."""
REQUEST_S = 10.0
"""Time for a complete request header, from the connection or the last answer on [s]."""
UNREAD_S = 30.0
"""Time in which a peer must take what waits for it [s]: 48 KiB of an answer."""


class Connection(H11Protocol):
    """An HTTP/1.1 connection that may neither stay silent nor leave its answers unread.

    Notes
    -----
    uvicorn counts all connections against one limit and waits for their requests without end: 64 of them that say
    nothing, which needs no token, shut the server. Here silent ones have a limit and a time of their own, and never
    keep a new one out. Bodies are timed by the guard.
    """

    _request_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _since = 0.0
    _upgraded = _given_up = False

    @property
    def is_silent(self) -> bool:
        """Whether it has no request that is being answered."""
        return not self._given_up and (self.cycle is None or self.cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, and start its time."""
        super().connection_made(transport)
        self._watch()
        silent = [c for c in self.connections if isinstance(c, Connection) and c.is_silent]
        if len(silent) > SILENT:
            crowd = Counter(c._peer for c in silent).most_common(1)[0][0]
            min((c for c in silent if c._peer == crowd), key=Connection._worth)._give_up()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a complete request stops the clock."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start the time for the next request."""
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand over to the WebSocket, which has its own pings."""
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """Stop writing; the peer has a time to read."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_S, self._give_up)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._unread_timer = _cancel(self._unread_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._given_up = True
        self._request_timer, self._unread_timer = _cancel(self._request_timer), _cancel(self._unread_timer)
        super().connection_lost(exc)

    def _worth(self) -> tuple[bool, float]:
        """What speaks for keeping it: that it asked something before, then that it is young."""
        return self.cycle is not None, self._since

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def _watch(self) -> None:
        if self._upgraded or not self.is_silent:
            self._request_timer = _cancel(self._request_timer)
        elif self._request_timer is None:
            self._since = self.loop.time()
            self._request_timer = self.loop.call_later(REQUEST_S, self._give_up)

    def _give_up(self) -> None:
        self._given_up = True
        # it is closed in the next round of the loop; until then it would count against those that ask
        self.connections.discard(self)
        self.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Stop a timer, if there is one; what is left of it is None."""
    if timer is not None:
        timer.cancel()
    return None


class Server(uvicorn.Server):
    """A server that ends by every signal that ends the program, and by no other."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Answer what is under way before a signal does what it did without the server.

        Blocks may lie within each other: what the inner one raises again the outer one keeps until its own end.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in heeded()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        for number in self._captured_signals[:1]:
            signal.raise_signal(number)
