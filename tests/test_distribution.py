"""What is handed on: wheel and sdist that install without make, a container without rights, a changelog that folds."""

import ast
import email
import os
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import coldray

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def built(kind, source, folder):
    """What a front end asks of the build system of pyproject.toml, in a process of its own."""
    code = f"import hatchling.build as b; print(b.build_{kind}({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=True)
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def distribution(tmp_path_factory):
    """The sdist, its files, and the wheel that is built from nothing else."""
    pytest.importorskip("hatchling", reason="the build system is part of the extra dev")
    folder = tmp_path_factory.mktemp("dist")
    sdist = built("sdist", ROOT, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
        names = [name.partition("/")[2] for name in archive.getnames()]
    (source,) = (folder / "source").iterdir()
    return names, built("wheel", source, folder)


def test_the_sdist_holds_the_sources_and_no_data_of_the_makers(distribution):
    names, _ = distribution
    top = {name.partition("/")[0] for name in names}
    assert top == {"src", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff",
                   "PKG-INFO", ".gitignore"}  # fmt: skip


def test_the_wheel_of_the_sdist_holds_every_file_of_the_package(distribution):
    with zipfile.ZipFile(distribution[1]) as wheel:
        inside = {name for name in wheel.namelist() if name.startswith("coldray/")}
    package = ROOT / "src"
    wanted = {p.relative_to(package).as_posix() for p in (package / "coldray").rglob("*") if p.is_file()}
    assert inside == {name for name in wanted if "__pycache__" not in name and not name.endswith(".pyc")}
    assert {"coldray/models/compact.onnx", "coldray/app/viewer/static/index.html"} <= inside


def test_the_wheel_says_who_it_is_and_runs(distribution, tmp_path):
    with zipfile.ZipFile(distribution[1]) as wheel:
        wheel.extractall(tmp_path)
    (info,) = tmp_path.glob("*.dist-info")
    known = email.message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    assert known["Name"] == "coldray" and known["Version"] == coldray.__version__
    assert known["License-Expression"] == "BSD-3-Clause" and (info / "licenses" / "LICENSE").is_file()
    assert set(known.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert "coldray = coldray.app.cli:main" in (info / "entry_points.txt").read_text(encoding="utf-8")
    command = [sys.executable, "-c", "from coldray.app.cli import main; main(['model', 'verify'])"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr


def test_one_version_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == PROJECT["version"] == coldray.__version__
    assert f"\n## [{PROJECT['version']}] - " in CHANGELOG


DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions():
    """Instructions of the last stage, as (word, rest)."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    lines = [line.strip().partition(" ") for line in text.splitlines() if line.strip()]
    last = max(number for number, (word, _, _) in enumerate(lines) if word == "FROM")
    return lines, [(word, rest) for word, _, rest in lines[last:]]


def test_the_container_runs_without_rights_and_without_a_default_secret():
    _, stage = instructions()
    words = [word for word, _ in stage]
    user = dict(stage)["USER"]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user), "by number, so that a cluster can check that it is not root"
    assert words.index("USER") > max(n for n, word in enumerate(words) if word == "RUN"), "nothing is installed later"
    assert words[-1] == "CMD" and "TOKEN" not in "".join(rest for word, rest in stage if word in ("ENV", "ARG"))
    assert ast.literal_eval(dict(stage)["ENTRYPOINT"]) == ["coldray"]


def test_what_the_container_starts_needs_a_token(call, monkeypatch):
    monkeypatch.delenv("COLDRAY_TOKEN", raising=False)
    code, _, err = call(*ast.literal_eval(dict(instructions()[1])["CMD"]))
    assert code == 2 and "COLDRAY_TOKEN" in err


def test_the_container_copies_what_is_there_and_installs_extras_that_exist():
    lines, _ = instructions()
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    copied = {name for word, _, rest in lines if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    assert copied == kept and all((ROOT / name).exists() for name in copied)
    (extras,) = (rest.partition("=")[2] for word, _, rest in lines if word == "ARG" and rest.startswith("EXTRAS"))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


folded = runpy.run_path(str(ROOT / ".ci/changelog.py"))["folded"]
OLD = "# Changelog\n\n## [2.0] - unreleased\n\nWords.\n\n## [1.0] - 2020-01-01\n\n### Added\n\n- All.\n"


def test_fragments_fold_into_their_version_and_nothing_else_moves():
    news = {"b.fixed.md": "Two\nlines.\n", "a.added.md": "New.\n", "a.fixed.md": "One.\n"}
    assert folded(OLD, "2.0", "2021-02-03", news) == (
        "# Changelog\n\n## [2.0] - 2021-02-03\n\nWords.\n\n### Added\n\n- New.\n\n### Fixed\n\n- One.\n- Two lines.\n\n"
        "## [1.0] - 2020-01-01\n\n### Added\n\n- All.\n"
    )


@pytest.mark.parametrize(
    ("version", "news", "words"),
    [("3.0", {}, "once"), ("2.0", {"a.new.md": "x"}, "KIND"), ("2.0", {"a.md": "x"}, "KIND")],
)
def test_what_cannot_be_folded_is_said(version, news, words):
    with pytest.raises(ValueError, match=words):
        folded(OLD, version, "2021-02-03", news)


def test_the_fragments_of_today_fold():
    files = [path for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md"]
    text = folded(CHANGELOG, PROJECT["version"], "2026-12-01", {path.name: path.read_text("utf-8") for path in files})
    assert text.count("\n## [") == CHANGELOG.count("\n## [") and len(text) > len(CHANGELOG)
