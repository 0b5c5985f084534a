"""`carrack registry`: it serves, ends when told, and goes on after it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.own_registry import Client, digest_of

ROOT = Path(__file__).parent.parent.parent
BLOB = os.urandom(1 << 20)
STEP = 64 << 10


class Program:
    """The command of this source tree, serving a folder on a port of its own."""

    def __init__(self, root: Path, *flags: str) -> None:
        words = [sys.executable, str(ROOT / "bin" / "carrack"), "registry", "serve", "--root", str(root)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        self.process = subprocess.Popen(
            [*words, "--listen", "127.0.0.1:0", *flags], env=environment, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        assert "listens on http://127.0.0.1:" in said
        self.client = Client(int(said.rpartition(":")[2]))

    def kill(self) -> None:
        """SIGKILL, and the end of it."""
        self.process.kill()
        self.close()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.close()

    def close(self) -> int:
        self.client.http.close()
        code = self.process.wait(20)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "registry"
    left = [path.name for path in (tmp_path / "registry" / "content" / "ingest").iterdir()]
    assert left == [], "unfinished content is left"


def test_it_serves_and_ends_when_told(root: Path) -> None:
    program = Program(root)
    digest = program.client.push_image("a", "v1")
    assert program.stop() == 0
    program = Program(root, "--read-only")
    assert program.client("HEAD", "/v2/a/manifests/v1").headers["docker-content-digest"] == digest
    assert program.client("POST", "/v2/a/blobs/uploads/").status == 405
    assert program.stop() == 0


@pytest.mark.parametrize("come", [0, 5 * STEP])
def test_an_upload_goes_on_after_a_kill(root: Path, come: int) -> None:
    program = Program(root)
    whole = program.client.push_image("kept", "v1")
    place = program.client("POST", "/v2/a/blobs/uploads/").headers["location"]
    for start in range(0, come, STEP):
        part = BLOB[start : start + STEP]
        program.client("PATCH", place, part, Content_Range=f"{start}-{start + len(part) - 1}")
    program.kill()
    program = Program(root)
    assert program.client("HEAD", "/v2/kept/manifests/v1").headers["docker-content-digest"] == whole
    assert program.client("HEAD", f"/v2/a/blobs/{digest_of(BLOB)}").status == 404
    assert program.client("GET", place).headers["range"] == f"0-{max(0, come - 1)}"
    done = program.client("PUT", f"{place}?digest={digest_of(BLOB)}", BLOB[come:])
    assert done.status == 201
    assert program.client("GET", f"/v2/a/blobs/{digest_of(BLOB)}").body == BLOB
    assert program.stop() == 0


def test_a_password_and_what_it_is_for(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "bin" / "carrack"), "registry", "password", "alice"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    users = tmp_path / "users"
    users.write_bytes(subprocess.run(words, input=b"secret\n", env=environment, check=True, capture_output=True).stdout)
    program = Program(tmp_path / "registry", "--htpasswd", str(users), "--tokens")
    assert program.client("GET", "/v2/").status == 401
    assert program.client("GET", "/v2/", Authorization="Basic YWxpY2U6c2VjcmV0").status == 200
    assert program.stop() == 0
