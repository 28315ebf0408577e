"""C-STORE and C-ECHO as a user of the service: objects go to another node, one association for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.app.pacs.node import PLAIN, VERIFICATION, Node, entity, library, uids
from coldray.errors import ImageReadError, PeerError
from coldray.files import shown, told

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.pdu_primitives import A_ASSOCIATE

PURPOSE = "sending to a DICOM node"
TIMEOUT_S = 30.0
MOST_CONTEXTS = 127
"""Of one association: their numbers are the odd ones of a byte (PS3.8 9.3.2.2), and one is for C-ECHO."""
STORED = {0x0000, 0xB000, 0xB006, 0xB007}
"""Statuses of an object that the other side keeps: success and its warnings (PS3.4 B.2.3)."""
OUT_OF_RESOURCES = 0xA7
NOT_SUPPORTED = 0x0122
FAILURES = {
    OUT_OF_RESOURCES: "out of resources",
    0xA9: "data set does not match its SOP class",
    0xC0: "cannot understand it",
}
"""Words for the first byte of a status."""


Context = tuple[str, tuple[str, ...]]
"""SOP class and transfer syntaxes that are asked for."""


@dataclass(frozen=True)
class Parcel:
    """An object to be sent: its file, and how it presents itself."""

    path: Path
    sop_class: str
    instance: str
    syntax: str

    @property
    def context(self) -> Context:
        """SOP class and transfer syntaxes to ask for; what is uncompressed can be turned into its siblings."""
        little = tuple(uids(PLAIN)[:2])
        return self.sop_class, (self.syntax, *(s for s in little if s != self.syntax and self.syntax in little))


def parcel(path: Path) -> Parcel:
    """Read what an object says of itself; its pixels stay on the disk.

    Raises
    ------
    ImageReadError
        If it is no DICOM file, or does not say what it is.
    """
    import pydicom

    if not path.is_file():
        raise ImageReadError(f"{shown(path)} does not exist; check the name")
    try:
        found = pydicom.dcmread(path, stop_before_pixels=True)
        named = (found.SOPClassUID, found.SOPInstanceUID, found.file_meta.TransferSyntaxUID)
    except Exception as problem:  # pydicom raises many types for files that are none
        raise ImageReadError(
            f"{shown(path)}: not a whole DICOM object ({told(problem)}); push sends DICOM files, which `restore` writes "
            "when OUT, or its input, ends in .dcm"
        ) from None
    return Parcel(path, *(str(uid) for uid in named))


@contextmanager
def _association(node: Node, aet: str, asked: set[Context], timeout_s: float) -> Iterator[Association]:
    """Association with a node, released at the end; PeerError if there is none."""
    own = entity(aet, timeout_s, PURPOSE)
    echo = (VERIFICATION, tuple(uids(PLAIN)))
    contexts = [library(PURPOSE).build_context(kind, list(syntaxes)) for kind, syntaxes in (echo, *sorted(asked))]
    opened: list[Event] = []
    heard = [(library(PURPOSE).evt.EVT_CONN_OPEN, opened.append)]
    try:
        line = own.associate(node.host, node.port, contexts=contexts, ae_title=node.aet, evt_handlers=heard)
        answer = _answer(line)
        if opened and not line.is_established and answer is None:
            # whoever refuses and hangs up at once may be heard hanging up first
            line = own.associate(node.host, node.port, contexts=contexts, ae_title=node.aet)
            answer = _answer(line)
    except OSError as problem:
        raise PeerError(f"{node}: no such host ({told(problem)}); check the address") from None
    if not line.is_established:
        own.close_sockets()
        if answer is not None and answer.result != 0:
            raise PeerError(f"{node} rejects {aet}: {answer.reason_str.lower()}; check both AE titles there and here")
        if answer is not None:
            raise PeerError(f"{node} lets {aet} in, but takes no objects of these kinds; allow them there")
        raise PeerError(f"{node}: no DICOM node answers; check that it runs, its address, port and AE title")
    try:
        yield line
    finally:
        with suppress(Exception):  # it may be gone already
            line.release() if line.is_established else line.abort()
        own.close_sockets()


def _answer(line: Association) -> A_ASSOCIATE | None:
    """What a node said to being asked for an association; None if nothing was heard of it.

    Where a refusal came and the line was closed before pynetdicom looked, it takes the line for one that was never open, and leaves
    the refusal in its queue.
    """
    from pynetdicom.pdu_primitives import A_ASSOCIATE

    if line.acceptor.primitive is not None or line.is_established:
        return line.acceptor.primitive
    found = line.dul.receive_pdu(wait=False)
    return found if isinstance(found, A_ASSOCIATE) else None


def echo(node: Node, aet: str, timeout_s: float = TIMEOUT_S) -> float:
    """Ask a node whether it listens to us (C-ECHO).

    Returns
    -------
    float
        How long the answer took [s].

    Raises
    ------
    PeerError
        If it does not.
    MissingExtraError
        If the extra `pacs` is not installed.
    """
    with _association(node, aet, set(), timeout_s) as line:
        began = time.monotonic()
        status = line.send_c_echo()
        took_s = time.monotonic() - began
    if "Status" not in status or status.Status != 0:
        raise PeerError(f"{node}: no answer to C-ECHO within {timeout_s:g} s; try again")
    return took_s


@dataclass(frozen=True)
class Answer:
    """What became of an object.

    Parameters
    ----------
    parcel : Parcel
    problem : PeerError, optional
        Why the node has not stored it.
    status : int, optional
        DIMSE status; None if no answer came.
    """

    parcel: Parcel
    problem: PeerError | None = None
    status: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether to send the object again is of no use: the node has it, or refuses it for what it is."""
        return self.status is not None and self.status >> 8 != OUT_OF_RESOURCES


