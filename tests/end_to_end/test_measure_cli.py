"""The metrology verbs in one process, on tiny ideal targets with known truth."""

import json

import numpy as np
import pytest

from coldray.app.cli import main
from coldray.formats import read_image, write_image
from coldray.objects import phantoms
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Acquisition, Radiograph, Step

PITCH = 0.1
BLUR = phantoms.GaussianBlur(0.6)
WIRES_MM = phantoms.DUPLEX_SPACING_MM[3:10]


def save(path, pixels, history=(), **known):
    known = {"pixel_pitch_mm": PITCH, "linear": True} | known
    write_image(path, Radiograph(np.asarray(pixels), Acquisition(**known), history))
    return path


@pytest.fixture(scope="session")
def targets(tmp_path_factory):
    """Folder of targets, and the truth of each."""
    folder = tmp_path_factory.mktemp("targets")
    rng = np.random.default_rng(3)
    truth = {}
    image, truth["edge"] = phantoms.slanted_edge((160, 160), BLUR, PITCH)
    save(folder / "edge.tif", image + 0.002 * rng.standard_normal(image.shape).astype(np.float32))
    save(folder / "restored.tif", image, (Step("restore", {}),))
    image, truth["flat"] = phantoms.flat_field((256, 256), PITCH, 1e-6, 5, frames=3)
    (folder / "flats").mkdir()
    for number, frame in enumerate(image):
        save(folder / "flats" / f"{number}.tif", frame, exposure_s=0.5, open_beam=1.0)
    image, truth["bars"] = phantoms.bars([0.4, 1.5, 3.0], BLUR, PITCH, rows=64, count=6)
    save(folder / "bars.tif", image)
    image, truth["duplex"] = phantoms.duplex_wires(BLUR, PITCH, rows=64, spacing_mm=WIRES_MM)
    save(folder / "duplex.tif", image)
    save(folder / "nopitch.tif", np.ones((64, 64), np.float32), pixel_pitch_mm=None)
    (folder / "broken.tif").write_bytes(b"II*\0nothing")
    return folder, truth


@pytest.fixture
def run(capsys):
    """Run a command: exit code, JSON object (if asked for), stdout, stderr."""

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        try:
            found = json.loads(out) if "--json" in arguments else None
        except ValueError:
            pytest.fail(f"exit code {left.value.code}, stdout {out!r}, stderr {err!r}")
        return left.value.code, found, out, err

    return call


def one_line(err):
    return err.startswith("coldray: ") and err.count("\n") == 1


def test_edge_against_truth(run, targets):
    folder, truth = targets
    code, found, _, err = run("measure", "edge", folder / "edge.tif", "--json")
    assert code == 0 and err == ""
    assert {"frequency_lp_mm", "mtf", "mtf_low", "mtf_high", "mtf50_lp_mm", "mtf10_lp_mm", "angle_deg", "warnings"} <= {
        *found
    }
    frequency = np.array(found["frequency_lp_mm"])
    assert frequency[0] == 0 and frequency[-1] == pytest.approx(5) and np.diff(frequency).max() <= 0.1 + 1e-9
    assert np.abs(np.array(found["mtf"]) - truth["edge"](frequency)).max() < 0.02
    assert found["angle_deg"] == pytest.approx(3, abs=0.05)
    assert found["mtf50_lp_mm"] == pytest.approx(truth["edge"].frequency_at(0.5), rel=0.01)


