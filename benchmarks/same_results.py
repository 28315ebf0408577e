"""Whether a change of the code changes a result: fixed small files restored, measured and scored, and hashed.

The files are pictures in closed form, written by numpy alone, so that they are the same for every version of the
package; only the command line is used, so that modules may move. Pixels are hashed as stored, JSON results as their
numbers with ten digits, without what is new in every run (paths, times, versions). Arithmetic of another processor or
another version of numpy, scipy or ONNX Runtime may differ in the last digits: compare on one machine, where
`--write` makes the hashes anew from the version that is taken as right.

    python benchmarks/same_results.py            compare with benchmarks/results/same_results.json
    python benchmarks/same_results.py --write    store what this version gives
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from coldray.app.cli import main as coldray

RESULTS = Path(__file__).parent / "results" / "same_results.json"
PITCH_UM = "48"
OPEN_BEAM = 50000
PAIR = {"pixel_pitch_mm": 0.048, "blurred": "gos135", "sharp": "gos34", "exposure_s": 0.25}
NEW_EVERY_RUN = ("seconds", "path", "folder", "version", "build", "sha256", "created", "when", "environment")
"""Keys that hold these words are not results."""
METHODS = ("cold", "direct", "wiener", "richardson_lucy", "tv", "unsupervised_wiener", "pnp")
RESTORED = {name: ("--method", name) for name in METHODS} | {
    "cold, gain paper": ("--gain", "paper", "--steps", "4"),
    "cold, gain detail": ("--gain", "detail"),
    "provenance": ("--provenance",),
}


def board(random_state: int, shape: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Pads, balls and lines on a slope, with noise: uint16, shape (rows, cols)."""
    rng = np.random.default_rng(random_state)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    image = 0.8 - 0.1 * x / shape[1]
    for _ in range(12):
        row, col, radius, depth = rng.uniform([0, 0, 2, 0.1], [*shape, 9, 0.4])
        image *= 1 - depth * np.clip(radius - np.hypot(y - row, x - col) + 0.5, 0, 1)
    image *= 1 - 0.2 * ((x // 3) % 2 == 0) * (y > shape[0] * 0.7)
    return stored(image + 0.004 * rng.standard_normal(shape))


def stored(fraction: np.ndarray) -> np.ndarray:
    """Fractions of the open beam as uint16."""
    return np.clip(np.rint(fraction * OPEN_BEAM), 0, 65535).astype(np.uint16)


def edge(angle_deg: float, random_state: int) -> np.ndarray:
    """A tilted edge, blurred by a logistic of 0.7 px."""
    y, x = np.mgrid[-96:96, -96:96].astype(np.float64)
    distance = x * np.cos(np.radians(angle_deg)) + y * np.sin(np.radians(angle_deg)) + 0.3
    noise = 0.002 * np.random.default_rng(random_state).standard_normal(distance.shape)
    return stored(0.15 + 0.7 / (1 + np.exp(-distance / 0.7)) + noise)


def bars() -> np.ndarray:
    """Groups of bars of 1, 2 and 4 lp/mm, softened: a clipped cosine."""
    x = np.arange(640) * 0.048
    profile = np.full(x.shape, 0.8)
    at = 2.0
    for frequency in (1.0, 2.0, 4.0):
        inside = (x >= at) & (x < at + 6 / frequency)
        wave = np.clip(1.6 * np.sin(2 * np.pi * frequency * (x - at)), -1, 1)
        profile[inside] = 0.6 + 0.2 * wave[inside]
        at += 6 / frequency + 2.0
    noise = 0.001 * np.random.default_rng(5).standard_normal((96, x.size))
    return stored(profile + noise)


def write_files(folder: Path) -> None:
    """Write every input."""
    files = {"board": board(1), "stack": np.stack([board(2, (64, 80)), board(3, (64, 80))]), "bars": bars()}
    files |= {"edge_a": edge(3.0, 6), "edge_b": edge(94.0, 7)}
    for number in range(4):
        noise = 0.01 * np.random.default_rng(20 + number).standard_normal((256, 256))
        files[f"flat_{number}"] = stored(0.9 + (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 3)
    for number in range(2):
        sharp = board(30 + number) / np.float32(OPEN_BEAM)
        soft = sum(np.roll(sharp, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1)) / 9
        for place, image in (("truth/hr.tif", sharp), ("lr/000.tif", soft)):
            path = folder / "pairs" / f"board{number}" / place
            path.parent.mkdir(parents=True)
            tifffile.imwrite(path, image.astype(np.float32))
        (folder / "pairs" / f"board{number}" / "pair.json").write_text(json.dumps(PAIR))
    for name, image in files.items():
        np.save(folder / f"{name}.npy", image)


def run(*arguments: object) -> dict[str, Any]:
    """JSON object of one command."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            coldray([*(str(a) for a in arguments), "--json"])
    except SystemExit as left:
        # 1: a file was refused, which is a result too
        if left.code not in (0, None, 1):
            raise RuntimeError(f"coldray {' '.join(str(a) for a in arguments)} ended with {left.code}") from None
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def numbers(found: object, name: str = "") -> list[str]:
    """Every number of a JSON object with its place, ten digits each."""
    if isinstance(found, dict):
        kept = {k: v for k, v in found.items() if not any(word in k for word in NEW_EVERY_RUN)}
        return [line for k, v in kept.items() for line in numbers(v, f"{name}.{k}")]
    if isinstance(found, list):
        return [line for v in found for line in numbers(v, name)]
    if isinstance(found, int | float):
        return [f"{name} {found:.10g}"]
    return []


def digest(*parts: object) -> str:
    """Hash arrays and JSON objects, sha256."""
    hashed = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            hashed.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            hashed.update("\n".join(numbers(part)).encode())
    return hashed.hexdigest()


def results(folder: Path) -> dict[str, str]:
    """Restore, measure and score the files; hash of every result by name."""
    write_files(folder)
    known = ("--pitch-um", PITCH_UM, "--open-beam", OPEN_BEAM, "--exposure-s", "0.25")
    found = {}
    for number, (name, settings) in enumerate(RESTORED.items()):
        out = folder / f"out{number}"
        said = run("restore", folder / "board.npy", folder / "stack.npy", "-o", out, *known, *settings)
        pixels = [np.load(path, allow_pickle=False) for path in sorted(out.glob("*.npy"))]
        found[f"restore: {name}: pixels"] = digest(*pixels, *map(tifffile.imread, sorted(out.glob("*.tif"))))
        found[f"restore: {name}: what is said"] = digest(said)
    pitch = ("--pitch-um", PITCH_UM)
    flats = [folder / f"flat_{n}.npy" for n in range(4)]
    edges = [folder / f"edge_{n}.npy" for n in "ab"]
    found["measure edge"] = digest(run("measure", "edge", *edges, *pitch))
    found["measure flat"] = digest(run("measure", "flat", *flats, *pitch, "--roi-size", 128))
    found["measure bars"] = digest(run("measure", "bars", folder / "bars.npy", *pitch))
    boxes = ("--roi", "4,4,40,40", "--roi", "100,100,40,40")
    found["measure snr"] = digest(run("measure", "snr", edges[0], *boxes, "--srb-um", 60))
    detector = folder / "detector.json"
    given = [part for path in edges for part in ("--edge", path)] + [
        part for path in flats for part in ("--flat", path)
    ]
    said = run("characterise", "--name", "here", *given, "-o", detector, *pitch, "--exposure-s", 1)
    found["characterise"] = digest(said, json.loads(detector.read_text()))
    found["evaluate"] = digest(run("evaluate", "--pairs", folder / "pairs", "-o", folder / "scores"))
    return found


def main() -> None:
    """Store the hashes, or compare and end with 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="store the hashes of this version")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = results(Path(folder))
    if asked.write:
        asked.results.write_text(json.dumps(found, indent=1) + "\n")
        return
    stored_hashes = json.loads(asked.results.read_text())
    different = [
        name for name in sorted(stored_hashes.keys() | found.keys()) if stored_hashes.get(name) != found.get(name)
    ]
    print(f"{len(found)} results, {len(different)} different", *different, sep="\n  ")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
