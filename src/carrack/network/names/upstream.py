"""Questions that others are asked: one socket for each, on a port of the kernel's choice, and one server after another.

Servers of the host are asked from the host's network namespace, so that a resolver on its loopback serves containers
too; servers that were given with ``--dns`` are asked from inside the container, where the user means them to be.
An answer counts when it comes from the server that was asked (the socket is connected), with the number drawn for
this attempt, to the same question. By TCP is asked who was asked by TCP: what is cut passes as it is, and who
wants more comes again by TCP.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct
import time

from carrack.linux.namespaces import CLONE_NEWNET
from carrack.network.names import loop as events
from carrack.network.names import packet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carrack.network.names.host_servers import HostServers
    from carrack.network.names.loop import Loop
    from carrack.network.names.sandbox import Reply, Sandbox

#: seconds for one attempt by UDP, and by TCP
PATIENCE, STREAM_PATIENCE = 2.0, 4.0
#: how often it is looked whether someone has waited for too long (seconds)
_SWEEP = 0.1
#: questions under way, of everyone and of one sandbox
MOST, MOST_OF_ONE = 1024, 128
PORT = 53
_OURS = "127.0.0.11"
#: as many as the C library would ask
_SERVERS = 3
_DATAGRAM = 65535
#: another server may know better
_TRY_NEXT = (packet.SERVER_FAILURE, packet.REFUSED, packet.NOT_IMPLEMENTED, packet.FORMAT_ERROR)


class Upstream:
    """Asks others. ``counts`` is added to: forwarded, failed, full, strange."""

    def __init__(self, loop: Loop, host: HostServers, counts: dict[str, int], port: int = PORT) -> None:
        self.loop = loop
        self.counts = counts
        self.port = port
        self.waiting: set[Query] = set()
        self._host = host
        self._sweeping = False
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def forward(
        self, sandbox: Sandbox, data: bytes, asked: packet.Question, reply: Reply, stream: bool = False
    ) -> None:
        """Have others answer; whatever happens, there is one reply, unless the sandbox goes."""
        servers = self._servers(sandbox)
        if not servers or len(self.waiting) >= MOST or sandbox.waiting >= MOST_OF_ONE:
            self.counts["full" if servers else "kept"] += 1
            reply(data[:2] + packet.answer(asked, rcode=packet.SERVER_FAILURE))
            return
        self.counts["forwarded"] += 1
        Query(self, sandbox, data, asked, reply, servers, stream).next()

    def look_after(self, query: Query) -> None:
        """Have it ask the next server if it waits for too long."""
        self.waiting.add(query)
        if not self._sweeping:
            self._sweeping = True
            self.loop.later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        now = time.monotonic()
        for query in [query for query in self.waiting if query.deadline <= now]:
            if query in self.waiting:
                query.next()
        self._sweeping = bool(self.waiting)
        if self._sweeping:
            self.loop.later(_SWEEP, self._sweep)

    def _servers(self, sandbox: Sandbox) -> Sequence[str]:
        """Whom to ask: nobody for a sandbox that has no way to the outside and no servers of its own."""
        if sandbox.own_servers:
            return [server for server in sandbox.servers if server != _OURS][:_SERVERS]
        return self._host.current() if sandbox.outside else ()

    def socket(self, sandbox: Sandbox, family: int, kind: int) -> _socket.socket:
        """In the network namespace from which this sandbox's servers are asked. OSError."""
        kind |= int(_socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC)
        if not sandbox.own_servers:
            return _socket.socket(family, kind)
        from carrack.linux.syscalls import LINUX  # loads ctypes, which few need

        LINUX.setns(sandbox.namespace, CLONE_NEWNET)
        try:
            return _socket.socket(family, kind)
        finally:
            try:
                LINUX.setns(self._home, CLONE_NEWNET)
            except OSError:  # whatever is asked from here would go out by way of a container
                os._exit(1)

    def drop(self, sandbox: Sandbox) -> None:
        """The sandbox goes: nobody waits for its answers."""
        for query in [query for query in self.waiting if query.sandbox is sandbox]:
            query.end()


