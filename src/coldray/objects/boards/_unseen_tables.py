"""Ranges of the families kept for testing: no training or validation board is drawn from these.

Read as those of `_seen_tables`.
"""

from __future__ import annotations

from collections.abc import Mapping

from coldray.objects.boards._tables import Table

UNSEEN: Mapping[str, Table] = {
    "sensor_mcu": {
        "layers": [2, 4],  # assumed
        "thickness_mm": (0.6, 1.2),  # assumed
        "outer_um": (18, 40),  # 1/2 to 1 oz/ft2, IPC-4562
        "planes": (0.6,),  # assumed
        "pours": (0.8,),  # assumed
        "edge": (0.9,),  # assumed
        "castellated": (0.6,),  # assumed
        "qfn_mm": (4, 8),  # JEDEC MO-220
        "qfn_pitch_mm": [0.4, 0.5],  # JEDEC MO-220
        "turns_deg": [0.0, 45.0],  # assumed
        "sensors": (1, 3),  # assumed
        "scale_pitch_mm": [0.4, 0.5],  # JEDEC JEP95
        "scale_balls": (2, 5),  # a side; assumed
        "small_per_cm2": (0.7,),  # assumed
        "small_mm": (2, 3),  # JEDEC MO-229
        "crystals_per_cm2": (0.4,),  # assumed
        "outlines_per_cm2": (0.3,),  # assumed
        "headers_per_cm2": (0.2,),  # assumed
        "header_pins": (3, 7),  # assumed
        "header_pitch_mm": (1.27,),  # half of 2.54
        "chips": ["0201", "0402", "0603"],  # EIA sizes
        "chips_per_cm2": (5, 14),  # assumed
        "row": (4,),  # assumed
        "lane_mm": (0.25, 0.4),  # assumed
        "nets_per_cm2": (8, 18),  # assumed
        "bus": (5,),  # assumed
        "wander": (0.2,),  # assumed
        "headings": ["any"],  # assumed
        "stitch_mm": (1.2, 2.5),  # assumed
        "stitch_drill_mm": (0.25,),  # IPC-2222
        "stitched": (0.6,),  # assumed
        "texts": (2,),  # assumed
        "text_mm": (0.6, 1.4),  # assumed
    },
    "chip_on_board": {
        "layers": [2, 4],  # assumed
        "thickness_mm": (0.4, 1.0),  # assumed
        "outer_um": (15, 35),  # 1/3 to 1 oz/ft2, IPC-4562
        "planes": (0.3,),  # assumed
        "pours": (0.2,),  # assumed
        "edge": (0.4,),  # assumed
        "die_mm": (3, 7),  # assumed
        "turns_deg": [0.0, 45.0],  # or any of the first quarter; assumed
        "dies_per_cm2": (0.8,),  # assumed
        "other_die_mm": (0.8, 3.5),  # assumed
        "chips": ["0402", "0603"],  # EIA sizes
        "chips_per_cm2": (2, 7),  # assumed
        "row": (4,),  # assumed
        "lane_mm": (0.2, 0.32),  # assumed
        "nets_per_cm2": (8, 20),  # assumed
        "bus": (12,),  # assumed
        "wander": (0.1,),  # assumed
        "headings": ["any"],  # assumed
        "stitch_mm": (3.0,),  # assumed
        "stitch_drill_mm": (0.25,),  # IPC-2222
        "stitched": (0.4,),  # assumed
    },
    "backplane": {
        "layers": (8, 12),  # assumed
        "thickness_mm": (2.2, 3.2),  # assumed
        "outer_um": (25, 50),  # 1/2 to 1 oz/ft2 plated, IPC-4562
        "inner_um": (15, 35),  # 1/2 to 1 oz/ft2, IPC-4562
        "planes": (0.55,),  # assumed
        "pours": (0.1,),  # assumed
        "press_fit_mm": [1.4, 1.8, 2.0],  # 2.0: IEC 61076-4-101; others of fast connectors
        "press_fits": (1, 3),  # assumed
        "press_columns": (6, 13),  # assumed
        "press_rows": (4, 8),  # IEC 61076-4-101 has 5 and 8
        "headers": (0, 2),  # assumed
        "header_pins": (6, 19),  # assumed
        "header_rows": (2, 4),  # assumed
        "header_pitch_mm": [2.0, 2.54],  # usual pins
        "mountings_per_cm2": (0.1,),  # assumed
        "chips": ["0603", "0805"],  # EIA sizes
        "chips_per_cm2": (0.5, 4),  # assumed
        "row": (6,),  # assumed
        "lane_mm": (0.3, 0.5),  # assumed
        "nets_per_cm2": (8, 20),  # assumed
        "bus": (16,),  # assumed
        "longest_mm": (24,),  # assumed
        "wander": (0.02,),  # assumed
        "stitch_mm": (5.0,),  # assumed
        "stitch_drill_mm": (0.5,),  # IPC-2222
        "stitched": (0.6,),  # assumed
        "texts": (1,),  # assumed
        "text_mm": (1.5, 3),  # assumed
    },
    "handheld": {
        "layers": (8, 12),  # assumed
        "thickness_mm": (0.5, 0.9),  # assumed
        "outer_um": (15, 25),  # 1/3 to 1/2 oz/ft2 plated, IPC-4562
        "inner_um": (10, 18),  # 1/3 to 1/2 oz/ft2, IPC-4562
        "planes": (0.35,),  # assumed
        "pours": (0.5,),  # assumed
        "leaded": (0.0,),  # RoHS
        "edge": (0.5,),  # assumed
        "notches": (0.7,),  # assumed
        "ball_pitch_mm": [0.4, 0.4, 0.5],  # JEDEC JEP95
        "balls": (14, 25),  # a side; assumed
        "styles": ["rings", "perimeter", "full"],  # assumed
        "scales": (2, 5),  # wafer-scale packages; assumed
        "scale_balls": (4, 11),  # a side; assumed
        "below": (0.4,),  # chance of the lower side; assumed
        "can_mm": (8, 16),  # assumed
        "connectors_per_cm2": (0.4,),  # assumed
        "connector_pins": (10, 24),  # assumed
        "connector_pitch_mm": (0.4,),  # usual board-to-board connectors
        "inductors_per_cm2": (0.4,),  # assumed
        "inductor_mm": (2.0, 3.0),  # makers' 2016 to 3030 packages
        "crystals_per_cm2": (0.3,),  # assumed
        "chips": ["0201", "0201", "0402"],  # EIA sizes
        "chips_per_cm2": (15, 40),  # assumed
        "capacitors": (0.7,),  # assumed
        "lane_mm": (0.12, 0.2),  # traces of 50 to 90 um; assumed
        "nets_per_cm2": (12, 30),  # assumed
        "bus": (12,),  # assumed
        "longest_mm": (9,),  # assumed
        "drill_mm": (0.1, 0.15),  # laser holes
        "vias": (0.5,),  # assumed
        "wander": (0.12,),  # assumed
        "stitch_mm": (0.7, 1.4),  # assumed
        "stitch_drill_mm": (0.2,),  # IPC-2222
        "stitched": (0.4,),  # assumed
    },
    "motor_control": {
        "layers": [4, 6, 8],  # assumed
        "thickness_mm": (1.5, 2.0),  # assumed
        "outer_um": (50, 90),  # 1 to 2 oz/ft2 plated, IPC-4562
        "inner_um": (30, 70),  # 1 to 2 oz/ft2, IPC-4562
        "planes": (0.5,),  # assumed
        "pours": (0.6,),  # assumed
        "edge": (0.4,),  # assumed
        "qfp_mm": [7, 10, 14],  # JEDEC MS-026
        "turns_deg": [0.0, 45.0, 30.0],  # assumed
        "bridge_turns_deg": [0.0, 90.0],  # assumed
        "bridges": (1, 3),  # assumed
        "transistors": (2, 6),  # assumed
        "transistor_mm": (5.0, 6.0),  # JEDEC MO-240, 5 x 6 mm
        "cans_per_cm2": (0.12,),  # assumed
        "can_mm": (5, 8),  # makers' cases of 4 to 10 mm
        "outlines_per_cm2": (0.5,),  # assumed
        "headers_per_cm2": (0.1,),  # assumed
        "header_pins": (2, 7),  # assumed
        "chips": ["0402", "0603", "1206"],  # EIA sizes
        "chips_per_cm2": (4, 12),  # assumed
        "row": (6,),  # assumed
        "thermal_per_cm2": (0.6,),  # assumed
        "thermal_side": (8,),  # most vias a side; assumed
        "thermal_mm": (0.7, 1.0),  # assumed
        "thermal_drill_mm": (0.3,),  # IPC-2222
        "lane_mm": (0.35, 0.55),  # assumed
        "nets_per_cm2": (6, 14),  # assumed
        "stitch_mm": (1.5, 3.0),  # assumed
        "stitch_drill_mm": (0.3,),  # IPC-2222
        "stitched": (0.6,),  # assumed
        "texts": (2,),  # assumed
    },
    "power_module": {
        "ceramic_mm": (0.3, 0.65),  # makers' 0.25, 0.32, 0.38, 0.63
        "tracks_mm": (0.1, 0.3),  # direct-bonded copper, makers' 0.127 to 0.4
        "back_mm": (0.05, 0.3),  # assumed
        "solders": ["SAC305", "Sn63Pb37"],  # assumed
        "edge": (0.5,),  # assumed
        "wires": ["Al", "Cu"],  # assumed
        "field_mm": (4, 9),  # a copper area; assumed
        "field_spread": (0.6, 1.4),  # assumed
        "gap_mm": (0.6, 1.2),  # makers' rule for 0.3 mm copper is 0.5 to 1
        "filled": (0.75,),  # chance of a die on an area; assumed
        "die": (0.35, 0.75),  # over the area; assumed
        "turns_deg": [0, 90, 180],  # assumed
        "wire_turns_deg": [0, 90, 180, 270],  # assumed
        "wire_reach_mm": (2, 5),  # assumed
        "wires_per_die": (3, 8),  # assumed
        "wire_mm": [0.2, 0.3, 0.4],  # makers' 125 to 500 um
        "chips": ["0603", "0805", "1206"],  # EIA sizes
        "chips_per_cm2": (0.8,),  # assumed
        "terminals_per_cm2": (0.3,),  # assumed
    },
}
