"""CVE-2022-0185: a heap overflow in fsconfig(2), reached with the CAP_SYS_ADMIN of a new user namespace.

Under the default filter neither the namespace nor the call is to be had, by any of the ways to them.
"""

from __future__ import annotations

import os

import pytest
from tests.fakes.sandbox import run_apart

from carrack.linux import namespaces as ns
from carrack.linux.seccomp_profile import program
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root


def test_no_user_namespace_and_no_fsopen() -> None:
    def work() -> None:
        LINUX.seccomp(program(None, frozenset()))
        for flags in (ns.CLONE_NEWUSER, ns.CLONE_NEWUSER | ns.CLONE_NEWNS, ns.CLONE_NEWNET):
            with pytest.raises(PermissionError, match="unshare: Operation not permitted"):
                LINUX.unshare(flags)
            with pytest.raises(OSError, match="clone3: Function not implemented"):
                LINUX.clone3(flags)
        with pytest.raises(PermissionError, match="fsopen: Operation not permitted"):
            LINUX.new_mount("tmpfs", [])
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        with pytest.raises(PermissionError, match="setns: Operation not permitted"):
            LINUX.setns(namespace, 0)

    run_apart(work)
