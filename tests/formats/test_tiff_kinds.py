"""TIFF as other programs write it: calibrations, stacks without pages, units in words, codestreams that lie."""

from __future__ import annotations

import io
import lzma
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.errors import ImageReadError
from coldray.formats import read_image, reading_notes, write_image
from coldray.formats._codestream import check_codestream
from coldray.formats._values import without_value
from coldray.radiograph import Radiograph, Step

RNG = np.random.default_rng(31)
FRAME = RNG.integers(0, 60000, (20, 33)).astype(np.uint16)


def _write(path: Path, pixels: Any, **options: Any) -> Path:
    tifffile.imwrite(path, pixels, **{"photometric": "minisblack", "metadata": None, **options})
    return path


def _imagej(**properties: object) -> str:
    return "ImageJ=1.53t\n" + "".join(f"{name}={value}\n" for name, value in properties.items())


@given(
    c0=st.one_of(st.integers(-70000, 70000), st.floats(-1e4, 1e4)),
    c1=st.one_of(st.integers(-300, 300), st.floats(1e-3, 1e3)).filter(bool),
    dtype=st.sampled_from(["u1", "u2", "i2", "u4"]),
)
@settings(max_examples=40, deadline=None)
def test_a_straight_line_calibration_is_applied_and_said(
    c0: float, c1: float, dtype: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stored = RNG.integers(0, 100, (9, 11)).astype(dtype)
    path = _write(tmp_path_factory.getbasetemp() / "c.tif", stored, description=_imagej(cf=0, c0=c0, c1=c1))
    read = read_image(path)
    expected = c0 + c1 * stored.astype(np.float64)
    np.testing.assert_allclose(read.pixels, expected, rtol=1e-6, atol=1e-6 * (abs(c0) + 100 * abs(c1)))
    if isinstance(c0, int) and isinstance(c1, int):
        assert read.dtype.kind in "ui" and np.array_equal(read.pixels, expected)
    assert (c0, c1) == (0, 1) or "calibration" in reading_notes(read)[0]


def test_signed_16_bit_as_imagej_saves_it_is_int16(tmp_path: Path) -> None:
    path = _write(tmp_path / "s.tif", FRAME, description=_imagej(cf=0, c0=-32768.0, c1=1.0, vunit="Gray Value"))
    read = read_image(path)
    assert read.dtype == np.int16
    assert np.array_equal(read.pixels, FRAME.astype(np.int32) - 32768)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"description": _imagej(cf=3, c0=0, c1=1)}, "no straight line"),
        ({"description": _imagej(cf=21)}, "no straight line"),
        ({"description": _imagej(cf=0, c0="x", c1=1)}, "impossible calibration"),
        ({"description": _imagej(cf=0, c0=0, c1=0)}, "impossible calibration"),
        ({"description": _imagej(cf=0, c1="inf", c0=0)}, "impossible calibration"),
        ({"extratags": [(33445, 4, 1, 2, True)]}, "square-root"),
        ({"extratags": [(42112, 2, 0, '<M><Item name="s" role="scale">nan</Item></M>', True)]}, "impossible"),
    ],
)
def test_a_calibration_that_is_no_straight_line_is_refused(options: dict[str, Any], word: str, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=word):
        read_image(_write(tmp_path / "c.tif", FRAME, **options))


def test_gdal_scale_and_offset_are_applied(tmp_path: Path) -> None:
    text = '<GDALMetadata><Item name="OFFSET" sample="0" role="offset">-5</Item><Item role="scale">0.25</Item></GDALMetadata>'
    read = read_image(_write(tmp_path / "g.tif", FRAME, extratags=[(42112, 2, 0, text, True)]))
    np.testing.assert_allclose(read.pixels, FRAME * 0.25 - 5.0)


def test_floats_of_imagej_are_not_calibrated_again(tmp_path: Path) -> None:
    floats = FRAME.astype(np.float32)
    read = read_image(_write(tmp_path / "f.tif", floats, description=_imagej(cf=0, c0=5, c1=2)))
    assert np.array_equal(read.pixels, floats)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_a_stack_of_any_number_of_frames_is_a_stack(frames: int, tmp_path: Path) -> None:
    stack = RNG.integers(0, 60000, (frames, 24, 31)).astype(np.uint16)
    with io.BytesIO() as buffer, pytest.warns(DeprecationWarning) if frames in (3, 4) else nullcontext():
        tifffile.imwrite(buffer, stack)
        (tmp_path / "s.tif").write_bytes(buffer.getvalue())
    read = read_image(tmp_path / "s.tif")
    assert np.array_equal(read.pixels, stack if frames > 1 else stack[0])
    assert ("planes" in " ".join(reading_notes(read))) == (frames in (3, 4))


