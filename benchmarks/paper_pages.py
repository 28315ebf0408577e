"""Take a run of the comparison into the repository: its numbers, tables and figures, and the pages that show them.

    coldray benchmark paper -o out && python benchmarks/paper_pages.py out
    python benchmarks/paper_pages.py out --run runs/regression --run runs/cold_small     (and the curves of trainings; others are kept)
    coldray benchmark paper --full --part fourier -o part && python benchmarks/paper_pages.py part     (that part anew, the rest is kept)
    python benchmarks/paper_renew.py out && python benchmarks/paper_pages.py out      (new weights: the peers' rows are kept)
    python benchmarks/paper_pages.py                (the pages alone, from what is kept)

Numbers are kept to six digits; of every image, its scores. Pages hold blocks between two comments with a name, see
`coldray.benchmark.paper.markdown`; tests/docs/test_numbers.py holds them to what is kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

from _numbers import short
from letter import KEPT as LETTER
from letter import blocks as letter_blocks

from coldray.benchmark.paper.markdown import blocks, filled
from coldray.benchmark.paper.plan import PARTS
from coldray.files import write_text
from coldray.training.states import read_scores

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "results" / "paper"
PAGES = (ROOT / "docs" / "theory" / "paper.md", ROOT / "docs" / "howto" / "compare.md")
OF_IMAGES = (
    "method", "board", "kind", "exposure_s", "psnr_db_truth", "ssim_truth", "psnr_db_curve", "snr_box_1", "cpu_seconds_per_mpx"
)  # fmt: skip
WIDTH_PX = 1420


def take(folder: Path, runs: list[Path]) -> None:
    """Numbers, tables and figures of the comparison, and validation curves of trainings, small enough to be kept."""
    from PIL import Image

    results = short(json.loads((folder / "results.json").read_text(encoding="utf-8")))
    is_whole = "summary" in results
    if is_whole:
        results["images"] = [{k: row[k] for k in OF_IMAGES if k in row} for row in results["images"]]
        results |= {"date": date.today().isoformat(), "made_by": "benchmarks/paper_pages.py"}
    else:
        results = joined(json.loads((KEPT / "results.json").read_text(encoding="utf-8")), results)
    results["training"] = curves(runs)
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.iterdir() if is_whole else ():
        old.unlink()
    write_text(KEPT / "results.json", json.dumps(results, separators=(",", ":"), allow_nan=False) + "\n")
    for name in ("table.csv", "table.tex") if is_whole else ():
        shutil.copyfile(folder / name, KEPT / name)
    for path in folder.glob("*.png"):
        image = Image.open(path).convert("RGB")
        if image.width > WIDTH_PX:
            image = image.resize((WIDTH_PX, round(image.height * WIDTH_PX / image.width)), Image.Resampling.LANCZOS)
        image.save(KEPT / f"{path.stem}.webp", quality=70, method=6)


def joined(kept: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What is kept, with the parts of another run of the same models and settings in the place of its own."""
    same = ("benchmark", "model", "methods")
    if any(kept[key] != part[key] for key in same) or any(
        kept["settings"][key] != value for key, value in part["settings"].items() if key != "parts"
    ):
        raise SystemExit("the part is of other models or settings than the comparison that is kept; take a whole one")
    names = [name for name in PARTS if name in part]
    how = {"command": part["command"], "date": date.today().isoformat(), "core_s": short(part["cpu_seconds"])}
    found = kept | {name: part[name] for name in names}
    found["measured_apart"] = kept.get("measured_apart", {}) | dict.fromkeys(names, how)
    found["part_cpu_seconds"] = kept["part_cpu_seconds"] | part["part_cpu_seconds"]
    marks = {mark["mark"]: mark for mark in part["marks"]}
    return found | {"marks": [marks.get(mark["mark"], mark) for mark in kept["marks"]]}


def curves(runs: list[Path]) -> list[dict[str, Any]]:
    """Validation curves of the runs that are given, and those that were kept before of the others."""
    before = KEPT / "results.json"
    kept = json.loads(before.read_text(encoding="utf-8"))["training"] if before.exists() else []
    given = [curve(run) for run in runs]
    names = {one["name"] for one in given}
    return [one for one in kept if one["name"] not in names] + given


def curve(run: Path) -> dict[str, Any]:
    """Scores of a training by its recipe's name: the folder's, without a number of updates behind it."""
    wanted = ("step", "psnr_db")
    scores = [{k: v for k, v in entry.items() if k.endswith(wanted)} for entry in read_scores(run)]
    if not scores:
        raise SystemExit(f"{run}: holds no scores of a training")
    return {"name": run.name.partition("-")[0], "scores": short(scores)}


def page_blocks(results: dict[str, Any]) -> dict[str, str]:
    """All blocks of the pages, with what was measured apart said where the run is."""
    found = blocks(results) | letter_blocks(json.loads(LETTER.read_text(encoding="utf-8")), results)
    if kept := results.get("kept"):
        names = ", ".join(
            f"`{name}`" for name in dict.fromkeys(results["methods"][k]["model"]["name"] for k in kept["methods"])
        )
        found["made"] += (
            f" Rows of {names} are those of a whole run of {kept['date']}, since their weights are the same; the core-minutes are without them (`benchmarks/paper_renew.py`)."
        )
    for name, how in results.get("measured_apart", {}).items():
        found["made"] += f" Measured again on {how['date']}: {name} (`{how['command']}`)."
    return found


def main() -> None:
    """Take what is asked, and fill the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of coldray benchmark paper")
    parser.add_argument("--run", action="append", type=Path, default=[], help="folder of a training; repeats")
    asked = parser.parse_args()
    if asked.folder:
        take(asked.folder, asked.run)
    results = json.loads((KEPT / "results.json").read_text(encoding="utf-8"))
    found = page_blocks(results)
    for page in PAGES:
        write_text(page, filled(page.read_text(encoding="utf-8"), found))


if __name__ == "__main__":
    main()
