"""What `info` prints: a file in the words of those who took the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_KINDS = {"uint": "unsigned whole numbers", "int": "whole numbers", "float": "floating point"}


def in_words(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of everything that is known of an image; what is not known has no line.

    Parameters
    ----------
    entry : dict
        Of one file, as `coldray info --json` has it.

    Yields
    ------
    name, text : str
    """
    *frames, rows, columns = entry["shape"]
    pitch_mm = entry["pixel_pitch_mm"]
    yield "Size", f"{columns} × {rows} pixels" + (f", {frames[0]} frames" if frames else "")
    if pitch_mm is not None:
        yield "Pixel pitch", f"{1000 * pitch_mm:.6g} µm; {columns * pitch_mm:.4g} × {rows * pitch_mm:.4g} mm in all"
    yield "Values", _values(entry)
    if entry["saturated_fraction"]:
        yield "Saturated", f"{100 * entry['saturated_fraction']:.3g} % of the pixels"
    for key, name, unit in (
        ("open_beam", "Open beam", ""),
        ("tube_voltage_kv", "Tube voltage", " kV"),
        ("exposure_s", "Exposure", " s"),
        ("air_kerma_ugy", "Air kerma", " µGy a frame"),
    ):
        if entry[key] is not None:
            yield name, f"{entry[key]:.6g}{unit}"
    if entry["frames"] > 1:
        yield "Averaged", f"{entry['frames']} frames"
    if entry["magnification"] != 1:
        yield "Magnification", f"{entry['magnification']:.4g}"
    if entry["detector"]:
        yield "Detector", str(entry["detector"])
    linear = {True: "proportional to the X-ray intensity", False: "not proportional to the X-ray intensity"}
    yield "Response", linear.get(entry["linear"], "not stated") + (", falling as it rises" if entry["inverted"] else "")


def _values(entry: Mapping[str, Any]) -> str:
    """Type and range of the stored values."""
    kind = entry["dtype"].rstrip("0123456789")
    bits = entry["dtype"].removeprefix(kind)
    low, high, mean = (entry[name] for name in ("minimum", "maximum", "mean"))
    return f"{bits}-bit {_KINDS[kind]}, {low:.6g} to {high:.6g}, mean {mean:.6g}"
