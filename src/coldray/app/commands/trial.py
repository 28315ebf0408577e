"""`trial`: people read images raw, after a linear filter and restored, blind; and what their readings say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.app.commands.view import AllowHost, Host, Port, RootPath, TokenFile
from coldray.app.help import SentencesHelp
from coldray.app.options import recipe_of, with_settings
from coldray.document import Json, as_text, as_texts, plain_table
from coldray.errors import ImageWriteError, SettingsError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from coldray.app.commands._inputs import Inputs
    from coldray.app.viewer.guard import Access, Guard
    from coldray.benchmark.trial.cases import Simulated, Table
    from coldray.benchmark.trial.package import Trial

trial = typer.Typer(
    help="Blind reading of images raw, linear and restored by people: make, serve, analyse.",
    epilog="Example: coldray trial make boards/ -o trial --size-mm 0.4 --reader A --reader B\n\n"
    "Example: coldray trial serve trial\n\nExample: coldray trial analyse trial --sealed trial.sealed.json -o trial.html",
    no_args_is_help=True,
    cls=SentencesHelp,
)

MAKE_EXAMPLE = """
Example: coldray trial make boards/ -o trial --truth defects.csv --reader A --reader B --reader C

Example: coldray trial make boards/ -o trial --kind void --size-mm 0.3 --size-mm 0.5 --reader A --reader B --exposure-s 0.25
"""
SERVE_EXAMPLE = "Example: coldray trial serve trial --reader A"
ANALYSE_EXAMPLE = "Example: coldray trial analyse trial --sealed trial.sealed.json -o trial.html"

NOT_HERE = ("average", "interval", "profile", "response", "random_state")
"""Settings of a restoration that a trial has no use for: all cases are read by one procedure, in the response of the raw frame."""

Package = Annotated[Path, typer.Argument(metavar="TRIAL", help="Folder that coldray trial make wrote.")]
AnswersIn = Annotated[
    Path | None, typer.Option("--answers", metavar="DIR", help="Folder of the answers; within TRIAL by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(trial, name="trial")


def make(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Linear images, or folders of them.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="TRIAL", help="Folder to write for the readers.")],
    reader: Annotated[list[str], typer.Option(metavar="NAME", help="Who reads; two or more, better five. Repeats.")],
    stated: dict[str, Json],
    sealed: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="The truth, to be kept from the readers; TRIAL.sealed.json beside TRIAL by default."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="TABLE.csv", help="Known defects: columns file, x_px, y_px, diameter_px; a control has a row without numbers."),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Defects to put in without a table: void, crack, inclusion; voids by default. Repeats.")
    ] = None,
    size_mm: Annotated[
        list[float] | None, typer.Option("--size-mm", help="Their sizes [mm], drawn alike. Repeats; needed without a table.")
    ] = None,
    contrast: Annotated[float, typer.Option(help="Their relative change of the signal before any blur, 0 to 1.")] = 0.1,
    cases: Annotated[int, typer.Option(min=4, max=2000, help="Fields to show without a table, half of them with a defect.")] = 40,
    field_px: Annotated[int, typer.Option("--field-px", min=48, max=4096, help="Side of a field [px].")] = 256,
    washout_days: Annotated[float, typer.Option(min=0, max=3650, help="Least time between two blocks of a reader [d].")] = 14.0,
    tolerance_px: Annotated[
        float, typer.Option("--tolerance-px", min=0, max=1000, help="How far from the rim of a defect a mark may lie [px].")
    ] = 10.0,
    question: Annotated[str | None, typer.Option(help="What readers are asked; a plain sentence by default.")] = None,
    simulated_readers: Annotated[
        bool, typer.Option("--simulated-readers", help="A program reads; people by default. Sealed with the truth and said of every result."),
    ] = False,
    random_state: Annotated[
        int | None,
        typer.Option(min=0, help="Makes the same trial again; drawn by the system by default, and kept with the truth. Who knows it knows the order."),
    ] = None,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Restore cases with and without defects, hide which is which, and draw who reads what when.

    Every reader reads every case in every arm (raw, linear, restored), in three blocks apart in time.
    """
    from coldray.benchmark.trial.cases import Source
    from coldray.benchmark.trial.package import make_trial

    sealed = sealed or out.with_name(out.name + ".sealed.json")
    _check_new(out, sealed)
    what = _what(truth, kind, size_mm, contrast, cases, field_px)
    raw = stated.pop("raw", None)
    found = _named_once(images, None if raw is None else as_text(raw))
    recipe = recipe_of(stated)
    sources = [
        Source(path.name, as_text(record["sha256"]), image)
        for path, image, record in zip(found.files, found.images, found.records(), strict=True)
    ]
    asked = {} if question is None else {"question": question}
    with console.progress("trial", None, quiet=as_json) as advance:
        made = make_trial(
            sources, what, recipe.job(), reader, washout_days=washout_days, tolerance_px=tolerance_px,
            random_state=random_state, settings=recipe.settings(), advance=advance,
            read_by="simulated" if simulated_readers else "people", **asked,
        )  # fmt: skip
    told = _made(made, out, sealed) | {"warnings": [*found.problems, *made.warnings]}
    if as_json:
        console.emit(told)
        return found.code
    for warning in as_texts(told["warnings"]):
        console.say(f"warning: {warning}")
    console.tell(
        f"{out}: {told['cases']} cases, {told['with_defects']} with defects, {len(made.sealed.arms)} arms; each of "
        f"{len(reader)} readers reads {told['images_of_a_reader']} images. Next: coldray trial serve {out}"
    )
    console.tell(f"{sealed}: the truth; keep it from the readers until all have read (sha256 {told['commitment']})")
    return found.code


