"""Which file is which layer, which board it belongs to, and what is the outline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from coldray.errors import ImageReadError
from coldray.objects.gerber.board import read_board
from coldray.objects.gerber.draw import _other_edges
from coldray.objects.gerber.marks import Budget
from coldray.objects.gerber.names import BOTTOM, TOP, roles_of_names
from coldray.objects.gerber.outline import GAP_MM, Content, edge_of
from coldray.objects.gerber.roles import roles_of
from coldray.objects.gerber.rs274x import read_gerber

WIDE, HIGH = 30.0, 18.0
HEAD = "%FSLAX36Y36*%\n%MOMM*%\n%ADD10C,0.2*%\n%ADD11C,1.4*%\nG01*\n"


def path(*points: tuple[float, float]) -> str:
    first, *rest = [(round(x * 1e6), round(y * 1e6)) for x, y in points]
    return f"D10*\nX{first[0]}Y{first[1]}D02*\n" + "".join(f"X{x}Y{y}D01*\n" for x, y in rest)


def gerber(*body: str) -> str:
    return HEAD + "".join(body) + "M02*\n"


def dots(*points: tuple[float, float]) -> str:
    return "D11*\n" + "".join(f"X{round(x * 1e6)}Y{round(y * 1e6)}D03*\n" for x, y in points)


CORNERS = [(2, 2), (28, 2), (28, 16), (2, 16)]
TOP_COPPER = gerber(dots(*CORNERS), path((2, 2), (28, 16)))
BOTTOM_COPPER = gerber(
    dots(*CORNERS), "G36*\n", path((2, 2), (28, 2), (28, 16), (2, 16), (2, 2)).split("\n", 1)[1], "G37*\n"
)
EDGE = gerber(path((0, 0), (WIDE, 0), (WIDE, HIGH), (0, HIGH), (0, 0)))
DRILL = "M48\nMETRIC\nT1C0.6\n%\nT1\n" + "".join(f"X{x:.1f}Y{y:.1f}\n" for x, y in CORNERS) + "M30\n"


def folder(tmp_path, files: dict[str, str]):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def area(mask, pitch: float) -> float:
    return float(mask.sum(dtype=np.float64)) / 255 * pitch**2


def check(board):
    """The made-up board: its top is a diagonal with dots, its bottom is full."""
    dot = np.pi * 0.7**2
    stroke = np.hypot(26, 14) * 0.2
    assert [area(c, 0.1) for c in board.copper] == [
        pytest.approx(4 * dot + stroke - 2 * 0.7 * 0.2, rel=0.03), pytest.approx(26 * 14 + 3 * dot, rel=0.01)
    ]  # fmt: skip
    assert area(board.outline, 0.1) == pytest.approx(WIDE * HIGH, rel=0.01)
    assert len(board.holes) == 4


NAMINGS = {
    "Altium": ("p.GTL", "p.GBL", "p.GM1", "p.TXT"), "Altium, mechanical 13": ("p.GTL", "p.GBL", "p.GM13", "p.TXT"),
    "Altium, .GM": ("p.GTL", "p.GBL", "p.GM", "p.TXT"), "Protel": ("p.gtl", "p.gbl", "p.gko", "p.drl"),
    "Eagle": ("p.cmp", "p.sol", "p.dim", "p.drd"), "Eagle, old jobs": ("p.top", "p.bot", "p.bor", "p.exc"),
    "Eagle, .ger": ("p.toplayer.ger", "p.bottomlayer.ger", "p.boardoutline.ger", "p.drills.xln"),
    "Eagle 9": ("copper_top.gbr", "copper_bottom.gbr", "profile.gbr", "drills.xln"),
    "OrCAD": ("p.TOP", "p.BOT", "p.FAB", "thruhole.tap"), "Allegro": ("TOP.art", "BOTTOM.art", "OUTLINE.art", "p-1-2.drl"),
    "Allegro, numbered": ("l1_primary.art", "l2_secondary.art", "outline.art", "ncdrill.tap"),
    "numbered only": ("layer1.gbr", "layer2.gbr", "outline.gbr", "d.drl"), "Altium words": ("Top.gbr", "Bottom.gbr", "Mechanical 1.gbr", "d.drl"),
    "PADS": ("art001.pho", "art002.pho", "outline.pho", "drl001.drl"),
    "KiCad": ("p-F_Cu.gbr", "p-B_Cu.gbr", "p-Edge_Cuts.gbr", "p.drl"),
    "KiCad 4": ("p-F.Cu.gbr", "p-B.Cu.gbr", "p-Edge.Cuts.gbr", "p.drl"),
    "DipTrace": ("Top.gbr", "Bottom.gbr", "BoardOutline.gbr", "Through.drl"),
    "EasyEDA": ("Gerber_TopLayer.GTL", "Gerber_BottomLayer.GBL", "Gerber_BoardOutlineLayer.GKO", "Drill_PTH_Through.DRL"),
    "Fritzing": ("p_copperTop.gtl", "p_copperBottom.gbl", "p_contour.gm1", "p_drill.txt"),
    "Target 3001!": ("p.Top", "p.Bot", "p.Outline", "p.Drill"), "gEDA": ("p.top.gbr", "p.bottom.gbr", "p.outline.gbr", "p.plated-drill.cnc"),
    "Siemens": ("EtchLayerTop.gdo", "EtchLayerBottom.gdo", "BoardOutline.gdo", "ThruHolePlated.ncd"),
    "a router's path": ("p_L1_TOP.gbr", "p_L2_BOT.gbr", "p_ROUT.gbr", "p_drill.drl"),
    "a router's file": ("p_L1_TOP.gbr", "p_L2_BOT.gbr", "p_outline.gbr", "p_rout.drl"),
    "sides by their use": ("component_side.gbr", "solder_side.gbr", "outline.gbr", "p.drl"),
    "Zuken": ("Conductive-1.fph", "Conductive-2.fph", "Outline.fph", "p_Drill_plt.fdr"),
    "two letters": ("tl", "bl", "ko", "drl"), "front and back": ("front.grb", "back.grb", "contour.grb", "holes.txt"),
}  # fmt: skip


@pytest.mark.parametrize("program", NAMINGS)
def test_names_of_layout_programs(tmp_path, program):
    contents = (TOP_COPPER, BOTTOM_COPPER, EDGE, DRILL)
    check(read_board(folder(tmp_path, dict(zip(NAMINGS[program], contents, strict=True))), 0.1))


PROJECTS = [
    "bot_arm", "backlight", "l4_amp", "inner2", "silkworm", "stopmotion", "fabric", "assembler", "edgeboard", "pasteur", "signal_top",
    "mask_rom", "TopHat", "GND_probe", "copper", "user_port", "Drill_Driver", "layer_3_cake", "b_side",
]  # fmt: skip


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize(
    "style", ["{}-F_Cu.gbr {}-B_Cu.gbr {}-Edge_Cuts.gbr", "{}.top.gbr {}.bottom.gbr {}.outline.gbr"]
)
def test_the_projects_own_name_says_nothing(tmp_path, project, style):
    names = style.format(project, project, project).split()
    files = dict(zip([*names, f"{project}.drl"], (TOP_COPPER, BOTTOM_COPPER, EDGE, DRILL), strict=True))
    check(read_board(folder(tmp_path, files), 0.1))


def test_drawings_legends_and_masks_are_left_out_with_their_reason(tmp_path):
    others = ("Dwgs_User", "F_Fab", "F_Silkscreen", "B_Mask", "F_Courtyard", "B_Adhesive", "Cmts_User", "drill_map")
    files = {
        "sigma-F_Cu.gbr": TOP_COPPER,
        "sigma-B_Cu.gbr": BOTTOM_COPPER,
        "sigma-Edge_Cuts.gbr": EDGE,
        "sigma.drl": DRILL,
    }
    board = read_board(
        folder(tmp_path, files | {f"sigma-{o}.gbr": TOP_COPPER for o in others} | {"notes.txt": "hello"}), 0.1
    )
    check(board)
    account = board.account()
    json.dumps(account)
    assert (account["copper_layers"], account["holes"], account["plated_holes"]) == (2, 4, 4)
    left = {f["file"]: f["why"] for f in account["files"] if f["role"] == "left out"}
    assert set(left) == {f"sigma-{o}.gbr" for o in others} | {"notes.txt"}
    assert all(left.values())


@pytest.mark.parametrize(
    "other", ["Sheet_DocumentationLayer.gbr", "Sheet_RatLayer.gbr", "Sheet_Lyr.gbr", "Sheet_DocumentLayer.GDX"]
)
def test_what_every_layer_is_called_makes_no_file_copper(tmp_path, other):
    files = {
        "Sheet_TopLayer.GTL": TOP_COPPER,
        "Sheet_BottomLayer.GBL": BOTTOM_COPPER,
        "Sheet_BoardOutlineLayer.GKO": EDGE,
    }
    board = read_board(folder(tmp_path, files | {"Sheet_Drill_Through.DRL": DRILL, other: BOTTOM_COPPER}), 0.1)
    check(board)
    assert {f.name: f.role for f in board.files}[other] == "left out"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_mark_that_an_editor_put_before_the_text_changes_nothing(tmp_path, form, encoding):
    marked = tmp_path / "in"
    marked.mkdir()
    for name, content in {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER, "p.gko": EDGE, "p.drl": DRILL}.items():
        (marked / name).write_bytes(("\ufeff" + content).encode(encoding))
    if form == "zip":
        marked = Path(shutil.make_archive(str(tmp_path / "in"), "zip", marked))
    board = read_board(marked, 0.1)
    check(board)
    assert len(board.holes) == len(CORNERS)


def test_attributes_outweigh_names(tmp_path):
    def x2(function: str, content: str, comment: bool = False) -> str:
        return (f"G04 #@! TF.FileFunction,{function}*\n" if comment else f"%TF.FileFunction,{function}*%\n") + content

    files = {
        "bottom.gbr": x2("Copper,L1,Top", TOP_COPPER), "top.gbr": x2("Copper,L2,Bot", BOTTOM_COPPER, comment=True),
        "paste.gbr": x2("Profile,NP", EDGE), "outline.gbr": x2("Other,User", TOP_COPPER),
        "mask.gbr": x2("MixedPlating,1,2", HEAD.replace("1.4", "0.6") + dots(*CORNERS) + "M02*\n"),
    }  # fmt: skip
    check(read_board(folder(tmp_path, files), 0.1))


def test_an_extension_that_says_more_than_the_file_holds(tmp_path):
    """Copper is not left out in silence; other data are, with a word."""
    whole = {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER, "p.gko": EDGE, "p.drl": DRILL}
    for copper in ("p.gtl", "p.gbl"):
        bare = "D10*\nX0010000Y0020000D03*\nM02*\n"  # apertures were in another file
        with pytest.raises(ImageReadError, match=rf"{copper} is copper by its extension.*RS-274X"):
            read_board(folder(tmp_path / copper, whole | {copper: bare}), 0.1)
    board = read_board(folder(tmp_path / "drill", whole | {"p.drl": "Holes were ordered by telephone.\n"}), 0.1)
    assert not board.holes
    assert any("p.drl" in note and "drill" in note for note in board.notes)
    check(read_board(folder(tmp_path / "more", whole | {"q.ncd": "nothing\n", "p.gto": "nothing\n"}), 0.1))


def test_a_layer_called_after_its_net_is_copper(tmp_path):
    files = {
        "p.TOP": TOP_COPPER,
        "p.GND": TOP_COPPER,
        "p.PWR": TOP_COPPER,
        "p.BOT": BOTTOM_COPPER,
        "thruhole.tap": DRILL,
    }
    board = read_board(folder(tmp_path, files), 0.1)
    assert [f.layer for f in sorted(board.files, key=lambda f: f.name)] == [4, 2, 3, 1, None]


def test_without_an_outline_the_board_is_the_box_of_all_copper(tmp_path):
    small = gerber(dots((12, 9), (16, 9)))
    board = read_board(folder(tmp_path, {"p.gtl": small, "p.g1": small, "p.gbl": BOTTOM_COPPER, "p.drl": DRILL}), 0.1)
    assert area(board.outline, 0.1) == pytest.approx((26 + 1.4) * (14 + 1.4), rel=0.01)
    assert any("no outline" in note for note in board.notes)


@pytest.mark.parametrize(("inset", "told"), [(0.7, True), (0.02, False)])
def test_of_two_outlines_the_one_that_is_not_used_is_said(tmp_path, inset, told):
    inner = path(*((x + (inset if x == 0 else -inset), y + (inset if y == 0 else -inset))
                   for x, y in [(0, 0), (WIDE, 0), (WIDE, HIGH), (0, HIGH), (0, 0)]))  # fmt: skip
    files = {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER, "p.gml": EDGE, "p.gko": gerber(inner), "p.drl": DRILL}
    board = read_board(folder(tmp_path, files), 0.1)
    check(board)
    assert any("p.gko" in note and f"{WIDE - 2 * inset:.1f} x" in note for note in board.notes) == told


def test_order_of_inner_layers():
    names = ["p-B_Cu.gbr", "p-In10_Cu.gbr", "p-In2_Cu.gbr", "p-F_Cu.gbr", "p-In1_Cu.gbr"]
    roles = roles_of_names(names)
    assert [r.depth for r in roles] == [BOTTOM, 10, 2, TOP, 1]
    unordered = [r for r in roles_of_names(["GND.art", "PWR.art", "TOP.art", "BOTTOM.art"]) if not r.ordered]
    assert len(unordered) == 2


@pytest.mark.parametrize("names", [["art001.pho", "art03.pho", "art002.pho"], ["x_L1.gbr", "x_L3.gbr", "x_L2.gbr"]])
def test_layers_that_are_only_numbered(names):
    assert [(r.kind, r.depth) for r in roles_of_names(names)] == [("copper", 1), ("copper", 3), ("copper", 2)]


@pytest.mark.parametrize(
    "table",
    [
        {"copper": "one.gbr"},
        {"copper": [3]},
        {"board_mm": [0, 0, 1]},
        {"board_mm": [5, 0, 1, 1]},
        {"board_mm": ["0", 0, 1, 1]},
    ],
)
def test_a_layer_table_of_wrong_types_is_refused(tmp_path, table):
    files = {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER}
    with pytest.raises(ImageReadError, match="layer table"):
        read_board(folder(tmp_path, files), 0.1, layers=table)


def test_a_damaged_layer_table_is_refused(tmp_path):
    root = folder(tmp_path / "p", {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER})
    for content in ("[" * 100_000, "{", '{"p": 1e999}', "[1, 2]"):
        (tmp_path / "layers.json").write_text(content)
        with pytest.raises(ImageReadError, match=r"layers\.json"):
            read_board(root, 0.1)
    (tmp_path / "layers.json").write_text('{"p": 1}')
    assert len(read_board(root, 0.1).copper) == 2


def test_an_assumed_order_is_said(tmp_path):
    files = {
        "TOP.art": TOP_COPPER,
        "GND.art": BOTTOM_COPPER,
        "PWR.art": BOTTOM_COPPER,
        "BOTTOM.art": BOTTOM_COPPER,
        "outline.art": EDGE,
    }
    board = read_board(folder(tmp_path, files), 0.1)
    assert any("order of the inner layers is assumed" in n for n in board.notes)
    assert any("no drill file" in n for n in board.notes)


def test_a_file_whose_name_says_nothing_is_noted(tmp_path):
    files = {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER, "p.gko": EDGE, "p.drl": DRILL, "p_S1.gbr": BOTTOM_COPPER}
    board = read_board(folder(tmp_path, files), 0.1)
    check(board)
    assert any(n.startswith("p_S1.gbr: left out") for n in board.notes)


def test_a_copper_layer_that_cannot_be_told_is_not_dropped(tmp_path):
    files = {"Top.gbr": TOP_COPPER, "Bopttom.gbr": BOTTOM_COPPER, "outline.gbr": EDGE}
    with pytest.raises(ImageReadError, match=r"no file is the bottom copper.*Bopttom\.gbr.*layers\.json"):
        read_board(folder(tmp_path, {**files, "In1.gbr": BOTTOM_COPPER}), 0.1)
    both = {"top_bottom.gbr": TOP_COPPER, "bottom.gbr": BOTTOM_COPPER}
    with pytest.raises(ImageReadError, match="says top and bottom"):
        read_board(folder(tmp_path / "both", both), 0.1)


def test_negative_planes(tmp_path):
    clear = gerber(dots((5, 5), (20, 10)))
    hole = 2 * np.pi * 0.7**2
    for name, content in (("p.GP1", clear), ("p.G1", clear.replace("%MOMM*%", "%MOMM*%\n%IPNEG*%"))):
        files = {"p.GTL": TOP_COPPER, "p.GBL": BOTTOM_COPPER, "p.GKO": EDGE, "p.TXT": DRILL, name: content}
        board = read_board(folder(tmp_path / name, files), 0.1)
        assert area(board.copper[1], 0.1) == pytest.approx(WIDE * HIGH - hole, rel=0.01)
        assert f"{name}: drawn as a negative" in board.notes


BOARD = {"top": TOP_COPPER, "bottom": BOTTOM_COPPER, "outline": EDGE}


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("{}.{}.gbr", ("main", "aux")), ("{}_{}.gbr", ("amp", "amp_v2")), ("{}-{}.gbr", ("board1", "board2")),
        ("{1}_{0}.gbr", ("revA", "revB")), ("{}/{}.gbr", ("old", "new")), ("{}/gerber/{}.gbr", ("r1", "r2")),
        ("{}{}.gbr", ("Left", "Right")),
    ],
)  # fmt: skip
def test_several_boards_are_refused_with_their_list_and_one_is_chosen(tmp_path, form, names):
    files = {}
    for name in names:
        files |= {form.format(name, k.title() if "{}{}" in form else k): v for k, v in BOARD.items()}
        drill = form.format(name, "drill").replace(".gbr", ".drl")
        files[drill] = DRILL if name == names[0] else DRILL.replace("X2.0Y2.0\n", "")
    root = folder(tmp_path, files)
    with pytest.raises(ImageReadError, match="holds 2 boards") as caught:
        read_board(root, 0.1)
    listed = [part.split(" (")[0] for part in str(caught.value).split("boards: ")[1].split("; ")[0].split(", ")]
    assert len(listed) == 2 and all(any(n in one for one in listed) for n in names)
    counts = sorted(len(read_board(root, 0.1, board=one).holes) for one in listed)
    assert counts == [3, 4]
    with pytest.raises(ImageReadError, match="no board 'third'"):
        read_board(root, 0.1, board="third")


def test_one_board_over_several_folders(tmp_path):
    files = {
        "copper/top.gbr": TOP_COPPER,
        "copper/bottom.gbr": BOTTOM_COPPER,
        "mech/outline.gbr": EDGE,
        "NC Drill/p.txt": DRILL,
    }
    check(read_board(folder(tmp_path, files), 0.1))
    assert len(read_board(tmp_path, 0.1, board=tmp_path.name).copper) == 2


def test_side_files_of_archivers_are_no_layers(tmp_path):
    files = {
        "p.gtl": TOP_COPPER,
        "p.gbl": BOTTOM_COPPER,
        "p.gko": EDGE,
        "p.drl": DRILL,
        "__MACOSX/._p.gtl": "x",
        ".hidden/p.gtl": TOP_COPPER,
    }
    check(read_board(folder(tmp_path, files), 0.1))


def box(gap: float, at: int = 0):
    """Four strokes round a board, the first shorter by a gap."""
    corners = np.array([(0, 0), (WIDE, 0), (WIDE, HIGH), (0, HIGH), (0, 0)], dtype=float)
    strokes = [corners[i : i + 2].copy() for i in range(4)]
    step = strokes[at][1] - strokes[at][0]
    strokes[at][1] -= step / np.hypot(*step) * gap
    return strokes


CONTENT = Content(np.array(CORNERS, dtype=float), np.array(CORNERS, dtype=float))


@pytest.mark.parametrize("gap", [0.0, 0.02, 0.12, 0.5, 0.95])
@pytest.mark.parametrize("at", [0, 2])
def test_a_gap_within_the_tolerance_is_closed_and_said(gap, at):
    edge, note = edge_of(box(gap, at), CONTENT)
    x, y = edge.boards[0].T
    closed = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert closed == pytest.approx(WIDE * HIGH, abs=gap * HIGH)
    assert (f"{gap:.2f} mm" in note) == (gap > 0.05)


@pytest.mark.parametrize("gap", [GAP_MM + 0.2, 4.0])
def test_a_wider_gap_is_refused_with_its_size(tmp_path, gap):
    edge, note = edge_of(box(gap), CONTENT)
    assert edge is None and f"{gap:.2f} mm apart" in note
    files = {
        "p.gtl": TOP_COPPER,
        "p.gbl": BOTTOM_COPPER,
        "p.gm1": gerber(*(path(*s) for s in box(gap))),
        "p.drl": DRILL,
    }
    with pytest.raises(ImageReadError, match=rf"outline p\.gm1 is open.*{gap:.2f} mm"):
        read_board(folder(tmp_path, files), 0.1)


def test_a_mechanical_layer_that_shows_something_else_is_not_the_outline(tmp_path):
    marks = gerber(path((5, 5), (6, 5), (6, 6), (5, 6), (5, 5)))
    files = {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER, "p.gm1": marks, "p.gm7": EDGE, "p.drl": DRILL}
    board = read_board(folder(tmp_path, files), 0.1)
    check(board)
    assert [f.name for f in board.files if f.role == "outline"] == ["p.gm7"]


def test_a_sheet_border_is_not_the_outline(tmp_path):
    sheet = gerber(path((-90, -60), (120, -60), (120, 90), (-90, 90), (-90, -60)))
    files = {"p.gtl": TOP_COPPER, "p.gbl": BOTTOM_COPPER, "p-fabrication.gbr": sheet, "p.drl": DRILL}
    board = read_board(folder(tmp_path, files), 0.1)
    assert any("no outline" in n for n in board.notes)
    (tmp_path / "p-fabrication.gbr").write_text(sheet[: -len("M02*\n")] + EDGE[len(HEAD) :])
    check(read_board(tmp_path, 0.1))


def test_an_outline_drawn_twice_is_one():
    twice = [*box(0), *(s[::-1] for s in box(0)), np.array([[5.0, 5.0], [5.0, 5.0]])]
    edge, note = edge_of(twice, CONTENT)
    assert len(edge.boards) == 1 and not edge.cutouts and not note


def test_a_drill_file_that_belongs_to_no_board_is_not_lost(tmp_path):
    files = {f"{rev}/{k}.gbr": v for rev in ("a", "b") for k, v in BOARD.items()}
    with pytest.raises(ImageReadError, match=r"drill/p\.txt belongs to none of them"):
        read_board(folder(tmp_path, files | {"drill/p.txt": DRILL}), 0.1, board="a")


def test_cut_outs_and_panels():
    inner = np.array([(10, 7), (12, 7), (12, 9), (10, 9), (10, 7)], dtype=float)
    edge, _ = edge_of([*box(0), inner], CONTENT)
    assert len(edge.boards) == 1 and len(edge.cutouts) == 1
    shift = np.array([40.0, 0.0])
    both = Content(
        np.concatenate([CONTENT.holes, CONTENT.holes + shift]), np.concatenate([CONTENT.copper, CONTENT.copper + shift])
    )
    edge, _ = edge_of([*box(0), *(s + shift for s in box(0))], both)
    assert len(edge.boards) == 2
    assert float(edge.high[0]) == WIDE + 40


def test_content_is_read_not_the_name():
    members = {
        "a.gbr": DRILL.encode(),
        "readme.drl": b"These are no drill data.\n",
        "drill.csv": b"T1,0.6\n",
        "p.gbrjob": b"%FS",
    }
    kinds = {name: role.kind for name, role in roles_of(members).items()}
    assert kinds == {"a.gbr": "drill", "readme.drl": "", "drill.csv": "", "p.gbrjob": ""}


def test_outlines_that_are_not_used_share_what_is_left_of_the_budget():
    edge, _ = edge_of(box(0.0), CONTENT)
    wider = gerber(path((-3, -3), (33, -3), (33, 21), (-3, 21), (-3, -3))).encode()
    spent = Budget()
    read_gerber(wider.decode(), spent)
    of_one = Budget().objects - spent.objects
    for files in range(4):
        left = Budget(objects=files * of_one)
        told = _other_edges(Path("p.zip"), "used.gm1", edge, {f"{n}.gm1": wider for n in range(5)}, CONTENT, left)
        assert [text.partition(":")[0] for text in told] == [f"{n}.gm1" for n in range(files)]
        assert all("36.0 x 24.0 mm" in text for text in told)
