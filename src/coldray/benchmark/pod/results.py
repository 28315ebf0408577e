"""A study as plain data: curves, points and maps as JSON, every reading as a table."""

from __future__ import annotations

import numpy as np

from coldray import __version__
from coldray.benchmark.pod.defects import KINDS
from coldray.benchmark.pod.reading import FALSE_CALLS
from coldray.benchmark.pod.study import Study
from coldray.document import Json
from coldray.physics.tables import write_table


def study_json(study: Study) -> dict[str, Json]:
    """JSON-able results.

    Returns
    -------
    dict
        `curves` (a90 and a90/95 by kind, arm and analysis), `points` (by kind, arm and size), `even_ground` (a90 that noise
        alone would allow in the raw frame), `maps` (smallest size found by cell; null where none is, or nothing was read).
    """
    asked = study.question
    return {
        "coldray": __version__,
        "pixel_pitch_mm": study.pair.pixel_pitch_mm,
        "blurred": study.pair.blurred.name,
        "sharp": study.pair.sharp.name,
        "noise": study.noise_source,
        "model": study.model,
        "false_call_rate": FALSE_CALLS,
        "kinds": {kind: KINDS[kind].words for kind in study.sizes_mm},
        "contrast": None if asked.contrast_per_mm is not None else asked.contrast,
        "contrast_per_mm": asked.contrast_per_mm,
        "regions": [list(region) for region in asked.regions],
        "random_state": asked.random_state,
        "frames": study.frames,
        "places": study.places,
        "structured_share": study.structured_share,
        "curves": [one.to_json() for one in study.fits],
        "points": [
            {
                "kind": kind,
                "arm": arm,
                "size_mm": size,
                "contrast": asked.contrast_of(size),
                "defects": int(one.value.size),
                "found": int(np.count_nonzero(one.value > 1)),
                "reading_mean": float(one.value.mean()),
                "reading_sd": float(one.value.std()),
                "threshold_sd": one.threshold_sd,
            }
            for (kind, arm), row in study.readings.items()
            for size, one in row.items()
        ],
        "even_ground": dict(study.even_ground_mm),
        "maps": [
            {
                "kind": kind,
                "arm": arm,
                "cell_px": study.spacing_px,
                "smallest_mm": [[float(v) if np.isfinite(v) else None for v in row] for row in found],
                "read": (~np.isnan(found)).tolist(),
            }
            for (kind, arm), found in study.maps.items()
        ],
        "warnings": list(study.warnings),
    }


def readings_csv(study: Study) -> str:
    """Every reading in one table, for other programs that fit POD curves."""
    rows = [
        (kind, arm, size, study.question.contrast_of(size), float(value), int(value > 1))
        for (kind, arm), row in study.readings.items()
        for size, one in row.items()
        for value in one.value
    ]
    names = ("kind", "arm", "size_mm", "contrast", "reading", "found")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    notes = [
        "simulated defects in a measured image; reading 1 is the threshold at "
        f"{100 * FALSE_CALLS:g} % false calls, 0 the median of the image without defects"
    ]
    return write_table(columns, study.pair.pixel_pitch_mm, notes)
