"""What `fuzz.py` mutates besides images and boards: settings of plants, baselines, notes, keys and records of restorations."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _fuzz_boards import Reader
from _fuzz_odd import odd_json, odd_toml

from coldray.app.one import record_path, restore_files
from coldray.app.recipe import Recipe
from coldray.app.signature import judge, new_key, public_path, read_private, read_public, signed
from coldray.app.stability import make_baseline, read_baseline, read_occasion
from coldray.app.verify import Sources, verify
from coldray.document import read_object
from coldray.errors import MetadataError
from coldray.formats import write_image
from coldray.metrology.inspection import checked_inspection
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.profile import TEMPLATE, Seen, read_profile

RULES = """
without_rule = "refuse"
[settings]
exposure_s = 0.25
flats = ["a.tif", "b.tif"]
[[rule]]
name = "thin"
when = { KVP = "60..80", DetectorID = ["A*", "B"], pitch_um = 48.0, file = "*.tif" }
settings = { method = "wiener", gain = "detail" }
[[rule]]
settings = { steps = 2 }
"""
NOTES = {
    "format": "coldray inspection", "version": 1, "sha256": "0" * 64, "decision": "rejected", "inspector": "N. N.", "note": "x",
    "marks": [
        {"kind": "distance", "points": [[1, 2], [30.5, 4]], "text": "gap"},
        {"kind": "circle", "points": [[9, 9], [12, 9]], "defect": "void", "decision": "open", "threshold": 0.4, "voids": "brighter"},
    ],
    "calibration": {"known_mm": 2.0, "between": [[0, 0], [40, 0]]},
}  # fmt: skip


OCCASIONS = ("_of_document", "_measured", "_edge", "_banded", "_of_entries", "_numbers")
BASELINES = ("make_baseline", "histories", "_some", "_entries", "read_occasion", "read_baseline")
KEYS = ("read_private", "read_public", "_content")
SIGNATURES = ("new_key", "signed", "judge", "PublicKey.fits", "_cryptography")
"""Functions of `stability` and of `signature` by what they read."""


def _measured() -> list[dict[str, Any]]:
    """Edges, bars and a step of noise, as the measurements print them."""
    frequency = np.linspace(0.0, 10.0, 11)
    mtf = np.exp(-frequency / 4)
    edge = {
        "mtf50_lp_mm": 2.77, "mtf10_lp_mm": 9.2, "nyquist_lp_mm": 10.0, "frequency_lp_mm": frequency.tolist(),
        "mtf": mtf.tolist(), "mtf_low": (mtf - 0.01).tolist(), "mtf_high": (mtf + 0.01).tolist(),
    }  # fmt: skip
    group = {"frequency_lp_mm": 2.5, "ctf": 0.6, "ctf_low": 0.58, "ctf_high": 0.62}
    duplex = {"isrb_mm": 0.2, "isrb_low_mm": 0.19, "isrb_high_mm": 0.21, "wires": [{"wire": "W13", "cnr": 2.5}]}
    figure = {"key": "snr", "name": "SNR", "unit": "", "value": 120.0, "low": 118.0, "high": None}
    entry = {"consistency": {"verdict": "consistent", "linear_share": 0.1, "residual_over_noise": 1.0}, "clipped_pixels": 0,
             "input": "a.tif", "hits": {"bright": 1, "dark": 0}}  # fmt: skip
    spot = {"spot_mm": 0.4, "spot_low_mm": 0.3, "spot_high_mm": 0.5}
    return [
        edge,
        {"groups": [group]},
        duplex,
        {"panels": [{"name": "p", "figures": [figure]}]},
        entry,
        {"files": [entry]},
        spot,
    ]


def _read_profile(path: Path) -> Any:
    """A profile, and what it says of one image."""
    found = read_profile(path)
    return found.settings_of(found.rule_for(Seen(Path("line1/a.tif"), 0.048, lambda keyword: "70")))


def _restored(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A restored image with its record beside it."""
    pixels = np.rint(np.random.default_rng(4).normal(30000, 200, (24, 24))).astype(np.uint16)
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, exposure_s=0.25)
    write_image(folder / "in.tif", Radiograph(pixels, known))
    out = folder / "out.tif"
    restore_files([folder / "in.tif"], out, Recipe(method="wiener", exposure_s=0.25), record=True)
    return out, read_object(record_path(out), MetadataError)


def settings(folder: Path) -> dict[str, Reader]:
    """Readers of settings, baselines, notes, keys and records; some files are written below `folder` meanwhile."""
    place = folder / "settings"
    place.mkdir()
    measured = [json.dumps(one).encode() for one in _measured()]
    for number, content in enumerate(measured[:1]):
        (place / f"{number}.json").write_bytes(content)
    baseline = json.loads(make_baseline([read_occasion(place / "0.json")] * 3).model_dump_json())
    out, record = _restored(place)

    def read_record(path: Path) -> Any:
        image = path.with_name("restored.tif")
        if not image.is_file():
            shutil.copy(out, image)
        shutil.copy(path, record_path(image))
        return verify(image, Sources())

    profiles = [TEMPLATE.encode(), RULES.encode()]
    readers = {
        "profile": Reader(
            ".toml", _read_profile, profiles, ["restoration/profile.py"], [c for one in profiles for c in odd_toml(one)],
            apart=("Profile.every_settings",),
        ),
        "baseline": Reader(
            ".json", read_baseline, [json.dumps(baseline).encode()], ["app/stability.py"], odd_json(baseline), apart=(*OCCASIONS, *BASELINES[:-1]),
        ),
        "occasion": Reader(
            ".json", read_occasion, measured, ["app/stability.py"], [c for one in _measured() for c in odd_json(one)],
            apart=BASELINES,
        ),
        "inspection": Reader(
            ".json", lambda path: checked_inspection(path.read_bytes(), path.name), [json.dumps(NOTES).encode()],
            ["metrology/inspection.py"], odd_json(NOTES), apart=("read_inspection", "write_inspection", "Inspection.pixel_mm"),
        ),
        "record": Reader(
            ".json", read_record, [json.dumps(record).encode()], ["app/verify.py", "app/records.py"], odd_json(record),
            apart=("audit", "_by_hash"),
        ),
    }  # fmt: skip
    if find_spec("cryptography"):
        key = place / "key"
        new_key(key)
        public = read_public(public_path(key))
        signatures = json.dumps(signed(record, key))
        readers["key"] = Reader(
            ".pem", lambda path: (read_public(path, private_too=True), read_private(path)), [key.read_bytes()],
            ["app/signature.py"], [public_path(key).read_bytes(), b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
            apart=SIGNATURES,
        )  # fmt: skip
        readers["signature"] = Reader(
            ".json", lambda path: judge(read_object(path, MetadataError), [public]), [signatures.encode()],
            ["app/signature.py"], odd_json(json.loads(signatures)),
            apart=(*KEYS, "new_key", "signed", "_cryptography"),
        )  # fmt: skip
    return readers
