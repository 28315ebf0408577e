"""Known faults in the pinned packages, as far as an index knows them.

python .ci/audit.py [constraints.txt]

Asks `pip-audit` about every pin. Exit code 1 if a pin has a known fault; 0 if none has, or if no index answers: then the
last line says that nothing was checked. A mirror without advisories answers about no package at all.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMMAND = (
    sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "20",
    "--format", "json", "--requirement",
)  # fmt: skip
MOST_S = 180.0
"""How long answers are waited for: an index that hangs counts as one that does not answer."""


def answer(command: Sequence[str], pins: Path) -> list[dict[str, Any]] | None:
    """What was answered about each package; None if there was no answer."""
    try:
        done = subprocess.run([*command, str(pins)], capture_output=True, text=True, timeout=MOST_S)
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return found


def judged(found: list[dict[str, Any]] | None) -> tuple[int, list[str]]:
    """Exit code and lines to print."""
    if found is None:
        return 0, ["audit: SKIPPED, no index answered; no package was checked"]
    unknown = sum("skip_reason" in package for package in found)
    faulty = [package for package in found if package.get("vulns")]
    if unknown == len(found):
        return 0, [f"audit: SKIPPED, the index has no advisories for any of {unknown} packages; none was checked"]
    lines = [
        f"audit: {package['name']} {package['version']}: {fault['id']}, "
        f"mended in {', '.join(fault.get('fix_versions') or ['no version'])}"
        for package in faulty
        for fault in package["vulns"]
    ]
    checked = f"{len(found) - unknown} packages checked, {len(faulty)} with known faults"
    return int(bool(faulty)), [*lines, f"audit: {checked}" + (f"; {unknown} could not be checked" if unknown else "")]


if __name__ == "__main__":
    code, lines = judged(answer(COMMAND, Path(sys.argv[1] if len(sys.argv) > 1 else "constraints.txt")))
    print("\n".join(lines))
    raise SystemExit(code)
