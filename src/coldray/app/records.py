"""What is known of a restored file: the JSON beside it, its folder's ledger, its own history; of the right types, or damaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from coldray.app.files import LEDGER, SIDE_IMAGES
from coldray.app.one import record_path
from coldray.app.recipe import RECORD_FORMAT, record_format
from coldray.document import Json, as_table, as_text, as_texts, read_object
from coldray.errors import MetadataError
from coldray.files import shown
from coldray.formats import read_image
from coldray.radiograph import Radiograph


def _plain(name: str) -> str:
    if Path(name).name != name or "\0" in name:
        raise ValueError("a plain file name is needed")
    return name


class _Typed(BaseModel):
    model_config = ConfigDict(strict=True)


class _Entry(_Typed):
    """Parts of an entry that are checked."""

    input: str
    sha256_in: str | None
    sha256_out: str
    side_files: dict[Annotated[str, AfterValidator(_plain)], str] = {}


class ShownEntry(_Typed):
    """Parts of an entry that a page shows."""

    sha256_out: str | None = None
    side_files: dict[str, str] = {}
    consistency: dict[str, Any] = {}
    about: dict[str, str] = {}
    warnings: list[str] = []


class _Run(_Typed):
    """How it was restored."""

    settings: dict[str, Any]
    sources: dict[str, str | list[str] | None]
    environment: dict[str, Any]
    input: str | None = None
    inputs: list[str] = []


class _History(_Typed):
    """What the image's own history says of its originals."""

    sha256_in: str | None = None
    sha256_inputs: list[str] | None = None


@dataclass
class Record:
    """What is known of a restored file.

    Parameters
    ----------
    image : Radiograph
        The file itself.
    entry : dict
        Its entry in the command's JSON; empty if there is only the image's own history.
    settings, sources, environment : dict
        As in `coldray.app.one.recipe_record`.
    input : str, optional
        Path of the original.
    origin : str
        Where the record comes from: "file", "ledger" or "history".
    format : int
        See `coldray.app.recipe.RECORD_FORMAT`.
    inputs : tuple of str
        Paths of all originals of an average, where the record knows them.
    said : dict
        All that the record says, as `coldray.app.one.record_of` writes it; a ledger says no `settings`.
    """

    image: Radiograph
    entry: dict[str, Json]
    settings: Mapping[str, Json]
    sources: Mapping[str, Json]
    environment: Mapping[str, Json]
    input: str | None
    origin: str
    format: int = RECORD_FORMAT
    problems: list[str] = field(default_factory=list)
    inputs: tuple[str, ...] = ()
    said: dict[str, Json] = field(default_factory=dict)

    @property
    def places(self) -> list[tuple[str | None, str | None]]:
        """Hash and path, where known, of the original; of all originals of an average."""
        details = _restore_details(self.image)
        if not self.settings.get("average"):
            own = self.entry.get("sha256_in") or details.get("sha256_in")
            return [(None if own is None else as_text(own), self.input)]
        hashes = as_texts(details.get("sha256_inputs") or [])
        paths = self.inputs if len(self.inputs) == len(hashes) else (None,) * len(hashes)
        return list(zip(hashes, paths, strict=True))


def find_record(path: Path) -> Record:
    """Find what is known of a restored file: its JSON beside it, its folder's ledger, its own history.

    Raises
    ------
    ImageReadError
        If the file is no image.
    MetadataError
        If it was not restored by coldray, nothing says how, or the ledger is of another version.
    """
    if path.name.endswith(SIDE_IMAGES):
        raise MetadataError(f"{shown(path)}: give the restored image itself; what lies beside it is checked with it")
    image = read_image(path)
    details = _restore_details(image)
    beside, problems = record_path(path), []
    if beside.is_file():
        try:
            found = read_object(beside, MetadataError)
            first: dict[str, Json] = {"format": 1, "settings": found.get("settings"), "sources": {}, "environment": {}}
            run = found.get("recipe", first)
            said = found if "recipe" in found else {}
            return _record(image, found, run, "file", said, [])
        except (MetadataError, ValidationError):
            problems.append(f"{shown(beside)} is damaged")
    for folder in path.absolute().parents:
        if (folder / LEDGER).is_file():
            from coldray.app.ledger import recorded

            known = recorded(folder, path.absolute())
            try:
                if known is not None:
                    entry, run = known
                    return _record(image, entry, run, "ledger", entry | {"recipe": run}, problems)
            except ValidationError:
                pass
            problems.append(f"the ledger of {folder.name} does not know {shown(path)}, or its row was changed")
            break
    if not isinstance(details.get("settings"), Mapping):
        raise MetadataError(
            f"{shown(path)}: nothing says how it was restored; verify needs what `coldray restore` wrote, "
            f"in a format that keeps its history, or {beside.name} beside it"
        )
    return Record(image, {}, as_table(details["settings"]), {}, {}, None, "history", record_format(details), problems)


def _record(
    image: Radiograph, entry: Mapping[str, Json], run: Json, origin: str, said: dict[str, Json], problems: list[str]
) -> Record:  # fmt: skip
    """A record whose parts are of the right types; ValidationError if one is not."""
    known, how = _Entry.model_validate(entry), _Run.model_validate(run)
    return Record(
        image,
        known.model_dump(exclude={"input"}),
        how.settings,
        how.sources,
        how.environment,
        how.input or known.input,
        origin,
        record_format(as_table(run)),
        problems,
        tuple(how.inputs),
        said,
    )


def _restore_details(image: Radiograph) -> dict[str, Json]:
    """What the last restoration in an image's history says; nothing where its parts are of other types."""
    found = next((dict(step.details) for step in reversed(image.history) if step.verb == "restore"), {})
    try:
        _History.model_validate(found)
    except ValidationError:
        return {}
    return found
