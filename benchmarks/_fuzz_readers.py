"""What `fuzz.py` mutates: readers of what others made, small files for each, and the functions that are counted.

Images are the odd files that the tests read and refuse, and pydicom's own small ones; all else is written here. No real
data but pydicom's test objects, which lie in its package.
"""

from __future__ import annotations

import importlib.util
import io
import json
import struct
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from _fuzz_boards import Reader, boards
from _fuzz_odd import LARGEST_SEED_BYTES, odd_json, odd_toml
from _fuzz_settings import settings

import coldray
from coldray.app.panel import TEMPLATE, parse_panel
from coldray.checkpoint import read_tensors, write_tensors
from coldray.dataset.note import BoardNote, PartNote
from coldray.document import parse_json
from coldray.errors import CheckpointError
from coldray.formats import RawGeometry, read_image
from coldray.physics.detector import load_detector
from coldray.restoration.card import check_header
from coldray.training.recipe import read_recipe

HERE = Path(__file__).parent
PACKAGE = Path(coldray.__file__).parent
PANEL_APART = ("panels_in", "_Files.stack", "_Files.corrected", "_Files.mean", "read_panel", "_burn_in")
"""Of the description of a panel: what reads the images that it names."""


def _of_tests() -> Any:
    """The odd image files of the tests."""
    spec = importlib.util.spec_from_file_location("malformed", HERE.parent / "tests" / "formats" / "malformed.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _tiffs() -> list[bytes]:
    """TIFF as other programs write it, compressed in every way that can be written here."""
    import tifffile

    rng = np.random.default_rng(1)
    frame = rng.integers(0, 250, (20, 33)).astype(np.uint8)
    imagej = "ImageJ=1.53t\nunit=micron\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
    gdal = '<GDALMetadata><Item name="OFFSET" sample="0" role="offset">-5</Item><Item role="scale">0.25</Item></GDALMetadata>'
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (frame.astype(np.uint16), {"description": imagej, "resolution": (20.0, 20.0), "resolutionunit": 1}),
        (frame, {"extratags": [(42112, 2, 0, gdal, True), (42113, 2, 0, "7", True)]}),
        (frame, {"extratags": [(33445, 4, 1, 2, True)]}),
        (frame, {"resolution": (300, 300), "resolutionunit": "INCH"}),
        (np.stack([frame] * 5), {"truncate": True, "imagej": True, "metadata": {"axes": "TYX"}}),
        (np.stack([frame] * 5), {"truncate": True, "metadata": {}}),
        (np.stack([frame] * 3), {"planarconfig": "separate", "metadata": {}}),
        (np.zeros((40, 50), np.uint16), {"tile": (16, 16), "compression": "zlib", "predictor": 2}),
        (np.zeros((40, 50), np.float32), {"tile": (16, 16)}),
    ]
    if find_spec("imagecodecs"):
        for name in ("lzw", "zstd", "lzma", "packbits", "jpeg", "jpegxl", "lerc", "jpeg2000", "png"):
            kinds.append((frame, {"compression": name}))
        kinds.append((np.stack([frame] * 3, axis=-1), {"compression": "webp", "photometric": "rgb"}))
        kinds.append((frame.astype(np.float32), {"compression": "zlib", "predictor": 3}))
    found = []
    for pixels, options in kinds:
        with io.BytesIO() as buffer, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tifffile.imwrite(buffer, pixels, **{"photometric": "minisblack", "metadata": None, **options})
            found.append(buffer.getvalue())
    return found


CHANGES = (
    "optimiser.steps=7",
    "optimiser.steps",
    "method.x=1",
    "a.b.c=d",
    "optimiser.batch=99999999",
    "data.window=16",
    "data.exposures_s=[2, 1]",
)


def _read_recipe(path: Path) -> Any:
    """A recipe whose lines that begin with `#set` are changes of it."""
    lines = path.read_text("latin-1").splitlines()
    return read_recipe(path, [line.removeprefix("#set").strip() for line in lines if line.startswith("#set")])


