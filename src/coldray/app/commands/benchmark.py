"""`benchmark paper`, `benchmark trust` and `benchmark ablate NAME`: the comparison, what must be trusted, and ablations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.app.help import SentencesHelp
from coldray.document import as_number, plain_table
from coldray.errors import SettingsError
from coldray.threads import core_count

if TYPE_CHECKING:
    from coldray.benchmark.paper.record import Results

benchmark = typer.Typer(
    help="Named comparisons: their tables, figures and numbers as files.",
    epilog="Example: coldray benchmark paper -o comparison/",
    no_args_is_help=True,
    cls=SentencesHelp,
)

Out = Annotated[Path, typer.Option("-o", "--out", help="Folder for results.json, tables, figures and report.html.")]
Models = Annotated[
    list[str] | None,
    typer.Option("-m", "--model", metavar="[NAME=]FILE", help="Main model; with NAME= a further one. Repeats."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Boards = Annotated[
    int | None, typer.Option(min=1, max=200, help="Test boards; 5 or more give intervals worth reading.")
]
Size = Annotated[int | None, typer.Option("--size-px", min=192, max=2048, help="Rows and columns of a board.")]


MOST_PROCESSES = 16
"""Unless the user says otherwise: each takes up to 0.9 GB."""
Workers = Annotated[
    int | None, typer.Option(min=1, max=64, help=f"Processes; all cores by default, {MOST_PROCESSES} at most.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.add_typer(benchmark, name="benchmark")


def split_models(given: list[str] | None) -> tuple[str | None, dict[str, str]]:
    """Main model and further ones by name.

    Raises
    ------
    SettingsError
        If two main models are given, or one name twice.
    """
    main: str | None = None
    others: dict[str, str] = {}
    for text in given or []:
        name, mark, path = text.partition("=")
        if not mark:
            if main is not None:
                raise SettingsError(f"two main models, {main} and {text}; give further ones as NAME=FILE")
            main = text
        elif not name.isidentifier() or name in others:
            raise SettingsError(f"-m {text}: the name must be a new word of letters, digits and underscores")
        else:
            others[name] = path
    return main, others


@benchmark.command("paper", epilog="Example: coldray benchmark paper -o comparison -m cdm=cdm.onnx")
def paper(
    out: Out,
    model: Models = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="18 boards instead of 6, 200 repeats of noise, two exposures of targets, more steps: five times the time.",
        ),
    ] = False,
    boards: Boards = None,
    size_px: Size = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="Only this part: scores, worth, steps, fourier, detection, efficiency or trust. Repeats."),
    ] = None,
    exposure_s: Annotated[
        list[float] | None, typer.Option("--exposure-s", min=1e-3, help="Exposure of the blurred frames [s]. Repeats.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of pair: synthetic, noise_free or acquired. Repeats.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=2, help="Noise realisations of edges and flats; at most 24 for peers.")
    ] = None,
    diffusion_steps: Annotated[
        int | None, typer.Option(min=1, max=2000, help="Steps of conditional diffusion.")
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs", help="Your own frames instead: BOARD/lr, BOARD/hr, BOARD/pair.json, as prepare takes them."
        ),
    ] = None,
    judge: Annotated[Path | None, typer.Option(help="File of frozen pairs to score as well (.npz).")] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Rerun the paper's comparison: every method, dose and kind of pair on boards never trained on."""
    from coldray.benchmark.paper.contestants import peers
    from coldray.benchmark.paper.own import run_own
    from coldray.benchmark.paper.plan import PaperSettings
    from coldray.benchmark.paper.report import write_paper
    from coldray.benchmark.paper.run import run_paper
    from coldray.dataset.frames import board_folders, read_board
    from coldray.dataset.part import registered
    from coldray.restoration.model import load_model

    main, others = split_models(model)
    processes = workers or min(core_count(), MOST_PROCESSES)
    settings = PaperSettings.full() if full else PaperSettings()
    chosen = replace(settings.boards, count=boards or settings.boards.count, size_px=size_px or settings.boards.size_px)
    settings = replace(
        settings,
        boards=chosen,
        parts=tuple(part) if part else settings.parts,
        exposures_s=tuple(sorted(exposure_s, reverse=True)) if exposure_s else settings.exposures_s,
        kinds=tuple(kind) if kind else settings.kinds,
        repeats=repeats or settings.repeats,
        diffusion_steps=diffusion_steps or settings.diffusion_steps,
    )
    say = (lambda _: None) if as_json else console.say
    beside = peers({n: load_model(p) for n, p in others.items()})
    if pairs is None:
        with console.progress("paper", 100, quiet=as_json, unit="%") as advance:
            results, pictures = run_paper(
                load_model(main), beside, settings, judge=judge, say=say, workers=processes, progress=advance
            )
    else:
        given = {"--part": part,  "--boards": boards, "--size-px": size_px, "--exposure-s": exposure_s, "--kind": kind,
                 "--repeats": repeats, "--judge": judge}  # fmt: skip
        if drawn := [name for name, value in given.items() if value]:
            raise SettingsError(f"{drawn[0]} is of drawn boards; leave it out with --pairs")
        seen = (registered(read_board(folder)) for folder in board_folders(pairs))
        results, pictures = run_own(seen, pairs.name, load_model(main), beside, settings, say=say, workers=processes)
    words = ["coldray benchmark paper", *(["--full"] if full else []), *(f"-m {m}" for m in _names(model))]
    words += [f"--part {p}" for p in part or []]
    words += [f"--exposure-s {e:g}" for e in exposure_s or []] + [f"--kind {k}" for k in kind or []]
    numbers = {"boards": boards, "size-px": size_px, "repeats": repeats, "diffusion-steps": diffusion_steps}
    words += [f"--{name} {value}" for name, value in numbers.items() if value]
    words += [f"--{name} {path.name}" for name, path in (("pairs", pairs), ("judge", judge)) if path]
    command = " ".join(words)
    written = write_paper(out, results, pictures, command)
    code = console.SOME_FAILED if "failed" in results else console.OK
    if as_json:
        console.emit(plain_table(results) | {"command": command, "report": str(written)})
        return code
    _print_summary(results)
    for mark in results.get("marks", []):
        measured = "" if mark["measured"] is None else f" (measured {as_number(mark['measured']):.4g})"
        if not mark["passed"]:
            console.say(f"warning: not reached: {mark['mark']}{measured}")
    typer.echo(f"report: {written}")
    return code


