"""Mutated files through every reader of what others made: refused in one line, read, or a finding.

python benchmarks/fuzz.py [--seconds 60] [--random-state 0] [--only NAME ...] [--keep FOLDER]

A small simulated corpus is mutated (bits, bytes, numbers, runs, cuts, pieces of other files of its kind). Each execution
may end in a value or in a `ColdrayError`; a finding is any other exception, 10 s, 2 GB more memory, or the end of the
process. Execution k of a reader depends on the random state and k alone, so a finding is repeated by its number.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from coldray.checkpoint import read_tensors, write_tensors
from coldray.errors import ColdrayError
from coldray.formats import RawGeometry, read_image, write_image
from coldray.objects.gerber.apertures import GerberError
from coldray.physics.detector import load_detector
from coldray.radiograph import Acquisition, Radiograph, Step
from coldray.training.recipe import read_recipe

HANG_S, MEMORY_BYTES, BATCH = 10, 2 * 2**30, 50
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
WORDS = (b"NaN", b"1e999", b"-1", b"null", b"{", b"]", b'"', b"9" * 40, b"\x00", b"\xff\xfe", b"%SRX9Y9*%", b"../../x")


REFUSALS: tuple[type[Exception], ...] = (ColdrayError, GerberError)
"""What a reader may raise; the reader of boards turns the second into the first, with the name of the file."""


def mutate(content: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One to eight changes of a file."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(0, len(data) + 1))
        kind = int(rng.integers(0, 8))
        if kind == 0 and at < len(data):
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and at < len(data):
            data[at] = int(rng.integers(0, 256))
        elif kind == 2:
            size = int(rng.choice([1, 2, 4, 8]))
            number = int(NUMBERS[int(rng.integers(0, len(NUMBERS)))]) % 256**size
            data[at : at + size] = number.to_bytes(size, "little" if rng.random() < 0.5 else "big")
        elif kind == 3:
            data[at:at] = WORDS[int(rng.integers(0, len(WORDS)))]
        elif kind == 4:
            del data[at : at + int(rng.integers(1, 64))]
        elif kind == 5:
            data[at:at] = data[at : at + int(rng.integers(1, 64))] * int(rng.integers(1, 20))
        elif kind == 6 and rng.random() < 0.3:
            del data[at:]
        elif kind == 7:
            other = others[int(rng.integers(0, len(others)))]
            start = int(rng.integers(0, len(other)))
            data[at : at + 32] = other[start : start + int(rng.integers(1, 256))]
    return bytes(data)


def corpus(folder: Path) -> dict[str, tuple[str, Callable[[Path], Any], list[bytes]]]:
    """By reader: suffix, how it reads, and whole files of its kind."""
    rng = np.random.default_rng(0)
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, exposure_s=0.25)
    frames = [np.rint(rng.normal(30000, 300, (12, 16))).astype(np.uint16), rng.random((2, 9, 7)).astype(np.float32)]
    found: dict[str, tuple[str, Callable[[Path], Any], list[bytes]]] = {}
    for suffix in (".tif", ".dcm", ".png", ".npy"):
        wholes = []
        for number, frame in enumerate(frames if suffix in (".tif", ".npy") else frames[:1]):
            path = folder / f"{number}{suffix}"
            write_image(path, Radiograph(frame, known, (Step("simulate", {"kind": "simulated"}),)))
            wholes.append(path.read_bytes())
        found[suffix[1:]] = (suffix, read_image, wholes)
    geometry = RawGeometry(rows=12, cols=16, dtype="uint16")
    found["raw"] = (".raw", lambda path: read_image(path, raw=geometry), [frames[0].tobytes()])
    write_tensors(folder / "m.safetensors", {"w": rng.random((3, 4)).astype(np.float32)}, {"format": "coldray-model"})
    found["tensors"] = (".safetensors", read_tensors, [(folder / "m.safetensors").read_bytes()])
    detector = load_detector("gos34")
    import coldray.detectors

    built_in = Path(coldray.detectors.__file__).with_name("gos34.json").read_bytes()
    table = "frequency_lp_mm,mtf\n" + "\n".join(f"{f},{m}" for f, m in zip(*_curve(detector), strict=True))
    found["detector"] = (".json", lambda path: load_detector(path, pixel_pitch_mm=0.048), [built_in])
    found["table"] = (".csv", lambda path: load_detector(path, pixel_pitch_mm=0.048), [table.encode()])
    recipes = sorted(Path(__file__).parents[1].glob("configs/*.toml"))
    found["recipe"] = (".toml", read_recipe, [path.read_bytes() for path in recipes])
    if find_spec("gerbonara"):
        from coldray.objects.gerber.excellon import read_excellon
        from coldray.objects.gerber.rs274x import read_gerber

        board = (
            b"%FSLAX46Y46*%\n%MOMM*%\n%ADD10C,0.5*%\n%AMOC*5,1,8,0,0,1.08,22.5*%\n%ADD11OC,0.6*%\nD10*\nX0Y0D02*\nX5000000Y0D01*\n"
            b"G36*\nX0Y0D02*\nX1000000Y0D01*\nX1000000Y1000000D01*\nG37*\n%LPC*%\nD11*\nX2000000Y2000000D03*\nM02*\n"
        )
        drill = b"M48\nMETRIC,TZ\nT1C0.3\nT2C0.8\n%\nT1\nX1.0Y2.0\nX3.0Y2.0\nT2\nX0.5Y0.5G85X1.5Y0.5\nM30\n"
        found["gerber"] = (".gbr", lambda path: read_gerber(path.read_text("latin-1")), [board])
        found["drill"] = (".drl", lambda path: read_excellon(path.read_text("latin-1")), [drill])
    return found


def _curve(detector: Any) -> tuple[list[float], list[float]]:
    frequency = np.linspace(0.0, 10.0, 11)
    return frequency.tolist(), np.asarray(detector.mtf(frequency)).tolist()


def execute(read: Callable[[Path], Any], path: Path) -> str:
    """Outcome of one execution: "read", "refused", or what is wrong with it."""
    try:
        read(path)
    except REFUSALS as problem:
        one_line = isinstance(problem, GerberError) or len(str(problem).splitlines()) == 1
        return "refused" if one_line else f"several lines: {problem}"
    except TimeoutError:
        return f"more than {HANG_S} s"
    except BaseException as problem:
        return f"{type(problem).__name__}: {problem}"
    return "read"


def batch(
    read: Callable[[Path], Any], suffix: str, wholes: list[bytes], seeds: list[list[int]], folder: Path
) -> list[str]:
    """Outcomes of some executions in a process of their own; the last one is its end if it did not end well."""
    path, told = folder / f"input{suffix}", folder / "told"
    told.write_text("")
    child = os.fork()
    if child == 0:
        warnings.simplefilter("ignore")
        sys.stderr = sys.stdout = open(os.devnull, "w")
        held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES,) * 2)
        # a reader that hangs inside a library never sees the alarm: then the second one ends the process
        signal.signal(
            signal.SIGALRM, lambda *_: (signal.signal(signal.SIGALRM, signal.SIG_DFL), signal.alarm(HANG_S), _late())
        )
        with open(told, "a", buffering=1) as out:
            for seed in seeds:
                rng = np.random.default_rng(seed)
                path.write_bytes(mutate(wholes[int(rng.integers(0, len(wholes)))], wholes, rng))
                signal.alarm(HANG_S)
                outcome = execute(read, path)
                signal.alarm(0)
                out.write(json.dumps(outcome) + "\n")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = [str(json.loads(line)) for line in told.read_text().splitlines()]
    return found if status == 0 else [*found, f"the process ended with {status}"]


def _late() -> None:
    raise TimeoutError


def everything() -> int:
    """Fuzz every reader for its share of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    given = parser.parse_args()
    findings = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        readers = {k: v for k, v in corpus(folder).items() if not given.only or k in given.only}
        for place, (reader, (suffix, read, wholes)) in enumerate(readers.items()):
            intact = []
            for whole in wholes:
                (folder / f"whole{suffix}").write_bytes(whole)
                intact.append(execute(read, folder / f"whole{suffix}"))
            counts, kinds, done = {"read": 0, "refused": 0}, {}, 0
            ends = time.monotonic() + given.seconds / len(readers)
            while time.monotonic() < ends:
                seeds = [[given.random_state, place, done + k] for k in range(BATCH)]
                outcomes = batch(read, suffix, wholes, seeds, folder)
                for number, outcome in enumerate(outcomes, start=done):
                    if outcome in counts:
                        counts[outcome] += 1
                        continue
                    findings += 1
                    kind = outcome[:60]
                    if kind not in kinds and given.keep:
                        given.keep.mkdir(parents=True, exist_ok=True)
                        rng = np.random.default_rng([given.random_state, place, number])
                        bad = mutate(wholes[int(rng.integers(0, len(wholes)))], wholes, rng)
                        (given.keep / f"{reader}-{number}{suffix}").write_bytes(bad)
                    kinds.setdefault(kind, number)
                done += len(outcomes)
            if intact != ["read"] * len(wholes):
                kinds[f"a whole file: {intact}"] = -1
                findings += 1
            print(
                f"{reader:10s} {done} executions, {counts['read']} read, {counts['refused']} refused, findings: {kinds or 'none'}"
            )
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(everything())
