"""Edge part of the metrology benchmark: accuracy, coverage of the band, angle and speed against a known truth.

Run by `metrology.py`. Peers get the same images, and the angle and polarity as well, which coldray finds itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from _marks import Mark
from _peers import Answer, Peers, figures
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from coldray.metrology.edge.mtf import edge_mtf
from coldray.objects.phantoms import Blur, GaussianBlur, PhosphorBlur, slanted_edge, with_glare

PITCH_MM = 0.1
LOWEST = 0.02  # cycles/px; below it every method is judged by its normalisation alone
Image = NDArray[np.floating[Any]]
Curve = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class NoisyCase:
    """One edge at one noise level; `mark` is the largest median error allowed (None: reported only)."""

    name: str
    blur: Blur
    angle_deg: float
    electrons: float
    mark: float | None
    correlation_px: float = 0.0
    signal_dependent: bool = False

    def images(self, count: int, seed: int) -> Iterator[Image]:
        """Noisy images of 256 x 256 pixels, one random stream each."""
        clean = slanted_edge((256, 256), self.blur, PITCH_MM, angle_deg=self.angle_deg, low=0.0)[0].astype(np.float64)
        for stream in np.random.default_rng(seed).spawn(count):
            noise = stream.standard_normal(clean.shape)
            if self.correlation_px:
                noise = gaussian_filter(noise, self.correlation_px, mode="wrap")
                noise /= noise.std()
            level = np.sqrt(0.05 + 0.95 * clean) if self.signal_dependent else 1.0
            yield clean + level * noise / np.sqrt(self.electrons)


GLARE = with_glare(GaussianBlur(0.5))
SHAPES: dict[str, Blur] = {
    "Gauss 0.3 px": GaussianBlur(0.3),
    "Gauss 0.5 px": GaussianBlur(0.5),
    "Gauss 0.8 px": GaussianBlur(0.8),
    "Gauss 1.2 px": GaussianBlur(1.2),
    "phosphor 0.6 px": PhosphorBlur(0.6),
    "phosphor 1.2 px": PhosphorBlur(1.2),
    "glare 4 %": GLARE,
}
ANGLES = (1.5, 2.0, 2.5, 3.0, 4.0, 5.7106, 7.3, -1.5, -2.2, -7.3)
NOISY = (
    NoisyCase("Gauss 0.5, 10,000 e⁻", GaussianBlur(0.5), 2.0, 1e4, 0.006),
    NoisyCase("Gauss 1.2, 10,000 e⁻", GaussianBlur(1.2), 2.5, 1e4, 0.006),
    NoisyCase("glare 4 %, 10,000 e⁻", GLARE, 2.2, 1e4, 0.006),
    NoisyCase("phosphor 0.6, 2,500 e⁻", PhosphorBlur(0.6), 3.0, 2500, 0.012),
    NoisyCase("Gauss 0.5, SNR 20", GaussianBlur(0.5), 2.0, 400, 0.026),
    NoisyCase("Gauss 0.5, 10,000 e⁻, correlated", GaussianBlur(0.5), 2.0, 1e4, None, correlation_px=0.8),
    NoisyCase("Gauss 0.5, 10,000 e⁻, Poisson", GaussianBlur(0.5), 2.0, 1e4, None, signal_dependent=True),
)
SPEED = {(256, 256): 0.015, (2048, 1024): 0.5}  # seconds


@dataclass(frozen=True)
class Target:
    """One noise-free edge."""

    shape: str
    angle_deg: float
    orientation: str
    rising: bool

    @property
    def blur(self) -> Blur:
        """Blur of its shape."""
        return SHAPES[self.shape]

    def image(self) -> Image:
        """256 x 256 pixels."""
        return slanted_edge(
            (256, 256),
            self.blur,
            PITCH_MM,
            angle_deg=self.angle_deg,
            orientation=self.orientation,
            rising=self.rising,
            centre_px=128.3,
        )[0]

    def request(self) -> dict[str, Any]:
        """What a peer is told."""
        return request(self.angle_deg, 128.3, self.orientation, self.rising)


def request(angle_deg: float, centre_px: float, orientation: str = "vertical", rising: bool = True) -> dict[str, Any]:
    """What a peer is told about an edge."""
    return {
        "task": "edge",
        "pitch_mm": PITCH_MM,
        "angle_deg": angle_deg,
        "centre_px": centre_px,
        "orientation": orientation,
        "rising": rising,
    }


def truth(blur: Blur, angle_deg: float, frequency_px: NDArray[Any]) -> NDArray[Any]:
    """Presampled MTF along the normal."""
    a = np.deg2rad(angle_deg)
    return blur.mtf(frequency_px) * np.sinc(frequency_px * np.cos(a)) * np.sinc(frequency_px * np.sin(a))


def largest_error(found: Curve, blur: Blur, angle_deg: float) -> float:
    """Largest |dMTF| from `LOWEST` to Nyquist."""
    grid = np.arange(LOWEST, 0.5 + 1e-9, 0.005)
    return float(np.abs(np.interp(grid, *found) - truth(blur, angle_deg, grid)).max())


def mtf50_error(found: Curve, blur: Blur, angle_deg: float) -> float:
    """Relative error of the frequency where the MTF is one half; 0 where the truth has none below Nyquist."""
    grid = np.linspace(0, 0.5, 5001)
    true = _crossing(grid, truth(blur, angle_deg, grid))
    if true is None:
        return 0.0
    measured = _crossing(grid, np.interp(grid, *found))
    return float("inf") if measured is None else abs(measured / true - 1)


def _crossing(grid: NDArray[Any], value: NDArray[Any]) -> float | None:
    """First frequency where the curve falls through one half."""
    below = np.flatnonzero(value < 0.5)
    if below.size == 0 or below[0] == 0:
        return None
    k = int(below[0])
    share = (value[k - 1] - 0.5) / (value[k - 1] - value[k])
    return float(grid[k - 1] + share * (grid[k] - grid[k - 1]))


def measured(image: Image) -> Curve:
    """Curve of coldray, in cycles/px."""
    curve = edge_mtf(image, PITCH_MM).mtf
    return curve.frequency_lp_mm * PITCH_MM, curve.value


def _curve(answer: Answer) -> Curve:
    """A peer's curve."""
    return np.asarray(answer["frequency_px"], dtype=np.float64), np.asarray(answer["mtf"], dtype=np.float64)


