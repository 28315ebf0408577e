"""Empty board folders to fill in, and what is said of one that nobody filled in."""

import json

import pytest

from coldray.app.cli import main
from coldray.dataset.frames import NEEDED, board_folders, pair_of, read_note
from coldray.dataset.template import FOLDERS, write_template
from coldray.errors import DetectorError, ImageWriteError, MetadataError, SettingsError


def test_folders_and_notes_are_what_is_read(tmp_path):
    notes = write_template(tmp_path / "pairs", 12)
    assert [note.parent for note in notes] == board_folders(tmp_path / "pairs") and len(notes) == 12
    for note in notes:
        assert all((note.parent / role).is_dir() for role in FOLDERS)
        told = json.loads(note.read_text())
        assert told["board"] == note.parent.name and set(NEEDED) < set(told)
    with pytest.raises(
        MetadataError, match="board_01/pair.json: pixel_pitch_mm, sharp, blurred missing or null.*fill them in"
    ):
        read_note(notes[0].parent)
    filled = json.loads(notes[0].read_text()) | {"pixel_pitch_mm": 0.1, "sharp": "a", "blurred": "b", "exposure_s": 0.1}
    notes[0].write_text(json.dumps(filled))
    assert read_note(notes[0].parent) == filled
    assert "coldray characterise" in (tmp_path / "pairs" / "README.txt").read_text()


def test_nothing_is_written_where_something_is(tmp_path):
    (tmp_path / "mine.tif").write_text("frames of years")
    with pytest.raises(ImageWriteError, match="something is there already; give a new folder"):
        write_template(tmp_path, 6)
    with pytest.raises(ImageWriteError, match="something is there already"):
        write_template(tmp_path / "mine.tif", 6)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.tif"]


@pytest.mark.parametrize("boards", [0, -1, 1000])
def test_impossible_numbers_are_refused(tmp_path, boards):
    with pytest.raises(SettingsError, match="from 1 to 999"):
        write_template(tmp_path / "pairs", boards)
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["boards", "--init", "pairs"], "--init only writes empty board folders"),
        (["--init", "pairs", "-o", "set"], "--init only writes empty board folders"),
        (["boards"], "give SOURCE... and -o DATASET, or --init FOLDER"),
        (["-o", "set"], "give SOURCE... and -o DATASET, or --init FOLDER"),
    ],
)
def test_the_command_takes_one_or_the_other(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["prepare", *arguments])
    assert left.value.code == 2 and words in capsys.readouterr().err and not any(tmp_path.iterdir())


def test_the_command_says_what_comes_next(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["prepare", "--init", str(tmp_path / "pairs"), "--boards", "7"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and "7 board folders" in out and "next: coldray adapt" in out
    with pytest.raises(SystemExit) as left:
        main(["prepare", "--init", str(tmp_path / "more"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert left.value.code == 0 and len(told["boards"]) == 6


@pytest.mark.parametrize("key", ["sharp", "blurred"])
@pytest.mark.parametrize("odd", [5, True, ["gos34"], {"name": "gos34"}, "no such detector"])
def test_a_detector_that_is_none_is_told_with_its_file(tmp_path, key, odd):
    note = {"pixel_pitch_mm": 0.048, "blurred": "gos135", "sharp": "gos34"} | {key: odd}
    (tmp_path / "pair.json").write_text(json.dumps(note))
    with pytest.raises((MetadataError, DetectorError), match=rf"^{tmp_path.name}/pair\.json: "):
        pair_of(tmp_path, read_note(tmp_path))
