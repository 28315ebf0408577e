"""Real frames walked from raw to restored to verdict: what the default does to each, beside the linear filter.

The frames are not part of the project; their terms stand beside them. Nothing here is simulated.

    .venv/bin/python benchmarks/real_frames.py [--pictures DIR] [-o benchmarks/results/real_frames.json]

1. A plate before a scintillator and camera (neutrons), four positions of growing blur, with open beam and dark: corrected, the MTF of
   each measured from its own edge, every blurred frame restored towards every sharper one and towards itself, blind and with the open
   beam as flats. The distance is to the sharp frame registered to the blurred one, after one gain, 40 px border left out.
2. Panels, phantoms, counts and a computed radiograph as they come, restored by a pair of phosphors of their pixel pitch: wrong detectors,
   as a user in a hurry has them. What changes, and what is said?
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import coldray
from coldray.errors import ColdrayError
from coldray.images.correct import apply_calibration, calibrate
from coldray.images.registration import Registration, register, resample
from coldray.physics.detector import Detector
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import load_model

REAL = Path(__file__).parents[2] / "shared" / "data" / "real"
EDGES = "neutron_edges_niqa"
NUMBERS = (0, 1, 3, 4)
EDGE_ROI, EDGE_PITCH_MM = (40, 150, 110, 250), 0.05
AS_THEY_COME = (
    ("qa_phantoms_pylinac_mit/leeds_tor18_kv.tif", 0.388),
    ("qa_phantoms_pylinac_mit/qc3_mv.dcm", 0.392),
    ("qa_phantoms_pylinac_mit/open_field_mv_a.tif", 0.392),
    ("qa_phantoms_pylinac_mit/open_field_mv_b_241frames.tif", 0.392),
    ("flats_ui_pylinac_mit/flat_6mv_100mm_day1.tif", 0.336),
    ("battery_ct_ucl_mit/winding_1.tif", 0.048),
    ("bga_anushka_ccby4/bga_board.jpg", 0.048),
    ("format_pydicom_mit/cr_leg_jpeg2000.dcm", None),
    ("neutron_counts_ibeatles_mit/267.fits", 0.055),
)
LIMITS = (0, 65535)
BORDER_PX = 40
"""Left out of the distances; no frame of the plate lies farther from another."""


def corrected(folder: Path) -> dict[int, Radiograph]:
    """Four frames of the plate, offset and gain corrected, in the DN of the open beam."""
    dark, beam = (coldray.read(folder / f"{name}.tif") for name in ("dc", "ob"))
    out = {}
    for number in NUMBERS:
        frame = coldray.read(folder / f"edge20mm_000{number}.tif")
        signal = apply_calibration(frame.pixels, calibrate(dark.pixels, beam.pixels))
        level = float(np.median(beam.pixels.astype(float) - dark.pixels))
        stored = np.clip(np.rint(signal.reshape(frame.pixels.shape[-2:])), *LIMITS).astype(np.uint16)
        out[number] = Radiograph(stored, Acquisition(pixel_pitch_mm=EDGE_PITCH_MM, open_beam=level, linear=True))
    return out


def outcome(image: Radiograph, method: str, **settings: Any) -> tuple[dict[str, Any], Radiograph | None]:
    """What one restoration does to an image, as numbers."""
    try:
        found = coldray.restore(image, method=method, **settings)
    except ColdrayError as problem:
        return {"refused": str(problem)}, None
    before, after = (i.pixels.astype(np.float64) for i in (image, found.image))
    details = found.image.history[-1].details
    numbers: dict[str, Any] = {
        "verdict": found.verdict,
        "change_rms": float(np.sqrt(np.mean((after - before) ** 2))),
        "noise_found": found.consistency["noise_found"],
        "noise_relative_sd": np.max(details["noise_relative_sd"]),
        "warnings": list(found.warnings),
    }
    if image.dtype.kind == "u":
        ends = np.iinfo(image.dtype)
        fresh = ((after <= 0) | (after >= ends.max)) & (before > 0) & (before < ends.max)
        numbers["newly_at_a_limit"] = float(np.mean(fresh))
    numbers |= {k: details[k] for k in ("network_share", "replaced_share", "linear_share") if k in details}
    return numbers, found.image


def registered(sharp: Radiograph, blurred: Radiograph, pair: DetectorPair) -> tuple[NDArray[np.float64], Registration]:
    """The sharp frame on the grid of the blurred one [DN]."""
    level = blurred.acquisition.open_beam or 1.0
    found = register(sharp.pixels / level, blurred.pixels / level, pair)
    return resample(sharp.pixels / level, found).astype(np.float64) * level, found


def distance(image: Radiograph, sharp: NDArray[np.float64]) -> float:
    """Root mean square distance after the best gain [DN]."""
    inside = slice(BORDER_PX, -BORDER_PX), slice(BORDER_PX, -BORDER_PX)
    x, y = image.pixels.astype(np.float64)[inside], sharp[inside]
    return float(np.sqrt(np.mean((x * (x * y).sum() / (x * x).sum() - y) ** 2)))


def edges(pictures: Path | None) -> list[dict[str, Any]]:
    """Every pair of the real series, blind and with flats."""
    folder = REAL / EDGES
    frames = corrected(folder)
    measured = {n: coldray.edge_mtf(frames[n], roi=EDGE_ROI) for n in NUMBERS}
    flats = coldray.read(folder / "ob.tif")
    rows = []
    for sharp in NUMBERS:
        for blurred in NUMBERS:
            if measured[blurred].mtf50_lp_mm > measured[sharp].mtf50_lp_mm:
                continue
            blurred_by, sharp_by = (Detector(str(n), EDGE_PITCH_MM, measured[n].curve) for n in (blurred, sharp))
            target, moved = registered(frames[sharp], frames[blurred], DetectorPair(blurred_by, sharp_by))
            for known in ("blind", "flats"):
                row: dict[str, Any] = {"blurred": blurred, "sharp": sharp, "noise": known}
                row["registration"] = moved.to_dict()
                row["distance_before"] = distance(frames[blurred], target)
                shown = [frames[blurred].pixels]
                for method in ("wiener", "cold"):
                    settings = {"blurred": measured[blurred].curve, "sharp": measured[sharp].curve}
                    numbers, image = outcome(
                        frames[blurred], method, **settings, pixel_pitch_mm=EDGE_PITCH_MM,
                        **({"flats": flats} if known == "flats" else {}),
                    )  # fmt: skip
                    if image is not None:
                        numbers["distance"] = distance(image, target)
                        shown.append(image.pixels)
                    row[method] = numbers
                rows.append(row)
                print(
                    f"{blurred} -> {sharp} {known} before {row['distance_before']:.0f}",
                    *(_words(row[m]) for m in ("wiener", "cold")),
                    sep="  ",
                    flush=True,
                )
                if pictures is not None:
                    picture(pictures / f"edge_{blurred}_{sharp}_{known}.png", [*shown, frames[sharp].pixels])
    return rows


def _words(numbers: dict[str, Any]) -> str:
    if "refused" in numbers:
        return f"refused: {numbers['refused'][:60]}"
    keys = ("verdict", "change_rms", "distance", "newly_at_a_limit", "network_share", "replaced_share", "linear_share")
    return " ".join(
        f"{k} {numbers[k]:.4g}" if isinstance(numbers[k], float) else str(numbers[k]) for k in keys if k in numbers
    )


def as_they_come(pictures: Path | None) -> list[dict[str, Any]]:
    """Files that no thick phosphor took, restored as if one had."""
    rows = []
    for name, pitch_mm in AS_THEY_COME:
        row: dict[str, Any] = {"file": name, "pixel_pitch_mm": pitch_mm}
        try:
            image = coldray.read(REAL / name)
        except (ColdrayError, OSError) as problem:
            row["unread"] = str(problem)
            rows.append(row)
            print(name, "unread:", problem)
            continue
        row |= {"shape": list(image.shape), "dtype": str(image.dtype)}
        shown = [image.pixels]
        for method in ("wiener", "cold"):
            numbers, result = outcome(
                image, method, blurred="phosphor:134.55", sharp="phosphor:33.91", pixel_pitch_mm=pitch_mm
            )
            row[method] = numbers
            if result is not None:
                shown.append(result.pixels)
        rows.append(row)
        print(name, *(_words(row[m]) for m in ("wiener", "cold")), sep="  ", flush=True)
        if pictures is not None:
            picture(pictures / f"{Path(name).stem}.png", shown)
    return rows


def picture(path: Path, images: list[np.ndarray]) -> None:
    """Images side by side under one window: whole, and their busiest 200 x 200 pixels below."""
    from coldray.reports.demo import busiest_window
    from coldray.reports.figures import new_figure, render

    frames = [image if image.ndim == 2 else image[0] for image in images]
    low, high = np.quantile(frames[0][::3, ::3], [0.002, 0.998])
    window = busiest_window(frames[0].astype(np.float32), 200)
    figure, axes = new_figure(6.4, 3.2 * len(frames), columns=2 * len(frames), squeeze=False)
    for number, frame in enumerate(frames):
        for place, part in ((2 * number, frame), (2 * number + 1, frame[window])):
            axes[0][place].imshow(part, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes[0][place].set(xticks=[], yticks=[])
    figure.set_size_inches(3.2 * 2 * len(frames), 3.4)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(render(figure, "png"))


def main() -> None:
    """Walk, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    if not REAL.is_dir():
        raise SystemExit("the folder of real frames is absent; it is not part of the project")
    content = {"date": date.today().isoformat(), "kind": "real", "model": load_model().named()}
    content["edges"] = edges(given.pictures)
    content["as_they_come"] = as_they_come(given.pictures)
    if given.out is not None:
        given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
