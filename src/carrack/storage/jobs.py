"""Layer work for the daemon's event loop: each layer in a process apart (:mod:`carrack.storage.worker`).

To start one costs about as much as to store a small layer, so it is kept for a while after it has done one well;
the last one for longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import carrack
from carrack import errors
from carrack.storage.apply import Applied, Expected, Spooled
from carrack.storage.compression import Budget
from carrack.storage.content import Blob
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.worker import PACKET, PackRequest, WorkerRequest

_PATIENCE = 5.0  # seconds from SIGTERM to SIGKILL; removing a half-unpacked layer takes a while
_IDLE = 5.0  # seconds that a process waits for another layer
_LAST = 300.0  # the same for the only one that waits, so that who works with images now and then finds it ready
_LARGE = 96 << 10  # KiB of memory from which a process is not kept


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """``driver`` is the chosen Snapshotter's name and ``root`` what ``choose`` was given; ``content`` the root of the
    content store."""

    driver: str
    root: Path
    content: Path
    budget: Budget = field(default_factory=Budget)
    python: str = sys.executable
    idle: float = _IDLE
    last: float = _LAST


class Workers:
    """The processes. ``close`` ends those that wait."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._idle: list[_Process] = []
        self._leaving: list[_Process] = []

    async def apply(
        self,
        source_fd: int,
        expected: Expected | None = None,
        spooled: Spooled | None = None,
        *,
        resume: int | None = None,
    ) -> Applied:
        """Store the layer that is read from a descriptor (file, pipe or socket; the caller keeps and closes its own).

        ``spooled``: the descriptor is of such a file, for reading and writing; it may become the layer, or be read.
        ``resume``: see carrack.storage.receive; the blob is kept.

        Raises what ``apply`` and ``receive`` raise, and Internal if the worker dies. When cancelled, the worker is
        stopped and has cleaned up before the cancellation goes on.
        """
        start = None if resume is not None else _position(source_fd)
        job = _Job(
            json.dumps(self._request(expected or Expected(), spooled, resume)).encode(),
            [source_fd],
            None if start is None else partial(os.lseek, source_fd, start, os.SEEK_SET),
            packed=spooled.digest if spooled else "",
        )
        process, answer = await self._ask(job)
        await self._judge(process, answer)
        return Applied(**judged(answer))

    async def pack(self, upper_fd: int, file_fd: int, *, room: int, newest: int | None, still: bool) -> Blob:
        """Write a directory of changes as a layer tar to a file, see PackRequest. The process remembers what the tar
        says, for an ``apply`` of it that comes soon. Raises what reading and writing raise, and as ``apply``."""
        request: PackRequest = {"room": room, "newest": newest, "still": still}
        job = _Job(json.dumps(request).encode(), [upper_fd, file_fd], lambda: None)
        process, answer = await self._ask(job)
        await self._judge(process, answer, answer.get("digest", "") if room else "")
        return Blob(**judged(answer))

    async def warm(self) -> None:
        """Have a process waiting."""
        if not self._idle:
            self._wait(await _Process.start(self._settings.python))

    async def close(self) -> None:
        """End the waiting processes."""
        for process in [*self._idle, *self._leaving]:
            await process.end()
        self._idle, self._leaving = [], []

    async def _ask(self, job: _Job) -> tuple[_Process, dict[str, Any]]:
        while True:
            process, waited = await self._send(job)
            try:
                answer = await process.answer()
            except BaseException:
                await _to_the_end(self._stop(process))
                raise
            if answer is not None:
                return process, answer
            reason = await self._reason(process)
            if not waited or job.rewind is None:
                raise errors.Internal(f"the process storing a layer died: {reason}")
            job.rewind()  # it may have been dead before it was asked

    async def _send(self, job: _Job) -> tuple[_Process, bool]:
        """Who has the request now, and whether he had been waiting for one."""
        while self._idle:
            process = next((p for p in reversed(self._idle) if p.packed == job.packed), self._idle[-1])
            self._idle.remove(process)
            process.stay()
            if process.send(job.request, job.fds):
                return process, True
            await process.end()
        process = await _Process.start(self._settings.python)
        process.send(job.request, job.fds)  # should it have died already, its answer tells
        return process, False

    async def _judge(self, process: _Process, answer: dict[str, Any], packed: str = "") -> None:
        """Keep the process if it has done well and is small, or has packed what is stored next."""
        process.packed = packed
        memory = answer.pop("memory", None)
        if memory is not None and (packed or memory < _LARGE):
            self._wait(process)
        else:
            await process.end()

    def _wait(self, process: _Process) -> None:
        self._idle.append(process)
        process.expiry = asyncio.get_running_loop().call_later(self._settings.idle, self._retire, process)

    def _retire(self, process: _Process) -> None:
        if len(self._idle) == 1 and not process.last and not process.packed:
            process.last = True
            process.expiry = asyncio.get_running_loop().call_later(self._settings.last, self._retire, process)
            return
        self._idle.remove(process)
        process.let_go()
        self._leaving = [*(other for other in self._leaving if other.alive), process]

    async def _stop(self, process: _Process) -> None:
        await process.stop()
        await asyncio.to_thread(self._sweep)  # it cleans up itself, but for what it had just made or was removing

    async def _reason(self, process: _Process) -> str:
        complaints, code = await process.obituary()
        await asyncio.to_thread(self._sweep)
        if code < 0:
            return f"killed by {signal.Signals(-code).name}; nothing of the layer was kept, try again"
        return complaints.decode(errors="replace").strip().rpartition("\n")[2] or str(code)

    def _sweep(self) -> None:
        """Remove what a worker that was killed had begun; what others are at is locked."""
        LayerDirectories(self._settings.root / self._settings.driver).sweep()

    def _request(self, expected: Expected, spooled: Spooled | None, resume: int | None) -> WorkerRequest:
        settings = self._settings
        return {
            "driver": settings.driver,
            "root": str(settings.root),
            "content": str(settings.content),
            "digest": expected.digest,
            "diff_id": expected.diff_id,
            "size": expected.size,
            "budget": dataclasses.astuple(settings.budget),
            "spooled": dataclasses.astuple(spooled) if spooled else None,
            "resume": resume,
        }


