"""The report of a batch: how many images agree with their measurements, and which to look at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from coldray import __version__
from coldray.reports.blocks import Facts, Note, Report, Section, Table
from coldray.reports.restoration import NOT_CLAIMED, TONE_OF, VERDICT_WORDS

LABELS = {
    "steps": ("steps", " network evaluations per frame"),
    "gain": ("data-consistency gain", ""),
    "blurred": ("detector that took the images", ""),
    "sharp": ("detector restored towards", ""),
    "noise": ("flat fields (SHA-256)", ""),
    "exposure_s": ("exposure per frame", " s"),
    "open_beam": ("open beam", " DN"),
    "pixel_pitch_mm": ("pixel pitch", " mm"),
    "coldray": ("version of coldray", ""),
    "model": ("model (SHA-256)", ""),
    "certificate_map": ("maps of the certificate", ""),
    "report": ("reports", ""),
    "provenance": ("provenance layers", ""),
    "raw": ("geometry of raw files", ""),
}
"""Settings by name: how they are called, and the unit of their value."""
ORDER = ("contradicted", "contradicted in places", "not testable", "consistent", "linear")


def batch_report(
    entries: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    reports: Sequence[str | None],
    settings: Mapping[str, Any],
) -> Report:
    """Put the entries of a batch into one report.

    Parameters
    ----------
    entries : sequence of mapping
        As in the command's JSON: ``consistency``, ``warnings``, hashes; or ``error``.
    names : sequence of str
        How every image is called.
    reports : sequence of (str or None)
        Where its own report lies, relative to this one.
    settings : mapping
        What all images were restored with.

    Returns
    -------
    Report
        Images that need a look first.
    """
    done = [i for i, e in enumerate(entries) if "error" not in e]
    failed = [i for i, e in enumerate(entries) if "error" in e]
    count = Counter(entries[i]["consistency"]["verdict"] for i in done)
    done.sort(
        key=lambda i: (
            ORDER.index(entries[i]["consistency"]["verdict"]),
            -entries[i]["consistency"]["marked_share"],
            names[i],
        )
    )
    worst = next((v for v in ORDER if count[v]), "not testable")
    tone = "bad" if failed else TONE_OF[worst]
    statement = [
        f"{len(done)} of {len(entries)} images were restored"
        + (f", {len(failed)} could not be." if failed else ".")
        + "".join(f" {count[v]} {v}." for v in ORDER if count[v]),
        "Each image was tested on its own, with a chance of at most 1 % that one without fault is marked: among many images without "
        f"fault, about one in a hundred is. Expected here: at most {0.01 * len(done):.2g} such images.",
    ]
    sections = [Section("Images, those to look at first", (_table(entries, names, reports, done),))]
    warned = [Note(f"{names[i]}: {w}") for i in done for w in entries[i]["warnings"]]
    if warned:
        sections.append(Section("Warnings", tuple(warned)))
    if failed:
        rows = tuple((names[i], str(entries[i]["error"])) for i in failed)
        sections.append(Section("Not restored", (Facts(rows),)))
    sections.append(Section("Settings", (Facts(settings_in_words(settings)),)))
    hashes = []
    for i in sorted(done):
        hashes += [(f"{names[i]}, input", str(entries[i]["sha256_in"])), ("output", str(entries[i]["sha256_out"]))]
    sections.append(Section("SHA-256 of inputs and outputs", (Facts(tuple(hashes)),)))
    sections.append(Section("What is not claimed", (Note(NOT_CLAIMED),)))
    return Report(
        title=f"Batch report: {len(entries)} images",
        subtitle=f"coldray {__version__}",
        verdict=VERDICT_WORDS[worst]
        if len(count) == 1 and not failed
        else "Some images need a look"
        if failed or worst != "consistent"
        else "",
        tone=tone,
        statement=tuple(statement),
        sections=tuple(sections),
    )


def _table(
    entries: Sequence[Mapping[str, Any]], names: Sequence[str], reports: Sequence[str | None], order: Sequence[int]
) -> Table:
    rows = []
    for i in order:
        found = entries[i]["consistency"]
        rows.append(
            (
                names[i], found["verdict"], f"{100 * found['marked_share']:.2g}", str(found["place_count"]), f"{found['residual_over_noise']:.3g}",
                f"{100 * found['prior_share']:.2g}", str(len(entries[i]["warnings"])),
            )
        )  # fmt: skip
    return Table(
        (
            "image", "verdict", "marked [% of area]", "places [number]", "residual / noise [rms]", "prior [% of energy]",
            "warnings [number]",
        ),
        tuple(rows),
        links=tuple(reports[i] for i in order),
    )  # fmt: skip


def settings_in_words(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Settings as name and value pairs with units; what is not set is left out."""
    rows = []
    for key, value in settings.items():
        label, unit = LABELS.get(key, (key.replace("_", " "), ""))
        if value is None or value in (False, [], {}, ()):
            continue
        if isinstance(value, Mapping):
            text = ", ".join(f"{k} = {v}" for k, v in value.items())
        elif isinstance(value, (list, tuple)):
            text = ", ".join(str(v) for v in value)
        elif isinstance(value, bool):
            text = "yes"
        else:
            text = f"{value:g}{unit}" if isinstance(value, float) else f"{value}{unit}"
        rows.append((label, text))
    return tuple(rows)
