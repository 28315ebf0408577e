"""A folder that a machine writes into: every file once, when it is whole (F12, F20, F21)."""

import json
import os
import shutil
import signal

import numpy as np
import pytest

from coldray.app.files import Pairing
from coldray.app.watch import PATIENCE_S, Watcher, being_written
from coldray.formats import read_image

FAST = ("--method", "wiener", "--exposure-s", "0.25")
posix = pytest.mark.skipif(os.name != "posix", reason="signals, links and pipes")


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def watcher(folder, tmp_path, clock):
    return Watcher([folder], tmp_path / "out", settle_s=3.0, clock=clock)


def taken(watcher, clock, seconds):
    """Names handed out while so many seconds pass."""
    found, answers = [], iter(watcher)
    for _ in range(int(seconds * 2)):
        clock.now += 0.5
        while (pair := next(answers)) is not None:
            assert isinstance(pair, Pairing)
            found.append(pair.source.name)
    return found


def test_a_file_is_taken_once_and_only_after_it_stood_still(watcher, clock, folder):
    (folder / "a.tif").write_bytes(b"1")
    assert taken(watcher, clock, 2.5) == []
    assert taken(watcher, clock, 2) == ["a.tif"]
    assert taken(watcher, clock, 20) == []


def test_a_growing_file_is_left_alone(watcher, clock, folder):
    with open(folder / "a.tif", "wb", buffering=0) as file:
        for _ in range(10):
            file.write(b"row")
            assert taken(watcher, clock, 2) == []
    assert taken(watcher, clock, 4) == ["a.tif"]


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="Linux leases")
def test_a_writer_that_stalls_is_waited_for_while_it_holds_the_file_open(watcher, clock, folder):
    with open(folder / "a.tif", "wb", buffering=0) as file:
        file.write(b"half")
        if not being_written(folder / "a.tif"):
            pytest.skip("this file system does not tell who writes")
        assert taken(watcher, clock, 9) == []
        file.write(b"the other half")
        assert taken(watcher, clock, 9) == []
    assert taken(watcher, clock, 4) == ["a.tif"]
    with open(folder / "a.tif", "ab", buffering=0) as file:
        file.write(b"forgotten open")
        assert taken(watcher, clock, PATIENCE_S - 5) == []
        assert taken(watcher, clock, 20) == ["a.tif"]


def test_a_file_that_changes_is_taken_again_even_with_size_and_date_kept(watcher, clock, folder, tmp_path):
    (folder / "a.tif").write_bytes(b"old")
    assert taken(watcher, clock, 5) == ["a.tif"]
    before = os.stat(folder / "a.tif")
    (tmp_path / "new").write_bytes(b"new")
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(tmp_path / "new", folder / "a.tif")
    assert taken(watcher, clock, 5) == ["a.tif"]


@pytest.mark.parametrize("date_s", [0, 4070908800])
def test_dates_do_not_matter(watcher, clock, folder, date_s):
    (folder / "a.tif").write_bytes(b"1")
    os.utime(folder / "a.tif", (date_s, date_s))
    assert taken(watcher, clock, 2.5) == []
    assert taken(watcher, clock, 2) == ["a.tif"]


def test_what_changes_while_it_waits_its_turn_is_not_handed_out(watcher, clock, folder):
    for name in ("a.tif", "b.tif"):
        (folder / name).write_bytes(b"1")
    answers, first = iter(watcher), None
    while first is None:
        clock.now += 0.5
        first = next(answers)
    (folder / "b.tif").write_bytes(b"12")
    assert first.source.name == "a.tif" and next(answers) is None
    assert taken(watcher, clock, 5) == ["b.tif"]


def test_a_thousand_at_once_and_one_that_vanishes(watcher, clock, folder):
    for number in range(1000):
        (folder / f"{number:04d}.tif").write_bytes(b"1")
    clock.now += 0.5
    assert next(iter(watcher)) is None
    (folder / "0500.tif").unlink()
    assert taken(watcher, clock, 5) == [f"{n:04d}.tif" for n in range(1000) if n != 500]


def test_our_own_output_and_temporaries_are_no_news(folder, tmp_path, clock):
    watcher = Watcher([folder], folder / "restored", settle_s=0, clock=clock)
    for name in ("restored/a.tif", ".coldray-1-ab.part", "x.provenance.tif", ".hidden.tif", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"1")
    assert taken(watcher, clock, 5) == []


def test_it_ends_after_idle_time_only(folder, tmp_path, clock):
    watcher = Watcher([folder], tmp_path / "out", settle_s=1.0, idle_s=10.0, clock=clock)
    answers, count = iter(watcher), 0
    (folder / "a.tif").write_bytes(b"1")
    for pair in answers:
        clock.now += 0.5
        count += pair is not None
    assert count == 1 and 1010 <= clock.now < 1015


