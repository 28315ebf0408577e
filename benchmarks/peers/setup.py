"""Install the peers of the metrology benchmark, each in an environment of its own under `.cache/peers`.

python benchmarks/peers/setup.py [NAME ...]

A peer that cannot be installed is named with the reason and left out by the benchmark.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / ".cache" / "peers"
# The versions measured; quickMTF and CTSimU do not declare what they import.
PEERS = {
    "pylinac": ("pylinac==3.49.0",),
    "micro_ct": ("micro-ct-image-quality-toolbox==0.2.1",),
    "quickmtf": ("quickMTF==2023.3.3", "numpy", "scipy", "matplotlib", "pillow"),
    "ctsimu": ("ctsimu==1.7.0", "numpy", "scipy", "matplotlib", "pillow"),
}


def interpreter(name: str) -> Path:
    """Python of a peer's environment."""
    return HOME / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def install(name: str) -> str | None:
    """Make the environment of one peer; the reason if that fails."""
    if not interpreter(name).is_file():
        venv.create(HOME / name, with_pip=True)
    command = [str(interpreter(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[name]]
    done = subprocess.run(command, capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return None if done.returncode == 0 else (errors[-1] if errors else f"pip ended with {done.returncode}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PEERS)}; all by default")
    failed = 0
    for name in parser.parse_args().names or PEERS:
        reason = f"unknown; choose one of {', '.join(PEERS)}" if name not in PEERS else install(name)
        print(f"{name}: {reason or 'ready'}", flush=True)
        failed += reason is not None
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
