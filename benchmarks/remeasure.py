"""After new weights or a new gain of the default model: every measurement that they move, again, and the pages made of it.

python benchmarks/remeasure.py [--lanes 2] [--only NAME ...] [--plan] [--work runs/remeasure]

Run from the repository's root, with `runs/fields_defects` as the model was trained on (`configs/compact.toml`) and the data beside the
project: a measurement leaves out what needs data that are absent, or fails. A measurement is commands one after the other, each on one thread; as many
run side by side as there are lanes, the longest first, the interval before all that it is part of. What is done is noted under --work for
these weights and settings, so the same command goes on where it was cut; a failed measurement is named at the end, its log lies there.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import _one_thread  # noqa: F401
from _numbers import short

from coldray.files import write_text
from coldray.restoration.model import load_model

RESULTS = Path("benchmarks/results")
ABLATIONS = ("blur", "dose", "gain", "registration", "sampler", "steps")
ADAPT = "benchmarks/adapt.py"


@dataclass(frozen=True)
class Measurement:
    """Commands one after the other, and about how many core-minutes they take."""

    name: str
    minutes: float
    commands: tuple[str, ...]


FIRST = Measurement("calibration", 6, ("python benchmarks/interval.py calibrate --work {work}/interval",))
"""The interval is part of the build that all others name."""
MEASUREMENTS = (
    Measurement(
        "paper",
        30,
        ("python benchmarks/paper_renew.py {work}/paper", "python benchmarks/paper_pages.py {work}/paper"),
    ),
    Measurement("trust_marks", 30, ("python benchmarks/trust_marks.py --work {work}/trust_marks --out {out}",)),
    Measurement(
        "adapt",
        16,
        (
            f"python {ADAPT} foreign --steps 200 --work {{work}}/adapt --out {{out}}",
            f"python {ADAPT} stated --steps 250 --work {{work}}/adapt --out {{out}}",
            f"python {ADAPT} covered --pairs 6 --further 2 --steps 250 --work {{work}}/adapt_6 --out {{out}}",
            f"python {ADAPT} covered --further 2 --steps 200 --keep-as 'covered, 7 boards' --work {{work}}/adapt_7 --out {{out}}",
            f"python {ADAPT} refused --work {{work}}/adapt --out {{out}}",
        ),
    ),
    Measurement(
        "interval", 8, ("python benchmarks/interval.py check --objects 40 --work {work}/interval --out {out}",)
    ),
    Measurement("gain_shape", 8, ("python benchmarks/gain_shape.py --out {out}",)),
    Measurement("pod_arms", 6, ("python benchmarks/pod_arms.py --out {out}",)),
    Measurement("objects", 6, ("python benchmarks/objects.py --model compact -o {out}",)),
    Measurement("domain", 6, ("python benchmarks/domain.py -o {out}",)),
    Measurement(
        "faint_prediction",
        4,
        (
            "python benchmarks/faint.py --pairs 400 --exposure-s 1 --cells void,crack "
            "--methods coldray,coldray_network,coldray_detail,one_step_van_cittert --work {work}/faint --out {out}",
        ),
    ),
    Measurement("hits", 5, ("python benchmarks/hits.py -o {out}",)),
    Measurement("blind_noise", 5, ("python benchmarks/blind_noise.py --out {out}",)),
    Measurement("never_worse", 4, ("python benchmarks/never_worse.py --out {out}",)),
    Measurement("contradicted", 4, ("python benchmarks/contradicted.py -o {out}",)),
    Measurement("real_images", 4, ("python benchmarks/real_images.py --out {out}",)),
    Measurement("real_frames", 3, ("python benchmarks/real_frames.py -o {out}",)),
    Measurement("certificate", 4, ("python benchmarks/certificate.py --out {out}",)),
    Measurement("unknown_pair", 3, ("python benchmarks/unknown_pair.py --out {out}",)),
    Measurement("judge", 2, ("python benchmarks/judge.py --out {out}",)),
    Measurement(
        "validation",
        5,
        (
            "python benchmarks/validation.py compact --config configs/compact.toml --fields runs/fields_defects "
            "--against compact-0.1 -o {out}",
        ),
    ),
    Measurement("same_results", 2, ("python benchmarks/same_results.py --write",)),
    *(
        Measurement(
            f"ablate_{name}", 2, (f"coldray benchmark ablate {name} --boards 5 --size-px 256 -o {{work}}/ablations",)
        )
        for name in ABLATIONS
    ),
    Measurement("pictures", 3, ("python docs/images/make.py",)),
)


def kept_ablation(name: str, work: Path) -> None:
    """Take one ablation over, without what every single image scored."""
    found = json.loads((work / "ablations" / f"{name}.json").read_text(encoding="utf-8"))
    found = {key: short(value) for key, value in found.items() if key != "images"}
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    write_text(RESULTS / "ablations" / f"{name}.json", text + "\n")
    table = (work / "ablations" / f"{name}.md").read_text(encoding="utf-8")
    write_text(RESULTS / "ablations" / f"{name}.md", table)


def measure(one: Measurement, work: Path) -> str | None:
    """Run one measurement; what went wrong, or None."""
    done, log = work / f"{one.name}.done", work / f"{one.name}.log"
    if done.exists():
        return None
    began = time.perf_counter()
    with log.open("w", encoding="utf-8") as told:
        for command in one.commands:
            words = shlex.split(command.format(work=shlex.quote(str(work)), out=RESULTS / f"{one.name}.json"))
            program = [sys.executable, *(["-m", "coldray"] if words[0] == "coldray" else []), *words[1:]]
            code = subprocess.run(program, stdout=told, stderr=subprocess.STDOUT).returncode
            if code:
                return f"{one.name}: code {code}, see {log}"
    if one.name.startswith("ablate_"):
        kept_ablation(one.name.removeprefix("ablate_"), work)
    minutes = (time.perf_counter() - began) / 60
    write_text(done, f"{minutes:.1f} minutes\n")
    print(f"{time.strftime('%H:%M')} {one.name}: {minutes:.1f} minutes", flush=True)
    return None


def main() -> None:
    """Measure what is not yet measured of the default model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, default=2, help="measurements side by side")
    parser.add_argument("--only", nargs="+", choices=[FIRST.name, *(one.name for one in MEASUREMENTS)])
    parser.add_argument("--plan", action="store_true", help="print what would be measured, and end")
    parser.add_argument("--work", type=Path, default=Path("runs/remeasure"))
    given = parser.parse_args()
    named = load_model().named()
    work = given.work / f"{str(named['sha256'])[:12]}-{str(named['settings_sha256'])[:12]}"
    wanted = [one for one in (FIRST, *MEASUREMENTS) if given.only is None or one.name in given.only]
    left = [one for one in wanted if not (work / f"{one.name}.done").exists()]
    print(
        f"{len(left)} of {len(wanted)} measurements, about {sum(one.minutes for one in left):.0f} core-minutes",
        flush=True,
    )
    if given.plan:
        print(*(f"{one.name:18s} {one.minutes:3.0f}" for one in left), sep="\n")
        return
    work.mkdir(parents=True, exist_ok=True)
    failed = [measure(FIRST, work)] if FIRST in left else []
    others = sorted((one for one in left if one is not FIRST), key=lambda one: -one.minutes)
    if not any(failed):
        with ThreadPoolExecutor(given.lanes) as lanes:
            failed += lanes.map(lambda one: measure(one, work), others)
    if problems := [one for one in failed if one]:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
