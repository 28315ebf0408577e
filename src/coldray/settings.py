"""Settings of a restoration, each declared once: command line, record, viewer, Python and their texts derive from here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, fields
from functools import cache
from typing import Any, Generic, TypeVar

from coldray.declaration import Setting, setting
from coldray.document import Json
from coldray.errors import SettingsError

GAINS = ("calibrated", "detail", "paper", "network")
"""Choices of the gain K: measured to have the least error, at least `coldray.gain.DETAIL_SHARE`, 1, or 0: the prediction alone."""
EVEN_LINEAR, EVEN_NETWORK = EVENS = ("linear", "network")
"""What even ground gets: one linear filter of the measurement, or whatever the network makes of it."""
CONTRADICTIONS = ("correct", "linear", "keep", "refuse")
"""What becomes of places where the certificate contradicts the network."""
ABOUT = ("part", "component_id", "order", "operator", "date")
"""What a quality folder is searched by, and may be stated where a file does not say it."""

DetectorT = TypeVar("DetectorT")
ModelT = TypeVar("ModelT")
FlatsT = TypeVar("FlatsT")


@dataclass(frozen=True, eq=False)
class Settings(Generic[DetectorT, ModelT, FlatsT]):
    """How images are restored.

    Notes
    -----
    Detectors, model and flat fields are names and files where settings are recorded and sent between processes
    (`coldray.app.recipe.Recipe`), and what was loaded from them where images are restored (`coldray.restoration.job.Job`).
    A new field needs the number of the next format of the record as ``since``.
    """

    blurred: DetectorT = setting("gos135", "detector", "Detector that took the image.", metavar="DET")
    sharp: DetectorT = setting("gos34", "detector", "Detector to restore towards.", metavar="DET")
    _: KW_ONLY
    method: str = setting("cold", "text", "Method: cold, direct, wiener or any other plug-in.")
    model: ModelT | None = setting(
        None, "model", "Model of methods that learn: name or file; the shipped one by default.", flags=("-m", "--model")
    )
    steps: int | None = setting(
        None,
        "whole",
        "Steps of methods that go step by step; the method's own number by default.",
        least=1,
        most=1000,
    )
    gain: str = setting(
        "calibrated",
        "text",
        "Data consistency of cold: calibrated (least error), detail (faint details stay), paper (K = 1) or network (K = 0).",
        words=GAINS,
    )
    degradation: str = setting(
        "mtf_blend",
        "text",
        "Physics of the blur: mtf_blend (the paper's), mtf_power, focal_spot:UM,MAGNIFICATION or any other plug-in.",
        page=False,
    )
    exposure_s: float | None = setting(
        None, "number", "Exposure of one frame; the noise is estimated from the image by default.", unit="s", above=0
    )
    flats: FlatsT | None = setting(
        None,
        "flats",
        "Flat fields of the same exposure, of which the noise is measured.",
        flags=("--noise",),
        metavar="FLATS",
        key="noise",
    )
    open_beam: float | None = setting(
        None, "number", "Stored value of the open beam; the file's by default.", unit="DN", above=0
    )
    response: Any = setting(
        None,
        "response",
        "Bring the result to the energy response of `sharp` by this curve: a response file, a step wedge as CSV (columns "
        "sharp,blurred), or hardening:A,C. Without it the result keeps the response of the detector that took the image.",
        metavar="FILE",
        page=False,
        since=7,
    )
    pixel_pitch_mm: float | None = setting(
        None,
        "number",
        "Pixel pitch, overriding the file.",
        unit="mm",
        above=0,
        stated=("pitch_um", "um", 1e-3),
    )
    interval: bool = setting(
        False,
        "switch",
        "Also give a lower and an upper image, between which the noise-free sharp image lies at 90 % of the pixels of an "
        "object like those that the model was calibrated on.",
        page=False,
        beside=True,
        since=7,
    )
    provenance: bool = setting(False, "switch", "Also give the provenance layers.", page=False, beside=True)
    report: bool = setting(
        False, "switch", "Also write reports as HTML and PDF.", python=False, page=False, beside=True
    )
    certificate_map: bool = setting(
        False,
        "switch",
        "Also write the map of the consistency certificate.",
        flags=("--map",),
        python=False,
        page=False,
        beside=True,
    )
    reference: str | None = setting(
        None,
        "path",
        "With `report`: sharper image to compare with, or a folder of them by name.",
        metavar="FILE|DIR",
        python=False,
        page=False,
        profile=False,
        beside=True,
    )
    sign: str | None = setting(
        None,
        "path",
        "Sign the record of every result with this private key (extra `sign`); folders get a record beside every result "
        "then. Without it nothing is signed.",
        metavar="KEY",
        python=False,
        page=False,
        beside=True,
        profile=False,
        recorded=False,
    )
    random_state: int = setting(
        0, "whole", "Random state of methods that draw; every frame of a stack has its own stream.", least=0, page=False
    )
    raw: str | None = setting(
        None,
        "text",
        "Geometry of raw files, e.g. 2048x2048:u2:offset=512.",
        python=False,
        page=False,
        profile=False,
    )
    options: Mapping[str, Json] = setting(
        None,
        "options",
        "Option of the method, e.g. samples=8.",
        flags=("--set",),
        metavar="NAME=VALUE",
        page=False,
    )
    about: Mapping[str, str] = setting(
        None,
        "texts",
        "What reports and records say of part and inspection, where the file does not or says otherwise: "
        "part, component_id, order, operator or date.",
        words=ABOUT,
        flags=("--set",),
        python=False,
        page=False,
        beside=True,
        since=6,
    )
    on_contradiction: str = setting(
        "correct",
        "text",
        "Where the measurement contradicts the network: the network's result as the measurement corrects it or the linear "
        "filter's, whichever the measurement finds less wrong (default), the linear filter's (linear), the network's as it is "
        "(keep), or no result (refuse).",
        words=CONTRADICTIONS,
        since=4,
        before="keep",
    )
    even: str = setting(
        EVEN_LINEAR,
        "text",
        "What ground without structure beyond noise gets: one linear filter, which keeps faint details (default), or "
        "whatever the network makes of it.",
        words=EVENS,
        since=4,
        before=EVEN_NETWORK,
    )
    even_contrast: float | None = setting(
        None,
        "number",
        "Contrast that faint details keep there, 0.1 to 1: more is clearer and noisier. The model's own, 0.48, by default.",
        least=0.1,
        most=1,
        metavar="SHARE",
        page=False,
        since=4,
    )
    device: str = setting(
        "cpu",
        "text",
        "Where the network runs: cpu (default), gpu or gpu:NUMBER (through Vulkan, with the extra `fast`), or auto, a GPU if "
        "there is one.",
        metavar="DEVICE",
        page=False,
        recorded=False,
    )
    filter_signal: float | None = setting(
        None,
        "number",
        "Mean signal, fraction of the open beam, that filters are worked out for; that of each frame by default. With it and "
        "`exposure_s` the frames of a series share their filters, and the second one works out none.",
        least=0.001,
        most=2,
        command=False,
        page=False,
        since=5,
    )
    judged: bool = setting(
        True,
        "switch",
        "Whether the result gets a certificate; without one no contradiction is found, and nothing stands in for the network.",
        python=False,
        command=False,
        page=False,
        since=5,
    )
    safeguards: bool = setting(
        True,
        "switch",
        "Whether nothing is written that is clipped, shifted or contradicted; off only to repeat what version 0.1 recorded.",
        python=False,
        command=False,
        page=False,
        since=4,
        before=False,
    )
    average: bool = setting(
        False,
        "switch",
        "Average all frames of all inputs, registered if they moved, and restore that ONE image; its noise is taken from "
        "how the frames differ. Without it every file, and every frame of a stack, is restored by itself.",
        page=False,
        profile=False,
        since=4,
    )
    profile: str | None = setting(
        None,
        "path",
        "Settings of a plant, by rules on tags, folder and pitch (`coldray profile init` writes one); what is stated beside "
        "it counts more.",
        metavar="FILE.toml",
        page=False,
        profile=False,
        recorded=False,
    )


@cache
def declared() -> Mapping[str, Setting]:
    """What is said of every setting, by its name, in the order of the record."""
    return {one.name: one.metadata["setting"] for one in fields(Settings)}


def laid_over(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others over them; of texts each by its name.

    Examples
    --------
    >>> from coldray.settings import laid_over
    >>> laid_over({"gain": "paper", "about": {"part": "pump", "order": "1"}}, {"about": {"order": "2"}})
    {'gain': 'paper', 'about': {'part': 'pump', 'order': '2'}}
    """
    known = declared()
    texts = {name for name in more if name in settings and known[name].kind == "texts"}
    return {**settings, **more, **{name: {**settings[name], **more[name]} for name in texts}}


