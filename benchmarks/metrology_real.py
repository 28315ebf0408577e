"""Metrology on real radiographs that lie beside the project: line pairs, edges, open fields, repeats, a line spread.

    python benchmarks/metrology_real.py [--real DIR] [--pictures DIR] [--out benchmarks/results/metrology_real.json]

No truth is known here, so methods are compared with each other: bars with edges, one edge with another, the MTF of a
tabulated line spread with that of an ideal edge blurred by it. The images are not part of the project, nor are pictures
of them; the figures written with `--pictures` show curves only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ColdrayError
from coldray.formats import read_image
from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.edge.mtf import edge_mtf
from coldray.metrology.noise import flat_nnps
from coldray.metrology.noise_mtf import noise_mtf
from coldray.metrology.uniformity import uniformity
from coldray.objects.phantoms import CurveBlur, slanted_edge
from coldray.physics.curves import FrequencyCurve
from coldray.reports.figures import bars_figure, edge_figure, flat_figure, render

REAL = Path(__file__).parents[2] / "shared" / "data" / "real"
PHANTOMS, FLATS = "qa_phantoms_pylinac_mit", "flats_ui_pylinac_mit"
LEEDS_PITCH_MM, PANEL_PITCH_MM, DAILY_PITCH_MM = 0.388, 0.392, 0.336
LEEDS_EDGES = {
    "left": (420, 150, 76, 85),
    "right": (500, 150, 110, 85),
    "top": (460, 110, 80, 75),
    "bottom": (460, 190, 85, 90),
}
QC3_BARS = ((601, 477, 60, 60), (379, 214, 60, 60), (543, 404, 60, 60), (427, 298, 60, 60), (485, 346, 60, 60))
QC3_PLATEAU = (2062.0, 3575.0)
"""Means of 24 x 24 pixels in the darkest and the brightest patch."""
QC3_EDGE = (508, 220, 116, 116)
"""The border of two patches, at 44 degrees."""
OPEN_FIELDS = {
    "field a": (PHANTOMS, "open_field_mv_a.tif", PANEL_PITCH_MM),
    "field b, 241 frames": (PHANTOMS, "open_field_mv_b_241frames.tif", PANEL_PITCH_MM),
    "field c, 117 frames": (PHANTOMS, "open_field_mv_c_117frames.tif", PANEL_PITCH_MM),
    "day 1": (FLATS, "flat_6mv_100mm_day1.tif", DAILY_PITCH_MM),
    "day 2": (FLATS, "flat_6mv_100mm_day2.tif", DAILY_PITCH_MM),
    "day 3": (FLATS, "flat_6mv_100mm_day3.tif", DAILY_PITCH_MM),
}
NEUTRONS, COUNTS = "neutron_edges_niqa", "neutron_counts_ibeatles_mit"
NEUTRON_PITCH_MM, NEUTRON_EDGE, NEUTRON_SERIES = 0.05, (40, 150, 110, 250), (0, 1, 3, 4)
"""The pitch is not stated; 50 um is assumed. Blur grows with the number."""
LINE_SPREAD = Path("lsf_gvxr_apache2") / "industry-NoFilter-optimised-lsf.csv"
MIDDLE_PX = 100
"""Half of the side of the middle of an open field."""
KEPT_OF_FLATS = ("mean_signal", "temporal_relative_sd", "fixed_relative_sd", "warnings")
KEPT_OF_BLUR = ("mtf50_lp_mm", "warnings")
KEPT_OF_UNIFORMITY = ("signal_global", "snr_global", "snr_smallest", "warnings")
Save = Callable[[str, Any], None]


def edge_summary(measured: Any) -> dict[str, Any]:
    """The numbers of an edge that a table needs."""
    keys = ("mtf50_lp_mm", "mtf20_lp_mm", "angle_deg", "orientation", "rows", "half_length_mm", "snr", "warnings")
    found = measured.to_json()
    nyquist = measured.mtf.last_frequency_lp_mm
    return {key: found[key] for key in keys} | {"mtf_at_nyquist": float(measured.mtf(nyquist))}


def leeds(real: Path, save: Save) -> dict[str, Any]:
    """Edges of the tungsten square and line pairs of one kV image: two ways to the same MTF."""
    image = read_image(real / PHANTOMS / "leeds_tor18_kv.tif").pixels
    edges = {name: edge_mtf(image, LEEDS_PITCH_MM, roi) for name, roi in LEEDS_EDGES.items()}
    bars = bars_ctf(image, LEEDS_PITCH_MM)
    save("leeds_edge", edge_figure(edges["right"], LEEDS_PITCH_MM))
    save("leeds_bars", bars_figure(bars, LEEDS_PITCH_MM))
    across = [edges[name].mtf for name in ("top", "bottom")]
    beside = [float(np.mean([curve(g.frequency_lp_mm) for curve in across])) for g in bars.groups]
    return {
        "edges": {name: edge_summary(measured) for name, measured in edges.items()},
        "bars": bars.to_json(),
        "mtf_of_horizontal_edges_at_the_bars": beside,
        "bars_over_edge": [g.mtf / e for g, e in zip(bars.groups, beside, strict=True)],
    }


def qc3(real: Path, save: Save) -> dict[str, Any]:
    """Five bar groups at 45 degrees of an MV image, each in its own region, and the border of two patches."""
    image = read_image(real / PHANTOMS / "qc3_mv.tif").pixels
    bars = bars_ctf(image, PANEL_PITCH_MM, QC3_BARS, plateau=QC3_PLATEAU)
    edge = edge_mtf(image, PANEL_PITCH_MM, QC3_EDGE)
    save("qc3_bars", bars_figure(bars, PANEL_PITCH_MM))
    save("qc3_edge", edge_figure(edge, PANEL_PITCH_MM))
    beside = [float(edge.mtf(g.frequency_lp_mm)) for g in bars.groups]
    return {
        "bars": bars.to_json(),
        "edge": edge_summary(edge),
        "mtf_of_the_edge_at_the_bars": beside,
        "bars_over_edge": [g.mtf / e for g, e in zip(bars.groups, beside, strict=True)],
    }


def open_fields(real: Path, save: Save) -> dict[str, Any]:
    """NNPS of the flat middle of MV fields, and the collimator's edge of one of them."""
    found = {}
    for name, (folder, file, pitch) in OPEN_FIELDS.items():
        measured = flat_nnps(read_image(real / folder / file).pixels, pitch)
        save(f"flat_{Path(file).stem}", flat_figure(measured))
        nnps = {f"nnps_at_{f:g}_lp_mm": float(measured.radial(f)) for f in (0.3, 0.6, 1.0)}
        keys = ("mean_signal", "pixel_relative_sd", "rois", "roi_size", "parseval_error", "warnings")
        found[name] = {key: measured.to_json()[key] for key in keys} | nnps
    penumbra = edge_mtf(read_image(real / PHANTOMS / "open_field_mv_a.tif").pixels, PANEL_PITCH_MM)
    save("field_edge", edge_figure(penumbra, PANEL_PITCH_MM))
    return {"flats": found, "collimator_edge": edge_summary(penumbra)}


