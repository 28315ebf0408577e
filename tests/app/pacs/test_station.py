"""Objects come in, are restored, and go on; nothing is lost by a restart, a lost archive or a bad object."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pydicom
import pytest

from coldray.app.files import LEDGER
from coldray.app.ledger import targets
from coldray.app.pacs.node import Node
from coldray.app.pacs.outbox import Outbox
from coldray.app.pacs.receive import Listening
from coldray.app.pacs.send import Answer, parcel, send
from coldray.app.pacs.station import Station
from coldray.app.recipe import Recipe
from coldray.errors import ImageWriteError, PeerError

RECIPE = Recipe(method="wiener")


@contextmanager
def working(folder, onward=None, recipe=RECIPE):
    said = []
    station = Station(folder, recipe, Listening(reserve_bytes=0), onward, said.append)
    try:
        yield Node("COLDRAY", "127.0.0.1", station.port), said
    finally:
        station.close()


def test_what_comes_is_restored_and_goes_on_once(tmp_path, archive, write_object, until, capfd):
    files = [write_object(tmp_path / f"{n}.dcm", n) for n in range(2)]
    with archive() as (onward, kept):
        with working(tmp_path / "plant", onward) as (node, said):
            assert [a.problem for a in send([parcel(file) for file in files], node, "HALL3")] == [None, None]
            until(lambda: len(kept) == 2)
            until(lambda: sum("is stored by" in line for line in said) == 2)
        originals = {pydicom.dcmread(file).SOPInstanceUID for file in files}
        for result in kept:
            assert "DERIVED" in result.ImageType
            assert result.SourceImageSequence[0].ReferencedSOPInstanceUID in originals
        restored = targets(tmp_path / "plant" / "restored")
        assert {pydicom.dcmread(path).SOPInstanceUID for path in restored} == {r.SOPInstanceUID for r in kept}
        assert {path.name for path in (tmp_path / "plant" / "incoming").iterdir()} == {p.name for p in restored}
        with working(tmp_path / "plant", onward) as (node, _):
            (answer,) = send([parcel(write_object(tmp_path / "third.dcm", 3))], node, "HALL3")
            assert answer.problem is None
            until(lambda: len(kept) >= 3)
    assert len({result.SOPInstanceUID for result in kept}) == 3 == len(kept), "after a restart only what is new goes on"


def test_what_came_before_a_stop_is_restored_after_it(tmp_path, write_object, until):
    """The sender was told that the object is stored: so it is, whatever happens next."""
    (tmp_path / "plant" / "incoming").mkdir(parents=True)
    write_object(tmp_path / "plant" / "incoming" / "left.dcm")
    with working(tmp_path / "plant"):
        assert until(lambda: (tmp_path / "plant" / "restored" / "left.dcm").is_file())


def test_a_bad_object_costs_itself(tmp_path, object_file, until, capfd):
    """Compressed pixels that cannot be decoded pass the header; the restoration says so, and the next one is done."""
    bad = pydicom.dcmread(object_file)
    bad.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
    bad["PixelData"].VR = "OB"
    bad.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    bad.SOPInstanceUID = bad.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    bad.save_as(tmp_path / "bad.dcm")
    with working(tmp_path / "plant") as (node, _):
        answers = list(send([parcel(tmp_path / "bad.dcm"), parcel(object_file)], node, "HALL3"))
        assert [a.problem for a in answers] == [None, None]
        until(lambda: any((tmp_path / "plant" / "restored").glob("*.dcm")))
        until(lambda: "coldray: " in (capfd.readouterr().err or ""))
    assert len(list((tmp_path / "plant" / "incoming").iterdir())) == 2
    assert len(list((tmp_path / "plant" / "restored").glob("*.dcm"))) == 1


def test_one_folder_has_one_station(tmp_path):
    with working(tmp_path / "plant"), pytest.raises(ImageWriteError, match="another coldray"):
        Station(tmp_path / "plant", RECIPE, Listening(), None, print)


class Flaky:
    """What `send` does, with the answers of a list; then everything is stored."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, parcels, node, aet):
        for one in parcels:
            self.asked.append(one.path.name)
            yield Answer(one, *(self.answers.pop(0) if self.answers else (None, 0)))


