"""Folders of images: killed, interrupted, shared, damaged, and finished by the same command (F5, F19, F24, F25, F29)."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from coldray.app import console
from coldray.app.engines import TRIES, Try, run_in_processes
from coldray.app.files import LEDGER, Pairing
from coldray.errors import WorkerError
from coldray.formats import read_image
from coldray.leftovers import TEMPORARY_PREFIX

FAST = ("--method", "wiener", "--exposure-s", "0.25")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and /proc")

KILL_AT = """
import coldray.app.ledger as ledger
count = 0
def killing(call):
    def counted(*args, **more):
        global count
        count += 1
        if count == {n}:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **more)
    return counted
os.fsync, os.replace = killing(os.fsync), killing(os.replace)
ledger.Ledger.claim, ledger.Ledger.finish = killing(ledger.Ledger.claim), killing(ledger.Ledger.finish)
"""
POINTS = 8
"""Per image: claim; fsync, rename, fsync of the folder, in the scratch folder and to the final name; finish."""


@pytest.fixture
def scans(tmp_path, put):
    for number in range(4):
        put(tmp_path / "scans" / f"{number}.tif", number)
    return tmp_path / "scans"


@pytest.fixture
def clean(call, scans, tmp_path, results):
    """Results of an unbroken run."""
    assert call("restore", scans, "-o", tmp_path / "clean", *FAST)[0] == 0
    return results(tmp_path / "clean")


def leftovers(folder):
    return [p.name for p in folder.rglob(f"{TEMPORARY_PREFIX}*.part")]


def check_kill(point, start, call, scans, out, clean, results):
    """Kill at one point, then let the same command finish; returns whether it was killed at all."""
    code, _, err = start("restore", scans, "-o", out, *FAST, prologue=KILL_AT.format(n=point)).end()
    killed = code == -signal.SIGKILL
    assert killed or code == 0, err
    after = results(out)
    assert all(after[name] == clean[name] for name in after), "a final path holds a whole file or none"
    code, text, err = call("restore", scans, "-o", out, *FAST, "--json")
    entries = json.loads(text)["files"]
    assert code == 0, err
    assert results(out) == clean and not leftovers(out)
    skipped = [e["output"] for e in entries if e.get("skipped")]
    assert len(entries) == 4 and len(skipped) == min(4, (point - 1) // POINTS), "nothing that was entered is done twice"
    return killed


@posix
@pytest.mark.parametrize("point", [14, 23])
def test_kill_9_loses_nothing_and_repeats_nothing(point, start, call, scans, clean, tmp_path, results):
    assert check_kill(point, start, call, scans, tmp_path / "out", clean, results)


@posix
@pytest.mark.slow
def test_kill_9_at_every_point(start, call, scans, clean, tmp_path, results):
    point = 1
    while check_kill(point, start, call, scans, tmp_path / f"out{point}", clean, results):
        point += 1
    assert point == POINTS * 4 + 1


@posix
@pytest.mark.slow
def test_200_kills_at_random_times_over_100_images(start, call, put, tmp_path, results):
    for number in range(100):
        put(tmp_path / "scans" / f"{number:03d}.tif", number)
    command = ("restore", tmp_path / "scans", "-o", tmp_path / "out", *FAST)
    assert call("restore", tmp_path / "scans", "-o", tmp_path / "clean", *FAST)[0] == 0
    clean, rng = results(tmp_path / "clean"), np.random.default_rng(0)
    for _ in range(200):
        if len(results(tmp_path / "out")) == len(clean):
            shutil.rmtree(tmp_path / "out")
        running = start(*command)
        try:
            running.process.wait(rng.uniform(0.5, 4.0))
        except Exception:
            running.signal(signal.SIGKILL)
        running.end()
        after = results(tmp_path / "out")
        assert all(after[name] == clean[name] for name in after)
    assert call(*command)[0] == 0
    assert results(tmp_path / "out") == clean and not leftovers(tmp_path / "out")


@posix
def test_a_killed_worker_costs_nothing_but_time(start, scans, clean, put, tmp_path, results, until, hold):
    until_killed = hold(1, f"os.path.exists({str(tmp_path / 'killed')!r})")
    running = start("restore", scans, "-o", tmp_path / "out", *FAST, "--workers", 2, "--json", prologue=until_killed)
    until(lambda: running.children())
    os.kill(running.children()[0], signal.SIGKILL)
    (tmp_path / "killed").touch()
    code, out, err = running.end()
    entries = json.loads(out)["files"]
    assert code == 0 and len(entries) == 4, err
    assert results(tmp_path / "out") == clean and not leftovers(tmp_path / "out")


@pytest.fixture
def killers(tmp_path, monkeypatch):
    """Module with work that kills its own process, importable by fresh processes."""
    (tmp_path / "killers.py").write_text(
        "import os, signal\n"
        "def work(number, pair):\n"
        "    if pair.source.name == 'poison':\n"
        "        with open(pair.target, 'a') as file:\n"
        "            file.write('x')\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    if pair.source.name == 'bad':\n"
        "        raise ZeroDivisionError('as planned')\n"
        "    return {'input': pair.source.name, 'warnings': []}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import killers

    yield killers
    sys.modules.pop("killers", None)


@posix
def test_poison_is_tried_three_times_and_the_others_end(killers, tmp_path):
    names = ["a", "poison", "bad", "b", "c"]
    tasks = iter([(n, Pairing(tmp_path / name, tmp_path / "count", False)) for n, name in enumerate(names)])
    found = dict(run_in_processes(Try(killers.work), tasks, 2))
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert [found[n]["input"] for n in (0, 3, 4)] == ["a", "b", "c"]
    assert isinstance(found[1], WorkerError) and "died 3 times" in str(found[1]) and "poison" in str(found[1])
    assert (tmp_path / "count").read_text() == "x" * TRIES
    assert "ZeroDivisionError" in str(found[2]) and "\n" not in str(found[2])


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_batch_leaves_a_report_and_whole_files(
    number, code, start, call, put, tmp_path, results, until, hold
):
    for each in range(12):
        put(tmp_path / "scans" / f"{each:02d}.tif", each)
    workers = 2 if number == signal.SIGTERM else 1
    command = ("restore", tmp_path / "scans", "-o", tmp_path / "out", *FAST, "--workers", workers, "--json")
    running = start(*command, prologue=hold(8, "False"))
    until(lambda: len(results(tmp_path / "out")) >= 6)
    running.signal(number)
    found, out, err = running.end()
    report = json.loads(out)
    assert found == code and report["interrupted"] is True, err
    assert len(report["files"]) == 12 and "Traceback" not in err
    done = [e for e in report["files"] if "error" not in e]
    assert 2 <= len(done) <= 8 and not leftovers(tmp_path / "out")
    for name in results(tmp_path / "out"):
        read_image(tmp_path / "out" / name)
    again = json.loads(call(*command)[1])["files"]
    assert sum(e.get("skipped", False) for e in again) >= len(done) and not any("error" in e for e in again)


def test_four_at_once_neither_lose_nor_mix_anything(start, call, scans, clean, tmp_path, results):
    running = [start("restore", scans, "-o", tmp_path / "out", *FAST, "--json") for _ in range(4)]
    ends = [each.end() for each in running]
    assert {code for code, _, _ in ends} <= {0, 3} and 0 in {code for code, _, _ in ends}
    for code, out, _ in ends:
        assert code == 0 or "another coldray" in json.loads(out)["error"]
    assert results(tmp_path / "out") == clean and not leftovers(tmp_path / "out")
    entries = json.loads(call("restore", scans, "-o", tmp_path / "out", *FAST, "--json")[1])["files"]
    assert len(entries) == 4 and all(e["skipped"] for e in entries)


@pytest.mark.slow
def test_four_at_once_20_rounds(start, scans, clean, tmp_path, results):
    for number in range(20):
        running = [start("restore", scans, "-o", tmp_path / f"out{number}", *FAST) for _ in range(4)]
        assert {each.end()[0] for each in running} <= {0, 3}
        assert results(tmp_path / f"out{number}") == clean


def test_a_damaged_ledger_is_refused_and_nothing_is_touched(call, scans, clean, tmp_path, results):
    command = ("restore", scans, "-o", tmp_path / "out", *FAST)
    assert call(*command)[0] == 0
    ledger = tmp_path / "out" / LEDGER
    whole, sources = ledger.read_bytes(), results(scans)
    for damaged in (whole[: len(whole) // 2], b"no database at all" * 400, whole[:8] + bytes(200) + whole[208:]):
        ledger.write_bytes(damaged)
        code, _, err = call(*command)
        assert code == 3 and LEDGER in err and len(err.splitlines()) == 1, err
        assert results(tmp_path / "out") == clean and results(scans) == sources
    ledger.unlink()
    code, _, err = call(*command)
    assert code == 3 and "--overwrite" in err
    assert call(*command, "--overwrite")[0] == 0 and results(tmp_path / "out") == clean
    assert all(e["skipped"] for e in json.loads(call(*command, "--json")[1])["files"])


def test_flipped_bytes_in_the_ledger_never_pass_for_work(call, scans, clean, tmp_path, results):
    command = ("restore", scans, "-o", tmp_path / "out", *FAST)
    assert call(*command)[0] == 0
    ledger, rng = tmp_path / "out" / LEDGER, np.random.default_rng(3)
    whole = ledger.read_bytes()
    for place in rng.integers(100, len(whole), 12):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        ledger.write_bytes(damaged)
        code, _, err = call(*command)
        assert code in (0, 1, 3) and "Traceback" not in err
        assert results(tmp_path / "out") == clean


def test_a_result_or_side_file_that_changed_is_made_anew(call, scans, tmp_path, results):
    command = ("restore", scans, "-o", tmp_path / "out", *FAST, "--provenance", "--json")
    assert call(*command)[0] == 0
    made = results(tmp_path / "out")
    assert len(made) == 8
    (tmp_path / "out" / "1.provenance.tif").write_bytes(b"gone")
    (tmp_path / "out" / "2.tif").unlink()
    entries = json.loads(call(*command)[1])["files"]
    assert [e.get("skipped", False) for e in entries] == [True, False, False, True]
    assert results(tmp_path / "out") == made


def test_a_changed_input_is_not_overwritten_unasked(call, scans, put, tmp_path):
    command = ("restore", scans, "-o", tmp_path / "out", *FAST)
    assert call(*command)[0] == 0
    put(scans / "1.tif", 77)
    code, _, err = call(*command)
    assert code == 1 and "1.tif" in err and "earlier content" in err and "--overwrite" in err


def test_temporaries_of_the_dead_are_cleared_and_of_the_living_kept(call, scans, tmp_path):
    (tmp_path / "out" / "sub").mkdir(parents=True)
    dead = tmp_path / "out" / "sub" / f"{TEMPORARY_PREFIX}4194305-0123456789ab.part"
    living = tmp_path / "out" / f"{TEMPORARY_PREFIX}{os.getpid()}-0123456789ab.part"
    for path in (dead, living):
        path.write_bytes(b"half")
    assert call("restore", scans, "-o", tmp_path / "out", *FAST)[0] == 0
    assert not dead.exists() and living.exists() == (os.name == "posix")


def test_a_restored_image_is_not_restored_again_without_a_word(call, scans, tmp_path):
    assert call("restore", scans / "0.tif", "-o", tmp_path / "once.tif", *FAST)[0] == 0
    code, out, _ = call("restore", tmp_path / "once.tif", "-o", tmp_path / "twice.tif", *FAST, "--json")
    assert code == 0 and any("restored before" in w for w in json.loads(out)["files"][0]["warnings"])


@posix
@pytest.mark.skipif(shutil.which("script") is None, reason="script makes a terminal")
def test_a_terminal_shows_rate_and_eta_and_prose_still_goes_where_it_was_sent(scans, tmp_path):
    listed = tmp_path / "list.txt"
    command = shlex.join([sys.executable, "-m", "coldray", "restore", str(scans), "-o", str(tmp_path / "out"), *FAST])
    subprocess.run(["script", "-qec", f"{command} > {listed}", str(tmp_path / "screen")], check=True, timeout=600)
    screen = (tmp_path / "screen").read_text(errors="replace")
    assert "images/min" in screen and "ETA" in screen and "4/4" in screen
    assert len(listed.read_text().splitlines()) == 4


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("coldray.app.console.time.monotonic", lambda: now[0])
    with console.progress("restore", 40, unit="images") as advance:
        for done in range(1, 41):
            now[0] += 1.0
            advance(done)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "restore: 15 of 40 images, 60 images/min, ETA 0:00:25",
        "restore: 30 of 40 images, 60 images/min, ETA 0:00:10",
    ]


def test_a_batch_in_which_everything_fails_still_names_every_input(call, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.tif").write_bytes(b"no image")
    code, out, err = call("restore", tmp_path / "in", "-o", tmp_path / "out", *FAST, "--json")
    report = json.loads(out)
    assert code == 3 and "none of 3 inputs" in report["error"] and len(report["files"]) == 3
    assert all("error" in entry for entry in report["files"]) and len(err.splitlines()) == 4


@posix
def test_an_interrupt_of_the_whole_group_while_workers_start_shows_no_traceback(start, scans, tmp_path, until, hold):
    running = start(
        "restore", scans, "-o", tmp_path / "out", *FAST, "--workers", 2, "--json", start_new_session=True,
        prologue=hold(2, "False"),
    )  # fmt: skip
    until(lambda: running.children(), poll_s=0.005)
    os.killpg(running.process.pid, signal.SIGINT)
    code, out, err = running.end()
    assert code == 130 and "Traceback" not in err
    assert len(json.loads(out)["files"]) == 4 and not leftovers(tmp_path / "out")
