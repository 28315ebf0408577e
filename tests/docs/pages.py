"""The blocks of code that the pages hold, and the files they speak of."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import coldray
from coldray.app.cli import main

ROOT = Path(coldray.__file__).parents[2]
BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>not run|slow): (?P<reason>[^\n]+?) -->\n+)?^(?P<indent> *)```(?P<kind>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
SHELL, PYTHON = ("bash", "powershell", "sh", "console"), ("python",)
COMMAND = re.compile(r"^\s*(\$ |>>> |coldray |pip |make |python |import )", re.MULTILINE)
SIDE_PX = 96
SCALE = 50000.0


@dataclass(frozen=True)
class Block:
    """One block: where it stands, its language, its text, and whether and why it is not run by every test."""

    page: str
    line: int
    kind: str
    body: str
    mark: str | None
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page that people read."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks() -> list[Block]:
    """Every fenced block of every page."""
    found = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("indent")) + 1
            name = page.relative_to(ROOT).as_posix()
            body = textwrap.dedent(match["body"])
            found.append(Block(name, line, match["kind"].strip(), body, match["mark"], match["reason"]))
    return found


def _edge(side: int, turned: bool = False) -> np.ndarray:
    x = np.arange(side) - side / 2 + 0.3 - 0.05 * np.arange(side)[:, None]
    image = 0.2 + 0.6 / (1 + np.exp(-1.7 * x)) + 0.002 * np.random.default_rng(0).standard_normal((side, side))
    return image.T if turned else image


def _put(path: Path, fraction: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    known = coldray.Radiograph(
        np.rint(np.asarray(fraction) * SCALE).astype(np.uint16),
        coldray.radiograph.Acquisition(pixel_pitch_mm=0.048, open_beam=SCALE, linear=True),
    )
    coldray.write(path, known)


def world(folder: Path) -> dict[str, object]:
    """Write the small simulated files that pages speak of; returns the variables of their Python."""
    rng = np.random.default_rng(1)
    board = coldray.simulate("board", family="handheld", size_px=SIDE_PX, sharp_frames=1, random_state=3).blurred.pixels
    for name in ("board.tif", "scans/board_07.tif", "scans/board_08.tif", "archive/board_07.tif"):
        _put(folder / name, board if name == "board.tif" else np.roll(board, 9 * len(name), 1))
    _put(folder / "edge.tif", _edge(160))
    _put(folder / "edge_v.tif", _edge(160))
    _put(folder / "edge_h.tif", _edge(160, turned=True))
    _put(folder / "weld.tif", 0.6 + 0.2 * (np.arange(320) > 100) + rng.normal(0, 0.01, (128, 320)))
    gain = 1 + 0.05 * rng.standard_normal((160, 160))
    for place, seen, count in (("darks", 0.0, 3), ("flats_raw", 0.8, 3), ("other_flats", 0.8, 3), ("raw_flat", 0.8, 3)):
        for number in range(count):
            _put(folder / place / f"{number}.tif", 0.02 + gain * seen + rng.normal(0, 0.003, gain.shape))
    for number in range(2):
        _put(folder / "raw_edge" / f"{number}.tif", 0.02 + gain * _edge(160) + rng.normal(0, 0.003, gain.shape))
    for number in range(3):
        _put(folder / "flats" / f"{number}.tif", rng.normal(0.8, 0.008, (320, 320)))
    coldray.write(folder / "flats.tif", np.rint(40 * rng.normal(1000, 10, (3, 320, 320))).astype(np.uint16))
    frequency = np.linspace(0, 12, 121)
    tables = {"thick": np.exp(-frequency / 3), "thin": np.exp(-frequency / 8)}
    for name, mtf in tables.items():
        rows = "\n".join(f"{f:.6g},{m:.6g}" for f, m in zip(frequency, mtf, strict=True))
        (folder / f"{name}.csv").write_text(f"frequency_lp_mm,mtf\n{rows}\n", encoding="utf-8")
    steps = "\n".join(f"{level:.2f},{level**0.95:.4f}" for level in (0.1, 0.3, 0.5, 0.7, 0.9))
    (folder / "wedge.csv").write_text(f"sharp,blurred\n{steps}\n", encoding="utf-8")
    for name, source in (("thick", "gos135"), ("thin", "gos34")):
        shipped = Path(coldray.__file__).parent / "detectors" / f"{source}.json"
        (folder / f"{name}.json").write_bytes(shipped.read_bytes())
    frame = np.rint(np.tile(board, (22, 22))[:2048, :2048] * SCALE).astype("<u2")
    (folder / "frame.raw").write_bytes(bytes(512) + frame.tobytes())
    method = '"""Half of the way."""\n\nLEARNS = False\n\n\ndef restore(frame, degradation, predictor=None, rng=None):\n    return frame.blurred\n'
    (folder / "halfway.py").write_text(method, encoding="utf-8")
    return {
        "frequency_lp_mm": frequency, "mtf_thick": tables["thick"], "mtf_thin": tables["thin"], "image": board,
        "frames": [np.rint(board * SCALE).astype(np.uint16)],
    }  # fmt: skip


def results(folder: Path) -> None:
    """Restorations that were made before, for pages that verify them."""
    for given in (["archive/board_07.tif", "-o", "restored.tif"], ["scans/", "-o", "restored/"]):
        coldray_does(
            ["restore", *(str(folder / g) if "/" in g or "." in g else g for g in given), "--exposure-s", "0.25"]
        )


def targets(folder: Path) -> None:
    """Bars in a corner of a large image, and duplex wires."""
    for kind, side in (("bars", "300"), ("duplex", "256")):
        coldray_does(["simulate", kind, "--ideal", "-o", str(folder / "made"), "--size-px", side])
    bars = coldray.read(folder / "made/bars/000.tif").pixels[:, :400]
    whole = np.ones((520, 1000), np.float32)
    whole[200:500, 600 : 600 + bars.shape[1]] = bars
    coldray.write(folder / "bars.tif", whole)
    coldray.write(folder / "wires.tif", coldray.read(folder / "made/duplex/000.tif"))


def coldray_does(words: list[str]) -> int:
    """One command in this process; returns its exit code."""
    try:
        main(words)
    except SystemExit as left:
        return int(left.code or 0)
    raise AssertionError("main leaves with a code")
