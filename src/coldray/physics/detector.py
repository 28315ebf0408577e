"""Detector: pitch, phosphor and curves, its JSON or CSV file, and look-up by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.document import Json, parse_json
from coldray.errors import DetectorError, PhysicsError, PitchError, SettingsError
from coldray.files import is_file
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import nyquist_lp_mm
from coldray.physics.tables import DIRECTIONS, check_axis, read_table
from coldray.plugins import data_names, plugin, plugin_names

FILE_FORMAT = "coldray-detector"
FILE_VERSION = 1
ANISOTROPY_TOLD = 0.05
LEAST_EXPOSURE_S, LONGEST_EXPOSURE_S = 1e-9, 1e9
"""Exposures that a frame may have [s]."""
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
    mtf_along : (FrequencyCurve, FrequencyCurve), optional
        Presampled MTF along the columns' axis (horizontal, u; from an edge that runs from top to bottom) and along the rows'
        axis (vertical, v), where `mtf` is their mean.

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
    mtf_along: tuple[FrequencyCurve, FrequencyCurve] | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.pixel_pitch_mm) and 1e-4 <= self.pixel_pitch_mm <= 10):
            raise DetectorError(
                f"detector {self.name!r}: pixel pitch {self.pixel_pitch_mm} mm is not within 0.0001 to 10 mm"
            )
        for mtf in (self.mtf, *(self.mtf_along or ())):
            self._check_mtf(mtf)
        if self.nnps is not None and not (self.nnps.value.min() >= 0 and self.nnps.value.max() > 0):
            raise DetectorError(f"detector {self.name!r}: the NNPS must be >= 0 and somewhere positive [mm2]")
        if not 0 < self.nnps_exposure_s < np.inf:
            raise DetectorError(
                f"detector {self.name!r}: NNPS exposure {self.nnps_exposure_s} s must be positive, finite"
            )
        if not 0 <= self.electronic_fraction <= 1:
            raise DetectorError(
                f"detector {self.name!r}: electronic fraction {self.electronic_fraction} is not in [0, 1]"
            )

    def _check_mtf(self, mtf: FrequencyCurve) -> None:
        zero = float(mtf(0.0))
        if not abs(zero - 1.0) < 0.05:
            percent = "; divide percent by 100" if 50 < zero < 105 else ""
            raise DetectorError(f"detector {self.name!r}: the MTF is {zero:.3f} at zero; it must be 1{percent}")
        if mtf.value.min() < -0.05 or mtf.value.max() > 1.5:
            raise DetectorError(f"detector {self.name!r}: the MTF leaves the range 0 to 1.5; is the column right?")

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
            If the detector has no NNPS, or the exposure is none of a frame.
        """
        if self.nnps is None:
            raise DetectorError(
                f"detector {self.name!r} has no NNPS; give `flats`, or a detector file with an nnps_mm2 column"
            )
        if not LEAST_EXPOSURE_S <= exposure_s <= LONGEST_EXPOSURE_S:
            raise DetectorError(
                f"exposure is {exposure_s} s; it must be positive and finite, from {LEAST_EXPOSURE_S:g} to {LONGEST_EXPOSURE_S:g} s"
            )
        dose = exposure_s / self.nnps_exposure_s
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        inside = np.linspace(0, self.nyquist_lp_mm, 256)
        # area-weighted mean over the band = white level that holds the electronic share
        level = float((self.nnps(inside) * inside).sum() / inside.sum()) * self.electronic_fraction
        white = min(level, float(self.nnps(inside).min()))
        quantum = np.maximum(self.nnps(frequency) - white, 0.0)
        return quantum / dose, np.full(frequency.shape, white / dose**2)

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form: the detector file."""
        out: dict[str, Json] = {
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
        if self.mtf_along is not None:
            out |= {key: mtf.to_dict() for key, mtf in zip(DIRECTIONS, self.mtf_along, strict=True)}
        return out

    @property
    def anisotropy(self) -> float:
        """Relative difference of the frequencies where the MTFs of both directions fall below a half; 0 if not known."""
        across, down = (mtf.frequency_at(0.5) for mtf in self.along())
        return 0.0 if across is None or down is None else 2 * abs(across - down) / (across + down)

    def along(self) -> tuple[FrequencyCurve, FrequencyCurve]:
        """MTF along both axes; the radial one twice if only that is known."""
        return self.mtf_along or (self.mtf, self.mtf)

    def turned(self) -> Detector:
        """The detector turned by 90 degrees: what it does to an image that is turned with it; itself if it is radial."""
        return self if self.mtf_along is None else replace(self, mtf_along=self.mtf_along[::-1])

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> Detector:
        """Read the JSON form; unknown keys other than `measurement` are an error."""
        known = {
            "format", "version", "name", "description", "pixel_pitch_mm", "loading_mg_cm2",
            "mtf", "nnps_mm2", "nnps_exposure_s", "electronic_fraction", "measurement", *DIRECTIONS,
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
            along = [FrequencyCurve.from_dict(data[key]) for key in DIRECTIONS if key in data]
            if len(along) == 1:
                raise DetectorError(f"two directions need both keys, {' and '.join(DIRECTIONS)}")
            return cls(
                name=str(data["name"]),
                pixel_pitch_mm=float(data["pixel_pitch_mm"]),
                mtf=FrequencyCurve.from_dict(data["mtf"]),
                nnps=None if nnps is None else FrequencyCurve.from_dict(nnps),
                nnps_exposure_s=float(data.get("nnps_exposure_s", 1.0)),
                electronic_fraction=float(data.get("electronic_fraction", 0.0)),
                loading_mg_cm2=data.get("loading_mg_cm2"),
                description=str(data.get("description", "")),
                mtf_along=(along[0], along[1]) if along else None,
            )
        except (KeyError, TypeError, PhysicsError, ValueError) as problem:
            raise DetectorError(f"invalid detector file: {problem}") from problem


@dataclass(frozen=True)
class _Measured:
    """Plug-in of a detector that was measured: a JSON file of the folder."""

    found: Detector

    def detector(self, argument: str, pixel_pitch_mm: float | None) -> Detector:
        """Return the detector, whatever the pitch; it has no argument."""
        if argument:
            raise DetectorError(
                f"the detector {self.found.name!r} was measured; it takes no {argument!r} after its name"
            )
        return self.found


@lru_cache(maxsize=16)
def plugin_of(name: str, content: bytes) -> _Measured:
    """Plug-in of a detector file.

    Parameters
    ----------
    name : str
        Of the detector.
    content : bytes
        Of its JSON file.

    Returns
    -------
    object
        Offers ``detector(argument, pixel_pitch_mm)``, as a plug-in does; the same one for the same content, so that its curves
        cannot be written to.
    """
    found = Detector.from_dict(parse_json(content, f"{name}.json", DetectorError))
    for curve in (found.mtf, found.nnps, *(found.mtf_along or ())):
        for values in () if curve is None else (curve.frequency_lp_mm, curve.value, curve.low, curve.high):
            if values is not None:
                values.flags.writeable = False
    return _Measured(found)


def built_in_detectors() -> tuple[str, ...]:
    """Names of the measured detectors that come with coldray, sorted."""
    return data_names("detector")


def detector_of_pitch(source: str | Path | Detector, pixel_pitch_mm: float) -> Detector:
    """Load a detector whose pixels must be of a size; see `load_detector`.

    Parameters
    ----------
    source : str, Path or Detector
    pixel_pitch_mm : float
        Pitch of the model or table, or that the detector must have [mm].

    Returns
    -------
    Detector

    Raises
    ------
    SettingsError
        If its pixels have another pitch.
    """
    known = load_detector(source, pixel_pitch_mm=pixel_pitch_mm)
    if abs(known.pixel_pitch_mm / pixel_pitch_mm - 1) > PITCH_TOLERANCE:
        raise SettingsError(
            f"{known.name} has {known.pixel_pitch_mm * 1e3:.4g} um pixels; give `pixel_pitch_mm` of that size"
        )
    return known


def load_detector(source: str | Path | Detector, *, pixel_pitch_mm: float | None = None) -> Detector:
    """Load a detector by name, JSON file or table.

    Parameters
    ----------
    source : str, Path or Detector
        Name of a detector, such as ``gos34``, or of a model with its argument, such as ``phosphor:80`` (loading in mg/cm2);
        a detector JSON; or a table with the columns ``frequency_lp_mm,mtf[,mtf_low,mtf_high][,nnps_mm2]`` as text, see
        `tables.read_table`.
    pixel_pitch_mm : float, optional
        Pitch for a model or a table that states none [mm]; it overrides what a table states.

    Returns
    -------
    Detector

    Raises
    ------
    PitchError
        If a model or a table needs a pitch, and there is none.
    DetectorError
        If the name is unknown or the file invalid.

    Examples
    --------
    >>> from coldray import load_detector
    >>> load_detector("gos34").pixel_pitch_mm
    0.048
    >>> load_detector("phosphor:80", pixel_pitch_mm=0.1).loading_mg_cm2
    80.0
    """
    if isinstance(source, Detector):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise DetectorError(
            f"an object of type {type(source).__name__} is no detector; give a name, a file or a Detector"
        )
    text = os.fspath(source)
    kind, colon, argument = text.partition(":")
    if kind in (plugin_names("detector") if colon else data_names("detector")):
        if pixel_pitch_mm is None and kind not in data_names("detector"):
            raise PitchError(f"the detector model {text!r} needs a pixel pitch; give `pixel_pitch_mm`")
        found: Detector = plugin("detector", kind).detector(argument, pixel_pitch_mm)
        return found
    path = Path(text)
    if not is_file(path):
        models = (f"{name}:ARGUMENT" for name in plugin_names("detector") if name not in data_names("detector"))
        raise DetectorError(
            f"no detector {text!r}: not a file, and the known ones are {', '.join([*data_names('detector'), *models])}"
        )
    if path.stat().st_size > 16_000_000:
        raise DetectorError(f"{path.name}: over 16 MB, not a detector file")
    content = _text_of(path)
    try:
        if path.suffix.lower() == ".json" or content.lstrip().startswith("{"):
            found = Detector.from_dict(parse_json(content, path.name, DetectorError))
        else:
            found = _from_table(content, path.stem, pixel_pitch_mm)
        check_axis(found.name, found.mtf, found.pixel_pitch_mm)
    except PitchError as problem:
        raise PitchError(f"{path.name}: {problem}") from None
    except DetectorError as problem:
        named = str(problem).startswith(f"{path.name}:")
        raise DetectorError(str(problem) if named else f"{path.name}: {problem}") from None
    return found


def _from_table(content: str, name: str, pixel_pitch_mm: float | None) -> Detector:
    table = read_table(content)
    pitch = table.pixel_pitch_mm if pixel_pitch_mm is None else pixel_pitch_mm
    if pitch is None:
        raise PitchError("a table has no pixel pitch; give `pixel_pitch_mm` or an image that states it")
    try:
        mtf = table.curve("mtf")
        assert mtf is not None
        along = [curve for key in DIRECTIONS if (curve := table.curve(key)) is not None]
        both = (along[0], along[1]) if along else None
        return Detector(name, pitch, mtf, table.curve("nnps_mm2"), description="table", mtf_along=both)
    except DetectorError:
        raise
    except PhysicsError as problem:
        raise DetectorError(str(problem)) from None


def _text_of(path: Path) -> str:
    """Text of a detector file, in UTF-8 or with a mark in UTF-16 (a spreadsheet's "Unicode text")."""
    content = path.read_bytes()
    if content.startswith(b"PK\x03\x04"):
        raise DetectorError(f"{path.name}: a spreadsheet's workbook; save the table as 'CSV UTF-8'")
    try:
        return content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        raise DetectorError(f"{path.name}: not a text file; a detector is a JSON file or a CSV table") from None
