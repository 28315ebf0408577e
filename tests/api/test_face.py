"""`import coldray`: its names, its weight, three lines for each job, and wrong arguments."""

import ast
import pkgutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coldray
from coldray.errors import ColdrayError

NAMES = {
    *("read", "write", "restore", "Restorer", "edge_mtf", "flat_nnps", "bars_ctf", "duplex_isrb", "snr"),
    *(
        "neq_dqe",
        "characterise",
        "certify",
        "simulate",
        "degrade",
        "pod",
        "load_model",
        "load_detector",
        "read_board",
        "Radiograph",
    ),
    *("Detector", "FrequencyCurve", "stream"),
}
FREQUENCY = np.linspace(0, 12, 121)
THICK, THIN = (FREQUENCY, np.exp(-FREQUENCY / 3)), (FREQUENCY, np.exp(-FREQUENCY / 8))


FLATS = np.random.default_rng(1).normal(1000, 10, (3, 320, 320))


def edge(side=160, noise=0.002):
    x = np.arange(side) - side / 2 + 0.3 - 0.06 * np.arange(side)[:, None]
    return 0.2 + 0.6 / (1 + np.exp(-1.7 * x)) + noise * np.random.default_rng(0).standard_normal((side, side))


def test_the_names_are_these():
    assert set(coldray.__all__) == NAMES | {"__version__"}
    for name in NAMES:
        assert getattr(coldray, name) is not None and name in dir(coldray)
    with pytest.raises(AttributeError, match="no attribute 'deblur'"):
        _ = coldray.deblur


def test_no_name_is_hidden_by_a_package():
    """A package of the same name would take the name's place when something imports it."""
    rooms = {module.name for module in pkgutil.iter_modules(coldray.__path__)}
    assert not rooms & NAMES


def test_nothing_loads_before_it_is_used():
    code = "import sys, coldray; print(*(m for m in sys.modules if m.startswith('coldray') or m == 'numpy'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert done == ["coldray"]


def test_a_restoration_does_without_what_takes_long_to_load():
    """The statistics of scipy take as long as all the rest of a command, its filters of images a tenth."""
    code = (
        "import sys, numpy as np, coldray; coldray.restore(np.full((64, 64), 0.5, np.float32), exposure_s=0.25); "
        "print(*(m for m in ('scipy.stats', 'scipy.ndimage', 'matplotlib') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert done == []


@pytest.mark.parametrize("verb", ["measure", "characterise"])
def test_the_measuring_verbs_call_the_face(verb):
    """No measurement is taken in the command line: what it measures, Python measures."""
    path = Path(coldray.__file__).parent / "app" / "commands" / f"{verb}.py"
    modules = {n.module for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.ImportFrom)}
    assert not any(module.startswith("coldray.metrology") for module in modules)
    assert any(module.startswith("coldray.api") for module in modules)


def test_the_core_does_not_know_the_face():
    below = [p for p in Path(coldray.__file__).parent.rglob("*.py") if p.parts[-2] not in ("api", "commands")]
    for path in below:
        if "app" in path.parts or path.name == "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("coldray.api"), path


def test_restore_an_array_with_two_tables():
    image = np.random.default_rng(0).normal(0.5, 0.01, (96, 112))
    found = coldray.restore(image, THICK, THIN, pixel_pitch_mm=0.05)
    assert np.asarray(found).shape == (96, 112) and found.pixels.dtype == image.dtype
    assert abs(np.asarray(found).mean() - image.mean()) < 1e-4
    assert len(repr(found).splitlines()) <= 5 and "<table>" in found._repr_html_()
    assert found.to_dict()["consistency"]["verdict"] == found.verdict


