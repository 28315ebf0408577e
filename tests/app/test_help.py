"""Help that is found: groups, first sentences in full, completion; files and licences in people's words."""

import io
import json
import re

import numpy as np
import pytest
import typer

from coldray.app import console, licences
from coldray.app.cli import app
from coldray.app.described import in_words
from coldray.app.each import Warnings
from coldray.app.help import GROUPS, WITHOUT_PLUGINS, first_sentence
from coldray.app.options import flagged
from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph


def verbs():
    return typer.main.get_command(app).commands


def test_every_verb_stands_once_in_the_help_with_its_first_sentence_in_full(call):
    code, out, _ = call("-h")
    assert code == 0 and "..." not in out.partition("Options:")[2].replace("[ARGS]...", "")
    for name, verb in verbs().items():
        assert len(re.findall(rf"^  {name} +[A-Z]", out, re.MULTILINE)) == 1
        assert first_sentence(verb.help) in " ".join(out.split())


def test_every_heading_has_verbs_and_no_verb_has_two():
    named = [name for names in GROUPS.values() for name in names]
    assert len(set(named)) == len(named) and set(named) <= set(verbs())


def every_command(command=None, words=()):
    """Every verb and group, with the words that call it."""
    command = command or typer.main.get_command(app)
    yield words, command
    for name, one in getattr(command, "commands", {}).items():
        yield from every_command(one, (*words, name))


def test_every_example_stands_on_one_line_and_is_of_its_verb(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    for words, command in every_command():
        if words:
            shown = [line.strip() for line in call(*words, "-h")[1].splitlines() if "Example: " in line]
            given = [line.strip() for line in (command.epilog or "").splitlines() if "Example: " in line]
            assert shown == given != [], words
            assert all(f"coldray {' '.join(words)}" in line for line in shown), words


def test_a_group_without_a_verb_shows_its_help_and_nothing_else(call):
    for words in ((), ("measure",), ("profile",)):
        code, out, err = call(*words)
        assert code == 2 and not out and err.startswith("Usage: coldray") and "--help" not in err.splitlines()[-1]


def test_an_extra_is_not_taken_for_the_option_of_the_same_name():
    text = "With `sign` (extra `sign`, or the extra `fast`) and `report`: `unknown`."
    assert flagged(text) == "With --sign (extra sign, or the extra fast) and --report: unknown."


def test_verbs_that_use_no_plugin_run_no_file():
    for words, command in every_command():
        if words and not hasattr(command, "commands"):
            takes = any("--plugin" in option.opts for option in command.params)
            assert takes == (words[0] not in WITHOUT_PLUGINS), words


def test_the_verbs_of_a_group_have_their_first_sentence_in_full(call):
    for words, command in every_command():
        if hasattr(command, "commands") and words:
            out = " ".join(call(*words, "-h")[1].split())
            assert all(first_sentence(verb.help) in out for verb in command.commands.values()), words


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Do it.", "Do it"),
        ("Do it. Then more.\n\nParameters", "Do it"),
        ("Read v1.2 files\n    over lines.\n\nMore.", "Read v1.2 files over lines"),
        (None, ""),
    ],
)
def test_first_sentence(text, sentence):
    assert first_sentence(text) == sentence


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _coldray_completion coldray"),
        ("zsh", "compdef _coldray_completion coldray"),
        ("fish", "complete --command coldray"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName coldray"),
    ],
)
def test_completion_is_offered_for_the_usual_shells(call, monkeypatch, shell, line):
    # what started the tests need not be a shell
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, out, _ = call("--show-completion", shell)
    assert code == 0 and line in out


