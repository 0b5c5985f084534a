"""One container as the resolver sees it: its sockets, its view, and the answers that were prepared for it.

A question that was asked before costs one look-up by its bytes. Nothing is prepared ahead of the first question, and
all is forgotten when a name changes.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import itertools
import os

from carrack.network.names import packet, zones
from carrack.network.names.zones import Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from carrack.network.names.streams import Stream
    from carrack.network.names.zones import Zones

    Reply = Callable[[bytes], None]
    Forward = Callable[["Sandbox", bytes, packet.Question, Reply, bool], None]

DATAGRAM = 4096
#: a sandbox's prepared answers: how many, and to questions of which size
_PREPARED, _PREPARED_SIZE = 1024, 320
_SIOCGSKNS = 0x894C  # linux/sockios.h: the network namespace of a socket


class Sandbox:
    """``waiting``: how many of its questions others have been asked; ``streams``: its TCP connections."""

    def __init__(self, udp: _socket.socket, tcp: _socket.socket, zone: Zones, forward: Forward) -> None:
        self.udp = udp
        self.tcp = tcp
        self.waiting = 0
        self.streams: set[Stream] = set()
        self.closed = False
        self.asked = self.malformed = self.unsent = 0
        self._turn = 0
        self._zones = zone
        self._forward = forward
        self._receive, self._send = udp.recvfrom, udp.sendto
        self._prepared: dict[bytes, Iterator[bytes]] = {}
        self._namespace = -1
        self.see((), (), False, True, {})

    def see(self, networks: Any, servers: Any, own_servers: bool, outside: bool, names: Any) -> None:
        """Another view, as wire.py tells it."""
        self.scope = Scope(networks, names)
        self.servers: tuple[str, ...] = tuple(servers)
        self.own_servers = own_servers
        self.outside = outside
        self.forget()

    def forget(self) -> None:
        """The prepared answers may be wrong by now."""
        self._prepared.clear()

    def question(self) -> None:
        """Answer one datagram: before the next others have their turn, and what the daemon has said counts."""
        try:
            data, asker = self._receive(DATAGRAM)
            known = self._prepared.get(data[2:])
            if known is not None:
                self.asked += 1
                self._send(data[:2] + next(known), asker)
            else:
                self._ask(data, asker)
        except BlockingIOError:
            pass
        except OSError as error:  # a firewall inside, no memory; the next turn goes on
            self.unsent += 1
            if error.errno == errno.EBADF:
                raise

    def _ask(self, data: bytes, asker: Any) -> None:
        def reply(answer: bytes) -> None:
            if not self.closed:
                try:
                    self._send(answer, asker)
                except OSError:
                    self.unsent += 1

        self.ask(data, reply)

    def ask(self, data: bytes, reply: Reply, *, stream: bool = False) -> bool:
        """Answer one query, now or when others have answered; False when it is none (and is dropped)."""
        try:
            asked = packet.question(data)
        except packet.Malformed:
            self.malformed += 1
            return False
        self.asked += 1
        found = zones.answers(self._zones, self.scope, asked, 0 if stream else asked.size)
        if found is None:
            self._forward(self, data, asked, reply, stream)
            return True
        if len(found) > 1:  # each dig has a cookie of its own, so that no two of its questions are the same
            found = found[self._turn % len(found) :] + found[: self._turn % len(found)]
            self._turn += 1
        turns = itertools.cycle(found)
        if not stream and len(data) <= _PREPARED_SIZE and asked.rcode == packet.NO_ERROR:
            if len(self._prepared) >= _PREPARED:
                self._prepared.clear()
            self._prepared[data[2:]] = turns
        reply(data[:2] + next(turns))
        return True

    @property
    def namespace(self) -> int:
        """A descriptor of its network namespace; opened when first asked for. OSError."""
        if self._namespace < 0:
            self._namespace = fcntl.ioctl(self.udp.fileno(), _SIOCGSKNS)
        return self._namespace

    def close(self) -> None:
        """Let go of it all: as long as we hold anything, its network namespace lives."""
        self.closed = True
        for stream in list(self.streams):
            stream.close()
        self.udp.close()
        self.tcp.close()
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1
