"""The daemon's side of the resolver: one process for all containers, started when the first one is to be served.

What it is told is kept here as well: when the process ends unasked, another one is started at once, told everything
again, and given the sockets back by those who hold them, the containers' shims. So it is after the daemon's own
restart. Questions wait in the sockets' queues meanwhile.
"""

import asyncio
import itertools
import logging
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from carrack.errors import CarrackError
from carrack.network.names import sockets, wire
from carrack.network.names.packet import wire_name
from carrack.network.names.view import View, packed

_LOG = logging.getLogger(__name__)

#: gives back a container's sockets, perhaps among other descriptors; they are the caller's
Held = Callable[[str], Awaitable[Sequence[int]]]

_LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
#: isolated, without site-packages or environment, without writing .pyc files
_FLAGS = ("-I", "-S", "-E", "-B", "-X", "utf8")
#: a process that ended sooner than this is followed by the next only after a pause as long (seconds)
_SHORT_LIFE = 1.0
_FAREWELL = 5.0
#: of one container on one network: what fits a message, however long they are
_NAMES = 200
_ANSWER_SECONDS = 2.0
#: how many are asked at once for the sockets that they hold, and how long they may take (seconds)
_AT_ONCE, _HELD_SECONDS = 16, 10.0


class Resolver:
    """Names for all containers. But for `sockets`, everything is called in the event loop, and nothing blocks it.

    ``held`` is asked for the sockets of a container whose process ended.
    """

    def __init__(self, held: Held | None = None, *, python: str = "") -> None:
        base = getattr(sys, "_base_executable", "") or sys.executable
        self._command = [os.path.realpath(python or base), *_FLAGS, _LAUNCHER]
        self._held = held
        self._views: dict[str, View] = {}
        self._endpoints: dict[tuple[str, str], bytes] = {}
        self._process: _Process | None = None
        self._wanted: dict[str, None] = {}
        self._giving: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._closed = False

    @property
    def pid(self) -> int:
        """Of the process; 0 when there is none (yet)."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """From now on the process is started when it is needed."""
        self._closed = False

    async def close(self) -> None:
        """End the process; the sockets stay with those who hold them."""
        self._closed = True
        if self._giving is not None:
            self._giving.cancel()
            await asyncio.wait([self._giving])
        if self._process is not None:
            await self._process.close()
            self._process = None

    def sockets(self, netns_fd: int) -> list[int]:
        """UDP and TCP on 127.0.0.11 inside a sandbox, with the redirect of port 53 to them; blocking, any thread.

        The descriptors are the caller's. OSError.
        """
        return sockets.open_inside(netns_fd)

    def attach(self, container_id: str, fds: Sequence[int], view: View) -> None:
        """Answer on these sockets from now on; duplicates of them are sent. Other descriptors among them do not matter.

        Without any of ours, they are asked of who holds them.
        """
        self._views[container_id] = view
        if self._process is None:
            self._begin()
        if own := sockets.ours(fds):
            self._send(wire.encode("attach", container_id, view.message()), own)
        else:
            self._give_back([container_id])

    def change(self, container_id: str, view: View) -> None:
        """Another view for a container; one that is not attached is no error."""
        if container_id in self._views:
            self._views[container_id] = view
            self._send(wire.encode("change", container_id, view.message()))

    def detach(self, container_id: str) -> None:
        """Let go of the container's sockets; one that is not attached is no error."""
        if self._views.pop(container_id, None) is not None:
            self._send(wire.encode("detach", container_id))

    def endpoint(
        self, network_id: str, container_id: str, names: Sequence[str], addresses: Sequence[str], network: str = ""
    ) -> None:
        """The container is known by these names, the most proper one first, in a network from now on.

        With the ``network``'s name each is known as NAME.NETWORK too. A name that cannot travel (a label over 63
        bytes) is left out. ValueError for an address that is none.
        """
        every = [*names, *(f"{name}.{network}" for name in names if network)]
        keys = [key for name in every if (key := wire_name(name)) is not None]
        if len(keys) > _NAMES:
            _LOG.warning("container %s is known by %d of its %d names", container_id, _NAMES, len(keys))
        full = wire_name(f"{names[0]}.{network}" if network else names[0]) if names else None
        body = wire.encode("endpoint", network_id, container_id, keys[:_NAMES], packed(tuple(addresses)), full or b"\0")
        self._endpoints[network_id, container_id] = body
        self._send(body)

    def gone(self, network_id: str, container_id: str) -> None:
        """It is not in that network any more; one that never was is no error."""
        if self._endpoints.pop((network_id, container_id), None) is not None:
            self._send(wire.encode("gone", network_id, container_id))

    async def counts(self) -> dict[str, int]:
        """How many questions were asked, forwarded, malformed …; nothing when no process runs, or none that answers."""
        if self._process is None:
            return {}
        try:
            return await asyncio.wait_for(self._process.counts(), _ANSWER_SECONDS)
        except TimeoutError:
            return {}

    def _send(self, body: bytes, fds: Sequence[int] = ()) -> None:
        if self._process is not None:
            self._process.send(body, fds)

    def _begin(self) -> None:
        """A process that knows all names; the sockets follow."""
        if self._closed:
            return
        self._process = _Process(self._command, self._ended)
        for body in self._endpoints.values():
            self._process.send(body)

    def _ended(self, lived: float) -> None:
        self._process = None
        if not self._closed:
            _LOG.warning("the resolver of names has ended; starting another")
            self._not_before = time.monotonic() + (_SHORT_LIFE if lived < _SHORT_LIFE else 0.0)
            self._give_back(self._views)

    def _give_back(self, container_ids: Iterable[str]) -> None:
        """Attach these with the sockets that are held for them, in the background."""
        self._wanted.update(dict.fromkeys(container_ids))
        if self._giving is None or self._giving.done():
            self._giving = asyncio.get_running_loop().create_task(self._give(), name="give the resolver its sockets")

    async def _give(self) -> None:
        while self._wanted:
            if self._process is None:
                await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
                self._begin()
            some = list(itertools.islice(self._wanted, _AT_ONCE))
            for container_id in some:
                del self._wanted[container_id]
            await asyncio.gather(*(self._give_one(each) for each in some if each in self._views))

    async def _give_one(self, container_id: str) -> None:
        fds: Sequence[int] = ()
        try:
            fds = await asyncio.wait_for(self._held(container_id), _HELD_SECONDS) if self._held is not None else ()
            own = sockets.ours(fds)
            if own and (view := self._views.get(container_id)) is not None:
                self._send(wire.encode("attach", container_id, view.message()), own)
        except (OSError, CarrackError) as error:
            _LOG.error("container %s is without names: %s", container_id, str(error) or "its shim does not answer")
        finally:
            for fd in fds:
                os.close(fd)