def test_completion_knows_verbs_and_options(call, monkeypatch):
    monkeypatch.setenv("_COLDRAY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "coldray res")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert call()[1].split() == ["restore"]
    monkeypatch.setenv("COMP_WORDS", "coldray push --ec")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert call()[1].split() == ["--echo"]


@pytest.fixture
def scan(tmp_path):
    stored = np.full((40, 60), 30_000, np.uint16)
    stored[0, :24] = 65535
    known = Acquisition(
        pixel_pitch_mm=0.05, tube_voltage_kv=70.0, exposure_s=0.25, open_beam=50_000.0, frames=4, linear=True
    )
    write_image(tmp_path / "scan.tif", Radiograph(stored, known))
    write_image(tmp_path / "bare.npy", Radiograph(np.ones((2, 4, 5), np.float32), Acquisition()))
    return tmp_path / "scan.tif"


def test_info_speaks_of_what_is_known_and_of_nothing_else(call, scan):
    code, out, _ = call("info", scan)
    assert code == 0
    lines = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in out.splitlines()[1:] if "  " in line.strip())
    assert lines["Size"] == "60 × 40 pixels"
    assert lines["Pixel pitch"] == "50 µm; 3 × 2 mm in all"
    assert lines["Values"].startswith("16-bit unsigned whole numbers, 30000 to 65535")
    assert lines["Saturated"] == "1 % of the pixels"
    assert (lines["Open beam"], lines["Tube voltage"], lines["Exposure"]) == ("50000", "70 kV", "0.25 s")
    assert lines["Averaged"] == "4 frames" and lines["Response"] == "proportional to the X-ray intensity"
    for text in ("None", "_", "Air kerma", "Magnification", "missing"):
        assert text not in out.split("\n", 1)[1]


def test_info_says_what_is_missing(call, scan):
    _, out, _ = call("info", scan.with_name("bare.npy"))
    assert "5 × 4 pixels, 2 frames" in out and "32-bit floating point, 1 to 1" in out
    assert "missing: pixel pitch" in out and "None" not in out


def test_words_and_json_speak_of_the_same_file(call, scan):
    (entry,) = json.loads(call("info", scan, "--json")[1])["files"]
    printed = call("info", scan)[1]
    assert all(f"{name:20s} {text}" in printed for name, text in in_words(entry))


def test_licences_name_every_package_of_the_core(call):
    code, out, err = call("--licenses")
    assert code == 0 and not err
    for name in ("numpy", "scipy", "onnxruntime", "pydicom", "fpdf2", "typer"):
        assert re.search(rf"^{name} \S+: \S", out, re.MULTILINE)
    texts = [line.strip() for line in out.splitlines() if line.startswith("    ")]
    assert any("numpy" in text for text in texts)


def test_what_a_requirement_needs_is_followed_but_its_extras_are_not():
    found = {package["name"].lower() for package in licences.third_parties()}
    assert "markupsafe" in found, "jinja2 needs it"
    assert "coldray" not in found and len(found) == len(licences.third_parties())


def test_a_missing_file_is_told_once(call, tmp_path):
    pytest.importorskip("fastapi", reason="view needs the extra view")
    code, _, err = call("view", "--no-browser", tmp_path / "absent.tif")
    assert code == 3 and err.count("absent.tif") == 1
    code, _, err = call("view", "--no-browser", tmp_path / "a.tif", tmp_path / "b.tif")
    assert code == 3 and err.count("a.tif") == 1 and err.count("b.tif") == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_after_the_last_image_no_time_is_left_to_tell(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with console.progress("restore", 2, unit="images") as advance:
        advance(1, note="first.tif")
        advance(2, note="last.tif")
    first, last = (terminal.getvalue().partition("last.tif")[0], terminal.getvalue().rpartition("restore")[2])
    assert "ETA" in first and "last.tif" in last and "ETA" not in last


def test_one_cause_is_told_once_whatever_its_numbers_and_then_counted(capsys):
    warned = Warnings()
    for name, level, share in (("a.tif", 39738, "4.2"), ("b.tif", 39440, "4.2"), ("c.tif", 39738, "1e-3")):
        warned.tell(name, f"open beam not stated: {level}, on {share} % of the image, is taken")
        warned.tell(name, "pixels left the range of uint16")
    warned.tell("d.tif", "pixels left the range of uint8")
    capsys.readouterr(), warned.tell_counts("images")
    assert capsys.readouterr().err.splitlines() == [
        "warning: 3 images: open beam not stated: …, on … % of the image, is taken",
        "warning: 3 images: pixels left the range of uint16",
    ]


def test_the_first_of_a_cause_is_told_with_its_numbers(capsys):
    warned = Warnings()
    warned.tell("a.tif", "held at 0.27 times")
    warned.tell("b.tif", "held at -3 times")
    assert capsys.readouterr().err == "warning: a.tif: held at 0.27 times\n"


def test_an_interrupt_is_told_in_one_line(call, monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("coldray.benchmark.paper.ablation.run_ablation", interrupted)
    assert call("benchmark", "ablate", "gain", "-o", tmp_path) == (130, "", "coldray: interrupted\n")
