"""Which coldray this is, more exactly than its version: a digest of what the package computes with."""

from __future__ import annotations

import os
from functools import cache
from hashlib import sha256
from pathlib import Path

SUFFIXES = (".py", ".csv", ".json")
"""Code, and what is recorded by name alone: built-in detectors, tables, the shipped model's header with its gain."""


@cache
def build() -> str:
    """Digest of the installed package, as its files are when first asked in a process; some 10 ms, once.

    Returns
    -------
    str
        16 hexadecimal digits; the same wherever and however the same sources are installed.
    """
    import coldray

    return digest_of(Path(coldray.__file__).parent)


def digest_of(folder: Path) -> str:
    """First 16 hexadecimal digits of the sha256 over relative paths, in order, and contents of a package's files."""
    found, root = sha256(), os.fspath(folder)
    inside = [
        os.path.join(where, file)[len(root) + 1 :]
        for where, _, files in os.walk(root)
        for file in files
        if os.path.splitext(file)[1] in SUFFIXES
    ]
    for name in sorted(name.replace(os.sep, "/") for name in inside):
        content = (folder / name).read_bytes()
        # lengths keep a file's end from being taken for the next one's name
        found.update(f"{len(name)} {name} {len(content)} ".encode())
        found.update(content)
    return found.hexdigest()[:16]
