"""`key`, `restore --sign` and `verify --key`: of a signed record every changed value is found, also what nobody can work out."""

import json

import pytest

from coldray.app.said import determined, leaves
from coldray.app.signature import judge, new_key, read_public
from coldray.formats import read_image

from .conftest import changed, replaced

pytest.importorskip("cryptography", reason="needs the extra sign")

SETTINGS = ("--method", "wiener", "--exposure-s", "0.25")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    for name in ("own.key", "other.key"):
        new_key(folder / name)
    return folder


@pytest.fixture
def key(folder):
    return folder / "own.key"


@pytest.fixture
def public(folder):
    return folder / "own.key.pub"


@pytest.fixture
def restored(call, put, folder, key):
    """A restored file with its signed record beside it, the same for all tests here."""
    target = folder / "out.tif"
    if not target.exists():
        put(folder / "scan.tif", 3)
        assert call("restore", folder / "scan.tif", "-o", target, *SETTINGS, "--map", "--sign", key)[0] == 0
    return target


def test_a_signed_result_is_told_with_its_key(call, restored, public, key):
    fingerprint = json.loads(call("key", "show", public, "--json")[1])["fingerprint"]
    code, out, _ = call("verify", restored, "--key", public, "--json")
    assert code == 0 and json.loads(out)["signature"] == {"state": "signed", "key": fingerprint}
    assert f"signature signed by {fingerprint}" in call("verify", restored, "--key", public)[1]
    code, out, _ = call("verify", restored)
    assert code == 0 and f"not checked, for no --key is given; it names {fingerprint}" in out
    assert key.read_text().splitlines()[1] not in (restored.parent / "out.tif.json").read_text()


def test_each_changed_value_of_a_signed_record_is_found(restored, public):
    record = json.loads((restored.parent / "out.tif.json").read_text())
    trusted = (read_public(public),)
    known = dict(leaves(record))
    assert len(known) > 140 and sum(not determined(place) for place in known) > 15
    assert judge(record, trusted).problem is None
    for place, value in known.items():
        assert judge(replaced(record, place, changed(value)), trusted).problem, place
        if isinstance(value, float) and value.is_integer():
            assert judge(replaced(record, place, int(value)), trusted).problem, place
    for name in record:
        assert judge({other: part for other, part in record.items() if other != name}, trusted).problem, name
    assert judge(record | {"approved": True}, trusted).problem


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("seconds",), 0.0, "signature is wrong"),
        (("output",), "other.tif", "signature is wrong"),
        (("recipe", "environment", "machine"), "another", "signature is wrong"),
        (("signature", "key"), "0" * 64, "signed by another key"),
        (("signature", "value"), "0" * 128, "signature is wrong"),
        (("signature",), None, "none of coldray's"),
    ],
    ids=lambda given: ".".join(given) if isinstance(given, tuple) else "",
)
def test_verify_finds_what_no_restoration_determines(call, restored, public, place, value, told):
    beside = restored.parent / "out.tif.json"
    record = beside.read_text()
    try:
        beside.write_text(json.dumps(replaced(json.loads(record), place, value)))
        code, out, err = call("verify", restored, "--key", public, "--json")
    finally:
        beside.write_text(record)
    assert code == 1 and told in err + out and json.loads(out)["signature"]["state"] != "signed"


def test_a_name_that_stands_twice_hides_nothing(call, restored, public):
    """What a reader that takes the first of two names would see was never signed."""
    beside = restored.parent / "out.tif.json"
    record = beside.read_text()
    try:
        beside.write_text(record.replace("{", '{"clipped_pixels": 999999,', 1))
        code, out, _ = call("verify", restored, "--key", public, "--json")
    finally:
        beside.write_text(record)
    assert code == 1 and "out.tif.json is damaged" in json.loads(out)["problems"]


def test_who_asks_for_a_signature_gets_one_or_code_1(call, put, restored, folder, public, tmp_path):
    put(tmp_path / "scan.tif", 3)
    unsigned = tmp_path / "out.tif"
    assert call("restore", tmp_path / "scan.tif", "-o", unsigned, *SETTINGS)[0] == 0
    code, out, err = call("verify", unsigned, "--key", public)
    assert code == 1 and "signature not signed" in out and "the record is not signed" in err
    assert call("verify", restored, "--key", folder / "other.key.pub")[0] == 1
    assert call("verify", restored, "--key", folder / "other.key.pub", "--key", public)[0] == 0
    # without the record there is the image's own history, which nobody signed
    (tmp_path / "out.tif.json").unlink()
    assert call("verify", unsigned, "--input", tmp_path / "scan.tif")[0] == 0
    assert call("verify", unsigned, "--input", tmp_path / "scan.tif", "--key", public)[0] == 1
    # a key that checks nothing, or is not there, is no verdict on the file
    for place in (folder / "own.key", folder / "absent.pub"):
        code, out, err = call("verify", restored, "--key", place)
        assert code == 3 and err.startswith(f"coldray: {place.name}: ")


