"""Reports beside what `restore` writes: one per image, one per folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from coldray.app.files import CERTIFICATE, REPORTS
from coldray.document import Json, as_text
from coldray.files import shown, together, write_bytes

if TYPE_CHECKING:
    from coldray.app.recipe import Recipe
    from coldray.radiograph import Radiograph
    from coldray.reports.inspection import Noted
    from coldray.restoration.pipeline import Restoration

BATCH_STEM = "report"
CERTIFICATE_LAYERS = (
    "-log10 of the adjusted p-value",
    "weight of the linear filter in place of the network",
    "weight of the measurement's correction of the network",
)


def report_paths(target: Path) -> list[Path]:
    """Where the reports of an output go: NAME.report.html and NAME.report.pdf beside it."""
    return [target.with_name(target.stem + ending) for ending in REPORTS]


def certificate_path(target: Path) -> Path:
    """Where the map of an output's certificate goes: NAME.certificate.tif beside it."""
    return target.with_name(target.stem + CERTIFICATE)


def write_certificate(target: Path, result: Restoration) -> Path:
    """Write the map of contradictions beside an output.

    Returns
    -------
    Path
        A float32 TIFF, shape (3, rows, cols): -log10 of the smallest adjusted p-value of all tests over a pixel, and the
        weights of the linear filter where it stands in for a contradicted network, and of the correction where the
        measurement corrects it.
    """
    import numpy as np

    from coldray.formats import write_image
    from coldray.radiograph import Radiograph, Step

    assert result.certificate is not None and result.replaced is not None and result.corrected is not None
    pitch = result.image.acquisition.pixel_pitch_mm
    what: dict[str, Json] = {"layers": list(CERTIFICATE_LAYERS), "level": result.certificate.level}
    image = Radiograph(np.stack([result.certificate.evidence, result.replaced, result.corrected])).with_acquisition(
        pixel_pitch_mm=pitch
    )
    path = certificate_path(target)
    write_image(path, image.with_pixels(image.pixels, Step("certificate", {**what, **result.consistency})))
    return path


def write_reports(
    source: Path, image: Radiograph, result: Restoration, recipe: Recipe, entry: Mapping[str, Json], target: Path
) -> list[Path]:
    """Write the HTML and the PDF report of one restoration beside its output.

    Raises
    ------
    ImageReadError
        If there is no reference where the recipe says, or it cannot be read.
    ImageError
        If its shape differs.
    """
    from coldray.formats import named_tags
    from coldray.metrology.inspection import read_inspection
    from coldray.reports.html import to_html
    from coldray.reports.pdf import to_pdf
    from coldray.reports.restoration import Source, restoration_report

    reference, name = _reference(source, recipe)
    record = {key: entry[key] for key in ("sha256_in", "sha256_out")} | {"output": shown(target)}
    notes = read_inspection(source, as_text(entry["sha256_in"]))
    what = Source(path_shown(as_text(entry["name"])), record, reference, name, named_tags(image), notes, recipe.about)
    report = restoration_report(image, result, recipe.job(), what)
    contents = (_bytes(to_html(report)), to_pdf(report))
    paths = report_paths(target)
    for path, content in zip(paths, contents, strict=True):
        write_bytes(path, content)
    return paths


def _reference(source: Path, recipe: Recipe) -> tuple[Any, str]:
    """Reference image as a fraction of its open beam, and its name; None if there is none."""
    if recipe.reference is None:
        return None, ""
    from coldray.errors import ImageError
    from coldray.formats import read_image
    from coldray.images.scale import scale_of

    path = Path(recipe.reference)
    if path.is_dir():
        path = path / source.name
    image = read_image(path, raw=recipe.geometry)
    if image.pixels.ndim != 2:
        raise ImageError(f"{path.name}: the reference has {image.shape} pixels; one frame (rows, cols) is needed")
    return scale_of(image)[0].to_fraction(image.pixels), path.name


def write_batch_report(folder: Path, entries: Sequence[Mapping[str, Json]], recipe: Recipe) -> list[Path]:
    """Write report.html, report.pdf and report.csv over all images of a folder; each links to its own report.

    What inspectors noted on the images meanwhile stands in it.
    """
    from coldray.reports.batch import MOST_PICTURES, Row, batch_csv, batch_report
    from coldray.reports.html import to_html
    from coldray.reports.pdf import to_pdf

    rows: list[Row] = []
    pictures = MOST_PICTURES
    for entry in entries:
        target = Path(as_text(entry["output"])) if "output" in entry else None
        inside = target is not None and target.is_relative_to(folder)
        page = report_paths(target)[0] if target else None
        # any name is a path, none a scheme, a query or a fragment
        link = quote(os.fsencode(page.relative_to(folder).as_posix())) if page and inside and page.is_file() else None
        found = _noted(entry, recipe, pictures)
        pictures -= 0 if found is None or isinstance(found, str) else len(found.pictures)
        rows.append(
            Row(
                entry,
                path_shown(target.relative_to(folder) if target and inside else as_text(entry["name"])),
                link,
                found,
            )
        )
    settings = recipe.settings()
    if recipe.reference is not None:
        settings["reference"] = shown(recipe.reference)
    report = batch_report(rows, settings, _thumbnail)
    contents = (_bytes(to_html(report)), to_pdf(report), _bytes(batch_csv(rows)))
    paths = [folder / f"{BATCH_STEM}.{ending}" for ending in ("html", "pdf", "csv")]
    with together() as staged:
        for path, content in zip(paths, contents, strict=True):
            write_bytes(staged(path), content)
    return paths


def _noted(entry: Mapping[str, Json], recipe: Recipe, most_pictures: int) -> Noted | str | None:
    """What was noted on an input, or on what became of it; the reason if that cannot be told."""
    from coldray.errors import ColdrayError
    from coldray.formats import read_image
    from coldray.metrology.inspection import read_inspection
    from coldray.reports.inspection import inspected, noted

    if "output" not in entry:
        return None
    source, target = Path(as_text(entry["input"])), Path(as_text(entry["output"]))
    try:
        notes = read_inspection(source, as_text(entry["sha256_in"]))
        of_input = notes is not None
        notes = notes or read_inspection(target, as_text(entry["sha256_out"]))
        if notes is None or notes.is_empty:
            return None
        image = read_image(source, raw=recipe.geometry) if of_input else read_image(target)
        restored = read_image(target) if of_input and notes.defects else None
        return noted(inspected(image, restored, notes), most_pictures)
    except ColdrayError as problem:
        return str(problem)


def path_shown(path: str | os.PathLike[str]) -> str:
    """A relative path fit for one line of text, with slashes."""
    return "/".join(shown(part) for part in Path(path).parts)


def _thumbnail(entry: Mapping[str, Json]) -> bytes | None:
    """Small picture of what was written; None if it is not there any more."""
    from coldray.errors import ColdrayError
    from coldray.formats import read_image
    from coldray.reports.thumbnails import thumbnail

    try:
        return thumbnail(read_image(Path(as_text(entry["output"]))).pixels)
    except ColdrayError:
        return None


def _bytes(page: str) -> bytes:
    """UTF-8; what is no text, such as half of a name that is not UTF-8, as its code."""
    return page.encode("utf-8", "backslashreplace")