def neutrons(real: Path, save: Save) -> dict[str, Any]:
    """A plate before a scintillator at growing blur, and two counted frames: edges, repeats, blur without a target."""
    folder = real / NEUTRONS
    dark, beam = (read_image(folder / f"{name}.tif").pixels.astype(np.float64) for name in ("dc", "ob"))
    open_beam = np.maximum(beam - dark, 1.0)
    edges = {}
    for number in NEUTRON_SERIES:
        image = (read_image(folder / f"edge20mm_000{number}.tif").pixels - dark) / open_beam
        edges[f"{number}"] = edge_mtf(image, NEUTRON_PITCH_MM, NEUTRON_EDGE)
    save("neutron_edge_0", edge_figure(edges["0"], NEUTRON_PITCH_MM))
    frames = np.stack([read_image(real / COUNTS / f"{number}.fits").pixels for number in (267, 268)])
    return {
        "edges": {name: edge_summary(measured) for name, measured in edges.items()},
        "counted frames": {
            "temporal and fixed": told(lambda: flat_nnps(frames, NEUTRON_PITCH_MM, 128).to_json(), KEPT_OF_FLATS),
            "blur without a target": told(lambda: noise_mtf([frames], NEUTRON_PITCH_MM).to_json(), KEPT_OF_BLUR),
        },
    }