def test_an_mtf_with_its_plot_and_its_table_from_a_file(tmp_path):
    coldray.write(tmp_path / "edge.tif", coldray.Radiograph(np.rint(edge() * 60000).astype(np.uint16)))
    found = coldray.edge_mtf(tmp_path / "edge.tif", pixel_pitch_mm=0.1)
    axis = found.plot()
    table = found.to_csv(tmp_path / "mtf.csv")
    assert axis.get_xlabel() and len(axis.lines) >= 1
    again = coldray.load_detector(table)
    np.testing.assert_allclose(again.mtf(found.frequency_lp_mm), found.mtf)
    np.testing.assert_allclose(again.mtf.low, found.mtf_low)
    np.testing.assert_array_equal(found.at(found.frequency_lp_mm), found.mtf)
    assert set(found.to_dict()) >= {"frequency_lp_mm", "mtf", "mtf_low", "mtf_high", "mtf50_lp_mm", "warnings"}
    other = coldray.edge_mtf(edge(noise=0.01), pixel_pitch_mm=0.1)
    assert other.plot(axis) is axis and len(axis.lines) > 2
    # what one measurement gives, another takes
    result = coldray.restore(np.full((80, 80), 0.5), found.curve, other.curve, pixel_pitch_mm=0.1, method="wiener")
    np.testing.assert_allclose(np.asarray(result), 0.5, atol=1e-6)


def test_each_job_takes_three_lines():
    """The README shows them; `tests/docs` runs them."""
    readme = Path(coldray.__file__).parents[2] / "README.md"
    blocks = [block.split("```")[0] for block in readme.read_text(encoding="utf-8").split("```python\n")[1:]]
    assert len(blocks) == 3
    assert all(0 < len([line for line in block.splitlines() if line]) <= 3 for block in blocks)


def test_a_restorer_serves_several_threads():
    """Frames of a line, all at once, by one restorer: the pixels of one after the other."""
    rng = np.random.default_rng(4)
    frames = [
        (edge() * level + 0.004 * rng.standard_normal(edge().shape)).astype(np.float32) for level in (0.7, 0.8, 0.9)
    ]
    known = {"pixel_pitch_mm": 0.048, "exposure_s": 0.25, "filter_signal": 0.4}
    one_by_one = coldray.Restorer(**known)
    wanted = [one_by_one(frame) for frame in frames]
    at_once = coldray.Restorer(**known)
    with ThreadPoolExecutor(3) as threads:
        for found, right in zip(threads.map(at_once, frames), wanted, strict=True):
            np.testing.assert_array_equal(found, right)


def test_paths_arrays_and_radiographs_are_the_same_image(tmp_path):
    pixels = np.rint(edge() * 60000).astype(np.uint16)
    image = coldray.Radiograph(pixels).with_acquisition(pixel_pitch_mm=0.1)
    coldray.write(tmp_path / "e.tif", image)
    results = [
        coldray.edge_mtf(pixels, 0.1),
        coldray.edge_mtf(image),
        coldray.edge_mtf(str(tmp_path / "e.tif")),
        coldray.edge_mtf([tmp_path / "e.tif"]),
    ]
    for found in results[1:]:
        np.testing.assert_array_equal(found.mtf, results[0].mtf)


def test_noise_contrast_and_dqe():
    flats = np.random.default_rng(1).normal(1000, 10, (4, 320, 320))
    noise = coldray.flat_nnps(flats, 0.1)
    np.testing.assert_allclose(noise.nnps_mm2.mean(), (0.01 * 0.1) ** 2, rtol=0.05)
    found = coldray.neq_dqe(coldray.edge_mtf(edge(), 0.1), noise, air_kerma_ugy=5.0, beam_quality="RQA5")
    assert found.dqe.shape == found.frequency_lp_mm.shape
    ratio = coldray.snr(flats[0], (10, 10, 100, 100), srb_um=100)
    assert isinstance(ratio.snr_n, float) and ratio.snr_n == pytest.approx(100 * 0.8862, rel=0.05)
    for result in (noise, found, ratio):
        assert len(repr(result).splitlines()) <= 5
        result.plot()