class Query:
    """One question on its way through the servers; ``deadline``: until when the present one may answer."""

    def __init__(
        self,
        upstream: Upstream,
        sandbox: Sandbox,
        data: bytes,
        asked: packet.Question,
        reply: Reply,
        servers: Sequence[str],
        stream: bool,
    ) -> None:
        self.sandbox = sandbox
        self._upstream = upstream
        self._data = data
        self._asked = asked
        self._reply = reply
        self._stream = stream
        self._servers = self._turns(servers)
        self._last = data[:2] + packet.answer(asked, rcode=packet.SERVER_FAILURE)
        self._sock: _socket.socket | None = None
        self._number = b""
        self._got = b""
        self.deadline = 0.0
        upstream.look_after(self)
        sandbox.waiting += 1

    @staticmethod
    def _turns(servers: Sequence[str]) -> Iterator[str]:
        """Each once; the only one twice, as a packet may be lost."""
        return iter(servers if len(servers) > 1 else [*servers, *servers])

    def next(self) -> None:
        """Ask the next server, or give up."""
        self._hang_up()
        for server in self._servers:
            try:
                self._begin(server)
                return
            except (OSError, ValueError):  # no route, no such family, not an address
                self._hang_up()
        if self._last[3] & 15 == packet.SERVER_FAILURE:
            self._upstream.counts["failed"] += 1
        self._answer(self._last)

    def _begin(self, server: str) -> None:
        host, _, scope = server.partition("%")
        address: tuple[str, int] | tuple[str, int, int, int] = (host, self._upstream.port)
        family = _socket.AF_INET
        if ":" in host:
            family = _socket.AF_INET6
            address = (host, self._upstream.port, 0, _scope(scope))
        _socket.inet_pton(family, host)  # else connecting would ask for the name, and wait
        kind = _socket.SOCK_STREAM if self._stream else _socket.SOCK_DGRAM
        self._sock = sock = self._upstream.socket(self.sandbox, family, kind)
        self._number, self._got = os.urandom(2), b""
        error = sock.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        loop = self._upstream.loop
        if self._stream:
            loop.watch(sock.fileno(), self._connected, events.OUT)
        else:
            sock.send(self._number + self._data[2:])
            loop.watch(sock.fileno(), self._heard)
        self.deadline = time.monotonic() + (STREAM_PATIENCE if self._stream else PATIENCE)

    def _heard(self) -> None:
        if self._sock is None:
            return
        try:
            data = self._sock.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self.next()
            return
        self._take(data)

    def _connected(self) -> None:
        if self._sock is None:
            return
        data = self._number + self._data[2:]
        try:
            self._sock.send(struct.pack(">H", len(data)) + data)  # its buffer is empty: it takes that at once
        except OSError:
            self.next()
            return
        self._upstream.loop.watch(self._sock.fileno(), self._streamed)

    def _streamed(self) -> None:
        if self._sock is None:
            return
        try:
            data = self._sock.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._got += data
        if not data or ((answer := framed(self._got)) and not self._take(answer)):
            self.next()

    def _take(self, data: bytes) -> bool:
        """Pass an answer on; False when it is none to our question."""
        if data[:2] != self._number or not packet.answers_to(self._asked, data):
            self._upstream.counts["strange"] += 1
            return False
        answer = self._data[:2] + data[2:]
        if packet.response_code(data) in _TRY_NEXT:
            self._last = answer
            self.next()
        else:
            self._answer(answer)
        return True

    def _answer(self, answer: bytes) -> None:
        self.end()
        self._reply(answer)

    def end(self) -> None:
        """Wait no longer."""
        self._hang_up()
        if self in self._upstream.waiting:
            self._upstream.waiting.discard(self)
            self.sandbox.waiting -= 1

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._upstream.loop.forget(self._sock.fileno())
            self._sock.close()
            self._sock = None


def framed(data: bytes) -> bytes:
    """The packet after its length, once it has come whole; nothing before."""
    end = 2 + int.from_bytes(data[:2], "big")
    return data[2:end] if 2 < end <= len(data) else b""


def _scope(name: str) -> int:
    """The interface of a link-local server; OSError when there is none."""
    if not name:
        return 0
    return int(name) if name.isdecimal() else _socket.if_nametoindex(name)
