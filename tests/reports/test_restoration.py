"""Reports: the same facts in HTML and PDF, nothing outside the file, a unit with every number, safe text."""

import csv
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.errors import ImageError, SettingsError
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.reports import restoration
from coldray.reports.batch import Row, batch_csv, batch_report, settings_in_words
from coldray.reports.blocks import Facts, Note, Picture, Table
from coldray.reports.done import what_was_done
from coldray.reports.html import to_html
from coldray.reports.pdf import drawable, to_pdf
from coldray.reports.restoration import Source, restoration_report
from coldray.reports.thumbnails import thumbnail
from coldray.restoration.pipeline import Job, restore

HASHES = {"sha256_in": "0a" * 32, "sha256_out": "1b" * 32, "output": "board_restored.tif"}
EVIL = "<img src=x onerror=alert(1)>.tif"


@pytest.fixture(scope="module")
def case(pair, blend):
    """A simulated board, its radiograph, and its restoration with the certificate kept."""
    from coldray.frame import Frame

    squares = np.kron(np.random.default_rng(7).uniform(0.3, 0.9, (8, 10)), np.ones((16, 16)))
    truth = gaussian_filter(squares, 1.2).astype(np.float32)
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    blurred = Frame(truth, pair, noise).operator(blend)(truth)
    stored = np.rint((blurred + noise.draw(blurred, np.random.default_rng(0))) * 50000).astype(np.uint16)
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, linear=True, tube_voltage_kv=70.0, exposure_s=0.25)
    image = Radiograph(stored, known)
    job = Job(method="wiener", exposure_s=0.25, keep_certificate=True)
    return image, job, restore(image, job), truth


