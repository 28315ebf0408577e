"""Who may come in: host names, origins, tokens, sizes, and what a browser is told (faults F11 and F13 to F17)."""

import json
import socket
import threading

import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.viewer.guard import SMALL_BODY_BYTES, Access, cookie_name

TOKEN = "a-token-for-tests-only"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATHS = ("/", "/static/main.js", "/health", "/api/state", "/api/studies")


def raw(served, text):
    """Send bytes as they are; returns status and headers and body as text."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=300) as line:
        line.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
        answer = b""
        while piece := line.recv(65536):
            answer += piece
            head, found, body = answer.partition(b"\r\n\r\n")
            length = [int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")]
            if found and (b" 204 " in head[:20] or (length and len(body) >= length[0])):
                break
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head else 0
    return status, head.decode("latin-1"), body.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "host",
    ["evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.:{port}", "", "127.0.0.2", "[::2]:{port}",
     "127.0.0.1:{port}@evil.example", "evil.example", "127.0.0.1:{port}, evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_host_name_is_refused_everywhere(served, host, path):
    host = host.format(port=served.port)
    status, _, body = raw(served, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")
    assert status in (400, 403) and "root:" not in body and "studies" not in body


def test_no_host_and_two_hosts_are_refused(served):
    assert raw(served, f"GET /health HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")[0] in (400, 403)
    two = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nHost: evil.example\r\n\r\n"
    assert raw(served, two)[0] in (400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_the_loopback_names_are_served_through_any_port(served, host):
    """A tunnel has a port of its own."""
    assert served.client.get("/health", headers={"Host": f"{host}:9"}).status_code == 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://127.0.0.1:1"]
)
def test_a_foreign_origin_is_refused_for_every_method(served, method, origin):
    for path in PATHS:
        answer = served.client.request(method, path, headers={"Origin": origin})
        assert answer.status_code == 403
        assert not [h for h in answer.headers if h.lower().startswith("access-control")]


@pytest.mark.parametrize("method", METHODS)
def test_a_cross_site_request_is_refused_even_without_origin(served, method):
    answer = served.client.request(method, "/api/state", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_the_own_origin_is_served_and_a_preflight_grants_nothing(served):
    assert served.client.get("/api/state", headers={"Origin": served.base}).status_code == 200
    asked = {"Origin": served.base, "Access-Control-Request-Method": "DELETE"}
    answer = served.client.options("/api/state", headers=asked)
    assert answer.status_code == 405
    assert not [h for h in answer.headers if h.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
)
@pytest.mark.parametrize("path", ["/", "/static/main.js", "/api/state", "/api/choices", "/nothing"])
def test_without_the_token_nothing_is_served(served, path, authorization):
    answer = served.client.get(path, headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert TOKEN not in answer.text and "tif" not in answer.text


def test_the_link_sets_a_strict_cookie_that_opens_the_page_and_not_the_api(served):
    import httpx

    with httpx.Client(base_url=served.base, trust_env=False) as visitor:
        answer = visitor.get(f"/?token={TOKEN}")
        assert answer.status_code == 303 and answer.headers["location"] == f"./#token={TOKEN}"
        cookie = answer.headers["set-cookie"]
        assert "Path" not in cookie, "good for the folder that the browser sees"
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and cookie.startswith(f"coldray-{served.port}=")
        assert visitor.get("/").status_code == 200
        assert visitor.get("/static/main.js").headers["content-type"].startswith("text/javascript")
        assert visitor.get("/api/state").status_code == 401
        assert visitor.delete("/api/studies/0123456789abcdef").status_code == 401
        assert visitor.get("/?token=wrong").status_code == 200  # the cookie still holds


def test_a_ticket_opens_the_page_once_and_nothing_else():
    access = Access(TOKEN, tickets={"once-only"})
    assert access.whose("once-only") is None
    assert access.opens("once-only") == TOKEN and access.opens("once-only") is None
    assert access.opens(TOKEN) == access.opens(TOKEN) == TOKEN


def test_cookies_of_two_ports_do_not_meet():
    assert {cookie_name("127.0.0.1:8765"), cookie_name("127.0.0.1:8766"), cookie_name("[::1]"), cookie_name("localhost")} == {
        "coldray-8765", "coldray-8766", "coldray-80"
    }  # fmt: skip


def test_every_answer_forbids_inline_script_framing_and_sniffing(served):
    for path, kept in (("/", TOKEN), ("/health", "x"), ("/api/state", "x"), ("/nothing", TOKEN)):
        answer = served.client.get(path, headers={"Authorization": f"Bearer {kept}"})
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_the_page_has_no_inline_script_or_style(static_folder):
    import re

    page = (static_folder / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", page) and "<style" not in page
    assert not re.search(r"\s(on\w+|style)=", page)
    for file in static_folder.glob("*.js"):
        text = file.read_text(encoding="utf-8")
        for way_in in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert way_in not in text, f"{file.name}: {way_in}"
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), file.name


@pytest.mark.parametrize(
    "path",
    ["/static/..%2f..%2f..%2fetc%2fpasswd", "/static/..%252f..%252fetc%252fpasswd", "/static/%00", "/static/....//main.js",
     "/static/../server.py", "/../../etc/passwd", "/static//etc/passwd", "/static/main.js%00.css", "/etc/passwd",
     "/api/layers/..%2f..%2fetc%2fpasswd/pixels", "/api/studies/0123456789abcdef/download/..%2f..%2fetc%2fpasswd"],
)  # fmt: skip
def test_no_path_of_a_client_is_followed(served, path):
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    status, _, body = raw(served, request)
    assert status in (400, 404, 422) and "root:" not in body and "import" not in body


@pytest.mark.parametrize("length", ["99999999999", "-1", "1e3", "0x10", "99999999999999999999999"])
def test_impossible_lengths_are_refused_before_a_body(served, length):
    request = (
        f"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nX-File-Name: a.tif\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )
    # not one byte of the body is sent: a server that waited for it would give it up with 408
    assert raw(served, request)[0] in (400, 413)


def test_an_endless_body_without_length_is_cut_and_leaves_nothing(serve):
    with serve(max_upload_bytes=200_000) as served:
        head = (
            f"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nX-File-Name: a.tif\r\n"
            "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        status, _, body = raw(served, head.encode() + chunk * 4)
        assert status == 413 and "200000" in body
        assert not list(served.desk.shelf.folder.iterdir())


def test_a_broken_upload_leaves_nothing(served, until):
    head = (
        f"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nX-File-Name: a.tif\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(head.encode() + bytes(1000))
        until(lambda: len(list(served.desk.shelf.folder.iterdir())) == 1)
    until(lambda: not list(served.desk.shelf.folder.iterdir()))


def test_a_body_that_comes_too_slowly_is_given_up(serve, monkeypatch):
    from coldray.app.viewer import guard

    monkeypatch.setattr(guard, "BODY_GRACE_S", 0.5)
    with serve() as served:
        head = (
            f"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nX-File-Name: a.tif\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n"
        )
        status, _, _ = raw(served, head.encode() + b"x")
        assert status == 408
        assert not list(served.desk.shelf.folder.iterdir())


def test_json_is_taken_as_json_only_and_stays_small(served):
    path = "/api/studies/0123456789abcdef/restore"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = served.client.post(path, content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415
    big = json.dumps({"method": "x" * SMALL_BODY_BYTES})
    assert served.client.post(path, content=big, headers={"Content-Type": "application/json"}).status_code == 413


def test_many_parts_are_refused(served):
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a%d.tif"\r\n\r\nII\r\n' % i for i in range(2000)
    )
    answer = served.client.post(
        "/api/studies", content=parts + b"--x--\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400 and not list(served.desk.shelf.folder.iterdir())


@pytest.mark.parametrize(
    ("protocols", "headers", "welcome"),
    [
        (["coldray", f"token.{TOKEN}"], {}, True),
        (["coldray"], {}, False),
        (["coldray", "token.wrong"], {}, False),
        (["coldray", f"token.{TOKEN}"], {"Origin": "http://evil.example"}, False),
        (["coldray", f"token.{TOKEN}"], {"Origin": "null"}, False),
        (["coldray", f"token.{TOKEN}"], {"Host": "evil.example"}, False),
    ],
)
def test_the_web_socket_has_the_same_door(served, protocols, headers, welcome):
    """The handshake by hand: client libraries will not send two Host headers or a foreign one."""
    lines = {"Host": f"127.0.0.1:{served.port}", "Upgrade": "websocket", "Connection": "Upgrade",
             "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
             "Sec-WebSocket-Protocol": ", ".join(protocols)} | headers  # fmt: skip
    text = "GET /api/events HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=300) as line:
        line.sendall(text.encode())
        answer = line.recv(4096).decode("latin-1")
    assert (" 101 " in answer.splitlines()[0]) is welcome
    if welcome:
        assert "coldray" in answer and TOKEN not in answer
    else:
        assert " 403 " in answer.splitlines()[0]


def test_an_open_address_answers_to_addresses_and_named_hosts_only():
    access = Access(TOKEN, frozenset({"desk.plant.example"}), any_address=True)
    for good in ("10.0.0.5:8765", "[fe80::1]:8765", "desk.plant.example", "DESK.plant.example:80"):
        assert access.serves(good)
    for bad in ("evil.example", "10.0.0.5.evil.example", "10.0.0.5:80:80", "", "desk.plant.example.", "[::1"):
        assert not access.serves(bad)


def test_health_answers_and_the_queue_stays_bounded_under_a_flood_of_jobs(serve, scan, monkeypatch, hangs_s):
    """Nothing is timed: the one worker is held until every answer is in."""
    begun, go = threading.Event(), threading.Event()

    def held(*_):
        begun.set()
        assert go.wait(hangs_s)

    monkeypatch.setattr("coldray.app.viewer.work.finish", held)
    with serve(queue_length=4) as served:
        path, sent = f"/api/studies/{served.upload(scan).json()['id']}/restore", {"method": "wiener"}
        try:
            codes = [served.client.post(path, json=sent).status_code]
            assert begun.wait(hangs_s)
            codes += [served.client.post(path, json=sent).status_code for _ in range(39)]
            assert served.client.get("/health").json() == {"status": "ok"}
            assert [t["state"] for t in served.state()["tasks"]] == ["running"] + 4 * ["queued"]
        finally:
            go.set()
    assert codes == 5 * [202] + 35 * [429]
