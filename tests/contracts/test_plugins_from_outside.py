"""Plug-ins from outside: an installed package with one of each kind, files that the user names, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import coldray
from coldray import plugins
from coldray.errors import ColdrayError, PluginError
from coldray.plugins import KINDS, load_plugin_file, plugin, plugin_names

METHOD = '''"""Half of the way to the Wiener filter."""
from coldray.methods import wiener
LEARNS, CHANNELS, CONDITIONS = False, (), ()
def restore(frame, degradation, predictor=None, rng=None, *, share=0.5):
    return (1 - share) * frame.blurred + share * wiener.restore(frame, degradation)
'''
DEGRADATION = '''"""A Gaussian blur that no MTF ratio gives."""
import numpy as np
class Degradation:
    def __init__(self, pair):
        self.pair = pair
    def transfer(self, frequency_lp_mm, strength):
        return np.exp(-strength * (np.asarray(frequency_lp_mm, dtype=np.float64) / 6) ** 2)
'''
NETWORK = '''"""Gives back what it is shown first."""
class Network:
    stride, radius = 1, 0
    def __init__(self, channels, conditions):
        self.settings = {"channels": channels, "conditions": conditions}
'''
DETECTOR = '''"""Gaussian MTF of a width in mm."""
import numpy as np
from coldray import Detector, FrequencyCurve
def detector(argument, pixel_pitch_mm):
    f = np.linspace(0, 0.75 / pixel_pitch_mm, 200)
    return Detector(f"gauss{argument}", pixel_pitch_mm, FrequencyCurve(f, np.exp(-2 * (np.pi * float(argument) * f) ** 2)))
'''
FORMAT = '''"""Numbers as text."""
import numpy as np
from coldray import Radiograph
suffixes, carries = (".{name}",), frozenset()
def read(path):
    """Read it.

    Raises
    ------
    ImageReadError
    """
    return Radiograph(np.loadtxt(path, dtype=np.float32, ndmin=2))
def write(path, radiograph):
    """Write it.

    Raises
    ------
    ImageWriteError
    """
    np.savetxt(path, radiograph.pixels, fmt="%.9g")
'''
SOURCES = {"method": METHOD, "degradation": DEGRADATION, "network": NETWORK, "detector": DETECTOR, "format": FORMAT}


def named(kind, start):
    name = f"{start}_{kind}"
    return name, SOURCES[kind].replace("{name}", name)


@pytest.fixture
def installed(tmp_path):
    """A folder on sys.path with a package, its metadata and its entry points, as an installer leaves them."""
    site = tmp_path / "site"
    (site / "acme").mkdir(parents=True)
    (site / "acme" / "__init__.py").write_text("")
    lines = []
    for kind in SOURCES:
        name, text = named(kind, "acme")
        (site / "acme" / f"{name}.py").write_text(text)
        lines += [f"[{KINDS[kind].package}]", f"{name} = acme.{name}", "_hidden = os"]
        lines += ["cold = acme.acme_method"] if kind == "method" else []
    meta = site / "acme_coldray-1.2.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-coldray\nVersion: 1.2\n")
    (meta / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


@pytest.fixture
def files(tmp_path):
    """One new file of each kind."""
    folder = tmp_path / "own"
    folder.mkdir()
    for kind in SOURCES:
        name, text = named(kind, "own")
        (folder / f"{name}.py").write_text(text)
    return folder


COMMANDS = """
import contextlib, io, json, sys
from coldray.app.cli import main
done = []
for arguments in json.loads(sys.stdin.read()):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as left:
            done.append((left.code, out, err))
print(json.dumps([(code, out.getvalue(), err.getvalue()) for code, out, err in done]))
"""


def run(folder, *commands, path=None):
    """Exit code, JSON and stderr of several commands in a process of their own."""
    source = str(Path(coldray.__file__).parents[1])
    given = json.dumps([[*map(str, arguments), "--json"] for arguments in commands])
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=given,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([source, *([str(path)] if path else [])])},
        capture_output=True,
        text=True,
        check=True,
    )
    return [(code, json.loads(out) if out else None, err) for code, out, err in json.loads(done.stdout)]


def walk(folder, start, options, path=None):
    """The contributor's walk: one file each, and restore, evaluate and measure know it."""
    rng = np.random.default_rng(0)
    x = np.arange(120) - 59.3 - 0.06 * np.arange(120)[:, None]
    edge = 0.2 + 0.6 / (1 + np.exp(-1.2 * x)) + 0.003 * rng.standard_normal((120, 120))
    np.savetxt(folder / f"a.{start}_format", edge)
    pairs = folder / "pairs" / "one"
    for name in ("lr", "hr"):
        (pairs / name).mkdir(parents=True)
        noisy = edge[:96, :96] + 0.003 * rng.standard_normal((96, 96))
        image = coldray.Radiograph(np.rint(50000 * noisy).astype(np.uint16)).with_acquisition(open_beam=50000.0)
        coldray.write(pairs / name / "000.tif", image)
    detectors = {"blurred": f"{start}_detector:0.05", "sharp": f"{start}_detector:0.02"}
    (pairs / "pair.json").write_text(json.dumps(detectors | {"pixel_pitch_mm": 0.048}))
    asked = ("--method", f"{start}_method", "--degradation", f"{start}_degradation", *options)
    pair = ("--blurred", detectors["blurred"], "--sharp", detectors["sharp"], "--pitch-um", 48)
    files = [f"a.{start}_format", f"b.{start}_format"]
    done = run(
        folder,
        ("restore", files[0], "-o", files[1], "--set", "share=1.0", *asked, *pair),
        ("evaluate", "--pairs", "pairs", "-o", "scores", *asked),
        *(("measure", "edge", file, "--pitch-um", 48, *options) for file in files),
        path=path,
    )
    assert [code for code, _, _ in done] == [0, 0, 0, 0], done
    restored, scores, before, after = (found for _, found, _ in done)
    assert restored["files"][0]["method"] == f"{start}_method"
    assert f"{start}_method" in scores["methods"]
    assert after["mtf50_lp_mm"] > 1.2 * before["mtf50_lp_mm"]


