"""The qualification file: twenty questions, gaps by name, and nothing that was not given."""

import hashlib
import json
import re
from pathlib import Path

import pytest

import coldray
from coldray.errors import MetadataError, SettingsError
from coldray.reports.dossier import EVIDENCE, QUESTIONS, Dossier, Evidence, dossier_report
from coldray.reports.html import to_html
from coldray.restoration.model import load_model

SETTINGS = {"blurred": "gos135", "sharp": "gos34", "method": "cold", "pixel_pitch_mm": None}
POD = {
    "curves": [
        {"kind": "void", "arm": "raw", "a90_mm": 0.31234},
        {"kind": "void", "arm": "restored", "a90_mm": 0.29876},
    ],
    "false_calls": 0.01,
}


@pytest.fixture(scope="module")
def model():
    return load_model()


def of(model, **content):
    evidence = tuple(Evidence(name, f"{name}.json", "ab" * 32, found) for name, found in content.items())
    return Dossier(SETTINGS, model.header, model.sha256, model.settings_sha256, evidence)


def test_there_are_twenty_questions_each_with_a_place():
    assert len(QUESTIONS) == 20 == len({one.text for one in QUESTIONS})
    places = {one.place for one in QUESTIONS}
    assert set(EVIDENCE) <= places
    assert all(one.text.endswith("?") for one in QUESTIONS)


def test_the_page_of_the_manual_has_these_questions_and_this_evidence():
    page = (Path(coldray.__file__).parents[2] / "docs/howto/dossier.md").read_text(encoding="utf-8")
    assert re.findall(r"^\d+\. (.+)$", page, re.MULTILINE) == [one.text for one in QUESTIONS]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(EVIDENCE)


def test_without_evidence_every_open_question_is_a_gap(model):
    found = of(model)
    gaps = {gap["missing"] for gap in found.gaps()}
    assert gaps == set(EVIDENCE)
    told = found.to_dict()
    assert [one["number"] for one in told["questions"]] == list(range(1, 21))
    assert {one["number"] for one in told["questions"] if one["section"] is None} == {g["number"] for g in told["gaps"]}
    page = to_html(dossier_report(found))
    assert page.count("GAP: give") == len(told["gaps"])
    assert model.sha256 in page and "No question is open" not in page


READ = {"n": 1, "read_by": "people"}


@pytest.mark.parametrize("name", EVIDENCE)
def test_what_is_given_closes_its_questions_and_no_other(model, name):
    before, after = (({gap["number"] for gap in found.gaps()}) for found in (of(model), of(model, **{name: READ})))
    assert before - after == {number for number, one in enumerate(QUESTIONS, 1) if one.place == name}
    assert after < before


def test_figures_are_shown_as_they_were_given(model):
    found = of(model, pod=POD)
    page = to_html(dossier_report(found))
    assert "0.31234" in page and "0.29876" in page and "ab" * 32 in page
    assert found.to_dict()["evidence"]["pod"][0]["content"] == POD
    json.dumps(found.to_dict(), allow_nan=False)


def test_evidence_of_another_model_is_called_so(model):
    for content, told in (
        ({"model": {"sha256": "0" * 64}}, True), ({"model_sha256": "0" * 64}, True),
        ({"model": "0" * 64}, True), ({"model": model.sha256}, False), ({"model": "compact", "model_sha256": "0" * 64}, True),
        ({"model": {"sha256": model.sha256}}, False), ({"model": "compact"}, False),
    ):  # fmt: skip
        found = of(model, trust=content)
        assert ("ANOTHER model" in to_html(dossier_report(found))) is told
        # what does not answer for this model leaves its question open
        assert ("trust" in {gap["missing"] for gap in found.gaps()}) is told


def test_evidence_of_the_same_weights_with_other_constants_is_called_so(model):
    for settings, told in ((model.settings_sha256, False), ("0" * 64, True)):
        found = of(model, pod=POD | {"model": model.named() | {"settings_sha256": settings}})
        assert ("OTHER CONSTANTS" in to_html(dossier_report(found))) is told
        assert ("pod" in {gap["missing"] for gap in found.gaps()}) is told


