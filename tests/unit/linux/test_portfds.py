import os
import socket

from carrack.linux.portfds import on_ports


def test_sockets_are_told_by_protocol_address_and_port() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as other,
    ):
        udp.bind(("::", 0))
        port, port6 = tcp.getsockname()[1], udp.getsockname()[1]
        fds = [tcp.fileno(), udp.fileno(), other.fileno()]
        assert on_ports(fds, [("tcp", ["127.0.0.1"], port)]) == [tcp.fileno()]
        assert on_ports(fds, [("udp", ["0.0.0.0", "::"], port6)]) == [udp.fileno()]
        assert on_ports(fds, [("udp", ["127.0.0.1"], port), ("tcp", ["0.0.0.0"], port), ("tcp", ["::"], port6)]) == []
        assert on_ports([os.open("/dev/null", os.O_RDONLY)], [("tcp", ["::"], 1)]) == []
