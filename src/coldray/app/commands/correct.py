"""`correct`: offset, gain and bad pixels of raw frames, and their average."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app.commands._inputs import (
    PLOT_SUFFIXES,
    REPORT_SUFFIXES,
    AsJson,
    Inputs,
    Overwrite,
    Plot,
    Raw,
    Report,
    check_outputs,
    finish,
    of_bytes,
    positive,
    read_inputs,
    read_mask,
    sheets,
    write_files,
)
from coldray.document import Json, as_text, plain
from coldray.errors import ImageError, MetadataError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from coldray.images.correct import Calibration, Correction
    from coldray.radiograph import Radiograph

SAME_EXPOSURE = 0.01
ROUNDING_MATTERS = 0.05
"""Share of the noise variance that rounding to integers may add unmentioned."""

EXAMPLE = """
Example: coldray correct raw/ --dark darks/ --flat flats/ -o mean.tif

Example: coldray correct f1.tif f2.tif --dark darks.tif --flat flats.tif -o corrected/
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("correct", epilog=EXAMPLE)(correct)


def correct(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="FRAME...", help="Raw frames of one scene at one exposure, or folders.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="One image file for the mean; or a folder, one file per input.")
    ],
    dark: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Dark frames; repeats.")] = None,
    flat: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Raw flat fields at one or several exposures; repeats.")
    ] = None,
    bad_pixels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Image that is not zero where a pixel is bad.")
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="End the average when one more frame lowers the noise by less than 1 %.")
    ] = False,
    fraction: Annotated[
        bool, typer.Option("--fraction", help="Write float32 fractions of the open beam, not the input's integers.")
    ] = False,
    open_beam: Annotated[
        float | None, typer.Option(help="Corrected pixel value of the open beam [DN]; the flats' level by default.")
    ] = None,
    plot: Plot = None,
    report: Report = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Correct dark, gain and bad pixels, average, and say when averaging may stop.

    Integer frames stay integers of the same type, above dark, with the open-beam level in the file; floating-point
    frames (and any with --fraction) become float32 fractions of the open beam.
    """
    from coldray.app.files import check_names
    from coldray.formats import is_image, writable_suffixes
    from coldray.images.correct import Correction
    from coldray.images.correct import correct as correct_frames
    from coldray.reports.measurements import correct_protocol

    positive("--open-beam", open_beam)
    single = is_image(out) and not out.is_dir()
    if stop and not single:
        raise SettingsError("--stop ends an average, which is one file; give OUT an image suffix")
    frames = read_inputs(inputs, "frame", raw)
    darks = read_inputs(dark, "dark", raw) if dark else Inputs("dark")
    flats = read_inputs(flat, "flat", raw) if flat else Inputs("flat")
    everything = (frames, darks, flats)
    sources = [path for group in everything for path in group.files] + ([bad_pixels] if bad_pixels else [])
    check_outputs([(plot, PLOT_SUFFIXES), (report, REPORT_SUFFIXES)], sources, overwrite)
    if single:
        check_outputs([(out, writable_suffixes())], sources, overwrite)
        check_names([out.with_name(out.name + ".json")])
    targets = {} if single else _targets(inputs, frames, out, sources, overwrite)
    warnings = [w for group in everything for w in group.warnings()] + _contradictions(frames)
    calibration, levels = _calibration(darks, flats, read_mask(bad_pixels))
    level, more = _open_beam(open_beam, frames, darks, calibration, levels)
    warnings += more
    products: list[tuple[Path, NDArray[np.floating], int]] = []
    if single:
        corrected = correct_frames([f.pixels for f in frames.frames], calibration, stop=stop)
        products.append((out, corrected.pixels, corrected.average.frames))
    else:
        products, corrected = _each(frames, targets, calibration)
    warnings += corrected.warnings
    result = corrected.to_json()
    details = _details(everything, corrected, calibration)
    contents, clipped = {}, 0
    for path, pixels, count in products:
        first = frames.images[0] if single else frames.images[frames.files.index(_source_of(path, targets))]
        image, lost, notes = _stored(first, pixels, level, fraction, details, count, corrected)
        clipped += lost
        warnings += [w for w in notes if w not in warnings]
        contents[path] = _writer(image)
    warnings += _lost_in_writing(contents, clipped, frames.images[0].dtype, corrected.bad_pixels.count)
    result |= {
        "output": str(out),
        "files": [str(path) for path, _, _ in products],
        "open_beam": level,
        "clipped_pixels": clipped,
        "warnings": warnings,
    }
    records = [record for group in everything for record in group.records()]
    protocol = correct_protocol(corrected).of(records if report else [], warnings)
    if single:
        note = json.dumps(plain(result | {"inputs": records}), indent=1)
        contents[out.with_name(out.name + ".json")] = of_bytes(note.encode())
    write_files(contents | sheets(plot, report, protocol))
    assert isinstance(corrected, Correction)
    return finish(result, protocol.rows, max(group.code for group in everything), as_json)


def _lost_in_writing(files: Iterable[Path], clipped: int, dtype: np.dtype[np.number], replaced: int) -> list[str]:
    """What the written files do not hold: pixels out of range, and the map of replaced pixels."""
    found = []
    if clipped:
        found.append(
            f"{clipped} pixels left the range of {dtype} and were clipped (below dark, behind an opaque part, or above the "
            "range); --fraction keeps them"
        )
    if replaced and (lossy := sorted({path.suffix.lower() for path in files if not _carries_mask(path)})):
        found.append(
            f"{' and '.join(lossy)} cannot hold the map of the {replaced} replaced pixels: measurements will take them for "
            "measured; write TIFF or DICOM"
        )
    return found


def _carries_mask(path: Path) -> bool:
    """Whether a written file gives its bad-pixel map back."""
    from coldray.formats import format_for

    return "mask" in getattr(format_for(path), "carries", ())


def _writer(image: Radiograph) -> Callable[[Path], object]:
    from coldray.formats import write_image

    return lambda path: write_image(path, image)


def _targets(
    inputs: list[Path], frames: Inputs, out: Path, sources: Sequence[Path], overwrite: bool
) -> dict[Path, Path]:
    """Output of every input file in folder mode, none of them a calibration image."""
    from coldray.app.files import pair_outputs
    from coldray.errors import ImageWriteError

    pairs = {pair.source: pair.target for pair in pair_outputs(inputs, out, overwrite=overwrite)}
    used = {path.resolve() for path in sources}
    for target in pairs.values():
        if target.resolve() in used:
            raise ImageWriteError(f"{target.name}: the output would replace an input; choose another OUT")
    return {source: target for source, target in pairs.items() if source in frames.files}


def _source_of(target: Path, targets: dict[Path, Path]) -> Path:
    return next(source for source, place in targets.items() if place == target)


def _contradictions(frames: Inputs) -> list[str]:
    """What differs between frames that should be repeats, and data that are not linear."""
    found = []
    for image in frames.images:
        if (why := image.acquisition.not_proportional) is not None:
            raise ImageError(f"a frame is {why}; offset and gain belong to linear data: export the linear image")
    for name, unit in (("exposure_s", "s"), ("pixel_pitch_mm", "mm"), ("tube_voltage_kv", "kV")):
        known = {getattr(image.acquisition, name) for image in frames.images} - {None}
        if len(known) > 1:
            found.append(f"the frames differ in {name}: {min(known):g} to {max(known):g} {unit}")
    return found


def _calibration(
    darks: Inputs, flats: Inputs, mask: NDArray[np.bool_] | None
) -> tuple[Calibration | None, list[tuple[list[Radiograph], float | None]]]:
    """Calibration of what was given, and the flats by exposure, weakest first, with their exposure [s]."""
    import numpy as np

    from coldray.images.correct import calibrate
    from coldray.metrology.inputs import by_level

    dark = [f.pixels for f in darks.frames]
    offset = float(np.median([d.mean(dtype=np.float64) for d in dark])) if dark else 0.0
    frames = flats.frames
    name_of = {id(frame): name for frame, name in zip(frames, flats.names, strict=True)}
    groups = by_level(frames, offset)
    if not dark and not groups and mask is None:
        return None, []
    stacks = [np.stack([f.pixels for f in group]) for group in groups] if _one_shape(flats) else []
    calibration = calibrate(
        dark or None,
        stacks or None,
        bad_pixels=mask,
        dark_names=darks.names,
        flat_names=[[name_of[id(frame)] for frame in group] for group in groups],
    )
    levels: list[tuple[list[Radiograph], float | None]] = []
    for group in (groups[n] for n in calibration.exposures):
        known = {f.acquisition.exposure_s for f in group} - {None}
        levels.append((group, known.pop() if len(known) == 1 else None))
    return calibration, levels


def _one_shape(flats: Inputs) -> bool:
    """True if flats can be stacked; raises where their shapes differ."""
    shapes = {f.shape for f in flats.frames}
    if len(shapes) > 1:
        raise ImageError(f"the flats differ in shape: {sorted(shapes)}")
    return bool(shapes)


def _open_beam(
    option: float | None,
    frames: Inputs,
    darks: Inputs,
    calibration: Calibration | None,
    levels: list[tuple[list[Radiograph], float | None]],
) -> tuple[float | None, list[str]]:
    """Corrected value of the open beam at the frames' exposure, and what is doubtful about it."""
    import numpy as np

    if option is not None:
        return option, []
    known = frames.images[0].acquisition
    if calibration is None or not levels:
        if known.open_beam is None:
            return None, []
        offset = float(np.mean([f.pixels.mean() for f in darks.frames])) if darks.images else 0.0
        rest = known.open_beam - offset
        return (rest, []) if rest > 0 else (None, ["the open-beam level of the file is below the dark level"])
    values = [float(v) for v in calibration.level]
    exposure = known.exposure_s
    dated = [(v, t) for v, (_, t) in zip(values, levels, strict=True) if t is not None]
    if exposure is not None and dated:
        value, taken = min(dated, key=lambda item: abs(item[1] / exposure - 1))
        if abs(taken / exposure - 1) <= SAME_EXPOSURE:
            return value, []
        value, taken = dated[-1]
        return value * exposure / taken, [
            f"the flats were exposed {taken:g} s, the frames {exposure:g} s: the open-beam level is scaled by their ratio"
        ]
    if len(values) > 1:
        return values[-1], [
            "the exposures are not known: the brightest flats are taken for the open beam of the frames"
        ]
    return values[-1], []


