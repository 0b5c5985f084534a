"""Published ports and a daemon that is killed: both families, a range, and a port that moves to another container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.host_ports import free_port, is_free
from tests.cli.running import CommandLine, DaemonProcess, api, eventually
from tests.cli.test_published import heard

pytestmark = pytest.mark.root


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A daemon that may be killed."""
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    try:
        daemon.start()
        CommandLine("carrack", daemon)(*IMPORT, stdin=archive)
        yield CommandLine("docker", daemon)
    finally:
        if daemon.died:
            daemon.start()
        CommandLine("docker", daemon)("rm", "-f", "blue", "green", check=False)
        daemon.stop()


def server(name: str) -> list[str]:
    return ["sh", "-c", f"nc -ll -p 80 -e echo {name}"]


def test_over_both_families_and_a_range(own: CommandLine) -> None:
    port, first = free_port(), 21000
    ranged = f"{first}-{first + 99}:{first}-{first + 99}/udp"
    own("run", "-d", "--name", "blue", "-p", f"{port}:80", "-p", ranged, "busybox", *server("blue"))
    eventually(lambda: (heard(port), heard(port, "::1")) == ("blue\n", "blue\n"))
    own.daemon.crash()
    assert heard(port) == "blue\n", "rules stay"
    assert not is_free(port), "the shim has it"
    own.daemon.start()
    eventually(lambda: heard(port, "::1") == "blue\n")
    shown = own("port", "blue").stdout
    assert f"[::]:{port}" in shown
    assert f"{first + 50}/udp -> 0.0.0.0:{first + 50}\n" in shown
    taken = own("run", "--rm", "-p", f"{first + 50}:80/udp", "busybox", "true", check=False)
    assert f"Bind for 0.0.0.0:{first + 50} failed: port is already allocated to container blue" in taken.stderr
    own("rm", "-f", "blue")
    assert heard(port) == ""
    assert is_free(port)


def test_a_port_that_moves_to_another_container(own: CommandLine) -> None:
    port = free_port()
    own("run", "-d", "--name", "blue", "-p", f"{port}:80", "busybox", *server("blue"))
    own("run", "-d", "--name", "green", "busybox", *server("green"))
    eventually(lambda: heard(port) == "blue\n")
    place = {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]}
    status, said = api(own.daemon, "POST", "/containers/green/update", {"PublishAdd": place})
    assert status == 500, said
    assert b"already allocated to container blue" in said
    assert heard(port) == "blue\n"
    assert api(own.daemon, "POST", "/containers/blue/update", {"PublishRemove": [f"{port}:80/tcp"]})[0] == 200
    assert is_free(port)
    assert api(own.daemon, "POST", "/containers/green/update", {"PublishAdd": place})[0] == 200
    assert (heard(port), heard(port, "::1")) == ("green\n", "green\n")
    own.daemon.crash()
    own.daemon.start()
    eventually(lambda: (heard(port), heard(port, "::1")) == ("green\n", "green\n"))