@cache
def defaults() -> Mapping[str, Json]:
    """Value of every setting that nobody states."""
    return {one.name: {} if one.default is MISSING else one.default for one in fields(Settings)}


def recorded() -> Mapping[str, tuple[str, Setting]]:
    """Settings that a record holds, by their name there: the field, and what is said of it."""
    return {said.key or name: (name, said) for name, said in declared().items() if said.recorded}


def newest_format() -> int:
    """Format of the records that are written: the newest in which a setting appeared."""
    return max(said.since for _, said in recorded().values())


def check_settings(settings: Settings[Any, Any, Any]) -> None:
    """Check every setting against what is said of it; nothing is read or computed.

    Raises
    ------
    SettingsError
        If one is of another type or outside its range; the message names the parameter in backticks.
    """
    for name in declared():
        checked(name, getattr(settings, name))


def check_options(known: Iterable[str], names: Iterable[str], owner: str) -> None:
    """Refuse options that are not known.

    Raises
    ------
    SettingsError
        If one is unknown; the message suggests the nearest one.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"{owner} has no option {name!r}{hint} (it has {', '.join(sorted(known)) or 'none'})")


def checked(name: str, value: Any) -> Any:
    """Value of a setting as plain Python holds it.

    Raises
    ------
    SettingsError
        If it is of another type, or outside its range.

    Examples
    --------
    >>> from coldray.settings import checked
    >>> checked("gain", "detail")
    'detail'
    >>> checked("exposure_s", 1)
    1.0
    """
    if value is None and defaults()[name] is None:
        return None
    return declared()[name].checked(name, value)


def documented(described: type | Callable[..., Any]) -> Any:
    """Docstring with every setting that Python may state, in the place of the line ``{settings}``."""
    lines = []
    for name, said in ((name, said) for name, said in declared().items() if said.python):
        words = ", ".join(f'"{word}"' for word in said.words)
        typed = f"{{{words}}}" if words else _DOCUMENTED.get(said.kind, "str")
        optional = ", optional" if defaults()[name] is None else ""
        lines += [f"{name} : {typed}{optional}", f"    {said.help}" + (f" [{said.unit}]" if said.unit else "")]
    text = described.__doc__
    if text is not None:
        before = text.split("{settings}")[0]
        indent = before[before.rfind("\n") + 1 :]
        described.__doc__ = text.replace("{settings}", f"\n{indent}".join(lines))
    return described


_DOCUMENTED = {
    "number": "float",
    "whole": "int",
    "switch": "bool",
    "options": "dict",
    "model": "Model, path or str",
    "detector": "str, path, Detector or (frequency_lp_mm, mtf)",
    "flats": "ndarray, path, Radiograph, or a sequence of them",
    "response": "path, str or ResponseCurve",
}
