"""Network namespaces for tests: the whole test runs in one of its own, so that the host's firewall is never touched.

Namespaces belong to threads, and a thread started from within inherits them: the code under test needs to know nothing.
"""

import contextlib
import functools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from carrack.linux import rtnetlink
from carrack.linux.namespaces import CLONE_NEWNET
from carrack.linux.netlink import Netlink
from carrack.linux.syscalls import LINUX
from carrack.network.sandbox import in_thread, run_inside

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 15.0  # seconds to wait for what is to come, on a busy machine


def own_network(test: Callable[P, T]) -> Callable[P, T]:
    """Run a test in a fresh network namespace with ``lo`` up, forwarding and source checks off."""

    @functools.wraps(test)
    def wrapped(*arguments: P.args, **named: P.kwargs) -> T:
        def body() -> T:
            LINUX.unshare(CLONE_NEWNET)
            with Netlink() as netlink:
                netlink.batch([rtnetlink.set_link(1, up=True)])
            for name in ("ip_forward", "conf/all/rp_filter", "conf/default/rp_filter"):
                with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as switch:
                    switch.write("0")  # a new namespace takes over what the host has
            return test(*arguments, **named)

        return in_thread(body)

    return wrapped


class Namespace:
    """A further network namespace, held by descriptors: of itself, and of a netlink socket opened inside."""

    def __init__(self) -> None:
        self.fd, self.netlink_fd = in_thread(self._make)

    @staticmethod
    def _make() -> tuple[int, int]:
        LINUX.unshare(CLONE_NEWNET)
        with Netlink() as netlink:
            netlink.batch([rtnetlink.set_link(1, up=True)])
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), os.dup(netlink.fileno())

    def run(self, work: Callable[[], T]) -> T:
        """Do something inside."""

        return run_inside(self.fd, work)

    def netlink(self) -> Netlink:
        """A netlink socket of the inside, to be closed by the caller."""
        return Netlink(fd=os.dup(self.netlink_fd))

    def close(self) -> None:
        """Let the namespace die."""
        os.close(self.fd)
        os.close(self.netlink_fd)

    def __enter__(self) -> "Namespace":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def cable(outside: Namespace, host_name: str, host_address: str, outside_address: str, *, gateway: str = "") -> None:
    """Join the present namespace to another by a veth pair with addresses, as a neighbour on the same link."""
    with Netlink() as host, outside.netlink() as inside:
        host.batch([rtnetlink.add_veth(host_name, "eth0", outside.fd, 1500)])
        here, there = rtnetlink.find_link(host, host_name), rtnetlink.find_link(inside, "eth0")
        assert here is not None
        assert there is not None
        host.batch([rtnetlink.set_link(here.index, up=True), rtnetlink.add_address(here.index, host_address)])
        inside.batch([rtnetlink.set_link(there.index, up=True), rtnetlink.add_address(there.index, outside_address)])
        while not rtnetlink.get_link(host, here.index).running:
            time.sleep(0.001)
        if gateway:
            inside.batch([rtnetlink.default_route(gateway)])


class EchoServer:
    """Answers every TCP connection or UDP datagram with the peer's address, from inside a namespace.

    An ``address`` with a colon is one of IPv6, of which ``::`` is IPv4 too.
    """

    def __init__(self, namespace: Namespace, port: int, *, udp: bool = False, address: str = "") -> None:
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = namespace.run(lambda: socket.socket(self._family, kind))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind((address, port))
        self._udp = udp
        if not udp:
            self._socket.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                if self._udp:
                    data, peer = self._socket.recvfrom(100)
                    if data == b"stop":
                        return
                    self._socket.sendto(peer[0].encode(), peer)
                else:
                    connection, peer = self._socket.accept()
                    with connection:
                        connection.sendall(peer[0].encode())

    def close(self) -> None:
        """Stop answering."""
        if self._udp:
            self._socket.setblocking(False)
            with contextlib.suppress(OSError):
                host = "::1" if self._family == socket.AF_INET6 else "127.0.0.1"
                self._socket.sendto(b"stop", (host, self._socket.getsockname()[1]))
        else:
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


@contextlib.contextmanager
def echo(namespace: Namespace, port: int, *, udp: bool = False, address: str = "") -> Iterator[None]:
    """An `EchoServer` for a while."""
    server = EchoServer(namespace, port, udp=udp, address=address)
    try:
        yield
    finally:
        server.close()


def ask(address: str, port: int, *, udp: bool = False, timeout: float = PATIENCE) -> str | None:
    """The address under which a server sees us; None when it cannot be reached, which may be told by silence alone:
    who expects that gives a short ``timeout``."""
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as client:
        client.settimeout(timeout)
        try:
            client.connect((address, port))
            if udp:
                client.send(b"hello")
            return client.recv(100).decode().removeprefix("::ffff:")
        except OSError:
            return None
