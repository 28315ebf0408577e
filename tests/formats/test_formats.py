"""Image files: read exactly or refused in one line, written whole or not at all."""

from __future__ import annotations

import base64
import errno
import importlib.util
import io
import json
import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from coldray import formats
from coldray.errors import ImageReadError, ImageWriteError, PluginError, SettingsError
from coldray.formats import RawGeometry, _pitch, _record, read_image, reading_notes, write_image
from coldray.plugins import plugin
from coldray.radiograph import Acquisition, Radiograph, Step


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


malformed = _load("malformed")
PIXELS = malformed.PIXELS

KNOWN = Acquisition(
    pixel_pitch_mm=0.0495,
    tube_voltage_kv=70.0,
    exposure_s=0.25,
    air_kerma_ugy=1.5,
    frames=20,
    magnification=1.25,
    open_beam=60000.0,
    detector="gos135",
    linear=True,
)
HISTORY = (Step("correct", {"darks": 20}), Step("restore", {"method": "cold", "steps": 10, "prior": [0.5, None]}))
RADIOGRAPH = Radiograph(PIXELS, KNOWN, HISTORY)

REAL = Path(__file__).parents[3] / "shared" / "data" / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="real radiographs are not beside the project")


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ImageReadError) as caught:
        read_image(path, **options)
    text = str(caught.value)
    assert text.isprintable() and "; " in text, text
    return text


