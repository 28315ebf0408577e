"""C-STORE and C-ECHO as the provider of the service: objects of machines arrive as whole files in one folder.

What comes is hostile until it is read: titles are checked, connections, bytes and time are bounded, names are ours.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from coldray.app.console import printable
from coldray.app.pacs.node import KINDS, OWN_AET, PLAIN, VERIFICATION, Told, entity, library, readable, uids
from coldray.errors import ColdrayError, SettingsError
from coldray.files import told, write_atomically

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID
    from pynetdicom.events import Event

PURPOSE = "`serve` with `dicom_port`"
CONNECTIONS = 8
"""Open at once; further ones are closed unheard."""
SILENT_S = 30.0
"""Longest silence of the other side, idle associations included."""
OBJECT_S = 900.0
"""Longest time that one object may take."""
OVERHEAD_BYTES = 2**20
"""Allowed for what travels around an object: the request of the association, command sets, headers of PDUs."""
RESERVE_BYTES = 2**29
"""Space on the disk that is left free, so that results and ledger still fit."""
SUCCESS, OUT_OF_RESOURCES, MISMATCH, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
"""Statuses of C-STORE (PS3.4 B.2.3)."""
_PIXEL_TAG = 0x7FE00000


@dataclass(frozen=True)
class Listening:
    """Where machines send to, who may, and how much.

    Parameters
    ----------
    host, port
        Address to bind; port 0 takes a free one.
    aet : str
        Ours; calls for another title are rejected.
    callers : tuple of str
        Titles that may call; all, if there is none.
    max_bytes : int
        Largest object [bytes].
    reserve_bytes : int
        Space on the disk that is left free [bytes].
    """

    host: str = "127.0.0.1"
    port: int = 0
    aet: str = OWN_AET
    callers: tuple[str, ...] = ()
    max_bytes: int = 2**29
    reserve_bytes: int = RESERVE_BYTES


class _Metered(socket.socket):
    """Connection that gives no more bytes than one object may have, and waits for none for ever.

    pynetdicom believes the length that a PDU states, and collects the PDUs of an object in memory; the bound lies below it.
    """

    def begin(self, most_bytes: int, exceeded: Told) -> None:
        """Bound what comes between two finished messages; `exceeded` is told why a connection ends."""
        self._most_bytes, self._exceeded = most_bytes, exceeded
        self._read = self._done = 0
        self._began = time.monotonic()
        self._ends: deque[int] = deque()
        self.settimeout(SILENT_S)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Bytes as they come; OSError beyond the bounds, which ends the association."""
        left = self._most_bytes - (self._read - self._done)
        if self._read == self._done:
            self._began = time.monotonic()
        if left <= 0 or time.monotonic() - self._began > OBJECT_S:
            words = f"sends an object of more than {self._most_bytes - OVERHEAD_BYTES} bytes"
            self._exceeded(words if left <= 0 else f"needs more than {OBJECT_S:g} s for an object")
            raise OSError("an object beyond the bounds")
        data = super().recv(min(size, left), flags)
        self._read += len(data)
        return data

    def shutdown(self, how: int) -> None:
        """End both directions; where the other side is gone that is no reason not to close, which the library does next."""
        with suppress(OSError):
            super().shutdown(how)

    def message_ends(self) -> None:
        """A message is whole: all that came so far belongs to it or to those before."""
        self._ends.append(self._read)

    def message_done(self) -> None:
        """The oldest message is dealt with, and its bytes are free again."""
        if self._ends:
            self._done, self._began = self._ends.popleft(), time.monotonic()


