"""Where a network is run: on the processor, or on a graphics processor through Vulkan."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from coldray.errors import SettingsError
from coldray.restoration.fast import Device, available

CPU, AUTO, GPU = "cpu", "auto", "gpu"
_SOFTWARE = 3
"""Kind of a Vulkan device that is the processor itself."""


def chosen(text: str) -> int | str:
    """What a text asks for: "cpu", "auto", or the number of a graphics processor.

    Raises
    ------
    SettingsError
        If it is none of them.
    """
    found = re.fullmatch(r"gpu(?::(\d{1,3}))?", text)
    if found:
        return int(found[1] or 0)
    if text not in (CPU, AUTO):
        raise SettingsError(f"`device` is {text!r}; choose {AUTO}, {CPU}, {GPU} or {GPU}:NUMBER")
    return text


def device_of(text: str) -> tuple[Device | None, str]:
    """Graphics processor that a text asks for.

    Returns
    -------
    device : Device or None
        None for the processor.
    note : str
        One sentence where one was asked for that is not there; else empty.

    Notes
    -----
    "auto" takes the first that is no software, and says nothing if there is none.
    """
    wanted = chosen(text)
    if wanted == CPU:
        return None, ""
    there = devices()
    if wanted == AUTO:
        return next((one for one in there if not one.software), None), ""
    if isinstance(wanted, int) and wanted < len(there):
        return there[wanted], ""
    listed = ", ".join(map(str, there)) or "none; it needs the extra `fast` and a Vulkan driver"
    return None, f"there is no {GPU}:{wanted}, and the network runs on the processor (found: {listed})"


@cache
def devices() -> tuple[Device, ...]:
    """All graphics processors that the engine ncnn finds; none without it."""
    if available() is None:
        return ()
    import ncnn

    found = []
    with _quiet_drivers():
        for number in range(ncnn.get_gpu_count()):
            info = ncnn.get_gpu_info(number)
            memory = float(ncnn.get_gpu_device(number).get_heap_budget())
            found.append(Device(number, info.device_name(), info.type() == _SOFTWARE, memory))
    return tuple(found)


_one_at_a_time = threading.Lock()


@contextmanager
def _quiet_drivers() -> Iterator[None]:
    """Keep what drivers and their loader print off the console; what other threads write to it meanwhile is lost too."""
    with _one_at_a_time:
        try:
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        except OSError:  # no console
            yield
            return
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
