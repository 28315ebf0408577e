"""quickMTF: slanted edge at 4-fold oversampling (its default of 2 is far worse), line pairs on 8-bit images."""

import numpy as np
from PIL import Image
from quickMTF.LineP_MTF import Line_pair_Mtf
from quickMTF.SFR_MTF import sfr_mtfcal


def edge(image, request):
    mtf, status = sfr_mtfcal().calc_sfr(image.astype(float), oversampling=4)
    if mtf is False:
        raise ValueError("no result for this edge")
    return {"frequency_px": mtf[:, 0], "mtf": mtf[:, 1], "angle_deg": -status["angle"]}


def bars(image, request):
    grey = np.rint(255 * image / image.max()).astype(np.uint8)
    contrast = []
    for x, y, width, height in request["boxes"]:
        crop = Image.fromarray(grey[y : y + height, x : x + width]).convert("RGB")
        contrast.append(Line_pair_Mtf().Processing_MTF(crop, ROI_width=width, ROI_height=height)[0])
    return {"ctf": np.array(contrast) / contrast[0] if contrast[0] else np.full(len(contrast), np.nan)}
