"""Components are the same bodies whether a family or fabrication data put them on a board."""

import math

import numpy as np
import pytest

from coldray.objects.boards import _passives as passives
from coldray.objects.boards._stack import Board, Layer
from coldray.objects.canvas import Canvas, Frame
from coldray.objects.components.joints import bubbles, die_attach, soldered_pin
from coldray.objects.components.packages import LeadframePackage
from coldray.objects.gerber import bodies
from coldray.objects.gerber.build import BoardBuild
from coldray.objects.gerber.parts import Part

PITCH, SIDE = 0.02, 200
SIZE = SIDE * PITCH


def volume(maps, material):
    return float(maps[material].sum(dtype=np.float64)) * PITCH**2


def recorded(monkeypatch, module, name):
    """Arguments of the calls of a body, which is drawn all the same."""
    calls = []
    draw = getattr(module, name)

    def body(canvas, frame, *args, **kwargs):
        calls.append((args, kwargs))
        draw(canvas, frame, *args, **kwargs)

    monkeypatch.setattr(module, name, body)
    return draw, calls


@pytest.mark.parametrize(
    ("family", "make", "body"),
    [("C", "mlcc", "ceramic_capacitor"), ("R", "resistor", "chip_resistor")],
)
def test_equal_parts_from_both_users(monkeypatch, family, make, body):
    """Each user's part contains the library's body, cell for cell, with the arguments that user chose."""
    draw, calls = recorded(monkeypatch, passives, body)
    board = Board((SIDE, SIDE), PITCH, np.random.default_rng(0), thickness_mm=1.0, layers=[Layer(0.035)])
    getattr(passives, make)(np.random.default_rng(1), "0603").draw(board, Frame(SIZE / 2, SIZE / 2), 0)
    _, others = recorded(monkeypatch, bodies, body)
    canvas = Canvas((SIDE, SIDE), PITCH, (0.0, SIZE), y_up=True)
    pads = np.array([[SIZE / 2 + dx, SIZE / 2, 0.8, 0.9, 0.0, 1.0] for dx in (-0.75, 0.75)])
    part = Part("pair", "top", SIZE / 2, SIZE / 2, 0.0, 2.3, 0.9, pads, family, "0603", 1.6, 0.8)
    bodies.place(canvas, part, BoardBuild(), np.random.default_rng(2))
    alone = []
    for (args, kwargs), drawn in ((calls[0], board.canvas.maps), (others[0], canvas.maps)):
        assert args[:2] == pytest.approx((1.6, 0.8))
        bare = Canvas((SIDE, SIDE), PITCH)
        draw(bare, Frame(SIZE / 2, SIZE / 2), *args, **kwargs)
        alone.append(bare.maps)
        for material in set(bare.maps) - {"SAC305", "Sn63Pb37"}:
            assert volume(drawn, material) == pytest.approx(volume(bare.maps, material), rel=1e-3)
    assert set(alone[0]) == set(alone[1])


def test_bubbles_lie_inside_their_ball():
    rng = np.random.default_rng(0)
    for _ in range(100):
        first, *others = bubbles(rng, 0.5, 0.2, 0.4)
        assert 0.1 <= first[2] <= 0.2
        assert all(math.hypot(dx, dy) + d / 2 <= 0.25 + 1e-9 for dx, dy, d in (first, *others))
        assert len(others) <= 3


def test_die_attach_lacks_what_its_voids_take():
    full, holed = Canvas((SIDE, SIDE), PITCH), Canvas((SIDE, SIDE), PITCH)
    frame = Frame(SIZE / 2, SIZE / 2)
    die_attach(full, frame, 2.0, 2.0, np.random.default_rng(0), 0.0, 0.05, "SAC305")
    die_attach(holed, frame, 2.0, 2.0, np.random.default_rng(0), 0.2, 0.05, "SAC305")
    assert volume(full.maps, "SAC305") == pytest.approx(0.05 * 4.0, rel=1e-3)
    missing = (volume(full.maps, "SAC305") - volume(holed.maps, "SAC305")) / (0.05 * 4.0)
    # the depth of a void has a mean of 2/3 of its largest, 0.9; the last void may overshoot
    assert 0.2 * 0.6 <= missing < 0.2 * 0.6 + 0.12


def test_a_pin_fills_its_hole():
    canvas = Canvas((SIDE, SIDE), PITCH)
    soldered_pin(canvas, (SIZE / 2, SIZE / 2), 1.0, 0.6, ("SAC305", 1.4), 3.0)
    assert volume(canvas.maps, "Cu") == pytest.approx(3.0 * math.pi * 0.09, rel=0.01)
    solder = 1.4 * math.pi * (0.475**2 - 0.3**2) + 0.15 * math.pi * (0.75**2 - 0.5**2)
    assert volume(canvas.maps, "SAC305") == pytest.approx(solder, rel=0.01)


def test_a_package_of_two_rows_is_its_own_mirror_image():
    made = LeadframePackage(3.0, 1.6, 0.8, (1.0, 1.0), (0.7, 0.7), 0.15, 0.3, 0.4, True)
    row = [(u, 1.3) for u in (-0.95, 0.0, 0.95)]
    canvas = Canvas((SIDE, SIDE), PITCH)
    frame = Frame(SIZE / 2, SIZE / 2)
    made.body(canvas, frame)
    made.leads(canvas, frame, [row, [], row, []], "SAC305", np.random.default_rng(0), metals=("Au",))
    for material in ("Cu", "SAC305", "mold_compound", "Si"):
        drawn = canvas.map(material)
        np.testing.assert_allclose(drawn, drawn[::-1, ::-1], atol=2e-3 * drawn.max())
    assert volume(canvas.maps, "mold_compound") == pytest.approx(3.0 * 1.6 * 0.8, rel=1e-3)
    # six feet, six shoulders and knees, six inner leads and the paddle
    out = 1.3 + 0.2 - 0.8 - 0.4
    least = 0.15 * 1.0 + 6 * 0.3 * (0.4 * 0.15 + out * 0.18 + 0.16 * 0.525)
    assert volume(canvas.maps, "Cu") > least
