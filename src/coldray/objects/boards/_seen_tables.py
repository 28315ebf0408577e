"""Ranges of the families that training and validation see; tests draw from other tables.

(low, high) is a range, (value,) is fixed, a list is chosen from. Each entry has its source or the word "assumed": IPC-4562
names foils, IPC-2221 and IPC-2222 clearances and holes, EIA the sizes of chips, JEDEC (MS, MO, JEP95) packages.
"""

from __future__ import annotations

from collections.abc import Mapping

from coldray.objects.boards._tables import Table

SEEN: Mapping[str, Table] = {
    "dense_bga": {
        "layers": (6, 12),  # assumed
        "thickness_mm": (1.0, 2.0),  # 1.6 is the usual board; range assumed
        "outer_um": (18, 45),  # 1/2 to 1 oz/ft2 plated, IPC-4562
        "inner_um": (12, 20),  # 1/3 to 1/2 oz/ft2, IPC-4562
        "planes": (0.5,),  # assumed
        "pours": (0.25,),  # assumed
        "edge": (0.25,),  # chance that an edge of the board is in view; assumed
        "ball_pitch_mm": [0.65, 0.8, 1.0, 1.27],  # JEDEC JEP95
        "balls": (12, 26),  # a side; assumed
        "oblong": (-2, 2),  # columns more than rows; assumed
        "styles": ["full", "rings", "rings", "sparse"],  # assumed
        "voided": (0, 0.4),  # share of balls with voids, IPC-7095 accepts them; range assumed
        "turns_deg": [0.0, 90.0, 45.0],  # assumed
        "turn_chances": [0.45, 0.45, 0.1],  # assumed
        "memories": (1, 3),  # assumed
        "memory_pitch_mm": (0.8,),  # JEDEC JEP95
        "memory_rows": (9, 15),  # JEDEC MO-207
        "memory_columns": (6, 9),  # JEDEC MO-207
        "decoupling_rows": (2, 11),  # assumed
        "decoupling_row": (2, 9),  # assumed
        "chips": ["0201", "0402", "0402", "0603"],  # EIA sizes
        "chips_per_cm2": (5, 18),  # assumed
        "row": (10,),  # assumed
        "capacitors": (0.6,),  # assumed
        "qfn_per_cm2": (0.25,),  # assumed
        "qfn_mm": (3, 6),  # JEDEC MO-220
        "lane_mm": (0.2, 0.32),  # traces and gaps of 0.1 to 0.15 mm; assumed
        "nets_per_cm2": (18, 40),  # assumed
        "bus": (10,),  # assumed
        "meanders": (0.12,),  # assumed
        "stitch_mm": (1.2, 3.0),  # assumed
        "stitch_drill_mm": (0.25,),  # IPC-2222
        "stitched": (0.5,),  # assumed
        "texts": (0, 2),  # assumed
    },
    "mixed_signal": {
        "layers": [4, 4, 6],  # assumed
        "thickness_mm": (1.0, 1.6),  # assumed
        "outer_um": (25, 45),  # 1/2 to 1 oz/ft2 plated, IPC-4562
        "planes": (0.7,),  # assumed
        "pours": (0.6,),  # assumed
        "edge": (0.5,),  # assumed
        "qfp_mm": [7, 14],  # JEDEC MS-026
        "qfp_pitch_mm": [0.4, 0.5, 0.65],  # JEDEC MS-026
        "turns_deg": [0.0, 45.0],  # assumed
        "turn_chances": [0.8, 0.2],  # assumed
        "qfn_per_cm2": (0.5,),  # assumed
        "qfn_mm": (3, 7),  # JEDEC MO-220
        "outlines_per_cm2": (0.7,),  # assumed
        "crystals_per_cm2": (0.2,),  # assumed
        "tantalums_per_cm2": (0.15,),  # assumed
        "headers_per_cm2": (0.1,),  # assumed
        "header_pins": (3, 8),  # assumed
        "header_rows": (1, 2),  # assumed
        "fiducials_per_cm2": (0.1,),  # assumed
        "chips": ["0402", "0603", "0603", "0805"],  # EIA sizes
        "chips_per_cm2": (5, 14),  # assumed
        "row": (5,),  # assumed
        "lane_mm": (0.3, 0.5),  # assumed
        "nets_per_cm2": (8, 20),  # assumed
        "bus": (6,),  # assumed
        "wander": (0.15,),  # assumed
        "stitch_mm": (1.5, 4.0),  # assumed
        "stitch_drill_mm": (0.3,),  # IPC-2222
        "stitched": (0.7,),  # assumed
        "texts": (1, 3),  # assumed
    },
    "power": {
        "layers": [2, 2, 4],  # assumed
        "thickness_mm": (1.5, 2.4),  # assumed
        "outer_um": (60, 105),  # 2 to 3 oz/ft2, IPC-4562
        "inner_um": (35, 70),  # 1 to 2 oz/ft2, IPC-4562
        "planes": (0.6,),  # assumed
        "pours": (0.35,),  # assumed
        "edge": (0.5,),  # assumed
        "islands": (4, 11),  # assumed
        "island_mm": (3, 14),  # assumed
        "clearance_mm": (0.25, 0.5),  # IPC-2221 for some 100 V
        "tabs_per_cm2": (0.4,),  # assumed
        "inductors_per_cm2": (0.25,),  # assumed
        "inductor_mm": (4, 11),  # assumed
        "cans_per_cm2": (0.15,),  # assumed
        "can_mm": (4, 8),  # makers' cases of 4 to 10 mm
        "headers_per_cm2": (0.2,),  # assumed
        "header_pins": (2, 4),  # assumed
        "header_pitch_mm": [2.54, 3.5, 5.08],  # terminal blocks
        "mountings_per_cm2": (0.1,),  # assumed
        "outlines_per_cm2": (0.5,),  # assumed
        "chips": ["0603", "0805", "1206", "1210"],  # EIA sizes
        "chips_per_cm2": (3, 9),  # assumed
        "row": (5,),  # assumed
        "capacitors": (0.6,),  # assumed
        "thermal_per_cm2": (0.8,),  # assumed
        "thermal_side": (9,),  # most vias a side; assumed
        "thermal_mm": (0.8, 1.3),  # assumed
        "thermal_drill_mm": (0.3, 0.5),  # IPC-2222
        "lane_mm": (0.7, 1.3),  # assumed
        "nets_per_cm2": (2, 6),  # assumed
        "bus": (3,),  # assumed
        "drill_mm": (0.3, 0.6),  # IPC-2222
        "width": (0.3, 0.7),  # assumed
        "stitch_mm": (2, 5),  # assumed
        "stitch_drill_mm": (0.4,),  # IPC-2222
        "stitched": (0.4,),  # assumed
        "texts": (1, 3),  # assumed
        "text_mm": (1.2, 3.0),  # assumed
    },
    "rf": {
        "layers": [2, 4, 4, 6],  # assumed
        "thickness_mm": (0.4, 1.2),  # assumed
        "outer_um": (18, 40),  # 1/2 to 1 oz/ft2, IPC-4562
        "planes": (0.8,),  # assumed
        "pours": (1.0,),  # ground everywhere; assumed
        "edge": (0.4,),  # assumed
        "castellated": (0.5,),  # assumed
        "cans": (1, 2),  # assumed
        "can_mm": (7, 14),  # assumed
        "qfn_per_cm2": (0.6,),  # assumed
        "qfn_mm": (2, 5),  # JEDEC MO-220
        "qfn_pitch_mm": [0.4, 0.5, 0.65],  # JEDEC MO-220
        "crystals_per_cm2": (0.5,),  # assumed
        "coils_per_cm2": (1.2,),  # assumed
        "coils": ["0402", "0603", "0805"],  # EIA sizes
        "chips": ["0201", "0402"],  # EIA sizes
        "chips_per_cm2": (4, 14),  # assumed
        "row": (3,),  # assumed
        "clearance_mm": (0.2, 0.45),  # assumed
        "fence_mm": (0.5, 0.9),  # assumed
        "stitch_drill_mm": (0.2, 0.3),  # IPC-2222
        "lines_per_cm2": (1.2,),  # assumed
        "line_mm": (0.25, 0.7),  # 50 ohm on 0.1 to 0.4 mm of laminate
        "line_length_mm": (4, 18),  # assumed
        "filters_per_cm2": (0.4,),  # assumed
        "lane_mm": (0.3, 0.5),  # assumed
        "nets_per_cm2": (3, 9),  # assumed
        "bus": (3,),  # assumed
        "stitch_mm": (0.9, 1.8),  # assumed
        "stitched": (0.85,),  # assumed
        "texts": (1,),  # assumed
    },
    "flex_fine": {
        "layers": [1, 2, 2, 3],  # assumed
        "thickness_mm": (0.1, 0.3),  # polyimide films of 25 to 50 um and their glue
        "outer_um": (9, 20),  # 1/4 to 1/2 oz/ft2, IPC-4562
        "inner_um": (9, 18),  # 1/4 to 1/2 oz/ft2, IPC-4562
        "planes": (0.0,),  # assumed
        "pours": (0.0,),  # assumed
        "edge": (0.8,),  # assumed
        "hatched": (0.7,),  # chance of a hatched ground; assumed
        "hatch_mm": (0.5, 1.2),  # assumed
        "hatch_line_mm": (0.1, 0.2),  # assumed
        "dies_per_cm2": (0.5,),  # assumed
        "die_mm": (1.0, 3.0),  # assumed
        "connectors_per_cm2": (0.3,),  # assumed
        "connector_pins": (10, 29),  # assumed
        "connector_pitch_mm": [0.3, 0.4, 0.5],  # usual flat-cable connectors
        "scale_per_cm2": (0.2,),  # wafer-scale packages; assumed
        "scale_pitch_mm": (0.4,),  # JEDEC JEP95
        "scale_balls": (4, 7),  # a side; assumed
        "chips": ["0201", "0402"],  # EIA sizes
        "chips_per_cm2": (1, 6),  # assumed
        "row": (4,),  # assumed
        "fiducial": (0.5,),  # assumed
        "lane_mm": (0.1, 0.2),  # traces of 40 to 100 um; assumed
        "nets_per_cm2": (15, 45),  # assumed
        "bus": (20,),  # assumed
        "longest_mm": (24,),  # assumed
        "wander": (0.03,),  # assumed
        "drill_mm": (0.1, 0.15),  # laser holes
        "vias": (0.3,),  # assumed
        "headings": ["x", "y", "any"],  # assumed
        "width": (0.4, 0.5),  # assumed
    },
    "discrete": {
        "layers": (2,),  # assumed
        "thickness_mm": (0.8, 1.6),  # assumed
        "outer_um": (30, 40),  # 1 oz/ft2, IPC-4562
        "pours": (0.5,),  # assumed
        "leaded": (0.4,),  # assumed
        "edge": (0.5,),  # assumed
        "outlines_per_cm2": (2.5,),  # assumed
        "headers_per_cm2": (0.2,),  # assumed
        "header_pins": (2, 10),  # assumed
        "tantalums_per_cm2": (0.2,),  # assumed
        "cans_per_cm2": (0.1,),  # assumed
        "can_mm": (3, 6),  # makers' cases of 3 to 10 mm
        "mountings_per_cm2": (0.1,),  # assumed
        "mixes": ["0402 0603", "0603 0805", "0805 1206", "0402 0603 0805 1206"],  # EIA sizes
        "chips_per_cm2": (10, 24),  # assumed
        "row": (9,),  # assumed
        "capacitors": (0.2, 0.7),  # assumed
        "lane_mm": (0.45, 0.8),  # assumed
        "nets_per_cm2": (6, 14),  # assumed
        "bus": (4,),  # assumed
        "drill_mm": (0.3, 0.5),  # IPC-2222
        "wander": (0.12,),  # assumed
        "stitch_mm": (3, 6),  # assumed
        "stitch_drill_mm": (0.4,),  # IPC-2222
        "stitched": (0.5,),  # assumed
        "texts": (1, 4),  # assumed
    },
    "through_hole": {
        "layers": [1, 2, 2],  # assumed
        "thickness_mm": (1.4, 1.7),  # 1.6, and what fabricators deliver
        "outer_um": (30, 70),  # 1 to 2 oz/ft2, IPC-4562
        "pours": (0.3,),  # assumed
        "leaded": (0.8,),  # older boards; assumed
        "edge": (0.4,),  # assumed
        "circuits_per_cm2": (0.35,),  # assumed
        "circuit_pins": [4, 7, 8, 10, 14],  # a side, JEDEC MS-001
        "axials_per_cm2": (1.2,),  # assumed
        "cans_per_cm2": (0.3,),  # assumed
        "can_mm": (4, 8),  # makers' cases of 4 to 10 mm
        "headers_per_cm2": (0.2,),  # assumed
        "header_pins": (2, 7),  # assumed
        "mountings_per_cm2": (0.1,),  # assumed
        "chips": ["0805", "1206"],  # EIA sizes
        "chips_per_cm2": (0, 4),  # assumed
        "row": (3,),  # assumed
        "lane_mm": (0.6, 1.0),  # assumed
        "nets_per_cm2": (4, 9),  # assumed
        "bus": (4,),  # assumed
        "drill_mm": (0.4, 0.7),  # IPC-2222
        "wander": (0.15,),  # assumed
        "vias": (0.3,),  # assumed
        "texts": (1, 3),  # assumed
        "text_mm": (1.2, 2.5),  # assumed
    },
    "memory_module": {
        "layers": [6, 8, 10],  # assumed
        "thickness_mm": (1.0, 1.4),  # 1.27, JEDEC MO-237, and about
        "outer_um": (20, 40),  # 1/2 to 1 oz/ft2, IPC-4562
        "inner_um": (12, 20),  # 1/3 to 1/2 oz/ft2, IPC-4562
        "planes": (0.5,),  # assumed
        "pours": (0.1,),  # assumed
        "finger_pitch_mm": [0.5, 0.6, 0.85, 1.0],  # JEDEC MO-268, MO-309 and their elders
        "finger_mm": (2.0, 3.5),  # assumed
        "finger_base_mm": (0.2, 1.5),  # assumed
        "narrow": (0.5,),  # chance of 6 rather than 9 columns; assumed
        "narrow_rows": (11, 16),  # JEDEC MO-207
        "wide_rows": (9, 13),  # JEDEC MO-207
        "ball_pitch_mm": (0.8,),  # JEDEC MO-207
        "both_sides": (0.5,),  # assumed
        "height": (0.2, 0.55),  # of the memories over the board's; assumed
        "gap_mm": (1.5, 3.5),  # assumed
        "arrays": (2, 5),  # rows of resistors a side; assumed
        "array": (4, 15),  # assumed
        "chips": ["0201", "0402"],  # EIA sizes
        "chips_per_cm2": (4, 12),  # assumed
        "capacitors": (0.7,),  # assumed
        "lane_mm": (0.2, 0.3),  # assumed
        "nets_per_cm2": (20, 45),  # assumed
        "bus": (16,),  # assumed
        "longest_mm": (20,),  # assumed
        "wander": (0.05,),  # assumed
        "meanders": (0.2,),  # assumed
        "stitch_mm": (2.0,),  # assumed
        "stitch_drill_mm": (0.25,),  # IPC-2222
        "stitched": (0.4,),  # assumed
    },
    "led_driver": {
        "metal_core": (0.5,),  # assumed
        "thickness_mm": (0.8, 1.6),  # assumed
        "outer_um": (35, 90),  # 1 to 2 oz/ft2 plated, IPC-4562
        "pours": (0.5,),  # assumed
        "dielectric_mm": (0.1,),  # on a metal core; makers' 75 to 150 um
        "edge": (0.6,),  # assumed
        "islands": (3, 8),  # assumed
        "island_mm": (3, 10),  # assumed
        "clearance_mm": (0.2, 0.4),  # IPC-2221 for some 50 V
        "emitter_mm": (2.0, 5.0),  # makers' 2016 to 5050 packages
        "emitter_step": (1.4, 2.6),  # over the emitter's size; assumed
        "turns_deg": [0.0, 90.0, 45.0],  # assumed
        "drivers_per_cm2": (0.4,),  # assumed
        "inductors_per_cm2": (0.2,),  # assumed
        "inductor_mm": (3, 6),  # assumed
        "chips": ["0603", "0805", "1206"],  # EIA sizes
        "chips_per_cm2": (2, 8),  # assumed
        "row": (4,),  # assumed
        "lane_mm": (0.6, 1.0),  # assumed
        "nets_per_cm2": (2, 6),  # assumed
        "bus": (3,),  # assumed
        "vias": (0.5,),  # none through a metal core; assumed
        "texts": (2,),  # assumed
    },
}
