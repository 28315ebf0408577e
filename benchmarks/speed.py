"""Core-seconds, wall time and peak memory of restorations beside scikit-image's, interleaved in one run; simulated board.

python benchmarks/speed.py [--sizes 512 1024 2048] [--rounds 3] [--model NAME]... [--threads 1] [--no-command] [--out FILE [--page docs/howto/cpu_speed.md]]

Every run has a process of its own, which is warm and waits while the others work: rounds go A B C A B C, and the peak is
that of one run. As a command a run reads a TIFF file and writes one, imports included. Certificate and gate are on. Shipped
models other than the default are measured too. FILE keeps the rows of sizes, threads and runs that are not measured anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

OPEN_BEAM, EXPOSURE_S, PITCH_MM = 50_000.0, 0.25, 0.048
RL = "richardson_lucy, 30 iterations"
UNSUPERVISED = "unsupervised_wiener"
PEERS = (RL, UNSUPERVISED)
OURS = {"default": [], "default, onnxruntime": [], "wiener": ["--method", "wiener"]}
"""Options of `coldray restore`, besides the exposure."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LARGEST_OF_ALL = 4096
"""Side of the largest image for which every run is measured; beyond it only the default and Wiener [pixels]."""
BOARD_PX = 512
FAMILY = "dense_bga"


def scenes(size: int, paths: Sequence[Path]) -> None:
    """Write simulated radiographs: one board and its mirror images side by side, blurred, in other turns and thick-screen noise."""
    import coldray
    from coldray.degradations.mtf_blend import Degradation
    from coldray.physics.detector import load_detector
    from coldray.physics.noise import NoiseModel
    from coldray.physics.pair import DetectorPair
    from coldray.physics.transfer import radial_operator
    from coldray.radiograph import Acquisition, Radiograph

    board = coldray.simulate("board", family=FAMILY, size_px=BOARD_PX, random_state=1).sharp.pixels
    sharp = np.pad(np.asarray(board, dtype=np.float32), (0, max(0, size - BOARD_PX)), mode="symmetric")[:size, :size]
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation, model = Degradation(pair), NoiseModel.of_detector(pair.blurred, EXPOSURE_S)
    blur = radial_operator(lambda f: degradation.transfer(f, 1.0), sharp.shape, PITCH_MM)
    known = Acquisition(pixel_pitch_mm=PITCH_MM, open_beam=OPEN_BEAM, linear=True)
    for number, path in enumerate(paths):
        blurred = blur(np.rot90(sharp if number % 8 < 4 else sharp.T, number % 4))
        noise = model.draw(np.maximum(blurred, 0), np.random.default_rng(1 + number))
        stored = np.clip(np.rint((blurred + noise) * OPEN_BEAM), 0, 65535).astype(np.uint16)
        coldray.write(path, Radiograph(stored, known))


