"""`train`, `model` and `evaluate`: make models, look at them, judge them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.app.help import SentencesHelp
from coldray.document import as_table, as_text, as_texts
from coldray.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from coldray.restoration.gate_constants import OpenShare

models = typer.Typer(
    help="The models at hand: list, card, verify, export.",
    epilog="Example: coldray model card",
    no_args_is_help=True,
    cls=SentencesHelp,
)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("train", epilog="Example: coldray train configs/compact.toml --set optimiser.steps=20000")(train)
    app.command("evaluate", epilog="Example: coldray evaluate --pairs pairs/ -o report/")(evaluate)
    app.add_typer(models, name="model")


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="Training recipe.")],
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Train a model; the same command resumes a run that was cut."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "train", "training") from None
    from coldray.training.recipe import read_recipe
    from coldray.training.run import is_first, prepare_once, start

    recipe = read_recipe(config, changes)
    quiet = as_json or not is_first()
    sources = {}
    for role in ("train", "validation"):
        with console.progress(f"fields ({role})", 1, quiet=quiet) as advance:
            sources[role] = prepare_once(recipe, role, advance)
    run = start(recipe, sources["train"], sources["validation"])
    for warning in run.warnings if is_first() else ():
        console.say(f"warning: {warning}")
    if run.step and is_first():
        console.say(f"resuming at step {run.step} of {recipe.optimiser.steps}")
    with console.progress("train", recipe.optimiser.steps, quiet=quiet) as advance:
        scores = run.run(lambda done, total, note: advance(done, total, note))
    if not is_first():
        return console.OK
    last = scores[-1] if scores else {}
    if as_json:
        console.emit({"run": recipe.run, "steps": run.step, "validation": last})
    else:
        typer.echo(
            f"{recipe.run}: {run.step} steps; "
            + ", ".join(f"{k} {v:.2f}" for k, v in last.items() if k.endswith("_db"))
        )
        typer.echo(f"next: coldray model export {recipe.run} -o my_model.onnx")
    return console.OK


@models.command("list", epilog="Example: coldray model list --json")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """List the models that come with coldray."""
    from coldray.restoration.model import DEFAULT_MODEL, load_model, shipped_models

    found: list[dict[str, str | bool]] = [
        {"name": name, "path": str(path), "sha256": load_model(name).sha256, "default": name == DEFAULT_MODEL}
        for name, path in shipped_models().items()
    ]
    if as_json:
        console.emit({"models": found})
    for model in found if not as_json else []:
        typer.echo(f"{model['name']:12s} {str(model['sha256'])[:16]}{'  (default)' if model['default'] else ''}")
    return console.OK


@models.command("card", epilog="Example: coldray model card compact")
def card(
    model: Annotated[str | None, typer.Argument(help="Shipped model or model file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Print a model's card: data, family, training, scores."""
    from coldray.restoration.model import load_model

    found = load_model(model)
    told = found.header | {"sha256": found.sha256, "settings_sha256": found.settings_sha256}
    if as_json:
        console.emit(told)
    else:
        typer.echo(json.dumps(told, indent=1))
    return console.OK


@models.command("verify", epilog="Example: coldray model verify my_model.onnx")
def verify(
    model: Annotated[str | None, typer.Argument(help="Shipped model or model file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Check a model's file against its header, and run it once."""
    import numpy as np

    from coldray.contracts import shown_by
    from coldray.plugins import plugin
    from coldray.restoration.model import load_model

    found = load_model(model)
    shown, told = shown_by(plugin("method", as_text(found.header["method"])))
    shown = as_texts(found.header.get("channels", shown))
    # the predictor refuses what is not one finite image
    found.predictor()(tuple(np.ones((64, 64), np.float32) for _ in shown), np.zeros(len(told), np.float32))
    proven = as_table(found.header.get("adaptation", {})).get("settings_sha256", found.settings_sha256)
    other = proven != found.settings_sha256
    warnings = (
        ["the gain in its card was proven with other constants in the header (gate, gain or domain)"] if other else []
    )
    if as_json:
        hashes = {"sha256": found.sha256, "settings_sha256": found.settings_sha256}
        console.emit({"model": found.name, **hashes, "matches": True, "warnings": warnings})
    else:
        typer.echo(f"{found.name}: sha256 {found.sha256} matches, the network runs")
        typer.echo(f"  what its header decides: sha256 {found.settings_sha256}")
        for warning in warnings:
            console.say(f"warning: {warning}")
    return console.OK


@models.command("export", epilog="Example: coldray model export runs/compact -o my_model.onnx")
def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN|MODEL.safetensors", help="Run folder of coldray train, or a model file.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="ONNX file; a header and a safetensors file go beside it.")],
    open_share: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE|SHARE@CYCLES_PX,...",
            help="Least share of the data-consistency gain on structure, 0 to 2: more keeps more of what the network does not "
            "believe, and more noise; or shares at rising frequencies in cycles/pixel, 0.5@0.05,0.1@0.2. As the header has it "
            "by default, 0.3 for a new run.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Export a run's averaged weights as a model; parity with torch is checked."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "train", "exporting a model") from None
    from coldray.checkpoint import read_tensors
    from coldray.contracts import CorrectingMethod
    from coldray.plugins import plugin
    from coldray.restoration.card import check_header
    from coldray.training.export import check_model_path, write_model
    from coldray.training.trained import trained_model

    check_model_path(out)
    shares = None if open_share is None else _shares(open_share)
    if run.is_dir():
        trained = trained_model(run, out.stem)
        if trained.validation is None and isinstance(
            plugin("method", as_text(trained.header["method"])), CorrectingMethod
        ):
            console.say(
                "warning: what the run was validated on is not at hand here, so the gain of data consistency is not calibrated"
            )
        written = write_model(trained.weights, trained.header, out, trained.validation, shares)
    else:
        weights, header = read_tensors(run)
        check_header(header, run.name)
        written = write_model(weights, header, out, open_share=shares)
    if as_json:
        console.emit(written)
    else:
        typer.echo(f"{out}: {written['megabytes']:.1f} MB, parity with torch {written['parity']:.1e}")
    return console.OK


