"""Blocks for pages: made of the numbers in the results, and a page takes them where it says so."""

import copy

import pytest

from coldray.benchmark.paper import markdown
from coldray.benchmark.paper.differences import asked, differences, table_of
from coldray.benchmark.paper.tables import signed

LABELS = {
    "thin": "thin screen, as it is", "blurred": "thick screen, as it is", "wiener": "Wiener, measured NPS", "regression": "U-Net regression",
    "cold_small_1": "small, 1 step", "cold_small_4": "small, 4 steps", "cdm_sample": "CDM, one sample", "cdm_mean": "CDM, mean of 8", "coldray": "coldray (default)",
}  # fmt: skip
LEVEL = {key: 30.0 + n for n, key in enumerate(LABELS)}


def entry(mean):
    return {"mean": mean, "low": mean - 1, "high": mean + 1, "count": 6}


@pytest.fixture
def results():
    kinds = [("acquired", 1.0), ("acquired", 0.05), ("noise_free", 1.0)]
    present = [(key, kind, e) for kind, e in kinds for key in LABELS if (key, kind) != ("thin", "noise_free")]
    rows = [
        {"method": key, "board": f"b{n}", "kind": kind, "exposure_s": e, "psnr_db_truth": LEVEL[key] + n * (1 + e), "ssim_truth": LEVEL[key] / 100}
        for key, kind, e in present for n in range(3)
    ]  # fmt: skip
    return {
        "coldray": "0.2.0", "cpu_seconds": 650.0, "command": "coldray benchmark paper", "settings": {"boards": {"count": 3, "size_px": 256}, "exposures_s": [1.0, 0.05]},
        "model": {"name": "compact", "sha256": "a" * 64, "updates": 1234},
        "methods": {
            key: {"label": label, "options": {"steps": 10, "samples": 8}, "trained_for": "20000 updates" if key == "regression" else "",
                  "model": {"name": "regression", "sha256": "b" * 64} if key == "regression" else None}
            for key, label in LABELS.items()
        },
        "summary": [
            {"method": key, "kind": kind, "exposure_s": e, "psnr_db_truth": entry(LEVEL[key]), "ssim_truth": entry(LEVEL[key] / 100), "evaluations": 1}
            for key, kind, e in present
        ],
        "paired": [
            {"method": "coldray", "against": "thin", "kind": "acquired", "exposure_s": e, "field": f, "mean": 0.5, "low": low, "high": 0.9}
            for e, low in ((1.0, 0.1), (0.05, -0.1)) for f in ("psnr_db_truth", "ssim_truth")
        ],
        "images": rows,
    }  # fmt: skip


def test_the_table_of_scores_holds_every_row_and_marks_the_best(results):
    lines = markdown.blocks(results)["scores"].splitlines()
    assert lines[0] == "| method | 1 s | 0.05 s | without noise | evaluations |" and len(lines) == 2 + len(LABELS)
    assert lines[2].endswith("| – | 1 |") and "**" not in "".join(lines[2:-1])
    assert lines[-1].count("**38.00** / **0.3800**") == 3
    assert "U-Net regression [20000 updates]" in lines[5]


def test_differences_are_paired_by_board_and_bold_where_they_are_sure(results):
    pairs = asked(results["methods"])
    assert (
        ("cold_small_4", "regression") in pairs
        and ("cdm_mean", "cdm_sample") in pairs
        and ("coldray", "regression") in pairs
    )
    assert all(set(pair) <= set(LABELS) for pair in pairs)
    (found,) = (d for d in differences(results) if (d.method, d.against) == ("cdm_mean", "cdm_sample"))
    assert found.found[0.05, "psnr_db_truth"].to_json() == pytest.approx({"mean": 1, "low": 1, "high": 1, "count": 3})
    blocks = markdown.blocks(results)
    assert "| CDM, mean of 8 minus CDM, one sample: PSNR [dB] | **+1.00** (+1.00 to +1.00) |" in blocks["differences"]
    assert "thin screen, as it is: PSNR [dB] | **+0.50** (+0.10 to +0.90) | +0.50 (-0.10 to +0.90) |" in blocks["worth"]
    heads, rows = table_of(results, signed)
    assert heads == ["difference", "1 s", "0.05 s"] and len(rows) == 2 * len(pairs) and rows[0][1].endswith("*")


def test_what_made_it_names_every_model(results):
    said = markdown.blocks(results)["made"]
    assert (
        "coldray 0.2.0, 11 core-minutes: 3 boards of 256², 1 s, 0.05 s" in said
        and "`compact` (aaaaaaaa, 1234 updates in all)" in said
    )
    assert "`regression` (bbbbbbbb, 20000 updates)" in said


def test_a_page_takes_its_blocks_and_nothing_else(results):
    page = "a\n<!-- paper: made -->\n\nold\n\nolder\n\n<!-- end of made -->\nb\n<!-- paper: fourier -->\n\nkept\n\n<!-- end of fourier -->\n"
    found = markdown.blocks(results)
    new = markdown.filled(page, found)
    assert new == page.replace("old\n\nolder", found["made"]) and "kept" in new
    assert markdown.filled(new, found) == new
    worse = copy.deepcopy(results)
    worse["model"]["updates"] = 1
    assert markdown.filled(new, markdown.blocks(worse)) != new


def test_only_what_is_there_has_a_block(results):
    assert set(markdown.blocks(results | {"summary": [], "images": []})) == {"made"}


def test_detection_and_trust_are_told_by_their_worst_cell(results):
    cells = [{"observer": o, "low": low} for o, low in (("npw", -0.1), ("npw", -0.3), ("hotelling", 0.01))]
    tests = [{"number": 5, "test": "blank", "mark": "SD <= 0.5 | LSB", "passed": False}]
    found = markdown.blocks(results | {
        "detection": {"methods": {"blurred": {"cells": cells}, "coldray": {"cells": cells}}},
        "trust": {"methods": {"wiener": [tests[0] | {"passed": True}], "coldray": tests}},
    })  # fmt: skip
    assert found["detection"].splitlines()[2:] == ["| coldray (default) | -0.300 | +0.010 |"]
    assert found["trust"].splitlines()[-1] == "| 5 blank | SD <= 0.5 \\| LSB | passed | **not passed** |"


def test_trainings_are_told_by_their_last_validation(results):
    scores = [
        {"step": n, "cdm_1s_psnr_db": 30.0 + n, "cdm_0.25s_psnr_db": 25.0, "wiener_1s_psnr_db": 28.0, "wiener_0.05s_psnr_db": 20.0}
        for n in (1, 2)
    ]  # fmt: skip
    table = markdown.blocks(results | {"training": [{"name": "cdm", "scores": scores}]})["training"]
    assert table.splitlines()[2:] == [
        "| cdm | 2 | 32.00 | 25.00 | – |",
        "| Wiener, measured NPS | – | 28.00 | – | 20.00 |",
    ]
