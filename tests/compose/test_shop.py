"""nginx, a service and PostgreSQL that wait for each other's health: the life of an application from up to down."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.running import DaemonProcess
from tests.compose.project import Project, becomes, fetch

pytestmark = [pytest.mark.root, pytest.mark.docker_cli]


@pytest.fixture(scope="module")
def standing(engine: DaemonProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A shop that several tests look at; the last of them may take it apart."""
    folder = tmp_path_factory.mktemp("standing")
    folder.chmod(0o755)
    project = Project(engine, "shop", folder, "standing")
    try:
        _open(project)
        yield project
    finally:
        project.down("--volumes")
    assert project.left() == []


@pytest.fixture
def shop(application: Callable[[str], Project]) -> Project:
    """The shop, up."""
    project = application("shop")
    _open(project)
    return project


def _open(shop: Project) -> None:
    """Bring it up, and wait until its web server, of whose health nobody asks, answers."""
    shop.up()
    becomes(lambda: shop.fetch("web")[0], 200)


def test_orders_outlive_the_containers(shop: Project) -> None:
    assert shop.fetch("web") == (200, "welcome to the shop\n")
    assert shop.fetch("web", "/orders") == (200, "[]")
    assert shop.fetch("web", "/orders", body=b"tea") == (200, '"added"')
    assert shop.execute("db", "psql", "-U", "shop", "-At", "-c", "SELECT what FROM orders") == "tea\n"
    client = ["run", "--rm", "-T", "--no-deps", "-e", "PGPASSWORD=open-sesame", "db", "psql", "-h", "db", "-U", "shop"]
    assert shop(*client, "-At", "-c", "SELECT what FROM orders").stdout == "tea\n"  # from a container of its own
    # Health came in order: each was started when what it depends on was healthy.
    started = [shop.inspect(f"{service}-1")["State"]["StartedAt"] for service in ("db", "api", "web")]
    assert started == sorted(started)
    # The back end is not to be had from the front, and the database from nowhere but the back.
    assert shop("exec", "-T", "web", "getent", "hosts", "db", check=False).returncode == 2
    assert shop.execute("web", "getent", "hosts", "api").split()[1] == "api"
    shop.down()
    assert [name for name in shop.left() if "rows" in name] == [f"{shop.name}_rows"]
    _open(shop)
    assert shop.fetch("web", "/orders") == (200, '["tea"]')


def test_restart_recreate_and_replace(shop: Project) -> None:
    before = shop.containers()
    shop("restart", "--timeout", "2", "api")
    becomes(lambda: shop.fetch("web", "/orders"), (200, "[]"))
    # Nothing is recreated that did not change; what changed is, and what depends on it restarts.
    done = shop("up", "-d", "--wait")
    assert "Recreate" not in done.stderr
    assert {name: row["ID"] for name, row in shop.containers().items()} == {k: row["ID"] for k, row in before.items()}
    text = (shop.folder / "compose.yaml").read_text()
    (shop.folder / "compose.yaml").write_text(text.replace("init: true", "init: true\n    labels: { changed: yes }", 1))
    _open(shop)
    after = shop.containers()
    changed = {name for name in before if before[name]["ID"] != after[name]["ID"]}
    assert changed == {"api-1"}
    assert shop.inspect("api-1")["Config"]["Labels"]["changed"] == "yes"
    assert shop.fetch("web", "/orders") == (200, "[]")  # nginx found the new address
    shop("up", "-d", "--wait", "--force-recreate", "--no-deps", "web")
    assert shop.containers()["web-1"]["ID"] != after["web-1"]["ID"]


