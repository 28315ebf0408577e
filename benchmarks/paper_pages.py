"""Take a run of the comparison into the repository: its numbers, tables and figures, and the pages that show them.

    coldray benchmark paper -o out && python benchmarks/paper_pages.py out
    python benchmarks/paper_pages.py out --run runs/regression --run runs/cold_small     (and the curves of trainings; others are kept)
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
    results["images"] = [{k: row[k] for k in OF_IMAGES if k in row} for row in results["images"]]
    results["training"] = curves(runs)
    results |= {"date": date.today().isoformat(), "made_by": "benchmarks/paper_pages.py"}
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.iterdir():
        old.unlink()
    write_text(KEPT / "results.json", json.dumps(results, separators=(",", ":"), allow_nan=False) + "\n")
    for name in ("table.csv", "table.tex"):
        shutil.copyfile(folder / name, KEPT / name)
    for path in folder.glob("*.png"):
        image = Image.open(path).convert("RGB")
        if image.width > WIDTH_PX:
            image = image.resize((WIDTH_PX, round(image.height * WIDTH_PX / image.width)), Image.Resampling.LANCZOS)
        image.save(KEPT / f"{path.stem}.webp", quality=70, method=6)


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


def main() -> None:
    """Take what is asked, and fill the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of coldray benchmark paper")
    parser.add_argument("--run", action="append", type=Path, default=[], help="folder of a training; repeats")
    asked = parser.parse_args()
    if asked.folder:
        take(asked.folder, asked.run)
    results = json.loads((KEPT / "results.json").read_text(encoding="utf-8"))
    found = blocks(results) | letter_blocks(json.loads(LETTER.read_text(encoding="utf-8")), results)
    for page in PAGES:
        write_text(page, filled(page.read_text(encoding="utf-8"), found))


if __name__ == "__main__":
    main()
