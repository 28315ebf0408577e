"""Frames too large for memory: they lie on disk, and every pixel, hit and word is what it is for a frame in memory."""

import errno
import json
import os
import re
import tempfile
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray import scratch
from coldray.app.one import restore_file
from coldray.app.recipe import Recipe
from coldray.app.said import differences
from coldray.app.verify import Sources, verify
from coldray.errors import ImageWriteError
from coldray.formats import read_image, write_image
from coldray.physics import transfer
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.certificate import tiles
from coldray.restoration.model import Model, load_model
from coldray.restoration.pipeline import Job, restore

OPEN_BEAM = 50000.0
LEAST = 0.05 / 65535
"""What sums in another order may move a pixel by: a twentieth of a step of 16 bits."""
ROWS = 24
"""Of a strip, here."""


@pytest.fixture
def scene(frame_of, blend, pair):
    """Radiograph of squares beside even ground at 0.25 s with hits, some of them where strips meet; simulated."""

    def build(rows=190, cols=238, stored=True):
        squares = np.kron(np.random.default_rng(7).uniform(0.3, 0.9, (6, 8)), np.ones((20, 20)))
        truth = np.full((rows, cols), 0.8)
        truth[40:160, 40:200] = squares
        truth = gaussian_filter(truth, 1.2).astype(np.float32)
        blurred = frame_of(truth).operator(blend)(truth)
        measured = blurred + NoiseModel.of_detector(pair.blurred, 0.25).draw(blurred, np.random.default_rng(0))
        for row, col in ((ROWS - 1, 30), (ROWS, 90), (2 * ROWS, 9), (77, 0), (rows - 1, 120), (100, 180)):
            measured[row, col] += 0.4
        pixels = np.rint(measured * OPEN_BEAM).astype(np.uint16) if stored else measured.astype(np.float32)
        known = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM if stored else 1.0, linear=True)
        return Radiograph(pixels, known)

    return build


@pytest.fixture
def small_memory(monkeypatch):
    """Memory in which no frame of these tests has room, from the call on."""

    def begin(cols=238):
        monkeypatch.setattr(scratch, "LARGEST_WHOLE_PIXELS", 150 * 150)
        monkeypatch.setattr(scratch, "WORKED_PIXELS", ROWS * cols)
        monkeypatch.setattr(scratch, "HELD_PIXELS", 2 * ROWS * cols)

    return begin


def invented(image):
    """Add what the measurement denies: a bright block."""
    image[90:98, 110:120] += 0.3
    return image


def checkerboard(image):
    """Deny the measurement everywhere."""
    image += 0.2 * np.where(np.indices(image.shape).sum(axis=0) % 2, 1, -1).astype(np.float32)
    return image


def sharper(image):
    """Answer with a detail more than the linear estimate."""
    return image + np.float32(0.5) * (image - gaussian_filter(image, 1.0))


@pytest.fixture
def answering(answers):
    """Job whose network is as quick as a function."""

    def build(change, **settings):
        return Job(**{"method": "cold", "model": answers(change), "exposure_s": 0.25} | settings)

    return build


