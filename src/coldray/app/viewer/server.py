"""The application: one page, its files, and the API behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from coldray import __version__
from coldray.app.console import one_line
from coldray.app.viewer.browsing import add_folders
from coldray.app.viewer.curves import detector_curves
from coldray.app.viewer.desk import Desk, TooManyPagesError
from coldray.app.viewer.edges import EdgeRequest, measured_edge
from coldray.app.viewer.guard import Access, Guard
from coldray.app.viewer.handles import Id, offered_as, study_of
from coldray.app.viewer.notes import add_notes
from coldray.app.viewer.pages import add_errors, add_page
from coldray.app.viewer.settings import RestoreRequest
from coldray.app.viewer.shelf import Study
from coldray.app.viewer.turns import Turns
from coldray.app.viewer.uploads import store_upload
from coldray.app.viewer.work import QueueFullError
from coldray.document import plain
from coldray.errors import ColdrayError
from coldray.formats import suffixes

UPLOADS_AT_ONCE = 2
MEASURED_AT_ONCE, MEASURING_WAIT = 1, 8

Kept = TypeVar("Kept")


def create_app(desk: Desk, access: Access) -> Guard:
    """Build the guarded application.

    Parameters
    ----------
    desk : Desk
    access : Access

    Returns
    -------
    Guard
        An ASGI application.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        desk.broadcast.start()
        yield

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    add_errors(app)
    add_page(app, "index.html")
    _add_state(app, desk, access)
    _add_arrivals(app, desk)
    _add_studies(app, desk)
    add_notes(app, desk)
    add_folders(app, desk)
    _add_work(app, desk)
    return Guard(app, access)


def _add_state(app: FastAPI, desk: Desk, access: Access) -> None:
    """What is open, what can be chosen, and pixels."""

    @app.get("/api/state")
    async def state() -> Response:
        return JSONResponse(
            plain(
                {
                    "version": __version__,
                    "studies": [study.to_json() | {"rule": desk.menu.rule_of(study)} for study in desk.shelf.studies()],
                    "tasks": [task.to_json() for task in desk.workshop.tasks()],
                    "suffixes": list(suffixes()),
                    "max_upload_bytes": access.max_upload_bytes,
                    "folders": desk.folders.to_json(),
                    "own_presets": desk.presets.to_json(),
                }
            )
        )

    @app.get("/api/choices")
    async def choices() -> Response:
        return JSONResponse(plain(await run_in_threadpool(desk.menu.choices)))

    @app.get("/api/layers/{layer_id}/pixels")
    async def pixels(layer_id: Id, frame: int = 0) -> Response:
        try:
            layer = desk.shelf.layer(layer_id)
            shown = layer.frame(frame)
        except (KeyError, IndexError):
            raise HTTPException(404, "no such layer is open") from None
        length = {"Content-Length": str(shown.size * int(layer.wire[1]))}
        return StreamingResponse(layer.chunks(frame), media_type="application/octet-stream", headers=length)


def _add_arrivals(app: FastAPI, desk: Desk) -> None:
    """Files that a page sends."""
    uploads = Turns(UPLOADS_AT_ONCE, 0)

    async def receive(request: Request, keep: Callable[[Path, str], Kept]) -> Kept:
        async with uploads.turn("too many files arrive at once"):
            path, name = await store_upload(request, desk.shelf.folder)
            try:
                return await run_in_threadpool(keep, path, name)
            finally:
                path.unlink(missing_ok=True)

    @app.post("/api/flats", status_code=201)
    async def keep_flats(request: Request) -> dict[str, str]:
        return {"id": await receive(request, desk.flats.add)}

    @app.delete("/api/flats/{handle}", status_code=204)
    async def forget_flats(handle: Id) -> None:
        try:
            desk.flats.forget(handle)
        except KeyError:
            raise HTTPException(404, "no such flat fields are kept") from None

    @app.post("/api/studies", status_code=201)
    async def upload(request: Request) -> dict[str, str]:
        study = await receive(request, desk.shelf.open)
        return {"id": study.id, "name": study.name, "sha256": study.sha256}

    @app.post("/api/studies/{study_id}/layers/{role}", status_code=201)
    async def attach(study_id: Id, role: str, request: Request) -> dict[str, str]:
        study = study_of(desk, study_id)
        if role not in ("reference", "restored"):
            raise HTTPException(404, "no such role")

        def keep(path: Path, name: str) -> Study:
            desk.shelf.attach(study, role, path, name)
            return study

        await receive(request, keep)
        return {"id": study.id, "name": study.name}

    @app.delete("/api/studies/{study_id}/layers/compared", status_code=204)
    async def forget_compared(study_id: Id) -> None:
        desk.shelf.forget_compared(study_of(desk, study_id))


