"""Two tiny fields and a recipe that trains on them in a blink."""

import json
from dataclasses import asdict

import numpy as np
import pytest

SIDE = 80


def write_fields(folder, count, seed):
    """Write fields as build_fields leaves them: blocks, seen by the paper's pair and by another one."""
    from coldray.dataset.family import PairDraw
    from coldray.dataset.fields import FieldSet

    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        draw = PairDraw() if index % 2 == 0 else PairDraw(0.1, 40.0, 120.0, 1.1, 0.9)
        image = np.kron(rng.uniform(0.2, 0.9, (SIDE // 8, SIDE // 8)), np.ones((8, 8))).astype(np.float32)
        np.save(folder / f"{index:05d}.npy", image)
        (folder / f"{index:05d}.json").write_text(
            json.dumps({"pair": asdict(draw), "board": f"board {index}", "real": False})
        )
    return FieldSet(folder)


@pytest.fixture(scope="session")
def fields(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    return write_fields(folder / "train", 2, 1), write_fields(folder / "validation", 1, 2)


@pytest.fixture(scope="session")
def recipe_of():
    """Build a tiny recipe; keywords change sections."""
    from coldray.training.recipe import parse_recipe

    def build(**sections):
        data = {
            "method": "cold",
            "random_state": 3,
            "data": {"window": 64, "margin": 16, "field_size": SIDE},
            "network": {"settings": {"width": 16, "deep_width": 16, "blocks": [1, 1, 0], "embedding": 8}},
            "optimiser": {
                "steps": 6, "batch": 2, "learning_rate": 1e-3, "warmup_steps": 2, "decay_steps": 2,
                "border": 4, "precision": "fp32", "threads": 1,
            },
            "log": {"validate_every": 100, "save_every": 100},
        }  # fmt: skip
        for name, change in sections.items():
            data[name] = {**data[name], **change} if isinstance(data.get(name), dict) else change
        return parse_recipe(data)

    return build
