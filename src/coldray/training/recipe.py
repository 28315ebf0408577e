"""The training recipe: what a TOML file may say."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from coldray.document import Json, first_fault, read_toml, value_of
from coldray.errors import SettingsError, SettingsReadError

MOST_BATCH_PIXELS = 2**28
"""Largest batch [pixels]: 1 GiB for each of the images that a network is shown."""
LARGEST_SETTING = 2**16
"""Largest number in free settings: widths, blocks, steps."""


def _finite(value: Any) -> Any:
    """Refuse infinities, NaN and impossible sizes at any depth of free settings."""
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(one)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("every number must be finite")
    if isinstance(value, int | float) and abs(value) > LARGEST_SETTING:
        raise ValueError(f"{value:.3g} is beyond {LARGEST_SETTING}")
    return value


Options = Annotated[dict[str, Any], AfterValidator(_finite)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PrepareRecipe(_Strict):
    """A fixed set of patches that training makes for itself where its folder holds none yet."""

    sources: list[str] = []
    """As `coldray prepare` takes them, "simulated:train:119"; none: the dataset must be there."""
    kind: Literal["acquired", "synthetic"] = "acquired"
    patches: int = Field(15000, ge=1)
    validation_patches: int = Field(64, ge=1)
    test_patches: int = Field(600, ge=0)


class DataRecipe(_Strict):
    """Where fields come from and how they are degraded."""

    dataset: Literal["fields", "folder"] = "fields"
    """What `folder` holds: "fields" made from boards when training starts, or a dataset of `coldray prepare`."""
    folder: str = "runs/fields"
    prepare: PrepareRecipe = PrepareRecipe()
    """Of "folder": what the dataset is made of if it is not there."""
    target: Literal["independent", "truth", "mean"] = "independent"
    """Of a prepared dataset: noise-free truth or halves of the frames; the mean of all frames is the paper's way."""
    train_fields: int = Field(600, ge=1)
    validation_fields: int = Field(16, ge=1)
    field_size: int = Field(512, ge=64, le=16384)
    window: int = Field(256, ge=64, le=16384)
    margin: int = Field(16, ge=0)
    gerber: list[str] = []
    """Of "fields": fabrication data of real boards, in the share `real_share`; all of them must exist."""
    gerber_if_present: list[str] = []
    """The same, but those that do not exist are left out."""
    gerber_cache: str = ".cache/boards"
    board_weight: float = Field(1.0, gt=0, le=100)
    """Of "fields": how many times as often boards with the paper's pair are drawn as each of the others."""
    real_share: float = Field(0.4, ge=0, le=1)
    paper_share: float = Field(0.5, ge=0, le=1)
    object_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of fields of other objects than boards."""
    other_share: float = Field(0.0, ge=0, le=1)
    """Of "fields" whose pair is not the paper's: share of detector pairs of other physics than the phosphors'."""
    soft_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share that focal spot and magnification have blurred before the screen."""
    defect_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of boards with defects of all kinds, 10 to 250 in a field."""
    exposure_s: tuple[float, float] = (0.05, 1.0)
    wide_exposure_s: tuple[float, float] | None = None
    """Of "fields": exposures of the share `wide_share` of the frames."""
    wide_share: float = Field(0.0, ge=0, le=1)
    white_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of frames with white noise of any level, whatever their detector."""
    noise: Literal["measured", "none"] = "measured"
    feature_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of examples with small voids, cracks, bars and plates put into them."""
    break_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of examples with gaps across the lines that they hold, and bridges beside them."""
    flat_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of examples on a constant background instead of a board."""
    edge_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of examples of long edges of one low contrast on even ground."""
    nuisance_share: float = Field(0.0, ge=0, le=1)
    """Of "fields": share of examples with what correction leaves: a slope, a fixed pattern, hits that were replaced."""
    workers: int = Field(2, ge=1)
    random_state: int = 0

    @field_validator("exposure_s", "wide_exposure_s")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 < value[0] <= value[1] < math.inf:
            raise ValueError("shortest and longest exposure must be positive, finite and in this order")
        return value