def _each(
    frames: Inputs, targets: dict[Path, Path], calibration: Calibration | None
) -> tuple[list[tuple[Path, NDArray[np.floating], int]], Correction]:
    """Correct every file on its own (pages of one file are averaged), and judge them as repeats."""
    import numpy as np

    from coldray.images.averaging import average_frames
    from coldray.images.bad_pixels import classified
    from coldray.images.correct import Correction, apply_calibration, saturation_warning

    products = []
    saturated: list[str] = []
    for image, source in zip(frames.images, frames.files, strict=True):
        pages = image.pixels if image.pixels.ndim == 3 else image.pixels[None]
        saturated += [f"{source.name}: {note}" for note in saturation_warning(pages)]
        clean = pages if calibration is None else apply_calibration(pages, calibration)
        products.append((targets[source], clean.mean(axis=0, dtype=np.float64).astype(np.float32), len(pages)))
    shape = products[0][1].shape
    bad = classified({"known": np.zeros(shape, dtype=bool)}) if calibration is None else calibration.bad_pixels
    average = average_frames([pixels for _, pixels, _ in products], mask=bad.mask)
    notes = () if calibration is None else calibration.warnings
    return products, Correction(average.mean, average, bad, (*saturated, *notes, *average.warnings))


def _details(groups: tuple[Inputs, ...], corrected: Correction, calibration: Calibration | None) -> dict[str, Json]:
    """What the history of the written image says."""
    import hashlib

    from coldray import __version__

    digests = {group.role: [as_text(record["sha256"]) for record in group.records()] for group in groups}
    joined = {
        f"sha256_{role}": values[0] if len(values) == 1 else hashlib.sha256("".join(values).encode()).hexdigest()
        for role, values in digests.items()
        if values
    }
    frames, darks, flats = groups
    return {
        "coldray": __version__,
        "frames_given": len(frames.frames),
        "darks": len(darks.frames),
        "flats": len(flats.frames),
        "bad_pixels": corrected.bad_pixels.count,
        "noise_penalty": 1.0 if calibration is None else calibration.noise_penalty,
        "nsr": corrected.average.nsr,
        **joined,
    }


