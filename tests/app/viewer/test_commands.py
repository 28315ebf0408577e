"""`view` and `serve` as a user starts them."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

import httpx
from fastapi import FastAPI

from coldray.app.cli import main
from coldray.app.stopping import Stopped, stoppable
from coldray.app.viewer.connections import Server
from coldray.app.viewer.run import Address, server_config
from coldray.errors import SettingsError


def addresses(port):
    """Local addresses that listen on a port, from /proc."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for line in list(lines)[1:]:
                local, state = line.split()[1], line.split()[3]
                if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                    found.add(local.partition(":")[0])
    return found


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "desk.example"])
def test_an_address_that_others_reach_is_refused_without_a_token(call, host, monkeypatch):
    monkeypatch.delenv("COLDRAY_TOKEN", raising=False)
    code, out, err = call("serve", "--host", host, "--port", 0, "--json")
    assert code == 2 and "secret" in err and "error" in json.loads(out)


@pytest.mark.parametrize("token", ["short", "x" * 15, "x" * 40, "has blanks in it, and many", "ümlaut-ümlaut-ümlaut"])
def test_a_weak_or_odd_token_is_refused(call, token, monkeypatch):
    monkeypatch.setenv("COLDRAY_TOKEN", token)
    assert call("serve", "--host", "0.0.0.0", "--port", 0)[0] == 2
    assert call("serve", "--port", 0)[0] == 2


def test_tokens_are_made_up_anew_and_cannot_be_guessed():
    tokens = {Address().access().token for _ in range(20)}
    assert len(tokens) == 20 and all(len(t) >= 32 for t in tokens)
    with pytest.raises(SettingsError):
        Address(host="0.0.0.0").access()
    access = Address(host="0.0.0.0", token="secret-of-the-plant", allowed_hosts=("Desk.Example",)).access()
    assert access.any_address and access.serves("desk.example:1") and not access.serves("evil.example")
    assert not Address().access().serves("10.0.0.1")


