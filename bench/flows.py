"""What flows between containers and from the host to them: streams by iperf3, and names asked for by many at once.

Every program runs in a container of one image, which has iperf3 and Python: the host's side too, on its network.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from bench import images
from bench.measure import Sample
from bench.target import Failed, Target

PATIENCE = 10.0
_PORT = 5201
_ASKING = Path(__file__).with_name("asking.py")


class Pair:
    """A server and a client on a network of theirs, and a container on the host's network."""

    def __init__(self, tools: Path, seconds: float) -> None:
        self._tools = tools
        self._seconds = max(1.0, seconds)
        self._loaded: set[str] = set()

    def prepare(self, target: Target) -> None:
        """Load the image where it is wanting, and start all three. Raises Failed."""
        image = images.name_in(self._tools)
        with target.connect() as api:
            api.send("GET", f"/images/{image}/json")
            if api.receive()[0] == 404:
                target.run("load", "-i", str(self._tools))
                self._loaded.add(target.key)
        target.run("network", "create", target.name("flow"))
        run = ["run", "-d", "--init", "--network", target.name("flow")]
        target.run(*run, "--name", target.name("server"), "-p", f"{_PORT}", image, "iperf3", "-s")
        target.run(*run, "--name", target.name("client"), image, "sleep", "36000")
        host = ["run", "-d", "--init", "--network", "host", "--name", target.name("host")]
        target.run(*host, image, "sleep", "36000")
        self._await_server(target)

    def clean(self, target: Target) -> None:
        """Remove all of it."""
        target.remove(*(target.name(name) for name in ("server", "client", "host")))
        target.run("network", "rm", target.name("flow"))
        if target.key in self._loaded:
            self._loaded.remove(target.key)
            target.run("image", "rm", images.name_in(self._tools))

    def between(self, target: Target) -> Sample:
        """A stream from container to container."""
        return self._stream(target, "client", self._inside(target)["IPAddress"], _PORT)

    def published(self, target: Target) -> Sample:
        """A stream from the host to the published port at an address of the host, the network's gateway."""
        return self._stream(target, "host", self._inside(target)["Gateway"], self._published(target))

    def loopback(self, target: Target) -> Sample:
        """A stream from the host to the published port at 127.0.0.1."""
        return self._stream(target, "host", "127.0.0.1", self._published(target))

    def names(self, clients: int, count: int) -> Callable[[Target], Sample]:
        """µs until a name is answered, ``clients`` asking at once and each ``count`` times."""

        def work(target: Target) -> Sample:
            words = ["python3", "-c", _ASKING.read_text(), target.name("server"), str(clients), str(count)]
            median, late = target.run("exec", target.name("client"), *words).split()
            return {"p50": float(median), "p99": float(late)}

        return work

    def _stream(self, target: Target, client: str, address: str, port: int) -> Sample:
        words = ["iperf3", "-J", "-t", f"{self._seconds:.0f}", "-c", address, "-p", str(port)]
        document = json.loads(target.run("exec", target.name(client), *words))
        return {"rate": document["end"]["sum_received"]["bits_per_second"] / 1e9}

    def _inside(self, target: Target) -> dict[str, str]:
        with target.connect() as api:
            document = api.request("GET", f"/containers/{target.name('server')}/json")
        found: dict[str, str] = document["NetworkSettings"]["Networks"][target.name("flow")]
        return found

    def _published(self, target: Target) -> int:
        shown = target.run("port", target.name("server"), f"{_PORT}/tcp").splitlines()
        return int(shown[0].rpartition(":")[2])

    def _await_server(self, target: Target) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                target.run("exec", target.name("server"), "iperf3", "-c", "127.0.0.1", "-n", "1K")
                return
            except Failed:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
