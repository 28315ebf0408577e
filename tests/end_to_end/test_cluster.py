"""The same work on a Dask cluster: real workers, one of them killed (F24)."""

import json
import os
import signal
import threading

import pytest

from coldray.app import each

pytest.importorskip("distributed")

FAST = ("--method", "wiener", "--exposure-s", "0.25")

pytestmark = [
    # a killed worker leaves streams behind that only the collector closes
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def local_cluster(workers):
    """Workers of one thread on this machine, with a dashboard on any free port."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=50,
    )  # fmt: skip


@pytest.fixture
def cluster():
    with local_cluster(2) as found:
        yield found


@pytest.fixture
def scans(tmp_path, put):
    for number in range(6):
        put(tmp_path / "scans" / f"{number}.tif", number, (160, 160))
    return tmp_path / "scans"


def test_a_cluster_gives_the_same_bytes_although_a_worker_is_killed(
    call, cluster, scans, tmp_path, results, until, monkeypatch
):
    (scans / "bad.tif").write_bytes(b"II*\0")
    assert call("restore", scans, "-o", tmp_path / "here", *FAST)[0] == 1
    out = tmp_path / "out"

    killed, known, handed = threading.Event(), each._known, []

    def held(*arguments):
        handed.append(arguments)
        assert len(handed) <= 3 or killed.wait(600)
        return known(*arguments)

    def kill_one():
        until(lambda: results(out))
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        killed.set()

    monkeypatch.setattr(each, "_known", held)

    killer = threading.Thread(target=kill_one)
    killer.start()
    command = ("restore", scans, "-o", out, *FAST, "--scheduler", cluster.scheduler_address, "--json")
    code, text, err = call(*command)
    killer.join()
    entries = json.loads(text)["files"]
    assert code == 1 and len(entries) == 7, err
    assert [os.path.basename(e["input"]) for e in entries if "error" in e] == ["bad.tif"]
    assert results(out) == results(tmp_path / "here")
    again = json.loads(call(*command)[1])["files"]
    assert sum(e.get("skipped", False) for e in again) == 6


def test_a_scheduler_that_is_not_there(call, scans, tmp_path, monkeypatch):
    monkeypatch.setattr("coldray.app.cluster.CONNECT_S", 1)
    code, _, err = call("restore", scans, "-o", tmp_path / "out", *FAST, "--scheduler", "tcp://127.0.0.1:9")
    assert code == 3 and "no Dask scheduler answers" in err and len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_scheduler_that_goes_away_costs_a_second_run(call, start, scans, put, tmp_path, results, until, hold):
    for number in range(40):
        put(scans / f"more{number}.tif", number, (300, 300))
    with local_cluster(1) as cluster:
        running = start(
            "restore", scans, "-o", tmp_path / "out", *FAST, "--scheduler", cluster.scheduler_address,
            prologue="import coldray.app.cluster as cluster\ncluster.LOST_S = 1.0\n"
            + hold(10, f"os.path.exists({str(tmp_path / 'gone')!r})"),
        )  # fmt: skip
        until(lambda: results(tmp_path / "out"))
    (tmp_path / "gone").touch()
    code, _, err = running.end()
    assert code == 3 and "the same command finishes what is missing" in err, err
    before = len(results(tmp_path / "out"))
    entries = json.loads(call("restore", scans, "-o", tmp_path / "out", *FAST, "--json")[1])["files"]
    assert before < 46 == len(entries) == len(results(tmp_path / "out"))
