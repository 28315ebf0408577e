"""Licences of the packages that coldray works with, as far as they are installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from coldray import __version__
from coldray.document import Json, as_texts

OURS = "coldray"
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"extra\s*==")
_UNKNOWN = "see its files"


def third_parties() -> list[dict[str, Json]]:
    """Every installed package that coldray, or a package that it needs, names as a requirement.

    Returns
    -------
    list of dict
        Sorted by name: "name", "version", "licence" as the package states it, "files" that hold its text.
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = [(OURS, True)]
    while waiting:
        name, with_extras = waiting.pop()
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra, or a requirement of another system, that is not installed
        key = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
        if key in found:
            continue
        found[key] = package
        for line in package.requires or ():
            if with_extras or not _EXTRA.search(line):
                waiting.append((_REQUIREMENT.match(line)[1], False))  # type: ignore[index]
    found.pop(OURS, None)
    return [_described(found[key]) for key in sorted(found)]


def told() -> Iterator[str]:
    """Lines of `coldray --licenses`: our own licence, then a line for each package and for each file with its text."""
    found = third_parties()
    yield f"coldray {__version__}: BSD-3-Clause. It works with these packages, as far as they are installed:"
    for package in found:
        yield f"{package['name']} {package['version']}: {package['licence']}"
        yield from (f"    {path}" for path in as_texts(package["files"]))


def _described(package: metadata.Distribution) -> dict[str, Json]:
    known = package.metadata
    files = [str(package.locate_file(path)) for path in package.files or () if _is_text(path.name)]
    return {"name": known["Name"], "version": package.version, "licence": _licence(known), "files": sorted(files)}


def _is_text(name: str) -> bool:
    """Whether a file's name is one that licences have."""
    return re.match(r"(?i)(licen[cs]e|copying|notice|authors)", name) is not None and not name.endswith((".py", ".pyc"))


def _licence(known: Any) -> str:
    """SPDX expression if there is one, else the classifiers, else a short text."""
    if known.get("License-Expression"):
        return str(known["License-Expression"])
    classifiers = [c.rpartition(" :: ")[2] for c in known.get_all("Classifier", []) if c.startswith("License ::")]
    if classifiers:
        return ", ".join(sorted(set(classifiers)))
    text = " ".join(str(known.get("License") or "").split())
    return text if 0 < len(text) <= 60 else _UNKNOWN
