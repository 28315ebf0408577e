"""Open-hardware boards as radiographic objects: Gerber and Excellon files to areal thickness maps.

`board.read_board` draws the layers of an archive once; `object.build_object` makes a physical board of them, with
plating, solder, balls, voids and parts. Needs the extra ``gerber`` unless the board is already in the cache.
"""