def peer(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """One of scikit-image's, with the kernel of the two screens."""
    from skimage import restoration

    from coldray.degradations.mtf_blend import Degradation
    from coldray.physics.detector import load_detector
    from coldray.physics.pair import DetectorPair
    from coldray.physics.transfer import radial_operator

    degradation = Degradation(DetectorPair(load_detector("gos135"), load_detector("gos34")))
    point = np.zeros((101, 101))
    point[50, 50] = 1
    kernel = radial_operator(lambda f: degradation.transfer(f, 1.0), point.shape, PITCH_MM)(point).astype(np.float32)

    def restore(stored: np.ndarray) -> np.ndarray:
        image = stored.astype(np.float32) / np.float32(OPEN_BEAM)
        if name == RL:
            out = restoration.richardson_lucy(image, kernel, num_iter=30, clip=False, filter_epsilon=1e-6)
        else:
            out = restoration.unsupervised_wiener(image, kernel, clip=False, rng=0)[0]
        return np.asarray(np.clip(np.rint(out * OPEN_BEAM), 0, 65535).astype(np.uint16))

    return restore


def prepared(name: str, model: str | None, path: Path) -> tuple[Callable[[], Any], Callable[[], dict[str, Any]]]:
    """A restoration that is ready to run, and what else is to be told of it."""
    import coldray

    image = coldray.read(path)
    if name in PEERS:
        restore = peer(name)
        return lambda: restore(image.pixels), dict
    if name == "wiener":
        wiener = coldray.Restorer(exposure_s=EXPOSURE_S, method="wiener")
        return lambda: wiener.restore(image), dict
    from coldray.restoration.model import load_model

    loaded, made = load_model(model), []

    class Counted(type(loaded)):  # type: ignore[misc]
        def predictor(self, *given: Any, **more: Any) -> Any:
            made.append(super().predictor(*given, **more))
            return made[-1]

    counted = Counted(loaded.name, loaded.path, loaded.header, loaded.sha256)
    _clocked(counted.engine)
    restorer, last = coldray.Restorer(exposure_s=EXPOSURE_S, model=counted), []

    def once() -> None:
        last[:] = [restorer.restore(image).image.history[-1].details.get("linear_share")]

    def told() -> dict[str, Any]:
        run, spared = (sum(getattr(one, what) for one in made) for what in ("tiles_run", "tiles_spared"))
        open_share = None if last[0] is None else round(1 - last[0], 4)
        return {
            "model": counted.named(),
            "engine": type(counted.engine).__name__,
            "gate_open_share": open_share,
            "tiles_spared_share": round(spared / max(run + spared, 1), 4),
        }

    return once, told


NETWORK = {"core_s": 0.0}
"""Processor time that this process spent in its network's engine."""


def _clocked(engine: Any) -> None:
    """Add up the processor time of a network's evaluations in `NETWORK`."""
    from coldray.restoration import fast

    place: Any = fast if isinstance(engine, fast.FastEngine) else type(engine)
    name = "_extracted" if place is fast else "run"
    evaluate = getattr(place, name)

    def timed(*given: Any) -> Any:
        began = time.process_time()
        try:
            return evaluate(*given)
        finally:
            NETWORK["core_s"] += time.process_time() - began

    setattr(place, name, timed)


def serve(name: str, model: str | None, path: Path) -> None:
    """Run once for every line on stdin; the end of it asks for the peak."""
    once, told = prepared(name, model, path)
    for _ in sys.stdin:
        NETWORK["core_s"] = 0.0
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        once()
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
        core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        spent = {"network_core_s": NETWORK["core_s"]} if NETWORK["core_s"] else {}
        print(json.dumps({"core_s": core, "wall_s": wall, **spent}), flush=True)
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **told()}), flush=True)


@dataclass
class Run:
    """One restoration of one image: a process that is warm, and the same as a command."""

    name: str
    model: str | None
    path: Path
    threads: int
    times: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # an installed package has its byte code at hand, as scikit-image has here
        left_out = ("COLDRAY_ENGINE", "PYTHONDONTWRITEBYTECODE")
        self._environment = {k: v for k, v in os.environ.items() if k not in left_out}
        self._environment |= dict.fromkeys(THREADS, str(self.threads))
        if self.name.endswith("onnxruntime"):
            self._environment["COLDRAY_ENGINE"] = "onnxruntime"
        asked = [sys.executable, __file__, "--serve", self.name, str(self.path)]
        asked += ["--model", self.model] if self.model else []
        self._process = subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment)
        self._ask()  # warms up

    def _ask(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: its process ended with code {self._process.wait()}")
        return dict(json.loads(line))

    def warm(self) -> None:
        """Once more in its process."""
        for what, value in self._ask().items():
            self.times.setdefault(f"warm_{what}", []).append(value)

    def command(self) -> None:
        """Once as a command, from file to file."""
        out = self.path.with_name("out.tif")
        if self.name in PEERS:
            asked = [sys.executable, __file__, "--peer", self.name, str(self.path), str(out)]
        else:
            asked = [sys.executable, "-m", "coldray", "restore", str(self.path), "-o", str(out), "--overwrite"]
            asked += ["--exposure-s", str(EXPOSURE_S), *OURS.get(self.name, [])]
            asked += ["-m", self.model] if self.model else []
        began = time.perf_counter()
        process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self._environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.name}: as a command it ended with code {process.returncode}")
        found = {
            "core_s": used.ru_utime + used.ru_stime,
            "wall_s": time.perf_counter() - began,
            "peak_mb": used.ru_maxrss / 1024,
        }
        for what, value in found.items():
            self.times.setdefault(f"command_{what}", []).append(value)

    def row(self, size: int) -> dict[str, Any]:
        """Medians of all rounds, and the peak; ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        last = self._answer()
        self._process.wait()
        medians = {what: round(median(values), 3) for what, values in self.times.items()}
        peak = round(last.pop("peak_mb"), 1)
        return {"size": size, "threads": self.threads, "run": self.name, **medians, "warm_peak_mb": peak, **last}


def measured(
    size: int, names: list[str], models: list[str], rounds: int, command: bool, threads: int
) -> list[dict[str, Any]]:
    """Rows of one size, each with its ratios to Richardson-Lucy of the same rounds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.tif"
        # by a process of its own: the peak of those that this one starts is at least what it holds itself
        subprocess.run([sys.executable, __file__, "--scene", str(size), str(path)], check=True)
        wanted = [(name, None) for name in names] + [
            (f"model {Path(one).name.removesuffix('.onnx').removesuffix('.safetensors')}", one) for one in models
        ]
        if size > LARGEST_OF_ALL:
            wanted = [(name, model) for name, model in wanted if name in ("default", "wiener")]
        runs = [Run(name, model, path, threads) for name, model in wanted]
        for _ in range(rounds):
            for run in runs:
                run.warm()
            for run in runs if command else ():
                run.command()
        rows = [run.row(size) for run in runs]
    reference = next((row for row in rows if row["run"] == RL), {})
    for row in rows:
        row |= {
            "date": date.today().isoformat(),
            "rounds": rounds,
            "load_average_of_1_min": round(os.getloadavg()[0], 1),
        }
        for what in ("warm_core_s", "command_core_s", "command_wall_s"):
            if what in row and what in reference:
                row[f"{what}_over_rl30"] = round(row[what] / reference[what], 3)
        if "warm_network_core_s" in row and "warm_core_s" in reference:
            rest = row["warm_core_s"] - row["warm_network_core_s"]
            row["warm_all_but_network_over_rl30"] = round(rest / reference["warm_core_s"], 3)
    return rows


