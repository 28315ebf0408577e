"""FITS and HDF5: the image is found, scaled as stated, bounded and refused in one line."""

import sys
from pathlib import Path

import numpy as np
import pytest

from coldray.errors import ImageReadError
from coldray.formats import read_image, reading_notes

fits = pytest.importorskip("astropy.io.fits", reason="needs the science extra")
h5py = pytest.importorskip("h5py", reason="needs the science extra")
RNG = np.random.default_rng(51)
FRAME = RNG.integers(0, 60000, (24, 31)).astype(np.uint16)
REAL = Path(__file__).parents[3] / "shared" / "data" / "real" / "neutron_counts_ibeatles_mit"


def test_fits_header_and_scale(tmp_path):
    unit = fits.PrimaryHDU(FRAME)
    unit.header["EXPTIME"], unit.header["XPIXSZ"], unit.header["YPIXSZ"] = 0.5, 49.5, 49.5
    unit.writeto(tmp_path / "a.fits")
    read = read_image(tmp_path / "a.fits")
    assert read.dtype == np.uint16 and np.array_equal(read.pixels, FRAME)
    assert (read.acquisition.exposure_s, read.acquisition.pixel_pitch_mm) == (0.5, pytest.approx(0.0495))
    scaled = fits.PrimaryHDU(FRAME.astype(np.float32) / 4 - 3)
    scaled.scale("int16", bscale=0.25, bzero=8192)
    scaled.writeto(tmp_path / "s.fits")
    again = read_image(tmp_path / "s.fits")
    np.testing.assert_allclose(again.pixels, FRAME / 4 - 3, atol=0.2)
    assert "scale of the file applied" in reading_notes(again)[0]


def test_fits_image_in_an_extension_compressed_or_not(tmp_path):
    stack = RNG.integers(0, 200, (3, 24, 31)).astype(np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(stack), fits.ImageHDU(FRAME)]).writeto(tmp_path / "e.fits")
    read = read_image(tmp_path / "e.fits")
    assert np.array_equal(read.pixels, stack) and "1 further" in reading_notes(read)[0]
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(FRAME)]).writeto(tmp_path / "c.fits")
    assert np.array_equal(read_image(tmp_path / "c.fits").pixels, FRAME)


@pytest.mark.parametrize(("slope", "zero"), [(1, 0), (1, 32768), (0.5, 100)])
@pytest.mark.parametrize("frames", [1, 2])
def test_fits_pixels_without_a_value_are_masked(slope, zero, frames, tmp_path):
    stored = RNG.integers(-900, 900, (frames, 20, 30)).astype(np.int16)
    stored[:, 3, 4], stored[-1, 7, 8] = -32768, -32768
    unit = fits.PrimaryHDU(stored if frames > 1 else stored[0])
    unit.header["BLANK"] = -32768
    unit.writeto(tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits", mode="update", do_not_scale_image_data=True) as units:
        units[0].header["BSCALE"], units[0].header["BZERO"] = slope, zero
    read = read_image(tmp_path / "b.fits")
    assert np.argwhere(read.mask).tolist() == [[3, 4], [7, 8]]
    wanted = stored * float(slope) + zero
    np.testing.assert_array_equal(read.pixels if frames > 1 else read.pixels[None], wanted)
    assert "blank" in reading_notes(read)[-1]


@pytest.mark.parametrize("change", ["cut", "huge", "empty", "nan"])
def test_fits_that_is_no_image_is_refused(change, tmp_path):
    path = tmp_path / "x.fits"
    data = np.full((24, 31), np.nan, np.float32) if change == "nan" else None if change == "empty" else FRAME
    fits.PrimaryHDU(data).writeto(path)
    content = path.read_bytes()
    if change == "cut":
        path.write_bytes(content[:2880] + content[2880:3000])
    if change == "huge":
        path.write_bytes(content.replace(b"NAXIS1  =                   31", b"NAXIS1  =            999999999"))
    with pytest.raises(ImageReadError, match=r"^x\.fits "):
        read_image(path)


def test_hdf5_usual_names_win_and_ambiguous_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "n.nxs", "w") as file:
        file["entry/data/data"], file["entry/dark"] = FRAME[None].repeat(2, 0), FRAME
        file["entry/angles"] = np.arange(9.0)
    assert read_image(tmp_path / "n.nxs").shape == (2, 24, 31)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"], file["two"] = FRAME, FRAME
    with pytest.raises(ImageReadError, match="2 images"):
        read_image(tmp_path / "a.h5")
    for named, first in (("one", ""), ("two", "run/plot")):
        with h5py.File(tmp_path / "d.nxs", "w") as file:
            group = file.create_group(first) if first else file
            group["one"], group["two"] = FRAME, FRAME + 1
            group.attrs["signal"] = np.bytes_(named) if first else named
            if first:
                file.attrs["default"], file["run"].attrs["default"] = "run", np.bytes_("plot")  # of a fixed length
        assert np.array_equal(read_image(tmp_path / "d.nxs").pixels, FRAME + (named == "two"))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["default"] = file.attrs["signal"] = "three"
    with pytest.raises(ImageReadError, match="2 images"):
        read_image(tmp_path / "a.h5")
    with h5py.File(tmp_path / "z.h5", "w") as file:
        file.create_dataset("x", data=FRAME, compression="gzip", chunks=(8, 8))
    assert np.array_equal(read_image(tmp_path / "z.h5").pixels, FRAME)


