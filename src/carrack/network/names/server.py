"""The resolver process: one thread, one loop, the sockets of all sandboxes.

It knows what the daemon tells it and nothing else, opens no file but the host's resolv.conf, and ends with the
daemon. The sockets outlive it in the shims, so that questions wait in their queues for the next one.
"""

from __future__ import annotations

import _socket
import gc
import os
import resource
import sys

from carrack.network.names import wire
from carrack.network.names.host_servers import HostServers
from carrack.network.names.loop import Loop
from carrack.network.names.sandbox import Sandbox
from carrack.network.names.streams import Streams
from carrack.network.names.upstream import Upstream
from carrack.network.names.zones import Zones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: collections of garbage are put off: hardly anything here refers to itself
_GARBAGE = 50_000
#: defects of which the traceback is written
_TOLD = 10
_SUMMED = ("asked", "malformed", "unsent")


class Server:
    """Sandboxes, zones, and the daemon's orders."""

    def __init__(self, control: _socket.socket, host: HostServers | None = None) -> None:
        self._control = control
        self._loop = Loop()
        self._zones = Zones()
        self._streams = Streams(self._loop)
        self._sandboxes: dict[str, Sandbox] = {}
        self.counts = dict.fromkeys((*_SUMMED, "forwarded", "failed", "full", "kept", "strange", "defects"), 0)
        self.upstream = Upstream(self._loop, host or HostServers(), self.counts)
        self._over = False
        self._orders: dict[str, Callable[..., None]] = {
            "attach": self._attach,
            "change": self._change,
            "detach": self._detach,
            "endpoint": self._endpoint,
            "gone": self._gone,
            "count": self._count,
        }
        self._loop.watch(control.fileno(), self._obey)
        self._loop.first = control.fileno()  # what was said before a question counts for it

    def serve(self) -> None:
        """Until the daemon has gone. A defect that some packet brings to light must not leave all others without names:
        what came is dropped, and a few of them are told on standard error, the daemon's log."""
        while not self._over:
            try:
                self._loop.turn()
            except Exception:
                self.counts["defects"] += 1
                if self.counts["defects"] <= _TOLD:
                    sys.excepthook(*sys.exc_info())

    def _obey(self) -> None:
        """Do all that the daemon has said."""
        while not self._over:
            fds: list[int] = []
            try:
                message, fds = wire.receive(self._control)
            except BlockingIOError:
                return
            except OSError:
                message = None
            if message is None:
                self._over = True
            else:
                order, *arguments = message
                self._orders[order](*arguments, *([fds] if fds else []))

    def _attach(self, container: str, view: tuple[Any, ...], fds: list[int]) -> None:
        self._detach(container)
        udp = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM, 0, fds[0])
        tcp = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, fds[1])
        sandbox = Sandbox(udp, tcp, self._zones, self.upstream.forward)
        sandbox.see(*view)
        self._sandboxes[container] = sandbox
        self._loop.watch(udp.fileno(), sandbox.question)
        self._loop.watch(tcp.fileno(), lambda: self._streams.accept(sandbox))

    def _change(self, container: str, view: tuple[Any, ...]) -> None:
        if container in self._sandboxes:
            self._sandboxes[container].see(*view)

    def _detach(self, container: str) -> None:
        sandbox = self._sandboxes.pop(container, None)
        if sandbox is None:
            return
        self._loop.forget(sandbox.udp.fileno())
        self._loop.forget(sandbox.tcp.fileno())
        self.upstream.drop(sandbox)
        sandbox.close()
        for name in _SUMMED:
            self.counts[name] += getattr(sandbox, name)

    def _endpoint(self, network: str, owner: str, names: list[bytes], addresses: list[bytes], full: bytes) -> None:
        self._zones.put(network, owner, names, addresses, full)
        self._forget(network)

    def _gone(self, network: str, owner: str) -> None:
        self._zones.drop(network, owner)
        self._forget(network)

    def _forget(self, network: str) -> None:
        for sandbox in self._sandboxes.values():
            if network in sandbox.scope.networks:
                sandbox.forget()

    def _count(self, number: int) -> None:
        counts = dict(self.counts)
        for sandbox in self._sandboxes.values():
            for name in _SUMMED:
                counts[name] += getattr(sandbox, name)
        counts["sandboxes"], counts["waiting"] = len(self._sandboxes), len(self.upstream.waiting)
        try:
            wire.send(self._control, wire.encode("counts", number, counts))
        except OSError:  # it does not listen just now
            pass


def main(descriptor: int) -> None:
    """Serve on the daemon's socket until it closes."""
    _raise_limit()
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, descriptor)
    control.setblocking(False)
    server = Server(control)
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    server.serve()
    os._exit(0)


def _raise_limit() -> None:
    """Two descriptors for each container, and one for each question under way."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
