"""The comparison in plain words: what stands at the top of its page, and under its figures."""

from __future__ import annotations

from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, THIN_KEYS, THIN_RAW, WIENER, papers_rows
from coldray.benchmark.paper.record import Entry, Results, Saved, Score
from coldray.benchmark.paper.scenes import ACQUIRED

PAPER = (
    "Oh, Kim, Yoo, Lee, Park and Kim, “Restoration of X-ray detector responses using a diffusion-inspired deblur model”"
)
PRINTED: tuple[tuple[str, str, str, Score], ...] = (
    ("Wiener, the highest PSNR of the paper", "23.301 dB", "Wiener", "psnr_db_truth"),
    ("the paper's cold sampling, its highest SSIM", "0.890", "cold diffusion", "ssim_truth"),
)
"""What the paper prints: row, value, the method by the name that `papers_rows` gives it, our score."""
SCORE_NAMES: dict[Score, str] = {
    "psnr_db_truth": "PSNR", "psnr_db_curve": "PSNR with beam hardening taken out", "ssim_truth": "SSIM"
}  # fmt: skip
WHY_NOT_COMPARABLE = (
    "These numbers cannot be compared one by one. The paper states neither the data range of its PSNR nor exposure, borders or "
    "gain; ours is for the open beam, which alone moves a PSNR by 8 dB against an image's own range. Its boards were measured, "
    "against the mean of 20 frames and with whatever registration left; ours are simulated, against the noise-free truth. "
    "Compare who comes before whom."
)
CAPTIONS = {
    "path": "Forward, the sharp image is blurred in equal steps (Eq. 2), without noise. In reverse the sampler starts at the "
    "measured frame and takes one step for each prediction of the sharp image.",
    "images": "One grey scale for all. White frame: the window of the second row. Coloured frames: boxes that are flat in the "
    "noise-free truth, so that SNR in them is noise alone; smoothing raises it. Errors are after matching one gain. The board is "
    "the one whose gain over Wiener is the median of all boards.",
    "fourier": "(a), (c): edge responses at two contrasts; a network has no MTF of its own, its response depends on contrast. "
    "(b), (f): differences from the thin screen, 0 is perfect. (d): noise left in flats, low is not always good: faint details go "
    "with it. Shaded: the measurement holds less signal than noise there, what a curve shows is prior.",
    "worth": "(a), (b): thin, thick and restored frames over exposure; the line marks the exposure of the thin screen that is to be matched. "
    "(c): exposure of the thin screen over that of the thick one at equal detection of a void, for the ideal observer of raw frames, "
    "to whom no restoration adds; below 1 the thick screen needs more. (d), (e): the same object behind screens of "
    "other loadings; the lowest one is the thin screen itself, only denoised.",
    "steps": "More steps of the sampler, the same network; where conditional diffusion is drawn, its own.",
}


def opening(results: Results) -> list[str]:
    """What was found, exposure by exposure, for a reader who knows detectors and not this project."""
    said = []
    for exposure in dict.fromkeys(e["exposure_s"] for e in results.get("summary", []) if e["kind"] == ACQUIRED):
        here = {e["method"]: e for e in results["summary"] if e["kind"] == ACQUIRED and e["exposure_s"] == exposure}
        if not {THIN_RAW, BLURRED, WIENER, DEFAULT} <= set(here):
            continue
        denoised = max((k for k in THIN_KEYS[1:] if k in here), key=lambda k: here[k]["ssim_truth"]["mean"])
        label = results["methods"][denoised]["label"]
        said.append(
            f"At {exposure:g} s one frame of the thick screen has {_both(here[BLURRED])}; restored by Wiener {_both(here[WIENER])}, "
            f"by coldray {_both(here[DEFAULT])}. The thin screen at the same exposure has {_both(here[THIN_RAW])} as it is and "
            f"{_both(here[denoised])} at best ({label})."
        )
    return said


def said_of_worth(results: Results) -> list[str]:
    """The exposure that the default saves at equal quality, against the thin screen as it is and denoised; and at equal detection."""
    worth = results.get("worth")
    if not worth:
        return []
    said = []
    for against in dict.fromkeys(found["against"] for found in worth["saved"]):
        here = [f for f in worth["saved"] if f["method"] == DEFAULT and f["against"] == against]
        parts = "; ".join(f"for its {SCORE_NAMES[f['field']]} {_saving(f)}" for f in here)
        label = results["methods"][against]["label"]
        said.append(
            f"What the {label}, has at {worth['reference_s']:g} s, coldray reaches on the thick screen {parts}."
        )
    seen = worth["detection"]
    sizes = " and ".join(f"{_times(seen['saved'][i])} for one of {seen['void_mm'][i]:.2g} mm" for i in (0, -1))
    said.append(
        f"Detection ({seen['task']}): for what the thin screen shows at {worth['reference_s']:g} s the thick one needs {sizes}; no "
        "restoration changes that."
    )
    return said


def _saving(found: Saved) -> str:
    """In words what `worth.saved` found."""
    boards = found["boards"]
    if found["factor"]:
        mean, low, high = (found["factor"][k] for k in ("mean", "low", "high"))
        return f"with {_times(mean)} (factor {mean:.2f}, 95 % interval {low:.2f} to {high:.2f}, {boards} boards)"
    if found["never"]:
        return f"at no exposure measured on {found['never']} of {boards} boards"
    return f"with at least {found['least']:.1f} times less exposure on all {boards} boards, on {found['at_least']} at the shortest measured"


def _times(factor: float) -> str:
    """An exposure saved in words: less, more, or the same."""
    times = f"{max(factor, 1 / factor):.2g}"
    return "the same exposure" if times == "1" else f"{times} times {'less' if factor >= 1 else 'more'} exposure"


def printed_beside_ours(results: Results) -> list[dict[str, str]]:
    """The paper's printed values, and ours of the same row on acquired pairs, from the longest exposure to the shortest."""
    found, rows = [], papers_rows(results.get("methods", {}))
    for name, value, method, field in PRINTED:
        key = rows.get(method)
        digits = 2 if field.startswith("psnr") else 3
        ours = [
            f"{e[field]['mean']:.{digits}f} at {e['exposure_s']:g} s"
            for e in results.get("summary", [])
            if e["method"] == key and e["kind"] == ACQUIRED
        ]
        if key is not None and ours:
            found.append(
                {"name": name, "printed": value, "row": results["methods"][key]["label"], "ours": ", ".join(ours)}
            )
    return found


def _both(entry: Entry) -> str:
    return f"{entry['psnr_db_truth']['mean']:.1f} dB / {entry['ssim_truth']['mean']:.3f}"
