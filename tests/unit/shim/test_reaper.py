import os
import select
import signal
from collections.abc import Iterator

import pytest

from carrack.shim import reaper


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {
        number: signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ended_children_wake_and_are_all_taken() -> None:
    watcher = reaper.Reaper()
    pids = {os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {code}"], {}): code for code in range(4)}
    ended: dict[int, int] = {}
    while not pids.keys() <= ended.keys():  # others' may end meanwhile
        assert select.select([watcher.fd], [], [], 5)[0]
        ended |= {pid: os.waitstatus_to_exitcode(status) for pid, status in watcher.reap()}
    assert {pid: ended[pid] for pid in pids} == pids
    assert list(watcher.reap()) == []
    watcher.close()


def test_a_shim_withstands_a_shutdown_and_its_children_do_not() -> None:
    reaper.withstand()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    reaper.reset()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL


def test_what_the_starter_of_the_daemon_ignores_is_heard_again() -> None:
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        reaper.hear_all()
        assert signal.getsignal(signal.SIGQUIT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGQUIT, before)
