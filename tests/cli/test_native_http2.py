"""The real buildx as a client of HTTP/2 from the first byte: its ``remote`` driver, on a socket and with TLS."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import DaemonProcess
from tests.cli.test_tls import far, keys

__all__ = ["far", "keys"]

pytestmark = pytest.mark.root
TEXT = """FROM busybox AS one
RUN --mount=type=secret,id=tok cat /run/secrets/tok && ls /sys > /ran
FROM scratch
COPY --from=one /ran /ran
COPY src /src
"""
Verb = Callable[..., str]


@pytest.fixture
def verb(daemon: DaemonProcess, plugins: Path) -> Verb:
    """Runs a verb of buildx; gives all that it says."""

    def run(*words: str, input: str | None = None) -> str:
        environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins)}
        command = ["docker", "buildx", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_a_build_on_the_socket(verb: Verb, daemon: DaemonProcess, image: str, tmp_path: Path) -> None:
    (tmp_path / "context" / "src").mkdir(parents=True)
    (tmp_path / "context" / "Dockerfile").write_text(TEXT)
    (tmp_path / "context" / "src" / "f").write_text("file\n" * 100_000)
    (tmp_path / "token").write_text("hush")
    verb("create", "--name", "native", "--driver", "remote", f"unix://{daemon.socket}")
    words = ["--secret", f"id=tok,src={tmp_path / 'token'}", "-o", f"type=local,dest={tmp_path / 'out'}"]
    build = ["--builder", "native", "build", "--progress", "plain"]
    assert "hush" in verb(*build, *words, str(tmp_path / "context"))
    assert (tmp_path / "out" / "src" / "f").read_text() == "file\n" * 100_000
    assert "kernel" in (tmp_path / "out" / "ran").read_text()
    assert "Completed" in verb("--builder", "native", "history", "ls")


def test_a_build_with_tls(verb: Verb, far: str, keys: Path, tmp_path: Path) -> None:
    files = ",".join(f"{name}={keys}/{file}.pem" for name, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key")))
    verb("create", "--name", "far", "--driver", "remote", far, "--driver-opt", f"{files},servername=localhost")
    out = f"type=local,dest={tmp_path / 'out'}"
    verb("--builder", "far", "build", "-o", out, "-", input="FROM scratch\nCOPY <<EOF /f\nhello\nEOF\n")
    assert (tmp_path / "out" / "f").read_text() == "hello\n"