@pytest.mark.parametrize(
    ("verb", "columns", "options"),
    [
        ("edge", "frequency_lp_mm,mtf,mtf_low,mtf_high", []),
        ("flat", "frequency_lp_mm,nnps_mm2,relative_sd", ["--roi-size", 64]),
        ("bars", "frequency_lp_mm,ctf,ctf_low,ctf_high", []),
        ("duplex", "element,spacing_mm,dip_percent", []),
        ("snr", "mean,sd,snr,snr_n,cnr", ["--roi", "0,0,40,40"]),
    ],
)
def test_every_verb_writes_its_table(run, targets, tmp_path, verb, columns, options):
    folder, _ = targets
    source = {"flat": "flats", "snr": "edge.tif"}.get(verb, f"{verb}.tif")
    out = tmp_path / "t.csv"
    code, found, _, _ = run("measure", verb, folder / source, *options, "--csv", out, "--json")
    assert code == 0
    lines = [line for line in out.read_text().splitlines() if not line.startswith("#")]
    assert lines[0].startswith(columns)
    numbers = {
        "edge": lambda: [found["frequency_lp_mm"][-1], found["mtf"][-1], found["mtf_low"][-1], found["mtf_high"][-1]],
        "flat": lambda: [found["frequency_lp_mm"][-1], found["nnps_mm2"][-1], found["relative_sd"][-1]],
        "bars": lambda: [found["groups"][-1][name] for name in ("frequency_lp_mm", "ctf", "ctf_low", "ctf_high")],
        "duplex": lambda: [found["pairs"][-1][name] for name in ("element", "spacing_mm", "dip_percent")],
        "snr": lambda: [found["mean"], found["sd"]],
    }[verb]()
    assert lines[-1].split(",")[: len(numbers)] == [n if isinstance(n, str) else repr(float(n)) for n in numbers]
    assert run("measure", verb, folder / source, *options, "--csv", out)[0] == 3
    assert run("measure", verb, folder / source, *options, "--csv", tmp_path / "t.txt")[0] == 2


def test_the_table_of_an_edge_feeds_a_restoration_as_it_is(run, targets, tmp_path):
    folder, _ = targets
    thick, thin = tmp_path / "thick.csv", tmp_path / "thin.csv"
    sharper, _ = phantoms.slanted_edge((160, 160), phantoms.GaussianBlur(0.3), PITCH)
    save(tmp_path / "sharp.tif", sharper + 0.002 * np.random.default_rng(4).standard_normal(sharper.shape).astype("f4"))
    assert run("measure", "edge", folder / "edge.tif", "--csv", thick)[0] == 0
    assert run("measure", "edge", tmp_path / "sharp.tif", "--csv", thin)[0] == 0
    band = load_detector(thick).mtf
    assert load_detector(thick).pixel_pitch_mm == PITCH
    assert np.all(band.low[1:] < band.high[1:])
    outputs = {name: tmp_path / f"{name}.tif" for name in ("restored", "same", "swapped")}
    wiener = ("--method", "wiener", "--json")
    to_thin = ("--blurred", thick, "--sharp", thin)
    assert run("restore", folder / "edge.tif", "-o", outputs["restored"], *to_thin, *wiener)[0] == 0
    restored = run("measure", "edge", outputs["restored"], "--json")[1]
    before = run("measure", "edge", folder / "edge.tif", "--json")[1]
    assert restored["mtf50_lp_mm"] > 1.2 * before["mtf50_lp_mm"]
    code, _, _, err = run("restore", folder / "edge.tif", "-o", outputs["swapped"], "--blurred", thin, "--sharp", thick)
    assert code == 3 and "exchange the two" in err
    code = run("restore", folder / "edge.tif", "-o", outputs["same"], "--blurred", thick, "--sharp", thick, *wiener)[0]
    assert code == 0
    change = read_image(outputs["same"]).pixels - read_image(folder / "edge.tif").pixels
    assert np.sqrt(np.mean(change**2)) < 0.003


def test_edges_of_both_directions_are_written_both(run, targets, tmp_path):
    folder, truth = targets
    lying, wider = phantoms.slanted_edge((160, 160), phantoms.GaussianBlur(0.75), PITCH)
    save(tmp_path / "lying.tif", lying.T + 0.002 * np.random.default_rng(4).standard_normal((160, 160)).astype("f4"))
    options = (
        "--name",
        "n",
        "--edge",
        folder / "edge.tif",
        "--edge",
        tmp_path / "lying.tif",
        "--flat",
        folder / "flats",
    )
    code, found, _, _ = run("characterise", *options, "-o", tmp_path / "n.json", "--json")
    assert code == 0
    detector = load_detector(tmp_path / "n.json")
    for curve, known in zip(detector.mtf_along, (truth["edge"], wider), strict=True):
        f = curve.frequency_lp_mm
        assert np.abs(curve.value - known(f)).max() < 0.02
        assert np.all(curve.low[1:] < curve.high[1:])
    np.testing.assert_allclose(detector.mtf.value, np.mean([c.value for c in detector.mtf_along], axis=0), atol=1e-12)
    assert any("between the directions" in w for w in found["measurement"]["warnings"])
    one = tmp_path / "one.json"
    options = ("--name", "n", "--edge", folder / "edge.tif", "--flat", folder / "flats")
    assert run("characterise", *options, "-o", one, "--json")[0] == 0
    assert load_detector(one).mtf_along is None


