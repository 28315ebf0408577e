"""Blur of the detector and of the focal spot: ``focal_spot:SPOT_UM,MAGNIFICATION[,SHAPE]``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from coldray.degradations._strength import check_strength
from coldray.document import Json
from coldray.errors import PhysicsError, SettingsError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.focal_spot import FocalSpot
from coldray.physics.pair import DetectorPair

ARGUMENT = "SPOT_UM,MAGNIFICATION[,SHAPE]"


@dataclass(frozen=True, eq=False)
class Degradation:
    """From the sharp detector in front of a point source to the blurred detector in front of a real one.

    Parameters
    ----------
    pair : DetectorPair
        The two detectors.
    geometry : FocalSpot
        Focal spot and magnification of the image; without a spot it is the blend of the paper.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray import load_detector
    >>> from coldray.degradations.focal_spot import with_argument
    >>> from coldray.physics.pair import DetectorPair
    >>> pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    >>> blur = with_argument("100,1.5,gaussian")(pair)
    >>> f = np.array([0.0, 2.0])
    >>> bool(np.allclose(blur.transfer(f, 1.0), pair.ratio(f) * np.exp(-2 * (np.pi * 0.05 / 2.3548 * f) ** 2)))
    True
    """

    pair: DetectorPair
    geometry: FocalSpot = field(default_factory=FocalSpot)

    def of_pair(self, pair: DetectorPair) -> Degradation:
        """The same geometry between other detectors."""
        return replace(self, pair=pair)

    def transfer(self, frequency_lp_mm: NDArray[np.floating], strength: float) -> NDArray[np.float64]:
        """Contrast that survives a partial blur by detector and focal spot.

        Parameters
        ----------
        frequency_lp_mm : ndarray, any shape
            Spatial frequency at the detector plane [cycles/mm].
        strength : float
            0 leaves the sharp image, 1 gives the blurred one.

        Returns
        -------
        ndarray, same shape
            1 - strength (1 - T MTF_blurred / MTF_sharp), T the transfer of the spot's shadow F (M - 1); 1 at zero. The
            product is held at the pair's floor, beyond which nothing is sharpened further.

        Raises
        ------
        StrengthError
            If `strength` is outside [0, 1].
        """
        check_strength(strength)
        blur = np.maximum(self.pair.ratio(frequency_lp_mm) * self.geometry.transfer(frequency_lp_mm), self.pair.floor)
        return np.asarray(1.0 - strength * (1.0 - blur))

    def told(self) -> dict[str, Json]:
        """Geometry, pixel and MTF50 of both detectors in the plane of the object, for the history of a result."""
        geometry, pair = self.geometry, self.pair
        curves = {
            "measured": geometry.object_plane(pair.blurred.mtf),
            "restored_towards": geometry.object_plane(pair.sharp.mtf, with_spot=False),
        }
        return {
            "focal_spot_um": geometry.spot_um,
            "focal_shape": geometry.shape,
            "magnification": geometry.magnification,
            "unsharpness_mm": round(geometry.unsharpness_mm, 6),
            "object_pixel_mm": round(pair.pixel_pitch_mm / geometry.magnification, 6),
            "object_mtf50_lp_mm": {name: _mtf50(curve) for name, curve in curves.items()},
        }


def _mtf50(curve: FrequencyCurve) -> float | None:
    found = curve.frequency_at(0.5)
    return None if found is None else round(found, 4)


def with_argument(argument: str) -> partial[Degradation]:
    """What makes the degradation of a pair for a text ``SPOT_UM,MAGNIFICATION[,SHAPE]``.

    Raises
    ------
    SettingsError
        If the text is none.
    """
    try:
        return partial(Degradation, geometry=FocalSpot.parse(argument))
    except PhysicsError as problem:
        raise SettingsError(f"`degradation` focal_spot: {problem}") from None