def _images() -> dict[str, Reader]:
    from PIL import Image

    cases = _of_tests()

    def of(suffix: str, given: Sequence[Any]) -> list[bytes]:
        return [case.data for case in given if case.name.endswith(suffix) and len(case.data) <= LARGEST_SEED_BYTES]

    good, bad = cases.accepted(), cases.refused()
    frame = np.arange(48, dtype=np.uint8).reshape(6, 8)
    jpegs, texts = [], cases.png(cases.PIXELS, extra=cases.chunk(b"pHYs", struct.pack(">IIB", 20000, 20000, 1)))
    colour = np.stack([frame, frame[::-1], frame], axis=-1)
    for pixels, mode, options in (
        (frame, "L", {}),
        (frame, "L", {"dpi": (254, 254)}),
        (frame, "L", {"progressive": True}),
        (np.stack([frame] * 3, axis=-1), "RGB", {}),
        (colour, "RGB", {}),
        (np.dstack([colour, frame]), "CMYK", {}),
    ):
        with io.BytesIO() as buffer:
            Image.fromarray(pixels, mode).save(buffer, "jpeg", **options)
            jpegs.append(buffer.getvalue())
    import pydicom

    objects = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
    foreign = [path.read_bytes() for path in objects if path.stat().st_size <= LARGEST_SEED_BYTES]
    geometries = (
        "3x5:u2:offset=8",
        "3x5:u2",
        "1x5:f4:big:offset=10",
        "3x5:u2:frames=2",
        "3x5",
        "0x5:u2",
        "3x5:u3",
        "3x5:u2:x=1",
        "99999x99999:u1",
    )
    write = ("write", "write.save", "write.<locals>.save")
    return {
        "tif": Reader(
            ".tif", read_image, of(".tif", good), _formats("tiff", "_tiff_layout", "_tiff_codecs", "_tiff_tags", "_values"),
            [*_tiffs(), *of(".tif", bad)], (*write, "TiffCarrier.tags"),
        ),
        "dcm": Reader(
            ".dcm", read_image, of(".dcm", good), _formats("dicom", "_dicom_meta", "_dicom_padding", "_codestream"),
            [*foreign, *_padded(cases), *of(".dcm", bad)], (*write, "DicomCarrier.tags", "private_record"),
        ),
        "png": Reader(
            ".png", read_image, [*of(".png", good), texts], _formats("_png", "image"), of(".png", bad),
            (*write, "PngFile.rebuilt", "_is_jpeg", "_read_jpeg"),
        ),
        "jpg": Reader(".jpg", read_image, jpegs[:4], _formats("image"), [*jpegs[4:], *of(".jpg", bad)], (*write, "_read_png", "_png_pitch")),
        "npy": Reader(".npy", read_image, of(".npy", good), _formats("npy"), of(".npy", bad), write),
        "raw": Reader(
            ".raw", _read_raw, [text.encode() + b"\n" + bytes(8) + cases.PIXELS.tobytes() for text in geometries[:1]], _formats("raw"),
            [text.encode() + b"\n" + cases.PIXELS.tobytes() for text in geometries[1:]], write,
        ),
    }  # fmt: skip


def _read_raw(path: Path) -> Any:
    """Pixels of a file whose first line states their geometry."""
    told, _, pixels = path.read_bytes().partition(b"\n")
    path.write_bytes(pixels)
    return read_image(path, raw=RawGeometry.parse(told.decode("latin-1")))


def _formats(*names: str) -> list[str]:
    return [f"formats/{name}.py" for name in names]


def _padded(cases: Any) -> list[bytes]:
    """DICOM with padding, calibrations and spacings."""
    padding = {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 65000}
    rescaled = {"RescaleSlope": "2.5", "RescaleIntercept": "-3", "RescaleType": "US"}
    spaced = {"ImagerPixelSpacing": ["0.1", "0.2"], "PixelSpacing": ["0.05", "0.05"], "ExposureTime": "250"}
    kinds = (padding, {"PixelPaddingValue": 7}, rescaled, spaced, {"PixelIntensityRelationship": "LOG"})
    return [cases.dicom(**changes) for changes in kinds]


def _of_science(folder: Path) -> dict[str, Reader]:
    """FITS and HDF5, where their packages are."""
    rng, found = np.random.default_rng(2), {}
    frame = rng.integers(0, 60000, (5, 7)).astype(np.uint16)
    if find_spec("astropy"):
        from astropy.io import fits

        wholes = []
        for pixels, header in (
            (frame, {"EXPTIME": 2.0, "XPIXSZ": 9.0}),
            (frame.astype("f4"), {}),
            (np.stack([frame] * 2), {}),
        ):
            with io.BytesIO() as buffer:
                fits.HDUList([fits.PrimaryHDU(pixels, fits.Header(header)), fits.ImageHDU(pixels)]).writeto(buffer)
                wholes.append(buffer.getvalue())
        found["fits"] = Reader(
            ".fits", read_image, wholes, _formats("fits"), apart=("write", "write.save", "write.<locals>.save")
        )
    if find_spec("h5py"):
        import h5py

        wholes = []
        for number, names in enumerate((("entry/data",), ("a", "b"), ("flat",))):
            with h5py.File(folder / f"{number}.h5", "w") as file:
                for name in names:
                    kept = file.create_dataset(
                        name, data=frame[None] if number == 2 else frame, compression="gzip" if number else None
                    )
                    if number != 1:
                        kept.attrs.update(
                            {"scale_factor": 0.5, "add_offset": [number + 1.0], "_FillValue": frame[2, 3]}
                        )
                        kept.attrs.update({"scale_factor": 2.0} if number else {"missing_value": -1})
                file.create_dataset("text", data="x")
            wholes.append((folder / f"{number}.h5").read_bytes())
        found["hdf5"] = Reader(
            ".h5",
            read_image,
            [wholes[0], wholes[2]],
            _formats("hdf5", "_values"),
            [wholes[1]],
            ("write", "write.save", "write.<locals>.save"),
        )
    return found  # fmt: skip


