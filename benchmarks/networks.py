"""Designs of networks like that of `compact-0.1` side by side: parameters, speed, and scores after an equal time of training.

python benchmarks/networks.py --fields runs/fields [--minutes 4] [--threads 1] [--out benchmarks/results/networks.json]

Times are processor seconds over threads: what else runs on the machine does not count against a design.
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

from coldray.dataset.fields import FieldSet
from coldray.networks.compact import Network
from coldray.training.loop import Training, has_bf16
from coldray.training.pairs import PairSource
from coldray.training.recipe import Recipe, parse_recipe

DESIGNS = {
    "128, blocks 1-2-1": {"width": 128, "deep_width": 192, "blocks": [1, 2, 1]},
    "128, blocks 2-3-2": {"width": 128, "deep_width": 192, "blocks": [2, 3, 2]},
    "128, blocks 2-6-2": {"width": 128, "deep_width": 192, "blocks": [2, 6, 2]},
    "128/256, blocks 1-4-1": {"width": 128, "deep_width": 256, "blocks": [1, 4, 1]},
    "96, blocks 2-4-2": {"width": 96, "deep_width": 160, "blocks": [2, 4, 2]},
    "128, one level, blocks 3-0-3": {"width": 128, "deep_width": 192, "blocks": [3, 0, 3]},
}


PROBE = 8
"""Updates that tell how many fit into the time."""


def recipe_of(settings: dict, updates: int) -> Recipe:
    """Recipe of the shipped model with another network, its rates falling to zero over the last half."""
    return parse_recipe(
        {
            "network": {"settings": settings},
            "example": {"full_strength_share": 1.0},
            "data": {"window": 224},
            "optimiser": {
                "name": "muon", "steps": updates, "batch": 4, "learning_rate": 1e-3, "warmup_steps": min(50, updates),
                "decay_steps": updates // 2, "ema": 0.95,
            },
        }
    )  # fmt: skip


def now() -> float:
    """Processor seconds over threads."""
    return time.process_time() / torch.get_num_threads()


def speed(settings: dict) -> dict[str, float]:
    """Parameters, training pace and inference time of one design."""
    network = Network(**settings).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    channels = torch.randn(3, 3, 192, 192).contiguous(memory_format=torch.channels_last)
    conditions = torch.randn(3, 11)
    for i in range(6):
        if i == 2:
            began = now()
        loss = network(channels, conditions).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    step = (now() - began) / 4
    with torch.no_grad():
        began = now()
        network(channels, conditions)
        once = now() - began
    return {
        "parameters_m": sum(p.numel() for p in network.parameters()) / 1e6,
        "reach_px": network.radius,
        "patches_128_per_s": channels.shape[0] * 192**2 / 128**2 / step,
        "inference_s_per_mpx": once / (channels.shape[0] * 192**2 / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--fields", type=Path, default=None, help="folder with train/ and validation/; speed only without"
    )
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS))
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    table = []
    sources = None
    for name in given.designs:
        row = {"design": name} | speed(DESIGNS[name])
        if given.fields is not None:
            if sources is None:
                recipe = recipe_of(DESIGNS[name], 1)
                sources = [PairSource(FieldSet(given.fields / role), recipe) for role in ("train", "validation")]
            with tempfile.TemporaryDirectory() as folder:
                trial = Training(recipe_of(DESIGNS[name], PROBE), *sources, Path(folder) / "trial")
                trial._update(*sources[0].batch(0))
                began = now()
                for step in range(PROBE):
                    trial._update(*sources[0].batch(step))
                updates = int(60 * given.minutes / (now() - began) * PROBE)
                began = now()
                run = Training(recipe_of(DESIGNS[name], updates), *sources, Path(folder) / "run")
                while run.step < updates:
                    # private on purpose: the loop without its states and validations
                    run._update(*sources[0].batch(run.step))
                    run.step += 1
                minutes = (now() - began) / 60
                row |= {"updates": run.step, "minutes": round(minutes, 2)} | {
                    k: float(np.round(v, 4)) for k, v in run.validate().items()
                }
        table.append(row)
        print(json.dumps(row), flush=True)
    if given.out:
        note = {
            "date": date.today().isoformat(),
            "threads": torch.get_num_threads(),
            "bf16": has_bf16(),
            "minutes": given.minutes,
        }
        given.out.write_text(json.dumps(note | {"rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