def first_page(real: Path) -> dict[str, Any]:
    """Uniformity of the middle of the open fields."""
    found = {}
    for name, (folder, file, pitch) in OPEN_FIELDS.items():
        image = read_image(real / folder / file).pixels
        rows, cols = image.shape
        middle = image[rows // 2 - MIDDLE_PX : rows // 2 + MIDDLE_PX, cols // 2 - MIDDLE_PX : cols // 2 + MIDDLE_PX]
        found[name] = told(lambda image=middle, pitch=pitch: uniformity(image, pitch).to_json(), KEPT_OF_UNIFORMITY)
    return found


def told(call: Callable[[], dict[str, Any]], keys: Sequence[str]) -> dict[str, Any]:
    """Some keys of a result, or why there is none."""
    try:
        found = call()
    except ColdrayError as problem:
        return {"refused": str(problem)}
    return {key: found[key] for key in keys}


def tabulated_mtf(position_px: NDArray[Any], spread: NDArray[Any]) -> FrequencyCurve:
    """MTF of a line spread sampled once per pixel, 0 to Nyquist [cycles/pixel]."""
    f = np.linspace(0, 0.5, 101)
    mtf = np.cos(2 * np.pi * np.outer(f, position_px)) @ spread / spread.sum()
    return FrequencyCurve(f, mtf)


def line_spread(real: Path, save: Save) -> dict[str, Any]:
    """MTF of the panel whose line spread is tabulated, and what an ideal edge behind that MTF measures as."""
    position, spread = np.loadtxt(real / LINE_SPREAD, delimiter=",", skiprows=1, unpack=True)
    curve = tabulated_mtf(position, spread)
    f = curve.frequency_lp_mm
    tail = np.geomspace(0.5, 8, 200)[1:]
    inside = curve.value / np.sinc(f)
    blur = CurveBlur(
        FrequencyCurve(np.concatenate([f, tail]), np.concatenate([inside, inside[-1] * (0.5 / tail) ** 2]))
    )
    image, truth = slanted_edge((512, 512), blur, 1.0, angle_deg=2.5)
    measured = edge_mtf(image, 1.0)
    save("line_spread_edge", edge_figure(measured, 1.0))
    grid = np.arange(0.02, 0.5, 0.005)
    half = np.abs(spread - spread[::-1]).sum() / spread.sum()
    return {
        "samples": int(position.size),
        "asymmetry": float(half),
        "mtf_px": {f"{x:g}": float(curve(x)) for x in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)},
        "mtf50_px": curve.frequency_at(0.5),
        "edge_mtf50_px": measured.mtf50_lp_mm,
        "largest_error": float(np.abs(measured.mtf(grid) - truth(grid)).max()),
        "warnings": list(measured.warnings),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=REAL)
    parser.add_argument("--pictures", type=Path, help="folder for the figures")
    parser.add_argument("--out", type=Path, help="JSON file for all numbers")
    options = parser.parse_args()
    if not options.real.is_dir():
        raise SystemExit("the folder of real radiographs is absent; it is not part of the project")

    def save(name: str, figure: Any) -> None:
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            (options.pictures / f"{name}.png").write_bytes(render(figure, "png"))

    result = {
        "date": date.today().isoformat(),
        "leeds": leeds(options.real, save),
        "qc3": qc3(options.real, save),
        "open_fields": open_fields(options.real, save),
        "line_spread": line_spread(options.real, save),
        "neutrons": neutrons(options.real, save),
        "first_page": first_page(options.real),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
