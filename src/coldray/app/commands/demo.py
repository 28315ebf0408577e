"""`demo`: no data, no GPU, no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldray.app import console
from coldray.document import as_table


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo", epilog="Example: coldray demo -o coldray-demo --open")(demo)


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for picture, report and images.")] = Path(
        "coldray-demo"
    ),
    model: Annotated[str | None, typer.Option("-m", "--model", help="Shipped model or model file.")] = None,
    random_state: Annotated[int, typer.Option(min=0, help="Another board and other noise.")] = 2026,
    size_px: Annotated[int, typer.Option(min=128, max=2048, help="Rows and columns of the images.")] = 512,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Acquire a simulated board with both detectors, restore it, judge it, write a report."""
    from coldray.benchmark.demo import run_demo, write_demo
    from coldray.restoration.model import load_model

    results, images = run_demo(load_model(model), random_state, size_px, say=console.say)
    written = write_demo(out, results, images)
    if as_json:
        console.emit(results | {"report": str(out / written["report"]), "picture": str(out / written["picture"])})
    else:
        typer.echo(f"{'method':10s} {'PSNR [dB]':>10s} {'SSIM':>8s} {'time [s]':>9s}")
        for name, found in as_table(results["methods"]).items():
            scores = as_table(found)
            typer.echo(f"{name:10s} {scores['psnr_db']:10.2f} {scores['ssim']:8.4f} {scores['seconds']:9.2f}")
        typer.echo(
            f"against noise-free truth, data range 1 (open beam); simulated data\nreport: {out / written['report']}"
        )
        typer.echo("next: coldray restore IMAGE -o OUT | coldray info IMAGE | coldray --help")
    if open_report:
        import webbrowser

        webbrowser.open((out / written["report"]).resolve().as_uri())
    return console.OK
