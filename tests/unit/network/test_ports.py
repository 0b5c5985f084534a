import os
import socket
from pathlib import Path

import pytest

from carrack.errors import Conflict, InvalidArgument, Unavailable
from carrack.network.ports import PortAllocator, host_address


@pytest.fixture
def allocator(tmp_path: Path) -> PortAllocator:
    limits = tmp_path / "net/ipv4/ip_local_port_range"
    limits.parent.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    limits.write_text(f"{free}\t{min(free + 200, 65535)}\n")
    return PortAllocator(str(tmp_path))


def test_a_reserved_port_is_refused_to_everybody(allocator: PortAllocator) -> None:
    got = allocator.reserve("tcp", ["127.0.0.1"], "")
    with pytest.raises(
        Conflict, match=rf"^Bind for 127.0.0.1:{got.port} failed: port is already allocated; port \d+ is free$"
    ):
        allocator.reserve("tcp", ["127.0.0.1"], str(got.port))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", got.port))
    with socket.socket() as nobody_answers:
        assert nobody_answers.connect_ex(("127.0.0.1", got.port)) != 0
    os.close(got.fds[0])
    allocator.release(got.protocol, got.addresses, got.port)
    again = allocator.reserve("tcp", ["127.0.0.1"], str(got.port))
    os.close(again.fds[0])


def test_any_address_and_one_address_clash(allocator: PortAllocator) -> None:
    got = allocator.reserve("udp", ["0.0.0.0"], "")
    assert got.addresses == ("0.0.0.0",)
    with pytest.raises(Conflict):
        allocator.reserve("udp", ["127.0.0.1"], str(got.port))
    other = allocator.reserve("tcp", ["127.0.0.1"], str(got.port))
    with pytest.raises(Conflict):
        allocator.reserve("tcp", ["0.0.0.0"], str(got.port))
    os.close(got.fds[0])
    os.close(other.fds[0])


def test_another_programs_port(allocator: PortAllocator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"failed to bind host port 127.0.0.1:{port}/tcp: address already in use"):
            allocator.reserve("tcp", ["127.0.0.1"], str(port))


def test_closed_connections_do_not_hold_a_port(allocator: PortAllocator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    got = allocator.reserve("tcp", ["127.0.0.1"], str(port))
    with socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            listen(rival, port)
    os.close(got.fds[0])


def listen(rival: socket.socket, port: int) -> None:
    rival.bind(("127.0.0.1", port))
    rival.listen()


def test_first_free_of_a_range(allocator: PortAllocator) -> None:
    first = allocator.reserve("tcp", ["127.0.0.1"], "")
    limits = f"{first.port}-{first.port + 1}"
    second = allocator.reserve("tcp", ["127.0.0.1"], limits)
    assert second.port == first.port + 1
    with pytest.raises(Unavailable, match="all ports are allocated"):
        allocator.reserve("tcp", ["127.0.0.1"], limits)
    os.close(first.fds[0])
    os.close(second.fds[0])


def test_an_adopted_port_is_taken(allocator: PortAllocator) -> None:
    allocator.adopt("tcp", ["0.0.0.0"], 1, 1, "web")
    with pytest.raises(Conflict, match="already allocated"):
        allocator.reserve("tcp", ["0.0.0.0"], "1")


def test_refusals(allocator: PortAllocator) -> None:
    with pytest.raises(InvalidArgument, match="invalid proto: icmp"):
        allocator.reserve("icmp", ["0.0.0.0"], "80")
    with pytest.raises(InvalidArgument, match="invalid port"):
        allocator.reserve("tcp", ["0.0.0.0"], "70000")
    with pytest.raises(InvalidArgument, match="invalid IP address"):
        host_address("localhost")
    assert host_address("0::1") == "::1"
    with pytest.raises(Unavailable, match=r"192\.0\.2\.77:80/tcp: cannot assign requested address"):
        allocator.reserve("tcp", ["192.0.2.77"], "80")


def test_both_families_are_one_socket(allocator: PortAllocator) -> None:
    got = allocator.reserve("tcp", ["0.0.0.0", "::"], "", "web")
    assert len(got.fds) == 1
    for address in ("127.0.0.1", "::1", "::", "0.0.0.0"):
        with pytest.raises(Conflict, match="already allocated to container web"):
            allocator.reserve("tcp", [address], str(got.port))
    with socket.socket(socket.AF_INET) as rival, pytest.raises(OSError, match="in use"):
        rival.bind(("127.0.0.1", got.port))
    os.close(got.fds[0])
    allocator.release("tcp", ["0.0.0.0", "::"], got.port)


def test_one_address_of_each_family(allocator: PortAllocator) -> None:
    six = allocator.reserve("tcp", ["::1"], "", "web")
    four = allocator.reserve("tcp", ["127.0.0.1"], str(six.port))
    for got in (six, four):
        os.close(got.fds[0])


def test_a_claimed_range_is_looked_up_first_and_bound_later(allocator: PortAllocator) -> None:
    first = allocator.reserve("udp", ["127.0.0.1"], "").port + 1000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 5))
        with pytest.raises(Unavailable, match=rf"{first + 5}/udp: address already in use by .*pid {os.getpid()}"):
            allocator.claim("udp", ["0.0.0.0"], first, 10)
    ends = allocator.claim("udp", ["0.0.0.0"], first, 10, "web")
    assert len(ends) == 2
    with pytest.raises(Conflict, match="already allocated to container web"):
        allocator.claim("udp", ["127.0.0.1"], first + 9, 10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quick:
        quick.bind(("127.0.0.1", first + 3))
        fds = allocator.bind_claimed("udp", ["0.0.0.0"], range(first, first + 10))
    assert len(fds) == 7, "what somebody took meanwhile is left to it"
    for fd in ends + fds:
        os.close(fd)
    with pytest.raises(InvalidArgument, match="invalid proto"):
        allocator.claim("icmp", ["0.0.0.0"], 1, 2)


def test_a_claim_that_meets_anothers_is_refused_though_neither_listens(allocator: PortAllocator) -> None:
    first = allocator.reserve("tcp", ["127.0.0.1"], "").port + 1000
    ends = allocator.claim("tcp", ["0.0.0.0"], first, 10)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Unavailable, match=f"{first + 9}/tcp: address already in use"):
        PortAllocator().claim("tcp", ["0.0.0.0"], first + 9, 10)
    with pytest.raises(Unavailable, match=f"{first}/tcp: address already in use"):
        PortAllocator().claim("tcp", ["0.0.0.0"], first - 9, 10)
    assert len(os.listdir("/proc/self/fd")) == before
    for fd in ends:
        os.close(fd)
