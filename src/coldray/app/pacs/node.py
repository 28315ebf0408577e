"""DICOM nodes: what they are called, where they listen, and what kinds of objects travel."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coldray.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    import socket
    from types import ModuleType

    from pydicom.uid import UID

OWN_AET = "COLDRAY"
"""Application entity title of ours, unless the user gives another."""
LONGEST_AET = 16
VERIFICATION = "1.2.840.10008.1.1"
"""SOP class of C-ECHO."""
KINDS = (
    "ComputedRadiographyImageStorage",
    "DigitalXRayImageStorageForPresentation",
    "DigitalXRayImageStorageForProcessing",
    "SecondaryCaptureImageStorage",
    "MultiFrameGrayscaleByteSecondaryCaptureImageStorage",
    "MultiFrameGrayscaleWordSecondaryCaptureImageStorage",
    "XRayAngiographicImageStorage",
    "XRayRadiofluoroscopicImageStorage",
    "RTImageStorage",
)
"""SOP classes that are received, by their names in pydicom: those whose images are X-ray projections."""
PLAIN = ("ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "ExplicitVRBigEndian")
PACKED = (
    "RLELossless",
    "JPEGLosslessSV1",
    "JPEGLossless",
    "JPEGLSLossless",
    "JPEG2000Lossless",
    "JPEG2000",
    "JPEGLSNearLossless",
    "JPEGBaseline8Bit",
    "JPEGExtended12Bit",
)
"""Compressed transfer syntaxes, of which those are offered that can be unpacked here."""


def checked_aet(text: str, parameter: str) -> str:
    """Application entity title: 1 to 16 printable ASCII characters but the backslash (PS3.5 6.2, AE).

    Raises
    ------
    SettingsError
        Naming `parameter`.
    """
    title = text.strip(" ")
    if not 1 <= len(title) <= LONGEST_AET or not (title.isascii() and title.isprintable()) or "\\" in title:
        raise SettingsError(
            f"`{parameter}` {text!r}: an AE title has 1 to {LONGEST_AET} ASCII characters and no backslash"
        )
    return title


@dataclass(frozen=True)
class Node:
    """A DICOM node that objects are sent to.

    Parameters
    ----------
    aet : str
        Its application entity title.
    host : str
        Name or address.
    port : int
    """

    aet: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, parameter: str = "to") -> Node:
        """Node from ``AET@HOST:PORT``; IPv6 addresses stand in brackets.

        Raises
        ------
        SettingsError
            Naming `parameter`, if the text is not of this form.
        """
        title, mark, place = text.rpartition("@")
        found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})", place)
        if not mark or found is None or not 0 < int(found[3]) < 65536:
            raise SettingsError(f"`{parameter}` {text!r}: write AET@HOST:PORT, such as ARCHIVE@pacs.example:104")
        return cls(checked_aet(title, parameter), found[1] or found[2], int(found[3]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.aet}@{host}:{self.port}"


def uids(names: tuple[str, ...]) -> list[UID]:
    """UIDs by their names in pydicom."""
    from pydicom import uid

    return [getattr(uid, name) for name in names]


def readable() -> list[UID]:
    """Transfer syntaxes whose pixels can be unpacked here."""
    from pydicom.pixels import get_decoder

    return [*uids(PLAIN), *(each for each in uids(PACKED) if get_decoder(each).is_available)]


def library(purpose: str) -> ModuleType:
    """The package pynetdicom, quiet.

    Raises
    ------
    MissingExtraError
        If it is not installed; `purpose` is what needs it.
    """
    try:
        import pynetdicom
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] != "pynetdicom":
            raise
        raise MissingExtraError("pynetdicom", "pacs", purpose) from None
    # nobody reads its log of every message, and to build the lines costs more than the work
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    return pynetdicom


def entity(aet: str, timeout_s: float, purpose: str) -> Any:
    """Application entity of ours in pynetdicom, every wait for the other side bounded [s]; errors as `library`."""
    base: Any = library(purpose).AE

    class Entity(base):
        def __init__(self, **named: Any) -> None:
            super().__init__(**named)
            self._opened: list[socket.socket] = []

        def _create_socket(self, *given: Any) -> Any:
            line = super()._create_socket(*given)
            self._opened.append(line.socket)
            return line

        def close_sockets(self) -> None:
            """Close what the library leaves open where the other side is gone."""
            for opened in self._opened:
                opened.close()

    own = Entity(ae_title=aet)
    own.acse_timeout = own.dimse_timeout = own.network_timeout = own.connection_timeout = timeout_s
    return own


Told = Callable[[str], None]
"""Takes one line of prose."""
