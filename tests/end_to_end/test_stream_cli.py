"""`coldray stream`: raw frames on stdin and a folder; every frame is written or told; all simulated."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from coldray.app.cli import main
from coldray.app.files import LEDGER, Pairing
from coldray.app.stream import NAME, Folder, Frames, Origin, heeding, of_pipe
from coldray.app.watch import Watcher
from coldray.errors import ImageReadError
from coldray.files import own_folder
from coldray.formats import read_image
from coldray.formats.raw import RawGeometry

SHAPE = (48, 64)
GEOMETRY = "48x64:u2"
FAST = ("--method", "wiener", "--exposure-s", "0.25", "--open-beam", "50000", "--pitch-um", "48")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes")


def frames(count):
    rng = np.random.default_rng(0)
    return [np.rint(rng.normal(0.6, 0.004, SHAPE) * 50000).astype("<u2") for _ in range(count)]


def last_report(said):
    """The last of the reports on stdout; where a frame takes long there are others before it."""
    return json.loads(said.splitlines()[-1])


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run `coldray stream` here, with so many bytes on stdin; gives code, stdout, stderr."""

    def run(*arguments, piped=b""):
        (tmp_path / "piped").write_bytes(piped)
        with open(tmp_path / "piped", "rb") as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            with pytest.raises(SystemExit) as left:
                main(["stream", *map(str, arguments)])
        return (int(left.value.code or 0), *capsys.readouterr())

    return run


def test_raw_frames_on_stdin_become_files_with_their_history(call, tmp_path):
    sent = frames(3)
    out = tmp_path / "out"
    code, said, _ = call("--raw", GEOMETRY, *FAST, "-o", out, "--json", piped=b"".join(f.tobytes() for f in sent))
    report = last_report(said)
    assert code == 0 and report["frames"] == report["restored"] == report["written"] == 3
    assert report["dropped"] == report["bad"] == 0 and report["lost"] == []
    assert {"p50", "p95", "p99"} < report["latency_ms"].keys() and report["latency_ms"]["p50"] > 0
    assert sorted(p.name for p in out.iterdir()) == [NAME.format(n) for n in (1, 2, 3)]
    result = read_image(out / NAME.format(2))
    details = result.history[-1].details
    assert result.pixels.shape == SHAPE and result.dtype == np.uint16
    assert details["settings"]["judged"] is True and details["settings"]["exposure_s"] == 0.25
    assert details["settings"]["filter_signal"] == details["filter_signal"]


def test_a_frame_verifies_from_its_own_history(call, tmp_path, put):
    """Though its filters are those of a rounded mean signal, and no certificate was made."""
    source = put(tmp_path / "in" / "a.tif", 1)
    out = tmp_path / "out"
    arguments = ("--source", tmp_path / "in", "--idle-s", "0", "--settle-s", "0", "--certificate-every", "0")
    assert call(*arguments, *FAST, "-o", out)[0] == 0
    assert read_image(out / "a.tif").history[-1].details["judged"] is False
    with pytest.raises(SystemExit) as left:
        main(["verify", str(out / "a.tif"), "--input", str(source)])
    assert not left.value.code


def test_a_frame_that_is_cut_short_and_other_bytes_before_the_first_one(call, tmp_path):
    sent = frames(2)
    piped = b"head" + sent[0].tobytes() + sent[1].tobytes()[:100]
    code, said, err = call("--raw", GEOMETRY + ":offset=4", *FAST, "-o", tmp_path / "out", piped=piped)
    assert code == 1 and "1 of 2 frames written; 1 bad" in said
    lines = [line for line in err.splitlines() if line.startswith("coldray: ")]
    assert lines == ["coldray: frame 2 has 100 of 6144 bytes: its writer ended, or the geometry is another"]
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_frame_of_no_numbers_costs_one_line(call, tmp_path):
    sent = [(f / 50000).astype("<f4") for f in frames(3)]
    sent[1][5, 5] = np.nan
    piped = b"".join(f.tobytes() for f in sent)
    arguments = ("--raw", "48x64:f4", "--method", "wiener", "--exposure-s", "0.25", "--pitch-um", "48")
    code, said, _ = call(*arguments, "-o", tmp_path / "out", "--json", piped=piped)
    report = last_report(said)
    assert code == 1 and report["written"] == 2 and report["bad"] == 1
    (lost,) = report["lost"]
    assert lost["frame"] == 2 and "1 pixels that are NaN" in lost["error"]


def test_a_folder_costs_one_line_for_a_bad_file_and_goes_on_where_it_was(call, tmp_path, put):
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.tif", "deep/b.tif", "c.tif"):
        put(source / name, 1)
    (source / "b.tif").write_bytes(b"II*\0 broken")
    put(source / "d.tif", 2, (50, 64))
    arguments = ("--source", source, "--idle-s", "0", "--settle-s", "0", *FAST, "-o", out, "--json")
    code, said, err = call(*arguments)
    report = last_report(said)
    assert code == 1 and report["frames"] == 5 and report["written"] == 3 and report["bad"] == 2
    assert [os.path.basename(one["input"]) for one in report["lost"]] == ["b.tif", "d.tif"]
    assert len([line for line in err.splitlines() if line.startswith("coldray: ")]) == 2
    assert (out / "deep" / "b.tif").is_file() and not (out / "b.tif").exists()
    (source / "b.tif").unlink()
    (source / "d.tif").unlink()
    put(source / "e.tif", 3)
    report = last_report(call(*arguments)[1])
    assert (report["frames"], report["written"], report["already_there"]) == (1, 1, 3)