def _shares(text: str) -> tuple[OpenShare, ...]:
    """Shares of --open-share; whether they make a curve is the model's to say."""
    from coldray.restoration.gate_constants import OpenShare

    try:
        points = [[float(number) for number in part.split("@")] for part in text.split(",")]
        return tuple(OpenShare(*point) for point in points)
    except (ValueError, TypeError):
        raise SettingsError(
            f"--open-share {text!r}: give a share, or shares at frequencies in cycles/pixel as 0.5@0.05,0.1@0.2"
        ) from None


def evaluate(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for results.json and report.html.")],
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="Data folder: BOARD/lr, BOARD/truth or BOARD/hr, BOARD/pair.json.")
    ] = None,
    flats: Annotated[
        list[Path] | None,
        typer.Option(
            "--flats", metavar="FLATS", help="Repeated open-beam frames: what is left of faint details, without pairs."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("-m", "--model", help="Shipped model or model file.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Method; repeat for several. All by default.")] = None,
    degradation: Annotated[
        str, typer.Option(help="Physics of the blur that methods are told: a plug-in.")
    ] = "mtf_blend",
    blurred: Annotated[str, typer.Option(metavar="DET", help="With --flats: detector that took them.")] = "gos135",
    sharp: Annotated[str, typer.Option(metavar="DET", help="With --flats: detector to restore towards.")] = "gos34",
    pitch_um: Annotated[float | None, typer.Option(help="With --flats: pixel pitch [um], overriding the file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Judge methods on pairs against noise-free truth or the mean of the sharp frames, or on flats by what they lose."""
    if (pairs is None) == (not flats):
        raise SettingsError("evaluate needs either --pairs DIR or --flats FLATS")
    if flats:
        return _evaluate_flats(flats, out, model, method, degradation, blurred, sharp, pitch_um, as_json)
    from coldray.benchmark.compare import evaluate_folder, write_results
    from coldray.restoration.model import load_model

    assert pairs is not None
    with console.progress("evaluate", 1, quiet=as_json) as advance:
        results = evaluate_folder(pairs, load_model(model), method, advance, degradation)
    written = write_results(out, results)
    if as_json:
        console.emit(results | {"report": str(written)})
    else:
        for name, scored in as_table(results["methods"]).items():
            scores = as_table(scored)
            typer.echo(f"{name:10s} {scores['psnr_db']:8.2f} dB  SSIM {scores['ssim']:.4f}")
        typer.echo(f"report: {written}")
    return console.OK


def _evaluate_flats(
    flats: list[Path], out: Path, model: str | None, methods: list[str] | None, degradation: str, blurred: str, sharp: str,
    pitch_um: float | None, as_json: bool,
) -> int:  # fmt: skip
    """Detection efficiency on the user's own flats."""
    import numpy as np

    from coldray.app.files import expand
    from coldray.benchmark.flats import efficiency_of_flats, flats_results, notes_of_flats, usual_jobs, write_flats
    from coldray.formats import read_image
    from coldray.plugins import plugin
    from coldray.restoration.model import load_model
    from coldray.restoration.pair import detectors_of
    from coldray.restoration.pipeline import Job, check_job

    if methods and len(methods) > 1:
        raise SettingsError("--flats takes one --method; it is compared with the network everywhere and with wiener")
    if pitch_um is not None and not pitch_um > 0:
        raise SettingsError(f"--pitch-um {pitch_um}: must be positive")
    name = methods[0] if methods else "cold"
    chosen = load_model(model) if plugin("method", name).LEARNS else None
    pitch = None if pitch_um is None else pitch_um * 1e-3
    job = Job(method=name, model=chosen, degradation=degradation, blurred=blurred, sharp=sharp, pixel_pitch_mm=pitch)
    check_job(job)
    images = [read_image(path) for path, _ in expand(flats)]
    pair, warnings = detectors_of(images[0], job)
    frames = [i.pixels if i.pixels.ndim == 3 else i.pixels[None] for i in images]
    if len({f.shape[1:] for f in frames}) > 1:
        raise SettingsError(
            f"--flats: sizes differ, {sorted({f.shape[1:] for f in frames})}; give frames of one detector"
        )
    stack = np.concatenate(frames)
    jobs = usual_jobs(job)
    with console.progress("evaluate", len(jobs) * len(stack), quiet=as_json) as advance:
        found = efficiency_of_flats(stack, jobs, pair.pixel_pitch_mm, advance)
    warnings = [*warnings, *notes_of_flats(stack)]
    results = flats_results(found, len(stack), chosen) | {"warnings": warnings}
    written = write_flats(out, results)
    if as_json:
        console.emit(results | {"report": str(written)})
        return console.OK
    for warning in warnings:
        console.say(f"warning: {warning}")
    for sentence in as_texts(results["statement"]):
        typer.echo(sentence)
    typer.echo(f"report: {written}")
    return console.OK