def _made(made: Trial, out: Path, sealed: Path) -> dict[str, Json]:
    """Write a trial and say what was written."""
    from coldray.benchmark.trial.package import write_trial

    manifest = write_trial(made, out, sealed)
    return {
        "trial": str(out),
        "sealed": str(sealed),
        "id": manifest.id,
        "commitment": manifest.commitment,
        "cases": len(made.sealed.cases),
        "with_defects": sum(bool(one.defects) for one in made.sealed.cases),
        "arms": made.sealed.arms,
        "readers": list(manifest.readers),
        "images_of_a_reader": len(manifest.items),
    }


trial.command("make", epilog=MAKE_EXAMPLE)(
    with_settings(make, lambda name, said: said.command and not said.beside and name not in NOT_HERE)
)


@trial.command("serve", epilog=SERVE_EXAMPLE)
def serve(
    folder: Package,
    reader: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Who reads here; all of the trial by default. Repeats.")] = None,
    answers: AnswersIn = None,
    host: Host = "127.0.0.1",
    port: Port = 8766,
    token_file: TokenFile = None,
    allow_host: AllowHost = None,
    root_path: RootPath = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout when the server listens.")] = False,
) -> int:  # fmt: skip
    """Serve the reading page: one image after the other, places marked and rated, a rating of the whole.

    Prints a link for every reader. Answers are kept at once and never changed; who stops goes on later with the same link.
    """
    from coldray.app.viewer.run import Address, read_token, serve_app
    from coldray.benchmark.trial.answers import Answers
    from coldray.benchmark.trial.documents import ANSWERS, read_manifest

    manifest = read_manifest(folder)
    readers, kept = tuple(reader or manifest.readers), answers or folder / ANSWERS
    for one in readers:
        Answers(
            manifest, one, kept
        )  # who cannot read, or whose answers were changed, is said before the server listens
    address = Address(host, port, read_token(token_file), tuple(allow_host or ()), root_path=root_path)
    tokens: dict[str, str] = {}

    def opened(access: Access) -> AbstractContextManager[Guard]:
        from coldray.app.viewer.reading import opened_room

        tokens.update({one: access.token_of(one) for one in readers})
        return opened_room(folder, kept, readers, access)

    def ready(where: dict[str, Json], _link: str) -> None:
        page = as_text(where["url"]).partition("?")[0]
        links = {one: f"{page}?token={tokens[one]}&reader={one}" for one in readers}
        if as_json:
            console.emit({**where, "readers": links, "answers": str(kept)})
            return
        for one, link in links.items():
            typer.echo(f"{one}: {link}")
        console.say("every link carries a token of its reader's own: give each reader theirs. Ctrl-C ends the server.")

    serve_app(address, opened, ready)
    return console.OK


