"""`view` and `serve`: look at images in a browser, measure on them, restore them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coldray.app import console
from coldray.app.options import with_settings
from coldray.app.pacs.node import OWN_AET
from coldray.document import Json
from coldray.errors import ImageReadError, SettingsError
from coldray.settings import check_settings

if TYPE_CHECKING:
    from coldray.app.pacs.station import Station
    from coldray.app.viewer.desk import Desk
    from coldray.app.viewer.run import Address
    from coldray.app.viewer.settings import Menu

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE|DIR...]", help="Images, restored ones join their originals; folders of them to browse."
    ),
]
Reference = Annotated[Path | None, typer.Option(help="Reference of the first image, e.g. from the thin screen.")]
Restored = Annotated[Path | None, typer.Option(help="Restored image of the first image.")]
Host = Annotated[str, typer.Option(help="Address to listen on; others than loopback need a token.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")]
TokenFile = Annotated[
    Path | None, typer.Option(help="File with the token; COLDRAY_TOKEN is read too. Made up on loopback by default.")
]
AllowHost = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Further host name that the server answers to; repeats.")
]
MaxUpload = Annotated[int, typer.Option(min=1, max=65536, help="Largest uploaded file [MiB].")]
RootPath = Annotated[
    str,
    typer.Option(
        metavar="PATH",
        help="What a proxy leaves in front of every path, as /xray; without it a proxy has to take it away.",
    ),
]
Queue = Annotated[int, typer.Option(min=1, max=1000, help="Restorations that may wait.")]
DicomPort = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:]PORT",
        help="Also receive DICOM objects (C-STORE) there and restore them; HOST is that of --host by default.",
    ),
]
DicomFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="With --dicom-port: folder for what comes and for the results.")
]
DicomAet = Annotated[str, typer.Option(metavar="AET", help="Application entity title that senders call.")]
DicomFrom = Annotated[
    list[str] | None,
    typer.Option(metavar="AET", help="Title that may send; repeats. On loopback everybody may by default."),
]
DicomTo = Annotated[str | None, typer.Option(metavar="AET@HOST:PORT", help="DICOM node that results are sent on to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout when the server listens.")]


VIEW_EXAMPLE = """
Example: coldray view board.tif restored.tif --reference thin.tif

Example: coldray view scans/ restored/
"""
SERVE_EXAMPLE = """
Example: coldray serve --port 8765