def test_simulated_readers_do_not_answer_what_people_find(model):
    number = next(n for n, one in enumerate(QUESTIONS, 1) if one.place == "trial")
    cases = (
        ({"read_by": "simulated"}, "readers are SIMULATED"),
        ({"trials": []}, "not say that PEOPLE"),
        ("text", "not say that PEOPLE"),
    )
    for content, words in cases:
        found = of(model, trial=content)
        gap = next(gap for gap in found.gaps() if gap["number"] == number)
        page = to_html(dossier_report(found))
        assert words in gap["given"][0] and words in page and "what was given does not answer" in page
        assert next(one for one in found.to_dict()["questions"] if one["number"] == number)["section"] is None
    both = tuple(Evidence("trial", f"{who}.json", "ab" * 32, {"read_by": who}) for who in ("simulated", "people"))
    found = Dossier(SETTINGS, model.header, model.sha256, model.settings_sha256, both)
    assert number not in {gap["number"] for gap in found.gaps()} and "SIMULATED" in to_html(dossier_report(found))


def test_everything_given_leaves_no_gap_and_claims_no_more(model):
    page = to_html(dossier_report(of(model, **dict.fromkeys(EVIDENCE, READ))))
    assert "No question is open" in page and "It is no qualification" in page and "GAP" not in page


def test_long_tables_say_what_they_leave_out(model):
    page = to_html(dossier_report(of(model, pod={"points": [{"size_mm": n} for n in range(75)]})))
    assert "15 more rows stand in the file" in page


def test_without_a_network_domain_and_data_are_open():
    gaps = {gap["missing"] for gap in Dossier(SETTINGS, {}, "").gaps()}
    assert {"domain", "data"} <= gaps


def test_unknown_evidence_is_refused(model):
    with pytest.raises(SettingsError, match="'podd' is unknown; choose one of metrology"):
        of(model, podd={})


def test_the_command_writes_page_and_json(tmp_path, capsys):
    from coldray.app.cli import main

    (tmp_path / "pod.json").write_text(json.dumps(POD))
    (tmp_path / "known.md").write_text("# Known\n\nCracks are found later.\n")
    command = ["dossier", "-o", str(tmp_path / "q.html"), "--json"]
    given = ["--evidence", f"pod={tmp_path / 'pod.json'}", "--evidence", f"anomalies={tmp_path / 'known.md'}"]
    with pytest.raises(SystemExit, match="0"):
        main([*command, *given])
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "q.json").read_text()) and "pod" not in {g["missing"] for g in told["gaps"]}
    assert "Cracks are found later." in (tmp_path / "q.html").read_text()
    for wrong, code in (
        (["--evidence", "pod"], 2),
        (["--evidence", "podd=x.json"], 3),
        (["--evidence", "pod=none.json"], 3),
    ):
        with pytest.raises(SystemExit, match=str(code)):
            main(["dossier", "-o", str(tmp_path / "other.html"), *wrong])
        assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "other.html").exists()


def test_evidence_is_hashed_whole_as_it_was_read_or_refused(tmp_path, monkeypatch):
    from coldray import document
    from coldray.app.commands.dossier import _read

    text, data = b"# Known\n", json.dumps(POD).encode()
    (tmp_path / "known.md").write_bytes(text)
    (tmp_path / "pod.json").write_bytes(data)
    opened, read = [], document.content_of
    monkeypatch.setattr(document, "content_of", lambda path, *rest: opened.append(path.name) or read(path, *rest))
    for name, content in (("known.md", text), ("pod.json", data)):
        assert _read(f"pod={tmp_path / name}").sha256 == hashlib.sha256(content).hexdigest()
    assert opened == ["known.md", "pod.json"]
    monkeypatch.setattr(document, "LARGEST_BYTES", len(text) - 1)
    with pytest.raises(MetadataError, match=r"known\.md: larger than"):
        _read(f"anomalies={tmp_path / 'known.md'}")
