"""What a restoration tells of those who took an image, and to whom: nothing over a network, and names only where a report needs them."""

import socket

import pydicom
import pytest

FAST = ("--exposure-s", "0.25", "--pitch-um", "48")
PEOPLE = {
    "PatientBirthDate": "19510203",
    "OperatorsName": "Obadiah^Finch",
    "StationName": "STN-Vexx",
    "InstitutionAddress": "7 Larch Row",
    "PatientAddress": "9 Elder Lane",
}


@pytest.fixture
def image(put, tmp_path):
    path = put(tmp_path / "in" / "a.dcm", 3)
    dataset = pydicom.dcmread(path)
    for name, value in PEOPLE.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("method", ["cold", "wiener"])
def test_a_restoration_asks_no_network_for_anything(call, image, tmp_path, monkeypatch, method):
    asked = []
    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, lambda _self, *told, name=name: asked.append((name, told)))
    for name in ("getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, lambda *told, name=name: asked.append((name, told)))
    code, _, err = call("restore", image, "-o", tmp_path / "out.tif", "--method", method, *FAST, "--report")
    assert code == 0, err
    assert call("verify", tmp_path / "out.tif")[0] in (0, 1)
    assert asked == []


def test_who_took_an_image_stands_in_the_dicom_object_made_from_it_and_nowhere_else(call, image, tmp_path):
    made = ("a.dcm", "t/r.tif", "d/r.dcm")
    for out in made[1:]:
        (tmp_path / out).parent.mkdir()
        assert call("restore", image, "-o", tmp_path / out, "--method", "wiener", *FAST, "--report")[0] == 0
    assert call("restore", image.parent, "-o", tmp_path / "b", "--method", "wiener", *FAST)[0] == 0
    derived = pydicom.dcmread(tmp_path / "d" / "r.dcm")
    assert {name: str(derived[name].value) for name in PEOPLE} == PEOPLE
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert {path.suffix for path in written} >= {".tif", ".json", ".html", ".pdf", ".sqlite"}
    for path in written:
        content = path.read_bytes().lower()
        for value in (*PEOPLE.values(), "1951-02-03"):
            for part in value.split("^"):
                assert part.lower().encode() not in content, (path.name, value)
