"""Fixtures of the command-line tests: run it here, or as a process of its own that may be killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph

FAST = ("--method", "wiener", "--exposure-s", "0.25")
OPEN_BEAM = 50000.0


def stored(random_state: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Blobs and noise as uint16, another picture for every random state."""
    rng = np.random.default_rng(random_state)
    rows, cols = shape
    r, c = rng.uniform(0, rows), rng.uniform(0, cols)
    y, x = np.mgrid[:rows, :cols]
    image = 0.8 - 0.4 * np.exp(-((y - r) ** 2 + (x - c) ** 2) / 200) + rng.normal(0, 0.005, shape)
    return np.rint(image * OPEN_BEAM).astype(np.uint16)


@pytest.fixture
def put():
    """Write one small radiograph; returns its path."""

    def write(path: Path, random_state: int = 0, shape: tuple[int, int] = (48, 64)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, exposure_s=0.25)
        write_image(path, Radiograph(stored(random_state, shape), known))
        return path

    return write


def changed(value):
    """Another value of the same kind, as like it as can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * (1 + 1e-15) or 1e-300
    if value is None:
        return 0
    return [None] if value == [] else {"a": None} if value == {} else value + " "


def replaced(document, place, value):
    """A copy of a JSON document with another value at a place."""
    copy = json.loads(json.dumps(document))
    at = copy
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return copy


HANGS_S = 600.0
"""Only what hangs takes longer; no verdict depends on it."""


def holding(after: int, until: str) -> str:
    """Prologue that hands out so many inputs of a batch, and no more before `until`, an expression, is true.

    Whatever a test does to a running batch then happens while work is left, on any machine.
    """
    return f"""
import time
import coldray.app.each as each
known, handed = each._known, 0
def held(*arguments):
    global handed
    handed += 1
    while handed > {after} and not ({until}):
        time.sleep(0.02)
    return known(*arguments)
each._known = held
"""


@pytest.fixture
def hold():
    """Prologue that holds a batch after some inputs; see `holding`."""
    return holding


class Process:
    """`coldray` as a process; a prologue in Python may run before it, to plant faults."""

    def __init__(self, arguments, prologue: str = "", **more) -> None:
        code = f"import os, signal, sys\n{prologue}\nfrom coldray.app.cli import main\nmain(sys.argv[1:])\n"
        environment = more.pop("env", os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *(str(a) for a in arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, stdin=subprocess.DEVNULL, **more,
        )  # fmt: skip

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout_s: float = HANGS_S) -> tuple[int, str, str]:
        """Wait for it; returns exit code (negative for a signal), stdout and stderr."""
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    def json(self, timeout_s: float = HANGS_S) -> dict:
        _, out, err = self.end(timeout_s)
        assert out, err
        return json.loads(out)

    def children(self) -> list[int]:
        """Worker processes (Linux)."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                words = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes()
                if int(words[1]) == self.process.pid and b"spawn_main" in command:
                    found.append(int(folder.name))
        return found


@pytest.fixture
def start():
    """Start `coldray` as a process; whatever still runs at the end of the test is killed."""
    running = []

    def begin(*arguments, prologue: str = "", **more) -> Process:
        running.append(Process(arguments, prologue, **more))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            with contextlib.suppress(OSError):
                each.signal(signal.SIGKILL)
            each.process.communicate()


def wait_until(condition, timeout_s: float = HANGS_S, poll_s: float = 0.05) -> None:
    """Wait until a condition holds; fails after the time-out."""
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(poll_s)


@pytest.fixture
def until():
    """Wait until a condition holds."""
    return wait_until


@pytest.fixture
def results():
    """Contents of a result folder by relative name, without dot files and dot folders."""

    def read(folder: Path) -> dict[str, bytes]:
        shown: list[Path] = []
        for place, folders, files in os.walk(folder):
            # a folder of temporary files may be gone before anybody looks into it
            folders[:] = [name for name in folders if not name.startswith(".")]
            shown += [Path(place) / name for name in files if not name.startswith(".")]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(shown)}

    return read