# Malformed and odd files ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", malformed.refused(), ids=str)
def test_bad_file_is_refused_in_one_line(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "without decoder" in case.title:
        monkeypatch.setattr("coldray.formats.tiff.find_spec", lambda name: None)
    text = _refusal(_put(tmp_path, case.name, case.data))
    assert text.startswith(case.name)
    assert case.says in text
    assert capsys.readouterr() == ("", "")  # neither canary nor library chatter


@pytest.mark.parametrize("case", malformed.accepted(), ids=str)
def test_odd_file_is_read_exactly(case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = read_image(_put(tmp_path, case.name, case.data)).pixels
    np.testing.assert_array_equal(pixels, case.pixels)
    assert pixels.dtype == case.pixels.dtype.newbyteorder("=") and pixels.dtype.isnative
    assert pixels.flags.c_contiguous and pixels.flags.writeable
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("case", malformed.whole(), ids=str)
def test_every_cut_is_refused(case: Any, tmp_path: Path) -> None:
    read_image(_put(tmp_path, case.name, case.data))
    for length in range(0, len(case.data), 1 if len(case.data) < 100 else 3):
        _refusal(_put(tmp_path, case.name, case.data[:length]))


@pytest.mark.parametrize("case", malformed.whole(), ids=str)
def test_flipped_bytes_never_leak_another_exception(case: Any, tmp_path: Path) -> None:
    for position in range(0, len(case.data), 1 if len(case.data) < 100 else 3):
        data = bytearray(case.data)
        data[position] ^= 0xFF if position % 2 else 0x01
        path = _put(tmp_path, case.name, bytes(data))
        try:
            read_image(path)
        except ImageReadError as error:
            assert str(error).isprintable()


def test_ceiling_is_checked_before_memory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "board.npy"
    np.save(path, np.zeros((1100, 1000), np.uint8))
    monkeypatch.setenv("COLDRAY_MAX_MPIXEL", "1")
    assert "more than the ceiling of 1 Mpixel" in _refusal(path)
    monkeypatch.setenv("COLDRAY_MAX_MPIXEL", "2")
    assert read_image(path).shape == (1100, 1000)


def test_sparse_file_of_gigabytes_is_refused(tmp_path: Path) -> None:
    path = _put(tmp_path, "board.tif", malformed.tiff())
    os.truncate(path, 2**33)
    assert "bytes, more than the ceiling" in _refusal(path)


def test_special_files_are_refused_without_hanging(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.tif"
    os.mkfifo(pipe)
    folder = tmp_path / "folder.tif"
    folder.mkdir()
    link, loop = tmp_path / "link.tif", tmp_path / "loop.tif"
    link.symlink_to(tmp_path / "nowhere.tif")
    loop.symlink_to(loop)
    assert "pipe, socket or device" in _refusal(pipe)
    assert "folder" in _refusal(folder)
    assert "does not exist" in _refusal(link)
    assert "cannot be opened" in _refusal(loop)
    assert "does not exist" in _refusal(tmp_path / "absent.tif")
    assert "device" in _refusal(Path("/dev/zero"), raw=RawGeometry(2, 2))
    assert "cannot be opened" in _refusal(tmp_path / "nul\0.tif")


@pytest.mark.parametrize("name", ["two words.tif", "-dash.tif", "Ü µm.tif", "new\nline.tif", "\udcff.tif", "%s{}.tif"])
def test_odd_names_are_read_and_named(name: str, tmp_path: Path) -> None:
    write_image(tmp_path / name, RADIOGRAPH)
    np.testing.assert_array_equal(read_image(tmp_path / name).pixels, PIXELS)
    _put(tmp_path, name, b"")
    assert "is empty" in _refusal(tmp_path / name)


def test_pillow_bomb_limit_does_not_stand_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.png", RADIOGRAPH)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    assert read_image(tmp_path / "a.png").shape == PIXELS.shape


# Finding a format ----------------------------------------------------------------------------------


def test_format_for_names_the_known_suffixes() -> None:
    assert formats.format_for("A.TIFF") is plugin("format", "tiff")
    with pytest.raises(PluginError, match=r"board\.xyz .*\.tif"):
        formats.format_for("board.xyz")
    assert ".jpg" in formats.suffixes() and ".jpg" not in formats.writable_suffixes()


def test_a_new_file_is_a_new_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    _put(tmp_path, "mine.py", b"suffixes = ('.mine',)\ndef read(path): ...\ndef write(path, radiograph): ...\n")
    _put(tmp_path, "_helper.py", b"")
    try:
        assert ".mine" in formats.suffixes() and ".mine" in formats.writable_suffixes()
        assert formats.format_for("a.MINE") is plugin("format", "mine") and formats.is_image("a.MINE")
    finally:
        sys.modules.pop("coldray.formats.mine", None)
        vars(formats).pop("mine", None)
    monkeypatch.undo()
    assert ".mine" not in formats.suffixes() and not formats.is_image("a.mine") and formats.is_image("b.TIFF")


def test_libraries_load_when_used() -> None:
    code = "import sys, coldray.formats; print([m for m in ('tifffile', 'pydicom', 'PIL') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "geometry"),
    [
        ("2048x1024:u2", RawGeometry(2048, 1024, "u2")),
        ("3x5:u2:offset=512:big", RawGeometry(3, 5, "u2", 512, "big")),
        ("3x5:float32:little:frames=4", RawGeometry(3, 5, "float32", 0, "little", 4)),
    ],
)
def test_raw_geometry_is_parsed(text: str, geometry: RawGeometry) -> None:
    assert RawGeometry.parse(text) == geometry


@pytest.mark.parametrize(
    "text", ["", "3x5", "3:u2", "x:u2", "0x5:u2", "3x5:c8", "3x5:O", "3x5:u2,u2", "3x5:u2:7", "3x5:u2:big:little",
             "3x5:u2:frames=0", "3x5:u2:offset=-1", "3x5x1:u2", "9999999999x1:u2"],
)  # fmt: skip
def test_bad_raw_geometry_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        RawGeometry.parse(text)


def test_raw_file_must_have_just_the_stated_length(tmp_path: Path) -> None:
    header = b"H" * 16
    stack = np.stack([PIXELS, PIXELS + 1])
    path = _put(tmp_path, "scan.seq", header + stack.astype(">u2").tobytes())
    geometry = RawGeometry.parse("3x5:u2:offset=16:frames=2:big")
    read = read_image(path, raw=geometry)
    np.testing.assert_array_equal(read.pixels, stack)
    for other in (RawGeometry(3, 5), RawGeometry(30000, 50000), RawGeometry(3, 5, offset=10**11)):
        assert "by the stated geometry" in _refusal(path, raw=other)
    write_image(tmp_path / "copy.raw", read)
    assert (tmp_path / "copy.raw").read_bytes() == path.read_bytes()  # header and byte order kept
    write_image(tmp_path / "first.raw", read.with_pixels(stack[0]))
    assert (tmp_path / "first.raw").read_bytes() == PIXELS.astype("<u2").tobytes()


# Round trips ---------------------------------------------------------------------------------------

_DTYPES = plugin("format", "tiff").DTYPES.split()  # type: ignore[attr-defined]


@st.composite
def radiographs(draw: st.DrawFn) -> Radiograph:
    dtype = np.dtype(draw(st.sampled_from(_DTYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=2, max_size=3)))
    seed = draw(st.integers(0, 2**16))
    data = np.random.default_rng(seed).bytes(int(np.prod(shape)) * dtype.itemsize)
    pixels = np.frombuffer(data, dtype).reshape(shape)
    if dtype.kind == "f":
        pixels = np.nan_to_num(pixels, nan=-1.0)
    pitch = draw(st.none() | st.floats(1e-4, 4.9) | st.sampled_from([0.0495, 0.048, 25.4 / 72, 25.4 / 96, 0.1]))
    acquisition = Acquisition(
        pixel_pitch_mm=pitch,
        tube_voltage_kv=draw(st.none() | st.floats(1, 450)),
        exposure_s=draw(st.none() | st.floats(1e-6, 1e4)),
        linear=draw(st.none() | st.booleans()),
        detector=draw(st.none() | st.text(max_size=8)),
    )
    return Radiograph(pixels, acquisition, HISTORY if draw(st.booleans()) else ())


@settings(max_examples=60, deadline=None)
@given(radiographs(), st.sampled_from([".tif", ".dcm", ".png", ".npy", ".raw"]), st.sampled_from("<>"))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, radiograph: Radiograph, suffix: str, order: str) -> None:
    path = tmp_path_factory.mktemp("round") / f"image{suffix}"
    plug_in = formats.format_for(path)
    stored = radiograph.with_pixels(radiograph.pixels.astype(radiograph.dtype.newbyteorder(order)))
    if radiograph.dtype.name not in plug_in.DTYPES.split() or (suffix == ".png" and radiograph.pixels.ndim == 3):  # type: ignore[attr-defined]
        with pytest.raises(ImageWriteError, match=r"TIFF|convert"):
            write_image(path, stored)
        assert not list(path.parent.iterdir())
        return
    write_image(path, stored)
    rows, cols = radiograph.shape[-2:]
    frames = radiograph.shape[0] if radiograph.pixels.ndim == 3 else 1
    raw = RawGeometry(rows, cols, radiograph.dtype.name, frames=frames) if suffix == ".raw" else None
    back = read_image(path, raw=raw)
    expected = (
        radiograph.pixels[0] if frames == 1 and radiograph.pixels.ndim == 3 and suffix != ".npy" else radiograph.pixels
    )
    np.testing.assert_array_equal(back.pixels, expected)
    assert back.dtype == radiograph.dtype.newbyteorder("=")
    if plug_in.carries:  # type: ignore[attr-defined]
        assert back.acquisition == radiograph.acquisition
        assert back.history == radiograph.history
    assert os.listdir(path.parent) == [path.name]
    first = path.read_bytes()
    write_image(path, stored)
    assert path.read_bytes() == first


@pytest.mark.parametrize("suffix", [".tif", ".dcm", ".png"])
def test_second_generation_keeps_everything(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, RADIOGRAPH)
    for _ in range(2):
        write_image(path, read_image(path))
    back = read_image(path)
    assert (back.acquisition, back.history) == (KNOWN, HISTORY)


# Writing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".dcm", ".png", ".npy", ".raw"])
@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_failed_write_leaves_the_old_file_and_nothing_else(
    suffix: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"older")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        if call == "open":
            broken.setattr("coldray.files.open", fail, raising=False)
        else:
            broken.setattr(os, call, fail)
        with pytest.raises(ImageWriteError, match=rf"out\{suffix} .*No space left on device.*; check") as caught:
            write_image(path, RADIOGRAPH)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"older"
    assert os.listdir(tmp_path) == [path.name]


def test_folder_that_cannot_be_flushed_is_reported_and_the_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(ImageWriteError, match="folder could not be flushed"):
        write_image(tmp_path / "a.tif", RADIOGRAPH)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, PIXELS)


