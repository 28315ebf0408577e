"""Patches: little overlap, eight variants, splits that share nothing, and a check that fails the run."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.dataset import assembly
from coldray.dataset import prepare as preparation
from coldray.dataset.frames import read_board
from coldray.dataset.note import BoardNote, PartNote
from coldray.dataset.patches import (
    BoardName,
    assign_splits,
    block_means,
    board_likeness,
    check_leaks,
    check_names,
    largest_overlap,
    nearest,
    positions,
    signatures,
    turned,
)
from coldray.dataset.prepare import Cut, PrepareSettings, Sources, prepare
from coldray.dataset.store import PatchSet, decode, encode
from coldray.errors import ColdrayError, ImageError, ImageReadError, ImageWriteError, MetadataError, SettingsError
from coldray.physics.tables import DIRECTIONS

from ..documents import with_odd
from .pairs_of_boards import drawn_board, write_board

CUT = Cut(patch_px=32, context_px=8)
SETTINGS = PrepareSettings(cut=CUT, patches=40, validation_patches=4, test_patches=6)


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    """Four boards of four families; frames with noise, flats and darks for one of them."""
    root = tmp_path_factory.mktemp("boards")
    rng = np.random.default_rng(0)
    for number in range(4):
        image = drawn_board(number)
        sharp = [image + rng.normal(0, 0.01, image.shape) for _ in range(3)]
        blurred = [image + rng.normal(0, 0.01, image.shape) for _ in range(2)]
        write_board(root / f"b{number}", sharp, blurred, note={"board": f"B{number}", "family": f"F{number}"})
    return root


@pytest.fixture(scope="module")
def dataset(boards, tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset") / "d"
    manifest, problems = prepare(out, Sources((str(boards),)), SETTINGS)
    assert not problems
    return out, manifest


@given(st.integers(1, 400), st.integers(1, 400), st.integers(8, 128))
def test_patches_lie_inside_and_share_a_quarter_at_most(rows, cols, side):
    corners = positions((rows, cols), side)
    assert (len(corners) > 0) == (rows >= side and cols >= side)
    if len(corners):
        assert corners.min() >= 0
        assert np.all(corners + side <= np.array([rows, cols]))
        assert largest_overlap(corners, side) <= 0.25


def test_eight_variants_are_all_different():
    patch = np.arange(9).reshape(3, 3)
    assert len({turned(patch, v).tobytes() for v in range(8)}) == 8
    np.testing.assert_array_equal(turned(patch, 0), patch)


@given(st.floats(-0.25, 1.74))
def test_storage_keeps_values_to_2e_5_of_the_open_beam(value):
    stored, clipped = encode(np.array([value]))
    assert clipped == 0
    assert decode(stored)[0] == pytest.approx(value, abs=1.7e-5)


def test_pixels_out_of_range_are_counted():
    assert encode(np.array([-0.5, 0.5, 2.0]))[1] == 2


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20).filter(lambda f: len(set(f)) > 1))
def test_splits_share_no_family_between_training_and_test(families):
    names = [BoardName(f"b{i}", f"f{f}") for i, f in enumerate(families)]
    splits = assign_splits(names)
    assert {"train", "test"} <= set(splits)
    check_names(names, splits)
    for name, split in zip(names, splits, strict=True):
        assert split == "test" or name.family not in {
            n.family for n, s in zip(names, splits, strict=True) if s == "test"
        }


def test_families_keep_their_roles():
    names = [BoardName("a", "dense_bga"), BoardName("b", "memory_module"), BoardName("c", "handheld")]
    assert assign_splits(names) == ["train", "validation", "test"]
    with pytest.raises(SettingsError, match="no board is left to train on"):
        assign_splits(names[2:])
    with pytest.raises(SettingsError, match="--split-by board"):
        assign_splits([BoardName("a", "x"), BoardName("b", "x")])
    assert set(assign_splits([BoardName("a", "x"), BoardName("b", "x")], by="board")) == {"train", "test"}


def test_one_board_in_two_splits_fails():
    names = [BoardName("a", "x"), BoardName("a", "x")]
    with pytest.raises(SettingsError, match="leak: board 'a' is in two splits"):
        check_names(names, ["train", "test"])
    with pytest.raises(SettingsError, match="leak: family 'x'"):
        check_names([BoardName("a", "x"), BoardName("b", "x")], ["train", "test"])
    check_names([BoardName("a", "x"), BoardName("b", "x")], ["train", "test"], by="board")


def test_a_turned_copy_under_another_name_fails():
    image = drawn_board(1, 128)
    noise = np.random.default_rng(0).normal(0, 0.005, (2, 128, 128))
    cut = [
        np.stack([i[r : r + 64, c : c + 64] for r, c in positions(i.shape, 64)])
        for i in (image + noise[0], turned(image + noise[1], 5))
    ]
    one, two = (signatures(c) for c in cut)
    assert nearest(one, two)[0] < 0.15
    other = signatures(drawn_board(2, 64)[None])
    assert nearest(one, other)[0] > 0.3
    names = [BoardName("a", "x"), BoardName("b", "y")]
    thumbs = [np.zeros((8, 8)), np.zeros((8, 8))]
    with pytest.raises(ImageError, match="leak: a patch of a"):
        check_leaks(
            {"train": one, "test": two},
            {"train": ["a"] * len(one), "test": ["b"] * len(two)},
            thumbs,
            names,
            ["train", "test"],
        )


def test_a_shifted_board_under_another_name_fails():
    whole = drawn_board(4, 560)
    thumbs = [block_means(whole[:512, :512], 64), block_means(turned(whole[27:539, 41:553], 3), 64)]
    apart = [block_means(drawn_board(s, 512), 64) for s in (5, 6, 7)]
    assert board_likeness(*thumbs) > 0.35
    assert max(board_likeness(thumbs[0], a) for a in apart) < 0.25
    names = [BoardName("a", "x"), BoardName("b", "y")]
    with pytest.raises(ImageError, match="same object"):
        check_leaks({}, {}, thumbs, names, ["train", "test"])


def test_the_manifest_says_what_is_in_the_dataset(dataset):
    out, manifest = dataset
    assert manifest["layers"] == ["measured", "mean", "mean_blurred", "half_a", "half_a_blurred", "half_b"]
    families = [set(s["families"]) for s in manifest["splits"].values()]
    assert len(set.union(*families)) == sum(len(f) for f in families)
    for split, asked in (("train", 40), ("validation", 4), ("test", 6)):
        found = manifest["splits"][split]
        assert found["patches"] == asked
        assert found["distinct_base_patches"] == found["base_patches"] == len(found["hashes"])
        assert found["largest_overlap"] <= 0.25
        patches = PatchSet(out, split)
        assert len(patches) == asked
        assert patches.verify() == []
    assert manifest["leakage"]["pairs"]["train-test"]["closest_distance"] > 0.15
    assert any("no calibration boards" in w for w in manifest["warnings"])
    text = (out / "manifest.json").read_text()
    assert str(out.parent) not in text
    assert not (out / "parts").exists()


def test_a_patch_is_a_turned_cut_of_its_board(dataset, boards):
    out, manifest = dataset
    patches = PatchSet(out, "train")
    bases, index = (np.load(out / "train" / f"{n}.npy", allow_pickle=False) for n in ("bases", "patches"))
    for number in (0, 7, 39):
        base, variant = index[number]
        board, row, col, frame = bases[base]
        name = manifest["boards"][board]["board"].lower()
        source = read_board(boards / name)
        cut = source.frames[frame, row - 4 : row + 36, col - 4 : col + 36]
        np.testing.assert_allclose(patches.patch(number, "measured", 4), turned(cut, variant), atol=2e-5)
        halves = patches.patch(number, "half_a") * 2 / 3 + patches.patch(number, "half_b") / 3
        np.testing.assert_allclose(halves, patches.patch(number, "mean"), atol=1e-4)
    assert patches.pair(0).blurred.name == "gos135"
    with pytest.raises(MetadataError, match="context"):
        patches.patch(0, "mean", 9)
    with pytest.raises(MetadataError, match="no layer"):
        patches.patch(0, "truth")


def test_the_same_bytes_whatever_the_number_of_workers(boards, dataset, tmp_path):
    prepare(tmp_path / "again", Sources((str(boards),)), SETTINGS, workers=2)
    out = dataset[0]
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert names == sorted(
        p.relative_to(tmp_path / "again").as_posix() for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes(), name


def test_a_cut_run_is_finished_without_doing_boards_again(boards, dataset, tmp_path):
    class Cut_(Exception):
        pass

    def stop(done, total, note):
        if done == 2:
            raise Cut_

    out = tmp_path / "d"
    with pytest.raises(Cut_):
        prepare(out, Sources((str(boards),)), SETTINGS, progress=stop)
    made = {p: p.stat().st_mtime_ns for p in (out / "parts").glob("*.npy")}
    assert made
    kept = []
    prepare(
        out, Sources((str(boards),)), SETTINGS, progress=lambda *_: kept.append({p: p.stat().st_mtime_ns for p in made})
    )
    assert kept[-1] == made
    assert (out / "manifest.json").read_bytes() == (dataset[0] / "manifest.json").read_bytes()
    before = (out / "manifest.json").stat().st_mtime_ns
    prepare(out, Sources((str(boards),)), SETTINGS)
    assert (out / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ImageWriteError, match="another dataset"):
        prepare(out, Sources((str(boards),)), PrepareSettings(cut=CUT, patches=10, test_patches=6))


def test_a_run_cut_while_it_assembles_goes_on_where_it_was(boards, dataset, tmp_path, monkeypatch):
    out, write = tmp_path / "d", assembly.write_arrays

    def failing(path, *rest):
        if path.parent.name == "test":
            raise OSError("no space left")
        write(path, *rest)

    with monkeypatch.context() as planted, pytest.raises(OSError):
        planted.setattr(assembly, "write_arrays", failing)
        prepare(out, Sources((str(boards),)), SETTINGS)
    made = {p: p.stat().st_mtime_ns for p in (out / "train").iterdir()}
    spoilt = out / "train" / "mean.npy"
    spoilt.write_bytes(b"not what was written")
    with monkeypatch.context() as planted, pytest.raises(OSError):
        planted.setattr(preparation.shutil, "rmtree", lambda path: failing(out / "test" / "x"))
        prepare(out, Sources((str(boards),)), SETTINGS)
    assert made.keys() == {p for p in made if (p.stat().st_mtime_ns == made[p]) == (p != spoilt)}
    assert (out / "parts").is_dir()
    prepare(out, Sources((str(boards),)), SETTINGS)
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in dataset[0].iterdir())
    for path in (p for p in dataset[0].rglob("*") if p.is_file()):
        assert (out / path.relative_to(dataset[0])).read_bytes() == path.read_bytes(), path.name


def test_synthetic_pairs_need_no_blurred_frames(boards, tmp_path):
    for number in range(3):
        folder = tmp_path / "s" / f"b{number}"
        write_board(folder, [drawn_board(number)], [], note={"family": f"F{number}"})
        (folder / "lr").rmdir()
    how = PrepareSettings(cut=Cut("synthetic", 32, 8), patches=12, validation_patches=0, test_patches=3)
    manifest, _ = prepare(tmp_path / "d", Sources((str(tmp_path / "s"),)), how)
    assert manifest["layers"] == ["mean", "mean_blurred"]
    assert manifest["response"] is None


def test_darks_flats_and_bad_pixels_are_taken_out(tmp_path):
    image = drawn_board(5)
    rng = np.random.default_rng(2)
    gain, dark = rng.normal(1, 0.03, image.shape), rng.normal(0.02, 0.002, image.shape)
    gain[40, 50] = 0
    raw = [image * gain + dark] * 2
    folder = write_board(tmp_path / "b", raw, raw)
    for name, level in (("dark", 0.0), ("flat", 1.0)):
        extra = write_board(tmp_path / name, [level * gain + dark] * 3, [])
        (folder / name).mkdir()
        for path in (extra / "hr").iterdir():
            path.rename(folder / name / path.name)
    found = read_board(folder)
    good = np.ones(image.shape, bool)
    good[38:43, 48:53] = False
    np.testing.assert_allclose(found.mean[good], image[good], rtol=5e-3, atol=1e-3)
    assert found.details["sharp"]["bad_pixels"] >= 1
    assert abs(found.mean[40, 50] - image[40, 50]) < 0.1


def refused(folder, match, error=(ImageError, MetadataError)):
    with pytest.raises(error, match=match) as caught:
        read_board(folder)
    assert "\n" not in str(caught.value)


def test_bad_folders_give_one_clear_line(tmp_path):
    image = drawn_board(0, 64)
    refused(write_board(tmp_path / "a", [image, image[:60]], [image]), "a: hr frames differ in shape")
    refused(write_board(tmp_path / "b", [image], [image[:60]]), "crop them to one shape")
    refused(write_board(tmp_path / "c", [image], []), "holds no frame")
    refused(write_board(tmp_path / "d", [image], [image], note={"sharp": None}), "sharp missing")
    refused(write_board(tmp_path / "e", [image], [image], truth=image[:60]), "truth/target.tif has shape")
    refused(write_board(tmp_path / "f", [image], [image], note={"registration": "shifted"}), "not understood")
    (write_board(tmp_path / "g", [image], [image]) / "pair.json").write_text("{")
    refused(tmp_path / "g", "g/pair.json: not valid JSON", ImageReadError)
    with pytest.raises(ImageReadError, match="PatchSet|manifest|holds no"):
        len(PatchSet(tmp_path, "train"))


def test_a_board_too_small_for_a_patch_says_so(tmp_path):
    for number in range(2):
        write_board(tmp_path / "s" / f"b{number}", [drawn_board(number, 64)] * 2, [drawn_board(number, 64)])
    with pytest.raises(ImageError, match="needs 160"):
        prepare(tmp_path / "d", Sources((str(tmp_path / "s"),)), PrepareSettings())


def test_calibration_never_touches_test_boards(boards, tmp_path):
    sources = Sources((str(boards / "b0"),), test=(str(boards / "b1"),), calibration=(str(boards / "b1"),))
    with pytest.raises(SettingsError, match="leak: the response is fitted on B1"):
        prepare(tmp_path / "d", sources, SETTINGS)
    manifest, _ = prepare(
        tmp_path / "e",
        Sources((str(boards / "b0"),), test=(str(boards / "b1"),), calibration=(str(boards / "b2"),)),
        SETTINGS,
    )
    assert manifest["response"]["boards"] == ["B2"]
    assert json.loads((tmp_path / "e" / "response.json").read_text()) == manifest["response"]
    assert all(b["response_matched"] for b in manifest["boards"])


def _places(found, at=()):
    """Every place in a document, down to the entries of its objects and lists."""
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*at, key))


def test_a_damaged_manifest_is_refused_by_its_name_or_read_whole(dataset, tmp_path):
    out, manifest = dataset
    folder = tmp_path / "damaged"
    shutil.copytree(out, folder)
    # of lists the first entry, down to the entries of boards, splits and detectors
    places = [p for p in _places(manifest) if len(p) <= 3 and not {*range(1, 99)} & {*p}]
    refused = 0
    for number, place in enumerate(places):
        # absent or a text, a number or a list, in turn
        for odd in ((..., -1), ("x", [7]))[number % 2]:
            (folder / "manifest.json").write_text(json.dumps(with_odd(manifest, place, odd)))
            try:
                patches = PatchSet(folder, "train")
                assert patches.patch_px > 0 <= patches.context_px and isinstance(patches.layers, tuple)
                assert len(patches) >= 0 <= len(patches.boards)
                if place[0] == "splits":
                    patches.verify()
                else:
                    patches.pair(0)
            except ColdrayError as problem:
                assert str(problem).startswith("damaged/") and "\n" not in str(problem), (place, odd)
                refused += 1
    assert refused > len(places) / 2


def test_a_turned_patch_has_the_directions_of_its_detectors_exchanged(dataset):
    out, manifest = dataset
    thick = next(data for data in manifest["detectors"].values() if data["name"] == "gos135")
    across, down = ({**thick["mtf"], "value": [v**power for v in thick["mtf"]["value"]]} for power in (1.0, 1.2))
    patches = PatchSet(out, "train")
    given = {
        key: {**d, **dict(zip(DIRECTIONS, (across, down), strict=True))} if d is thick else d
        for key, d in manifest["detectors"].items()
    }
    patches.__dict__["manifest"] = {**manifest, "detectors": given}
    variants = np.load(out / "train" / "patches.npy")[:, 1]
    assert {0, 1} <= set(variants % 2)
    for number, variant in enumerate(variants):
        found = [curve(3.0) for curve in patches.pair(number).blurred.along()]
        assert (found[0] > found[1]) == (variant % 2 == 0)


def test_notes_survive_their_files(tmp_path):
    board = BoardNote("b", "f", "gos34", "gos135", 0.048, None, True, {"shift_px": [1, 2]}, 3, 1, 0, {"a": 1}, ("w",))
    part = PartNote("k", board, ("mean", "truth"), {"gos34 at 0.048 mm": {}})
    path = tmp_path / "k.json"
    path.write_text(json.dumps(part.to_dict()))
    assert PartNote.read(path) == part
    path.write_text(json.dumps(part.to_dict() | {"board": {"board": "b"}}))
    with pytest.raises(ImageReadError, match="lacks 'family'"):
        PartNote.read(path)
    path.write_text("{}")
    with pytest.raises(ImageReadError, match="remove it"):
        PartNote.read(path)
