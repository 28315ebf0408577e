"""From a recipe to a running training: fields on disk, sources in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coldray.dataset.fields import FieldRecipe, FieldSet, build_fields
from coldray.dataset.store import PatchSet
from coldray.errors import SettingsError
from coldray.training.loop import Training
from coldray.training.pairs import PairSource
from coldray.training.patch_pairs import PatchSource
from coldray.training.recipe import Recipe


def prepare_fields(recipe: Recipe, role: str, progress: Callable[..., None] | None = None) -> FieldSet | PatchSet:
    """Make the fields of one role that are still missing, or open a dataset that `coldray prepare` made.

    Parameters
    ----------
    recipe : Recipe
    role : {"train", "validation"}
        Validation fields are procedural boards of families that training never sees.
    progress : callable, optional
        Called as progress(done, total).

    Raises
    ------
    SettingsError
        If a Gerber archive of the recipe does not exist.
    """
    data = recipe.data
    if data.dataset == "folder":
        return PatchSet(Path(data.folder), role)
    count = data.train_fields if role == "train" else data.validation_fields
    present = [archive for archive in data.gerber_if_present if Path(archive).exists()]
    real = (*data.gerber, *present) if role == "train" else ()
    for archive in data.gerber:
        if not Path(archive).exists():
            raise SettingsError(
                f"data.gerber: {archive} does not exist; give other boards, or an empty list for procedural boards only"
            )
    # without real boards the share is void; keeping it out of the recipe keeps fields reusable
    share = data.real_share if real else 0.0
    kinds = {key: getattr(data, key) for key in ("paper_share", "object_share", "other_share", "soft_share")}
    recipes = [FieldRecipe(role, i, data.random_state, data.field_size, share, **kinds) for i in range(count)]
    return build_fields(Path(data.folder) / role, recipes, real, Path(data.gerber_cache), data.workers, progress)


def source_of(found: FieldSet | PatchSet, recipe: Recipe) -> PairSource:
    """Training pairs of fields or of prepared patches."""
    return PatchSource(found, recipe) if isinstance(found, PatchSet) else PairSource(found, recipe)


def start(recipe: Recipe, train: FieldSet | PatchSet, validation: FieldSet | PatchSet) -> Training:
    """Load the fields or patches and start or resume the run."""
    return Training(recipe, source_of(train, recipe), source_of(validation, recipe), Path(recipe.run))
