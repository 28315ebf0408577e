"""Programs beside the tests: a server of ours in a process of its own, and Orthanc, a DICOM archive."""

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest


def a_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def free_port():
    return a_free_port


@contextmanager
def running_orthanc(folder, until, **peers):
    """Orthanc on free ports with a storage of its own; gives its DICOM node and a client of its REST interface."""
    from coldray.app.pacs.node import Node

    httpx = pytest.importorskip("httpx", reason="Orthanc is asked over HTTP")
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        missing = "Orthanc is not installed: apt-get install orthanc"
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(missing)
        pytest.skip(missing)
    folder.mkdir()
    for _ in range(20):  # another program may take a port before Orthanc does
        http, dicom = a_free_port(), a_free_port()
        settings = {
            "Name": "test", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
            "HttpPort": http, "DicomPort": dicom, "DicomAet": "ORTHANC", "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "Plugins": [], "DicomAlwaysAllowStore": True,
            "DicomModalities": {name: [node.aet, node.host, node.port] for name, node in peers.items()},
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen([program, folder / "orthanc.json"], stdout=log, stderr=log)
        client = httpx.Client(base_url=f"http://127.0.0.1:{http}", trust_env=False, timeout=300)

        def answers(process=process, client=client):
            if process.poll() is not None:
                return "ended"
            try:
                return client.get("/system").status_code == 200 and "runs"
            except httpx.TransportError:
                return None

        if until(answers) == "runs":
            break
        client.close()
    else:
        pytest.fail((folder / "log").read_text())
    try:
        yield Node("ORTHANC", "127.0.0.1", dicom), client
    finally:
        client.close()
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def orthanc():
    return running_orthanc


@pytest.fixture
def started(tmp_path):
    """Start a server as a process of its own, with its temporary files in tmp_path; ends it afterwards."""
    processes = []

    def start(*arguments, ignored=(), **environment):
        command = [sys.executable, "-m", "coldray.app.cli", *(str(a) for a in arguments), "--json"]
        code = "import signal, sys\n"
        code += "".join(f"signal.signal({int(number)}, signal.SIG_IGN)\n" for number in ignored)
        code += "from coldray.app.cli import main; main(sys.argv[1:])"
        command[1:3] = ["-c", code]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"} | environment,
        )  # fmt: skip
        processes.append(process)
        line = process.stdout.readline()
        assert line, process.stderr.read()
        return process, json.loads(line)

    (tmp_path / "tmp").mkdir()
    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
