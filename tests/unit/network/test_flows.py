import errno
import socket
from collections.abc import Callable

import pytest
from tests.unit.linux.test_conntrack import CLIENT, CONTAINER, HOST, tuple_of

from carrack.linux.conntrack import Connection, Conntrack
from carrack.network import flows
from carrack.network.mappings import PortMapping

MAPPING = PortMapping("udp", "0.0.0.0", 50, "172.17.0.2", 50, 10)


class FakeConntrack(Conntrack):
    """Knows four connections: to the host itself, to the container, to another container, and over TCP."""

    def __init__(self) -> None:
        other = b"\xac\x11\0\3"
        self.known = {
            "plain": self._known(HOST, HOST, 17, 53),
            "led": self._known(HOST, CONTAINER, 17, 53),
            "elsewhere": self._known(HOST, other, 17, 53),
            "tcp": self._known(HOST, HOST, 6, 53),
            "above": self._known(HOST, HOST, 17, 60),
        }
        self.forgotten: set[str] = set()
        self.asked = 0

    @staticmethod
    def _known(destination: bytes, target: bytes, protocol: int, port: int) -> Connection:
        reply = tuple_of(2, target, CLIENT, protocol, 257)
        return Connection(bytes(4) + tuple_of(1, CLIENT, destination, protocol, port) + reply)

    def forget(self, choose: Callable[[Connection], bool], family: int = socket.AF_INET) -> int:
        self.asked += 1
        self.forgotten = {name for name, connection in self.known.items() if choose(connection)}
        return len(self.forgotten)


def test_beginning_forgets_what_was_not_led_anywhere() -> None:
    conntrack = FakeConntrack()
    flows.begin(conntrack, [MAPPING])
    assert conntrack.forgotten == {"plain"}


def test_ending_forgets_what_was_led_to_the_container() -> None:
    conntrack = FakeConntrack()
    flows.end(conntrack, [MAPPING])
    assert conntrack.forgotten == {"led"}


def test_another_address_is_left_alone() -> None:
    conntrack = FakeConntrack()
    flows.begin(conntrack, [PortMapping("udp", "127.0.0.1", 53, "172.17.0.2", 53)])
    assert conntrack.forgotten == set()


def test_tcp_asks_nothing() -> None:
    conntrack = FakeConntrack()
    flows.begin(conntrack, [PortMapping("tcp", "0.0.0.0", 53, "172.17.0.2", 53)])
    assert conntrack.asked == 0


def test_a_kernel_that_does_not_tell_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(FakeConntrack):
        def forget(self, choose: Callable[[Connection], bool], family: int = socket.AF_INET) -> int:
            raise OSError(errno.EINVAL, "no ctnetlink")

    flows.end(Refusing(), [MAPPING])
    assert "cannot be redirected" in caplog.text