def test_an_installed_package_with_one_of_each(installed, tmp_path):
    walk(tmp_path, "acme", (), installed)
    code = (
        "from coldray.plugins import KINDS, plugin, plugin_names, from_outside\n"
        "for kind in KINDS: assert f'acme_{kind}' in plugin_names(kind) and '_hidden' not in plugin_names(kind)\n"
        "import sys; assert not any(name.startswith('acme') for name in sys.modules)\n"
        "assert plugin('method', 'cold').__name__ == 'coldray.methods.cold'\n"
        "assert plugin('network', 'acme_network').Network(3, 2).settings['channels'] == 3\n"
        "from coldray.benchmark.paper.contestants import classical\n"
        "assert 'acme_method' in {one.method for one in classical()}\n"
        "assert from_outside() == {'acme-coldray': '1.2'}\n"
        "from coldray.app.recipe import environment\n"
        "assert environment()['plugins'] == {'acme-coldray': '1.2'}\n"
    )
    source = str(Path(coldray.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([source, str(installed)])}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def test_files_that_the_user_names(files, tmp_path):
    walk(tmp_path, "own", [part for kind in SOURCES for part in ("--plugin", files / f"own_{kind}.py")])


def test_workers_and_verify_know_the_files_of_the_command(files, tmp_path):
    known = ("--plugin", files / "own_method.py")
    (tmp_path / "in").mkdir()
    for name in "ab":
        coldray.write(tmp_path / "in" / f"{name}.tif", np.full((70, 70), 0.5, dtype=np.float32))
    asked = ("restore", "in", "-o", "out", "--method", "own_method", "--pitch-um", 48, *known, "--workers", 2)
    (code, found, err), (_, verified, _) = run(tmp_path, asked, ("verify", "out/a.tif", *known))
    assert code == 0 and len(found["files"]) == 2, err
    assert verified["matches"]
    ((code, _, err),) = run(tmp_path, ("verify", "out/a.tif"))
    assert code == 3 and "no method 'own_method'" in err


def test_nothing_else_runs_a_file(files, tmp_path, monkeypatch):
    """Neither a record, a detector, a request nor a setting can name a file that is run."""
    from coldray.app.recipe import Recipe
    from coldray.app.viewer.settings import Menu, RestoreRequest

    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n" + METHOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    settings = Recipe(method="wiener").settings()
    for name in ("trap", "trap.py", str(trap), "../trap", "coldray.methods.trap"):
        for asked in (
            lambda name=name: Recipe.of_record(settings | {"method": name}, {}).job(),
            lambda name=name: Recipe.of_record(settings | {"degradation": name}, {}).job(),
            lambda name=name: Menu(Recipe(method="wiener")).recipe(RestoreRequest(method=name)),
            lambda name=name: coldray.load_detector(f"{name}:1", pixel_pitch_mm=0.1),
            lambda name=name: coldray.restore(np.ones((70, 70)), method=name),
        ):
            with pytest.raises(ColdrayError):
                asked()
    assert not (tmp_path / "sprung").exists()
    assert "trap" not in sys.modules


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cold.py", METHOD, "there is a method 'cold' already"),
        ("nothing.py", "x = 1\n", "offers no plug-in"),
        ("broken.py", "1 / 0\n", "cannot be loaded: ZeroDivisionError"),
        ("_hidden.py", METHOD, "NAME its name"),
        ("a-b.py", METHOD, "NAME its name"),
        ("method.txt", METHOD, "NAME.py"),
    ],
)
def test_a_file_that_is_no_plugin_says_so(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(PluginError, match=said):
        load_plugin_file(path)
    assert path.stem == "cold" or path.stem not in plugin_names("method")


def test_a_file_is_loaded_once_and_may_not_change(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "_FILES", {})
    monkeypatch.setattr(plugins, "_LOADED", {kind: {} for kind in KINDS})
    path = tmp_path / "once_only.py"
    path.write_text(METHOD)
    assert load_plugin_file(path) == load_plugin_file(path) == (("method", "once_only"),)
    assert plugin("method", "once_only").LEARNS is False
    path.write_text(METHOD + "\n")
    with pytest.raises(PluginError, match="changed since it was loaded"):
        load_plugin_file(path)
    with pytest.raises(PluginError, match="no such file"):
        load_plugin_file(tmp_path / "gone.py")
