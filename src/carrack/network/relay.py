"""A process for published ports that the kernel cannot translate: from IPv6 to IPv4, and from ::1.

The firewall redirects such ports, any number of them, to one socket of each protocol; where a client wanted to go is
asked of the kernel. Bytes of TCP go from socket to socket by splice(2) and are never seen here.

::

    python -m carrack.network.relay TABLE CONTROL TCP UDP      (descriptors)
    control, from the daemon: one line of JSON a change, the whole table
        [["tcp", "::", 8080, "172.17.0.2", 80, 1], …]          protocol, host address and port, target, how many ports
        null                                                   no more: hang up and end

A container that is in no row any more has gone, and what is connected to it is ended. When the daemon ends the relay
goes on until the firewall leads to another, and then until its connections have ended.
"""

import errno
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from carrack.linux.conntrack import Conntrack
from carrack.linux.nft_expressions import IPV6
from carrack.linux.nftables import Nftables
from carrack.linux.syscalls import LINUX

#: What the firewall's rule says of itself, with the port
COMMENT = "relayed by port"
_ORIGINAL_DESTINATION = 80  # IP6T_SO_ORIGINAL_DST
_CHUNK = 1 << 17
_TURNS = 32
_IDLE_SECONDS = 90.0
_ALIVE_SECONDS = 60
_PR_SET_NO_NEW_PRIVS = 38
_NET_ADMIN = 1 << 12
_ORPHAN_SECONDS = 2.0
_FULL_SECONDS = 0.05
_DATAGRAM_BYTES = 65536
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

Target = tuple[str, int]


class Table:
    """Where ports lead: (protocol, port) → (host address, target)."""

    def __init__(self, rows: Iterable[tuple[str, str, int, str, int, int]] = ()) -> None:
        self._ports: dict[tuple[str, int], list[tuple[str, Target]]] = {}
        for protocol, host_ip, host_port, address, port, count in rows:
            for n in range(count):
                self._ports.setdefault((protocol, host_port + n), []).append((host_ip, (address, port + n)))

    def leads_to(self, address: str) -> bool:
        """Whether any port leads to a container's address."""
        return any(target[0] == address for found in self._ports.values() for _, target in found)

    def find(self, protocol: str, address: str, port: int) -> Target | None:
        """The target of what was sent to an address of this host."""
        found = self._ports.get((protocol, port), ())
        return next((target for host_ip, target in found if host_ip in (address, IPV6.any)), None)


class Flow(Protocol):
    """What is registered for events on a descriptor."""

    def ready(self, fd: int) -> bool:
        """Do what can be done now; True when there is more to do at once."""
        ...


