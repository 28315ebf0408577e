"""What `coldray adapt` gains: on a CsI screen taken for Gd2O2S, on the same stated rightly, on a pair the model covers; what it refuses.

python benchmarks/adapt.py [foreign stated covered refused] [--pairs 7] [--further 4] [--steps 400] [--work runs/adapt]
    [--out benchmarks/results/adapt.json] [--keep-as NAME]

Simulated: procedural boards of test families, moved between the detectors (up to 4 pixels, 0.3 degrees, 0.3 %), 8 sharp and 2 blurred
frames each. `adapt` is given the frames of the first boards, no truth. The further boards, which it never saw, are scored against the
noise-free image of the sharp screen in the blurred one's response. What is there in the work folder is used again, the
adapted models and states of a training included; results of other scenarios in the JSON file stay.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from _foreign import Screens, acquire, assumed, write_frames, write_note

import coldray
from coldray.app.cli import main as command
from coldray.benchmark.statistics import interval
from coldray.formats import read_image
from coldray.metrology.metrics import Convention, psnr_db
from coldray.objects.boards import ROLES
from coldray.physics.detector import Detector
from coldray.restoration.model import load_model

SCENARIOS = ("foreign", "stated", "covered", "refused")
WORDS = {
    "foreign": "thin Gd2O2S and thick CsI, stated as the built-in model of two Gd2O2S screens",
    "stated": "the same frames, MTF and NNPS of both screens stated as they are",
    "covered": "two Gd2O2S screens, stated as they are",
}
EXPOSURE_S = 0.05


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command([str(a) for a in arguments])
        except SystemExit as left:
            return int(left.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def boards(work: Path, screens: Screens, which: str, count: int) -> list[tuple[str, Path]]:
    """Name and folder of every board of a pair; drawn if it is not there."""
    families = sorted(name for name, role in ROLES.items() if role == "test")
    found = []
    for number in range(count):
        name = f"{families[number % len(families)]}-{number}"
        folder = work / "frames" / which / f"{number:02d}"
        if not folder.with_suffix(".npy").exists():
            shutil.rmtree(folder, ignore_errors=True)
            write_frames(folder, acquire(screens, families[number % len(families)], number))
            print(f"{which}: {name} acquired", flush=True)
        found.append((name, folder))
    return found


def score(folder: Path, stated: tuple[Detector, Detector], model: str | Path | None) -> float:
    """Mean PSNR [dB] of a board's restored frames against the truth."""
    truth, convention = np.load(folder.with_suffix(".npy")), Convention(border_px=24)
    restore = coldray.Restorer(stated[1], stated[0], model=model, exposure_s=EXPOSURE_S)
    images = [np.asarray(restore(read_image(path))) / 50000.0 for path in sorted((folder / "lr").iterdir())]
    return float(np.mean([psnr_db(image.astype(np.float32), truth, convention) for image in images]))


def adapt(
    name: str, pairs: list[tuple[str, Path]], stated: tuple[Detector, Detector], given: argparse.Namespace
) -> dict[str, Any]:
    """Run the command on boards, unless it has been run; its exit code, its answer and its CPU time."""
    done = given.work / f"{name}.done"
    if not done.exists():
        folder = given.work / name
        shutil.rmtree(folder, ignore_errors=True)
        for board, frames in pairs:
            shutil.copytree(frames, folder / frames.name)
            write_note(folder / frames.name, board, stated)
        began, out, states = time.process_time(), given.work / f"{name}.onnx", given.work / "states" / name
        code, told, said = run(
            "adapt", folder, "-o", out, "--steps", given.steps, "--states", states, "--overwrite", "--json"
        )
        if not told:
            raise RuntimeError(f"{name}: code {code}: {said}")
        says = json.loads(told)
        says["written"] = [Path(path).name for path in says["written"]]
        row = {"code": code, "adapting_cpu_s": round(time.process_time() - began, 1), "command_says": says}
        done.write_text(json.dumps(row))
    found: dict[str, Any] = json.loads(done.read_text())
    print(f"{name}: code {found['code']}; {found['command_says']['finding']}", flush=True)
    return found


