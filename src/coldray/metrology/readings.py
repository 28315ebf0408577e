"""Figures that are followed over time, read from what a measurement printed: each with its standard uncertainty where it has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from coldray.document import Json, as_number, as_numbers, as_tables, as_text

Numbers = tuple[tuple[str, str, str, str | None], ...]
SCALARS: dict[str, tuple[str, Numbers]] = {
    "snr_n": ("snr", (
        ("snr", "SNR", "", None), ("snr_n", "SNR_N", "", "snr_n_sd"), ("cnr", "CNR", "", "cnr_sd"),
        ("mean", "mean signal", "", None),
    )),
    "nnps_mm2": ("flat", (
        ("pixel_relative_sd", "relative noise of the pixels", "", None),
        ("temporal_relative_sd", "noise from frame to frame", "", None),
        ("fixed_relative_sd", "fixed pattern", "", None), ("mean_signal", "mean signal", "", None),
    )),
    "r_squared": ("linearity", (
        ("slope", "slope", "", "slope_sd"), ("largest_deviation", "largest deviation from the line", "", None),
    )),
    "signal_global": ("uniformity", (
        ("signal_global", "signal, global", "", None), ("snr_global", "SNR, global", "", None),
        ("snr_smallest", "smallest SNR", "", None),
    )),
    "noise_mtf": ("blur", (("mtf50_lp_mm", "transfer 50 %, from noise", "lp/mm", None),)),
    "contrast_kept": ("ttf", (
        ("ttf50_lp_mm", "TTF 50 %", "lp/mm", None), ("contrast_kept", "contrast kept", "", None),
    )),
}  # fmt: skip
"""By a key that only they have: the numbers of a measure that are followed, each with the key of its standard uncertainty."""
Found = Iterator[tuple[str, "Reading"]]


@dataclass(frozen=True)
class Reading:
    """One figure on one occasion: a value with its standard uncertainty, or the values of the images of an archive.

    Parameters
    ----------
    name, unit : str
    values : tuple of float
    sd : float, optional
        Standard uncertainty of a single value.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    sd: float | None = None


def readings_of(document: Mapping[str, Json]) -> dict[str, Reading]:
    """Figures of a measurement or of a panel's sheet, by key; none where it is neither.

    Parameters
    ----------
    document : mapping
        What ``coldray measure ... --json`` printed, or the JSON of a sheet.

    Returns
    -------
    dict of str to Reading
        Those with finite values.

    Raises
    ------
    MetadataError, LookupError, ValueError
        If it is damaged.
    """
    return {key: one for key, one in _readings(document) if all(np.isfinite(one.values))}


def _readings(document: Mapping[str, Json]) -> Found:
    if "panels" in document:
        panels = as_tables(document["panels"])
        for panel in panels:
            for one in as_tables(panel["figures"]):
                if one["value"] is not None:
                    key = f"{panel['name']}.{one['key']}" if len(panels) > 1 else as_text(one["key"])
                    name, unit = as_text(one["name"]), as_text(one["unit"])
                    yield f"panel.{key}", _banded(name, unit, one["value"], one["low"], one["high"])
        return
    if "mtf50_lp_mm" in document and "mtf" in document:
        yield from _edge(document)
    for mark, key, name in (("isrb", "duplex.isrb_mm", "iSRb"), ("spot", "source.spot_mm", "focal spot")):
        value = document.get(f"{mark}_mm")
        if value is not None:
            yield key, _banded(name, "mm", value, document[f"{mark}_low_mm"], document[f"{mark}_high_mm"])
    for one in as_tables(document.get("groups", ())):
        at = float(f"{as_number(one['frequency_lp_mm']):.2g}")
        yield f"bars.ctf_{at:g}", _banded(f"CTF near {at:g} lp/mm", "", one["ctf"], one["ctf_low"], one["ctf_high"])
    for one in as_tables(document.get("wires", ())):
        yield f"iqi.cnr_{one['wire']}", Reading(f"CNR of wire {one['wire']}", "", (float(as_number(one["cnr"])),))
    for mark, (verb, numbers) in SCALARS.items():
        for key, name, unit, of_sd in numbers if mark in document else ():
            if document[key] is not None:
                known = None if of_sd is None else document[of_sd]
                sd = None if known is None else float(as_number(known))
                yield f"{verb}.{key}", Reading(name, unit, (float(as_number(document[key])),), sd)


def _edge(document: Mapping[str, Json]) -> Found:
    """Where an MTF falls to 50 and 10 %, with what its band makes of it, and its value at half of Nyquist."""
    frequency = np.array(as_numbers(document["frequency_lp_mm"]), dtype=np.float64)
    middle, low, high = (np.array(as_numbers(document[k]), dtype=np.float64) for k in ("mtf", "mtf_low", "mtf_high"))
    for percent in (50, 10):
        known = document[f"mtf{percent}_lp_mm"]
        if known is not None:
            value = float(as_number(known))
            # the band at this frequency over the slope there
            half = float(np.interp(value, frequency, high - low)) / 4
            slope = abs(float(np.interp(value, frequency, np.gradient(middle, frequency))))
            sd = half / slope if slope > 0 else None
            yield f"edge.mtf{percent}_lp_mm", Reading(f"MTF {percent} %", "lp/mm", (value,), sd)
    nyquist = as_number(document["nyquist_lp_mm"]) if "nyquist_lp_mm" in document else float(frequency[-1])
    at = [float(np.interp(nyquist / 2, frequency, curve)) for curve in (middle, low, high)]
    yield "edge.mtf_half_nyquist", _banded(f"MTF at {nyquist / 2:.3g} lp/mm", "", *at)


def _banded(name: str, unit: str, value: Json, low: Json, high: Json) -> Reading:
    """A value with a k = 2 band; a band without width is none."""
    ends = None if low is None or high is None else (as_number(low), as_number(high))
    sd = (ends[1] - ends[0]) / 4 if ends is not None and ends[1] > ends[0] else None
    return Reading(name, unit, (float(as_number(value)),), sd)
