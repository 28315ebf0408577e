"""A restored file opened from disk brings what lies beside it: verdict, places, layers; and nothing of another file."""

import json
import re
from importlib import resources

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.cli import main
from coldray.app.recipe import Recipe
from coldray.app.viewer.beside import certificate_layers
from coldray.app.viewer.layers import OVERLAYS
from coldray.app.viewer.shelf import Shelf
from coldray.app.viewer.work import finish
from coldray.formats import read_image, write_image
from coldray.radiograph import Radiograph


def restored(source, target, *more):
    with pytest.raises(SystemExit) as left:
        main(["restore", str(source), "-o", str(target), "--method", "wiener", "--exposure-s", "0.25", *more])
    assert left.value.code == 0


def told(study):
    return study.to_json()["warnings"]


@pytest.fixture
def shelf():
    shelf = Shelf()
    yield shelf
    shelf.close()


@pytest.fixture
def one(scan, tmp_path):
    target = tmp_path / "one.tif"
    restored(scan, target, "--provenance", "--map")
    return target


@pytest.mark.parametrize("with_original", [True, False])
def test_a_restored_file_brings_its_verdict_and_its_layers(shelf, scan, one, with_original):
    if with_original:
        shelf.open(scan, scan.name)
    study = shelf.open(one, one.name)
    record = json.loads(one.with_name("one.tif.json").read_text())
    assert study.result["consistency"] == record["consistency"]
    assert study.result["settings"]["noise_relative_sd"] == read_image(one).history[-1].details["noise_relative_sd"]
    assert set(study.layers) == {"restored", "linear", "prior", "certificate"} | (
        {"original"} if with_original else set()
    )
    layers = read_image(one.with_name("one.provenance.tif")).pixels
    assert np.array_equal(study.layers["linear"].pixels, layers[1])
    assert np.array_equal(
        study.layers["certificate"].pixels, read_image(one.with_name("one.certificate.tif")).pixels[0]
    )


def test_a_folder_of_results_tells_its_verdicts_by_its_ledger(shelf, scan, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    scan.rename(folder / "scan.tif")
    restored(folder, tmp_path / "out")
    study = shelf.open(tmp_path / "out" / "scan.tif", "scan.tif")
    assert study.result["consistency"]["verdict"] in ("consistent", "contradicted in places")
    assert told(study) == []


def test_a_record_of_another_file_is_not_believed(shelf, one):
    beside = one.with_name("one.tif.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"sha256_out": "0" * 64}))
    study = shelf.open(one, one.name)
    assert "consistency" not in study.result and study.result["method"] == "wiener"
    assert any("of another file" in warning for warning in told(study))


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 1000])
def test_a_damaged_record_is_named_and_the_image_opens(shelf, one, text):
    one.with_name("one.tif.json").write_text(text)
    study = shelf.open(one, one.name)
    assert "consistency" not in study.result and "restored" in study.layers
    assert any("one.tif.json" in warning for warning in told(study))


ODD = (5, True, "x", [7], {"one.certificate.tif": 5})
KEYS = ("sha256_out", "side_files", "consistency", "about", "warnings")


