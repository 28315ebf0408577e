"""Files to hand out: the same bytes as the command line would have written."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import numpy as np

from coldray.app.one import entry_of, provenance_image, recipe_record, record_of, with_record
from coldray.app.recipe import Recipe
from coldray.app.viewer.shelf import Downloads, Study
from coldray.checkpoint import file_sha256
from coldray.document import Json, as_text, plain_table
from coldray.files import together, write_bytes, write_text
from coldray.formats import named_tags, writable_suffixes, write_image
from coldray.restoration.pipeline import Restoration


def write_files(
    folder: Path, study: Study, result: Restoration, recipe: Recipe, led: dict[str, Json] | None = None
) -> tuple[Downloads, dict[str, Json]]:
    """Write restored image, provenance layers and record; the same bytes as the command line writes.

    Returns
    -------
    downloads : dict of str to (Path, str)
        By kind "image", "provenance", "record".
    record : dict
        JSON-able.
    """
    stem, dot, suffix = study.name.rpartition(".")
    suffix = f".{suffix.lower()}" if dot else ""
    if suffix not in writable_suffixes() or suffix in (".jpg", ".jpeg"):
        stem, suffix = (stem or study.name), ".tif"
    stem = f"{stem or 'image'}_restored"
    mark = secrets.token_hex(8)
    result = with_record(result, [study.sha256], recipe)
    target = folder / f"{mark}{suffix}"
    with together() as staged:
        write_image(staged(target), result.image)
        downloads = {"image": (target, stem + suffix)}
        written = {"sha256_out": file_sha256(staged(target))}
        entry = entry_of(study.image, result, recipe, study.name, stem + suffix, study.name) | written
        if led is not None:
            entry["profile"] = led
        if result.provenance is not None:
            layers_path = folder / f"{mark}.provenance.tif"
            write_image(staged(layers_path), provenance_image(result))
            downloads["provenance"] = (layers_path, f"{stem}.provenance.tif")
            entry["side_files"] = {f"{stem}.provenance.tif": file_sha256(staged(layers_path))}
        # names only: where things are on the server is nobody's business
        names: dict[str, Json] = {"sources": {k: _name_of(v) for k, v in recipe.sources().items()}, "input": study.name}
        record = plain_table(record_of(entry, result, {**recipe_record(recipe), **names}))
        record_path = folder / f"{mark}.json"
        write_text(staged(record_path), json.dumps(record, indent=1))
    downloads["record"] = (record_path, f"{stem}{suffix}.json")
    return downloads, record


def write_reports(folder: Path, study: Study, result: Restoration, recipe: Recipe) -> Downloads:
    """Write the HTML and the PDF report of a restoration that kept its certificate; returns them by kind."""
    from coldray.reports.html import to_html
    from coldray.reports.pdf import to_pdf
    from coldray.reports.restoration import Source, restoration_report

    record = study.result or {}
    reference, name = study.layers.get("reference"), ""
    shown = None
    if reference is not None and reference.pixels.shape == study.image.shape:
        shown, name = reference.pixels / np.float32(reference.open_beam), reference.title
    known = {key: record[key] for key in ("sha256_in", "sha256_out", "output")}
    tags = named_tags(study.image)
    what = Source(study.name, known, shown, name, tags, study.notes, recipe.about)
    report = restoration_report(study.image, result, recipe.job(), what)
    stem = Path(as_text(record["output"])).stem
    contents = {"report": ("html", to_html(report).encode()), "report_pdf": ("pdf", to_pdf(report))}
    written: Downloads = {}
    with together() as staged:
        for kind, (suffix, content) in contents.items():
            written[kind] = (folder / f"{secrets.token_hex(8)}.{suffix}", f"{stem}.report.{suffix}")
            write_bytes(staged(written[kind][0]), content)
    return written


def _name_of(source: Json) -> Json:
    if isinstance(source, list):
        return [_name_of(one) for one in source]
    return Path(as_text(source)).name if source else source
