"""Files and folders with a final name: whole or absent, and nothing of the dead is left."""

import os
import stat
import subprocess
import sys

import pytest

from coldray import files, leftovers
from coldray.errors import ImageWriteError

DEAD = 4194305
"""Above the largest number a process can have."""
posix = pytest.mark.skipif(os.name != "posix", reason="locks and process numbers")


@pytest.fixture(autouse=True)
def _as_a_fresh_process(monkeypatch):
    monkeypatch.setattr(leftovers, "_swept", set())


def leftover(folder, owner=DEAD, mark="0123456789ab"):
    return folder / f"{leftovers.TEMPORARY_PREFIX}{owner}-{mark}.part"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
def test_an_interrupted_writer_leaves_nothing(error, tmp_path):
    def writer(file):
        file.write(b"half")
        raise error

    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else ImageWriteError):
        files.write_atomically(tmp_path / "a.bin", writer)
    assert os.listdir(tmp_path) == []


def test_an_unfinished_file_is_a_dot_file_of_known_prefix_and_the_whole_one_follows_the_umask(tmp_path):
    seen = []

    def writer(file):
        seen.extend(os.listdir(tmp_path))
        file.write(b"x")

    path = tmp_path / ("n" * 240)
    files.write_atomically(path, writer)
    assert len(seen) == 1 and seen[0].startswith(leftovers.TEMPORARY_PREFIX)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_text_is_utf_8_whatever_the_locale_and_line_ends_stay(tmp_path):
    files.write_text(tmp_path / "a.txt", "\u00b5m\nb\r\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5m\nb\r\n"


def test_a_new_file_replaces_nothing_and_has_its_permissions_from_the_first_moment(tmp_path):
    files.write_new(tmp_path / "a", b"first", mode=0o600)
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"first"
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    (tmp_path / "folder").mkdir()
    for taken in ("a", "folder"):
        with pytest.raises(ImageWriteError, match=f"{taken} exists already"):
            files.write_new(tmp_path / taken, b"second")
    assert (tmp_path / "a").read_bytes() == b"first" and sorted(os.listdir(tmp_path)) == ["a", "folder"]
    with pytest.raises(ImageWriteError, match="cannot be written"):
        files.write_new(tmp_path / "absent" / "a", b"x")


def test_a_new_file_that_cannot_be_whole_is_not_there(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageWriteError, match="No space left"):
        files.write_new(tmp_path / "a", b"x")
    assert os.listdir(tmp_path) == []


@posix
def test_a_device_is_no_output_file():
    with pytest.raises(ImageWriteError, match="folder or a device"):
        files.write_bytes("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_the_first_write_into_a_folder_clears_files_and_folders_of_the_dead(tmp_path):
    leftover(tmp_path).write_bytes(b"half")
    (leftover(tmp_path, mark="a") / "sub").mkdir(parents=True)
    (leftover(tmp_path, mark="a") / "sub" / "model.onnx").write_bytes(b"whole")
    others = [tmp_path / ".coldray-notes.part", tmp_path / ".coldray-12-zz.part", tmp_path / "a.part"]
    for other in others:
        other.write_bytes(b"not ours")
    files.write_bytes(tmp_path / "new", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["new", *(p.name for p in others)])


@posix
def test_what_somebody_holds_is_kept_even_if_its_process_cannot_be_seen(tmp_path):
    """Another container has its own process numbers: there the lock speaks."""
    import fcntl

    with open(leftover(tmp_path), "xb") as held:
        fcntl.flock(held.fileno(), fcntl.LOCK_EX)
        leftover(tmp_path, owner=os.getpid()).write_bytes(b"of this process")
        files.write_bytes(tmp_path / "new", b"x")
        assert len(os.listdir(tmp_path)) == 3
    assert leftovers.clear_leftovers(tmp_path) == 1


@posix
def test_a_link_among_leftovers_is_not_followed(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a").write_bytes(b"x")
    leftover(tmp_path).symlink_to(tmp_path / "kept")
    leftovers.clear_leftovers(tmp_path)
    assert (tmp_path / "kept" / "a").exists()


@posix
@pytest.mark.parametrize("of", ["file", "folder", "several"])
def test_a_killed_writer_leaves_nothing_that_the_next_one_does_not_clear(of, tmp_path):
    begun = {
        "file": "files.write_atomically(place / 'a', lambda file: (file.write(b'half'), file.flush(), die()))",
        "folder": "with files.whole_folder(place / 'a') as folder:\n    (folder / 'b').touch()\n    die()",
        "several": "with files.together() as staged:\n    files.write_text(staged(place / 'a'), 'x')\n    die()",
    }[of]
    code = f"""
import os, signal, sys
from pathlib import Path
from coldray import files
place = Path(sys.argv[1])
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
{begun}
"""
    assert subprocess.run([sys.executable, "-c", code, tmp_path]).returncode == -9
    assert len(os.listdir(tmp_path)) == 1 and not (tmp_path / "a").exists()
    files.write_bytes(tmp_path / "b", b"x")
    assert os.listdir(tmp_path) == ["b"]


def test_a_folder_is_whole_or_absent_and_one_that_exists_is_filled(tmp_path):
    target = tmp_path / "new" / "scene"
    with pytest.raises(ZeroDivisionError), files.whole_folder(target) as place:
        assert place.name == target.name and not target.exists()
        files.write_text(place / "a", "half")
        raise ZeroDivisionError
    assert os.listdir(target.parent) == []
    with files.whole_folder(target) as place:
        files.write_text(place / "a", "1")
    with files.whole_folder(target) as place:
        files.write_text(place / "b", "2")
    assert sorted(os.listdir(target)) == ["a", "b"] and os.listdir(target.parent) == ["scene"]
    with pytest.raises(ZeroDivisionError), files.whole_folder(target) as place:
        files.write_text(place / "a", "3")
        raise ZeroDivisionError
    assert (target / "a").read_text() == "1", "an old folder and a new one are never mixed"


def _three(folder, text):
    with files.together() as staged:
        for name in ("main.tif", "main.tif.json", "beside/main.html"):
            files.write_text(staged(folder / name), text)


def _held(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("links", [True, False], ids=["links", "a disk without links"])
@pytest.mark.parametrize("before", ["nothing", "old"])
def test_files_of_one_result_are_all_there_or_none_wherever_the_disk_fails(
    before, links, tmp_path, failing_disk, monkeypatch
):
    if not links:
        monkeypatch.setattr("coldray.files.os.link", lambda *_, **__: (_ for _ in ()).throw(PermissionError))
    with monkeypatch.context() as counted:
        calls = failing_disk(counted)
        _three(tmp_path / "counted", "x")
    assert calls["open"] == 3 and calls["rename"] == 6
    out = tmp_path / "out"
    if before == "old":
        _three(out, "old")
    was = _held(out)
    for kind, count in calls.items():
        for number in range(1, count + 1):
            with monkeypatch.context() as planted, pytest.raises(ImageWriteError):
                failing_disk(planted, kind, number)
                _three(out, "new")
            assert _held(out) == was, f"{kind} {number}"
    assert not list(tmp_path.rglob(f"{leftovers.TEMPORARY_PREFIX}*"))
    _three(out, "new")
    assert set(_held(out).values()) == {"new"} and len(_held(out)) == 3


def test_the_first_of_several_files_gets_its_name_last(tmp_path, monkeypatch):
    order, replace = [], os.replace
    monkeypatch.setattr("coldray.files.os.replace", lambda a, b: (order.append(os.fspath(b)), replace(a, b))[1])
    _three(tmp_path, "x")
    final = [name for name in order if leftovers.TEMPORARY_PREFIX not in name]
    assert len(final) == 3 and final[-1] == os.fspath(tmp_path / "main.tif")


def test_a_folder_is_no_place_for_one_of_several_files(tmp_path):
    (tmp_path / "main.tif.json").mkdir()
    with pytest.raises(ImageWriteError, match="main.tif.json is a folder or a device"):
        _three(tmp_path, "x")
    assert os.listdir(tmp_path) == ["main.tif.json"]


def test_what_cannot_be_moved_says_so_in_one_line(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").touch()
    with files.scratch_folder(tmp_path) as scratch:
        (scratch / "made").mkdir()
        with pytest.raises(ImageWriteError, match=r"^there cannot be written \(.*\); check"):
            files.move_into_place(scratch / "made", tmp_path / "there")
    assert os.listdir(tmp_path) == ["there"]


def test_a_folder_has_one_owner_and_an_empty_one_does_not_stay(tmp_path):
    pytest.importorskip("fcntl")
    folder = tmp_path / "a" / "b"
    with files.own_folder(folder):
        with pytest.raises(ImageWriteError, match="b is being written by another coldray"), files.own_folder(folder):
            pytest.fail("two owners")
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError), files.own_folder(folder):
        (folder / "x").write_bytes(b"1")
        raise ZeroDivisionError
    assert (folder / "x").read_bytes() == b"1"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ImageWriteError, match="cannot be made"), files.own_folder(tmp_path / "file" / "x"):
        pytest.fail("no folder")


def test_a_folder_that_was_there_stays_and_is_free_again(tmp_path):
    for _ in range(2):
        with files.own_folder(tmp_path):
            pass
    assert tmp_path.is_dir()
