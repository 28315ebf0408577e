"""Open-hardware boards as radiographic objects: Gerber and Excellon files to areal thickness maps.

`board.read_board` draws the layers of an archive once; `object.build_object` makes a physical board of them, with
plating, solder, balls, voids and parts. Every statement of the files is carried out or refused by its name.
"""
