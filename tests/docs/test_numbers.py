"""What pages say of the comparison is what its kept results say: every block is made from them."""

import copy
import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
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


@pytest.fixture
def without_peers(results):
    """The kept comparison as a run without peers gives it, and the keys of all rows and samplers in their order."""
    theirs = {k for k, m in results["methods"].items() if m["model"] and m["model"]["name"] != results["model"]["name"]}
    found = copy.deepcopy(results)
    found["methods"] = {k: m for k, m in found["methods"].items() if k not in theirs}
    for name in ("summary", "images", "paired"):
        found[name] = [row for row in found[name] if row["method"] not in theirs]
    for measured in found["fourier"]:
        measured["methods"] = {k: m for k, m in measured["methods"].items() if k not in theirs}
    found["steps"] = [e for e in found["steps"] if not e["sampler"].startswith("CDM")]
    samplers = [f"{e['sampler']}|{e['steps']}" for e in results["steps"]]
    return found, list(results["methods"]), samplers


def test_rows_of_peers_that_are_kept_stand_where_they_stood(results, without_peers, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from paper_pages import page_blocks
    from paper_renew import renewed

    found, order, samplers = without_peers
    assert len(found["methods"]) < len(order) and len(found["steps"]) < len(samplers)
    joined = renewed(results, found, order, samplers)
    for name in ("methods", "summary", "fourier", "steps"):
        assert joined[name] == results[name], name
    # which of two equal rows is named next to the best is a matter of the last digit
    words = ([(m["mark"].partition("; next")[0], m["passed"]) for m in one["marks"]] for one in (joined, results))
    assert next(words) == next(words)
    before = {(d["method"], d["against"], d["kind"], d["exposure_s"], d["field"]): d for d in results["paired"]}
    for one in joined["paired"]:
        was = before.pop((one["method"], one["against"], one["kind"], one["exposure_s"], one["field"]))
        # a PSNR is kept to 1e-4 dB
        bounds = ("mean", "low", "high")
        assert [one[k] for k in bounds] == pytest.approx([was[k] for k in bounds], rel=1e-3, abs=2e-4)
    assert not before
    # renewed twice, what is kept is still of the whole run
    assert joined["kept"]["part_cpu_seconds"] == results.get("kept", results)["part_cpu_seconds"]
    assert f"are those of a whole run of {results.get('kept', results)['date']}" in page_blocks(joined)["made"]


def test_a_peer_that_does_something_else_now_is_found(results, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from paper_renew import peers_unlike

    theirs = [k for k, m in results["methods"].items() if m["model"] and m["model"]["name"] != results["model"]["name"]]
    shown = next(row for row in results["images"] if row["method"] == theirs[0])
    place = ("board", "kind", "exposure_s")
    rows = {r["method"]: r for r in results["images"] if [r[k] for k in place] == [shown[k] for k in place]}
    truth = np.full((64, 64), 0.5, np.float32)

    def of_error(left):
        """Checks of the amplitude that leave so much squared error once the gain is matched."""
        squared = left * 0.25 / (0.25 - left)
        return np.float32(np.sqrt(squared)) * (-1.0) ** np.indices(truth.shape).sum(axis=0)

    pictures = {
        "scene": SimpleNamespace(**{k: shown[k] for k in place}, truths={"truth": truth}),
        "images": {k: truth + of_error(10 ** (-rows[k]["psnr_db_truth"] / 10)) for k in theirs},
    }
    joined = results | {"kept": {"methods": theirs}}
    assert peers_unlike(joined, pictures) is None
    pictures["images"][theirs[-1]] = truth + of_error(0.01)
    assert theirs[-1] in peers_unlike(joined, pictures)


def test_rows_of_peers_stand_beside_no_other_scenes(results, without_peers, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from paper_renew import renewed

    found, order, samplers = without_peers
    row = next(r for r in found["images"] if r["method"] == "wiener")
    row["psnr_db_truth"] += 0.01
    with pytest.raises(SystemExit, match=r"psnr_db_truth of wiener, .* was"):
        renewed(results, found, order, samplers)
    row["psnr_db_truth"] -= 0.01
    found["settings"] = found["settings"] | {"repeats": 3}
    with pytest.raises(SystemExit, match="other settings"):
        renewed(results, found, order, samplers)
