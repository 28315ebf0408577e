"""The certificate as data and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.document import Json
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.certificate.limits import POWER, Detectable, detectable
from coldray.restoration.certificate.residual import LEAST_GAIN, band_mean, tile_frequency
from coldray.restoration.certificate.tiles import BAND_EDGES, BANDS, TILE_PX
from coldray.words import percent

CONSISTENT, LOCAL, CONTRADICTED, UNTESTABLE, LINEAR = (
    "consistent", "contradicted in places", "contradicted", "not testable", "linear",
)  # fmt: skip
NOT_JUDGED = "not judged"
NOT_JUDGED_SUMMARY: Mapping[str, Json] = {
    "verdict": NOT_JUDGED,
    "statement": "Nothing is said of this result: no certificate was asked for.",
    "bands": (),
    "places": (),
    "place_count": 0,
}
"""In place of `summary` where no certificate was made."""
MUCH_OF_THE_IMAGE = 0.25
"""Marked share beyond which the forward model is doubted before the result."""
PLACES_LISTED = 20
LENIENT, VOID = 0.5, 0.1
"""Share of the stated noise power found in the image below which the test is called lenient, and below which it is void."""
STRIDE_PX = 4
"""Raster on which marked places are joined [pixels]."""
ONE_SIDED_Z = 4.0
LEAST_SHIFT = 1e-7
"""Shift of the mean [fraction of the open beam] that single precision cannot tell from none: less is told as 0."""


def summary(certificate: Certificate) -> dict[str, Json]:
    """Return the certificate as JSON-able data.

    Parameters
    ----------
    certificate : Certificate

    Returns
    -------
    dict
        ``verdict`` (one of the five words above), ``statement`` (the same in sentences, with its limits), the numbers behind
        both, ``bands`` and ``places``. Lengths in mm, frequencies in lp/mm, contrasts as fractions of the open beam.
    """
    limits = detectable(certificate)
    residual = certificate.residual
    places, count = marked_places(certificate)
    verdict = verdict_of(certificate)
    prior_share = residual.prior_energy / max(residual.contrast_energy, 1e-30)
    unverifiable = residual.unverifiable_energy / residual.prior_energy if residual.prior_energy > 1e-12 else 0.0
    numbers: dict[str, Json] = {
        "verdict": verdict,
        "residual_over_noise": _round(residual.residual_over_noise),
        "noise_found": _round(residual.noise_found),
        "mean_shift": _shift(certificate.mean_shift),
        "tests": certificate.tests,
        "false_alarm_chance": certificate.level,
        "marked_share": _round(certificate.marked_share),
        "excluded_share": _round(certificate.excluded_share),
        "linear_share": _round(certificate.linear_share),
        "model_error": {"transfer": certificate.model_error.transfer, "noise": certificate.model_error.noise},
        "tile_mm": _round(TILE_PX * certificate.frame.pair.pixel_pitch_mm),
        "bands": _bands(certificate),
        "detectable": [
            {
                "diameter_mm": _round(d.diameter_mm),
                "contrast": _finite(d.contrast),
                "cnr": _finite(d.cnr),
                "power": POWER,
            }
            for d in limits
        ],
        "verifiable_to_lp_mm": _round(residual.verifiable_lp_mm),
        "prior_share": _round(prior_share),
        "unverifiable_share_of_prior": _round(unverifiable),
        "place_count": count,
        "places": places,
    }
    return {"verdict": verdict, "statement": " ".join(statement(certificate, numbers, limits)), **numbers}


def verdict_of(certificate: Certificate) -> str:
    """One of the five words above."""
    if certificate.tests == 0:
        tiles = certificate.levels[0].found.degrees
        return LINEAR if certificate.linear_share > 0 and not tiles.any() else UNTESTABLE
    if certificate.marked_share == 0:
        return UNTESTABLE if certificate.residual.noise_found < VOID else CONSISTENT
    return LOCAL if certificate.marked_share < MUCH_OF_THE_IMAGE else CONTRADICTED


def statement(certificate: Certificate, numbers: dict[str, Any], limits: list[Detectable]) -> list[str]:
    """Return the verdict in sentences: what was found, what could have been, what cannot be said.

    Parameters
    ----------
    certificate : Certificate
    numbers : dict
        The certificate as data.
    limits : list of Detectable
        The faintest faults that would have been found.

    Returns
    -------
    list of str
    """
    out: list[str] = []
    if numbers["verdict"] == LINEAR:
        out.append(
            f"{percent(certificate.linear_share)} of this picture is a fixed linear filter of the measurement: no network enters it, and there is "
            "nothing to certify."
        )
        return out
    if certificate.tests == 0:
        out.append(
            "Nothing could be tested: no tile of the image was measured, or the method ties every band to the data."
        )
        return out
    if numbers["verdict"] == UNTESTABLE:
        out.append(
            f"Nothing can be said: the image holds {certificate.residual.noise_found:.2g} times the stated noise power, so it is not of the "
            "stated exposure or detector, or was filtered. Give the right exposure, open beam or flat fields."
        )
        return out
    out += _found_in_words(certificate, numbers)
    if numbers["verdict"] != CONTRADICTED:
        out.append(_limits_in_words(limits))
    found = certificate.residual.noise_found
    if found < LENIENT:
        out.append(
            f"The quiet parts of the image hold only {found:.2g} times the stated noise power: the noise is "
            "overstated, or the image was filtered, and this test is lenient."
        )
    out.append(
        f"Above {numbers['verifiable_to_lp_mm']:.3g} lp/mm the noise outweighs the contrast of ordinary objects, and this "
        f"measurement can confirm little: {percent(numbers['unverifiable_share_of_prior'])} of the prior part lies there; the "
        f"prior part is {percent(numbers['prior_share'])} of the result's contrast energy."
    )
    if certificate.linear_share > 0:
        out.append(
            f"{percent(certificate.linear_share)} of this picture is a fixed linear filter of the measurement: no network enters there, and there is "
            "nothing to certify."
        )
    if certificate.excluded_share > 0:
        out.append(f"{percent(certificate.excluded_share)} of the tiles hold saturated pixels and were not tested.")
    untested = [b for b in numbers["bands"] if b["status"] != "tested"]
    if untested:
        listed = ", ".join(f"{b['low_lp_mm']:.3g} to {b['high_lp_mm']:.3g}" for b in untested)
        out.append(f"Not testable, because the method itself ties it to the data: {listed} lp/mm.")
    error = certificate.model_error
    out.append(
        f"Errors of up to {percent(error.transfer)} in the MTF ratio and {percent(error.noise)} in the noise power are "
        "allowed for. Agreement does not prove a detail true; it says that the data do not refute it."
    )
    return out


def _found_in_words(certificate: Certificate, numbers: Mapping[str, Json]) -> list[str]:
    """What the tests found."""
    if numbers["verdict"] == CONSISTENT:
        return [
            f"The measurement does not contradict this result: no mark in {certificate.tests} tests "
            f"(a result without fault gets one with a chance of at most {100 * certificate.level:.3g} %)."
        ]
    count = numbers["place_count"]
    found = [
        f"The measurement contradicts this result in {count} place{'s' if count != 1 else ''} ({percent(certificate.marked_share)} of the image): "
        "the result shows structure there that the data deny, or lacks structure that they hold. "
        "Judge these places on the original."
    ]
    if numbers["verdict"] == CONTRADICTED:
        found.append(
            "So large a share rather means that the stated detectors, exposure or open beam do not fit the image: check them first."
        )
    return found


def _limits_in_words(limits: list[Detectable]) -> str:
    seen = [d for d in limits if np.isfinite(d.contrast)]
    if not seen:
        return f"No false or missing disc of any contrast would be found with {100 * POWER:.0f} % chance in this image."
    listed = "; ".join(
        f"{percent(d.contrast)} of the open beam (CNR {d.cnr:.2g}) at {d.diameter_mm:.2g} mm" for d in seen
    )
    return (
        f"At the mean signal, a false or missing disc is found with {100 * POWER:.0f} % chance from a contrast of {listed}; "
        "fainter ones may go unnoticed."
    )


def _bands(certificate: Certificate) -> list[dict[str, Json]]:
    """One entry per radial band: limits, status, what was found, what a linear estimate would leave."""
    frame = certificate.frame
    frequency, place = tile_frequency(frame)
    noise = frame.noise.power(frequency, frame.mean_signal)
    blurred = certificate.degradation.transfer(frequency, 1.0) ** 2 * frame.contrast_power(frequency)
    linear = band_mean(noise / (blurred + noise), place)
    gain = band_mean(np.abs(certificate.gain(frequency)), place)
    fine = certificate.levels[0]
    pitch = frame.pair.pixel_pitch_mm
    out: list[dict[str, Json]] = []
    for band in range(BANDS):
        degrees = fine.found.degrees[band].sum()
        marks = sum(int(np.count_nonzero(t.chance[band] <= certificate.level)) for t in certificate.levels)
        low, high = _band_edges(band)
        entry: dict[str, Json] = {
            "low_lp_mm": _round(low / pitch),
            "high_lp_mm": _round(high / pitch),
            "status": "tested" if certificate.tested[band] else f"not testable (gain below {LEAST_GAIN:g})",
            "method_gain": _round(float(gain[band])),
            "found_over_noise": _round(float(fine.found.energy[band].sum() / degrees)) if degrees else None,
            "linear_estimate_over_noise": _round(float(linear[band])),
            "allowed_over_noise": _round(float(1 + fine.allowed[band].sum() / degrees)) if degrees else None,
            "marked_tiles": marks,
        }
        out.append(entry)
    return out


def _band_edges(band: int) -> tuple[float, float]:
    """Edges of a band [cycles/pixel], the last one at the diagonal Nyquist frequency."""
    return BAND_EDGES[band], min(BAND_EDGES[band + 1], float(np.sqrt(0.5)))


def marked_places(certificate: Certificate) -> tuple[list[dict[str, Json]], int]:
    """Connected marked regions, the strongest first, and how many there are.

    Returns
    -------
    places : list of dict
        At most `PLACES_LISTED`: ``x_px, y_px, width_px, height_px`` and the same in mm, the band and ratio to the expected
        energy of the strongest test, its adjusted p-value ``chance``, and ``measurement``: "brighter", "darker", or
        "different in detail".
    count : int
    """
    marked = certificate.marked[::STRIDE_PX, ::STRIDE_PX]
    if not marked.any():
        return [], 0
    labels, count = scipy.ndimage.label(marked, structure=np.ones((3, 3)))
    best = _strongest(certificate, labels, count)
    rows, cols = certificate.frame.shape
    pitch = certificate.frame.pair.pixel_pitch_mm
    out = []
    for number, box in enumerate(scipy.ndimage.find_objects(labels), start=1):
        chance, band, ratio = best[number]
        y, x = (s.start * STRIDE_PX for s in box)
        height, width = min(box[0].stop * STRIDE_PX, rows) - y, min(box[1].stop * STRIDE_PX, cols) - x
        part = certificate.residual.whitened[y : y + height, x : x + width]
        z = float(part.sum(dtype=np.float64)) / np.sqrt(part.size)
        side = "different in detail" if abs(z) < ONE_SIDED_Z else "brighter" if z > 0 else "darker"
        out.append(
            {
                "x_px": x, "y_px": y, "width_px": width, "height_px": height,
                "x_mm": _round(x * pitch), "y_mm": _round(y * pitch),
                "width_mm": _round(width * pitch), "height_mm": _round(height * pitch),
                "band_lp_mm": [_round(f / pitch) for f in _band_edges(band)],
                "energy_over_expected": _round(ratio), "chance": float(f"{chance:.2g}"), "measurement": side,
            }
        )  # fmt: skip
    out.sort(key=lambda p: (p["chance"], -p["energy_over_expected"]))
    return out[:PLACES_LISTED], count


def _strongest(certificate: Certificate, labels: NDArray[np.integer], count: int) -> list[tuple[float, int, float]]:
    """Per label: the smallest adjusted p-value, its band, and energy over what was expected."""
    best = [(1.0, 0, 1.0)] * (count + 1)
    for tests in certificate.levels:
        for band, i, j in np.argwhere(tests.chance <= certificate.level):
            grid = tests.found.grid
            row, col = ((int(e[n]) + int(e[n + 1])) // 2 // STRIDE_PX for e, n in ((grid.rows, i), (grid.cols, j)))
            number = int(labels[row, col])
            chance = float(tests.chance[band, i, j])
            expected = tests.found.degrees[band, i, j] + tests.allowed[band, i, j]
            if chance < best[number][0]:
                best[number] = (chance, int(band), float(tests.found.energy[band, i, j] / expected))
    return best


def _shift(shift: float) -> float:
    """A shift of the mean as it is told: 0 where it is no more than single precision makes of the order of a sum."""
    return float(f"{shift:.3g}") if abs(shift) >= LEAST_SHIFT else 0.0


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _finite(value: float) -> float | None:
    return _round(value) if np.isfinite(value) else None
