"""Handles of what is open: random names that a page may send, never paths."""

from __future__ import annotations

from typing import Annotated

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