def test_with_no_time_to_settle_a_file_is_taken_when_it_is_seen(tmp_path):
    (tmp_path / "in").mkdir()
    now = 0.0
    answers = iter(Watcher([tmp_path / "in"], tmp_path / "out", settle_s=0.0, clock=lambda: now, poll_s=0.1))
    assert next(answers) is None
    (tmp_path / ".half").write_bytes(b"1")
    shutil.move(tmp_path / ".half", tmp_path / "in" / "a.tif")
    now += 0.1
    found = next(answers)
    assert isinstance(found, Pairing) and found.source.name == "a.tif" and next(answers) is None


def test_a_folder_that_nobody_wants_any_more_of_ends(tmp_path):
    ended = threading.Event()
    ended.set()
    assert list(Folder(iter(lambda: None, 1), None, False, ended)) == []


@posix
def test_a_frame_is_there_with_its_last_byte(tmp_path):
    """Nothing waits for a buffer to fill, and a frame that comes in pieces is one."""
    out, into = os.pipe()
    sent = frames(2)
    found = of_pipe(out, RawGeometry.parse(GEOMETRY), tmp_path)
    content = sent[0].tobytes()
    pieces = threading.Thread(
        target=lambda: [os.write(into, content[n : n + 1000]) for n in range(0, len(content), 1000)]
    )
    pieces.start()
    origin, frame = next(found)
    pieces.join()
    np.testing.assert_array_equal(frame.pixels, sent[0])
    assert origin.target == tmp_path / NAME.format(1) and len(origin.sha256) == 64
    os.close(into)
    assert list(found) == []
    os.close(out)


def test_origins_are_asked_for_once(tmp_path):
    gone = ImageReadError("gone")
    source = Frames([(Origin("a", tmp_path), gone)])
    assert list(source) == [gone]
    assert source.origin(1) == Origin("a", tmp_path) and source.origin(1) is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--raw", "48x64:u2:frames=3"), 2, "geometry of one frame"),
        ((), 2, "--raw"),
        (("--raw", GEOMETRY), 3, "no frame came"),
        (("--raw", GEOMETRY, "--average", "2"), 2, "--average is 2"),
        (("--raw", GEOMETRY, "--certificate-every", "2", "--on-contradiction", "refuse"), 2, "certificate"),
    ],
)
def test_what_cannot_work_is_one_line(call, tmp_path, arguments, code, said):
    found, out, err = call(*arguments, *FAST, "-o", tmp_path / "out")
    assert found == code and said in err and err.count("\n") == 1 and not out


def test_folders_of_others_are_left_alone(call, tmp_path):
    out = tmp_path / "out"
    with own_folder(out):
        code, _, err = call("--raw", GEOMETRY, *FAST, "-o", out, piped=frames(1)[0].tobytes())
        assert code == 3 and "is being written by another coldray" in err
        (out / LEDGER).touch()
    code, _, err = call("--raw", GEOMETRY, *FAST, "-o", out, piped=frames(1)[0].tobytes())
    assert code == 3 and "holds results of" in err


@posix
def test_signals_ask_for_a_certificate_or_for_the_end():
    asked = []

    class Asked:
        judge_next = staticmethod(lambda: asked.append("certificate"))
        stop = staticmethod(lambda: asked.append("end"))

    ended = threading.Event()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), heeding(Asked(), ended) as came:
        signal.raise_signal(signal.SIGUSR1)
        assert asked == ["certificate"] and not ended.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert asked == ["certificate", "end"] and ended.is_set() and came == [signal.SIGTERM]
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_numbers_begin_anew_only_in_an_empty_folder(call, tmp_path):
    piped = frames(1)[0].tobytes()
    arguments = ("--raw", GEOMETRY, *FAST, "-o", tmp_path / "out")
    assert call(*arguments, piped=piped)[0] == 0
    code, _, err = call(*arguments, piped=piped)
    assert code == 3 and "holds frames already" in err
    assert call(*arguments, "--overwrite", piped=piped)[0] == 0


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stream_after_what_was_taken_in(tmp_path, number, until):
    """The writer stays: the frame on its way is written, and the last report says that it was interrupted."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "coldray", "stream", "--raw", GEOMETRY, *FAST, "-o", str(out), "--json"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(frames(1)[0].tobytes())
    process.stdin.flush()
    until(lambda: (out / NAME.format(1)).exists())
    process.send_signal(number)
    said = process.stdout.read()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    report = last_report(said)
    assert process.returncode == 128 + number
    assert report["interrupted"] is True and report["written"] == report["frames"] == 1