def test_what_is_shown_of_it(standing: Project, tmp_path: Path) -> None:
    rows = standing.containers()
    assert set(rows) == {"web-1", "api-1", "db-1"}
    assert [rows[name]["Health"] for name in ("db-1", "api-1", "web-1")] == ["healthy", "healthy", ""]
    assert {row["State"] for row in rows.values()} == {"running"}
    (published,) = [p for p in rows["web-1"]["Publishers"] if p["TargetPort"] == 80 and p["URL"] == "127.0.0.1"]
    assert standing("port", "web", "80").stdout.strip() == f"127.0.0.1:{published['PublishedPort']}"
    assert standing("ps", "--services", "--status", "running").stdout.split() == ["api", "db", "web"]
    assert re.search(r"^db +1 .* postgres: shop shop ", standing("top", "db").stdout, re.M)
    assert (
        json.loads(standing("ls", "--format", "json", "--filter", f"name={standing.name}").stdout)[0]["Status"]
        == "running(3)"
    )
    assert {row["Repository"] for row in json.loads(standing("images", "--format", "json").stdout)} == {
        "nginx",
        "python",
        "postgres",
    }
    figures = [json.loads(line) for line in standing("stats", "--no-stream", "--format", "json").stdout.splitlines()]
    assert {row["Name"] for row in figures} == {f"{standing.name}-{name}" for name in rows}
    assert "orders are taken" in standing("logs", "--no-log-prefix", "api").stdout
    assert "api-1  | " in standing("logs", "--timestamps", "--tail", "1", "api").stdout
    assert sorted(standing("config", "--services").stdout.split()) == ["api", "db", "web"]
    assert standing("volumes", "-q").stdout.split() == [f"{standing.name}_rows"]
    # Files in and out.
    (tmp_path / "new.html").write_text("new\n")
    assert standing("cp", str(tmp_path / "new.html"), "web:/tmp/new.html").returncode == 0
    assert standing.execute("web", "cat", "/tmp/new.html") == "new\n"
    standing("cp", "web:/tmp/new.html", str(tmp_path / "back.html"))
    assert (tmp_path / "back.html").read_text() == "new\n"
    standing("export", "-o", str(tmp_path / "web.tar"), "web")
    assert (tmp_path / "web.tar").stat().st_size > 1 << 20


def test_paused_stopped_killed_and_awaited(standing: Project) -> None:
    told = standing.start("events", "--json")
    waiting = standing.start("wait", "db")
    try:
        _until_heard(told, lambda: standing("kill", "--signal", "URG", "api"))
        standing("pause", "api")
        assert standing.containers()["api-1"]["State"] == "paused"
        standing("unpause", "api")
        assert standing.fetch("web", "/orders") == (200, "[]")
        standing("stop", "--timeout", "5", "web")
        assert standing.containers()["web-1"]["State"] == "exited"
        standing("start", "web")
        becomes(lambda: standing.fetch("web")[0], 200)
        standing("kill", "--signal", "KILL", "db")
        assert waiting.communicate(timeout=60)[0].strip().endswith("137")
        assert waiting.returncode == 137
        assert standing.containers()["db-1"]["ExitCode"] == 137
        standing("rm", "--force", "--stop", "db")
        assert "db-1" not in standing.containers()
    finally:
        told.terminate()
        lines = told.communicate(timeout=60)[0].splitlines()
        waiting.kill()
        waiting.communicate()
    seen = [(event["service"], event["action"]) for event in map(json.loads, filter(None, lines))]
    wanted = [
        ("api", "pause"),
        ("api", "unpause"),
        ("web", "stop"),
        ("web", "start"),
        ("db", "kill"),
        ("db", "destroy"),
    ]
    assert [event for event in seen if event in wanted] == wanted


def _until_heard(listening: subprocess.Popen[str], act: Callable[[], object]) -> None:
    """Do something that is told of until somebody has been told: it takes a while until he listens."""
    assert listening.stdout is not None
    end = time.monotonic() + 60
    while not select.select([listening.stdout], [], [], 0.2)[0]:
        assert time.monotonic() < end, "nothing is told"
        act()


def test_in_the_foreground_until_interrupted(application: Callable[[str], Project]) -> None:
    shop = application("shop")
    attached = shop.start("up", "--no-color", "--timeout", "5")
    try:
        becomes(lambda: shop.fetch("web", "/orders"), (200, "[]"), 60)
        attached.send_signal(signal.SIGINT)
        told = attached.communicate(timeout=60)[0]
    finally:
        attached.kill()
        attached.wait()
    assert "api-1  | orders are taken" in told
    assert {row["State"] for row in shop.containers().values()} == {"exited"}
    assert shop.containers()["db-1"]["ExitCode"] == 0


def test_an_application_goes_on_when_the_daemon_is_killed(shop: Project, engine: DaemonProcess) -> None:
    if "CARRACK_TEST_ENGINE" in os.environ:
        pytest.skip("another engine is not ours to kill")
    where = f"http://{shop('port', 'web', '80').stdout.strip()}"
    before = shop.containers()
    engine.crash()
    try:
        assert fetch(where) == (200, "welcome to the shop\n")
        # The service asks for the database's name at each order: its question waits until there is someone to answer.
        with ThreadPoolExecutor() as pool:
            order = pool.submit(fetch, f"{where}/orders", b"tea")
            time.sleep(0.2)
            engine.start()
            assert order.result() == (200, '"added"')
    finally:
        if engine.died:
            engine.start()
    assert {name: row["ID"] for name, row in shop.containers().items()} == {k: row["ID"] for k, row in before.items()}
    assert shop.fetch("web", "/orders") == (200, '["tea"]')
