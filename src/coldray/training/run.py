"""From a recipe to a running training: fields on disk, sources in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from accelerate import PartialState

from coldray.dataset.fields import FieldRecipe, FieldSet, build_fields
from coldray.dataset.part import Cut
from coldray.dataset.prepare import PrepareSettings, Sources, prepare
from coldray.dataset.simulated import BoardRecipe
from coldray.dataset.store import MANIFEST, PatchSet
from coldray.errors import SettingsError
from coldray.training.loop import Training, on_cpus
from coldray.training.pairs import PairSource
from coldray.training.patch_pairs import PatchSource
from coldray.training.recipe import Recipe


def is_first() -> bool:
    """Whether this is the process that makes data, speaks and saves; always without torchrun."""
    return bool(PartialState(cpu=on_cpus()).is_main_process)


def prepare_once(recipe: Recipe, role: str, progress: Callable[..., None] | None = None) -> FieldSet | PatchSet:
    """As `prepare_fields`, by the first of the processes of a training; the others wait and open what it made."""
    with PartialState(cpu=on_cpus()).main_process_first():
        return prepare_fields(recipe, role, progress)


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
        If a Gerber archive of the recipe does not exist, or the dataset is not the one that the recipe asks for.
    """
    data = recipe.data
    if data.dataset == "folder":
        return _patches(recipe, role, progress)
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
    kinds = {
        key: getattr(data, key) for key in ("paper_share", "object_share", "other_share", "soft_share", "defect_share")
    }
    recipes = [FieldRecipe(role, i, data.random_state, data.field_size, share, **kinds) for i in range(count)]
    return build_fields(Path(data.folder) / role, recipes, real, Path(data.gerber_cache), data.workers, progress)


def _patches(recipe: Recipe, role: str, progress: Callable[..., None] | None) -> PatchSet:
    """Open a prepared dataset; make it first if the recipe says what of."""
    data, asked = recipe.data, recipe.data.prepare
    folder = Path(data.folder)
    if not asked.sources:
        return PatchSet(folder, role)
    if not (folder / MANIFEST).exists():
        boards = BoardRecipe("any", 0, random_state=data.random_state, exposure_s=data.exposure_s)
        how = PrepareSettings(
            cut=Cut(asked.kind, context_px=data.margin), patches=asked.patches, validation_patches=asked.validation_patches,
            test_patches=asked.test_patches, simulated=boards,
        )  # fmt: skip
        prepare(folder, Sources(tuple(asked.sources)), how, workers=data.workers, progress=progress)
    found, wanted = PatchSet(folder, role), {"train": asked.patches, "validation": asked.validation_patches}[role]
    there, needed = f"{len(found)} {found.manifest['kind']}", f"{wanted} {asked.kind}"
    if there != needed:
        raise SettingsError(
            f"{folder} holds {there} {role} patches, the recipe asks for {needed} ones; choose a folder of its own with "
            f"--set data.folder=FOLDER, or delete {folder}"
        )
    return found


def source_of(found: FieldSet | PatchSet, recipe: Recipe) -> PairSource:
    """Training pairs of fields or of prepared patches."""
    return PatchSource(found, recipe) if isinstance(found, PatchSet) else PairSource(found, recipe)


def start(recipe: Recipe, train: FieldSet | PatchSet, validation: FieldSet | PatchSet) -> Training:
    """Load the fields or patches and start or resume the run."""
    return Training(recipe, source_of(train, recipe), source_of(validation, recipe), Path(recipe.run))
