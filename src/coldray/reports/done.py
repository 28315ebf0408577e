"""What a report says was done: files, method, detectors, model."""

from __future__ import annotations

from collections.abc import Mapping

from coldray.document import Json, as_number, as_numbers, as_table
from coldray.gain import DETAIL_SHARE
from coldray.physics.detector import Detector
from coldray.reports.blocks import Facts, Section, Table
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.model import Model
from coldray.restoration.pipeline import Job, Restoration

PART_TAGS = (
    "Component name", "Component ID", "Other component IDs", "Component owner", "Material name", "Inspector",
    "Certifying inspector", "Inspecting company", "Company", "Department", "Order", "Inspection date", "Study ID",
    "Study date", "Acquisition date", "Study description", "Series description", "Examination notes",
)  # fmt: skip
"""DICONDE names of what a quality folder is searched by; the date of the inspection has none."""
ABOUT_TAGS: Mapping[str, tuple[str, ...]] = {
    "part": ("Component name",), "component_id": ("Component ID",), "order": ("Order",), "operator": ("Inspector",),
    "date": ("Inspection date", "Acquisition date", "Study date"),
}  # fmt: skip
"""Names of `coldray.settings.ABOUT`: the tag that a stated one is shown as, and the tags of a file that say it."""


def what_was_done(result: Restoration, job: Job, name: str, record: Mapping[str, Json]) -> Facts:
    """Files, method and settings.

    Parameters
    ----------
    result : Restoration
    job : Job
    name : str
        Of the input, as shown.
    record : mapping
        ``sha256_in``, ``output``, ``sha256_out`` where they exist.
    """
    details = dict(result.image.history[-1].details)
    rows = [("Input", name)]
    for key, label in (
        ("sha256_in", "SHA-256 of the input"),
        ("output", "Output"),
        ("sha256_out", "SHA-256 of the output"),
    ):
        if record.get(key):
            rows.append((label, str(record[key])))
    rows += [
        ("Method", job.method),
        *([("Network evaluations per frame", str(result.evaluations))] if job.model is not None else []),
        ("Options", ", ".join(f"{k} = {v}" for k, v in as_table(details.get("options", {})).items()) or "none"),
        (
            "Degradation",
            f"{job.degradation} (Eqs. 1–2 of the paper)" if job.degradation == "mtf_blend" else job.degradation,
        ),
    ]
    if "gain" in details:
        meaning = {
            "calibrated": "calibrated with the model",
            "detail": f"at least {DETAIL_SHARE:g} of the uncorrelated-error gain, so that faint details stay detectable",
            "paper": "K = 1 at every frequency, as in the paper",
        }
        rows.append(("Data-consistency gain", meaning.get(job.gain, job.gain)))
    if "random_state" in details:
        rows.append(("Random state", str(details["random_state"])))
    rows += _network_rows(result.consistency.get("network"), job.on_contradiction)
    hits = result.hits
    rows += [
        ("Clipped pixels", f"{result.clipped_pixels} pixels"),
        (
            "Replaced pixels",
            f"{hits['bright']} direct hits, {hits['dark']} dead pixels, {hits['masked']} masked in the input; the images and "
            "tests below hold their prediction",
        ),
    ]
    return Facts(tuple(rows))


def _network_rows(found: Json, on_contradiction: str) -> list[tuple[str, str]]:
    """How much the network counts, and what was written where the measurement contradicts it; nothing without a network."""
    if found is None:
        return []
    network = as_table(found)

    def percent(name: str) -> str:
        return f"{100 * as_number(network[name]):.3g} %"

    told = [f"{network['verdict']} ({percent('marked_share')} of the image)"]
    if "corrected_share" in network:
        told.append(f"corrected by the measurement in {percent('corrected_share')}")
    if on_contradiction == "keep" and network["marked_share"] and not network["replaced_share"]:
        told.append("kept")
    told.append(f"the linear filter stands in, in {percent('replaced_share')}")
    weight = f"{percent('share')} (less where detectors or noise are strange to it)"
    return [("Weight of the network", weight), ("Network against the measurement", "; ".join(told))]


def detectors(certificate: Certificate) -> Table:
    """Both detectors and where their MTF falls."""
    pair = certificate.frame.pair

    def row(role: str, detector: Detector) -> tuple[str, ...]:
        loading = "not stated" if detector.loading_mg_cm2 is None else f"{detector.loading_mg_cm2:.4g}"
        half = detector.mtf.frequency_at(0.5)
        tenth = detector.mtf.frequency_at(0.1)
        return (
            f"{detector.name} ({role})", loading, f"{1e3 * detector.pixel_pitch_mm:.4g}",
            f"{half:.3g}" if half else "above the curve", f"{tenth:.3g}" if tenth else "above the curve",
        )  # fmt: skip

    return Table(
        ("detector", "phosphor [mg/cm²]", "pixel pitch [µm]", "MTF50 [lp/mm]", "MTF10 [lp/mm]"),
        (row("took the image", pair.blurred), row("restored towards", pair.sharp)),
        " ".join(f"{d.name}: {d.description}." for d in (pair.blurred, pair.sharp) if d.description),
    )


