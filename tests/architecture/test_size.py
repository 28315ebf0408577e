"""Modules and bodies have an end; `Any` is for what nobody knows."""

import importlib.util
from pathlib import Path

import coldray

COUNTER = Path(coldray.__file__).parents[2] / "benchmarks" / "code_lines.py"
spec = importlib.util.spec_from_file_location("code_lines", COUNTER)
code_lines = importlib.util.module_from_spec(spec)
spec.loader.exec_module(code_lines)
FILES = sorted(code_lines.ROOT.rglob("*.py"))
MOST_ANY = 300


def test_no_module_is_longer_than_400_lines():
    lines = {str(path.relative_to(code_lines.ROOT)): path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert {name: count for name, count in lines.items() if count > code_lines.LONGEST_MODULE} == {}


def test_no_body_is_longer_than_60_lines():
    assert [found for path in FILES for found in code_lines.long_bodies(path)] == []


def test_any_is_for_what_nobody_knows():
    assert sum(map(code_lines.uses_of_any, FILES)) <= MOST_ANY


def test_the_counter_tells_kinds_of_lines_apart(tmp_path):
    text = '"""One,\n\ntwo."""\n\n# three\nfrom typing import Any\n\n\ndef f(x: Any) -> None:\n    """Four."""\n    return x\n'
    path = tmp_path / "module.py"
    path.write_text(text, encoding="utf-8")
    counted = code_lines.lines_of(path)
    assert (counted["code"], counted["docstrings"], counted["comments"], counted["all"]) == (3, 4, 1, 11)
    assert code_lines.uses_of_any(path) == 1 and code_lines.long_bodies(path) == []