def test_pitch_option_overrides_the_file_with_a_warning(run, targets):
    folder, _ = targets
    code, found, _, _ = run("measure", "edge", folder / "edge.tif", "--pitch-um", 50, "--json")
    assert code == 0 and found["frequency_lp_mm"][-1] == pytest.approx(10)
    assert any("100 um" in w and "50 um" in w for w in found["warnings"])


def test_edge_table_plot_and_report(run, targets, tmp_path):
    folder, _ = targets
    outputs = ("--plot", tmp_path / "mtf.png", "--report", tmp_path / "mtf.html")
    code, _, out, _ = run("measure", "edge", folder / "edge.tif", "--roi", "0,0,160,160", *outputs)
    assert code == 0 and "lp/mm" in out
    assert (tmp_path / "mtf.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "mtf.html").read_text()
    assert "data:image/png;base64," in page and "edge.tif" in page and "://" not in page
    assert run("measure", "edge", folder / "edge.tif", "--roi", "0,0,160,160", "--report", tmp_path / "mtf.pdf")[0] == 0
    assert (tmp_path / "mtf.pdf").read_bytes().startswith(b"%PDF-")
    code, _, _, err = run("measure", "edge", folder / "edge.tif", *outputs)
    assert code == 3 and one_line(err) and "--overwrite" in err


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_plots_are_the_same_bytes_again(run, targets, tmp_path, suffix):
    folder, _ = targets
    for name in ("a", "b"):
        assert run("measure", "edge", folder / "edge.tif", "--plot", tmp_path / f"{name}.{suffix}")[0] == 0
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_flat_against_truth(run, targets, tmp_path):
    folder, _ = targets
    plot, report = tmp_path / "n.png", tmp_path / "n.html"
    code, found, _, _ = run("measure", "flat", folder / "flats", "--json", "--plot", plot, "--report", report)
    assert code == 0 and plot.stat().st_size and report.stat().st_size
    assert {
        "frequency_lp_mm",
        "nnps_mm2",
        "relative_sd",
        "mean_signal",
        "radial_frequency_lp_mm",
        "radial_nnps_mm2",
        "warnings",
    } <= {*found}
    assert np.mean(found["radial_nnps_mm2"]) == pytest.approx(1e-6, rel=0.05)
    assert found["frames"] == 3 and found["temporal_relative_sd"] == pytest.approx(0.01, rel=0.05)


def test_bars_against_truth(run, targets, tmp_path):
    folder, truth = targets
    code, found, _, _ = run("measure", "bars", folder / "bars.tif", "--json", "--plot", tmp_path / "b.png")
    assert code == 0 and (tmp_path / "b.png").stat().st_size
    assert [g["ctf"] for g in found["groups"]] == pytest.approx([g.ctf for g in truth["bars"]], abs=0.01)
    assert len(found["mtf"]) == 3


def test_duplex_against_truth(run, targets, tmp_path):
    folder, truth = targets
    code, found, _, _ = run("measure", "duplex", folder / "duplex.tif", "--json", "--report", tmp_path / "d.html")
    assert code == 0 and (tmp_path / "d.html").stat().st_size
    assert [p["spacing_mm"] for p in found["pairs"]] == pytest.approx(list(WIRES_MM))
    assert found["isrb_mm"] == pytest.approx(truth["duplex"].isrb_mm, rel=0.05)


def test_snr_of_two_regions(run, targets, tmp_path):
    folder, _ = targets
    rois = ("--roi", "110,10,40,100", "--roi", "10,10,40,100")
    code, found, _, _ = run("measure", "snr", folder / "edge.tif", *rois, "--json", "--plot", tmp_path / "s.png")
    assert code == 0 and (tmp_path / "s.png").stat().st_size
    assert found["mean"] == pytest.approx(1, rel=1e-3) and found["sd"] == pytest.approx(0.002, rel=0.05)
    assert found["snr_n"] is None and found["cnr"] == pytest.approx(0.95 / 0.002, rel=0.05)
    _, found, _, _ = run("measure", "snr", folder / "edge.tif", *rois, "--srb-um", 130, "--json")
    assert found["snr_n"] == pytest.approx(found["snr"] * 88.6 / 130, rel=0.03)


def test_restored_images_are_named_as_such(run, targets):
    folder, _ = targets
    code, found, _, _ = run("measure", "edge", folder / "restored.tif", "--json")
    assert code == 0 and any("restored" in w for w in found["warnings"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("edge", "missing.tif"), 3),
        (("edge", "broken.tif"), 3),
        (("edge", "nopitch.tif"), 3),
        (("edge", "flats/0.tif"), 3),
        (("edge", "edge.tif", "--roi", "0,0,999,999"), 3),
        (("edge", "edge.tif", "--roi", "1,2,3"), 2),
        (("edge", "edge.tif", "--pitch-um", "-1"), 2),
        (("edge", "edge.tif", "--plot", "x.gif"), 2),
        (("edge", "edge.tif", "--no-such-option"), 2),
        (("flat", "flats", "--roi-size", "65"), 2),
        (("bars", "bars.tif", "--plateau", "1"), 2),
        (("snr", "edge.tif", "--roi", "0,0,50,50", "--recess-percent", "5"), 2),
        (("duplex", "nopitch.tif"), 3),
        (("length", "edge.tif"), 2),
    ],
)
def test_failures_take_one_line_and_a_code(run, targets, tmp_path, monkeypatch, arguments, expected):
    folder, _ = targets
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    code, found, _, err = run("measure", *arguments, "--report", tmp_path / "r.html", "--json")
    assert code == expected and one_line(err) and found["error"] in err
    assert sorted(folder.rglob("*")) == before and not list(tmp_path.iterdir())


