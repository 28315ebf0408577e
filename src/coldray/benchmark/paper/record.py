"""What the comparison finds, entry by entry: the types of its results, which results.json holds under the same names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Required, TypeAlias, TypedDict, get_args

from coldray.document import Json

Score = Literal[
    "psnr_db_truth", "ssim_truth", "psnr_db_same_response", "ssim_same_response", "psnr_db_curve", "ssim_curve",
    "psnr_db_mean20", "ssim_mean20", "snr_box_1", "snr_box_2", "cnr", "residual_over_noise", "repeat_sd_percent",
    "seconds_per_mpx", "cpu_seconds_per_mpx",
]  # fmt: skip
"""What is averaged over boards; the names of a row's entries."""
SCORES: tuple[Score, ...] = get_args(Score)

Row: TypeAlias = Mapping[str, Json]
"""One method on one scene: "method", "board", "kind", "exposure_s", "evaluations" and its scores."""
Statistic: TypeAlias = Mapping[str, float]
"""Mean, low, high and count of `coldray.benchmark.statistics.Interval`, under these names."""
Verdict: TypeAlias = Mapping[str, Json]
"""One trust test of one method: "number", "test", "mark", "passed", and what was measured."""


class Method(TypedDict):
    """A contestant."""

    label: str
    method: str | None
    options: dict[str, Json]
    options_by_exposure_s: dict[str, dict[str, Json]]
    gain: str | None
    even: str | None
    model: dict[str, str] | None
    trained_for: str
    screen: str


class Entry(TypedDict, total=False):
    """Means over boards of one method at one exposure, on one kind of pair."""

    method: Required[str]
    kind: Required[str]
    exposure_s: Required[float]
    evaluations: Required[float]
    psnr_db_truth: Statistic
    ssim_truth: Statistic
    psnr_db_same_response: Statistic
    ssim_same_response: Statistic
    psnr_db_curve: Statistic
    ssim_curve: Statistic
    psnr_db_mean20: Statistic
    ssim_mean20: Statistic
    snr_box_1: Statistic
    snr_box_2: Statistic
    cnr: Statistic
    residual_over_noise: Statistic
    repeat_sd_percent: Statistic
    seconds_per_mpx: Statistic
    cpu_seconds_per_mpx: Statistic
    loading_mg_cm2: float
    sampler: str
    steps: int


class Difference(TypedDict, total=False):
    """Paired difference of two methods in one score, with what it shows in words."""

    method: Required[str]
    against: Required[str]
    kind: str
    exposure_s: Required[float]
    against_exposure_s: float
    field: Required[Score]
    mean: Required[float]
    low: Required[float]
    high: Required[float]
    count: Required[int]
    verdict: Required[str]


class Transfer(TypedDict, total=False):
    """TTF of one edge; without "value" it could not be measured, and "failed" says why."""

    contrast: Required[float]
    angle_deg: Required[float]
    repeats: Required[int]
    frequency_lp_mm: list[float]
    value: list[float]
    low: list[float]
    high: list[float]
    name: str
    ttf50_lp_mm: float | None
    contrast_kept: float
    warnings: list[str]
    failed: str


class Bars(TypedDict):
    """CTF of one group of bars; None where they do not stand out from the noise."""

    frequency_lp_mm: float
    ctf: float | None
    ctf_sd: float | None


class Flat(TypedDict):
    """NNPS of restored flats."""

    frequency_lp_mm: list[float]
    nnps_mm2: list[float]
    relative_sd: float
    repeats: int
    signal: float


class FourierMarks(TypedDict):
    """How one method stands against the Fourier marks; None where a curve is missing."""

    ttf80_largest_difference: float | None
    ttf5_largest_shortfall_below_raw: float | None
    ctf_difference: list[float | None]
    ctf_largest_difference: float | None
    edge_over_flat_noise: float | None
    contrast_dependence: float | None


class Measured(TypedDict, total=False):
    """Transfer, noise and bars of one method."""

    transfers: Required[list[Transfer]]
    contrast_dependence: float | None
    noise: dict[str, dict[str, float | None]]
    flat: Flat
    ctf: list[Bars]
    marks: FourierMarks


class Sharp(TypedDict):
    """The thin screen's own curves."""

    frequency_lp_mm: list[float]
    mtf: list[float]
    blurred_mtf: list[float]
    nnps_20_frames_mm2: list[float]
    ctf: list[Bars]


class Fourier(TypedDict):
    """Transfer, noise and bars of every method at one exposure."""

    exposure_s: float
    repeats: int
    peer_repeats: int
    bright: float
    limit_lp_mm: float
    sharp: Sharp
    methods: dict[str, Measured]


class Saved(TypedDict):
    """The exposure one method saves at the quality that the thin screen has; see `coldray.benchmark.paper.worth.saved`."""

    method: str
    against: str
    field: Score
    boards: int
    at_least: int
    never: int
    reached: int
    least: float | None
    factor: Statistic | None


class Seen(TypedDict):
    """The exposure saved at equal detection of voids."""

    void_mm: list[float]
    saved: list[float]
    task: str


class Worth(TypedDict):
    """What a thick screen and a restoration are worth."""

    reference_s: float
    exposure: list[Entry]
    saved: list[Saved]
    loading: list[Entry]
    detection: Seen


class Cells(TypedDict):
    """Differences of AUC of one method, cell by cell."""

    cells: list[dict[str, Json]]
    lowest_bound: float


class Detection(TypedDict):
    """Detectability of defects on flats."""

    exposure_s: float
    cnr: list[float]
    methods: dict[str, Cells]


class Trust(TypedDict):
    """Trust tests of every method, and of restorers that are wrong on purpose."""

    methods: dict[str, list[Verdict]]
    exposure_s: float
    pairs: int
    controls: dict[str, Verdict]


class Results(TypedDict, total=False):
    """Everything a comparison or an ablation finds; what was not run is not there."""

    coldray: str
    benchmark: str
    question: str
    missing: str
    convention: dict[str, Json]
    settings: dict[str, Json]
    model: dict[str, Json]
    methods: dict[str, Method]
    absent: list[str]
    failed: list[str]
    own: dict[str, Json]
    ceiling: dict[str, Statistic]
    summary: list[Entry]
    paired: list[Difference]
    exposures: list[Difference]
    verdicts: list[str]
    images: list[Row]
    worth: Worth
    steps: list[Entry]
    fourier: list[Fourier]
    detection: Detection
    efficiency: list[dict[str, Json]]
    trust: Trust
    marks: list[dict[str, Json]]
    training: list[dict[str, Json]]
    seconds: float
    cpu_seconds: float
    processes: int
    part_cpu_seconds: dict[str, float]
    command: str
