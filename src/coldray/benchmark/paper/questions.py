"""Trust tests by name: which are asked of which method, and which restorer that is wrong on purpose each must catch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper import strangers
from coldray.benchmark.paper.characterisation import characterisation
from coldray.benchmark.paper.contestants import DEFAULT, WIENER, Contestant, classical, learned
from coldray.benchmark.paper.controls import Control, Inventor, Memoriser, Smoother
from coldray.benchmark.paper.detection import LEAST_DIFFERENCE
from coldray.benchmark.paper.invention import LIMIT_SE, ground, invented
from coldray.benchmark.paper.record import Trust, Verdict
from coldray.benchmark.paper.strangers import WarningsFor
from coldray.benchmark.paper.trust import TrustRecipe, blank, flat, insertion, removal, removed_parts, verdict
from coldray.channels import conditions
from coldray.document import Json, as_entries, as_number
from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.physics.prior import ObjectPrior
from coldray.plugins import Degradation
from coldray.restoration.model import Model

Image = NDArray[np.float32]


def characterised(contestant: Contestant, recipe: TrustRecipe, prior: ObjectPrior) -> dict[str, Json]:
    """Test 19: two defects of equal mass are told apart as well as in the blurred frame."""
    found = characterisation(contestant, recipe.exposure_s, recipe.pairs, prior)
    return verdict(
        19, "characterisation",
        mark=f"AUC(restored) - AUC(blurred): lower end of the 95 % interval >= {LEAST_DIFFERENCE} in each of {len(as_entries(found['cells']))} cells",
        **found,
    )  # fmt: skip


def invention(
    contestant: Contestant, recipe: TrustRecipe, prior: ObjectPrior, allowed: Mapping[str, Json]
) -> dict[str, Json]:
    """Test 20: in the mean of repeats nothing is drawn on even ground, far from edges, that a Wiener filter does not draw.

    `allowed` is what `invented` found of that.
    """
    found = invented(contestant, ground(), recipe.exposure_s, recipe.repeats, prior, random_state=recipe.random_state)
    count = as_number(allowed["count"])
    most = 1.5 * count + 3 * np.sqrt(count + 1)
    return verdict(
        20, "invention", as_number(found["count"]) <= most,
        f"answers of lines, blobs and lattices beyond {LIMIT_SE} standard errors in the mean of {recipe.repeats} repeats "
        "<= 1.5 x those of Wiener (+ 3 SD of the count)",
        wiener=allowed, **found,
    )  # fmt: skip


ASKED = ("insertion", "removal", "blank", "flat", "strangers")
"""What the comparison with the paper asks."""
QUESTIONS = (*ASKED, "characterisation", "invention")
CONTROLLED: dict[str, tuple[Callable[[], Control], ...]] = {
    "insertion": (Memoriser, Smoother), "removal": (Memoriser, Smoother), "characterisation": (Smoother,), "invention": (Inventor,),
}  # fmt: skip
"""Restorers that are wrong on purpose, for the questions that must catch one of them."""


def run_trust(
    contestants: Sequence[Contestant], recipe: TrustRecipe, prior: ObjectPrior, warnings_for: WarningsFor | None = None,
    say: Callable[[str], None] = lambda _: None, asked: Sequence[str] = ASKED,
) -> Trust:  # fmt: skip
    """Ask the trust tests.

    Parameters
    ----------
    contestants : sequence of Contestant
        The method under test and Wiener as control: a test that Wiener fails is a wrong test.
    recipe : TrustRecipe
    prior : ObjectPrior
    warnings_for : callable, optional
        ``warnings_for(frame, degradation)`` gives the model's own warnings, for test 7.
    say : callable
        Told what happens next.
    asked : sequence of str
        Which of `QUESTIONS`.

    Returns
    -------
    dict
        Per contestant a list of results; "controls" with the verdict of test 18; JSON-able.

    Raises
    ------
    SettingsError
        If there is no such question.
    """
    if unknown := [name for name in asked if name not in QUESTIONS]:
        raise SettingsError(f"question {unknown[0]!r}: choose from {', '.join(QUESTIONS)}")
    boards = list(
        image for _, image in (recipe.boards.sharp_truths() if {"insertion", "strangers"} & set(asked) else ())
    )
    parts = list(removed_parts(recipe.boards)) if "removal" in asked else []

    @cache
    def allowed() -> dict[str, Json]:
        wiener = next(one for one in classical() if one.key == WIENER)
        return invented(wiener, ground(), recipe.exposure_s, recipe.repeats, prior, random_state=recipe.random_state)

    tests: dict[str, Callable[[Contestant], Verdict]] = {
        "insertion": lambda who: insertion(who, boards, recipe, prior),
        "removal": lambda who: removal(who, parts, recipe, prior),
        "blank": lambda who: blank(who, prior, recipe.exposure_s),
        "flat": lambda who: flat(who, recipe, prior),
        "strangers": lambda who: strangers.out_of_distribution(
            who, boards, recipe.exposure_s, prior, warnings_for, recipe.random_state
        ),
        "characterisation": lambda who: characterised(who, recipe, prior),
        "invention": lambda who: invention(who, recipe, prior, allowed()),
    }
    out: Trust = {"methods": {}, "exposure_s": recipe.exposure_s, "pairs": recipe.pairs, "controls": {}}
    for contestant in contestants:
        say(f"trust tests: {contestant.label}")
        out["methods"][contestant.key] = [tests[name](contestant) for name in asked]
    for kind in dict.fromkeys(kind for name in asked for kind in CONTROLLED.get(name, ())):
        control = kind()
        say(f"trust tests: {control.label}")
        results = [tests[name](control) for name in asked if kind in CONTROLLED.get(name, ())]
        caught = [r["test"] for r in results if not r["passed"]]
        out["controls"][control.key] = verdict(
            18, "negative control", bool(caught), "must fail test 3, 4, 6, 19 or 20", caught_by=caught, results=results
        )
    return out


def warnings_by(model: Model) -> WarningsFor:
    """What a model says of a frame that it does not know."""

    def warnings_for(frame: Frame, degradation: Degradation) -> list[str]:
        return model.warnings_for(conditions(frame, degradation))

    return warnings_for


def trust_of_model(
    model: Model, recipe: TrustRecipe, asked: Sequence[str] = QUESTIONS, say: Callable[[str], None] = lambda _: None
) -> Trust:
    """Ask the trust tests of the default method with a model, and of a Wiener filter as control; see `run_trust`."""
    contestants = [next(c for c in (*classical(), *learned(model, 1)) if c.key == key) for key in (WIENER, DEFAULT)]
    return run_trust(contestants, recipe, model.prior, warnings_by(model), say, asked)
