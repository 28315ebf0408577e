"""`simulate panel`: the folder of a simulated panel, with its `panel.toml` and the truth of every figure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.document import Json
from coldray.errors import ImageWriteError
from coldray.files import whole_folder, write_text

if TYPE_CHECKING:
    from coldray.objects.panel.acquire import Acquired
    from coldray.objects.panel.model import Panel


def simulate_panel(out: Path, random_state: int, overwrite: bool) -> dict[str, Json]:
    """Write the acquisitions of a simulated panel; returns the files and the truth of its sheet."""
    from coldray.app.panel import FILE
    from coldray.formats import write_image
    from coldray.objects.panel.acquire import PanelRun, drawn_panel
    from coldray.radiograph import Acquisition, Radiograph, Step

    folder = out / f"panel-{random_state}"
    if folder.exists() and not overwrite:
        raise ImageWriteError(f"{folder.name}: exists already; give --overwrite or another folder")
    run = PanelRun(drawn_panel(random_state), random_state)
    known = Acquisition(pixel_pitch_mm=run.panel.pixel_pitch_mm, linear=True)
    step = Step("simulate", {"target": "panel", "kind": "simulated", "random_state": random_state})
    told = []
    with whole_folder(folder) as place:
        for one in run.acquisitions():
            write_image(place / f"{one.name}.tif", Radiograph(one.pixels, known, (step,)))
            told.append(one)
        write_text(place / FILE, panel_toml(run.panel, told))
        truth = {"kind": "simulated", "random_state": random_state, "figures": run.truth()}
        write_text(place / "truth.json", json.dumps(truth, indent=1, allow_nan=False))
    files = [str(folder / f"{one.name}.tif") for one in told]
    return {"files": files, "panel": str(folder / FILE), "truth": {"panel": str(folder / "truth.json")}}


def panel_toml(panel: Panel, acquired: Iterable[Acquired]) -> str:
    """What a reader must be told of the acquisitions."""
    by_name = {one.name: one for one in acquired}
    lines = [
        "# A simulated panel; truth.json beside this file holds what its sheet must say.",
        "[panel]",
        f"name = {json.dumps(panel.name)}",
        f"pixel_pitch_um = {1e3 * panel.pixel_pitch_mm:.6g}",
        f"saturation_gv = {panel.saturation + panel.offset:.6g}",
        *(f'{name} = "{name}.tif"' for name in ("darks", "flats", "check")),
        "[resolution]",
        'file = "duplex.tif"',
        f"roi = {by_name['duplex'].told['roi']}",
    ]
    for name, one in by_name.items():
        if name.startswith("open_") and name.endswith("_a"):
            lines += [
                "[[efficiency]]",
                f"beam = {json.dumps(one.told['beam'])}",
                f"kerma_mgy = {one.told['kerma_mgy']}",
            ]
            lines += [f'files = ["{name}.tif", "{name[:-1]}b.tif"]']
        if name.startswith("wedge_"):
            lines += ["[[wedge]]", *(f"{key} = {json.dumps(value)}" for key, value in one.told.items())]
            lines += [f'file = "{name}.tif"']
    lines += ["[lag]", 'exposed = "lag_exposed.tif"', 'after = "lag_after.tif"']
    lines += [f"frame_time_s = {by_name['lag_after'].told['frame_time_s']}"]
    lines += ["[burn_in]", 'before = "burn_before.tif"', 'plate = "burn_plate.tif"']
    for name, one in by_name.items():
        if "minutes" in one.told:
            lines += ["[[burn_in.after]]", f"minutes = {one.told['minutes']}", f'file = "{name}.tif"']
    return "\n".join([*lines, "[scatter]", 'file = "scatter.tif"', ""])
