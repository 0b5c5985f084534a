"""A line without end, on each logging driver: what follows it comes through, and no process of ours keeps it.

CARRACK_TEST_LINE: the line's size in MiB (64 for drivers that keep files and 16 for those that send when it is not
set). One GiB passes, too, in 10 to 30 seconds per driver.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, eventually

pytestmark = pytest.mark.root
GIVEN = os.environ.get("CARRACK_TEST_LINE")
SECONDS = 300 if GIVEN else 20


@pytest.fixture
def sink() -> Iterator[tuple[int, list[int]]]:
    """A port that takes all, and how many bytes came on each connection."""
    came: list[int] = []

    def take(connection: socket.socket, number: int) -> None:
        with connection:
            while data := connection.recv(1 << 20):
                came[number] += len(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            came.append(0)
            threading.Thread(target=take, args=(connection, len(came) - 1), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)


def say(cli: Cli, image: str, mebibytes: int, options: list[str]) -> int:
    """Run a container that says one line of that size and then a short one; the size in bytes."""
    size = int(GIVEN or mebibytes) << 20
    script = f"head -c {size} /dev/zero | tr '\\0' x; echo; echo all; sleep 1000"
    cli("run", "-d", "--network", "none", "--name", "wide", *options, image, "sh", "-c", script)
    return size


def assert_small(cli: Cli) -> None:
    """The shim and its logger have never held more than a small part of the line."""
    pid = int(cli("inspect", "-f", "{{.State.Pid}}", "wide").stdout)
    parent = re.search(r"PPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert parent is not None
    children = Path(f"/proc/{parent[1]}/task/{parent[1]}/children").read_text().split()
    for ours in [parent[1], *(child for child in children if int(child) != pid)]:
        peak = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{ours}/status").read_text())
        assert peak is not None
        assert int(peak[1]) < 32 * 1024


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_in_files(docker: Cli, image: str, driver: str) -> None:
    folder = Path(docker.daemon.root) / "data/containers"
    say(docker, image, 64, ["--log-driver", driver, "--log-opt", "max-size=1m", "--log-opt", "max-file=2"])
    eventually(lambda: docker("logs", "-n", "1", "wide").stdout == "all\n", SECONDS)
    assert_small(docker)
    identity = docker("inspect", "-f", "{{.Id}}", "wide").stdout.strip()
    sizes = [path.stat().st_size for path in (folder / identity).rglob("*.log*") if path.is_file()]
    assert 0 < sum(sizes) < 3_000_000


@pytest.mark.parametrize(
    ("driver", "address"),
    [
        ("syslog", "syslog-address=tcp://127.0.0.1:{}"),
        ("gelf", "gelf-address=tcp://127.0.0.1:{}"),
        ("fluentd", "fluentd-address=127.0.0.1:{}"),
    ],
)
def test_to_servers(docker: Cli, image: str, sink: tuple[int, list[int]], driver: str, address: str) -> None:
    port, came = sink
    size = say(docker, image, 16, ["--log-driver", driver, "--log-opt", address.format(port)])
    eventually(lambda: sum(came) > size, SECONDS)
    eventually(lambda: docker("logs", "-n", "1", "wide").stdout == "all\n", SECONDS)
    assert_small(docker)