def others() -> list[str]:
    """Names of the shipped models besides the default."""
    from coldray.restoration.model import DEFAULT_MODEL, shipped_models

    return [name for name in shipped_models() if name != DEFAULT_MODEL]


def growth(rows: list[dict[str, Any]]) -> list[str]:
    """Core-seconds of the largest size over those of 2048 x 2048, of runs that were measured at both."""
    if not rows:
        return []
    largest = max(row["size"] for row in rows)
    said = []
    for row in rows if largest > 2048 else []:
        small = next((one for one in rows if one["run"] == row["run"] and one["size"] == 2048), None)
        if row["size"] == largest and small is not None:
            shares = [
                f"{what} {row[key] / small[key]:.1f}"
                for what, key in (("warm", "warm_core_s"), ("command", "command_core_s"))
                if key in row and key in small
            ]
            said.append(f"{row['run']}: core-seconds of {largest}^2 over those of 2048^2: {', '.join(shares)}")
    return said


def line(row: dict[str, Any]) -> str:
    """A row as people read it."""
    said = f"{row['size']:5d}^2  {row['run']:32s} warm {row['warm_core_s']:7.2f} core-s {row['warm_wall_s']:7.2f} s"
    said += f" {row['warm_peak_mb']:6.0f} MB"
    if "command_core_s" in row:
        said += f"   command {row['command_core_s']:7.2f} core-s {row['command_wall_s']:7.2f} s"
        said += f" {row['command_peak_mb']:6.0f} MB"
    if "warm_core_s_over_rl30" in row:
        said += f"   {row['warm_core_s_over_rl30']:5.2f} of RL(30)"
    if "warm_network_core_s" in row:
        said += f"   all but the network {row['warm_core_s'] - row['warm_network_core_s']:.2f} core-s"
    if "warm_all_but_network_over_rl30" in row:
        said += f" ({row['warm_all_but_network_over_rl30']:.2f} of RL(30))"
    if row.get("gate_open_share") is not None:
        said += f"   gate open on {100 * row['gate_open_share']:.1f} %, "
        said += f"{100 * row['tiles_spared_share']:.0f} % of tiles needed no network"
    return said


