"""Every promise of the documentation names tests that exist, every known anomaly a record that does."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROWS = [
    line for line in (ROOT / "docs/reference/promises.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| **")
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[4:40])
def test_each_promise_is_held_by_tests_that_exist(row):
    named = NAMED.findall(row)
    assert named, "a promise without a test"
    for file, test in named:
        names = {
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
            if hasattr(node, "name")
        }
        assert test in names, f"{file}::{test}"


def test_there_are_promises():
    assert len(ROWS) >= 10


ANOMALIES = ROOT / "docs/reference/known_anomalies.md"
ENTRIES = [line for line in ANOMALIES.read_text(encoding="utf-8").splitlines() if line.startswith("| **")]
RECORD = re.compile(r"`((?:benchmarks|docs)/[^`]+)`|\]\(([^)#]+)")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[4:40])
def test_each_anomaly_says_for_whom_what_to_do_and_names_a_record_that_exists(entry):
    cells = [cell.strip() for cell in entry.strip("|").split(" | ")]
    assert len(cells) == 4 and all(cells)
    named = RECORD.findall(cells[-1])
    assert named, "an anomaly without a record"
    for file, link in named:
        assert (ROOT / file if file else ANOMALIES.parent / link).is_file(), file or link


def test_the_release_has_its_list():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"\n## {project['version']}," in ANOMALIES.read_text(encoding="utf-8")
    assert ENTRIES
