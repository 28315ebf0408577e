"""Training fields: equal recipes give equal bytes, roles never share a board family, nothing is made twice."""

import json

import numpy as np
import pytest

from coldray.dataset.family import PairDraw
from coldray.dataset.fields import FieldRecipe, FieldSet, build_fields, make_field
from coldray.errors import SettingsError
from coldray.objects.boards import ROLES

SIZE = 64


def recipes(count, role="train", **more):
    return [FieldRecipe(role, i, size=SIZE, **more) for i in range(count)]


def test_equal_recipes_give_equal_bytes_and_a_field_is_a_transmission():
    recipe = FieldRecipe("validation", 3, size=SIZE)
    (one, note, labels), (two, same, again) = make_field(recipe), make_field(recipe)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(labels, again)
    assert note == same
    assert (one.shape, one.dtype) == ((SIZE, SIZE), np.float32)
    assert -0.05 < one.min()
    assert 0.05 < one.max() < 1.1
    assert np.any(one != make_field(FieldRecipe("validation", 4, size=SIZE)).sharp)


def test_every_role_has_boards_of_its_own():
    for role in ("train", "validation", "test"):
        assert [name for name, r in ROLES.items() if r == role]


def test_a_set_is_built_once_and_read_in_order(tmp_path):
    done = []
    first = build_fields(tmp_path / "f", recipes(1, paper_share=1.0), progress=lambda a, b: done.append((a, b)))
    before = first.digest()
    note = (tmp_path / "f" / "00000.npy").stat().st_mtime_ns
    both = build_fields(tmp_path / "f", recipes(2, paper_share=1.0), progress=lambda a, b: done.append((a, b)))
    assert done == [(1, 1), (2, 2)]
    assert (tmp_path / "f" / "00000.npy").stat().st_mtime_ns == note
    assert len(both) == 2
    assert both.digest() != before
    for index, (image, description) in enumerate(both):
        assert description["recipe"]["index"] == index
        assert PairDraw.from_dict(description["pair"]) == PairDraw()
        assert image.shape == (SIZE, SIZE)
    assert not list((tmp_path / "f").glob("*.part*"))
    few = build_fields(tmp_path / "f", recipes(1, paper_share=1.0))
    # a recipe sees only the fields it asked for, whatever the folder holds beside them
    assert len(few) == len(list(few)) == 1
    assert few.digest() == before
    assert len(FieldSet(tmp_path / "f")) == 2
    with pytest.raises(
        SettingsError, match=rf"{tmp_path}.f.00000\.json was made by another .* --set data\.folder=FOLDER"
    ):
        build_fields(tmp_path / "f", recipes(1, random_state=1))


def test_an_interrupted_field_is_made_again(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "00000.npy").write_bytes(b"half")
    assert len(FieldSet(folder)) == 0
    image, _ = next(iter(build_fields(folder, recipes(1))))
    assert image.shape == (SIZE, SIZE)


def test_drawn_pairs_are_detectors_with_the_thick_one_blurrier():
    rng = np.random.default_rng(0)
    for _ in range(3):
        draw = PairDraw.draw(rng, 0.1)
        pair = draw.pair()
        assert draw.blurred_loading_mg_cm2 > draw.sharp_loading_mg_cm2
        assert draw.blurred_stretch <= draw.sharp_stretch
        f = np.linspace(0.2, 5, 30)
        assert np.all(pair.blurred.mtf(f) < pair.sharp.mtf(f))
        assert float(pair.sharp.mtf(0.0)) == pytest.approx(1)


def test_stretch_acts_on_the_screen_and_not_on_the_pixel():
    plain = PairDraw(0.1, 40.0, 120.0).pair().blurred
    stretched = PairDraw(0.1, 40.0, 120.0, blurred_stretch=0.8).pair().blurred
    f = np.linspace(0, 5, 30)
    aperture = np.sinc(0.1 * f)
    np.testing.assert_allclose(stretched.mtf(f) / aperture, plain.mtf(f / 0.8) / np.sinc(0.1 * f / 0.8), atol=2e-3)


def test_boards_have_defects_in_their_share_and_else_stay_as_they_were():
    sound = [make_field(one) for one in recipes(6)]
    flawed = [make_field(one) for one in recipes(6, defect_share=0.5)]
    counts = [field.description["defects"] for field in flawed]
    assert 0 < sum(count > 0 for count in counts) < 6
    for before, after, count in zip(sound, flawed, counts, strict=True):
        changed = np.abs(before.sharp - after.sharp)
        assert np.any(changed > 0) == np.any(after.defects > 0) == (count > 0)
        if count:
            # the labels are where the change is, turned and mirrored as the image is
            assert changed[after.defects > 0].sum() > 0.9 * changed.sum()
            assert after.defects.shape == (SIZE, SIZE) and after.defects.max() <= count
    objects = [make_field(one).description for one in recipes(3, defect_share=1.0, object_share=1.0)]
    assert not any(note["object"] == "board" for note in objects)


def test_defects_are_kept_beside_their_field(tmp_path):
    found = build_fields(tmp_path / "f", recipes(3, defect_share=0.5))
    made = [make_field(one) for one in recipes(3, defect_share=0.5)]
    assert {bool(field.defects.any()) for field in made} == {True, False}
    for (_, description), field in zip(found, made, strict=True):
        kept = found.defects(description)
        if field.defects.any():
            np.testing.assert_array_equal(kept, field.defects)
        else:
            assert kept is None
    del description["defects"]
    with pytest.raises(SettingsError, match=r"00002\.json does not say what defects"):
        found.defects(description)


def test_a_field_of_before_a_setting_existed_is_one_of_its_default(tmp_path):
    build_fields(tmp_path / "f", recipes(1))
    note = tmp_path / "f" / "00000.json"
    told = json.loads(note.read_text())
    del told["recipe"]["defect_share"]
    note.write_text(json.dumps(told))
    assert len(build_fields(tmp_path / "f", recipes(1))) == 1
    with pytest.raises(SettingsError, match="was made by another recipe"):
        build_fields(tmp_path / "f", recipes(1, defect_share=0.5))
    note.write_text(json.dumps({"recipe": [3]}))
    with pytest.raises(SettingsError, match="was made by another recipe"):
        build_fields(tmp_path / "f", recipes(1))
