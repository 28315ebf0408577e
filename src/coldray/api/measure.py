"""Measurements of the front door: arrays, files or radiographs in, a `Measurement` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.api.inputs import Images, number_of, pitch_of, radiographs_of
from coldray.api.results import Measurement
from coldray.document import as_cell
from coldray.errors import MeasurementError
from coldray.radiograph import Radiograph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from coldray.physics.tables import Column
    from coldray.reports.measurements import Protocol

Roi = tuple[int, int, int, int]


def edge_mtf(
    image: Images,
    pixel_pitch_mm: float | None = None,
    roi: Roi | None = None,
    *,
    mask: NDArray[np.bool_] | None = None,
    half_length_mm: float | None = None,
) -> Measurement:
    """Measure the presampled MTF of a detector from one or several slanted edges.

    Parameters
    ----------
    image : ndarray (rows, cols), path, Radiograph, or a sequence of them
        Linear pixel values, corrected for offset, gain and bad pixels but not filtered.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the image states by default.
    roi : (x, y, width, height), optional
        Region [pixels] to look in; the whole image by default.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count; joined with what the files mark.
    half_length_mm : float, optional
        Largest distance from the edge to use [mm].

    Returns
    -------
    Measurement
        With ``frequency_lp_mm``, ``mtf``, ``mtf_low``, ``mtf_high`` (k = 2), ``mtf50_lp_mm``, ``angle_deg``, ``warnings``.

    Raises
    ------
    ImageError
        If `image` is no image.
    MetadataError
        If nothing states the pixel pitch.
    MeasurementError
        If there is no edge that can be measured.

    References
    ----------
    IEC 62220-1-1:2015, the procedure of the edge response.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> x = np.arange(200) - 99.3 - 0.05 * np.arange(200)[:, None]
    >>> edge = 0.2 + 0.6 / (1 + np.exp(-1.7 * x))
    >>> found = coldray.edge_mtf(edge, pixel_pitch_mm=0.1)
    >>> round(found.mtf50_lp_mm, 1)  # 2.177 times 1.7 over 2 pi squared, in cycles/pixel
    1.9
    """
    from coldray.metrology.edge.mtf import edge_mtf as measure
    from coldray.reports.figures import draw_mtf
    from coldray.reports.measurements import edge_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    found = measure(_one_or_all(images), pitch, roi, mask=mask, half_length_mm=half_length_mm)
    assert found.mtf.low is not None and found.mtf.high is not None
    table: Mapping[str, Column | float | None] = {
        "frequency_lp_mm": found.mtf.frequency_lp_mm,
        "mtf": found.mtf.value,
        "mtf_low": found.mtf.low,
        "mtf_high": found.mtf.high,
    }
    return _measurement(images, found, pitch, edge_protocol(found, pitch), lambda ax: draw_mtf(ax, found, pitch), table)


def flat_nnps(
    image: Images,
    pixel_pitch_mm: float | None = None,
    roi_size: int = 256,
    *,
    roi: Roi | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Measurement:
    """Measure the normalised noise power spectrum of flat fields.

    Parameters
    ----------
    image : ndarray (rows, cols) or (frames, rows, cols), path, Radiograph, or a sequence of them
        Flat fields of one exposure, corrected for offset and gain.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the image states by default.
    roi_size : int
        Side of the analysed squares [pixels], even.
    roi : (x, y, width, height), optional
        Region [pixels] to measure in; the whole image by default.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    Measurement
        With ``frequency_lp_mm``, ``nnps_mm2``, ``relative_sd``, ``mean_signal``, ``radial``, ``temporal``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If `image` is no image, its pitch is not known, or it is too small.

    References
    ----------
    IEC 62220-1-1:2015.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> flats = np.random.default_rng(0).normal(1000, 10, (4, 320, 320))
    >>> found = coldray.flat_nnps(flats, pixel_pitch_mm=0.1)
    >>> round(float(found.nnps_mm2.mean()) / (0.01 * 0.1) ** 2, 1)  # white: relative variance times the pixel's area
    1.0
    """
    from coldray.metrology.inputs import crop, crop_mask
    from coldray.metrology.noise import flat_nnps as measure
    from coldray.reports.figures import draw_nnps
    from coldray.reports.measurements import flat_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    masked = [image.with_mask(None if mask is None else np.asarray(mask)) for image in images]
    regions = [image.with_pixels(crop(image.pixels, roi)).with_mask(crop_mask(image.mask, roi)) for image in masked]
    found = measure(regions, pitch, roi_size)
    table: Mapping[str, Column | float | None] = {
        "frequency_lp_mm": found.nnps.frequency_lp_mm,
        "nnps_mm2": found.nnps.value,
        "relative_sd": found.relative_sd,
    }
    return _measurement(images, found, pitch, flat_protocol(found), lambda ax: draw_nnps(ax, found), table)


def bars_ctf(
    image: Images,
    pixel_pitch_mm: float | None = None,
    roi: Sequence[Roi] | Roi | None = None,
    *,
    plateau: tuple[float, float] | None = None,
) -> Measurement:
    """Measure the contrast transfer of every bar group in an image.

    Parameters
    ----------
    image : ndarray (rows, cols), path or Radiograph
        Linear intensities.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the image states by default.
    roi : (x, y, width, height) or a sequence of them, optional
        One region is searched for groups, several hold one group each [pixels].
    plateau : tuple of float, optional
        Levels of a wide bar and a wide space.

    Returns
    -------
    Measurement
        With ``frequency_lp_mm``, ``ctf``, ``ctf_low``, ``ctf_high``, ``groups``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If `image` is no image, its pitch is not known, or there are no bars.

    References
    ----------
    Coltman, J. Opt. Soc. Am. 44, 468 (1954).
    """
    from coldray.metrology.bars.ctf import bars_ctf as measure
    from coldray.reports.figures import draw_ctf
    from coldray.reports.measurements import bars_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    found = measure(_one(images), pitch, roi, plateau=plateau)
    table: Mapping[str, Column | float | None] = {
        "frequency_lp_mm": [g.frequency_lp_mm for g in found.groups],
        "ctf": [g.ctf for g in found.groups],
        "ctf_low": [g.ctf_low for g in found.groups],
        "ctf_high": [g.ctf_high for g in found.groups],
    }
    return _measurement(images, found, pitch, bars_protocol(found, pitch), lambda ax: draw_ctf(ax, found, pitch), table)


def duplex_isrb(
    image: Images, pixel_pitch_mm: float | None = None, roi: Roi | None = None, *, first_element: int | None = None
) -> Measurement:
    """Measure the dips of a duplex-wire indicator, SRb and iSRb.

    Parameters
    ----------
    image : ndarray (rows, cols), path or Radiograph
        Linear intensities; wires within 8 degrees of rows or columns.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the image states by default.
    roi : (x, y, width, height), optional
        Region with the indicator [pixels]; the whole image by default.
    first_element : int, optional
        Number of the coarsest pair in the region; by default the pair whose spacing fits best.

    Returns
    -------
    Measurement
        With ``element``, ``spacing_mm``, ``dip_percent``, ``isrb_mm``, ``srb_mm``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If `image` is no image, its pitch is not known, or there are no wires.

    References
    ----------
    ISO 19232-5; ASTM E2002.
    """
    from coldray.metrology.duplex.isrb import duplex_isrb as measure
    from coldray.reports.measurements import duplex_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    found = measure(_one(images), pitch, roi, first_element=first_element)
    spacings, dips = [p.spacing_mm for p in found.pairs], [p.dip_percent for p in found.pairs]
    names = [f"{p.element}D" for p in found.pairs]
    table: Mapping[str, Column] = {"element": names, "spacing_mm": spacings, "dip_percent": dips}

    def draw(ax: Axes) -> None:
        ax.plot(spacings, dips, "o-")
        ax.axhline(20, ls="--", lw=0.8, color="0.5")
        ax.set(xscale="log", xlabel="wire = gap [mm]", ylabel="dip [%]")

    return _measurement(images, found, pitch, duplex_protocol(found, pitch), draw, table)


def snr(
    image: Images,
    roi: Roi | None = None,
    background_roi: Roi | None = None,
    *,
    srb_um: float | None = None,
    recess_percent: float | None = None,
) -> Measurement:
    """Measure SNR in one region, SNR_N, and CNR against another region.

    Parameters
    ----------
    image : ndarray (rows, cols) or (frames, rows, cols), path, Radiograph, or a sequence of them
        Linear intensities.
    roi, background_roi : (x, y, width, height), optional
        Regions [pixels]; the whole image is the signal by default.
    srb_um : float, optional
        Basic spatial resolution [um], for SNR_N.
    recess_percent : float, optional
        Depth of a recess (`roi`) in percent of the thickness around it (`background_roi`).

    Returns
    -------
    Measurement
        With ``mean``, ``sd``, ``snr``, ``snr_n``, ``cnr``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If `image` is no image, a number is not positive, or a region leaves the image.

    References
    ----------
    ISO 17636-2; ASTM E2597.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> image = np.random.default_rng(0).normal(1000, 10, (200, 200))
    >>> round(coldray.snr(image, (20, 20, 100, 100)).snr / 100, 1)
    1.0
    """
    from coldray.metrology.contrast import contrast
    from coldray.metrology.inputs import pages
    from coldray.reports.measurements import snr_protocol

    images = radiographs_of(image)
    srb = None if srb_um is None else number_of(srb_um, "srb_um", "um")
    recess = None if recess_percent is None else number_of(recess_percent, "recess_percent", "%")
    found = contrast(images, roi, background_roi, srb_um=srb, recess_percent=recess)
    content = found.to_json()
    table = {name: as_cell(value) for name, value in content.items() if name != "warnings"}
    protocol = snr_protocol(found, pages(images)[0], (roi, background_roi))

    def draw(ax: Axes) -> None:
        shown = {"SNR": found.signal.snr, "SNR_N": found.snr_n, "CNR": found.cnr}
        kept = {label: value for label, value in shown.items() if value is not None}
        ax.bar(list(kept), list(kept.values()))

    return Measurement(found, images[0].acquisition.pixel_pitch_mm, protocol, draw, table, _warnings(images, found))


def neq_dqe(mtf: Any, nnps: Any, *, air_kerma_ugy: float | None = None, beam_quality: str | None = None) -> Measurement:
    """NEQ, and DQE where the beam is known.

    Parameters
    ----------
    mtf : Measurement of `edge_mtf`, or FrequencyCurve
        Presampled MTF.
    nnps : Measurement of `flat_nnps`, or FrequencyCurve
        Noise at the same exposure, in the same linear units [mm2].
    air_kerma_ugy : float, optional
        Air kerma at the detector [uGy].
    beam_quality : str, optional
        RQA3, RQA5, RQA7, RQA9 or W70kV.

    Returns
    -------
    Measurement
        With ``frequency_lp_mm``, ``neq_per_mm2``, ``dqe``, ``warnings``.

    Raises
    ------
    MetadataError, MeasurementError
        If a number is not positive, an argument is no such measurement, or the beam is not known.

    References
    ----------
    IEC 62220-1-1:2015.

    Examples
    --------
    >>> import numpy as np, coldray
    >>> f = np.linspace(0, 5, 51)
    >>> mtf, nnps = coldray.FrequencyCurve(f, np.exp(-f / 3)), coldray.FrequencyCurve(f, np.full(51, 1e-6))
    >>> round(float(coldray.neq_dqe(mtf, nnps).curve(3.0)))  # MTF^2 / NNPS = exp(-2) / 1e-6
    135335
    """
    from coldray.metrology.dqe import neq_dqe as measure
    from coldray.physics.curves import FrequencyCurve
    from coldray.reports.figures import draw_dqe
    from coldray.reports.measurements import dqe_protocol

    curve = mtf.curve if isinstance(mtf, Measurement) else mtf
    noise = nnps.found if isinstance(nnps, Measurement) else nnps
    if not isinstance(curve, FrequencyCurve):
        raise MeasurementError(f"mtf is of type {type(mtf).__name__}; give what edge_mtf returns, or a FrequencyCurve")
    if not (isinstance(noise, FrequencyCurve) or hasattr(noise, "nnps")):
        raise MeasurementError(
            f"nnps is of type {type(nnps).__name__}; give what flat_nnps returns, or a FrequencyCurve"
        )
    kerma = None if air_kerma_ugy is None else number_of(air_kerma_ugy, "air_kerma_ugy", "uGy")
    found = measure(curve, noise, air_kerma_ugy=kerma, beam_quality=beam_quality)
    table: dict[str, Column] = {"frequency_lp_mm": found.neq.frequency_lp_mm, "neq_per_mm2": found.neq.value}
    if found.dqe is not None:
        table["dqe"] = found.dqe.value
    pitch = nnps.pixel_pitch_mm if isinstance(nnps, Measurement) else 0.5 / found.neq.frequency_lp_mm[-1]
    return Measurement(found, pitch, dqe_protocol(found), lambda ax: draw_dqe(ax, found), table, found.warnings)


def _measurement(
    images: list[Radiograph],
    found: Any,
    pitch: float,
    protocol: Protocol,
    draw: Callable[[Axes], None],
    table: Mapping[str, Column | float | None],
) -> Measurement:
    return Measurement(found, pitch, protocol, draw, table, _warnings(images, found))


def _warnings(images: list[Radiograph], found: Any) -> tuple[str, ...]:
    """What was noted while reading, and what the measurement warns of."""
    from coldray.formats import reading_notes

    return tuple(dict.fromkeys([*(note for image in images for note in reading_notes(image)), *found.warnings]))


def _one(images: list[Radiograph]) -> Radiograph:
    if len(images) > 1:
        raise MeasurementError(f"{len(images)} images were given; this measurement takes one")
    return images[0]


def _one_or_all(images: list[Radiograph]) -> Radiograph | list[Radiograph]:
    return images[0] if len(images) == 1 else images
