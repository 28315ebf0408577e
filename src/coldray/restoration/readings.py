"""Figures that are followed over time, read from the records of restorations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coldray.document import Json, as_number, as_table, as_text
from coldray.metrology.readings import Reading
from coldray.restoration.certificate.words import CONTRADICTED, LOCAL


def restored_readings(entries: Sequence[Mapping[str, Json]]) -> dict[str, Reading]:
    """What restored images of an archive have in common, by key; values of all images.

    Parameters
    ----------
    entries : sequence of mapping
        Records of restorations.

    Returns
    -------
    dict of str to Reading

    Raises
    ------
    MetadataError, KeyError
        If an entry is damaged.
    """
    judged = [as_table(entry["consistency"]) for entry in entries]
    hits = [as_table(entry["hits"]) for entry in entries if "hits" in entry]
    columns = {
        "marked": ("contradicted images", [float(as_text(one["verdict"]) in (LOCAL, CONTRADICTED)) for one in judged]),
        "linear_share": ("share left to the linear filter by the gate", _stated(judged, "linear_share")),
        "noise_ratio": ("residual over noise", _stated(judged, "residual_over_noise")),
        "hits": ("pixels replaced as direct hits", [as_number(h["bright"]) + as_number(h["dark"]) for h in hits]),
        "clipped": ("clipped pixels", [as_number(entry["clipped_pixels"]) for entry in entries]),
    }
    return {
        f"restore.{key}": Reading(words, "", tuple(float(v) for v in found))
        for key, (words, found) in columns.items()
        if found
    }


def _stated(judged: Sequence[Mapping[str, Json]], key: str) -> list[float]:
    """Numbers of those that state one."""
    return [as_number(one[key]) for one in judged if one.get(key) is not None]
