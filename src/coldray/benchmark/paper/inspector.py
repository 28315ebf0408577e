"""The parts of the comparison that an inspector asks for: detectability, what is left of faint details, trust."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from coldray.benchmark.paper import detection, efficiency, trust
from coldray.benchmark.paper.contestants import (
    BLURRED,
    DEFAULT,
    DETAIL,
    UNGATED,
    VAN_CITTERT,
    WIENER,
    WIENER_TV,
    Contestant,
)
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.questions import run_trust, warnings_by
from coldray.benchmark.paper.record import Results
from coldray.errors import MeasurementError
from coldray.restoration.model import Model


def inspected(
    model: Model, by_key: Mapping[str, Contestant], how: PaperSettings, part: str
) -> tuple[str, Results | MeasurementError, float]:
    """One of the inspector's parts or why there is none, and the core time that it took [s]."""
    began = time.process_time()
    try:
        found: Results | MeasurementError = _PARTS[part](model, by_key, how)
    except MeasurementError as problem:
        found = problem
    return part, found, time.process_time() - began


def _detection(model: Model, by_key: Mapping[str, Contestant], how: PaperSettings) -> Results:
    seekers = [by_key[k] for k in (BLURRED, WIENER, WIENER_TV, VAN_CITTERT, DETAIL, DEFAULT)]
    methods = detection.flat_detectability(seekers, 1.0, how.pairs, model.prior)
    return {"detection": {"exposure_s": 1.0, "cnr": list(detection.CNRS), "methods": methods}}


def _efficiency(model: Model, by_key: Mapping[str, Contestant], how: PaperSettings) -> Results:
    shown = [by_key[k] for k in (WIENER, VAN_CITTERT, DETAIL, UNGATED, DEFAULT)]
    return {"efficiency": efficiency.measure_efficiency(shown, how.exposures_s, how.flats, model.prior)}


def _trust(model: Model, by_key: Mapping[str, Contestant], how: PaperSettings) -> Results:
    recipe = trust.TrustRecipe(
        pairs=how.pairs, boards=replace(how.boards, count=min(how.boards.count, 12)), flats=how.flats
    )
    return {"trust": run_trust([by_key[WIENER], by_key[DEFAULT]], recipe, model.prior, warnings_by(model))}


_PARTS = {"detection": _detection, "efficiency": _efficiency, "trust": _trust}