Example: coldray serve --dicom-port 11112 --dicom-folder plant/ --dicom-to ARCHIVE@pacs.example:104
"""


@dataclass(frozen=True)
class Opened:
    """What both verbs are given: images, and what the page starts with."""

    files: Files = None
    reference: Reference = None
    restored: Restored = None


def _menu(stated: Mapping[str, Json]) -> Menu:
    """What the page starts with, and what the rules of a profile would make of it, checked before anything is opened."""
    from coldray.app.recipe import Recipe
    from coldray.app.viewer.settings import Menu
    from coldray.errors import DetectorError
    from coldray.physics.detector import load_detector
    from coldray.plugins import plugin
    from coldray.restoration.model import load_model

    menu = Menu(Recipe.of_stated(stated))
    for recipe in (menu.start, *menu.rules.values()):
        check_settings(recipe)
        plugin("method", recipe.method)
        if recipe.model is not None:
            load_model(recipe.model)
        for source in (recipe.blurred, recipe.sharp):
            try:
                load_detector(source, pixel_pitch_mm=recipe.pixel_pitch_mm or 0.05)
            except DetectorError as problem:
                raise SettingsError(str(problem)) from None
    return menu


def _command(verb: Callable[..., int]) -> Callable[..., int]:
    """Command whose options are the fields of `Opened`, what a page may state of a restoration, then those of the verb."""
    verb = with_settings(verb, lambda name, said: (said.page and said.kind != "flats") or name == "profile")
    shared, own = (inspect.signature(each, eval_str=True).parameters for each in (Opened, verb))
    options = [*shared.values(), *(p for name, p in own.items() if name != "opened")]

    @functools.wraps(verb)
    def command(**given: Any) -> int:
        return verb(opened=Opened(**{name: given.pop(name) for name in shared}), **given)

    command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in options}
    return command


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("view", epilog=VIEW_EXAMPLE)(_command(view))
    app.command("serve", epilog=SERVE_EXAMPLE)(_command(serve))


def view(
    opened: Opened,
    stated: Mapping[str, Json],
    port: Port = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    as_json: AsJson = False,
) -> int:
    """Open images in the browser: compare, measure, restore. On this machine only."""
    from coldray.app.viewer.run import Address, read_token

    menu = _menu(stated)
    address = Address(port=port, token=read_token(None))
    return _run(address, opened, menu, browser, as_json, None)


def serve(
    opened: Opened,
    stated: Mapping[str, Json],
    host: Host = "127.0.0.1",
    port: Port = 8765,
    token_file: TokenFile = None,
    allow_host: AllowHost = None,
    max_upload_mb: MaxUpload = 512,
    root_path: RootPath = "",
    queue: Queue = 4,
    dicom_port: DicomPort = None,
    dicom_folder: DicomFolder = None,
    dicom_aet: DicomAet = OWN_AET,
    dicom_from: DicomFrom = None,
    dicom_to: DicomTo = None,
    as_json: AsJson = False,
) -> int:
    """Serve the viewer without opening a browser, for example behind an SSH tunnel; restore what DICOM nodes send."""
    from coldray.app.viewer.run import Address, read_token

    menu = _menu(stated)
    address = Address(host, port, read_token(token_file), tuple(allow_host or ()), max_upload_mb * 2**20, root_path)
    if dicom_port is None:
        if dicom_folder is not None or dicom_from or dicom_to is not None:
            raise SettingsError("--dicom-folder, --dicom-from and --dicom-to belong to --dicom-port; give it too")
        return _run(address, opened, menu, False, as_json, queue)
    address.access()  # nothing is received where the page is not served
    station = _station(dicom_port, address, dicom_folder, menu, dicom_aet, dicom_from or [], dicom_to)
    try:
        return _run(address, opened, menu, False, as_json, queue, {"dicom_port": station.port})
    finally:
        station.close()


def _station(
    place: str, address: Address, folder: Path | None, menu: Menu, aet: str, callers: list[str], onward: str | None
) -> Station:
    """Station that receives DICOM objects, as the options say."""
    from coldray.app.pacs.node import Node, checked_aet
    from coldray.app.pacs.receive import Listening
    from coldray.app.pacs.station import Station

    host, _, port = place.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f"--dicom-port {place!r}: give a port up to 65535, or HOST:PORT")
    if folder is None:
        raise SettingsError("--dicom-port stores what it receives; give --dicom-folder DIR")
    here = replace(address, host=host.strip("[]") or address.host, port=int(port))
    known = tuple(checked_aet(caller, "dicom_from") for caller in callers)
    if not (here.is_loopback or known):
        raise SettingsError(
            f"--dicom-port on {here.host} can be reached by others: name who may send with --dicom-from AET, or listen on "
            "127.0.0.1"
        )
    bound = Listening(here.host, here.port, checked_aet(aet, "dicom_aet"), known, here.max_upload_bytes)
    return Station(folder, menu.start, bound, None if onward is None else Node.parse(onward, "dicom_to"))


def _run(
    address: Address,
    opened: Opened,
    menu: Menu,
    browser: bool,
    as_json: bool,
    queue: int | None,
    more: Mapping[str, Json] = MappingProxyType({}),
) -> int:
    from coldray.app.viewer.run import serve_desk

    if not opened.files and (opened.reference or opened.restored):
        raise SettingsError("--reference and --restored belong to an image; give a FILE")
    failed: list[ImageReadError] = []

    def open_named(desk: Desk) -> None:
        failed.extend(_open(desk, opened))

    def ready(where: Mapping[str, Json], link: str) -> None:
        if as_json:
            console.emit({**where, **more})
        else:
            typer.echo(where["url"])
            if "dicom_port" in more:
                console.say(f"DICOM objects are received on port {more['dicom_port']}")
            console.say("the link carries the token of this run: keep it to yourself. Ctrl-C ends the viewer.")
        if browser:
            import webbrowser

            webbrowser.open(link)

    serve_desk(address, menu, open_named, ready, queue)
    return console.SOME_FAILED if failed else console.OK


def _open(desk: Desk, opened: Opened) -> list[ImageReadError]:
    """Put files on the desk and folders beside it; returns what could not be opened, told already."""
    named = opened.files or []
    failed, first = [], None
    for path in named:
        try:
            if path.is_dir():
                desk.folders.add(path)
            else:
                study = desk.shelf.open(path, path.name, stays=True)
                first = first or study
        except ImageReadError as problem:
            failed.append(problem)
    nothing = bool(failed) and len(failed) == len(named)
    for one in failed[:-1] if nothing else failed:
        console.say(f"coldray: {console.one_line(one)}")
    if nothing:
        raise failed[-1]  # which tells it
    for role, other in (("reference", opened.reference), ("restored", opened.restored)):
        if other is None:
            continue
        if first is None:
            raise SettingsError(f"--{role} belongs to an image; give a FILE that can be read, not only folders")
        desk.shelf.attach(first, role, other, other.name)
    return failed