@trial.command("analyse", epilog=ANALYSE_EXAMPLE)
def analyse(
    folder: Package,
    sealed: Annotated[Path, typer.Option(metavar="FILE.json", help="The truth that was written with it.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="REPORT", help="Page to write, .html or .pdf; .json beside it.")],
    answers: AnswersIn = None,
    fixed_readers: Annotated[
        bool, typer.Option("--fixed-readers", help="Speak of these readers alone; all readers by default, which takes two.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Open the truth and compare the arms: area below the ROC curve and located figure, with 95 % bands over readers and cases.

    After Obuchowski and Rockette, with the degrees of freedom of Hillis.
    """
    from coldray.app.commands._inputs import REPORT_SUFFIXES, check_outputs, of_bytes, write_files
    from coldray.benchmark.trial.analysis import FIGURES
    from coldray.benchmark.trial.analysis import analyse as analysed
    from coldray.benchmark.trial.documents import MANIFEST
    from coldray.benchmark.trial.report import banded, trial_report
    from coldray.checkpoint import file_sha256
    from coldray.reports.html import rendered

    beside = out.with_suffix(".json")
    found = analysed(folder, sealed, answers, readers_are_fixed=fixed_readers)
    check_outputs([(out, REPORT_SUFFIXES), (beside, (".json",))], [sealed, folder / MANIFEST], overwrite)
    inputs = [{"role": role, "file": path.name, "sha256": file_sha256(path)}
              for role, path in (("truth", sealed), ("trial", folder / MANIFEST))]  # fmt: skip
    told = plain_table(found.to_dict() | {"inputs": inputs, "report": str(out)})
    write_files(
        {
            out: of_bytes(rendered(trial_report(found, inputs), out)),
            beside: of_bytes(json.dumps(told, indent=1, allow_nan=False).encode()),
        }
    )
    if as_json:
        console.emit(told)
        return console.OK
    for warning in found.warnings:
        console.say(f"warning: {warning}")
    for one in found.figures:
        console.tell(FIGURES[one.name])
        for arm, band in zip(found.arms, one.main.arms, strict=True):
            console.tell(f"  {arm}: {banded(band)}")
        for (i, j), band in one.main.differences.items():
            console.tell(f"  {found.arms[i]} - {found.arms[j]}: {banded(band, sign='+')}")
    console.tell(f"{out}: with .json beside it")
    return console.OK


def _check_new(out: Path, sealed: Path) -> None:
    """Refuse outputs that are there already, and a truth within the readers' folder."""
    from coldray.app.files import check_names

    check_names([out, sealed])
    if sealed.suffix.lower() != ".json":
        raise SettingsError(f"{sealed.name}: the name of the truth must end in .json")
    if out.resolve() in (sealed.resolve(), *sealed.resolve().parents):
        raise SettingsError(
            f"{sealed.name}: lies in the folder that the readers get; choose another place for the truth"
        )
    for path in (out, sealed):
        if path.exists():
            raise ImageWriteError(
                f"{path.name}: exists already, and a trial is not made over another; choose another name"
            )


def _what(
    truth: Path | None, kind: list[str] | None, size_mm: list[float] | None, contrast: float, cases: int, field_px: int
) -> Table | Simulated:
    """Known defects of a table, or simulated ones."""
    from coldray.benchmark.trial.cases import Simulated, read_table

    if (truth is None) == (not size_mm):
        raise SettingsError(
            "give --truth TABLE.csv with the known defects, or --size-mm with the sizes of simulated ones, and not both"
        )
    if truth is not None:
        return read_table(truth)
    return Simulated(tuple(size_mm or ()), tuple(kind or ("void",)), contrast, cases, field_px)


def _named_once(images: list[Path], raw: str | None) -> Inputs:
    """Images whose names tell them apart."""
    from coldray.app.commands._inputs import read_inputs

    found = read_inputs(images, "trial", raw)
    names = [path.name for path in found.files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"two images are called {twice}; a trial tells them apart by name, rename one")
    return found
