"""Files that arrive: saved under a name of our own, whatever their name says."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException

from coldray.errors import ColdrayError
from coldray.formats import suffixes

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile

LONGEST_NAME = 200


async def store_upload(request: Request, folder: Path) -> tuple[Path, str]:
    """Save the file of a request under a name of our own; returns path and the name to show.

    The body is the file itself with its name, percent-encoded, in `X-File-Name`; or a form with the one field `file`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        try:
            async with request.form(max_files=1, max_fields=0) as form:
                return await _store_sent(form.get("file"), folder)
        except (ColdrayError, StarletteHTTPException):
            raise
        except (ValueError, KeyError, UnicodeError):
            raise HTTPException(400, "the form is damaged") from None
    name = shown_name(unquote(request.headers.get("x-file-name", ""), errors="replace"))
    path = folder / f"{secrets.token_hex(8)}{_suffix(name)}"
    try:
        with open(path, "xb") as file:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, name


async def _store_sent(sent: UploadFile | str | None, folder: Path) -> tuple[Path, str]:
    """Save the file of a form."""
    if sent is None or isinstance(sent, str):
        raise HTTPException(400, "the form needs one field 'file' with one file")
    name = shown_name(sent.filename or "")
    path = folder / f"{secrets.token_hex(8)}{_suffix(name)}"

    def copy() -> None:
        with open(path, "xb") as file:
            shutil.copyfileobj(sent.file, file)

    await run_in_threadpool(copy)
    return path, name


def shown_name(name: str) -> str:
    """Last part of a client's file name, fit to be shown and offered for download, never to be opened.

    Raises
    ------
    HTTPException
        400 if the name tries to be a path; 415 if its suffix is of no image format.
    """
    if not name or "/" in name or "\\" in name or "\0" in name or name in (".", ".."):
        raise HTTPException(400, "the file name must be a plain name, without folders")
    clean = "".join(c if c.isprintable() else "_" for c in name)
    if len(clean) > LONGEST_NAME:
        clean = clean[: LONGEST_NAME - 12] + clean[-12:]
    if _suffix(clean) not in suffixes():
        raise HTTPException(415, f"the suffix must be one of {' '.join(suffixes())}")
    return clean


def _suffix(name: str) -> str:
    found = re.search(r"\.[A-Za-z0-9]{1,8}$", name)
    return "" if found is None else found[0].lower()
