"""Signed records: every value is covered, wherever it stands; keys are written once, whole, and for their owner alone."""

import json
import os
import re
import stat
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.app.signature import canonical, judge, new_key, read_private, read_public, signed, signer_of
from coldray.errors import ImageWriteError, MissingExtraError, SignatureError

pytest.importorskip("cryptography", reason="needs the extra sign")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two private keys, `a` and `b`, with their public halves beside them."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("a", "b"):
        new_key(folder / name)
    return folder


def relaid(record):
    """The same values laid out otherwise: read again from text with names in another order and other spaces."""
    return json.loads(json.dumps(dict(reversed(record.items())), indent=3, ensure_ascii=False))


@given(content=st.dictionaries(st.text(), VALUES, max_size=4))
def test_whatever_is_signed_holds_however_it_is_laid_out(keys, content):
    content.pop("signature", None)
    record = signed(content, keys / "a")
    trusted = (read_public(keys / "a.pub"),)
    assert {name: part for name, part in record.items() if name != "signature"} == content
    assert judge(record, trusted).state == judge(relaid(record), trusted).state == "signed"
    assert judge(record, trusted).key == trusted[0].fingerprint == signer_of(keys / "a")


@given(content=st.dictionaries(st.text(), VALUES, max_size=4), other=st.dictionaries(st.text(), VALUES, max_size=4))
def test_other_values_have_other_bytes(content, other):
    for record in (content, other):
        record.pop("signature", None)
    # 1, 1.0 and True are equal in Python, and three different values of JSON
    same = json.dumps(content, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(content) == canonical(other)) is same


def test_of_several_keys_one_is_enough_and_none_asks_for_nothing(keys):
    record = signed({"verdict": "consistent"}, keys / "b")
    a, b = (read_public(keys / f"{name}.pub") for name in ("a", "b"))
    assert judge(record, (a, b)).problem is None
    assert judge(record, (a,)).state == "other key"
    assert judge(record, ()).state == "unchecked" and judge(record, ()).problem is None
    assert judge({}, ()).problem is None and judge({}, (a,)).problem == "the record is not signed"


@pytest.mark.parametrize(
    "block",
    [None, "signed", [], {}, {"algorithm": "Ed25519"}, {"key": 3}],
    ids=str,
)
def test_a_block_that_is_none_of_ours_is_wrong_with_and_without_a_key(keys, block):
    record = {"verdict": "consistent", "signature": block}
    for given_keys in ((), (read_public(keys / "a.pub"),)):
        assert judge(record, given_keys).state == "wrong" and judge(record, given_keys).problem


def test_a_block_says_nothing_but_what_was_signed(keys):
    trusted, record = (read_public(keys / "a.pub"),), signed({"verdict": "consistent"}, keys / "a")
    block = record["signature"]
    for changed in (
        block | {"approved": True},
        block | {"algorithm": "ed25519"},
        block | {"value": block["value"].upper() if re.search("[a-f]", block["value"]) else block["value"] + " "},
        block | {"value": "0" * 128},
        {name: part for name, part in block.items() if name != "algorithm"},
    ):
        assert judge(record | {"signature": changed}, trusted).state == "wrong"


def test_the_bytes_are_those_that_other_tools_can_make():
    record = {"b": [1, 0.25, True, None], "a": "µ", "signature": {"value": "x"}}
    assert canonical(record) == b'{"a":"\\u00b5","b":[1,0.25,true,null]}'


def test_a_key_is_for_its_owner_alone_and_never_replaced(tmp_path):
    made = new_key(tmp_path / "my.key")
    assert read_public(tmp_path / "my.key.pub").content == made.content
    assert read_public(tmp_path / "my.key", private_too=True).fingerprint == made.fingerprint
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "my.key").stat().st_mode) == 0o600
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"my.key", "my.key.pub"}
    with pytest.raises(SignatureError, match="my.key: exists already"):
        new_key(tmp_path / "my.key")
    (tmp_path / "my.key").rename(tmp_path / "kept")
    with pytest.raises(SignatureError, match="my.key.pub: exists already"):
        new_key(tmp_path / "my.key")
    assert (tmp_path / "my.key.pub").read_bytes() == before["my.key.pub"] and not (tmp_path / "my.key").exists()


def test_half_a_pair_is_not_left(tmp_path, monkeypatch):
    from coldray.app import signature

    def full(path, content, mode=0o666):
        if path.name.endswith(".pub"):
            raise ImageWriteError("full")
        path.write_bytes(content)

    monkeypatch.setattr(signature, "write_new", full)
    with pytest.raises(ImageWriteError):
        new_key(tmp_path / "my.key")
    assert not list(tmp_path.iterdir())


def test_what_is_no_key_is_refused_by_name_and_cause(keys, tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem, pkcs = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    other = ec.generate_private_key(ec.SECP256R1())
    locked = serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "ec").write_bytes(other.private_bytes(pem, pkcs, serialization.NoEncryption()))
    (tmp_path / "ec.pub").write_bytes(
        other.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "locked").write_bytes(read_private(keys / "a").private_bytes(pem, pkcs, locked))
    (tmp_path / "cut").write_bytes((keys / "a").read_bytes()[:60])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "long").write_bytes(b"\n" * 10**5)
    for place, private, public in (
        (tmp_path / "absent", "no such file", "no such file"),
        (tmp_path, "no such file", "no such file"),
        (tmp_path / "ec", "another kind", "holds a private key"),
        (tmp_path / "ec.pub", "no private key", "another kind"),
        (tmp_path / "locked", "passphrase", "holds a private key"),
        (tmp_path / "cut", "cannot be read as a key", "holds a private key"),
        (tmp_path / "empty", "no private key", "cannot be read as a public key"),
        (tmp_path / "long", "at most", "at most"),
        (keys / "a.pub", "no private key", None),
        (keys / "a", None, "holds a private key"),
    ):
        for read, refused in ((read_private, private), (read_public, public)):
            if refused is not None:
                with pytest.raises(SignatureError, match=f"^{re.escape(place.name)}: .*{refused}") as told:
                    read(place)
                assert "\n" not in str(told.value)


def test_without_the_package_one_line_says_what_to_install(keys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    for call in (
        lambda: signed({}, keys / "a"),
        lambda: read_public(keys / "a.pub"),
        lambda: new_key(keys / "c"),
        lambda: signer_of(keys / "a"),
    ):
        with pytest.raises(MissingExtraError, match=r"^signing records needs .*pip install 'coldray\[sign\]'$"):
            call()
    assert not (keys / "c").exists()
    assert judge({}, ()).state == "unsigned"
