"""A trial's reading room: each reader sees the next image and nothing else; the server holds no truth that it could tell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi import Path as Part
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse

from coldray.app.viewer.guard import NAME, Access, Guard
from coldray.app.viewer.handles import Id
from coldray.app.viewer.layers import Layer, image_layer
from coldray.app.viewer.pages import add_errors, add_page
from coldray.benchmark.trial.answers import Answers, Given, utc_now
from coldray.benchmark.trial.documents import HIGHEST_RATING, IMAGES, MOST_MARKS, READER, Manifest, read_manifest
from coldray.benchmark.trial.package import OPEN_BEAM
from coldray.checkpoint import file_sha256
from coldray.document import plain
from coldray.errors import ImageReadError, SettingsError
from coldray.files import own_folder
from coldray.formats import read_image

Reader = Annotated[str, Part(pattern=f"^{READER}$")]


class Room:
    """The package, and the answers of those who read here.

    Parameters
    ----------
    folder : Path
        The reader's package.
    answers : Path
        Folder in which answers are kept.
    readers : iterable of str
        Who reads here; all of the trial if there is none.
    now : callable
        The present time; answers carry it.

    Raises
    ------
    SettingsError
        If a reader is not in the trial.
    MetadataError
        If the package or answers were changed.
    """

    def __init__(
        self, folder: Path, answers: Path, readers: Iterable[str] = (), now: Callable[[], datetime] = utc_now
    ) -> None:
        self.manifest: Manifest = read_manifest(folder)
        self.now = now
        self._images = folder / IMAGES
        self._lock = threading.Lock()
        self.answers = {one: Answers(self.manifest, one, answers) for one in tuple(readers) or self.manifest.readers}

    def state(self, reader: str) -> dict[str, Any]:
        """What the page of a reader is told: how far it is, and the image to be read now, if one may be."""
        with self._lock:
            one = self.answers[reader]
            item, opens = one.next_item, one.opens_at
            waits = one.waits(self.now())
            told = {
                "reader": reader,
                "question": self.manifest.question,
                "highest": HIGHEST_RATING,
                "most_marks": MOST_MARKS,
                "done": len(one.found),
                "whole": len(one.order),
                "block": one.block + 1,
                "blocks": len(self.manifest.readers[reader]),
                "opens_at": opens.isoformat(timespec="minutes") if waits and opens else None,
                "item": None,
            }
        if item is None or waits:
            return told
        known = self.manifest.items[item]
        return told | {"item": {"layer": self.layer(item).to_json(), "window": [known.low, known.high]}}

    def is_shown(self, token: str, reader: str) -> bool:
        """Whether a reader, or anyone for "", has to read this image now; others cannot be asked for."""
        asked = [self.answers[reader]] if reader else self.answers.values()
        with self._lock:
            now = self.now()
            return any(one.next_item == token and not one.waits(now) for one in asked)

    def layer(self, token: str) -> Layer:
        """One image, under its token and no other name.

        Raises
        ------
        ImageReadError
            If its file is not the one that was made.
        """
        path = self._images / f"{token}.tif"
        if not path.is_file() or file_sha256(path) != self.manifest.items[token].sha256:
            raise ImageReadError(
                f"{path.name}: is missing or was changed since the trial was made; take the whole package anew"
            )
        return replace(image_layer("original", "Image", read_image(path), OPEN_BEAM), id=token)

    def take(self, reader: str, given: Given) -> None:
        """Keep an answer.

        Raises
        ------
        SettingsError
            If it is not of the next image, or a mark lies outside of it.
        ImageWriteError
            If it cannot be written.
        """
        known = self.manifest.items.get(given.item)
        outside = known is not None and any(
            not (0 <= mark.x_px <= known.cols and 0 <= mark.y_px <= known.rows) for mark in given.marks
        )
        if outside:
            raise SettingsError("a mark lies outside of the image; put it on the image or delete it")
        with self._lock:
            self.answers[reader].take(given, self.now)


def create_reading_app(room: Room, access: Access) -> Guard:
    """Build the guarded application of a reading room.

    Parameters
    ----------
    room : Room
    access : Access
        Each reader gets a token of their own, `Access.token_of`, which is good for no other reader.

    Returns
    -------
    Guard
        An ASGI application. It knows the package alone: neither arms nor truth are in its reach.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_errors(app)
    add_page(app, "trial.html")

    def known(reader: str, request: Request) -> str:
        if request.scope[NAME] not in ("", reader):
            raise HTTPException(403, "this link is another reader's; open the one that coldray printed for you")
        if reader not in room.answers:
            raise HTTPException(404, "no such reader reads here; open the link that coldray printed for you")
        return reader

    @app.get("/api/trial/{reader}")
    async def state(reader: Reader, request: Request) -> Response:
        return JSONResponse(plain(await run_in_threadpool(room.state, known(reader, request))))

    @app.post("/api/trial/{reader}")
    async def take(reader: Reader, given: Given, request: Request) -> Response:
        await run_in_threadpool(room.take, known(reader, request), given)
        return JSONResponse(plain(await run_in_threadpool(room.state, reader)))

    @app.get("/api/layers/{token}/pixels")
    async def pixels(token: Id, request: Request) -> Response:
        if not await run_in_threadpool(room.is_shown, token, request.scope[NAME]):
            raise HTTPException(404, "no such image is to be read now")
        layer = await run_in_threadpool(room.layer, token)
        length = {"Content-Length": str(layer.pixels.size * int(layer.wire[1]))}
        return StreamingResponse(layer.chunks(0), media_type="application/octet-stream", headers=length)

    return Guard(app, access.named(room.answers))


@contextmanager
def opened_room(folder: Path, answers: Path, readers: Iterable[str], access: Access) -> Iterator[Guard]:
    """The application, with the folder of answers held for this server alone."""
    with own_folder(answers):
        yield create_reading_app(Room(folder, answers, readers), access)
