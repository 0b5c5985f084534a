"""Clients over TCP with certificates on both sides: their streams, half-closed, too."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess
from tests.clients.packages import OF_OTHERS
from tests.fakes import certificates

pytestmark = [pytest.mark.root, *OF_OTHERS]
_NODE = """
const Docker = require("dockerode");
(async () => {
  const docker = new Docker();
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["cat"], OpenStdin: true, StdinOnce: true });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
  docker.modem.demuxStream(stream, process.stdout, process.stderr);
  await container.start();
  stream.end("through\\n");
  process.exitCode = (await container.wait()).StatusCode;
})();
"""


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that leads clients to a daemon that lets in only who has a certificate."""
    archive = root_file_system()
    if archive is None or shutil.which("openssl") is None:
        pytest.skip("busybox-static or openssl is not installed")
    keys = tmp_path_factory.mktemp("keys")
    made = certificates.make(keys)
    shutil.copy(made.client, keys / "cert.pem")
    shutil.copy(made.client_key, keys / "key.pem")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files = [f"--tlscacert={made.authority}", f"--tlscert={made.server}", f"--tlskey={made.server_key}"]
    address = ["--host", f"tcp://127.0.0.1:{port}"]
    process = DaemonProcess(tmp_path_factory.mktemp("far"), "--tlsverify", *files, *address)
    try:
        process.start()
        CommandLine("carrack", process)(*IMPORT, stdin=archive)
        where = {"DOCKER_HOST": f"tcp://127.0.0.1:{port}", "DOCKER_CERT_PATH": str(keys), "DOCKER_TLS_VERIFY": "1"}
        yield {**process.environment, **where}
    finally:
        process.stop()


def test_docker_py(far: dict[str, str], docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # these would come before the client's own authority
        monkeypatch.delenv(name, raising=False)
    client = docker.from_env(environment=far)
    assert client.containers.run("busybox", "echo far", remove=True) == b"far\n"
    container = client.containers.create("busybox", "cat", stdin_open=True)
    container.start()
    assert container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True).output == (b"out\n", b"err\n")
    container.put_archive("/", _tar("file", b"content"))
    assert container.exec_run("cat /file").output == b"content"
    lines = client.containers.run("busybox", "seq 20000", stream=True)
    assert b"".join(lines).split()[-1] == b"20000"
    container.remove(force=True)
    client.close()


def test_dockerode(far: dict[str, str], node_clients: Path) -> None:
    environment = {**far, "NODE_PATH": str(node_clients / "node_modules")}
    done = subprocess.run(["node", "-e", _NODE], env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"through\n"), done.stderr


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
