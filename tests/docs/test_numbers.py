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
