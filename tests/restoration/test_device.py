"""Where networks run: what can be asked for, what happens where it is not there, and a GPU's answers against the processor's."""

import re

import numpy as np
import pytest

from coldray.errors import SettingsError
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration import device, fast
from coldray.restoration.device import chosen, device_of, devices
from coldray.restoration.fast import BYTES_PER_PIXEL, Device
from coldray.restoration.job import Job
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import restore
from coldray.restoration.tiles import TILE_BUDGET_PIXELS

STEP = 1 / 65535


@pytest.fixture
def gpu():
    """The first device that Vulkan lists, software included."""
    if not devices():
        pytest.skip(
            "Vulkan lists no device (a software one: mesa-vulkan-drivers), or the extra `fast` is not installed"
        )
    return devices()[0]


@pytest.fixture
def listed(monkeypatch):
    """Pretend that Vulkan lists these devices."""

    def those(*found):
        monkeypatch.setattr(device, "devices", lambda: found)

    return those


HARDWARE, SOFTWARE = Device(1, "card", False, 8192.0), Device(0, "llvmpipe", True, 4096.0)


@pytest.mark.parametrize(
    ("text", "wanted"), [("cpu", "cpu"), ("auto", "auto"), ("gpu", 0), ("gpu:0", 0), ("gpu:12", 12)]
)
def test_what_can_be_asked_for(text, wanted):
    assert chosen(text) == wanted


@pytest.mark.parametrize("text", ["", "GPU", "cuda", "gpu:", "gpu:-1", "gpu:1x", "gpu:1234", " gpu"])
def test_anything_else_is_refused_before_anything_is_computed(text):
    with pytest.raises(SettingsError, match=re.escape(f"`device` is {text!r}")):
        restore(Radiograph(np.ones((8, 8), dtype=np.float32)), Job(model=load_model(), device=text))


def test_auto_takes_no_software_and_says_nothing_without_hardware(listed):
    listed(SOFTWARE, HARDWARE)
    assert device_of("auto") == (HARDWARE, "") and device_of("gpu:1") == (HARDWARE, "")
    assert device_of("gpu") == (SOFTWARE, "")
    listed(SOFTWARE)
    assert device_of("auto") == (None, "")
    assert device_of("cpu") == (None, "")


@pytest.fixture
def board(frame_of, blend, pair):
    """Squares of random transmission, blurred, with the noise of 0.25 s."""
    truth = np.kron(np.random.default_rng(3).uniform(0.2, 0.9, (12, 14)), np.ones((8, 8))).astype(np.float32)
    blurred = frame_of(truth).operator(blend)(truth)
    image = blurred + NoiseModel.of_detector(pair.blurred, 0.25).draw(blurred, np.random.default_rng(1))
    known = Acquisition(pixel_pitch_mm=pair.pixel_pitch_mm, open_beam=1.0, linear=True)
    return Radiograph(image.astype(np.float32), known)


def test_a_device_that_is_not_there_is_said_in_one_line_and_the_processor_is_used(listed, board):
    listed()
    found = restore(board, Job(model=load_model(), device="gpu:3", exposure_s=0.25))
    assert [w for w in found.warnings if "gpu:3" in w] == [
        "there is no gpu:3, and the network runs on the processor (found: none; it needs the extra `fast` and a Vulkan driver)"
    ]
    np.testing.assert_array_equal(
        found.image.pixels, restore(board, Job(model=load_model(), exposure_s=0.25)).image.pixels
    )
    listed(SOFTWARE, HARDWARE)
    assert device_of("gpu:3")[1].endswith("(found: gpu:0 llvmpipe, gpu:1 card)")


def test_tiles_fit_the_memory_of_a_device():
    assert HARDWARE.tile_pixels(TILE_BUDGET_PIXELS) == TILE_BUDGET_PIXELS
    small = Device(0, "small", False, 256.0).tile_pixels(TILE_BUDGET_PIXELS)
    assert 0 < small * BYTES_PER_PIXEL <= 128 * 2**20


def test_a_device_whose_answers_are_wrong_is_not_used(gpu, monkeypatch):
    model = load_model()
    monkeypatch.setattr(fast, "PARITY", -1.0)
    predictor = model.predictor(device=f"gpu:{gpu.number}")
    assert re.search(r"the engine gpu:0 .* misses the model's stored answer .*; the processor is used", predictor.note)


@pytest.mark.parametrize("shape", [(64, 96), (160, 32)])
def test_a_gpu_gives_the_processors_answer(gpu, shape):
    """To 0.05 steps of 16 bits, and twice the same bits."""
    model = load_model()
    rng = np.random.default_rng(1)
    scene = np.kron(rng.uniform(0.1, 1, (shape[0] // 8, shape[1] // 8)), np.ones((8, 8)))
    image = np.stack([scene + rng.normal(0, 0.01, shape) for _ in range(3)])[None].astype(np.float32)
    told = np.array(model.header["probe"]["conditions"], dtype=np.float32)[None]
    here, note = fast.fast_engine(model.path, model.header)
    there, other = fast.fast_engine(model.path, model.header, gpu)
    assert here is not None and there is not None and note == other == ""
    answer = there.run(image, told)
    assert np.abs(answer - here.run(image, told)).max() < 0.05 * STEP
    np.testing.assert_array_equal(answer, there.run(image, told))


def test_a_restoration_on_a_gpu_is_that_of_the_processor(gpu, board):
    jobs = (Job(model=load_model(), device=name, exposure_s=0.25) for name in ("cpu", f"gpu:{gpu.number}"))
    here, there = (restore(board, job) for job in jobs)
    assert here.evaluations == there.evaluations == 1
    assert np.abs(here.image.pixels - there.image.pixels).max() < 0.05 * STEP
    assert here.consistency["verdict"] == there.consistency["verdict"] and here.warnings == there.warnings


def test_the_record_names_the_device(gpu):
    from coldray.app.recipe import environment

    assert environment(device="cpu")["engine"] == f"ncnn {fast.available()}"
    assert environment(device="gpu")["engine"] == f"ncnn {fast.available()} on {gpu}"


def test_drivers_print_nothing(gpu, capfd):
    devices.cache_clear()
    assert devices()[0] == gpu
    assert capfd.readouterr().err == ""
