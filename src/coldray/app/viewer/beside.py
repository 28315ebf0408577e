"""What lies beside a restored file: its record with the verdict, its provenance layers, the map of its certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.app.files import LEDGER
from coldray.app.one import interval_path, provenance_path
from coldray.app.reports import certificate_path
from coldray.app.viewer.layers import BOUNDS, Layer
from coldray.checkpoint import file_sha256
from coldray.document import Json, as_table, as_text, first_fault, read_object
from coldray.errors import ColdrayError, ImageReadError, MetadataError
from coldray.radiograph import Radiograph
from coldray.words import percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROVENANCE_LAYERS = (
    ("linear", "Linear part", "open beam"),
    ("prior", "Prior part", "open beam"),
    ("gate", "Share of the network", "share"),
)
CERTIFICATE_LAYERS = (
    ("certificate", "Contradictions", "-log10 p"),
    ("replaced", "Share of the linear filter in its place", "share"),
    ("corrected", "Share of the measurement's correction", "share"),
)


@dataclass
class Beside:
    """What is known of a restored file.

    Parameters
    ----------
    result : dict, optional
        Record of the restoration, as the page is told; None if the file does not say how it was restored.
    layers : dict of str to Layer
        By role.
    warnings : list of str
    """

    result: dict[str, Json] | None = None
    layers: dict[str, Layer] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def found_beside(path: Path, image: Radiograph, sha256: str) -> Beside:
    """Read what `coldray restore` left beside a file; nothing is believed that is not of these very bytes.

    Parameters
    ----------
    path : Path
        Of the restored file.
    image : Radiograph
    sha256 : str
        Of the file.
    """
    details = next((dict(s.details) for s in reversed(image.history) if s.verb == "restore"), None)
    if details is None:
        return Beside()
    out = Beside()
    entry = _entry(path, out.warnings)
    if entry is not None and entry.get("sha256_out") != sha256:
        out.warnings.append(f"the record beside {path.name} is of another file; its verdict is not shown")
        entry = None
    known = {"method": details.get("method", ""), "steps": details.get("steps"), "sha256_out": sha256, "warnings": []}
    out.result = known | (entry or {}) | {"settings": details}
    hashes = as_table((entry or {}).get("side_files", {}))
    kinds: tuple[tuple[Path, Callable[[Radiograph, float | None], dict[str, Layer]]], ...] = (
        (provenance_path(path), lambda found, pitch: provenance_layers(found.pixels, pitch)),
        (certificate_path(path), lambda found, pitch: certificate_layers(found.pixels, pitch)),
        (interval_path(path), interval_layers),
    )
    for beside, layers in kinds:
        try:
            found = _layers_in(beside, image, None if (own := hashes.get(beside.name)) is None else as_text(own))
            if found is not None:
                out.layers |= layers(found, image.acquisition.pixel_pitch_mm)
        except ColdrayError as problem:
            text = str(problem)
            out.warnings.append(text if text.startswith(beside.name) else f"{beside.name}: {text}")
    return out


def provenance_layers(found: NDArray[np.number], pixel_pitch_mm: float | None) -> dict[str, Layer]:
    """Linear and prior part, and the share of the network where a gate decides, from the provenance layers."""
    return _named(found[1:], PROVENANCE_LAYERS, pixel_pitch_mm)


def certificate_layers(found: Iterable[NDArray[np.number] | None], pixel_pitch_mm: float | None) -> dict[str, Layer]:
    """Contradictions; and where the linear filter stands in for the network or the measurement corrects it, if anywhere."""
    layers = _named(found, CERTIFICATE_LAYERS, pixel_pitch_mm)
    return {role: layer for role, layer in layers.items() if role == "certificate" or layer.pixels.any()}


def interval_layers(found: Radiograph, pixel_pitch_mm: float | None) -> dict[str, Layer]:
    """Lower and upper bound, from the file that `restore --interval` writes.

    Raises
    ------
    ImageReadError
        If the file does not say what its interval covers, or its bounds are those of the image before a response curve.
    """
    details = found.history[-1].details if found.history else {}
    interval = details.get("interval")
    share = interval.get("share") if isinstance(interval, Mapping) else None
    if len(found.pixels) != len(BOUNDS) or not isinstance(share, float | int) or not 0 < share < 1:
        raise ImageReadError("the file with the interval does not say what it covers; it is not shown")
    if details.get("response"):
        raise ImageReadError(
            "the interval is that of the image before its response curve; it is not shown beside the image after it"
        )
    names = tuple((role, f"{percent(share)} interval, {role}", "open beam") for role in BOUNDS)
    return _named(found.pixels, names, pixel_pitch_mm)


def _named(
    found: Iterable[NDArray[np.number] | None], names: tuple[tuple[str, str, str], ...], pixel_pitch_mm: float | None
) -> dict[str, Layer]:
    """Overlays from layers by their order; there may be fewer than names."""
    return {
        role: Layer(role, title, unit, pixels, 1.0, pixel_pitch_mm)
        for pixels, (role, title, unit) in zip(found, names, strict=False)
        if pixels is not None
    }


def _entry(path: Path, warnings: list[str]) -> dict[str, Json] | None:
    """Entry of a file in the command's JSON: from the record beside it, or from the ledger of its folder."""
    from pydantic import ValidationError

    from coldray.app.ledger import recorded
    from coldray.app.records import ShownEntry

    beside = path.with_name(path.name + ".json")
    held = beside.name
    try:
        if beside.is_file():
            entry = read_object(beside, MetadataError)
        else:
            folder = next((f for f in path.absolute().parents if (f / LEDGER).is_file()), None)
            known = None if folder is None else recorded(folder, path.absolute())
            if folder is None or known is None:
                return None
            held, entry = f"{folder.name}/{LEDGER}", known[0]
        ShownEntry.model_validate(entry)
    except ColdrayError as problem:
        warnings.append(str(problem))
        return None
    except ValidationError as problem:
        fault = first_fault(problem.errors())
        warnings.append(f"{held}: {fault.name} {fault.reason}; what it says of {path.name} is not shown")
        return None
    return entry


def _layers_in(path: Path, image: Radiograph, sha256: str | None) -> Radiograph | None:
    """Layers in a file beside a restored one; None if there is none."""
    from coldray.formats import read_image

    if not path.is_file():
        return None
    if sha256 is not None and file_sha256(path) != sha256:
        raise ImageReadError(f"{path.name} was changed after the restoration; it is not shown")
    found = read_image(path)
    if found.pixels.ndim != 3 or found.shape[1:] != image.shape[-2:]:
        raise ImageReadError(f"{path.name} does not fit {image.shape[-1]} × {image.shape[-2]} pixels; it is not shown")
    return found
