"""The qualification file: what exists for one detector pair, model and procedure, by twenty questions; gaps are named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coldray import __version__
from coldray.document import Json, as_text
from coldray.errors import SettingsError
from coldray.reports.blocks import Block, Facts, Note, Report, Section, Table
from coldray.reports.restoration import NOT_CLAIMED

EVIDENCE: Mapping[str, str] = {
    "metrology": "coldray panel, or coldray characterise",
    "stability": "coldray stability",
    "trust": "benchmarks/trust_marks.py, or coldray benchmark trust",
    "efficiency": "coldray evaluate --flats",
    "pod": "coldray pod",
    "interval": "benchmarks/interval.py check",
    "pairs": "coldray evaluate --pairs",
    "trial": "coldray trial analyse",
    "anomalies": "docs/reference/known_anomalies.md of this version",
}
"""What may be given beside the model, and what makes it."""
SETTINGS, MODEL, DOMAIN, DATA, CHECK, LIMITS = "settings", "model", "domain", "data", "check", "limits"
MOST_ROWS = 60
"""Rows that are shown of one table."""
LONGEST = 160
"""Characters that are shown of one value."""
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Question:
    """One question of a certifying body, and where it is answered: a section of ours, or evidence that must be given."""

    text: str
    place: str


QUESTIONS: tuple[Question, ...] = (
    Question("For which detectors, pixel pitch, method and settings is this?", SETTINGS),
    Question("Which model and version is it, and by which hash is it recognised?", MODEL),
    Question("Can the model change unnoticed, and how is a change told?", MODEL),
    Question("For which detectors, exposures and noise may it be used?", DOMAIN),
    Question("What notices an image outside of that, and what is written then?", DOMAIN),
    Question("On which data was the model trained?", DATA),
    Question("On which data was it chosen and calibrated, and are they apart from the training?", DATA),
    Question("On which data was it tested, and are they apart from both?", "trust"),
    Question("How sharp and how noisy are the detectors, with uncertainty?", "metrology"),
    Question("Are the detectors still what they were when that was measured?", "stability"),
    Question("Does it invent structure, or remove any?", "trust"),
    Question("How do its figures depend on contrast, exposure and object?", "trust"),
    Question("How much of a faint detail is left where nothing else is seen?", "efficiency"),
    Question("From which size are known defects found, raw and restored, at which false-call rate?", "pod"),
    Question("How far may a pixel be from the truth, and how often is that kept?", "interval"),
    Question("What proves a gain on parts of the user's own?", "pairs"),
    Question("What do people find with it, compared with the raw image?", "trial"),
    Question("What is known to be wrong?", "anomalies"),
    Question("How is a single result checked, traced and repeated?", CHECK),
    Question("What is not claimed?", LIMITS),
)
"""Asked after ENIQ RP 13 (qualification of AI in NDT), the scope of ASTM E3327 and FDA's draft on AI-enabled devices; no conformity
with any of them is claimed."""


@dataclass(frozen=True)
class Evidence:
    """One file that was given.

    Parameters
    ----------
    name : str
        One of `EVIDENCE`.
    file, sha256 : str
    content : dict or str
        Of a JSON file, or text.
    """

    name: str
    file: str
    sha256: str
    content: Mapping[str, Json] | str

    def shortfall(self, model_sha256: str, settings_sha256: str = "") -> str:
        """Why it does not answer for a model, in a sentence; empty if nothing in it says so."""
        said: Mapping[str, Json] = {} if isinstance(self.content, str) else self.content
        named = _model_of(said)
        if named is not None and named != model_sha256:
            return f"This was measured with ANOTHER model, sha256 {named[:16]}: it does not answer for this one."
        model = said.get("model")
        constants = model.get("settings_sha256") if isinstance(model, Mapping) else None
        if isinstance(constants, str) and constants != settings_sha256:
            return f"This was measured with OTHER CONSTANTS of this model (gate, gain or domain), sha256 {constants[:16]}: it does not answer."
        if self.name == "trial" and said.get("read_by") == "simulated":
            return "The readers are SIMULATED: what people find is not answered."
        if self.name == "trial" and said.get("read_by") != "people":
            return "It does not say that PEOPLE read: give the .json that coldray trial analyse writes."
        return ""


@dataclass(frozen=True)
class Dossier:
    """Everything that was gathered.

    Parameters
    ----------
    settings : dict
        Of the procedure: detectors, method, pitch and so on, as stated.
    header : dict
        The model's card.
    sha256, settings_sha256 : str
        Of the model's file, and of what of its header decides a result.
    evidence : tuple of Evidence

    Raises
    ------
    SettingsError
        If evidence has an unknown name.
    """

    settings: Mapping[str, Json]
    header: Mapping[str, Any]
    sha256: str
    settings_sha256: str = ""
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        for one in self.evidence:
            if one.name not in EVIDENCE:
                raise SettingsError(f"evidence {one.name!r} is unknown; choose one of {', '.join(EVIDENCE)}")

    def sections(self) -> dict[str, tuple[Block, ...]]:
        """What is known, by the places that `QUESTIONS` name; places about which nothing is known are missing."""
        own = {SETTINGS: _facts(self.settings), MODEL: self._model(), DOMAIN: self._domain(), DATA: self._data()}
        own |= {CHECK: (Note(CHECKED),), LIMITS: (Note(NOT_CLAIMED), Note(ALSO_NOT))}
        for one in self.evidence:
            own[one.name] = (*own.get(one.name, ()), *_shown(one, self._shortfall(one)))
        return {name: blocks for name, blocks in own.items() if blocks}

    def answered(self) -> set[str]:
        """Places of `sections` that answer their questions: not those whose every file says that it does not."""
        given = {one.name for one in self.evidence}
        return set(self.sections()) - given | {e.name for e in self.evidence if not self._shortfall(e)}

    def gaps(self) -> list[dict[str, Json]]:
        """Questions that nothing given answers, by their number, with what would, and why what was given does not."""
        answered = self.answered()
        return [
            {
                "number": number,
                "question": one.text,
                "missing": one.place,
                "made_by": EVIDENCE.get(one.place, "the model's card"),
                "given": [self._shortfall(e) for e in self.evidence if e.name == one.place],
            }
            for number, one in enumerate(QUESTIONS, 1)
            if one.place not in answered
        ]

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form: the sections by name, the questions, and the gaps."""
        answered = self.answered()
        return {
            "coldray": __version__,
            "settings": dict(self.settings),
            "model": self._named(),
            "questions": [
                {"number": number, "question": one.text, "section": one.place if one.place in answered else None}
                for number, one in enumerate(QUESTIONS, 1)
            ],
            "gaps": self.gaps(),
            "evidence": {
                name: [
                    {"file": e.file, "sha256": e.sha256, "content": e.content} for e in self.evidence if e.name == name
                ]
                for name in EVIDENCE
                if any(e.name == name for e in self.evidence)
            },
            "card": dict(self.header),
        }

    def _shortfall(self, one: Evidence) -> str:
        return one.shortfall(self.sha256, self.settings_sha256)

    def _named(self) -> dict[str, Json]:
        return {"name": self.header.get("name"), "sha256": self.sha256, "settings_sha256": self.settings_sha256}

    def _model(self) -> tuple[Block, ...]:
        known = {
            name: self.header[name]
            for name in ("name", "method", "degradation", "network", "reach")
            if name in self.header
        }
        return (Facts(tuple(_scalars(known | self._named() | {"coldray": __version__}))), Note(FROZEN))

    def _domain(self) -> tuple[Block, ...]:
        family = self.header.get("family")
        if not family:
            return ()
        plain = {
            name: value for name, value in family.items() if name not in ("cloud", "conditions_low", "conditions_high")
        }
        names = ["strength", *self.header.get("conditions", [])[1:]]
        spans = zip(names, family.get("conditions_low", ()), family.get("conditions_high", ()), strict=False)
        rows = tuple((str(name), f"{low:.4g}", f"{high:.4g}") for name, low, high in spans)
        table = (Table(("what the network is told", "from", "to"), rows),) if rows else ()
        return (*_facts(plain), *table, Note(GUARDED))

    def _data(self) -> tuple[Block, ...]:
        training = self.header.get("training")
        if not training:
            return ()
        found = {"training": training, "validation": self.header.get("validation", {})}
        return (Facts(tuple(_scalars(found))[:MOST_ROWS]), Note(APART))


