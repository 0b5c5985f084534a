import os
import socket

from carrack.network import rivals


def test_the_programs_on_a_port_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"(pid {os.getpid()})" in rivals.who(socket.IPPROTO_TCP, port)
        [user] = rivals.users(socket.IPPROTO_TCP, port, port)
        assert user.address == "127.0.0.1"
    assert rivals.who(socket.IPPROTO_TCP, port) == ""
