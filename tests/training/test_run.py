"""From a recipe to its data: a fixed set of patches is made once, and is the one that was asked for."""

import pytest

from coldray.dataset.store import MANIFEST
from coldray.errors import SettingsError
from coldray.training import run

SOURCES = {"sources": ["simulated:train:1"], "patches": 8, "validation_patches": 2, "test_patches": 0}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Calls of `prepare`, which leaves a dataset of 8 and 2 patches."""
    calls = []

    def prepare(folder, sources, settings, **more):
        calls.append((folder, sources, settings))
        folder.mkdir()
        (folder / MANIFEST).write_text("{}")

    class Patches(list):
        def __init__(self, folder, role):
            super().__init__(range({"train": 8, "validation": 2}[role]))
            self.manifest = {"kind": "acquired"}

    monkeypatch.setattr(run, "prepare", prepare)
    monkeypatch.setattr(run, "PatchSet", Patches)
    return calls


def test_the_set_is_made_once_as_the_recipe_says(made, recipe_of, tmp_path):
    asked = {"dataset": "folder", "folder": str(tmp_path / "set"), "prepare": SOURCES, "exposure_s": [1.0, 1.0]}
    recipe = recipe_of(data=asked)
    sizes = [len(run.prepare_fields(recipe, role)) for role in ("train", "validation", "train")]
    assert sizes == [8, 2, 8]
    ((folder, sources, settings),) = made
    assert folder == tmp_path / "set" and sources.boards == ("simulated:train:1",)
    assert (settings.patches, settings.validation_patches, settings.test_patches) == (8, 2, 0)
    assert settings.cut.context_px == recipe.data.margin
    assert settings.simulated.exposure_s == (1.0, 1.0)
    other = recipe_of(data=asked | {"prepare": SOURCES | {"patches": 9}})
    with pytest.raises(
        SettingsError, match=r"set holds 8 acquired train patches, the recipe asks for 9 .*--set data\.folder="
    ):
        run.prepare_fields(other, "train")
    other = recipe_of(data=asked | {"prepare": SOURCES | {"kind": "synthetic"}})
    with pytest.raises(
        SettingsError, match=r"set holds 8 acquired train patches, the recipe asks for 8 synthetic ones"
    ):
        run.prepare_fields(other, "train")


def test_without_sources_the_dataset_must_be_there(made, recipe_of, tmp_path):
    run.prepare_fields(recipe_of(data={"dataset": "folder", "folder": str(tmp_path)}), "train")
    assert not made
