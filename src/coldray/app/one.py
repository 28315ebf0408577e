"""Restore one file: read, restore, write whole with its history and what belongs beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.app.files import INTERVAL, PROVENANCE, Pairing, check_names
from coldray.app.recipe import RECORD_FORMAT, Recipe, environment
from coldray.app.reports import certificate_path, report_paths, write_certificate, write_reports
from coldray.document import Json, as_number, as_table, as_texts, plain_table
from coldray.errors import ImageReadError, MetadataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from coldray.formats.raw import RawGeometry
    from coldray.radiograph import Radiograph
    from coldray.restoration.pipeline import Restoration


def provenance_path(target: Path) -> Path:
    """Where the layers of an output go: NAME.provenance.tif beside it."""
    return target.with_name(target.stem + PROVENANCE)


def interval_path(target: Path) -> Path:
    """Where the lower and the upper image of an output go: NAME.interval.tif beside it."""
    return target.with_name(target.stem + INTERVAL)


def record_path(target: Path) -> Path:
    """Where the record of an output goes, if it has one of its own: NAME.SUFFIX.json beside it."""
    return target.with_name(target.name + ".json")


def read_whole(source: Path, geometry: RawGeometry | None = None) -> tuple[Radiograph, str]:
    """Read an image and hash its file, sure that both saw the same content.

    Returns
    -------
    image : Radiograph
    sha256 : str

    Raises
    ------
    ImageReadError
        If it cannot be read, or changed meanwhile.
    """
    from coldray.checkpoint import file_sha256
    from coldray.files import shown
    from coldray.formats import read_image

    before = _state(source)
    image = read_image(source, raw=geometry)
    try:
        digest = file_sha256(source)
    except OSError:
        digest = ""
    if not digest or _state(source) != before:
        raise ImageReadError(f"{shown(source)} changed while it was read; restore it again when it is whole")
    return image, digest


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def restore_file(source: Path, target: Path, recipe: Recipe, record: bool = False, name: str = "") -> dict[str, Json]:
    """Restore one file; all of its outputs are written, or none.

    Parameters
    ----------
    source, target : Path
    recipe : Recipe
    record : bool
        Also leave ``TARGET.json``, for files without a ledger; a signed result has one in any case.
    name : str
        How the input is called: its path within the folder it was found in; its own name by default.

    Returns
    -------
    dict
        The file's entry in the command's JSON.
    """
    return restore_files([source], target, recipe, record, name)


def restore_files(
    sources: Sequence[Path], target: Path, recipe: Recipe, record: bool = False, name: str = ""
) -> dict[str, Json]:
    """Restore one file, or the average of several if the recipe says so; all outputs are written, or none.

    Parameters
    ----------
    sources : sequence of Path
        One, unless the recipe averages.
    target, recipe, record, name
        As for `restore_file`.

    Returns
    -------
    dict
        As `restore_file`; of an average also ``inputs``, every file with its hash, and ``average``.
    """
    from coldray.formats import format_for, noting
    from coldray.images.repeats import average_repeats
    from coldray.restoration.pipeline import restore as restore_image

    # what is signed is a record, so a signed result has one wherever it goes
    record = record or recipe.sign is not None
    format_for(target)
    check_names(_planned(target, recipe, record))
    # a result of a profile keeps its own settings beside it: the ledger knows those of the folder
    record = record or recipe.profile is not None
    read = [read_whole(source, recipe.geometry) for source in sources]
    images, hashes = [image for image, _ in read], [digest for _, digest in read]
    with noting(*zip(sources, images, strict=True)):
        repeats = average_repeats(images) if recipe.average else None
        image = images[0] if repeats is None else repeats.image
        recipe, led = recipe.for_image(sources[0], images[0])
        check_names(_planned(target, recipe, record))
        result = restore_image(image, recipe.job(), None if repeats is None else repeats.changing)
    result = with_record(result, hashes, recipe)
    entry = entry_of(image, result, recipe, str(sources[0]), str(target), name or sources[0].name)
    if led is not None:
        entry["profile"] = led
    if repeats is not None:
        entry["inputs"] = [{"input": str(s), "sha256": h} for s, h in zip(sources, hashes, strict=True)]
        entry["average"] = dict(repeats.image.history[-1].details)
        entry["warnings"] = [*repeats.warnings, *as_texts(entry["warnings"])]
    _write(sources[0], target, image, result, recipe, entry, recipe_record(recipe, *sources) if record else None)
    return entry


@dataclass(frozen=True)
class Restoring:
    """Work on one pairing: restore a file, or the average of several if they are given."""

    recipe: Recipe
    sources: tuple[Path, ...] = ()

    def __call__(self, _number: int, pair: Pairing) -> dict[str, Json]:
        """The pairing's entry in the command's JSON."""
        if self.sources:
            return restore_files(self.sources, pair.target, self.recipe, record=True, name=pair.name)
        return restore_file(pair.source, pair.target, self.recipe, record=pair.is_file, name=pair.name)


def line_of(entry: Mapping[str, Json]) -> str:
    """One line of prose for what was restored."""
    averaged = [f"mean of {as_table(entry['average'])['frames']} frames"] if "average" in entry else []
    parts = [*averaged, str(entry["method"])]
    if entry.get("skipped"):
        parts.append("already there")
    else:
        count = as_number(entry["steps"])
        parts += [f"{count:g} network evaluation{'s' if count > 1 else ''}"] if count else []
        parts.append(f"{as_number(entry['seconds']):.1f} s")
    return f"{entry['output']}  ({', '.join(parts)}; {as_table(entry['consistency'])['verdict']})"


def _write(
    source: Path,
    target: Path,
    image: Radiograph,
    result: Restoration,
    recipe: Recipe,
    entry: dict[str, Json],
    record: dict[str, Json] | None,
) -> None:
    """Write a result and what belongs beside it, all or nothing; the entry learns what was written."""
    from coldray.checkpoint import file_sha256
    from coldray.files import together
    from coldray.formats import write_image

    with together() as staged:
        made = staged(target)
        beside: list[Path] = []
        if result.provenance is not None:
            beside.append(staged(provenance_path(target)))
            write_image(beside[-1], provenance_image(result))
            entry["provenance"] = str(provenance_path(target))
        if result.interval is not None:
            beside.append(staged(interval_path(target)))
            write_image(beside[-1], _beside(result, result.interval.bounds, result.interval.to_history()))
            entry["interval"] = str(interval_path(target))
        write_image(made, result.image)
        entry["sha256_out"] = file_sha256(made)
        if recipe.certificate_map:
            beside.append(staged(certificate_path(target)))
            write_certificate(made, result)
            entry["certificate_map"] = str(certificate_path(target))
        if recipe.report:
            beside += [staged(path) for path in report_paths(target)]
            write_reports(source, image, result, recipe, entry, made)
            entry["report"] = str(report_paths(target)[0])
        if beside:
            entry["side_files"] = {path.name: file_sha256(path) for path in beside}
        if record is not None:
            _write_record(staged(record_path(target)), entry, record_of(entry, result, record), recipe)
    if record is None:
        _clear_record(target)


def _write_record(place: Path, entry: dict[str, Json], content: dict[str, Json], recipe: Recipe) -> None:
    """Write the record of a result, signed if the recipe says so; the entry learns by whom."""
    from coldray.checkpoint import file_sha256
    from coldray.files import write_text

    content = plain_table(content)
    if recipe.sign is not None:
        from coldray.app.signature import BLOCK, signed

        content = signed(content, Path(recipe.sign))
    write_text(place, json.dumps(content, indent=1))
    if recipe.sign is not None:
        # a ledger misses a signed record as it misses any other side file
        entry["signed_by"] = as_table(content[BLOCK])["key"]
        entry["side_files"] = {**as_table(entry.get("side_files", {})), place.name: file_sha256(place)}


def _clear_record(target: Path) -> None:
    """Remove the record of an earlier result of that name, which would speak of another image; a stranger's file stays."""
    from coldray.document import read_object

    place = record_path(target)
    if place.is_file():
        with suppress(MetadataError):
            if {"sha256_out", "recipe"} <= read_object(place, MetadataError).keys():
                place.unlink()


