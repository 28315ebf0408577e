"""Task transfer of a restorer over contrasts and doses, on simulated edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coldray.metrology.transfer import FEW_REPEATS, TaskTransfer, task_transfer
from coldray.objects.phantoms import Blur, slanted_edge

CONTRASTS = (0.80, 0.20, 0.05, 0.02)


def transfer_family(
    restore: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.number]],
    blur: Blur,
    pixel_pitch_mm: float,
    *,
    contrasts: Sequence[float] = CONTRASTS,
    quanta_px: Sequence[float] = (1000.0, 10000.0),
    repeats: int = FEW_REPEATS,
    angle_deg: float = 3.0,
    shape: tuple[int, int] = (192, 192),
    rng: np.random.Generator | int = 0,
) -> tuple[TaskTransfer, ...]:
    """TTFs of a restorer on simulated edges at several contrasts and doses.

    Parameters
    ----------
    restore : callable (image, rng) -> image
        The restorer; images are fractions of the open beam, the generator is for stochastic samplers.
    blur : Blur
        Blur of the simulated detector.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    contrasts, quanta_px : sequence of float
        Contrasts (bright - dark) / bright and open-beam quanta per pixel; every pair is measured.
    repeats : int
        Noise realisations of each.
    angle_deg : float
        Tilt of the edge.
    shape : (rows, cols)
    rng : Generator or int
        Source of the noise; one stream for every image.

    Returns
    -------
    tuple of TaskTransfer
        Ordered by dose, then by contrast as given.

    Raises
    ------
    MeasurementError
        If the mean of the repeats shows no edge; use more repeats or a higher dose.

    Notes
    -----
    Noise is Poisson before the restorer; the bright side is the open beam.
    """
    streams = iter(np.random.default_rng(rng).spawn(len(quanta_px) * len(contrasts) * repeats))
    out = []
    for quanta in quanta_px:
        for contrast in contrasts:
            clean, _ = slanted_edge(shape, blur, pixel_pitch_mm, angle_deg=angle_deg, low=1 - contrast)
            images = []
            for _ in range(repeats):
                stream = next(streams)
                noisy = (stream.poisson(np.maximum(clean, 0) * quanta) / quanta).astype(np.float32)
                images.append(np.asarray(restore(noisy, stream)))
            out.append(task_transfer(images, pixel_pitch_mm, contrast=contrast, quanta_px=quanta))
    return tuple(out)
