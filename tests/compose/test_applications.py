"""Applications of many kinds, each under the real Compose, seen from inside its containers and from the host."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.compose.project import Project, becomes, fetch

pytestmark = [pytest.mark.root, pytest.mark.docker_cli]
Application = Callable[[str], Project]


def test_a_counter_in_redis_whose_files_are_watched(application: Application) -> None:
    counter = application("counter")
    counter.up()
    becomes(lambda: counter.fetch("web", port=8000), (200, "visit 1 style none\n"))
    assert counter.fetch("web", port=8000) == (200, "visit 2 style none\n")

    def page(path: str) -> Callable[[], str]:
        return lambda: counter.fetch("web", path, port=8000)[1]

    watch = counter.start("watch", "--no-up")
    try:
        assert watch.stdout is not None
        assert any("Watch enabled" in line for line in watch.stdout)  # before that, changes are not noticed
        becomes(page("/pages/index.html"), "first page\n")  # the sync at the beginning
        (counter.folder / "pages/index.html").write_text("second page\n")
        (counter.folder / "pages/deep").mkdir()
        (counter.folder / "pages/deep/new.html").write_text("new\n")
        becomes(page("/pages/index.html"), "second page\n")
        becomes(page("/pages/deep/new.html"), "new\n")
        (counter.folder / "pages/deep/new.html").unlink()
        becomes(page("/pages/deep/new.html"), "nothing\n")
        (counter.folder / "settings/style").write_text("bold\n")
        becomes(lambda: counter.fetch("web", port=8000)[1].split()[2:], ["style", "bold"])  # restarted after the sync
        (counter.folder / "data/rows").write_text("many\n")
        becomes(page("/data/rows"), "many\n")
        becomes(lambda: counter("exec", "-T", "web", "ls", "/app/loaded", check=False).stdout, "/app/loaded\n")
    finally:
        watch.terminate()
        print(watch.communicate(timeout=20)[0])
    counter("restart", "cache")
    becomes(lambda: counter.fetch("web", port=8000)[0], 200)
    assert int(counter.fetch("web", port=8000)[1].split()[1]) > 3  # appended to a volume


def test_a_queue_with_any_number_of_workers(application: Application) -> None:
    queue = application("queue")
    queue.up("--scale", "worker=4")
    assert sorted(queue.containers()) == ["broker-1", *(f"worker-{number}" for number in range(1, 5))]

    def run(*words: str) -> str:
        return queue("run", "--rm", "--no-deps", "-T", "producer", *words).stdout

    # Who waits for a number gets the next one by turns.
    becomes(lambda: queue.execute("broker", "redis-cli", "client", "list").count("cmd=blpop"), 4)
    assert run("python3", "/app/squares.py", "produce", "40") == "sum 20540 by 4\n"
    assert len(set(run("dig", "+short", "worker").split())) == 4  # one name for all of them
    queue("scale", "worker=1")
    assert [name for name in queue.containers() if name.startswith("worker")] == ["worker-1"]
    assert len(run("dig", "+short", "worker").split()) == 1
    assert run("python3", "/app/squares.py", "produce", "9") == "sum 204 by 1\n"
    host = queue.inspect("worker-1")["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 64 << 20, 40)
    assert queue.execute("broker", "cat", "/sys/class/net/eth0/mtu") == "1400\n"


def test_a_gateway_between_the_outside_and_an_inner_network(application: Application) -> None:
    gateway = application("gateway")
    gateway.up()

    def asks(path: str) -> str:
        return gateway.fetch("proxy", path)[1]

    becomes(lambda: asks("/blue"), "blue")
    becomes(lambda: asks("/green"), "green")
    assert gateway.fetch("proxy", "/nobody")[0] == 502
    becomes(lambda: {asks("/") for _ in range(10)}, {"blue", "green"})  # both have the alias
    # Those inside have no way out, and nobody outside has one in.
    inner = gateway.inspect("blue-1")["NetworkSettings"]["Networks"][f"{gateway.name}_inner"]["IPAddress"]
    assert "\t00000000\t" not in gateway.execute("blue", "cut", "-f", "1,2,3", "/proc/net/route")
    refused = ["wget", "-q", "-T", "2", "-O", "-", f"http://{inner}/"]
    assert gateway("exec", "-T", "outsider", *refused, check=False).returncode != 0
    assert gateway("exec", "-T", "outsider", "nslookup", "blue.inner", check=False).returncode != 0
    # A new container of the same name is found at once, at its new address.
    gateway("up", "-d", "--wait", "--force-recreate", "--no-deps", "green")
    becomes(lambda: asks("/green"), "green")
    networks = gateway.inspect("proxy-1")["NetworkSettings"]["Networks"]
    assert set(networks) == {f"{gateway.name}_edge", f"{gateway.name}_inner"}
    assert networks[f"{gateway.name}_edge"]["GwPriority"] == 10


def test_a_collector_in_a_profile(application: Application) -> None:
    observed = application("observed")
    observed.up()
    assert sorted(observed.containers()) == ["app-1"]
    becomes(lambda: observed.fetch("app", "/metrics", port=9000), (200, "app_figure 42\n"))
    observed("--profile", "monitoring", "up", "-d", "--wait")
    assert sorted(observed.containers()) == ["app-1", "collector-1"]
    becomes(
        lambda: observed.execute("collector", "head", "-n", "1", "/collected/figures", check=False), "app_figure 42\n"
    )
    assert observed("--profile", "debug", "run", "--rm", "-T", "shell", "wget", "-qO-", "http://app:9000/").stdout == (
        "app_figure 42\n"
    )
    assert observed.inspect("app-1")["HostConfig"]["LogConfig"]["Type"] == "local"
    assert observed.inspect("app-1")["Config"]["Labels"]["from"] == "common"
    observed("--profile", "monitoring", "down", "--timeout", "2")
    assert observed.containers() == {}


def test_secrets_and_configs(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = application("vault")
    (vault.folder / ".env").write_text("VAULT_TOKEN=t0ken\nVAULT_REGION=north\n")
    vault.up()

    def inside(*words: str) -> str:
        return vault.execute("reader", *words)

    assert inside("cat", "/run/secrets/from_file") == "correct horse"
    assert inside("cat", "/run/secrets/token") == "t0ken"
    assert inside("stat", "-c", "%u %g %a", "/run/secrets/token") == "65534 65534 440\n"
    assert inside("cat", "/etc/app/settings.ini") == "[app]\nthreads = 4\n"
    assert inside("cat", "/etc/app/motd") == f"Region north, project {vault.name}\n"
    assert inside("cat", "/etc/app/region") == "north"
    assert vault("exec", "-T", "reader", "sh", "-c", "echo >/run/secrets/from_file", check=False).returncode != 0
    assert vault("exec", "-T", "other", "ls", "/run/secrets", check=False).returncode != 0
    # A secret of the environment is not in what the engine tells.
    assert "t0ken" not in vault.docker("inspect", f"{vault.name}-reader-1")


def test_both_families_of_addresses(application: Application) -> None:
    dual = application("dual")
    dual.up()

    def inside(*words: str) -> str:
        return dual.execute("client", *words)

    endpoint = dual.inspect("server-1")["NetworkSettings"]["Networks"][f"{dual.name}_both"]
    assert (endpoint["IPAddress"], endpoint["GlobalIPv6Address"]) == ("10.91.7.10", "fd91:7::10")
    assert endpoint["MacAddress"] == "02:42:0a:5b:07:0a"
    assert dual.execute("server", "cat", "/sys/class/net/eth0/address") == "02:42:0a:5b:07:0a\n"
    assert inside("dig", "+short", "server") == "10.91.7.10\n"
    assert inside("dig", "+short", "server", "AAAA") == "fd91:7::10\n"
    assert inside("dig", "+short", "-x", "fd91:7::10") == f"{dual.name}-server-1.{dual.name}_both.\n"
    assert inside("getent", "ahostsv6", "www.dual.example").split()[0] == "fd91:7::10"
    get = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode(), end='')"

    def page() -> str:
        return dual("exec", "-T", "client", "python3", "-c", get, "http://10.91.7.10/", check=False).stdout

    becomes(page, "10.91.7.10\n")
    for name, address in (("[fd91:7::10]", "fd91:7::10"), ("six", "fd91:7::10"), ("elsewhere", "10.91.7.10")):
        assert inside("python3", "-c", get, f"http://{name}/") == f"{address}\n"
    assert inside("python3", "-c", get, "http://www/") in ("10.91.7.10\n", "fd91:7::10\n")  # by the search list
    resolv = inside("cat", "/etc/resolv.conf")
    assert "search dual.example\n" in resolv
    assert re.search(r"^options .*ndots:2", resolv, re.M)
    assert inside("cat", "/proc/sys/net/ipv4/ip_local_port_range").split() == ["20000", "21000"]
    assert re.search(r"^[\d.]+\s+outside$", inside("cat", "/etc/hosts"), re.M)
    assert dual.execute("server", "hostname", "-f") == "server.dual.example\n"
    # Addresses given by hand stay over a restart; one that is taken is refused.
    dual("restart", "-t", "2")
    becomes(page, "10.91.7.10\n")
    taken = dual.docker("network", "inspect", "-f", "{{json .Containers}}", f"{dual.name}_both")
    assert {c["IPv4Address"] for c in json.loads(taken).values()} == {"10.91.7.10/24", "10.91.7.11/24"}


def test_jobs_that_follow_each_other(application: Application) -> None:
    pipeline = application("pipeline")
    pipeline.up()
    becomes(lambda: pipeline.fetch("report", "/sum", port=8080), (200, "10100\n"))
    ended = {name: row["ExitCode"] for name, row in pipeline.containers().items() if row["State"] == "exited"}
    assert ended == {"extract-1": 0, "transform-1": 0, "load-1": 0}
    pipeline.down("--volumes")
    (pipeline.folder / ".env").write_text("FAIL=4\n")
    failed = pipeline("up", "-d", check=False)
    assert failed.returncode != 0
    assert 'service "transform" didn\'t complete successfully: exit 4' in failed.stderr
    assert pipeline.containers()["load-1"]["State"] == "created"
    pipeline.down("--volumes")
    attached = pipeline("up", "--exit-code-from", "transform", "transform", check=False)
    assert attached.returncode == 4
    assert "transform-1  | transformed" in attached.stdout
    assert pipeline("run", "--rm", "-T", "-e", "FAIL=0", "transform", check=False).stdout == "transformed\n"


@pytest.fixture
def backbone(application: Application) -> Iterator[Project]:
    """The application, and what it expects to be there."""
    legacy = application("legacy")
    legacy.docker("network", "create", f"{legacy.name}-backbone")
    legacy.docker("volume", "create", f"{legacy.name}-shared")
    yield legacy
    legacy.down("--volumes")
    legacy.docker("network", "rm", f"{legacy.name}-backbone")
    legacy.docker("volume", "rm", f"{legacy.name}-shared")


def test_links_and_things_of_others(backbone: Project) -> None:
    backbone.up()
    ping = "import redis, sys; print(redis.Redis(sys.argv[1]).ping())"
    for name in ("database", "db", f"{backbone.name}-the-db"):
        becomes(partial(backbone.execute, "app", "python3", "-c", ping, name, check=False), "True\n")
    # The other side does not know the link's name.
    assert backbone("exec", "-T", "db", "getent", "hosts", "database", check=False).returncode == 2
    # The sidecar shares the network of the application and reads its volume.
    backbone.execute("app", "sh", "-c", "echo shared >/shared/page")
    get = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8089/page').read().decode(), end='')"
    becomes(lambda: backbone.execute("app", "python3", "-c", get, check=False), "shared\n")
    assert backbone.execute("sidecar", "hostname") == backbone.execute("app", "hostname")
    assert list(backbone.inspect("bridge-1")["NetworkSettings"]["Networks"]) == ["bridge"]
    backbone.down("--volumes")
    assert backbone.docker("network", "ls", "-q", "--filter", f"name={backbone.name}-backbone").strip()
    assert backbone.docker("volume", "ls", "-q", "--filter", f"name={backbone.name}-shared").strip()


def test_the_host_s_network_and_volumes_of_every_kind(application: Application) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hostly = application("hostly")
    (hostly.folder / ".env").write_text(f"AGENT_PORT={port}\n")
    hostly("up", "-d")
    becomes(lambda: fetch(f"http://127.0.0.1:{port}/page"), (200, "hello\n"))

    def inside(text: str) -> str:
        return hostly.execute("writer", "sh", "-c", text)

    assert inside("ls /sys/class/net") == "lo\n"
    assert "size=2048k" in inside("grep ' /sized ' /proc/mounts")
    assert inside("stat -c %a /scratch") == "1770\n"
    inside("echo deep >/part/file; echo made >/made/file; echo kept >/anonymous/file")
    assert (hostly.folder / "made/file").read_text() == "made\n"
    assert hostly.execute("agent", "cat", "/shown/sub/file") == "deep\n"
    assert hostly("exec", "-T", "agent", "touch", "/shown/x", check=False).returncode != 0
    assert os.uname().nodename == hostly.execute("agent", "hostname").strip()
    # An anonymous volume goes over to the container that replaces the first.
    hostly("up", "-d", "--force-recreate", "--no-deps", "-t", "2", "writer")
    assert inside("cat /anonymous/file") == "kept\n"
    assert (
        Path("/proc/self/ns/net").readlink()
        == Path(f"/proc/{hostly.inspect('agent-1')['State']['Pid']}/ns/net").readlink()
    )


def test_a_hardened_server(application: Application) -> None:
    hardened = application("hardened")
    hardened.up()
    assert hardened.fetch("server")[0] in (200, 403, 404)
    status = hardened.execute("server", "cat", "/proc/1/status")
    assert re.search(r"^Uid:\s+33\s", status, re.M)
    assert re.search(r"^CapBnd:\s+0*400$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    limits = hardened.execute("server", "cat", "/proc/1/limits")
    assert re.search(r"^Max open files\s+1000\s+2000\s", limits, re.M)
    assert hardened("exec", "-T", "server", "touch", "/usr/x", check=False).returncode != 0
    assert hardened.execute("server", "ls", "/tmp/started") == "/tmp/started\n"  # by its hook
    host = hardened.inspect("server-1")["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (96 << 20, 750_000_000, 50)
    hardened("stop", "server")
    assert hardened.containers()["server-1"]["ExitCode"] == 0  # by the signal that it heeds
    hardened("--profile", "failing", "up", "-d", "fails")
    becomes(lambda: hardened.inspect("fails-1")["State"]["Status"], "exited")
    assert hardened.inspect("fails-1")["RestartCount"] == 2
    assert hardened("--profile", "failing", "logs", "--no-log-prefix", "fails").stdout == "tried\n" * 3


def test_the_rest_of_what_a_file_may_say(application: Application) -> None:
    everything = application("everything")
    everything.up()

    def inside(service: str, text: str, *options: str) -> str:
        return everything("exec", "-T", *options, service, "sh", "-c", text).stdout

    # Interfaces have the names they were given, the one to leave by was chosen, and more addresses came along.
    assert set(inside("wired", "ls /sys/class/net").split()) == {"lo", "wan0", "lan0"}
    assert " dev lan0" in inside("wired", "ip route show default")
    assert "inet 169.254.77.7/16" in inside("wired", "ip addr show wan0")
    assert inside("wired", "cat /proc/sys/net/ipv4/conf/wan0/arp_filter") == "1\n"
    assert inside("limited", "ls /sys/class/net | grep nic") == "nic0\n"
    ports = everything.inspect("wired-1")["NetworkSettings"]["Ports"]
    assert {port for port, bindings in ports.items() if bindings} == {
        *(f"{number}/tcp" for number in (7000, 7001, 7002, 7003, 7100)),
        "7000/udp",
    }
    # Neighbours of a network without icc do not reach each other.
    silent = everything("exec", "-T", "-u", "root", "limited", "ping", "-c", "1", "-W", "1", "wired", check=False)
    assert "(10.91.8." in silent.stdout
    assert silent.returncode == 1
    # Namespaces of others.
    assert inside("shared", "hostname; ls /sys/class/net") == inside("wired", "hostname; ls /sys/class/net")
    assert inside("shared", "readlink /proc/self/ns/ipc") == inside("owner", "readlink /proc/self/ns/ipc")
    assert inside("owner", "ps").count("sleep 3600") >= 2
    assert inside("owner", "hostname").strip() == os.uname().nodename
    # One service with all else.
    assert inside("limited", "umask; id -G; pwd").split() == ["0022", *inside("limited", "id -G").split(), "/tmp"]
    assert "50" in inside("limited", "id -G").split()
    assert inside("limited", 'echo "$PLAIN|${EMPTY-none}|${UNSET-none}"') == "value with spaces||none\n"
    assert inside("limited", "test -c /dev/nothing && stat -c %a /cache") == "1777\n"
    assert "attempts:1" in inside("limited", "cat /etc/resolv.conf")
    shown = everything.inspect("limited-1")
    assert (shown["Config"]["Labels"]["from.file"], shown["Config"]["Tty"]) == ("yes", True)
    assert (shown["HostConfig"]["CpuQuota"], shown["HostConfig"]["CpusetCpus"]) == (25000, "0")