def _planned(target: Path, recipe: Recipe, record: bool) -> list[Path]:
    """Every file that a restoration will leave."""
    return [
        target,
        *([provenance_path(target)] if recipe.provenance else []),
        *([interval_path(target)] if recipe.interval else []),
        *([certificate_path(target)] if recipe.certificate_map else []),
        *(report_paths(target) if recipe.report else []),
        *([record_path(target)] if record else []),
    ]


def with_record(result: Restoration, hashes: Sequence[str], recipe: Recipe) -> Restoration:
    """Result whose history also names its input by hash, or all inputs of an average, and the settings that repeat it."""
    more: dict[str, Json] = {"sha256_inputs": list(hashes)} if recipe.average else {}
    named: dict[str, Json] = {"sha256_in": hashes[0], "format": RECORD_FORMAT, "settings": recipe.history()}
    return replace(result, image=noted(result.image, **named, **more))


def noted(image: Radiograph, **more: Json) -> Radiograph:
    """Image whose last step also says what is given."""
    *before, last = image.history
    return replace(image, history=(*before, replace(last, details=dict(last.details) | more)))


def provenance_image(result: Restoration) -> Radiograph:
    """Layers of a result that has them, as an image in fractions of the open beam that carries the same record."""
    assert result.provenance is not None
    return _beside(result, result.provenance.layers, result.provenance.to_history())


