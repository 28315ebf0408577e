"""Acquisitions of a simulated panel: raw frames and means of raw frames, with noise, fixed patterns and bad pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldray.objects.panel.model import Beam, Material, Panel, through_dips
from coldray.objects.phantoms import duplex_wires, slanted_edge

TIMES_S = (2.0, 8.0, 32.0)
BURN_MINUTES = (1.0, 60.0)
EXPOSURE_FRAMES = (2, 8, 32, 100)
DUPLEX_FRAMES, SCATTER_FRAMES, BURN_FRAMES, CHECK_FRAMES = 32, 64, 64, 200
LAG_SIGNAL, LAG_EXPOSED, LAG_AFTER_S = 0.8, 4, 70.0
DUPLEX_TILT_DEG, EDGE_TILT_DEG = 3.0, 2.5
PLATE_SIGNAL, DARK_SIDE = 0.1, 0.02
STRONG_LAG, BENT_RESPONSE = 8.0, 1.05
NOISY_FACTOR = 14.0
MOST_GRAY = 65535

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Acquired:
    """One acquisition: its name, frames or one mean of frames, and what a reader must be told of it."""

    name: str
    pixels: NDArray[np.number]
    told: dict[str, object] = field(default_factory=dict)


def drawn_panel(random_state: int) -> Panel:
    """A panel whose parameters are drawn around those of industrial flat panels."""
    rng = np.random.default_rng([random_state, 1])
    base = Panel(f"simulated {random_state}")
    return replace(
        base,
        sigma_px=float(rng.uniform(0.55, 0.95)),
        scatter_share=float(rng.uniform(0.02, 0.07)),
        scatter_reach_px=float(rng.uniform(18, 32)),
        dark_noise=float(rng.uniform(6, 14)),
        lag=((float(rng.uniform(0.006, 0.02)), 3.0), (float(rng.uniform(0.001, 0.004)), float(rng.uniform(40, 90)))),
        burn_in=float(rng.uniform(0.005, 0.015)),
        beams=tuple(
            replace(b, variance_per_gray=b.variance_per_gray * float(rng.uniform(0.8, 1.25))) for b in base.beams
        ),
    )


@dataclass(frozen=True, eq=False)
class PanelRun:
    """All acquisitions of one panel, each with a random stream of its own."""

    panel: Panel
    random_state: int

    @cached_property
    def _patterns(self) -> tuple[Float, Float, dict[str, NDArray[np.bool_]]]:
        """Gain, offset, and masks of bad pixels by class."""
        rng = np.random.default_rng([self.random_state, 2])
        shape = self.panel.shape
        gain = 1 + self.panel.gain_sd * rng.standard_normal(shape)
        offset = self.panel.offset_sd * rng.standard_normal(shape)
        gain, offset = gain / gain.mean(), self.panel.offset + offset - offset.mean()
        bad = {name: np.zeros(shape, dtype=bool) for name in ("dead", "over", "under", "noisy", "nonuniform", "lag")}
        rows, cols = shape
        bad["dead"][rows // 5 : rows // 5 + 14, cols // 7] = True
        bad["dead"][rows - 60 : rows - 57, cols // 3 : cols // 3 + 3] = True
        bad["under"][30:32, cols - 90 : cols - 88] = True
        places = [(y, x) for y in range(16, rows - 16, 48) for x in range(19, cols - 16, 67)]
        taken = np.logical_or.reduce(list(bad.values()))
        free = [p for p in places if not taken[p[0] - 4 : p[0] + 5, p[1] - 4 : p[1] + 5].any()]
        chosen = iter(rng.permutation(len(free)).tolist())
        for name, count in (("dead", 3), ("over", 5), ("under", 4), ("noisy", 4), ("nonuniform", 3), ("lag", 3)):
            for _ in range(count):
                bad[name][free[next(chosen)]] = True
        gain[bad["dead"]], gain[bad["over"]], gain[bad["under"]] = 0.0, 1.7, 0.35
        return gain, offset, bad

    @property
    def bad_pixels(self) -> dict[str, int]:
        """Truth of the classes; drawn are a line, a block of nine, a block of four, and single pixels."""
        bad = self._patterns[2]
        count = {name: int(mask.sum()) for name, mask in bad.items()}
        return {"total": sum(count.values()), **count, "clusters": 3, "relevant_clusters": 1, "lines": 1}

    def _noise(self, rng: np.random.Generator) -> Float:
        """Unit noise of one frame, correlated over the Gaussian of the panel."""
        rows, cols = self.panel.shape
        v, u = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(cols)[None, :]
        passed = np.exp(-2 * (np.pi * self.panel.noise_sigma_px) ** 2 * (u**2 + v**2))
        full = np.exp(-4 * (np.pi * self.panel.noise_sigma_px) ** 2 * (np.fft.fftfreq(cols)[None, :] ** 2 + v**2))
        white = np.fft.rfft2(rng.standard_normal((rows, cols)))
        return np.asarray(np.fft.irfft2(white * passed, (rows, cols)) / np.sqrt(full.mean()))

    def _mean(
        self,
        signal: NDArray[np.floating] | float,
        beam: Beam,
        frames: int,
        rng: np.random.Generator,
        bend: bool = False,
    ) -> Float:
        """Mean of raw frames of a signal."""
        gain, offset, bad = self._patterns
        s = np.broadcast_to(np.asarray(signal, dtype=np.float64), self.panel.shape) * gain
        if bend:
            s = np.where(bad["nonuniform"], s * BENT_RESPONSE, s)
        sd = np.sqrt((beam.variance_per_gray * np.maximum(s, 0) + self.panel.dark_noise**2) / frames)
        sd = np.where(bad["noisy"], NOISY_FACTOR * self.panel.dark_noise / np.sqrt(frames) + sd, sd)
        raw = offset + s + sd * self._noise(rng)
        return np.where(bad["dead"], offset, raw)

    def _frames(self, signals: Sequence[Float | float], beam: Beam, stream: int) -> NDArray[np.uint16]:
        """Single raw frames, digitised."""
        out = []
        for k, signal in enumerate(signals):
            raw = self._mean(signal, beam, 1, np.random.default_rng([self.random_state, stream, k]))
            out.append(np.clip(np.round(raw), 0, MOST_GRAY).astype(np.uint16))
        return np.stack(out)

    def acquisitions(self) -> Iterator[Acquired]:
        """Everything, in the order of the sheet."""
        panel, beam = self.panel, self.panel.beams[0]
        flat = panel.flat_signal
        stream = iter(np.random.SeedSequence([self.random_state, 3]).spawn(200))

        def rng() -> np.random.Generator:
            return np.random.default_rng(next(stream))

        yield Acquired("darks", self._frames([0.0] * panel.dark_frames, beam, 10))
        yield Acquired("flats", self._frames([flat] * panel.flat_frames, beam, 11))
        yield Acquired("check", self._mean(flat, beam, CHECK_FRAMES, rng(), bend=True).astype(np.float32))
        image, box = self.duplex
        yield Acquired(
            "duplex", self._mean(flat * image, beam, DUPLEX_FRAMES, rng()).astype(np.float32), {"roi": list(box)}
        )
        for one in panel.beams:
            for frames in EXPOSURE_FRAMES:
                signal = one.gray_per_mgy * panel.frame_kerma_mgy
                for part in "ab":
                    name = f"open_{one.name.replace(' ', '')}_{frames}_{part}"
                    told = {"beam": one.name, "kerma_mgy": frames * panel.frame_kerma_mgy}
                    yield Acquired(name, self._mean(signal, one, frames, rng()).astype(np.float32), told)
        for material in panel.materials:
            image = panel.wedge_image(material)
            for time in TIMES_S:
                yield self._wedge(material, image, time, rng())
        exposed = [LAG_SIGNAL * panel.saturation] * LAG_EXPOSED
        middles = (np.arange(int(LAG_AFTER_S / panel.frame_time_s)) + 0.5) * panel.frame_time_s
        yield Acquired("lag_exposed", self._frames(list(exposed), beam, 12))
        bad = self._patterns[2]["lag"]
        left = [exposed[0] * panel.left_after(t) * np.where(bad, STRONG_LAG, 1.0) for t in middles]
        yield Acquired("lag_after", self._frames(left, beam, 13), {"frame_time_s": panel.frame_time_s})
        plate, _ = slanted_edge(
            panel.shape, panel.blur, panel.pixel_pitch_mm, angle_deg=2.0, low=PLATE_SIGNAL, high=1.0
        )
        hit = plate > (1 + PLATE_SIGNAL) / 2
        yield Acquired("burn_before", self._mean(flat, beam, BURN_FRAMES, rng()).astype(np.float32))
        yield Acquired("burn_plate", self._mean(flat * plate, beam, 1, rng()).astype(np.float32))
        for minutes in BURN_MINUTES:
            more = 1 + panel.burn_in * np.exp(-minutes / panel.burn_in_decay_min) * hit
            image = self._mean(flat * more, beam, BURN_FRAMES, rng()).astype(np.float32)
            yield Acquired(f"burn_{minutes:g}min", image, {"minutes": minutes})
        edge, _ = slanted_edge(
            panel.shape, panel.blur, panel.pixel_pitch_mm, angle_deg=EDGE_TILT_DEG, low=DARK_SIDE, high=1.0
        )
        yield Acquired("scatter", self._mean(flat * edge, beam, SCATTER_FRAMES, rng()).astype(np.float32))

    def _wedge(self, material: Material, image: Float, time_s: float, rng: np.random.Generator) -> Acquired:
        frames = round(time_s / self.panel.frame_time_s)
        told = {
            "material": material.name,
            "thickness_mm": list(material.thickness_mm),
            "groove_percent": self.panel.groove_percent,
            "time_s": time_s,
        }
        pixels = self._mean(image, self.panel.beams[material.beam], frames, rng).astype(np.float32)
        return Acquired(f"wedge_{material.name}_{time_s:g}s", pixels, told)

    @cached_property
    def duplex(self) -> tuple[Float, tuple[int, int, int, int]]:
        """Duplex wires in the middle of an open field, and the region that holds them."""
        rows, cols = self.panel.shape
        high = rows // 3
        wires, _ = duplex_wires(self.panel.blur, self.panel.pixel_pitch_mm, rows=high, tilt_deg=DUPLEX_TILT_DEG)
        if wires.shape[1] > cols:
            wires = wires[:, wires.shape[1] - cols :]
        top, left = (rows - high) // 2, (cols - wires.shape[1]) // 2
        image = np.ones(self.panel.shape)
        image[top : top + high, left : left + wires.shape[1]] = wires
        return image, (left, top, wires.shape[1], high)

    def truth(self) -> dict[str, float]:
        """Every figure of the sheet, by its key."""
        _, wires = duplex_wires(self.panel.blur, self.panel.pixel_pitch_mm, rows=64, tilt_deg=DUPLEX_TILT_DEG)
        isrb = through_dips(wires.spacing_mm, wires.dip_percent)
        figures = self.panel.truth(isrb, TIMES_S, BURN_MINUTES)
        return figures | {f"bad.{name}": float(count) for name, count in self.bad_pixels.items()}
