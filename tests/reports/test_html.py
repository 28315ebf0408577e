"""The page of a report: its words can be read in both themes, and on paper it is the light one."""

import re

import pytest

from coldray.reports.blocks import Report
from coldray.reports.html import to_html


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    digits = "".join(2 * digit for digit in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast("#000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#fff") == pytest.approx(
        4.478, abs=1e-3
    )


@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_the_page_in_both_themes(dark):
    style = to_html(Report("a", "b", "c", "good", (), ())).split("<style>")[1].split("</style>")[0]
    light, _, rest = style.partition("@media screen and (prefers-color-scheme: dark) {")
    block = rest.partition("@media print")[0] if dark else light
    page = re.search(r"--paper: (#\w+)", block)[1]
    words = re.findall(r"--(?:ink|soft|tone): (#\w+)", block)
    assert len(words) == 7 and min(contrast(word, page) for word in words) >= 4.5
    assert ":root { color-scheme: light; }" in style.partition("@media print")[2]