def keep(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows beside those of other sizes, threads and runs that are there."""
    before = json.loads(out.read_text())["rows"] if out.is_file() else []
    anew = {(row["size"], row["threads"], row["run"]) for row in rows}
    kept = [row for row in before if (row["size"], row["threads"], row["run"]) not in anew]
    ordered = sorted([*kept, *rows], key=lambda row: (row["threads"], row["size"]))
    note = {"kind": "simulated", "cores": os.cpu_count(), "machine": platform.machine(), "rows": ordered}
    out.write_text(json.dumps(note, indent=1) + "\n")


NAMES = {
    "default": "coldray (the default, extra `fast`)",
    "default, onnxruntime": "the same in ONNX Runtime",
    "wiener": "`--method wiener`",
    RL: "Richardson–Lucy, 30 iterations (scikit-image)",
    UNSUPERVISED: "unsupervised Wiener (scikit-image)",
}
"""Runs as the page on speed names them; a model is named by its option."""
MARKS = {1024: "1024 × 1024", 2048: "2048 × 2048"}
"""Sizes that the page shows."""
FIRST, LAST = "<!-- speed.json -->", "<!-- end of speed.json -->"


def page_of(rows: list[dict[str, Any]]) -> str:
    """Table of a page in Markdown, and what has been reached, from rows of one thread."""
    at = {(row["run"], row["size"]): row for row in rows if row["threads"] == 1}
    head = [f"{said}, {kind}" for said in MARKS.values() for kind in ("warm", "command: wall, peak")]
    lines = [f"| | {' | '.join(head)} |", "| --- |" + " --- |" * len(head)]
    names = list(dict.fromkeys(run for run, _ in at))
    for name in sorted(names, key=lambda run: list(NAMES).index(run) if run in NAMES else len(NAMES)):
        cells = [cell for size in MARKS for cell in _cells(at.get((name, size), {}))]
        shown = NAMES.get(name, f"`-m {name.removeprefix('model ')}`, extra `fast`")
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_reached(at)])


def _cells(row: dict[str, Any]) -> tuple[str, str]:
    """Warm and as a command, over Richardson-Lucy."""
    warm = f"{row['warm_core_s_over_rl30']:.2f} ({row['warm_core_s']:.2f} s)" if "warm_core_s_over_rl30" in row else "–"
    wall = (
        f"{row['command_wall_s_over_rl30']:.2f}, {row['command_peak_mb']:,.0f} MB" if "command_peak_mb" in row else "–"
    )
    return warm, wall


def _reached(at: dict[tuple[str, int], dict[str, Any]]) -> list[str]:
    """One line per aim, for the default."""
    out = []
    for size, said in MARKS.items():
        row = at.get(("default", size), {})
        aims = [("core-seconds warm", "warm_core_s_over_rl30", 0.45)]
        aims += [("wall time of the command", "command_wall_s_over_rl30", 1 / 3)] if size == 2048 else []
        aims += [("all but the network", "warm_all_but_network_over_rl30", 0.15)]
        for what, key, aim in aims:
            if key in row:
                verdict = "reached" if row[key] <= aim else "not reached"
                out.append(
                    f"- {said}, {what}: {row[key]:.2f} of Richardson–Lucy ({row['date']}); at most {aim:.2f} is aimed at: {verdict}."
                )
    return out


def write_page(page: Path, rows: list[dict[str, Any]]) -> None:
    """Put `page_of` between its marks in a page, which must have both."""
    before, first, rest = page.read_text(encoding="utf-8").partition(FIRST)
    _, last, after = rest.partition(LAST)
    if not first or not last:
        raise SystemExit(f"{page}: the table needs a place between {FIRST} and {LAST}")
    page.write_text(f"{before}{FIRST}\n{page_of(rows)}\n{LAST}{after}", encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[512, 1024, 2048], help="sides of the image [pixels]")
    parser.add_argument("--runs", nargs="*", choices=[*OURS, *PEERS], default=[*OURS, *PEERS])
    parser.add_argument("--model", action="append", default=None, help="a model beside the default; repeats")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-command", action="store_true", help="leave out the runs as a command")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--page", type=Path, default=None, help="page whose table is written from what --out holds")
    parser.add_argument("--scene", nargs=2, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=2, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--peer", nargs=3, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], given.model[0] if given.model else None, Path(given.serve[1]))
        return
    if given.scene:
        scenes(int(given.scene[0]), [Path(given.scene[1])])
        return
    if given.peer:
        import tifffile

        name, source, out = given.peer
        tifffile.imwrite(out, peer(name)(tifffile.imread(source)))
        return
    models = others() if given.model is None else given.model
    rows: list[dict[str, Any]] = []
    for size in given.sizes:
        rows += measured(size, given.runs, models, given.rounds, not given.no_command, given.threads)
        for row in (one for one in rows if one["size"] == size):
            print(line(row), flush=True)
        if given.out:
            keep(given.out, rows)
    for told in growth(rows):
        print(told)
    if given.out and given.page:
        write_page(given.page, json.loads(given.out.read_text())["rows"])


if __name__ == "__main__":
    main()
