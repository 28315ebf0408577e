"""Imports point one way, start fast, and nothing can run a pickle."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import coldray

ROOT = Path(coldray.__file__).parent
FREE = {
    *("radiograph", "plugins", "declaration", "settings", "document", "errors", "checkpoint"),
    *("arrays", "compiled", "files", "leftovers", "scratch", "reading", "threads", "processes", "words", ""),
}
"""What everyone may use; the empty name is the package itself (its version)."""
PHYSICS = {"physics", "frame", "channels", "gain", "contracts"}
CORE = PHYSICS | {
    *("detectors", "degradations", "formats", "methods", "networks"),
    *("images", "metrology", "restoration"),
}
"""What restores and measures. It stands without the wings: simulation, objects, data sets, training, reports, app."""
ALLOWED = {
    "physics": set(),
    "frame": {"physics"},
    "channels": {"frame"},
    "gain": {"physics", "frame"},
    "contracts": {"physics", "frame"},
    "formats": set(),
    "networks": set(),
    "detectors": {"physics"},
    "degradations": {"physics"},
    "images": {"physics"},
    "metrology": {"physics"},
    "methods": PHYSICS,
    "restoration": PHYSICS | {"methods", "degradations", "images", "metrology"},
    "simulation": {"physics"},
    "objects": {"physics", "simulation"},
    "dataset": {"physics", "detectors", "formats", "images", "simulation", "objects"},
    "training": PHYSICS | {"degradations", "methods", "networks", "metrology", "restoration", "dataset"},
    "reports": PHYSICS | {"images", "metrology", "restoration"},
    "benchmark": CORE - {"networks"} | {"simulation", "objects", "reports"},
    "api": CORE - {"networks", "detectors"} | {"simulation", "objects", "reports", "benchmark"},
    "adaptation": PHYSICS | {"metrology", "restoration", "dataset", "training", "reports", "benchmark"},
    "app": CORE | {"simulation", "objects", "dataset", "training", "adaptation", "reports", "benchmark", "api"},
}
HEAVY = ("torch", "matplotlib", "pydicom", "tifffile", "scipy", "skimage", "onnxruntime", "PIL", "pydantic", "typer")
FILES = sorted(ROOT.rglob("*.py"))


def package_of(module):
    """First name below coldray; '' for coldray itself."""
    parts = module.split(".")
    if parts[0] != "coldray":
        return None
    if len(parts) == 1:
        return ""
    return parts[1]


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path):
    """Return the imports, calls and keywords of a file; parsing is the slow part."""
    return [n for n in ast.walk(tree(path)) if isinstance(n, ast.Import | ast.ImportFrom | ast.Call | ast.keyword)]


@cache
def imported(path):
    return tuple(find_imports(path, nodes(path)))


def find_imports(path, nodes):
    """Absolute module names a file imports anywhere, function bodies and TYPE_CHECKING blocks included."""
    here = ["coldray", *path.relative_to(ROOT).with_suffix("").parts]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: -node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                # `from coldray import x` may name a sub-package
                is_package = module == "coldray" and (
                    (ROOT / alias.name).is_dir() or (ROOT / f"{alias.name}.py").is_file()
                )
                yield node.lineno, f"coldray.{alias.name}" if is_package else module
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0] if node.args else None
            if name in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def violations(package):
    found = []
    for path in FILES:
        if Path(path.relative_to(ROOT).parts[0]).stem != package:
            continue
        for line, module in imported(path):
            target = package_of(module)
            if target is not None and target not in FREE | {package} | ALLOWED[package]:
                found.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    return found


def test_every_package_has_a_place_in_the_order():
    packages = {p.name for p in ROOT.iterdir() if (p / "__init__.py").is_file()}
    modules = {p.stem for p in ROOT.glob("*.py") if p.stem not in ("__init__", "__main__")}
    assert packages | modules == set(ALLOWED) | FREE - {""}
    assert not packages & modules


@pytest.mark.parametrize("package", sorted(CORE))
def test_the_core_stands_without_the_wings(package):
    assert ALLOWED[package] <= CORE


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package):
    assert not violations(package)


@pytest.mark.parametrize("name", sorted(FREE - {""}))
def test_what_everyone_uses_uses_no_package(name):
    targets = {package_of(module) for _, module in imported(ROOT / f"{name}.py")} - {None}
    assert targets <= FREE


def test_the_order_has_no_cycle():
    done = set()
    while len(done) < len(ALLOWED):
        ready = {p for p, uses in ALLOWED.items() if p not in done and uses <= done}
        assert ready
        done |= ready


def test_no_module_needs_itself():
    """Imports within a package too, in functions and for types alike; the face, all lazy, is left out."""
    names = {
        p: ".".join(("coldray", *p.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__") for p in FILES
    }
    known = set(names.values()) - {"coldray"}
    uses = {
        name: {m for node in nodes(path) if isinstance(node, ast.ImportFrom) for m in _meant(node, known)} - {name}
        for path, name in names.items()
    }
    left = dict(uses)
    while ready := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in ready:
            del left[name]
    assert not left.keys() - {"coldray"}, "these wait for each other, or for those that do"


def _meant(node, known):
    """Modules that an import statement names: a name imported from a package may be one of its modules."""
    for alias in node.names:
        yield from [m for m in (f"{node.module}.{alias.name}", node.module) if m in known][:1]


def test_the_parser_sees_imports_in_functions():
    source = "def f():\n    from coldray.restoration import tiles\n    from coldray import app\n    from ..images import scale\n"
    found = find_imports(ROOT / "physics" / "imaginary.py", ast.walk(ast.parse(source)))
    assert {package_of(m) for _, m in found} == {"restoration", "app", "images"}


def run(code):
    return subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT.parent)!r}); {code}"],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip


def test_import_coldray_is_fast():
    """Counted, not timed: a bare interpreter loads some 30 modules, and every one more is a file to find and run."""
    more = run("before = set(sys.modules); import coldray; print(*set(sys.modules) - before)").split()
    assert "coldray" in more and len(more) <= 40, sorted(more)


def test_import_coldray_loads_nothing_heavy():
    loaded = run("import coldray; print(*sys.modules)").split()
    assert "coldray" in loaded
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize(
    "module", ["coldray.radiograph", "coldray.plugins", "coldray.errors", "coldray.physics.curves"]
)
def test_what_everyone_uses_stays_light(module):
    loaded = run(f"import {module}; print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)


def test_a_verb_loads_its_own_module_and_what_it_needs():
    code = "from coldray.app.cli import main\ntry: main(['model', 'list'])\nexcept SystemExit: print(*sys.modules)"
    loaded = run(f"exec({code!r})").split()
    assert [name for name in loaded if name.startswith("coldray.app.commands.")] == ["coldray.app.commands.models"]
    assert not {"scipy.fft", "scipy.ndimage", "scipy.optimize", "onnxruntime", "ncnn"} & set(loaded)


def test_a_command_ends_without_a_search_for_cycles():
    code = "import atexit, gc\natexit.register(lambda: print(gc.get_count()[0] < gc.get_freeze_count()))"
    code += "\nfrom coldray.app.cli import main\nprint(gc.get_freeze_count())\nmain(['--version'])"
    before, _, frozen = run(f"exec({code!r})").splitlines()
    assert (before, frozen) == ("0", "True")


def test_a_restoration_loads_the_compiled_parts_of_scipy_alone(tmp_path):
    pixels = np.random.default_rng(0).normal(25_000, 400, (64, 64)).astype(np.uint16)
    np.save(tmp_path / "flat.npy", pixels)
    given = ["restore", str(tmp_path / "flat.npy"), "-o", str(tmp_path / "out.tif"), "--exposure-s", "0.25"]
    given += ["--pitch-um", "48", "--open-beam", "50000"]
    code = f"from coldray.app.cli import main\ntry: main({given!r})\nexcept SystemExit as done: print(done.code, *sys.modules)"
    done, *loaded = run(f"import sys\nexec({code!r})").splitlines()[-1].split()
    assert done == "0" and "scipy.special._ufuncs" in loaded and "scipy.fft._pocketfft.pypocketfft" in loaded
    assert not {"scipy.fft", "scipy.special", "scipy.ndimage", "scipy.optimize", "numpy.f2py", "numpy.testing"} & set(
        loaded
    )


def test_modules_that_filter_load_scipy_when_they_first_filter():
    loaded = run(
        "import coldray.restoration.pipeline, coldray.api.restore, coldray.objects.phantoms; print(*sys.modules)"
    )
    assert "scipy" in loaded.split()
    assert not {"scipy.fft", "scipy.ndimage", "scipy.special", "scipy.optimize", "scipy.interpolate"} & set(
        loaded.split()
    )


def test_nothing_can_run_a_pickle():
    found = []
    for path in FILES:
        for _, module in imported(path):
            if module.split(".")[0] in ("pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"):
                found.append(f"{path.name}: imports {module}")
        for node in nodes(path):
            if (
                isinstance(node, ast.keyword)
                and node.arg == "allow_pickle"
                and not (isinstance(node.value, ast.Constant) and node.value.value is False)
            ):
                found.append(f"{path.name}:{node.value.lineno} allow_pickle")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = getattr(node.func.value, "id", "")
                if (owner, node.func.attr) in (("pickle", "load"), ("pickle", "loads"), ("torch", "load")):
                    found.append(f"{path.name}:{node.lineno} {owner}.{node.func.attr}")
                if (owner, node.func.attr) == ("np", "load") and not any(
                    k.arg == "allow_pickle" for k in node.keywords
                ):
                    found.append(f"{path.name}:{node.lineno} np.load without allow_pickle=False")
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("eval", "exec"):
                found.append(f"{path.name}:{node.lineno} {node.func.id}")
    assert not found


def test_no_torchvision():
    assert not [p.name for p in FILES if any(m.split(".")[0] == "torchvision" for _, m in imported(p))]


def test_torch_stays_in_the_packages_that_need_it():
    """At module level torch belongs to networks and training; elsewhere it loads when first used."""
    found = []
    for path in FILES:
        if path.relative_to(ROOT).parts[0] in ("networks", "training"):
            continue
        for node in tree(path).body:
            names = (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
            )
            if isinstance(node, ast.Import | ast.ImportFrom) and any(n.split(".")[0] == "torch" for n in names):
                found.append(str(path.relative_to(ROOT)))
    assert not found


OWN_JSON = {"document.py", "recipe.py"}
"""The bounded reader itself, and texts that this process wrote."""


FORMULAS = {
    *(
        "interp",
        "gradient",
        "polyfit",
        "convolve",
        "fft",
        "linalg",
        "quantile",
        "percentile",
        "histogram",
        "std",
        "var",
    ),
    *("sqrt", "exp", "log", "log10", "sinc", "sin", "cos", "tan", "hypot", "geomspace", "cumsum", "corrcoef"),
}
"""Of numpy: what measures, fits, filters or models. The command line reads, cuts, stacks and writes arrays."""


def test_the_command_line_holds_no_science():
    found = []
    for path in FILES:
        if path.relative_to(ROOT).parts[0] != "app":
            continue
        attributes = (node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute))
        named = {node.attr for node in attributes if is_numpy(node.value)} & FORMULAS
        named |= {module for _, module in imported(path) if module.split(".")[0] in ("scipy", "skimage")}
        found += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(named)]
    assert not found


def is_numpy(node):
    return isinstance(node, ast.Name) and node.id == "np"


def test_the_search_for_science_sees_a_formula():
    (node,) = [n for n in ast.walk(ast.parse("np.interp(0, x, y)")) if isinstance(n, ast.Attribute)]
    assert is_numpy(node.value) and node.attr in FORMULAS


def test_json_of_outsiders_is_read_by_the_bounded_reader():
    """`json.loads` alone answers hostile files with RecursionError, ValueError or infinities."""
    found = []
    for path in FILES:
        if path.name in OWN_JSON:
            continue
        for node in nodes(path):
            function = getattr(node, "func", None)
            if isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "json":
                if function.attr in ("load", "loads"):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found
