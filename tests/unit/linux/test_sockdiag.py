import os
import socket
from pathlib import Path

import pytest

from carrack.linux import sockdiag
from carrack.linux.sockdiag import SockDiag


@pytest.mark.parametrize(
    ("kind", "family", "address"),
    [
        (socket.SOCK_STREAM, socket.AF_INET, "127.0.0.1"),
        (socket.SOCK_DGRAM, socket.AF_INET, "0.0.0.0"),
        (socket.SOCK_STREAM, socket.AF_INET6, "::"),
    ],
)
def test_users_of_ports(kind: socket.SocketKind, family: socket.AddressFamily, address: str) -> None:
    kernel = SockDiag()
    with socket.socket(family, kind) as own:
        own.bind((address, 0))
        port = own.getsockname()[1]
        if kind == socket.SOCK_STREAM:
            own.listen()
        protocol = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
        inode = os.fstat(own.fileno()).st_ino
        [found] = [user for user in kernel.users(protocol, port, port) if user.inode == inode]
        assert (found.address, found.port) == (address, port)
        assert all(user.inode != inode for user in kernel.users(protocol, port + 1, 65535))
    assert kernel.users(socket.IPPROTO_SCTP, 1, 65535) == []
    kernel.close()


def test_processes_that_hold_a_socket(tmp_path: Path) -> None:
    for pid, target in ((7, "socket:[42]"), (8, "socket:[43]"), (9, "pipe:[42]")):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "fd" / "3").symlink_to(target)
        (tmp_path / str(pid) / "comm").write_text("nginx\n")
    (tmp_path / "10").mkdir()
    (tmp_path / "meminfo").touch()
    assert list(sockdiag.processes([42], str(tmp_path))) == [(7, "nginx")]