def test_writing_refuses_devices_folders_and_missing_folders(tmp_path: Path) -> None:
    (tmp_path / "d.tif").mkdir()
    os.mkfifo(tmp_path / "p.tif")
    for path in (tmp_path / "d.tif", tmp_path / "p.tif", tmp_path / "no" / "a.tif", Path("/dev/null.tif/a.tif")):
        with pytest.raises(ImageWriteError):
            write_image(path, RADIOGRAPH)


def test_writing_through_a_link_spares_its_target(tmp_path: Path) -> None:
    write_image(tmp_path / "input.tif", RADIOGRAPH)
    before = (tmp_path / "input.tif").read_bytes()
    (tmp_path / "out.tif").symlink_to("input.tif")
    write_image(tmp_path / "out.tif", RADIOGRAPH.with_pixels(PIXELS + 1))
    assert (tmp_path / "input.tif").read_bytes() == before
    assert not (tmp_path / "out.tif").is_symlink()


def test_refusals_to_write_say_what_to_do(tmp_path: Path) -> None:
    floats = Radiograph(np.ones((2, 2), np.float32))
    stack = Radiograph(np.ones((2, 2, 2), np.uint16))
    broken = Radiograph(np.array([[1.0, np.nan]]))
    for name, radiograph, says in (
        ("a.dcm", floats, "write TIFF"),
        ("a.png", floats, "write TIFF"),
        ("a.png", stack, "multi-page TIFF"),
        ("a.jpg", RADIOGRAPH, "TIFF"),
        ("a.tif", broken, "1 NaN"),
        ("a.xyz", RADIOGRAPH, ".tif"),
        ("noname", RADIOGRAPH, ".tif"),
    ):
        with pytest.raises(ImageWriteError, match=says) as caught:
            write_image(tmp_path / name, radiograph)
        assert str(caught.value).startswith(name)
    assert os.listdir(tmp_path) == []


# TIFF ----------------------------------------------------------------------------------------------


def _tiff_pitch(path: Path, **options: Any) -> tuple[float | None, tuple[str, ...]]:
    tifffile.imwrite(path, PIXELS, **{"metadata": None, **options})
    read = read_image(path)
    return read.acquisition.pixel_pitch_mm, reading_notes(read)


