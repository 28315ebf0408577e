"""Asks the peers of the metrology benchmark, each in the environment that `peers/setup.py` made for it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).with_name("peers")
ENVIRONMENTS = Path(__file__).resolve().parents[1] / ".cache" / "peers"
PACKAGES = {
    "pylinac": "pylinac",
    "micro_ct": "micro-ct-image-quality-toolbox",
    "quickmtf": "quickMTF",
    "ctsimu": "ctsimu",
}
Answer = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """What a peer reached on some images.

    Parameters
    ----------
    value : float or None
        None if it gave no number.
    images, failed : int
        Images it was given, and how many of them it could not measure.
    reason : str
        Its last failure.
    """

    value: float | None
    images: int = 0
    failed: int = 0
    reason: str = ""


class Peers:
    """The peers that are installed; those that are not, with the reason.

    Parameters
    ----------
    names : sequence of str
        Peers wanted.
    budget_s : float
        Processor time of a peer for all images of one question; what does not fit is left out.
    """

    def __init__(self, names: Sequence[str], budget_s: float) -> None:
        self.budget_s = budget_s
        self.absent: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        for name in names:
            version = _version(name)
            if version is None:
                self.absent[name] = "not installed: run benchmarks/peers/setup.py"
            else:
                self.versions[name] = version

    def ask(
        self, images: Sequence[NDArray[Any]], requests: Sequence[dict[str, Any]]
    ) -> dict[str, list[Answer | None] | str]:
        """Answer of every peer that can do the task: one per image, None past the budget, or why it died."""
        answers: dict[str, list[Answer | None] | str] = {}
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "in.npz", Path(folder) / "out.json"
            content = {f"image_{k}": np.asarray(image, np.float32) for k, image in enumerate(images)}
            wanted = [{"budget_s": self.budget_s, **request} for request in requests]
            np.savez(source, requests=json.dumps(wanted), **content)  # type: ignore[arg-type]
            for name in self.versions:
                target.unlink(missing_ok=True)
                given = _run(name, source, target, 40 * self.budget_s + 120)
                if given is not None:
                    answers[name] = given
        return answers


def _python(name: str) -> Path:
    folder = ENVIRONMENTS / name
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@cache
def _version(name: str) -> str | None:
    """Installed version of a peer; None without one."""
    code = f"from importlib.metadata import version; print(version({PACKAGES[name]!r}))"
    try:
        done = subprocess.run([str(_python(name)), "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _run(name: str, source: Path, target: Path, limit_s: float) -> list[Answer | None] | str | None:
    """One process of a peer, on one thread like coldray; None if it has no such task."""
    command = [str(_python(name)), "-P", str(FOLDER / "_serve.py"), name, str(source), str(target)]
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return json.loads(target.read_text()) if target.exists() else f"no answer in {limit_s:.0f} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return lines[-1][:120]
    return json.loads(target.read_text())


def figures(
    answers: dict[str, list[Answer | None] | str],
    places: Sequence[int],
    number: Callable[[Answer, int], float],
    combine: Callable[[list[float]], float] = max,
) -> dict[str, Figure]:
    """One figure per peer from the answers at `places`: `number(answer, place)` of each, combined."""
    found = {}
    for name, given in answers.items():
        if isinstance(given, str):
            found[name] = Figure(None, reason=given)
            continue
        values, reason, failed = [], "", 0
        for place in places:
            answer = given[place]
            if answer is None:
                continue
            if "error" in answer:
                failed, reason = failed + 1, answer["error"]
                continue
            value = number(answer, place)
            if np.isfinite(value):
                values.append(value)
            else:
                failed, reason = failed + 1, "not a number"
        if values or failed:
            found[name] = Figure(combine(values) if values else None, len(values) + failed, failed, reason)
    return found
