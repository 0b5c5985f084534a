"""Doors into the network namespace of a container that runs.

Namespaces belong to threads: what must be done inside is done by a thread that enters and ends there. No thread of the
daemon that does other work is ever in a foreign namespace.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from carrack.errors import Unavailable
from carrack.linux.namespaces import CLONE_NEWNET, proc_path
from carrack.linux.netlink import Netlink
from carrack.linux.syscalls import LINUX
from carrack.network import sysctl

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A network namespace and a netlink socket that was opened inside; the descriptors are its opener's."""

    netns_fd: int
    netlink_fd: int

    def netlink(self) -> Netlink:
        """The socket, by a descriptor of the caller's own, which closing it closes."""
        return Netlink(fd=os.dup(self.netlink_fd))


@contextmanager
def open_sandbox(pid: int) -> Iterator[Sandbox]:
    """The network namespace of a running process. Unavailable when it has ended."""
    with ExitStack() as held:
        try:
            netns_fd = os.open(proc_path(pid, "network"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as e:
            raise Unavailable(f"process {pid} has ended, and its network with it") from e
        held.callback(os.close, netns_fd)
        netlink = held.enter_context(run_inside(netns_fd, Netlink))
        yield Sandbox(netns_fd, netlink.fileno())


def run_inside(netns_fd: int, work: Callable[[], T]) -> T:
    """The result of ``work`` done inside, by a thread of its own; its failure is raised here."""

    def entered() -> T:
        LINUX.setns(netns_fd, CLONE_NEWNET)
        return work()

    return in_thread(entered)


def in_thread(work: Callable[[], T]) -> T:
    """The result of ``work`` done by a thread that ends with it, wherever it goes; its failure is raised here."""
    outcome: list[Any] = []

    def body() -> None:
        try:
            outcome.extend((True, work()))
        except BaseException as e:
            outcome.extend((False, e))

    thread = threading.Thread(target=body, name="inside a sandbox")
    thread.start()
    thread.join()
    if not outcome[0]:
        raise outcome[1]
    result: T = outcome[1]
    return result


def switch(netns_fd: int, switches: Iterable[tuple[str, str]]) -> None:
    """Set kernel switches (path below /proc/sys, value) inside. OSError carries the path of the one that failed."""

    def work() -> None:
        for name, value in switches:
            sysctl.ensure(sysctl.PROC_SYS, name, value)

    run_inside(netns_fd, work)
