"""Runs inside a peer's own environment: one request, many images, JSON back.

    python -P _serve.py NAME IN.npz OUT.json

IN holds `image_0`, `image_1`, ... and `requests`, a JSON list with one object per image: `task` (the same for all),
`pitch_mm`, `budget_s`, perhaps `repeats`, and what the task needs. `NAME.py` beside this file has one function per task
it can do, `task(image, request) -> dict`. OUT gets a list with one object per image: what the function gave and
`seconds` of processor time, or `error`; null for the images that the time budget left out. OUT is written anew after
every image, so that one which never ends costs only itself. A task that the peer cannot do makes OUT null.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def adapter(name: str):
    """Load the adapter by its path: it bears the name of the package it adapts."""
    spec = importlib.util.spec_from_file_location(f"adapter_of_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(task, image, request) -> dict:
    """One measurement, the fastest of its repeats; an exception becomes its message."""
    seconds, result = [], {}
    for _ in range(request.get("repeats", 1)):
        start = time.process_time()
        try:
            result = task(image.copy(), request)
        except Exception as problem:
            return {"error": f"{type(problem).__name__}: {problem}".splitlines()[0][:120]}
        seconds.append(time.process_time() - start)
        if sum(seconds) > request["budget_s"]:
            break
    result["seconds"] = min(seconds)
    return result


def main(name: str, source: str, target: str) -> None:
    warnings.simplefilter("ignore")
    with np.load(source, allow_pickle=False) as data:
        requests = json.loads(str(data["requests"]))
        images = [data[f"image_{k}"] for k in range(len(requests))]
    task = getattr(adapter(name), requests[0]["task"], None)
    if task is None:
        Path(target).write_text("null")
        return
    start, answers = time.process_time(), [None] * len(images)
    for k, (image, request) in enumerate(zip(images, requests, strict=True)):
        if k and time.process_time() - start > request["budget_s"]:
            break
        answers[k] = answer(task, image, request)
        draft = Path(target + ".part")
        draft.write_text(json.dumps(answers, default=lambda value: np.asarray(value, dtype=float).tolist()))
        draft.replace(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