def test_pitch_from_resolution_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert _tiff_pitch(path, resolution=((20000, 99), (20000, 99)), resolutionunit=3)[0] == pytest.approx(0.0495)
    assert _tiff_pitch(path, resolution=(508, 508), resolutionunit=2)[0] == pytest.approx(0.05)
    for resolution, unit in (((72, 72), 2), ((96, 96), 2), ((28.346, 28.346), 3), ((300, 600), 2), ((1, 1), 2)):
        pitch, notes = _tiff_pitch(path, resolution=resolution, resolutionunit=unit)
        assert pitch is None and "pixel pitch unknown" in notes[0]
    assert _tiff_pitch(path, resolution=(200, 200), resolutionunit=1) == (None, ())
    assert _tiff_pitch(path) == (None, ())


def test_pitch_from_imagej_and_ome(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for unit, scale in (("um", 1e-3), ("\\u00B5m", 1e-3), ("micron", 1e-3), ("mm", 1.0), ("cm", 10.0)):
        description = f"ImageJ=1.54f\nunit={unit}\n"
        options = {"resolution": (scale / 0.05,) * 2, "resolutionunit": 1, "description": description}
        assert _tiff_pitch(path, **options)[0] == pytest.approx(0.05)
    assert _tiff_pitch(path, resolution=(20, 20), resolutionunit=1, description="ImageJ=1.54f\nunit=pixel\n")[0] is None
    latin = malformed.tiff(change={282: (5, (20, 1000)), 296: (3, (1,)), 270: (2, b"ImageJ=1\nunit=\xb5m\n\0")})
    assert read_image(_put(tmp_path, "b.tif", latin)).acquisition.pixel_pitch_mm == pytest.approx(0.05)
    ome = (
        '<?xml version="1.0"?><OME xmlns="x"><Image><Pixels SizeX="5" SizeY="3" {} Type="uint16">'
        '<Channel PhysicalSizeX="9"/></Pixels></Image></OME>'
    )
    for sizes, pitch in (
        ('PhysicalSizeX="48" PhysicalSizeY="48"', 0.048),
        ('PhysicalSizeX="0.1" PhysicalSizeXUnit="mm"', 0.1),
        ('PhysicalSizeX="48" PhysicalSizeY="96"', None),
        ('PhysicalSizeX="a lot"', None),
        ("", None),
    ):
        assert _tiff_pitch(path, description=ome.format(sizes))[0] == (pitch if pitch is None else pytest.approx(pitch))


def test_written_tiff_has_the_promised_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_image(path, RADIOGRAPH)
    with tifffile.TiffFile(path) as tif:
        tags = {tag.name: tag.value for tag in tif.pages[0].tags}
        assert tif.byteorder == "<"
    assert tags["XResolution"] == tags["YResolution"] == (20000, 99)
    assert tags["ResolutionUnit"].name == "CENTIMETER"
    assert tags["Compression"] == 1 and tags["BitsPerSample"] == 16
    assert tags["Software"] == _record.software() and tags["Software"].startswith("coldray ")
    assert "DateTime" not in tags
    record = json.loads(tags["ImageDescription"])
    assert record["history"][1] == {"verb": "restore", "details": {"method": "cold", "steps": 10, "prior": [0.5, None]}}


def test_changed_resolution_beats_our_record(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_image(path, RADIOGRAPH)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["XResolution"].overwrite((100, 1))
        tif.pages[0].tags["YResolution"].overwrite((100, 1))
    back = read_image(path)
    assert back.acquisition.pixel_pitch_mm == pytest.approx(0.1)
    assert "the tags are believed" in reading_notes(back)[0]


def test_compression_and_foreign_tags_are_carried(tmp_path: Path) -> None:
    private = [
        (271, 2, 0, "Maker of detectors", True),
        (65001, 3, 2, (7, 8), True),
        (65002, 1, 3, b"\1\2\3", True),
        (65003, 5, 1, (3, 7), True),
        (65004, 12, 1, 2.5, True),
        (65005, 7, 5, b"bytes", True),
        (274, 3, 1, 6, True),
    ]
    flat = np.full((64, 64), 1000, np.uint16)
    options = {"compression": "zlib", "predictor": True, "photometric": "miniswhite", "metadata": None}
    tifffile.imwrite(
        tmp_path / "a.tif", flat, byteorder=">", description="plate 7", software="scanner", extratags=private, **options
    )
    source = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", source)
    write_image(tmp_path / "c.tif", read_image(tmp_path / "b.tif"))
    for name in ("b.tif", "c.tif"):
        with tifffile.TiffFile(tmp_path / name) as tif:
            page = tif.pages[0]
            assert (page.compression, page.predictor, page.photometric) == (8, 2, 0)
            assert page.tags[271].value == "Maker of detectors" and page.tags[274].value == 6
            assert [page.tags[code].value for code in range(65001, 65006)] == [
                (7, 8), b"\1\2\3", (3, 7), 2.5, b"bytes",
            ]  # fmt: skip
            assert json.loads(page.description)["source"] == {"description": "plate 7", "software": "scanner"}
    assert reading_notes(source) == reading_notes(read_image(tmp_path / "c.tif"))
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "c.tif").read_bytes()


def test_float_from_a_differenced_source_is_written_without_predictor(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, compression="zlib", predictor=True)
    source = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", source.with_pixels(PIXELS.astype(np.float32)))
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert (tif.pages[0].compression, tif.pages[0].predictor) == (8, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif").pixels, PIXELS.astype(np.float32))


def test_thumbnail_pages_are_left_out_and_noted(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(PIXELS, metadata=None)
        tif.write(PIXELS[:2, :2], subfiletype=1, metadata=None)
    read = read_image(tmp_path / "a.tif")
    assert read.shape == PIXELS.shape and reading_notes(read) == ("1 reduced-size or mask pages were left out",)


def test_pages_become_frames(tmp_path: Path) -> None:
    stack = np.stack([PIXELS, PIXELS[::-1], PIXELS + 1])
    for options in ({}, {"imagej": True}, {"compression": "zlib"}, {"metadata": {"axes": "TYX"}}, {"bigtiff": True}):
        tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", **options)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, stack)


def test_our_record_survives_and_damaged_records_do_no_harm(tmp_path: Path) -> None:
    for text in (
        '{"coldray":1,"acquisition":{"pixel_pitch_mm":-1,"frames":"many","linear":1,"magnification":2},"history":[3]}',
        '{"coldray":1,"acquisition":[],"history":{},"source":7}',
        '{"coldray":1',
        '{"coldray":' + "[" * 5000,
        "<script>alert(1)</script>",
    ):
        tifffile.imwrite(tmp_path / "a.tif", PIXELS, description=text, metadata=None)
        read = read_image(tmp_path / "a.tif")
        assert read.acquisition.pixel_pitch_mm is None and read.acquisition.linear is None
        assert all(step.verb == "read" for step in read.history)


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lerc", "packints", "floating point"])
def test_codecs_of_the_extra(compression: str, tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs", reason="needs the codecs extra")
    pixels, options = PIXELS, {"compression": compression}
    if compression == "packints":
        pixels, options = PIXELS % 4096, {"bitspersample": 12}
    if compression == "floating point":
        pixels, options = PIXELS.astype(np.float32) / 7, {"compression": "zlib", "predictor": 3}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, rowsperstrip=2, metadata=None, **options)
    np.testing.assert_array_equal(read_image(path).pixels, pixels)
    if compression == "lzw":
        with tifffile.TiffFile(path) as tif:
            at = tif.pages[0].dataoffsets[1]
        data = bytearray(path.read_bytes())
        data[at : at + 3] = b"\x80\x40\x40"  # the codes for clear and end: a strip of nothing
        _refusal(_put(tmp_path, "b.tif", bytes(data)))


# PNG and JPEG --------------------------------------------------------------------------------------


def test_png_pitch_is_read_from_phys(tmp_path: Path) -> None:
    for density, pitch in ((20000, 0.05), (2835, None), (3780, None)):
        extra = malformed.chunk(b"pHYs", density.to_bytes(4, "big") * 2 + b"\1")
        read = read_image(_put(tmp_path, "a.png", malformed.png(PIXELS, extra=extra)))
        assert read.acquisition.pixel_pitch_mm == (pitch if pitch is None else pytest.approx(pitch))


@pytest.mark.parametrize(
    ("chunks", "exponent"),
    [
        ([(b"gAMA", (50000).to_bytes(4, "big"))], "0.5"),
        ([(b"sRGB", b"\0")], "0.455"),
        ([(b"gAMA", (55556).to_bytes(4, "big")), (b"sRGB", b"\0")], "0.556"),
        ([(b"gAMA", (100000).to_bytes(4, "big"))], ""),
        ([(b"gAMA", bytes(4))], ""),
        ([(b"gAMA", b"\1")], ""),
        ([], ""),
    ],
)
def test_a_png_encoded_for_a_display_says_so(chunks: list[tuple[bytes, bytes]], exponent: str, tmp_path: Path) -> None:
    extra = b"".join(malformed.chunk(*one) for one in chunks)
    read = read_image(_put(tmp_path, "a.png", malformed.png(PIXELS, extra=extra)))
    np.testing.assert_array_equal(read.pixels, PIXELS)
    assert [f"exponent {exponent})" in note for note in reading_notes(read)] == [True] * bool(exponent)


def test_interlaced_and_filtered_png(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 2**16, (23, 17), dtype=np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG", optimize=True)
    np.testing.assert_array_equal(read_image(_put(tmp_path, "a.png", buffer.getvalue())).pixels, noise)
    grid = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    passes = [noise[top::down, left::across] for top, left, down, across in grid]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for part in passes for row in part)
    header = (17).to_bytes(4, "big") + (23).to_bytes(4, "big") + bytes((16, 0, 0, 0, 1))
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(malformed.chunk(*chunk) for chunk in chunks)
    np.testing.assert_array_equal(read_image(_put(tmp_path, "b.png", data)).pixels, noise)


def test_jpeg_is_read_grey_and_noted(tmp_path: Path) -> None:
    grey = np.add.outer(np.arange(32), np.arange(40)).astype(np.uint8)
    for name, image, options in (
        ("a.jpg", Image.fromarray(grey), {}),
        ("b.jpeg", Image.fromarray(grey).convert("RGB"), {"dpi": (508, 508)}),
    ):
        image.save(tmp_path / name, quality=95, **options)
        read = read_image(tmp_path / name)
        assert read.shape == grey.shape and read.dtype == np.uint8
        assert "lossy" in reading_notes(read)[0]
    assert read.acquisition.pixel_pitch_mm == pytest.approx(0.05)
    colour = np.stack([grey, grey[::-1], grey], axis=-1)
    Image.fromarray(colour).save(tmp_path / "c.jpg")
    assert "colour" in _refusal(tmp_path / "c.jpg")
    Image.fromarray(np.dstack([colour, grey]), mode=None).convert("CMYK").save(tmp_path / "d.jpg")
    assert "CMYK" in _refusal(tmp_path / "d.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    assert "JPEG" in _refusal(_put(tmp_path, "e.jpg", data[:-30]))


# DICOM ---------------------------------------------------------------------------------------------


def _dicom(tmp_path: Path, **changes: Any) -> Radiograph:
    return read_image(_put(tmp_path, "a.dcm", malformed.dicom(**changes)))


def test_dicom_acquisition_is_read(tmp_path: Path) -> None:
    read = _dicom(
        tmp_path,
        KVP="70",
        ExposureTime="250",
        EstimatedRadiographicMagnificationFactor="1.25",
        PixelIntensityRelationship="LIN",
        PixelIntensityRelationshipSign=1,
        PixelSpacing=["0.9", "0.9"],
    )
    assert read.acquisition == Acquisition(
        pixel_pitch_mm=0.048, tube_voltage_kv=70, exposure_s=0.25, magnification=1.25, linear=True
    )
    assert read.history == ()


def test_dicom_pitch_prefers_the_detector_plane(tmp_path: Path) -> None:
    element, spacing = ["0.05", "0.05"], ["0.1", "0.1"]
    read = _dicom(tmp_path, ImagerPixelSpacing=None, DetectorElementSpacing=element, PixelSpacing=spacing)
    assert read.acquisition.pixel_pitch_mm == 0.05
    read = _dicom(tmp_path, ImagerPixelSpacing=None, PixelSpacing=spacing)
    assert read.acquisition.pixel_pitch_mm == 0.1 and "may be stated at the object" in reading_notes(read)[0]
    read = _dicom(tmp_path, ImagerPixelSpacing=["0.05", "0.1"])
    assert read.acquisition.pixel_pitch_mm is None and "not square" in reading_notes(read)[0]
    assert _dicom(tmp_path, ImagerPixelSpacing=None).acquisition.pixel_pitch_mm is None


def test_dicom_domain_is_stated(tmp_path: Path) -> None:
    assert _dicom(tmp_path, PixelIntensityRelationship="LOG").acquisition.linear is False
    assert _dicom(tmp_path, PixelIntensityRelationship="DISP").acquisition.linear is False
    assert _dicom(tmp_path).acquisition.linear is None
    inverted = _dicom(tmp_path, PixelIntensityRelationship="LIN", PixelIntensityRelationshipSign=-1)
    assert inverted.acquisition.linear is True and inverted.acquisition.inverted is True
    assert "fall as the X-ray" in reading_notes(inverted)[0]
    notes = reading_notes(_dicom(tmp_path, RescaleSlope="2", RescaleIntercept="-1000"))
    assert "RescaleSlope 2.0, RescaleIntercept -1000.0 not applied" in notes[0]


def test_derived_dicom_says_where_it_comes_from(tmp_path: Path) -> None:
    dataset = malformed.dicom_dataset(ImageType=["ORIGINAL", "PRIMARY", "COMPONENT"], SeriesDescription="Board 7")
    block = dataset.private_block(0x0009, "astm.org/diconde/iod/NdeDxDetector", create=True)
    block.add_new(0x12, "UN", b"\x01\x02\x03\x04")
    other = dataset.private_block(0x0021, "Maker 1.0", create=True)
    other.add_new(0x01, "OB", bytes(range(10)))
    dataset.DigitalSignaturesSequence = pydicom.Sequence([pydicom.Dataset()])
    data = bytearray(malformed.dicom(dataset))
    data[:2] = b"MZ"  # a preamble that is another format
    source = read_image(_put(tmp_path, "a.dcm", bytes(data)))
    before = str(source.carrier.dataset)
    restored = source.with_pixels(PIXELS[::-1] // 2, Step("restore", {"method": "cold", "model_sha256": "ab" * 32}))
    write_image(tmp_path / "b.dcm", restored)
    assert str(source.carrier.dataset) == before

    out = pydicom.dcmread(tmp_path / "b.dcm")
    assert out.preamble == b"\0" * 128
    assert out.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert list(out.ImageType) == ["DERIVED", "PRIMARY", "COMPONENT"]
    assert out.SOPInstanceUID.startswith("2.25.") and out.SOPInstanceUID == out.file_meta.MediaStorageSOPInstanceUID
    assert out.SeriesInstanceUID.startswith("2.25.") and out.StudyInstanceUID == "1.2.3"
    assert out.SeriesDescription == "RESTORED Board 7"
    assert out.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.5"
    assert out.DerivationDescription.startswith("restore (method cold")
    assert out.ContributingEquipmentSequence[-1].Manufacturer == "coldray"
    assert out.PatientName == "Component^One" and list(out.ImagerPixelSpacing) == [0.048, 0.048]
    assert "DigitalSignaturesSequence" not in out
    assert out.private_block(0x0009, "astm.org/diconde/iod/NdeDxDetector")[0x12].value == b"\x01\x02\x03\x04"
    assert out.private_block(0x0021, "Maker 1.0")[0x01].value == bytes(range(10))
    np.testing.assert_array_equal(out.pixel_array, PIXELS[::-1] // 2)

    write_image(tmp_path / "c.dcm", restored.with_pixels(PIXELS, Step("restore", {"method": "cold", "seconds": 3})))
    write_image(tmp_path / "d.dcm", read_image(tmp_path / "b.dcm"))
    sibling, child = pydicom.dcmread(tmp_path / "c.dcm"), pydicom.dcmread(tmp_path / "d.dcm")
    assert len({out.SOPInstanceUID, sibling.SOPInstanceUID, child.SOPInstanceUID}) == 3
    assert child.SourceImageSequence[0].ReferencedSOPInstanceUID == out.SOPInstanceUID
    assert len(child.ContributingEquipmentSequence) == 2
    assert child.SeriesDescription == "RESTORED Board 7"


def test_images_treated_alike_share_a_derived_series(tmp_path: Path) -> None:
    source = _dicom(tmp_path)
    series = []
    for pixels, details in (
        (PIXELS, {"steps": 10, "seconds": 1}),
        (PIXELS + 1, {"steps": 10, "seconds": 2}),
        (PIXELS, {"steps": 1}),
    ):
        write_image(tmp_path / "b.dcm", source.with_pixels(pixels, Step("restore", details)))
        series.append(pydicom.dcmread(tmp_path / "b.dcm").SeriesInstanceUID)
    assert series[0] == series[1] != series[2]


def test_dicom_tags_follow_the_radiograph(tmp_path: Path) -> None:
    twelve = _dicom(
        tmp_path, BitsStored=12, HighBit=11, PixelIntensityRelationship="LOG", PixelData=(PIXELS % 4096).tobytes()
    )
    for pixels, bits in (
        (PIXELS % 4096, 12),
        (PIXELS, 16),
        ((PIXELS % 200).astype(np.uint8), 8),
        (PIXELS.astype(np.int32), 32),
    ):
        changed = twelve.with_pixels(pixels).with_acquisition(pixel_pitch_mm=0.1, linear=True, exposure_s=0.0015)
        write_image(tmp_path / "b.dcm", changed)
        out = pydicom.dcmread(tmp_path / "b.dcm")
        assert (out.BitsStored, out.HighBit, out.PixelRepresentation) == (bits, bits - 1, int(pixels.dtype.kind == "i"))
        assert list(out.ImagerPixelSpacing) == [0.1, 0.1] and out.PixelIntensityRelationship == "LIN"
        assert float(out.ExposureTimeInuS) == pytest.approx(1500)
        back = read_image(tmp_path / "b.dcm")
        np.testing.assert_array_equal(back.pixels, pixels)
        assert back.acquisition == changed.acquisition


def test_dicom_from_another_format_claims_only_what_is_known(tmp_path: Path) -> None:
    digital = "1.2.840.10008.5.1.4.1.1.1.1.1"
    for radiograph, kind in (
        (RADIOGRAPH, digital),
        (RADIOGRAPH.with_acquisition(linear=None), "1.2.840.10008.5.1.4.1.1.7"),
        (Radiograph(PIXELS), "1.2.840.10008.5.1.4.1.1.7"),
        (RADIOGRAPH.with_pixels(np.stack([PIXELS] * 2)), "1.2.840.10008.5.1.4.1.1.7.3"),
    ):
        write_image(tmp_path / "a.dcm", radiograph)
        out = pydicom.dcmread(tmp_path / "a.dcm")
        assert out.SOPClassUID == kind
        assert ("ImagerPixelSpacing" in out) == (radiograph.acquisition.pixel_pitch_mm is not None)
        assert "StudyInstanceUID" in out and "SourceImageSequence" not in out


def test_missing_decoder_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import JPEG2000LosslessDecoder

    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    dataset = malformed.dicom_dataset()
    dataset.add_new("PixelData", "OB", pydicom.encaps.encapsulate([b"\xffO\xffQ"]))
    data = malformed.dicom(dataset, pydicom.uid.JPEG2000Lossless)
    assert "pip install pylibjpeg pylibjpeg-openjpeg" in _refusal(_put(tmp_path, "a.dcm", data))


# Small parts ---------------------------------------------------------------------------------------


@given(st.floats(1e-5, 1e3))
def test_resolution_is_as_near_as_32_bits_allow(pitch: float) -> None:
    ratio = _pitch.pixels_per_cm(pitch)
    assert ratio is not None and max(ratio) < 2**32
    assert 10 * ratio[1] / ratio[0] == pytest.approx(pitch, rel=1e-6)


def test_exact_resolutions() -> None:
    assert _pitch.pixels_per_cm(0.0495) == (20000, 99)
    assert _pitch.pixels_per_cm(0.048) == (625, 3)
    assert _pitch.pixels_per_cm(0.05) == (200, 1)
    assert _pitch.pixels_per_cm(1e30) is None and _pitch.pixels_per_cm(1e-30) is None


def test_records_hold_what_python_hands_them() -> None:
    details = {"a": np.float32(1.5), "b": np.arange(3), "c": (1, None, True), "d": Path("/x/y.tif"), "e": float("nan")}
    text = _record.dumps(Radiograph(PIXELS, history=(Step("x", {**details, "f": {2, 1}, "g": b"?", "µ": 1j}),)))
    assert text.isascii()
    record = _record.loads(text)
    assert record is not None
    assert record.history[0].details == {
        "a": 1.5, "b": [0, 1, 2], "c": [1, None, True], "d": "y.tif", "e": "nan", "f": [1, 2], "g": "b'?'", "µ": "1j",
    }  # fmt: skip


# Real files ----------------------------------------------------------------------------------------

REAL_FILES = {
    "qa_phantoms_pylinac_mit/leeds_tor18_kv.dcm": ((768, 1024), "uint16", 0.388),
    "qa_phantoms_pylinac_mit/leeds_tor18_kv.tif": ((768, 1024), "uint16", None),
    "battery_ct_ucl_mit/winding_1.tif": ((576, 576), "uint16", None),
    "battery_ct_ucl_mit/winding_1_mask.tif": ((576, 576), "uint8", None),
    "bga_anushka_ccby4/bga_board.jpg": ((910, 836), "uint8", None),
    "bga_mat3u52_mit/good_image.jpg": ((1351, 910), "uint8", None),
    "bga_mat3u52_mit/single_good_ball.png": ((112, 112), "uint8", None),
}


@needs_real
@pytest.mark.parametrize("name", REAL_FILES)
def test_real_file(name: str, tmp_path: Path) -> None:
    shape, dtype, pitch = REAL_FILES[name]
    read = read_image(REAL / name)
    assert (read.shape, read.dtype.name, read.acquisition.pixel_pitch_mm) == (shape, dtype, pitch)
    suffix = ".dcm" if name.endswith(".dcm") else ".tif"
    write_image(tmp_path / f"out{suffix}", read)
    back = read_image(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(back.pixels, read.pixels)
    assert (back.acquisition, back.history) == (read.acquisition, read.history)


@needs_real
def test_real_dicom_and_tiff_hold_the_same_pixels() -> None:
    folder = REAL / "qa_phantoms_pylinac_mit"
    np.testing.assert_array_equal(
        read_image(folder / "leeds_tor18_kv.dcm").pixels, read_image(folder / "leeds_tor18_kv.tif").pixels
    )


@needs_real
def test_real_stack_matches_its_library() -> None:
    path = REAL / "battery_ct_ucl_mit" / "cell_top_volume.tif"
    stack = read_image(path).pixels
    assert stack.shape == (100, 728, 728) and stack.dtype == np.uint8
    np.testing.assert_array_equal(stack[57], tifffile.imread(path, key=57))


@needs_real
def test_real_colour_jpeg_has_equal_channels() -> None:
    notes = reading_notes(read_image(REAL / "bga_anushka_ccby4" / "bga_board.jpg"))
    assert "3 equal colour channels were read as one" in notes


@needs_real
def test_real_jpeg2000_is_read_or_names_its_decoder() -> None:
    path = REAL / "format_pydicom_mit" / "cr_leg_jpeg2000.dcm"
    try:
        read = read_image(path)
    except ImageReadError as error:
        assert "pip install" in str(error)
    else:
        assert read.shape == (1760, 1760) and read.pixels.max() == 1023
        assert "MONOCHROME1" in reading_notes(read)[0]


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        ({"shape": [4, 5], "deflated_bits": ""}, "another size"),
        ({"shape": None}, "another size"),
        ({"shape": [5, 7], "deflated_bits": 5}, "damaged"),
        ({"shape": [5, 7], "deflated_bits": "????"}, "damaged"),
        ({"shape": [5, 7], "deflated_bits": base64.b64encode(zlib.compress(b"\0" * 4)).decode()}, "damaged"),
        ({"shape": [5, 7], "deflated_bits": base64.b64encode(zlib.compress(b"\0" * 10**6)).decode()}, "damaged"),
    ],
)
def test_a_mask_from_outside_is_left_out_with_a_note_unless_it_is_whole(mask: dict[str, Any], word: str) -> None:
    notes: list[str] = []
    assert _record.mask_of(_record.Record({}, (), {}, mask), np.zeros((5, 7)), notes) is None
    assert len(notes) == 1 and word in notes[0]
