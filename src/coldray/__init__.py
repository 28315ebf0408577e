"""Restore what a thick phosphor blurred, and prove what was measured and what was inferred.

Everything below loads when it is first used::

    import coldray
    restored = coldray.restore(image, (frequency, mtf_thick), (frequency, mtf_thin), pixel_pitch_mm=0.048)
    found = coldray.edge_mtf("edge.tif")
    found.plot()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOME = {
    "Detector": "coldray.physics.detector",
    "FrequencyCurve": "coldray.physics.curves",
    "Radiograph": "coldray.radiograph",
    "Restorer": "coldray.api.restore",
    "bars_ctf": "coldray.api.measure",
    "certify": "coldray.api.forward",
    "characterise": "coldray.api.detector",
    "degrade": "coldray.api.forward",
    "duplex_isrb": "coldray.api.measure",
    "edge_mtf": "coldray.api.measure",
    "flat_nnps": "coldray.api.measure",
    "load_detector": "coldray.physics.detector",
    "load_model": "coldray.restoration.model",
    "neq_dqe": "coldray.api.measure",
    "pod": "coldray.api.pod",
    "read": "coldray.api.files",
    "read_board": "coldray.api.make",
    "restore": "coldray.api.restore",
    "simulate": "coldray.api.make",
    "snr": "coldray.api.measure",
    "stream": "coldray.api.stream",
    "write": "coldray.api.files",
}
__all__ = [
    "Detector",
    "FrequencyCurve",
    "Radiograph",
    "Restorer",
    "__version__",
    "bars_ctf",
    "certify",
    "characterise",
    "degrade",
    "duplex_isrb",
    "edge_mtf",
    "flat_nnps",
    "load_detector",
    "load_model",
    "neq_dqe",
    "pod",
    "read",
    "read_board",
    "restore",
    "simulate",
    "snr",
    "stream",
    "write",
]

if TYPE_CHECKING:
    from coldray.api.detector import characterise
    from coldray.api.files import read, write
    from coldray.api.forward import certify, degrade
    from coldray.api.make import read_board, simulate
    from coldray.api.measure import bars_ctf, duplex_isrb, edge_mtf, flat_nnps, neq_dqe, snr
    from coldray.api.pod import pod
    from coldray.api.restore import Restorer, restore
    from coldray.api.stream import stream
    from coldray.physics.curves import FrequencyCurve
    from coldray.physics.detector import Detector, load_detector
    from coldray.radiograph import Radiograph
    from coldray.restoration.model import load_model


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'coldray' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
