"""JSON from outside: what fits is read as json.loads reads it, all else is one error of the caller's kind."""

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

import coldray
from coldray.document import (
    DEEPEST,
    LARGEST_TOML_BYTES,
    as_cell,
    as_entries,
    as_number,
    as_numbers,
    as_table,
    as_text,
    first_fault,
    parse_json,
    read_json,
    read_object,
    read_toml,
    value_of,
)
from coldray.errors import DetectorError, MetadataError, SettingsError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**200), 10**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_what_json_writes_is_read_back(value):
    assert parse_json(json.dumps(value), "a.json", DetectorError) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode(), "a.json", DetectorError) == value


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_anything_else_is_the_callers_error(content):
    try:
        parse_json(content, "a.json", DetectorError)
    except DetectorError as problem:
        assert str(problem).startswith("a.json: ")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[" * 10**5, "100000 deep"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "deep"),
        ('{"a":' * 10**5, "deep"),
        ("9" * 5000, "5000 characters"),
        ("1e999", "1e999"),
        ("-1e400", "finite"),
        ("[NaN]", "NaN"),
        ("[Infinity]", "Infinity"),
        ("1." + "0" * 400, "characters"),
        (b"\xff\xfe", "UTF-8"),
        ("", "not valid JSON"),
        ('{"a": 1,}', "not valid JSON"),
        ('["[[[[' + "[" * 10**4, "deep"),
        ('{"a": 1, "b": {"c": 1, "d": 2, "c": 1}}', "'c' stands twice"),
    ],
)
def test_bounds(text, word):
    with pytest.raises(SettingsError, match="f.json: .*" + word):
        parse_json(text, "f.json", SettingsError)


def test_brackets_in_text_are_no_nesting():
    assert parse_json(json.dumps(["[" * 500, '\\"[' * 100]), "a", SettingsError) == ["[" * 500, '\\"[' * 100]
    assert math.isfinite(parse_json("1e308", "a", SettingsError))


def test_files_are_named(tmp_path):
    path = tmp_path / "settings.json"
    with pytest.raises(DetectorError, match=r"settings.json: cannot be read \(No such file"):
        read_json(path, DetectorError)
    with pytest.raises(DetectorError, match="cannot be read"):
        read_json(tmp_path, DetectorError)
    path.write_text("[1]")
    assert read_json(path, DetectorError) == [1]
    with pytest.raises(DetectorError, match="settings.json: holds a JSON list"):
        read_object(path, DetectorError)
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_object(path, DetectorError) == {"a": 1}
    with pytest.raises(DetectorError, match="most that is read"):
        read_json(path, DetectorError, largest_bytes=5)


TOML = {
    "nested": (b"a = " + b"[" * 5000, "nested too deeply"),
    "tables": (b"a = " + b"{b = " * 5000, "nested too deeply"),
    "digits": (b"a = " + b"7" * 5000, "4300 digits"),
    "no utf-8": (b"a = '\xff'", "can't decode"),
    "cut": (b"a = [1, ", "not valid TOML"),
    "large": (b"#" * (LARGEST_TOML_BYTES + 1), "larger than 1 MiB"),
}


@pytest.mark.parametrize("name", TOML)
def test_toml_beyond_a_bound_is_the_callers_error(name, tmp_path):
    content, word = TOML[name]
    (tmp_path / "f.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=f"^f.toml: .*{word}") as told:
        read_toml(tmp_path / "f.toml", SettingsError)
    assert len(str(told.value).splitlines()) == 1


def test_toml_of_another_editor_is_read_and_a_missing_one_named(tmp_path):
    (tmp_path / "f.toml").write_bytes(b"\xef\xbb\xbfa = 1\r\n[b]\r\nc = 'x'\r\n")
    assert read_toml(tmp_path / "f.toml", SettingsError) == {"a": 1, "b": {"c": "x"}}
    with pytest.raises(SettingsError, match=r"^g.toml: cannot be read \(No such file"):
        read_toml(tmp_path / "g.toml", SettingsError)


@given(st.text(max_size=20) | st.sampled_from(["[" * 5000, "9" * 5000, "1e5", "'a b'", "[1, 2", "nan"]))
def test_an_option_is_a_value_or_words(text):
    found = value_of(text)
    assert found == text or not isinstance(found, str) or text.strip()[:1] in "\"'"


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    level: int = Field(ge=1)
    name: str = "a"

    @field_validator("name")
    @classmethod
    def _plain(cls, value):
        if "/" in value:
            raise ValueError("A name holds no slash")
        return value


class Whole(BaseModel):
    entries: list[Entry]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({}, ("entries.0.level", "field required", False)),
        ({"level": 0}, ("entries.0.level", "should be greater than or equal to 1 (found 0)", False)),
        ({"level": 1, "name": "a/b"}, ("entries.0.name", "a name holds no slash (found 'a/b')", False)),
        ({"level": 1, "nmae": "a"}, ("entries.0.nmae", "there is no such entry", True)),
        ({"level": 1, "name": [1]}, ("entries.0.name", "should be a valid string", False)),
    ],
)
def test_the_first_fault_of_a_document_is_told_in_one_way(entry, fault):
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"entries": [entry]})
    assert first_fault(caught.value.errors()) == fault


@given(st.text() | st.integers(min_value=10**300))
def test_a_fault_is_one_short_line_whatever_was_found(value):
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"entries": [{"level": {"a": value}, "name": value}]})
    for error in caught.value.errors():
        reason = first_fault([error]).reason
        assert len(reason) < 200 and len(reason.splitlines()) == 1


def test_pydantics_errors_are_worded_in_one_place():
    source = Path(coldray.__file__).parent
    own = {path.name for path in source.rglob("*.py") if re.search(r"errors\(\)\[|\[.msg.\]", path.read_text())}
    assert own == {"document.py"}


KINDS = {"object": {"a": 1}, "list": [1, 2], "number": 0.5, "text": "x", "truth": True, "nothing": None}


@pytest.mark.parametrize(
    ("read", "taken"),
    [
        (as_table, {"object"}),
        (as_entries, {"list"}),
        (as_numbers, {"list"}),
        (as_number, {"number"}),
        (as_text, {"text"}),
        (as_cell, {"number", "text", "truth", "nothing"}),
    ],
)
def test_readers_give_back_what_they_are_asked_for_and_say_what_else_they_find(read, taken):
    for kind, value in KINDS.items():
        if kind in taken:
            assert read(value) == value
        else:
            with pytest.raises(MetadataError, match="is needed; found") as caught:
                read(value)
            assert repr(value) in str(caught.value)
