"""The model card as data: what the header of a model file must hold for a model to be used, key by key."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from coldray.channels import FIRST_CONDITIONS
from coldray.checkpoint import MODEL_FORMAT, MODEL_VERSION
from coldray.contracts import shown_by
from coldray.document import Json, as_entries, as_numbers
from coldray.errors import CheckpointError
from coldray.plugins import is_plugin, plugin, plugin_names
from coldray.restoration.gate_constants import EvenConstants

LARGEST_STRIDE, LARGEST_RADIUS = 1024, 8192
"""Coarsest grid and farthest reach of a network [pixels]: tiles grow with both."""
MOST_UPDATES = 10**9


class Rule(NamedTuple):
    """What one key must hold, in code and in words, and whether it may be missing."""

    holds: Callable[[Json], bool]
    wanted: str
    needed: bool = False


def _is_number(value: Json, low: float = -1e6, high: float = 1e6) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and bool(low <= value <= high)
    )


def _are_numbers(value: Json, low: float = -1e6, high: float = 1e6) -> TypeGuard[list[float]]:
    return isinstance(value, list) and all(_is_number(one, low, high) for one in value)


def _is_table(value: Json) -> bool:
    """Whether it is a list of equally long lists of numbers."""
    return (
        isinstance(value, list) and all(map(_are_numbers, value)) and len({len(as_entries(row)) for row in value}) == 1
    )


def _rises(value: Json) -> bool:
    return _are_numbers(value) and all(a < b for a, b in pairwise(as_numbers(value)))


def _is_training(value: Json) -> bool:
    """Whether each of the runs that led to a network says how many updates it took, or nothing of it."""
    run = value
    while isinstance(run, Mapping):
        steps = run.get("steps")
        if steps is not None and not _whole(0, MOST_UPDATES).holds(steps):
            return False
        run = run.get("started_from") or None
    return run is None and isinstance(value, Mapping)


def _is_validation(value: Json) -> bool:
    return isinstance(value, Mapping) and all(_is_number(v) for k, v in value.items() if k.endswith("_psnr_db"))


def _whole(low: int, high: int, needed: bool = False) -> Rule:
    def holds(value: Json) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return Rule(holds, f"a whole number from {low} to {high}", needed)


def _number(low: float, high: float, needed: bool = False) -> Rule:
    return Rule(lambda value: _is_number(value, low, high), f"a number from {low:g} to {high:g}", needed)


TEXT = Rule(lambda value: isinstance(value, str) and value != "", "a text")
TEXTS = Rule(lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value), "a list of texts")
OBJECT = Rule(lambda value: isinstance(value, dict), "an object of names and values")
NUMBERS = Rule(_are_numbers, "a list of numbers")
INTERVAL = Rule(
    lambda value: _are_numbers(value, 1e-6) and len(value) == 2 and value[0] <= value[1],
    "two positive numbers, the smaller one first",
)
SPAN = Rule(
    lambda value: _are_numbers(value, 0) and len(value) == 2 and value[0] <= value[1],
    "two numbers, the smaller one first",
)

RULES: dict[str, dict[str, Rule]] = {
    "": {
        "network": OBJECT._replace(needed=True),
        "stride": _whole(1, LARGEST_STRIDE, needed=True),
        "radius": _whole(0, LARGEST_RADIUS, needed=True),
        "prior": OBJECT._replace(needed=True),
        "method": TEXT._replace(needed=True),
        "name": TEXT,
        "sha256": TEXT,
        "settings_sha256": TEXT,
        "channels": TEXTS,
        "conditions": TEXTS,
        "consistency_share": Rule(lambda value: value is None or isinstance(value, dict), "an object, or null"),
        "training": Rule(_is_training, "an object, whole numbers the 'steps' of each run,"),
        "validation": Rule(_is_validation, "an object, its '..._psnr_db' numbers,"),
        **dict.fromkeys(("reach", "family", "even"), OBJECT),
    },
    "network": {"name": TEXT._replace(needed=True), "settings": OBJECT._replace(needed=True)},
    "reach": {"acting_px": _whole(0, LARGEST_RADIUS)},
    "prior": {
        "amplitude_mm2": _number(1e-6, 1e6, needed=True),
        "corner_lp_mm": _number(1e-6, 1e3, needed=True),
        "exponent": _number(1e-3, 20, needed=True),
    },
    "family": {
        "conditions_low": NUMBERS,
        "conditions_high": NUMBERS,
        "cloud": OBJECT,
        "exposure_s": INTERVAL,
        "pixel_pitch_mm": Rule(lambda value: _is_number(value, 1e-6) or INTERVAL.holds(value), INTERVAL.wanted),
        "in_units": OBJECT,
    },
    "family.in_units": {
        "mtf_ratio": Rule(
            lambda value: (
                isinstance(value, dict)
                and all(_are_numbers(value.get(key)) for key in ("frequency_cycles_px", "low", "high"))
                and len({len(value[key]) for key in ("frequency_cycles_px", "low", "high")}) == 1
                and len(value["low"]) > 1
            ),
            "frequencies, lowest and highest ratios, equally many",
        ),
        **dict.fromkeys(
            (
                "noise_relative_sd",
                "noise_colour",
                "signal",
                "anisotropy",
                "direct_hit_share",
                "slope",
                "fixed_pattern_sd",
            ),
            SPAN,
        ),
    },
    "family.cloud": {
        "points": Rule(_is_table, "a list of equally long lists of numbers", needed=True),
        "reach": _number(1e-6, 1e6, needed=True),
    },
    "consistency_share": {
        "frequency_cycles_px": Rule(_rises, "a list of rising numbers", needed=True),
        "share": Rule(lambda value: _are_numbers(value, 0, 1), "a list of numbers from 0 to 1", needed=True),
    },
}
"""By the place in the header. Keys that are not named here describe the model and decide nothing."""
DECIDING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("method", "network", "stride", "radius", "reach", "prior", "channels", "conditions"), ()),
    **dict.fromkeys(("consistency_share", "even"), ()),
    "family": ("conditions_low", "conditions_high", "cloud"),
}
"""Entries of a header that decide a result beside the weights; those within an entry where not all of it does."""


def settings_sha256(header: Mapping[str, Json]) -> str:
    """Hash of the entries of a header that decide a result: gate, share of the gain, domain, prior and network.

    Parameters
    ----------
    header : mapping
        Of a model.

    Returns
    -------
    str
        SHA-256 of `DECIDING` as JSON with sorted names and no spaces; what the header lacks is left out.
    """
    found: dict[str, Json] = {}
    for name, parts in DECIDING.items():
        entry = header.get(name)
        if parts and isinstance(entry, Mapping):
            entry = {part: entry[part] for part in parts if part in entry}
        if entry not in (None, {}):
            found[name] = entry
    return hashlib.sha256(json.dumps(found, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_header(header: Json, name: str) -> None:
    """Refuse a header that is not a model's.

    Parameters
    ----------
    header : object
        As read from JSON.
    name : str
        File name for the message.

    Raises
    ------
    CheckpointError
        If it is another file's, of another version, lacks what a model needs, or holds a value of another type or
        beyond its range.
    """
    if not isinstance(header, dict):
        raise CheckpointError(f"{name}: not a coldray model (the header is no JSON object)")
    if header.get("format") != MODEL_FORMAT:
        raise CheckpointError(f"{name}: not a coldray model (format {_brief(header.get('format'))})")
    if header.get("version") != MODEL_VERSION:
        raise CheckpointError(
            f"{name}: model version {_brief(header.get('version'))}; this coldray reads {MODEL_VERSION}"
        )
    for place, rules in RULES.items():
        section: Json = header
        for word in filter(None, place.split(".")):
            section = section.get(word) if isinstance(section, Mapping) else None
        if isinstance(section, Mapping):
            _check_section(section, rules, f"{place}." if place else "", name)
    if not is_plugin("method", header["method"]):
        raise CheckpointError(
            f"{name}: the header names the method {_brief(header['method'])}; there are "
            f"{', '.join(plugin_names('method'))}. Install the plug-in, or choose another model"
        )
    _check_together(header, name)


def _check_section(section: Mapping[str, Json], rules: Mapping[str, Rule], place: str, name: str) -> None:
    for key, rule in rules.items():
        if key not in section:
            if rule.needed:
                raise CheckpointError(f"{name}: the header lacks '{place}{key}'; export the model anew")
        elif not rule.holds(section[key]):
            raise CheckpointError(
                f"{name}: the header's '{place}{key}' is {_brief(section[key])}; {rule.wanted} is needed. Export the "
                "model anew"
            )


def _check_together(header: Mapping[str, Any], name: str) -> None:
    """What two keys must agree on."""
    try:
        EvenConstants.of_header(header.get("even", {}))
    except CheckpointError as problem:
        raise CheckpointError(f"{name}: {problem}") from None
    _check_shown(header, name)
    _check_family(header.get("family", {}), name)
    curve = header.get("consistency_share")
    if curve is not None and not 2 <= len(curve["share"]) == len(curve["frequency_cycles_px"]):
        raise CheckpointError(
            f"{name}: the header's 'consistency_share' has {len(curve['frequency_cycles_px'])} frequencies and "
            f"{len(curve['share'])} shares; equally many, at least 2, are needed"
        )


def _check_shown(header: Mapping[str, Any], name: str) -> None:
    """Images and conditions of the network must be what the method shows it."""
    method = plugin("method", header["method"])
    if not method.LEARNS:
        raise CheckpointError(
            f"{name}: the header names the method {_brief(header['method'])}, which has no network. Choose another model"
        )
    shown, told = shown_by(method)
    if shown and header.get("channels", shown) != shown:
        raise CheckpointError(
            f"{name}: the header's 'channels' are {_brief(header['channels'])}; the method shows {', '.join(shown)}. "
            "Choose another model"
        )
    if not told:
        return
    known = header["network"]["settings"].get("conditions", min(FIRST_CONDITIONS, len(told)))
    names = header.get("conditions", told[:known] if isinstance(known, int) else [])
    if not _whole(1, len(told)).holds(known) or len(names) != known or len(set(names)) != known:
        raise CheckpointError(
            f"{name}: the header's 'network.settings.conditions' is {_brief(known)} with {len(set(names))} different "
            f"'conditions'; equally many, from 1 to {len(told)}, are needed. Export the model anew"
        )
    if unknown := [one for one in names if one not in told]:
        raise CheckpointError(
            f"{name}: the header's 'conditions' name {_brief(unknown[0])}, which the method does not tell. Choose another "
            "model"
        )


def _check_family(family: Mapping[str, Any], name: str) -> None:
    """Spans must be spans, and the cloud made of the same conditions."""
    if not {"conditions_low", "conditions_high"} & set(family):
        return
    if "exposure_s" not in family:
        raise CheckpointError(f"{name}: the header lacks 'family.exposure_s'; export the model anew")
    low, high = (family.get(key, []) for key in ("conditions_low", "conditions_high"))
    if len(low) != len(high) or any(a > b for a, b in zip(low, high, strict=True)):
        raise CheckpointError(
            f"{name}: the header's 'family.conditions_low' ({len(low)} numbers) and 'family.conditions_high' ({len(high)}) "
            "are no spans; export the model anew"
        )
    if "cloud" in family and len(family["cloud"]["points"][0]) != len(low) - 1:
        raise CheckpointError(
            f"{name}: the header's 'family.cloud.points' have {len(family['cloud']['points'][0])} conditions; one less than "
            f"the {len(low)} of 'family.conditions_low' is needed. Export the model anew"
        )


def _brief(value: Json) -> str:
    """Value as it is shown in a message of one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({type(value).__name__})"
