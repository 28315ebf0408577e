"""Every example in a docstring runs and gives what it says."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

import coldray

ROOT = Path(coldray.__file__).parent
MODULES = sorted(
    ".".join(["coldray", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
FEWEST = 30


def examples(module):
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(module)) if test.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    found = examples(module)
    assert found, "an example that no test finds"
    for test in found:
        told = []
        runner = doctest.DocTestRunner(verbose=False)
        assert runner.run(test, out=told.append).failed == 0, "".join(told)


def test_there_are_examples():
    assert sum(len(examples(module)) for module in MODULES) >= FEWEST


PAGE = ROOT.parents[1] / "docs" / "theory" / "read_the_method.md"
LINES = 200
"""What a newcomer has to read to understand blur, blend and sampler, docstrings included."""


def test_the_method_is_read_in_ten_minutes():
    text = PAGE.read_text(encoding="utf-8")
    pieces = re.findall(r"```\{literalinclude\} (\S+)\n:pyobject: (\w+)\n", text)
    files = [(PAGE.parent / path).resolve() for path, _ in pieces]
    found = [
        next(node for node in ast.parse(file.read_text(encoding="utf-8")).body if getattr(node, "name", None) == name)
        for file, (_, name) in zip(files, pieces, strict=True)
    ]
    assert len(set(files)) == 3
    assert sum(node.end_lineno - node.lineno + 1 for node in found) <= LINES
