"""Run states: the newest whole one is found, broken ones are told about."""

import numpy as np
import pytest

from coldray.training.states import RunStates


@pytest.fixture
def states(tmp_path):
    return RunStates(tmp_path / "states", keep=2)


def save(states, *steps):
    for step in steps:
        states.save(step, {"w": np.full(3, step, np.float32)}, {"note": f"at {step}"})


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


def test_a_state_killed_before_its_sum_was_written_still_counts(states, tmp_path):
    save(states, 5, 9)
    (tmp_path / "states" / "step-00000009.sha256").unlink()
    assert states.newest()[1]["step"] == 9


def test_leftovers_of_a_killed_write_are_not_states(states, tmp_path):
    save(states, 5)
    (tmp_path / "states" / ".step-00000009.safetensors.part").write_bytes(b"half")
    assert states.newest()[1]["step"] == 5
