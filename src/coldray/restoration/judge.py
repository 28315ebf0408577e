"""Judge results of a frame as they would be written: what is lost in writing, and what the measurement says."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldray.frame import Frame, Gain
from coldray.images.scale import Scale
from coldray.plugins import Degradation
from coldray.restoration.certificate.certify import Certificate, certify, tile_energy
from coldray.restoration.certificate.tiles import BandEnergy
from coldray.restoration.guard import Written, written


@dataclass(frozen=True, eq=False)
class Verdict:
    """A result as it would be written, and its certificate unless nobody asked for one."""

    written: Written
    certificate: Certificate | None


@dataclass(eq=False)
class Judge:
    """Certifies results of one frame as they would be written, and adds up the time it takes.

    Parameters
    ----------
    frame : Frame
        What was measured.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    excluded : ndarray of bool, shape (rows, cols), optional
        Where nothing was measured.
    scale : Scale
    stored : ndarray, shape (rows, cols)
        What was measured, in stored values.
    as_written : bool
        Whether what is written is judged; the result before that otherwise.
    linear : ndarray of bool, shape (rows, cols), optional
        Where the result is a linear filter of the measurement.
    unmeasured : ndarray of bool, shape (rows, cols), optional
        Single pixels with a prediction in place of a measurement. A prediction contradicts nothing: what is compared there
        is the blurred result with itself.
    certified : bool
        Whether a certificate is made; what is lost in writing is told in any case.
    """

    frame: Frame
    degradation: Degradation
    excluded: NDArray[np.bool_] | None
    scale: Scale
    stored: NDArray[np.number]
    as_written: bool
    linear: NDArray[np.bool_] | None
    unmeasured: NDArray[np.bool_] | None = None
    certified: bool = True
    seconds: float = 0.0

    def __call__(self, result: NDArray[np.float32], gain: Gain | None) -> Verdict:
        """Judge a result; `gain` as for `certify`."""
        began = time.perf_counter()
        found = self._written(result)
        if not self.certified:
            return Verdict(found, None)
        frame = self._measured(found)
        certificate = certify(
            frame, self.degradation, found.fraction, gain=gain, excluded=self.excluded, linear=self.linear
        )
        self.seconds += time.perf_counter() - began
        return Verdict(found, certificate)

    def energy(self, result: NDArray[np.float32]) -> tuple[Frame, BandEnergy]:
        """What a result is judged by, and the energy of its residual as a certificate without a gain would find it."""
        began = time.perf_counter()
        found = self._written(result)
        frame = self._measured(found)
        energy = tile_energy(frame, self.degradation, found.fraction, excluded=self.excluded, linear=self.linear)
        self.seconds += time.perf_counter() - began
        return frame, energy

    def _written(self, result: NDArray[np.float32]) -> Written:
        """A result as it is judged."""
        found = written(self.stored, result, self.scale)
        return found if self.as_written else replace(found, fraction=result)

    def _measured(self, found: Written) -> Frame:
        """What a result is judged by."""
        if self.unmeasured is None:
            return self.frame
        blurred = self.frame.operator(self.degradation)(found.fraction)
        return replace(self.frame, blurred=np.where(self.unmeasured, blurred, self.frame.blurred))
