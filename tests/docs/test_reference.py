"""Every function of the API reference says what each of its parameters is."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import coldray

DOCS = Path(coldray.__file__).parents[2] / "docs"
MODULES = sorted({
    module
    for page in [DOCS / "reference" / "api.md", *(DOCS / "reference" / "api").glob("*.md")]
    for module in re.findall(r"automodule:: ([\w.]+)", page.read_text(encoding="utf-8"))
})  # fmt: skip
HEADING = re.compile(r"\n\n(?=\w+\n-{3,}\n)")


def described(text):
    """Names in the section of parameters."""
    section = next((part for part in HEADING.split(text) if part.startswith("Parameters\n")), "")
    heads = [line.partition(" :")[0] for line in section.splitlines()[2:] if line and not line.startswith(" ")]
    return {name.strip(" *") for head in heads for name in head.split(",")}


def test_there_are_modules():
    assert {"coldray.api.restore", "coldray.metrology.metrics"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_parameters_are_described(module):
    try:
        found = vars(importlib.import_module(module)).items()
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed")
    lacking = {}
    for name, function in found:
        if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module:
            continue
        parameters = list(inspect.signature(function).parameters)
        told = described(inspect.getdoc(function) or "")
        if len(parameters) > 1 and (missing := [one for one in parameters if one not in told]):
            lacking[name] = missing
    assert not lacking
