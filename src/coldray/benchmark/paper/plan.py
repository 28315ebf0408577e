"""How much of the comparison is run."""

from __future__ import annotations

from dataclasses import dataclass, field

from coldray.benchmark.paper.scenes import ACQUIRED, EXPOSURES_S, KINDS, NOISE_FREE, BoardSet
from coldray.errors import SettingsError

PARTS = ("scores", "worth", "steps", "fourier", "detection", "efficiency", "trust")


@dataclass(frozen=True)
class PaperSettings:
    """How much is run.

    Parameters
    ----------
    parts : tuple of str
        Some of `PARTS`.
    exposures_s : tuple of float
        Exposures of the blurred frames [s].
    kinds : tuple of str
        Some of `KINDS`, Eq. 1 with and without noise, and acquired pairs.
    boards : BoardSet
        Test boards.
    tuning_boards : int
        Validation boards on which the linear baselines are tuned; 0 leaves them at their defaults.
    steps : int
        Of the iterated samplers.
    diffusion_steps, samples : int
        DDIM steps of conditional diffusion and draws in its mean.
    step_counts, diffusion_step_counts : tuple of int
        For quality against steps: of the samplers on the main network, and of conditional diffusion.
    step_boards : int
        Boards of quality against steps, the first ones.
    fourier_exposures_s : tuple of float
    repeats, bar_repeats : int
        Noise realisations of edges and flats, and of bars.
    peer_repeats : int
        At most so many of `repeats` for all but the default and the blurred frame.
    pairs : int
        Images with and without a defect per cell, in detection and in the trust tests.
    flats : int
        Noise realisations per exposure of the flat-field test and of the detection efficiency.
    """

    parts: tuple[str, ...] = PARTS
    exposures_s: tuple[float, ...] = EXPOSURES_S
    kinds: tuple[str, ...] = (NOISE_FREE, ACQUIRED)
    boards: BoardSet = field(default_factory=BoardSet)
    tuning_boards: int = 4
    steps: int = 4
    diffusion_steps: int = 10
    samples: int = 8
    step_counts: tuple[int, ...] = (1, 2, 4)
    diffusion_step_counts: tuple[int, ...] = ()
    step_boards: int = 6
    fourier_exposures_s: tuple[float, ...] = (1.0,)
    repeats: int = 24
    bar_repeats: int = 12
    peer_repeats: int = 24
    pairs: int = 200
    flats: int = 40

    def __post_init__(self) -> None:
        if unknown := set(self.parts) - set(PARTS):
            raise SettingsError(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        if not self.kinds or set(self.kinds) - set(KINDS):
            raise SettingsError(f"kinds of pair {', '.join(self.kinds) or 'none'}; there are {', '.join(KINDS)}")

    @classmethod
    def full(cls) -> PaperSettings:
        """As large as the questions need: three times the boards, since intervals are over boards.

        Rows are those of the quick comparison, on boards of the same size; pairs of Eq. 1 with noise stand beside the others. Noise is repeated more often where a mark is judged by
        it, not for peers; more steps of conditional diffusion, the costliest rows, are asked on a few boards at one exposure.
        """
        return cls(
            kinds=KINDS,
            boards=BoardSet(count=18),
            step_counts=(1, 2, 4, 10, 20),
            diffusion_step_counts=(10, 50),
            fourier_exposures_s=(1.0, 0.05),
            repeats=200,
            pairs=400,
            flats=100,
        )
