"""TIFF files of frames too large for memory: tiled and BigTIFF, read onto disk and written as they came."""

import mmap

import numpy as np
import pytest
import tifffile

from coldray import scratch
from coldray.errors import ImageReadError
from coldray.formats import read_image, write_image
from coldray.formats._tiff_layout import stored_bytes


def on_disk(array):
    owner = array
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = getattr(owner, "base", None)
    return owner is not None


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 4000, (150, 170), dtype=np.uint16)


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(scratch, "LARGEST_WHOLE_PIXELS", 100 * 100)


KINDS = [
    {},
    {"tile": (32, 48)},
    {"tile": (64, 64), "compression": "zlib", "predictor": True},
    {"bigtiff": True, "tile": (16, 16)},
    {"rowsperstrip": 7, "compression": "zlib"},
    {"byteorder": ">"},
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_page_is_read_onto_disk(tmp_path, pixels, large, kind):
    tifffile.imwrite(tmp_path / "a.tif", pixels, **kind)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert on_disk(image.pixels) and image.pixels.dtype.isnative


def test_small_ones_are_kept_in_memory(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(32, 32))
    assert not on_disk(read_image(tmp_path / "a.tif").pixels)


def test_a_stack_of_large_pages_is_read_onto_disk(tmp_path, pixels, large):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([pixels, pixels + 1]), tile=(32, 32), photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, [pixels, pixels + 1])
    assert on_disk(image.pixels)


@pytest.mark.parametrize("kind", [{"tile": (32, 48)}, {"tile": (64, 64), "compression": "zlib"}, {}])
def test_tiles_stay_tiles(tmp_path, pixels, kind):
    tifffile.imwrite(tmp_path / "a.tif", pixels, **kind)
    write_image(tmp_path / "b.tif", read_image(tmp_path / "a.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as found:
        page = found.pages[0]
        assert page.is_tiled == ("tile" in kind)
        if "tile" in kind:
            assert (page.tilelength, page.tilewidth) == kind["tile"]
        np.testing.assert_array_equal(page.asarray(), pixels)


@pytest.mark.parametrize("tile", [None, (16, 16), (64, 128), (256, 256)])
@pytest.mark.parametrize("frames", [1, 3])
def test_the_size_of_a_file_is_known_before_it_is_written(tmp_path, pixels, tile, frames):
    """The form for more than 4 GB is chosen by it: what tiles hold beyond the image counts."""
    stack = pixels if frames == 1 else np.stack([pixels] * frames)
    tifffile.imwrite(tmp_path / "a.tif", stack, tile=tile, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", image)
    size = (tmp_path / "b.tif").stat().st_size
    expected = stored_bytes(image.pixels.shape, image.pixels.itemsize, tile)
    with tifffile.TiffFile(tmp_path / "b.tif") as found:
        tables = sum(tag.count * 8 for page in found.pages for tag in page.tags.values() if tag.code in (324, 325))
        beside = len(found.pages[0].description) + 1024 * frames
    assert expected - tables <= size <= expected + beside


def test_pixels_that_are_not_finite_are_counted_strip_by_strip(tmp_path, large, monkeypatch):
    monkeypatch.setattr(scratch, "STRIP_PIXELS", 1000)
    pixels = np.ones((120, 130), dtype=np.float32)
    pixels[5, 5], pixels[70, 80], pixels[119, 129] = np.nan, np.inf, np.nan
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(ImageReadError, match=r"3 of 15600 pixels .* \(2 NaN, 1 infinite\)"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_large_image_is_written_in_parts_to_the_same_file(tmp_path, pixels, monkeypatch, kind, frames):
    stack = pixels if frames == 1 else np.stack([pixels + n for n in range(frames)])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", **kind)
    write_image(tmp_path / "whole.tif", read_image(tmp_path / "a.tif"))
    monkeypatch.setattr(scratch, "LARGEST_WHOLE_PIXELS", 100 * 100)
    monkeypatch.setattr(scratch, "STRIP_PIXELS", 3000)
    image = read_image(tmp_path / "a.tif")
    assert on_disk(image.pixels)
    write_image(tmp_path / "parts.tif", image)
    if frames == 1 or "tile" not in kind:
        assert (tmp_path / "parts.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
        return
    # tifffile lets later pages of plain tiles share a table of sizes, or not
    with tifffile.TiffFile(tmp_path / "parts.tif") as parts, tifffile.TiffFile(tmp_path / "whole.tif") as whole:
        for mine, theirs in zip(parts.pages, whole.pages, strict=True):
            assert {tag.name: tag.value for tag in mine.tags} == {tag.name: tag.value for tag in theirs.tags}
            np.testing.assert_array_equal(mine.asarray(), theirs.asarray())
