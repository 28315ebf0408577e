"""`characterise`: edges, flat fields and bar patterns in, a detector out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldray.api.inputs import Images, number_of, pitch_of, radiographs_of, text_of
from coldray.api.results import Result
from coldray.document import Json
from coldray.errors import SettingsError
from coldray.metrology.detector import DetectorMeasurement
from coldray.physics.detector import Detector
from coldray.reports.measurements import detector_protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from coldray.physics.tables import Column


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredDetector(Result, Detector):
    """A detector that was measured; it goes wherever a `Detector` goes, and shows what it rests on.

    Parameters
    ----------
    measured : DetectorMeasurement
        Edge, flats, bars, NEQ or DQE, noise budget.
    warnings : tuple of str
    """

    measured: DetectorMeasurement = field(kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    @classmethod
    def of(cls, measured: DetectorMeasurement, warnings: Sequence[str]) -> MeasuredDetector:
        """Detector of a measurement."""
        known = {one.name: getattr(measured.detector, one.name) for one in fields(Detector)}
        return cls(**known, measured=measured, warnings=tuple(warnings))

    @property
    def _title(self) -> str:  # type: ignore[override]
        return f"Detector {self.name}"

    def facts(self) -> Sequence[tuple[str, str]]:
        """Pitch, MTF, noise, NEQ or DQE."""
        return detector_protocol(self.measured).rows

    def columns(self) -> Mapping[str, Column]:
        """MTF with its band and NNPS over frequency: a table that `restore` takes for the detector."""
        frequency = self.mtf.frequency_lp_mm
        assert self.mtf.low is not None and self.mtf.high is not None and self.nnps is not None
        return {
            "frequency_lp_mm": frequency,
            "mtf": self.mtf.value,
            "mtf_low": self.mtf.low,
            "mtf_high": self.mtf.high,
            "nnps_mm2": self.nnps(frequency),
        }

    def to_dict(self) -> dict[str, Json]:
        """Content of a detector file, with the measurements it rests on."""
        measurement = self.measured.to_json() | {"warnings": list(self.warnings)}
        return Detector.to_dict(self) | {"measurement": measurement}

    def _draw(self, ax: Axes) -> None:
        from coldray.reports.figures import draw_mtf

        draw_mtf(ax, self.measured.edge, self.pixel_pitch_mm)


def characterise(
    edges: Images,
    flats: Images,
    pixel_pitch_mm: float | None = None,
    *,
    name: str = "detector",
    bars: Images | None = None,
    roi: tuple[int, int, int, int] | None = None,
    mask: NDArray[np.bool_] | None = None,
    exposure_s: float | None = None,
    air_kerma_ugy: float | None = None,
    beam_quality: str | None = None,
    edition: str = "2015",
    loading_mg_cm2: float | None = None,
    description: str | None = None,
) -> MeasuredDetector:
    """Measure a detector: MTF, NNPS, NEQ or DQE, and the electronic share of its noise.

    Parameters
    ----------
    edges : ndarray, path, Radiograph, or a sequence of them
        Slanted edges, linear and corrected. Upright and lying edges together give two directions.
    flats : ndarray, path, Radiograph, or a sequence of them
        Flat fields of one exposure or several; the brightest give the NNPS, three exposures the electronic share.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the images state by default.
    name : str
        Of the detector.
    bars : ndarray, path, Radiograph, or a sequence of them, optional
        Bar patterns, compared with the edges.
    roi : (x, y, width, height), optional
        Region of the edge [pixels].
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count; joined with what the files mark.
    exposure_s : float, optional
        Of one of the brightest flats [s]; what they state by default, else 1.
    air_kerma_ugy : float, optional
        Air kerma at the detector for one of the brightest flats [uGy], for a DQE; what they state by default.
    beam_quality : str, optional
        RQA3, RQA5, RQA7, RQA9 or W70kV, for a DQE.
    edition : {"2015", "2003"}
        Of the RQA table.
    loading_mg_cm2 : float, optional
        Phosphor loading [mg/cm2], for the record.
    description : str, optional
        Where the curves come from; how many images were measured by default.

    Returns
    -------
    MeasuredDetector
        A `Detector` for `restore`; ``to_dict()`` is the content of a detector file, `measured` what it rests on.

    Raises
    ------
    ImageError
        If an image is none.
    MetadataError
        If nothing states the pixel pitch, or a number is not positive.
    MeasurementError
        If an edge, a flat or a bar pattern cannot be measured.
    SettingsError
        If there is no such beam, or it comes without an air kerma or the other way round.

    References
    ----------
    IEC 62220-1-1:2015.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> x = np.arange(200) - 99.3 - 0.05 * np.arange(200)[:, None]
    >>> edge = 0.2 + 0.6 / (1 + np.exp(-1.7 * x))
    >>> flats = np.random.default_rng(0).normal(0.8, 0.008, (4, 320, 320))
    >>> thick = coldray.characterise(edge, flats, 0.1, name="thick", exposure_s=0.25)
    >>> round(thick.mtf.frequency_at(0.5), 1), thick.electronic_fraction
    (1.9, 0.0)
    """
    from coldray.formats import reading_notes
    from coldray.metrology.detector import characterise as measure

    if not text_of(name, "name").strip() or not name.isprintable():
        raise SettingsError(f"`name` is {name!r}; a printable text is needed")
    stated = {
        "exposure_s": (exposure_s, "s"),
        "air_kerma_ugy": (air_kerma_ugy, "uGy"),
        "loading_mg_cm2": (loading_mg_cm2, "mg/cm2"),
    }
    numbers = {key: None if value is None else number_of(value, key, unit) for key, (value, unit) in stated.items()}
    whole = None if mask is None else np.asarray(mask)
    groups = [
        [image.with_mask(whole) for image in ([] if images is None else radiographs_of(images, role))]
        for role, images in (("edges", edges), ("flats", flats), ("bars", bars))
    ]
    images = [image for group in groups for image in group]
    pitch = pitch_of(images, pixel_pitch_mm)
    found = measure(
        groups[0],
        groups[1],
        pitch,
        name=name,
        bars=groups[2],
        roi=roi,
        beam_quality=None if beam_quality is None else text_of(beam_quality, "beam_quality"),
        edition=text_of(edition, "edition"),
        description=description,
        **numbers,
    )
    notes = (note for image in images for note in reading_notes(image))
    return MeasuredDetector.of(found, tuple(dict.fromkeys([*notes, *found.warnings])))
