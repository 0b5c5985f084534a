"""Our registry server and another one, alternately: a blob got, a blob put, eight clients that pull.

    python -m bench.registry --peer http://127.0.0.1:5055 --ours http://127.0.0.1:5000 [ROW...]

Both must take pushes without a login; what is pushed stays (repositories bench/…). The clients throw away what they get
without looking at it (MSG_TRUNC of tcp(7)), so that nearly all of the time is the servers'.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.measure import Figures, Pause, Row, lines, measure
from bench.target import Failed, Target

_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
_STEP = 1 << 20


def digest_of(data: bytes) -> str:
    """sha256 of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Client:
    """One connection to a registry, kept open. ``url`` is http://HOST:PORT."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> http.client.HTTPResponse:
        """An answer whose body has been read and dropped. Raises Failed for a refusal."""
        self._http.request(method, path, body, {"Accept": _MEDIA_TYPE, **({"Content-Type": kind} if kind else {})})
        answer = self._http.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {said[:300]!r}")
        return answer

    def push(self, name: str, data: bytes, digest: str) -> None:
        """A blob as docker sends it: begun, streamed, ended."""
        place = _local(self.ask("POST", f"/v2/{name}/blobs/uploads/").getheader("Location", ""))
        place = _local(self.ask("PATCH", place, data, "application/octet-stream").getheader("Location", ""))
        self.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", b"")

    def push_manifest(self, name: str, tag: str, document: dict[str, object]) -> str:
        """A manifest under a tag; its digest."""
        data = json.dumps(document).encode()
        self.ask("PUT", f"/v2/{name}/manifests/{tag}", data, str(document["mediaType"]))
        return digest_of(data)

    def drop(self, path: str) -> int:
        """Get something and throw it away unseen; how many bytes it had."""
        self._http.request("GET", path, headers={"Accept": f"{_MEDIA_TYPE}, */*"})
        answer = self._http.getresponse()
        if answer.status != 200:
            raise Failed(f"GET {path}: {answer.status}")
        size = int(answer.getheader("Content-Length", "0"))
        begun = answer.fp.peek() if size else b""  # what came with the head
        left = size - min(len(begun), size)
        sock = self._http.sock
        assert isinstance(sock, socket.socket)
        while left:
            taken = sock.recv_into(_SCRATCH, min(left, _STEP), socket.MSG_TRUNC)
            if not taken:
                raise Failed(f"GET {path}: ended {left} bytes before its end")
            left -= taken
        answer.length = 0
        answer.close()
        return size


_SCRATCH = bytearray(_STEP)


def _local(location: str) -> str:
    parts = urlsplit(location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


@dataclass
class Blobs:
    """Blobs of ``size`` bytes, each new, got and put."""

    size: int
    current: dict[str, str] = field(default_factory=dict)
    data: bytes = b""

    def renew(self, _: Target) -> None:
        """Another blob to put."""
        self.data = os.urandom(self.size)
        self.current[""] = digest_of(self.data)

    def put(self, target: Target) -> None:
        """Put it."""
        with Client(target.host) as client:
            client.push("bench/blobs", self.data, self.current[""])

    def prepare(self, target: Target) -> None:
        """Have one there to get."""
        data = os.urandom(self.size)
        self.current[target.key] = digest_of(data)
        with Client(target.host) as client:
            client.push("bench/blobs", data, self.current[target.key])

    def get(self, target: Target) -> None:
        """Get it."""
        with Client(target.host) as client:
            client.drop(f"/v2/bench/blobs/blobs/{self.current[target.key]}")


@dataclass
class Pulls:
    """An image of layers of these sizes, pulled by many at once."""

    clients: int
    layers: tuple[int, ...]
    image: dict[str, list[str]] = field(default_factory=dict)

    def prepare(self, target: Target) -> None:
        """Push it."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
        entries, name = [], "bench/pulled"
        with Client(target.host) as client:
            for data in (config.encode(), *(os.urandom(size) for size in self.layers)):
                digest = digest_of(data)
                client.push(name, data, digest)
                entries.append({"mediaType": "application/octet-stream", "digest": digest, "size": len(data)})
            document = {"schemaVersion": 2, "mediaType": _MEDIA_TYPE, "config": entries[0], "layers": entries[1:]}
            document["config"] = {**entries[0], "mediaType": "application/vnd.oci.image.config.v1+json"}
            manifest = client.push_manifest(name, "1", document)
        self.image[target.key] = [manifest, *(str(entry["digest"]) for entry in entries)]

    def pull(self, target: Target) -> None:
        """All clients at once, each all of it on a connection of its own."""
        failures: list[BaseException] = []

        def one() -> None:
            try:
                with Client(target.host) as client:
                    client.ask("GET", "/v2/")
                    client.ask("HEAD", "/v2/bench/pulled/manifests/1")
                    manifest, *blobs = self.image[target.key]
                    client.drop(f"/v2/bench/pulled/manifests/{manifest}")
                    for digest in blobs:
                        client.drop(f"/v2/bench/pulled/blobs/{digest}")
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=one) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]


def rows(size: int) -> dict[str, Row]:
    """The rows, with blobs of ``size`` bytes."""
    blobs, goals = Blobs(size), {("docker", "wall"): 1.0}
    large = Pulls(8, (size // 2, size // 4, size // 8, 1 << 20, 64 << 10, 4 << 10))
    small = Pulls(8, (4 << 10,) * 40)
    mib = size >> 20
    return {
        "get": Row(f"registry: GET of a blob of {mib} MiB", blobs.get, goals=goals, prepare=blobs.prepare),
        "put": Row(f"registry: PUT of a blob of {mib} MiB", blobs.put, goals=goals, before=blobs.renew),
        "pull": Row("registry: eight clients pull six layers", large.pull, goals=goals, prepare=large.prepare),
        "small": Row("registry: eight clients pull forty small layers", small.pull, goals=goals, prepare=small.prepare),
    }


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="http://127.0.0.1:5055")
    parser.add_argument("--ours", default="http://127.0.0.1:5000")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--gap", type=float, default=0.25)
    parser.add_argument("--mib", type=int, default=120, help="size of a blob (120)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("row", nargs="*")
    options = parser.parse_args()
    table = rows(options.mib << 20)
    if unknown := set(options.row) - set(table):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(table)}")
    targets = [Target("dockerd", "the other registry", "", options.peer), Target("docker", "ours", "", options.ours)]
    figures: dict[str, Figures] = {}
    print("| work | with | medians | ratio |\n|---|---|---|---|")
    for name in options.row or table:
        figures[name] = measure(table[name], targets, options.runs, Pause(options.gap))
        print("\n".join(line.replace("dockerd:", "the other:") for line in lines(table[name], figures[name], targets)))
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