@pytest.fixture(scope="module")
def report(case):
    image, job, result, truth = case
    return restoration_report(image, result, job, Source(EVIL, HASHES, truth, "the noise-free truth"))


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures are not drawn: what is tested is what is said about them."""
    for name in ("bands", "certificate", "curves", "detail", "images", "layers"):
        monkeypatch.setattr(restoration, f"{name}_picture", lambda *_: b"")


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def blocks_of(report, kind):
    return [b for s in report.sections for b in s.blocks if isinstance(b, kind)]


def test_it_says_what_the_issue_of_a_restoration_is(report, case):
    result = case[2]
    facts = dict(row for block in blocks_of(report, Facts) for row in block.rows)
    assert facts["SHA-256 of the input"] == HASHES["sha256_in"]
    assert facts["Size"].startswith("160 × 128 pixels, 7.68 mm × 6.144 mm")
    assert facts["Pixel pitch"] == "48 µm (stated in the file)"
    assert facts["Open beam"] == "50000 DN (stated in the file)"
    assert facts["Linearity"] == "stated linear in the file"
    assert facts["Saturation"].startswith("0 pixels at 65535 DN")
    assert facts["Acquisition"] == "70 kV, 0.25 s per frame"
    assert "of the open beam per pixel" in facts["Noise"] and "from the exposure" in facts["Noise"]
    assert report.verdict == "Consistent with the measurement" and report.tone == "good"
    titles = [s.title for s in report.sections]
    certificate = report.sections[titles.index("Consistency certificate")]
    assert len(report.statement) == 2 and all(sentence.endswith(".") for sentence in report.statement)
    assert " ".join((*report.statement, certificate.blocks[-1].text)) == result.consistency["statement"]
    assert titles[0] == "Images"
    assert titles[-1] == "What is not claimed" and "ISO 17636-2" in report.sections[-1].blocks[0].text
    assert {"Input check", "Images", "Consistency certificate", "Measured, linear and prior part"} <= set(titles)
    metrics = next(t for t in blocks_of(report, Table) if "PSNR [dB]" in t.columns)
    psnr = {row[0]: float(row[1]) for row in metrics.rows}
    assert psnr["restored"] > psnr["original"] + 3


@pytest.mark.parametrize(
    ("how", "network", "told"),
    [
        (
            "correct",
            {"corrected_share": 0.02, "replaced_share": 0.01},
            "corrected by the measurement in 2 %; the linear filter stands in, in 1 %",
        ),
        ("linear", {"replaced_share": 0.04}, "the linear filter stands in, in 4 %"),
        ("keep", {"replaced_share": 0.0}, "kept; the linear filter stands in, in 0 %"),
        # what could not be written was not kept either
        ("keep", {"replaced_share": 1.0}, "the linear filter stands in, in 100 %"),
    ],
)
def test_it_says_what_became_of_a_contradicted_network(case, how, network, told):
    _, job, result, _ = case
    said = {"share": 1.0, "verdict": "contradicted in places", "marked_share": 0.03} | network
    result = replace(result, consistency=result.consistency | {"network": said})
    rows = dict(what_was_done(result, replace(job, on_contradiction=how), "scan.tif", {}).rows)
    assert rows["Network against the measurement"] == f"contradicted in places (3 % of the image); {told}"


def test_every_column_of_numbers_has_a_unit(report):
    for table in blocks_of(report, Table):
        for column, cells in zip(table.columns, zip(*table.rows, strict=True), strict=True):
            if any(re.fullmatch(r"[-0-9.e+]+", c) for c in cells):
                assert re.search(r"\[.+\]$", column), column


def test_every_fact_with_a_number_has_a_unit(report):
    bare = re.compile(r"^[-+]?[0-9.]+(e[-+]?[0-9]+)?$")
    for block in blocks_of(report, Facts):
        for name, value in block.rows:
            assert not bare.match(value), (name, value)


def test_html_holds_everything_and_runs_nothing(report):
    page = Page(to_html(report))
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    sources = [v for k, v in page.attributes if k in ("src", "href")]
    assert len(sources) == len(blocks_of(report, Picture)) >= 5
    assert all(v.startswith("data:image/png;base64,") for v in sources)
    assert not any(k.startswith("on") for k, _ in page.attributes)
    assert any(EVIL in w for w in page.words)
    text = "".join(page.words)
    for block in blocks_of(report, Note):
        assert block.text in text
    for block in blocks_of(report, Table):
        assert all(cell in text for row in block.rows for cell in row)
    assert "http" not in to_html(report).replace("http-equiv", "")


def test_pdf_is_whole_and_always_the_same(report):
    first, second = to_pdf(report), to_pdf(report)
    assert first == second
    assert first.startswith(b"%PDF-1.") and first.rstrip().endswith(b"%%EOF")
    assert first.count(b"/Type /Page\n") >= 3
    assert first.count(b"/Subtype /Image") >= len(blocks_of(report, Picture))
    assert b"/MediaBox [0 0 595.28 841.89]" in first
    assert b"/JavaScript" not in first and b"/URI" not in first
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", first, re.DOTALL)
    assert any(b"BT" in zlib.decompress(s) for s in streams if s[:1] == b"x")


def test_a_contradicted_place_is_shown_and_listed(case, undrawn):
    image, job, _, _ = case
    stored = image.pixels.astype(float)
    stored[60:70, 90:100] *= 0.7
    other = restore(image.with_pixels(np.rint(stored).astype(np.uint16)), job)
    found = restoration_report(image, other, job, Source("board.tif", {}))
    places = [t for t in blocks_of(found, Table) if t.columns[0] == "x [mm]"]
    assert other.consistency["verdict"] != "consistent"
    assert found.tone in ("doubtful", "bad") and len(places) == 1
    captions = [p.caption for p in blocks_of(found, Picture)]
    assert any("most contradicted place" in c for c in captions) and any("Red frames" in c for c in captions)


def test_warnings_unknowns_and_stacks_are_said(case, undrawn):
    image = case[0]
    stack = Radiograph(np.stack([image.pixels, image.pixels]))
    job = Job(method="wiener", keep_certificate=True)
    result = restore(stack, job)
    report = restoration_report(stack, result, job, Source("stack.tif", {}))
    facts = dict(row for block in blocks_of(report, Facts) for row in block.rows)
    assert facts["Linearity"].startswith("not stated") and "2 frames" in facts["Size"]
    assert "brightest even part" in facts["Open beam"] and "estimated" in facts["Noise"]
    assert facts["Acquisition"] == "not stated in the file"
    assert any("open-beam level" in n.text for n in blocks_of(report, Note))
    assert "frame 1 of 2" in report.subtitle


def test_what_is_missing_or_does_not_fit_is_refused(case):
    image, job, result, truth = case
    with pytest.raises(SettingsError, match="keep_certificate"):
        restoration_report(image, restore(image, Job(method="wiener", exposure_s=0.25)), job, Source("a", {}))
    with pytest.raises(ImageError, match="reference"):
        restoration_report(image, result, job, Source("a", {}, truth[1:]))


def test_a_batch_puts_first_what_needs_a_look(case):
    good = case[2].consistency
    bad = good | {"verdict": "contradicted", "marked_share": 0.4, "place_count": 3}
    local = good | {"verdict": "contradicted in places", "marked_share": 0.01, "place_count": 1}
    done = {"warnings": [], **HASHES}
    entries = [
        done | {"consistency": good}, {"error": f"{EVIL}: cut"}, done | {"consistency": bad},
        done | {"consistency": local, "warnings": ["noise is stronger than in training"]},
    ]  # fmt: skip
    names, links = ["a.tif", EVIL, "c.tif", "d.tif"], ["a.report.html", None, "c.report.html", None]
    settings = {"exposure_s": 0.25, "steps": None, "model": None, "options": {"noise": "local"}, "gain": "paper"}
    rows = [Row(*row) for row in zip(entries, names, links, strict=True)]
    report = batch_report(rows, settings)
    table = blocks_of(report, Table)[0]
    assert [row[0] for row in table.rows] == ["c.tif", "d.tif", "a.tif"]
    assert table.links == ("c.report.html", None, "a.report.html")
    assert "3 of 4 images were restored, 1 could not be" in report.statement[0]
    assert report.tone == "bad"
    assert any("noise is stronger" in n.text for n in blocks_of(report, Note))
    page = Page(to_html(report))
    assert [v for k, v in page.attributes if k == "href"] == ["c.report.html", "a.report.html"]
    assert "img" not in page.tags and to_pdf(report).startswith(b"%PDF")
    assert settings_in_words(settings) == (
        ("exposure per frame", "0.25 s"), ("options", "noise = local"), ("data-consistency gain", "paper"),
    )  # fmt: skip
    fine = batch_report(rows[:1], settings)
    assert fine.tone == "good" and fine.verdict == "Consistent with the measurement"
    assert batch_report([rows[1]], settings).tone == "bad"
    assert dict(next(s for s in report.sections if s.title == "Counts").blocks[0].rows) == {
        "contradicted": "1 images", "contradicted in places": "1 images", "consistent": "1 images", "not restored": "1 images",
    }  # fmt: skip


def test_a_batch_shows_small_pictures_in_its_order_and_all_of_it_as_csv(case):
    good = case[2].consistency
    done = {"warnings": ["weak"], "method": "wiener", "seconds": 0.1, **HASHES}
    rows = [
        Row(done | {"consistency": good, "number": 1}, "a,b.tif"),
        Row(done | {"consistency": good | {"verdict": "contradicted"}, "number": 2}, '=HYPERLINK("x")'),
        Row({"error": "cut"}, "line1/broken.tif"),
    ]
    dot = {n: thumbnail(np.full((3, 4 * n), n, dtype=np.float32)) for n in (1, 2)}
    report = batch_report(rows, {}, lambda entry: dot[entry["number"]])
    assert blocks_of(report, Table)[0].pictures == (dot[2], dot[1])
    assert Page(to_html(report)).tags.count("img") == 2 and to_pdf(report).count(b"/Subtype /Image") == 2
    found = list(csv.DictReader(batch_csv(rows).splitlines()))
    assert [row["image"] for row in found] == ["a,b.tif", '\'=HYPERLINK("x")', "line1/broken.tif"]
    assert [row["verdict"] for row in found] == ["consistent", "contradicted", ""]
    assert found[0]["sha256_in"] == HASHES["sha256_in"] and found[0]["warnings"] == "1" and found[2]["error"] == "cut"
    assert float(found[0]["prior_percent"]) == pytest.approx(100 * good["prior_share"])


def test_the_whole_of_an_image_is_100_percent(case):
    found = case[2].consistency | {"verdict": "contradicted", "marked_share": 1.0, "prior_share": 1.0}
    entry = {"consistency": found, "warnings": [], **HASHES}
    page = to_html(batch_report([Row(entry, "a.tif")], {}))
    assert "1e+02" not in page and page.count(">100<") == 2


@pytest.mark.parametrize("cell", ["bga_001.tif", "line1/part_00017_side_b.tif", "x" * 200])
def test_columns_of_a_pdf_break_no_word_that_has_room(cell):
    from coldray.reports import pdf
    from coldray.reports.canvas import fonts

    page = pdf._page_type()(format="A4")
    for style, path in fonts().items():
        page.add_font("text", style, path)
    page.add_page()
    columns = ("image", "verdict", "residual / noise [rms]", "prior [% of energy]", "warnings [number]")
    widths, breaks = pdf._widths(page, Table(columns, ((cell, "contradicted in places", "1.0", "3", "2"),)), 180.0)
    assert sum(widths) == pytest.approx(180)
    assert breaks is (len(cell) == 200)
    page.set_font("text", "", 7.8)
    if not breaks:
        assert page.get_string_width(cell) < widths[0] - 2 and page.get_string_width("contradicted") < widths[1] - 2
    for font in page.fonts.values():
        font.ttfont.close()


def test_a_pdf_is_made_to_be_kept(report):
    """PDF/A-2b: what it says of itself, fonts and colour profile inside, nothing that runs or leads out."""
    made = to_pdf(replace(report, title="A & <B>"))
    assert made.startswith(b"%PDF-1.7")
    about = made[made.index(b"<x:xmpmeta") : made.index(b"</x:xmpmeta>") + 12]
    texts = {one.tag.partition("}")[2]: (one.text or "").strip() for one in ElementTree.fromstring(about).iter()}
    assert (texts["part"], texts["conformance"], texts["li"]) == ("2", "B", "A & <B>")
    assert b"/OutputIntents" in made and b"/GTS_PDFA1" in made and b"/DestOutputProfile" in made
    assert made.count(b"/Type /FontDescriptor") == made.count(b"/FontFile2") == 2
    assert b"/ID [" in made and b"/Encrypt" not in made
    assert not any(name in made for name in (b"/JavaScript", b"/Launch", b"/EmbeddedFile", b"/URI"))


def test_huge_images_are_shrunk_for_overview():
    from coldray.reports.thumbnails import shrunk

    image = np.arange(3000 * 2001, dtype=np.float32).reshape(3000, 2001)
    small = shrunk(image)
    assert small.shape == (1000, 667) and small[0, 0] == image[:3, :3].mean()
    assert shrunk(image[:900, :900]) is not None and shrunk(image[:900, :900]).shape == (900, 900)


def test_characters_that_no_font_draws_are_written_as_codes(report, caplog):
    assert drawable("20 µm ≥ −3 Ω 漢") == "20 µm ≥ −3 Ω \\u6f22"
    odd = replace(report, title="漢字 \udcff", sections=())
    assert to_pdf(odd).startswith(b"%PDF")
    assert not [r for r in caplog.records if "glyph" in r.getMessage()]


def test_the_training_of_a_model_counts_all_its_runs():
    from coldray.reports.done import _updates

    assert _updates({"steps": 12}) == "12 updates"
    chain = {"steps": 300, "started_from": {"steps": 500, "name": "x", "started_from": {"steps": 7}}}
    assert _updates(chain) == "807 updates in 3 runs (7 + 500 + 300)"
    assert _updates({"steps": 9, "started_from": {"file": "lost.safetensors", "steps": None}}) == "at least 9 updates"


def test_whose_picture_it_is_is_told_in_the_names_of_the_file():
    from coldray.reports.done import about_of, part

    assert part({}, {}) == part({"Detector ID": "7"}, {"order": ""}) == []
    known = {"Study date": "20261128", "Component ID": "A-17", "Inspector": "N. N.", "Detector ID": "7"}
    rows = (("Component ID", "A-17"), ("Inspector", "N. N."), ("Study date", "20261128"))
    assert part(known, {})[0].blocks[0].rows == rows
    stated = {"order": "4711", "operator": "M. M.", "component_id": "A-17", "date": "2026-11-29"}
    assert part(known, stated)[0].blocks[0].rows == (
        ("Component ID", "A-17"), ("Inspector", "M. M. (the file says N. N.)"), ("Order", "4711"),
        ("Inspection date", "2026-11-29"), ("Study date", "20261128"),
    )  # fmt: skip
    assert about_of(known, {"order": "4711"}) == {
        "component_id": "A-17", "order": "4711", "operator": "N. N.", "date": "20261128",
    }  # fmt: skip
    assert about_of({}, {}) == {}
