"""What the verbs of `measure` share: inputs with their pitch, outputs checked before anything is measured, and writing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.app.commands._inputs import (
    CSV_SUFFIXES,
    PLOT_SUFFIXES,
    REPORT_SUFFIXES,
    Inputs,
    check_outputs,
    finish,
    pitch_of,
    positive,
    read_inputs,
    sheets,
    write_files,
)
from coldray.document import Json, as_number, as_texts

if TYPE_CHECKING:
    from coldray.api.results import Measurement
    from coldray.physics.tables import Column

Outputs = tuple[Path | None, Path | None, Path | None]
"""Figure, report and table."""


def prepare(
    paths: list[Path],
    role: str,
    pitch_um: float | None,
    outputs: Outputs,
    raw: str | None,
    overwrite: bool,
) -> tuple[Inputs, float, list[str]]:
    """Read the inputs and settle pitch and outputs before anything is measured."""
    positive("--pitch-um", pitch_um)
    found = read_inputs(paths, role, raw)
    check(outputs, found, overwrite)
    pitch, warnings = pitch_of(found.images, pitch_um)
    return found, pitch, [*warnings, *found.warnings()]


def check(outputs: Outputs, found: Inputs, overwrite: bool) -> None:
    """Refuse outputs of the wrong kind or in the way."""
    suffixes = (PLOT_SUFFIXES, REPORT_SUFFIXES, CSV_SUFFIXES)
    check_outputs(zip(outputs, suffixes, strict=True), found.files, overwrite)


def table(result: Mapping[str, Json], columns: Mapping[str, Column]) -> str:
    """Text of a table that states its pitch, its files and its warnings in comments."""
    from coldray.physics.tables import write_table

    notes = [f"measured from {', '.join(Path(file).name for file in as_texts(result['files']))}"]
    notes += [f"warning: {said}" for said in as_texts(result["warnings"])]
    pitch = result.get("pixel_pitch_mm")
    return write_table(columns, None if pitch is None else as_number(pitch), notes)


def written(
    measured: Measurement, found: Inputs, notes: list[str], outputs: Outputs, as_json: bool, pitch: float | None = None
) -> int:
    """Write figure, report and table of a measurement, and print it; returns the exit code."""
    plot, report, csv = outputs
    result = measured.found.to_json()
    result["warnings"] = [*notes, *measured.found.warnings]
    if pitch is not None:
        result |= {"pixel_pitch_mm": pitch, "nyquist_lp_mm": 0.5 / pitch}
    result["files"] = [str(path) for path in found.files]
    # hashes cost a second read of every file, so only a report has them
    protocol = measured.protocol.of([] if report is None else found.records(), result["warnings"])
    write_files(sheets(plot, report, protocol, csv, table(result, measured.columns())))
    return finish(result, protocol.rows, found.code, as_json)
