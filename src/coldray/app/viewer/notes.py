"""What is noted on images, through the page: taken, kept, given out as JSON and as a report; and the user's presets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from coldray.app.viewer.desk import Desk
from coldray.app.viewer.handles import Id, offered_as, study_of
from coldray.app.viewer.presets import PresetFile
from coldray.app.viewer.shelf import Study
from coldray.document import as_table, as_text
from coldray.metrology.inspection import ENDING, checked_inspection

if TYPE_CHECKING:
    from coldray.reports.blocks import Report


def add_notes(app: FastAPI, desk: Desk) -> None:
    """Routes of notes and presets."""

    @app.put("/api/studies/{study_id}/inspection")
    async def note(study_id: Id, request: Request) -> dict[str, bool]:
        study = study_of(desk, study_id)
        found = checked_inspection(await request.body(), study.name)
        await run_in_threadpool(desk.shelf.note, study, found)
        return {"kept": study.home is not None}

    @app.get("/api/studies/{study_id}/inspection/{kind}")
    async def give(study_id: Id, kind: str) -> Response:
        if kind not in _CONTENTS:
            raise HTTPException(404, "nothing of that kind to download")
        study = study_of(desk, study_id)
        content = await run_in_threadpool(_CONTENTS[kind], study)
        name = study.name + ENDING if kind == "json" else f"{Path(study.name).stem}.inspection.{kind}"
        return Response(content, media_type="application/octet-stream", headers=offered_as(name))

    @app.put("/api/presets", status_code=204)
    async def keep_presets(found: PresetFile) -> None:
        await run_in_threadpool(desk.presets.replace, found)
        desk.shelf.changed()


def _as_json(study: Study) -> bytes:
    return json.dumps(study.inspection.model_dump(mode="json"), indent=1).encode()


def _as_html(study: Study) -> bytes:
    from coldray.reports.html import to_html

    return to_html(_report(study)).encode()


def _as_pdf(study: Study) -> bytes:
    from coldray.reports.pdf import to_pdf

    return to_pdf(_report(study))


_CONTENTS: dict[str, Callable[[Study], bytes]] = {"json": _as_json, "html": _as_html, "pdf": _as_pdf}


def _report(study: Study) -> Report:
    from coldray.formats import named_tags
    from coldray.reports.blocks import Facts, Section
    from coldray.reports.done import part
    from coldray.reports.inspection import inspected, inspection_report
    from coldray.reports.restoration import VERDICT_WORDS

    found = inspected(study.image, study.restored, study.inspection)
    files = [("File", study.name), ("SHA-256 of the file", study.sha256)]
    sentence = ""
    if study.result is not None:
        verdict = as_table(study.result.get("consistency", {})).get("verdict")
        words = VERDICT_WORDS.get(str(verdict), "no verdict is at hand")
        files += [("Restored by", f"method {study.result.get('method', 'not stated')}"), ("Certificate", words)]
        if "sha256_out" in study.result:
            files.append(("SHA-256 of the restored image", str(study.result["sha256_out"])))
        sentence = f"It was restored; certificate: {words[0].lower()}{words[1:]}."
    more = (
        *part(
            named_tags(study.image),
            {name: as_text(told) for name, told in as_table((study.result or {}).get("about", {})).items()},
        ),
        Section("Files", (Facts(tuple(files)),)),
    )
    return inspection_report(found, study.name, more, sentence)
