"""`stream`: frames of a line, restored as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coldray.app.options import with_settings
from coldray.declaration import Setting
from coldray.document import Json

if TYPE_CHECKING:
    import threading

    from coldray.app.recipe import Recipe
    from coldray.app.stream import Folder, Found

EXAMPLE = """
Example: detector | coldray stream --raw 1024x1024:u2 --open-beam 50000 --pitch-um 48 --exposure-s 0.25 -o restored/

Example: coldray stream --source incoming/ --settle-s 0 --exposure-s 0.25 -o restored/

Example: coldray stream --source incoming/ --exposure-s 0.05 --average 0.125 --certificate-every 20 --drop -o restored/
"""
STDIN = "stdin"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("stream", epilog=EXAMPLE)(with_settings(stream, _of_frames))


def _of_frames(name: str, said: Setting) -> bool:
    """Whether frames of a stream have a setting: no record lies beside a result, whole files are not averaged, and frames of a pipe meet no rule."""
    return said.command and not said.beside and name not in ("average", "profile", "sign")


def stream(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the results.")],
    stated: Mapping[str, Json],
    source: Annotated[
        str,
        typer.Option(
            metavar="stdin|DIR", help="Raw frames on stdin, of the geometry --raw; or a folder that is written into."
        ),
    ] = STDIN,
    average: Annotated[
        float | None,
        typer.Option(
            metavar="WEIGHT",
            help="Restore the recursive mean with this weight of the latest frame, 0 to 1; it begins anew when something "
            "moves. Without it every frame by itself.",
        ),
    ] = None,
    certificate_every: Annotated[
        int, typer.Option(min=0, help="Every how many frames there is a certificate; 0 for none but on SIGUSR1.")
    ] = 1,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Frames restored at once, in threads.")] = 1,
    room: Annotated[int, typer.Option(min=1, max=4096, help="Frames that may wait for their turn.")] = 4,
    drop: Annotated[
        bool,
        typer.Option("--drop", help="Without room, drop what has waited longest; else the source is read no further."),
    ] = False,
    settle_s: Annotated[
        float,
        typer.Option(min=0, help="Folder: a file is whole when unchanged this long; 0 where its writer renames [s]."),
    ] = 3.0,
    idle_s: Annotated[
        float | None, typer.Option(min=0, help="Folder: end after this long without a new file; never by default [s].")
    ] = None,
    report_s: Annotated[float, typer.Option(min=0, help="Time between two reports [s].")] = 10.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every report as one line of JSON on stdout.")] = False,
) -> int:
    """Restore frames as they come; every frame is restored, dropped or bad, and told."""
    import threading

    from coldray.api.restore import Restorer
    from coldray.api.stream import stream as stream_of
    from coldray.app.files import LEDGER, check_folder
    from coldray.app.options import recipe_of
    from coldray.app.stream import Folder, Frames, Teller, heeding
    from coldray.errors import ImageWriteError
    from coldray.files import own_folder, shown
    from coldray.leftovers import clear_leftovers

    recipe = recipe_of(stated)
    ended = threading.Event()
    check_folder(out)
    if (out / LEDGER).exists():
        raise ImageWriteError(f"{shown(out)} holds results of `coldray restore`; choose another folder")
    found: Iterator[Found] | Folder
    if source == STDIN:
        found = _piped(recipe, out, overwrite)
    else:
        found = _folder(Path(source), recipe, out, settle_s, idle_s, overwrite, ended)
    frames = Frames(found)
    restored = stream_of(
        frames,
        Restorer.of_job(recipe.job()),
        average=average,
        certificate_every=certificate_every,
        workers=workers,
        room=room,
        drop=drop,
    )
    passed_over = (lambda: found.already_there) if isinstance(found, Folder) else int
    with own_folder(out), heeding(restored, ended) as came:
        clear_leftovers(out)
        last = Teller(restored, frames, recipe.history(), as_json, report_s, passed_over).run()
    return _ended(last, as_json, came)


def _piped(recipe: Recipe, out: Path, overwrite: bool) -> Iterator[Found]:
    """Frames of stdin; refuses what says no size, and to number anew beside earlier results."""
    import sys

    from coldray.app.stream import NAME, of_pipe
    from coldray.errors import ImageWriteError, SettingsError
    from coldray.files import shown

    geometry = recipe.geometry
    if geometry is None:
        raise SettingsError(
            "frames on stdin have no header; state the size and type of one as `raw`, e.g. 1024x1024:u2"
        )
    if geometry.frames != 1:
        raise SettingsError("`raw` of a stream is the geometry of one frame; leave out its number of frames")
    if not overwrite and any(out.glob(NAME.replace("{:08d}", "*"))):
        raise ImageWriteError(f"{shown(out)} holds frames already; choose another folder, or --overwrite")
    return of_pipe(sys.stdin.fileno(), geometry, out)


def _folder(
    folder: Path,
    recipe: Recipe,
    out: Path,
    settle_s: float,
    idle_s: float | None,
    overwrite: bool,
    ended: threading.Event,
) -> Folder:
    """Frames of a folder that somebody writes into."""
    from coldray.app.stream import POLL_S, Folder
    from coldray.app.watch import Watcher, survive_lease_breaks, watched

    watched([folder], out)
    survive_lease_breaks()
    return Folder(Watcher([folder], out, settle_s, idle_s, poll_s=POLL_S), recipe.geometry, overwrite, ended)


def _ended(last: dict[str, Any], as_json: bool, came: list[int]) -> int:
    """Tell the last report; the exit code."""
    from coldray.app import console
    from coldray.app.stream import in_words

    stopped = {"interrupted": True} if came else {}
    nothing = not last["written"] and not last["already_there"] and not came
    if nothing:
        count = last["frames"]
        why = f"none of {count} frames could be restored" if count else "no frame came"
        console.fail(f"stream: {why}", console.CANNOT_RUN, as_json, last)
    if as_json:
        console.emit(last | stopped)
    else:
        console.tell(in_words(last))
    if came:
        return 128 + came[0]
    return console.SOME_FAILED if last["written"] < last["restored"] or last["bad"] else console.OK
