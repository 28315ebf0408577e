"""Circuit boards drawn from a random state: no two alike, families kept apart for training and testing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coldray.errors import PhysicsError
from coldray.objects.boards.families import GENERATORS
from coldray.objects.canvas import RANDOM_STATE_VERSION, drawing_seed
from coldray.simulation.thickness import ThicknessMaps

__all__ = ["FAMILIES", "ROLES", "procedural_board"]

FAMILIES: dict[str, Callable] = {name: draw for name, (_, draw) in GENERATORS.items()}
ROLES: dict[str, str] = {name: role for name, (role, _) in GENERATORS.items()}


def procedural_board(
    family: str, shape: tuple[int, int], grid_pitch_mm: float, rng: np.random.Generator | int
) -> ThicknessMaps:
    """One board of a family: copper, vias, solder and parts as thickness maps.

    Parameters
    ----------
    family : str
        A key of `FAMILIES`; `ROLES` says whether it may be trained on.
    shape : (int, int)
        Grid (rows, cols).
    grid_pitch_mm : float
        Grid step at the object plane [mm]; 0.004-0.05 makes sense for parts of this size.
    rng : Generator or int
        The same integer gives the same bytes. One number is taken from a generator.

    Returns
    -------
    ThicknessMaps
        float32 [mm], one map per material present; names are columns of the attenuation table. `labels` hold family,
        role and `random_state_version`.

    Raises
    ------
    PhysicsError
        If the family is unknown, or the grid is empty or its step not positive.

    Notes
    -----
    Plan view without tilt: heights only add up. Dimensions follow common fabrication limits
    (IPC-2221 copper weights, IPC-7351 land patterns, IPC-7095 ball voids).
    """
    if family not in FAMILIES:
        raise PhysicsError(f"board family {family!r} is unknown; choose one of {', '.join(sorted(FAMILIES))}")
    if not grid_pitch_mm > 0 or min(shape) < 1:
        raise PhysicsError(f"grid {shape} with step {grid_pitch_mm} mm is empty; both must be positive")
    name = f"{family}-{rng}" if isinstance(rng, int | np.integer) else family
    random = np.random.default_rng(drawing_seed(rng))
    maps = FAMILIES[family]((int(shape[0]), int(shape[1])), float(grid_pitch_mm), random).finish()
    labels = {"family": family, "role": ROLES[family], "random_state_version": RANDOM_STATE_VERSION}
    return ThicknessMaps(maps, float(grid_pitch_mm), name, labels)
