"""Resource limits, set on a child of ours."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator

import pytest

from carrack.linux import rlimits


@pytest.fixture
def child() -> Iterator[int]:
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_names_and_numbers() -> None:
    assert rlimits.RLIMITS["RLIMIT_NOFILE"] == resource.RLIMIT_NOFILE
    assert rlimits.RLIMITS["RLIMIT_RTTIME"] == 15
    assert rlimits.RLIMITS["RLIMIT_CORE"] == resource.RLIMIT_CORE
    assert len(rlimits.RLIMITS) == 16


def test_apply(child: int) -> None:
    rlimits.apply([("RLIMIT_NOFILE", 100, 200), ("RLIMIT_CORE", 0, 0)], child)
    assert resource.prlimit(child, resource.RLIMIT_NOFILE) == (100, 200)
    assert resource.prlimit(child, resource.RLIMIT_CORE) == (0, 0)


def test_no_limit_and_huge_limits(child: int) -> None:
    hard = resource.prlimit(child, resource.RLIMIT_CPU)[1]
    if hard != resource.RLIM_INFINITY:
        pytest.skip("the CPU limit of this session is not infinite")
    rlimits.apply([("RLIMIT_CPU", rlimits.INFINITY, rlimits.INFINITY)], child)
    assert resource.prlimit(child, resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (("RLIMIT_FUN", 1, 1), "unknown resource limit 'RLIMIT_FUN'"),
        (("RLIMIT_CPU", 2, 1), "soft limit 2 and hard limit 1"),
        (("RLIMIT_CPU", -1, 1), "soft limit -1"),
        (("RLIMIT_CPU", 0, 2**64), "hard limit 18446744073709551616"),
    ],
)
def test_wrong_limits(child: int, limit: tuple[str, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rlimits.apply([limit], child)


def test_refusals_name_the_limit(child: int) -> None:
    with pytest.raises(OSError, match=r"cannot set it to 2000000000:2000000000: .*'RLIMIT_NOFILE'"):
        rlimits.apply([("RLIMIT_NOFILE", 2_000_000_000, 2_000_000_000)], child)  # above fs.nr_open
