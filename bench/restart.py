"""How long a daemon is away: it is told to stop, started again as it was started before, and asked until it answers.

Command line, environment, directory and namespaces are taken from the running process, so that a daemon in a root of
its own comes back there. Its output goes to /dev/null from then on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.counters import daemon_pid
from bench.measure import Sample
from bench.target import Failed, Target

PATIENCE = 120.0


def live(target: Target) -> None:
    """Refuse a daemon whose containers would end with it."""
    with target.connect() as api:
        if not api.request("GET", "/info")["LiveRestoreEnabled"]:
            raise Failed(f"{target.title}: start it with --live-restore for the row of restarts")


def restart(count: int) -> Callable[[Target], Sample]:
    """The row's work with ``count`` running containers."""
    return lambda target: restarted(target, count)


def restarted(target: Target, count: int) -> Sample:
    """Stop and start it, and list until all ``count`` running containers are told. ms to stop, ms until the answer."""
    pid = daemon_pid(target.host)
    began = time.perf_counter()
    again = _copy(pid)
    os.kill(pid, signal.SIGTERM)
    _await_end(pid)
    ended = time.perf_counter()
    again()
    while True:
        try:
            with target.connect() as api:
                listed = len([c for c in api.request("GET", "/containers/json") if _ours(c, target)])
            break
        except (OSError, Failed):
            if time.perf_counter() - began > PATIENCE:
                raise Failed(f"{target.title} does not answer after its restart") from None
            time.sleep(0.002)
    now = time.perf_counter()
    if listed != count:
        raise Failed(f"{target.title}: {listed} of {count} containers run after its restart")
    return {"stop": (ended - began) * 1000, "wall": (now - began) * 1000}


def _ours(row: dict[str, list[str]], target: Target) -> bool:
    return any(name.startswith(f"/{target.prefix}-") for name in row["Names"])


def _copy(pid: int) -> Callable[[], None]:
    """A function that starts the process again after its end."""
    proc = Path(f"/proc/{pid}")
    words = proc.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
    words[0] = words[0] if b"/" in words[0] else os.fsencode(os.readlink(proc / "exe"))
    environment = dict(
        entry.split(b"=", 1) for entry in proc.joinpath("environ").read_bytes().split(b"\0") if b"=" in entry
    )
    held = [os.open(proc / name, os.O_RDONLY) for name in ("ns/mnt", "ns/net", "root", "cwd")]
    mount, network, root, directory = (f"/proc/self/fd/{fd}" for fd in held)
    enter = ["nsenter", f"--mount={mount}", f"--net={network}", f"--root={root}", f"--wd={directory}", "--"]

    def start() -> None:
        subprocess.Popen(
            [*enter, *words],
            env=environment,
            pass_fds=held,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for fd in held:
            os.close(fd)

    return start


def _await_end(pid: int) -> None:
    end = time.perf_counter() + PATIENCE
    while True:
        try:
            os.waitpid(pid, os.WNOHANG)  # one that an earlier run has started is our child
        except ChildProcessError:
            pass
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if state[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        if time.perf_counter() > end:
            raise Failed(f"process {pid} does not end")
        time.sleep(0.001)