def scenario(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Adapt on the first boards and score the further ones."""
    which = "covered" if name == "covered" else "foreign"
    screens = Screens.covered() if name == "covered" else Screens.foreign()
    every = boards(given.work, screens, which, given.pairs + given.further)
    right = screens.stated()
    stated = assumed() if name == "foreign" else right
    adapted = adapt(name, every[: given.pairs], stated, given)
    found, out = adapted["command_says"], given.work / f"{name}.onnx"
    row: dict[str, Any] = {"what": WORDS[name]} | adapted
    further = []
    for board, folder in every[given.pairs :]:
        scores = {"board": board, "before_db": score(folder, stated, None)}
        if found["written"]:
            scores["after_db"] = score(folder, stated, out)
            scores["gain_db"] = scores["after_db"] - scores["before_db"]
        if name == "foreign":
            scores["before_stated_rightly_db"] = score(folder, right, None)
        further.append(scores)
        print(f"{name}: {scores}", flush=True)
    row["further_boards_against_truth"] = further
    if found["written"]:
        row["gain_db"] = interval([scores["gain_db"] for scores in further]).to_json()
    return row


def refused(given: argparse.Namespace) -> dict[str, Any]:
    """What is no measured pair is refused in one line, before anything is learnt."""
    source = boards(given.work, Screens.foreign(), "foreign", given.pairs)
    stated = Screens.foreign().stated()
    out = {}
    for kind in (
        "folders of the detectors swapped",
        "names of the detectors swapped",
        "halves of two boards",
        "frames of another board",
        "five boards",
    ):
        pairs = given.work / "refused"
        shutil.rmtree(pairs, ignore_errors=True)
        for board, folder in source[: 5 if kind == "five boards" else 6]:
            shutil.copytree(folder, pairs / folder.name)
            write_note(pairs / folder.name, board, stated)
        first, second = pairs / "00", pairs / "01"
        if kind.startswith("folders"):
            for a, b in (("hr", "kept"), ("lr", "hr"), ("kept", "lr")):
                (first / a).rename(first / b)
        elif kind.startswith("names"):
            write_note(first, source[0][0], stated[::-1])
        elif kind.startswith("halves"):
            for path in sorted((second / "hr").iterdir())[1::2]:
                shutil.copyfile(path, first / "hr" / path.name)
        elif kind.startswith("frames"):
            shutil.rmtree(first / "lr")
            shutil.copytree(second / "lr", first / "lr")
        target = given.work / "refused.onnx"
        code, _, said = run("adapt", pairs, "-o", target)
        out[kind] = {"code": code, "says": said.strip().splitlines(), "written": target.exists()}
        print(f"{kind}: {code} {said.strip()}", flush=True)
    return out


def main() -> None:
    """Run the scenarios and write their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(SCENARIOS)}; all by default")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--further", type=int, default=4)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--work", type=Path, default=Path("runs/adapt"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep-as", help="name of the result of the one scenario that is asked; its own by default")
    given = parser.parse_args()
    if given.keep_as and len(given.scenarios) != 1:
        parser.error("--keep-as names the result of one scenario")
    if unknown := set(given.scenarios) - set(SCENARIOS):
        parser.error(f"no scenario {unknown.pop()!r}; there are {', '.join(SCENARIOS)}")
    results: dict[str, Any] = {}
    if given.out and given.out.exists():
        results = json.loads(given.out.read_text(encoding="utf-8"))
    for name in given.scenarios or SCENARIOS:
        done = {"refusals": refused(given)} if name == "refused" else scenario(name, given)
        sizes = f"--pairs {given.pairs} --further {given.further} --steps {given.steps}"
        model = load_model()
        results[given.keep_as or name] = {
            "date": date.today().isoformat(),
            "command": f"python benchmarks/adapt.py {name} {sizes}",
            "kind": "simulated",
            "model": model.named(),
        } | done
        if given.out:
            given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
