"""The folder of a panel's acquisitions: what `panel.toml` may say, and reading what it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coldray.document import first_fault, read_toml
from coldray.errors import ImageReadError, SettingsError, SettingsReadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldray.images.correct import Calibration
    from coldray.metrology.panel.sheet import Acquisitions, BurnInImages
    from coldray.metrology.panel.thickness import Limits

FILE = "panel.toml"

Positive = Annotated[float, Field(gt=0)]
Region = tuple[int, int, int, int]

TEMPLATE = """# A panel's acquisitions, for `coldray panel FOLDER -o SHEET.html`. Files are relative to this one; a file with several
# pages, or a folder, is a stack of frames. All images are raw: darks and flats below correct them. Whatever is left out
# is left out of the sheet. Terms are those of ASTM E2597/E2597M-22 as its public preview and literature describe it.

[panel]
name = "my panel"
pixel_pitch_um = 100.0
saturation_gv = 65535          # gray value at which a frame saturates
darks = "darks.tif"            # 30 or more frames without beam
flats = "flats.tif"            # frames of the open beam, 100 keep their noise out of the figures
check = "check.tif"            # mean of many other frames of the open beam, for non-uniform pixels

[resolution]
file = "duplex.tif"            # duplex wires on the panel, 2 to 5 degrees tilted, mean of frames
roi = [120, 100, 300, 120]     # X, Y, W, H [px] that hold the wires alone

[[efficiency]]                 # once for each beam and air kerma, two images each
beam = "90 kV, 30 mm Al"
kerma_mgy = 0.5
files = ["open_a.tif", "open_b.tif"]

[[wedge]]                      # once for each material and integration time
material = "Al"
thickness_mm = [5, 20, 35, 50, 65]
groove_percent = 5.0           # depth of the groove through all steps, of the thickness
time_s = 8.0
file = "wedge_al_8s.tif"
roi = [0, 0, 512, 384]         # the wedge alone; without it the whole image

[lag]
exposed = "lag_exposed.tif"    # last frames in the beam, after minutes of it
after = "lag_after.tif"        # the frames that follow, for 70 s or more
frame_time_s = 1.0

[burn_in]
before = "burn_before.tif"     # open beam, before the long exposure
plate = "burn_plate.tif"       # the long exposure, half of the panel under a plate
[[burn_in.after]]
minutes = 1.0
file = "burn_1min.tif"

[scatter]
file = "edge.tif"              # an opaque straight edge on the panel, mean of frames

[limits]                       # recalled, not read in a licensed copy: check them against yours
snr_2_percent = 130
snr_1_percent = 250
snr_n_class_a = 70
snr_n_class_b = 100
saturation_share = 0.8
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Head(_Strict):
    """Section [panel]."""

    name: str
    pixel_pitch_um: Annotated[float, Field(ge=1, le=5000)]
    saturation_gv: Positive
    darks: str
    flats: str
    check: str | None = None
    open_roi: Region | None = None


class ResolutionEntry(_Strict):
    """Section [resolution]."""

    file: str
    roi: Region | None = None


class EfficiencyEntry(_Strict):
    """One [[efficiency]]."""

    beam: str
    kerma_mgy: Positive
    files: tuple[str, str]


class WedgeEntry(_Strict):
    """One [[wedge]]."""

    material: str
    thickness_mm: Annotated[tuple[Positive, ...], Field(min_length=3, max_length=40)]
    groove_percent: Annotated[float, Field(gt=0, lt=100)] = 5.0
    time_s: Positive
    file: str
    roi: Region | None = None


class LagEntry(_Strict):
    """Section [lag]."""

    exposed: str
    after: str
    frame_time_s: Positive


class AfterEntry(_Strict):
    """One [[burn_in.after]]."""

    minutes: Positive
    file: str


class BurnInEntry(_Strict):
    """Section [burn_in]."""

    before: str
    plate: str
    after: tuple[AfterEntry, ...]


class ScatterEntry(_Strict):
    """Section [scatter]."""

    file: str


class LimitEntry(_Strict):
    """Section [limits]."""

    snr_2_percent: Positive = 130.0
    snr_1_percent: Positive = 250.0
    snr_n_class_a: Positive = 70.0
    snr_n_class_b: Positive = 100.0
    saturation_share: Annotated[float, Field(gt=0, le=1)] = 0.8


class PanelFile(_Strict):
    """All of `panel.toml`."""

    panel: Head
    resolution: ResolutionEntry | None = None
    efficiency: tuple[EfficiencyEntry, ...] = ()
    wedge: tuple[WedgeEntry, ...] = ()
    lag: LagEntry | None = None
    burn_in: BurnInEntry | None = None
    scatter: ScatterEntry | None = None
    limits: LimitEntry = LimitEntry()


@dataclass(frozen=True, eq=False)
class ReadPanel:
    """A panel as read: its name, corrected acquisitions, limits, files, and what the calibration remarks."""

    name: str
    given: Acquisitions
    limits: Limits
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def panels_in(folder: Path) -> list[Path]:
    """The folder itself, or those within it, that hold a `panel.toml`.

    Raises
    ------
    SettingsReadError
        If there is none.
    """
    if (folder / FILE).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{FILE}")) if folder.is_dir() else []
    if not found:
        raise SettingsReadError(
            f"{folder.name}: neither it nor a folder within it holds {FILE}; write one with `coldray panel FOLDER --init`"
        )
    return found


