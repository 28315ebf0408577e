"""DICOM as archives hold it: deflated, highly compressed, padded, too long, inverted; codestreams that lie."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from coldray.errors import ImageReadError
from coldray.formats import read_image, reading_notes, write_image

RNG = np.random.default_rng(41)


def _write(
    path: Path, pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, data: bytes | None = None, **tags: Any
) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.9"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = pixels.shape[0]
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() if data is None else data
    dataset["PixelData"].VR = "OW"
    for name, value in tags.items():
        setattr(dataset, name, value)
    if data is None and syntax.is_encapsulated:
        dataset.compress(syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax.is_encapsulated:
        dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path


IMAGES = {
    "noise": RNG.integers(0, 60000, (40, 60)).astype(np.uint16),
    "blank": np.full((800, 900), 65535, np.uint16),
    "stack": np.zeros((5, 200, 300), np.uint16),
    "signed": RNG.integers(-900, 900, (70, 64)).astype(np.int16),
}


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("name", IMAGES)
def test_compression_of_any_ratio_is_read(syntax: UID, name: str, tmp_path: Path) -> None:
    if syntax in (JPEGLSLossless, JPEG2000Lossless):
        pytest.importorskip("openjpeg", reason="needs the codecs extra")
    pixels = IMAGES[name]
    if syntax == JPEGLSLossless and pixels.dtype.kind == "i":
        pytest.skip("JPEG-LS holds no signed values without a modality rescale")
    path = _write(tmp_path / "a.dcm", pixels, syntax)
    read = read_image(path)
    assert read.dtype == pixels.dtype and np.array_equal(read.pixels, pixels)


def test_a_deflated_object_larger_than_any_default_is_read_if_it_declares_that(tmp_path: Path) -> None:
    path = _write(tmp_path / "large.dcm", np.zeros((5000, 7100), np.uint16), DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 10**5 and read_image(path).shape == (5000, 7100)


@pytest.mark.parametrize(("syntax", "codec"), [(JPEG2000Lossless, "jpeg2k"), (JPEGLSLossless, "jpegls")])
def test_a_codestream_larger_than_declared_is_refused(syntax: UID, codec: str, tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs the codecs extra")
    options = {"codecformat": "j2k"} if codec == "jpeg2k" else {}
    large = bytes(getattr(imagecodecs, f"{codec}_encode")(np.zeros((1024, 2048), np.uint16), **options))
    small = np.zeros((16, 16), np.uint16)
    with pytest.raises(ImageReadError, match="1024 x 2048"):
        read_image(_write(tmp_path / "a.dcm", small, syntax, encapsulate([large])))
    good = bytes(getattr(imagecodecs, f"{codec}_encode")(small, **options))
    assert read_image(_write(tmp_path / "b.dcm", small, syntax, encapsulate([good]))).shape == (16, 16)
    with pytest.raises(ImageReadError, match="1 compressed frames where 2|not a whole"):
        read_image(_write(tmp_path / "c.dcm", np.zeros((2, 16, 16), np.uint16), syntax, encapsulate([good])))


def test_bytes_after_the_pixels_are_left_out_and_said(tmp_path: Path) -> None:
    pixels = IMAGES["noise"]
    path = _write(tmp_path / "a.dcm", pixels, data=pixels.tobytes() + b"\7" * 130)
    read = read_image(path)
    assert np.array_equal(read.pixels, pixels) and "130 bytes after" in reading_notes(read)[0]


@pytest.mark.parametrize("after", [b"\1", b"x" * 70, b"\xe0\x7f\x10\x00OW\0\0\xff\xff\0\0ab"])
def test_what_follows_the_pixels_and_is_no_element_is_left_out(after: bytes, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.dcm", IMAGES["noise"])
    whole = path.read_bytes()
    path.write_bytes(whole + after)
    if after.startswith(b"x"):
        read = read_image(path)
        assert np.array_equal(read.pixels, IMAGES["noise"]) and "follows the pixels" in reading_notes(read)[0]
    path.write_bytes(whole[:-2])
    with pytest.raises(ImageReadError, match="ends within its element"):
        read_image(path)


def test_pixels_that_are_not_square_by_their_ratio_alone_are_said(tmp_path: Path) -> None:
    read = read_image(_write(tmp_path / "a.dcm", IMAGES["noise"], PixelAspectRatio=[3, 2]))
    assert "not square (1.5" in reading_notes(read)[0]
    assert not reading_notes(read_image(_write(tmp_path / "b.dcm", IMAGES["noise"], PixelAspectRatio=[2, 2])))


@pytest.mark.parametrize(
    ("dtype", "value", "stated"),
    [("u2", 65535, 65535), ("u2", 0, 0), ("i2", -2000, -2000), ("u2", 63536, 63536), ("i2", -1, -1), ("u1", 255, 255)],
)
@pytest.mark.parametrize("frames", [1, 2])
def test_padding_of_either_sign_is_masked_and_signal_of_its_value_is_not(
    dtype: str, value: int, stated: int, frames: int, tmp_path: Path
) -> None:
    pixels = RNG.integers(20, 90, (frames, 50, 40)).astype(dtype)
    outside = np.zeros((50, 40), dtype=bool)
    outside[:7], outside[:, 33:] = True, True
    pixels[:, outside] = value
    pixels[:, 30, 15] = value
    path = _write(tmp_path / "p.dcm", pixels if frames > 1 else pixels[0], PixelPaddingValue=stated)
    read = read_image(path)
    assert read.mask is not None and np.array_equal(read.mask, outside)
    assert "padding" in reading_notes(read)[0]
    write_image(tmp_path / "p.tif", read)
    again = read_image(tmp_path / "p.tif")
    assert again.mask is not None and np.array_equal(again.mask, outside)


def test_a_range_of_padding_and_padding_that_is_not_there(tmp_path: Path) -> None:
    pixels = RNG.integers(200, 900, (30, 30)).astype(np.uint16)
    pixels[:, 25:] = RNG.integers(0, 11, (30, 5))
    read = read_image(_write(tmp_path / "r.dcm", pixels, PixelPaddingValue=0, PixelPaddingRangeLimit=10))
    assert read.mask is not None and np.array_equal(np.flatnonzero(read.mask.all(axis=0)), np.arange(25, 30))
    none = read_image(_write(tmp_path / "n.dcm", pixels, PixelPaddingValue=65535))
    assert none.mask is None and "there is none" in reading_notes(none)[0]


def test_every_object_of_pydicom_is_read_as_pydicom_reads_it_or_refused_with_a_cause() -> None:
    from pydicom.data import get_testdata_file

    for name in ("image_dfl.dcm", "JPEG2000.dcm", "MR_small_padded.dcm", "693_J2KI.dcm"):
        try:
            path = get_testdata_file(name, download=False)
        except Exception:
            path = None
        if path is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = pydicom.dcmread(path).pixel_array
        assert np.array_equal(read_image(path).pixels, expected), name
