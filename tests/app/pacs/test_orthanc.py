"""Against a real archive: Orthanc stores what we push, and sends what we restore."""

import json

import pydicom
import pytest

from coldray.app.pacs.node import Node
from coldray.app.pacs.receive import Listening
from coldray.app.pacs.station import Station
from coldray.app.recipe import Recipe

pytest.importorskip("httpx", reason="Orthanc is asked over HTTP")


def test_orthanc_stores_what_is_pushed(call, tmp_path, write_object, until, orthanc):
    files = [write_object(tmp_path / f"{n}.dcm", n) for n in range(2)]
    with orthanc(tmp_path / "orthanc", until) as (node, client):
        code, out, _ = call("push", "--echo", "--to", node, "--json")
        assert code == 0 and json.loads(out)["echo_s"] > 0
        code, out, _ = call("push", *files, "--to", node, "--json")
        assert code == 0
        kept = [client.get(f"/instances/{each}/file").content for each in client.get("/instances").json()]
        code, _, err = call("push", files[0], "--to", Node("WRONG", node.host, node.port))
        assert code == 3 and "rejects COLDRAY" in err
    stored = {(d.SOPInstanceUID, d.PixelData) for d in map(_read, kept)}
    assert stored == {(d.SOPInstanceUID, d.PixelData) for d in map(pydicom.dcmread, files)}
    assert {uid for uid, _ in stored} == {entry["sop_instance_uid"] for entry in json.loads(out)["sent"]}


def _read(content):
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(content))


def test_an_object_goes_from_orthanc_through_a_restoration_and_back(tmp_path, object_file, until, call, orthanc):
    """Plant, archive, C-STORE, restoration, C-STORE, archive: the derived object stands in the study of its source."""
    source = pydicom.dcmread(object_file)
    with orthanc(tmp_path / "orthanc", until) as (archive, client):
        assert call("push", object_file, "--to", archive)[0] == 0
        listening = Listening(aet="XRAY", callers=("ORTHANC",), reserve_bytes=0)
        station = Station(tmp_path / "plant", Recipe(method="wiener"), listening, archive, lambda line: None)
        try:
            known = {"AET": "XRAY", "Host": "127.0.0.1", "Port": station.port}
            assert client.put("/modalities/xray", json=known).status_code == 200
            assert client.post("/modalities/xray/echo", json={}).status_code == 200
            (first,) = client.get("/instances").json()
            assert client.post("/modalities/xray/store", content=first).status_code == 200
            until(lambda: len(client.get("/instances").json()) == 2)
        finally:
            station.close()
        (second,) = {*client.get("/instances").json()} - {first}
        derived = _read(client.get(f"/instances/{second}/file").content)
        assert len(client.get("/studies").json()) == 1
    assert derived.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert derived.StudyInstanceUID == source.StudyInstanceUID and "DERIVED" in derived.ImageType
    (kept,) = (tmp_path / "plant" / "restored").glob("*.dcm")
    assert pydicom.dcmread(kept).PixelData == derived.PixelData