def send(parcels: Sequence[Parcel], node: Node, aet: str, timeout_s: float = TIMEOUT_S) -> Iterator[Answer]:
    """Send objects (C-STORE).

    Parameters
    ----------
    parcels : sequence of Parcel
    node : Node
    aet : str
        Ours.
    timeout_s : float
        Longest wait for an answer [s].

    Yields
    ------
    Answer
        One for every object, in an order that saves associations; after a lost connection all that is left has failed.

    Raises
    ------
    MissingExtraError
        If the extra `pacs` is not installed.
    """
    left = list(parcels)
    while left:
        asked = set(list(dict.fromkeys(one.context for one in left))[:MOST_CONTEXTS])
        yield from _send_together([one for one in left if one.context in asked], asked, node, aet, timeout_s)
        left = [one for one in left if one.context not in asked]


def _send_together(
    parcels: list[Parcel], asked: set[Context], node: Node, aet: str, timeout_s: float
) -> Iterator[Answer]:
    """Send over one association."""
    waiting = iter(parcels)
    try:
        with _association(node, aet, asked, timeout_s) as line:
            for one in waiting:
                yield _store(line, one, node)
                if not line.is_established:
                    break
        gone = PeerError(f"{node}: the connection was lost; push what is left again")
    except PeerError as problem:
        gone = problem
    for one in waiting:
        yield Answer(one, gone)


def _store(line: Association, one: Parcel, node: Node) -> Answer:
    """One C-STORE."""
    from pydicom.uid import UID

    if not any(one.sop_class == each.abstract_syntax for each in line.accepted_contexts):
        kind = f"{UID(one.sop_class).name}, {UID(one.syntax).name}"
        return Answer(one, PeerError(f"{node} takes no objects of this kind ({kind}); allow it there"), NOT_SUPPORTED)
    try:
        status = line.send_c_store(one.path)
    except (ValueError, AttributeError, RuntimeError, OSError) as problem:
        return Answer(one, PeerError(f"{shown(one.path)}: cannot be sent to {node} ({told(problem)}); check the file"))
    if "Status" not in status:
        return Answer(one, PeerError(f"{node}: no answer to {shown(one.path)}; push it again"))
    if status.Status in STORED:
        return Answer(one, None, status.Status)
    words = str(status.get("ErrorComment", "") or "") or FAILURES.get(status.Status >> 8, "no reason given")
    refused = PeerError(f"{node} refuses {shown(one.path)}: status 0x{status.Status:04X}, {words}")
    return Answer(one, refused, status.Status)
