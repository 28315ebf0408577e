"""Boards: same seed same bytes, right volumes, every family different and alive."""

from __future__ import annotations

import inspect
import math
import re

import numpy as np
import pytest

from coldray.errors import PhysicsError
from coldray.objects.boards import FAMILIES, ROLES, _seen_tables, _tables, _unseen_tables, procedural_board
from coldray.objects.boards._seen_tables import SEEN
from coldray.objects.boards._stack import GROUND, Board, Layer
from coldray.objects.boards._tables import USUAL, Sizes
from coldray.objects.boards._unseen_tables import UNSEEN
from coldray.objects.canvas import RANDOM_STATE_VERSION, Frame

TABLE = set("Cu FR4 FR4_Br Sn63Pb37 SAC305 Si Al2O3 Au Ag Ni Ta BaTiO3 Fe Al mold_compound".split())
SMALL = (320, 384)


def _board(pitch: float, shape: tuple[int, int] = (256, 256), **more) -> Board:
    layers = more.pop("layers", [Layer(0.035), Layer(0.035)])
    return Board(shape, pitch, np.random.default_rng(0), thickness_mm=1.6, layers=layers, **more)


def _volume(thickness: np.ndarray, pitch: float) -> float:
    return float(thickness.sum(dtype=np.float64)) * pitch**2


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_family_gives_a_valid_board_twice_the_same(family: str) -> None:
    one, two = (procedural_board(family, SMALL, 0.02, 7) for _ in range(2))
    assert one.shape == SMALL
    assert set(one.thickness_mm) <= TABLE
    assert list(one.thickness_mm) == list(two.thickness_mm)
    for material, thickness in one.thickness_mm.items():
        assert thickness.dtype == np.float32
        assert thickness.min() >= 0
        assert thickness.tobytes() == two.thickness_mm[material].tobytes()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_family_has_structure_and_sensible_copper(family: str) -> None:
    spread, copper = [], []
    for seed in range(3):
        board = procedural_board(family, SMALL, 0.03, seed)
        cu = board.thickness_mm["Cu"]
        blocks = cu.reshape(10, 32, 12, 32).std((1, 3))
        spread.append(float((blocks > 0.002).mean()))
        copper.append(float(cu.mean()))
    assert np.mean(spread) > 0.3
    assert 0.001 < np.mean(copper) < 1.0


def test_different_states_give_different_boards() -> None:
    one, two = (procedural_board("discrete", SMALL, 0.03, seed) for seed in (1, 2))
    assert not np.array_equal(one.thickness_mm["Cu"], two.thickness_mm["Cu"])
    assert one.name == "discrete-1"


def test_a_generator_is_accepted() -> None:
    one = procedural_board("discrete", (64, 64), 0.05, np.random.default_rng(3))
    two = procedural_board("discrete", (64, 64), 0.05, 3)
    assert np.array_equal(one.thickness_mm["Cu"], two.thickness_mm["Cu"])


def test_roles_partition_the_families() -> None:
    assert set(ROLES) == set(FAMILIES)
    assert set(ROLES.values()) == {"train", "validation", "test"}
    assert len(FAMILIES) >= 12
    assert sum(role == "test" for role in ROLES.values()) >= 5


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(PhysicsError, match="unknown"):
        procedural_board("breadboard", SMALL, 0.02, 0)
    with pytest.raises(PhysicsError, match="empty"):
        procedural_board("rf", SMALL, 0.0, 0)


def test_a_seed_of_this_version_is_told_from_an_older_one() -> None:
    board = procedural_board("discrete", (64, 64), 0.05, 3)
    assert board.labels["random_state_version"] == RANDOM_STATE_VERSION
    plain = FAMILIES["discrete"]((64, 64), 0.05, np.random.default_rng(3)).finish()
    assert not np.array_equal(board.thickness_mm["Cu"], plain["Cu"])


def test_a_board_takes_one_number_from_its_generator() -> None:
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    procedural_board("discrete", (64, 64), 0.05, one)
    two.integers(2**63)
    assert one.random() == two.random()


