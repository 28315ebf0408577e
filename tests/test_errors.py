"""The tree drawn at the top of errors.py is the tree there is."""

import copy
import inspect
import re

import pytest

from coldray import errors
from coldray.errors import ColdrayError, MissingExtraError

TREE = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, Exception)}


def test_every_error_is_ours_and_documented():
    for cls in TREE.values():
        assert issubclass(cls, ColdrayError)
        assert cls.__doc__


def test_the_drawing_names_every_error_and_its_built_in_parent():
    drawn = dict(re.findall(r"(?m)^[\s│├└─]*(\w+Error)(?: \((\w+)\))?", errors.__doc__))
    assert set(drawn) == set(TREE)
    for name, builtin in drawn.items():
        if builtin:
            assert issubclass(
                TREE[name], __builtins__[builtin] if isinstance(__builtins__, dict) else getattr(__builtins__, builtin)
            )


def test_a_missing_extra_says_how_to_get_it():
    with pytest.raises(ImportError, match=r"training needs.*'torch'.*pip install 'coldray\[train\]'"):
        raise MissingExtraError("torch", "train", "training")


def test_any_error_can_be_said_in_other_words():
    """With the name of the file, say: an error that is made of other things than its words was none any more."""
    for cls in TREE.values():
        first = MissingExtraError("torch", "train", "training") if cls is MissingExtraError else cls("first")
        other = first.worded("board_3: other")
        assert type(other) is cls and str(other) == "board_3: other"


def test_an_error_of_a_worker_process_says_what_it_said_there():
    for cls in TREE.values():
        first = MissingExtraError("torch", "train", "training") if cls is MissingExtraError else cls("first")
        for sent in (first, first.worded("board_3: other")):
            back = copy.copy(sent)  # takes it apart and puts it together as a process does that sends it
            assert type(back) is cls and str(back) == str(sent)


def test_errors_are_said_in_other_words_beside_packages_that_copy_exceptions_their_own_way():
    """Once distributed is loaded, errors that are operating-system errors too can be copied no more."""
    pytest.importorskip("distributed", reason="needs the extra cluster")
    test_any_error_can_be_said_in_other_words()


def test_errors_come_from_the_workers_of_a_cluster():
    """Which pickles all exceptions in its own way, and those that are of two built-in kinds came as another error."""
    support = pytest.importorskip("tblib.pickling_support", reason="needs the extra cluster")
    support.install()
    test_an_error_of_a_worker_process_says_what_it_said_there()