def test_a_detector_is_characterised_and_used(tmp_path):
    thick = coldray.characterise(
        edge(), FLATS, 0.1, name="thick", exposure_s=0.5, air_kerma_ugy=5.0, beam_quality="RQA5"
    )
    assert isinstance(thick, coldray.Detector) and thick.nnps_exposure_s == 0.5
    np.testing.assert_array_equal(thick.mtf.value, coldray.edge_mtf(edge(), 0.1).mtf)
    found = coldray.restore(0.5 + 0 * edge(), thick, THIN, exposure_s=0.5, method="wiener", pixel_pitch_mm=0.1)
    assert found.image.history[-1].details["blurred"] == "thick"
    assert coldray.load_detector(thick.to_csv(tmp_path / "t.csv")).mtf(1.0) == pytest.approx(
        float(thick.mtf(1.0)), rel=1e-6
    )
    assert coldray.Detector.from_dict(thick.to_dict()).name == "thick" and "DQE" in thick._repr_html_()
    assert len(repr(thick).splitlines()) <= 5
    other = coldray.characterise(edge(), FLATS, 0.1, exposure_s=0.5)
    axis = thick.plot()
    assert other.plot(axis) is axis  # both in one figure
    with pytest.raises(ColdrayError, match="`beam_quality` needs `air_kerma_ugy`"):
        coldray.characterise(edge(), FLATS, 0.1, beam_quality="RQA5")


def test_a_restorer_is_prepared_once_and_used_often():
    restorer = coldray.Restorer("gos135", "gos34", exposure_s=0.25)
    images = np.random.default_rng(2).normal(0.6, 0.01, (2, 80, 80)).astype(np.float32)
    for image in images:
        np.testing.assert_array_equal(restorer(image), np.asarray(coldray.restore(image, exposure_s=0.25)))
    assert np.asarray(coldray.restore(images, exposure_s=0.25)).shape == images.shape


def test_a_job_without_a_certificate_gets_none_from_its_restorer():
    job = replace(coldray.Restorer(exposure_s=0.25, method="wiener").job, judged=False)
    found = coldray.Restorer.of_job(job).restore(np.full((64, 64), 0.5, dtype=np.float32))
    assert found.verdict == "not judged" and found.image.history[-1].details["judged"] is False


def test_what_was_blurred_is_restored_and_certified():
    seen = coldray.simulate("board", family="handheld", size_px=96, random_state=1, sharp_frames=2)
    again = coldray.simulate("board", family="handheld", size_px=96, random_state=1, sharp_frames=2)
    np.testing.assert_array_equal(seen.blurred.pixels, again.blurred.pixels)
    found = coldray.restore(seen.blurred)
    error = [np.sqrt(np.mean((np.asarray(i) - seen.target) ** 2)) for i in (found, seen.blurred.pixels)]
    assert error[0] < 0.7 * error[1]
    assert coldray.certify(seen.blurred, found.image)["verdict"] == found.verdict
    soft = coldray.degrade(seen.target, pixel_pitch_mm=0.048)
    np.testing.assert_allclose(soft.pixels.mean(), seen.target.mean(), rtol=1e-5)
    assert soft.history[-1].details["kind"] == "synthetic"


