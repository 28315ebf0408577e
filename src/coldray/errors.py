"""Every exception coldray raises, as one tree.

::

    ColdrayError
    ├── ImageError (ValueError)          pixels are not what they must be
    │   ├── ImageReadError (OSError)       a file cannot be read as it claims
    │   └── ImageWriteError (OSError)      a file cannot be written whole
    ├── RefusalError (ValueError)        a result would be worse than none
    ├── MetadataError (ValueError)       pitch, level or tag missing or contradictory
    ├── MeasurementError (ValueError)    a curve or number cannot be measured honestly
    ├── PhysicsError (ValueError)        a model is asked for something unphysical
    │   ├── StrengthError                  blend strength outside [0, 1]
    │   └── DetectorError                  detector file or pair does not fit
    │       └── PitchError                   a detector needs a pixel pitch that nothing states
    ├── CheckpointError (ValueError)     model file broken, foreign or for another detector
    ├── TrainingError (ArithmeticError)  a training diverged
    ├── SignatureError (ValueError)      a key cannot be made, read or used
    ├── SettingsError (ValueError)       a setting is unknown or out of range
    │   └── SettingsReadError (OSError)    a file of settings is missing or unreadable
    ├── PluginError (LookupError)        no plug-in of that name
    ├── WorkerError (RuntimeError)       a worker process or a cluster was lost
    ├── PeerError (ConnectionError)      a DICOM node cannot be reached, or refuses
    └── MissingExtraError (ImportError)  an optional package is not installed

Messages say what was found, what was needed (with units) and what to do.
"""

from __future__ import annotations

from typing import Self


class ColdrayError(Exception):
    """Base of all errors raised on purpose by coldray."""

    def worded(self, text: str) -> Self:
        """The same error in other words, whatever it was made of."""
        # not by copy(): packages change how exceptions are copied, as distributed does, for all of a process
        made = self._made(text)
        made.__dict__.update(self.__dict__)
        made.args = (text,)
        return made

    def _made(self, text: str) -> Self:
        """An error of this class."""
        return type(self)(text)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...], dict[str, object]]:
        # of its own: what distributed does to all exceptions that have none breaks those of two built-in kinds
        return type(self), self.args, self.__dict__


class ImageError(ColdrayError, ValueError):
    """Pixels are not what they must be (shape, type, finiteness, colour)."""


class ImageReadError(ImageError, OSError):
    """A file is missing, cut, of another format than its name says, or not an image."""


class ImageWriteError(ImageError, OSError):
    """A file cannot be written whole; nothing was left behind."""


class RefusalError(ColdrayError, ValueError):
    """A result was computed and must not be written: it is clipped, shifted or contradicted by its own measurement."""


class MetadataError(ColdrayError, ValueError):
    """Pixel pitch, open-beam level or another tag is missing or contradictory."""


class MeasurementError(ColdrayError, ValueError):
    """A curve or number cannot be measured from this image."""


class PhysicsError(ColdrayError, ValueError):
    """A physical model was asked for something outside its domain."""


class StrengthError(PhysicsError):
    """Blend strength outside [0, 1]."""


class DetectorError(PhysicsError):
    """A detector file is invalid, or two detectors do not form a pair."""


class PitchError(DetectorError):
    """A detector needs a pixel pitch, and nothing states one."""


class CheckpointError(ColdrayError, ValueError):
    """A model file is broken, unsafe, foreign or made for another detector."""


class TrainingError(ColdrayError, ArithmeticError):
    """A training diverged; what was saved before is good."""


class SignatureError(ColdrayError, ValueError):
    """A key that signs records, or checks signatures, cannot be made, read or used."""


class SettingsError(ColdrayError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""


class SettingsReadError(SettingsError, OSError):
    """A file of settings is missing, or not of its format."""


class PluginError(ColdrayError, LookupError):
    """No plug-in of the requested name exists."""


class WorkerError(ColdrayError, RuntimeError):
    """A worker process died over a piece of work, or a cluster cannot be reached."""


class PeerError(ColdrayError, ConnectionError):
    """Another DICOM node cannot be reached, does not answer, or refuses an association or an object."""


class MissingExtraError(ColdrayError, ImportError):
    """An optional package is needed; the message names the extra to install."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}; install it with: pip install 'coldray[{extra}]'")
        self._parts = (package, extra, purpose)

    def worded(self, text: str) -> Self:
        """As of every error; an import's holds its words twice."""
        made = super().worded(text)
        made.msg = text
        return made

    def _made(self, text: str) -> Self:
        return type(self)(*self._parts)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...], dict[str, object]]:
        return type(self), self._parts, self.__dict__ | {"args": self.args, "msg": self.msg}
