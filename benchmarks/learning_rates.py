"""The learning rate of every small recipe, by a short run for each rate.

python benchmarks/learning_rates.py [--recipes regression cold_small cdm cdm_image] [--rates 5e-4 1e-3 2e-3]
    [--updates 200] [--folder runs/small_patches] [--out benchmarks/results/learning_rates.json]

Each run sees the same patches in the same order and falls to a rate of zero over its second half. What is compared is the
recipe's own loss, of the averaged weights, on held-out patches with fixed noise; rates of one recipe are comparable, recipes are not.
A row that is in the file already is kept.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch

from coldray.training.loop import Training, has_bf16, loss_of
from coldray.training.recipe import Recipe, read_recipe
from coldray.training.run import prepare_fields, source_of

CONFIGS = Path(__file__).parents[1] / "configs"
RECIPES = ("regression", "cold_small", "cdm", "cdm_image")
BATCHES = 32
"""Held-out batches whose mean loss is compared."""


def recipe_of(name: str, rate: float, updates: int, folder: Path | None) -> Recipe:
    """A small recipe with another rate and length."""
    changes = [f"optimiser.learning_rate={rate}", f"optimiser.steps={updates}", f"optimiser.decay_steps={updates // 2}"]
    changes += [f"optimiser.warmup_steps={updates // 8}", "optimiser.ema=0.95"]
    return read_recipe(CONFIGS / f"{name}.toml", changes + ([f'data.folder="{folder}"'] if folder else []))


def held_out_loss(run: Training, recipe: Recipe, validation) -> float:
    """Mean loss of the averaged weights on validation patches."""
    network, losses = run.plain_network.eval(), []
    with torch.no_grad():
        for number in range(BATCHES):
            channels, conditions, target = (torch.from_numpy(part) for part in validation.batch(number))
            estimate = network(channels.to(memory_format=torch.channels_last), conditions)
            losses.append(float(loss_of(recipe.optimiser, estimate, target)))
    return float(np.mean(losses))


def trial(name: str, rate: float, updates: int, folder: Path | None) -> dict:
    """One short run and what it reached."""
    recipe = recipe_of(name, rate, updates, folder)
    train, validation = (source_of(prepare_fields(recipe, role), recipe) for role in ("train", "validation"))
    began = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        run = Training(recipe, train, validation, Path(scratch))
        while run.step < updates:
            # private on purpose: the loop without its states and validations
            run._update(*train.batch(run.step))
            run.step += 1
        seconds = time.process_time() - began
        loss = held_out_loss(run, recipe, validation)
    pace = updates * recipe.optimiser.batch / seconds
    return {"recipe": name, "rate": rate, "updates": updates, "loss": loss, "patches_per_core_s": round(pace, 1)}


def best_of(rows: list[dict]) -> dict[str, float]:
    """Rate of the least loss, by recipe."""
    found: dict[str, dict] = {}
    for row in rows:
        if row["recipe"] not in found or row["loss"] < found[row["recipe"]]["loss"]:
            found[row["recipe"]] = row
    return {name: row["rate"] for name, row in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--rates", nargs="*", type=float, default=[5e-4, 1e-3, 2e-3])
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None, help="prepared patches; the recipes' own by default")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/learning_rates.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict] = json.loads(given.out.read_text())["rows"] if given.out.exists() else []
    for name in given.recipes:
        for rate in given.rates:
            if (name, rate, given.updates) in {(r["recipe"], r["rate"], r["updates"]) for r in rows}:
                continue
            rows.append(trial(name, rate, given.updates, given.folder))
            print(json.dumps(rows[-1]), flush=True)
            note = {"date": date.today().isoformat(), "bf16": has_bf16(), "best": best_of(rows), "rows": rows}
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(note, indent=1) + "\n")
    print(json.dumps(best_of(rows)))


if __name__ == "__main__":
    main()
