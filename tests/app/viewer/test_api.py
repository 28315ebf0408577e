"""What the server hands out and takes in."""

import json
import struct
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer needs the extra view")

from coldray.app.recipe import Recipe
from coldray.app.viewer.settings import Menu
from coldray.formats import read_image, write_image
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Acquisition, Radiograph, Step


def layer_of(served, study_id, role):
    study = next(s for s in served.state()["studies"] if s["id"] == study_id)
    return next(layer for layer in study["layers"] if layer["role"] == role)


def pixels_of(served, layer, frame=0):
    answer = served.client.get(f"/api/layers/{layer['id']}/pixels", params={"frame": frame})
    assert answer.status_code == 200 and int(answer.headers["content-length"]) == len(answer.content)
    found = np.frombuffer(answer.content, dtype="<" + layer["wire"])
    return found.reshape(layer["rows"], layer["cols"])


@pytest.mark.parametrize(
    ("dtype", "wire"), [("uint8", "u2"), ("uint16", "u2"), ("int16", "f4"), ("uint32", "f4"), ("float32", "f4"), ("float64", "f4")]
)  # fmt: skip
def test_every_stored_value_reaches_the_page(served, tmp_path, dtype, wire):
    rng = np.random.default_rng(1)
    top = {"uint8": 255, "uint16": 65535, "int16": 32767, "uint32": 2**24}.get(dtype, 1.5)
    image = (rng.uniform(0.01, 1, (33, 41)) * top).astype(dtype)
    image.flat[0] = top
    path = tmp_path / "image.npy"
    np.save(path, image)
    study = served.upload(path).json()["id"]
    layer = layer_of(served, study, "original")
    assert layer["wire"] == wire and layer["dtype"] == dtype
    assert np.array_equal(pixels_of(served, layer), image.astype("<" + wire))
    assert (layer["minimum"], layer["maximum"]) == (image.min(), image.max())


def test_frames_of_a_stack_are_served_one_by_one(served, tmp_path):
    stack = np.random.default_rng(2).integers(0, 60000, (3, 20, 30)).astype(np.uint16)
    path = tmp_path / "stack.tif"
    write_image(path, Radiograph(stack, Acquisition(pixel_pitch_mm=0.048)))
    layer = layer_of(served, served.upload(path).json()["id"], "original")
    assert layer["frames"] == 3
    for number in range(3):
        assert np.array_equal(pixels_of(served, layer, number), stack[number])
    assert served.client.get(f"/api/layers/{layer['id']}/pixels?frame=3").status_code == 404
    assert served.client.get(f"/api/layers/{layer['id']}/pixels?frame=-1").status_code == 404


@pytest.mark.parametrize(
    "name", ["../../x.tif", "..\\x.tif", "/etc/x.tif", "C:\\x.tif", "a%2fx.tif", "..", "%20", "x%00.tif"]
)
def test_a_name_that_is_a_path_is_refused(served, scan, name):
    before = set(served.desk.shelf.folder.glob("*.tif"))
    answer = served.upload(scan, name)
    assert answer.status_code in (400, 415)
    assert set(served.desk.shelf.folder.glob("*.tif")) == before


def test_a_form_with_one_file_is_taken_and_a_path_in_it_refused(served, scan):
    kept = served.client.post("/api/studies", files={"file": ("board.tif", scan.read_bytes())})
    assert kept.status_code == 201 and kept.json()["name"] == "board.tif"
    bad = served.client.post("/api/studies", files={"file": ("../../x.tif", scan.read_bytes())})
    assert bad.status_code == 400
    assert served.client.post("/api/studies", files={"other": ("x.tif", b"II")}).status_code == 400