class NetworkRecipe(_Strict):
    """Which network, and its size."""

    name: str = "compact"
    settings: Options = {}
    start: str | None = None
    """Model file (.safetensors) or shipped model whose weights a fresh run starts from; random weights without.

    Settings with `hidden` prune a larger network `compact` first.
    """
    teacher: str | None = None
    """Shipped model or model file from whose answers the run learns wherever they are nearer to the truth than its own."""


class OptimiserRecipe(_Strict):
    """How the weights are fitted."""

    name: Literal["adam", "muon"] = "adam"
    """"muon" updates wide convolutions by orthogonalised momentum and leaves the others to Adam."""
    steps: int = Field(20000, ge=1)
    batch: int = Field(4, ge=1, le=65536)
    learning_rate: float = Field(3e-4, gt=0)
    muon_learning_rate: float = Field(0.02, gt=0)
    warmup_steps: int = Field(200, ge=0)
    decay_steps: int = Field(2000, ge=0)
    clip: float = Field(0.1, gt=0)
    loss: Literal["log_mse", "l1", "mse"] = "log_mse"
    defect_pixels: float = Field(0.0, ge=0, le=1e5)
    """Of "fields": how many ordinary pixels a defect, or a piece of a feature, counts as in the loss besides its own."""
    border: int = Field(8, ge=0)
    ema: float = Field(0.999, ge=0, lt=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int = Field(0, ge=0)


class LogRecipe(_Strict):
    """How often the run looks at itself and saves; by which method it is scored, and that method's options."""

    validate_every: int = Field(500, ge=1)
    validate_with: str | None = None
    validate_options: Options = {}
    save_every: int = Field(250, ge=1)
    keep: int = Field(2, ge=1)


class Recipe(_Strict):
    """A whole training recipe; `example` holds options of the method's examples."""

    run: str = "runs/compact"
    method: str = "cold"
    degradation: str = "mtf_blend"
    random_state: int = 0
    example: Options = {}
    data: DataRecipe = DataRecipe()
    network: NetworkRecipe = NetworkRecipe()
    optimiser: OptimiserRecipe = OptimiserRecipe()
    log: LogRecipe = LogRecipe()


def read_recipe(path: Path, changes: list[str] | None = None) -> Recipe:
    """Read a recipe file and apply ``section.key=value`` changes.

    Parameters
    ----------
    path : Path
        TOML file.
    changes : list of str, optional
        Values are TOML; plain words count as text.

    Raises
    ------
    SettingsReadError
        If the file is missing or not TOML.
    SettingsError
        If a key is unknown (the nearest known one is suggested) or a value is out of range.
    """
    data = read_toml(path, SettingsReadError)
    for change in changes or []:
        name, mark, text = change.partition("=")
        if not mark:
            raise SettingsError(f"--set {change!r}: write section.key=value")
        *sections, key = name.strip().split(".")
        place: dict[str, Any] = data
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise SettingsError(f"--set {change!r}: {section!r} is a value, not a section")
        place[key] = value_of(text)
    return parse_recipe(data)


def parse_recipe(data: Mapping[str, Json]) -> Recipe:
    """Validate a recipe given as nested dictionaries."""
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        if fault.is_unknown:
            near = difflib.get_close_matches(fault.name, _known_keys(Recipe), 1, 0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"unknown setting {fault.name!r}{hint}") from None
        raise SettingsError(f"setting {fault.name!r}: {fault.reason}") from None
    pixels = recipe.optimiser.batch * recipe.data.window**2
    if pixels > MOST_BATCH_PIXELS:
        raise SettingsError(
            f"setting 'optimiser.batch': {recipe.optimiser.batch} windows of {recipe.data.window} pixels squared are {pixels:.3g} pixels in one "
            f"step; {MOST_BATCH_PIXELS:.3g} are the most"
        )
    margin, border = recipe.data.margin, recipe.optimiser.border
    if recipe.data.window - 2 * (margin + border) < 8:
        raise SettingsError(
            f"data.window {recipe.data.window} less data.margin {margin} and optimiser.border {border} on every side leaves "
            "nothing to learn from; at least 8 pixels are needed"
        )
    return recipe


def _known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for key, info in model.model_fields.items():
        names.append(prefix + key)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += _known_keys(info.annotation, f"{prefix}{key}.")
    return names
