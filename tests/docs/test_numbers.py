"""What pages say of the comparison is what its kept results say: every block is made from them."""

import json
from itertools import pairwise

import pytest

from coldray.benchmark.paper.markdown import BLOCK, filled

from .pages import ROOT

KEPT = ROOT / "benchmarks" / "results" / "paper"
LETTER_BLOCKS = ("letter", "letter_scores", "letter_differences")
PAGES = {
    "docs/theory/paper.md": {"made", "worth", "saved", "claims", "differences", *LETTER_BLOCKS},
    "docs/howto/compare.md": {"made", "scores", "fourier", "training", "detection", "trust"},
}


@pytest.fixture(scope="module")
def results():
    return json.loads((KEPT / "results.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_that_of_the_kept_results(page, results, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from paper_pages import page_blocks

    text = (ROOT / page).read_text(encoding="utf-8")
    assert {match["name"] for match in BLOCK.finditer(text)} == PAGES[page]
    found = page_blocks(results)
    assert PAGES[page] <= set(found)
    assert filled(text, found) == text, "python benchmarks/paper_pages.py fills the pages"


def test_the_kept_results_hold_every_part_and_row(results):
    from coldray.benchmark.paper.contestants import PEERS, THIN_KEYS
    from coldray.benchmark.paper.plan import PARTS

    assert results["command"] in ("coldray benchmark paper", "coldray benchmark paper --full")
    assert set(results["settings"]["parts"]) == set(PARTS)
    rows = {entry["method"] for entry in results["summary"] if entry["kind"] == "acquired"}
    assert (
        rows
        == set(results["methods"])
        >= {*THIN_KEYS, "blurred", "wiener_scalar", "wiener", "wiener_tv", "richardson_lucy", "coldray"}
    )
    assert results["absent"] == [] and {
        results["methods"][key]["model"]["name"] for key in rows if results["methods"][key]["model"]
    } >= set(PEERS)
    assert {path.suffix for path in KEPT.iterdir()} == {".json", ".csv", ".tex", ".webp"}
    exposures = [e["exposure_s"] for e in results["summary"] if e["method"] == "thin" and e["kind"] == "acquired"]
    assert all(a > b for a, b in pairwise(exposures)) and len(exposures) == 3


def test_a_part_takes_its_place_only_in_a_comparison_like_its_own(results, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from paper_pages import joined, page_blocks

    mark = results["marks"][-1]
    part = {
        **{key: results[key] for key in ("benchmark", "model", "methods")},
        "settings": results["settings"] | {"parts": ["efficiency"]},
        "command": "coldray benchmark paper --full --part efficiency",
        "efficiency": [],
        "cpu_seconds": 3.0,
        "part_cpu_seconds": {"efficiency": 2.0},
        "marks": [mark | {"passed": not mark["passed"]}],
    }
    found = joined(results, part)
    assert found["efficiency"] == [] and found["fourier"] == results["fourier"]
    assert found["part_cpu_seconds"] == results["part_cpu_seconds"] | {"efficiency": 2.0}
    assert found["marks"] == [*results["marks"][:-1], *part["marks"]]
    assert f": efficiency (`{part['command']}`)." in page_blocks(found)["made"]
    with pytest.raises(SystemExit, match="other models or settings"):
        joined(results, part | {"settings": part["settings"] | {"flats": 3}})
