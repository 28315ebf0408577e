"""The comparison and its ablations as files and as a command, with a network that answers at once."""

import csv
import html
import json

import numpy as np
import pytest

from coldray.app.cli import main
from coldray.app.commands.benchmark import split_models
from coldray.benchmark.paper import ablation, scores, tables, words
from coldray.benchmark.paper.contestants import BLURRED, THIN_KEYS
from coldray.benchmark.paper.marks import judge_marks
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.report import write_paper
from coldray.benchmark.paper.run import run_paper
from coldray.benchmark.paper.scenes import BoardSet, paper_blend
from coldray.errors import SettingsError

BOARD = BoardSet(("handheld",), 1, 128, 31)


@pytest.fixture(scope="module")
def measured(fake):
    settings = PaperSettings(
        parts=("scores", "steps", "efficiency"), exposures_s=(1.0,), boards=BOARD, tuning_boards=0, step_counts=(1, 2), steps=2,
        flats=4,
        kinds=("acquired",),
    )  # fmt: skip
    return run_paper(fake(), {"mine": fake("direct")}, settings)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory, measured):
    results, pictures = measured
    folder = tmp_path_factory.mktemp("paper")
    return results, folder, write_paper(folder, results, pictures, "coldray benchmark paper")


def test_every_file_is_there_and_whole(comparison):
    results, folder, report = comparison
    sheets = range(1, 4)
    assert {p.name for p in folder.iterdir()} == {
        "results.json", "table.csv", "table.tex", "tables.md", *(f"images_{n}.{kind}" for n in sheets for kind in ("png", "pdf")), "path.png", "path.pdf", "steps.png", "steps.pdf",
        "report.html",
    }  # fmt: skip
    stored = json.loads((folder / "results.json").read_text())
    assert (
        set(stored["methods"])
        == {r["method"] for r in stored["images"]}
        >= {"wiener", "coldray", "mine", "unsupervised_wiener"}
    )
    assert stored["convention"]["data_range"] == 1 and stored["command"] == "coldray benchmark paper"
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    for row in rows:
        entry = next(e for e in results["summary"] if e["method"] == row["method"])
        assert float(row["psnr_db_truth"]) == pytest.approx(entry["psnr_db_truth"]["mean"], rel=1e-4)
    assert "## Scores\n\n| method | 1 s | evaluations |" in (folder / "tables.md").read_text()
    page = html.unescape(report.read_text())
    assert 'src="http' not in page and page.count("data:image/png;base64,") == 2 + len(sheets)
    assert all(results["methods"][k]["label"] in page for k in ("wiener", "mine", "coldray"))
    assert "Detection efficiency on flats" in page
    assert "No model of CDM that answers with the noise is at hand" in page
    assert words.PAPER in page and "23.301 dB" in page and words.WHY_NOT_COMPARABLE in page
    for caption in ("path", "images", "steps"):
        assert words.CAPTIONS[caption] in page
    (said,) = words.opening(results)
    assert said in page and said.startswith("At 1 s one frame of the thick screen has")
    assert page.index(said) < page.index("<table>") < page.index("Paired differences in words")
    assert "No model of regression" not in page  # one took part


def test_the_tables_begin_with_the_thin_screen_and_show_paired_differences(comparison):
    results, folder, _ = comparison
    group = tables.groups_of(results)[0]
    labels = [results["methods"][k]["label"] for k in (*THIN_KEYS, BLURRED)]
    assert [line["label"] for line in group["lines"][:5]] == labels
    assert [line["label"] for line in group["detail"]] == [line["label"] for line in group["lines"]]
    by = {e["method"]: e["psnr_db_truth"]["mean"] for e in results["summary"]}
    shown = {line["label"]: line["cells"] for line in group["lines"]}
    default = shown["coldray (default)"]
    assert float(default[2]) == pytest.approx(by["coldray"] - by["wiener"], abs=0.006)
    assert shown[results["methods"]["wiener"]["label"]][2] == "–"
    # what is equal is marked equally, and a frame of the other screen is no rival for the star
    assert not any("★" in cell for label in labels[:4] for cell in shown[label])
    table = (folder / "table.tex").read_text()
    assert table.index("thin screen, as it is") < table.index(r"\midrule" + "\nthick screen, as it is")
    assert f"coldray (default) & {by['coldray']:.2f}" in table


def test_signed_differences_say_whether_zero_is_in_the_interval():
    assert tables.signed({"mean": 1.0, "low": 0.5, "high": 1.5}, 2) == "+1.00 (+0.50 to +1.50) *"
    assert tables.signed({"mean": 1.0, "low": 0.5, "high": 1.5}, 2, bold=True) == "**+1.00** (+0.50 to +1.50)"
    assert tables.signed({"mean": 1.0, "low": -0.5, "high": 2.5}, 1) == "+1.0 (-0.5 to +2.5)"
    assert tables.signed({"mean": 1.0, "low": -0.5, "high": 2.5}, 1, bold=True) == "+1.0 (-0.5 to +2.5)"
    assert tables.signed({"mean": 1.0, "low": float("nan"), "high": float("nan")}, 1) == "+1.0"


def test_the_marks_are_read_from_the_results(comparison):
    results, _, _ = comparison
    marks = {m["mark"]: m for m in judge_marks(results)}
    gain = next(m for words, m in marks.items() if words.startswith("PSNR over NPS-Wiener"))
    by = {e["method"]: e["psnr_db_truth"]["mean"] for e in results["summary"]}
    assert gain["measured"] == pytest.approx(by["coldray"] - by["wiener"])
    assert not gain["passed"]  # a linear estimate does not beat Wiener by 2 dB
    kept = next(m for words, m in marks.items() if words.startswith("detection efficiency"))
    assert kept["measured"] > 0.9 and len(results["efficiency"]) == 5
    best = next(m for words, m in marks.items() if words.startswith("best SSIM"))
    assert best["passed"] == (best["measured"] >= -1e-6)


