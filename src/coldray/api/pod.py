"""`pod`: known defects in a user's own image, and how likely they are found raw, linear and restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from coldray.api.inputs import Image, radiograph_of
from coldray.api.restore import Restorer
from coldray.api.results import Result
from coldray.benchmark.pod.design import DEFECTS, Question
from coldray.benchmark.pod.study import Study, pod_study
from coldray.document import Json, as_cell
from coldray.errors import SettingsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from coldray.physics.tables import Column

FEWEST_DEFECTS = 8
UNUSED = ("average", "interval", "response")
"""Settings of a restoration without a part in this: one frame is studied, and read in the response that it was taken in."""
_HOW_READ = "one frame is studied, and defects are read in its own response"


@dataclass(frozen=True, eq=False, repr=False)
class Pod(Result):
    """Probability of detection of known defects in one image.

    Parameters
    ----------
    study : Study
        Readings, curves and maps.
    warnings : tuple of str
    """

    study: Study
    warnings: tuple[str, ...] = field(default=())

    _title = "Probability of detection: simulated defects in a measured image"

    def facts(self) -> list[tuple[str, str]]:
        """a90 and a90/95 of every kind, by hit/miss, in every arm."""
        from coldray.reports.measurements import number

        found = []
        for kind in self.study.sizes_mm:
            fits = [self.study.of(kind, arm, "hit_miss") for arm in self.study.arms]
            cells = [f"{f.arm} {number(f.a90_mm, digits=3)} / {number(f.a90_95_mm, digits=3)}" for f in fits]
            found.append((f"{kind}: a90 / a90/95 [mm]", ", ".join(cells)))
        return found

    def columns(self) -> Mapping[str, Column]:
        """a90 and a90/95 by kind, arm and analysis."""
        rows = [one.to_json() for one in self.study.fits]
        return {
            name: [as_cell(row[name]) for row in rows]
            for name in ("kind", "arm", "analysis", "a90_mm", "a90_95_mm", "note")
        }

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form, with the keys of the command line."""
        from coldray.benchmark.pod.results import study_json

        return study_json(self.study) | {"warnings": list(self.warnings)}

    def _draw(self, ax: Axes) -> None:
        from coldray.benchmark.pod.report import draw_pod

        draw_pod(ax, self.study, next(iter(self.study.sizes_mm)))
        ax.legend(loc="lower right")


def pod(
    image: Image,
    kinds: str | Sequence[str] = ("void", "crack", "inclusion"),
    sizes_mm: Sequence[float] | None = None,
    *,
    contrast: float = 0.1,
    contrast_per_mm: float | None = None,
    regions: Sequence[tuple[int, int, int, int]] = (),
    defects: int = DEFECTS,
    progress: Callable[[int, int, str], None] | None = None,
    **settings: Any,
) -> Pod:
    """Measure how likely known defects are found in an image: raw, after a Wiener filter, and restored.

    Parameters
    ----------
    image : ndarray (rows, cols), path or Radiograph
        One linear frame, of even ground or of an object.
    kinds : str or sequence of str
        "void", "crack" or "inclusion".
    sizes_mm : sequence of float, optional
        Sizes of every kind [mm]; eight from hardly visible to plain by default.
    contrast : float
        Relative change of the signal by a defect before any blur, 0 to 1.
    contrast_per_mm : float, optional
        Contrast per size [1/mm] instead, for defects as deep as they are wide: ``contrast`` is not used then.
    regions : sequence of (x, y, width, height)
        Where defects are put [pixels]; anywhere by default.
    defects : int
        Of each kind and size, at least.
    progress : callable, optional
        Told ``(done, whole, note)``.
    **settings
        Keyword parameters of `Restorer`: detectors, ``exposure_s``, ``method`` and so on.

    Returns
    -------
    Pod
        a90 and a90/95 by hit/miss and by signal response, and where the smallest defect is still found.

    Raises
    ------
    MeasurementError
        If a defect does not fit into the image or the regions.
    SettingsError
        If an argument or a setting is unknown, or outside its range.
    ColdrayError
        As for `restore`.

    References
    ----------
    MIL-HDBK-1823A (2009).
    """
    given = {"contrast": contrast} | ({} if contrast_per_mm is None else {"contrast_per_mm": contrast_per_mm})
    for name, value in given.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < 1e6:
            raise SettingsError(f"{name} is {value!r}; a positive number is needed")
    if isinstance(defects, bool) or not isinstance(defects, Integral) or not FEWEST_DEFECTS <= defects <= 10000:
        raise SettingsError(f"defects is {defects!r}; a whole number from {FEWEST_DEFECTS} to 10000 is needed")
    for name in UNUSED:
        if settings.get(name):
            raise SettingsError(f"{name} has no part in a POD: {_HOW_READ}; leave it out")
    measured = radiograph_of(image)
    restorer = Restorer(**settings)
    job = restorer.job_for(measured, image)
    left_out = [f"the response curve of the profile is left out: {_HOW_READ}"] if job.response is not None else []
    question = Question(
        _tuple((kinds,) if isinstance(kinds, str) else kinds, "kinds", str),
        tuple(float(size) for size in _tuple(() if sizes_mm is None else sizes_mm, "sizes_mm", Real)),
        float(contrast),
        None if contrast_per_mm is None else float(contrast_per_mm),
        tuple(_region(one) for one in _tuple(regions, "regions", object)),
        int(defects),
        job.random_state,
    )
    from coldray.formats import reading_notes

    study = pod_study(measured, job, question, progress or (lambda *_: None))
    return Pod(study, tuple(dict.fromkeys([*reading_notes(measured), *left_out, *study.warnings])))


def _tuple(values: Any, parameter: str, kind: type) -> tuple[Any, ...]:
    """Values of one kind as a tuple; SettingsError if they are none."""
    try:
        found = tuple(values.tolist() if hasattr(values, "tolist") else values)
    except TypeError:
        found = (None,)
    if any(not isinstance(value, kind) or value is None for value in found):
        raise SettingsError(f"{parameter} is {values!r}; a sequence of {kind.__name__.lower()} values is needed")
    return found


def _region(value: Any) -> tuple[int, int, int, int]:
    """One region X, Y, width, height of whole pixels."""
    found = _tuple(value, "regions", Integral)
    if len(found) != 4:
        raise SettingsError(f"a region is {value!r}; (x, y, width, height) in pixels is needed")
    return (int(found[0]), int(found[1]), int(found[2]), int(found[3]))