def test_what_is_no_image_is_refused_by_its_own_name_and_leaves_nothing(served, tmp_path):
    before = set(served.desk.shelf.folder.glob("*.tif"))
    path = tmp_path / "board.tif"
    path.write_bytes(b"II*\0 not a picture")
    answer = served.upload(path, "Board <b>7<b>.tif")
    assert answer.status_code == 422 and "Board <b>7<b>.tif" in answer.json()["error"]
    assert str(served.desk.shelf.folder) not in answer.text
    assert served.upload(path, "board.exe").status_code == 415
    assert set(served.desk.shelf.folder.glob("*.tif")) == before


def test_memory_of_open_images_is_bounded(serve, scan):
    size = read_image(scan).pixels.nbytes
    with serve(max_bytes=2 * size + 100) as served:
        ids = [served.upload(scan).json().get("id") for _ in range(3)]
        assert ids[2] is None and all(ids[:2])
        assert "close an image" in served.upload(scan).json()["error"]
        assert served.client.delete(f"/api/studies/{ids[0]}").status_code == 204
        assert served.upload(scan).status_code == 201


def test_a_restored_upload_has_the_bytes_of_the_command_line_and_can_be_verified(served, scan, tmp_path, capsys):
    from coldray.app.cli import main
    from coldray.app.recipe import RECORD_FORMAT

    study = served.upload(scan).json()["id"]
    body = {"method": "wiener", "exposure_s": 0.25}
    task = served.client.post(f"/api/studies/{study}/restore", json=body)
    assert task.status_code == 202
    assert served.wait_for(task.json()["id"])["state"] == "done"
    folder = tmp_path / "by-hand"
    with pytest.raises(SystemExit) as left:
        main(["restore", str(scan), "-o", str(folder / "scan_restored.tif"), "--method", "wiener", "--exposure-s", "0.25",
              "--provenance", "--json"])  # fmt: skip
    assert left.value.code == 0
    entry = json.loads(capsys.readouterr().out)["files"][0]
    got = {}
    for kind in ("image", "provenance", "record"):
        answer = served.client.get(f"/api/studies/{study}/download/{kind}")
        assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
        got[kind] = answer.content
        (tmp_path / answer.headers["content-disposition"].rpartition("''")[2]).write_bytes(answer.content)
    assert got["image"] == (folder / "scan_restored.tif").read_bytes()
    assert got["provenance"] == (folder / "scan_restored.provenance.tif").read_bytes()
    record = json.loads(got["record"])
    assert record["sha256_out"] == entry["sha256_out"] and record["consistency"] == entry["consistency"]
    beside = json.loads((folder / "scan_restored.tif.json").read_text())
    assert record.keys() == beside.keys() - {"provenance"}
    assert record["settings"] == beside["settings"]
    assert record["recipe"].keys() == beside["recipe"].keys() and record["recipe"]["format"] == RECORD_FORMAT
    assert str(tmp_path) not in got["record"].decode()
    assert sorted(p.name for p in tmp_path.glob("scan_*")) == [
        "scan_restored.provenance.tif", "scan_restored.tif", "scan_restored.tif.json"
    ]  # fmt: skip
    with pytest.raises(SystemExit) as left:
        main(["verify", str(tmp_path / "scan_restored.tif"), "--input", str(scan), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert left.value.code == 0 and found["matches"] is True


def test_layers_of_a_restoration_add_up_and_fit_its_certificate(served, scan):
    study = served.upload(scan).json()["id"]
    task = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener", "exposure_s": 0.25}).json()
    assert served.wait_for(task["id"])["state"] == "done"
    role = {r: pixels_of(served, layer_of(served, study, r)) for r in ("original", "restored", "linear", "prior", "residual", "certificate")}  # fmt: skip
    whole = role["original"] / 50000.0 + role["linear"] + role["prior"]
    assert np.abs(whole - role["restored"] / 50000.0).max() <= 0.5 / 50000 + 1e-6
    result = next(s for s in served.state()["studies"] if s["id"] == study)["result"]
    marked = (role["certificate"] >= 2 - 1e-6).mean()
    assert marked == pytest.approx(result["consistency"]["marked_share"], abs=1e-4)
    assert np.isfinite(role["residual"]).all() and 0.1 < role["residual"].std() < 1.5
    assert next(s for s in served.state()["studies"] if s["id"] == study)["downloads"] == [
        "image",
        "provenance",
        "record",
    ]


def test_a_report_follows_the_image_and_names_it_as_text(serve, scan):
    with serve(reports=True) as served:
        study = served.upload(scan, "<b>7<b>.tif").json()["id"]
        task = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener", "exposure_s": 0.25}).json()
        assert served.wait_for(task["id"])["error"] is None
        page = served.client.get(f"/api/studies/{study}/download/report")
        assert (
            page.headers["content-disposition"] == "attachment; filename*=UTF-8''%3Cb%3E7%3Cb%3E_restored.report.html"
        )
        assert page.headers["content-type"] == "application/octet-stream"
        assert "&lt;b&gt;7&lt;b&gt;.tif" in page.text and "<b>7<b>" not in page.text
        record = served.client.get(f"/api/studies/{study}/download/record").json()
        assert record["sha256_out"] in page.text.replace("<wbr>", "").replace("\u200b", "")
        assert served.client.get(f"/api/studies/{study}/download/report_pdf").content.startswith(b"%PDF-")
        again = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener"}).json()
        served.wait_for(again["id"])
        assert len(list(served.desk.shelf.folder.iterdir())) == 5  # the files of the first run are gone


def test_a_learned_method_reports_progress(serve, scan, monkeypatch):
    """With a network that returns its first channel, so that no weights are needed."""
    from coldray.app.viewer import settings as settings_module
    from coldray.app.viewer import work
    from coldray.restoration import model as model_module

    monkeypatch.setenv("COLDRAY_ENGINE", "onnxruntime")
    model = model_module.load_model()
    monkeypatch.setattr(model_module.OnnxEngine, "run", lambda self, channels, conditions: channels[:, :1] * 0)
    monkeypatch.setattr(model_module.Model, "consistency_share", None)
    monkeypatch.setattr(settings_module, "_model_fits", lambda *_: True)
    seen = []
    original = work.Workshop._progress

    def watch(self, task, fraction, note):
        seen.append((fraction, note))
        original(self, task, fraction, note)

    monkeypatch.setattr(work.Workshop, "_progress", watch)
    with serve(Menu(Recipe(method="cold"))) as served:
        study = served.upload(scan).json()["id"]
        task = served.client.post(f"/api/studies/{study}/restore", json={"method": "cold", "steps": 3}).json()
        assert served.wait_for(task["id"])["error"] is None
        fractions = [f for f, note in seen if "network" in note]
        assert len(fractions) == 3 and fractions == sorted(fractions)
        assert fractions[-1] == pytest.approx(0.9)
        assert any("3.0 of 3 steps" in note for _, note in seen)
        record = next(s for s in served.state()["studies"] if s["id"] == study)["result"]
        assert record["steps"] == 3 and record["settings"]["model_sha256"] == model.sha256


def test_the_queue_is_short_and_a_waiting_task_can_be_cancelled(serve, scan, monkeypatch):
    from coldray.app.viewer import work

    gate = threading.Event()
    monkeypatch.setattr(
        work, "finish", lambda shelf, study, recipe, progress, *_more: (gate.wait(30), progress(0.5, "half"))
    )
    with serve(queue_length=2) as served:
        study = served.upload(scan).json()["id"]
        answers = [served.client.post(f"/api/studies/{study}/restore", json={}) for _ in range(5)]
        codes = [a.status_code for a in answers]
        assert codes.count(202) in (2, 3) and codes[-1] == 429
        assert int(answers[-1].headers["retry-after"]) > 0
        waiting = [a.json()["id"] for a in answers if a.status_code == 202]
        assert served.client.delete(f"/api/tasks/{waiting[-1]}").json()["state"] == "cancelled"
        running = waiting[0]
        served.client.delete(f"/api/tasks/{running}")
        gate.set()
        assert served.wait_for(running)["state"] == "cancelled"
        assert served.wait_for(waiting[1])["state"] in ("done", "cancelled")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"method": "../../etc/passwd"}, "method"),
        ({"method": "_frame"}, "method"),
        ({"blurred": "/etc/passwd"}, "detector"),
        ({"sharp": "http://evil.example/x.json"}, "detector"),
        ({"exposure_s": -1}, "exposure_s"),
        ({"exposure_s": "nan"}, "exposure_s"),
        ({"steps": 10**9}, "steps"),
        ({"pitch_um": 0}, "pitch_um"),
        ({"unknown": 1}, "unknown"),
        ({"method": ["wiener"]}, "method"),
    ],
)
def test_settings_outside_the_lists_are_refused_with_their_name(served, scan, body, word):
    study = served.upload(scan).json()["id"]
    answer = served.client.post(f"/api/studies/{study}/restore", json=body)
    assert answer.status_code == 422 and word in answer.json()["error"]
    assert served.client.delete(f"/api/studies/{study}").status_code == 204


