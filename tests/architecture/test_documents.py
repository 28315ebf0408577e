"""Every checked document can be made: a type that pydantic cannot resolve shows only when the first one is built."""

import importlib
from pathlib import Path

import pytest
from pydantic import BaseModel

import coldray

ROOT = Path(coldray.__file__).parent
MODULES = sorted(
    ".".join(("coldray", *path.relative_to(ROOT).with_suffix("").parts))
    for path in ROOT.rglob("*.py")
    if "import BaseModel" in path.read_text(encoding="utf-8")
)


def test_there_are_documents():
    assert "coldray.benchmark.trial.documents" in MODULES


@pytest.mark.parametrize("module", MODULES)
def test_every_document_is_fully_defined(module):
    try:
        found = vars(importlib.import_module(module)).values()
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed")
    models = [o for o in found if isinstance(o, type) and issubclass(o, BaseModel) and o.__module__ == module]
    assert [one.__name__ for one in models if not one.__pydantic_complete__] == []
