"""Every kind of object that can be drawn, by name: one entry for datasets and `simulate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from coldray.errors import PhysicsError
from coldray.objects import castings, plates, textures, welds, wires
from coldray.objects._scene import Ranges, Scene
from coldray.simulation.thickness import ThicknessMaps

__all__ = ["KINDS", "ObjectKind", "draw"]


@dataclass(frozen=True)
class ObjectKind:
    """One kind of object.

    Parameters
    ----------
    says : str
        What it is, for people.
    ranges : mapping of str to mapping
        Table of ranges for "seen" objects, which training may use, and for "unseen" ones.
    variants : mapping of str to mapping
        Makers by name, likewise.
    """

    says: str
    ranges: MappingProxyType[str, Ranges]
    variants: MappingProxyType[str, dict[str, Callable[[Scene], None]]]


def _kind(module: object, says: str) -> ObjectKind:
    ranges = {"seen": module.SEEN, "unseen": module.UNSEEN}  # type: ignore[attr-defined]
    return ObjectKind(says, MappingProxyType(ranges), MappingProxyType(module.VARIANTS))  # type: ignore[attr-defined]


WHOLE: Ranges = {
    "magnified": (1.4, 5.0),  # projection at 1.4 to 5 times; assumed
    "soft_mm": (0.04, 0.6),  # standard deviation of edges out of focus or rounded; assumed
}
MAGNIFIED_SHARE, SOFT_SHARE = 0.25, 0.12
"""Of all objects: shown larger, and with soft edges everywhere."""


KINDS: MappingProxyType[str, ObjectKind] = MappingProxyType(
    {
        "plate": _kind(plates, "stepped and slanted plates, slots, holes, shims, long faint edges"),
        "casting": _kind(castings, "curved walls, ribs, bosses and tubes, with pores, sponge, cold shuts, inclusions"),
        "weld": _kind(welds, "plates with rippled beads, undercut, lack of fusion, cracks, porosity, slag"),
        "texture": _kind(textures, "weaves, grains, foams, honeycombs, arrays, fibres, fractal thickness"),
        "wire": _kind(wires, "wires, meshes, coils, bond wires, wire indicators, line groups, stars"),
    }
)


def draw(
    kind: str,
    shape: tuple[int, int],
    grid_pitch_mm: float,
    rng: np.random.Generator | int,
    *,
    variant: str | None = None,
    seen: bool = True,
) -> ThicknessMaps:
    """Draw one object of a kind.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    shape : (rows, cols)
        Grid [cells].
    grid_pitch_mm : float
        Grid step at the object [mm]: the pixel pitch over the oversampling.
    rng : Generator or int
        The same integer gives the same bytes.
    variant : str, optional
        One of the kind's variants; drawn if not given.
    seen : bool
        From the tables that training may use, or from those kept for tests.

    Returns
    -------
    ThicknessMaps
        float32 [mm]; `labels` hold kind, variant, role ("seen", "unseen") and, of regular structures, whether they are
        broken.

    Raises
    ------
    PhysicsError
        If kind or variant is unknown, or the grid empty or its step not positive.

    Notes
    -----
    Sizes are millimetres: another grid step over the same field shows the same object, finer or coarser.
    """
    if kind not in KINDS:
        raise PhysicsError(f"object kind {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    if not grid_pitch_mm > 0 or len(shape) != 2 or min(shape) < 1:
        raise PhysicsError(f"grid {shape} with step {grid_pitch_mm} mm is empty; both must be positive")
    role = "seen" if seen else "unseen"
    makers = KINDS[kind].variants[role]
    if variant is not None and variant not in makers:
        raise PhysicsError(f"{kind} has no {role} variant {variant!r}; choose one of {', '.join(makers)}")
    # an integer starts streams of its own for either role: a test object is no training object
    random = rng if isinstance(rng, np.random.Generator) else np.random.default_rng([int(rng), int(seen)])
    name = str(random.choice(list(makers))) if variant is None else variant
    scene = Scene((int(shape[0]), int(shape[1])), float(grid_pitch_mm), random, KINDS[kind].ranges[role])
    magnified, soft = (float(np.exp(random.uniform(*np.log(WHOLE[n])))) for n in ("magnified", "soft_mm"))
    fates = random.random(2)
    if fates[0] < MAGNIFIED_SHARE:
        scene.zoom *= magnified
    makers[name](scene)
    if fates[1] < SOFT_SHARE:
        scene.soften(soft * scene.zoom)
    scene.labels |= {"kind": kind, "variant": name, "role": role}
    suffix = "" if isinstance(rng, np.random.Generator) else f"-{rng}"
    return scene.finished(f"{kind}-{name}{suffix}")
