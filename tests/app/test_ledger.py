"""The ledger of a folder: one owner at a time, and always one."""

import threading

import pytest

from coldray.app.ledger import Ledger
from coldray.errors import ImageWriteError


@pytest.mark.parametrize("again", range(20))
def test_of_several_that_ask_at_once_exactly_one_owns_the_folder(again, tmp_path):
    together, owners, refused = threading.Barrier(6), [], []

    def ask():
        together.wait()
        try:
            ledger = Ledger(tmp_path, {})
        except ImageWriteError as problem:
            refused.append(str(problem))
            together.wait()
            return
        owners.append(ledger)
        together.wait()
        with ledger:
            pass

    asking = [threading.Thread(target=ask) for _ in range(6)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert len(owners) == 1 and len(refused) == 5
    assert all("another coldray" in words for words in refused)


def test_whoever_is_refused_keeps_nobody_out(tmp_path):
    with Ledger(tmp_path, {}):
        with pytest.raises(ImageWriteError) as refusal:
            Ledger(tmp_path, {})
        assert refusal.tb is not None, "its frames are alive"
    with Ledger(tmp_path, {}):
        pass