@pytest.mark.parametrize("pitch", [0.008, 0.016, 0.03])
def test_via_barrel_copper(pitch: float) -> None:
    board = _board(pitch)
    size = 256 * pitch
    for k in range(9):
        board.via(size * (0.2 + 0.3 * (k % 3)) + 0.001 * k, size * (0.2 + 0.3 * (k // 3)), 0.25, ring_mm=0.1)
    maps = board.finish()
    drilled, inner = math.pi * 0.25**2 / 4, math.pi * 0.2**2 / 4
    pad = math.pi * 0.45**2 / 4
    expected = 9 * ((drilled - inner) * 1.6 + 2 * 0.035 * (pad - drilled))
    assert _volume(maps["Cu"], pitch) == pytest.approx(expected, rel=0.03)
    missing = 1.6 * size**2 - _volume(maps["FR4"], pitch)
    assert missing == pytest.approx(9 * drilled * 1.6, rel=0.04)


def test_ground_via_joins_the_plane_and_signal_via_does_not() -> None:
    def plane_copper(net: int) -> float:
        layers = [Layer(0.02), Layer(0.02, net=GROUND, full=True), Layer(0.02)]
        board = _board(0.01, layers=layers)
        board.via(1.28, 1.28, 0.3, net, ring_mm=0.1, gap_mm=0.2)
        return float(board.finish()["Cu"][128, 128 + 30])

    assert plane_copper(GROUND) == pytest.approx(0.02)
    assert plane_copper(2) == 0


@pytest.mark.parametrize("angle", [0.0, 45.0, 90.0, 30.0])
@pytest.mark.parametrize("width", [0.075, 0.13])
def test_trace_and_pad_areas_are_right_on_average(angle: float, width: float) -> None:
    layer = Layer(0.035)
    board = _board(0.016, (512, 512), layers=[layer])
    rng = np.random.default_rng(1)
    n = 24
    for k in range(n):
        frame = Frame(
            0.9 + 1.25 * (k % 6) + float(rng.uniform(0, 0.1)), 1.1 + 1.9 * (k // 6) + float(rng.uniform(0, 0.1)), angle
        )
        layer.strokes.append(([frame.at(-0.5, -0.15), frame.at(0.5, -0.15)], width))
        layer.pad(frame, 0.0, 0.2, 0.6, 0.25)
    area = _volume(board.finish()["Cu"], 0.016) / 0.035
    assert area / n == pytest.approx(width * 1.0 + 0.6 * 0.25, rel=0.04)


def test_nothing_outside_the_outline() -> None:
    board = _board(0.02, layers=[Layer(0.035, net=GROUND, full=True)])
    board.cuts.append([(-1, -1), (2, -1), (2, 6), (-1, 6)])
    maps = board.finish()
    assert maps["FR4"][:, :99].max() == 0
    assert maps["Cu"][:, :99].max() == 0
    assert maps["FR4"][:, 102:].min() == pytest.approx(1.6)


def test_families_of_training_and_of_tests_have_tables_of_their_own() -> None:
    assert not set(SEEN) & set(UNSEEN)
    assert set(SEEN) == {name for name, role in ROLES.items() if role in ("train", "validation")}
    assert set(UNSEEN) == {name for name, role in ROLES.items() if role == "test"}


@pytest.mark.parametrize("table", [USUAL, *SEEN.values(), *UNSEEN.values()])
def test_entries_are_ranges_values_or_lists(table: dict) -> None:
    for name, entry in table.items():
        if isinstance(entry, tuple):
            assert len(entry) in (1, 2) and list(entry) == sorted(entry), name
        else:
            assert len(entry) >= 1, name
        if name.endswith(("_mm", "_um", "_per_cm2")):
            assert all(v >= 0 for v in entry), name


@pytest.mark.parametrize(
    ("module", "tables"),
    [(_tables, [USUAL]), (_seen_tables, SEEN.values()), (_unseen_tables, UNSEEN.values())],
    ids=["usual", "seen", "unseen"],
)
def test_every_entry_of_a_table_says_its_source_or_assumed(module, tables) -> None:
    source = inspect.getsource(module)
    bare = [line.strip() for line in source.splitlines() if re.match(r' +"\w+": [(\[]', line) and "  # " not in line]
    assert not bare
    assert len(re.findall(r' +"\w+": [(\[].*  # \S', source)) == sum(len(table) for table in tables)


def test_a_table_draws_what_it_says() -> None:
    sizes = Sizes(
        {"one": (3.0,), "range": (1.0, 2.0), "list": [4.0, 5.0], "words": ["a", "b"]}, np.random.default_rng(0)
    )
    before = sizes.rng.bit_generator.state
    assert sizes.real("one") == 3.0 and sizes.whole("one") == 3 and sizes.rng.bit_generator.state == before
    assert all(1 <= sizes.real("range") <= 2 for _ in range(50))
    assert {sizes.whole("range") for _ in range(50)} == {1, 2}
    assert {sizes.one("list") for _ in range(50)} == {4.0, 5.0}
    assert {sizes.name("words") for _ in range(50)} == {"a", "b"}
    assert sizes.real("bus") == USUAL["bus"][0]
