"""micro-ct-image-quality-toolbox: edge MTF (it needs the angle), NPS, NPW detectability."""

import numpy as np
from microct_iq_toolbox import api
from microct_iq_toolbox.d_prime_calculator import get_d_prime_npw


def edge(image, request):
    if request["orientation"] == "horizontal":
        image = image.T
    rows, cols = image.shape
    height = min(rows, 2 * cols)
    left = (cols - height // 2) // 2
    # The rows are shifted by -tan(angle) when the signal falls, so the sign is turned with it.
    angle = request["angle_deg"] if request["rising"] else -request["angle_deg"]
    crop = [0, height, left, left + height // 2]
    result = api.mtf(image, crop, 1.0, edge_angle=angle, high_to_low=not request["rising"])
    # Its frequencies run along the rows, the truth along the normal.
    return {"frequency_px": result.x / np.cos(np.radians(angle)), "mtf": result.y}


def flat(image, request):
    starts = [range(0, size - 255, 128) for size in image.shape]
    regions = [[y, y + 256, x, x + 256] for y in starts[0] for x in starts[1]]
    result = api.nps(image, regions, request["pitch_mm"])
    return {"frequency_px": result.x * request["pitch_mm"], "nnps_mm2": result.y / image.mean(dtype=np.float64) ** 2}


def disc(image, request):
    f = np.linspace(0, 0.5 / request["pitch_mm"], 301)
    result = get_d_prime_npw(
        f,
        np.ones(f.size),
        f,
        np.full(f.size, request["nnps_mm2"]),
        disc_diameters_mm=[request["diameter_mm"]],
        contrast_hu=request["contrast"],
    )
    # It leaves the 2 pi of the integral over angles to "the overall scale"; granted here.
    return {"d_prime": result["d_prime"][0] * np.sqrt(2 * np.pi)}