class Receiver:
    """Listen for objects and store them.

    Parameters
    ----------
    folder : Path
        Where objects go, under names made of their content; made if absent.
    listening : Listening
    say : callable
        Takes one line for every object that is not stored.

    Raises
    ------
    SettingsError
        If the address cannot be bound.
    MissingExtraError
        If the extra `pacs` is not installed.
    """

    def __init__(self, folder: Path, listening: Listening, say: Told) -> None:
        self._folder, self._listening, self._say = folder, listening, say
        folder.mkdir(parents=True, exist_ok=True)
        own = entity(listening.aet, SILENT_S, PURPOSE)
        own.require_called_aet = True
        own.require_calling_aet = list(listening.callers)
        own.maximum_associations = CONNECTIONS
        syntaxes = readable()
        for kind in uids(KINDS):
            own.add_supported_context(kind, syntaxes)
        own.add_supported_context(VERIFICATION, uids(PLAIN))
        events = library(PURPOSE).evt
        handlers = [
            (events.EVT_C_STORE, self._store),
            (events.EVT_C_ECHO, self._echo),
            (events.EVT_DIMSE_RECV, self._message_ends),
        ]
        try:
            self._server = own.make_server(
                (listening.host, listening.port),
                evt_handlers=handlers,
                server_class=_server_class(),
                begin=self._begin,
            )
        except OSError as problem:
            place = f"{listening.host} port {listening.port}"
            raise SettingsError(f"cannot listen on {place} ({told(problem)}); choose another `dicom_port`") from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="coldray-dicom")
        self._thread.daemon = True
        self._thread.start()

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening, and end the associations there are; an object that is not whole is not stored."""
        self._server.shutdown()
        self._thread.join(10)

    def _begin(self, line: _Metered, address: tuple[str, int]) -> None:
        """Bound a new connection."""

        def exceeded(words: str) -> None:
            self._say(f"coldray: {address[0]} {words}; the connection is closed")

        line.begin(self._listening.max_bytes + OVERHEAD_BYTES, exceeded)

    def _message_ends(self, event: Event) -> None:
        """Called in the thread that reads, for each whole message that a handler will see."""
        if type(event.message).__name__ in ("C_STORE_RQ", "C_ECHO_RQ") and (line := _meter(event)) is not None:
            line.message_ends()

    def _echo(self, event: Event) -> int:
        """C-ECHO."""
        if (line := _meter(event)) is not None:
            line.message_done()
        return SUCCESS

    def _store(self, event: Event) -> Dataset:
        """C-STORE: a whole file, or a status that says why not."""
        from pydicom.dataset import Dataset

        answer = Dataset()
        try:
            status, words = self._take(event)
        except Exception as problem:  # whatever a hostile object leads to ends here
            status, words = NOT_UNDERSTOOD, f"{type(problem).__name__}: {told(problem)}"
        finally:
            if (line := _meter(event)) is not None:
                line.message_done()
        answer.Status = status
        if words:
            answer.ErrorComment = "".join(c if c.isascii() and c.isprintable() and c != "\\" else "?" for c in words)[
                :64
            ]
            caller = printable(event.assoc.requestor.ae_title)
            self._say(
                f"coldray: an object of {caller} ({event.assoc.requestor.address}) is refused: {printable(words)}"
            )
        return answer

    def _take(self, event: Any) -> tuple[int, str]:
        """Check and store one object; status, and why it is not stored."""
        from coldray.formats.dicom import check_header, verbs_of

        request, context = event.request, event.context
        data = request.DataSet.getbuffer()
        size = len(data)
        if size > self._listening.max_bytes:
            return OUT_OF_RESOURCES, f"{size} bytes where {self._listening.max_bytes} are allowed"
        free = shutil.disk_usage(self._folder).free
        if free - 2 * size < self._listening.reserve_bytes:
            return OUT_OF_RESOURCES, f"{free} bytes are free on the disk; make room"
        header = _header(request.DataSet, context.transfer_syntax)
        known = (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID)
        if (header.get("SOPClassUID"), header.get("SOPInstanceUID")) != known or known[0] != context.abstract_syntax:
            return MISMATCH, "the object is not what its request says"
        try:
            check_header("the object", header, context.transfer_syntax, size)
        except ColdrayError as problem:
            return NOT_UNDERSTOOD, str(problem)
        if "restore" in verbs_of(header):  # an archive that forwards what it is sent would keep both busy for ever
            return NOT_UNDERSTOOD, "it was restored before; send the original"
        meta = _meta(event.file_meta)
        digest = hashlib.sha256(meta)
        digest.update(data)
        path = self._folder / f"{digest.hexdigest()[:32]}.dcm"

        def write(file: BinaryIO) -> None:
            file.write(meta)
            file.write(data)

        if not path.exists():
            try:
                write_atomically(path, write)
            except ColdrayError as problem:
                return OUT_OF_RESOURCES, str(problem)
        return SUCCESS, ""


def _meter(event: Event) -> _Metered | None:
    """Connection that an event came over, if it still stands."""
    line = getattr(event.assoc.dul.socket, "socket", None)
    return line if isinstance(line, _Metered) else None


def _header(data: BytesIO, syntax: UID) -> Dataset:
    """Elements before the pixels."""
    from pydicom.filereader import read_dataset

    data.seek(0)
    stop: Callable[..., bool] = lambda tag, vr, length: tag >= _PIXEL_TAG  # noqa: E731
    return read_dataset(data, syntax.is_implicit_VR, syntax.is_little_endian, stop_when=stop)


def _meta(known: FileMetaDataset) -> bytes:
    """Preamble and meta group of a file."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info

    begins = DicomBytesIO()
    begins.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(begins, known)
    return begins.getvalue()


def _server_class() -> Any:
    """Server of pynetdicom within our bounds; made here, for the package is loaded when it is first used."""
    from pynetdicom.transport import AssociationServer

    class Server(AssociationServer):
        def __init__(self, *args: Any, begin: Callable[[_Metered, tuple[str, int]], None], **more: Any) -> None:
            self._begin = begin
            super().__init__(*args, **more)

        def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
            client, address = super().get_request()
            line = _Metered(client.family, client.type, client.proto, fileno=client.detach())
            self._begin(line, address)
            return line, address

        def verify_request(
            self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int]
        ) -> bool:
            return len(self.active_associations) < CONNECTIONS

        def handle_error(
            self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int]
        ) -> None:
            """One connection that fails costs one connection."""

        def shutdown(self) -> None:
            super(AssociationServer, self).shutdown()
            self.server_close()
            for line in self.active_associations:
                with suppress(Exception):
                    line.abort()

    return Server
