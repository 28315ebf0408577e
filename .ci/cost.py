"""What the suite costs in core-seconds, in all and by test, with all the processes that its tests start.

python .ci/cost.py [--out FILE] [further options of pytest]

Runs the tests but the slow ones in the order of the files, prints the whole run's core-seconds, the folders' and the
dearest tests', and writes them to FILE (JSON). A fixture counts for the test that needs it first. Exit code of pytest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = (sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-p", "no:randomly", "-m", "not slow")
SHOWN = 25


def core_s(who: int) -> float:
    """Core-seconds of this process, or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def spent() -> float:
    """Core-seconds of this process and of its children that have ended."""
    return core_s(resource.RUSAGE_SELF) + core_s(resource.RUSAGE_CHILDREN)


class Cost:
    """Plug-in of pytest: each phase of a test carries what it cost; the process that reports adds them up."""

    def __init__(self, out: str) -> None:
        self.out, self.last, self.tests = out, spent(), Counter()

    def pytest_runtest_logstart(self) -> None:
        """The clock of a test starts."""
        self.last = spent()

    def pytest_runtest_makereport(self, item) -> None:
        """A phase of it ends."""
        now = spent()
        item.user_properties[:] = [("core_s", now - self.last)]
        self.last = now

    def pytest_runtest_logreport(self, report) -> None:
        """Its report comes in, from another process too."""
        self.tests[report.nodeid] += sum(value for name, value in report.user_properties if name == "core_s")

    def pytest_sessionfinish(self, session) -> None:
        """All have come."""
        if not hasattr(session.config, "workerinput"):
            Path(self.out).write_text(json.dumps(self.tests), encoding="utf-8")


def pytest_configure(config) -> None:
    """As pytest finds it under -p cost."""
    config.pluginmanager.register(Cost(os.environ["COST_OUT"]), "core-seconds")


def folder(test: str) -> str:
    """tests/AREA, of a test's name."""
    return "/".join(test.partition("::")[0].split("/")[:-1][:2])


def main() -> int:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file")
    given, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / "tests.json"
        world = os.environ | {"COST_OUT": str(kept)}
        world["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
        code = subprocess.run([*TESTS, "-p", "cost", *options], env=world).returncode
        tests = Counter(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else Counter()
    whole = core_s(resource.RUSAGE_CHILDREN)
    folders: Counter[str] = Counter()
    for name, cost in tests.items():
        folders[folder(name)] += cost
    print(
        f"{whole:.0f} core-seconds, {sum(tests.values()):.0f} of them in {len(tests)} tests (load {os.getloadavg()[1]:.0f})"
    )
    for title, table in (("folder", folders), ("test", tests)):
        print(title)
        for name, cost in table.most_common(SHOWN):
            print(f"{cost:8.2f} {name}")
    if given.out:
        found = {
            "measured": f"{datetime.now(UTC):%Y-%m-%d}",
            "core_s": round(whole, 1),
            "tests": len(tests),
            "by_folder_core_s": {name: round(cost, 1) for name, cost in folders.most_common()},
            "dearest_core_s": {name: round(cost, 2) for name, cost in tests.most_common(SHOWN)},
        }
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
