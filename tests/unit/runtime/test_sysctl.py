from __future__ import annotations

import errno

import pytest

from carrack.errors import InvalidArgument
from carrack.runtime import sysctl

ALL = {"ipc", "network", "uts"}


@pytest.mark.parametrize(
    "name", ["net.ipv4.ip_forward", "net/ipv4/ip_forward", "kernel.shmmax", "fs.mqueue.msg_max", "kernel.domainname"]
)
def test_parameters_of_own_namespaces_pass_and_of_the_host_s_do_not(name: str) -> None:
    sysctl.check({name: "1"}, ALL)
    with pytest.raises(InvalidArgument, match="not allowed in "):
        sysctl.check({name: "1"}, set())


@pytest.mark.parametrize("name", ["kernel.panic", "vm.swappiness", "kernel/core_pattern", "fs.file-max"])
def test_the_host_s_own_parameters_never_pass(name: str) -> None:
    with pytest.raises(InvalidArgument, match="is not in a separate kernel namespace"):
        sysctl.check({name: "1"}, ALL)


def test_the_host_name_has_its_own_field() -> None:
    with pytest.raises(InvalidArgument, match='conflicts with the OCI "hostname" field'):
        sysctl.check({"kernel.hostname": "x"}, ALL)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.conf.all.forwarding", "net/ipv4/conf/all/forwarding"),
        ("net.ipv4.conf.eth0/1.mtu", "net/ipv4/conf/eth0.1/mtu"),
        ("net/ipv4/conf/eth0.1/mtu", "net/ipv4/conf/eth0.1/mtu"),
    ],
)
def test_the_first_separator_decides(key: str, path: str) -> None:
    assert sysctl.path(key) == path


@pytest.mark.parametrize("key", ["net.//.x", "net/../../kernel/panic", "net..x", "", "/net", "net/./x"])
def test_a_key_cannot_climb(key: str) -> None:
    with pytest.raises(InvalidArgument):
        sysctl.check({key: "1"}, ALL)


class _Nowhere:
    def write(self, path: str, value: str) -> None:
        raise OSError(errno.ENOENT, "No such file or directory", f"/proc/{path}")


def test_what_is_refused_is_named_in_the_words_that_clients_look_for() -> None:
    with pytest.raises(OSError, match=r"sysctl net\.nosuch=1: no such file or directory$"):
        sysctl.apply({"net.nosuch": "1"}, _Nowhere())  # type: ignore[arg-type]


def test_a_name_that_no_host_can_have() -> None:
    with pytest.raises(OSError, match=r"sethostname x{70}: (invalid argument|operation not permitted)$"):
        sysctl.name_host("x" * 70)
