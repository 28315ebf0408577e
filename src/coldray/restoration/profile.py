"""A plant's settings in one file: what holds for every image, and rules on tags, folder and pitch for what differs."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from coldray.document import LARGEST_TOML_BYTES, Json, content_of, parse_toml
from coldray.errors import MetadataError, SettingsError, SettingsReadError
from coldray.settings import checked, declared, laid_over

SETTINGS, RULES, UNKNOWN = "settings", "rule", "without_rule"
KEYS = (SETTINGS, RULES, UNKNOWN)
WITHOUT_RULE = "without a rule"
"""Name of what becomes of images that no rule fits."""
RULE_KEYS = ("name", "when", SETTINGS)
OF_FILE = ("folder", "file", "pitch_um")
"""Conditions that are no tags."""
NUMBERS = ("pitch_um", "KVP")
"""Conditions that may be a range LOW..HIGH."""
SAME = 1e-3
"""Relative difference below which two numbers are the same, rounded differently."""
TEMPLATE = """\
# Settings of a plant. Names as on the command line of `coldray restore`; files are found from this file's folder.
# An option on the command line counts more than a rule, and a rule more than [settings].
without_rule = "settings"      # an image that no rule fits: "settings" takes those below, "refuse" restores it not

[settings]
# exposure_s = 0.25
report = false

# The first rule that fits counts. Conditions: DICOM tags by keyword (DetectorID, Manufacturer, KVP, ...), folder, file,
# pitch_um. Texts may hold * and ?; a list means any of them; numbers may be a range, "60..80".
[[rule]]
name = "line 1"
when = { folder = "line1*" }
settings = { blurred = "gos135", sharp = "gos34" }
"""


@dataclass(frozen=True)
class Seen:
    """What rules look at of an image.

    Parameters
    ----------
    path : Path, optional
        None for what is no file.
    pixel_pitch_mm : float, optional
    tag : callable
        Text of a DICOM tag by its keyword, or None.
    """

    path: Path | None
    pixel_pitch_mm: float | None
    tag: Callable[[str], str | None]


@dataclass(frozen=True)
class Rule:
    """Settings for the images that meet all conditions.

    Parameters
    ----------
    name : str
    when : tuple of (str, tuple)
        Condition and the values that meet it.
    settings : dict
        By the names of the fields, in their units.
    """

    name: str
    when: tuple[tuple[str, tuple[str | float, ...]], ...]
    settings: Mapping[str, Json] = field(hash=False)

    def fits(self, seen: Seen) -> bool:
        """Whether an image meets all conditions."""
        return all(_meets(name, values, seen) for name, values in self.when)


@dataclass(frozen=True)
class Profile:
    """A profile that was read and checked.

    Parameters
    ----------
    path : Path
    sha256 : str
    settings : dict
        For every image.
    rules : tuple of Rule
    refuses : bool
        Whether an image that no rule fits is not restored.
    """

    path: Path
    sha256: str
    settings: Mapping[str, Json] = field(hash=False)
    rules: tuple[Rule, ...] = ()
    refuses: bool = False

    def rule_for(self, seen: Seen) -> Rule | None:
        """The first rule that fits.

        Raises
        ------
        MetadataError
            If none does and the profile says to refuse.
        """
        found = next((rule for rule in self.rules if rule.fits(seen)), None)
        if found is None and self.refuses:
            name = "the image" if seen.path is None else seen.path.name
            raise MetadataError(
                f"{name}: no rule of {self.path.name} fits ({', '.join(rule.name for rule in self.rules) or 'it has none'}); "
                'add one, or set without_rule = "settings"'
            )
        return found

    def settings_of(self, rule: Rule | None) -> dict[str, Json]:
        """Settings of the images that a rule counts for: those of every image, and over them those of the rule."""
        return laid_over(self.settings, rule.settings if rule is not None else {})

    def led(self, rule: str | None) -> dict[str, str | None]:
        """What the record of an image says of the profile: its file, and the rule that fitted, None without one."""
        return {"file": self.path.name, "sha256": self.sha256, "rule": rule}

    def every_settings(self) -> list[tuple[str, dict[str, Json]]]:
        """Name and settings of everything that may happen to an image."""
        rest = [] if self.refuses else [(WITHOUT_RULE, self.settings_of(None))]
        return [*((rule.name, self.settings_of(rule)) for rule in self.rules), *rest]


@lru_cache(maxsize=4)
def _parsed(path: Path, content: bytes) -> Profile:
    data = parse_toml(content, path.name, SettingsReadError)
    try:
        _known(KEYS, data, "a profile")
        settings = _settings(data.get(SETTINGS, {}), f"[{SETTINGS}]", path.parent)
        listed = data.get(RULES, [])
        if not isinstance(listed, list) or any(not isinstance(one, dict) for one in listed):
            raise SettingsError(f"rules are tables [[{RULES}]]")
        rules = tuple(_rule(one, number, path.parent) for number, one in enumerate(listed, 1))
        _check_order(rules)
        otherwise = data.get(UNKNOWN, SETTINGS)
        if otherwise not in (SETTINGS, "refuse"):
            raise SettingsError(f'{UNKNOWN} is {otherwise!r}; choose "{SETTINGS}" or "refuse"')
    except SettingsError as problem:
        raise SettingsError(f"{path.name}: {problem}") from None
    return Profile(path, hashlib.sha256(content).hexdigest(), settings, rules, otherwise == "refuse")


def read_profile(source: str | Path) -> Profile:
    """Read and check a profile.

    Parameters
    ----------
    source : path
        TOML with ``[settings]``, ``[[rule]]`` and ``without_rule``, see `TEMPLATE`.

    Returns
    -------
    Profile

    Raises
    ------
    SettingsReadError
        If it is missing or no TOML.
    SettingsError
        If a key or a condition is unknown (the message suggests the nearest), a value is outside its range, or a rule can
        never be reached.
    """
    path = Path(source)
    return _parsed(path.absolute(), content_of(path, SettingsReadError, LARGEST_TOML_BYTES))


def _known(known: Iterable[str], found: Iterable[str], owner: str) -> None:
    """Refuse names that are not known, with the nearest one."""
    known = list(known)
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (it has {', '.join(known[:40])})"
            raise SettingsError(f"{owner} has no key {name!r}{hint}")


def _settings(found: Json, where: str, folder: Path) -> dict[str, Json]:
    """Settings by their fields' names and units; files by their absolute path."""
    if not isinstance(found, dict):
        raise SettingsError(f"{where} is {found!r}; a table of settings is needed")
    fields = {said.told(name): name for name, said in declared().items() if said.command and said.profile}
    _known(fields, found, where)
    out: dict[str, Any] = {}
    for told, value in found.items():
        name = fields[told]
        said = declared()[name]
        if said.kind in ("model", "detector", "path", "response"):
            value = _place(value, told, folder)
        elif said.kind == "flats":
            value = tuple(_place(one, told, folder) for one in (value if isinstance(value, list) else [value]))
        try:
            out[name] = checked(name, said.taken(value) if _is_number(value) else value)
        except SettingsError as problem:
            raise SettingsError(f"{where}: {problem}") from None
    return out


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _place(value: Json, told: str, folder: Path) -> str:
    """A file beside the profile by its path, a name as it is."""
    if not isinstance(value, str):
        raise SettingsError(f"{told} is {value!r}; a name or a file is needed")
    return str(folder / value) if "\0" not in value and (folder / value).exists() else value