def test_hdf5_does_not_reach_out_of_its_file(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(FRAME.tobytes())
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file.create_dataset("image", FRAME.shape, FRAME.dtype, external=[(str(secret), 0, FRAME.nbytes)])
    with pytest.raises(ImageReadError, match="other files"):
        read_image(tmp_path / "e.h5")
    with h5py.File(tmp_path / "big.h5", "w") as file:
        file.create_dataset("image", (30000, 30000), np.uint16, chunks=(1000, 1000))
    with pytest.raises(ImageReadError, match="ceiling|holds only"):
        read_image(tmp_path / "big.h5")


@pytest.mark.parametrize("name", ["a.fits", "a.h5"])
def test_the_missing_extra_is_named(name, tmp_path, monkeypatch):
    if name.endswith("fits"):
        fits.PrimaryHDU(FRAME).writeto(tmp_path / name)
    else:
        with h5py.File(tmp_path / name, "w") as file:
            file["image"] = FRAME
    monkeypatch.setattr(sys.modules["coldray.reading"], "find_spec", lambda package: None)
    with pytest.raises(ImageReadError, match=r"coldray\[science\]"):
        read_image(tmp_path / name)


@pytest.mark.skipif(not REAL.is_dir(), reason="real radiographs are not beside the project")
def test_real_counts_are_read():
    read = read_image(REAL / "267.fits")
    assert read.shape == (512, 512) and read.pixels.sum() == pytest.approx(7796788, rel=1e-6)


def test_hdf5_packed_values_and_those_that_are_none(tmp_path):
    stored = RNG.integers(-900, 900, (2, 20, 30)).astype(np.int16)
    stored[0, 3, 4] = stored[1, 7, 8] = -9999
    with h5py.File(tmp_path / "p.h5", "w") as file:
        kept = file.create_dataset("image", data=stored)
        kept.attrs["scale_factor"], kept.attrs["add_offset"] = np.array([0.5]), np.float32(600)
        kept.attrs["_FillValue"] = np.array([-9999], np.int16)
    read = read_image(tmp_path / "p.h5")
    np.testing.assert_array_equal(read.pixels, stored * 0.5 + 600)
    assert np.argwhere(read.mask).tolist() == [[3, 4], [7, 8]]
    assert ["CF: -9999" in note or "(CF): grey value = 600 + 0.5" in note for note in reading_notes(read)] == [True] * 2
    with h5py.File(tmp_path / "p.h5", "r+") as file:
        file["image"].attrs["scale_factor"] = "2.0"  # some programs write numbers as text
    np.testing.assert_array_equal(read_image(tmp_path / "p.h5").pixels, stored * 2 + 600)
    cases = ((0.0, "impossible calibration"), (np.nan, "impossible calibration"), ("twice", "scale_factor that is not one number"),
             ([1.0, 2.0], "scale_factor that is not one number"))  # fmt: skip
    for odd, words in cases:
        with h5py.File(tmp_path / "p.h5", "r+") as file:
            file["image"].attrs["scale_factor"] = odd
        with pytest.raises(ImageReadError, match=words):
            read_image(tmp_path / "p.h5")


def written(path, stored, **attributes):
    with h5py.File(path, "w") as file:
        kept = file.create_dataset("image", data=stored)
        for name, value in attributes.items():
            kept.attrs[name] = value
    return path


def test_hdf5_every_number_that_stands_for_none_is_masked(tmp_path):
    stored = np.arange(12, dtype=np.int16).reshape(3, 4)
    read = read_image(
        written(tmp_path / "n.h5", stored, _FillValue=np.int16(0), missing_value=np.array([5, 11], np.int16))
    )
    assert np.flatnonzero(read.mask).tolist() == [0, 5, 11]
    with pytest.raises(ImageReadError, match="states missing_value that is not one or more numbers"):
        read_image(written(tmp_path / "n.h5", stored, missing_value="none"))


@pytest.mark.parametrize(
    ("attributes", "masked"),
    [
        ({"valid_range": np.array([2, 9], np.int16)}, [0, 1, 10, 11]),
        ({"valid_min": np.int16(2)}, [0, 1]),
        ({"valid_max": np.int16(9)}, [10, 11]),
        # of packed numbers, and of grey values: told by its type
        ({"scale_factor": 0.1, "valid_range": np.array([2, 9], np.int16)}, [0, 1, 10, 11]),
        ({"scale_factor": 0.1, "valid_range": np.array([0.2, 0.91])}, [0, 1, 10, 11]),
        ({"scale_factor": 0.1, "valid_range": np.array([0.0, 1.0])}, [11]),
    ],
)
def test_hdf5_what_lies_outside_of_the_valid_range_is_masked(attributes, masked, tmp_path):
    read = read_image(written(tmp_path / "v.h5", np.arange(12, dtype=np.int16).reshape(3, 4), **attributes))
    assert np.flatnonzero(read.mask).tolist() == masked
    assert "outside the range that the file calls valid" in " ".join(reading_notes(read))
    np.testing.assert_allclose(read.pixels, attributes.get("scale_factor", 1) * np.arange(12).reshape(3, 4), rtol=1e-6)


def test_hdf5_without_any_valid_pixel_is_refused(tmp_path):
    with pytest.raises(ImageReadError, match=r"^v\.h5 holds no pixel that it calls valid"):
        read_image(written(tmp_path / "v.h5", FRAME, valid_min=70000))
    with pytest.raises(ImageReadError, match="valid_range that is not 2 numbers"):
        read_image(written(tmp_path / "v.h5", FRAME, valid_range=7))


def test_hdf5_unsigned_numbers_kept_as_signed_ones(tmp_path):
    """NetCDF's classic files have no unsigned numbers; the attribute says that they are."""
    kept = {"_Unsigned": np.array([b"true"]), "_FillValue": np.int16(-1), "valid_range": np.array([0, -2], np.int16)}
    stored = FRAME.copy()
    stored[0, 0] = 65535
    read = read_image(written(tmp_path / "u.h5", stored.view(np.int16), **kept))
    assert read.dtype == np.uint16 and np.array_equal(read.pixels, stored)
    assert np.argwhere(read.mask).tolist() == [[0, 0]]


def test_hdf5_nexus_scale_is_applied_in_its_order_or_refused(tmp_path):
    path = tmp_path / "n.nxs"

    def write(**fields):
        with h5py.File(path, "w") as file:
            group = file.create_group("entry/data")
            group.attrs["NX_class"] = "NXdata"
            group["data"] = FRAME
            for name, value in fields.items():
                group[name] = value
        return path

    # (stored + offset) * factor where they are named after the field
    np.testing.assert_allclose(
        read_image(write(data_offset=-100, data_scaling_factor=0.5)).pixels, (FRAME - 100.0) * 0.5
    )
    np.testing.assert_allclose(read_image(write(scaling_factor=0.25)).pixels, FRAME * 0.25)
    np.testing.assert_array_equal(read_image(write(offset=-100)).pixels, FRAME.astype(np.int64) - 100)
    np.testing.assert_array_equal(read_image(write(scaling_factor=1.0, offset=0.0)).pixels, FRAME)
    for fields, words in (({"scaling_factor": 0.5, "offset": 3}, "without saying which comes first"),
                          ({"data_scaling_factor": np.arange(3.0)}, "data_scaling_factor that is not one number"),
                          ({"scaling_factor": h5py.ExternalLink("other.h5", "x")}, "scaling_factor that is not one number")):  # fmt: skip
        with pytest.raises(ImageReadError, match=words):
            read_image(write(**fields))


def test_hdf5_scales_of_no_convention_and_colours_are_refused_by_name(tmp_path):
    for name, nothing in {"slope": 1, "intercept": 0, "offset": 0, "scaling_factor": 1}.items():
        for other in (2.5, 1 - nothing):
            with pytest.raises(ImageReadError, match=f"states {name} on /image"):
                read_image(written(tmp_path / "s.h5", FRAME, **{name: other}))
        assert np.array_equal(read_image(written(tmp_path / "s.h5", FRAME, **{name: nothing})).pixels, FRAME)
    with pytest.raises(ImageReadError, match="is a colour image"):
        read_image(written(tmp_path / "c.h5", FRAME, CLASS=b"IMAGE", IMAGE_SUBCLASS=np.bytes_("IMAGE_TRUECOLOR")))
    dark = read_image(
        written(tmp_path / "d.h5", FRAME, IMAGE_WHITE_IS_ZERO=np.uint8(1), IMAGE_SUBCLASS=b"IMAGE_GRAYSCALE")
    )
    assert np.array_equal(dark.pixels, FRAME) and "larger means darker" in reading_notes(dark)[0]