FROZEN = (
    "The model is one file and its header. The sha256 of the file, and that of what of the header decides a result (gate, gain, domain, prior), "
    "stand in the history of every restored image and in its record; a file that differs from its header's sha256 is refused, and a result restored "
    "by another model, or with other constants, does not verify."
)
GUARDED = (
    "Every image's MTF ratio and noise are compared with those of the training. Outside, the network's share fades to 0 and the linear filter is "
    "what is written, with a warning; where the measurement contradicts the network it corrects its result, or the linear filter stands in, unless "
    "the setting on_contradiction says otherwise; where the result would be clipped or shifted the linear filter is written, or nothing."
)
APART = (
    "Training, validation and test draw from families of objects that are apart by name; validation sets what is chosen and calibrated. The card "
    "says how many fields there were; it does not list them."
)
CHECKED = (
    "Every result has a certificate: it is blurred again, subtracted from the measurement and tested against the noise. Its record holds hashes of "
    "input, output, model and detectors, the settings and the build; `coldray verify` restores the input again and compares; records may be signed."
)
ALSO_NOT = (
    "This file gathers what its makers measured. It is no qualification: whoever qualifies judges whether the evidence fits the parts, the "
    "defects and the rates that matter. What stands under gaps was not measured, or was not given."
)


def dossier_report(found: Dossier) -> Report:
    """Lay out a dossier: the questions first, each with its section or its gap, then what was gathered."""
    known, gaps, answered = found.sections(), found.gaps(), found.answered()
    rows = tuple(
        (
            str(number),
            one.text,
            _title(one.place)
            if one.place in answered
            else f"GAP: give {one.place}, from {EVIDENCE.get(one.place, 'the card')}"
            + ("; what was given does not answer" if one.place in known else ""),
        )
        for number, one in enumerate(QUESTIONS, 1)
    )
    order = dict.fromkeys(one.place for one in QUESTIONS)
    sections = [Section("Twenty questions", (Table(("", "question", "answered under"), rows),))]
    sections += [Section(_title(name), known[name]) for name in order if name in known]
    open_ = f"{len(gaps)} of {len(QUESTIONS)} questions are open"
    missing = tuple(dict.fromkeys(as_text(gap["missing"]) for gap in gaps))
    statement = (
        (f"Nothing that answers was given for: {', '.join(missing)}.",)
        if gaps
        else ("Every question has a section; whether it suffices is the reader's to judge.",)
    )
    name = found.header.get("name", "no model")
    return Report(
        title=f"Qualification file: {found.settings.get('blurred')} to {found.settings.get('sharp')}",
        subtitle=f"coldray {__version__}, model {name}, sha256 {found.sha256[:16]}",
        verdict=open_ if gaps else "No question is open",
        tone="doubtful" if gaps else "unknown",
        statement=statement,
        sections=tuple(sections),
    )


