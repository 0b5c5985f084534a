"""The process that stores layers: ``python -m carrack.storage.worker PARENT``, started by carrack.storage.jobs.

Hostile bytes are parsed here and not in the daemon, within limits of memory, and the daemon's interpreter lock stays
free. Standard input is a socket of packets (SOCK_SEQPACKET): a request is a JSON object that comes with descriptors,
``WorkerRequest`` with one, the layer's bytes, ``PackRequest`` with two, the directory and the file; one JSON object
goes back: an ``Applied`` or a ``Blob``, and the process's ``memory`` in KiB, or ``{"error": kind, "message": text,
"errno": number or null}``, after which it ends. So it does when no more requests come, at SIGTERM, and when the daemon
dies; whatever it was at is cleaned up, but for a blob's first bytes.

A tar that was packed here is not read again when the next request makes it a layer: what it says is known. Reading is
for bytes from elsewhere; these were written a moment ago, from directories that the kernel keeps, and the digest is
theirs. Who is asked for another layer meanwhile, or has died, has forgotten it, and then the tar is read.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, final

from carrack import errors
from carrack.linux.syscalls import LINUX
from carrack.storage.apply import Applied, Expected, Spooled, apply, take_over
from carrack.storage.compression import Budget
from carrack.storage.content import Appender, Blob, ContentStore
from carrack.storage.receive import receive
from carrack.storage.snapshots.probe import layer_store
from carrack.storage.tarwriter import Batch
from carrack.storage.upper import pack
from carrack.storage.walk import reopen
from carrack.storage.written import Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.storage.tree import Tree

_MEMORY = 6 << 30  # of address space: a tree of two million files needs about two thirds of it
_PR_SET_PDEATHSIG = 1
PACKET = 64 << 10  # bytes of a request or an answer at most
_TEXT = 8000  # characters of a failure that are told: one may have a name of a megabyte in it


@final
class WorkerRequest(TypedDict):
    """``driver`` and ``root`` as for ``layer_store``; ``digest``, ``diff_id`` and ``size`` as of ``Expected``;
    ``content``: root of the content store.

    ``spooled``: the fields of a ``Spooled`` when the layer is one, and the descriptor that of its file, at the tar's
    begin. ``resume``: the descriptor gives the blob from this byte on, what is before it is in its partial file, and
    the blob is kept; None otherwise.
    """

    driver: str
    root: str
    content: str
    digest: str | None
    diff_id: str | None
    size: int | None
    budget: tuple[int, int, int]
    spooled: tuple[str, int, int] | None
    resume: int | None


@final
class PackRequest(TypedDict):
    """An upper directory is to be written as a layer tar to a file, ``room`` bytes from its begin. ``still``: no
    program changes it; ``newest``: see carrack.storage.differ."""

    room: int
    newest: int | None
    still: bool


class Packed:
    """The last tar that was packed here: its digest, and what it says, once."""

    def __init__(self) -> None:
        self._digest = ""
        self._tree: Tree | None = None

    def remember(self, digest: str, tree: Tree | None) -> None:
        """It is this one from now on."""
        self._digest, self._tree = digest, tree

    def take(self, digest: str) -> Tree | None:
        """What the tar of that digest says, if that is known; nothing is remembered any more."""
        tree = self._tree if self._digest == digest else None
        self.remember("", None)
        return tree


def main(arguments: Sequence[str]) -> int:
    """Serve one request after another."""
    confine(int(arguments[0]))
    gc.freeze()
    gc.disable()  # trees of many nodes have no cycles, and to look for some takes a fifth of the time
    packed = Packed()
    with socket.socket(fileno=sys.stdin.fileno()) as requests:
        while True:
            request, fds, _, _ = socket.recv_fds(requests, PACKET, 2)
            if not request:
                return 0
            answer = serve(json.loads(request), fds, packed)
            requests.send(json.dumps(answer).encode())
            if "error" in answer:
                return 1


def serve(request: WorkerRequest | PackRequest, fds: Sequence[int], packed: Packed) -> dict[str, Any]:
    """The answer to one request; closes the descriptors."""
    try:
        if "still" in request:
            done: Applied | Blob = _pack(request, fds[0], fds[1], packed)
        else:
            done = _apply(request, fds[0], packed)
    except (errors.CarrackError, OSError, MemoryError) as error:
        return describe(error)
    finally:
        for fd in fds:
            os.close(fd)
    return {**dataclasses.asdict(done), "memory": _memory()}


def _memory() -> int:
    """KiB in use now; see proc_pid_statm(5)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * (resource.getpagesize() >> 10)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as the answer carries it: by the nearest kind of carrack.errors, or as an OSError."""
    if isinstance(error, OSError):
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
        return {"error": "OSError", "message": text[:_TEXT], "errno": error.errno}
    if isinstance(error, MemoryError):
        return {"error": "InvalidArgument", "message": "layer needs more memory than is allowed", "errno": None}
    kind = next(parent.__name__ for parent in type(error).__mro__ if parent.__module__ == errors.__name__)
    return {"error": kind, "message": str(error)[:_TEXT], "errno": None}


def _pack(request: PackRequest, upper_fd: int, fd: int, packed: Packed) -> Blob:
    packed.remember("", None)
    room, newest = request["room"], request["newest"]
    written = Written() if room else None  # without room, a layer is not made of the file itself
    os.ftruncate(fd, 0)  # another may have died of this
    end = Appender(fd, room, "the layer")
    batch = Batch(end.write)
    upper = reopen(upper_fd)  # whose position nobody has moved
    try:
        pack(upper, batch.write, still=request["still"], newest=newest, written=written)
    finally:
        os.close(upper)
    batch.flush()
    blob = end.blob()
    packed.remember(blob.digest, written.finish() if written else None)
    return blob


def _apply(request: WorkerRequest, fd: int, packed: Packed) -> Applied:
    spooled = request["spooled"]
    layers = layer_store(request["driver"], Path(request["root"]))
    expected = Expected(request["digest"], request["diff_id"], request["size"])
    tree = packed.take(spooled[0] if spooled else "")
    if spooled and (taken := take_over(fd, layers, Spooled(*spooled), expected, tree)):
        return taken
    os.set_blocking(fd, True)
    with open(fd, "rb", buffering=0, closefd=False) as source:
        budget = Budget(*request["budget"])
        if request["resume"] is None:
            return apply(source, layers, expected=expected, budget=budget)
        return receive(source, layers, ContentStore(request["content"]), expected, request["resume"], budget)


def confine(parent: int) -> None:
    """Bind this process to its parent's life and to limits, as one must be that reads foreign bytes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    LINUX.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)  # it died before we asked to be told
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.umask(0o077)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")  # before the daemon, when memory runs out


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
