"""Fold the news fragments of changelog.d into CHANGELOG.md: one list under each heading, in the order of their names.

python .ci/changelog.py 0.2.0 2026-12-01

Takes the section ``## [0.2.0] - unreleased`` with the words that stand in it, gives it the date, adds the fragments, and
deletes them. Nothing is written if the section is not there or a fragment has no known kind.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
ROOT = Path(__file__).parents[1]


def folded(text: str, version: str, date: str, fragments: dict[str, str]) -> str:
    """Changelog with the fragments, by file name, in the section of a version.

    Raises
    ------
    ValueError
        If there is no such section, or a name does not end in a known kind.
    """
    heading = f"## [{version}] - unreleased"
    if text.count(heading) != 1:
        raise ValueError(f"CHANGELOG.md needs the line '{heading}' once")
    news: dict[str, list[str]] = {}
    for name in sorted(fragments):
        found = re.fullmatch(r".+\.(\w+)\.md", name)
        if found is None or found[1] not in KINDS:
            raise ValueError(f"changelog.d/{name}: its name must end in .KIND.md, KIND one of {', '.join(KINDS)}")
        news.setdefault(found[1], []).append("- " + " ".join(fragments[name].split()))
    before, _, after = text.partition(heading)
    own, mark, older = after.partition("\n## [")
    lists = [f"### {kind.capitalize()}\n\n" + "\n".join(news[kind]) for kind in KINDS if kind in news]
    section = "\n\n".join([f"## [{version}] - {date}", *([own.strip()] if own.strip() else []), *lists])
    return before + section + ("\n" + mark + older if mark else "\n")


def main(version: str, date: str) -> None:
    """Fold and delete."""
    files = [path for path in sorted((ROOT / "changelog.d").glob("*.md")) if path.name != "README.md"]
    changelog = ROOT / "CHANGELOG.md"
    fragments = {path.name: path.read_text(encoding="utf-8") for path in files}
    changelog.write_text(folded(changelog.read_text(encoding="utf-8"), version, date, fragments), encoding="utf-8")
    for path in files:
        path.unlink()
    print(f"{len(files)} fragments are in CHANGELOG.md")


if __name__ == "__main__":
    if len(sys.argv) != 3 or not re.fullmatch(r"\d{4}-\d\d-\d\d", sys.argv[2]):
        raise SystemExit("usage: python .ci/changelog.py VERSION YYYY-MM-DD")
    try:
        main(*sys.argv[1:])
    except ValueError as problem:
        raise SystemExit(str(problem)) from None