def test_colour_stays_colour(tmp_path: Path) -> None:
    colour = RNG.integers(0, 255, (3, 24, 31)).astype(np.uint8)
    path = tmp_path / "c.tif"
    tifffile.imwrite(path, np.moveaxis(colour, 0, -1), photometric="rgb")
    with pytest.raises(ImageReadError, match="colour"):
        read_image(path)
    tifffile.imwrite(path, colour, photometric="rgb", planarconfig="separate", metadata=None)
    with pytest.raises(ImageReadError, match="colour"):
        read_image(path)


@pytest.mark.parametrize(
    "options", [{"imagej": True, "metadata": {"axes": "TYX"}}, {"metadata": {}}], ids=["ImageJ", "tifffile"]
)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_one_directory_for_many_frames(options: dict[str, Any], dtype: str, tmp_path: Path) -> None:
    stack = RNG.integers(0, 200, (7, 18, 23)).astype(dtype)
    path = _write(tmp_path / "h.tif", stack, truncate=True, **options)
    read = read_image(path)
    assert read.dtype == stack.dtype and np.array_equal(read.pixels, stack)
    assert "7 frames" in reading_notes(read)[0]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ImageReadError, match="cut"):
        read_image(path)


@pytest.mark.parametrize(
    ("unit", "mm"),
    [
        ("inches", 25.4),
        ("micrometers", 1e-3),
        ("micrometres", 1e-3),
        ("Millimeters", 1.0),
        ("mil", 0.0254),
        ("metre", 1e3),
    ],
)
def test_units_in_words(unit: str, mm: float, tmp_path: Path) -> None:
    pitch = 0.0735
    resolution = (mm / pitch, mm / pitch)
    path = _write(tmp_path / "u.tif", FRAME, description=_imagej(unit=unit), resolution=resolution, resolutionunit=1)
    assert read_image(path).acquisition.pixel_pitch_mm == pytest.approx(pitch, rel=1e-6)


@pytest.mark.parametrize("unit", ["parsec", "points"])
def test_an_unknown_unit_is_noted(unit: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "u.tif", FRAME, description=_imagej(unit=unit), resolution=(9, 9), resolutionunit=1)
    read = read_image(path)
    assert read.acquisition.pixel_pitch_mm is None and unit in reading_notes(read)[0]


@pytest.mark.parametrize("dpi", [150, 300, 600])
def test_a_resolution_for_print_is_believed_and_said(dpi: int, tmp_path: Path) -> None:
    read = read_image(_write(tmp_path / "p.tif", FRAME, resolution=(dpi, dpi), resolutionunit="INCH"))
    assert read.acquisition.pixel_pitch_mm == pytest.approx(25.4 / dpi)
    assert f"{dpi} dpi" in reading_notes(read)[0]


def _retagged(path: Path, **tags: int) -> Path:
    """Overwrite tag values of the first page in place."""
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for name, value in tags.items():
            tif.pages[0].tags[name].overwrite(value)
    return path


@pytest.mark.parametrize(
    ("dtype", "tags"),
    [
        ("u2", {"Compression": 3}),
        ("u2", {"Compression": 4}),
        ("u2", {"Predictor": 3}),
        ("i4", {"Predictor": 3}),
        ("u2", {"Compression": 50001}),
        ("f4", {"Compression": 7}),
        ("u2", {"Compression": 34661}),
        ("u2", {"Compression": 34934}),
    ],
    ids=str,
)
def test_compression_that_does_not_go_with_the_samples_is_refused(
    dtype: str, tags: dict[str, int], tmp_path: Path
) -> None:
    path = _write(tmp_path / "a.tif", FRAME.astype(dtype), compression="zlib", predictor=2 if dtype != "f4" else 3)
    with pytest.raises(ImageReadError, match="compression"):
        read_image(_retagged(path, **tags))


def test_an_lzma_strip_of_another_size_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs", reason="needs the codecs extra")
    good = _write(tmp_path / "good.tif", FRAME, compression="lzma")
    assert np.array_equal(read_image(good).pixels, FRAME)
    with tifffile.TiffFile(good) as tif:
        offset = tif.pages[0].dataoffsets[0]
    bomb = lzma.compress(b"\0" * 2**22)
    data = good.read_bytes()
    forged = _retagged(Path(good.rename(tmp_path / "bomb.tif")), StripByteCounts=len(bomb))
    content = bytearray(forged.read_bytes())
    content[offset : offset + len(data) - offset] = bomb
    forged.write_bytes(bytes(content))
    with pytest.raises(ImageReadError, match="unpacks to more than"):
        read_image(forged)


CODECS = ["jpeg", "jpegls", "jpeg2k", "jpegxl", "png", "lerc", "ljpeg"]


