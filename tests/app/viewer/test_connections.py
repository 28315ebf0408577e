"""Connections that do nothing cannot shut the server, and nothing grows without bound."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.viewer import connections

HALF = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


def is_gone(line):
    """Whether the server closed a connection; what it said before is dropped."""
    try:
        return not line.recv(65536)
    except ConnectionResetError:
        return True


def connections_of(served, line):
    """What the server holds of one connection; it adds and takes away meanwhile, and what is being made has no client yet."""
    port = line.getsockname()[1]
    return [c for c in list(served.server.server_state.connections) if c.client and c.client[1] == port]


@pytest.fixture
def dial(hangs_s):
    """Open connections and send something on each; all are closed afterwards."""
    lines = []

    def call(served, sent=b""):
        lines.append(socket.create_connection(("127.0.0.1", served.port), timeout=hangs_s))
        if sent:
            lines[-1].sendall(sent)
        return lines[-1]

    yield call
    for line in lines:
        line.close()


@pytest.mark.parametrize("sent", [b"", HALF], ids=["mute", "half a header"])
def test_three_times_as_many_silent_connections_as_fit_shut_nobody_out(served, dial, until, sent):
    lines = [dial(served, sent) for _ in range(3 * (connections.BUSY + connections.SILENT))]
    # the last one answers in order, so all before it were accepted
    assert served.client.get("/health").status_code == 200
    assert served.client.get("/api/state").status_code == 200
    until(lambda: len(served.server.server_state.connections) <= connections.SILENT + 1)
    assert until(lambda: is_gone(lines[0])), "the oldest was given up"


def test_the_peer_with_most_silent_connections_loses_one(served, dial, until, monkeypatch):
    first = dial(served, HALF)
    (mine,) = until(lambda: connections_of(served, first))
    monkeypatch.setattr(mine, "client", ("192.0.2.1", first.getsockname()[1]))
    for _ in range(2 * connections.SILENT):
        dial(served)
    assert served.client.get("/health").status_code == 200
    first.sendall(b"1\r\n\r\n")
    assert first.recv(12) == b"HTTP/1.1 200", "one of another peer was spared"


@pytest.mark.parametrize("sent", [b"", HALF, HALF + b"1\r\n\r\n" + HALF], ids=["mute", "half", "half after an answer"])
def test_a_request_that_does_not_come_is_given_up(serve, dial, monkeypatch, until, sent):
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    with serve() as served:
        line = dial(served, sent)
        until(lambda: is_gone(line))


def test_an_answer_that_nobody_reads_is_given_up(serve, write_scan, tmp_path, monkeypatch, until, hangs_s):
    monkeypatch.setattr(connections, "UNREAD_S", 0.2)
    write_scan(tmp_path / "large.tif", image=np.full((3000, 4000), 0.7))
    with serve() as served:
        study = served.upload(tmp_path / "large.tif").json()["id"]
        layer = next(s for s in served.state()["studies"] if s["id"] == study)["layers"][0]["id"]
        with socket.socket() as line:
            line.settimeout(hangs_s)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", served.port))
            authorization = served.client.headers["Authorization"]
            line.sendall(f"GET /api/layers/{layer}/pixels HTTP/1.1\r\nHost: localhost\r\n".encode())
            line.sendall(f"Authorization: {authorization}\r\n\r\n".encode())
            first = line.recv(1)
            reading = connections_of(served, line)
            until(lambda: not connections_of(served, line))
            got = len(first)
            while True:
                try:
                    piece = line.recv(2**20)
                except ConnectionResetError:
                    break
                got += len(piece)
                if not piece:
                    break
        assert reading and got < 3000 * 4000 * 2
        until(lambda: not served.server.server_state.tasks)


def test_curves_are_measured_in_turn_and_a_crowd_is_sent_away(serve, scan, monkeypatch, hangs_s):
    from coldray.app.viewer import server

    entered, at_once, most, go, lock = threading.Event(), 0, 0, threading.Event(), threading.Lock()

    def held(*_):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        entered.set()
        assert go.wait(hangs_s)
        with lock:
            at_once -= 1
        return {}

    monkeypatch.setattr(server, "detector_curves", held)
    with serve() as served, ThreadPoolExecutor(40) as pool:
        path = f"/api/studies/{served.upload(scan).json()['id']}/curves"

        def ask(_):
            code = served.client.post(path, json={"method": "wiener"}).status_code
            if code == 429:
                sent_away.release()
            return code

        sent_away = threading.Semaphore(0)
        answers = [pool.submit(ask, n) for n in range(30)]
        assert entered.wait(hangs_s)
        for _ in range(30 - server.MEASURED_AT_ONCE - server.MEASURING_WAIT):
            assert sent_away.acquire(timeout=hangs_s)
        assert served.client.get("/health").status_code == 200
        go.set()
        codes = [answer.result() for answer in answers]
    assert codes.count(200) == server.MEASURED_AT_ONCE + server.MEASURING_WAIT and codes.count(429) == 30 - codes.count(
        200
    )
    assert most == server.MEASURED_AT_ONCE


@pytest.mark.parametrize("closed", ["before the files", "before the reports", "after the reports"])
def test_a_study_closed_at_any_moment_leaves_no_file(serve, scan, monkeypatch, closed, hangs_s):
    from coldray.app.viewer import work

    reached, go = threading.Event(), threading.Event()

    def held(call):
        def wrapped(*arguments):
            if closed.startswith("before"):
                reached.set()
                assert go.wait(hangs_s)
            found = call(*arguments)
            if closed.startswith("after"):
                reached.set()
                assert go.wait(hangs_s)
            return found

        return wrapped

    name = "write_files" if closed.endswith("files") else "write_reports"
    monkeypatch.setattr(work, name, held(getattr(work, name)))
    with serve(reports=True) as served:
        study = served.upload(scan).json()["id"]
        task = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener"}).json()["id"]
        assert reached.wait(hangs_s)
        assert served.client.delete(f"/api/studies/{study}").status_code == 204
        go.set()
        ended = served.wait_for(task)
        assert ended["state"] == "failed" and "closed meanwhile" in ended["error"]
        assert not list(served.desk.shelf.folder.iterdir())


def test_a_second_restoration_replaces_the_files_of_the_first(serve, scan):
    with serve(reports=True) as served:
        study = served.upload(scan).json()["id"]
        for _ in range(2):
            task = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener"}).json()["id"]
            assert served.wait_for(task)["state"] == "done"
        (found,) = served.state()["studies"]
        assert {"image", "provenance", "record", "report", "report_pdf"} == set(found["downloads"])
        assert len(list(served.desk.shelf.folder.iterdir())) == 5
