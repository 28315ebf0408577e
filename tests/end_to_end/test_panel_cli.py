"""`simulate panel`, `panel --init` and `panel`: a folder becomes a sheet with what the panel was made of."""

import json
import tomllib

import pytest

from coldray.app.cli import main
from coldray.app.panel import TEMPLATE, parse_panel


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return left.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("panels")
    assert run("simulate", "panel", "-o", out, "--random-state", 5) == 0
    return out


def test_a_folder_becomes_a_sheet_that_holds_the_truth(folder, capsys):
    sheet = folder / "sheet.html"
    assert run("panel", folder, "-o", sheet, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    figures = {f["key"]: f for f in found["panels"][0]["figures"]}
    truth = json.loads((folder / "panel-5" / "truth.json").read_text())["figures"]
    assert set(truth) <= set(figures)
    inside = [
        figures[k]["value"] is not None and figures[k]["low"] <= v <= figures[k]["high"] for k, v in truth.items()
    ]
    assert sum(inside) / len(inside) >= 0.85
    page = sheet.read_text()
    assert "public preview" in page and "Conformity to the standard is not claimed" in page and "iSRb" in page
    assert (folder / "sheet.pdf").read_bytes().startswith(b"%PDF")
    assert "csa.Al.32s.50mm" in (folder / "sheet.csv").read_text()
    assert json.loads((folder / "sheet.json").read_text())["panels"][0]["name"] == "simulated 5"
    assert run("panel", folder, "-o", sheet) != 0


def test_the_template_is_valid_and_says_everything(tmp_path):
    assert run("panel", tmp_path / "mine", "--init") == 0
    told = parse_panel(tmp_path / "mine" / "panel.toml")
    assert set(tomllib.loads(TEMPLATE)) == set(type(told).model_fields)
    assert run("panel", tmp_path / "mine", "--init") != 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.replace("kerma_mgy", "kerma"), "kerma"),
        (lambda t: t.replace("groove_percent = 5.0", "groove_percent = -1"), "groove_percent"),
        (lambda t: t.replace('"darks.tif"', '"../secret.tif"'), "outside"),
        (lambda t: t.replace("[panel]", "[panel"), "TOML"),
    ],
)
def test_a_panel_file_that_is_wrong_is_refused_in_one_line(tmp_path, capsys, change, word):
    (tmp_path / "panel.toml").write_text(change(TEMPLATE))
    assert run("panel", tmp_path, "-o", tmp_path / "s.html") in (2, 3)
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1


def test_a_folder_without_panels_is_refused(tmp_path, capsys):
    assert run("panel", tmp_path, "-o", tmp_path / "s.html") == 3
    assert "--init" in capsys.readouterr().err
