"""Detector: pitch, phosphor and curves, its JSON or CSV file, and look-up by name."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import DetectorError, PhysicsError
from coldray.physics.curves import FrequencyCurve, transfer_ratio
from coldray.physics.grids import nyquist_lp_mm

FILE_FORMAT = "coldray-detector"
FILE_VERSION = 1
PITCH_TOLERANCE = 0.01
"""Largest relative difference between two pitches that count as equal."""


@dataclass(frozen=True, eq=False)
class Detector:
    """A detector as the restoration sees it.

    Parameters
    ----------
    name : str
    pixel_pitch_mm : float
        Pixel pitch [mm].
    mtf : FrequencyCurve
        Presampled MTF, pixel aperture included, 1 at zero.
    nnps : FrequencyCurve, optional
        NNPS of an open-beam frame [mm2].
    nnps_exposure_s : float
        Exposure the NNPS was taken at [s].
    electronic_fraction : float
        Share of the NNPS integral that does not depend on signal (read noise), 0 to 1; it is white.
    loading_mg_cm2 : float, optional
        Phosphor loading [mg/cm2].
    description : str
        Where the curves come from.

    Raises
    ------
    DetectorError
        If a value is out of range.
    """

    name: str
    pixel_pitch_mm: float
    mtf: FrequencyCurve
    nnps: FrequencyCurve | None = None
    nnps_exposure_s: float = 1.0
    electronic_fraction: float = 0.0
    loading_mg_cm2: float | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.pixel_pitch_mm) and 1e-4 <= self.pixel_pitch_mm <= 10):
            raise DetectorError(
                f"detector {self.name!r}: pixel pitch {self.pixel_pitch_mm} mm is not within 0.0001 to 10 mm"
            )
        if not abs(float(self.mtf(0.0)) - 1.0) < 0.05:
            raise DetectorError(f"detector {self.name!r}: the MTF is {float(self.mtf(0.0)):.3f} at zero; it must be 1")
        if self.mtf.value.min() < -0.05 or self.mtf.value.max() > 1.5:
            raise DetectorError(f"detector {self.name!r}: the MTF leaves the range 0 to 1.5; is the column right?")
        if self.nnps is not None and not (self.nnps.value.min() >= 0 and self.nnps.value.max() > 0):
            raise DetectorError(f"detector {self.name!r}: the NNPS must be >= 0 and somewhere positive [mm2]")
        if not 0 < self.nnps_exposure_s < np.inf:
            raise DetectorError(
                f"detector {self.name!r}: NNPS exposure {self.nnps_exposure_s} s must be positive and finite"
            )
        if not 0 <= self.electronic_fraction <= 1:
            raise DetectorError(
                f"detector {self.name!r}: electronic fraction {self.electronic_fraction} is not in [0, 1]"
            )

    @property
    def nyquist_lp_mm(self) -> float:
        """Nyquist frequency [cycles/mm]."""
        return nyquist_lp_mm(self.pixel_pitch_mm)

    def noise_power(
        self, frequency_lp_mm: ArrayLike, exposure_s: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Noise power of one open-beam frame, split by its dependence on signal.

        Parameters
        ----------
        frequency_lp_mm : array_like
            Radial frequency [cycles/mm].
        exposure_s : float
            Exposure of the frame [s].

        Returns
        -------
        quantum, electronic : ndarray, shape of `frequency_lp_mm`
            Noise power [fraction of open beam squared, mm2]. At local transmission s the power is
            s * quantum + electronic.

        Raises
        ------
        DetectorError
            If the detector has no NNPS, or the exposure is not positive.
        """
        if self.nnps is None:
            raise DetectorError(
                f"detector {self.name!r} has no NNPS; give --noise FLATS, or a detector file with an nnps_mm2 column"
            )
        if not 0 < exposure_s < np.inf:
            raise DetectorError(f"exposure is {exposure_s} s; it must be positive and finite")
        dose = exposure_s / self.nnps_exposure_s
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        inside = np.linspace(0, self.nyquist_lp_mm, 256)
        # area-weighted mean over the band = white level that holds the electronic share
        level = float((self.nnps(inside) * inside).sum() / inside.sum()) * self.electronic_fraction
        white = min(level, float(self.nnps(inside).min()))
        quantum = np.maximum(self.nnps(frequency) - white, 0.0)
        return quantum / dose, np.full(frequency.shape, white / dose**2)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form: the detector file."""
        out: dict[str, Any] = {
            "format": FILE_FORMAT,
            "version": FILE_VERSION,
            "name": self.name,
            "description": self.description,
            "pixel_pitch_mm": self.pixel_pitch_mm,
            "loading_mg_cm2": self.loading_mg_cm2,
            "mtf": self.mtf.to_dict(),
            "nnps_mm2": None if self.nnps is None else self.nnps.to_dict(),
            "nnps_exposure_s": self.nnps_exposure_s,
            "electronic_fraction": self.electronic_fraction,
        }
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Detector:
        """Read the JSON form; unknown keys other than `measurement` are an error."""
        known = {
            "format", "version", "name", "description", "pixel_pitch_mm", "loading_mg_cm2",
            "mtf", "nnps_mm2", "nnps_exposure_s", "electronic_fraction", "measurement",
        }  # fmt: skip
        if not isinstance(data, dict) or data.get("format") != FILE_FORMAT:
            raise DetectorError(f"not a detector file: the key 'format' must be {FILE_FORMAT!r}")
        if data.get("version") != FILE_VERSION:
            raise DetectorError(
                f"detector file version {data.get('version')!r}; this coldray reads version {FILE_VERSION}"
            )
        if unknown := sorted(set(data) - known):
            raise DetectorError(f"unknown keys in the detector file: {', '.join(unknown)}")
        try:
            nnps = data.get("nnps_mm2")
            return cls(
                name=str(data["name"]),
                pixel_pitch_mm=float(data["pixel_pitch_mm"]),
                mtf=FrequencyCurve.from_dict(data["mtf"]),
                nnps=None if nnps is None else FrequencyCurve.from_dict(nnps),
                nnps_exposure_s=float(data.get("nnps_exposure_s", 1.0)),
                electronic_fraction=float(data.get("electronic_fraction", 0.0)),
                loading_mg_cm2=data.get("loading_mg_cm2"),
                description=str(data.get("description", "")),
            )
        except (KeyError, TypeError, PhysicsError, ValueError) as problem:
            raise DetectorError(f"invalid detector file: {problem}") from problem


def built_in_detectors() -> tuple[str, ...]:
    """Names of the detectors that come with coldray, sorted."""
    folder = resources.files("coldray.physics") / "detectors"
    return tuple(sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".json")))


def load_detector(source: str | Path, *, pixel_pitch_mm: float | None = None) -> Detector:
    """Load a detector by built-in name, model, JSON file or CSV table.

    Parameters
    ----------
    source : str or Path
        ``gos34``; a screen model such as ``phosphor:80`` (loading in mg/cm2); a detector JSON; or a
        CSV with the columns ``frequency_lp_mm,mtf[,nnps_mm2]``.
    pixel_pitch_mm : float, optional
        Pitch for a model or a CSV, which carry none [mm].

    Returns
    -------
    Detector

    Raises
    ------
    DetectorError
        If the name is unknown, the file invalid, or a needed pitch is missing.
    """
    text = str(source)
    if text in built_in_detectors():
        path = resources.files("coldray.physics") / "detectors" / f"{text}.json"
        return Detector.from_dict(json.loads(path.read_text(encoding="utf-8")))
    kind, _, argument = text.partition(":")
    if argument and (resources.files("coldray.physics") / "detectors" / f"{kind}.py").is_file():
        if pixel_pitch_mm is None:
            raise DetectorError(f"the detector model {text!r} needs a pixel pitch; give --pitch-um")
        model = import_module(f"coldray.physics.detectors.{kind}")
        found: Detector = model.detector(argument, pixel_pitch_mm)
        return found
    path = Path(text)
    if not path.is_file():
        raise DetectorError(
            f"no detector {text!r}: not a file, and the built-in ones are {', '.join(built_in_detectors())} and phosphor:LOADING"
        )
    if path.stat().st_size > 16_000_000:
        raise DetectorError(f"{path.name}: over 16 MB, not a detector file")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DetectorError(f"{path.name}: not a text file; a detector is a JSON file or a CSV table") from None
    if path.suffix.lower() == ".csv":
        return _from_csv(path, content, pixel_pitch_mm)
    try:
        return Detector.from_dict(json.loads(content))
    except json.JSONDecodeError as problem:
        raise DetectorError(f"{path.name}: not valid JSON ({problem.msg}, line {problem.lineno})") from None
    except DetectorError as problem:
        raise DetectorError(f"{path.name}: {problem}") from None


def _from_csv(path: Path, content: str, pixel_pitch_mm: float | None) -> Detector:
    rows = [row for row in csv.reader(content.splitlines()) if row and not row[0].lstrip().startswith("#")]
    header = [cell.strip() for cell in rows[0]] if rows else []
    if header[:2] != ["frequency_lp_mm", "mtf"] or header[2:] not in ([], ["nnps_mm2"]):
        raise DetectorError(
            f"{path.name}: the columns must be frequency_lp_mm,mtf[,nnps_mm2]; found {','.join(header)}"
        )
    if pixel_pitch_mm is None:
        raise DetectorError(f"{path.name}: a CSV table has no pixel pitch; give --pitch-um or an image that states it")
    try:
        table = np.array([[float(cell) for cell in row] for row in rows[1:]], dtype=np.float64)
    except ValueError:
        raise DetectorError(f"{path.name}: every cell below the header must be a number") from None
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] != len(header):
        raise DetectorError(f"{path.name}: at least two rows of {len(header)} numbers are needed")
    try:
        mtf = FrequencyCurve(table[:, 0], table[:, 1])
        nnps = FrequencyCurve(table[:, 0], table[:, 2]) if len(header) == 3 else None
        return Detector(path.stem, pixel_pitch_mm, mtf, nnps, description="table")
    except PhysicsError as problem:
        raise DetectorError(f"{path.name}: {problem}") from None


@dataclass(frozen=True, eq=False)
class DetectorPair:
    """The two detectors of one restoration.

    Parameters
    ----------
    blurred, sharp : Detector
        The detector that took the image, and the one it is restored towards.
    floor : float
        Smallest trustworthy sharp MTF, see `transfer_ratio`.

    Raises
    ------
    DetectorError
        If the two pitches differ by more than 1 %.
    """

    blurred: Detector
    sharp: Detector
    floor: float = 0.02

    def __post_init__(self) -> None:
        a, b = self.blurred.pixel_pitch_mm, self.sharp.pixel_pitch_mm
        if abs(a / b - 1) > PITCH_TOLERANCE:
            raise DetectorError(
                f"pixel pitch is {a * 1e3:.4g} um for {self.blurred.name!r} and {b * 1e3:.4g} um for {self.sharp.name!r}; "
                "the MTF ratio needs equal pitch: resample one image or choose another detector"
            )

    @property
    def pixel_pitch_mm(self) -> float:
        """Common pixel pitch [mm]."""
        return self.blurred.pixel_pitch_mm

    def ratio(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """MTF_blurred / MTF_sharp at any frequency [cycles/mm], within [floor, 1]."""
        return transfer_ratio(self.blurred.mtf, self.sharp.mtf, frequency_lp_mm, floor=self.floor)
