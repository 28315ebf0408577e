"""The report of a batch: how many images agree with their measurements, and which to look at first."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coldray import __version__
from coldray.document import Json, as_number, as_table, as_text, as_texts
from coldray.reports.blocks import Block, Facts, Note, Report, Section, Table
from coldray.reports.done import part
from coldray.reports.inspection import DECISIONS, Noted, counted_in_words, decision_in_words, marked_in_words
from coldray.reports.restoration import NOT_CLAIMED, TONE_OF, VERDICT_WORDS
from coldray.restoration.certificate.words import CONSISTENT, CONTRADICTED, LINEAR, LOCAL, UNTESTABLE
from coldray.settings import ABOUT

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
    "interval": ("lower and upper images", ""),
    "about": ("part and inspection", ""),
    "raw": ("geometry of raw files", ""),
}
"""Settings by name: how they are called, and the unit of their value."""
ORDER = (CONTRADICTED, LOCAL, UNTESTABLE, CONSISTENT, LINEAR)
"""Verdicts, those to look at first before the others."""
MOST_PICTURES = 200
"""Images that are shown small; of the others the report has the numbers."""
CSV_COLUMNS = (
    "image", "verdict", "marked_percent", "places", "residual_over_noise", "prior_percent", "warnings", "method", "seconds", "sha256_in",
    "sha256_out", "error", *ABOUT, "decision", "defects", "rejected_defects", "inspector",
)  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t")
"""What spreadsheets take for the beginning of a formula."""


@dataclass(frozen=True)
class Row:
    """One image of a batch.

    Parameters
    ----------
    entry : mapping
        As in the command's JSON: ``consistency``, ``warnings``, hashes; or ``error``.
    name : str
        How it is called.
    link : str, optional
        Where its own report lies, relative to that of the batch.
    noted : Noted or str, optional
        What an inspector noted on it, or why that cannot be told.
    """

    entry: Mapping[str, Json]
    name: str
    link: str | None = None
    noted: Noted | str | None = None

    @property
    def failed(self) -> bool:
        """Whether it could not be restored."""
        return "error" in self.entry

    @property
    def verdict(self) -> str:
        """That of its certificate."""
        return str(self.certificate["verdict"])

    @property
    def certificate(self) -> Mapping[str, Json]:
        """What its certificate says."""
        return as_table(self.entry["consistency"])

    def percent(self, name: str) -> float:
        """A share that its certificate states [%]."""
        return 100 * as_number(self.certificate[name])

    @property
    def over_noise(self) -> float:
        """Residual over the noise."""
        return as_number(self.certificate["residual_over_noise"])

    @property
    def warnings(self) -> list[str]:
        """What was warned of."""
        return as_texts(self.entry["warnings"])

    @property
    def about(self) -> dict[str, str]:
        """What its record says of part and inspection."""
        return {name: as_text(said) for name, said in as_table(self.entry.get("about", {})).items()}


def batch_report(
    images: Sequence[Row],
    settings: Mapping[str, Json],
    thumbnail: Callable[[Mapping[str, Json]], bytes | None] = lambda _: None,
) -> Report:
    """Put the entries of a batch into one report.

    Parameters
    ----------
    images : sequence of Row
    settings : mapping
        What all images were restored with.
    thumbnail : callable
        Small picture (PNG) for an entry; asked for at most `MOST_PICTURES` images.

    Returns
    -------
    Report
        Images that need a look first.
    """
    done = [one for one in images if not one.failed]
    failed = [one for one in images if one.failed]
    count = Counter(one.verdict for one in done)
    first = sorted(done, key=lambda one: (ORDER.index(one.verdict), -one.percent("marked_share"), one.name))
    seen = [one.noted for one in first if isinstance(one.noted, Noted)]
    worst = next((v for v in ORDER if count[v]), UNTESTABLE)
    statement = (
        f"{len(done)} of {len(images)} images were restored"
        + (f", {len(failed)} could not be." if failed else ".")
        + "".join(f" {count[v]} {v}." for v in ORDER if count[v]),
        "Each image was tested on its own, with a chance of at most 1 % that one without fault is marked: among many images without "
        f"fault, about one in a hundred is. Expected here: at most {0.01 * len(done):.3g} such images.",
        *([_inspected_in_words(seen)] if seen else ()),
    )
    words = "Some images need a look" if failed or worst != CONSISTENT else ""
    return Report(
        title=f"Batch report: {len(images)} images",
        subtitle=f"coldray {__version__}",
        verdict=VERDICT_WORDS[worst] if len(count) == 1 and not failed else words,
        tone="bad" if failed else TONE_OF[worst],
        statement=statement,
        sections=tuple(_sections(images, first, failed, count, settings, thumbnail)),
    )


def _sections(
    images: Sequence[Row],
    first: Sequence[Row],
    failed: Sequence[Row],
    count: Counter[str],
    settings: Mapping[str, Json],
    thumbnail: Callable[[Mapping[str, Json]], bytes | None],
) -> list[Section]:
    """What follows the statement: images, counts, warnings, failures, settings, hashes."""
    counts = [(v, f"{count[v]} images") for v in ORDER if count[v]]
    counts += [("not restored", f"{len(failed)} images")] if failed else []
    sections = []
    if first:
        small = tuple(thumbnail(one.entry) for one in first[:MOST_PICTURES])
        small += (None,) * (len(first) - len(small))
        sections.append(Section("Images, those to look at first", (_table(first, small if any(small) else ()),)))
    sections += [*_inspection(first), *part({}, _in_common(first))]
    sections.append(Section("Counts", (Facts(tuple(counts)),)))
    warned = [Note(f"{one.name}: {w}") for one in first for w in one.warnings]
    if warned:
        sections.append(Section("Warnings", tuple(warned)))
    if failed:
        rows = tuple((one.name, str(one.entry["error"])) for one in failed)
        sections.append(Section("Not restored", (Facts(rows),)))
    sections.append(Section("Settings", (Facts(settings_in_words(settings)),)))
    hashes = []
    for one in images:
        if not one.failed:
            hashes += [(f"{one.name}, input", str(one.entry["sha256_in"])), ("output", str(one.entry["sha256_out"]))]
    if hashes:
        sections.append(Section("SHA-256 of inputs and outputs", (Facts(tuple(hashes)),)))
    sections.append(Section("What is not claimed", (Note(NOT_CLAIMED),)))
    return sections


def _inspected_in_words(seen: Sequence[Noted]) -> str:
    """What inspectors decided, in one sentence or two."""
    return f"Inspected: {counted_in_words(one.notes.decision for one in seen)}. {marked_in_words([mark for one in seen for mark in one.notes.defects])}"


def _inspection(images: Sequence[Row]) -> list[Section]:
    """Decisions and defects that inspectors noted; nothing if none did."""
    blocks: list[Block] = [Note(one.noted) for one in images if isinstance(one.noted, str)]
    seen = [(one, one.noted) for one in images if isinstance(one.noted, Noted)]
    if seen:
        decided = tuple(
            (one.name, decision_in_words(found.notes), str(len(found.rows)), found.notes.note or "–")
            for one, found in seen
        )
        links = tuple(one.link for one, _ in seen)
        blocks.append(Table(("image", "decision", "defects [number]", "note"), decided, links=links))
    defects = tuple((one.name, *row) for one, found in seen for row in found.rows)
    if defects:
        small = tuple(
            picture
            for _, found in seen
            for picture in (*found.pictures, *[None] * (len(found.rows) - len(found.pictures)))
        )
        columns = ("image", "mark [number]", "class", "words", "x", "y", "size", "decision")
        note = "Defects. Small pictures: left original, right restored."
        blocks.append(Table(columns, defects, note, pictures=small if any(small) else ()))
    return [Section("Inspection", tuple(blocks))] if blocks else []


def _in_common(images: Sequence[Row]) -> dict[str, str]:
    """What the records of all images say of part and inspection alike."""
    said = [one.about for one in images]
    return {name: text for name, text in (said[0] if said else {}).items() if all(s.get(name) == text for s in said)}


def _table(images: Sequence[Row], pictures: tuple[bytes | None, ...]) -> Table:
    rows = []
    for one in images:
        rows.append(
            (
                one.name, one.verdict, f"{one.percent('marked_share'):.3g}", str(one.certificate["place_count"]), f"{one.over_noise:.3g}",
                f"{one.percent('prior_share'):.3g}", str(len(one.warnings)),
            )
        )  # fmt: skip
    return Table(
        (
            "image", "verdict", "marked [% of area]", "places [number]", "residual / noise [rms]", "prior [% of energy]",
            "warnings [number]",
        ),
        tuple(rows),
        links=tuple(one.link for one in images),
        pictures=pictures,
    )  # fmt: skip


def batch_csv(images: Sequence[Row]) -> str:
    """The batch as a table for spreadsheets, one line per image in the order of the batch.

    Parameters
    ----------
    images : sequence of Row

    Returns
    -------
    str
        Comma-separated, with a heading; text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for one in images:
        said: dict[str, Json] = {"image": one.name}
        if one.failed:
            said["error"] = one.entry["error"]
        else:
            said |= {
                "verdict": one.verdict,
                "marked_percent": f"{one.percent('marked_share'):.6g}",
                "places": one.certificate["place_count"],
                "residual_over_noise": f"{one.over_noise:.6g}",
                "prior_percent": f"{one.percent('prior_share'):.6g}",
                "warnings": len(one.warnings),
                **{key: one.entry[key] for key in ("method", "seconds", "sha256_in", "sha256_out") if key in one.entry},
                **one.about,
            }
            if isinstance(one.noted, Noted):
                notes = one.noted.notes
                said |= {
                    "decision": DECISIONS[notes.decision],
                    "defects": len(notes.defects),
                    "rejected_defects": sum(mark.decision == "rejected" for mark in notes.defects),
                    "inspector": notes.inspector,
                }
        writer.writerow({key: _as_text(value) for key, value in said.items()})
    return out.getvalue()


def _as_text(value: Json) -> Json:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def settings_in_words(settings: Mapping[str, Json]) -> tuple[tuple[str, str], ...]:
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
