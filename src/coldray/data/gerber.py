"""Open-hardware boards as radiographic objects: Gerber and Excellon files to areal thickness maps.

`read_board` draws the layers of an archive once; `build_object` makes a physical board of them, with plating,
solder, balls, voids and parts. Every statement of the files is carried out or refused by its name.
"""

from __future__ import annotations

from coldray.data.gerber_board import RasterBoard, read_board
from coldray.data.gerber_build import BoardBuild
from coldray.data.gerber_drills import Hole
from coldray.data.gerber_object import build_object
from coldray.data.gerber_placements import Placement

__all__ = ["BoardBuild", "Hole", "Placement", "RasterBoard", "build_object", "read_board"]
