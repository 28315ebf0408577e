"""Board folders as a user writes them."""

import json

import numpy as np

from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph

PITCH, OPEN_BEAM = 0.048, 50000.0


def written(folder, images, swap=False, **note):
    """Write a board as a user would: integer frames, no truth."""
    roles = {"hr": np.stack(images.halves), "lr": images.frames}
    for role, frames in zip(roles, reversed(roles.values()) if swap else roles.values(), strict=True):
        (folder / role).mkdir(parents=True)
        for number, frame in enumerate(frames):
            known = Acquisition(pixel_pitch_mm=PITCH, open_beam=OPEN_BEAM, exposure_s=0.25, linear=True)
            stored = np.clip(np.rint(frame * OPEN_BEAM), 0, 65535).astype(np.uint16)
            write_image(folder / role / f"{number:03d}.tif", Radiograph(stored, known))
    told = {"board": images.board, "pixel_pitch_mm": PITCH, "sharp": "phosphor:33.91", "blurred": "phosphor:134.55"}
    (folder / "pair.json").write_text(json.dumps(told | {"exposure_s": 0.25, "registration": "unknown"} | note))
