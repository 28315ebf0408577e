"""Six small measured boards: drawn pictures, blurred by the pair's ratio, with white noise."""

import numpy as np
import pytest

from coldray.dataset.frames import BoardImages
from coldray.images.registration import Registration
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.physics.ratio_blur import ratio_blur

PITCH = 0.048
EXPOSURE_S = 0.25


@pytest.fixture(scope="session")
def pair():
    return DetectorPair(
        load_detector("phosphor:134.55", pixel_pitch_mm=PITCH), load_detector("phosphor:33.91", pixel_pitch_mm=PITCH)
    )


def drawn(seed, side):
    """Blocks at several scales."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side), 0.8, dtype=np.float32)
    for size in (side // 4, side // 10, side // 16, 3):
        for _ in range(30):
            r, c = rng.integers(0, side - size, 2)
            image[r : r + size, c : c + int(rng.integers(max(size // 2, 2), size + 1))] *= rng.uniform(0.75, 0.98)
    return image


@pytest.fixture(scope="session")
def board_of(pair):
    """Build a measured board; `noise` is the standard deviation of one pixel of a half and of a frame."""

    def build(seed=0, side=192, noise=0.005, frames=2, name=None):
        sharp, rng = drawn(seed, side), np.random.default_rng([seed, 1])

        def measured(image):
            return (image + noise * rng.standard_normal(image.shape)).astype(np.float32)

        halves = measured(sharp), measured(sharp)
        lr = np.stack([measured(ratio_blur(sharp, pair)) for _ in range(frames)])
        return BoardImages(
            name or f"board {seed}", f"family {seed}", pair, 0.5 * (halves[0] + halves[1]), halves, None, False, lr,
            EXPOSURE_S, Registration(), {"sharp": {"frames_used": 2}, "folder": f"board {seed}"},
        )  # fmt: skip

    return build
