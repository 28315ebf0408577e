"""What a file says about itself, in the words of its field; how it asks to be displayed."""

from __future__ import annotations

from typing import Any

from coldray.document import Json
from coldray.formats import named_tags
from coldray.radiograph import Radiograph

LONGEST_TEXT = 400


def facts(image: Radiograph) -> list[dict[str, str]]:
    """Name and value of everything known of an image, values with their units.

    Returns
    -------
    list of dict
        Keys ``name`` and ``value``; plain text, to be shown as text.
    """
    known = image.acquisition
    rows, cols = image.shape[-2:]
    out = [("Size", f"{cols} × {rows} px"), ("Pixel type", str(image.dtype))]
    if image.pixels.ndim == 3:
        out.append(("Frames in file", str(image.shape[0])))
    if known.pixel_pitch_mm is not None:
        out.append(("Pixel pitch", f"{known.pixel_pitch_mm * 1e3:.4g} µm at the detector"))
        out.append(("Field", f"{cols * known.pixel_pitch_mm:.2f} × {rows * known.pixel_pitch_mm:.2f} mm"))
    stated: tuple[tuple[str, float | None, str], ...] = (
        ("Tube voltage", known.tube_voltage_kv, "kV"),
        ("Exposure", known.exposure_s, "s"),
        ("Air kerma", known.air_kerma_ugy, "µGy"),
        ("Open beam", known.open_beam, "DN" if image.dtype.kind in "ui" else ""),
    )
    out += [(name, f"{value:.5g} {unit}".strip()) for name, value, unit in stated if value is not None]
    if known.frames > 1:
        out.append(("Averaged frames", str(known.frames)))
    if known.magnification != 1:
        out.append(("Magnification", f"{known.magnification:.4g}"))
    if known.detector:
        out.append(("Detector", known.detector))
    why = known.not_proportional
    out.append(("Linear", f"no: {why}" if why else "yes" if known.linear else "not stated"))
    out += [(name, value) for name, value in named_tags(image).items() if name.partition(" [")[0] not in dict(out)]
    return [{"name": name, "value": _text(value)} for name, value in out]


def display_hints(image: Radiograph) -> dict[str, Json]:
    """What a DICOM object asks of a display: inversion and window; never applied to the stored values.

    Returns
    -------
    dict
        ``invert``: bool; ``window``: (low, high) in stored values, or None.
    """
    dataset = getattr(image.carrier, "dataset", None)
    if dataset is None:
        return {"invert": False, "window": None}
    window = None
    try:
        centre, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
        slope, intercept = (_first(dataset.get(n, d)) for n, d in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)))
        if width > 0 and slope > 0:
            window = [(centre - width / 2 - intercept) / slope, (centre + width / 2 - intercept) / slope]
    except (TypeError, ValueError):
        window = None
    return {"invert": str(dataset.get("PhotometricInterpretation", "")) == "MONOCHROME1", "window": window}


def history(image: Radiograph) -> list[dict[str, Json]]:
    """Steps of the image's history, oldest first."""
    return [{"verb": step.verb, "details": dict(step.details)} for step in image.history]


def _first(value: Any) -> float:
    return float(value[0] if not isinstance(value, str | int | float) and hasattr(value, "__getitem__") else value)


def _text(value: str) -> str:
    kept = "".join(c if c.isprintable() else " " for c in value)
    return kept if len(kept) <= LONGEST_TEXT else kept[: LONGEST_TEXT - 1] + "…"
