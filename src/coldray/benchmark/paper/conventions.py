"""How everything in the comparison is compared, to stand beside the numbers."""

from __future__ import annotations

from coldray.benchmark.paper.scenes import ACQUIRED, DETECTORS, JUDGE, NOISE_FREE, OWN, SYNTHETIC, paper_blend
from coldray.document import Json
from coldray.metrology.metrics import Convention
from coldray.simulation.paper import PITCH_MM, SHARP_FRAMES


def conventions() -> dict[str, Json]:
    """Return every convention by name; JSON-able."""
    return Convention().to_dict() | {
        "truth": "first: noise-free image of the sharp detector in its own energy response",
        "same_response": "the same in the blurred detector's energy response, for acquired pairs",
        "curve": "after the one monotone cubic per image that brings it nearest to the truth: beam hardening taken out as far as a "
        "curve can; the ceiling's `hardening` is what it leaves of a perfect result",
        "mean20": f"second: mean of {SHARP_FRAMES} frames of 1 s of the sharp detector",
        SYNTHETIC: "Eq. 1 on the noise-free sharp image, noise drawn from the blurred detector's NNPS",
        NOISE_FREE: "Eq. 1 alone, the paper's setting; networks are told the noise of the longest exposure, linear methods that there is none",
        ACQUIRED: "both detectors simulated from quanta on, each with its own energy response",
        JUDGE: "frozen pairs of an independent simulator; fields of two boards, so intervals are over fields",
        OWN: "a user's frames; the truth is the noise-free one where the folder has it, else the mean of the sharp frames, whose noise counts",
        "residual_over_noise": "SD of frame minus blurred result over that of the frame's noise: 1 for the truth",
        "repeat_sd_percent": "SD over repeated frames of one board, percent of the open beam",
        "interval": "95 %, Student's t over boards; differences are paired by board",
        "detectors": list(DETECTORS),
        "pixel_pitch_mm": PITCH_MM,
        "degradation": type(paper_blend()).__module__.rsplit(".", 1)[-1],
        "seconds": "wall clock and CPU time of one frame, over its pixels; beside other load the CPU time is the guide",
        "snr": "mean over standard deviation in boxes that are flat in the noise-free truth; smoothing raises it; none on boards without one",
        "ttf": "edge of the stated contrast and dose, mean over repeats; beyond `limit_lp_mm` a curve is prior, not data",
    }  # fmt: skip
