"""A trial on the command line: made, read over HTTP by two readers who cannot see the truth, analysed, taken into the dossier."""

import inspect
import json
import signal

import numpy as np
import pytest

from coldray.app.commands.trial import make
from coldray.benchmark.trial.cases import Simulated
from coldray.benchmark.trial.package import make_trial
from coldray.formats import write_image
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph

MAKE = ("--size-mm", "0.3", "--contrast", "0.5", "--cases", "6", "--field-px", "64", "--method", "wiener",
        "--exposure-s", "1", "--washout-days", "0")  # fmt: skip


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """A folder with an even frame: simulated, with the noise of the thick screen at 1 s."""
    even = np.full((200, 200), 0.5, dtype=np.float32)
    even += NoiseModel.of_detector(load_detector("gos135"), 1.0).draw(even, np.random.default_rng(8))
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, linear=True)
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in/even.tif", Radiograph(np.rint(50000 * even).astype(np.uint16), known))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(call, *more):
    code, out, err = call("trial", "make", "in", "-o", "t", *MAKE, "--reader", "A", "--reader", "B", "--json", *more)
    assert code == 0, err
    return json.loads(out)


def test_the_defaults_of_the_command_are_those_of_the_library():
    told = {name: known.default for name, known in inspect.signature(make).parameters.items()}
    of_make, of_fields = inspect.signature(make_trial).parameters, Simulated(sizes_mm=(1.0,))
    assert all(told[name] == of_make[name].default for name in ("washout_days", "tolerance_px", "random_state"))
    assert all(told[name] == getattr(of_fields, name) for name in ("contrast", "cases", "field_px"))


def read_by(client, link, rate):
    state = client.get(link).json()
    while state["item"] is not None:
        token = state["item"]["layer"]["id"]
        state = client.post(link, json={"item": token} | rate(token)).raise_for_status().json()


def test_a_trial_is_made_read_analysed_and_taken_up(plant, call, started):
    httpx = pytest.importorskip("httpx", reason="the page is asked over HTTP")
    pytest.importorskip("fastapi", reason="the viewer needs the extra view")
    before = (plant / "in/even.tif").read_bytes()
    told = made(call)
    assert (told["cases"], told["with_defects"], told["arms"], told["images_of_a_reader"]) == (
        6,
        3,
        ["raw", "linear"],
        12,
    )
    assert (plant / "in/even.tif").read_bytes() == before
    truth = json.loads((plant / "t.sealed.json").read_text())
    defects = {token: case["defects"] for case in truth["cases"] for token in case["items"].values()}
    process, where = started("trial", "serve", plant / "t", "--port", 0)
    assert set(where["readers"]) == {"A", "B"} and where["readers"]["A"].endswith("&reader=A")
    token = where["url"].partition("token=")[2]
    for number, reader in enumerate("AB"):
        link = f"http://127.0.0.1:{where['port']}/api/trial/{reader}"
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=600, trust_env=False) as client:
            read_by(
                client,
                link,
                lambda item, number=number: {
                    "rating": 90 if defects[item] else 20 * number,
                    "marks": [{"x_px": d["x_px"], "y_px": d["y_px"], "rating": 90} for d in defects[item]],
                },
            )
    process.send_signal(signal.SIGINT)
    assert process.wait(300) == 130
    code, out, err = call("trial", "analyse", "t", "--sealed", "t.sealed.json", "-o", "r.html", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found == json.loads((plant / "r.json").read_text())
    assert [arm["value"] for one in found["figures"] for arm in one["arms"]] == [1, 1, 1, 1]
    assert "What is not claimed" in (plant / "r.html").read_text()
    code, out, err = call("dossier", "-o", "d.html", "--method", "wiener", "--evidence", "trial=r.json", "--json")
    assert code == 0, err
    dossier = json.loads(out)
    # a program has read, far faster than people do
    assert found["read_by"] == "simulated" and "reader A answered an image every" in " ".join(found["warnings"])
    assert "trial" in {gap["missing"] for gap in dossier["gaps"]}
    assert dossier["evidence"]["trial"][0]["content"]["commitment"] == told["commitment"]
    # a second run replaces nothing unasked
    assert call("trial", "analyse", "t", "--sealed", "t.sealed.json", "-o", "r.html")[0] == 3


def test_a_trial_with_one_reader_is_one_line_with_cause_and_remedy(plant, call):
    code, out, err = call("trial", "make", "in", "-o", "t", *MAKE, "--reader", "A")
    assert code == 2 and not out and not (plant / "t").exists() and not (plant / "t.sealed.json").exists()
    assert (
        err.splitlines()[-1]
        == "coldray: a trial with 1 reader tells nothing of other readers; name 2 or more, better five"
    )


def test_nothing_is_analysed_before_somebody_has_read(plant, call):
    made(call)
    code, _, err = call("trial", "analyse", "t", "--sealed", "t.sealed.json", "-o", "r.html")
    assert code == 3 and "no reader has answered every image (A 0 of 12, B 0 of 12)" in err
    assert not (plant / "r.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(("--truth", "absent.csv"), 2, "and not both"),
     (("--sealed", "t/truth.json"), 2, "lies in the folder that the readers get"),
     (("--sealed", "truth.txt"), 2, "must end in .json"),
     (("--cases", "100"), 3, "hold 9 fields of 64 x 64 pixels and 100 cases are wanted"),
     (("--size-mm", "30"), 3, "choose smaller defects or larger fields"),
     (("--kind", "scratch"), 3, "choose among void, crack, inclusion"),
     (("--contrast", "2"), 3, "must lie in (0, 1]")],
)  # fmt: skip
def test_a_trial_that_cannot_be_made_is_one_line_and_leaves_nothing(plant, call, arguments, code, words):
    command = ("trial", "make", "in", "-o", "t", *MAKE, "--reader", "A", "--reader", "B", *arguments)
    if arguments[0] == "--size-mm":  # instead of the other size: which one a case gets is drawn
        command = tuple(part for part in command if part != "0.3")
        command = command[:5] + command[6:]
    found, out, err = call(*command)
    assert found == code and not out and words in err.splitlines()[-1] and err.splitlines()[-1].startswith("coldray: ")
    assert sorted(p.name for p in plant.iterdir()) == ["in"]


def test_a_trial_is_not_made_over_another(plant, call):
    made(call)
    code, _, err = call("trial", "make", "in", "-o", "t", *MAKE, "--reader", "A", "--reader", "B")
    assert code == 3 and "t: exists already" in err


def test_two_images_of_one_name_are_refused(plant, call):
    (plant / "in/more").mkdir()
    (plant / "in/more/even.tif").write_bytes((plant / "in/even.tif").read_bytes())
    code, _, err = call("trial", "make", "in", "-o", "t", *MAKE, "--reader", "A", "--reader", "B")
    assert code == 2 and "two images are called even.tif" in err


def test_a_state_makes_the_same_trial_again_and_none_another(plant, call):
    ids = []
    for name, more in (("a", ("--random-state", "5")), ("b", ("--random-state", "5")), ("c", ()), ("d", ())):
        code, out, err = call(
            "trial", "make", "in", "-o", name, *MAKE, "--reader", "A", "--reader", "B", "--json", *more
        )
        assert code == 0, err
        ids.append(json.loads(out)["id"])
    assert ids[0] == ids[1] and len(set(ids)) == 3
    assert (plant / "a.sealed.json").read_bytes() == (plant / "b.sealed.json").read_bytes()
