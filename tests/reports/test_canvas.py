"""Pictures of reports: scales with round marks, colours that say their values, curves where they belong."""

import io
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from coldray.reports.blocks import Picture, Report, Section
from coldray.reports.canvas import (
    DIVERGING,
    DPI,
    GLOWING,
    GREY,
    INK,
    PAPER,
    Box,
    Canvas,
    Curve,
    Shades,
    fitted,
    plot,
    power,
    said,
    ticks,
)
from coldray.reports.pdf import to_pdf

RED = (255, 0, 0)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_marks_are_round_even_and_few(low, span, most):
    high = low + span
    assume(span > 1e-5 * max(abs(low), abs(high)))
    found = np.array(ticks(low, high, most))
    assert 1 <= found.size <= most + 1
    assert low - 1e-6 * span <= found.min() and found.max() <= high + 1e-6 * span
    if found.size > 1:
        step = np.diff(found)
        np.testing.assert_allclose(step, step[0], rtol=1e-6)
        assert min(abs(step[0] / 10.0 ** np.floor(np.log10(step[0] * (1 + 1e-9))) - s) for s in (1, 2, 5)) < 1e-4


def test_numbers_have_a_minus_and_powers_their_exponent():
    assert (said(-2.5), said(0.0), power(-12)) == ("−2.5", "0", "10⁻¹²")


@pytest.mark.parametrize("colours", [GREY, DIVERGING, GLOWING])
def test_values_get_the_colours_of_their_place_and_no_others_beyond_the_ends(colours):
    shades = Shades(colours, -3.0, 5.0)
    ends = shades(np.array([-9.0, -3.0, 5.0, 99.0]))
    first, last = (tuple(bytes.fromhex(code)) for code in (colours[0], colours[-1]))
    assert [tuple(c) for c in ends.tolist()] == [first, first, last, last]
    assert shades(np.zeros((4, 5))).shape == (4, 5, 3)


def test_grey_rises_with_the_value():
    found = Shades(GREY, 0.2, 0.7)(np.linspace(0, 1, 500))[:, 0].astype(int)
    assert (np.diff(found) >= 0).all() and (found[0], found[-1]) == (0, 255)


def test_an_image_that_shrinks_is_averaged_and_one_that_grows_repeats_its_pixels():
    image = np.random.default_rng(0).normal(size=(24, 36)).astype(np.float32)
    np.testing.assert_allclose(fitted(image, 9, 6), image.reshape(6, 4, 9, 4).mean(axis=(1, 3)), atol=1e-6)
    np.testing.assert_array_equal(fitted(image, 72, 48), np.kron(image, np.ones((2, 2), np.float32)))


def test_pictures_are_opaque_know_their_size_and_are_the_same_every_time():
    def drawn():
        canvas = Canvas(1.0, 0.5)
        canvas.text(40, 30, "µ −", 8)
        canvas.turned_text(10, 30, "mm", 8)
        return canvas.png()

    with Image.open(io.BytesIO(drawn())) as image:
        assert (image.mode, image.size) == ("RGB", (DPI, DPI // 2))
        assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
        assert len(image.getcolors(10_000)) > 2, "text has smooth rims"
    assert drawn() == drawn()


@pytest.mark.parametrize("dashed", [False, True])
def test_a_curve_lies_where_its_values_are(dashed):
    canvas, box = Canvas(2.0, 1.6), Box(70, 10, 200, 150)
    x = np.linspace(0, 4, 50)
    plot(canvas, box, [Curve(x, 0.25 + 0 * x, "flat", RED, dashed)], ((0.0, 4.0), (0.0, 1.0)), ("x", "y"))
    pixels = np.asarray(canvas.image).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 160)
    legend = np.zeros_like(red)
    legend[: box.top + 40] = True
    rows, cols = np.nonzero(red & ~legend)
    assert abs(rows.mean() - (box.top + 0.75 * box.height)) < 1.5
    covered = np.unique(cols).size / box.width
    assert covered > 0.95 if not dashed else 0.4 < covered < 0.85
    assert (red & legend).any(), "the legend shows its colour"


def test_ground_is_shaded_where_it_is_asked_for_and_frames_are_drawn():
    canvas, box = Canvas(2.0, 1.6), Box(70, 10, 200, 150)
    plot(
        canvas,
        box,
        [Curve(np.array([0.0, 1.0]), np.array([0.0, 0.0]), "", RED)],
        ((0, 1), (0, 1)),
        ("", ""),
        shaded=(0.5, 1),
    )
    row = np.asarray(canvas.image)[box.top + 100]
    assert tuple(row[box.left + 50]) == PAPER
    assert tuple(row[box.left + 150]) != PAPER
    assert tuple(row[box.left]) == tuple(row[box.right - 1]) == INK


def test_a_page_packs_pictures_fast_and_leaves_the_level_of_others_alone():
    from fpdf.image_parsing import SETTINGS

    before, picture = SETTINGS.compression_level, Picture(Canvas(1.0, 0.5).png(), "white")
    page = to_pdf(Report("title", "subtitle", "verdict", "good", (), (Section("pictures", (picture,)),)))
    streams = re.findall(rb"/Subtype /Image.*?stream\n(..)", page, re.DOTALL)
    assert streams and {first[1] >> 6 for first in streams} == {1}, "RFC 1950: 1 is zlib's fast levels, 2 its default"
    assert SETTINGS.compression_level == before
