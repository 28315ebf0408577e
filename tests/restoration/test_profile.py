"""A plant's settings: which rule an image meets, what counts more, and profiles that cannot be meant."""

from pathlib import Path

import pytest

from coldray.errors import ColdrayError, MetadataError, SettingsError, SettingsReadError
from coldray.restoration.profile import TEMPLATE, Seen, read_profile
from coldray.settings import declared

PLANT = """
[settings]
exposure_s = 0.25
pitch_um = 50

[[rule]]
name = "thin"
when = { DetectorID = "THIN*", KVP = "60..80" }
settings = { blurred = "thin.json", exposure_s = 1.0 }

[[rule]]
name = "weld"
when = { folder = ["weld", "seam"], pitch_um = 100 }
settings = { method = "wiener" }
"""


def written(tmp_path, text):
    path = tmp_path / "plant.toml"
    path.write_text(text, encoding="utf-8")
    return path


def seen(path="here/a.tif", pitch_mm=None, **tags):
    return Seen(None if path is None else Path(path), pitch_mm, tags.get)


def rule(profile, image):
    found = profile.rule_for(image)
    return None if found is None else found.name


def test_the_first_rule_whose_conditions_are_all_met_counts(tmp_path):
    profile = read_profile(written(tmp_path, PLANT))
    assert rule(profile, seen(DetectorID="thin 7", KVP="70")) == "thin"
    assert rule(profile, seen(DetectorID="thin 7", KVP="80.0")) == "thin", "the ends of a range belong to it"
    assert rule(profile, seen(DetectorID="thin 7", KVP="81")) is None
    assert rule(profile, seen(DetectorID="thin 7")) is None, "what a file does not say meets nothing"
    assert rule(profile, seen(KVP="much")) is None
    assert rule(profile, seen("plant/seam/x/a.tif", 0.1)) == "weld", "any folder above counts"
    assert rule(profile, seen("plant/seam/a.tif", 0.05)) is None
    assert rule(profile, seen(None, 0.1)) is None


def test_a_rule_counts_more_than_what_holds_for_every_image(tmp_path):
    profile = read_profile(written(tmp_path, PLANT))
    assert profile.settings_of(profile.rule_for(seen())) == {"exposure_s": 0.25, "pixel_pitch_mm": pytest.approx(0.05)}
    assert profile.settings_of(profile.rule_for(seen(DetectorID="THIN", KVP="70")))["exposure_s"] == 1.0
    assert [name for name, _ in profile.every_settings()] == ["thin", "weld", "without a rule"]


def test_files_are_found_beside_the_profile_and_names_stay(tmp_path):
    (tmp_path / "thin.json").write_text("{}", encoding="utf-8")
    profile = read_profile(written(tmp_path, PLANT))
    assert profile.settings_of(profile.rule_for(seen(DetectorID="thin", KVP="70")))["blurred"] == str(
        tmp_path / "thin.json"
    )
    (tmp_path / "thin.json").unlink()
    (tmp_path / "other").mkdir()
    assert read_profile(written(tmp_path / "other", PLANT)).rules[0].settings["blurred"] == "thin.json"


def test_without_a_rule_it_may_refuse(tmp_path):
    profile = read_profile(written(tmp_path, 'without_rule = "refuse"\n' + PLANT))
    with pytest.raises(MetadataError, match=r"a\.tif: no rule of plant\.toml fits \(thin, weld\)"):
        profile.rule_for(seen())
    assert [name for name, _ in profile.every_settings()] == ["thin", "weld"]


def test_a_changed_file_is_read_again(tmp_path):
    path = written(tmp_path, PLANT)
    first = read_profile(path)
    path.write_text(PLANT.replace("0.25", "0.5"), encoding="utf-8")
    assert read_profile(path).settings["exposure_s"] == 0.5 and read_profile(path).sha256 != first.sha256


