"""All families by name, with the role each may play."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coldray.objects.boards import _radio, _seen, _unseen
from coldray.objects.boards._stack import Board

Generator = Callable[[tuple[int, int], float, np.random.Generator], Board]

GENERATORS: dict[str, tuple[str, Generator]] = {
    "dense_bga": ("train", _seen.dense_bga),
    "mixed_signal": ("train", _seen.mixed_signal),
    "power": ("train", _seen.power),
    "rf": ("train", _radio.rf),
    "flex_fine": ("train", _seen.flex_fine),
    "discrete": ("train", _seen.discrete),
    "through_hole": ("train", _seen.through_hole),
    "memory_module": ("validation", _seen.memory_module),
    "led_driver": ("validation", _seen.led_driver),
    "sensor_mcu": ("test", _unseen.sensor_mcu),
    "chip_on_board": ("test", _unseen.chip_on_board),
    "backplane": ("test", _unseen.backplane),
    "handheld": ("test", _unseen.handheld),
    "motor_control": ("test", _unseen.motor_control),
    "power_module": ("test", _unseen.power_module),
}
