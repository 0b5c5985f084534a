"""Images out of a registry and into it: pulled until a container can be made of them, pushed, removed; over a slow
link until a server in one answers; and the memory that this takes.

The registry holds what `bench.stock` puts there. Our daemon is to keep no removed layers for the next pull: give it
``"gc": {"cache": "0"}``. For the slow link everything runs in one network namespace, whose loopback is shaped.
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.counters import daemon_pid, engine_pids, pss
from bench.measure import Sample
from bench.target import IMAGE, Failed, Target

_PATIENCE = 120.0
_SAMPLE = 0.05
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Registry:
    """``host`` is HOST:PORT as the engines know it, ``link`` the device to shape ("" for none)."""

    host: str
    link: str = ""

    def image(self, name: str) -> str:
        """The whole name of an image of `bench.stock`."""
        return f"{self.host}/bench/{name}:1"

    def pull(self, name: str) -> Callable[[Target], None]:
        """`pull`, and a container made of the image; containerd's own command unpacks it as it pulls."""

        def work(target: Target) -> None:
            if target.key.startswith("ctr"):
                target.run("images", "pull", "--plain-http", "--snapshotter", _snapshotter(target), self.image(name))
                return
            insecure = [] if target.host else ["--tls-verify=false"]
            target.run("pull", "-q", *insecure, self.image(name))
            target.run("create", "--name", target.name("pulled"), self.image(name))

        return work

    def forget(self, name: str) -> Callable[[Target], None]:
        """Remove the image and what was made of it."""

        def work(target: Target) -> None:
            with contextlib.suppress(Failed):
                if target.key.startswith("ctr"):
                    target.run("images", "rm", "--sync", self.image(name))
                else:
                    target.remove(target.name("pulled"))
            with contextlib.suppress(Failed):
                if not target.key.startswith("ctr"):
                    target.run("rmi", "-f", self.image(name))

        return work

    def have(self, name: str) -> Callable[[Target], None]:
        """Pull it, uncounted."""

        def work(target: Target) -> None:
            target.run("pull", "-q", self.image(name))

        return work

    def remove(self, name: str) -> Callable[[Target], None]:
        """`rmi`."""

        def work(target: Target) -> None:
            target.run("rmi", self.image(name))

        return work

    def answer(self, name: str) -> Callable[[Target], None]:
        """`run -d` of an image that is not here yet, until the server in it gives an answer of 200."""

        def work(target: Target) -> None:
            target.run("run", "-d", "--name", target.name("pulled"), self.image(name))
            shown = target.run("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
                               target.name("pulled"))  # fmt: skip
            end = time.monotonic() + _PATIENCE
            while not _is_up(shown.strip()):
                if time.monotonic() > end:
                    raise Failed(f"{target.title}: no answer of {name}")
                time.sleep(0.005)

        return work

    def shape(self, _: Target) -> None:
        """100 Mbit/s on the link."""
        words = ["tbf", "rate", "100mbit", "burst", "256kb", "latency", "100ms"]
        subprocess.run(["tc", "qdisc", "replace", "dev", self.link, "root", *words], check=True)

    def unshape(self, _: Target) -> None:
        """No longer."""
        subprocess.run(["tc", "qdisc", "del", "dev", self.link, "root"], check=False, capture_output=True)


class Fresh:
    """An image with a new layer of ``size`` bytes for each push: programs of this machine, marked anew."""

    def __init__(self, registry: Registry, size: int, folder: Path = Path("/usr/lib")) -> None:
        self._registry = registry
        self._size = size
        self._folder = folder
        self._number = 0

    def name(self, target: Target) -> str:
        """The image's name, of this run."""
        return f"{self._registry.host}/bench/fresh-{target.key}:{self._number}"

    def commit(self, target: Target) -> None:
        """Have the image."""
        self._number += 1
        file, made = Path(f"/tmp/{target.name('fresh')}"), target.name("fresh")
        try:
            with open(file, "wb") as output:
                for block in _blocks(self._folder, self._size):
                    output.write(f"{time.time_ns()}-{self._number}".encode().ljust(64) + block[64:])
            target.run("create", "--name", made, IMAGE)
            target.run("cp", str(file), f"{made}:/fresh")
            target.run("commit", made, self.name(target))
        finally:
            file.unlink(missing_ok=True)
            with contextlib.suppress(Failed):
                target.remove(made)

    def push(self, target: Target) -> None:
        """Push it."""
        target.run("push", "-q", self.name(target))

    def forget(self, target: Target) -> None:
        """Remove it."""
        target.run("rmi", self.name(target))


def peak(registry: Registry, name: str) -> Callable[[Target], Sample]:
    """MiB that the engine takes at most over what it took before, while an image is pulled and pushed again."""

    def work(target: Target) -> Sample:
        there, again = registry.image(name), f"{registry.host}/bench/again-{target.key}:{time.time_ns()}"
        idle = pss(engine_pids(target.host, []))
        with _watched(target) as pulling:
            target.run("pull", "-q", there)
        target.run("tag", there, again)
        with _watched(target) as pushing:
            target.run("push", "-q", again)
        target.run("rmi", again, there)
        return {"pull": (max(pulling) - idle) / 1024, "push": (max(pushing) - idle) / 1024}

    return work


@contextlib.contextmanager
def _watched(target: Target) -> Iterator[list[int]]:
    """What the engine takes, in KiB, every now and then; complete at the block's end."""
    daemon_pid(target.host)
    found, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE):
            found.append(pss(engine_pids(target.host, [])))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _snapshotter(target: Target) -> str:
    return "erofs" if target.key == "ctr-erofs" else "overlayfs"


def _is_up(address: str) -> bool:
    connection = http.client.HTTPConnection(address, 80, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _blocks(folder: Path, size: int) -> Iterator[bytes]:
    """So many bytes of the files of a folder, by the megabyte."""
    left, data = size, b""
    for path in sorted(folder.rglob("*.so*")):
        if path.is_symlink() or not path.is_file():
            continue
        data += path.read_bytes()
        while len(data) >= _BLOCK and left >= _BLOCK:
            yield data[:_BLOCK]
            data, left = data[_BLOCK:], left - _BLOCK
        if left < _BLOCK:
            return
    raise Failed(f"{folder} has no {size} bytes of programs")
