"""The page on speed says what the benchmark measured."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def speed(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import speed

    yield speed
    sys.modules.pop("speed", None)


def test_table_and_aims_are_those_of_the_result(speed):
    page = (ROOT / "docs/howto/cpu_speed.md").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "benchmarks/results/speed.json").read_text())["rows"]
    told = page.partition(speed.FIRST)[2].partition(speed.LAST)[0].strip()
    assert told == speed.page_of(rows)
    assert "reached" in told


def test_what_is_not_reached_is_said(speed, tmp_path):
    row = {"size": 2048, "threads": 1, "run": "default", "date": "2026-01-01", "warm_core_s": 2.0}
    row |= {"warm_core_s_over_rl30": 0.5, "command_wall_s_over_rl30": 0.3, "command_peak_mb": 900.0}
    page = tmp_path / "page.md"
    page.write_text(f"before\n{speed.FIRST}\nstale\n{speed.LAST}\nafter\n")
    speed.write_page(page, [row])
    told = page.read_text(encoding="utf-8")
    assert told.startswith("before\n") and told.endswith("\nafter\n") and "stale" not in told
    assert "warm: 0.50 of Richardson–Lucy (2026-01-01); at most 0.45 is aimed at: not reached." in told
    assert "command: 0.30 of Richardson–Lucy (2026-01-01); at most 0.33 is aimed at: reached." in told


@pytest.mark.parametrize("marks", [(), ("FIRST",), ("LAST",), ("LAST", "FIRST")])
def test_a_page_without_a_place_for_the_table_stays_as_it_is(speed, tmp_path, marks):
    page = tmp_path / "page.md"
    text = "\n".join(["before", *(getattr(speed, mark) for mark in marks), "after", ""])
    page.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match="needs a place"):
        speed.write_page(page, [])
    assert page.read_text(encoding="utf-8") == text


def test_rows_of_other_runs_at_a_size_stay(speed, tmp_path):
    out = tmp_path / "speed.json"
    row = {"size": 64, "threads": 1, "run": "default", "warm_core_s": 1.0}
    speed.keep(out, [row, row | {"run": "wiener"}])
    speed.keep(out, [row | {"warm_core_s": 2.0}])
    kept = {one["run"]: one["warm_core_s"] for one in json.loads(out.read_text())["rows"]}
    assert kept == {"default": 2.0, "wiener": 1.0}