def test_a_folder_is_signed_file_by_file(call, put, key, public, tmp_path):
    scans, out = tmp_path / "scans", tmp_path / "out"
    for number in (1, 2):
        put(scans / f"{number}.tif", number)
    restore = ("restore", scans, "-o", out, *SETTINGS, "--sign", key, "--json")
    code, said, _ = call(*restore)
    entries = json.loads(said)["files"]
    assert code == 0 and {entry["signed_by"] for entry in entries} == {read_public(public).fingerprint}
    assert call("verify", out, "--key", public)[0] == 0 and call("verify", out)[0] == 0
    # a record that is gone or changed is found with and without the key, and made anew
    record = out / "1.tif.json"
    for change in (record.unlink, lambda: record.write_text(record.read_text().replace('"seconds"', '"second"'))):
        change()
        assert call("verify", out, "--key", public)[0] == 1
        code, said, _ = call(*restore)
        assert code == 0 and [bool(entry.get("skipped")) for entry in json.loads(said)["files"]] == [False, True]
        assert call("verify", out, "--key", public)[0] == 0
    # work of another signature, or none, is not taken as done
    for other in ((), ("--sign", key.with_name("other.key"))):
        code, _, err = call("restore", scans, "-o", out, *SETTINGS, *other)
        assert code == 3 and "not this work's" in err
    # done again unsigned, no record of before is left to speak of it; a stranger's file is
    (out / "2.tif.json").write_text('{"sha256_out": "mine"}')
    assert call("restore", scans, "-o", out, *SETTINGS, "--overwrite")[0] == 0
    assert not record.exists() and (out / "2.tif.json").exists()
    assert call("verify", out / "1.tif")[0] == 0


def test_workers_watches_and_averages_sign_too(call, put, key, public, tmp_path):
    scans = tmp_path / "scans"
    for number in (1, 2):
        put(scans / f"{number}.tif", number)
    more = {
        "workers": ("--workers", "2"),
        "watch": ("--watch", "--settle-s", "0", "--idle-s", "0"),
        "mean.tif": ("--average",),
    }
    for name, options in more.items():
        assert call("restore", scans, "-o", tmp_path / name, *SETTINGS, "--sign", key, *options)[0] == 0
        code, out, _ = call("verify", tmp_path / name, "--key", public, "--json")
        found = json.loads(out)
        assert code == 0, found
        assert {one["signature"]["state"] for one in found.get("files", [found])} == {"signed"}


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--sign", "own.key", "--scheduler", "tcp://127.0.0.1:1"), 2, "--sign does not hand the private key"),
        (("--sign", "absent.key"), 3, "absent.key: there is no such file"),
        (("--sign", "own.key.pub"), 3, "holds no private key"),
        (("--sign", "scan.tif"), 3, "holds no private key"),
    ],
    ids=["scheduler", "absent", "public", "image"],
)
def test_what_cannot_be_signed_is_refused_before_anything_is_written(
    call, put, folder, monkeypatch, options, code, told
):
    monkeypatch.chdir(folder)
    put(folder / "scan.tif", 3)
    for out in ("never.tif", "never/"):
        found, _, err = call("restore", "scan.tif", "-o", out, *SETTINGS, *options)
        assert found == code and told in err and err.count("\n") == 1
        assert not (folder / out).exists()


def test_the_same_pixels_signed_or_not(call, put, restored, tmp_path):
    put(tmp_path / "scan.tif", 3)
    assert call("restore", tmp_path / "scan.tif", "-o", tmp_path / "out.tif", *SETTINGS, "--map")[0] == 0
    assert (tmp_path / "out.tif").read_bytes() == restored.read_bytes()
    assert read_image(restored).shape == read_image(tmp_path / "scan.tif").shape


def test_keys_are_made_and_shown(call, tmp_path):
    code, out, _ = call("key", "new", tmp_path / "my.key", "--json")
    made = json.loads(out)
    assert code == 0 and made["public"] == str(tmp_path / "my.key.pub")
    for name in ("my.key", "my.key.pub"):
        code, out, _ = call("key", "show", tmp_path / name)
        assert code == 0 and made["fingerprint"] in out
        assert "PRIVATE" not in out and (tmp_path / "my.key.pub").read_text() in out
    private = (tmp_path / "my.key").read_bytes()
    code, _, err = call("key", "new", tmp_path / "my.key")
    assert code == 3 and "my.key: exists already" in err and (tmp_path / "my.key").read_bytes() == private
    assert call("key", "new", tmp_path / "absent" / "my.key")[0] == 3
