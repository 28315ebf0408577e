"""How fast the comparison's networks train here, and what a GPU would take: operations counted, pace measured.

python benchmarks/pace.py [--recipes paper regression compact] [--out benchmarks/results/pace.json]
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from coldray.plugins import plugin
from coldray.training.recipe import read_recipe

GPU_TFLOPS = 10.0
"""Sustained on one data-centre GPU in bf16, an assumption: about a tenth of the peak of small convolutions."""


def pace(name: str) -> dict[str, float | str]:
    """Parameters, operations per patch and CPU seconds of one update of a recipe's network, batch 1."""
    recipe = read_recipe(Path("configs") / f"{name}.toml")
    method = plugin("method", recipe.method)
    network = plugin("network", recipe.network.name).Network(
        channels=len(method.CHANNELS), conditions=len(method.CONDITIONS), **recipe.network.settings
    )
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    side = 128
    images = torch.rand(1, len(method.CHANNELS), side, side).contiguous(memory_format=torch.channels_last)
    told = torch.rand(1, len(method.CONDITIONS))
    counter = FlopCounterMode(display=False)
    with counter:
        network(images, told).square().mean().backward()
    took = []
    for _ in range(2):
        began = time.process_time()
        optimiser.zero_grad()
        network(images, told).square().mean().backward()
        optimiser.step()
        took.append(time.process_time() - began)
    wanted = (
        recipe.optimiser.steps * recipe.optimiser.batch * ((recipe.data.window - 2 * recipe.data.margin) / side) ** 2
    )
    operations = float(counter.get_total_flops())
    return {
        "recipe": name,
        "parameters_m": sum(p.numel() for p in network.parameters()) / 1e6,
        "reach_px": network.radius,
        "gflop_per_patch": operations / 1e9,
        "patches_per_cpu_s": 1 / min(took),
        "patches_of_the_recipe": wanted,
        "core_hours": wanted * min(took) / 3600,
        "gpu_hours_estimate": wanted * operations / (GPU_TFLOPS * 1e12) / 3600,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", nargs="*", default=["paper", "regression", "compact"])
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    rows = []
    for name in given.recipes:
        rows.append(pace(name))
        print(json.dumps(rows[-1]), flush=True)
    if given.out:
        note = {
            "date": date.today().isoformat(), "threads": torch.get_num_threads(), "patch_px": 128,
            "what": "network alone, forward, backward and step in fp32, CPU time; examples cost about a third on top",
            "gpu_assumed_tflops": GPU_TFLOPS,
        }  # fmt: skip
        given.out.write_text(json.dumps(note | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
