"""Open-hardware boards as radiographic objects: Gerber and Excellon files to areal thickness maps.

`read_board` draws the layers of an archive once; `build_object` makes a physical board of them, with plating,
solder, balls, voids and parts. Needs the extra ``gerber`` unless the board is already in the cache.
"""

from __future__ import annotations

from coldray.data.gerber_board import RasterBoard, read_board
from coldray.data.gerber_build import BoardBuild
from coldray.data.gerber_draw import Hole
from coldray.data.gerber_files import Placement
from coldray.data.gerber_object import build_object

__all__ = ["BoardBuild", "Hole", "Placement", "RasterBoard", "build_object", "read_board"]