def test_view_serves_its_files_on_loopback_until_it_is_interrupted(started, scan, tmp_path, hangs_s):
    process, where = started("view", scan, "--method", "wiener", "--no-browser")
    assert where["host"] == "127.0.0.1" and where["url"].startswith(f"http://127.0.0.1:{where['port']}/?token=")
    assert addresses(where["port"]) == {"0100007F"}
    token = where["url"].partition("token=")[2]
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        state = client.get(f"http://127.0.0.1:{where['port']}/api/state").json()
        assert [s["name"] for s in state["studies"]] == ["scan.tif"]
        choices = client.get(f"http://127.0.0.1:{where['port']}/api/choices").json()
        assert choices["method"] == "wiener" and choices["detectors"] == ["gos135", "gos34"]
    assert list((tmp_path / "tmp").glob("coldray-view-*"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=hangs_s)
    assert process.returncode == 130
    assert not list((tmp_path / "tmp").iterdir())
    assert "Traceback" not in err and token not in err


@pytest.mark.parametrize(
    ("busy", "number"),
    [
        (False, signal.SIGTERM),
        (True, signal.SIGTERM),
        (True, signal.SIGHUP),
        pytest.param(False, signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_every_signal_that_ends_it_takes_uploads_and_results_along(
    started, scan, tmp_path, until, hangs_s, number, busy
):
    """Service managers, containers, a logout and a closed terminal send these."""
    process, where = started("view", scan, "--method", "wiener", "--no-browser")
    if busy:
        token = where["url"].partition("token=")[2]
        known = {"headers": {"Authorization": f"Bearer {token}"}, "trust_env": False, "timeout": hangs_s}
        with httpx.Client(base_url=f"http://127.0.0.1:{where['port']}", **known) as client:
            study = client.get("/api/state").json()["studies"][0]["id"]
            client.post(f"/api/studies/{study}/restore", json={})
            until(lambda: list((tmp_path / "tmp").glob("coldray-view-*/*")))
    process.send_signal(number)
    _, err = process.communicate(timeout=hangs_s)
    assert process.returncode == 128 + number, err
    assert not list((tmp_path / "tmp").iterdir()) and "Traceback" not in err


def test_a_signal_before_the_server_runs_waits_for_its_end():
    """It once broke into the making of the event loop, which left a traceback."""
    server = Server(server_config(FastAPI()))
    listener = socket.create_server(("127.0.0.1", 0))
    reached = []
    with listener, pytest.raises(Stopped) as stopped, stoppable(), server.capture_signals():
        signal.raise_signal(signal.SIGTERM)
        server.run(sockets=[listener])
        reached.append("end")
    assert reached == ["end"] and stopped.value.code == 128 + signal.SIGTERM


def test_signals_that_it_was_started_to_ignore_do_not_end_it(started, scan, hangs_s):
    """As `nohup coldray serve &` asks."""
    ignored = (signal.SIGINT, signal.SIGHUP)
    process, where = started("view", scan, "--method", "wiener", "--no-browser", ignored=ignored)
    for number in ignored:
        process.send_signal(number)
    assert httpx.get(f"http://127.0.0.1:{where['port']}/health", trust_env=False, timeout=hangs_s).status_code == 200
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=hangs_s)
    assert process.returncode == 143


def test_the_folder_of_a_killed_viewer_goes_when_the_next_one_starts(started, scan, tmp_path):
    process, _ = started("view", scan, "--method", "wiener", "--no-browser")
    process.kill()
    process.wait()
    (dead,) = (tmp_path / "tmp").iterdir()
    living, _ = started("view", scan, "--method", "wiener", "--no-browser")
    (own,) = (tmp_path / "tmp").iterdir()
    assert own != dead and str(living.pid) in own.name and own.stat().st_mode & 0o777 == 0o700
    started("view", scan, "--method", "wiener", "--no-browser")
    assert own.is_dir() and len(list((tmp_path / "tmp").iterdir())) == 2


def test_serve_with_a_token_of_the_environment_listens_where_it_is_told(started):
    secret = "secret-of-the-plant-42"
    _, where = started("serve", "--host", "0.0.0.0", "--port", 0, "--allow-host", "desk.example", COLDRAY_TOKEN=secret)
    assert addresses(where["port"]) == {"00000000"} and where["url"].endswith(secret)
    base = f"http://127.0.0.1:{where['port']}"
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{base}/api/state").status_code == 401
        known = {"Authorization": f"Bearer {secret}"}
        assert client.get(f"{base}/api/state", headers=known).status_code == 200
        assert client.get(f"{base}/api/state", headers=known | {"Host": "desk.example"}).status_code == 200
        assert client.get(f"{base}/api/state", headers=known | {"Host": "evil.example"}).status_code == 403


def test_a_taken_port_an_unknown_method_and_a_missing_file_say_so(call, tmp_path, scan):
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, _, err = call("serve", "--port", other.getsockname()[1])
    assert code == 2 and "choose another --port" in err
    assert call("view", "--method", "magic", "--no-browser")[0] == 2
    assert call("view", "--blurred", "nowhere.json", "--no-browser")[0] == 2
    assert call("view", "--exposure-s", "-1", "--no-browser")[0] == 2
    assert call("view", "--reference", scan, "--no-browser")[0] == 2
    code, _, err = call("view", tmp_path / "gone.tif", "--no-browser")
    assert code == 3 and "gone.tif" in err


def test_without_the_extra_the_remedy_is_named(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, err = call("view", "--no-browser")
    assert code == 3 and "coldray[view]" in err


def test_the_browser_is_started_with_a_link_that_works_once(monkeypatch, capsys, scan):
    """Arguments of a process can be read by every user of the machine."""
    import webbrowser

    links, answers = [], []

    def visit(link):
        links.append(link)
        answers.extend(httpx.get(link, trust_env=False).status_code for _ in range(2))
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(webbrowser, "open", visit)
    with pytest.raises(SystemExit) as left:
        main(["view", str(scan), "--method", "wiener", "--json"])
    assert left.value.code == 130
    where = json.loads(capsys.readouterr().out)
    assert answers == [303, 401] and links[0] != where["url"]
    assert links[0].partition("token=")[0] == where["url"].partition("token=")[0]


def test_help_does_not_load_the_server():
    code = "import sys; from coldray.app.cli import main\ntry: main(['view', '--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'fastapi', 'uvicorn', 'starlette', 'multipart'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_token_that_every_user_can_change_is_refused(call, tmp_path):
    path = tmp_path / "token"
    path.write_text("secret-of-the-plant-42\n")
    path.chmod(0o606)
    code, _, err = call("serve", "--port", 0, "--token-file", path)
    assert code == 2 and "every user" in err and "secret-of" not in err
