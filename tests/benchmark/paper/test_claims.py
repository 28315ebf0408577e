"""The paper's statements: answered from numbers that are known, and left out where there are none."""

import numpy as np
import pytest

from coldray.benchmark.paper.claims import NO, PARTLY, YES, claims, roughness, varying
from coldray.benchmark.paper.contestants import papers_rows
from coldray.benchmark.paper.words import printed_beside_ours

KEYS = ("blurred", "wiener_scalar", "regression", "cdm_sample", "cdm_mean", "cold_small_1", "cold_small_4", "coldray")
FREQUENCY = np.linspace(0, 10, 21)


def summary(values, kind="acquired", exposure=1.0):
    """Entries whose PSNR is as given, SSIM a hundredth of it."""
    return [
        {"method": key, "kind": kind, "exposure_s": exposure, "psnr_db_truth": {"mean": v}, "ssim_truth": {"mean": v / 100},
         "snr_box_1": {"mean": 10 * v}}
        for key, v in values.items()
    ]  # fmt: skip


def flat(level, ripple=0.0, sd=0.007):
    wave = 1 + ripple * (-1.0) ** np.arange(FREQUENCY.size)
    return {"frequency_lp_mm": FREQUENCY.tolist(), "nnps_mm2": (level * wave).tolist(), "relative_sd": sd}


def measured(ctf, flats):
    """Fourier results: CTF by key, flats by key; edges of 80 % that fall to one half at 1, 2, 3 … lp/mm in the order of keys."""
    methods = {
        key: {"flat": flats[key], "ctf": [{"frequency_lp_mm": f, "ctf": c} for f, c in zip((1.0, 5.0, 8.0), ctf[key], strict=True)],
              "transfers": [{"contrast": 0.8, "angle_deg": 3.0, "value": [1.0], "ttf50_lp_mm": 1.0 + n}]}
        for n, key in enumerate(ctf)
    }  # fmt: skip
    sharp = {"frequency_lp_mm": FREQUENCY.tolist(), "nnps_20_frames_mm2": [1e-6] * FREQUENCY.size,
             "ctf": [{"frequency_lp_mm": f, "ctf": 1.0} for f in (1.0, 5.0, 8.0)]}  # fmt: skip
    return {"methods": methods, "sharp": sharp}


def answers(results):
    return {c["claim"]: c["answer"] for c in claims(results)}


METHODS = {key: {"label": key, "options": {"steps": 10, "samples": 8}} for key in KEYS}
PSNR = dict.fromkeys(KEYS, 30.0) | {"wiener_scalar": 35.0, "cold_small_4": 36.0, "cdm_sample": 31.0, "cdm_mean": 33.0}


def test_the_papers_rows_are_those_on_one_network():
    rows = papers_rows(METHODS)
    assert rows == {
        "Wiener": "wiener_scalar",
        "U-Net": "regression",
        "CDM": "cdm_sample",
        "cold diffusion": "cold_small_4",
    }
    assert papers_rows({"wiener": {}, "cold": {}, "cdm_image_sample": {}}) == {
        "Wiener": "wiener", "CDM": "cdm_image_sample", "cold diffusion": "cold"
    }  # fmt: skip


def test_printed_values_stand_beside_the_papers_own_rows():
    results = {"methods": METHODS, "summary": summary(PSNR) + summary(PSNR, "synthetic")}
    assert [(p["row"], p["ours"]) for p in printed_beside_ours(results)] == [
        ("wiener_scalar", "35.00 at 1 s"), ("cold_small_4", "0.360 at 1 s")
    ]  # fmt: skip
    assert printed_beside_ours({"methods": {}, "summary": []}) == []


def test_who_leads_is_asked_at_every_exposure():
    said = answers({"methods": METHODS, "summary": summary(PSNR)})
    assert said["Wiener has the highest PSNR"] == NO
    assert said["cold diffusion has the highest SSIM"] == said["cold diffusion has the highest SNR"] == YES
    assert said["generative methods are inconsistent (cdm_mean)"] == YES
    swapped = PSNR | {"wiener_scalar": 40.0}
    both = answers({"methods": METHODS, "summary": summary(PSNR) + summary(swapped, exposure=0.05)})
    assert both["Wiener has the highest PSNR"] == both["cold diffusion has the highest SSIM"] == PARTLY
    # a sample that is hardly worse than the mean is no draw: the last step jumped to the mean
    alike = answers({"methods": METHODS, "summary": summary(PSNR | {"cdm_sample": 32.5})})
    assert alike["generative methods are inconsistent (cdm_mean)"] == NO


def test_curves_answer_what_is_said_of_curves():
    keys = ("blurred", "wiener_scalar", "regression", "cold_small_4", "coldray")
    ctf = dict.fromkeys(keys, (0.9, 0.5, 0.1)) | {"cold_small_4": (0.9, 0.6, 0.3)}
    flats = dict.fromkeys(keys, flat(1e-7)) | {"regression": flat(1e-7, 0.3)}
    said = answers({"methods": METHODS, "fourier": [measured(ctf, flats)]})
    assert set(said.values()) == {YES} and len(said) == 5
    loud = flats | {"cold_small_4": flat(1e-5, sd=0.01)}
    behind = ctf | {"cold_small_4": (0.9, 0.3, 0.3)}
    said = answers({"methods": METHODS, "fourier": [measured(behind, loud)]})
    assert said["cold diffusion does not amplify noise"] == NO
    assert said["the CTF of cold diffusion is the highest at all frequencies"] == PARTLY
    # below one thin frame, twenty times louder than the mean of twenty, but not below that
    assert said["the NNPS of all methods is below that of HR"] == PARTLY


def test_roughness_is_that_of_the_logarithm():
    assert roughness({"flat": flat(1e-7)}) == pytest.approx(0, abs=1e-12)
    rising = flat(1e-7) | {"nnps_mm2": np.exp(-FREQUENCY).tolist()}
    assert roughness({"flat": rising}) == pytest.approx(0, abs=1e-9)
    assert roughness({"flat": flat(1e-7, 0.1)}) == pytest.approx(2 * np.log(1.1 / 0.9), rel=1e-2)


def test_without_data_nothing_is_said():
    assert claims({}) == []
    assert (
        claims({"methods": {"blurred": {}}, "fourier": [measured({"blurred": (1, 1, 1)}, {"blurred": flat(1.0)})]})
        == []
    )


@pytest.mark.parametrize("samples", [2, 8])
def test_what_varies_is_what_the_mean_averages_out(samples):
    rng = np.random.default_rng(samples)
    wrong, draws = rng.normal(0, 0.03, 400_000), rng.normal(0, 0.02, (samples, 400_000))
    one, several = (-10 * np.log10(np.mean(off**2)) for off in (wrong + draws[0], wrong + draws.mean(axis=0)))
    spread, share = varying(one, several, samples)
    assert spread == pytest.approx(0.02, rel=0.02) and share == pytest.approx(4 / 13, rel=0.04)
    assert varying(30.0, 30.0, samples) == (0, 0) == varying(30.0, 29.0, samples)
