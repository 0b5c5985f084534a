"""Published ports as people ask for them: numbers chosen by the daemon, every exposed port, both families."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from tests.cli.host_ports import free_port
from tests.cli.running import Cli, eventually
from tests.suites import sctp

pytestmark = pytest.mark.root

#: Answers on ports 80 to 82 with their numbers.
SERVER = ("sh", "-c", "for p in 80 81 82; do nc -ll -p $p -e echo port $p & done; wait")
BOTH = ["0.0.0.0", "::"]


@pytest.fixture
def web(cli: Cli) -> str:
    """A name; its container is gone afterwards."""
    name = f"published-{cli.name}"
    cli("rm", "-f", name, check=False)
    return name


def places(cli: Cli, name: str) -> dict[str, list[tuple[str, int]]]:
    found = json.loads(cli("inspect", "-f", "{{json .NetworkSettings.Ports}}", name).stdout)
    return {key: [(p["HostIp"], int(p["HostPort"])) for p in listed] for key, listed in found.items() if listed}


def heard(port: int, address: str = "127.0.0.1") -> str:
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            return connection.recv(100).decode()
    except OSError:
        return ""


@pytest.mark.census("port contPort (random)", "port hostIP::contPort", "port ephemeral allocation 32768-60999")
def test_ports_that_the_daemon_chooses(cli: Cli, image: str, web: str) -> None:
    cli("run", "-d", "--name", web, "-p", "80", "-p", "127.0.0.1::81", image, *SERVER)
    found = places(cli, web)
    assert [address for address, _ in found["80/tcp"]] == BOTH
    assert len({port for _, port in found["80/tcp"]}) == 1, "one number for both families"
    [(address, second)] = found["81/tcp"]
    assert address == "127.0.0.1"
    first = found["80/tcp"][0][1]
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(low <= port <= high for port in (first, second))
    eventually(lambda: (heard(first), heard(second)) == ("port 80\n", "port 81\n"))
    eventually(lambda: heard(first, "::1") == "port 80\n")
    cli("rm", "-f", web)
    assert heard(first) == ""


@pytest.mark.census("port -P publish-all", "port --expose ranges")
def test_every_exposed_port(cli: Cli, image: str, web: str) -> None:
    cli("run", "-d", "--name", web, "-P", "--expose", "80-81", "--expose", "53/udp", image, *SERVER)
    found = places(cli, web)
    assert {key: [address for address, _ in listed] for key, listed in found.items()} == {
        "80/tcp": BOTH,
        "81/tcp": BOTH,
        "53/udp": BOTH,
    }
    eventually(lambda: heard(found["81/tcp"][0][1]) == "port 81\n")
    shown = cli("port", web, "80").stdout.split()
    assert shown == [f"0.0.0.0:{found['80/tcp'][0][1]}", f"[::]:{found['80/tcp'][0][1]}"]
    cli("rm", "-f", web)


@pytest.mark.census("port long syntax published/target/protocol/mode/host_ip")
def test_the_long_syntax(cli: Cli, image: str, web: str) -> None:
    free = free_port()
    cli("run", "-d", "--name", web, "-p", f"target=82,published={free},protocol=tcp,mode=host", image, *SERVER)
    assert places(cli, web) == {"82/tcp": [(address, free) for address in BOTH]}
    eventually(lambda: heard(free) == "port 82\n")
    cli("rm", "-f", web)


def test_who_has_a_port_is_named(cli: Cli, image: str, web: str) -> None:
    free = free_port()
    cli("run", "-d", "--name", web, "-p", f"{free}:80", image, *SERVER)
    again = cli("run", "--name", f"{web}-2", "-p", f"127.0.0.1:{free}:80", image, "true", check=False)
    said = rf"Bind for 127\.0\.0\.1:{free} failed: port is already allocated to container {web}; port \d+ is free"
    assert re.search(said, again.stderr), again.stderr
    cli("rm", "-f", web, f"{web}-2")
    with socket.create_server(("127.0.0.1", free)):
        refused = cli("run", "--name", web, "-p", f"{free}:80", image, "true", check=False)
        assert re.search(rf"{free}/tcp: address already in use by python\S* \(pid \d+\); port \d+", refused.stderr)
        assert refused.returncode == 125
    cli("rm", "-f", web)


@pytest.mark.skipif(not sctp.has_sctp(), reason="this kernel has no sctp (scripts/test v2)")
def test_sctp_as_the_commands_publish_it(docker: Cli, image: str) -> None:
    free = free_port()
    ports = "-p", f"{free}:80/sctp", "-p", f"127.0.0.1:{free + 1}-{free + 3}:{free + 1}-{free + 3}/sctp"
    docker("run", "-d", "--name", "associated", *ports, image, "sleep", "100")
    pid = docker("inspect", "-f", "{{.State.Pid}}", "associated").stdout.strip()
    with open(f"/proc/{pid}/ns/net", "rb") as inside, sctp.served(inside.fileno(), 80):
        assert sctp.ask("127.0.0.1", free) is not None
        with sctp.served(inside.fileno(), free + 2):
            assert sctp.ask("127.0.0.1", free + 2) is not None
        docker("rm", "-f", "associated")
    with sctp.connection() as heir:
        heir.bind(("127.0.0.1", free))
