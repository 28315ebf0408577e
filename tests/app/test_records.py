"""Records that somebody changed: whatever stands in a place, they are read, or damaged in one sentence of ours."""

import json

import numpy as np
import pytest

from coldray.app.one import record_path, restore_files
from coldray.app.recipe import Recipe
from coldray.app.records import find_record
from coldray.app.verify import Sources, verify
from coldray.errors import ColdrayError, MetadataError, SettingsError
from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph

from ..documents import with_odd

ODD = (None, -1, "x", [], {}, [["a", 1]], True)


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """A small restored image and its record."""
    folder = tmp_path_factory.mktemp("records")
    pixels = np.rint(np.random.default_rng(4).normal(30000, 200, (24, 24))).astype(np.uint16)
    write_image(folder / "in.tif", Radiograph(pixels, Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0)))
    out = folder / "out.tif"
    restore_files([folder / "in.tif"], out, Recipe(method="wiener", exposure_s=0.25), record=True)
    return out, json.loads(record_path(out).read_text())


def places(record, depth=2, at=()):
    """Every entry down to a depth, those of lists left out."""
    for name, value in record.items():
        yield (*at, name)
        if isinstance(value, dict) and depth:
            yield from places(value, depth - 1, (*at, name))


def test_an_odd_value_in_any_place_is_read_or_damaged(restored):
    out, record = restored
    read = damaged = 0
    for place in places(record):
        for odd in (..., *ODD):
            record_path(out).write_text(json.dumps(with_odd(record, place, odd)))
            try:
                found = find_record(out)
                Recipe.of_record(found.settings, found.sources)
                damaged += bool(found.problems)
                read += 1
            except (MetadataError, SettingsError) as problem:
                assert len(str(problem).splitlines()) == 1
                damaged += 1
    record_path(out).write_text(json.dumps(record))
    assert read > 300 and damaged > 100
    assert find_record(out).problems == []


@pytest.mark.parametrize(
    ("place", "odd"),
    [
        (("side_files",), {"../elsewhere": "0" * 64}),
        (("side_files",), {"a\0b": "0" * 64}),
        (("recipe", "environment"), ["numpy"]),
        (("recipe", "settings", "options"), "steps"),
        (("recipe", "settings", "steps"), [4]),
        (("recipe", "settings", "model"), {"name": "compact"}),
        (("recipe", "settings", "blurred"), 5),
        (("recipe", "settings", "flats"), [1]),
        (("recipe", "sources"), {"blurred": 7}),
        (("recipe", "format"), "newest"),
    ],
)
def test_verify_judges_a_damaged_record(restored, place, odd):
    out, record = restored
    record_path(out).write_text(json.dumps(with_odd(record, place, odd)))
    try:
        assert not verify(out, Sources())["matches"]
    except ColdrayError as problem:
        assert len(str(problem).splitlines()) == 1
    finally:
        record_path(out).write_text(json.dumps(record))
