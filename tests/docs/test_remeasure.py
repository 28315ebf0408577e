"""What new weights move is measured again by commands that exist, and nothing that is kept is of other weights."""

import json
import re
import shlex

import pytest

from coldray.restoration.model import load_model

from .pages import ROOT

RESULTS = ROOT / "benchmarks" / "results"
OTHERS = {"batch.json", "beside_edges.json", "further_training.json", "large.json", "stream.json"}
"""Times, which no weight moves, and what a decision compared: models, or one before and after a change of the code."""


@pytest.fixture
def measurements(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import remeasure

    return (remeasure.FIRST, *remeasure.MEASUREMENTS)


def test_every_command_has_its_script_and_options(measurements):
    names = [one.name for one in measurements]
    assert len(set(names)) == len(names)
    for command in (command for one in measurements for command in one.commands):
        first, script, *words = shlex.split(command)
        if first == "coldray":
            assert script == "benchmark"
            continue
        text = (ROOT / script).read_text(encoding="utf-8")
        for option in (word for word in words if word.startswith("-")):
            assert f'"{option}"' in text, (script, option)


def _hashes(value):
    """Hash of every model that a result says it is of, wherever it says so."""
    if isinstance(value, list):
        return set().union(*map(_hashes, value))
    if not isinstance(value, dict):
        return set()
    if value.get("name") == "compact" and "sha256" in value:
        return {value["sha256"]}
    own = {value["model"]} if re.fullmatch("[0-9a-f]{64}", str(value.get("model"))) else set()
    return own.union(*map(_hashes, value.values()))


def test_results_of_the_default_model_are_of_the_one_that_ships():
    places = [*RESULTS.glob("*.json"), *RESULTS.glob("*/*.json")]
    found = {p.relative_to(RESULTS).as_posix(): _hashes(json.loads(p.read_text(encoding="utf-8"))) for p in places}
    kept = {name: hashes for name, hashes in found.items() if hashes}
    assert len(kept) > 15
    shipped = {load_model(name).sha256 for name in ("compact", "compact-0.1")}
    assert {name for name, hashes in kept.items() if not hashes <= shipped} <= OTHERS
