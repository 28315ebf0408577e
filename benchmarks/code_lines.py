"""Lines of the package by room: code, docstrings, comments, blanks; modules over 400 lines, bodies over 60, uses of Any.

A line of code is one with a token on it that is neither a comment nor part of the docstring of a module, class or
function. A body is counted without its signature and docstring.

    python benchmarks/code_lines.py
    python benchmarks/code_lines.py "metrology/pod/*" api/pod.py  # those files alone, by patterns below src/coldray
"""

from __future__ import annotations

import ast
import sys
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "src" / "coldray"
LONGEST_MODULE, LONGEST_BODY = 400, 60
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All of a module."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def alone(node: ast.AST) -> bool:
    """Whether a statement is nothing but a string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def lines_of(path: Path) -> Counter[str]:
    """Lines of one module by kind."""
    text = path.read_text(encoding="utf-8")
    heads = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs: set[int] = set()
    for node in nodes(path):
        if isinstance(node, heads) and node.body and alone(node.body[0]):
            docs |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    code: set[int] = set()
    comments: set[int] = set()
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            rows = set(range(token.start[0], token.end[0] + 1))
            if token.type == tokenize.COMMENT:
                comments |= rows
            elif token.type not in SILENT and token.type != tokenize.ENCODING:
                code |= rows
    code -= docs
    total = len(text.splitlines())
    comments -= code | docs
    return Counter(
        code=len(code), docstrings=len(docs), comments=len(comments), all=total,
        blanks=total - len(code) - len(docs) - len(comments),
    )  # fmt: skip


def long_bodies(path: Path) -> list[str]:
    """Functions whose body is too long, with their number of lines."""
    found = []
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if alone(node.body[0]) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > LONGEST_BODY:
                found.append(f"{path.relative_to(ROOT)}:{node.name} {length}")
    return found


def uses_of_any(path: Path) -> int:
    """How often a module says Any, its import left out."""
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in nodes(path))


def chosen(patterns: list[str]) -> None:
    """Print the lines of the files that patterns name, each file once."""
    files = {path for pattern in patterns for path in ROOT.glob(pattern) if path.suffix == ".py"}
    found = sum((lines_of(path) for path in sorted(files)), Counter())
    print(f"{len(files)} files: {found['code']} code, {found['docstrings']} docstrings, {found['all']} all")


def main() -> None:
    """Print one line per room and the totals."""
    if len(sys.argv) > 1:
        return chosen(sys.argv[1:])
    rooms: dict[str, Counter[str]] = {}
    files, bodies = [], []
    for path in sorted(ROOT.rglob("*.py")):
        counted = lines_of(path)
        below = path.relative_to(ROOT)
        rooms.setdefault(below.parts[0] if len(below.parts) > 1 else "(root)", Counter()).update(counted)
        files += [f"{below} {counted['all']}"] if counted["all"] > LONGEST_MODULE else []
        bodies += long_bodies(path)
    kinds = ("code", "docstrings", "comments", "blanks", "all")
    print(f"{'room':14s}", *(f"{kind:>10s}" for kind in kinds))
    for name, counted in [*sorted(rooms.items()), ("total", sum(rooms.values(), Counter()))]:
        print(f"{name:14s}", *(f"{counted[kind]:10d}" for kind in kinds))
    print(f"{len(files)} modules over {LONGEST_MODULE} lines", *files, sep="\n  ")
    print(f"{sum(map(uses_of_any, ROOT.rglob('*.py')))} uses of Any")
    print(f"{len(bodies)} bodies over {LONGEST_BODY} lines", *bodies, sep="\n  ")


if __name__ == "__main__":
    main()