@pytest.fixture
def outbox(tmp_path):
    made = []

    def start(flaky):
        said = []
        box = Outbox(tmp_path, Node("ARCHIVE", "127.0.0.1", 104), "COLDRAY", said.append, retry_s=0.01, send=flaky)
        made.append(box)
        return box, said

    yield start
    for box in made:
        box.close()


def test_an_archive_that_is_away_is_asked_again_and_told_once(outbox, object_file, until):
    away = (PeerError("nobody"), None)
    flaky = Flaky(away, away, (PeerError("full"), 0xA700))
    box, said = outbox(flaky)
    box.add({"output": str(object_file), "sha256_out": "a"})
    until(lambda: not box.waiting)
    assert flaky.asked == [object_file.name] * 4
    assert [line.split(";")[0] for line in said[:2]] == ["coldray: nobody", "coldray: full"] and len(said) == 3


def test_what_is_refused_for_what_it_is_does_not_stop_the_others(outbox, write_object, tmp_path, until):
    flaky = Flaky((PeerError("wrong kind"), 0xA900))
    box, said = outbox(flaky)
    for number in range(2):
        path = write_object(tmp_path / f"{number}.dcm", number)
        box.add({"output": str(path), "sha256_out": str(number)})
    until(lambda: not box.waiting)
    assert sorted(flaky.asked) == ["0.dcm", "1.dcm"] and "wrong kind" in said[0]


def test_what_has_arrived_is_not_sent_again_by_the_next_one(outbox, object_file, until):
    entry = {"output": str(object_file), "sha256_out": "a"}
    first, _ = outbox(Flaky())
    first.add(entry)
    until(lambda: not first.waiting)
    again = Flaky()
    second, _ = outbox(again)
    second.add(entry)
    assert second.waiting == 0 and not again.asked
    second.add(entry | {"sha256_out": "restored anew"})
    until(lambda: not second.waiting)
    assert again.asked == [object_file.name]


def test_a_result_that_is_gone_is_told_and_left(outbox, tmp_path, until):
    box, said = outbox(Flaky())
    box.add({"output": str(tmp_path / "gone.dcm"), "sha256_out": "a"})
    until(lambda: not box.waiting)
    assert "gone.dcm does not exist" in said[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dicom-folder", "x"], "--dicom-port"),
        (["--dicom-to", "A@b:104"], "--dicom-port"),
        (["--dicom-port", "0"], "--dicom-folder"),
        (["--dicom-port", "x", "--dicom-folder", "x"], "--dicom-port 'x'"),
        (["--dicom-port", "70000", "--dicom-folder", "x"], "--dicom-port '70000'"),
        (["--dicom-port", "0.0.0.0:0", "--dicom-folder", "x"], "--dicom-from"),
        (["--dicom-port", "0", "--dicom-folder", "x", "--dicom-to", "pacs:104"], "AET@HOST:PORT"),
        (["--dicom-port", "0", "--dicom-folder", "x", "--dicom-aet", "A\\B"], "--dicom-aet"),
    ],
)
def test_options_that_do_not_go_together_are_usage(call, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = call("serve", "--port", "0", "--method", "wiener", *options)
    assert code == 2 and words in err and not list(tmp_path.iterdir())


def test_serve_receives_restores_and_ends_by_a_signal(tmp_path, object_file, archive, until):
    pytest.importorskip("fastapi", reason="serve needs the extra view")
    with archive() as (onward, kept):
        command = [sys.executable, "-m", "coldray", "serve", "--port", "0", "--json", "--method", "wiener"]
        command += ["--dicom-port", "0", "--dicom-folder", tmp_path / "plant", "--dicom-to", str(onward)]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
        try:
            where = json.loads(program.stdout.readline())
            node = Node("COLDRAY", "127.0.0.1", where["dicom_port"])
            (answer,) = send([parcel(object_file)], node, "HALL3")
            assert answer.problem is None
            until(lambda: kept)
        finally:
            program.send_signal(signal.SIGTERM)
            out, err = program.communicate(timeout=300)
    assert not out and "Traceback" not in err, err
    assert (tmp_path / "plant" / "restored" / LEDGER).is_file() and len(kept) == 1