def noise_free(peers: Peers, quick: bool) -> list[Mark]:
    """Worst error of every shape over angles of both signs, orientations and polarities in turn."""
    angles = ANGLES[::3] if quick else ANGLES
    # Angle by angle, so that a slow peer has measured every shape when its time is up.
    targets = [
        Target(shape, angle, ("vertical", "horizontal")[k % 2], k % 3 > 0)
        for k, angle in enumerate(angles)
        for shape in SHAPES
    ]
    images = [target.image() for target in targets]
    curves = [measured(image) for image in images]
    answers = peers.ask(images, [target.request() for target in targets])
    marks = []
    for error, name, high, unit in ((largest_error, "max |ΔMTF|", 0.001, ""), (mtf50_error, "MTF50 error", 0.1, "%")):
        scale = 100.0 if unit else 1.0

        def of(curve: Curve, k: int, error: Callable[..., float] = error, scale: float = scale) -> float:
            return scale * error(curve, targets[k].blur, targets[k].angle_deg)

        for shape in SHAPES:
            places = [k for k, target in enumerate(targets) if target.shape == shape]
            if error is mtf50_error and all(of(curves[k], k) == 0 for k in places):
                continue  # no such frequency below Nyquist
            marks.append(
                Mark(
                    "Edge, noise-free, 1.5 to 7.3°",
                    f"{name}, {shape}",
                    max(of(curves[k], k) for k in places),
                    0,
                    high,
                    unit,
                    figures(answers, places, lambda answer, k: of(_curve(answer), k)),
                )
            )
    return marks


