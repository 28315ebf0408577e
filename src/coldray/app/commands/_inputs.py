"""What the metrology verbs share: reading images by role, pitch, regions, and writing what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.document import Json, as_texts
from coldray.errors import ColdrayError, ImageReadError, ImageWriteError, MetadataError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from coldray.radiograph import Radiograph
    from coldray.reports.measurements import Protocol

PLOT_SUFFIXES = (".png", ".pdf", ".svg")
CSV_SUFFIXES = (".csv",)
PAGE_SUFFIXES = (".html", ".htm")
REPORT_SUFFIXES = (*PAGE_SUFFIXES, ".pdf")
SAME_PITCH = 1e-3
"""Relative difference below which two pitches are the same number, rounded differently."""

Roi = tuple[int, int, int, int]

PitchUm = Annotated[float | None, typer.Option("--pitch-um", help="Pixel pitch [um], overriding the file.")]
OneFile = Annotated[Path, typer.Argument(metavar="FILE", help="Linear image.")]
OneRoi = Annotated[str | None, typer.Option("--roi", metavar="X,Y,W,H", help="Region to look in [px].")]
Raw = Annotated[str | None, typer.Option("--raw", help="Geometry of raw files, e.g. 2048x2048:u2:offset=512.")]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Figure to write: .png, .pdf or .svg.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Table to write; none without it.")]
Report = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Report to write: .html or .pdf.")]
BadPixels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Image that is not zero where a pixel is bad; without it only what the files themselves mark is left out.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@dataclass(frozen=True)
class Inputs:
    """The images of one role.

    Parameters
    ----------
    role : str
        What they are, for messages: "edge", "flat", ...
    images : list of Radiograph
    files : list of Path
        Where each of them came from.
    problems : list of str
        One line for every file that could not be read.
    """

    role: str
    images: list[Radiograph] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def frames(self) -> list[Radiograph]:
        """Every page as an image of its own."""
        from coldray.metrology.inputs import pages

        return pages(self.images)

    @property
    def names(self) -> list[str]:
        """What each of `frames` is called in messages: its file, and the page of a file with several."""
        return [
            file.name if image.pixels.ndim == 2 else f"{file.name} page {page}"
            for file, image in zip(self.files, self.images, strict=True)
            for page in range(1, 2 if image.pixels.ndim == 2 else len(image.pixels) + 1)
        ]

    @property
    def code(self) -> int:
        """Exit code as far as reading is concerned."""
        return console.SOME_FAILED if self.problems else console.OK

    def masked(self, mask: NDArray[np.bool_] | None) -> Inputs:
        """The same images, with what a bad-pixel map marks masked too; None changes nothing."""
        return replace(self, images=[image.with_mask(mask) for image in self.images])

    def records(self) -> list[dict[str, Json]]:
        """Name and hash of every file, for reports and histories."""
        from coldray.checkpoint import file_sha256

        return [{"role": self.role, "file": p.name, "sha256": file_sha256(p)} for p in self.files]

    def warnings(self) -> list[str]:
        """What the readers remarked, what could not be read, and whether an image is not a detector's own."""
        from coldray.formats import reading_notes

        found = [
            f"{file.name}: {note}"
            for file, image in zip(self.files, self.images, strict=True)
            for note in reading_notes(image)
        ]
        if any(step.verb == "restore" for image in self.images for step in image.history):
            found.append(
                f"a restored {self.role} image: what is measured belongs to this contrast and dose, not to a detector"
            )
        return [*(f"left out: {problem}" for problem in self.problems), *found]


def read_inputs(paths: Sequence[Path], role: str, raw: str | None = None) -> Inputs:
    """Read files, folders and multi-page files of one role.

    Raises
    ------
    ImageReadError
        If nothing could be read; a file among several that cannot be read is only noted.
    SettingsError
        If the raw geometry cannot be understood.
    """
    from coldray.app.files import expand
    from coldray.formats import read_image, reading_notes
    from coldray.formats.raw import RawGeometry

    geometry = None if raw is None else RawGeometry.parse(raw)
    found = Inputs(role)
    last: ColdrayError | None = None
    for path in paths:
        try:
            files = [file for file, _ in expand([path])]
        except ColdrayError as problem:
            files, last = [], problem
            found.problems.append(console.one_line(problem))
        for file in files:
            try:
                found.images.append(read_image(file, raw=geometry))
                found.files.append(file)
            except ColdrayError as problem:
                last = problem
                found.problems.append(console.one_line(problem))
    console.remembered += [
        f"{f.name}: {note}" for f, i in zip(found.files, found.images, strict=True) for note in reading_notes(i)
    ]
    if not found.images:
        if last is None:
            raise ImageReadError(f"no {role} image was given")
        if len(found.problems) == 1:
            raise last
        raise ImageReadError(f"none of {len(found.problems)} {role} images could be read; first: {found.problems[0]}")
    return found