def _rule(found: Mapping[str, Json], number: int, folder: Path) -> Rule:
    """One rule, checked."""
    name = found.get("name", f"rule {number}")
    if not isinstance(name, str) or not name:
        raise SettingsError(f"rule {number}: its name is {name!r}; a text is needed")
    owner = f"the rule {name!r}"
    _known(RULE_KEYS, found, owner)
    when = found.get("when", {})
    if not isinstance(when, dict):
        raise SettingsError(f"{owner}: when is {when!r}; a table of conditions is needed")
    settings = _settings(found.get(SETTINGS, {}), owner, folder)
    if not settings:
        raise SettingsError(f"{owner} sets nothing; give it settings or take it out")
    _known_conditions(when, owner)
    conditions = tuple(sorted((key, _values(key, value, owner)) for key, value in when.items()))
    return Rule(name, conditions, settings)


def _known_conditions(when: Iterable[str], owner: str) -> None:
    if any(name not in OF_FILE for name in when):
        from pydicom.datadict import keyword_dict

        _known([*OF_FILE, *keyword_dict], when, f"when of {owner}")


def _values(key: str, value: Json, owner: str) -> tuple[str | float, ...]:
    """Values of a condition; ranges must be possible."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str) or _is_number(one) for one in values):
        raise SettingsError(f"{owner}: {key} is {value!r}; a text, a number or a list of them is needed")
    for one in values:
        if key in NUMBERS and isinstance(one, str):
            low, high = _range(one, key, owner)
            if not low <= high:
                raise SettingsError(f"{owner}: {key} = {one!r} fits no number; write LOW..HIGH")
    return tuple(values)


def _range(text: str, key: str, owner: str) -> tuple[float, float]:
    low, mark, high = text.partition("..")
    try:
        found = float(low), float(high if mark else low)
    except ValueError:
        raise SettingsError(f"{owner}: {key} = {text!r} is no number and no range LOW..HIGH") from None
    if not all(map(math.isfinite, found)):
        raise SettingsError(f"{owner}: {key} = {text!r}; finite numbers are needed")
    return found


def _check_order(rules: tuple[Rule, ...]) -> None:
    """Refuse rules that no image can reach, and names that are given twice."""
    for k, rule in enumerate(rules):
        for before in rules[:k]:
            if before.name == rule.name:
                raise SettingsError(f"two rules are named {rule.name!r}; give each its own name")
            if set(before.when) <= set(rule.when):
                raise SettingsError(
                    f"the rule {rule.name!r} is never reached: every image that it fits fits {before.name!r} before; exchange them"
                )


def _meets(key: str, values: tuple[str | float, ...], seen: Seen) -> bool:
    """Whether an image meets one of the values of a condition."""
    if key == "folder":
        found: list[str] = [] if seen.path is None else list(seen.path.absolute().parent.parts)
    elif key == "file":
        found = [] if seen.path is None else [seen.path.name]
    elif key == "pitch_um":
        found = [] if seen.pixel_pitch_mm is None else [repr(1e3 * seen.pixel_pitch_mm)]
    else:
        text = seen.tag(key)
        found = [] if text is None else [text]
    return any(_equal(text, value, key) for text in found for value in values)


def _equal(text: str, value: str | float, key: str) -> bool:
    """Whether a text is a number, within a range or like a pattern."""
    if isinstance(value, str) and key not in NUMBERS:
        return fnmatch.fnmatchcase(text.strip().casefold(), value.strip().casefold())
    try:
        number = float(text)
    except ValueError:
        return False
    low, high = _range(value, key, "") if isinstance(value, str) else (float(value), float(value))
    return low - SAME * abs(low) <= number <= high + SAME * abs(high)