@pytest.mark.parametrize(
    ("key", "odd"),
    [
        # each key with two values, each value with two keys; the others in make test-slow
        pytest.param(key, odd, marks=() if (i + j) % 5 in (0, 2) else pytest.mark.slow)
        for i, key in enumerate(KEYS)
        for j, odd in enumerate(ODD)
    ],
)
def test_an_odd_value_of_a_record_is_named_and_the_image_opens(shelf, one, key, odd):
    beside = one.with_name("one.tif.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {key: odd}))
    study = shelf.open(one, one.name)
    if (key, odd) != ("sha256_out", "x") and not (key == "consistency" and isinstance(odd, dict)):
        assert "consistency" not in study.result
        assert [warning for warning in told(study) if f"one.tif.json: {key}" in warning], told(study)
    assert "restored" in study.layers


def test_layers_that_changed_after_the_restoration_are_not_shown(shelf, one):
    path = one.with_name("one.provenance.tif")
    write_image(path, Radiograph(read_image(path).pixels * 2))
    study = shelf.open(one, one.name)
    assert set(study.layers) == {"restored", "certificate"}
    assert any("was changed" in warning for warning in told(study))


def test_warnings_of_what_lay_beside_one_result_go_with_it(shelf, scan, one):
    study = shelf.open(scan, scan.name)
    one.with_name("one.tif.json").write_text("{")
    shelf.open(one, one.name)
    assert any("one.tif.json" in warning for warning in told(study))
    finish(shelf, study, Recipe(method="wiener", exposure_s=0.25), lambda *_: None, reports=False)
    assert study.result["consistency"] and told(study) == study.warnings


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_what_a_map_says_of_the_network_is_a_layer_where_it_says_anything(pages):
    """Maps of version 0.1 have one page."""
    roles = ("certificate", "replaced", "corrected")[:pages]
    found = np.zeros((pages, 4, 5), np.float32)
    assert set(certificate_layers(found, 0.048)) == {"certificate"}
    found[:, 1, 2] = np.arange(1, pages + 1)
    layers = certificate_layers(found, 0.048)
    assert {role: layer.pixels[1, 2] for role, layer in layers.items()} == dict(zip(roles, (1, 2, 3), strict=False))
    assert {layers[role].unit for role in roles[1:]} <= {"share"}


def test_the_page_has_words_for_every_overlay():
    script = resources.files("coldray.app.viewer").joinpath("static/desk.js").read_text(encoding="utf-8")
    told = script[script.index("const OVERLAYS = {") : script.index("export class Desk")]
    assert set(OVERLAYS) <= set(re.findall(r"^  (\w+): { name: .+ help: ", told, re.MULTILINE))


@pytest.fixture(scope="module")
def with_interval(tmp_path_factory, write_scan):
    """A scan restored by the network with an interval: the original, the result, and the file with the bounds."""
    folder = tmp_path_factory.mktemp("interval")
    write_scan(folder / "scan.tif", shape=(96, 128), exposure_s=1.0)
    with pytest.raises(SystemExit) as left:
        main(["restore", str(folder / "scan.tif"), "-o", str(folder / "one.tif"), "--exposure-s", "1", "--interval"])
    assert left.value.code == 0
    return folder


def test_a_restored_file_brings_its_interval(shelf, with_interval):
    study = shelf.open(with_interval / "one.tif", "one.tif")
    bounds = read_image(with_interval / "one.interval.tif").pixels
    assert np.array_equal(study.layers["lower"].pixels, bounds[0]) and np.array_equal(
        study.layers["upper"].pixels, bounds[1]
    )
    assert study.layers["lower"].title == "90 % interval, lower" and study.layers["upper"].unit == "open beam"


@pytest.mark.parametrize(
    ("change", "words"),
    [("bytes", "was changed after the restoration"), ("history", "does not say what it covers"), ("response", "before its response curve")],
)  # fmt: skip
def test_an_interval_that_is_not_of_this_image_is_not_drawn(shelf, with_interval, tmp_path, change, words):
    from dataclasses import replace

    for name in ("one.tif", "one.tif.json", "one.interval.tif"):
        (tmp_path / name).write_bytes((with_interval / name).read_bytes())
    found = read_image(tmp_path / "one.interval.tif")
    step = found.history[-1]
    details = {
        "bytes": dict(step.details),
        "history": {},
        "response": dict(step.details) | {"response": {"kind": "law"}},
    }[change]
    changed = Radiograph(found.pixels + 1, found.acquisition, (replace(step, details=details),))
    write_image(tmp_path / "one.interval.tif", changed)
    if change != "bytes":  # no record says which bytes it should be
        (tmp_path / "one.tif.json").unlink()
    study = shelf.open(tmp_path / "one.tif", "one.tif")
    assert "lower" not in study.layers and any(words in text for text in told(study))
