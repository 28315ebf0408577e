"""The paper's training to the letter on the small U-Net: its recipes, its rows, and what the page makes of them."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def letter(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import letter

    yield letter
    for name in ("letter", "_numbers"):
        sys.modules.pop(name, None)


def kept(name):
    return json.loads((ROOT / "benchmarks" / "results" / name).read_text(encoding="utf-8"))


def test_the_recipes_are_the_papers_with_a_smaller_network_and_fewer_updates(letter):
    from coldray.training.recipe import read_recipe

    small = read_recipe(ROOT / "configs" / "cold_small.toml")
    for arm, name in letter.RECIPES.items():
        own, papers = letter.recipe_of(arm), read_recipe(ROOT / "configs" / f"{name}.toml")
        steps = {"steps": papers.optimiser.steps}
        assert own.optimiser.model_copy(update=steps) == papers.optimiser and own.optimiser.steps == 5000
        levels = {"levels": letter.LEVELS[arm]} if arm in letter.LEVELS else {}
        assert (own.method, own.degradation) == (papers.method, papers.degradation)
        assert own.example == papers.example | levels
        assert (own.optimiser.learning_rate, own.optimiser.batch, own.data.noise, own.data.target) == (
            2e-5,
            16,
            "none",
            "mean",
        )
        assert own.data.prepare == small.data.prepare and own.data.folder == small.data.folder, (
            "one set of patches for both arms"
        )
        sizes = ("width", "blocks", "kernel", "unshuffle")
        assert all(own.network.settings[key] == small.network.settings[key] for key in sizes)
        seen = ("shown", "told")
        assert all(own.network.settings[key] == papers.network.settings[key] for key in seen)


def test_the_kept_rows_stand_on_the_scenes_of_the_comparison(letter):
    """The raw frame's scores are those of the comparison, frame by frame."""
    mine, theirs = (
        {
            (r["board"], r["kind"], r["exposure_s"]): r["psnr_db_truth"]
            for r in kept(name)["images"]
            if r["method"] == "blurred"
        }
        for name in ("letter.json", "paper/results.json")
    )
    assert len(mine) == 6 * 4 and mine == {key: theirs[key] for key in mine}


def test_an_arm_says_how_long_it_was_trained(letter):
    found = kept("letter.json")
    assert {"cold", "regression"} <= set(found["training"]) <= set(letter.RECIPES)
    for name, run in found["training"].items():
        assert run["scores"][-1]["step"] == run["updates"] <= run["of"] == letter.UPDATES
        assert (
            f"{name} {run['updates']} of 5000 updates of 16"
            in letter.blocks(found, kept("paper/results.json"))["letter"]
        )