def noisy(peers: Peers, quick: bool) -> list[Mark]:
    """Median over images of the largest error, and the angle, for every tool on the same images."""
    count, shared = (31, 6) if quick else (60, 30)
    images = {case.name: list(case.images(count, 1)) for case in NOISY}
    asked = [(case, k) for k in range(shared) for case in NOISY]
    answers = peers.ask(
        [images[case.name][k] for case, k in asked], [request(case.angle_deg, 127.5) for case, _ in asked]
    )
    marks, angles = [], []
    for case in NOISY:
        errors = [largest_error(measured(image), case.blur, case.angle_deg) for image in images[case.name]]
        places = [k for k, (other, _) in enumerate(asked) if other is case]
        marks.append(
            Mark(
                f"Edge, noisy: median over {count} images of max |ΔMTF|",
                case.name,
                float(np.median(errors)),
                0 if case.mark else -np.inf,
                case.mark or np.inf,
                "",
                figures(answers, places, lambda a, k: largest_error(_curve(a), case.blur, case.angle_deg), _median),
            )
        )
        if case.electrons == 1e4:
            found = [abs(edge_mtf(image, PITCH_MM).angle_deg - case.angle_deg) for image in images[case.name]]
            with_angle = {
                name: given
                for name, given in answers.items()
                if not isinstance(given, str) and any("angle_deg" in (a or {}) for a in given)
            }
            angles.append(
                Mark(
                    f"Edge angle: largest error over {count} images",
                    case.name,
                    max(found),
                    0,
                    0.01,
                    "°",
                    figures(with_angle, places, lambda a, k: abs(a["angle_deg"] - case.angle_deg)),
                    {"sd_deg": float(np.std(found))},
                )
            )
    return marks + angles


def _median(values: list[float]) -> float:
    return float(np.median(values))


def wilson(hits: NDArray[Any], trials: int, z: float = 1.96) -> tuple[NDArray[Any], NDArray[Any]]:
    """Wilson 95 % interval of a proportion."""
    p = hits / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return centre - half, centre + half


def _hits(place: int, trials: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """How often the band of one case held the truth, per frequency [cycles/px]."""
    case, hits, frequency = NOISY[place], np.zeros(0), np.zeros(0)
    for image in case.images(trials, 2):
        curve = edge_mtf(image, PITCH_MM).mtf
        frequency = curve.frequency_lp_mm * PITCH_MM
        expected = truth(case.blur, case.angle_deg, frequency)
        assert curve.low is not None and curve.high is not None
        hit = ((curve.low <= expected) & (expected <= curve.high)).astype(np.float64)
        hits = hit if hits.size == 0 else hits + hit
    return frequency, hits


def coverage(trials: int, workers: int) -> list[Mark]:
    """How often the k = 2 band holds the truth; no peer gives a band."""
    marks = []
    with ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(_hits, place, trials) for place in range(len(NOISY))]
        for case, job in zip(NOISY, jobs, strict=True):
            frequency, hits = job.result()
            hits = hits[frequency >= LOWEST - 1e-9]
            low, high = wilson(hits, trials)
            share = 100 * hits / trials
            judged = not case.signal_dependent  # the mark names white and correlated noise
            off = int(((high < 0.90) | (low > 0.98)).sum())
            detail = {"trials": trials, "lowest": float(share.min()), "highest": float(share.max())}
            part = f"Edge: coverage of the k = 2 band over {trials} trials, 0.02 to 0.5 cycles/px"
            limits = (93.0, 97.0) if judged else (-np.inf, np.inf)
            marks.append(Mark(part, f"mean, {case.name}", float(share.mean()), *limits, "%", detail=detail))
            limits = (0.0, 0.0) if judged else (-np.inf, np.inf)
            name = f"frequencies of {hits.size} whose Wilson interval misses 90 to 98 %, {case.name}"
            marks.append(Mark(part, name, off, *limits, detail=detail))
    return sorted(marks, key=lambda mark: mark.name.startswith("frequencies"))


def speed(peers: Peers, quick: bool) -> list[Mark]:
    """Fastest of several runs on one noisy edge; the band is included for coldray."""
    images = []
    for shape in SPEED:
        clean = slanted_edge(shape, GaussianBlur(0.5), PITCH_MM, angle_deg=2.0)[0]
        images.append(clean + 0.01 * np.random.default_rng(3).standard_normal(shape).astype(np.float32))
    requests = [{**request(2.0, (shape[1] - 1) / 2), "repeats": 2 if quick else 5} for shape in SPEED]
    answers = peers.ask(images, requests)
    return [
        Mark(
            "Speed: processor time, one thread (in brackets: times coldray's)",
            f"edge {shape[0]} × {shape[1]}",
            best_seconds(lambda: edge_mtf(image, PITCH_MM), 3 if quick else 9),
            0,
            limit,
            "s",
            figures(answers, [k], lambda answer, _: answer["seconds"]),
        )
        for k, (image, (shape, limit)) in enumerate(zip(images, SPEED.items(), strict=True))
    ]


def best_seconds(call: Callable[[], object], repeats: int) -> float:
    """Shortest processor time of one call, which other load on the machine changes least."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)
