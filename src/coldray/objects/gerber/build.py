"""How one copy of a board is made: foils, plating, solder, and which parts and faults it has."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from coldray.errors import PhysicsError

_SOLDERS = ("SAC305", "Sn63Pb37")


@dataclass(frozen=True)
class BoardBuild:
    """How one copy of a board is made; the default is a faithful, fully placed lead-free build.

    Parameters
    ----------
    board_thickness_mm : float
        Laminate with its inner copper [mm].
    copper_outer_mm, copper_inner_mm : float
        Foil thickness [mm].
    copper_spread : float
        Relative standard deviation of the foil thickness from layer to layer.
    plating_mm : float
        Wall of plated holes [mm].
    paste_mm : float
        Stencil thickness [mm]; half of the paste is metal.
    solder : str
        "SAC305" or "Sn63Pb37".
    misregistration_mm : float
        Standard deviation of each layer's shift along x and y [mm].
    inner_layers_kept : float
        Share of inner copper layers present, 0 to 1.
    placed_fraction : float
        Share of parts present, 0 to 1.
    ball_fraction : float
        Share of balls present under placed ball-grid parts, 0 to 1.
    voided_fraction : float
        Share of balls with one to three voids, 0 to 1.
    void_diameter_low, void_diameter_high : float
        Range of the void diameter as a share of the ball diameter.
    pinned_fraction : float
        Share of hole sizes above 0.6 mm that carry soldered pins, 0 to 1.
    wire_fraction : float
        Share of moulded parts with gold wires (the others have copper ones) and of ball grids that are wire-bonded.
    plugged_fraction : float
        Share of via sizes (up to 0.35 mm) filled with resin, 0 to 1.
    """

    board_thickness_mm: float = 1.6
    copper_outer_mm: float = 0.035
    copper_inner_mm: float = 0.018
    copper_spread: float = 0.0
    plating_mm: float = 0.025
    paste_mm: float = 0.12
    solder: str = "SAC305"
    misregistration_mm: float = 0.0
    inner_layers_kept: float = 1.0
    placed_fraction: float = 1.0
    ball_fraction: float = 1.0
    voided_fraction: float = 0.3
    void_diameter_low: float = 0.10
    void_diameter_high: float = 0.50
    pinned_fraction: float = 0.0
    wire_fraction: float = 0.5
    plugged_fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.solder not in _SOLDERS:
            raise PhysicsError(f"solder is {self.solder!r}; choose one of {_SOLDERS}")
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "solder":
                continue
            share = not f.name.endswith("_mm") and f.name != "copper_spread"
            if not (math.isfinite(value) and value >= 0 and (value <= 1 or not share)):
                raise PhysicsError(f"{f.name} is {value}; it must be {'0 to 1' if share else 'finite and >= 0'}")
        if self.void_diameter_low > self.void_diameter_high:
            raise PhysicsError("void_diameter_low is above void_diameter_high; swap them")

    @classmethod
    def draw(cls, rng: np.random.Generator | int) -> BoardBuild:
        """A build varied within what fabricators deliver.

        Parameters
        ----------
        rng : numpy Generator or int
            Source of randomness.

        Returns
        -------
        BoardBuild
            Foils 12-70 um, boards 0.8-1.6 mm, plating 18-30 um, stencils 100-150 um, layer shifts up to 50 um.
        """
        rng = np.random.default_rng(rng)
        return cls(
            board_thickness_mm=float(rng.choice([0.8, 1.0, 1.2, 1.6], p=[0.2, 0.2, 0.1, 0.5])),
            copper_outer_mm=float(rng.choice([0.018, 0.035, 0.05, 0.07], p=[0.25, 0.5, 0.15, 0.1])),
            copper_inner_mm=float(rng.choice([0.012, 0.018, 0.035], p=[0.2, 0.5, 0.3])),
            copper_spread=float(rng.uniform(0.0, 0.1)),
            plating_mm=float(rng.uniform(0.018, 0.030)),
            paste_mm=float(rng.uniform(0.10, 0.15)),
            solder=str(rng.choice(_SOLDERS, p=[0.75, 0.25])),
            misregistration_mm=float(rng.uniform(0.0, 0.05)),
            inner_layers_kept=float(rng.choice([1.0, rng.uniform(0.0, 1.0)])),
            placed_fraction=float(rng.choice([1.0, rng.uniform(0.3, 1.0)])),
            ball_fraction=float(rng.choice([1.0, rng.uniform(0.9, 1.0)])),
            voided_fraction=float(rng.uniform(0.0, 0.6)),
            void_diameter_low=0.10,
            void_diameter_high=float(rng.uniform(0.25, 0.60)),
            pinned_fraction=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
            wire_fraction=float(rng.uniform(0.0, 1.0)),
            plugged_fraction=float(rng.choice([0.0, 1.0], p=[0.7, 0.3])),
        )