class _Process:
    """One resolver process. ``ended(seconds it lived)`` is called when it ends unasked."""

    def __init__(self, command: Sequence[str], ended: Callable[[float], None]) -> None:
        self.pid = 0
        self._ended = ended
        self._born = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._outbox: deque[tuple[bytes, list[int]]] = deque()
        self._asked: dict[int, asyncio.Future[dict[str, int]]] = {}
        self._numbers = itertools.count()
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.setblocking(False)
        self._loop.add_reader(self._sock, self._read)
        # What is sent meanwhile waits in the socket.
        self._child = self._loop.run_in_executor(None, self._spawn, [*command, str(theirs.fileno())], theirs)

    def _spawn(self, command: list[str], theirs: socket.socket) -> "subprocess.Popen[bytes] | None":
        with theirs:
            try:
                child = subprocess.Popen(
                    command,
                    env={"LANG": "C.UTF-8"},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                _LOG.error("the resolver of names cannot be started: %s", error)
                return None
        self.pid = child.pid
        return child

    def send(self, body: bytes, fds: Sequence[int] = ()) -> None:
        """Send a message, or as soon as there is room for it."""
        if not self._outbox:
            try:
                wire.send(self._sock, body, fds)
                return
            except BlockingIOError:
                self._loop.add_writer(self._sock, self._flush)
            except OSError:  # it has ended, which is told by reading
                return
        self._outbox.append((body, [os.dup(fd) for fd in fds]))

    def _flush(self) -> None:
        while self._outbox:
            body, fds = self._outbox[0]
            try:
                wire.send(self._sock, body, fds)
            except BlockingIOError:
                return
            except OSError:
                pass
            self._outbox.popleft()
            _close_all(fds)
        self._loop.remove_writer(self._sock)

    async def counts(self) -> dict[str, int]:
        """What it has counted."""
        number = next(self._numbers)
        answer = self._asked[number] = self._loop.create_future()
        try:
            self.send(wire.encode("count", number))
            counts: dict[str, int] = await answer
            return counts
        finally:
            del self._asked[number]

    def _read(self) -> None:
        try:
            message, _ = wire.receive(self._sock)
        except BlockingIOError:
            return
        except OSError:
            message = None
        if message is None:
            self._hang_up()
            self._child.add_done_callback(_reap)
            self._ended(time.monotonic() - self._born)
        elif (answer := self._asked.get(message[1])) is not None and not answer.done():
            answer.set_result(message[2])

    def _hang_up(self) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        while self._outbox:
            _close_all(self._outbox.popleft()[1])
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result({})

    async def close(self) -> None:
        """Let it end, and see that it has."""
        self._hang_up()
        child = await self._child
        if child is not None:
            await self._loop.run_in_executor(None, _end, child)


def _reap(spawned: "asyncio.Future[subprocess.Popen[bytes] | None]") -> None:
    """Its socket is closed: it is ending, or stuck for good."""
    if not spawned.cancelled() and (child := spawned.result()) is not None:
        child.kill()
        child.wait()


def _end(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