@pytest.mark.parametrize("codec", CODECS)
@given(rows=st.integers(1, 300), cols=st.integers(1, 300))
@settings(max_examples=15, deadline=None)
def test_the_size_of_a_codestream_is_read_without_decoding(codec: str, rows: int, cols: int) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs the codecs extra")
    pixels = np.zeros((rows, cols), np.uint8)
    data = bytes(getattr(imagecodecs, f"{codec}_encode")(pixels))
    check_codestream("x.tif", data, rows, cols, 1)
    for wrong in ((rows + 1, cols), (rows, cols + 1), (2**16, 2**16)):
        with pytest.raises(ImageReadError, match="inside says"):
            check_codestream("x.tif", data, *wrong, 1)


@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_codestream_header_is_refused_or_agrees(codec: str) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs the codecs extra")
    data = bytes(getattr(imagecodecs, f"{codec}_encode")(np.zeros((9, 12), np.uint8)))
    for cut in range(0, min(len(data), 60)):
        with pytest.raises(ImageReadError):
            check_codestream("x.tif", data[:cut], 10, 12, 1)
    with pytest.raises(ImageReadError, match="unknown kind"):
        check_codestream("x.tif", b"GIF89a" + data, 9, 12, 1)


def test_a_jpeg_strip_larger_than_its_page_is_refused(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="needs the codecs extra")
    path = _write(tmp_path / "j.tif", (FRAME >> 8).astype(np.uint8), compression="jpeg")
    assert read_image(path).shape == FRAME.shape
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    large = bytes(imagecodecs.jpeg_encode(np.zeros((2000, 2000), np.uint8)))
    content = path.read_bytes()
    _retagged(path, StripByteCounts=len(large))
    content = path.read_bytes()
    path.write_bytes(content[:offset] + large + content[offset + count :])
    with pytest.raises(ImageReadError, match="2000 x 2000"):
        read_image(path)


def test_other_programs_read_what_carries_a_mask(tmp_path):
    """The word "shape" in a record once made tifffile, and all that read with it, refuse the file."""
    mask = np.zeros(FRAME.shape, dtype=bool)
    mask[3, 4] = True
    image = Radiograph(FRAME, history=(Step("restore", {"shape": [1, 2]}),), mask=mask)
    write_image(tmp_path / "m.tif", image)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), FRAME)
    back = read_image(tmp_path / "m.tif")
    np.testing.assert_array_equal(back.mask, mask)
    assert back.history == image.history


@pytest.mark.parametrize(
    ("dtype", "none", "text"),
    [("u2", 0, "0"), ("f4", -3.4e38, "-3.4e+38"), ("i2", -9999, " -9999 "), ("f4", 0.1, "0.1")],
)
def test_gdal_pixels_without_a_value_are_masked_and_the_tag_stays_with_the_file(tmp_path, dtype, none, text):
    stored = np.random.default_rng(8).integers(100, 30000, (2, 20, 30)).astype(dtype)
    stored[0, 3, 4] = stored[1, 7, 8] = none
    scale = '<GDALMetadata><Item role="scale">0.25</Item></GDALMetadata>'
    tags = [(42112, 2, 0, scale, True), (42113, 2, 0, text, True)]
    tifffile.imwrite(tmp_path / "n.tif", stored, metadata=None, photometric="minisblack", extratags=tags)
    read = read_image(tmp_path / "n.tif")
    assert np.argwhere(read.mask).tolist() == [[3, 4], [7, 8]]
    np.testing.assert_allclose(read.pixels, stored * 0.25, rtol=1e-6)
    assert "has no value (GDAL" in reading_notes(read)[0]
    # what is written holds grey values: read again they are not scaled once more, and the mask is the image's own
    write_image(tmp_path / "w.tif", read)
    again = read_image(tmp_path / "w.tif")
    np.testing.assert_array_equal(again.pixels, read.pixels)
    np.testing.assert_array_equal(again.mask, read.mask)


@pytest.mark.parametrize("stated", [None, "none", "nan", "inf", ""])
def test_a_stack_is_not_read_for_a_number_that_is_none(stated):
    unread = SimpleNamespace(shape=(2, 20, 30), ndim=3, dtype=np.dtype("f4"))
    assert without_value(unread, stated, "GDAL", []) is None
    with pytest.raises(TypeError, match="not iterable"):
        without_value(unread, "7", "GDAL", [])


def test_a_number_that_no_pixel_has_or_no_number_masks_nothing(tmp_path):
    cases = [
        (text, kind)
        for text in ("-1", "none", "nan", "inf", "", "1.7976931348623157e+308")
        for kind in ("u2", "f2", "f4")
    ]
    for text, kind in cases:
        tags = [(42113, 2, 0, text, True)] if text else []
        frame = np.full((20, 30), 7, kind)
        tifffile.imwrite(tmp_path / "n.tif", frame, metadata=None, photometric="minisblack", extratags=tags)
        read = read_image(tmp_path / "n.tif")
        assert read.mask is None and not reading_notes(read)
