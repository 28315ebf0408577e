"""Every kind of object beside boards, by name: one entry for datasets and `simulate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from coldray.errors import PhysicsError
from coldray.objects import castings, plates, textures, welds, wires
from coldray.objects._scene import Ranges, Scene
from coldray.objects.batteries import CELL_FORMS, battery
from coldray.objects.defects import add_defects
from coldray.simulation.thickness import ThicknessMaps

__all__ = ["KINDS", "ROLES", "SCENES", "SceneKind", "draw_kind", "variants"]

ROLES = ("train", "validation", "test")
"""What an object is for: tests draw from tables and variants that neither training nor validation sees."""

WHOLE: Ranges = {
    "magnified": (1.4, 5.0),  # projection at 1.4 to 5 times; assumed
    "soft_mm": (0.04, 0.6),  # standard deviation of edges out of focus or rounded; assumed
}
MAGNIFIED_SHARE, SOFT_SHARE = 0.25, 0.08
"""Of all scenes: shown larger, and with soft edges everywhere."""
LARGER_CELLS = (1.0, 4.0)
"""How much larger than a small cell those are of which a part is shown; assumed."""
DEFECT_SHARE, DEFECTS = 0.5, (1, 30)
"""Of all objects: with defects of contrast-to-noise 1 to 100, and how many."""


@dataclass(frozen=True)
class SceneKind:
    """One kind of scene: what it is, and for "seen" and "unseen" objects its table of ranges and its makers by name."""

    says: str
    ranges: Mapping[str, Ranges]
    variants: Mapping[str, Mapping[str, Callable[[Scene], None]]]


SCENES: Mapping[str, SceneKind] = MappingProxyType(
    {
        "plate": SceneKind(
            "stepped and slanted plates, slots, holes, shims, long faint edges",
            {"seen": plates.SEEN, "unseen": plates.UNSEEN},
            plates.VARIANTS,
        ),
        "casting": SceneKind(
            "curved walls, ribs, bosses and tubes, with pores, sponge, cold shuts, inclusions",
            {"seen": castings.SEEN, "unseen": castings.UNSEEN},
            castings.VARIANTS,
        ),
        "weld": SceneKind(
            "plates with rippled beads, undercut, lack of fusion, cracks, porosity, slag",
            {"seen": welds.SEEN, "unseen": welds.UNSEEN},
            welds.VARIANTS,
        ),
        "wire": SceneKind(
            "wires, meshes, coils, bond wires, wire indicators, line groups, stars",
            {"seen": wires.SEEN, "unseen": wires.UNSEEN},
            wires.VARIANTS,
        ),
        "texture": SceneKind(
            "weaves, grains, foams, honeycombs, arrays, fibres, fractal thickness",
            {"seen": textures.SEEN, "unseen": textures.UNSEEN},
            textures.VARIANTS,
        ),
    }
)
KINDS: tuple[str, ...] = (*SCENES, "battery")


def variants(kind: str, role: str) -> tuple[str, ...]:
    """Variants that a kind may be drawn as, for a role.

    Raises
    ------
    PhysicsError
        If kind or role is unknown.
    """
    for name, value, known in (("object kind", kind, KINDS), ("role", role, ROLES)):
        if value not in known:
            raise PhysicsError(f"{name} {value!r} is unknown; choose one of {', '.join(known)}")
    return CELL_FORMS if kind == "battery" else tuple(SCENES[kind].variants[_table(role)])


def _table(role: str) -> str:
    return "unseen" if role == "test" else "seen"


def draw_kind(
    kind: str,
    shape: tuple[int, int],
    grid_pitch_mm: float,
    rng: np.random.Generator | int,
    role: str = "train",
    *,
    variant: str | None = None,
    defects: bool = True,
) -> ThicknessMaps:
    """Draw one object of a kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    shape : (rows, cols)
        Grid [cells].
    grid_pitch_mm : float
        Grid step at the object [mm]: the pixel pitch over the oversampling.
    rng : Generator or int
        The same integer gives the same bytes; every role has streams of its own.
    role : {"train", "validation", "test"}
    variant : str, optional
        One of `variants(kind, role)`; drawn if not given.
    defects : bool
        Put known defects (`coldray.objects.defects`) into half of the objects, beside the flaws that are part of a kind.

    Returns
    -------
    ThicknessMaps
        float32 [mm]; `labels` hold kind, variant and role, `defects` with their masks, and of regular structures
        whether they are broken.

    Raises
    ------
    PhysicsError
        If kind, variant or role is unknown, or the grid empty or its step not positive.

    Notes
    -----
    Sizes are millimetres: another grid step over the same field shows the same object, finer or coarser, but for known
    defects, whose places are searched for on the grid.
    """
    makers = variants(kind, role)
    if not grid_pitch_mm > 0 or len(shape) != 2 or min(shape) < 1:
        raise PhysicsError(f"grid {shape} with step {grid_pitch_mm} mm is empty; both must be positive")
    if variant is not None and variant not in makers:
        raise PhysicsError(f"{kind} has no variant {variant!r} for {role}; choose one of {', '.join(makers)}")
    given = isinstance(rng, np.random.Generator)
    random = rng if isinstance(rng, np.random.Generator) else np.random.default_rng([int(rng), ROLES.index(role)])
    name = str(random.choice(makers)) if variant is None else variant
    called = f"{kind}-{name}" if given else f"{kind}-{name}-{rng}"
    grid = (int(shape[0]), int(shape[1]))
    if kind == "battery":
        drawn = _cell(name, grid, float(grid_pitch_mm), random, defects)
    else:
        scene = _scene(kind, name, grid, float(grid_pitch_mm), random, _table(role))
        drawn = _with_defects(
            ThicknessMaps(scene.finished(), scene.pitch, kind, {**scene.labels, "kind": kind}), random, defects
        )
    labels = {**drawn.labels, "kind": kind, "variant": name, "role": role}
    return ThicknessMaps(drawn.thickness_mm, float(grid_pitch_mm), called, labels)


def _with_defects(maps: ThicknessMaps, rng: np.random.Generator, wanted: bool) -> ThicknessMaps:
    """An object with some defects, or as it is."""
    given, count = rng.random() < DEFECT_SHARE, int(np.exp(rng.uniform(*np.log(DEFECTS))))
    return add_defects(maps, count, rng, fewer=True)[0] if given and wanted else maps


def _cell(form: str, shape: tuple[int, int], pitch: float, rng: np.random.Generator, defects: bool) -> ThicknessMaps:
    """A battery: its upper end with everything beside it, or any part of it, larger."""
    whole, larger = rng.random() < 0.5, float(np.exp(rng.uniform(*np.log(LARGER_CELLS))))
    if whole:
        cell = battery(form, shape, pitch, rng)
        return _with_defects(ThicknessMaps(cell.thickness_mm, pitch, form, {**cell.labels, "kind": form}), rng, defects)
    rows, cols = (int(1.5 * n) for n in shape)
    cell = battery(form, (rows, cols), pitch / larger, rng)
    cell = ThicknessMaps(cell.thickness_mm, cell.grid_pitch_mm, form, {**cell.labels, "kind": form})
    faulty = _with_defects(cell, rng, defects).thickness_mm
    row, col = (int(rng.integers(0, more - n + 1)) for more, n in zip((rows, cols), shape, strict=True))
    part = (slice(row, row + shape[0]), slice(col, col + shape[1]))
    return ThicknessMaps({m: np.ascontiguousarray(t[part]) for m, t in faulty.items()}, pitch, form)


def _scene(
    kind: str, variant: str, shape: tuple[int, int], pitch: float, rng: np.random.Generator, table: str
) -> Scene:
    """A scene, some of them magnified or soft-edged."""
    scene = Scene(shape, pitch, rng, SCENES[kind].ranges[table])
    magnified, soft = (float(np.exp(rng.uniform(*np.log(WHOLE[n])))) for n in ("magnified", "soft_mm"))
    fates = rng.random(2)
    if fates[0] < MAGNIFIED_SHARE:
        scene.magnify(magnified)
    SCENES[kind].variants[table][variant](scene)
    if fates[1] < SOFT_SHARE:
        scene.soften(soft * scene.zoom)
    return scene
