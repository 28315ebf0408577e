"""The viewer behind a proxy: under a path of its own, with the path taken away or left in front."""

import http.server
import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

import httpx

TOKEN = "a-token-for-tests-only"
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location {path} {{
      proxy_pass http://127.0.0.1:{viewer}{left};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def nginx(folder, viewer, path, left, until):
    """Run nginx in front of a viewer; `left` is what `proxy_pass` puts in the place of `path`, '' leaves it."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        missing = "nginx is not installed: apt-get install nginx-light"
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(missing)
        pytest.skip(missing)
    for _ in range(20):  # another program may take the port before nginx does
        port = free_port()
        text = CONFIGURATION.format(folder=folder, port=port, viewer=viewer, path=path, left=left)
        (folder / "nginx.conf").write_text(text)
        process = subprocess.Popen(
            [program, "-e", folder / "error.log", "-c", folder / "nginx.conf", "-p", folder],
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip

        def answers(process=process, port=port):
            if process.poll() is not None:
                return "ended"
            try:
                return socket.create_connection(("127.0.0.1", port)).close() or "listens"
            except ConnectionRefusedError:
                return None

        if until(answers) == "listens":
            break
        process.communicate()
    else:
        pytest.fail((folder / "error.log").read_text())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate()


class Stripping(http.server.BaseHTTPRequestHandler):
    """What jupyter-server-proxy does under /user/ada/proxy/PORT/: take the path away, pass all headers on."""

    protocol_version, prefix, viewer = "HTTP/1.1", "/user/ada/proxy/8765", 0

    def do_GET(self):
        if not self.path.startswith(f"{self.prefix}/"):
            self.send_error(404)
            return
        length = int(self.headers.get("Content-Length", 0))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "content-length")}
        answer = httpx.request(
            self.command, f"http://127.0.0.1:{self.viewer}{self.path[len(self.prefix) :]}", headers=headers,
            content=self.rfile.read(length), trust_env=False, timeout=300,
        )  # fmt: skip
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in ("content-encoding", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        pass


@contextmanager
def stripping(viewer):
    handler = type("Handler", (Stripping,), {"viewer": viewer})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def walk(base, path, scan):
    """Open the link, load the page and what it names, use the API: as a browser does, by relative addresses."""
    with httpx.Client(base_url=base, trust_env=False, timeout=300, follow_redirects=True) as visitor:
        page = visitor.get(f"{path}?token={TOKEN}")
        assert page.status_code == 200 and page.url.path == path and page.url.fragment == f"token={TOKEN}"
        (cookie,) = visitor.cookies.jar
        assert cookie.path == path.rstrip("/"), "no other program behind the proxy is given it"
        for name in ("static/main.js", "static/viewer.css", "static/mark.svg"):
            assert f'"{name}"' in page.text
            assert visitor.get(page.url.join(name)).status_code == 200
        known = {"Authorization": f"Bearer {TOKEN}", "Origin": base}
        sent = {"Content-Type": "application/octet-stream", "X-File-Name": "scan.tif"}
        api = page.url.join("api/studies")
        made = visitor.post(api, content=scan.read_bytes(), headers=known | sent)
        assert made.status_code == 201
        (study,) = visitor.get(page.url.join("api/state"), headers=known).json()["studies"]
        pixels = visitor.get(page.url.join(f"api/layers/{study['layers'][0]['id']}/pixels"), headers=known)
        assert len(pixels.content) == 160 * 224 * 2
        assert visitor.delete(page.url.join(f"api/studies/{study['id']}"), headers=known).status_code == 204
        assert visitor.get(page.url.join("api/state")).status_code == 401
        foreign = known | {"Origin": "http://evil.example"}
        assert visitor.get(page.url.join("api/state"), headers=foreign).status_code == 403
        assert visitor.get(page.url.join("health")).json() == {"status": "ok"}


def listens(base, path):
    """The WebSocket through the proxy."""
    from websockets.sync.client import connect

    address = f"{base.replace('http', 'ws', 1)}{path}api/events"
    with connect(address, subprotocols=["coldray", f"token.{TOKEN}"], open_timeout=300, proxy=None) as line:
        assert line.subprotocol == "coldray"


@pytest.mark.parametrize("path", ["/xray/", "/lab/hall-3/xray/"])
@pytest.mark.parametrize("keeps", [False, True], ids=["path taken away", "path left"])
def test_nginx_serves_it_under_a_location(serve, scan, tmp_path, until, path, keeps):
    (tmp_path / "nginx").mkdir()
    with (
        serve(root_path=path.rstrip("/") if keeps else "") as served,
        nginx(tmp_path / "nginx", served.port, path, "" if keeps else "/", until) as base,
    ):
        walk(base, path, scan)
        listens(base, path)
        assert served.client.get("/health").status_code == 200, "it is still served without the proxy"


def test_a_jupyter_server_serves_it_as_it_serves_any_program(serve, scan):
    with serve() as served, stripping(served.port) as base:
        walk(base, f"{Stripping.prefix}/", scan)


def test_the_page_works_in_a_browser_behind_nginx(serve, scan, tmp_path, until, browser):
    (tmp_path / "nginx").mkdir()
    with serve() as served, nginx(tmp_path / "nginx", served.port, "/xray/", "/", until) as base:
        served.upload(scan)
        page, wrong = browser.new_context().new_page(), []
        page.on("pageerror", lambda problem: wrong.append(str(problem)))
        # the page itself ends a transfer that a newer view overtakes; everything else that fails is wrong
        page.on(
            "requestfailed",
            lambda request: None if request.failure == "net::ERR_ABORTED" else wrong.append(request.url),
        )
        page.goto(f"{base}/xray/?token={TOKEN}")
        page.get_by_text("scan.tif").first.wait_for(state="attached")
        assert page.url == f"{base}/xray/" and not wrong
        page.context.close()


@pytest.mark.parametrize("root", ["xray", "/x ray", "/a//b", "https://a.example/x", "/x?y"])
def test_a_root_that_is_no_path_is_refused(root):
    from coldray.app.viewer.run import Address
    from coldray.errors import SettingsError

    with pytest.raises(SettingsError, match="--root-path"):
        Address(root_path=root).access()


def test_without_its_last_slash_the_page_is_found_and_a_longer_name_is_not(serve):
    with serve(root_path="/lab/xray") as served:
        answer = served.client.get("/lab/xray?token=x&renderer=2d")
        assert (answer.status_code, answer.headers["location"]) == (307, "xray/?token=x&renderer=2d")
        assert served.client.get("/lab/xray/api/state").status_code == 200
        assert served.client.get("/api/state").status_code == 200
        assert served.client.get("/lab/xrayapi/state").status_code == 404
        assert served.client.get("/lab/xray/lab/xray/api/state").status_code == 404
