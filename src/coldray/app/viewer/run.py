"""Bind, say where, serve until interrupted."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.document import Json
from coldray.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from coldray.app.viewer.desk import Desk
    from coldray.app.viewer.guard import Access
    from coldray.app.viewer.settings import Menu

SHORTEST_TOKEN = 16
FEWEST_DIFFERENT = 6


@dataclass(frozen=True)
class Address:
    """Where to listen, and who may call.

    Parameters
    ----------
    host : str
        Address to bind.
    port : int
        0 takes a free one.
    token : str, optional
        Secret; made up if there is none, which a loopback address allows only.
    allowed_hosts : tuple of str
        Further names of this machine that may stand in the Host header.
    max_upload_bytes : int
        Largest uploaded file [bytes].
    root_path : str
        What a proxy leaves in front of every path, as "/xray".
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_upload_bytes: int = 2**29
    root_path: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    def access(self) -> Access:
        """Check the address and say who may talk to it.

        Raises
        ------
        SettingsError
            If an address that others can reach has no token, or the token is too short to be a secret.
        """
        from coldray.app.viewer.guard import LOOPBACK_NAMES, Access

        if self.token is None and not self.is_loopback:
            raise SettingsError(
                f"--host {self.host} can be reached by others: give a secret of at least {SHORTEST_TOKEN} characters in "
                "COLDRAY_TOKEN or --token-file, or listen on 127.0.0.1 and use an SSH tunnel"
            )
        if self.token is not None:
            plain_token = self.token.isascii() and all(c.isalnum() or c in "-._~" for c in self.token)
            different = len(set(self.token))
            if len(self.token) < SHORTEST_TOKEN or not plain_token or different < FEWEST_DIFFERENT:
                raise SettingsError(
                    f"the token has {len(self.token)} characters, {different} different ones; it needs at least "
                    f"{SHORTEST_TOKEN} letters, digits or any of - . _ ~, {FEWEST_DIFFERENT} of them different"
                )
        names = {name.lower() for name in self.allowed_hosts}
        if not self.is_loopback:
            names |= {socket.gethostname().lower()}
        return Access(
            self.token or secrets.token_urlsafe(24),
            LOOPBACK_NAMES | names | ({self.host.lower()} if self.is_loopback else set()),
            any_address=not self.is_loopback,
            max_upload_bytes=self.max_upload_bytes,
            root_path=self._checked_root(),
        )

    def _checked_root(self) -> str:
        root = self.root_path.rstrip("/")
        if root and not re.fullmatch(r"(/[A-Za-z0-9._~@-]+)+", root):
            raise SettingsError(
                f"--root-path {self.root_path!r}: give the path as the proxy sends it, such as /xray: letters, digits and "
                "any of . _ ~ @ - between slashes"
            )
        return root


def read_token(token_file: Path | None) -> str | None:
    """Token from a file or from COLDRAY_TOKEN; a command line would show it to every user of the machine.

    Raises
    ------
    SettingsError
        If the file cannot be read, or everybody can write it.
    """
    if token_file is not None:
        try:
            if os.name == "posix" and stat.S_IMODE(token_file.stat().st_mode) & stat.S_IWOTH:
                raise SettingsError(
                    f"{token_file.name}: every user of this machine can write it, so the token is no secret; "
                    "make a new one in a file of mode 600"
                )
            return token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise SettingsError(f"{token_file.name}: the token cannot be read ({type(problem).__name__})") from None
    return os.environ.get("COLDRAY_TOKEN") or None


def serve_desk(
    address: Address,
    menu: Menu,
    open_files: Callable[[Desk], None],
    ready: Callable[[Mapping[str, Json], str], None],
    queue_length: int | None = None,
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    address : Address
    menu : Menu
        What restorations start from.
    open_files : callable
        Given the desk, opens what the command line names.
    ready : callable
        As for `serve_app`.
    queue_length : int, optional
        Restorations that may wait.

    Raises
    ------
    ColdrayError
        As for `serve_app`.
    """

    @contextmanager
    def opened(access: Access) -> Iterator[ASGIApp]:
        from coldray.app.viewer.desk import Desk
        from coldray.app.viewer.presets import user_folder
        from coldray.app.viewer.server import create_app

        desk = Desk(menu, queue_length=queue_length, settings_folder=user_folder())
        try:
            open_files(desk)
            yield create_app(desk, access)
        finally:
            desk.close()

    serve_app(address, opened, ready)


def _check_installed() -> None:
    """Say what to install where what serves a page is missing."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] not in ("uvicorn", "fastapi", "starlette"):
            raise
        raise MissingExtraError(problem.name or "fastapi", "view", "the viewer") from None


def serve_app(
    address: Address,
    opened: Callable[[Access], AbstractContextManager[ASGIApp]],
    ready: Callable[[dict[str, Json], str], None],
) -> None:
    """Serve an application until interrupted.

    Parameters
    ----------
    address : Address
    opened : callable
        Given who may talk to it, a context that gives the guarded application and clears up after it.
    ready : callable
        Given ``{"url", "host", "port"}`` and a link that opens the page once, when the socket listens.

    Raises
    ------
    MissingExtraError
        If the extra `view` is not installed.
    SettingsError
        If the address is open and has no token, or cannot be bound.
    """
    _check_installed()
    from coldray.app.viewer.connections import Server

    access = address.access()
    listener = _bind(address)
    try:
        with opened(access) as app:
            server = Server(server_config(app))
            port = listener.getsockname()[1]
            shown = "127.0.0.1" if address.host in ("0.0.0.0", "::", "localhost") else address.host
            shown = f"[{shown}]" if ":" in shown else shown
            page = f"http://{shown}:{port}/?token="
            access.tickets.add(ticket := secrets.token_urlsafe(24))
            where = {"url": page + access.token, "host": address.host, "port": port}
            # the socket listens already: whoever follows the link now waits in its backlog
            # and a signal that comes before the server runs must not break into the making of its loop
            with server.capture_signals():
                threading.Timer(0.0, ready, (where, page + ticket)).start()
                server.run(sockets=[listener])
    finally:
        listener.close()


def server_config(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves: no log of addresses, no name of the software, bounded connections and headers."""
    import uvicorn

    from coldray.app.viewer.connections import BUSY, REQUEST_S, SILENT, Connection

    return uvicorn.Config(
        app,
        http=Connection,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=BUSY + SILENT + 1,
        timeout_keep_alive=int(REQUEST_S),
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=65536,
        ws="websockets-sansio",
        ws_max_size=65536,
    )


def _bind(address: Address) -> socket.socket:
    host = address.host.strip("[]")
    try:
        family = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as problem:
        raise SettingsError(f"--host {address.host} is no address of this machine ({problem.strerror})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, address.port))
        listener.listen(128)
    except OSError as problem:
        listener.close()
        raise SettingsError(
            f"cannot listen on {address.host} port {address.port} ({problem.strerror}); choose another --port, or 0"
        ) from None
    return listener
