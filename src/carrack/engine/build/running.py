"""What the running of a RUN is to the solver: a job in, an exit code and a layer's files out.

The one who runs them stands above (:mod:`carrack.engine.containers`), since it is done with a container's means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

#: what a program writes: STDOUT or STDERR of carrack.engine.build.progress, and the bytes
Output = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True)
class Bound:
    """Something mounted while a RUN goes on: a path of the host (``source``), or the files of a chain of ``layers``
    (always read-only), of either only what is at ``subpath``, which no link leads out of; or a tmpfs of ``size`` bytes
    (0: no limit). A mount point that had to be made for it in the image is gone from the layer."""

    target: str
    source: Path | None = None
    layers: tuple[str, ...] = ()
    subpath: str = ""
    readonly: bool = True
    tmpfs: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One program: ``layers`` is what it runs on. ``host_config`` are limits in the API's names; ``network`` is
    default, none or host; ``insecure``: with all privileges, which the caller has checked to be allowed."""

    layers: tuple[str, ...]
    words: tuple[str, ...]
    env: tuple[str, ...]
    workdir: str
    user: str = ""
    network: str = "default"
    insecure: bool = False
    devices: tuple[str, ...] = ()
    hostname: str = ""
    extra_hosts: tuple[str, ...] = ()
    mounts: tuple[Bound, ...] = ()
    host_config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended. ``changes`` opens what it changed, as ``Snapshotter.changes`` does; gone when the job is left."""

    exit_code: int
    changes: Callable[[], AbstractContextManager[int]]
    oom_killed: bool = False


class Runner(Protocol):
    """Runs programs."""

    def run(self, job: Job, output: Output) -> AbstractAsyncContextManager[Ran]:
        """Run to the end; inside the context the changes are there, afterwards nothing is.

        When cancelled, the program is killed and everything is undone before the cancellation goes on. Raises
        InvalidArgument for a program that is not there or cannot be run.
        """
        ...