def _stored(
    first: Radiograph,
    pixels: NDArray[np.floating],
    level: float | None,
    fraction: bool,
    details: dict[str, Json],
    count: int,
    corrected: Correction,
) -> tuple[Radiograph, int, list[str]]:
    """Image as it is written: integers above dark, or fractions of the open beam."""
    import numpy as np

    from coldray.images.scale import Scale
    from coldray.radiograph import Step

    integer = first.dtype.kind in "ui" and not fraction
    if fraction and level is None:
        raise MetadataError("--fraction needs the open-beam level; give --flat or --open-beam DN")
    lost, notes, unit = 0, [], level
    if integer:
        stored, lost = Scale(1.0, first.dtype, "corrected").to_stored(pixels)
        noise = corrected.average.nsr * corrected.average.level
        if noise > 0 and 1 / 12 > ROUNDING_MATTERS * noise**2:
            notes.append(
                f"rounding to {first.dtype} adds {100 / 12 / noise**2:.0f} % to the noise variance of the mean; "
                "--fraction keeps it"
            )
        if level is None:
            notes.append("the open-beam level is not known; give --flat or --open-beam DN")
    elif level is None:
        stored = pixels
    else:
        stored, unit = (pixels / np.float32(level)).astype(np.float32), 1.0
    step = Step("correct", details | {"frames": count, "open_beam": unit})
    image = first.with_pixels(stored, step).with_acquisition(open_beam=unit, frames=count * first.acquisition.frames)
    return image.with_mask(corrected.bad_pixels.mask), lost, notes