class _Direction:
    """Bytes from one socket to another through a pipe, as far as both go without waiting."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self._source = source
        self._target = target
        self._out, self._in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._held = 0
        self._ended = False
        self.done = False

    def pump(self) -> bool:
        """Move what can be moved; True when it stopped only to let others have a turn. OSError when an end is gone."""
        for _ in range(_TURNS):
            if self.done:
                return False
            if not self._held and not self._fill():
                return False
            if self._held:
                try:
                    self._held -= os.splice(self._out, self._target.fileno(), self._held, flags=_FLAGS)
                except BlockingIOError:
                    return False
            if self._ended and not self._held:
                with suppress(OSError):
                    self._target.shutdown(socket.SHUT_WR)
                self.done = True
        return True

    def _fill(self) -> bool:
        try:
            self._held = os.splice(self._source.fileno(), self._in, _CHUNK, flags=_FLAGS)
        except BlockingIOError:
            return False
        self._ended = not self._held
        return True

    def close(self) -> None:
        os.close(self._in)
        os.close(self._out)


class Connection:
    """One client of TCP and the container it is led to."""

    def __init__(self, client: socket.socket, target: Target, ended: Callable[["Connection"], None]) -> None:
        self.client = client
        self.target = target
        self.server = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_STREAM)
        self._ended = ended
        self._ways: tuple[_Direction, ...] = ()
        for end in (client, self.server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # or who vanishes is waited for until the end
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _ALIVE_SECONDS)
        self._connecting = True
        self.server.connect_ex(target)

    def ready(self, fd: int) -> bool:
        """Go on; the last thing done is to call ``ended``."""
        try:
            if self._connecting and not self._connected():
                return False
            again = [way.pump() for way in self._ways]
        except OSError:
            self.close(reset=True)
            return False
        if all(way.done for way in self._ways):
            self.close()
            return False
        return any(again)

    def _connected(self) -> bool:
        error = self.server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        try:
            self.server.getpeername()
        except OSError as e:
            if e.errno == errno.ENOTCONN:
                return False
            raise
        self._connecting = False
        self._ways = _Direction(self.client, self.server), _Direction(self.server, self.client)
        return True

    def close(self, *, reset: bool = False) -> None:
        """Close both ends; with ``reset`` the client learns that it did not end well."""
        if self.client.fileno() < 0:
            return
        self._ended(self)
        if reset:
            with suppress(OSError):
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for way in self._ways:
            way.close()
        self.client.close()
        self.server.close()


class Talk:
    """What one client of UDP says to one port: a socket of its own towards the container."""

    def __init__(self, target: Target, answer: Callable[[bytes], None]) -> None:
        self.server = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.server.setblocking(False)
        self.server.connect(target)
        self.target = target
        self._answer = answer
        self.last = time.monotonic()

    def say(self, data: bytes) -> None:
        """To the container; what cannot be sent is lost, as datagrams are."""
        self.last = time.monotonic()
        with suppress(OSError):
            self.server.send(data)

    def ready(self, fd: int) -> bool:
        """From the container."""
        with suppress(OSError):
            while True:
                data = self.server.recv(_DATAGRAM_BYTES)
                self.last = time.monotonic()
                self._answer(data)
        return False


class Relay:
    """The loop. ``control`` brings the table, ``tcp`` and ``udp`` are where the firewall redirects to."""

    def __init__(self, table_name: str, control: socket.socket, tcp: socket.socket, udp: socket.socket) -> None:
        self._table_name = table_name
        self._control: socket.socket | None = control
        self._tcp: socket.socket | None = tcp
        self._udp: socket.socket | None = udp
        self._port = int(tcp.getsockname()[1])
        self._table = Table()
        self._said = b""
        self._conntrack = Conntrack()
        self._poll = select.epoll()
        self._flows: dict[int, Flow] = {}
        self._talks: dict[tuple[object, ...], Talk] = {}
        self._busy: dict[int, Flow] = {}
        for end in (control, tcp, udp):
            end.setblocking(False)
            self._poll.register(end, select.EPOLLIN)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def run(self) -> None:
        """Serve until the daemon has gone, the firewall leads elsewhere, and nobody is connected any more."""
        looked = time.monotonic()
        while self._tcp is not None or self._flows:
            events = self._poll.poll(0 if self._busy else _ORPHAN_SECONDS)
            self._serve(dict(events))
            if time.monotonic() - looked >= _ORPHAN_SECONDS:
                looked = time.monotonic()
                self._look_around(looked)

    def _serve(self, events: dict[int, int]) -> None:
        work = {**self._busy, **{fd: self._flows[fd] for fd in events if fd in self._flows}}
        self._busy = {}
        for fd, flow in work.items():
            if self._flows.get(fd) is flow and flow.ready(fd):
                self._busy[fd] = flow
        if self._control is not None and self._control.fileno() in events:
            self._listen_to(self._control)
        if self._tcp is not None and self._tcp.fileno() in events:
            self._accept(self._tcp)
        if self._udp is not None and self._udp.fileno() in events:
            self._receive(self._udp)

    def _listen_to(self, control: socket.socket) -> None:
        """Lines from the daemon; its end is the end of the lines."""
        try:
            data = control.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(control)
            control.close()
            self._control = None
            return
        *lines, self._said = (self._said + data).split(b"\n")
        rows = json.loads(lines[-1]) if lines else ()
        if rows is None:
            self._stop()
        if lines:
            self._table = Table(rows or ())
            self._hang_up()

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError as e:
            if e.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(_FULL_SECONDS)  # until somebody has hung up
            return
        wanted = _original(client)
        target = self._table.find("tcp", *wanted) if wanted else None
        if target is None:
            client.close()
            return
        try:
            connection = Connection(client, target, self._forget)
        except OSError:
            client.close()
            return
        for end in (connection.client, connection.server):
            self._flows[end.fileno()] = connection
            self._poll.register(end, _EDGES)

    def _forget(self, connection: Connection) -> None:
        for end in (connection.client, connection.server):
            self._flows.pop(end.fileno(), None)
            self._busy.pop(end.fileno(), None)

    def _receive(self, udp: socket.socket) -> None:
        try:
            data, ancillary, _, client = udp.recvmsg(_DATAGRAM_BYTES, 256)
        except OSError:
            return
        local = next((data[:16] for _, kind, data in ancillary if kind == socket.IPV6_PKTINFO), bytes(16))
        talk = self._talks.get((client, local)) or self._meet(udp, client, local)
        if talk is not None:
            talk.say(data)

    def _meet(self, udp: socket.socket, client: tuple[str, int, int, int], local: bytes) -> Talk | None:
        """Find out where a new client wants to go: the kernel has rewritten it, and remembers."""
        here = socket.inet_ntop(socket.AF_INET6, local)
        known = self._conntrack.answered_by(socket.IPPROTO_UDP, (here, self._port), client[:2])
        target = self._table.find("udp", known.destination, known.port) if known else None
        if target is None:
            return None
        packet_info = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, local + struct.pack("=I", client[3]))]

        def answer(data: bytes) -> None:
            with suppress(OSError):
                udp.sendmsg([data], packet_info, 0, client)

        try:
            talk = Talk(target, answer)
        except OSError:
            return None
        self._talks[client, local] = self._flows[talk.server.fileno()] = talk
        self._poll.register(talk.server, select.EPOLLIN)
        return talk

    def _look_around(self, now: float) -> None:
        for key, talk in list(self._talks.items()):
            if now - talk.last > _IDLE_SECONDS:
                self._end(key, talk)
        if self._control is None and self._tcp is not None and not self._is_led_to():
            self._stop()

    def _hang_up(self) -> None:
        """End what goes on with containers that have no ports any more: they have gone."""
        for key, talk in list(self._talks.items()):
            if not self._table.leads_to(talk.target[0]):
                self._end(key, talk)
        for flow in list(self._flows.values()):
            if isinstance(flow, Connection) and not self._table.leads_to(flow.target[0]):
                flow.close(reset=True)

    def _end(self, key: tuple[object, ...], talk: Talk) -> None:
        del self._talks[key], self._flows[talk.server.fileno()]
        talk.server.close()

    def _stop(self) -> None:
        """Take nobody new."""
        for end in filter(None, (self._tcp, self._udp)):
            self._poll.unregister(end)
            end.close()
        self._tcp = self._udp = None

    def _is_led_to(self) -> bool:
        """Whether the firewall still redirects to us: no other daemon has taken the ports over."""
        kernel = Nftables()
        try:
            return f"tcp {COMMENT} {self._port}" in {comment for _, comment in kernel.rules(self._table_name, IPV6)}
        except OSError:
            return False
        finally:
            kernel.close()


def _original(client: socket.socket) -> Target | None:
    """Where the client wanted to go (struct sockaddr_in6), before the firewall redirected it."""
    try:
        place = client.getsockopt(socket.IPPROTO_IPV6, _ORIGINAL_DESTINATION, 28)
    except OSError:
        return None
    return socket.inet_ntop(socket.AF_INET6, place[8:24]), int.from_bytes(place[2:4], "big")


def main(arguments: list[str]) -> None:
    """Serve on descriptors given by number."""
    LINUX.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    LINUX.capset(_NET_ADMIN, _NET_ADMIN, 0)  # to ask the kernel where datagrams were sent
    control, tcp, udp = (socket.socket(fileno=int(number)) for number in arguments[1:4])
    Relay(arguments[0], control, tcp, udp).run()


if __name__ == "__main__":
    main(sys.argv[1:])