def packed_with_nan() -> bytes:
    """Weights that are no numbers, with a header as it should be."""
    return bytes(safetensors.numpy.save({"w": np.full(2, np.nan)}, {"coldray": "{}"}))


def _documents(folder: Path) -> dict[str, Reader]:
    rng = np.random.default_rng(3)
    write_tensors(folder / "m.safetensors", {"w": rng.random((3, 4)).astype(np.float32)}, {"format": "coldray-model"})
    bare, not_finite = safetensors.numpy.save({"w": np.zeros(2)}), packed_with_nan()
    detectors = PACKAGE / "detectors"
    curve = [(f, float(np.exp(-f / 4))) for f in np.linspace(0.0, 12.0, 13)]
    lines = [f"{f:g},{m:g}" for f, m in curve]
    tables = [
        "\n".join(["# pixel_pitch_mm: 0.048", "frequency_lp_mm,mtf", *lines]),
        "\n".join(["frequency_lp_mm;mtf", *(line.replace(",", ";").replace(".", ",") for line in lines)]),
        "\n".join(
            ["sep=\t", "frequency_lp_mm\tmtf\tmtf_low\tmtf_high", *(f"{f}\t{m}\t{m / 2}\t{m * 1.1}" for f, m in curve)]
        ),
        "\n".join(["frequency_lp_mm,mtf,mtf_u,mtf_v", *(f"{f},{m},{m},{m}" for f, m in curve)]),
    ]
    wrong = [
        "",
        "frequency_lp_mm,mtf\n0,1\n1,50%\n",
        'frequency_lp_mm,mtf\n0,1\n1,"0,5"\n',
        "frequency_lp_mm,mtf\n0,1,0,5\n1,0,0,5\n",
    ]
    header = parse_json((PACKAGE / "models" / "compact.json").read_bytes(), "compact.json", CheckpointError)
    board = BoardNote("b", "power", "gos34", "gos135", 0.048, 0.25, True, None, 3, 0, 0, {}, ())
    part = PartNote("k", board, ("blurred",), {}).to_dict()
    write = ("Detector.noise_power", "Detector.to_dict", "Detector.along", "Detector.anisotropy")
    built_in = [path.read_bytes() for path in sorted(detectors.glob("*.json"))]
    recipes = [p.read_bytes() for p in sorted((HERE.parent / "configs").glob("*.toml"))]
    return {
        "tensors": Reader(
            ".safetensors", read_tensors, [(folder / "m.safetensors").read_bytes()], ["checkpoint.py"],
            [b"PK\x03\x04", b"\x80\x04.", bare, not_finite], ("write_tensors", "packed", "file_sha256"),
        ),
        "detector": Reader(
            ".json", lambda path: load_detector(path, pixel_pitch_mm=0.048), built_in,
            ["physics/detector.py", "document.py"], [b"[]", b"1" * 400, b'{"name": 1e999}', b"[" * 99, *odd_json(json.loads(built_in[0]))],
            (*write, "_from_table", "plugin_of", "built_in_detectors", "_Measured.detector", "read_toml", "value_of"),
        ),
        "table": Reader(
            ".csv", lambda path: load_detector(path, pixel_pitch_mm=0.048), [text.encode() for text in tables[:2]],
            ["physics/tables.py"], [text.encode() for text in (*tables[2:], *wrong)], ("write_table", "_cell", "check_order"),
        ),
        "recipe": Reader(".toml", _read_recipe, recipes, ["training/recipe.py"], [*odd_toml(recipes[0]), *(recipes[0] + f"\n#set {change}\n".encode() for change in CHANGES)]),
        "header": Reader(
            ".json", lambda path: check_header(parse_json(path.read_bytes(), path.name, CheckpointError), path.name),
            [json.dumps(header).encode()], ["restoration/card.py"], [b"[]", b"{}", *odd_json(header)],
        ),
        "note": Reader(".json", PartNote.read, [json.dumps(part).encode()], ["dataset/note.py"], [b"{}", *odd_json(part)], ("BoardNote.to_dict", "PartNote.to_dict")),
        "panel": Reader(".toml", parse_panel, [TEMPLATE.encode()], ["app/panel.py"], odd_toml(TEMPLATE.encode()), apart=PANEL_APART),
    }  # fmt: skip


def readers(folder: Path) -> dict[str, Reader]:
    """Every reader by name; some files are written below `folder` meanwhile."""
    return _images() | _of_science(folder) | _documents(folder) | boards() | settings(folder)
