"""What routes share: handles of what is open, random names and never paths; and the name that a file is offered under."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import HTTPException
from fastapi import Path as Part

from coldray.app.viewer.desk import Desk
from coldray.app.viewer.shelf import Study

Id = Annotated[str, Part(pattern="^[0-9a-f]{16}$")]


def study_of(desk: Desk, study_id: str) -> Study:
    """Study of a handle; HTTP 404 if it is not open."""
    try:
        return desk.shelf.study(study_id)
    except KeyError:
        raise HTTPException(404, "no such image is open") from None


def offered_as(name: str) -> dict[str, str]:
    """Header by which a browser keeps a file under a name."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