def test_a_restoration_that_cannot_be_says_why(served, tmp_path, write_scan):
    path = tmp_path / "other.tif"
    write_scan(path, pixel_pitch_mm=0.2)
    study = served.upload(path).json()["id"]
    task = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener"}).json()
    ended = served.wait_for(task["id"])
    assert ended["state"] == "failed" and "200 um" in ended["error"]
    assert [layer["role"] for layer in next(s for s in served.state()["studies"] if s["id"] == study)["layers"]] == [
        "original"
    ]


def test_reference_and_restored_files_join_their_original(served, scan, tmp_path, write_scan, capsys):
    from coldray.app.cli import main

    reference = tmp_path / "thin.tif"
    write_scan(reference, random_state=3)
    study = served.upload(scan).json()["id"]
    assert served.upload(reference, query=f"/api/studies/{study}/layers/reference").status_code == 201
    with pytest.raises(SystemExit):
        main(["restore", str(scan), "-o", str(tmp_path / "out.tif"), "--method", "wiener"])
    capsys.readouterr()
    joined = served.upload(tmp_path / "out.tif").json()
    assert (
        joined["id"] == study or served.desk.shelf.study(joined["id"]).sha256 == served.desk.shelf.study(study).sha256
    )
    roles = {layer["role"] for layer in next(s for s in served.state()["studies"] if s["id"] == joined["id"])["layers"]}
    assert roles >= {"original", "restored"}
    other = tmp_path / "small.tif"
    write_scan(other, shape=(60, 80))
    answer = served.upload(other, query=f"/api/studies/{study}/layers/restored")
    assert answer.status_code == 422 and "shape" in answer.json()["error"]
    assert served.upload(other, query=f"/api/studies/{study}/layers/original").status_code == 404


