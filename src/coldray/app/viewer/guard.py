"""The door: Host, Origin, token, body size and headers of every request, before anything else sees it."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlencode

from coldray.metrology.inspection import LARGEST_BYTES as NOTES_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
SMALL_BODY_BYTES = 65536
NOTES_PATHS = re.compile(r"/api/(presets|studies/[0-9a-f]{16}/inspection)")
BODY_GRACE_S = 30.0
SLOWEST_BYTES_PER_S = 16384
UPLOAD_PATHS = re.compile(r"/api/(flats|studies(/[0-9a-f]{16}/layers/[a-z]+)?)")
NAME = "coldray.name"
"""Key of a connection's scope: by which name its token speaks."""
_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may talk to the server.

    Parameters
    ----------
    token : str
        Secret of this run.
    hosts : frozenset of str
        Names that may stand in the Host header, without port, in lower case.
    any_address : bool
        Whether a literal IP address may stand there too: a name can be rebound to this machine, an address cannot.
    max_upload_bytes : int
        Largest uploaded file [bytes].
    root_path : str
        What a proxy leaves in front of every path, as "/xray"; requests without it are served too.
    tickets : set of str
        Each opens the page once; for the browser that we start, whose arguments every user of the machine can read.
    names : mapping of str to str
        Further tokens, and by which name each of them speaks; the application finds it in the scope, as `NAME`.
    """

    token: str
    hosts: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False
    max_upload_bytes: int = 2**29
    root_path: str = ""
    tickets: set[str] = field(default_factory=set)
    names: Mapping[str, str] = field(default_factory=dict)

    def token_of(self, name: str) -> str:
        """The token by which a name speaks: the same with every run of the same token, which it does not give away."""
        return urlsafe_b64encode(hmac.digest(self.token.encode(), name.encode(), "sha256")).decode().rstrip("=")

    def named(self, names: Iterable[str]) -> Access:
        """The same, with a token of its own for every name."""
        return replace(self, names={self.token_of(name): name for name in names})

    def whose(self, given: str | None) -> str | None:
        """By which name a token speaks, the run's own by none (""); None for a wrong one, all in the same time."""
        if given is None:
            return None
        known = {self.token: "", **self.names}
        right = [hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()) for token in known]
        return next((name for name, is_right in zip(known.values(), right, strict=True) if is_right), None)

    def opens(self, given: str) -> str | None:
        """The token with which a link opens the page: its own, or that of the run for a ticket, which is used up by it."""
        if given in self.tickets:
            self.tickets.discard(given)
            return self.token
        return given if self.whose(given) is not None else None

    def serves(self, host: str) -> bool:
        """Whether a Host header names this server."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower()
        if name in self.hosts:
            return True
        if not self.any_address:
            return False
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


class Refusal(Exception):
    """A request that goes no further: HTTP status and one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """ASGI wrapper around the application; nothing reaches it unchecked.

    Parameters
    ----------
    app : ASGI application
    access : Access

    Notes
    -----
    Order: one Host header that names this server (DNS rebinding); an Origin, if there is one, equal to it (cross-site
    requests, for every method and for WebSocket); the token. The page itself is opened by a link with the token, which
    is answered by a SameSite=Strict cookie good for the page and its scripts only: the API wants the token in a header,
    a WebSocket wants it as a sub-protocol. Bodies are counted while they are read.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one connection and pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope = self._below_root(scope)
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        try:
            host = self._check_host(headers)
            if scope["path"] == "" and scope["type"] == "http":
                await _answer(307, b"", {"Location": self._folder(scope)}, send)
                return
            _check_origin(headers, host, scope)
            entry = self._check_token(headers, scope, host)
            if scope["type"] == "http":
                _check_body(headers, scope, self._access.max_upload_bytes)
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        if entry is not None:
            # without a Path the cookie is good for the folder that the browser sees, also behind a proxy
            cookie = f"{cookie_name(host)}={entry}; HttpOnly; SameSite=Strict"
            await _answer(303, b"", {"Location": f"./{_query(scope)}#token={entry}", "Set-Cookie": cookie}, send)
            return
        limit = _largest_body(scope, self._access.max_upload_bytes)
        await self._app(scope, _Counted(receive, limit), _with_headers(send))

    def _below_root(self, scope: Scope) -> Scope:
        """Connection with the path that the application knows."""
        root = self._access.root_path
        if not root or not (scope["path"] + "/").startswith(root + "/"):
            return scope
        raw = scope.get("raw_path") or scope["path"].encode()
        # percent-encoded or not, the root has no characters that need it
        return {**scope, "path": scope["path"][len(root) :], "raw_path": raw[len(root) :]}

    def _folder(self, scope: Scope) -> str:
        """Address of the page for who left out its last slash: addresses on the page are relative to a folder."""
        query = scope["query_string"].decode("latin-1")
        return self._access.root_path.rpartition("/")[2] + "/" + (f"?{query}" if query else "")

    def _check_host(self, headers: dict[str, list[str]]) -> str:
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self._access.serves(hosts[0]):
            raise Refusal(403, "this server does not answer to that host name")
        return hosts[0].lower()

    def _check_token(self, headers: dict[str, list[str]], scope: Scope, host: str) -> str | None:
        """Check the token and note by which name it speaks; for the link that opens the page, return the token for it."""
        path = scope["path"]
        if scope["type"] == "websocket":
            offered = [p.strip() for value in headers.get("sec-websocket-protocol", []) for p in value.split(",")]
            given = (self._access.whose(p[6:]) for p in offered if p.startswith("token."))
            name = next((found for found in given if found is not None), None)
            if name is None:
                raise Refusal(401, "the token is missing or wrong")
            scope[NAME] = name
            return None
        if path == "/health":
            return None
        bearer = headers.get("authorization", [""])[0]
        name = self._access.whose(bearer[7:]) if bearer.startswith("Bearer ") else None
        if name is not None:
            scope[NAME] = name
            return None
        if path.startswith("/api/"):
            raise Refusal(401, "the token is missing or wrong: send 'Authorization: Bearer TOKEN'")
        cookies = [c.strip().partition("=") for value in headers.get("cookie", []) for c in value.split(";")]
        linked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if path == "/" and scope["method"] == "GET" and linked and (opened := self._access.opens(linked[0])):
            return opened
        if any(key == cookie_name(host) and self._access.whose(value) is not None for key, _, value in cookies):
            return None
        raise Refusal(401, "open the link that coldray printed: it carries the token of this run")


class _Counted:
    """A body that may be neither larger nor slower than allowed."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._found = 0
        self._whole = False
        self._began = time.monotonic()

    async def __call__(self) -> Message:
        from starlette.exceptions import HTTPException

        if self._whole:
            return await self._receive()
        allowed = BODY_GRACE_S + self._found / SLOWEST_BYTES_PER_S - (time.monotonic() - self._began)
        try:
            message = await asyncio.wait_for(self._receive(), max(allowed, 0.0))
        except TimeoutError:
            raise HTTPException(408, "the body came too slowly", {"Connection": "close"}) from None
        self._found += len(message.get("body", b""))
        if self._found > self._limit:
            raise HTTPException(413, f"the body is larger than {self._limit} bytes", {"Connection": "close"})
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message


