"""The process that stores one layer: ``python -m carrack.storage.worker REQUEST``, started by carrack.storage.jobs.

Hostile bytes are parsed here and not in the daemon, within limits of memory, and the daemon's interpreter lock stays
free. Standard input is the layer; REQUEST is a JSON object (see ``WorkerRequest``); one JSON object comes back on
standard output: an ``Applied``, or ``{"error": kind, "message": text, "errno": number or null}``.

SIGTERM makes it clean up and go; so does the death of the daemon.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from carrack import errors
from carrack.linux.syscalls import LINUX
from carrack.storage.apply import Applied, Expected, Spooled, apply, take_over
from carrack.storage.compression import Budget
from carrack.storage.content import ContentStore
from carrack.storage.snapshots.probe import layer_store

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMORY = 6 << 30  # of address space: a tree of two million files needs about two thirds of it
_PR_SET_PDEATHSIG = 1


class WorkerRequest(TypedDict):
    """``driver`` and ``root`` as for ``layer_store``; ``content``: root of the content store, None to keep no blob;
    ``spooled``: the fields of a ``Spooled`` when the layer is one, and standard input its file, at the tar's begin."""

    driver: str
    root: str
    content: str | None
    digest: str | None
    diff_id: str | None
    size: int | None
    budget: tuple[int, int, int]
    spooled: tuple[str, int, int] | None
    parent: int


def main(arguments: Sequence[str]) -> int:
    """Serve the one request."""
    request: WorkerRequest = json.loads(arguments[0])
    try:
        _confine(request["parent"])
        answer: dict[str, Any] = dataclasses.asdict(_apply(request))
    except (errors.CarrackError, OSError, MemoryError) as error:
        answer = describe(error)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    return 1 if "error" in answer else 0


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as the answer carries it: by the nearest kind of carrack.errors, or as an OSError."""
    if isinstance(error, OSError):
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
        return {"error": "OSError", "message": text, "errno": error.errno}
    if isinstance(error, MemoryError):
        return {"error": "InvalidArgument", "message": "layer needs more memory than is allowed", "errno": None}
    kind = next(parent.__name__ for parent in type(error).__mro__ if parent.__module__ == errors.__name__)
    return {"error": kind, "message": str(error), "errno": None}


def _apply(request: WorkerRequest) -> Applied:
    content, spooled = request["content"], request["spooled"]
    layers = layer_store(request["driver"], Path(request["root"]))
    expected = Expected(request["digest"], request["diff_id"], request["size"])
    if spooled and not content and (taken := take_over(sys.stdin.fileno(), layers, Spooled(*spooled), expected)):
        return taken
    os.set_blocking(sys.stdin.fileno(), True)
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as source:
        return apply(
            source,
            layers,
            content=ContentStore(content) if content else None,
            expected=expected,
            budget=Budget(*request["budget"]),
        )


def _confine(parent: int) -> None:
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
