"""What kills: the daemon, its zygote, its resolver, its shims and its layer workers, with -9 at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.cli.running import DaemonProcess
from tests.faults.api import Api

KINDS = ["daemon"] * 3 + ["zygote"] * 2 + ["resolver"] + ["shim"] * 3 + ["worker"] * 4 + ["daemon while it starts"]
#: what is in the command line of a resolver
RESOLVER = "network/names/__main__.py"
WORKER = "carrack.storage.worker"


def children(pid: int) -> list[int]:
    """The processes whose parent is (a thread of) this one."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in path.read_text().split()]
        except OSError:  # ended meanwhile
            continue
    return found


def parent(pid: int) -> int:
    """0 when there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command(pid: int) -> str:
    """Its command line; empty for none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill(pid: int) -> None:
    """SIGKILL; one that has ended is no error."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Striker:
    """Kills parts of one daemon. ``generation`` grows with each kill of the daemon; ``down`` is true meanwhile.

    ``struck`` counts by container how often its shim was killed; those in ``spared`` are never struck.
    """

    def __init__(self, daemon: DaemonProcess, chance: random.Random, say: Callable[[str], None]) -> None:
        self._daemon = daemon
        self._api = Api(daemon.socket)
        self._chance = chance
        self._say = say
        self.generation = 0
        self.down = False
        self.struck: Counter[str] = Counter()
        self.spared: set[str] = set()
        self.count: Counter[str] = Counter()
        self.aimed = 0
        """How many workers are killed, or just about to be."""
        self.after: Callable[[str], None] = lambda kind: None

    def pid(self) -> int:
        """The daemon's process id."""
        return int((self._daemon.root / "pid").read_text())

    def strike(self) -> None:
        """One kill, of a kind drawn by lot."""
        kind = self._chance.choice(KINDS)
        done = {
            "daemon": lambda: self._daemon_dies(0),
            "daemon while it starts": lambda: self._daemon_dies(self._chance.randint(1, 3)),
            "zygote": lambda: self._child_dies("zygote"),
            "resolver": lambda: self._child_dies(RESOLVER),
            "shim": self._shim_dies,
            "worker": self._worker_dies,
        }[kind]()
        if done:
            self.count[kind] += 1
            self._say(f"killed {kind}: {done}")
            self.after(kind)

    def run(self, over: threading.Event, pause: tuple[float, float] = (0.3, 2.0)) -> None:
        """Strike until it is over."""
        while not over.wait(self._chance.uniform(*pause)):
            self.strike()

    def _daemon_dies(self, again: int) -> str:
        pid = self.pid()
        self.generation += 1
        self.down = True
        try:
            self._daemon.crash()
            for _ in range(again):
                self._daemon.spawn()
                time.sleep(self._chance.uniform(0.1, 1.5))
                self._daemon.crash()
            self.after("no daemon")
            self._daemon.start()
        finally:
            self.generation += 1
            self.down = False
        return f"pid {pid}, and {again} that started"

    def _child_dies(self, word: str) -> str:
        found = [pid for pid in children(self.pid()) if word in command(pid)]
        for pid in found:
            kill(pid)
        return f"pids {found}" if found else ""

    def _shim_dies(self) -> str:
        folder = self._daemon.root / "run/containers"
        names = sorted(set(os.listdir(folder)) - self.spared) if folder.is_dir() else []
        if self._chance.random() < 0.3 or not names:
            return self._slot_dies()
        name = self._chance.choice(names)
        shim = self.shim_of(name)
        if not shim:
            return ""
        self.struck[name] += 1
        kill(shim)
        return f"pid {shim} of container {name[:12]}"

    def _slot_dies(self) -> str:
        """Any shim below the zygote but those of running containers: a parked one, or one that starts just now."""
        folder = self._daemon.root / "run/containers"
        taken = {self.shim_of(name) for name in os.listdir(folder)} if folder.is_dir() else set()
        for zygote in children(self.pid()):
            free = [pid for pid in children(zygote) if pid not in taken]
            if "zygote" in command(zygote) and free:
                pid = self._chance.choice(free)
                kill(pid)
                return f"pid {pid}, a slot"
        return ""

    def shim_of(self, identity: str) -> int:
        """The process id of a running container's shim, by the kernel: the parent of its first process."""
        try:
            document = json.loads((self._daemon.root / "run/containers" / identity / "shim.json").read_bytes())
        except (OSError, ValueError):
            return 0
        return parent(int(document["pid"]))

    def _worker_dies(self) -> str:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            workers = [pid for pid in children(self.pid()) if "storage.worker" in command(pid)]
            if workers:
                pid = self._chance.choice(workers)
                self.aimed += 1
                kill(pid)
                return f"pid {pid}"
            time.sleep(0.005)
        return ""
