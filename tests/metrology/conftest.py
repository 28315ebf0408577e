"""Targets that several tests look at, drawn once."""

import functools

import pytest

from coldray.objects.phantoms import duplex_wires


@pytest.fixture(scope="session")
def drawn_wires():
    """`duplex_wires`, which takes five times as long as measuring does: drawn once, and not to be written to."""

    @functools.cache
    def drawn(*args, **options):
        image, truth = duplex_wires(*args, **options)
        image.flags.writeable = False
        return image, truth

    return drawn
