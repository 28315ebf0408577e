"""Trust tests by name: defects told apart, inventions found, and each question catches a restorer that is wrong on purpose."""

import json

import numpy as np
import pytest

from coldray.benchmark.paper import questions
from coldray.benchmark.paper.characterisation import QUESTIONS, characterisation, shapes, told_apart
from coldray.benchmark.paper.contestants import BLURRED, WIENER, Contestant
from coldray.benchmark.paper.controls import Inventor, Smoother
from coldray.benchmark.paper.invention import FAR_PX, far_from_edges, ground, invented, templates
from coldray.benchmark.paper.trust import TrustRecipe
from coldray.errors import MeasurementError, SettingsError
from coldray.metrology.tasks import disc, together
from coldray.physics.prior import ObjectPrior

PRIOR = ObjectPrior()
RAW = Contestant(BLURRED, "as it is", None)
WIENER_FILTER = Contestant(WIENER, "Wiener", "wiener")


@pytest.mark.parametrize("question", QUESTIONS)
def test_two_defects_have_the_same_mass_and_other_shapes(question):
    first, second = shapes(question)
    assert first.max() == 1 and first.sum() == pytest.approx(second.sum(), rel=1e-9)
    overlap = np.vdot(first, second) / np.linalg.norm(first) / np.linalg.norm(second)
    assert 0.3 < overlap < 0.99


def test_a_task_of_several_parts_is_their_sum_each_in_its_place():
    v, u = np.meshgrid(np.linspace(-3, 3, 7), np.linspace(-3, 3, 7), indexing="ij")
    one = disc(0.2, 1.0)
    pair = together([(one, 0.1, 0.3), (one, -0.1, -0.3)])
    np.testing.assert_allclose(
        pair.spectrum(v, u), 2 * one.spectrum(v, u) * np.cos(2 * np.pi * (0.1 * v + 0.3 * u)), atol=1e-15
    )
    assert pair.extent_mm == pytest.approx(0.2 + 2 * np.hypot(0.1, 0.3))
    with pytest.raises(MeasurementError, match="no task"):
        together([])


def test_a_frame_against_itself_loses_nothing():
    for cell in told_apart(RAW, QUESTIONS[1], 5.0, 1.0, 36, PRIOR):
        assert cell["difference"] == cell["low"] == cell["high"] == 0 and cell["auc"] > 0.7


def test_what_flattens_cannot_tell_apart():
    found = characterisation(Smoother(), 1.0, 36, PRIOR, cnrs=(8.0,))
    assert not found["passed"] and found["lowest_bound"] < -0.2
    assert len(found["cells"]) == 2 * len(QUESTIONS)


def test_templates_answer_to_structure_and_not_to_a_level():
    for one in templates().values():
        assert abs(one.sum()) < 1e-9 and np.linalg.norm(one) == pytest.approx(1)
    truth = ground()
    far = far_from_edges(truth, 0.005)
    assert 0.15 < far.mean() < 0.6
    assert not far[:FAR_PX].any() and not far[:, : 84 + FAR_PX].any() and far[128, 180]


def test_what_is_drawn_on_even_ground_is_found_below_the_noise():
    """A lattice of a fifth of one pixel's noise in the mean of 20 repeats; the blurred frame itself draws nothing."""
    clean = invented(RAW, ground(), 1.0, 20, PRIOR)
    drawn = invented(Inventor(), ground(), 1.0, 20, PRIOR)
    assert clean["per_mpx"] < 3e4
    assert drawn["by_template"]["lattice"] > 0.1 * drawn["pixels"] > 10 * clean["by_template"]["lattice"]


def test_each_question_may_be_asked_alone_and_controls_must_fail_it():
    recipe = TrustRecipe(pairs=36, repeats=12)
    found = questions.run_trust([WIENER_FILTER], recipe, PRIOR, asked=("invention", "blank"))
    assert [r["test"] for r in found["methods"][WIENER]] == ["invention", "blank"]
    assert all(r["passed"] for r in found["methods"][WIENER])
    assert list(found["controls"]) == ["control_inventor"]
    assert found["controls"]["control_inventor"]["caught_by"] == ["invention"]
    with pytest.raises(SettingsError, match="choose from insertion"):
        questions.run_trust([], recipe, PRIOR, asked=("beauty",))


def test_the_command_asks_by_name_and_ends_with_1_where_a_test_fails(call, tmp_path, monkeypatch):
    monkeypatch.setattr(questions, "characterised", lambda *_: questions.verdict(19, "characterisation", False, "m"))
    code, out, _ = call("benchmark", "trust", "characterisation", "-o", tmp_path / "t", "--pairs", 20)
    assert code == 1 and "FAILED" in out and "control_smoother" in out
    assert json.loads((tmp_path / "t" / "trust.json").read_text())["pairs"] == 20
    code, _, err = call("benchmark", "trust", "beauty", "-o", tmp_path / "t")
    assert code == 2 and "choose from" in err
