"""`coldray stability`: baselines of measurements and of archives, verdicts, outputs, and exit codes."""

import json

import numpy as np
import pytest

from coldray.formats import write_image
from coldray.objects import phantoms
from coldray.radiograph import Acquisition, Radiograph


def edge_json(call, folder, name, sigma, random_state, noise=0.003):
    """What `measure edge --json` prints of an edge of this blur, as a file."""
    image, _ = phantoms.slanted_edge((96, 96), phantoms.GaussianBlur(sigma), 0.1)
    image = image + noise * np.random.default_rng(random_state).standard_normal(image.shape)
    source = folder / f"{name}.tif"
    write_image(source, Radiograph(image.astype(np.float32), Acquisition(pixel_pitch_mm=0.1, linear=True)))
    code, out, err = call("measure", "edge", source, "--json")
    assert code == 0, err
    target = folder / f"{name}.json"
    target.write_text(out)
    return target


@pytest.fixture
def baseline(call, tmp_path):
    """Baseline of five edges of one blur."""
    files = [edge_json(call, tmp_path, f"day{k}", 0.7, k) for k in range(5)]
    path = tmp_path / "baseline.json"
    code, out, err = call("stability", path, "--init", *files, "--json")
    assert code == 0, err
    made = json.loads(out)
    assert made["kind"] == "measurements" and made["warnings"] == []
    assert {"edge.mtf50_lp_mm", "edge.mtf_half_nyquist"} <= {one["key"] for one in made["figures"]}
    return path


def test_a_detector_that_has_not_changed_and_one_that_has(call, baseline, tmp_path):
    same, other = edge_json(call, tmp_path, "same", 0.7, 50), edge_json(call, tmp_path, "other", 0.9, 51)
    code, out, _ = call("stability", baseline, same, "--json")
    found = json.loads(out)
    assert code == 0 and found["changed"] is False and found["false_alarms"] == 0.01
    outputs = [tmp_path / name for name in ("page.html", "trend.png", "table.csv")]
    more = [x for pair in zip(("--report", "--plot", "--csv"), outputs, strict=True) for x in pair]
    code, out, _ = call("stability", baseline, same, other, "--json", *more)
    found = json.loads(out)
    assert code == 0 and found["changed"] is True
    mtf50 = next(one for one in found["figures"] if one["key"] == "edge.mtf50_lp_mm")
    assert (
        mtf50["changed"] and mtf50["changed_on"] == [1] and not mtf50["limit"][0] <= mtf50["value"] <= mtf50["limit"][1]
    )
    assert all(path.stat().st_size > 500 for path in outputs)
    assert "MTF 50 %" in outputs[0].read_text() and "chance" in found["statement"]
    assert call("stability", baseline, same, "--plot", outputs[1])[0] == 3  # in the way
    code, out, _ = call("stability", baseline, same, other)
    assert code == 0 and "changed: " in out and "other.json" in out


def test_a_tolerance_is_read_from_the_file_and_told(call, baseline, tmp_path):
    content = json.loads(baseline.read_text())
    content["figures"][0]["tolerance"] = [99.0, None]
    baseline.write_text(json.dumps(content))
    code, out, _ = call("stability", baseline, edge_json(call, tmp_path, "same", 0.7, 50), "--json")
    found = json.loads(out)
    assert code == 0 and found["figures"][0]["beyond_tolerance"] == [0]
    assert any("beyond its tolerance on same.json" in text for text in found["warnings"])


def test_folders_of_measurements_are_one_occasion_each(call, tmp_path):
    for day in range(2):
        folder = tmp_path / f"2026-0{day + 1}"
        folder.mkdir()
        for direction in "uv":
            edge_json(call, folder, direction, 0.7, day)
    code, out, _ = call("stability", tmp_path / "b.json", "--init", tmp_path / "2026-01", "--json")
    assert code == 0 and "their scatter is not known" in json.loads(out)["warnings"][0]
    code, out, _ = call("stability", tmp_path / "b.json", tmp_path / "2026-02", "--json")
    found = json.loads(out)
    assert code == 0 and {one["key"].split(".")[0] for one in found["figures"]} == {"u", "v"}
    assert all("bands" in one["note"] for one in found["figures"])


def test_an_archive_of_restorations(call, put, tmp_path):
    for number in range(10):
        put(tmp_path / ("before" if number < 6 else "after") / f"{number}.tif", number)
    options = ("--method", "wiener", "--exposure-s", "0.25", "--json")
    assert call("restore", tmp_path / "before", "-o", tmp_path / "old", *options)[0] == 0
    code, printed, _ = call("restore", tmp_path / "after", "-o", tmp_path / "new", *options)
    assert code == 0
    code, out, _ = call("stability", tmp_path / "b.json", "--init", tmp_path / "old", "--json")
    made = json.loads(out)
    assert code == 0 and made["kind"] == "restorations"
    assert {"restore.marked", "restore.linear_share", "restore.noise_ratio", "restore.hits", "restore.clipped"} == {
        one["key"] for one in made["figures"]
    }
    code, out, _ = call("stability", tmp_path / "b.json", tmp_path / "new", "--json", "--false-alarms-percent", 20)
    found = json.loads(out)
    assert code == 0 and found["changed"] is False and found["figures"][0]["baseline_count"] == 6
    as_printed = tmp_path / "printed.json"
    as_printed.write_text(printed)
    code, out, _ = call("stability", tmp_path / "b.json", as_printed, "--json", "--false-alarms-percent", 20)
    assert [one["value"] for one in json.loads(out)["figures"]] == [one["value"] for one in found["figures"]]
    assert call("stability", tmp_path / "b.json", tmp_path / "new")[0] == 0  # four images: nothing can be told at 1 %


def test_exit_codes(call, baseline, tmp_path):
    day = tmp_path / "day0.json"
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"pixel_pitch_mm": 0.1}')
    assert call("stability", tmp_path / "none.json", day)[0] == 3
    assert call("stability", baseline, tmp_path / "missing.json")[0] == 3
    assert call("stability", baseline, tmp_path / "other.json")[0] == 3
    code, out, _ = call("stability", baseline, day, tmp_path / "broken.json", "--json")
    assert code == 1 and "broken.json" in json.loads(out)["warnings"][0]
    assert call("stability", baseline, day, "--false-alarms-percent", 0)[0] == 2
    assert call("stability", baseline, day, "--init")[0] == 3  # is there already
    assert call("stability", tmp_path / "new.json", day, "--init", "--plot", tmp_path / "p.png")[0] == 2
    wrong = tmp_path / "wrong.json"
    wrong.write_text(baseline.read_text().replace('"tolerance"', '"limits"', 1))
    code, _, err = call("stability", wrong, day)
    assert code == 2 and "tolerance" not in err and "limits" in err