def pitch_of(images: Iterable[Radiograph], pitch_um: float | None) -> tuple[float, list[str]]:
    """Pixel pitch [mm] from the option, else from the files, and a warning where they differ.

    Raises
    ------
    SettingsError
        If the option is not a possible pitch.
    MetadataError
        If neither says, or files contradict each other.
    """
    known = sorted({i.acquisition.pixel_pitch_mm for i in images if i.acquisition.pixel_pitch_mm is not None})
    if pitch_um is not None:
        positive("--pitch-um", pitch_um)
        pitch = pitch_um * 1e-3
        other = next((k for k in known if abs(k / pitch - 1) > SAME_PITCH), None)
        if other is None:
            return pitch, []
        return pitch, [f"the pixel pitch is {other * 1e3:.4g} um by the file; {pitch_um:.4g} um by --pitch-um is used"]
    if not known:
        raise MetadataError("the pixel pitch is in no file; give --pitch-um")
    if known[-1] / known[0] - 1 > SAME_PITCH:
        raise MetadataError(
            f"the files state pixel pitches from {known[0] * 1e3:.4g} to {known[-1] * 1e3:.4g} um; give --pitch-um"
        )
    return float(known[0]), []


def positive(name: str, value: float | None) -> None:
    """Raise SettingsError unless an option is absent or a positive finite number."""
    if value is not None and not 0 < value < float("inf"):
        raise SettingsError(f"{name} {value}: must be positive")


def parse_roi(text: str) -> Roi:
    """Region X,Y,W,H [px]; SettingsError if it is not one."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"--roi {text!r}: give four whole numbers X,Y,W,H [px]") from None
    if x < 0 or y < 0 or width < 1 or height < 1:
        raise SettingsError(f"--roi {text!r}: X and Y start at 0, W and H at 1")
    return x, y, width, height


def read_mask(path: Path | None, raw: str | None = None) -> NDArray[np.bool_] | None:
    """Bad-pixel map: an image, bad where it is not zero; None if no path is given."""
    if path is None:
        return None
    image = read_inputs([path], "bad-pixel", raw).images[0]
    return (image.pixels if image.pixels.ndim == 2 else image.pixels.max(axis=0)) != 0


def check_outputs(
    outputs: Iterable[tuple[Path | None, tuple[str, ...]]], inputs: Iterable[Path], overwrite: bool
) -> None:
    """Refuse outputs of an unknown kind, that exist, that are inputs, or that are the same file.

    Parameters
    ----------
    outputs : iterable of (path or None, allowed suffixes)
    inputs : iterable of Path
    overwrite : bool

    Raises
    ------
    SettingsError
        If a suffix is wrong, or two outputs are one file.
    ImageWriteError
        If a file would be replaced.
    """
    from coldray.app.files import check_names

    sources = {path.resolve() for path in inputs}
    seen = set()
    outputs = list(outputs)
    check_names(path for path, _ in outputs if path is not None)
    for path, suffixes in outputs:
        if path is None:
            continue
        if path.suffix.lower() not in suffixes:
            raise SettingsError(f"{path.name}: the name must end in {' or '.join(suffixes)}")
        if path.resolve() in sources:
            raise ImageWriteError(f"{path.name}: the output would replace an input; choose another name")
        if path.exists() and not overwrite:
            raise ImageWriteError(f"{path.name}: exists already; give --overwrite or another name")
        if path.resolve() in seen:
            raise SettingsError(f"{path.name}: two outputs have the same name")
        seen.add(path.resolve())


def write_files(contents: dict[Path, Callable[[Path], object]]) -> None:
    """Write several files, all or none: if one fails, no name changes."""
    from coldray.files import together

    with together() as staged:
        for path, writer in contents.items():
            writer(staged(path))


def of_bytes(content: bytes) -> Callable[[Path], object]:
    """Writer of a whole file."""
    from coldray.files import write_bytes

    return lambda path: write_bytes(path, content)


def sheets(
    plot: Path | None, report: Path | None, protocol: Protocol, csv: Path | None = None, table: str = ""
) -> dict[Path, Callable[[Path], object]]:
    """Writers of the figure, the report and the table that were asked for."""
    from coldray.reports.figures import render
    from coldray.reports.html import rendered

    contents = {}
    if plot is not None:
        contents[plot] = of_bytes(render(protocol.figure(), plot.suffix[1:].lower()))
    if report is not None:
        contents[report] = of_bytes(rendered(protocol.report(), report))
    if csv is not None:
        contents[csv] = of_bytes(table.encode())
    return contents


def finish(result: dict[str, Json], rows: Iterable[tuple[str, str]], code: int, as_json: bool) -> int:
    """Print a result as JSON, or as a table with its warnings on stderr; returns the exit code."""
    if as_json:
        console.emit(result)
        return code
    for warning in as_texts(result["warnings"]):
        console.say(f"warning: {warning}")
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{name:{width}s}  {value}")
    return code