def test_one_bad_file_among_several(run, targets):
    folder, _ = targets
    code, found, _, _ = run("measure", "flat", folder / "flats", folder / "missing.tif", "--json")
    assert code == 1 and found["frames"] == 3 and any("missing.tif" in w for w in found["warnings"])


@pytest.mark.parametrize("verb", ["edge", "flat", "bars", "duplex", "snr"])
def test_help_has_an_example(run, verb):
    code, _, out, _ = run("measure", verb, "--help")
    assert code == 0 and "Example: coldray measure" in out


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """Folder with raw frames, darks and flats of a detector with a gain pattern, and one dead pixel."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(9)
    gain = 1 + 0.04 * rng.standard_normal((96, 96))
    gain[40, 50] = 0
    for role, level, count, sd in (("frame", 0.5, 4, 30.0), ("flat", 1.0, 8, 30.0), ("dark", 0.0, 8, 3.0)):
        (folder / role).mkdir()
        for number in range(count):
            frame = 100 + 20000 * level * gain + sd * rng.standard_normal(gain.shape)
            save(folder / role / f"{number}.tif", np.rint(frame).astype(np.uint16), exposure_s=0.25)
    return folder


def corrections(folder):
    return ("--dark", folder / "dark", "--flat", folder / "flat")


def test_correct_keeps_integers_and_says_the_open_beam(run, raw, tmp_path):
    out = tmp_path / "mean.tif"
    outputs = ("-o", out, "--plot", tmp_path / "n.png", "--report", tmp_path / "n.html")
    code, found, _, _ = run("correct", raw / "frame", *corrections(raw), *outputs, "--json")
    assert code == 0 and found["frames"] == 4 and found["bad_pixels"] == 1
    assert {"nsr", "nsr_drop", "fixed_pattern_nsr", "temporal_nsr", "warnings"} <= {*found}
    image = read_image(out)
    assert image.dtype == np.uint16 and image.shape == (96, 96) and image.acquisition.frames == 4
    assert image.acquisition.open_beam == pytest.approx(20000, rel=5e-3)
    assert float(image.pixels.mean()) / image.acquisition.open_beam == pytest.approx(0.5, rel=1e-3)
    assert image.pixels.std() / image.pixels.mean() < 0.01
    assert image.history[-1].verb == "correct"
    assert json.loads((tmp_path / "mean.tif.json").read_text())["frames"] == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mean.tif", "mean.tif.json", "n.html", "n.png"]


def test_correct_as_fraction(run, raw, tmp_path):
    code, _, _, _ = run("correct", raw / "frame", *corrections(raw), "-o", tmp_path / "m.tif", "--fraction")
    image = read_image(tmp_path / "m.tif")
    assert code == 0 and image.dtype == np.float32 and image.acquisition.open_beam == 1.0
    assert float(image.pixels.mean()) == pytest.approx(0.5, rel=1e-3)


def test_correct_into_a_folder(run, raw, tmp_path):
    code, found, _, _ = run("correct", raw / "frame", *corrections(raw), "-o", tmp_path / "out", "--json")
    assert code == 0 and len(found["files"]) == 4 and found["frames"] == 4
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"{n}.tif" for n in range(4)]
    assert found["nsr"] < 0.01


@pytest.mark.parametrize(("suffix", "holds"), [("npy", False), ("tif", True)])
def test_correct_says_what_a_file_cannot_hold(run, raw, tmp_path, suffix, holds):
    """The map of replaced pixels, and whatever lies below the dark level in unsigned integers."""
    below = read_image(raw / "frame" / "0.tif").pixels.copy()
    below[40:60, 40:50] = 60
    save(tmp_path / "below.tif", below, exposure_s=0.25)
    whole, part = (
        run("correct", frames, *corrections(raw), "-o", tmp_path / f"{name}.{suffix}", "--json")[1]
        for name, frames in (("whole", raw / "frame"), ("part", tmp_path / "below.tif"))
    )
    for found, clipped in ((whole, 0), (part, 200)):
        assert any(f".{suffix} cannot hold the map of the 1 replaced" in w for w in found["warnings"]) != holds
        assert found["clipped_pixels"] == clipped
        said = f"{clipped} pixels left the range of uint16 and were clipped (below dark"
        assert any(w.startswith(said) for w in found["warnings"]) == (clipped > 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("frame/9.tif", "-o", "{out}/a.tif"), 3),
        (("frame", "--flat", "none.tif", "-o", "{out}/a.tif"), 3),
        (("frame", "--dark", "flat", "--flat", "dark", "-o", "{out}/a.tif"), 3),
        (("frame", "--fraction", "-o", "{out}/a.tif"), 3),
        (("frame", "-o", "frame/0.tif", "--overwrite"), 3),
        (("frame", "--stop", "-o", "{out}/folder"), 2),
        (("frame", "--open-beam", "0", "-o", "{out}/a.tif"), 2),
        (("frame",), 2),
    ],
)
def test_correct_failures_leave_nothing(run, raw, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(raw)
    before = (raw / "frame" / "0.tif").read_bytes()
    code, _, _, err = run("correct", *(a.format(out=tmp_path) for a in arguments))
    assert code == expected and one_line(err)
    assert not list(tmp_path.iterdir()) and (raw / "frame" / "0.tif").read_bytes() == before


def characterise(folder, *more):
    return ("characterise", "--name", "mine", "--edge", folder / "edge.tif", "--flat", folder / "flats", *more)


def test_characterise_writes_a_detector(run, targets, tmp_path):
    folder, truth = targets
    out = tmp_path / "mine.json"
    more = ("--bars", folder / "bars.tif", "--beam", "RQA5", "--air-kerma-ugy", 1, "-o", out)
    code, found, _, _ = run(
        *characterise(folder, *more), "--json", "--plot", tmp_path / "p.png", "--report", tmp_path / "r.html"
    )
    assert code == 0 and found == json.loads(out.read_text())
    assert found["format"] == "coldray-detector" and {"edge", "flat", "bars", "dqe"} <= {*found["measurement"]}
    assert found["nnps_mm2"]["frequency_lp_mm"][0] == 0 and found["nnps_exposure_s"] == 0.5
    detector = load_detector(out)
    assert detector.pixel_pitch_mm == pytest.approx(PITCH) and detector.electronic_fraction == 0
    assert float(detector.mtf(2.0)) == pytest.approx(float(truth["edge"](2.0)), abs=0.01)
    quantum, electronic = detector.noise_power(np.array([1.0, 3.0]), 0.5)
    assert quantum + electronic == pytest.approx(np.full(2, 1e-6), rel=0.25)
    sharp = load_detector("phosphor:33.91", pixel_pitch_mm=PITCH)
    assert np.all(DetectorPair(detector, sharp).ratio(np.linspace(0, 7, 50)) <= 1)
    dqe, neq = found["measurement"]["dqe"]["dqe"], found["measurement"]["dqe"]["neq_per_mm2"]
    assert dqe == pytest.approx((np.array(neq) / 29653).tolist())
    assert (tmp_path / "p.png").stat().st_size and (tmp_path / "r.html").stat().st_size


def test_characterise_tells_the_next_command(run, targets, tmp_path):
    folder, _ = targets
    code, _, out, err = run(*characterise(folder, "-o", tmp_path / "d.json"))
    assert code == 0 and "d.json" in out and "coldray restore" in err and "--blurred" in err


def test_a_measured_detector_drops_into_restore(run, targets, tmp_path):
    """Two detector files from images, one blurred bar target, and the bars come back."""
    folder, _ = targets
    wide = phantoms.GaussianBlur(1.4)
    edge = phantoms.slanted_edge((160, 160), wide, PITCH)[0]
    bars = phantoms.bars([0.4, 1.5], wide, PITCH, rows=64, count=6)[0]
    rng = np.random.default_rng(8)
    for name, image in (("thick_edge", edge), ("thick_bars", bars)):
        save(
            tmp_path / f"{name}.tif", image + 0.002 * rng.standard_normal(image.shape).astype(np.float32), open_beam=1.0
        )
    assert run(*characterise(folder, "-o", tmp_path / "thin.json"))[0] == 0
    flats = ("--flat", folder / "flats", "-o", tmp_path / "thick.json")
    assert run("characterise", "--name", "thick", "--edge", tmp_path / "thick_edge.tif", *flats)[0] == 0
    detectors = ("--blurred", tmp_path / "thick.json", "--sharp", tmp_path / "thin.json", "--exposure-s", 0.5)
    out = tmp_path / "out.tif"
    code, found, _, _ = run(
        "restore", tmp_path / "thick_bars.tif", "-o", out, "--method", "wiener", *detectors, "--json"
    )
    assert code == 0 and found["files"][0]["method"] == "wiener"
    fine = [run("measure", "bars", path, "--json")[1]["groups"][-1] for path in (tmp_path / "thick_bars.tif", out)]
    assert [g["frequency_lp_mm"] for g in fine] == pytest.approx([1.5, 1.5], rel=0.01)
    assert fine[1]["ctf"] > fine[0]["ctf"] + 0.2


def test_exposure_series_gives_the_electronic_share(run, targets, tmp_path):
    folder, _ = targets
    rng = np.random.default_rng(2)
    paths = []
    for number, level in enumerate((100.0, 400.0, 1600.0)):
        frame = level + np.sqrt(level + 400) * rng.standard_normal((256, 256))
        paths += ["--flat", save(tmp_path / f"{number}.tif", frame.astype(np.float32), exposure_s=level / 1600)]
    out = tmp_path / "d.json"
    code, found, _, _ = run("characterise", "--name", "d", "--edge", folder / "edge.tif", *paths, "-o", out, "--json")
    assert code == 0 and found["nnps_exposure_s"] == 1
    assert found["electronic_fraction"] == pytest.approx(400 / 2000, rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--edge", "missing.tif", "--flat", "flats"), 3),
        (("--edge", "edge.tif", "--flat", "nopitch.tif"), 3),
        (("--edge", "restored.tif", "--flat", "flats", "--beam", "RQA5", "--air-kerma-ugy", "2"), 3),
        (("--edge", "edge.tif", "--flat", "flats", "--air-kerma-ugy", "2"), 2),
        (("--edge", "edge.tif", "--flat", "flats", "--beam", "RQA5"), 2),
        (("--edge", "edge.tif", "--flat", "flats", "--beam", "XYZ", "--air-kerma-ugy", "2"), 2),
        (("--edge", "edge.tif"), 2),
    ],
)
def test_characterise_failures_leave_nothing(run, targets, tmp_path, monkeypatch, arguments, expected):
    folder, _ = targets
    monkeypatch.chdir(folder)
    code, _, _, err = run("characterise", "--name", "d", *arguments, "-o", tmp_path / "d.json")
    assert code == expected and one_line(err) and not list(tmp_path.iterdir())


def test_ideal_edge_measures_as_its_truth_says(run, tmp_path):
    simulate = ("simulate", "edge", "--ideal", "-o", tmp_path, "--size-px", 128, "--pitch-um", 100)
    code, found, _, _ = run(*simulate, "--json")
    assert code == 0 and len(found["files"]) == 1
    truth = json.loads((tmp_path / "edge" / "truth.json").read_text())
    _, measured, _, _ = run("measure", "edge", found["files"][0], "--json")
    assert measured["mtf50_lp_mm"] == pytest.approx(truth["mtf50_lp_mm"], rel=2e-3)
    assert run(*simulate)[0] == 3
    assert run("simulate", "wedge", "--ideal", "-o", tmp_path / "x")[0] == 2


def test_ideal_flat_and_bars(run, tmp_path):
    code, found, _, _ = run("simulate", "flat", "--ideal", "-o", tmp_path, "--size-px", 64, "--frames", 2, "--json")
    assert code == 0 and [read_image(p).pixels.std() for p in found["files"]] == pytest.approx([0.01, 0.01], rel=0.05)
    code, found, _, _ = run("simulate", "bars", "--ideal", "-o", tmp_path, "--size-px", 64, "--json")
    assert code == 0
    groups = json.loads((tmp_path / "bars" / "truth.json").read_text())["groups"]
    assert len(groups) == 6 and all(0 < g["ctf"] <= 1.001 for g in groups)


def test_blur_of_flats_and_of_two_distances(tmp_path, run):
    """The verbs without a target: white noise is that of a pixel, edges that are alike have no focal spot between them."""
    rng = np.random.default_rng(0)
    flats = save(tmp_path / "flats.tif", (1000 + 20 * rng.standard_normal((4, 256, 256))).astype(np.float32))
    code, found, _, _ = run("measure", "blur", flats, "--json")
    assert code == 0 and found["levels"] == 1 and found["noise_mtf"][0] == 1.0
    edge, _ = phantoms.slanted_edge((160, 200), BLUR, PITCH)
    names = [
        save(tmp_path / name, edge + 0.002 * rng.standard_normal(edge.shape).astype(np.float32))
        for name in ("near.tif", "far.tif")
    ]
    told = ["--magnification", "1.0", "--magnification", "2.0"]
    code, found, _, _ = run("measure", "source", *names, *told, "--json")
    assert code == 0 and found["spot_low_mm"] == 0 and found["spot_high_mm"] < 0.1
    assert run("measure", "source", names[0], *told, "--json")[0] == 2


def test_the_first_page_of_a_sheet(targets, tmp_path, run):
    folder, _ = targets
    code, found, _, _ = run(
        "measure", "uniformity", folder / "flats", "--tile-mm", "5", "--plot", tmp_path / "u.png", "--json"
    )
    assert code == 0 and found["signal_global"] < 0.01 and (tmp_path / "u.png").is_file()
    names = [save(tmp_path / f"{k}.tif", np.full((64, 64), 100.0 * k, np.float32)) for k in (1, 2, 4, 8, 16)]
    exposures = [word for k in (1, 2, 4, 8, 16) for word in ("--exposure", str(k))]
    code, found, _, _ = run("measure", "linearity", *names, *exposures, "--report", tmp_path / "l.html", "--json")
    assert code == 0 and found["r_squared"] > 0.999999 and "R²" in (tmp_path / "l.html").read_text()
    assert run("measure", "linearity", *names, "--json")[0] == 3
    code, found, _, _ = run("measure", "ttf", folder / "edge.tif", folder / "edge.tif", "--contrast", "0.95", "--json")
    assert code == 0 and found["contrast_kept"] == pytest.approx(1, abs=0.01) and found["repeats"] == 2