def _beside(result: Restoration, layers: NDArray[np.floating], more: Mapping[str, Json]) -> Radiograph:
    """Layers in fractions of the open beam with the result's own record, and more in its last step."""
    from coldray.radiograph import Radiograph

    *before, last = result.image.history
    step = replace(last, details={**last.details, **more})
    return Radiograph(layers, replace(result.image.acquisition, open_beam=1.0), (*before, step))


def entry_of(
    image: Radiograph, result: Restoration, recipe: Recipe, source: str, target: str, name: str
) -> dict[str, Json]:
    """What the command's JSON says of a result that `with_record` names; the hash of what is written comes later."""
    from coldray.formats import named_tags
    from coldray.reports.done import about_of

    about = about_of(named_tags(image), recipe.about)
    return {
        "input": source,
        "name": name,
        "output": target,
        "sha256_in": result.image.history[-1].details["sha256_in"],
        "sha256_out": "",
        "method": recipe.method,
        "steps": result.evaluations,
        "seconds": round(result.seconds, 3),
        "clipped_pixels": result.clipped_pixels,
        "hits": result.hits,
        "consistency": result.consistency,
        **({"about": about} if about else {}),
        "warnings": [*result.warnings, *remarks(image)],
    }


def record_of(entry: Mapping[str, Json], result: Restoration, recipe: Json) -> dict[str, Json]:
    """Content of the JSON beside a result, for files without a ledger; `recipe` as from `recipe_record`."""
    return {**entry, "settings": dict(result.image.history[-1].details), "recipe": recipe}


def remarks(image: Radiograph) -> list[str]:
    """What the reader and the history say that the user of a restored image should know."""
    from coldray.formats import reading_notes

    found = list(reading_notes(image))
    if any(step.verb == "restore" for step in image.history):
        found.append("the image was restored before; a second restoration is not what the model was made for")
    is_dicom = getattr(image.carrier, "dataset", None) is not None
    if is_dicom and image.acquisition.linear is None:
        found.append("the object does not say that its values are linear in the X-ray intensity; that is assumed")
    return found


def recipe_record(recipe: Recipe, *sources: Path, workers: int = 1) -> dict[str, Json]:
    """What `coldray verify` needs beside the image: settings, where their files are, and the environment."""
    found: dict[str, Json] = {
        "format": RECORD_FORMAT,
        "settings": recipe.settings(),
        "sources": recipe.sources(),
        "environment": environment(workers, recipe.device),
    }
    if sources:
        found["input"] = str(sources[0].absolute())
    if recipe.average:
        found["inputs"] = [str(source.absolute()) for source in sources]
    return found
