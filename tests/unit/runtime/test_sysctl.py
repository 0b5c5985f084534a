from __future__ import annotations

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