JOBS = {
    "default": lambda answering: Job(model=load_model(), exposure_s=0.25),
    "far from its training": lambda answering: Job(model=load_model(), exposure_s=0.012),
    "wiener": lambda answering: Job(method="wiener", exposure_s=0.25),
    "noise of the image": lambda answering: answering(sharper, exposure_s=None),
    "two steps": lambda answering: answering(sharper, options={"steps": 2}),
    "network everywhere": lambda answering: answering(sharper, even="network"),
    "no safeguards": lambda answering: answering(sharper, safeguards=False),
    **{
        f"contradicted, {how}": lambda answering, how=how: answering(invented, on_contradiction=how, even="network")
        for how in ("correct", "linear")
    },
    "contradicted under the gate": lambda answering: answering(invented),
    "contradicted everywhere": lambda answering: answering(checkerboard, even="network"),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_frame_on_disk_gives_what_one_in_memory_gives(scene, small_memory, name, answering):
    image, job = scene(stored=False), JOBS[name](answering)
    whole = restore(image, job)
    small_memory()
    found = restore(image, job)
    np.testing.assert_allclose(found.image.pixels, whole.image.pixels, rtol=0, atol=LEAST)
    assert found.consistency == whole.consistency
    assert found.image.history == whole.image.history
    assert (found.hits, found.warnings) == (whole.hits, whole.warnings)
    assert name == "no safeguards" or found.hits["bright"] >= 6
    masks = [np.zeros((1, 1)) if one.image.mask is None else one.image.mask for one in (found, whole)]
    np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("side", [(188, 236), (189, 237), (190, 239), (191, 238)])
def test_sides_of_every_remainder(scene, small_memory, side, answering):
    image, job = scene(*side, stored=False), answering(sharper)
    whole = restore(image, job)
    small_memory()
    np.testing.assert_allclose(restore(image, job).image.pixels, whole.image.pixels, rtol=0, atol=LEAST)


def test_a_mask_and_layers(scene, small_memory):
    image = scene(stored=False)
    mask = np.zeros(image.shape, dtype=bool)
    mask[:, 60] = mask[120:150, 5:30] = mask[ROWS - 1 : ROWS + 1, 100] = True
    image = replace(image, mask=mask)
    job = Job(model=load_model(), exposure_s=0.25, provenance=True, interval=True, keep_certificate=True)
    whole = restore(image, job)
    small_memory()
    found = restore(image, job)
    for one, other in (
        (found.image.pixels, whole.image.pixels),
        (found.provenance.layers, whole.provenance.layers),
        (found.interval.bounds, whole.interval.bounds),
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=LEAST)
    np.testing.assert_allclose(found.certificate.evidence, whole.certificate.evidence, rtol=0, atol=0.01)
    assert found.consistency == whole.consistency and found.hits == whole.hits


def test_what_is_held_in_memory_is_a_small_share_of_a_frame(scene, small_memory, monkeypatch, answering):
    """What numpy holds at once, in single precision images of the frame, from one size to a larger one."""
    job = answering(lambda image: image)

    def held():
        peaks = {}
        for side in (512, 1024):
            image = scene(side, side)
            restore(image, job)
            tracemalloc.start()
            restore(image, job)
            peaks[side] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return (peaks[1024] - peaks[512]) / (4 * (1024**2 - 512**2))

    whole = held()
    small_memory(512)
    monkeypatch.setattr(scratch, "STRIP_PIXELS", 2**14)
    found = held()
    assert whole > 8 and found < 2


BESIDE = {"provenance": True, "report": True, "certificate_map": True}
WAYS = {"wiener": {"method": "wiener"} | BESIDE, "network": {"interval": True} | BESIDE}
"""Commands that write and show everything that there is beside a result."""


@pytest.fixture
def quick(monkeypatch):
    """The shipped model with a network that answers with what it corrects, but for a bright block where it is told so."""

    def begin(block=False):
        def answer(channels, conditions):
            image = scratch.copied(channels[1], np.float32)
            return invented(image) if block else image

        answer.evaluations = 1
        monkeypatch.setattr(Model, "predictor", lambda *_: answer)

    return begin


@pytest.mark.parametrize("way", WAYS)
def test_every_way_writes_the_same_files(scene, small_memory, quick, tmp_path, way):
    source = tmp_path / "frame.tif"
    write_image(source, scene())
    quick(block=True)
    folders = tmp_path / "whole", tmp_path / "found"
    for folder in folders:
        folder.mkdir()
        restore_file(source, folder / "out.tif", Recipe(exposure_s=0.25, **WAYS[way]), record=True)
        small_memory()
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names[0] == names[1]
    for name in names[0]:
        whole, found = ((folder / name).read_bytes() for folder in folders)
        if name.endswith(".json"):
            assert differences(json.loads(whole), json.loads(found)) == []
        elif name.endswith(".tif"):
            if name == "out.interval.tif":  # products of matrices cut elsewhere
                whole, found = (read_image(folder / name).pixels for folder in folders)
                np.testing.assert_allclose(found, whole, rtol=0, atol=LEAST)
            else:
                assert found == whole, name
        elif name.endswith(".html"):
            # nothing in words differs but the time that it took; one shade in a picture may
            whole, found = (re.sub(rb"[0-9.]+ s\b|base64,[^\"]+", b"", page) for page in (whole, found))
            assert found == whole


@pytest.mark.parametrize("way", WAYS)
def test_no_way_holds_the_frame_in_memory(scene, small_memory, quick, monkeypatch, tmp_path, way):
    """What numpy holds at once for every further pixel, in single precision images of the frame."""
    for module in (scratch, tiles):
        monkeypatch.setattr(module, "STRIP_PIXELS", 2**14)
    for name in ("KEPT_PLACES", "PARALLEL_PIXELS"):  # transforms go by blocks, as those of large frames do
        monkeypatch.setattr(transfer, name, 0)
    quick()
    small_memory(1000)
    # the pictures of a report are as large whatever the frame is, and slow to watch
    source, recipe, peaks = tmp_path / "frame.tif", Recipe(exposure_s=0.25, **WAYS[way] | {"report": False}), []
    for rows in (480, 480, 1120):
        write_image(source, scene(rows, 200))
        tracemalloc.start()
        restore_file(source, tmp_path / f"{len(peaks)}.tif", recipe)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # a transform takes 1024 columns at once: here all of them
    assert (peaks[2] - peaks[1]) / (4 * 200 * (1120 - 480)) < 2


def test_a_record_of_a_large_frame_is_verified(scene, small_memory, quick, tmp_path):
    source, target = tmp_path / "frame.tif", tmp_path / "out.tif"
    write_image(source, scene())
    quick()
    small_memory()
    restore_file(source, target, Recipe(exposure_s=0.25, provenance=True), record=True)
    said = verify(target, Sources())
    assert said["matches"] and said["repeated"]["same_bytes"]
    image = read_image(target)
    image.pixels[ROWS, 5] += 3
    write_image(target, image)
    said = verify(target, Sources())
    assert not said["matches"] and said["repeated"]["largest_difference_lsb16"] == 3


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="a full disk is met where it is written to there")
def test_a_disk_without_room_leaves_no_output(scene, small_memory, monkeypatch, tmp_path):
    source, target = tmp_path / "frame.tif", tmp_path / "out.tif"
    write_image(source, scene())
    small_memory()
    left = [12]

    def full(*_):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ImageWriteError, match="TMPDIR"):
        restore_file(source, target, Recipe(exposure_s=0.25), record=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frame.tif"]


def test_a_file_of_a_large_frame_has_the_same_bytes(scene, small_memory, tmp_path):
    source = tmp_path / "frame.tif"
    write_image(source, scene())
    restore_file(source, tmp_path / "whole.tif", Recipe(exposure_s=0.25))
    small_memory()
    restore_file(source, tmp_path / "found.tif", Recipe(exposure_s=0.25))
    assert (tmp_path / "found.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert read_image(tmp_path / "found.tif").mask is not None
