"""Check a restored file against its record, and restore its input again to compare."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coldray.app.files import LEDGER, expand
from coldray.app.one import record_path, restore_files
from coldray.app.recipe import MODEL_SETTINGS, RECORD_FORMAT, REPEATABLE_FORMATS, Recipe, as_now, environment
from coldray.app.records import Record, find_record
from coldray.app.said import ANOTHER_MACHINE, differences, steps_apart
from coldray.app.signature import PublicKey, judge
from coldray.checkpoint import file_sha256
from coldray.declaration import SOURCES
from coldray.document import Json, as_entries, as_table, as_text, read_object
from coldray.errors import (
    ColdrayError,
    DetectorError,
    ImageReadError,
    MetadataError,
    PluginError,
    SettingsError,
    StrengthError,
)
from coldray.files import shown
from coldray.formats import read_image, suffixes
from coldray.settings import recorded


@dataclass
class Sources:
    """Where the user says things are; None leaves it to the record.

    Parameters
    ----------
    input : Path, optional
        The original, or a folder in which it is found by its hash.
    settings : mapping
        Model, detectors and flat fields, by the names of `coldray.declaration`.
    keys : tuple of PublicKey
        Those of which one must have signed the record; none if it need not be signed.
    """

    input: Path | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    keys: tuple[PublicKey, ...] = ()


def verify(path: Path, given: Sources) -> dict[str, Json]:
    """Recompute the hashes of a restored file and repeat its restoration.

    Parameters
    ----------
    path : Path
        Written by `coldray restore`.
    given : Sources
        Where original, model, detectors and flats are, if not where they were.

    Returns
    -------
    dict
        `matches`, what was compared, the state of the `signature`, and `problems` in words. Same build, machine and
        thread count: the repeated file has the same bytes. Otherwise pixels may differ by one step of 16 bits.

    Raises
    ------
    ColdrayError
        If the restoration cannot be repeated: no record or one of another format, or the original, a model or a
        detector is missing.
    """
    record = find_record(path)
    signature = judge(record.said if record.origin == "file" else {}, given.keys)
    problems = record.problems + ([signature.problem] if signature.problem else [])
    digest = file_sha256(path)
    result: dict[str, Any] = {
        "file": str(path),
        "matches": False,
        "record": record.origin,
        "sha256_out": digest,
        "sha256_recorded": record.entry.get("sha256_out"),
        "signature": signature.to_json(),
    }
    if record.entry and digest != record.entry["sha256_out"]:
        problems.append(f"{shown(path)} was changed after it was written: its sha256 is not the recorded one")
    for name, wanted in as_table(record.entry.get("side_files", {})).items():
        side = path.with_name(name)
        if not side.is_file():
            problems.append(f"{name} is missing")
        elif file_sha256(side) != wanted:
            problems.append(f"{name} was changed after it was written")
    try:
        result |= _repeat(path, record, given, digest)
    except ColdrayError as problem:
        if not problems:
            raise
        # a changed file does not match, whether or not the original is at hand
        problems.append(f"the restoration was not repeated: {problem}")
    if result.get("repeated"):
        if not result["repeated"]["agrees"]:
            problems.append(result["repeated"].pop("why"))
        problems += result.pop("said_otherwise")
    return result | {"matches": not problems, "problems": problems}


def audit(folder: Path, given: Sources, told: Callable[[Mapping[str, Json]], None] = lambda _: None) -> dict[str, Json]:
    """Verify every result of a folder that its ledger knows, and every image there that it does not.

    Parameters
    ----------
    folder : Path
        Written by `coldray restore`.
    given : Sources
        As for `verify`.
    told : callable
        Called with every result as soon as it is known.

    Returns
    -------
    dict
        `files` in the order of their names, each as `verify` returns it, or with an "error"; `matches`, whether all do;
        `counts` of "matches", "differs", "missing" and "not repeated".

    Raises
    ------
    MetadataError
        If nothing was restored into the folder.
    """
    from coldray.app.ledger import targets

    known = set(targets(folder)) if (folder / LEDGER).is_file() else set()
    there = {path for path, _ in expand([folder])}
    beside = {path for path in there if record_path(path).is_file()}
    found = sorted(known | (there if known else beside))
    if not found:
        raise MetadataError(
            f"{shown(folder)}: nothing there was written by `coldray restore`; give a folder of its results"
        )
    files: list[dict[str, Json]] = []
    counts: Counter[str] = Counter()
    for path in found:
        entry: dict[str, Json] = {"file": str(path), "matches": False}
        if not path.is_file():
            kind, entry = "missing", entry | {"problems": [f"{shown(path)} is missing"]}
        else:
            try:
                entry = verify(path, given)
                kind = "matches" if entry["matches"] else "differs"
            except ColdrayError as problem:
                kind, entry = "not repeated", entry | {"error": str(problem), "problems": [str(problem)]}
        counts[kind] += 1
        files.append(entry)
        told(entry)
    return {"folder": str(folder), "matches": counts["matches"] == len(files), "counts": dict(counts), "files": files}


def _repeat(path: Path, record: Record, given: Sources, digest: str) -> dict[str, Json]:
    """Restore the original again and compare."""
    if record.format not in REPEATABLE_FORMATS:
        raise MetadataError(
            f"{shown(path)}: written by format {record.format} of the record; cannot be re-run by this version, which "
            f"reads formats {REPEATABLE_FORMATS[0]} to {RECORD_FORMAT}: verify it with coldray {record.settings.get('coldray', 'as it was then')}"
        )
    sources = _originals(path, record, given)
    here = environment()
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / path.name
        try:
            recipe = _recipe(record, given)
            restore_files(sources, again, recipe, record=True)
        except MetadataError as problem:
            raise MetadataError(f"{shown(path)}: {problem}") from None
        except (SettingsError, PluginError, StrengthError) as problem:
            # what the user typed is right; what was recorded is not
            raise MetadataError(f"{shown(path)}: its record cannot be repeated: {problem}") from None
        same_bytes = file_sha256(again) == digest
        difference = None if same_bytes else steps_apart(record.image, read_image(again))
        repeated = read_object(again.with_name(again.name + ".json"), MetadataError)
    differs = {k: [record.environment.get(k), v] for k, v in here.items() if record.environment.get(k) != v}
    compared: dict[str, Json] = {
        "same_bytes": same_bytes,
        "largest_difference_lsb16": 0.0 if same_bytes else difference,
        "environment_differs": differs,
    }
    if same_bytes:
        compared["agrees"] = True
    elif difference is None:
        compared |= {"agrees": False, "why": "the repeated restoration has another shape or pixel type"}
    elif difference > 1.0:
        compared |= {
            "agrees": False,
            "why": f"pixels differ from a repeated restoration by {difference:.3g} steps of 16 bits"
            + (", more than the one step another build may differ by" if _another_build(differs) else ""),
        }
    elif differs:
        compared["agrees"] = True
    else:
        why = "the same build, machine and threads give other bytes: pixels agree, but the file's metadata were changed"
        compared |= {
            "agrees": False,
            "why": why if difference == 0 else "the same build, machine and threads give other pixels",
        }
    found: dict[str, Json] = {"input": str(sources[0]), "sha256_in": record.places[0][0], "repeated": compared}
    found["said_otherwise"] = _said_otherwise(record, repeated, differs)
    return found | {"inputs": [str(source) for source in sources]} if record.settings.get("average") else found


def _said_otherwise(record: Record, repeated: dict[str, Json], differs: Mapping[str, Json]) -> list[str]:
    """What the record says otherwise than the repeated restoration; only the build that wrote it says the same in the same words."""
    if not record.said or {"coldray", "build"} & set(differs):
        return []
    wanted = repeated if record.origin == "file" else {k: v for k, v in repeated.items() if k != "settings"}
    beside, left = (set(as_table(found.get("side_files", {}))) for found in (record.said, repeated))
    stray = [
        f"{name} was recorded beside the image, and the recorded settings do not make it" for name in beside - left
    ]
    stray += [f"the recorded settings make {name}, and the record does not know it" for name in left - beside]
    return [*sorted(stray), *differences(record.said, wanted, ANOTHER_MACHINE if differs else 0.0)]


def _another_build(differs: Mapping[str, Any]) -> bool:
    """Whether another build is known to have written the file; records before builds were told apart do not say."""
    return any(differs.get(name, (None, None))[0] is not None for name in ("coldray", "build"))


def _originals(path: Path, record: Record, given: Sources) -> list[Path]:
    """Find the original, or all originals of an average, by their hashes.

    Raises
    ------
    MetadataError
        If nothing says which they are.
    ImageReadError
        If one is not where it was, nor where the user says, or has changed.
    """
    if not record.places or any(wanted is None for wanted, _ in record.places):
        raise MetadataError(f"{shown(path)}: nothing says which original it was restored from")
    if given.input is not None and given.input.is_dir():
        known = {*suffixes(), ""}
        candidates = (p for p in sorted(given.input.rglob("*")) if p.suffix.lower() in known and p.is_file())
        return _by_hash(given.input, candidates, [str(wanted) for wanted, _ in record.places])
    return [_original(path, given.input or (Path(at) if at else None), str(wanted)) for wanted, at in record.places]


def _by_hash(folder: Path, candidates: Iterable[Path], wanted: list[str]) -> list[Path]:
    """Files with the wanted hashes, in their order; no file is hashed after the last is found."""
    found: dict[str, Path] = {}
    for candidate in candidates:
        found.setdefault(file_sha256(candidate), candidate)
        if found.keys() >= set(wanted):
            return [found[digest] for digest in wanted]
    missing = next(digest for digest in wanted if digest not in found)
    raise ImageReadError(f"{folder.name}: no file there has the sha256 {missing[:12]}… of the original; give --input")


def _original(path: Path, place: Path | None, wanted: str) -> Path:
    """The original at its place; ImageReadError if it is not there, or has changed."""
    if place is None:
        raise ImageReadError(f"{shown(path)}: its record does not say where the original is; give --input")
    if not place.is_file():
        raise ImageReadError(f"{shown(place)}: the original is not there any more; give --input FILE or a folder")
    if file_sha256(place) != wanted:
        raise ImageReadError(f"{shown(place)}: not the original, its sha256 differs; give --input FILE or a folder")
    return place


def _recipe(record: Record, given: Sources) -> Recipe:
    """Recipe whose files have the recorded content.

    Raises
    ------
    DetectorError, MetadataError
        If one has not.
    """
    sources = {key: (name, said) for key, (name, said) in recorded().items() if said.kind in SOURCES}
    from coldray.restoration.model import shipped_as

    then = as_now(record.settings)
    chosen = {key: given.settings.get(name) or record.sources.get(key) for key, (name, _) in sources.items()}
    for key, (name, said) in sources.items():
        if said.kind == "model" and not given.settings.get(name) and not Path(str(chosen[key])).is_file():
            # a model that ships under another name by now
            chosen[key] = shipped_as(None if then[key] is None else as_text(then[key])) or chosen[key]
    recipe = Recipe.of_record(record.settings, chosen)
    now = recipe.settings()
    for key, (name, said) in sources.items():
        if said.kind == "flats" and then[key] and len(getattr(recipe, name) or ()) != len(as_entries(then[key])):
            raise MetadataError(f"{len(as_entries(then[key]))} flat fields are needed; give `{name}`")
        if now[key] == then[key]:
            continue
        if said.kind == "detector":
            raise DetectorError(f"the {key} detector {chosen[key]!r} is not the recorded one; give `{name}`")
        raise MetadataError(f"the {key} at hand is not the recorded one (sha256 differs); give `{name}`")
    if then.get(MODEL_SETTINGS, now[MODEL_SETTINGS]) != now[MODEL_SETTINGS]:
        raise MetadataError(
            "the model at hand has the recorded weights, but other constants in its header (gate, gain or domain); give `model`"
        )
    return recipe
