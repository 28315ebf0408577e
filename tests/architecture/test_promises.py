"""Every promise of the documentation names tests that exist."""

import ast
import re
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
