"""What every application of the viewer has: its page with scripts and style, and failures as one line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from coldray.app.console import one_line
from coldray.document import first_fault
from coldray.errors import ColdrayError

MEDIA = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def add_errors(app: FastAPI) -> None:
    """Every failure is one JSON object with one line of text."""

    @app.exception_handler(StarletteHTTPException)
    async def on_http(_request: Request, problem: StarletteHTTPException) -> Response:
        return JSONResponse({"error": str(problem.detail)}, problem.status_code, headers=problem.headers)

    @app.exception_handler(ColdrayError)
    async def on_coldray(_request: Request, problem: ColdrayError) -> Response:
        return JSONResponse({"error": one_line(problem)}, 422)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, problem: RequestValidationError) -> Response:
        fault = first_fault(problem.errors())
        return JSONResponse({"error": f"{fault.name.partition('.')[2]}: {fault.reason}".lstrip(": ")}, 422)


def add_page(app: FastAPI, opening: str) -> None:
    """Files of the page; the one that opens it is served at the root.

    Parameters
    ----------
    app : FastAPI
    opening : str
        Name of the file.
    """
    # read once: a request chooses among names, it never becomes a path
    folder = resources.files("coldray.app.viewer") / "static"
    files = {f.name: f.read_bytes() for f in folder.iterdir() if Path(f.name).suffix in MEDIA}

    def send(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "no such page")
        return Response(files[name], media_type=MEDIA[Path(name).suffix])

    @app.get("/")
    async def page() -> Response:
        return send(opening)

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        return send(name)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}