def _query(scope: Scope) -> str:
    """What else the link asked for, such as ``?renderer=2d``, without its secret."""
    rest = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
    return f"?{urlencode(rest)}" if rest else ""


def cookie_name(host: str) -> str:
    """Name of the page's cookie: cookies do not tell ports apart, so the name does."""
    return f"coldray-{host.rpartition(':')[2] if ':' in host.rpartition(']')[2] else '80'}"


def _check_origin(headers: dict[str, list[str]], host: str, scope: Scope) -> None:
    origins = headers.get("origin", [])
    if origins and (len(origins) > 1 or origins[0].lower() not in (f"http://{host}", f"https://{host}")):
        raise Refusal(403, "requests from other sites are refused")
    site = headers.get("sec-fetch-site", ["none"])[0]
    opening = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
    if site in ("cross-site", "same-site") and not opening:
        raise Refusal(403, "requests from other sites are refused")


def _is_upload(scope: Scope) -> bool:
    return scope["method"] == "POST" and UPLOAD_PATHS.fullmatch(scope["path"]) is not None


def _largest_body(scope: Scope, max_upload_bytes: int) -> int:
    """Bytes that the body of a request may have."""
    if _is_upload(scope):
        return max_upload_bytes
    notes = scope["method"] == "PUT" and NOTES_PATHS.fullmatch(scope["path"])
    return NOTES_BYTES if notes else SMALL_BODY_BYTES


def _check_body(headers: dict[str, list[str]], scope: Scope, max_upload_bytes: int) -> None:
    lengths = headers.get("content-length", [])
    upload = _is_upload(scope)
    if lengths:
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()) or len(lengths[0]) > 18:
            raise Refusal(400, "Content-Length is not a number of bytes")
        limit = _largest_body(scope, max_upload_bytes)
        if int(lengths[0]) > limit:
            raise Refusal(413, f"the body has {lengths[0]} bytes; {limit} are allowed")
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return
    sent = (lengths and lengths[0] != "0") or "transfer-encoding" in headers
    kind = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
    wanted = ("application/octet-stream", "multipart/form-data") if upload else ("application/json",)
    if sent and kind not in wanted:
        raise Refusal(415, f"the content type must be {' or '.join(wanted)}")


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    import json

    more = {"Content-Type": "application/json", "Connection": "close"}
    await _answer(refusal.status, json.dumps({"error": str(refusal)}).encode(), more, send)


async def _answer(status: int, body: bytes, more: dict[str, str], send: Send) -> None:
    headers = HEADERS | {"Content-Length": str(len(body))} | more
    pairs = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    fixed = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in HEADERS.items()]
    names = {name for name, _ in fixed}

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [h for h in message.get("headers", []) if h[0].lower() not in names] + fixed
        await send(message)

    return wrapped
