"""Every file in formats meets the same contract, the moment it exists."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import numpy as np
import pytest

from coldray import formats
from coldray.errors import ImageReadError, ImageWriteError
from coldray.plugins import plugin, plugin_names
from coldray.radiograph import Acquisition, Radiograph, Step

DTYPES = ("uint8", "uint16", "uint32", "int16", "int32", "float16", "float32", "float64")
ACQUISITION = Acquisition(pixel_pitch_mm=0.0495, tube_voltage_kv=70.0, exposure_s=0.25, frames=4, open_beam=60000.0)
HISTORY = (Step("restore", {"method": "cold", "steps": 10}),)

plug_ins = pytest.mark.parametrize("name", plugin_names("format"))


def _image(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.random.default_rng(5).integers(0, 200, shape)
    return (values / 7 if dtype.startswith("float") else values).astype(dtype)


def _read(name: str, path: Path, pixels: np.ndarray) -> Radiograph:
    if getattr(plugin("format", name), "needs_geometry", False):
        frames = pixels.shape[0] if pixels.ndim == 3 else 1
        geometry = formats.RawGeometry(*pixels.shape[-2:], pixels.dtype.name, frames=frames)
        return formats.read_image(path, raw=geometry)
    return plugin("format", name).read(path)


def _writable(name: str) -> list[str]:
    plug_in = plugin("format", name)
    return [suffix for suffix in plug_in.suffixes if suffix not in getattr(plug_in, "read_only", ())]


@plug_ins
def test_offers_what_the_contract_asks(name: str) -> None:
    plug_in = plugin("format", name)
    assert plug_in.suffixes and all(s.startswith(".") and s == s.lower() for s in plug_in.suffixes)
    assert next(iter(inspect.signature(plug_in.read).parameters)) == "path"
    assert list(inspect.signature(plug_in.write).parameters) == ["path", "radiograph"]
    for function in (plug_in.read, plug_in.write):
        assert function.__doc__ is not None and "Raises\n" in function.__doc__


def test_no_two_plug_ins_answer_to_one_suffix() -> None:
    suffixes = [suffix for plug_in in formats.known_formats() for suffix in plug_in.suffixes]
    assert len(suffixes) == len(set(suffixes))


@plug_ins
@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, 6, 4)], ids=str)
def test_round_trip_keeps_dtype_pixels_and_pitch(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    held = 0
    for number, suffix in enumerate(_writable(name)):
        for dtype in DTYPES if number == 0 else ("uint16",):
            path = tmp_path / f"{dtype}{suffix}"
            mask = np.random.default_rng(6).random(shape[-2:]) < 0.3
            radiograph = Radiograph(_image(dtype, shape), ACQUISITION, HISTORY, mask=mask)
            try:
                plugin("format", name).write(path, radiograph)
            except ImageWriteError as error:
                assert "TIFF" in str(error) and not path.exists()
                continue
            held += 1
            back = _read(name, path, radiograph.pixels)
            assert back.dtype == radiograph.dtype
            np.testing.assert_array_equal(back.pixels, radiograph.pixels)
            carries = getattr(plugin("format", name), "carries", frozenset({"pitch", "acquisition", "history", "mask"}))
            if "pitch" in carries:
                assert back.acquisition.pixel_pitch_mm == ACQUISITION.pixel_pitch_mm
            if "acquisition" in carries:
                assert back.acquisition == ACQUISITION
            if "history" in carries:
                assert back.history == HISTORY
            if "mask" in carries:
                assert (np.zeros_like(mask) if back.mask is None else back.mask).tolist() == mask.tolist()
            written = path.read_bytes()
            plugin("format", name).write(path, radiograph)
            assert path.read_bytes() == written, "the same radiograph gives the same bytes"
    assert held or len(shape) == 3


@plug_ins
def test_input_is_only_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"image{_writable(name)[0]}"
    radiograph = Radiograph(_image("uint16", (5, 7)), ACQUISITION)
    plugin("format", name).write(path, radiograph)
    before, status = path.read_bytes(), path.stat()
    back = _read(name, path, radiograph.pixels)
    back.pixels[:] = 0
    assert path.read_bytes() == before and path.stat().st_mtime_ns == status.st_mtime_ns
    np.testing.assert_array_equal(_read(name, path, radiograph.pixels).pixels, radiograph.pixels)


@plug_ins
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"no image\n", bytes(range(256)) * 4], ids=["empty", "nul", "text", "junk"]
)
def test_what_is_no_image_is_refused_in_one_line(name: str, data: bytes, tmp_path: Path) -> None:
    for suffix in plugin("format", name).suffixes:
        path = tmp_path / f"image{suffix}"
        path.write_bytes(data)
        with pytest.raises(ImageReadError) as caught:
            plugin("format", name).read(path)
        text = str(caught.value)
        assert text.startswith(path.name) and text.isprintable() and "; " in text


@plug_ins
def test_failed_write_leaves_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    radiograph = Radiograph(_image("uint16", (5, 7)))
    with pytest.raises(ImageWriteError, match="No space left on device"):
        plugin("format", name).write(tmp_path / f"image{_writable(name)[0]}", radiograph)
    assert os.listdir(tmp_path) == []