def test_a_restored_file_alone_is_shown_with_the_layers_beside_it(serve, scan, tmp_path, capsys):
    from coldray.app.cli import main

    with pytest.raises(SystemExit):
        main(["restore", str(scan), "-o", str(tmp_path / "out.tif"), "--method", "wiener", "--provenance"])
    capsys.readouterr()
    with serve() as served:
        study = served.desk.shelf.open(tmp_path / "out.tif", "out.tif")
        assert list(study.layers) == ["restored", "linear", "prior"]
        assert served.state()["studies"][0]["restorable"] is False
        answer = served.client.post(f"/api/studies/{study.id}/restore", json={"method": "wiener"})
        assert answer.status_code == 409


def test_an_image_closed_while_it_is_restored_leaves_nothing(serve, scan, monkeypatch):
    from coldray.app.viewer import work

    reached, gate = threading.Event(), threading.Event()
    write = work.write_files

    def late(*all_of_it):
        reached.set()
        gate.wait(30)
        return write(*all_of_it)

    monkeypatch.setattr(work, "write_files", late)
    with serve() as served:
        study = served.upload(scan).json()["id"]
        task = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener"}).json()
        assert reached.wait(30)
        assert served.client.delete(f"/api/studies/{study}").status_code == 204
        gate.set()
        ended = served.wait_for(task["id"])
        assert ended["state"] == "failed" and "closed meanwhile" in ended["error"]
        assert not list(served.desk.shelf.folder.iterdir())