def test_it_does_not_end_before_it_has_taken_what_it_has_seen(folder, tmp_path, clock):
    """A scan that takes longer than the idle time, on a slow disk or a loaded machine, delays the next one."""
    (folder / "a.tif").write_bytes(b"1")
    watcher = Watcher([folder], tmp_path / "out", settle_s=0.0, idle_s=1.0, clock=clock)
    real = watcher._scan

    def slow():
        real()
        clock.now += 3.0

    watcher._scan, found = slow, []
    for pair in watcher:
        clock.now += 0.25
        found += [] if pair is None else [pair.source.name]
    assert found == ["a.tif"]


@posix
def test_watch_from_start_to_interrupt(start, put, tmp_path, results, until):
    """Half-written, renamed, replaced, cut, linked, piped; killed and started again."""
    source, out = tmp_path / "in", tmp_path / "out"
    put(source / "early.tif", 1)
    command = ("restore", source, "-o", out, *FAST, "--watch", "--settle-s", 0.6, "--json")
    running = start(*command)
    until(lambda: (out / "early.tif").exists())
    # a slow writer: stalls for twice the settle time, without keeping the file open
    whole = put(tmp_path / "elsewhere" / "slow.tif", 2).read_bytes()
    (source / "slow.tif").write_bytes(whole[: len(whole) // 2])
    # a good one: another name, then a rename
    put(source / ".part.tif", 3).rename(source / "renamed.tif")
    os.mkfifo(source / "pipe.tif")
    (source / "link.tif").symlink_to(tmp_path / "elsewhere" / "slow.tif")
    (source / "loop.tif").symlink_to(source / "loop.tif")
    (source / "folder.tif").mkdir()
    until(lambda: (out / "renamed.tif").exists())
    assert not (out / "slow.tif").exists()
    with open(source / "slow.tif", "ab") as file:
        file.write(whole[len(whole) // 2 :])
    until(lambda: (out / "slow.tif").exists())
    first = (out / "renamed.tif").read_bytes()
    put(source / "renamed.tif", 4)
    until(lambda: (out / "renamed.tif").read_bytes() != first)
    running.signal(signal.SIGKILL)
    running.end()
    put(source / "while_away.tif", 5)
    running = start(*command)
    until(lambda: (out / "while_away.tif").exists())
    # work is one after the other: what comes before the last one is not only written but entered
    put(source / "last.tif", 6)
    until(lambda: (out / "last.tif").exists())
    running.signal(signal.SIGTERM)
    code, text, err = running.end()
    entries = {os.path.basename(e["input"]): e for e in json.loads(text)["files"]}
    assert code == 143 and "Traceback" not in err
    good = {name for name, e in entries.items() if "error" not in e} - {"last.tif"}
    assert good == {"early.tif", "slow.tif", "renamed.tif", "while_away.tif"} == set(results(out)) - {"last.tif"}
    # the last one may have been killed between its rename and its row: then it was done again
    skipped = {name for name in good if entries[name].get("skipped")}
    assert skipped | {"renamed.tif"} == {"early.tif", "renamed.tif", "slow.tif"}
    for name in set(entries) - good - {"last.tif"}:
        assert name in ("pipe.tif", "link.tif", "loop.tif", "folder.tif") and entries[name]["error"].startswith(name)
    for name, number in (("early.tif", 1), ("slow.tif", 2), ("renamed.tif", 4), ("while_away.tif", 5)):
        alone = tmp_path / f"alone{number}.tif"
        put(tmp_path / "alone.tif", number)
        assert start("restore", tmp_path / "alone.tif", "-o", alone, *FAST).end()[0] == 0
        np.testing.assert_array_equal(read_image(out / name).pixels, read_image(alone).pixels)


def test_bad_uses_of_watch(call, put, tmp_path):
    put(tmp_path / "in" / "a.tif")
    for arguments, code, word in (
        ((tmp_path / "in" / "a.tif", "-o", tmp_path / "out"), 2, "folders"),
        ((tmp_path / "in", "-o", tmp_path / "in"), 2, "another OUT"),
        ((tmp_path / "nowhere", "-o", tmp_path / "out"), 3, "does not exist"),
        ((tmp_path / "in", "-o", tmp_path / "out", "--overwrite"), 2, "--overwrite"),
    ):
        found, _, err = call("restore", *arguments, *FAST, "--watch")
        assert found == code and word in err
    assert not (tmp_path / "out").exists()


def test_watch_with_an_end_is_a_batch(call, put, tmp_path, results):
    for number in range(3):
        put(tmp_path / "in" / f"{number}.tif", number)
    shutil.copy(tmp_path / "in" / "0.tif", tmp_path / "in" / "same.tif")
    command = ("restore", tmp_path / "in", "-o", tmp_path / "out", *FAST, "--watch", "--settle-s", 0, "--idle-s", 1.2)
    code, out, err = call(*command)
    assert code == 0 and len(out.splitlines()) == 4, err
    assert call("restore", tmp_path / "in", "-o", tmp_path / "batch", *FAST)[0] == 0
    assert results(tmp_path / "out") == results(tmp_path / "batch")