def test_the_template_is_a_profile_and_names_what_there_is(tmp_path):
    profile = read_profile(written(tmp_path, TEMPLATE))
    assert [one.name for one in profile.rules] == ["line 1"] and not profile.refuses
    uncommented = TEMPLATE.replace("# exposure_s", "exposure_s")
    assert read_profile(written(tmp_path, uncommented)).settings["exposure_s"] == 0.25


@pytest.mark.parametrize("name", [name for name, said in declared().items() if said.command and said.profile])
def test_every_option_of_an_image_may_stand_in_a_profile(tmp_path, name):
    said = declared()[name]
    value = {
        "number": "0.5", "whole": "3", "switch": "true", "options": "{ samples = 4 }", "flats": '["a.tif"]',
        "texts": '{ order = "4711" }',
    }.get(said.kind, f'"{said.words[0]}"' if said.words else '"gos34"')  # fmt: skip
    profile = read_profile(written(tmp_path, f"[settings]\n{said.told(name)} = {value}\n"))
    assert list(profile.settings) == [name]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[setings]\n", "a profile has no key 'setings'; did you mean 'settings'"),
        ("[settings]\nexposures_s = 1\n", r"\[settings\] has no key 'exposures_s'; did you mean 'exposure_s'"),
        ("[settings]\nprofile = 'a'\n", "has no key 'profile'"),
        ("[settings]\nexposure_s = -1\n", "`exposure_s` is -1 s; it must be positive"),
        ("[settings]\nexposure_s = 'long'\n", "a finite number is needed"),
        ("[settings]\nblurred = 3\n", "blurred is 3; a name or a file"),
        ("[settings]\ngain = 'much'\n", "choose one of calibrated"),
        ("[settings]\nabout = { orders = 'A' }\n", "`about` has 'orders'; choose one of part, component_id, order"),
        ("[settings]\nabout = { order = 4711 }\n", "a dict of texts is needed"),
        ("without_rule = 'guess'\n", "without_rule is 'guess'"),
        ("rule = 3\n", "rules are tables"),
        ("[[rule]]\nname = 'a'\nwhen = { KVP = 70 }\n", "the rule 'a' sets nothing"),
        ("[[rule]]\nname = 'a'\nwen = {}\nsettings = { gain = 'detail' }\n", "no key 'wen'; did you mean 'when'"),
        ("[[rule]]\nwhen = { DetectorIDs = 'x' }\nsettings = { gain = 'detail' }\n", "did you mean 'DetectorID'"),
        ("[[rule]]\nwhen = { KVP = '80..60' }\nsettings = { gain = 'detail' }\n", "fits no number"),
        ("[[rule]]\nwhen = { KVP = 'much' }\nsettings = { gain = 'detail' }\n", "no number and no range"),
        ("[[rule]]\nwhen = { KVP = [] }\nsettings = { gain = 'detail' }\n", "a text, a number or a list"),
        ("[[rule]]\nwhen = 3\nsettings = { gain = 'detail' }\n", "a table of conditions"),
        ("[[rule]]\nname = 3\nsettings = { gain = 'detail' }\n", "its name is 3"),
        (
            "[[rule]]\nname = 'all'\nsettings = { gain = 'detail' }\n[[rule]]\nname = 'b'\nwhen = { KVP = 70 }\n"
            "settings = { gain = 'detail' }\n",
            "the rule 'b' is never reached",
        ),
        (
            "[[rule]]\nname = 'b'\nwhen = { KVP = 7 }\nsettings = { gain = 'detail' }\n[[rule]]\nname = 'b'\n"
            "when = { KVP = 70 }\nsettings = { gain = 'detail' }\n",
            "two rules are named 'b'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(SettingsError, match=words) as refused:
        read_profile(written(tmp_path, text))
    assert str(refused.value).startswith("plant.toml: ") and "\n" not in str(refused.value)


def test_no_file_and_no_toml_are_errors_of_reading(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path, written(tmp_path, "[[[")):
        with pytest.raises(SettingsReadError) as refused:
            read_profile(path)
        assert isinstance(refused.value, ColdrayError) and path.name in str(refused.value)
