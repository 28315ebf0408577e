"""Recipes: TOML in, an unknown key is an error with a suggestion, changes from the command line."""

from pathlib import Path

import pytest

from coldray.errors import SettingsError, SettingsReadError
from coldray.training.recipe import Recipe, parse_recipe, read_recipe

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('run = "runs/x"\n[optimiser]\nsteps = 5\n[network.settings]\nwidth = 16\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_recipes_we_ship_are_valid(path):
    assert isinstance(read_recipe(path), Recipe)


def test_recipes_that_share_a_folder_share_its_fields():
    """Whichever is trained first, the next one finds what it would have made."""
    made = {}
    for path in CONFIGS:
        data = read_recipe(path).data
        wanted = {"gerber_if_present", "real_share", "field_size", "random_state", "paper_share", "object_share", "other_share",
                  "soft_share", "defect_share", "dataset", "prepare", "margin"}  # fmt: skip
        made.setdefault(data.folder, []).append(data.model_dump(include=wanted))
        assert not data.gerber, "a fresh clone has no boards beside it"
    assert all(one == same[0] for same in made.values() for one in same)


def test_the_papers_recipes_differ_in_method_alone():
    cold, regression, cdm = (read_recipe(CONFIGS[0].parent / f"paper{end}.toml") for end in ("", "_regression", "_cdm"))
    assert (cold.method, regression.method, cdm.method) == ("cold", "direct", "ddim")
    for other in (regression, cdm):
        assert (other.data, other.optimiser, other.degradation) == (cold.data, cold.optimiser, cold.degradation)
        left_out = {"shown"}
        mine, theirs = ({k: v for k, v in r.network.settings.items() if k not in left_out} for r in (cold, other))
        assert mine == theirs
    asked = cold.data.prepare
    assert (cold.data.target, asked.patches, asked.test_patches) == ("mean", 15000, 600)
    assert (asked.kind, cold.data.noise) == ("synthetic", "none"), "eq. 1 and nothing else makes the blurred image"
    assert (cold.optimiser.learning_rate, cold.optimiser.batch) == (2e-5, 16)


def test_the_small_recipes_differ_in_method_and_rate_alone():
    """One budget: equal network, patches, noise and updates."""
    names = ("regression", "cold_small", "cdm", "cdm_image")
    first, *others = (read_recipe(CONFIGS[0].parent / f"{name}.toml") for name in names)
    assert [r.method for r in (first, *others)] == ["direct", "cold", "ddim", "ddim_image"]
    for other in others:
        assert other.data == first.data and other.degradation == first.degradation
        assert other.optimiser.model_copy(update={"learning_rate": first.optimiser.learning_rate}) == first.optimiser
        mine, theirs = ({k: v for k, v in r.network.settings.items() if k != "residual"} for r in (first, other))
        assert mine == theirs
    asked = first.data.prepare
    assert (asked.patches, asked.test_patches, first.optimiser.steps, first.optimiser.batch) == (15000, 600, 20000, 8)


def test_a_file_is_read_over_the_defaults(file):
    recipe = read_recipe(file)
    assert (recipe.run, recipe.optimiser.steps, recipe.network.settings) == ("runs/x", 5, {"width": 16})
    assert recipe.optimiser.batch == Recipe().optimiser.batch


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ({"optimiser": {"learning_rat": 1e-3}}, "optimiser.learning_rate"),
        ({"methd": "cold"}, "method"),
        ({"data": {"windw": 64}}, "data.window"),
        ({"optimizer": {"steps": 3}}, "optimiser"),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_known_one(wrong, near):
    with pytest.raises(SettingsError, match=f"unknown setting .*did you mean '{near}'"):
        parse_recipe(wrong)


def test_a_key_like_no_other_gets_no_suggestion():
    with pytest.raises(SettingsError, match="unknown setting 'zzzzqqqq'$"):
        parse_recipe({"zzzzqqqq": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimiser": {"steps": 0}},
        {"optimiser": {"learning_rate": -1.0}},
        {"optimiser": {"ema": 1.0}},
        {"optimiser": {"learning_rate": float("inf")}},
        {"optimiser": {"clip": float("inf")}},
        {"optimiser": {"clip": float("nan")}},
        {"optimiser": {"batch": 10**12}},
        {"data": {"window": 10**9}},
        {"network": {"settings": {"deep": {"width": float("inf")}}}},
        {"network": {"settings": {"width": 10**9}}},
        {"network": {"settings": {"blocks": [2, 10**6]}}},
        {"optimiser": {"batch": 65536}, "data": {"window": 16384}},
        {"log": {"validate_options": {"strengths": [0.5, float("nan")]}}},
        {"optimiser": {"loss": "l3"}},
        {"data": {"window": 8}},
        {"data": {"real_share": 1.5}},
        {"data": {"exposure_s": [0.1]}},
        {"log": {"keep": 0}},
    ],
)
def test_values_out_of_range_name_the_setting(wrong):
    section, change = next(iter(wrong.items()))
    with pytest.raises(SettingsError, match=f"setting '{section}.{next(iter(change))}"):
        parse_recipe(wrong)


@pytest.mark.parametrize("exposures", [[0.0, 1.0], [-1.0, 1.0], [1.0, 0.05], [0.1, float("inf")]])
def test_the_range_of_exposures_is_positive_finite_and_in_order(exposures):
    with pytest.raises(SettingsError, match=r"data\.exposure_s"):
        parse_recipe({"data": {"exposure_s": exposures}})


@pytest.mark.parametrize(("margin", "border"), [(32, 0), (16, 16), (40, 8)])
def test_margin_and_border_leave_pixels_to_learn_from(margin, border):
    with pytest.raises(SettingsError, match="margin"):
        parse_recipe({"data": {"window": 64, "margin": margin}, "optimiser": {"border": border}})


def test_changes_from_the_command_line(file):
    changes = [
        "optimiser.steps=9", "optimiser.learning_rate = 1e-4", "method=direct", 'run="runs/y"',
        "data.exposure_s=[0.1, 0.5]", "network.settings.width=32", "network.settings.blocks=[1, 1, 1]",
    ]  # fmt: skip
    recipe = read_recipe(file, changes)
    assert (recipe.optimiser.steps, recipe.optimiser.learning_rate) == (9, 1e-4)
    assert (recipe.method, recipe.run, recipe.data.exposure_s) == ("direct", "runs/y", (0.1, 0.5))
    assert recipe.network.settings == {"width": 32, "blocks": [1, 1, 1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimiser.steps", "section.key=value"),
        ("run.steps=3", "'run' is a value"),
        ("optimiser.stps=3", "did you mean 'optimiser.steps'"),
        ("optimiser.steps=many", "optimiser.steps"),
        ("optimiser.steps=2.5", "optimiser.steps"),
    ],
)
def test_a_wrong_change_is_refused(file, change, message):
    with pytest.raises(SettingsError, match=message):
        read_recipe(file, [change])


def test_files_that_are_no_recipe(tmp_path):
    with pytest.raises(SettingsReadError, match="cannot be read"):
        read_recipe(tmp_path / "missing.toml")
    for content in (b"[optimiser", b"\xff\xfe"):
        (tmp_path / "a.toml").write_bytes(content)
        with pytest.raises(SettingsReadError, match=r"a\.toml: not valid TOML"):
            read_recipe(tmp_path / "a.toml")


def test_a_recipe_survives_its_own_dump_and_does_not_change():
    recipe = parse_recipe({"optimiser": {"steps": 7}, "network": {"settings": {"blocks": [1, 2, 1]}}})
    assert parse_recipe(recipe.model_dump(mode="json")) == recipe
    with pytest.raises(ValueError, match="frozen"):
        recipe.method = "direct"
