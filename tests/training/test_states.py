"""Run states: the newest whole one is found, broken ones are told about."""

import os

import numpy as np
import pytest

from coldray.errors import CheckpointError, ImageWriteError
from coldray.training.states import RunStates, read_scores


@pytest.fixture
def states(tmp_path):
    return RunStates(tmp_path / "states", keep=2)


def save(states, *steps, best=-1):
    for step in steps:
        states.save(step, {"w": np.full(3, step, np.float32)}, {"note": f"at {step}"}, best)


def test_nothing_saved_nothing_found(states):
    assert states.newest() is None


def test_the_newest_is_found_and_old_ones_go(states, tmp_path):
    save(states, 5, 9, 10, 100)
    tensors, header, warnings = states.newest()
    assert (header["step"], header["note"], warnings) == (100, "at 100", [])
    np.testing.assert_array_equal(tensors["w"], np.full(3, 100, np.float32))
    names = sorted(p.name for p in (tmp_path / "states").iterdir())
    assert names == [f"step-{n:08d}.{e}" for n in (10, 100) for e in ("safetensors", "sha256")]


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_broken_newest_state_falls_back_with_a_warning(states, tmp_path, damage):
    save(states, 5, 9)
    path = tmp_path / "states" / "step-00000009.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    _, header, warnings = states.newest()
    assert header["step"] == 5
    assert len(warnings) == 1
    assert "step-00000009" in warnings[0]
    assert "falling back" in warnings[0]


def test_all_broken_is_nothing(states, tmp_path):
    save(states, 5)
    (tmp_path / "states" / "step-00000005.safetensors").write_bytes(b"x")
    assert states.newest() is None


def test_a_state_without_its_sum_is_not_trusted(states, tmp_path):
    """The sum is written first, so whatever kills a run, a state has one."""
    save(states, 5, 9)
    (tmp_path / "states" / "step-00000009.sha256").unlink()
    _, header, warnings = states.newest()
    assert header["step"] == 5 and "step-00000009.sha256 is missing" in warnings[0]


def test_the_best_state_stays(states):
    save(states, 5, 9, 10, best=5)
    assert states.steps() == [5, 9, 10]
    save(states, 11, best=9)
    assert states.steps() == [9, 10, 11]


def test_what_a_failed_save_left_goes_without_another_save(states, tmp_path, failing_disk, monkeypatch):
    """The last flush of the folder fails: the state is there, and the ones that it replaces were not dropped yet."""
    save(states, 5, 9)
    with monkeypatch.context() as counted:
        calls = failing_disk(counted)
        save(states, 10)
    with monkeypatch.context() as planted, pytest.raises(ImageWriteError):
        failing_disk(planted, "fsync", calls["fsync"])
        save(states, 11)
    (tmp_path / "states" / "step-00000002.sha256").write_text("of a state that was never written\n")
    assert states.steps() == [9, 10, 11]
    states.drop({11})
    assert states.steps() == [10, 11] and len(list((tmp_path / "states").iterdir())) == 4


def test_spared_states_stay(states):
    save(states, 5, 9, 10, best=5)
    states.drop({5})
    assert states.steps() == [5, 9, 10]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_state_that_is_no_numbers_is_not_saved_and_costs_no_other(states, value):
    save(states, 5, 9)
    with pytest.raises(CheckpointError, match="w holds NaN or infinite"):
        states.save(10, {"w": np.array([1.0, value], np.float32)}, {}, 10)
    assert states.steps() == [5, 9] and states.newest()[1]["step"] == 9


@pytest.mark.parametrize("at", range(1, 7))
def test_a_kill_at_any_point_of_a_save_loses_no_state(states, tmp_path, monkeypatch, at):
    """Points: fsync, rename and fsync of the folder, of the sum and of the state."""
    save(states, 5)
    count = 0

    def killing(call):
        def counted(*args):
            nonlocal count
            count += 1
            if count == at:
                raise KeyboardInterrupt
            return call(*args)

        return counted

    with monkeypatch.context() as broken:
        for name in ("fsync", "replace"):
            broken.setattr(os, name, killing(getattr(os, name)))
        with pytest.raises(KeyboardInterrupt):
            save(states, 9)
    _, header, warnings = states.newest()
    assert header["step"] == (5 if at < 6 else 9) and not warnings
    save(states, 9)
    assert states.newest()[1]["step"] == 9 and len(list((tmp_path / "states").iterdir())) == 4


def test_leftovers_of_a_killed_write_are_not_states(states, tmp_path):
    save(states, 5)
    (tmp_path / "states" / ".step-00000009.safetensors.part").write_bytes(b"half")
    assert states.newest()[1]["step"] == 5


@pytest.mark.parametrize("line", ["[1]", "5", "{", "{}", '{"step": "x"}', '{"step": true}'])
def test_damaged_scores_are_told_with_file_and_line(tmp_path, line):
    assert read_scores(tmp_path) == []
    (tmp_path / "scores.jsonl").write_text('{"step": 1}\n' + line + "\n")
    with pytest.raises(CheckpointError, match=r"^scores\.jsonl line 2: "):
        read_scores(tmp_path)
