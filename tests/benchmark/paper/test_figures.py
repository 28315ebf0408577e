"""Figures: no row is missing, rows are told apart without colour, and the path is the one of Eqs. 1 and 2."""

import numpy as np
import pytest

from coldray.benchmark.paper import contestants as C
from coldray.benchmark.paper import curves, figures, path, run
from coldray.benchmark.paper.scenes import paper_blend
from coldray.methods import cold


def line_up(fake):
    return run.line_up(fake(), {"mine": fake("direct")}, run.PaperSettings())


def test_every_row_has_a_look_of_its_own(fake):
    keys = [c.key for c in line_up(fake)]
    look = curves.styles(keys)
    assert list(look) == keys
    told = [(s["color"], str(s["ls"]), s["marker"]) for s in look.values()]
    assert len(set(told)) == len(told)
    without_colour = [(str(s["ls"]), s["marker"], s["lw"], s.get("mfc")) for s in look.values()]
    assert len(set(without_colour)) == len(without_colour)


def test_every_row_is_drawn(fake):
    f, groups = np.linspace(0, 10, 53), [{"frequency_lp_mm": x, "ctf": 1 - x / 10} for x in (1.0, 4.0, 8.0)]
    edges = [
        {"contrast": c, "angle_deg": 3.0, "frequency_lp_mm": f, "value": np.exp(-f), "contrast_kept": 1.0}
        for c in (0.8, 0.05)
    ]
    row = {"transfers": edges, "ctf": groups, "flat": {"frequency_lp_mm": f, "nnps_mm2": 1e-6 * np.exp(-f)}}
    line = line_up(fake)
    measured = {
        "exposure_s": 1.0, "repeats": 2, "peer_repeats": 2, "bright": 0.8, "limit_lp_mm": 5.0, "methods": {c.key: row for c in line},
        "sharp": {"frequency_lp_mm": f, "mtf": np.exp(-f), "nnps_20_frames_mm2": 1e-7 * np.exp(-f), "ctf": groups},
    }  # fmt: skip
    sheets = curves.fourier_figures(measured, {c.key: {"label": c.label} for c in line})
    assert list(sheets) == ["", "others"]
    told = [{text.get_text() for text in sheet.legends[0].get_texts()} for sheet in sheets.values()]
    assert {c.label for c in line} < set.union(*told)
    # the frames as they are, and the thin screen's own curves, stand on both
    assert len(set.intersection(*told)) == 3 and len(told[0]) < len(told[1])
    for sheet, names in zip(sheets.values(), told, strict=True):
        _, off, _, noise, *_ = sheet.axes
        for axis in sheet.axes:
            assert len(axis.get_lines()) >= len(names) - 1
        np.testing.assert_allclose(off.get_lines()[0].get_ydata(), 0, atol=1e-12)
        assert noise.get_ylabel().endswith("[mm²]") and all(a.get_xlabel().endswith("[lp/mm]") for a in sheet.axes)


def test_the_first_sheets_rows_have_a_colour_each(fake):
    keys = [
        c.key for c in run.line_up(fake(), {"regression": fake("direct"), "cdm": fake("ddim")}, run.PaperSettings())
    ]
    look = curves.styles(keys)
    colours = [look[key]["color"] for key in curves.sheets_of(keys)[""]]
    assert {"regression", "cdm_sample", C.WIENER_SCALAR, C.DEFAULT} < set(curves.sheets_of(keys)[""])
    assert len(set(colours)) == len(colours)


def test_the_path_is_that_of_the_paper(fake, one_board):
    scene, steps = one_board[0], 3
    frame, truth, blend = scene.frame(), scene.truths["truth"], paper_blend()
    blurred = frame.operator(blend)(truth)
    for t, state in enumerate(path.forward_states(truth, frame, paper_blend(), steps)):
        np.testing.assert_allclose(state, (1 - t / steps) * truth + t / steps * blurred, atol=1e-5)
    model = fake(answer=lambda c, t: np.tanh(c[0]) + 0.1 * t[0])
    states, answers = path.reverse_states(frame, paper_blend(), model, steps)
    assert len(states) == steps + 1 and len(answers) == steps
    np.testing.assert_array_equal(states[0], frame.blurred)
    np.testing.assert_allclose(states[-1], cold.restore(frame, blend, model.predictor(), steps=steps), atol=1e-6)
    for t in range(steps, 0, -1):  # x_{t-1} = x_t - D_t(xhat) + D_{t-1}(xhat)
        n, (now, before) = steps - t, (frame.operator(blend, s / steps) for s in (t, t - 1))
        expected = states[n] - now(answers[n]) + before(answers[n])
        np.testing.assert_allclose(states[n + 1], expected, atol=1e-4)


def test_diffusion_takes_part_in_the_path(fake, one_board):
    found = path.path_of(
        one_board[0], fake(), {"cdm": fake("ddim", lambda c, t: 0.9 * c[1]), "other": fake("direct")}, 2
    )
    assert [row["name"] for row in found["rows"]][3:] == ["reverse, CDM that answers with the noise"]
    assert len(found["rows"][3]["images"]) == 3
    drawn = figures.path_figure(found)
    assert sum(len(axis.get_images()) for axis in drawn.axes) == 3 + 3 + 2 + 3


def test_the_board_that_is_shown_is_the_median(fake, one_board):
    truth = one_board[0].truths["truth"]
    noise = np.random.default_rng(0).standard_normal(truth.shape).astype(np.float32)
    candidates = [
        (one_board[0], {C.WIENER: truth + 0.1 * noise, C.DEFAULT: truth + s * noise}) for s in (0.01, 0.09, 0.05)
    ]
    assert run.typical(candidates, fake(), {}, 2)["images"] is candidates[2][1]
    assert run.typical([], fake(), {}, 2) == {}


def test_images_come_on_sheets_that_a_page_holds(fake, one_board):
    scene = one_board[0]
    line = run.line_up(fake(), {"regression": fake("direct"), "cdm": fake("ddim")}, run.PaperSettings())
    images = {c.key: scene.truths["truth"] for c in line}
    methods = {c.key: c.to_json() for c in line}
    keys = figures.shown_keys(images, methods)
    assert keys[:5] == [C.BLURRED, C.WIENER_SCALAR, "regression", "cdm_sample", C.COLD]
    assert len(set(keys)) == len(keys) and set(keys) == set(images) - set(figures.LEFT_OUT) | set(figures.REFERENCES)
    sheets = figures.image_figures({"scene": scene, "images": {k: images[k] for k in keys[:6]}}, methods)
    assert len(sheets) == 2 and all(sheet.get_figwidth() == figures.WIDTH_IN for sheet in sheets)
    titles = [axis.get_title() for sheet in sheets for axis in sheet.axes if axis.get_title()]
    assert [title[:3] for title in titles] == [f"({letter})" for letter in "abcdefgh"]
    # letters are as large in print as they are drawn: the figure has the width of two columns
    assert all(axis.title.get_fontsize() >= 7 for sheet in sheets for axis in sheet.axes)


@pytest.mark.parametrize(
    "label", ["x", "thin screen, its own NPS-Wiener", "a" * 40, "cold diffusion, the same U-Net, 4 steps, K = 1"]
)
def test_titles_have_as_many_lines_each(label):
    lines = figures._wrapped(label).split("\n")
    assert len(lines) == 3 and " ".join(" ".join(lines).split()) == label
    assert not any(line.endswith(("K", "=")) for line in lines)
