"""An adaptation as a page: the finding, boards kept apart one by one, how they register, what was calibrated, what is not claimed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.adaptation.boards import Boards
from coldray.adaptation.checks import MeasuredRatio, seen_of
from coldray.adaptation.proof import AFTER, BEFORE, LINEAR, Proof
from coldray.adaptation.source import FAINTEST
from coldray.adaptation.tune import Tuned, TuneSettings
from coldray.dataset.frames import BoardImages
from coldray.document import Json, as_numbers, as_table
from coldray.physics.ratio_blur import ratio_blur
from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table
from coldray.reports.figures import BLUE, GREY, STYLE, new_figure, render
from coldray.reports.measurements import number
from coldray.reports.thumbnails import grey_range, shrunk
from coldray.restoration.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TILES = 8
"""Fields along each side of the chequered picture."""
SPAN = 4.0
"""Differences from minus to plus this many times their standard deviation run from black to white."""
ARMS = {BEFORE: "before", AFTER: "adapted", LINEAR: "linear filter"}
METHOD = (
    "Measured pairs, no truth. Sharp frames were averaged in two halves, registered to the blurred frames and brought to the blurred "
    "detector's response by a curve fitted on the boards learnt from. One half was the target; the other half calibrated how far "
    "the measurement corrects the network. The boards kept apart were chosen by a hash of their names, before anything was "
    "learnt. Both models restored them as coldray restore does by default."
)
SCORES = (
    "Noise-free reference: PSNR from the mean product of the errors to both halves, in which the noise of the reference cancels. Against one half: with that "
    "half's noise, which holds any result below the ceiling. Both contain the reference's own error, common to both halves: registration, interpolation, fixed "
    "pattern, response that differs between materials. It is what of the reference is not a linear filter away from blurred frames without noise. The PSNR without it, from "
    "which the gain comes, takes it off, and puts on what a result shares of it: a model that learnt it is not nearer to the board. Data range 1 (open beam), one "
    "factor for the level; 16 pixels of border, or a Hann window. Small features kept: contrast that discs, rods and bars put into the frames by the stated "
    "physics (simulated) keep."
)
LIMITS = (
    "Not claimed: other detectors, doses or objects than these; intervals for every pixel (not calibrated for this model: coldray restore "
    "--interval refuses it); that small features beyond those put in are kept. Rerun your own qualification set, old against new, before use."
)


def adaptation_report(
    boards: Boards, ratio: MeasuredRatio, proof: Proof, tuned: Tuned, base: Model, how: TuneSettings
) -> Report:
    """Lay out an adaptation that is written."""
    gain = proof.gain_db
    warnings = (*boards.warnings, *ratio.warnings())
    calibrated = tuned.model.header
    facts = Facts(
        (
            ("model before", f"{base.name}, sha256 {base.sha256[:16]}, settings {base.settings_sha256[:16]}"),
            ("adapted model", f"{tuned.model.name}, sha256 {tuned.model.sha256[:16]}, settings {tuned.model.settings_sha256[:16]}"),
            ("detectors", _detectors(boards)),
            ("boards", f"{len(boards.tuned)} learnt from, {len(boards.apart)} kept apart"),
            ("learning", f"{how.steps} updates of {how.batch} windows, rate {how.learning_rate:g}, random state {how.random_state}"),
            ("gain, boards kept apart", f"{gain.mean:+.2f} dB, 95 % interval {gain.low:+.2f} to {gain.high:+.2f} dB"),
        )
    )  # fmt: skip
    sections = (
        Section("What was found", (facts, _gains(proof), _references(proof), Note(SCORES))),
        Section("Registration", (_registrations(boards), Note(REGISTRATION), *_pictures(boards))),
        Section(
            "Transfer between the detectors",
            (Picture(render(ratio_figure(ratio), "png"), RATIO), Note(_response(boards))),
        ),
        Section(
            "Calibration",
            (Note(_gate(tuned)), Note(_share(calibrated.get("consistency_share"))), Note(_domain(calibrated))),
        ),
        Section("Method and limits", (Note(METHOD), Note(LIMITS))),
    )
    tone = "doubtful" if warnings else "good"
    return Report(
        "Model adapted to measured pairs",
        f"coldray {__version__}",
        "Gain shown",
        tone,
        (proof.words(), *warnings),
        sections,
    )


REGISTRATION = (
    "Each picture: fields of the blurred frame and of the registered, blurred and response-matched sharp mean in turn, and their difference "
    "(black to white: minus to plus four standard deviations). Edges that step between fields, or bright and dark sides of one edge in the difference, are "
    "registration error."
)
RATIO = "MTF ratio of blurred over sharp detector: stated by their files, and as the boards show it"


def _detectors(boards: Boards) -> str:
    pair = boards.tuned[0].pair
    return f"{pair.blurred.name} to {pair.sharp.name}, {1e3 * pair.pixel_pitch_mm:.4g} µm pixels"


def _gains(proof: Proof) -> Table:
    """What every board kept apart gains."""
    rows = [
        (
            board.board, f"{board.gain_db:+.2f}", *(f"{board.scores[arm].psnr_db:.2f}" for arm in ARMS),
            " / ".join(f"{100 * board.features_kept[arm]:.0f}" for arm in (BEFORE, AFTER)),
        )
        for board in proof.boards
    ]  # fmt: skip
    psnr = (f"PSNR, {arm} [dB]" for arm in ARMS.values())
    return Table(("board kept apart", "gain [dB]", *psnr, "small features kept, before / adapted [%]"), tuple(rows))


def _references(proof: Proof) -> Table:
    """Against what every board kept apart was scored."""
    rows = []
    for board in proof.boards:
        seen = (f"{board.scores[arm].psnr_noise_free_db:.2f}" for arm in (BEFORE, AFTER))
        halves = (f"{board.scores[arm].psnr_of_half_db:.2f}" for arm in (BEFORE, AFTER))
        ceiling = f"{board.scores[AFTER].ceiling_db:.2f}"
        rows.append((board.board, number(board.reference_error_db, digits=4), *seen, *halves, ceiling))
    columns = (
        "PSNR [dB]", "reference's own error", *(f"noise-free reference, {ARMS[arm]}" for arm in (BEFORE, AFTER)),
        *(f"one half, {ARMS[arm]}" for arm in (BEFORE, AFTER)), "ceiling of that",
    )  # fmt: skip
    return Table(columns, tuple(rows))


def _registrations(boards: Boards) -> Table:
    rows = []
    for images in (*boards.tuned, *boards.apart):
        found = images.registration
        assert found is not None
        shift = f"{found.shift_px[0]:+.2f}, {found.shift_px[1]:+.2f}"
        cells = (shift, f"{found.rotation_deg:+.3f}", f"{found.scale:.5f}", number(found.correlation, digits=3))
        rows.append((images.board, "kept apart" if images in boards.apart else "learnt from", *cells))
    columns = ("board", "role", "shift, rows and columns [px]", "rotation [deg]", "scale", "correlation of detail")
    return Table(columns, tuple(rows))


def _pictures(boards: Boards) -> tuple[Picture, ...]:
    """One registration picture for each board."""
    every = (*boards.tuned, *boards.apart)
    return tuple(Picture(render(registration_figure(b), "png"), f"How {b.board} registers") for b in every)


def _response(boards: Boards) -> str:
    rms = boards.response.rms
    return (
        f"The responses differ by {100 * rms['unmatched']:.2f} % of the open beam (rms) on the boards learnt from, {100 * rms['gain']:.2f} % "
        f"after one factor, {100 * rms['curve']:.2f} % after the curve that was applied to the references."
    )


def _gate(tuned: Tuned) -> str:
    gate = tuned.gate
    return (
        f"Gate: noise alone, from {gate.differences} differences of blurred frames, reaches an evidence of {gate.noise_z:.1f} standard deviations; the "
        f"network begins to count at {gate.constants.closed_below:.1f} and counts fully from {gate.constants.open_above:.1f}."
    )


def _share(share: Json) -> str:
    if share is None:
        return "Gain: the measurement corrects the network fully (K = 1)."
    found = as_table(share)
    told = ", ".join(f"{s:.2f}" for s in as_numbers(found["share"]))
    places = ", ".join(f"{f:.3g}" for f in as_numbers(found["frequency_cycles_px"]))
    return f"Gain: share of the data-consistency gain {told} at {places} cycles/pixel."


def _domain(header: Mapping[str, Json]) -> str:
    low, high = as_numbers(as_table(header["family"])["exposure_s"])
    return (
        f"Domain: this pair, at noise of frames of {low:g} to {high:g} s (the measured noise, and noise added up to {FAINTEST:g} times its power). Beyond it the "
        "linear filter takes over."
    )


def chequered(one: NDArray[np.floating], other: NDArray[np.floating], tiles: int = TILES) -> NDArray[np.float32]:
    """Fields of two images in turn."""
    rows, cols = (np.minimum(np.arange(n) * tiles // n, tiles - 1) for n in one.shape)
    return np.where((rows[:, None] + cols) % 2 == 0, one, other).astype(np.float32)


def registration_figure(images: BoardImages) -> Figure:
    """Chequered picture and difference of one board."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure, axes = new_figure(5.2, 2.7, 2)
        blurred, seen = both_of(images)
        low, high = grey_range(blurred)
        rest = blurred - seen
        spread = max(float(rest.std()), 1e-6)
        axes[0].imshow(shrunk(chequered(blurred, seen)), cmap="gray", vmin=low, vmax=high)
        axes[1].imshow(shrunk(rest), cmap="gray", vmin=-SPAN * spread, vmax=SPAN * spread)
        axes[0].set_title(images.board)
        axes[1].set_title(f"difference, rms {100 * spread:.2f} % of the open beam")
        for axis in axes:
            axis.set(xticks=[], yticks=[])
    return figure


def both_of(images: BoardImages) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean blurred frame, and the registered, matched sharp mean as the blurred detector would show it."""
    assert images.frames is not None
    window = seen_of(images)
    return images.frames.mean(axis=0)[window], ratio_blur(images.mean, images.pair)[window]


def ratio_figure(ratio: MeasuredRatio) -> Figure:
    """Stated and measured MTF ratio."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure, axis = new_figure(4.2, 2.6)
        axis.plot(ratio.frequency_cycles_px, ratio.stated, color=GREY, label="stated")
        axis.plot(ratio.frequency_cycles_px, ratio.ratio, "o", ms=3, color=BLUE, label="these boards")
        axis.set(xlabel="frequency [cycles/pixel]", ylabel="MTF ratio", ylim=(-0.1, 1.3))
        axis.legend(loc="upper right")
    return figure
