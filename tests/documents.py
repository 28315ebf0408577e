"""Documents of JSON that somebody changed."""

import copy


def with_odd(document, place, odd):
    """A copy with another value in one place, a tuple of keys and indices; ``...`` takes the entry out."""
    changed = copy.deepcopy(document)
    held = changed
    for name in place[:-1]:
        held = held[name]
    if odd is ...:
        del held[place[-1]]
    else:
        held[place[-1]] = odd
    return changed