def _add_studies(app: FastAPI, desk: Desk) -> None:
    """What is asked of one image."""
    measuring = Turns(MEASURED_AT_ONCE, MEASURING_WAIT)

    @app.delete("/api/studies/{study_id}", status_code=204)
    async def close(study_id: Id) -> None:
        try:
            desk.shelf.remove(study_id)
        except KeyError:
            raise HTTPException(404, "no such image is open") from None

    @app.get("/api/studies/{study_id}/download/{kind}")
    async def download(study_id: Id, kind: str) -> Response:
        found = study_of(desk, study_id).downloads.get(kind)
        if found is None or not found[0].is_file():
            raise HTTPException(404, "nothing of that kind to download")
        path, name = found
        return FileResponse(path, media_type="application/octet-stream", headers=offered_as(name))

    @app.post("/api/studies/{study_id}/curves")
    async def curves(study_id: Id, request: RestoreRequest) -> Response:
        study = study_of(desk, study_id)
        async with measuring.turn("several images are being measured"):
            recipe = await run_in_threadpool(desk.menu.recipe, request, desk.flats.paths(request.flats))
            try:
                found = await run_in_threadpool(detector_curves, study.image, recipe.job())
            except ColdrayError as problem:  # an image of another detector is nothing wrong
                found = {"unavailable": one_line(problem)}
        return JSONResponse(plain(found))

    @app.post("/api/studies/{study_id}/edge")
    async def edge(study_id: Id, asked: EdgeRequest) -> Response:
        study = study_of(desk, study_id)
        async with measuring.turn("several images are being measured"):
            return JSONResponse(plain(await run_in_threadpool(measured_edge, study, asked)))


def _add_work(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/studies/{study_id}/restore", status_code=202)
    async def restore(study_id: Id, request: RestoreRequest) -> Response:
        study = study_of(desk, study_id)
        if "original" not in study.layers:
            raise HTTPException(409, "this image was restored already; open its original to restore it again")
        recipe = await run_in_threadpool(desk.menu.recipe, request, desk.flats.paths(request.flats))
        try:
            task = desk.workshop.submit(study, recipe, desk.menu.led(request))
        except QueueFullError:
            raise HTTPException(429, "the queue is full; try again when one is done", {"Retry-After": "10"}) from None
        return JSONResponse(plain(task.to_json()), 202)

    @app.delete("/api/tasks/{task_id}")
    async def cancel(task_id: Id) -> Response:
        try:
            return JSONResponse(plain(desk.workshop.cancel(task_id).to_json()))
        except KeyError:
            raise HTTPException(404, "no such task") from None

    @app.websocket("/api/events")
    async def events(socket: WebSocket) -> None:
        try:
            async with desk.broadcast.listener() as mailbox:
                await socket.accept(subprotocol="coldray")
                for task in desk.workshop.tasks():
                    await socket.send_text(json.dumps(plain({"type": "task", "task": task.to_json()})))
                gone = asyncio.create_task(_until_gone(socket))
                try:
                    while not gone.done():
                        letter = asyncio.create_task(mailbox.get())
                        await asyncio.wait({letter, gone}, return_when=asyncio.FIRST_COMPLETED)
                        if letter.done():
                            await socket.send_text(letter.result())
                        else:
                            letter.cancel()
                finally:
                    gone.cancel()
        except TooManyPagesError:
            await socket.close(1013)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page is gone


async def _until_gone(socket: WebSocket) -> None:
    """Read and drop what a page sends, until it leaves."""
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return
