import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ConfigurationError, DataError, StorageError, UnlearnableError, one_line

EVERY = [
    ConfigurationError("no class is called cat", "name another"),
    DataError("shard a.tar is damaged", "copy it again"),
    StorageError("can't read s3://b/x: too slow", "try again", transient=True),
    StorageError("can't read s3://b/x: no permission", "check the rights"),
]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_between_two_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.problem, again.mend) == (str(error), error.problem, error.mend)
    assert again.exit_status == error.exit_status
    assert getattr(again, "transient", None) == getattr(error, "transient", None)


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_an_error_names_the_thing_and_the_mend(error):
    assert isinstance(error, UnlearnableError)
    assert str(error) == f"{error.problem}; {error.mend}"


def test_bad_usage_and_a_failed_job_leave_with_different_statuses():
    assert ConfigurationError("a", "b").exit_status == 2
    assert {DataError("a", "b").exit_status, StorageError("a", "b").exit_status} == {1}


@settings(deadline=None)
@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_no_text_from_a_dataset_can_forge_a_line_or_reach_the_terminal(problem, mend):
    line = str(DataError(problem, mend))
    assert len(line.splitlines()) <= 1
    assert all(c.isprintable() for c in line)
    line.encode()  # lone surrogates are escaped too


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1))
def test_a_plain_name_stays_as_it_is(name):
    assert one_line(name) == name


def test_control_characters_are_shown_as_escapes():
    assert one_line("a\x1b[31mb\nc\td\x00\u202e") == r"a\x1b[31mb c d\x00\u202e"
