"""The provider of C-STORE: whole files under names of ours, and bounds on everything that a stranger decides."""

import hashlib
import socket
import struct

import pydicom
import pytest

from coldray.app.pacs import receive
from coldray.app.pacs.node import Node
from coldray.app.pacs.receive import Listening, Receiver
from coldray.app.pacs.send import Parcel, echo, parcel, send
from coldray.errors import PeerError, SettingsError

NO_RESERVE = {"reserve_bytes": 0}


@pytest.fixture
def receiver(tmp_path):
    """Receiver into `tmp_path / incoming`; gives the node that reaches it, and what it said."""
    running = []

    def start(**listening):
        said = []
        one = Receiver(tmp_path / "incoming", Listening(**(NO_RESERVE | listening)), said.append)
        running.append(one)
        return Node(listening.get("aet", "COLDRAY"), "127.0.0.1", one.port), said

    yield start
    for one in running:
        one.close()


@pytest.fixture
def stored(tmp_path):
    return lambda: sorted(path for path in (tmp_path / "incoming").rglob("*"))


def test_an_object_arrives_whole_under_a_name_made_of_its_content(receiver, object_file, stored):
    node, said = receiver()
    for _ in range(2):
        (answer,) = send([parcel(object_file)], node, "HALL3")
        assert answer.problem is None
    (path,) = stored()
    assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()[:32] + ".dcm"
    came, sent = pydicom.dcmread(path), pydicom.dcmread(object_file)
    assert came == sent and came.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert not said


def test_it_answers_an_echo(receiver):
    node, _ = receiver()
    assert echo(node, "HALL3") > 0


def test_only_its_own_title_is_answered_and_only_known_callers(receiver, object_file, stored):
    node, _ = receiver(aet="XRAY", callers=("HALL3",))
    (known,) = send([parcel(object_file)], node, "HALL3")
    (stranger,) = send([parcel(object_file)], node, "STRANGER")
    (other,) = send([parcel(object_file)], Node("OTHER", node.host, node.port), "HALL3")
    assert known.problem is None and "rejects" in str(stranger.problem) and "rejects" in str(other.problem)
    assert len(stored()) == 1


@pytest.mark.parametrize("instance", ["../../../../tmp/evil", "/etc/passwd", "CON", "1.2\0.3", "1" * 64])
def test_no_name_comes_from_the_wire(receiver, object_file, stored, tmp_path, instance, recwarn):
    found = pydicom.dcmread(object_file)
    with pydicom.config.disable_value_validation():
        found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = instance
        found.save_as(tmp_path / "evil.dcm")
    node, _ = receiver()
    list(send([parcel(tmp_path / "evil.dcm")], node, "HALL3"))
    for path in stored():
        assert path.parent == tmp_path / "incoming" and len(path.name) == 36 and path.suffix == ".dcm"
    assert {path.name for path in tmp_path.iterdir()} == {"incoming", "part.dcm", "evil.dcm"}


def test_an_object_beyond_the_bound_ends_its_connection_and_leaves_nothing(
    receiver, object_file, write_object, stored, tmp_path, until
):
    node, said = receiver(max_bytes=32 * 1024)
    huge = write_object(tmp_path / "huge.dcm", side=900)
    assert huge.stat().st_size > 32 * 1024 + receive.OVERHEAD_BYTES
    (answer,) = send([parcel(huge)], node, "HALL3")
    assert answer.problem is not None
    assert until(lambda: said) and "more than 32768 bytes" in said[0]
    assert not stored()
    (answer,) = send([parcel(object_file)], node, "HALL3")
    assert answer.problem is None and len(stored()) == 1, "others are served"


def test_a_little_beyond_the_bound_is_answered_with_the_reason(receiver, write_object, stored, tmp_path):
    node, _ = receiver(max_bytes=32 * 1024)
    (answer,) = send([parcel(write_object(tmp_path / "large.dcm", side=200))], node, "HALL3")
    assert answer.status == 0xA700 and "are allowed" in str(answer.problem) and not stored()


def test_many_objects_over_one_association_do_not_add_up(receiver, write_object, stored, tmp_path, monkeypatch):
    monkeypatch.setattr(receive, "OVERHEAD_BYTES", 4096)
    node, _ = receiver(max_bytes=16 * 1024)
    parcels = [parcel(write_object(tmp_path / f"{n}.dcm", n)) for n in range(5)]
    assert sum(one.path.stat().st_size for one in parcels) > 2 * (16 * 1024 + 4096)
    assert [answer.problem for answer in send(parcels, node, "HALL3")] == [None] * 5
    assert len(stored()) == 5


def test_a_full_disk_is_told_before_anything_is_written(receiver, object_file, stored):
    node, said = receiver(reserve_bytes=2**62)
    (answer,) = send([parcel(object_file)], node, "HALL3")
    assert answer.status == 0xA700 and not answer.is_final and not stored()
    assert "HALL3 (127.0.0.1)" in said[0] and "make room" in said[0]