def test_curves_say_from_where_on_the_content_is_prior(served, scan):
    study = served.upload(scan).json()["id"]
    found = served.client.post(f"/api/studies/{study}/curves", json={"method": "wiener", "exposure_s": 0.25}).json()
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    f = np.array(found["frequency_lp_mm"])
    assert found["ratio"] == pytest.approx(pair.ratio(f).tolist())
    assert found["blurred"] == pytest.approx(pair.blurred.mtf(f).tolist())
    support = np.array(found["support"])
    assert support[1] > 0.99 and (np.diff(support) <= 1e-9).all()
    first = f[np.flatnonzero(support < 0.5)[0]]
    assert found["prior_from_lp_mm"] == pytest.approx(first)
    longer = served.client.post(f"/api/studies/{study}/curves", json={"method": "wiener", "exposure_s": 4.0}).json()
    # the image contradicts a longer exposure: what it shows counts, and that is said
    assert longer["noise"] == "estimated"
    assert any("noise found in the image" in warning for warning in longer["warnings"])


def test_facts_of_a_diconde_object_carry_its_names_and_its_window(served, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    path = tmp_path / "part.dcm"
    image = np.random.default_rng(4).integers(100, 4000, (32, 40)).astype(np.uint16)
    write_image(path, Radiograph(image, Acquisition(pixel_pitch_mm=0.1, tube_voltage_kv=70.0), (Step("made", {}),)))
    dataset = pydicom.dcmread(path)
    dataset.PatientName = "Housing<script>^A"
    dataset.PatientID = "SN-42"
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.WindowCenter, dataset.WindowWidth = 2000, 1000
    dataset.save_as(path)
    study_id = served.upload(path).json()["id"]
    study = next(s for s in served.state()["studies"] if s["id"] == study_id)
    facts = {f["name"]: f["value"] for f in study["facts"]}
    assert facts["Component ID"] == "SN-42" and facts["Component name"] == "Housing<script>^A"
    assert facts["Tube voltage"] == "70 kV" and facts["Pixel pitch"].startswith("100 µm")
    assert study["hints"] == {"invert": True, "window": [1500.0, 2500.0]}
    assert np.array_equal(pixels_of(served, layer_of(served, study_id, "original")), image)


def test_pages_hear_of_changes(served, scan):
    client = pytest.importorskip("websockets.sync.client")
    address = f"ws://127.0.0.1:{served.port}/api/events"
    with client.connect(address, subprotocols=["coldray", "token.a-token-for-tests-only"], proxy=None) as line:
        assert line.subprotocol == "coldray"
        served.upload(scan)
        kinds = set()
        while "studies" not in kinds:
            kinds.add(json.loads(line.recv(timeout=300))["type"])


def test_closing_removes_the_temporary_folder(serve, scan):
    with serve() as served:
        study = served.upload(scan).json()["id"]
        task = served.client.post(f"/api/studies/{study}/restore", json={"method": "wiener"}).json()
        served.wait_for(task["id"])
        folder = served.desk.shelf.folder
        assert list(folder.iterdir())
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_a_bomb_is_refused_by_its_claim(served, tmp_path):
    """A TIFF of a few bytes that declares 60000 x 60000 pixels."""
    entries = [(256, 4, 60000), (257, 4, 60000), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
               (278, 4, 60000), (279, 4, 100)]  # fmt: skip
    body = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    body += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries) + bytes(4)
    path = tmp_path / "bomb.tif"
    path.write_bytes(body)
    assert served.upload(path).status_code == 422
