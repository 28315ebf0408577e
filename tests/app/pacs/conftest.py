"""Small simulated DICOM objects, and a DICOM node of the library's own to send to."""

import time
from contextlib import contextmanager

import numpy as np
import pytest

from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph

pytest.importorskip("pynetdicom", reason="DICOM nodes need the extra pacs")

from coldray.app.pacs.node import KINDS, Node, readable, uids

HANGS_S = 300.0
"""Only what hangs takes longer; no verdict depends on it."""


@pytest.fixture(scope="session")
def until():
    def wait_until(condition):
        ends = time.monotonic() + HANGS_S
        while not (found := condition()):
            assert time.monotonic() < ends, "waited in vain"
            time.sleep(0.02)
        return found

    return wait_until


@pytest.fixture(scope="session")
def write_object():
    """Write a simulated object; the more, the larger `side`."""

    def write(path, random_state=0, side=64):
        rng = np.random.default_rng(random_state)
        stored = np.rint(40_000 * (0.7 + 0.02 * rng.standard_normal((side, side)))).astype(np.uint16)
        known = Acquisition(pixel_pitch_mm=0.048, open_beam=50_000.0, exposure_s=0.25, linear=True)
        write_image(path, Radiograph(stored, known))
        return path

    return write


@pytest.fixture
def object_file(tmp_path, write_object):
    return write_object(tmp_path / "part.dcm")


@pytest.fixture(scope="session")
def archive():
    """A node that keeps what it is sent in `kept`; `status` is what it answers, by the number of the object."""
    import pynetdicom

    @contextmanager
    def running(aet="ARCHIVE", status=lambda number: 0, kinds=KINDS, callers=()):
        kept = []

        def store(event):
            kept.append(event.dataset)
            return status(len(kept))

        own = pynetdicom.AE(aet)
        own.require_called_aet, own.require_calling_aet = True, list(callers)
        for kind in uids(kinds):
            own.add_supported_context(kind, readable())
        own.add_supported_context("1.2.840.10008.1.1")
        server = own.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(pynetdicom.evt.EVT_C_STORE, store)])
        try:
            yield Node(aet, "127.0.0.1", server.server_address[1]), kept
        finally:
            server.shutdown()
            own.shutdown()

    return running