WRONG = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.text(max_size=8),
    st.just(float("nan")),
    st.just([]),
    st.just(object()),
    st.just(np.array(3.0)),
    st.just(np.zeros((2, 2, 2, 2))),
    st.just(np.full((64, 64), np.nan)),
    st.just(np.array(["a"])),
    st.just(np.zeros((0, 4))),
    st.just(np.ones((70, 70), dtype=complex)),
    st.just((np.array([0.0, 1.0]), np.array([1.0]))),
    st.just(([0, 1, 2], [1, np.nan, 0])),
    st.just(Path("nowhere.tif")),
    st.just(Path(__file__)),
)
CALLS = {
    "restore": lambda a, b: coldray.restore(a, b, "gos34", method="wiener"),
    "restore sharp": lambda a, b: coldray.restore(
        np.full((70, 70), 0.5), "gos135", a, pixel_pitch_mm=b, method="wiener"
    ),
    "restore settings": lambda a, b: coldray.restore(np.full((70, 70), 0.5), exposure_s=a, gain=b, method="wiener"),
    "restore unknown": lambda a, b: coldray.restore(np.full((70, 70), 0.5), flats=a, open_beam=b, mehtod="wiener"),
    "edge_mtf": lambda a, b: coldray.edge_mtf(a, b),
    "flat_nnps": lambda a, b: coldray.flat_nnps(a, b),
    "bars_ctf": lambda a, b: coldray.bars_ctf(a, b),
    "duplex_isrb": lambda a, b: coldray.duplex_isrb(a, b),
    "snr": lambda a, b: coldray.snr(a, srb_um=b),
    "neq_dqe": lambda a, b: coldray.neq_dqe(a, b),
    "characterise": lambda a, b: coldray.characterise(a, b, 0.1),
    "characterise settings": lambda a, b: coldray.characterise(edge(), FLATS, 0.1, name=a, exposure_s=b, bars=b),
    "certify": lambda a, b: coldray.certify(a, b),
    "degrade": lambda a, b: coldray.degrade(np.full((70, 70), 0.5), a, "gos34", exposure_s=b),
    "simulate": lambda a, b: coldray.simulate(a, size_px=b),
    "pod": lambda a, b: coldray.pod(a, sizes_mm=b, method="wiener"),
    "pod question": lambda a, b: coldray.pod(np.full((300, 300), 0.5), a, regions=b, contrast=b, method="wiener"),
    "read": lambda a, b: coldray.read(a),
    "load_detector": lambda a, b: coldray.load_detector(a),
    "load_model": lambda a, b: coldray.load_model(a if a is not None else "none"),
    "read_board": lambda a, b: coldray.read_board(a, b),
}


@settings(max_examples=60)
@given(call=st.sampled_from(sorted(CALLS)), first=WRONG, second=WRONG)
def test_a_wrong_argument_ends_in_an_error_of_ours_that_says_so(call, first, second):
    """Some combinations are right by chance (a kind that is a text, no second argument); all others are refused."""
    try:
        CALLS[call](first, second)
    except ColdrayError as problem:
        assert str(problem)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: coldray.restore(3), "image is of type int"),
        (lambda: coldray.restore(np.ones((80, 80)), THICK, THIN), "give pixel_pitch_mm"),
        (lambda: coldray.restore(np.ones((80, 80)), THIN, THICK, pixel_pitch_mm=0.05), "exchange the two"),
        (lambda: coldray.restore(np.ones((80, 80)), "gos135", 5, pixel_pitch_mm=0.048), "sharp: an object of type int"),
        (lambda: coldray.restore(np.ones((80, 80)), exposure_s=-1), "`exposure_s` is -1 s"),
        (lambda: coldray.edge_mtf(edge()), "give pixel_pitch_mm"),
        (lambda: coldray.edge_mtf(edge(), "wide"), "pixel_pitch_mm is 'wide'"),
        (lambda: coldray.flat_nnps([], 0.1), "image is empty"),
        (lambda: coldray.restore(np.ones((80, 80)), steps=0), "`steps` is 0"),
        (lambda: coldray.pod(np.ones((80, 80)), contrast=None), "contrast is None"),
        (lambda: coldray.pod(np.ones((80, 80)), response="hardening:1,1"), "response has no part in a POD"),
        (lambda: coldray.pod(np.ones((80, 80)), average=True), "average has no part in a POD"),
        (lambda: coldray.pod(np.ones((80, 80)), interval=True), "interval has no part in a POD"),
        (lambda: coldray.restore(np.ones((80, 80)), mehtod="wiener"), "no option 'mehtod'; did you mean 'method'"),
    ],
)
def test_messages_name_the_parameter(call, words):
    with pytest.raises(ColdrayError, match=words.replace("(", r"\(")):
        call()