def parse_panel(path: Path) -> PanelFile:
    """Read and check a `panel.toml`.

    Raises
    ------
    SettingsReadError
        If it cannot be read or is not TOML.
    SettingsError
        If a key is unknown or a value impossible.
    """
    data = read_toml(path, SettingsReadError)
    try:
        return PanelFile.model_validate(data)
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        if fault.is_unknown:
            raise SettingsError(
                f"{path.name}: unknown setting {fault.name!r}; `coldray panel --init` shows all"
            ) from None
        raise SettingsError(f"{path.name}: setting {fault.name!r}: {fault.reason}") from None


class _Files:
    """Reads and corrects what a `panel.toml` names, and remembers the files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, list[Path]()
        self.calibration: Calibration | None = None

    def stack(self, name: str) -> NDArray[np.number]:
        """Frames of a file or folder, shape (frames, rows, cols)."""
        import numpy as np

        from coldray.app.files import expand
        from coldray.formats import read_image

        place = self.folder / name
        if not place.resolve().is_relative_to(self.folder.resolve()):
            raise SettingsError(f"{FILE}: {name!r} lies outside of its folder; give paths within it")
        if not place.exists():
            raise ImageReadError(f"{FILE}: {name!r} is not there; check the name, or leave its section out")
        pages = []
        for path, _ in expand([place]):
            pixels = read_image(path).pixels
            pages += [pixels] if pixels.ndim == 2 else list(pixels)
            self.files.append(path)
        shapes = sorted({page.shape for page in pages})
        expected = None if self.calibration is None else self.calibration.shape
        if len(shapes) > 1 or (expected is not None and shapes[0] != expected):
            raise ImageReadError(
                f"{FILE}: {name!r} has images of {shapes} pixels; the panel has {expected or 'one shape'}"
            )
        return np.stack(pages)

    def corrected(self, name: str) -> NDArray[np.number]:
        """Frames without offset and gain pattern, bad pixels replaced."""
        import numpy as np

        from coldray.images.correct import apply_calibration

        assert self.calibration is not None
        return np.stack([apply_calibration(frame, self.calibration) for frame in self.stack(name)])

    def mean(self, name: str) -> NDArray[np.number]:
        """Corrected mean of the frames of a file."""
        import numpy as np

        return np.asarray(self.corrected(name).mean(axis=0, dtype=np.float64))


def read_panel(folder: Path) -> ReadPanel:
    """Read a panel's folder: calibrate, correct, classify bad pixels.

    Raises
    ------
    ColdrayError
        If `panel.toml` or a file it names cannot be read or does not fit.
    """
    import numpy as np

    from coldray.images.bad_pixels import find_bad_pixels
    from coldray.images.correct import calibrate
    from coldray.metrology.panel.efficiency import Exposure
    from coldray.metrology.panel.sheet import Acquisitions, LagFrames, WedgeImage
    from coldray.metrology.panel.thickness import Limits

    told = parse_panel(folder / FILE)
    files = _Files(folder)
    darks, flats = files.stack(told.panel.darks), files.stack(told.panel.flats)
    files.calibration = calibration = calibrate(darks, flats)
    check = None if told.panel.check is None else files.mean(told.panel.check)
    lag = None
    if told.lag is not None:
        lag = LagFrames(files.corrected(told.lag.exposed), files.corrected(told.lag.after), told.lag.frame_time_s)
    bad = find_bad_pixels(darks, flats, corrected_flat=check, lag_frame=None if lag is None else lag.after[0])
    exposures: dict[str, list[Exposure]] = {}
    for one in told.efficiency:
        first, second = (files.mean(name) for name in one.files)
        exposures.setdefault(one.beam, []).append(Exposure(one.kerma_mgy, first, second))
    given = Acquisitions(
        told.panel.pixel_pitch_um * 1e-3,
        told.panel.saturation_gv - float(np.mean(calibration.dark)),
        bad.mask,
        bad.to_json(),
        darks,
        None if told.resolution is None else files.mean(told.resolution.file),
        None if told.resolution is None else told.resolution.roi,
        exposures,
        told.panel.open_roi,
        tuple(
            WedgeImage(w.material, w.time_s, w.thickness_mm, w.groove_percent, files.mean(w.file), w.roi)
            for w in told.wedge
        ),
        lag,
        _burn_in(told, files),
        None if told.scatter is None else files.mean(told.scatter.file),
    )
    limits = Limits(**told.limits.model_dump())
    return ReadPanel(told.panel.name, given, limits, (folder / FILE, *files.files), calibration.warnings)


def _burn_in(told: PanelFile, files: _Files) -> BurnInImages | None:
    from coldray.metrology.panel.sheet import BurnInImages

    if told.burn_in is None:
        return None
    after = {one.minutes: files.mean(one.file) for one in told.burn_in.after}
    return BurnInImages(files.mean(told.burn_in.before), files.mean(told.burn_in.plate), after)
