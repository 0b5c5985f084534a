"""The API over TCP with certificates on both sides: streams keep their half-close there too."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess

pytestmark = pytest.mark.root
_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate of it that serves both sides."""
    if not shutil.which("openssl"):
        pytest.skip("the openssl command makes the certificates")
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl(
        "req", "-x509", *_EC, "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority"
    )
    openssl("req", *_EC, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "extensions").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
    )
    words = ["-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2"]
    openssl("x509", "-req", *words, "-out", "cert.pem", "-extfile", "extensions")
    return folder


@pytest.fixture(scope="module")
def far(keys: Path, tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[str]:
    """``tcp://`` of a second daemon that lets in only who has a certificate; it holds the image too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files = [f"--tls{name}={keys}/{file}.pem" for name, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))]
    process = DaemonProcess(tmp_path_factory.mktemp("far"), "--tlsverify", *files, "--host", f"tcp://127.0.0.1:{port}")
    process.bridge, process.table, process.cgroup = process.bridge + "t", process.table + "t", process.cgroup + "t"
    process.subnet = "10.252.252.1/24"
    archive = CommandLine("carrack", daemon).raw("save", image)
    try:
        process.start()
        CommandLine("carrack", process)("load", stdin=archive)
        yield f"tcp://127.0.0.1:{port}"
    finally:
        process.stop()


@pytest.mark.census("docker --tls", "docker --tlscacert", "docker --tlscert", "docker --tlskey", "docker --tlsverify",
                    "dockerd --tlscacert", "dockerd --tlscert", "dockerd --tlskey", "dockerd --tlsverify",
                    "daemon.json tlscert", "daemon.json tlskey", "daemon TLS mutual auth")  # fmt: skip
@pytest.mark.parametrize("name", ["docker", "carrack"])
def test_streams_over_tls(name: str, far: str, keys: Path, daemon: DaemonProcess, image: str) -> None:
    if name == "docker" and not shutil.which("docker"):
        pytest.skip("the real docker command is not installed")
    cli = CommandLine(name, daemon)
    files = [
        f"--tls{option}={keys}/{file}.pem" for option, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))
    ]
    words = ["-H", far, "--tlsverify", *files]
    data = os.urandom(2_000_000)
    # the program answers only after the end of its input: output must survive the client's half-close
    script = "cat > /tmp/all; cat /tmp/all; echo end >&2; exit 5"
    assert cli.raw(*words, "run", "--rm", "-i", image, "sh", "-c", script.replace("; exit 5", ""), stdin=data) == data
    assert cli(*words, "run", "--rm", "-i", image, "sh", "-c", script, stdin="", check=False).returncode == 5
    stranger = cli("-H", far, "--tlsverify", files[0], "version", check=False)
    assert stranger.returncode == 1
    plain = cli("-H", far, "ps", check=False)
    assert plain.returncode == 1
    # without a look at the daemon's certificate, which the command's own --tls means
    assert cli("-H", far, "--tls", f"--tlscacert={keys}/cert.pem", *files[1:], "ps", "-q").stdout == ""


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", b"200"), ("127.0.0.1:1", b"200"), ("rebound.example.com", b"403")]
)
def test_only_names_of_the_certificate_are_spoken_to(far: str, keys: Path, host: str, status: bytes) -> None:
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    context.load_cert_chain(keys / "cert.pem", keys / "key.pem")
    address = ("127.0.0.1", int(far.rpartition(":")[2]))
    with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as wire:
        wire.sendall(f"GET /_ping HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert wire.recv(4096).split()[1] == status


@pytest.mark.census("daemon.json tls", "dockerd --tls")
def test_encryption_alone_lets_in_anyone_only_when_that_is_said(
    keys: Path, tmp_path: Path, daemon: DaemonProcess
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    files = ["--tlscert", f"{keys}/cert.pem", "--tlskey", f"{keys}/key.pem"]
    process = DaemonProcess(tmp_path, "--tls", "--tlsverify=false", *files, "--host", address)
    process.start()
    try:
        cli = CommandLine("carrack", daemon)
        trusting = ["-H", address, "--tlsverify", f"--tlscacert={keys}/ca.pem"]
        told = cli(*trusting, "info")
        assert f"https://{address[6:]} without TLS client verification" in told.stderr
        assert cli("-H", address, "ps", check=False).returncode == 1, "it is encrypted"
    finally:
        process.stop()
