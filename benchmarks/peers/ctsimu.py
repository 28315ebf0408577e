"""CTSimU toolbox: edge profile at the true angle and its MTF, iSRb of duplex wires; settings of its own test scripts."""

import numpy as np
from ctsimu.image import Image
from ctsimu.image_analysis.isrb import Interpolation
from ctsimu.image_analysis.mtf import MTF


def profile(pixels, centre_px, angle_deg, length, width):
    """Profile along the normal of a nearly vertical edge; pixel (0, 0) has its centre at (0.5, 0.5)."""
    image = Image()
    image.px = np.ascontiguousarray(pixels, dtype=np.float64)
    image.height, image.width = pixels.shape
    a = np.radians(angle_deg)
    x, y = centre_px + 0.5, pixels.shape[0] / 2
    dx, dy = length / 2 * np.cos(a), -length / 2 * np.sin(a)
    return image.lineProfile(x0=x - dx, y0=y - dy, x1=x + dx, y1=y + dy, width=width, resolution=0.1)


def edge(image, request):
    if request["orientation"] == "horizontal":
        image = image.T
    if not request["rising"]:
        image = image.max() + image.min() - image
    value, position, _ = profile(image, request["centre_px"], request["angle_deg"], 100.1, 200)
    mtf, frequency = MTF(positions=position - 50.05, ESF=value / value.max())[3:]
    return {"frequency_px": frequency, "mtf": mtf}


def duplex(image, request):
    cols = image.shape[1]
    slack = np.ceil(image.shape[0] * abs(np.tan(np.radians(request["angle_deg"]))) / 2)
    value, position, _ = profile(image * 60000, (cols - 1) / 2, request["angle_deg"], cols - 2 * slack, 20)
    tool = Interpolation(image, request["pitch_mm"])
    tool.measure, tool.ind = value, position
    tool.calc_dips(prominence=100)
    tool.interpolate()
    return {"isrb_mm": tool.dip20}
