"""Errors that a user can mend."""

import pickle

import pytest

from harness import errors

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.LikewiseError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_the_same_in_another_process(kind: type[errors.LikewiseError]) -> None:
    told = pickle.loads(pickle.dumps(kind("It broke.", "Mend it.")))  # noqa: S301  # our own bytes
    assert type(told) is kind
    assert (told.happened, told.next_step, str(told)) == ("It broke.", "Mend it.", "It broke. Mend it.")
