"""What `simulate` radiographs: boards, batteries, scenes and targets as thickness maps, and what a target must measure as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldray.document import Json
from coldray.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from coldray.simulation.detector import ScreenDetector
    from coldray.simulation.thickness import ThicknessMaps

SCENES = ("plate", "casting", "weld", "wire", "texture")
"""Kinds of `coldray.objects.kinds` beside batteries."""
DRAWN = ("board", "battery", *SCENES)
"""Kinds that a random state makes different, that have families and room for known defects."""
KINDS = (*DRAWN, "edge", "bars", "flat", "duplex", "wedge")
TARGETS = ("edge", "bars", "duplex", "wedge")
BAR_FREQUENCIES = (0.04, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Groups of the bar target at the detector [cycles/pixel]."""
BAR_MARGIN_PX = 48
WEDGE_MM_AL = (0.0, 0.5, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0, 12.0, 16.0, 22.0, 30.0)
"""Steps of the wedge [mm Al]: signals from 1 to 0.03 of the open beam."""


BYTES_PER_CELL = dict.fromkeys(DRAWN, 70) | {"flat": 30} | dict.fromkeys(TARGETS, 60)
"""Peak memory of a simulation: one map per material, a transmission and its transforms."""


@dataclass(frozen=True)
class ObjectRequest:
    """What to draw.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    size_px, oversampling : int
        Rows (and columns, where the target does not set them) of the image, and cells per pixel.
    pitch_mm, magnification : float
        Pixel pitch [mm], and what it is divided by at the object.
    gerber : Path, optional
        Fabrication data of a real board.
    family : str, optional
        Family of boards, form of cell or variant of a scene; drawn if not given.
    angle_deg : float
        Tilt of a target.
    board : str, optional
        Which board of the fabrication data.
    """

    kind: str
    size_px: int
    oversampling: int
    pitch_mm: float
    magnification: float = 1.0
    gerber: Path | None = None
    family: str | None = None
    angle_deg: float = 3.0
    board: str | None = None

    @property
    def step_mm(self) -> float:
        """Grid step at the object [mm]."""
        return self.pitch_mm / (self.oversampling * self.magnification)


def _silent(_line: str) -> None:
    """Tell nobody."""


def draw_object(asked: ObjectRequest, rng: np.random.Generator, say: Callable[[str], None] = _silent) -> ThicknessMaps:
    """Draw the object.

    Parameters
    ----------
    asked : ObjectRequest
    rng : numpy.random.Generator
    say : callable
        Told what is read, and which file of a board became what.

    Returns
    -------
    ThicknessMaps

    Raises
    ------
    SettingsError
        If the kind is unknown, or an option does not belong to it.
    """
    if asked.kind not in KINDS:
        raise SettingsError(f"{asked.kind!r} cannot be simulated; choose {', '.join(KINDS)}")
    if asked.gerber is not None and asked.kind != "board":
        raise SettingsError(f"`gerber` is for a board; {asked.kind} has none")
    if asked.board is not None and asked.gerber is None:
        raise SettingsError("`board` names a board of `gerber`; give both")
    if asked.family is not None and (asked.kind not in DRAWN or asked.gerber is not None):
        raise SettingsError(f"`family` is for what is drawn: {', '.join(DRAWN)}; not for targets and real boards")
    _check_memory(asked)
    if asked.gerber is not None:
        return _fabricated(asked, asked.gerber, rng, say)
    return _MAKERS[asked.kind](asked, rng)


def _check_memory(asked: ObjectRequest) -> None:
    """Refuse what would not fit, before hours are spent on it."""
    free = _free_bytes()
    needed = BYTES_PER_CELL[asked.kind] * (asked.size_px * asked.oversampling) ** 2
    if free is not None and needed > free:
        fits = int(asked.size_px * (free / needed) ** 0.5) // 16 * 16
        raise SettingsError(
            f"a {asked.kind} of {asked.size_px} px needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; choose "
            f"`size_px` {fits} or less"
        )


