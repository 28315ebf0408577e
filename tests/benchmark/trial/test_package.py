"""What readers get tells neither arm nor truth nor order; what is sealed cannot be changed."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from coldray.benchmark.trial.cases import Simulated, read_table
from coldray.benchmark.trial.documents import read_manifest, read_sealed, sha256_of
from coldray.benchmark.trial.package import OPEN_BEAM, WRITTEN_AT, write_trial
from coldray.errors import ImageError, MeasurementError, MetadataError, SettingsError
from coldray.formats import read_image

SIMULATED = Simulated(sizes_mm=(0.2, 0.3), contrast=0.5, cases=9, field_px=64)
"""As in the small trial."""


def test_names_sizes_headers_and_times_of_the_images_are_alike(small, written):
    folder, _ = written
    files = sorted((folder / "images").iterdir())
    assert len(files) == 18 and {f.suffix for f in files} == {".tif"}
    assert len({f.stat().st_size for f in files}) == 1
    assert {f.stat().st_mtime for f in [*files, folder, folder / "images", folder / "trial.json"]} == {WRITTEN_AT}
    heads = set()
    for file in files:
        content, pixels = file.read_bytes(), read_image(file).pixels.astype("<u2").tobytes()
        assert content.count(pixels) == 1
        heads.add(content.replace(pixels, b""))
    assert len(heads) == 1
    assert not read_image(files[0]).history


def test_the_package_names_no_arm_no_source_and_no_place(small, written):
    folder, sealed = written
    text = (folder / "trial.json").read_text()
    truth = json.loads(sealed.read_text())
    for word in (*truth["arms"], "0.tif", "defects", truth["nonce"], "random_state", "wiener"):
        assert word not in text
    # items stand in the order of their names, which follow from nothing that is known
    items = list(json.loads(text)["items"])
    assert items == sorted(items)


def test_the_window_is_one_for_all_arms_of_a_case_and_tells_no_defect(make, small):
    for one in small.sealed.cases:
        assert len({small.manifest["items"][token] for token in one.items.values()}) == 1
    # the same trial with defects that are hardly there: other pixels, the same windows
    faint = make(what=replace(SIMULATED, contrast=0.01))
    assert faint.manifest["items"] == small.manifest["items"]
    assert any((faint.images[token] != small.images[token]).any() for token in small.images)


def test_simulated_defects_lie_where_the_truth_says(small):
    """The mean of the marked places is raised, in the raw and in the linear arm, and controls are even."""
    for arm in ("raw", "linear"):
        peaks = []
        for one in small.sealed.cases:
            pixels = small.images[one.items[arm]] / OPEN_BEAM
            assert np.median(pixels) == pytest.approx(0.5, abs=0.01)
            for defect in one.defects:
                row, col = int(defect.y_px), int(defect.x_px)
                peaks.append(pixels[row - 1 : row + 2, col - 1 : col + 2].mean() - np.median(pixels))
        assert len(peaks) == 4 and min(peaks) > 0.02


def test_the_same_state_makes_the_same_trial_and_another_one_another(make, tmp_path):
    contents = []
    for number, state in enumerate((1, 1, 2)):
        folder, sealed = tmp_path / str(number), tmp_path / f"{number}.json"
        write_trial(make(random_state=state), folder, sealed)
        files = sorted(f for f in folder.rglob("*") if f.is_file())
        contents.append([sealed.read_bytes(), *(f.name.encode() + f.read_bytes() for f in files)])
    assert contents[0] == contents[1] and contents[0] != contents[2]


def test_nobody_knows_the_order_of_a_trial_without_a_stated_state(make):
    first, second = make(random_state=None), make(random_state=None)
    assert first.sealed.random_state != second.sealed.random_state and int(first.sealed.random_state) > 2**64
    assert not set(first.images) & set(second.images)


def test_the_truth_is_the_one_that_was_committed_to(written):
    folder, sealed = written
    manifest = read_manifest(folder)
    assert sha256_of(sealed.read_bytes()) == manifest.commitment
    assert read_sealed(sealed, manifest).arms == ["raw", "linear"]
    changed = json.loads(sealed.read_text())
    changed["cases"][0]["defects"] = []
    sealed.write_text(json.dumps(changed))
    with pytest.raises(MetadataError, match="differs from the truth that the trial was made with"):
        read_sealed(sealed, manifest)


def test_both_or_neither_is_written(small, tmp_path):
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(Exception, match="folder or a device"):
        write_trial(small, tmp_path / "trial", tmp_path / "taken.json")
    assert [p.name for p in tmp_path.iterdir()] == ["taken.json"]


@pytest.mark.parametrize(
    ("readers", "words"),
    [((), "0 readers"), (("A",), "1 reader tells nothing of other readers; name 2 or more"), (("A", "a"), "same name"),
     (("A", "../B"), "cannot be called"), (("A", ""), "cannot be called")],
)  # fmt: skip
def test_readers_who_make_no_trial_are_refused(make, readers, words):
    with pytest.raises(SettingsError, match=words):
        make(readers=readers)


@pytest.mark.parametrize(
    ("what", "words"),
    [(Simulated((0.2,), cases=10, field_px=64), "hold 9 fields of 64 x 64 pixels and 10 cases are wanted"),
     (Simulated((3.0,), cases=4, field_px=64), "a field has 64; choose smaller defects or larger fields"),
     (Simulated((-1.0,), cases=4, field_px=64), "must be positive"),
     (Simulated((0.2,), ("scratch",), cases=4, field_px=64), "unknown; choose among"),
     (Simulated((0.2,), cases=3, field_px=64), "2 controls and 1 cases with defects; at least 2 of each"),
     (Simulated((0.2,), cases=4, field_px=256), "hold 0 fields")],
)  # fmt: skip
def test_defects_that_make_no_trial_are_refused(make, what, words):
    with pytest.raises(MeasurementError, match=words):
        make(what=what)


def table(tmp_path, *rows):
    path = tmp_path / "defects.csv"
    path.write_text("\n".join(["file,x_px,y_px,diameter_px", *rows]) + "\n")
    return path


def test_known_defects_come_from_a_table(make, source, tmp_path):
    path = table(tmp_path, "0.tif,10.5,20,6", "0.tif,100,150,4", "1.tif,50,50,5", "2.tif,,,", "3.tif,,,")
    found = make(what=read_table(path), sources=[source(k) for k in range(4)])
    assert found.sealed.defects == "known" and [len(one.defects) for one in found.sealed.cases] == [2, 1, 0, 0]
    first = found.sealed.cases[0]
    assert (first.defects[0].x_px, first.defects[0].radius_px, first.field_px) == (10.5, 3.0, [0, 0, 200, 200])
    raw = found.images[first.items["raw"]]
    np.testing.assert_allclose(raw, source(0).image.pixels / 50000 * OPEN_BEAM, atol=0.51)


@pytest.mark.parametrize(
    ("rows", "words"),
    [(("0.tif,1,1,2", "1.tif,1,1,1", "2.tif,,,"), "3.tif: the table has no row"),
     (("0.tif,1,1,2", "1.tif,999,1,1", "2.tif,,,", "3.tif,,,"), "lies outside of its 200 x 200 pixels"),
     (("0.tif,1,1,2", "1.tif,,,", "2.tif,,,", "3.tif,,,"), "3 controls and 1 cases with defects"),
     (("0.tif,1,one,2",), "line 2: x_px, y_px and diameter_px are numbers"),
     (("0.tif,1,,2",), "numbers, or all empty"),
     (("0.tif,nan,1,2",), "finite")],
)  # fmt: skip
def test_tables_that_do_not_fit_are_refused(make, source, tmp_path, rows, words):
    with pytest.raises((MetadataError, MeasurementError), match=words):
        make(what=read_table(table(tmp_path, *rows)), sources=[source(k) for k in range(4)])


def test_a_table_of_other_columns_is_refused(tmp_path):
    path = tmp_path / "defects.csv"
    path.write_text("name,x,y\n")
    with pytest.raises(MetadataError, match="columns file, x_px, y_px, diameter_px are needed"):
        read_table(path)


def test_a_manifest_that_leaves_an_image_out_is_refused(written):
    folder, _ = written
    document = json.loads((folder / "trial.json").read_text())
    document["readers"]["A"][0].pop()
    (folder / "trial.json").write_text(json.dumps(document))
    with pytest.raises(MetadataError, match="reader A does not read every image once"):
        read_manifest(folder)
    os.remove(folder / "trial.json")
    with pytest.raises(MetadataError, match=r"holds no trial\.json"):
        read_manifest(folder)


def test_an_image_that_cannot_be_read_so_is_named(make, source):
    stack = source(3)
    stack = replace(stack, image=replace(stack.image, pixels=np.stack([stack.image.pixels] * 2)))
    with pytest.raises(ImageError, match=r"^3\.tif: the image has the shape \(2, 200, 200\); one frame"):
        make(sources=[stack])
