"""The first page of a detector's sheet, the task transfer of a restorer, and blur without a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldray.api.inputs import Image, Images, number_of, pitch_of, radiographs_of
from coldray.api.results import Measurement
from coldray.errors import MeasurementError
from coldray.physics.curves import FrequencyCurve
from coldray.radiograph import Radiograph

if TYPE_CHECKING:
    from coldray.physics.tables import Column

Roi = tuple[int, int, int, int]


def linearity(image: Sequence[Image], exposure: Sequence[float]) -> Measurement:
    """Measure how straight the signal of a detector follows the exposure.

    Parameters
    ----------
    image : sequence of ndarray, path or Radiograph
        Flats, one for each exposure; several frames of one are averaged.
    exposure : sequence of float
        Of each, in any one unit.

    Returns
    -------
    Measurement
        With ``slope``, ``intercept``, ``r_squared``, ``largest_deviation``, ``deviation``, ``warnings``.

    Raises
    ------
    ImageError, MeasurementError
        If an entry is no image, or fewer than three different exposures are given.

    References
    ----------
    IEC 62220-1-1:2015, conversion function.
    """
    from coldray.metrology.linearity import linearity as measure
    from coldray.reports.first_page import draw_linearity, linearity_protocol

    images = radiographs_of(image)
    found = measure(images, [number_of(value, "exposure", "one unit") for value in exposure])
    table: Mapping[str, Column] = {"exposure": found.exposure, "signal": found.signal, "deviation": found.deviation}
    return Measurement(
        found, images[0].acquisition.pixel_pitch_mm, linearity_protocol(found), lambda ax: draw_linearity(ax, found),
        table, found.warnings,
    )  # fmt: skip


def uniformity(
    image: Images,
    pixel_pitch_mm: float | None = None,
    *,
    tile_mm: float = 10.0,
    mask: NDArray[np.bool_] | None = None,
) -> Measurement:
    """Map signal and SNR of flats over the panel.

    Parameters
    ----------
    image : ndarray (rows, cols) or (frames, rows, cols), path, Radiograph, or a sequence of them
        Corrected flats of one exposure.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the image states by default.
    tile_mm : float
        Side of the tiles [mm].
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    Measurement
        With ``signal``, ``snr``, ``signal_global``, ``signal_local``, ``snr_global``, ``snr_local``, ``snr_smallest``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If `image` is no image, its pitch is not known, or it is too small.

    References
    ----------
    AAPM Report 150, as literature describes it.
    """
    from coldray.metrology.uniformity import uniformity as measure
    from coldray.reports.first_page import draw_tiles, uniformity_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    found = measure(images, pitch, tile_mm=number_of(tile_mm, "tile_mm", "mm"), mask=mask)
    rows, cols = np.indices(found.signal.shape)
    table: Mapping[str, Column] = {
        "tile_row": rows.ravel(), "tile_column": cols.ravel(), "signal": found.signal.ravel(), "snr": found.snr.ravel()
    }  # fmt: skip
    return Measurement(
        found, pitch, uniformity_protocol(found, pitch), lambda ax: draw_tiles(ax, found.signal, "signal"), table,
        found.warnings,
    )  # fmt: skip


def wire_iqi(
    image: Images, pixel_pitch_mm: float | None = None, roi: Roi | None = None, *, first_wire: int
) -> Measurement:
    """Measure the CNR of every wire of a wire indicator, and the finest that is visible.

    Parameters
    ----------
    image : ndarray (rows, cols), path or Radiograph
        Linear intensities; wires within 15 degrees of rows or columns.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the image states by default.
    roi : (x, y, width, height), optional
        Region with the wires [pixels]; the whole image by default.
    first_wire : {1, 6, 10, 13}
        Coarsest wire of the indicator.

    Returns
    -------
    Measurement
        With ``wires``, ``finest``, ``spacing_mm``, ``angle_deg``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If `image` is no image, its pitch is not known, or seven wires do not fit.

    References
    ----------
    ISO 19232-1 (recalled).
    """
    from coldray.metrology.wire_iqi import wire_iqi as measure
    from coldray.reports.first_page import draw_wires, iqi_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    if len(images) > 1:
        raise MeasurementError(f"{len(images)} images were given; this measurement takes one")
    found = measure(images[0], pitch, roi, first_wire=first_wire)
    table: Mapping[str, Column] = {
        "wire": [f"W{w.number}" for w in found.wires],
        "diameter_mm": [w.diameter_mm for w in found.wires],
        "contrast": [w.contrast for w in found.wires],
        "cnr": [w.cnr for w in found.wires],
    }
    return Measurement(found, pitch, iqi_protocol(found), lambda ax: draw_wires(ax, found), table, found.warnings)


def task_transfer(
    image: Images,
    pixel_pitch_mm: float | None = None,
    roi: Roi | None = None,
    *,
    contrast: float,
    air_kerma_ugy: float | None = None,
) -> Measurement:
    """Measure the task transfer of a restorer from repeats of one edge.

    Parameters
    ----------
    image : ndarray (frames, rows, cols), or a sequence of ndarray, path or Radiograph
        Two or more restored acquisitions of one edge that differ in their noise alone.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the images state by default.
    roi : (x, y, width, height), optional
        Region [pixels]; the whole image by default.
    contrast : float
        (bright - dark) / bright of the edge before the detector.
    air_kerma_ugy : float, optional
        Air kerma of one image [uGy].

    Returns
    -------
    Measurement
        With ``ttf``, ``ttf50_lp_mm``, ``contrast_kept``, ``response``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If there are no repeats of one shape, no pitch, or no edge.

    References
    ----------
    AAPM Report 233 (2019).
    """
    from coldray.metrology.transfer import task_transfer as measure
    from coldray.reports.first_page import draw_ttf, ttf_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    kerma = None if air_kerma_ugy is None else number_of(air_kerma_ugy, "air_kerma_ugy", "uGy")
    found = measure(_frames(images), pitch, contrast=contrast, air_kerma_ugy=kerma, roi=roi)
    curve, response = found.ttf, found.response
    assert curve.low is not None and curve.high is not None
    table: Mapping[str, Column | None] = {
        "frequency_lp_mm": curve.frequency_lp_mm, "ttf": curve.value, "ttf_low": curve.low, "ttf_high": curve.high,
        "response": response.value,
    }  # fmt: skip
    return Measurement(found, pitch, ttf_protocol(found, pitch), lambda ax: draw_ttf(ax, found), table, found.warnings)


def noise_mtf(
    image: Images, pixel_pitch_mm: float | None = None, *, stated: FrequencyCurve | None = None
) -> Measurement:
    """Measure the blur of a detector from the noise of repeated flats, without a target.

    Parameters
    ----------
    image : ndarray (frames, rows, cols), path, Radiograph, or a sequence of them
        Two or more flats of each exposure, corrected but not filtered; exposures are told apart by their mean.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the images state by default.
    stated : FrequencyCurve, optional
        MTF that a table states, to be compared.

    Returns
    -------
    Measurement
        With ``mtf``, ``white_share``, ``levels``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If `image` is no image, its pitch is not known, or an exposure has one frame.

    References
    ----------
    Kuhls-Gilcrist et al., Med. Phys. 37 (2010) 724.
    """
    from coldray.metrology.inputs import by_level, pages
    from coldray.metrology.noise_mtf import noise_mtf as measure
    from coldray.reports.first_page import draw_band, noise_mtf_protocol

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    found = measure(by_level(pages(images)), pitch, stated=stated)
    curve = found.mtf
    table: Mapping[str, Column | None] = {
        "frequency_lp_mm": curve.frequency_lp_mm, "noise_mtf": curve.value, "noise_mtf_low": curve.low,
        "noise_mtf_high": curve.high,
    }  # fmt: skip
    return Measurement(
        found, pitch, noise_mtf_protocol(found, stated), lambda ax: draw_band(ax, curve, "noise transfer", stated), table,
        found.warnings,
    )  # fmt: skip


def separate_blurs(
    image: Sequence[Image], magnification: Sequence[float], pixel_pitch_mm: float | None = None
) -> Measurement:
    """Tell the blur of the focal spot from that of the detector, by edges at two or more distances.

    Parameters
    ----------
    image : sequence of ndarray, path or Radiograph
        One edge for each distance.
    magnification : sequence of float
        Source-detector over source-edge distance of each.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; what the images state by default.

    Returns
    -------
    Measurement
        With ``spot_mm``, ``spot_low_mm``, ``spot_high_mm``, ``shape``, ``detector_mtf``, ``warnings``.

    Raises
    ------
    ImageError, MetadataError, MeasurementError
        If an entry is no image or shows no edge, the pitch is not known, or the magnifications are too alike.
    """
    from coldray.metrology.blurs import separate_blurs as measure
    from coldray.metrology.edge.mtf import edge_mtf
    from coldray.reports.first_page import blurs_protocol, draw_band

    images = radiographs_of(image)
    pitch = pitch_of(images, pixel_pitch_mm)
    edges = [edge_mtf(one, pitch) for one in images]
    found = measure([edge.mtf for edge in edges], [number_of(m, "magnification", "ratio") for m in magnification])
    found = replace(
        found, warnings=tuple(dict.fromkeys([*found.warnings, *(w for edge in edges for w in edge.warnings)]))
    )
    curve = found.detector_mtf
    table: Mapping[str, Column | None] = {
        "frequency_lp_mm": curve.frequency_lp_mm, "detector_mtf": curve.value, "detector_mtf_low": curve.low,
        "detector_mtf_high": curve.high,
    }  # fmt: skip
    return Measurement(
        found, pitch, blurs_protocol(found), lambda ax: draw_band(ax, curve, "detector"), table, found.warnings
    )


def _frames(images: Sequence[Radiograph]) -> list[NDArray[np.number]]:
    """Every page as a frame, all of one shape."""
    pages = [page for image in images for page in ([image.pixels] if image.pixels.ndim == 2 else list(image.pixels))]
    shapes = sorted({page.shape for page in pages})
    if len(shapes) > 1:
        raise MeasurementError(f"repeats of one edge have one shape; found {shapes}")
    return pages
