"""Who gets to speak to the daemon: groups of its socket, several addresses, TCP without certificates, web pages."""

from __future__ import annotations

import grp
import http.client
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.host_ports import free_port
from tests.cli.running import CommandLine, DaemonProcess

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def open_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DaemonProcess, int]]:
    """A daemon on two sockets and a TCP port at which it asks for nothing, and that port."""
    root, port = tmp_path_factory.mktemp("open"), free_port()
    process = DaemonProcess(
        root, "--tlsverify=false", "--host", f"tcp://127.0.0.1:{port}", "-H", f"unix://{root}/second.sock",
        "--group", "nogroup", "--host-name", "build.example.org",
    )  # fmt: skip
    try:
        process.start()
        yield process, port
    finally:
        process.stop()


@pytest.mark.census("daemon.json tls", "daemon.json hosts", "dockerd --tls", "dockerd --host")
@pytest.mark.parametrize("name", ["docker", "carrack"])
def test_tcp_without_certificates_is_served_with_a_warning(open_daemon: tuple[DaemonProcess, int], name: str) -> None:
    if name == "docker" and not shutil.which("docker"):
        pytest.skip("the real docker command is not installed")
    daemon, port = open_daemon
    cli = CommandLine(name, daemon)
    told = cli("-H", f"tcp://127.0.0.1:{port}", "info")
    assert f"WARNING: API is accessible on http://127.0.0.1:{port} without encryption." in told.stderr
    assert cli("-H", f"unix://{daemon.root}/second.sock", "ps", "-q").stdout == ""
    assert "API is accessible on http" in daemon.log.read_text()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "build.example.org:2375"}, 200),
        ({"Host": "rebound.example.com"}, 403),
        ({"Origin": "http://page.example.com"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_web_pages_do_not_reach_it(open_daemon: tuple[DaemonProcess, int], fields: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", open_daemon[1], timeout=20)
    connection.request("GET", "/containers/json", headers=fields)
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.census("daemon.json group", "dockerd --group", "daemon socket group")
def test_the_sockets_belong_to_the_group(open_daemon: tuple[DaemonProcess, int]) -> None:
    for path in (open_daemon[0].socket, open_daemon[0].root / "second.sock"):
        found = os.stat(path)
        assert (stat.S_IMODE(found.st_mode), grp.getgrgid(found.st_gid).gr_name) == (0o660, "nogroup")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group", "no-such-group"], "group no-such-group of the unix socket does not exist"),
        (["-H", "tcp://127.0.0.1:1"], "say --tlsverify=false to let in anyone"),
        (["-H", "tcp://127.0.0.1:1", "--tls"], "say --tlsverify=false to let in anyone"),
        (["-H", "fd://"], "no such socket was passed"),
    ],
)
def test_what_is_not_safe_or_not_there_is_refused(tmp_path: Path, words: list[str], message: str) -> None:
    process = DaemonProcess(tmp_path, *words)
    with pytest.raises(AssertionError, match=message):
        process.start()
