"""The sentence of a failed start: clients take their own exit code from its words."""

from __future__ import annotations

import pytest

from carrack.engine.containers.failures import exec_error, start_error
from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument
from carrack.shim.client import StartFailed
from carrack.shim.protocol import STOPPED

MISSING = 'exec: "nosuch": executable file not found in $PATH'


@pytest.mark.parametrize(("code", "kind"), [(127, InvalidArgument), (126, InvalidArgument), (1, Internal)])
def test_kinds(code: int, kind: type[CarrackError]) -> None:
    failure = StartFailed("exec", MISSING, code)
    for error in (start_error(failure), exec_error(failure, "c1")):
        assert type(error) is kind
        assert str(error).endswith(MISSING)


def test_dockers_words_stand_before_the_runtimes() -> None:
    failure = StartFailed("exec", MISSING, 127)
    assert str(start_error(failure)).startswith("failed to create task for container: ")
    assert (
        str(exec_error(failure, "c1"))
        == "OCI runtime exec failed: exec failed: unable to start container process: " + MISSING
    )


def test_an_exec_in_a_container_that_has_just_ended_is_one_in_a_stopped_container() -> None:
    error = exec_error(StartFailed(STOPPED, "the container has ended", 125), "c1")
    assert (type(error), str(error)) == (Conflict, "container c1 is not running")


def test_a_log_driver_that_cannot_begin_is_told_in_dockers_words() -> None:
    failure = StartFailed("log", "failed to initialize logging driver: dial tcp: no", 125)
    error = start_error(failure)
    assert str(error) == "failed to create task for container: failed to initialize logging driver: dial tcp: no"
