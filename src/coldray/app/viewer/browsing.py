"""Routes of the folder browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, HTTPException, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from coldray.app.viewer.desk import Desk
from coldray.app.viewer.folders import Entry, decide, open_entry
from coldray.app.viewer.handles import Id
from coldray.app.viewer.turns import Turns
from coldray.document import plain
from coldray.metrology.inspection import Decision

AT_ONCE, WAITING = 1, 64


class Decided(BaseModel):
    """Decision on an image, and who made it."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision
    inspector: Annotated[str, Field(max_length=80)] = ""


def add_folders(app: FastAPI, desk: Desk) -> None:
    """Lists, small pictures, decisions, and the way onto the desk."""
    drawing = Turns(AT_ONCE, WAITING)

    def entry_of(folder: str, file: str) -> Entry:
        try:
            return desk.folders.entry(folder, file)
        except KeyError:
            raise HTTPException(404, "no such image is listed") from None

    @app.get("/api/folders/{folder}")
    async def listing(folder: Id) -> Response:
        try:
            return JSONResponse(plain(await run_in_threadpool(desk.folders.listing, folder)))
        except KeyError:
            raise HTTPException(404, "no such folder is listed") from None

    @app.get("/api/folders/{folder}/files/{file}/picture")
    async def picture(folder: Id, file: Id) -> Response:
        entry = entry_of(folder, file)
        async with drawing.turn("many small pictures are being made"):
            made = await run_in_threadpool(desk.folders.picture, entry)
        return Response(made, media_type="image/png")

    @app.post("/api/folders/{folder}/files/{file}/open", status_code=201)
    async def put_on_desk(folder: Id, file: Id) -> dict[str, str]:
        study = await run_in_threadpool(open_entry, desk.shelf, entry_of(folder, file))
        return {"id": study.id, "name": study.name}

    @app.put("/api/folders/{folder}/files/{file}/decision")
    async def keep_decision(folder: Id, file: Id, decided: Decided) -> Response:
        entry = entry_of(folder, file)
        await run_in_threadpool(decide, desk.shelf, entry, decided.decision, decided.inspector)
        return JSONResponse(plain({"id": file} | await run_in_threadpool(entry.to_json)))
