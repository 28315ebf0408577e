"""Empty board folders to put one's own frames into, with a pair.json to fill in."""

from __future__ import annotations

import json
from pathlib import Path

from coldray.document import Json
from coldray.errors import ImageWriteError, SettingsError
from coldray.files import whole_folder, write_text

FOLDERS = ("hr", "lr", "dark/hr", "dark/lr", "flat/hr", "flat/lr")
MOST_BOARDS = 999
README = """One folder for each board. Put into it:

hr/        repeated frames of the sharp (thin) detector: 2 at least, 8 or more are better
lr/        frames of the blurred (thick) detector, one at least, for coldray adapt two; the board not moved, or moved a little
dark/hr, dark/lr, flat/hr, flat/lr
           darks and open-beam frames of either detector; leave them empty if the frames are corrected already
pair.json  replace every null: names or files of both detectors, pixel pitch [mm], exposure of one frame in lr/ [s].
           "registration": "unknown" is measured; "identity" if the board was not moved at all.

Detector files are made by: coldray characterise
"""


def template_note(board: str) -> dict[str, Json]:
    """pair.json with what only the user knows left open."""
    return {
        "board": board,
        "sharp": None,
        "blurred": None,
        "pixel_pitch_mm": None,
        "exposure_s": None,
        "registration": "unknown",
    }


def write_template(folder: Path, boards: int) -> list[Path]:
    """Write empty board folders.

    Parameters
    ----------
    folder : Path
        Data folder; must not be there, or be empty.
    boards : int
        How many, 1 to 999.

    Returns
    -------
    list of Path
        The pair.json files to fill in.

    Raises
    ------
    SettingsError
        If the number is out of range.
    ImageWriteError
        If something is in the folder, or it cannot be written.
    """
    if not 1 <= boards <= MOST_BOARDS:
        raise SettingsError(f"{boards} boards; from 1 to {MOST_BOARDS} folders are made")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ImageWriteError(f"{folder.name}: something is there already; give a new folder to --init")
    names = [f"board_{number + 1:0{len(str(boards))}d}" for number in range(boards)]
    with whole_folder(folder) as made:
        write_text(made / "README.txt", README)
        for name in names:
            for role in FOLDERS:
                (made / name / role).mkdir(parents=True)
            write_text(made / name / "pair.json", json.dumps(template_note(name), indent=1) + "\n")
    return [folder / name / "pair.json" for name in names]
