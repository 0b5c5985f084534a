"""testcontainers as a test would use it: databases and a web server by their modules, and plain containers."""

from __future__ import annotations

import tempfile
import urllib.request
from pathlib import Path

import psycopg2
from testcontainers.community.nginx import NginxContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy


def postgres() -> None:
    with PostgresContainer(
        "postgres:15", username="someone", password="secret", dbname="things", driver=None
    ) as server:
        connection = psycopg2.connect(server.get_connection_url())
        cursor = connection.cursor()
        cursor.execute("SELECT current_user, current_database()")
        assert cursor.fetchone() == ("someone", "things")
        connection.close()


def redis() -> None:
    with RedisContainer("redis:7", password="secret") as server:
        client = server.get_client()
        assert client.set("key", "value")
        assert client.get("key") == b"value"


def nginx() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "index.html").write_text("served")
        with NginxContainer("nginx:latest").with_volume_mapping(folder, "/var/www/html") as server:
            url = f"http://{server.get_container_host_ip()}:{server.get_exposed_port(80)}/"
            with urllib.request.urlopen(url, timeout=30) as answer:
                assert answer.read() == b"served"


def plain() -> None:
    web = DockerContainer("busybox").with_command("httpd -f -h /www").with_exposed_ports(80).with_env("A", "b")
    web = web.with_tmpfs_mount("/scratch", "size=1m").waiting_for(HttpWaitStrategy(80).for_status_code(200))
    with web.with_copy_into_container(b"copied", "/www/copied") as container:
        assert container.exec(["sh", "-c", "echo $A; cat /www/copied"]).output == b"b\ncopied"
        assert container.exec("df -k /scratch").exit_code == 0
        assert container.get_wrapped_container().labels["org.testcontainers.session-id"]
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, "back")
            container.copy_from_container("/www/copied", target)
            assert target.read_text() == "copied"
    talker = DockerContainer("busybox").with_command("sh -c 'sleep 0.3; echo ready; sleep 600'")
    with talker.waiting_for(LogMessageWaitStrategy("ready")) as container:
        assert container.get_logs() == (b"ready\n", b"")
        assert container.get_container_info().State.Running


def networks() -> None:
    with Network() as network:
        web = DockerContainer("busybox").with_command("httpd -f -h /www").with_network(network)
        client = DockerContainer("busybox").with_command("sleep 600").with_network(network)
        with web.with_network_aliases("web", "site"), client as asking:
            for name in ("web", "site"):
                assert b"carrack serves" in asking.exec(f"wget -qO- http://{name}/index.html").output


def main() -> None:
    for part in (postgres, redis, nginx, plain, networks):
        part()
        print(part.__name__, "works")
    running = DockerClient().client.containers.list()
    assert [one.attrs["Config"]["Image"] for one in running] == ["testcontainers/ryuk:latest"], running


if __name__ == "__main__":
    main()
