"""Every verb meets the command line's contract, the moment it is registered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from coldray.app.cli import app, main

Call = Callable[..., tuple[int, str, str]]

SERVERS = {"view", "serve"}
"""They stay; their own tests start them."""


def _verbs() -> Iterator[tuple[str, ...]]:
    command = typer.main.get_command(app)

    def walk(prefix: tuple[str, ...], commands: dict) -> Iterator[tuple[str, ...]]:
        for name, found in commands.items():
            inner = getattr(found, "commands", None)
            if inner:
                yield from walk((*prefix, name), inner)
            else:
                yield (*prefix, name)

    yield from walk((), command.commands)  # type: ignore[attr-defined]


VERBS = sorted(_verbs())
verbs = pytest.mark.parametrize("verb", VERBS, ids=" ".join)

MISSING = {
    "adapt": ["absent", "-o", "out.onnx"],
    "benchmark ablate": ["steps", "-o", "out", "-m", "absent.onnx"],
    "benchmark paper": ["-o", "out", "-m", "absent.onnx"],
    "benchmark trust": ["blank", "-o", "out", "-m", "absent.onnx"],
    "characterise": ["--name", "n", "--edge", "absent.tif", "--flat", "absent.tif", "--pitch-um", "48", "-o", "d.json"],
    "correct": ["absent.tif", "-o", "out.tif"],
    "panel": ["absent", "-o", "out.html"],
    "stability": ["absent.json", "absent-too.json"],
    "profile check": ["absent.toml"],
    "profile init": ["absent/plant.toml"],
    "dossier": ["-o", "out.html", "-m", "absent.onnx"],
    "pod": ["absent.tif", "-o", "out.html", "--method", "wiener"],
    "degrade": ["absent.tif", "-o", "out.tif"],
    "demo": ["-o", "out", "-m", "absent.onnx"],
    "evaluate": ["--pairs", "absent", "-o", "out"],
    "info": ["absent.tif"],
    "key show": ["absent.pub"],
    "measure blur": ["absent.tif", "--pitch-um", "48"],
    "measure source": ["absent.tif", "--pitch-um", "48", "--magnification", "2"],
    "measure bars": ["absent.tif", "--pitch-um", "48"],
    "measure duplex": ["absent.tif", "--pitch-um", "48"],
    "measure edge": ["absent.tif", "--pitch-um", "48"],
    "measure flat": ["absent.tif", "--pitch-um", "48"],
    "measure iqi": ["absent.tif", "--pitch-um", "48", "--first-wire", "10"],
    "measure linearity": ["absent.tif", "--exposure", "1"],
    "measure ttf": ["absent.tif", "--pitch-um", "48", "--contrast", "0.1"],
    "measure uniformity": ["absent.tif", "--pitch-um", "48"],
    "measure snr": ["absent.tif", "--roi", "0,0,8,8"],
    "model card": ["absent.onnx"],
    "model export": ["absent.safetensors", "-o", "out.onnx"],
    "model verify": ["absent.onnx"],
    "prepare": ["absent", "-o", "out"],
    "push": ["absent.dcm", "--to", "ARCHIVE@127.0.0.1:104"],
    "report": ["absent.tif", "-o", "out.html"],
    "restore": ["absent.tif", "-o", "out.tif", "--method", "wiener"],
    "simulate": ["board", "-o", "out", "--gerber", "absent.zip"],
    "stream": ["--source", "absent", "-o", "out", "--method", "wiener"],
    "train": ["absent.toml"],
    "trial analyse": ["absent", "--sealed", "absent.json", "-o", "out.html"],
    "trial make": [
        "absent.tif",
        "-o",
        "out",
        "--size-mm",
        "0.3",
        "--reader",
        "A",
        "--reader",
        "B",
        "--method",
        "wiener",
    ],
    "trial serve": ["absent"],
    "verify": ["absent.tif"],
}
"""For every verb that takes a file: arguments that name one that is not there."""
WITHOUT_FILES = {"key new", "model list"}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


def test_the_verbs_of_the_contract_are_there() -> None:
    wanted = (
        "demo info correct characterise simulate degrade prepare train restore evaluate benchmark view serve verify"
    )
    assert set(wanted.split()) <= {verb[0] for verb in VERBS}
    assert {"edge", "flat", "bars", "duplex", "snr"} <= {verb[1] for verb in VERBS if verb[0] == "measure"}
    assert {"new", "show"} <= {verb[1] for verb in VERBS if verb[0] == "key"}
    assert {"make", "serve", "analyse"} <= {verb[1] for verb in VERBS if verb[0] == "trial"}
    assert {"list", "card", "verify", "export"} <= {verb[1] for verb in VERBS if verb[0] == "model"}


def test_only_the_verb_that_writes_records_takes_a_key() -> None:
    """A signature that is asked for and not made would be worse than none."""
    from coldray.app.options import flag_of
    from coldray.settings import declared

    flags = {flag_of(name, said) for name, said in declared().items() if said.beside and said.command}
    assert {"--sign", "--report", "--map"} <= flags
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    takes = {
        name: flags & {flag for option in found.params for flag in option.opts} for name, found in commands.items()
    }
    assert takes["restore"] == flags
    assert [name for name, found in takes.items() if "--sign" in found] == ["restore"]


@verbs
def test_help_says_what_it_does_and_gives_an_example(verb: tuple[str, ...], call: Call) -> None:
    code, out, err = call(*verb, "--help")
    assert code == 0 and not err
    assert "Example: coldray " + " ".join(verb) in " ".join(out.split())
    assert "--json" in out
    description = out.split("Usage:")[1].split("\n", 2)[2].strip()
    assert description and description[0].isupper()


@verbs
def test_every_example_has_a_line_and_the_short_option_helps_too(verb: tuple[str, ...], call: Call) -> None:
    code, out, _ = call(*verb, "-h")
    assert code == 0 and out == call(*verb, "--help")[1]
    starts = [line.strip() for line in out.splitlines() if "Example:" in line]
    assert starts and all(line.startswith("Example:") and line.count("Example:") == 1 for line in starts)


@verbs
def test_a_wrong_option_points_to_the_help_of_its_verb(verb: tuple[str, ...], call: Call) -> None:
    code, _, err = call(*verb, "--no-such-option")
    assert code == 2 and err.rstrip().endswith(f"; see coldray {' '.join(verb)} --help")


@verbs
@pytest.mark.parametrize("as_json", [False, True], ids=["prose", "json"])
def test_a_bad_option_is_usage(verb: tuple[str, ...], as_json: bool, call: Call) -> None:
    code, out, err = call(*verb, "--no-such-option", *(["--json"] if as_json else []))
    assert code == 2
    assert len(err.splitlines()) == 1 and err.startswith("coldray: ") and "--no-such-option" in err
    if as_json:
        assert "--no-such-option" in json.loads(out)["error"]
    else:
        assert not out


@verbs
def test_a_file_that_is_not_there_is_one_line_and_code_3(verb: tuple[str, ...], call: Call, tmp_path: Path) -> None:
    name = " ".join(verb)
    if verb[0] in SERVERS or name in WITHOUT_FILES:
        return
    assert name in MISSING, "a new verb that takes files belongs into the table above"
    for as_json in ([], ["--json"]):
        code, out, err = call(*verb, *MISSING[name], *as_json)
        assert code == 3, f"{out}{err}"
        failures = [line for line in err.splitlines() if line.startswith("coldray: ")]
        assert failures == [err.splitlines()[-1]] and "absent" in failures[0] and "Traceback" not in err
        if as_json:
            said = json.loads(out)
            assert "absent" in json.dumps(said) and len(out.splitlines()) == 1
        else:
            assert not out
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not left, "nothing is left behind"


@pytest.mark.parametrize("arguments", [["--no-such"], ["no-such-verb"], ["measure", "no-such"], ["restore"]])
def test_what_is_no_command_is_usage(arguments: list[str], call: Call) -> None:
    code, _, err = call(*arguments)
    assert code == 2 and len(err.splitlines()) == 1 and "Traceback" not in err


def test_nothing_at_all_shows_the_help(call: Call) -> None:
    code, out, err = call()
    assert "restore" in out + err and code in (0, 2)


def test_the_version_is_one_line(call: Call) -> None:
    code, out, _ = call("--version")
    assert code == 0 and out.startswith("coldray ") and len(out.splitlines()) == 1
