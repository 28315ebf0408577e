"""Documents for `fuzz.py` that are wrong in one place each."""

from __future__ import annotations

import json
from typing import Any

LARGEST_SEED_BYTES = 12000
"""Longer files are left out: a mutation would hardly ever meet what is read first of them."""
ODD = (None, -1, 1e300, "x", [], {}, [[1]], True)


def odd_json(document: Any, depth: int = 2) -> list[bytes]:
    """A JSON object with each entry left out, and with odd values in its place."""
    found = []

    def change(place: Any, left: int) -> None:
        for key in list(place):
            held = place.pop(key)
            found.append(json.dumps(document).encode())
            for odd in ODD:
                place[key] = odd
                found.append(json.dumps(document).encode())
            place[key] = held
            if isinstance(held, dict) and left:
                change(held, left - 1)

    change(document, depth)
    return [content for content in found if len(content) <= LARGEST_SEED_BYTES]


def odd_toml(content: bytes) -> list[bytes]:
    """A TOML file with each line left out, and with odd values in its place."""
    lines, found = content.decode().splitlines(), []
    for at, line in enumerate(lines):
        name, mark, _ = line.partition(" = ")
        for odd in ("-1", "1e300", "inf", "'x'", "[]", "{}", "[[1]]", "{a = nan}") if mark else ():
            found.append("\n".join([*lines[:at], f"{name} = {odd}", *lines[at + 1 :]]).encode())
        found.append("\n".join(lines[:at] + lines[at + 1 :]).encode())
    return [
        *found,
        b"unknown = 1\n" + content,
        content + b"\nadded = 1\n",
        b"a = " + b"[" * 3000,
        b"a = " + b"9" * 5000,
    ]
