"""The plug-in for napari: what it hands over is right without napari, and napari takes it."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import coldray
from coldray.errors import ColdrayError
from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph

FOLDER = Path(__file__).parents[2] / "plugins" / "napari-coldray"
MANIFEST = yaml.safe_load((FOLDER / "src/napari_coldray/napari.yaml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """As if it were installed."""
    monkeypatch.syspath_prepend(str(FOLDER / "src"))


def module(name):
    return importlib.import_module(f"napari_coldray.{name}")


@pytest.fixture(scope="module")
def board():
    """Simulated: boxes under the noise of one frame, stored values of 16 bits."""
    rng = np.random.default_rng(3)
    fraction = np.kron(rng.uniform(0.3, 0.8, (6, 8)), np.ones((16, 16))) + 0.01 * rng.standard_normal((96, 128))
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=50_000.0, exposure_s=0.25, linear=True)
    return Radiograph(np.rint(50_000 * fraction).astype(np.uint16), known)


@pytest.fixture
def file(tmp_path, board):
    write_image(tmp_path / "board.tif", board)
    return tmp_path / "board.tif"


def test_every_command_of_the_manifest_is_there_and_every_contribution_has_one():
    commands = {command["id"]: command["python_name"] for command in MANIFEST["contributions"]["commands"]}
    for python_name in commands.values():
        where, _, name = python_name.partition(":")
        assert callable(getattr(importlib.import_module(where), name))
    used = [each["command"] for kind in ("readers", "widgets") for each in MANIFEST["contributions"][kind]]
    assert sorted(used) == sorted(commands)


def test_its_reader_is_asked_for_what_coldray_reads_and_nothing_else():
    from coldray.formats import suffixes

    (reader,) = MANIFEST["contributions"]["readers"]
    asked = {pattern.removeprefix("*") for pattern in reader["filename_patterns"]}
    assert asked <= set(suffixes()) and {".tif", ".dcm"} <= asked


def test_it_has_the_version_of_coldray_and_its_name_leads_to_the_manifest():
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == coldray.__version__
    assert project["entry-points"]["napari.manifest"] == {MANIFEST["name"]: "napari_coldray:napari.yaml"}
    assert project["name"] == MANIFEST["name"]


def test_a_file_is_read_as_it_is_stored_with_its_pitch_as_scale(file, board):
    read = module("_reader").reader(str(file))
    ((pixels, about, kind),) = read(str(file))
    assert kind == "image" and pixels.dtype == np.uint16 and np.array_equal(pixels, board.pixels)
    assert about["scale"] == (48.0, 48.0) and about["units"] == ("um", "um") and about["name"] == "board"
    assert about["metadata"]["coldray"]["acquisition"]["open_beam"] == 50_000.0


def test_a_file_is_read_once(file, monkeypatch):
    asked, read = [], coldray.read
    monkeypatch.setattr(coldray, "read", lambda path: (asked.append(path), read(path))[1])
    assert len(module("_reader").reader(str(file))(str(file))) == 1 == len(asked)


def test_a_stack_has_a_scale_for_its_frames(tmp_path, board):
    write_image(tmp_path / "stack.tif", Radiograph(np.stack([board.pixels] * 3), board.acquisition))
    ((pixels, about, _),) = module("_reader").read(str(tmp_path / "stack.tif"))
    assert pixels.ndim == 3 == len(about["scale"]) == len(about["units"]) and about["scale"][0] == 1.0


def test_what_coldray_does_not_read_is_left_to_others(tmp_path, file):
    (tmp_path / "words.tif").write_text("no image")
    reader = module("_reader").reader
    assert reader(str(tmp_path / "words.tif")) is None
    assert reader([str(file), str(tmp_path / "words.tif")]) is None
    assert reader(str(tmp_path / "absent.tif")) is None


def test_the_parts_beside_a_result_open_with_it(call, file):
    out = file.with_name("out.tif")
    assert call("restore", file, "-o", out, "--method", "wiener", "--provenance")[0] == 0
    result, *parts = module("_reader").read(str(out))
    assert result[1]["name"] == "out" and [p[1]["name"] for p in parts] == ["out: linear part", "out: network's claim"]
    layers = coldray.read(out.with_name("out.provenance.tif")).pixels
    assert all(np.array_equal(part[0], layer) for part, layer in zip(parts, layers[1:], strict=True))
    assert not any(part[1]["visible"] for part in parts)


def layer_of(file):
    (pixels, about, _), *_ = module("_reader").read(str(file))
    return SimpleNamespace(data=pixels, name=about["name"], metadata=about["metadata"])


def test_a_layer_is_restored_as_the_library_does_it(file, board):
    layer = layer_of(file)
    before = layer.data.copy()
    (pixels, about, _), *parts = module("_restore").restored_layers(layer, method="wiener")
    wanted = coldray.restore(board, method="wiener", provenance=True)
    assert np.array_equal(pixels, wanted.pixels) and np.array_equal(layer.data, before)
    assert about["metadata"]["restoration"]["verdict"] == wanted.verdict and about["name"] == "board restored"
    total = np.asarray(wanted.layers[0] + sum(part[0] for part in parts[:2]))
    assert np.abs(50_000 * total - pixels).max() <= 1.0, "the parts and the measurement sum to the result"


def test_what_the_file_does_not_state_can_be_stated(board):
    bare = SimpleNamespace(data=board.pixels, name="bare", metadata={})
    restored_layers = module("_restore").restored_layers
    with pytest.raises(ColdrayError, match="pitch"):
        restored_layers(bare, method="wiener", pitch_um=390.0)
    (pixels, about, _), *_ = restored_layers(bare, method="wiener", pitch_um=48.0, exposure_s=0.25, open_beam=50_000.0)
    assert about["scale"] == (48.0, 48.0) and np.array_equal(pixels, coldray.restore(board, method="wiener").pixels)


NAPARI = """
import sys
import numpy as np
from npe2 import PluginManifest
PluginManifest.from_file(sys.argv[1])
from napari.layers import Layer
from napari.components import ViewerModel
from napari_coldray._reader import read
from napari_coldray._restore import restore_widget
viewer = ViewerModel()
for given in read(sys.argv[2]):
    viewer.add_layer(Layer.create(*given))
from qtpy.QtWidgets import QApplication
application = QApplication([])
widget = restore_widget()
widget.layer.choices = list(viewer.layers)
widget.method.value = "wiener"
made = widget()
for given in made:
    viewer.add_layer(Layer.create(*given))
print([layer.name for layer in viewer.layers], [tuple(map(float, layer.scale)) for layer in viewer.layers][-1])
"""


@pytest.mark.slow
def test_napari_takes_the_manifest_the_layers_and_the_widget(file, tmp_path):
    """In a process of its own, without a screen; `make test-slow` names the Python that has napari."""
    python = os.environ.get("NAPARI", sys.executable)
    needed = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('napari', 'npe2', 'qtpy'))))"
    if subprocess.run([python, "-c", needed]).returncode:
        pytest.skip(
            "the plug-in is tested in napari where it is installed: make test-slow, or pip install napari[pyqt6]"
        )
    environment = {
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": ":".join([str(FOLDER / "src"), *sys.path]),
        "HOME": str(tmp_path),
    }
    command = [python, "-c", NAPARI, FOLDER / "src/napari_coldray/napari.yaml", file]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "['board', 'board restored', 'board restored: linear part'" in done.stdout and "(48.0, 48.0)" in done.stdout
