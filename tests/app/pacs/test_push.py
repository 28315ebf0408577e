"""`push` and what it is made of, against a node in this process."""

import json
import socket
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pydicom
import pytest

from coldray.app.pacs.node import Node, checked_aet
from coldray.app.pacs.send import echo, parcel, send
from coldray.errors import ImageReadError, MissingExtraError, PeerError, SettingsError


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("ARCHIVE@pacs.example:104", Node("ARCHIVE", "pacs.example", 104)),
        ("A@B@10.0.0.7:11112", Node("A@B", "10.0.0.7", 11112)),
        ("HALL 3@[::1]:104", Node("HALL 3", "::1", 104)),
    ],
)
def test_a_node_is_written_as_it_is_read(text, node):
    assert Node.parse(text) == node and str(node) == text


@pytest.mark.parametrize(
    "text",
    ["", "pacs:104", "A@pacs", "A@pacs:0", "A@pacs:65536", "A@pacs:x", "@pacs:104", "A\\B@pacs:104", "A@[pacs]:104",
     "SEVENTEENLETTERSS@pacs:104", "Ä@pacs:104", "A\n@pacs:104", "A@pacs:104/x", "A@pa cs:104"],
)  # fmt: skip
def test_what_is_no_node_is_refused(text):
    with pytest.raises(SettingsError, match="`to`"):
        Node.parse(text)


def test_spaces_around_a_title_do_not_count():
    assert checked_aet(" HALL 3 ", "aet") == "HALL 3"


def test_a_folder_goes_over_one_association_and_arrives_bit_for_bit(call, archive, write_object, tmp_path):
    (tmp_path / "out").mkdir()
    for number in range(3):
        write_object(tmp_path / "out" / f"part{number}.dcm", number)
    with archive() as (node, kept):
        code, out, _ = call("push", tmp_path / "out", "--to", node, "--json")
    said = json.loads(out)
    assert code == 0 and not said["refused"] and said["to"] == str(node)
    originals = [pydicom.dcmread(entry["file"]) for entry in said["sent"]]
    assert [o.SOPInstanceUID for o in originals] == [entry["sop_instance_uid"] for entry in said["sent"]]
    assert [k.PixelData for k in kept] == [o.PixelData for o in originals]
    assert len(kept) == 3


def test_prose_counts_what_was_stored(call, archive, object_file):
    with archive() as (node, _):
        code, out, err = call("push", object_file, "--to", node)
    assert (code, out) == (0, "") and err.splitlines()[-1] == f"push: 1 of 1 stored by {node}"


def test_echo_asks_and_sends_nothing(call, archive):
    with archive() as (node, kept):
        code, out, _ = call("push", "--echo", "--to", node, "--json")
        assert code == 0 and json.loads(out)["echo_s"] > 0
        code, out, err = call("push", "--echo", "--to", node)
        assert code == 0 and out.startswith(f"{node} answers") and not err
    assert not kept


def test_nothing_to_do_is_usage(call, object_file):
    assert call("push", "--to", "A@127.0.0.1:104")[0] == 2
    code, _, err = call("push", "--echo", object_file, "--to", "A@127.0.0.1:104")
    assert code == 2 and "--echo" in err


def test_a_node_that_is_not_there_is_one_line_and_code_3(call, object_file, free_port):
    to = f"ARCHIVE@127.0.0.1:{free_port()}"
    for what in ([object_file], ["--echo"]):
        code, out, err = call("push", *what, "--to", to)
        assert (code, out) == (3, "") and len(err.splitlines()) == 1 and to in err and "no DICOM node" in err


def test_both_titles_must_be_right(archive, object_file):
    with archive(callers=["HALL3"]) as (node, kept):
        assert [a.problem for a in send([parcel(object_file)], node, "HALL3")] == [None]
        (stranger,) = send([parcel(object_file)], node, "STRANGER")
        with pytest.raises(PeerError, match="rejects HALL3"):
            echo(Node("OTHER", node.host, node.port), "HALL3")
    assert "rejects STRANGER" in str(stranger.problem) and not stranger.is_final
    assert len(kept) == 1


REFUSAL = bytes([3, 0, 0, 0, 0, 4, 0, 1, 1, 7])
"""A-ASSOCIATE-RJ (PS3.8 9.3.4): permanent, called AE title not recognised."""


@contextmanager
def refusing(hang_ups=0, most=2):
    """A node that hangs up without a word so many times, and refuses then; yields its address and what it was asked."""
    calls = []

    def answer(server):
        for number in range(most):
            line, _ = server.accept()
            with line:
                calls.append(line.recv(65536))
                if number >= hang_ups:
                    line.sendall(REFUSAL)
                    line.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:
        node = threading.Thread(target=answer, args=(server,))
        node.start()
        yield Node("OTHER", *server.getsockname()), calls
        node.join()


