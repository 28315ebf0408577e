"""The small trials behind decisions 0006, 0009, 0011, 0012 and 0013, all on simulated fields.

python benchmarks/trials.py --fields runs/fields [--only border share gap precision optimisers] [--out benchmarks/results/trials.json]

border: error against how far the mirrored frame goes on; share: PSNR, detectability and noise at edges against the share of the
data-consistency gain; gap: gain over Wiener on training and validation fields; precision: updates per second in fp32 and bf16;
optimisers: scores after equal numbers of updates.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState

from coldray.benchmark.paper import detection, fourier
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, Contestant, classical
from coldray.dataset.fields import FieldSet
from coldray.methods import wiener
from coldray.restoration import tiles
from coldray.restoration.model import Model, load_model
from coldray.restoration.pipeline import Job, run_method
from coldray.training.loop import Training
from coldray.training.pairs import PairSource
from coldray.training.recipe import Recipe, parse_recipe
from networks import DESIGNS, now, recipe_of

BORDER_PX = 16
"""Left out of every score but that of the border."""


class First:
    """The first fields of a set."""

    def __init__(self, folder: Path, count: int) -> None:
        self._fields, self._count = FieldSet(folder), count

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(iter(self._fields), self._count)


def pairs_of(folder: Path, count: int, exposure_s: float, side: int, model: Model) -> Iterator[tuple[Any, Any, Any]]:
    """Frame, degradation and sharp truth of the first fields."""
    source = PairSource(First(folder, count), recipe_of(DESIGNS["128, blocks 1-2-1"], 1))
    for number in range(len(source)):
        rng = np.random.default_rng([9, number])
        pair, degradation = source.pair(number, rng, exposure_s=exposure_s, window=side)
        yield replace(pair.frame, prior=model.prior), degradation, pair.sharp


def level_db(error: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(error))))


def border(fields: Path, model: Model) -> list[dict[str, float]]:
    """Error inside and in the outer 16 pixels, and processor seconds, against the mirrored extension."""
    rows = []
    usual = tiles.BORDER_PX
    for extension in (16, 32, 104):
        tiles.BORDER_PX = extension
        inner, outer, began = [], [], time.process_time()
        for frame, degradation, sharp in pairs_of(fields / "validation", 6, 0.25, 256, model):
            error = run_method(frame, degradation, Job(method="direct", model=model, even="network"))[0] - sharp
            rim = np.ones(error.shape, bool)
            rim[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = False
            inner.append(error[32:-32, 32:-32])
            outer.append(error[rim])
        rows.append({"extension_px": extension, "inner_db": level_db(np.array(inner)), "outer_db": level_db(np.array(outer)),
                     "cpu_seconds": time.process_time() - began})  # fmt: skip
    tiles.BORDER_PX = usual
    return rows


def with_share(model: Model, share: float) -> Model:
    """The model with one share of the uncorrelated-error gain at every frequency."""
    told = {"frequency_cycles_px": [0.0, 0.8], "share": [share, share]}
    return replace(model, header=model.header | {"consistency_share": told})


def share(fields: Path, model: Model) -> list[dict[str, Any]]:
    """What a constant share of the gain costs in PSNR and brings in detectability, at 1 s on a flat background."""
    rows = []
    for part in (0.0, 0.1, 0.2, 0.4):
        changed = with_share(model, part)
        row: dict[str, Any] = {"share": part}
        for exposure in (1.0, 0.25, 0.05):
            errors = [
                level_db(
                    (run_method(frame, d, Job(method="cold", steps=1, model=changed, even="network"))[0] - sharp)[
                        16:-16, 16:-16
                    ]
                )
                for frame, d, sharp in pairs_of(fields / "validation", 12, exposure, 256, model)
            ]
            row[f"psnr_{exposure:g}s_db"] = -float(np.mean(errors))
        seekers = [c for c in classical() if c.key == BLURRED]
        seekers.append(Contestant(DEFAULT, "share", "cold", {}, changed))
        cells = detection.flat_detectability(seekers, 1.0, 200, model.prior)[DEFAULT]["cells"]
        row["hotelling"] = {f"{c['task']} {c['cnr']:g}": c["difference"] for c in cells if c["observer"] == "hotelling"}
        measured = fourier.measure(seekers, fourier.FourierRecipe(1.0, 10), model.prior)
        row["edge_over_flat_noise"] = measured["methods"][DEFAULT]["marks"]["edge_over_flat_noise"]
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def gap(fields: Path, model: Model) -> list[dict[str, Any]]:
    """Gain over Wiener on fields that were trained on and on others."""
    rows = []
    for role, count in (("train", 24), ("validation", 16)):
        for exposure in (1.0, 0.05):
            gains = []
            for frame, degradation, sharp in pairs_of(fields / role, count, exposure, 320, model):
                inner = (slice(BORDER_PX, -BORDER_PX),) * 2
                linear = wiener.restore(frame, degradation)
                restored, _ = run_method(frame, degradation, Job(method="direct", model=model, even="network"))
                gains.append(level_db((linear - sharp)[inner]) - level_db((restored - sharp)[inner]))
            rows.append({"role": role, "fields": count, "exposure_s": exposure, "gain_db": float(np.mean(gains))})
    return rows


def changed(recipe: Recipe, **optimiser: Any) -> Recipe:
    data = recipe.model_dump()
    return parse_recipe(data | {"optimiser": data["optimiser"] | optimiser})


def precision(fields: Path, model: Model) -> list[dict[str, Any]]:
    """Examples of 192 x 192 per second in training."""
    rows = []
    for design in ("128, blocks 1-2-1", "128, blocks 2-3-2"):
        for kind in ("fp32", "bf16"):
            # one process has one precision, unless it forgets
            AcceleratorState._reset_state(reset_partial_state=True)
            recipe = changed(recipe_of(DESIGNS[design], 20), precision=kind)
            source = PairSource(First(fields / "validation", 4), recipe)
            with tempfile.TemporaryDirectory() as folder:
                run = Training(recipe, source, source, Path(folder) / "run")
                batch = source.batch(0)
                for step in range(10):
                    if step == 2:
                        began = time.perf_counter()
                    run._update(*batch)
            pace = 8 * recipe.optimiser.batch / (time.perf_counter() - began)
            rows.append({"design": design, "precision": kind, "examples_per_s": pace})
    return rows


def optimisers(fields: Path, model: Model, updates: int = 200) -> list[dict[str, Any]]:
    """Gain over Wiener of blocks 1-2-1 after as many updates with each optimiser."""
    rows = []
    AcceleratorState._reset_state(reset_partial_state=True)
    design = recipe_of(DESIGNS["128, blocks 1-2-1"], updates)
    train, validation = (PairSource(FieldSet(fields / role), design) for role in ("train", "validation"))
    for name, rate in (("adam", 5e-4), ("muon", 0.01), ("muon", 0.02), ("muon", 0.04)):
        rates = {"learning_rate": rate} if name == "adam" else {"muon_learning_rate": rate}
        with tempfile.TemporaryDirectory() as folder:
            run, began = Training(changed(design, name=name, **rates), train, validation, Path(folder) / "run"), now()
            while run.step < updates:
                run._update(*train.batch(run.step))
                run.step += 1
            row: dict[str, Any] = {"optimiser": name, "rate": rate, "updates": updates, "seconds": now() - began}
            found = run.validate()
            for exposure in ("1s", "0.25s", "0.05s"):
                row[f"gain_{exposure}_db"] = found[f"direct_{exposure}_psnr_db"] - found[f"wiener_{exposure}_psnr_db"]
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


TRIALS = {"border": border, "share": share, "gap": gap, "precision": precision, "optimisers": optimisers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=Path, required=True, help="folder with train/ and validation/")
    parser.add_argument("--only", nargs="*", choices=TRIALS, default=list(TRIALS))
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=None, help="trials that are not run stay in it as they are")
    given = parser.parse_args()
    model = load_model(given.model)
    kept = json.loads(given.out.read_text()) if given.out and given.out.is_file() else {}
    for name in given.only:
        about = {"date": date.today().isoformat(), "model_sha256": model.sha256, "threads": torch.get_num_threads()}
        kept[name] = about | {"rows": TRIALS[name](given.fields, model)}
        print(name, json.dumps(kept[name]), flush=True)
        if given.out:
            given.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
