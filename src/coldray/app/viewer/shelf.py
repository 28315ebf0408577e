"""The shelf: images that are open, who belongs to whom, and how much of them fits in memory."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from coldray.app.viewer.beside import found_beside
from coldray.app.viewer.describe import display_hints, facts, history
from coldray.app.viewer.layers import BOUNDS, OVERLAYS, Layer, image_layer
from coldray.document import Json
from coldray.errors import ColdrayError, SettingsError
from coldray.files import scratch_folder
from coldray.metrology.inspection import Inspection, read_inspection, write_inspection
from coldray.radiograph import Radiograph

Downloads = dict[str, tuple[Path, str]]
"""Files to hand out by kind: where they are, and the name to offer."""

MAX_STUDIES = 48
MAX_BYTES = 4 * 2**30


@dataclass(eq=False)
class Study:
    """One radiograph with what belongs to it.

    Parameters
    ----------
    name : str
        File name, to be shown as text only.
    image : Radiograph
        The original; of a restored file whose original is not at hand, the restored image itself.
    sha256 : str
        Of the file.
    warnings : list of str
        Of the image itself.
    of_result : list of str
        Warnings of what lies beside the restored image.
    id : str
    layers : dict of str to Layer
        By role.
    restored : Radiograph, optional
    result : dict, optional
        Record of the restoration.
    compared : dict, optional
        Record of the restoration before, whose image is there to be compared with.
    downloads : dict of str to (Path, str)
        Files to hand out by kind: where they are, and the name to offer.
    home : Path, optional
        The file itself where it stays; notes are kept beside it. None for what a page sent.
    notes : Inspection, optional
        What was noted on it; nothing by default.
    browsed : bool
        Whether it was opened from a folder's list, where it can be opened again.
    """

    name: str
    image: Radiograph
    sha256: str
    warnings: list[str] = field(default_factory=list)
    of_result: list[str] = field(default_factory=list)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    layers: dict[str, Layer] = field(default_factory=dict)
    restored: Radiograph | None = None
    result: dict[str, Json] | None = None
    compared: dict[str, Json] | None = None
    downloads: Downloads = field(default_factory=dict)
    home: Path | None = None
    notes: Inspection | None = None
    browsed: bool = False

    @property
    def inspection(self) -> Inspection:
        """What was noted on it."""
        return self.notes or Inspection(sha256=self.sha256)

    @property
    def size_bytes(self) -> int:
        """Memory of its pixels [bytes]; layers that share pixels count once."""
        arrays = [layer.pixels for layer in self.layers.values()]
        return sum({id(a): a.nbytes for a in arrays}.values())

    def to_json(self) -> dict[str, Json]:
        """What the page is told of the study."""
        shown = self.restored if self.restored is not None else self.image
        return {
            "id": self.id,
            "name": self.name,
            "layers": [layer.to_json() for layer in self.layers.values()],
            "facts": [*facts(self.image), {"name": "SHA-256", "value": self.sha256}],
            "hints": display_hints(self.image),
            "history": history(shown),
            "warnings": [*self.warnings, *self.of_result],
            "result": self.result,
            "compared": self.compared,
            "downloads": sorted(self.downloads),
            "restorable": "original" in self.layers,
            "inspection": self.inspection.model_dump(mode="json"),
            "magnification": self.image.acquisition.magnification,
            "keeps_notes": self.home is not None,
        }


class Shelf:
    """Open studies, in order; every change is told to whoever listens.

    Parameters
    ----------
    max_bytes : int
        Memory of all pixels together [bytes].
    changed : callable
        Called without arguments after every change, from any thread.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, changed: Callable[[], None] = lambda: None) -> None:
        self._scratch = ExitStack()
        # what a viewer that was killed left there goes now
        self.folder = self._scratch.enter_context(scratch_folder(Path(tempfile.gettempdir()), "coldray-view-"))
        self.changed = changed
        self._max_bytes = max_bytes
        self._studies: dict[str, Study] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """Forget everything and remove the temporary folder."""
        with self._lock:
            self._studies.clear()
        self._scratch.close()

    def studies(self) -> list[Study]:
        """Open studies, oldest first."""
        with self._lock:
            return list(self._studies.values())

    def study(self, study_id: str) -> Study:
        """Find one study; KeyError if it is not open."""
        with self._lock:
            return self._studies[study_id]

    def layer(self, layer_id: str) -> Layer:
        """Find one layer; KeyError if it is not open."""
        with self._lock:
            for study in self._studies.values():
                for layer in study.layers.values():
                    if layer.id == layer_id:
                        return layer
        raise KeyError(layer_id)

    def open(self, path: Path, name: str, *, stays: bool = False) -> Study:
        """Read a file and put it on the shelf; a restored file joins its original if that is open.

        Parameters
        ----------
        path : Path
            Where the file is; never from a client.
        name : str
            What to call it.
        stays : bool
            Whether the file is there to stay, so that notes on it are kept beside it.

        Returns
        -------
        Study

        Raises
        ------
        ColdrayError
            If the file is no image, or there is no room.
        """
        from coldray.checkpoint import file_sha256
        from coldray.formats import read_image, reading_notes

        with self._lock:
            self._check_room(0, new=True)
        image = named(lambda: read_image(path), path, name)
        digest = file_sha256(path)
        source = _restored_from(image)
        if source is not None:
            for study in self.studies():
                if study.sha256 == source and study.image.shape == image.shape:
                    self._attach_restored(study, image, name, path, digest)
                    return study
        warnings = list(reading_notes(image))
        open_beam, more = _open_beam(image)
        study = Study(name, image, digest, warnings + more, home=path if stays else None)
        if stays:
            try:
                study.notes = read_inspection(path, digest)
            except ColdrayError as problem:
                study.warnings.append(str(problem))
                study.home = None
        role, title = ("original", "Original") if source is None else ("restored", "Restored")
        layers = {role: image_layer(role, title, image, open_beam)}
        if source is not None:
            beside = found_beside(path, image, digest)
            study.restored, study.result = image, beside.result
            study.of_result = beside.warnings
            layers |= beside.layers
        with self._lock:
            self._check_room(sum(layer.pixels.nbytes for layer in layers.values()), new=True)
            study.layers = layers
            self._studies[study.id] = study
        self.changed()
        return study

    def attach(self, study: Study, role: str, path: Path, name: str) -> None:
        """Read a file as the reference or the restored image of a study.

        Raises
        ------
        ColdrayError
            If the file is no image, there is no room, or a restored image has another size.
        """
        from coldray.checkpoint import file_sha256
        from coldray.formats import read_image

        image = named(lambda: read_image(path), path, name)
        if role == "restored":
            if image.shape != study.image.shape:
                raise SettingsError(
                    f"{name}: a restored image has the shape of its original, {study.image.shape}; found {image.shape}"
                )
            self._attach_restored(study, image, name, path, file_sha256(path))
            return
        open_beam, _ = _open_beam(image)
        self.put(study, image_layer("reference", f"Reference: {name}", image, open_beam))

    def note(self, study: Study, found: Inspection) -> None:
        """Take what was noted on a study, and keep it beside its file where that stays.

        Raises
        ------
        SettingsError
            If the notes are of another image, or the study was closed meanwhile.
        ImageWriteError
            If they cannot be written.
        """
        if found.sha256 != study.sha256:
            raise SettingsError(f"the notes are of another image than {study.name}; nothing was kept")
        with self._lock:
            if study.id not in self._studies:
                raise closed_meanwhile(study)
            if study.home is not None and found != study.inspection:
                write_inspection(study.home, found)
            study.notes = found
        self.changed()

    def put_restored(
        self,
        study: Study,
        image: Radiograph,
        result: dict[str, Json] | None,
        layers: dict[str, Layer],
        warnings: Collection[str] = (),
    ) -> None:
        """Give a study a restored image with its layers, its record and what was wrong with what lies beside it.

        The restored image before stays, to be compared with; its warnings go.

        Raises
        ------
        SettingsError
            If there is no room, or the study was closed meanwhile.
        """
        with self._lock:
            before, known = study.layers.get("restored"), study.result or {}
            is_other = known.get("sha256_out") != (result or {}).get("sha256_out") or not known
            compared = study.compared
            if before is not None and "original" in study.layers and is_other:
                how = (
                    f"Compared · {known['method']}"
                    if "method" in known
                    else before.title.replace("Restored", "Compared")
                )
                kept = replace(before, role="compared", title=how, id=secrets.token_hex(8))
                layers, compared = layers | {"compared": kept}, known or None
            self._place(study, layers.values(), (*OVERLAYS, *BOUNDS))
            study.restored, study.result, study.compared = image, result, compared
            study.of_result = list(warnings)
        self.changed()

    def forget_compared(self, study: Study) -> None:
        """Let the restored image go that another one was compared with."""
        with self._lock:
            self._place(study, drop=("compared",))
            study.compared = None
        self.changed()

    def put(self, study: Study, *layers: Layer, drop: Collection[str] = ()) -> None:
        """Add or replace layers of a study, and drop roles that belonged to older ones.

        Raises
        ------
        SettingsError
            If there is no room, or the study was closed meanwhile.
        """
        with self._lock:
            self._place(study, layers, drop)
        self.changed()

    def _place(self, study: Study, layers: Collection[Layer] = (), drop: Collection[str] = ()) -> None:
        """As `put`, under the lock and without a word to anybody: what belongs to the layers may be missing yet."""
        if study.id not in self._studies:
            raise closed_meanwhile(study)
        held = {id(layer.pixels) for each in self._studies.values() for layer in each.layers.values()}
        self._check_room(sum(one.pixels.nbytes for one in layers if id(one.pixels) not in held), new=False)
        # a new dict, never a changed one: other threads iterate over it
        kept = {role: layer for role, layer in study.layers.items() if role not in drop}
        study.layers = kept | {layer.role: layer for layer in layers}

    def offer(self, study: Study, downloads: Downloads, *, anew: bool = False) -> None:
        """Hand out files with a study, instead of all earlier ones if `anew`; of a closed study they are deleted.

        Raises
        ------
        SettingsError
            If the study was closed meanwhile.
        """
        with self._lock:
            is_open, old = study.id in self._studies, study.downloads
            if is_open:
                study.downloads = downloads if anew else old | downloads
        gone = {kind: one for kind, one in old.items() if anew or kind in downloads} if is_open else downloads
        for path, _ in gone.values():
            path.unlink(missing_ok=True)
        if not is_open:
            raise closed_meanwhile(study)
        self.changed()

    def remove(self, study_id: str) -> None:
        """Close a study; KeyError if it is not open."""
        with self._lock:
            study = self._studies.pop(study_id)
            downloads = study.downloads
        for path, _ in downloads.values():
            path.unlink(missing_ok=True)
        self.changed()

    def _attach_restored(self, study: Study, image: Radiograph, name: str, path: Path, digest: str) -> None:
        open_beam = study.layers["original"].open_beam if "original" in study.layers else _open_beam(image)[0]
        beside = found_beside(path, image, digest)
        layers = {"restored": image_layer("restored", f"Restored: {name}", image, open_beam)} | beside.layers
        self.put_restored(study, image, beside.result, layers, beside.warnings)
        self.offer(study, {}, anew=True)  # files of another result

    def _check_room(self, more_bytes: int, *, new: bool) -> None:
        if new and len(self._studies) >= MAX_STUDIES:
            raise SettingsError(f"{MAX_STUDIES} images are open; close one first")
        held = sum(study.size_bytes for study in self._studies.values())
        if held + more_bytes > self._max_bytes:
            raise SettingsError(
                f"the open images hold {held / 2**20:.0f} MiB and this one needs {more_bytes / 2**20:.0f} MiB more than "
                f"the {self._max_bytes / 2**20:.0f} MiB allowed; close an image first"
            )


def closed_meanwhile(study: Study) -> SettingsError:
    """Say that there is no such study any more."""
    return SettingsError(f"{study.name} was closed meanwhile; open it again")


def _restored_from(image: Radiograph) -> str | None:
    """SHA-256 of the original if the last thing that happened to the image was a restoration; '' if it is not said."""
    if not image.history or image.history[-1].verb not in ("restore", "read"):
        return None
    for step in reversed(image.history):
        if step.verb == "restore":
            return str(step.details.get("sha256_in", ""))
    return None


def _open_beam(image: Radiograph) -> tuple[float, list[str]]:
    """Open-beam level to draw with; images that cannot be restored are still shown."""
    from coldray.images.scale import scale_of

    try:
        scale, warnings = scale_of(image)
    except ColdrayError as problem:
        return image.acquisition.open_beam or 1.0, [str(problem)]
    return scale.open_beam, warnings


def named(read: Callable[[], Radiograph], path: Path, name: str) -> Radiograph:
    """Read, and let errors speak of the name that the user knows."""
    try:
        return read()
    except ColdrayError as problem:
        raise problem.worded(str(problem).replace(path.name, name)) from None
