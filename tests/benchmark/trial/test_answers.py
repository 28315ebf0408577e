"""Answers: whole lines in the order that was drawn, each bound to the one before; washout; no second thoughts."""

import json
from datetime import timedelta

import pytest
from pydantic import ValidationError

from coldray.benchmark.trial.answers import Answers, Given
from coldray.benchmark.trial.documents import read_manifest
from coldray.errors import ImageWriteError, MetadataError, SettingsError


@pytest.fixture
def manifest(written):
    return read_manifest(written[0])


@pytest.fixture
def now():
    from datetime import UTC, datetime

    return lambda: datetime(2026, 1, 1, tzinfo=UTC)


def test_who_comes_back_goes_on_where_they_stopped(manifest, tmp_path, now):
    one = Answers(manifest, "A", tmp_path)
    for rating in (10, 20, 30):
        one.take(Given(item=one.next_item, rating=rating), now)
    again = Answers(manifest, "A", tmp_path)
    assert [answer.given.rating for answer in again.found] == [10, 20, 30]
    assert again.next_item == again.order[3] and not again.is_complete
    assert Answers(manifest, "B", tmp_path).found == []


def test_only_the_next_image_is_answered_and_only_once(manifest, tmp_path, now):
    one = Answers(manifest, "A", tmp_path)
    first, third = one.order[0], one.order[2]
    with pytest.raises(SettingsError, match="not the next one"):
        one.take(Given(item=third, rating=1), now)
    one.take(Given(item=first, rating=1), now)
    with pytest.raises(SettingsError, match="answered already"):
        one.take(Given(item=first, rating=99), now)
    assert len(one.path.read_bytes().splitlines()) == 1


@pytest.mark.parametrize("change", ["rating", "swap", "drop", "first", "other reader"])
def test_answers_that_were_changed_are_refused(manifest, tmp_path, now, change):
    one = Answers(manifest, "A", tmp_path)
    for rating in (10, 20, 30):
        one.take(Given(item=one.next_item, rating=rating), now)
    lines = one.path.read_bytes().splitlines()
    if change == "rating":
        lines[0] = lines[0].replace(b'"rating": 10', b'"rating": 90')
    elif change == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    elif change == "drop":
        del lines[1]
    elif change == "first":
        lines[0] = lines[0].replace(manifest.commitment.encode(), b"0" * 64)
    else:
        lines[0] = lines[0].replace(b'"reader": "A"', b'"reader": "B"')
    one.path.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(MetadataError, match="does not follow from the one before"):
        Answers(manifest, "A", tmp_path)


def test_a_cut_line_is_one_line_of_error(manifest, tmp_path, now):
    one = Answers(manifest, "A", tmp_path)
    one.take(Given(item=one.next_item, rating=1), now)
    one.path.write_bytes(one.path.read_bytes()[:-20])
    with pytest.raises(MetadataError, match="line 1: not valid JSON"):
        Answers(manifest, "A", tmp_path)


def test_what_cannot_be_written_was_not_given(manifest, tmp_path, now):
    one = Answers(manifest, "A", tmp_path / "absent")
    with pytest.raises(ImageWriteError):
        one.take(Given(item=one.next_item, rating=1), now)
    assert one.found == [] and one.next_item == one.order[0]


def test_the_next_block_waits_for_the_washout(written, tmp_path, now):
    document = json.loads((written[0] / "trial.json").read_text())
    document["washout_days"] = 7
    (written[0] / "trial.json").write_text(json.dumps(document))
    one = Answers(read_manifest(written[0]), "A", tmp_path)
    for _ in range(9):
        assert one.opens_at is None
        one.take(Given(item=one.next_item, rating=1), now)
    assert one.block == 1 and one.opens_at == now() + timedelta(days=7)
    with pytest.raises(SettingsError, match="next block begins at 2026-01-08"):
        one.take(Given(item=one.next_item, rating=1), lambda: now() + timedelta(days=6.9))
    one.take(Given(item=one.next_item, rating=1), lambda: now() + timedelta(days=7))
    assert one.shortest_pause() == timedelta(days=7)


@pytest.mark.parametrize(
    "given",
    [{"rating": 101}, {"rating": -1}, {"rating": 1.5}, {"rating": 10, "marks": [{"x_px": 1, "y_px": 1, "rating": 0}]},
     {"rating": 10, "marks": [{"x_px": float("nan"), "y_px": 1, "rating": 5}]}, {"rating": 10, "arm": "raw"},
     {"rating": 10, "marks": [{"x_px": 1, "y_px": 1, "rating": 50}]},
     {"rating": 90, "marks": [{"x_px": 1, "y_px": 1, "rating": 5}] * 51}],
)  # fmt: skip
def test_answers_that_are_none_are_refused(given):
    with pytest.raises(ValidationError):
        Given(item="0" * 16, **given)


def test_a_stranger_is_no_reader(manifest, tmp_path):
    with pytest.raises(SettingsError, match="no reader 'C'; its readers are A, B"):
        Answers(manifest, "C", tmp_path)