def model(job: Job, result: Restoration) -> list[Section]:
    """The model card's main facts; nothing for methods without a network."""
    details = result.image.history[-1].details
    if job.model is None or "model" not in details:
        return []
    return [Section("Model", (_model_facts(job.model),))]


def _updates(training: Mapping[str, Json]) -> str:
    """Updates of all runs, each started from the one before it; at least these, where a model's card does not know an earlier run."""
    runs: list[int] = []
    run: Mapping[str, Json] = training
    while run.get("steps") is not None:
        runs.insert(0, int(as_number(run["steps"])))
        run = as_table(run.get("started_from") or {})
    total = f"{'at least ' if run else ''}{sum(runs)} updates"
    return total if len(runs) == 1 else f"{total} in {len(runs)} runs ({' + '.join(str(n) for n in runs)})"


def about_of(known: Mapping[str, str], stated: Mapping[str, str]) -> dict[str, str]:
    """What a record says of part and inspection: as stated, else as the file says it.

    Parameters
    ----------
    known : mapping of str to str
        See `coldray.formats.named_tags`.
    stated : mapping of str to str
        By the names of `coldray.settings.ABOUT`.
    """
    said = {name: next((known[tag] for tag in tags if known.get(tag)), "") for name, tags in ABOUT_TAGS.items()}
    return {name: text for name in said if (text := stated.get(name) or said[name])}


def part(known: Mapping[str, str], stated: Mapping[str, str]) -> list[Section]:
    """Whose picture it is, as the file says it in DICONDE's names or as was stated; nothing where neither does.

    Parameters
    ----------
    known, stated
        As for `about_of`. Where both say something else, both are shown.
    """
    own = {ABOUT_TAGS[name][0]: text for name, text in stated.items() if text}
    rows = []
    for name in PART_TAGS:
        in_file, text = known.get(name), own.get(name) or known.get(name)
        if text:
            rows.append((name, text if in_file in (None, "", text) else f"{text} (the file says {in_file})"))
    return [Section("Part and inspection", (Facts(tuple(rows)),))] if rows else []


DOMAIN_WORDS = (
    ("noise_relative_sd", "Noise of one pixel in training", 100.0, "% of the open beam"),
    ("noise_colour", "Colour of the noise in training", 1.0, "(power at 1/32 over 1/2 cycles/pixel)"),
    ("signal", "Signals in training", 100.0, "% of the open beam"),
    ("anisotropy", "Difference of the MTF along rows and columns in training", 100.0, "%"),
    ("direct_hit_share", "Pixels without a measurement in training", 100.0, "%"),
    ("slope", "Slope of the signal over a field in training", 100.0, "%"),
    ("fixed_pattern_sd", "Fixed pattern in training", 100.0, "%"),
)
"""Keys of the domain of use in a model's header, in words: factor and unit of the numbers."""


def _model_facts(model: Model) -> Facts:
    header = model.header
    hashes = [("SHA-256 of the file", model.sha256), ("SHA-256 of what its header decides", model.settings_sha256)]
    rows = [("Name", model.name), *hashes, ("Trained for", f"method {header['method']}")]
    network = as_table(header["network"])
    rows.append(("Network", f"{network['name']}, reach {header['radius']} pixels, grid {header['stride']} pixels"))
    training = as_table(header.get("training", {}))
    if "steps" in training:
        rows.append(("Training", f"{_updates(training)} on simulated pairs"))
    family = as_table(header.get("family", {}))
    if "exposure_s" in family:
        low, high = as_numbers(family["exposure_s"])
        rows.append(("Exposures in training", f"{low:g} s to {high:g} s per frame"))
    if "pixel_pitch_mm" in family:
        pitches = as_numbers(family["pixel_pitch_mm"])
        low, high = min(pitches), max(pitches)
        rows.append(("Pixel pitches in training", f"{1e3 * low:.4g} µm to {1e3 * high:.4g} µm"))
    rows += _domain_of_use(as_table(family.get("in_units", {})))
    scores = {
        k.removesuffix("_psnr_db"): as_number(v)
        for k, v in as_table(header.get("validation", {})).items()
        if k.endswith("_psnr_db")
    }
    if scores:
        listed = ", ".join(f"{k.replace('_', ' at ', 1).replace('_', ' ')}: {v:.2f} dB" for k, v in scores.items())
        rows.append(("PSNR on validation boards", f"{listed} (simulated; data range = open beam)"))
    return Facts(tuple(rows))


def _domain_of_use(known: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What frames and detectors were like in training, in the units of a user; nothing for models whose card does not say it."""
    rows = []
    if "mtf_ratio" in known:
        ratio = {name: as_numbers(values) for name, values in as_table(known["mtf_ratio"]).items()}
        ends = ", ".join(
            f"{ratio['low'][at]:.2g} to {ratio['high'][at]:.2g} at {ratio['frequency_cycles_px'][at]:g} cycles/pixel"
            for at in (len(ratio["low"]) // 2 - 1, -1)
        )
        rows.append(("MTF ratios in training", ends))
    for key, name, factor, unit in DOMAIN_WORDS:
        if key in known:
            low, high = (factor * value for value in as_numbers(known[key]))
            rows.append((name, f"{low:.3g} to {high:.3g} {unit}".strip()))
    return rows
