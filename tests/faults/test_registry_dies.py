"""Our registry is killed while it is pushed to, and while it tidies up: what it has confirmed is there, what was on its
way can be gone on with, and a full disk costs no more than the push it happens to."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from tests.cli.running import eventually
from tests.fakes.registry_content import descriptor, sha

from carrack.oci import media_types as types

KIB = 1 << 10
SOURCE = str(Path(__file__).parents[2] / "src")


class Program:
    """`carrack registry serve` on a unix socket below `root`."""

    def __init__(self, root: Path, data: Path | None = None) -> None:
        self.data, self._root = data or root / "data", root
        self._socket, self._config = root / "s", root / "config.toml"
        self._config.write_text('[gc]\nevery = "1s"\ngrace = "1s"\n')

    def start(self) -> None:
        words = ["serve", "--root", str(self.data), "--listen", f"unix://{self._socket}", "--config", str(self._config)]
        program = "import sys; from carrack.registry_server.main import main; sys.exit(main())"
        command = [sys.executable, "-c", program, *words]
        self._process = subprocess.Popen(command, env={"PYTHONPATH": SOURCE}, stderr=subprocess.DEVNULL)
        eventually(lambda: self._socket.is_socket() and self.ask("GET", "/v2/")[0] == 200)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.unlink()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def connect(self) -> http.client.HTTPConnection:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        try:
            sock.connect(str(self._socket))
        except OSError:
            sock.close()
            raise
        connection = http.client.HTTPConnection("registry", timeout=20)
        connection.sock = sock
        return connection

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status (0 when it broke off), headers and body."""
        try:
            with closing(self.connect()) as connection:
                connection.request(method, target, body, {k.replace("_", "-"): v for k, v in headers.items()})
                answer = connection.getresponse()
                return answer.status, dict(answer.headers), answer.read()
        except (OSError, http.client.HTTPException):
            return 0, {}, b""

    def have(self, place: str) -> int:
        """Bytes of an upload that have come."""
        status, headers, _ = self.ask("GET", place)
        assert status == 204
        last = int(headers["Range"].removeprefix("0-"))
        return last + 1 if last else 0

    def has_more(self, place: str, least: int) -> bool:
        return self.have(place) >= least

    def push(self, name: str, layer: bytes) -> bool:
        """An image of one layer as `name:1`; whether all of it was confirmed."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "author": sha(layer)}).encode()
        for blob in (config, layer):
            if self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={sha(blob)}", blob)[0] != 201:
                return False
        document = {"schemaVersion": 2, "config": descriptor(types.OCI_CONFIG, config)}
        document |= {"layers": [descriptor(types.OCI_LAYER, layer)]}
        data = json.dumps(document).encode()
        return self.ask("PUT", f"/v2/{name}/manifests/1", data, Content_Type=types.OCI_MANIFEST)[0] == 201

    def pull(self, name: str) -> bytes:
        """The layer of `name:1`, everything checked on the way."""
        status, _, data = self.ask("GET", f"/v2/{name}/manifests/1")
        assert status == 200
        blobs = [json.loads(data)["config"], *json.loads(data)["layers"]]
        for entry in blobs:
            status, _, data = self.ask("GET", f"/v2/{name}/blobs/{entry['digest']}")
            assert status == 200
            assert sha(data) == entry["digest"]
        return data

    def wrong(self) -> list[str]:
        """Blobs that are not what they are called."""
        blobs = (self.data / "content" / "blobs" / "sha256").iterdir()
        return [path.name for path in blobs if sha(path.read_bytes()) != f"sha256:{path.name}"]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_killed_in_the_middle_of_a_blob(program: Program) -> None:
    """The upload goes on where the registry says that it stands."""
    blob = random.Random(1).randbytes(6 << 20)
    place = program.ask("POST", "/v2/app/blobs/uploads/")[1]["Location"]
    have = 0
    for at in (1_500_000, 2_700_000, 4_500_000):
        connection = program.connect()
        connection.putrequest("PATCH", place)
        connection.putheader("Content-Length", str(len(blob) - have))
        connection.putheader("Content-Range", f"{have}-{len(blob) - 1}")
        connection.endheaders()
        connection.send(blob[have:at])
        eventually(partial(program.has_more, place, have + (1 << 20)))
        program.kill()
        connection.close()
        program.start()
        assert have < program.have(place) <= at
        have = program.have(place)
    assert program.ask("PATCH", place, blob[have:], Content_Range=f"{have}-{len(blob) - 1}")[0] == 202
    assert program.ask("PUT", f"{place}?digest={sha(blob)}")[0] == 201
    assert program.ask("GET", f"/v2/app/blobs/{sha(blob)}")[2] == blob
    assert program.wrong() == []


def test_killed_at_any_time_among_pushes_and_collections(program: Program) -> None:
    """What was confirmed is there after the next start; the rest can be pushed again."""
    chance, confirmed = random.Random(2), dict[str, bytes]()
    for turn in range(4):
        pusher = threading.Thread(target=_pushes, args=(program, turn, confirmed))
        pusher.start()
        time.sleep(0.2 + chance.random() * 1.2)
        program.kill()
        pusher.join(30)
        program.start()
        assert program.wrong() == []
        assert confirmed
        found = {name: program.pull(name) for name in confirmed}
        # The last push may have come through without being confirmed.
        assert sum(found[name] != layer for name, layer in confirmed.items()) <= 1
        confirmed.update(found)
    assert program.push("app/new", b"x" * KIB)


def _pushes(program: Program, turn: int, confirmed: dict[str, bytes]) -> None:
    """One after another, until one is not confirmed."""
    for number in range(1000):
        name, layer = f"app/{number % 7}", random.Random(f"{turn}.{number}").randbytes(20 * KIB)
        if not program.push(name, layer):
            return
        confirmed[name] = layer


@pytest.mark.root
def test_a_full_disk(tmp_path: Path) -> None:
    """The push that does not fit is refused in words, leaves nothing, and others go on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "crk-registry", disk], check=True)
    program = Program(tmp_path, disk)
    program.start()
    try:
        assert program.push("app", b"small" * 1000)
        big = random.Random(3).randbytes(6 << 20)
        status, _, body = program.ask("POST", f"/v2/app/blobs/uploads/?digest={sha(big)}", big)
        assert status in (0, 503)
        assert status == 0 or b"no space left on device" in body
        assert program.pull("app") == b"small" * 1000
        assert program.push("other", random.Random(4).randbytes(2 << 20))
        assert program.wrong() == []
    finally:
        program.stop()
        subprocess.run(["umount", disk], check=True)
