"""Draw the gallery: every simulated object and defect with the thin and the thick screen, and the page that shows them.

python docs/gallery/make.py [--only SLUG ...]   (about 90 s of processor time)
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from coldray.objects.batteries import battery
from coldray.objects.boards import FAMILIES, ROLES, procedural_board
from coldray.objects.defects import DEFECT_KINDS, Defect, add_defects
from coldray.objects.kinds import SCENES, draw_kind, variants
from coldray.objects.targets import bars_object, duplex_object, edge_object, step_wedge_object
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.geometry import Geometry, oblique
from coldray.simulation.thickness import ThicknessMaps

HERE = Path(__file__).parent
OVERSAMPLING = 4
THIN_MG_CM2, THICK_MG_CM2 = 33.91, 134.55
SIDE_PX, DEFECT_SIDE_PX, CROP_PX, ZOOM = 256, 176, 56, 3
TILE_PX, TILE_PITCH_MM, TILES = 136, 0.096, 5
"""Pictures of scenes: side of one, its pixels, and how many stand in a row."""
DEFECT_FRAMES = 20
DEFECT_MAGNIFICATION = 1.5
LEVELS = 48
"""Grey levels kept: noise hides the steps, and files stay small."""
VISIBLE_CNR = 8.0
LARGE = ("overhang_fault", "misaligned_sheet", "fold", "tab_burr")
"""Defects of sheets, which need a wide field: pixels of 100 um."""
HOSTS = {
    "wire": ("flex_fine", "chip_on_board"),
    "die": ("discrete", "mixed_signal", "sensor_mcu"),
    "via": ("rf", "sensor_mcu"),
    "trace": ("rf", "sensor_mcu", "flex_fine"),
    "ball": ("dense_bga", "handheld"),
} | dict.fromkeys(("pore", "inclusion", "crack", "scratch", "patch"), ("plate", "weld", "casting"))
"""Families and kinds to look for a place in, by the first word of a defect."""
POUCH = (
    "overhang_fault",
    "misaligned_sheet",
    "fold",
    "tab_burr",
    "cell_particle",
    "coating_pinhole",
    "coating_agglomerate",
)

Image2 = NDArray[np.float32]


def screens(pitch_mm: float) -> tuple[ScreenDetector, ScreenDetector]:
    """Thin and thick screen."""
    return ScreenDetector.gos(THIN_MG_CM2, pitch_mm), ScreenDetector.gos(THICK_MG_CM2, pitch_mm)


def frames(
    maps: ThicknessMaps, pitch_mm: float, geometry: Geometry, count: int = 1, seed: int = 0
) -> tuple[Image2, Image2]:
    """Mean of frames of 1 s with each screen."""
    shots = []
    for number, screen in enumerate(screens(pitch_mm)):
        fine = geometry.project(maps, screen, OVERSAMPLING)
        shots.append(screen.frame(fine, OVERSAMPLING, 1.0, np.random.default_rng([seed, number]), frames=count))
    return shots[0], shots[1]


def drawn(images: Sequence[Image2], path: Path, zoom: int = 1, shown: tuple[float, float] = (0.002, 0.998)) -> None:
    """Images side by side on one logarithmic scale, that of the first, about the median of each."""
    depth = [-np.log(np.maximum(i, 5e-3)) for i in images]
    # the thick screen sees a harder beam: its levels differ, its contrasts hardly
    depth = [d - np.median(d) for d in depth]
    low, high = np.quantile(depth[0], shown)
    tiles = []
    for one in depth:
        grey = 1 - np.clip((one - low) / max(high - low, 0.02), 0, 1)
        tile = (np.rint(grey * (LEVELS - 1)) * (255 / (LEVELS - 1))).astype(np.uint8)
        tiles += [np.kron(tile, np.ones((zoom, zoom), np.uint8)), np.full((tile.shape[0] * zoom, 6), 255, np.uint8)]
    Image.fromarray(np.concatenate(tiles[:-1], axis=1)).save(path, optimize=True)


def target_makers() -> dict[str, tuple[str, Callable[[], tuple[ThicknessMaps, float, Geometry]]]]:
    """Caption and maker of every object."""
    pitch, contact = 0.048, Geometry()
    step, cells = pitch / OVERSAMPLING, SIDE_PX * OVERSAMPLING
    found: dict[str, tuple[str, Callable[[], tuple[ThicknessMaps, float, Geometry]]]] = {}
    for family in sorted(FAMILIES):
        found[f"board_{family}"] = (
            f"board, family `{family}` ({ROLES[family]})",
            lambda family=family: (procedural_board(family, (cells, cells), step, 2), pitch, contact),
        )
    found["board_oblique"] = (
        "board `dense_bga`, seen at 35°",
        lambda: (oblique(procedural_board("dense_bga", (cells, cells), step, 4), 35.0), pitch, contact),
    )
    found["board_magnified"] = (
        "board `chip_on_board`, magnified 3 times, focal spot 20 µm, scatter 2 %",
        lambda: (
            procedural_board("chip_on_board", (cells, cells), step / 3, 9),
            pitch,
            Geometry(3.0, 20.0, scatter_to_primary=0.02),
        ),
    )
    for form, text in (("pouch", "pouch cell"), ("cylindrical", "cylindrical cell")):
        found[f"cell_{form}"] = (
            f"{text}, pixels of 100 µm, scatter 10 %",
            lambda form=form: (battery(form, (cells, cells), 0.025, 3), 0.1, Geometry(scatter_to_primary=0.1)),
        )
    found["edge"] = ("tungsten edge, 1 mm", lambda: (edge_object((cells, cells), step), pitch, contact))
    found["wedge"] = (
        "aluminium step wedge, 0 to 30 mm",
        lambda: (step_wedge_object((cells // 2, cells), step, [0, 0.5, 1, 2, 4, 8, 16, 30]), pitch, contact),
    )
    found["bars"] = (
        "tungsten bars, 2, 4 and 8 lp/mm",
        lambda: (trimmed(bars_object(cells // 2, step, [2.0, 4.0, 8.0], margin_mm=0.9)), pitch, contact),
    )
    found["duplex"] = (
        "duplex wires, 0.32 to 0.05 mm",
        lambda: (
            trimmed(duplex_object(cells // 2, step, spacing_mm=(0.32, 0.25, 0.2, 0.16, 0.13, 0.1, 0.08, 0.063, 0.05))),
            pitch,
            contact,
        ),
    )
    return found


def trimmed(maps: ThicknessMaps) -> ThicknessMaps:
    """Object cut to whole pixels."""
    cols = maps.shape[1] // OVERSAMPLING * OVERSAMPLING
    parts = {m: t[:, :cols] for m, t in maps.thickness_mm.items()}
    return ThicknessMaps(parts, maps.grid_pitch_mm, maps.name, maps.labels)


def pitch_of(kind: str) -> float:
    """Pixel pitch that a defect is shown with [mm]."""
    return 0.1 if kind in LARGE else 0.048


def drawn_host(host: str, shape: tuple[int, int], step: float, seed: int) -> ThicknessMaps:
    """Sound object of a form of cell, a kind of scene or a family of boards."""
    if host in SCENES:
        return draw_kind(host, shape, step, seed, defects=False)
    return (battery if host == "pouch" else procedural_board)(host, shape, step, seed)


def make_scene(kind: str) -> dict[str, Any]:
    """Picture and record of all variants of a kind: training ones first, each on a grey scale of its own."""
    thin = ScreenDetector.gos(THIN_MG_CM2, TILE_PITCH_MM)
    cells = TILE_PX * OVERSAMPLING
    tiles, names = [], []
    for role in ("train", "test"):
        for number, variant in enumerate(variants(kind, role)):
            maps = draw_kind(kind, (cells, cells), TILE_PITCH_MM / OVERSAMPLING, 11 + number, role, variant=variant)
            rng = np.random.default_rng([7, number])
            seen = thin.frame(thin.transmission(maps), OVERSAMPLING, 1.0, rng, frames=DEFECT_FRAMES)
            depth = -np.log(np.maximum(seen, 5e-3))
            low, high = np.quantile(depth, (0.002, 0.998))
            grey = 1 - np.clip((depth - low) / max(high - low, 0.02), 0, 1)
            grey = (np.rint(grey * (LEVELS - 1)) * (255 / (LEVELS - 1))).astype(np.uint8)
            tiles.append(np.pad(grey, ((0, 6), (0, 6)), constant_values=255))
            names.append(f"{variant} ({role})")
    blank = np.full_like(tiles[0], 255)
    rows = [(tiles[k : k + TILES] + TILES * [blank])[:TILES] for k in range(0, len(tiles), TILES)]
    Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows])).save(
        HERE / f"scene_{kind}.png", optimize=True
    )
    return {"caption": f"{kind}: {SCENES[kind].says}", "variants": names}


def with_defect(kind: str) -> tuple[ThicknessMaps, ThicknessMaps, Defect]:
    """Sound object, the same with one defect, and its record: the first that is well seen, else the best of some."""
    pitch, cells = pitch_of(kind), DEFECT_SIDE_PX * OVERSAMPLING
    magnification = 1.0 if kind in POUCH else DEFECT_MAGNIFICATION
    step = pitch / OVERSAMPLING / magnification
    thin = screens(pitch)[0]
    hosts = ("pouch",) if kind in POUCH else HOSTS.get(kind.split("_")[0], ("dense_bga", "rf"))
    best: tuple[ThicknessMaps, ThicknessMaps, Defect] | None = None
    for seed in range(6):
        host = hosts[seed % len(hosts)]
        sound = drawn_host(host, (cells, cells), step, seed)
        try:
            faulty, (defect,) = add_defects(sound, 1, seed, kinds=[kind], detector=thin, magnification=magnification)
        except ValueError:
            continue
        if best is None or (defect.cnr or 0) > (best[2].cnr or 0):
            best = sound, faulty, defect
        if (defect.cnr or 0) >= VISIBLE_CNR:
            break
    if best is None:
        raise SystemExit(f"{kind}: no object has a place for it")
    return best


def surroundings(before: Image2, after: Image2) -> tuple[slice, slice]:
    """Where two noise-free images differ most."""
    change = ndimage.uniform_filter(np.abs(after - before), 9)
    middle = np.unravel_index(int(change.argmax()), change.shape)
    top, left = (int(np.clip(m - CROP_PX // 2, 0, n - CROP_PX)) for m, n in zip(middle, change.shape, strict=True))
    return slice(top, top + CROP_PX), slice(left, left + CROP_PX)


def make_object(slug: str, caption: str, maker: Callable[[], tuple[ThicknessMaps, float, Geometry]]) -> dict[str, Any]:
    """Picture and record of one object."""
    maps, pitch, geometry = maker()
    drawn(frames(maps, pitch, geometry), HERE / f"{slug}.png")
    return {"caption": caption, "materials": sorted(m for m, t in maps.thickness_mm.items() if t.any())}


def make_defect(kind: str) -> dict[str, Any]:
    """Picture and record of one defect."""
    sound, faulty, defect = with_defect(kind)
    magnification = 1.0 if kind in POUCH else DEFECT_MAGNIFICATION
    geometry = Geometry(magnification, 20.0)
    thin = screens(pitch_of(kind))[0]
    clean = [thin.image(geometry.project(maps, thin, OVERSAMPLING), OVERSAMPLING) for maps in (sound, faulty)]
    part = surroundings(clean[0], clean[1])
    before, after = (frames(maps, pitch_of(kind), geometry, DEFECT_FRAMES, 5) for maps in (sound, faulty))
    shown = [i[part] for i in (before[0], after[0], after[1])]
    drawn(shown, HERE / f"defect_{kind}.png", ZOOM, (0.02, 0.98))
    return {
        "object": sound.name,
        "size_mm": round(defect.size_mm, 3),
        "contrast": round(float(defect.contrast or 0), 3),
        "cnr": round(float(defect.cnr or 0), 1),
    }


def measured(defect: dict[str, Any]) -> str:
    """Size and contrast of a defect in words."""
    size, contrast, cnr = defect["size_mm"] * 1e3, defect["contrast"], defect["cnr"]
    return f"{size:.0f} µm, contrast {contrast:+.3f}, contrast-to-noise {cnr:.1f}"


def grid(pictures: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Lines of figures side by side: file, title, what is between title and text, text."""
    lines = ["::::{container} gallery"]
    for file, title, mark, text in pictures:
        lines += [f":::{{figure}} gallery/{file}.png", f":alt: {title}", "", f"**{title}**{mark} {text}", ":::", ""]
    return [*lines[:-1], "::::", ""]