@dataclass(frozen=True, slots=True)
class _Job:
    """A request, its descriptors, what makes it possible once more (None: nothing), and what had better been packed by
    who gets it."""

    request: bytes
    fds: list[int]
    rewind: Callable[[], object] | None
    packed: str = ""


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """However often the caller, which is cancelled already, is cancelled again."""
    task = asyncio.get_running_loop().create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()


def judged(answer: dict[str, Any]) -> dict[str, Any]:
    """What a worker has answered; raises the failure that it tells of."""
    if "error" not in answer:
        return answer
    if answer["error"] == "OSError":
        raise OSError(answer["errno"], answer["message"])
    raise getattr(errors, answer["error"])(answer["message"])


def _position(fd: int) -> int | None:
    """Where a file is read next; None for what is no file."""
    try:
        return os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return None


class _Process:
    """One worker and our end of its socket."""

    def __init__(self, process: asyncio.subprocess.Process, ours: socket.socket) -> None:
        self._process = process
        self._socket = ours
        self.expiry: asyncio.TimerHandle | None = None
        self.last = False
        """Whether it waits for the longer time."""
        self.packed = ""
        """The digest of the tar that it knows."""

    @classmethod
    async def start(cls, python: str) -> _Process:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            process = await asyncio.create_subprocess_exec(
                *(python, "-P", "-s", "-m", "carrack.storage.worker", str(os.getpid())),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={"PYTHONPATH": str(Path(carrack.__file__).parent.parent), "LC_ALL": "C.UTF-8"},
                cwd="/",
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours)

    def send(self, request: bytes, fds: list[int]) -> bool:
        """Give it a layer; False when it is dead."""
        try:
            socket.send_fds(self._socket, [request], fds)
        except ConnectionError:
            return False
        return True

    async def answer(self) -> dict[str, Any] | None:
        """What it says of the layer; None when it is dead."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, PACKET)
        except ConnectionError:
            return None
        return json.loads(data) if data else None

    @property
    def alive(self) -> bool:
        """Whether it is not known to have ended."""
        return self._process.returncode is None

    def stay(self) -> None:
        """It waits no more for its time to be over."""
        self.last = False
        if self.expiry is not None:
            self.expiry.cancel()

    def let_go(self) -> None:
        """It ends as soon as it sees that nothing will come any more."""
        self.stay()
        self._socket.close()

    async def end(self) -> None:
        """Let it go, and wait until it has."""
        self.let_go()
        await self._process.communicate()

    async def stop(self) -> None:
        """Make it clean up and go."""
        self._socket.close()
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.communicate(), _PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.communicate()

    async def obituary(self) -> tuple[bytes, int]:
        """What a dead one said last, and its exit code."""
        self._socket.close()
        _, complaints = await self._process.communicate()
        return complaints, self._process.returncode or 0