def test_no_steps_with_an_answer_that_does_not_depend_on_them(comparison):
    results, _, _ = comparison
    one, two = (next(e for e in results["steps"] if e["sampler"] == "cold, K = 1" and e["steps"] == n) for n in (1, 2))
    assert one["psnr_db_truth"]["mean"] == pytest.approx(two["psnr_db_truth"]["mean"], abs=1e-3)


@pytest.mark.parametrize("name", ablation.NAMES)
def test_every_ablation_is_planned(name, fake):
    how = ablation.plan(name, fake(), {"noise_free": fake()})
    keys = [c.key for c in how.contestants]
    assert len(set(keys)) == len(keys) and how.question.endswith("?")
    assert all(a in keys and b in keys for a, b in how.pairs)


def test_the_t_of_training_is_read_from_the_models(fake):
    class Trained(fake):
        levels: int | None = None

        @property
        def header(self):
            return super().header | {
                "training": {"recipe": {"example": {"levels": self.levels} if self.levels else {}}}
            }

    four, endless = Trained(), Trained()
    object.__setattr__(four, "levels", 4)
    how = ablation.plan("levels", fake(), {"T4": four, "free": endless})
    assert [c.label for c in how.contestants] == [
        "T4, T = 4 in training, one step", "T4, T = 4 in training, 4 steps, K = 1",
        "free, t continuous in training, one step", "free, t continuous in training, 4 steps, K = 1",
    ]  # fmt: skip
    assert how.pairs == [("free_one_step", "T4_one_step"), ("free_cold", "T4_cold")] and not how.missing
    assert "example.levels=T" in ablation.plan("levels", fake(), {"T4": four}).missing


def test_an_unknown_ablation_is_refused(fake):
    with pytest.raises(SettingsError, match="no ablation"):
        ablation.plan("colour", fake(), {})


def test_a_wrong_blur_is_felt(fake, one_board):
    how = ablation.plan("blur", fake(), {})
    rows = scores.score_scene(one_board[0], [c for c in how.contestants if c.key.startswith("wiener")], 0, fake().prior)
    by = {r["method"]: r["psnr_db_same_response"] for r in rows}
    assert by["wiener"] > max(by["wiener_milder"], by["wiener_stronger"])
    f = np.array([0.0, 2.0, 5.0])
    right = paper_blend().transfer(f, 1.0)
    assert np.all(ablation.Stretched(paper_blend(), 1.1).transfer(f, 1.0)[1:] > right[1:])
    assert ablation.Stretched(paper_blend(), 0.9).transfer(f, 1.0)[0] == 1


def test_half_a_pixel_is_half_a_pixel():
    x = np.cos(2 * np.pi * (np.arange(64) + 0.5) / 16)
    image = np.tile(x, (64, 1)).astype(np.float32)
    moved = ablation.shifted(image, 0.0, 0.5)
    np.testing.assert_allclose(moved[8, 8:-8], np.cos(2 * np.pi * np.arange(64) / 16)[8:-8], atol=1e-3)
    np.testing.assert_allclose(ablation.shifted(image, 0.0, 1.0)[:, 1:], image[:, :-1], atol=1e-4)


def test_registration_changes_the_scores_not_the_images(fake, tmp_path):
    results = ablation.run_ablation("registration", fake(), boards=BOARD)
    by = {(e["kind"], e["exposure_s"], e["method"]): e["psnr_db_truth"]["mean"] for e in results["summary"]}
    assert by["acquired", 1.0, "wiener"] > by["acquired, reference off by 0.5 px", 1.0, "wiener"] + 0.5
    table = ablation.write_ablation(tmp_path, results, "coldray benchmark ablate registration")
    assert (
        table.read_text().startswith("# What do references off by 0.5 px")
        and (tmp_path / "registration.json").is_file()
    )


def test_models_by_name():
    assert split_models(["a.onnx", "cdm=b.onnx"]) == ("a.onnx", {"cdm": "b.onnx"})
    for bad in (["a", "b"], ["x=1", "x=2"], ["a b=c"]):
        with pytest.raises(SettingsError):
            split_models(bad)


def test_the_command_line(fake, measured, tmp_path, monkeypatch, capsys):
    """What it asks for and what it writes of the results; the run itself is that of `measured`."""
    given = []
    monkeypatch.setattr("coldray.restoration.model.load_model", lambda source=None: fake())
    monkeypatch.setattr("coldray.benchmark.paper.run.run_paper", lambda *all_, **_: given.append(all_) or measured)
    asked = ["benchmark", "paper", "-o", str(tmp_path), "--boards", "1", "--size-px", "192", "--part", "scores", "--kind",
             "acquired", "--exposure-s", "1", "--json"]  # fmt: skip
    with pytest.raises(SystemExit) as left:
        main(asked)
    assert left.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["report"].endswith("report.html") and "--kind acquired" in printed["command"]
    assert printed["command"] in (tmp_path / "report.html").read_text()
    ((_, _, settings),) = given
    assert (settings.parts, settings.kinds, settings.exposures_s) == (("scores",), ("acquired",), (1.0,))
    assert (settings.boards.count, settings.boards.size_px) == (1, 192)
    assert [row["method"] for row in printed["summary"]] == [row["method"] for row in measured[0]["summary"]]
    monkeypatch.undo()
    monkeypatch.setattr("coldray.restoration.model.load_model", lambda source=None: fake())
    for wrong in (["--part", "magic"], ["--kind", "measured"]):
        with pytest.raises(SystemExit) as left:
            main(["benchmark", "paper", "-o", str(tmp_path), *wrong])
        assert left.value.code == 2