def _title(place: str) -> str:
    return place[:1].upper() + place[1:]


def _shown(one: Evidence, shortfall: str) -> tuple[Block, ...]:
    """A file as it is: where it is from, why it does not answer if it does not, its figures."""
    head = [("file", one.file), ("sha256", one.sha256)]
    warning = (Note(shortfall),) if shortfall else ()
    if isinstance(one.content, str):
        return (Facts(tuple(head)), *warning, *(Note(line) for line in one.content.splitlines() if line.strip()))
    return (Facts((*head, *tuple(_scalars(one.content))[:MOST_ROWS])), *warning, *_tables(one.content))


def _model_of(content: Mapping[str, Json]) -> str | None:
    """Hash of the model that evidence names; None if it names none."""
    model = content.get("model")
    stated = model.get("sha256") if isinstance(model, Mapping) else model
    named = (one for one in (stated, content.get("model_sha256")) if isinstance(one, str) and SHA256.fullmatch(one))
    return next(named, None)


def _facts(found: Mapping[str, Json]) -> tuple[Block, ...]:
    rows = tuple(_scalars(found))[:MOST_ROWS]
    return (Facts(rows),) if rows else ()


def _scalars(found: Mapping[str, Json], before: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of everything that is no table, through all levels."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{before}{name}: ")
        elif isinstance(value, list | tuple):
            if value and not any(isinstance(one, Mapping | list | tuple) for one in value):
                yield f"{before}{name}", _short(", ".join(map(_plain, value)))
        elif value is not None:
            yield f"{before}{name}", _short(_plain(value))


def _tables(found: Mapping[str, Json], before: str = "") -> Iterator[Table]:
    """A table for every list of records, through all levels."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _tables(value, f"{before}{name}: ")
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            columns = tuple(
                dict.fromkeys(key for one in value for key, cell in one.items() if not isinstance(cell, Mapping | list))
            )
            rows = tuple(tuple(_short(_plain(one.get(key, ""))) for key in columns) for one in value[:MOST_ROWS])
            left = f"; {len(value) - MOST_ROWS} more rows stand in the file" if len(value) > MOST_ROWS else ""
            if columns:
                yield Table(columns, rows, f"{before}{name}{left}")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else "" if value is None else str(value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