def page(
    objects: dict[str, dict[str, Any]], scenes: dict[str, dict[str, Any]], defects: dict[str, dict[str, Any]]
) -> str:
    """Text of the page."""
    lines = [
        "# Gallery of simulated objects",
        "",
        "Everything on this page is **simulated**. Single frames of 1 s: thin screen (33.91 mg/cm²) on the left, thick screen (134.55 mg/cm²)",
        "on the right, on one logarithmic grey scale about the median of each; pixels of 48 µm unless said. Made by `python docs/gallery/make.py`, this page too.",
        "",
        "## Objects",
        "",
    ]
    lines += grid([(slug, known["caption"], ";", ", ".join(known["materials"])) for slug, known in objects.items()])
    lines += [
        "## Plates, castings, welds, wires and textures",
        "",
        "Means of 20 frames with the thin screen, pixels of 96 µm, from left to right and from top to bottom as named. `coldray simulate KIND --family VARIANT` draws",
        "more of them; variants and ranges marked *test* are not shown to training.",
        "",
    ]
    lines += grid(
        [(f"scene_{kind}", known["caption"], ";", ", ".join(known["variants"])) for kind, known in scenes.items()]
    )
    lines += [
        "## Defects",
        "",
        "The sound object with the thin screen, the same with the defect, and the defect with the thick screen: means of 20 frames, three times enlarged; all but cells are",
        "magnified 1.5 times, defects of whole sheets have pixels of 100 µm. Contrast is (T − T₀)/T₀ over the defect; contrast-to-noise is that of the best single pixel of a 1 s frame with the",
        "thin screen: below about 3 a defect cannot be seen in one pixel.",
        "",
    ]
    lines += grid([(f"defect_{kind}", kind.replace("_", " "), ":", measured(known)) for kind, known in defects.items()])
    return "\n".join(lines + (HERE / "compared.txt").read_text(encoding="utf-8").splitlines()) + "\n"


def main() -> None:
    """Draw what is asked for; write the page when everything is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="slugs to draw again")
    only = parser.parse_args().only
    makers = target_makers()
    notes_path = HERE / "notes.json"
    known = json.loads(notes_path.read_text(encoding="utf-8")) if notes_path.exists() else {}
    objects, scenes, defects = (known.get(name, {}) for name in ("objects", "scenes", "defects"))
    for slug, (caption, maker) in makers.items():
        if only is None or slug in only:
            objects[slug] = make_object(slug, caption, maker)
    for kind in SCENES:
        if only is None or f"scene_{kind}" in only:
            scenes[kind] = make_scene(kind)
    for kind in DEFECT_KINDS:
        if only is None or f"defect_{kind}" in only:
            defects[kind] = make_defect(kind)
    objects = {s: objects[s] for s in makers if s in objects}
    defects = {k: defects[k] for k in DEFECT_KINDS if k in defects}
    notes = {"objects": objects, "scenes": scenes, "defects": defects}
    notes_path.write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
    (HERE.parent / "gallery.md").write_text(page(objects, scenes, defects), encoding="utf-8")


if __name__ == "__main__":
    main()
