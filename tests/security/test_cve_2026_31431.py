"""CVE-2026-31431: AF_ALG sockets write to page-cache pages that containers share.

The default filter refuses AF_ALG and AF_VSOCK and no other family, also when the family comes in a register whose
upper half is set: the kernel reads 32 bits, and a filter that compares 64 would take it for a larger number.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

import pytest
from tests.cli.running import Cli
from tests.fakes.sandbox import run_apart

from carrack.linux.seccomp_profile import program
from carrack.linux.syscall_tables import numbers
from carrack.linux.syscalls import LINUX
from carrack.shim import seal

pytestmark = pytest.mark.root

AF_ALG, AF_VSOCK = 38, 40


def socket_error(family: int) -> int:
    """errno of a raw socket(2) with a stream type, 0 if there is a socket."""
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.argtypes = (ctypes.c_long, ctypes.c_ulong, ctypes.c_long, ctypes.c_long)
    syscall.restype = ctypes.c_long
    fd = syscall(numbers(os.uname().machine)["socket"], family, 1, 0)
    if fd < 0:
        return ctypes.get_errno()
    os.close(fd)
    return 0


@pytest.mark.parametrize("upper", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_families_are_refused_whatever_the_upper_half(upper: int) -> None:
    def work() -> None:
        before = {family: socket_error(family) for family in range(46)}
        LINUX.seccomp(program(None, frozenset()))
        for family, expected in before.items():
            found = socket_error(upper << 32 | family)
            if family in (AF_ALG, AF_VSOCK):
                assert found == errno.EPERM
            else:
                assert found == expected, family

    run_apart(work)


ASK = """
import socket, sys
for family in (1, 2, 38, 39, 40, 41):
    try:
        socket.socket(family, socket.SOCK_SEQPACKET if family == 38 else socket.SOCK_STREAM).close()
        print(family, 0)
    except OSError as error:
        print(family, error.errno)
"""


def ask(docker: Cli, image: str, *options: str) -> dict[int, int]:
    """What the host's interpreter is told in a container, by address family."""
    places = {sys.base_prefix, "/lib", "/lib64", os.path.dirname(os.__file__)}
    volumes = [f"-v={os.path.realpath(place)}:{place}:ro" for place in places if os.path.exists(place)]
    python = seal.interpreter(sys.executable)
    said = docker("run", "--rm", *volumes, *options, image, python, "-ISc", ASK).stdout
    return {int(family): int(number) for family, number in (line.split() for line in said.splitlines())}


def test_in_a_container_of_the_daemon(docker: Cli, image: str) -> None:
    """Without the filter the kernel answers otherwise (a socket, or a family that it does not have)."""
    open_ones = ask(docker, image, "--security-opt", "seccomp=unconfined")
    assert errno.EPERM not in open_ones.values()
    filtered = ask(docker, image)
    assert filtered == {**open_ones, AF_ALG: errno.EPERM, AF_VSOCK: errno.EPERM}
    assert ask(docker, image, "--cap-add", "ALL")[AF_ALG] == errno.EPERM