def _free_bytes() -> float | None:
    """Memory that can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def target_truth(
    asked: ObjectRequest, maps: ThicknessMaps, detector: ScreenDetector, exposure_s: float
) -> dict[str, Json]:
    """What a measurement on noise-free images of a target must give with one detector; empty for boards and cells.

    Notes
    -----
    Of the detector alone: a focal spot of width F blurs further by F (M - 1).
    """
    import numpy as np

    from coldray.objects.phantoms import square_wave_response
    from coldray.physics.screen import open_beam_nnps
    from coldray.physics.source import AIR_KERMA_RATE_UGY_S

    pitch = asked.pitch_mm

    def mtf(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        return detector.screen.mtf(frequency) * np.sinc(pitch * frequency)

    scale = 1 / asked.oversampling
    if asked.kind == "edge":
        frequency = np.linspace(0, 0.5 / pitch, 101)
        return {"frequency_lp_mm": frequency.tolist(), "mtf": mtf(frequency).tolist()}
    if asked.kind == "flat":
        frequency = np.linspace(0, 0.5 / pitch, 101)
        kerma = AIR_KERMA_RATE_UGY_S * exposure_s
        quantum, electronic = open_beam_nnps(detector.screen, pitch, kerma, frequency, 0.0)
        return {"frequency_lp_mm": frequency.tolist(), "nnps_mm2": (quantum + electronic).tolist()}
    if asked.kind == "bars":
        at_detector = [(f / asked.magnification, a * scale, b * scale) for f, a, b in maps.labels["groups"]]
        return {
            "groups": [
                {
                    "frequency_lp_mm": f,
                    "ctf": float(square_wave_response(mtf, f)[0]),
                    "mtf": float(mtf(np.array(f))),
                    "roi": [int(a), 0, int(np.ceil(b - int(a))), asked.size_px],
                }
                for f, a, b in at_detector
            ]
        }
    if asked.kind == "duplex":
        return {
            "pairs": [
                {"element": f"{number}D", "spacing_mm": spacing, "column_px": (col + 0.5) * scale - 0.5}
                for number, (spacing, col) in enumerate(maps.labels["pairs"], start=1)
            ]
        }
    if asked.kind == "wedge":
        signal = detector.transmission(maps)[0]
        return {
            "steps": [
                {"al_mm": t, "signal": float(signal[(a + b) // 2]), "columns_px": [a * scale, b * scale]}
                for a, b, t in maps.labels["steps"]
            ]
        }
    return {}


def _fabricated(
    asked: ObjectRequest, gerber: Path, rng: np.random.Generator, say: Callable[[str], None]
) -> ThicknessMaps:
    """Draw a real board from its fabrication data."""
    from coldray.objects.gerber.board import read_board
    from coldray.objects.gerber.build import BoardBuild
    from coldray.objects.gerber.object import build_object

    cells = asked.size_px * asked.oversampling
    say(f"rasterising {gerber.name}")
    raster = read_board(gerber, asked.step_mm, board=asked.board)
    account = raster.account()
    for line in _told(account):
        say(line)
    rows, cols = raster.copper[0].shape
    first = ((rows - cells) // 2, (cols - cells) // 2)
    maps = build_object(raster, BoardBuild(), rng, window=(*first, cells, cells))
    return replace(maps, labels={**maps.labels, "fabrication": account})


def _board(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    from coldray.objects.boards import FAMILIES, procedural_board

    cells = asked.size_px * asked.oversampling
    name = str(rng.choice(sorted(FAMILIES))) if asked.family is None else asked.family
    return procedural_board(name, (cells, cells), asked.step_mm, rng)


def _told(account: Mapping[str, Any]) -> list[str]:
    """Lines that say which file became what, what was left out, and what was assumed."""
    width, height = account["size_mm"]
    lines = [
        f"{account['board']}: {account['copper_layers']} copper layers, {account['holes']} holes "
        f"({account['plated_holes']} plated), {width:g} x {height:g} mm"
    ]
    for use in account["files"]:
        role = use["role"] if use["layer"] is None else f"{use['role']} {use['layer']}"
        lines.append(f"  {use['file']}: {role}, {use['why']}")
    return lines + [f"note: {note}" for note in account["notes"]]


def _battery(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    from coldray.objects.batteries import CELL_FORMS, battery

    cells = asked.size_px * asked.oversampling
    form = str(rng.choice(CELL_FORMS)) if asked.family is None else asked.family
    return battery(form, (cells, cells), asked.step_mm, rng)


def _kind(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    """A scene without known defects: as tests draw it, unless a variant is asked for that only training has."""
    from coldray.objects.kinds import draw_kind, variants

    cells = asked.size_px * asked.oversampling
    role = "test" if asked.family is None or asked.family in variants(asked.kind, "test") else "train"
    return draw_kind(asked.kind, (cells, cells), asked.step_mm, rng, role, variant=asked.family, defects=False)


def _flat(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    import numpy as np

    from coldray.simulation.thickness import ThicknessMaps

    cells = asked.size_px * asked.oversampling
    return ThicknessMaps({"FR4": np.zeros((cells, cells), dtype=np.float32)}, asked.step_mm, "flat")


def _edge(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    from coldray.objects.targets import edge_object

    cells = asked.size_px * asked.oversampling
    return edge_object((cells, cells), asked.step_mm, asked.angle_deg)


def _bars(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    from coldray.objects.targets import bars_object

    at_object = asked.pitch_mm / asked.magnification
    return _whole_pixels(
        bars_object(
            asked.size_px * asked.oversampling,
            asked.step_mm,
            [f / at_object for f in BAR_FREQUENCIES],
            angle_deg=asked.angle_deg,
            margin_mm=BAR_MARGIN_PX * at_object,
        ),
        asked.oversampling,
    )


def _duplex(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    from coldray.objects.targets import duplex_object

    maps = duplex_object(asked.size_px * asked.oversampling, asked.step_mm, angle_deg=asked.angle_deg)
    return _whole_pixels(maps, asked.oversampling)


def _wedge(asked: ObjectRequest, rng: np.random.Generator) -> ThicknessMaps:
    from coldray.objects.targets import step_wedge_object

    cells = asked.size_px * asked.oversampling
    return step_wedge_object((cells, cells), asked.step_mm, WEDGE_MM_AL)


def _whole_pixels(maps: ThicknessMaps, oversampling: int) -> ThicknessMaps:
    """Object with air on the right up to a whole number of pixels."""
    import numpy as np

    from coldray.simulation.thickness import ThicknessMaps

    rest = -maps.shape[1] % oversampling
    padded = {m: np.pad(t, ((0, 0), (0, rest))) for m, t in maps.thickness_mm.items()}
    return ThicknessMaps(padded, maps.grid_pitch_mm, maps.name, maps.labels)


_MAKERS: dict[str, Callable[[ObjectRequest, np.random.Generator], ThicknessMaps]] = {
    "board": _board,
    "battery": _battery,
    "flat": _flat,
    "edge": _edge,
    "bars": _bars,
    "duplex": _duplex,
    "wedge": _wedge,
    **dict.fromkeys(SCENES, _kind),
}
