"""The process that stores layers: ``python -m carrack.storage.worker PARENT``, started by carrack.storage.jobs.

Hostile bytes are parsed here and not in the daemon, within limits of memory, and the daemon's interpreter lock stays
free. Standard input is a socket of packets (SOCK_SEQPACKET): a request is a JSON object (see ``WorkerRequest``) that
comes with one descriptor, the layer's bytes; one JSON object goes back: an ``Applied`` and the process's ``memory`` in
KiB, or ``{"error": kind, "message": text, "errno": number or null}``, after which it ends. So it does when no more
requests come, at SIGTERM, and when the daemon dies; whatever it was at is cleaned up, but for a blob's first bytes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from carrack import errors
from carrack.linux.syscalls import LINUX
from carrack.storage.apply import Applied, Expected, Spooled, apply, take_over
from carrack.storage.compression import Budget
from carrack.storage.content import ContentStore
from carrack.storage.receive import receive
from carrack.storage.snapshots.probe import layer_store

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMORY = 6 << 30  # of address space: a tree of two million files needs about two thirds of it
_PR_SET_PDEATHSIG = 1
PACKET = 64 << 10  # bytes of a request or an answer at most


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


def main(arguments: Sequence[str]) -> int:
    """Serve one request after another."""
    confine(int(arguments[0]))
    with socket.socket(fileno=sys.stdin.fileno()) as requests:
        while True:
            request, fds, _, _ = socket.recv_fds(requests, PACKET, 1)
            if not request:
                return 0
            answer = serve(json.loads(request), fds[0])
            requests.send(json.dumps(answer).encode())
            if "error" in answer:
                return 1


def serve(request: WorkerRequest, fd: int) -> dict[str, Any]:
    """The answer to one request; closes the descriptor."""
    try:
        applied = dataclasses.asdict(_apply(request, fd))
    except (errors.CarrackError, OSError, MemoryError) as error:
        return describe(error)
    finally:
        os.close(fd)
    return {**applied, "memory": _memory()}


def _memory() -> int:
    """KiB in use now; see proc_pid_statm(5)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * (resource.getpagesize() >> 10)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as the answer carries it: by the nearest kind of carrack.errors, or as an OSError."""
    if isinstance(error, OSError):
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
        return {"error": "OSError", "message": text, "errno": error.errno}
    if isinstance(error, MemoryError):
        return {"error": "InvalidArgument", "message": "layer needs more memory than is allowed", "errno": None}
    kind = next(parent.__name__ for parent in type(error).__mro__ if parent.__module__ == errors.__name__)
    return {"error": kind, "message": str(error), "errno": None}


def _apply(request: WorkerRequest, fd: int) -> Applied:
    spooled = request["spooled"]
    layers = layer_store(request["driver"], Path(request["root"]))
    expected = Expected(request["digest"], request["diff_id"], request["size"])
    if spooled and (taken := take_over(fd, layers, Spooled(*spooled), expected)):
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
