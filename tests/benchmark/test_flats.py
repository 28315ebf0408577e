"""Efficiency on a user's own flats, as a function and as a command."""

import json

import numpy as np
import pytest

from coldray.benchmark.flats import efficiency_of_flats, flats_results, notes_of_flats, usual_jobs, write_flats
from coldray.errors import MeasurementError
from coldray.formats import write_image
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import Job


@pytest.fixture
def flats(pair):
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    level = np.full((176, 176), 1.0, dtype=np.float32)
    frames = [level + noise.draw(level, np.random.default_rng(k)) for k in range(5)]
    return np.rint(np.stack(frames) * 40000).astype(np.uint16)


def test_a_linear_method_keeps_all_of_it(flats, tmp_path):
    jobs = usual_jobs(Job(method="wiener"))
    assert list(jobs) == ["restored", "wiener"]
    told = []
    found = efficiency_of_flats(flats, jobs, 0.048, lambda *a: told.append(a))
    assert found["restored"].lowest(0.03, 0.25) > 0.93
    assert len(told) == 10 and told[-1][:2] == (9, 10)
    results = flats_results(found, len(flats))
    assert results["model"] is None and flats_results(found, 5, load_model())["model"] == load_model().named()
    assert len(results["eta"]) == len(results["eta_sd"]) == len(results["frequency_cycles_px"])
    assert len(results["statement"]) == 2
    page = write_flats(tmp_path, results)
    assert "Detection efficiency on 5 flats" in page.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == results


def test_too_few_or_dark_flats_are_refused(flats):
    jobs = usual_jobs(Job(method="wiener"))
    for bad, words in ((flats[:3], "at least 4"), (flats[0], "at least 4"), (0 * flats, "mean is 0")):
        with pytest.raises(MeasurementError, match=words):
            efficiency_of_flats(bad, jobs, 0.048)


def test_flats_with_a_fixed_pattern_are_told(flats):
    """The pattern opens the gate: figures of such flats once came without a word."""
    assert notes_of_flats(flats) == []
    gain = 1 + 0.02 * np.random.default_rng(3).standard_normal(flats.shape[1:])
    (note,) = notes_of_flats(flats * gain)
    assert "fixed pattern" in note and "coldray correct --flat" in note


def test_the_default_loses_nothing_where_the_network_does(flats, tmp_path, call):
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=40000.0, linear=True)
    folder = tmp_path / "flats"
    folder.mkdir()
    for k, frame in enumerate(flats):
        write_image(folder / f"{k}.tif", Radiograph(frame, known))
    code, out, _ = call("evaluate", "--flats", folder, "-o", tmp_path / "report", "--json")
    assert code == 0
    results = json.loads(out)
    methods = results["methods"]
    assert methods["restored"]["lowest"] > 0.93
    assert methods["network everywhere"]["lowest"] < 0.5
    assert results["eta"] == methods["restored"]["eta"]
    assert (tmp_path / "report" / "report.html").is_file()


@pytest.mark.parametrize(
    "options", [[], ["--pairs", "x", "--flats", "y"], ["--flats", "y", "--method", "cold", "--method", "tv"]]
)
def test_wrong_use_is_exit_code_2(call, tmp_path, options):
    code, _, err = call("evaluate", "-o", tmp_path / "r", *options)
    assert code == 2, err
