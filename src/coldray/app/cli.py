"""The command line: one verb per function, thin."""

from __future__ import annotations

import atexit
import gc
import re
import sys
from typing import Annotated, Any

import typer

from coldray import __version__
from coldray.app import console
from coldray.app.help import GroupedHelp
from coldray.app.options import flag_of
from coldray.app.stopping import INTERRUPTED, Stopped, code_of, stoppable
from coldray.errors import ColdrayError
from coldray.settings import declared

app = typer.Typer(
    name="coldray",
    help="Restore what a thick phosphor blurred, and prove what was measured and what was inferred.",
    no_args_is_help=True,
    cls=GroupedHelp,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        sys.stdout.write(f"coldray {__version__}\n")
        raise typer.Exit()


def _licences(show: bool) -> None:
    if show:
        from coldray.app.licences import told

        sys.stdout.write("".join(f"{line}\n" for line in told()))
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    licences: Annotated[
        bool,
        typer.Option(
            "--licenses", callback=_licences, is_eager=True, help="Print the licences of the packages that are used."
        ),
    ] = False,
) -> None:
    """Restore what a thick phosphor blurred, and prove what was measured and what was inferred."""


def _flagged(message: str, given: list[str]) -> str:
    """Message with the command's own flags where the library names parameters in backticks."""
    command: Any = typer.main.get_command(app)
    for word in given:
        command = getattr(command, "commands", {}).get(word, command)
    flags: dict[str, str] = {
        str(p.name): next((str(o) for o in p.opts if o.startswith("--")), str(p.name)) for p in command.params
    }
    opts = {str(o) for p in command.params for o in p.opts}
    flags |= {name: flag for name, said in declared().items() if (flag := flag_of(name, said)) in opts}
    return re.sub(r"`(\w+)`", lambda found: flags.get(found[1], found[1]), message)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; leaves with the contract's exit codes."""
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    # the interpreter searches all that was loaded for cycles before it ends, to no purpose: what is frozen it leaves alone
    atexit.register(gc.freeze)
    console.prepare_streams()
    console.remembered.clear()
    try:
        with stoppable():
            code = app(args=given, standalone_mode=False, prog_name="coldray")
        sys.stdout.flush()
    except Stopped as stopped:
        console.fail("interrupted", code_of(stopped))
    except SystemExit:
        raise
    except (KeyboardInterrupt, typer.Abort):
        console.fail("interrupted", INTERRUPTED)
    except ColdrayError as problem:
        for note in console.remembered:
            problem.add_note(note)
        console.fail(_flagged(console.one_line(problem), given), console.exit_code(problem), as_json)
    except MemoryError:
        console.fail("out of memory; restore fewer images at once or close other programs", console.CANNOT_RUN, as_json)
    except OSError as problem:
        if "--debug" in given:
            raise
        console.fail(console.of_system(problem), console.CANNOT_RUN, as_json)
    except Exception as problem:
        usage = getattr(problem, "format_message", None)
        if usage is not None and type(problem).__name__ == "NoArgsIsHelpError":
            console.say(usage())
            raise SystemExit(console.USAGE) from None
        if usage is not None:
            context = getattr(problem, "ctx", None)
            verb = context.command_path if context is not None else "coldray"
            console.fail(f"{usage().rstrip('.')}; see {verb} --help", console.USAGE, as_json)
        if "--debug" in given:
            raise
        console.fail(f"{type(problem).__name__}: {console.one_line(problem)}", console.CANNOT_RUN, as_json)
    raise SystemExit(code if isinstance(code, int) else console.OK)
