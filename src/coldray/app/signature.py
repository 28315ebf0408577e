"""Records that are signed with the user's own key: whoever changes one value afterwards is found.

The block ``signature`` of a record holds the Ed25519 signature over all the rest of it, and the key by its fingerprint.
The hashes in a record tie image and side files to it, so one signature covers them too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldray.document import Json, parse_json
from coldray.errors import MissingExtraError, SignatureError
from coldray.files import is_file, shown, told, write_new

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BLOCK = "signature"
ALGORITHM = "Ed25519"
PUBLIC = ".pub"
"""Ending of the file with the public key, beside the private one."""
LARGEST_BYTES = 65536
"""Longest file of a key that is read; one of coldray's has some 120 bytes."""
_VALUE = re.compile("[0-9a-f]{128}")


@dataclass(frozen=True)
class PublicKey:
    """A public key, as its 32 bytes."""

    content: bytes

    @property
    def fingerprint(self) -> str:
        """Sha256 of the key's 32 bytes, in hexadecimal digits."""
        return sha256(self.content).hexdigest()

    @property
    def pem(self) -> str:
        """The key as PEM text, SubjectPublicKeyInfo (RFC 8410)."""
        ed25519, serialization = _cryptography()
        key = ed25519.Ed25519PublicKey.from_public_bytes(self.content)
        text: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return text.decode("ascii")

    def fits(self, value: bytes, message: bytes) -> bool:
        """Whether a signature of a message was made with the private half of this key."""
        ed25519, _ = _cryptography()
        from cryptography.exceptions import InvalidSignature

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.content).verify(value, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Judgement:
    """What is known of the signature of a record.

    Parameters
    ----------
    state : {"signed", "unsigned", "unchecked", "other key", "wrong"}
        "signed" only if it was made with one of the keys that were given; "unchecked" if none was given.
    key : str, optional
        Fingerprint of the key that made it, as the record states it.
    problem : str, optional
        Why it does not hold, in a sentence.
    """

    state: str
    key: str | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {"state": self.state, "key": self.key}


def new_key(place: Path) -> PublicKey:
    """Make a key pair: the private one at a place, for its owner's eyes alone, the public one beside it.

    Parameters
    ----------
    place : Path
        Gets the private key, PEM (PKCS 8, RFC 8410) without a passphrase, permissions 0600; ``place.pub`` the public one.

    Returns
    -------
    PublicKey

    Raises
    ------
    SignatureError
        If one of the files exists.
    ImageWriteError
        If one cannot be written.
    MissingExtraError
        If the package `cryptography` is absent.
    """
    ed25519, serialization = _cryptography()
    beside = public_path(place)
    for path in (place, beside):
        if path.exists() or path.is_symlink():
            raise SignatureError(f"{shown(path)}: exists already, and a key is never replaced; choose another name")
    private = ed25519.Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = _public_of(private)
    write_new(place, text, mode=0o600)
    try:
        write_new(beside, public.pem.encode("ascii"))
    except BaseException:
        place.unlink()
        raise
    return public


def public_path(place: Path) -> Path:
    """Where the public half of a private key lies."""
    return place.with_name(place.name + PUBLIC)


def read_private(place: Path) -> Ed25519PrivateKey:
    """Read a private key that signs.

    Parameters
    ----------
    place : Path
        PEM, of coldray or of openssl, without a passphrase.

    Returns
    -------
    Ed25519PrivateKey

    Raises
    ------
    SignatureError
        If the file is missing, no private key of Ed25519, or locked by a passphrase.
    MissingExtraError
        If the package `cryptography` is absent.
    """
    ed25519, serialization = _cryptography()
    content = _content(place)
    if b"PRIVATE KEY" not in content:
        raise SignatureError(f"{shown(place)}: holds no private key; signing takes the file that `key new` wrote")
    try:
        found = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise SignatureError(f"{shown(place)}: is locked by a passphrase; give a key without one") from None
    except Exception as problem:
        raise SignatureError(
            f"{shown(place)}: cannot be read as a key ({told(problem)}); make one by `key new`"
        ) from None
    if not isinstance(found, ed25519.Ed25519PrivateKey):
        raise SignatureError(f"{shown(place)}: a key of another kind; {ALGORITHM} is needed, make one by `key new`")
    return found


def read_public(place: Path, private_too: bool = False) -> PublicKey:
    """Read the public key of a file.

    Parameters
    ----------
    place : Path
        PEM.
    private_too : bool
        Whether the file may hold the private key, of which the public one is worked out.

    Returns
    -------
    PublicKey

    Raises
    ------
    SignatureError
        If the file is missing or holds no such key.
    MissingExtraError
        If the package `cryptography` is absent.
    """
    ed25519, serialization = _cryptography()
    content = _content(place)
    if b"PRIVATE KEY" in content:
        if not private_too:
            raise SignatureError(
                f"{shown(place)}: holds a private key, which checks nothing; give the public one, {shown(public_path(place))}"
            )
        return _public_of(read_private(place))
    try:
        found = serialization.load_pem_public_key(content)
    except Exception as problem:
        raise SignatureError(f"{shown(place)}: cannot be read as a public key ({told(problem)})") from None
    if not isinstance(found, ed25519.Ed25519PublicKey):
        raise SignatureError(f"{shown(place)}: a key of another kind; {ALGORITHM} is needed")
    return PublicKey(found.public_bytes_raw())


def canonical(record: Mapping[str, Json]) -> bytes:
    """Bytes of a record that are signed: all of it but its signature.

    Parameters
    ----------
    record : mapping
        As read from JSON.

    Returns
    -------
    bytes
        JSON in ASCII, names sorted, no spaces, numbers as Python writes them: the same however the file is laid out.
    """
    rest = {name: part for name, part in record.items() if name != BLOCK}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def signed(record: Mapping[str, Json], place: Path) -> dict[str, Json]:
    """Sign a record.

    Parameters
    ----------
    record : mapping
        JSON-able, of finite numbers.
    place : Path
        File of the private key.

    Returns
    -------
    dict
        As it will be read again, with the block ``signature``: ``algorithm``, ``key`` (fingerprint), ``value``.

    Raises
    ------
    SignatureError, MissingExtraError
        As `read_private`.
    """
    key = read_private(place)
    whole: dict[str, Json] = parse_json(json.dumps(record, allow_nan=False), "the record", SignatureError)
    block = {
        "algorithm": ALGORITHM,
        "key": _public_of(key).fingerprint,
        "value": key.sign(canonical(whole)).hex(),
    }
    return whole | {BLOCK: block}


def signer_of(place: Path) -> str:
    """Fingerprint of the key that signs, read and checked; raises as `read_private`."""
    return _public_of(read_private(place)).fingerprint


def judge(record: Mapping[str, Any], keys: Sequence[PublicKey]) -> Judgement:
    """Check the signature of a record.

    Parameters
    ----------
    record : mapping
        As read from JSON; an empty one has no signature.
    keys : sequence of PublicKey
        Those that the user trusts; none if he asks for no signature.

    Returns
    -------
    Judgement
    """
    if BLOCK not in record:
        return Judgement("unsigned", problem="the record is not signed" if keys else None)
    block = record[BLOCK]
    stated = block.get("key") if isinstance(block, Mapping) else None
    name = stated if isinstance(stated, str) else None
    if (
        name is None
        or block.keys() != {"algorithm", "key", "value"}
        or block["algorithm"] != ALGORITHM
        or not isinstance(block["value"], str)
        or not _VALUE.fullmatch(block["value"])
    ):
        return Judgement(
            "wrong", name, "the signature of the record is none of coldray's: it was changed or is damaged"
        )
    if not keys:
        return Judgement("unchecked", name)
    trusted = next((key for key in keys if key.fingerprint == name), None)
    if trusted is None:
        given = ", ".join(key.fingerprint[:16] for key in keys)
        return Judgement("other key", name, f"the record is signed by another key ({name[:16]}…) than given ({given}…)")
    if not trusted.fits(bytes.fromhex(block["value"]), canonical(record)):
        return Judgement("wrong", name, "the signature is wrong: the record was changed after it was signed")
    return Judgement("signed", name)


def _cryptography() -> tuple[Any, Any]:
    """Modules `ed25519` and `serialization` of the package cryptography."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise MissingExtraError("cryptography", "sign", "signing records") from None
    return ed25519, serialization


def _public_of(key: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(key.public_key().public_bytes_raw())


def _content(place: Path) -> bytes:
    """Content of a key's file, bounded."""
    if not is_file(place):
        raise SignatureError(f"{shown(place)}: there is no such file; make a key by `key new`")
    try:
        with open(place, "rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as problem:
        raise SignatureError(f"{shown(place)}: cannot be read ({told(problem)})") from None
    if len(content) > LARGEST_BYTES:
        raise SignatureError(f"{shown(place)}: is no key; one has at most {LARGEST_BYTES} bytes")
    return content
