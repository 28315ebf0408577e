"""pylinac: MTF of an edge response that is made for it (4-fold, at the true angle), NPS, relative MTF of line pairs."""

import numpy as np
from pylinac.core.mtf import MTF, EdgeSpreadFunctionMTF
from pylinac.core.nps import noise_power_spectrum_1d, noise_power_spectrum_2d

OVERSAMPLING = 4
HALF_PX = 64


def edge(image, request):
    if request["orientation"] == "horizontal":
        image = image.T
    y, x = np.indices(image.shape)
    a = np.radians(request["angle_deg"])
    distance = (x - request["centre_px"]) * np.cos(a) - (y - (image.shape[0] - 1) / 2) * np.sin(a)
    slots = 2 * HALF_PX * OVERSAMPLING
    place = np.floor((distance + HALF_PX) * OVERSAMPLING).astype(int)
    inside = (place >= 0) & (place < slots)
    count = np.bincount(place[inside], minlength=slots)
    total = np.bincount(place[inside], image[inside], minlength=slots)
    centre = np.arange(slots)
    esf = np.interp(centre, centre[count > 0], total[count > 0] / count[count > 0])
    result = EdgeSpreadFunctionMTF([esf], sample_spacing=1 / OVERSAMPLING)
    return {"frequency_px": result.freq, "mtf": result.mtf}


def flat(image, request):
    starts = [range(0, size - 255, 128) for size in image.shape]
    regions = [image[y : y + 256, x : x + 256].astype(float) for y in starts[0] for x in starts[1]]
    nps = noise_power_spectrum_1d(noise_power_spectrum_2d(request["pitch_mm"], regions))
    # Ring k holds the radii from k to k + 1; it gives no frequency axis.
    return {"frequency_px": (np.arange(128) + 0.5) / 256, "nnps_mm2": nps[:128] / image.mean(dtype=float) ** 2}


def bars(image, request):
    slack = np.ceil(2 * image.shape[0] * abs(np.tan(np.radians(request["angle_deg"]))) / 2)
    inner = [image[y : y + h, int(x + slack) : int(x + w - slack)] for x, y, w, h in request["boxes"]]
    result = MTF(request["frequencies_lp_mm"], [i.max() for i in inner], [i.min() for i in inner])
    return {"ctf": list(result.norm_mtfs.values())}
