"""Boards from Gerber files: drawing, layer finding, bad input, and the thickness maps built from them."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest

from coldray.errors import ColdrayError, ImageReadError, PhysicsError
from coldray.objects.gerber.board import read_board
from coldray.objects.gerber.build import BoardBuild
from coldray.objects.gerber.find import find_parts
from coldray.objects.gerber.object import build_object
from coldray.objects.gerber.outline import joined
from coldray.objects.gerber.placements import read_placements
from coldray.objects.gerber.raster import Grid, rasterise
from coldray.objects.gerber.shapes import Shape

HEAD = "%FSLAX46Y46*%\n%MOMM*%\n%LPD*%\nG01*\n"
PITCH_MM = 0.02
BOARDS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "boards"
real_boards = pytest.mark.skipif(not BOARDS.is_dir(), reason="no ../shared/data/boards beside the repository")


def nm(mm: float) -> int:
    """Millimetres in the integer unit of format 4.6."""
    return round(mm * 1e6)


def at(x: float, y: float, code: str) -> str:
    return f"X{nm(x)}Y{nm(y)}{code}*\n"


def region(points: list[tuple[float, float]]) -> str:
    first, *rest = points
    return "G36*\n" + at(*first, "D02") + "".join(at(*p, "D01") for p in [*rest, first]) + "G37*\n"


def rectangle(x0: float, y0: float, x1: float, y1: float) -> str:
    return region([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


EDGE = (
    HEAD
    + "%ADD10C,0.1*%\nD10*\n"
    + at(0, 0, "D02")
    + at(10, 0, "D01")
    + at(10, 8, "D01")
    + at(0, 8, "D01")
    + at(0, 0, "D01")
    + "M02*\n"
)
# A pour with an antipad about (2, 2); inside it a pad; a trace; a square in the top right corner.
TOP = (
    HEAD
    + "%ADD10C,0.6*%\n%ADD11C,0.2*%\n"
    + rectangle(1, 1, 4, 4)
    + "%LPC*%\n%ADD12C,1.2*%\nD12*\n"
    + at(2, 2, "D03")
    + "%LPD*%\nD10*\n"
    + at(2, 2, "D03")
    + "D11*\n"
    + at(1, 6, "D02")
    + at(4, 6, "D01")
    + rectangle(8, 6, 9, 7)
    + "M02*\n"
)
BOTTOM = HEAD + rectangle(1, 1, 9, 7) + "M02*\n"
# A half disc of radius 1 mm: an arc side within a region.
ARC = (
    HEAD
    + "G75*\nG36*\n"
    + at(4, 4, "D02")
    + "G03*\n"
    + f"X{nm(6)}Y{nm(4)}I{nm(1)}J0D01*\n"
    + "G01*\n"
    + at(4, 4, "D01")
    + "G37*\nM02*\n"
)
CHIPS = ((2.0, 7.2), (2.0, 5.1), (6.6, 5.4))
PASTE = (
    HEAD
    + "%ADD10C,0.4*%\n%ADD11R,0.5X0.6*%\nD10*\n"
    + "".join(at(5.4 + 0.8 * i, 1.4 + 0.8 * j, "D03") for i in range(5) for j in range(4))
    + "D11*\n"
    + "".join(at(x + dx, y, "D03") for x, y in CHIPS for dx in (-0.5, 0.5))
    + "M02*\n"
)
DRILL = "M48\nMETRIC,TZ\nT1C0.300\nT2C1.000\n%\nG90\nT1\nX2.0Y2.0\nT2\nX5.0Y7.2\nT0\nM30\n"
DRILL_INCH = "M48\nINCH\nT1C0.0118\n%\nG90\nT1\nX0.0787Y0.0787\nT0\nM30\n"
PLACES = (
    "## Unit = mm, Angle = deg.\n# Ref     Val   Package   PosX  PosY  Rot  Side\n"
    + "".join(f"C{i + 1}  100nF  C_0402  {x + 10}  {y + 20}  0.0  top\n" for i, (x, y) in enumerate(CHIPS))
    + "## End\n"
)


def files(**more: str) -> dict[str, str]:
    base = {
        "b-F_Cu.gtl": TOP,
        "b-In1_Cu.g2": BOTTOM,
        "b-B_Cu.gbl": BOTTOM,
        "b-Edge_Cuts.gm1": EDGE,
        "b-F_Paste.gtp": PASTE,
        "b-PTH.drl": DRILL,
        "b-top.pos": PLACES,
    }
    return {**base, **{k.replace("__", "."): v for k, v in more.items()}}


def archive(path: Path, content: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as z:
        for name, text in content.items():
            z.writestr(name, text)
    return path


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    return read_board(archive(tmp_path_factory.mktemp("gerber") / "b.zip", files()), PITCH_MM)


def value(board, mask, x, y):
    """Covered share at a point."""
    row = int((board.origin_mm[1] - y) / board.grid_pitch_mm)
    col = int((x - board.origin_mm[0]) / board.grid_pitch_mm)
    return mask[row, col] / 255


def area(mask, pitch_mm=PITCH_MM):
    return float(mask.sum(dtype=np.float64)) / 255 * pitch_mm**2


def test_polarity_and_orientation(board):
    top = board.copper[0]
    assert value(board, top, 2.0, 2.0) == 1  # the pad drawn after the clear disc
    assert value(board, top, 2.45, 2.0) == 0  # the antipad
    assert value(board, top, 3.5, 1.5) == 1
    assert value(board, top, 8.5, 6.5) == 1  # y grows upwards: the square is at the top right
    assert value(board, top, 8.5, 1.5) == 0
    assert value(board, board.outline, 0.01, 0.03) == 1
    assert value(board, board.outline, -0.3, 4) == 0


def test_areas_are_those_of_the_drawing(board):
    expected = 9 - math.pi * 0.6**2 + math.pi * 0.3**2 + (3 * 0.2 + math.pi * 0.1**2) + 1
    assert area(board.copper[0]) == pytest.approx(expected, rel=0.01)
    assert area(board.copper[2]) == pytest.approx(48, rel=0.005)
    assert area(board.outline) == pytest.approx(80, rel=0.002)
    assert area(board.plated_holes) == pytest.approx(math.pi * (0.15**2 + 0.5**2), rel=0.02)


def test_layers_are_found_by_name_and_order(board):
    assert len(board.copper) == 3
    assert board.copper[0].sum() < board.copper[1].sum()
    assert not board.unplated_holes.any()
    assert board.paste_top.any()
    assert not board.paste_bottom.any()


def test_placement_is_moved_to_the_copper(board):
    part, *others = board.placements
    assert len(others) == 2
    assert (part.designator, part.package, part.side) == ("C1", "C_0402", "top")
    assert (part.x_mm, part.y_mm) == pytest.approx((2.0, 7.2), abs=0.03)


def test_parts_are_a_ball_grid_and_the_placed_capacitors(board):
    balls, *pairs = find_parts(board)
    assert (balls.kind, len(balls.pads)) == ("balls", 20)
    assert [(p.kind, p.family) for p in pairs] == [("pair", "C")] * 3
    assert balls.pitch_mm == pytest.approx(0.8, abs=0.01)
    assert balls.pads[0, 2] == pytest.approx(0.4, abs=0.03)


def test_arc_sides(tmp_path):
    path = archive(tmp_path / "arc.zip", {"a.gtl": ARC, "a-Edge_Cuts.gm1": EDGE})
    drawn = read_board(path, PITCH_MM)
    assert area(drawn.copper[0]) == pytest.approx(math.pi / 2, rel=0.01)
    assert value(drawn, drawn.copper[0], 5.0, 3.5) == 1  # counter-clockwise from the left end: below
    assert value(drawn, drawn.copper[0], 5.0, 4.5) == 0


def test_aperture_hole_shows_what_lies_below(tmp_path):
    ring = HEAD + rectangle(1, 1, 3, 3) + "%ADD10C,1X0.5*%\nD10*\n" + at(2, 2, "D03") + at(6, 6, "D03") + "M02*\n"
    drawn = read_board(archive(tmp_path / "r.zip", {"a.gtl": ring, "a-Edge_Cuts.gm1": EDGE}), PITCH_MM)
    assert value(drawn, drawn.copper[0], 2, 2) == 1
    assert value(drawn, drawn.copper[0], 6, 6) == 0
    assert value(drawn, drawn.copper[0], 6.37, 6) == 1


def test_inch_drill_and_metric_copper_share_a_frame(tmp_path):
    content = files()
    content["b-PTH.drl"] = DRILL_INCH
    drawn = read_board(archive(tmp_path / "b.zip", content), PITCH_MM)
    assert value(drawn, drawn.plated_holes, 2.0, 2.0) == 1
    assert drawn.holes[0].diameter_mm == pytest.approx(0.29972)


def test_unplated_holes_by_file_name(tmp_path):
    content = files()
    content["b-NPTH.drl"] = DRILL.replace("X2.0Y2.0", "X7.0Y3.0")
    drawn = read_board(archive(tmp_path / "b.zip", content), PITCH_MM)
    assert sum(not h.plated for h in drawn.holes) == 2
    assert value(drawn, drawn.unplated_holes, 7, 3) == 1


def test_layer_table_beside_the_archive(tmp_path):
    path = archive(tmp_path / "odd.zip", {"one.art": TOP, "two.art": BOTTOM})
    with pytest.raises(ImageReadError, match="no copper layer"):
        read_board(path, PITCH_MM)
    table = {"odd": {"copper": ["one.art", "two.art"], "board_mm": [0, 0, 10, 8]}}
    (tmp_path / "layers.json").write_text(json.dumps(table))
    drawn = read_board(path, PITCH_MM)
    assert len(drawn.copper) == 2
    assert area(drawn.outline) == pytest.approx(80, rel=0.002)
    with pytest.raises(ImageReadError, match=r"names 'absent\.art'"):
        read_board(path, PITCH_MM, layers={"copper": ["absent.art"]})
    with pytest.raises(ImageReadError, match="unknown entries"):
        read_board(path, PITCH_MM, layers={"coper": ["one.art"]})


def test_folder_reads_like_its_archive(tmp_path, board):
    folder = tmp_path / "b"
    folder.mkdir()
    for name, text in files().items():
        (folder / name).write_text(text)
    drawn = read_board(folder, PITCH_MM)
    np.testing.assert_array_equal(drawn.copper[0], board.copper[0])


def test_cache_returns_the_same_board(tmp_path, monkeypatch):
    path = archive(tmp_path / "b.zip", files())
    first = read_board(path, PITCH_MM, cache=tmp_path / "cache")
    monkeypatch.setattr("coldray.objects.gerber.board.draw_layers", None)
    second = read_board(path, PITCH_MM, cache=tmp_path / "cache")
    np.testing.assert_array_equal(first.copper[0], second.copper[0])
    np.testing.assert_array_equal(first.pads_top, second.pads_top)
    assert first.holes == second.holes
    assert first.placements == second.placements
    assert [p.name for p in (tmp_path / "cache").iterdir() if p.name.startswith(".")] == []


def test_damaged_cache_is_reported(tmp_path):
    path = archive(tmp_path / "b.zip", files())
    read_board(path, 0.1, cache=tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / "masks.npy").write_bytes(b"nothing")
    with pytest.raises(ImageReadError, match="remove that folder"):
        read_board(path, 0.1, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"readme.txt": "none"}, "no copper layer"),
        ({"../evil.gtl": TOP}, "points outside"),
        ({"/evil.gtl": TOP}, "points outside"),
        ({"a\\..\\..\\evil.gtl": TOP}, "points outside"),
        ({"a.gtl": HEAD + "M02*\n"}, "is empty"),
        ({"a.gtl": HEAD + "%ADD10Q,1*%\nD10*\nX0Y0D03*\nM02*\n"}, "cannot be parsed"),
    ],
)
def test_bad_archives(tmp_path, content, message):
    with pytest.raises(ImageReadError, match=message) as caught:
        read_board(archive(tmp_path / "bad.zip", content), PITCH_MM)
    assert "bad.zip" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip"]


def test_unreadable_archives(tmp_path):
    path = archive(tmp_path / "cut.zip", files())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageReadError, match="not a readable zip"):
        read_board(path)
    with pytest.raises(ImageReadError, match="no such file"):
        read_board(tmp_path / "absent.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(ImageReadError, match="not a readable zip"):
        read_board(tmp_path / "text.zip")


def test_flipped_bytes_never_escape_the_error_tree(tmp_path):
    data = bytearray(archive(tmp_path / "b.zip", files()).read_bytes())
    rng = np.random.default_rng(3)
    for trial in range(12):
        broken = bytearray(data)
        for i in rng.integers(0, len(data), 5):
            broken[i] ^= 1 << int(rng.integers(8))
        path = tmp_path / f"f{trial}.zip"
        path.write_bytes(bytes(broken))
        try:
            read_board(path, 0.1)
        except ColdrayError:
            pass


def test_layers_that_do_not_overlap(tmp_path):
    content = files()
    content["b-B_Cu.gbl"] = HEAD + rectangle(101, 1, 109, 7) + "M02*\n"
    with pytest.raises(PhysicsError, match="outside the board"):
        read_board(archive(tmp_path / "b.zip", content), PITCH_MM)
    content = files()
    content["b-PTH.drl"] = DRILL.replace("METRIC,TZ", "INCH")
    with pytest.raises(PhysicsError, match="units of the drill file"):
        read_board(archive(tmp_path / "c.zip", {k: v for k, v in content.items() if k != "b-Edge_Cuts.gm1"}), PITCH_MM)


@pytest.mark.parametrize("pitch_mm", [0.0, -1.0, math.nan, 5.0])
def test_pitch_out_of_range(tmp_path, pitch_mm):
    with pytest.raises(PhysicsError, match="grid pitch"):
        read_board(tmp_path / "any.zip", pitch_mm)


def test_copper_sums_layers_and_lines_holes(board):
    build = BoardBuild(placed_fraction=0.0, voided_fraction=0.0)
    maps = build_object(board, build, 1)
    copper, fr4 = maps.thickness_mm["Cu"], maps.thickness_mm["FR4"]
    assert value(board, copper * 255, 3.5, 1.5) == pytest.approx(0.035 + 0.018 + 0.035, abs=1e-5)
    assert value(board, copper * 255, 7.5, 4.5) == pytest.approx(0.018 + 0.035, abs=1e-5)
    assert value(board, copper * 255, 2.0, 2.0) == 0
    assert value(board, fr4 * 255, 2.0, 2.0) == 0
    assert value(board, fr4 * 255, 3.5, 1.5) == pytest.approx(1.6)
    assert fr4[0, 0] == 0
    # The barrel holds board thickness times the area of its wall.
    lines = build_object(board, BoardBuild(placed_fraction=0.0, plating_mm=0.1), 1).thickness_mm["Cu"]
    assert value(board, lines * 255, 2.2, 2.0) == pytest.approx(1.6, rel=1e-3)


def test_ball_volume_and_voids(board):
    build = BoardBuild(voided_fraction=0.0, board_thickness_mm=1.0)
    bare = build_object(board, BoardBuild(voided_fraction=0.0, ball_fraction=0.0, placed_fraction=1.0), 5)
    full = build_object(board, build, 5)
    volume = float((full.thickness_mm["SAC305"] - bare.thickness_mm["SAC305"]).sum(dtype=np.float64)) * PITCH_MM**2
    diameter = (6 * volume / 20 / math.pi) ** (1 / 3)
    assert 0.4 < diameter < 0.55
    holed = build_object(board, BoardBuild(voided_fraction=1.0), 5)
    assert len(holed.labels["ball_voids"]) >= 20
    assert holed.thickness_mm["SAC305"].sum() < full.thickness_mm["SAC305"].sum()


def test_windows_are_pieces_of_one_board_and_air_beyond(board):
    build = BoardBuild.draw(4)
    rows, cols = board.shape
    whole = build_object(board, build, 11)
    part = build_object(board, build, 11, (100, 120, 150, 200))
    for material, thickness in part.thickness_mm.items():
        np.testing.assert_allclose(thickness, whole.thickness_mm[material][100:250, 120:320], atol=2e-4)
    beyond = build_object(board, build, 11, (-40, cols - 30, 60, 90))
    assert beyond.shape == (60, 90)
    assert all(t[:, 60:].max() == 0 for m, t in beyond.thickness_mm.items() if m in ("Cu", "FR4"))
    far = build_object(board, build, 11, (rows + 10, 0, 20, 20))
    assert all(t.max() == 0 for t in far.thickness_mm.values())
    with pytest.raises(PhysicsError, match="empty"):
        build_object(board, build, 11, (0, 0, 0, 5))


def test_draws_are_valid_and_vary(board):
    builds = [BoardBuild.draw(i) for i in range(20)]
    assert len({b.board_thickness_mm for b in builds}) > 2
    assert {b.solder for b in builds} == {"SAC305", "Sn63Pb37"}
    for i, build in enumerate(builds[:6]):
        maps = build_object(board, build, i)
        assert build.solder in maps.thickness_mm
        assert maps.grid_pitch_mm == PITCH_MM


@pytest.mark.parametrize("wrong", [{"solder": "Bi"}, {"plating_mm": -1.0}, {"ball_fraction": 2.0}])
def test_unphysical_builds(wrong):
    with pytest.raises(PhysicsError):
        BoardBuild(**wrong)


def test_pins_and_plugs(board):
    pins = build_object(board, BoardBuild(pinned_fraction=1.0, plugged_fraction=1.0), 2).thickness_mm
    assert value(board, pins["Cu"] * 255, 5.0, 7.2) > 2.5
    assert value(board, pins["FR4"] * 255, 2.0, 2.0) == pytest.approx(1.6, rel=1e-3)


def test_altium_placements():
    text = (
        "Designator Footprint Mid X Mid Y Ref X Ref Y Pad X Pad Y TB Rotation Comment\n\n"
        "R50 RES0402 8.05mm 7.35mm 8mm 7mm 7.5mm 7.3mm B 360.00 10k, 1%\nU1 QFN 100mil 1mm 0mm 0mm 0mm 0mm T 90.00 x\n"
    )
    first, second = read_placements("Pick Place.txt", text.encode())
    assert (first.designator, first.x_mm, first.side) == ("R50", 8.05, "bottom")
    assert (second.x_mm, second.rotation_deg) == (pytest.approx(2.54), 90.0)
    assert read_placements("x.pos", b"\xff\xfe nothing") == []


@pytest.mark.parametrize(
    "text",
    [
        "# Ref Val Package PosX Rot Side\nR7 1k R_0603 4.5 90 top\n",
        "# Ref Val Package PosY Rot Side\nR7 1k R_0603 4.5 90 top\n",
        "# Ref Val Package PosX PosY Rot Side\nR7 1k R_0603 " + "9" * 400 + " 2.5 90 top\n",
        "# Ref Val Package PosX PosY Rot Side\nR7 1k R_0603 4.5 2.5 nan top\n",
    ],
)
def test_a_line_without_a_place_is_no_placement(text):
    """Found by the fuzzer: a heading without PosY ended in a KeyError."""
    assert read_placements("b.pos", text.encode()) == []


def test_loops_close_in_any_order_and_direction():
    corners = np.array([[0, 0], [5, 0], [5, 3], [0, 3]], dtype=float)
    strokes = [np.array([corners[i], corners[(i + 1) % 4]]) for i in (2, 0, 3, 1)]
    strokes[1] = strokes[1][::-1]
    strokes.append(np.array([[20.0, 20.0], [30.0, 20.0]]))
    (loop,), (left,) = joined(strokes)
    assert left[0].tolist() == [20, 20]
    assert np.ptp(loop, axis=0).tolist() == [5, 3]


@real_boards
def test_real_board_with_inch_drill_and_moved_placements():
    layers = {"copper": ["ulx3s-F_Cu.gtl", "ulx3s-B_Cu.gbl"]}
    drawn = read_board(BOARDS / "ulx3s.zip", 0.1, layers=layers)
    assert len(drawn.holes) == 664
    inside = [value(drawn, drawn.outline, h.x_mm, h.y_mm) > 0.4 for h in drawn.holes]
    assert np.mean(inside) > 0.99
    placed = {p.designator: p for p in drawn.placements}
    assert (placed["U1"].x_mm, placed["U1"].y_mm) == pytest.approx((138.5, -87.8), abs=0.3)
    maps = build_object(drawn, BoardBuild(), 1, (100, 100, 256, 256))
    assert maps.thickness_mm["Cu"].max() < 1.8


@real_boards
def test_real_board_found_without_a_table(tmp_path):
    drawn = read_board(BOARDS / "upduino_v3_0.zip", 0.1, layers={})
    assert len(drawn.copper) == 4
    assert [round(float(v), 1) for v in drawn.origin_mm] == [-0.6, 22.8]
    assert drawn.pads_top[:, 2].max() < 20  # the board edge in the stencil layer is not a pad


@real_boards
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "copper", "holes"),
    [("limesdr_usb_1v4", 12, 1000), ("ulx3s", 4, 600), ("upduino_v3_0", 4, 150), ("olinuxino_a20_lime2_k2", 8, 600)],
)
def test_every_real_board_becomes_an_object(name, copper, holes):
    drawn = read_board(BOARDS / f"{name}.zip", 0.05)
    assert len(drawn.copper) == copper and len(drawn.holes) > holes
    rows, cols = drawn.copper[0].shape
    maps = build_object(drawn, BoardBuild(), 1, (rows // 2 - 200, cols // 2 - 200, 400, 400))
    cover = {m: float((t > 1e-3).mean()) for m, t in maps.thickness_mm.items()}
    assert cover["FR4"] > 0.8 and cover["Cu"] > 0.5
    assert sum(cover.get(m, 0) for m in ("SAC305", "Sn63Pb37")) > 0.005


@pytest.mark.parametrize("thirds", range(4))
def test_a_mask_holds_the_covered_share_of_every_cell(thirds):
    """A rectangle over some thirds of a column of cells, and a square over a ninth of one."""
    grid = Grid(0.0, 4.0, 1.0, 4, 4)
    wide = np.array([[1.0, 1.0], [1.0 + thirds / 3, 1.0], [1.0 + thirds / 3, 3.0], [1.0, 3.0]])
    ninth = np.array([[3.0, 0.0], [3.0 + 1 / 3, 0.0], [3.0 + 1 / 3, 1 / 3], [3.0, 1 / 3]])
    mask = rasterise([Shape(wide, True), Shape(ninth, True)] if thirds else [Shape(ninth, True)], grid)
    expected = np.zeros((4, 4), dtype=np.uint8)
    expected[1:3, 1], expected[3, 3] = round(255 * thirds / 3), round(255 / 9)
    np.testing.assert_array_equal(mask, expected)
