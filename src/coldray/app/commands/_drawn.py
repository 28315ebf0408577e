"""The data folder of a drawn object or target: frames of its detectors, truth, defects and the note beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coldray.app import console
from coldray.app.commands._acquisition import Exposure, Scene, acquire, screen_of, write_truth
from coldray.document import Json
from coldray.errors import ImageWriteError, SettingsError
from coldray.files import whole_folder, write_text
from coldray.formats import write_image
from coldray.objects.canvas import RANDOM_STATE_VERSION
from coldray.objects.defects import add_defects, defect_labels
from coldray.objects.request import DRAWN, ObjectRequest, draw_object, target_truth
from coldray.radiograph import Acquisition, Radiograph, Step
from coldray.simulation.geometry import Geometry, oblique

if TYPE_CHECKING:
    from coldray.objects.defects import Defect
    from coldray.simulation.thickness import ThicknessMaps

TUBE_VOLTAGE_KV = 70.0


@dataclass(frozen=True)
class Drawn:
    """What is drawn and how it is seen.

    Parameters
    ----------
    asked : ObjectRequest
    geometry : Geometry
    how : Exposure
    screens : dict of str to str
        Detectors by role: "hr" and "lr" of a pair, or "frames" of one.
    defects : int
        Known defects to put in.
    view_deg : float
        Angle between the rays and a board's normal [deg].

    Raises
    ------
    SettingsError
        What was asked of a kind that cannot have it.
    """

    asked: ObjectRequest
    geometry: Geometry
    how: Exposure
    screens: dict[str, str]
    defects: int = 0
    view_deg: float = 0.0

    def __post_init__(self) -> None:
        kind = self.asked.kind
        if self.defects and kind not in DRAWN:
            raise SettingsError(f"{kind} has no place for defects; choose {', '.join(DRAWN)}")
        if self.view_deg and kind != "board":
            raise SettingsError(f"--view-deg is for boards; {kind} has no layers")
        if self.defects and self.view_deg:
            raise SettingsError(
                "the masks of defects are those of the plan view; give --defects or --view-deg, not both"
            )

    @property
    def drawing(self) -> dict[str, int]:
        """What draws the same object again."""
        return {"random_state": self.how.random_state, "random_state_version": RANDOM_STATE_VERSION}

    def note(self, thing: ThicknessMaps, found: Sequence[Defect]) -> dict[str, Json]:
        """All that a reader of the folder needs, for pair.json or frames.json."""
        account = thing.labels.get("fabrication")
        single = self.screens.get("frames")
        return {
            "board": thing.name,
            "kind": "simulated",
            "pixel_pitch_mm": self.asked.pitch_mm,
            **({"detector": single} if single else {"sharp": self.screens["hr"], "blurred": self.screens["lr"]}),
            "tube_voltage_kv": TUBE_VOLTAGE_KV,
            "exposure_s": self.how.exposure_s,
            "frames": self.how.frames,
            "raw": self.how.raw,
            "registration": "identity",
            **self.drawing,
            "magnification": self.geometry.magnification,
            "focal_spot_um": self.geometry.focal_spot_um,
            "scatter_to_primary": self.geometry.scatter_to_primary,
            "view_deg": self.view_deg,
            "defects": [one.to_dict(thing.grid_pitch_mm) for one in found],
            **({"gerber": account} if account is not None else {}),
        }


def write_drawn(drawn: Drawn, out: Path, *, overwrite: bool, quiet: bool) -> tuple[Path, dict[str, Json]]:
    """Draw the object, take its frames, and write folder, truth and note whole or not at all.

    Returns
    -------
    folder : Path
    written : dict
        "files", "truth" by name, and where "pair" or "note" is; with "gerber" of a real board.
    """
    with console.progress("simulate", 1 + drawn.how.frames * len(drawn.screens), quiet=quiet) as advance:
        advance(0, note="drawing the object")
        return _write(drawn, out, overwrite, lambda frames: advance(1 + frames, note="taking frames"))


def _write(drawn: Drawn, out: Path, overwrite: bool, advance: Callable[[int], None]) -> tuple[Path, dict[str, Json]]:
    """As `write_drawn`; `advance` is told the frames that are done, 0 when the object is drawn."""
    asked, how = drawn.asked, drawn.how
    screens = {role: (name, screen_of(name, asked.pitch_mm)[1]) for role, name in drawn.screens.items()}
    rng = np.random.default_rng([how.random_state, 1])
    thing = draw_object(asked, rng, lambda line: console.say(console.printable(line)))
    folder = out / (f"{thing.name}-{how.random_state}" if asked.kind in DRAWN else asked.kind)
    if folder.exists() and not overwrite:
        raise ImageWriteError(f"{folder.name}: exists already; give --overwrite or another folder")
    found: Sequence[Defect] = ()
    if drawn.defects:
        thing, found = add_defects(
            thing,
            drawn.defects,
            rng,
            detector=next(iter(screens.values()))[1],
            exposure_s=how.exposure_s,
            magnification=asked.magnification,
        )
    advance(0)
    step: dict[str, Json] = {"board": thing.name, **drawn.drawing, "kind": "simulated"}
    common = {
        "pixel_pitch_mm": asked.pitch_mm,
        "tube_voltage_kv": TUBE_VOLTAGE_KV,
        "linear": True,
        "magnification": asked.magnification,
    }
    seen = oblique(thing, drawn.view_deg) if drawn.view_deg else thing
    with whole_folder(folder) as place:
        scene = Scene(seen, drawn.geometry, asked.oversampling, common, step)
        files, truth = acquire(place, scene, screens, how, advance)
        facts = {role: target_truth(asked, thing, screen, how.exposure_s) for role, (_, screen) in screens.items()}
        if any(facts.values()):
            target: dict[str, Json] = {"target": asked.kind, "pixel_pitch_mm": asked.pitch_mm, **facts}
            truth[asked.kind] = write_truth(place, asked.kind, target)
        if found:
            mask = Radiograph(
                defect_labels(found, thing.shape, asked.oversampling),
                Acquisition(pixel_pitch_mm=asked.pitch_mm),
                (Step("simulate", step),),
            )
            path = place / "truth" / "defects.tif"
            write_image(path, mask)
            truth["defects"] = str(path)
        note = drawn.note(thing, found)
        pair = "frames" not in drawn.screens
        name = "pair.json" if pair else "frames.json"
        write_text(place / name, json.dumps(note, indent=1))
    told = {"gerber": note["gerber"]} if "gerber" in note else {}
    return folder, {
        "files": [_within(folder, place, each) for each in files],
        "truth": {name: _within(folder, place, each) for name, each in truth.items()},
        "pair" if pair else "note": str(folder / name),
        **told,
    }


def _within(folder: Path, place: Path, path: str) -> str:
    """Final path of what was written where the folder was filled."""
    return str(folder / Path(path).relative_to(place))
