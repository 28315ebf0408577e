"""Ideal targets of `simulate --ideal` as files."""

from __future__ import annotations

import json
from pathlib import Path

from coldray.errors import ImageWriteError
from coldray.objects.ideal import IdealTarget


def write_ideal(asked: IdealTarget, out: Path, *, overwrite: bool) -> tuple[list[str], str]:
    """Write frames of one ideal target and its truth into ``out/kind``; returns their paths.

    Raises
    ------
    SettingsError
        If the detector has another pixel pitch.
    ImageWriteError
        If the folder exists.
    """
    import numpy as np

    from coldray.files import whole_folder, write_text
    from coldray.formats import write_image
    from coldray.objects.ideal import ideal_target
    from coldray.radiograph import Acquisition, Radiograph, Step

    folder = out / asked.kind
    if folder.exists() and not overwrite:
        raise ImageWriteError(f"{folder.name}: exists already; give --overwrite or another folder")
    stack, truth = ideal_target(asked)
    known = Acquisition(pixel_pitch_mm=asked.pitch_mm, open_beam=1.0, linear=True)
    step = Step("simulate", {"target": asked.kind, "kind": "ideal", "random_state": asked.random_state})
    with whole_folder(folder) as place:
        for number, frame in enumerate(stack):
            radiograph = Radiograph(np.asarray(frame, dtype=np.float32), known, (step,))
            write_image(place / f"{number:03d}.tif", radiograph)
        write_text(place / "truth.json", json.dumps(truth, indent=1, allow_nan=False))
    return [str(folder / f"{number:03d}.tif") for number in range(len(stack))], str(folder / "truth.json")
