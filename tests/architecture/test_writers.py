"""Whatever has a final name is written by `coldray.files`: whole or absent."""

import ast
from pathlib import Path

import pytest

import coldray

ROOT = Path(coldray.__file__).parent
EXEMPT = {
    "files.py": "the one place",
    "app/console.py": "a closed stream becomes os.devnull",
    "app/viewer/uploads.py": "bytes of a client under a random name in a private folder, gone with the request",
}
METHODS = {"write_text", "write_bytes", "touch", "rename", "tofile", "save_file"}
FUNCTIONS = {
    ("os", "replace"), ("os", "rename"), ("os", "renames"), ("os", "link"), ("shutil", "move"), ("shutil", "copy"),
    ("shutil", "copy2"), ("shutil", "copyfile"), ("shutil", "copytree"), ("tempfile", "mkdtemp"),
    ("tempfile", "mkstemp"), ("tempfile", "NamedTemporaryFile"), ("np", "savetxt"), ("np", "savez"),
    ("np", "savez_compressed"),
}  # fmt: skip


def offences(source):
    """Line and call of everything that writes a file by itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        owner = getattr(getattr(node.func, "value", None), "id", None)
        modes = [*node.args[(0 if isinstance(node.func, ast.Attribute) else 1) :][:1]]
        modes += [k.value for k in node.keywords if k.arg == "mode"]
        texts = [str(m.value) for m in modes if isinstance(m, ast.Constant)]
        is_open = name == "open" and owner not in ("os", "Image", "Pillow", "webbrowser")
        if is_open and any(set(text) & set("wax+") and set(text) <= set("rwaxbt+") for text in texts):
            found.append((node.lineno, f"open {texts}"))
        if isinstance(node.func, ast.Attribute) and name in METHODS:
            found.append((node.lineno, name))
        if (owner, name) in FUNCTIONS or name == "open_memmap":
            found.append((node.lineno, f"{owner}.{name}"))
        # to a name; an open file is handed over by write_atomically as `file`
        if (owner, name) == ("np", "save") and getattr(node.args[0], "id", "") != "file":
            found.append((node.lineno, "np.save"))
    return found


def test_files_are_written_in_one_place():
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name in EXEMPT:
            continue
        found += [f"{name}:{line} {call}" for line, call in offences(path.read_text(encoding="utf-8"))]
    assert not found, "use coldray.files"


def test_every_exemption_is_needed():
    for name in EXEMPT:
        assert offences((ROOT / name).read_text(encoding="utf-8")), name


@pytest.mark.parametrize(
    "line",
    ['path.write_text("x")', 'Path("a").write_bytes(b"")', 'open(path, "w")', 'open(path, "xb")', 'path.open("w+")',
     'open(path, mode="a")', "os.replace(a, b)", "path.rename(b)", "np.save(path, a)", "shutil.move(a, b)",
     "np.lib.format.open_memmap(path)", "save_file(t, path)".replace("save_file", "safetensors.save_file")],
)  # fmt: skip
def test_the_search_sees_every_way_to_write(line):
    assert offences(line)


@pytest.mark.parametrize(
    "line",
    ['open(path, "rb")', "open(path)", 'text.replace("a", "b")', "write_text(path, text)", "os.open(path, flags)",
     "write_atomically(path, lambda file: np.save(file, a))", "path.open()"],
)  # fmt: skip
def test_the_search_leaves_readers_alone(line):
    assert not offences(line)