@benchmark.command("trust", epilog="Example: coldray benchmark trust characterisation invention -o trust")
def trust(
    out: Out,
    question: Annotated[
        list[str] | None,
        typer.Argument(
            help="insertion, removal, blank, flat, strangers, characterisation or invention; all by default."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("-m", "--model", metavar="FILE", help="Model; the shipped one.")] = None,
    exposure_s: Annotated[float, typer.Option("--exposure-s", min=1e-3, help="Exposure of the frames [s].")] = 1.0,
    pairs: Annotated[int, typer.Option(min=20, max=100000, help="Images of either kind in a cell.")] = 1000,
    repeats: Annotated[int, typer.Option(min=10, max=10000, help="Realisations of the noise for invention.")] = 100,
    as_json: AsJson = False,
) -> int:
    """Ask by name what an inspector must trust: the default method, a Wiener filter, and restorers that are wrong on purpose.

    Everything is simulated. Code 0 if every test passes and every wrong restorer is caught, 1 if not.
    """
    from coldray.benchmark.paper.questions import QUESTIONS, trust_of_model
    from coldray.benchmark.paper.trust import TrustRecipe
    from coldray.files import write_text
    from coldray.restoration.model import load_model

    recipe = TrustRecipe(exposure_s=exposure_s, pairs=pairs, repeats=repeats)
    say = (lambda _: None) if as_json else console.say
    found = trust_of_model(load_model(model), recipe, question or QUESTIONS, say)
    told = plain_table(found)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "trust.json", json.dumps(told, indent=1) + "\n")
    tests = [(name, result) for name, results in found["methods"].items() for result in results]
    tests += [(name, result) for name, result in found["controls"].items()]
    if as_json:
        console.emit(told | {"results": str(out / "trust.json")})
    else:
        for name, result in tests:
            typer.echo(
                f"{name:20s} {result['test']:24s} {'passed' if result['passed'] else 'FAILED'}: {result['mark']}"
            )
        typer.echo(f"results: {out / 'trust.json'}")
    return console.OK if all(result["passed"] for _, result in tests) else console.SOME_FAILED


def _names(given: list[str] | None) -> list[str]:
    """Models as they were given, without folders."""
    out = []
    for text in given or []:
        name, mark, path = text.partition("=")
        out.append(f"{name}={Path(path).name}" if mark else Path(text).name)
    return out


def _print_summary(results: Results) -> None:
    """Print the table of image quality and the verdicts in words."""
    for entry in results.get("summary", []):
        label = results["methods"][entry["method"]]["label"] if "methods" in results else entry["method"]
        typer.echo(
            f"{entry['kind']:10s} {entry['exposure_s']:5g} s  {label:36s} {entry['psnr_db_truth']['mean']:7.2f} dB  "
            f"SSIM {entry['ssim_truth']['mean']:.4f}"
        )
    for sentence in [*results.get("verdicts", []), *results.get("absent", []), *results.get("failed", [])]:
        typer.echo(sentence)


@benchmark.command("ablate", epilog="Example: coldray benchmark ablate steps -o ablations")
def ablate(
    name: Annotated[str, typer.Argument(help="steps, sampler, gain, noise, levels, blur, dose or registration.")],
    out: Out,
    model: Models = None,
    boards: Boards = None,
    size_px: Size = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> int:
    """Change one thing and measure what it does, on acquired pairs of boards never trained on."""
    from coldray.benchmark.paper.ablation import run_ablation, write_ablation
    from coldray.benchmark.paper.scenes import BoardSet
    from coldray.restoration.model import load_model

    main, others = split_models(model)
    usual = BoardSet()
    chosen = replace(usual, count=boards or usual.count, size_px=size_px or usual.size_px)
    say = (lambda _: None) if as_json else console.say
    beside = {n: load_model(p) for n, p in others.items()}
    results = run_ablation(
        name, load_model(main), beside, chosen, say=say, workers=workers or min(core_count(), MOST_PROCESSES)
    )
    words = [f"coldray benchmark ablate {name}", *(f"-m {m}" for m in _names(model))]
    words += [f"--boards {boards}"] if boards else []
    words += [f"--size-px {size_px}"] if size_px else []
    written = write_ablation(out, results, " ".join(words))
    if as_json:
        console.emit(plain_table(results) | {"table": str(written)})
        return console.OK
    _print_summary(results)
    typer.echo(f"table: {written}")
    return console.OK
