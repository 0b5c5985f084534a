import os
import socket
from pathlib import Path

import pytest

from carrack.errors import Conflict, InvalidArgument, NotSupported, Unavailable
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
    got = allocator.reserve("tcp", "127.0.0.1", "")
    with pytest.raises(Conflict, match=rf"^Bind for 127.0.0.1:{got.port} failed: port is already allocated$"):
        allocator.reserve("tcp", "127.0.0.1", str(got.port))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", got.port))
    with socket.socket() as nobody_answers:
        assert nobody_answers.connect_ex(("127.0.0.1", got.port)) != 0
    os.close(got.fd)
    allocator.release(got.protocol, got.host_ip, got.port)
    again = allocator.reserve("tcp", "127.0.0.1", str(got.port))
    os.close(again.fd)


def test_any_address_and_one_address_clash(allocator: PortAllocator) -> None:
    got = allocator.reserve("udp", "", "")
    assert got.host_ip == "0.0.0.0"
    with pytest.raises(Conflict):
        allocator.reserve("udp", "127.0.0.1", str(got.port))
    other = allocator.reserve("tcp", "127.0.0.1", str(got.port))
    with pytest.raises(Conflict):
        allocator.reserve("tcp", "0.0.0.0", str(got.port))
    os.close(got.fd)
    os.close(other.fd)


def test_another_programs_port(allocator: PortAllocator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"failed to bind host port 127.0.0.1:{port}/tcp: address already in use"):
            allocator.reserve("tcp", "127.0.0.1", str(port))


def test_closed_connections_do_not_hold_a_port(allocator: PortAllocator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    got = allocator.reserve("tcp", "127.0.0.1", str(port))
    with socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            listen(rival, port)
    os.close(got.fd)


def listen(rival: socket.socket, port: int) -> None:
    rival.bind(("127.0.0.1", port))
    rival.listen()


def test_first_free_of_a_range(allocator: PortAllocator) -> None:
    first = allocator.reserve("tcp", "127.0.0.1", "")
    limits = f"{first.port}-{first.port + 1}"
    second = allocator.reserve("tcp", "127.0.0.1", limits)
    assert second.port == first.port + 1
    with pytest.raises(Unavailable, match="all ports are allocated"):
        allocator.reserve("tcp", "127.0.0.1", limits)
    os.close(first.fd)
    os.close(second.fd)


def test_an_adopted_port_is_taken(allocator: PortAllocator) -> None:
    allocator.adopt("tcp", "", 1)
    with pytest.raises(Conflict, match="already allocated"):
        allocator.reserve("tcp", "", "1")


def test_refusals(allocator: PortAllocator) -> None:
    with pytest.raises(InvalidArgument, match="invalid proto: icmp"):
        allocator.reserve("icmp", "", "80")
    with pytest.raises(InvalidArgument, match="invalid port"):
        allocator.reserve("tcp", "", "70000")
    with pytest.raises(InvalidArgument, match="invalid IP address"):
        host_address("localhost")
    with pytest.raises(NotSupported, match="IPv6"):
        host_address("::1")
    with pytest.raises(Unavailable, match=r"192\.0\.2\.77:80/tcp: cannot assign requested address"):
        allocator.reserve("tcp", "192.0.2.77", "80")
