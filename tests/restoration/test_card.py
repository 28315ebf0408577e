"""The header of a model file: every key that is read has a type and a range, and the message names both."""

import json
import re
from importlib import resources

import pytest

from coldray.errors import CheckpointError
from coldray.restoration.card import RULES, check_header


def shipped():
    return json.loads((resources.files("coldray") / "models" / "compact.json").read_text(encoding="utf-8"))


def changed(place, value):
    """Header of the shipped model with one value replaced, or removed if it is `...`."""
    header = shipped()
    *sections, key = place.split(".")
    inner = header
    for section in sections:
        inner = inner[section]
    if value is ...:
        inner.pop(key, None)
    else:
        inner[key] = value
    return header


NAN, INFINITE = float("nan"), float("inf")
HOSTILE = [
    *(("stride", v) for v in (0, -8, "x", 8.0, True, None, 10**9, [8])),
    *(("radius", v) for v in (-1, NAN, "x", None, 10**6)),
    *(("prior", v) for v in ([], None, 3, "flat")),
    *((f"prior.{key}", v) for key in RULES["prior"] for v in (..., 0, -1, NAN, INFINITE, "1", 1e300)),
    *(("family", v) for v in ([], "x", 1, None)),
    *(("family.conditions_low", v) for v in ("low", ["a"], [NAN], {})),
    *(("family.exposure_s", v) for v in (..., "1", [1], [1, 0.5], [0, 1], ["a", "b"], [NAN, 1])),
    *(("family.cloud.points", v) for v in (..., 3, [[1], [1, 2]], [["a"]], [])),
    *(("family.cloud.reach", v) for v in (..., 0, NAN, "far")),
    *(("consistency_share", v) for v in ([], 1, "all")),
    *(("consistency_share.share", v) for v in (..., 1e300, [1e300], [NAN] * 7, [0.5], ["a"] * 7)),
    *(("consistency_share.frequency_cycles_px", v) for v in (..., [0.1] * 7, 0.1, ["a"] * 7)),
    *(("network", v) for v in ([], "compact", None, {})),
    *(("network.settings", v) for v in (..., [], 3, None)),
    *(("even", v) for v in ([], 3, {"clip": "x"}, {"clip": NAN}, {"new": 1}, {"bands": 3})),
    *(("reach", v) for v in ([], {"acting_px": -1}, {"acting_px": "x"})),
    *(("channels", v) for v in ("state", [1])),
    *(("method", v) for v in (..., 3, [], "", "no_such_method", "../app/cli")),
    *(("name", v) for v in ([], 3)),
    *(("training", v) for v in ([], "long")),
    *(("training.steps", v) for v in (-1, "x", 1.5, True, [3], {})),
    *(("training.started_from", v) for v in ("x", 5, [1], {"steps": "x"}, {"started_from": {"steps": []}})),
    *(("validation.direct_1s_psnr_db", v) for v in ("x", None, True, NAN, [40])),
]


@pytest.mark.parametrize(("place", "value"), HOSTILE, ids=[f"{p}={v!r}" for p, v in HOSTILE])
def test_a_value_that_cannot_be_used_is_refused_by_its_name(place, value):
    with pytest.raises(CheckpointError) as refused:
        check_header(changed(place, value), "m.json")
    text = str(refused.value)
    assert text.startswith("m.json: ") and "\n" not in text and len(text) < 400
    assert place.split(".")[0] in text


def test_what_was_exported_passes():
    check_header(shipped(), "m.json")
    for place in ("reach", "family", "even", "consistency_share", "channels", "conditions", "training", "name"):
        check_header(changed(place, ...), "m.json")
    check_header(changed("consistency_share", None), "m.json")
    check_header(changed("training.started_from", {"steps": None, "started_from": None}), "m.json")
    check_header(changed("training.new", [1, {"any": "thing"}]), "m.json")


def test_every_key_that_is_needed_is_asked_for():
    for place, rules in RULES.items():
        for key in (key for key, rule in rules.items() if rule.needed):
            name = f"{place}.{key}".lstrip(".")
            with pytest.raises(CheckpointError, match=f"lacks '{re.escape(name)}'"):
                check_header(changed(name, ...), "m.json")
