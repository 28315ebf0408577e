"""Shares in words."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import coldray
from coldray.images.scale import scale_of
from coldray.radiograph import Radiograph
from coldray.words import percent


@given(st.floats(1e-9, 10.0))
def test_a_share_has_two_digits_and_no_exponent(share):
    text = percent(share)
    assert re.fullmatch(r"\d+(\.\d+)? %", text)
    assert float(text.removesuffix(" %")) == pytest.approx(100 * share, rel=0.051)


def test_a_share_of_nothing_and_of_all():
    assert (percent(0.0), percent(1.0)) == ("0 %", "100 %")


def test_an_image_that_is_saturated_all_over_is_so_at_100_percent():
    _, warnings = scale_of(Radiograph(np.full((64, 64), 65535, np.uint16)), 60000.0)
    assert any(warning.startswith("100 % of the pixels are saturated") for warning in warnings)


def test_no_sentence_writes_a_percentage_with_two_digits_of_its_own():
    found = re.compile(r"\{[^{}]*:\.[12]g\} %")
    sources = Path(coldray.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if found.search(path.read_text(encoding="utf-8"))] == []