@pytest.mark.parametrize(("hang_ups", "words"), [(1, "rejects COLDRAY: called ae title"), (2, "no DICOM node answers")])
def test_a_node_that_hangs_up_without_a_word_is_asked_once_more(hang_ups, words):
    """A refusal and the hanging up behind it can be heard in either order."""
    with refusing(hang_ups) as (node, calls), pytest.raises(PeerError, match=words):
        echo(node, "COLDRAY")
    assert len(calls) == 2


def test_a_refusal_that_came_before_anybody_looked_is_heard(monkeypatch):
    """On a busy machine the thread that asked wakes when the line is closed already, and takes it for one that was never open."""
    from pynetdicom.transport import AssociationSocket

    made = AssociationSocket.__init__

    class Late(threading.Event):
        """Wakes who waits when the line is closed again."""

        def wait(self, timeout=None):
            found = super().wait(timeout)
            for _ in range(10_000):
                if not self.line._is_connected:
                    break
                time.sleep(0.001)
            return found

    def late(self, *given, **more):
        made(self, *given, **more)
        self._ready = Late()
        self._ready.line = self

    monkeypatch.setattr(AssociationSocket, "__init__", late)
    with refusing(most=1) as (node, calls), pytest.raises(PeerError, match="rejects COLDRAY: called ae title"):
        echo(node, "COLDRAY")
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("status", "words", "final"),
    [(0xA700, "out of resources", False), (0xA900, "data set does not match", True), (0xC123, "0xC123", True)],
)
def test_a_refusal_says_why_and_whether_again_is_of_use(archive, object_file, status, words, final):
    with archive(status=lambda number: status) as (node, _):
        (answer,) = send([parcel(object_file)], node, "COLDRAY")
    assert words in str(answer.problem) and answer.is_final is final


def test_a_warning_of_the_node_means_stored(archive, object_file):
    with archive(status=lambda number: 0xB000) as (node, _):
        (answer,) = send([parcel(object_file)], node, "COLDRAY")
    assert answer.problem is None and answer.is_final


def test_one_refused_of_several_is_code_1_with_both_lists(call, archive, write_object, tmp_path):
    files = [write_object(tmp_path / f"{n}.dcm", n) for n in range(3)]
    with archive(status=lambda number: 0xA900 if number == 2 else 0) as (node, _):
        code, out, err = call("push", *files, "--to", node, "--json")
    said = json.loads(out)
    assert code == 1 and [e["file"] for e in said["sent"]] == [str(files[0]), str(files[2])]
    assert (
        said["refused"][0]["file"] == str(files[1]) and "0xA900" in err and err.splitlines()[-1].endswith("1 refused")
    )


def test_a_kind_that_the_node_does_not_know_is_named(archive, object_file):
    with archive(kinds=("SecondaryCaptureImageStorage",)) as (node, kept):
        (answer,) = send([parcel(object_file)], node, "COLDRAY")
    assert "takes no objects of this kind" in str(answer.problem) and answer.is_final and not kept


def test_what_is_no_dicom_file_is_not_sent(call, archive, object_file, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 4)))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(object_file.read_bytes()[:200])
    with archive() as (node, kept):
        code, out, _ = call("push", object_file, tmp_path / "x.npy", cut, "--to", node, "--json")
        assert code == 1 and len(json.loads(out)["refused"]) == 2 and len(kept) == 1
    with pytest.raises(ImageReadError, match="not a whole DICOM object"):
        parcel(cut)


def test_a_folder_without_objects_says_so(call, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = call("push", tmp_path / "empty", "--to", "A@127.0.0.1:104")
    assert code == 3 and "holds no DICOM file" in err


def test_a_connection_that_is_lost_fails_what_is_left_and_nothing_else(archive, write_object, tmp_path):
    files = [parcel(write_object(tmp_path / f"{n}.dcm", n)) for n in range(4)]
    with archive() as (node, kept):
        answers = []
        for answer in send(files, node, "COLDRAY"):
            answers.append(answer)
            if len(answers) == 2:
                for thread in threading.enumerate():
                    if thread.name.startswith("AcceptorThread"):
                        thread.abort()
    assert [a.problem is None for a in answers] == [True, True, False, False] and len(kept) == 2
    assert not answers[-1].is_final


def test_an_uncompressed_object_is_turned_into_what_the_node_takes(archive, object_file):
    import pynetdicom

    kept = []
    own = pynetdicom.AE("OLD")
    own.add_supported_context(parcel(object_file).sop_class, "1.2.840.10008.1.2")

    def store(event):
        kept.append(event.dataset)
        return 0

    server = own.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(pynetdicom.evt.EVT_C_STORE, store)])
    try:
        (answer,) = send([parcel(object_file)], Node("OLD", "127.0.0.1", server.server_address[1]), "COLDRAY")
    finally:
        server.shutdown()
    assert answer.problem is None
    assert np.frombuffer(kept[0].PixelData, "<u2").tolist() == pydicom.dcmread(object_file).pixel_array.ravel().tolist()


def test_without_the_extra_its_name_is_told(monkeypatch, object_file):
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    with pytest.raises(MissingExtraError, match=r"coldray\[pacs\]"):
        list(send([parcel(object_file)], Node("A", "127.0.0.1", 104), "COLDRAY"))
