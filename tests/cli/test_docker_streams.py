"""The real docker command against the API's hijacked streams, on a unix socket and over TLS, with a scripted engine.

`docker exec -i` sends its input, half-closes, and must still get all output and the exit code: the case that TLS
stacks without half-close lose.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.fakes import certificates
from tests.fakes.http_peer import run

from carrack.api.app import Application, Route
from carrack.api.request import Request
from carrack.api.response import HIJACKED, Response, json_response, text
from carrack.daemon.config import Tls
from carrack.daemon.listen import tls_context
from carrack.http.server import Server
from carrack.http.stdcopy import STDERR, STDOUT, frame

pytestmark = [
    pytest.mark.docker_cli,
    pytest.mark.skipif(shutil.which("docker") is None, reason="the docker command is not on the PATH"),
]


async def ping(request: Request) -> Response:
    return text("OK")


async def container(request: Request) -> Response:
    return json_response({"Id": "c1", "State": {"Running": True, "Status": "running"}, "Config": {"Tty": False}})


async def create(request: Request) -> Response:
    assert (await request.json_object(required=True))["Cmd"] == ["count"]
    return json_response({"Id": "e1"}, status=201)


async def start(request: Request) -> Response:
    await request.json_object(required=True)
    peer = await request.hijack(multiplexed=True)
    size = 0
    while data := await peer.read():
        size += len(data)
    peer.write(frame(STDOUT, b"got %d\n" % size))
    await asyncio.sleep(0.05)
    for _ in range(20):
        peer.write(frame(STDOUT, b"x" * 50_000))
        await peer.drain()
    peer.write(frame(STDERR, b"late\n"))
    return HIJACKED


async def inspect(request: Request) -> Response:
    return json_response({"ID": "e1", "Running": False, "ExitCode": 5, "Pid": 1})


ROUTES = [
    Route("GET", "/_ping", ping),
    Route("HEAD", "/_ping", ping),
    Route("GET", "/containers/{id}/json", container),
    Route("POST", "/containers/{id}/exec", create),
    Route("POST", "/exec/{id}/start", start),
    Route("GET", "/exec/{id}/json", inspect),
]


@asynccontextmanager
async def serving(sock: socket.socket, tls: ssl.SSLContext | None) -> AsyncIterator[None]:
    server = Server(Application(ROUTES))
    await server.listen(sock, tls)
    try:
        yield
    finally:
        await server.close(0.5)


@pytest.mark.parametrize("wire", ["unix", "tls"])
@pytest.mark.parametrize("size", [0, 3_000_000])
def test_exec_with_input_gets_all_output_and_the_exit_code(tmp_path: Path, wire: str, size: int) -> None:
    async def main() -> None:
        context, options = None, []
        if wire == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(str(tmp_path / "api.sock"))
            host = f"unix://{tmp_path}/api.sock"
        else:
            made = certificates.make(tmp_path)
            context = tls_context(Tls(made.authority, made.server, made.server_key))
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            host = f"tcp://127.0.0.1:{sock.getsockname()[1]}"
            options = ["--tlsverify", f"--tlscacert={made.authority}", f"--tlscert={made.client}"]
            options.append(f"--tlskey={made.client_key}")
        async with serving(sock, context):
            docker = await asyncio.create_subprocess_exec(
                *("docker", "-H", host, *options, "exec", "-i", "c1", "count"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)},
            )
            out, err = await docker.communicate(bytes(size))
        assert (docker.returncode, err) == (5, b"late\n")
        assert out == b"got %d\n" % size + b"x" * 1_000_000

    run(main)
