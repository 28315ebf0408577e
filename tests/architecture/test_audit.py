"""The audit of pinned packages says what it did: nothing that was not checked passes for checked."""

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

GOOD = {"name": "a", "version": "1.0", "vulns": []}
BAD = {
    "name": "b",
    "version": "0.3",
    "vulns": [{"id": "X-1", "fix_versions": ["0.4", "1.2"]}, {"id": "X-2", "fix_versions": []}],
}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "code", "says"),
    [
        (None, 0, "SKIPPED, no index answered"),
        ([UNKNOWN, UNKNOWN], 0, "SKIPPED, .* any of 2 packages; none was checked"),
        ([], 0, "SKIPPED"),
        ([GOOD], 0, "1 packages checked, 0 with known faults$"),
        ([GOOD, UNKNOWN], 0, "1 packages checked, 0 with known faults; 1 could not be checked"),
        ([GOOD, BAD], 1, "b 0.3: X-1, mended in 0.4, 1.2\n.*X-2, mended in no version\n.*2 packages checked, 1 with"),
        ([UNKNOWN, BAD], 1, "1 packages checked, 1 with known faults; 1 could not be checked"),
    ],
)
def test_the_verdict_says_what_was_checked(found, code, says):
    got, lines = audit.judged(found)
    assert got == code and re.search(says, "\n".join(lines))
    assert ("SKIPPED" in lines[-1]) == (not any("vulns" in package for package in found or []))


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        (f"print({json.dumps({'dependencies': [GOOD]})!r})", [GOOD]),
        (f"print({json.dumps({'dependencies': [BAD]})!r}); raise SystemExit(1)", [BAD]),
        ("print('no connection'); raise SystemExit(1)", None),
        ("print('{}')", None),
    ],
)
def test_an_answer_is_one_whatever_the_exit_code(script, wanted, tmp_path):
    assert audit.answer((sys.executable, "-c", script), tmp_path) == wanted
    assert audit.answer((str(tmp_path / "missing"),), tmp_path) is None


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAMED = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
MENDED = {"python-multipart": "0.0.27", "pydicom": "3.0.2", "onnx": "1.21"}
"""First versions without faults that strangers' data could reach here: CVE-2026-24486 and CVE-2026-42561, paths in a
DICOMDIR, files named by a graph. A user who installs without our pins gets at least these."""


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def test_every_lower_bound_is_met_by_the_pins():
    """The audit looks at pins alone: a bound above its pin, or a package without one, would escape it."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for one in NAMED:
        name, bound = re.fullmatch(r"([\w.-]+)(?:>=|==)([\d.]+)", one).groups()
        assert numbers(pins[name.lower().replace("_", "-")]) >= numbers(bound), one


@pytest.mark.parametrize("package", MENDED)
def test_no_lower_bound_admits_a_version_with_a_known_fault(package):
    bounds = [numbers(one.partition(">=")[2]) for one in NAMED if one.startswith(f"{package}>=")]
    assert bounds and min(bounds) >= numbers(MENDED[package])