def test_a_disk_that_fails_leaves_no_file(receiver, object_file, stored, monkeypatch, failing_disk):
    node, _ = receiver()
    failing_disk(monkeypatch, "fsync", 1)
    (answer,) = send([parcel(object_file)], node, "HALL3")
    assert answer.status == 0xA700 and not stored()
    (answer,) = send([parcel(object_file)], node, "HALL3")
    assert answer.problem is None and len(stored()) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda d: d.__delattr__("Rows") or d.__delattr__("Columns"), 0xC000),
        (lambda d: setattr(d, "Rows", 60000), 0xC000),
        (lambda d: setattr(d, "BitsAllocated", 12), 0xC000),
        (lambda d: setattr(d, "NumberOfFrames", -1), 0xC000),
    ],
    ids=["no image", "larger than its bytes", "odd bits", "no frames"],
)
def test_an_object_whose_header_does_not_fit_is_refused(receiver, object_file, stored, tmp_path, change, status):
    found = pydicom.dcmread(object_file)
    change(found)
    found.save_as(tmp_path / "odd.dcm")
    node, _ = receiver()
    (answer,) = send([parcel(tmp_path / "odd.dcm")], node, "HALL3")
    assert answer.status == status and answer.is_final and not stored()


def test_an_object_that_is_not_what_its_request_says_is_refused(receiver, object_file, stored, monkeypatch):
    from pynetdicom.dimse_primitives import C_STORE

    node, _ = receiver()
    honest = C_STORE.AffectedSOPInstanceUID
    monkeypatch.setattr(
        C_STORE, "AffectedSOPInstanceUID", honest.setter(lambda self, value: honest.fset(self, "1.2.3"))
    )
    (answer,) = send([parcel(object_file)], node, "HALL3")
    assert answer.status == 0xA900 and not stored()


def test_a_result_that_comes_back_is_refused_so_that_no_loop_runs(receiver, object_file, stored, tmp_path, call):
    """An archive may forward what it is sent, or a station be named as its own archive."""
    assert call("restore", object_file, "-o", tmp_path / "out.dcm", "--method", "wiener")[0] == 0
    node, said = receiver()
    (answer,) = send([parcel(tmp_path / "out.dcm")], node, "HALL3")
    assert answer.status == 0xC000 and answer.is_final and not stored()
    assert "it was restored before" in said[0]


def test_only_projections_are_taken(receiver, object_file, stored, tmp_path):
    found = pydicom.dcmread(object_file)
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = pydicom.uid.EncapsulatedPDFStorage
    found.save_as(tmp_path / "pdf.dcm")
    node, _ = receiver()
    (answer,) = send([parcel(tmp_path / "pdf.dcm")], node, "HALL3")
    assert "takes no objects of this kind" in str(answer.problem) and not stored()


RUBBISH = {
    "a web browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeros": b"\0" * 4096,
    "a request cut short": struct.pack(">BBL", 1, 0, 200) + b"\0" * 20,
    "a request of nothing": struct.pack(">BBL", 1, 0, 0),
    "data before a request": struct.pack(">BBL", 4, 0, 10) + b"\0\0\0\6\1\3abcd",
    "nothing": b"",
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_costs_its_own_connection(receiver, object_file, stored, rubbish):
    node, _ = receiver()
    with socket.create_connection((node.host, node.port)) as line:
        line.sendall(rubbish)
    (answer,) = send([parcel(object_file)], node, "HALL3")
    assert answer.problem is None and len(stored()) == 1


def test_a_length_that_a_stranger_states_is_not_believed(receiver, object_file, until):
    """Four gigabytes announced: no more than the bound is read, then the connection ends."""
    node, said = receiver(max_bytes=16 * 1024)
    with socket.create_connection((node.host, node.port)) as line:
        line.sendall(struct.pack(">BBL", 1, 0, 2**32 - 1))
        try:
            for _ in range(64):
                line.sendall(b"\0" * 2**16)
        except OSError:
            pass
        assert until(lambda: said) and "more than 16384 bytes" in said[0]
    (answer,) = send([parcel(object_file)], node, "HALL3")
    assert answer.problem is None


def test_connections_beyond_the_bound_are_closed_unheard(receiver, object_file, until, monkeypatch):
    monkeypatch.setattr(receive, "CONNECTIONS", 2)
    node, _ = receiver()
    lines = [socket.create_connection((node.host, node.port)) for _ in range(3)]
    try:
        assert lines[2].recv(1) == b"", "closed at once"
        lines[0].close()
        lines[1].close()
        assert until(lambda: next(send([parcel(object_file)], node, "HALL3")).problem is None)
    finally:
        for line in lines:
            line.close()


def test_who_falls_silent_is_left(receiver, monkeypatch, until):
    monkeypatch.setattr(receive, "SILENT_S", 0.2)
    node, _ = receiver()
    with socket.create_connection((node.host, node.port)) as line:
        line.sendall(struct.pack(">BBL", 1, 0, 200))
        line.settimeout(300)
        while line.recv(64):
            pass


def test_an_address_in_use_is_refused(receiver, tmp_path):
    node, _ = receiver()
    with pytest.raises(SettingsError, match="cannot listen"):
        Receiver(tmp_path / "other", Listening(port=node.port), print)


def test_after_it_is_closed_nobody_answers(tmp_path, object_file):
    one = Receiver(tmp_path / "incoming", Listening(), print)
    node = Node("COLDRAY", "127.0.0.1", one.port)
    one.close()
    with pytest.raises(PeerError):
        echo(node, "HALL3")


def test_a_parcel_of_a_kind_states_its_syntax_first():
    explicit, implicit, jpeg = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.70"
    assert Parcel(None, "k", "i", implicit).context == ("k", (implicit, explicit))
    assert Parcel(None, "k", "i", jpeg).context == ("k", (jpeg,))
