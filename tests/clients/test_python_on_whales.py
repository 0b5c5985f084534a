"""python-on-whales drives the daemon through the real docker command, and parses all that it says."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import DaemonProcess, eventually
from tests.clients.packages import OF_OTHERS

pytestmark = [pytest.mark.root, pytest.mark.docker_cli, *OF_OTHERS]


@pytest.fixture(scope="module")
def whales(python_client: Callable[[str], Any]) -> Any:
    return python_client("python_on_whales")


@pytest.fixture
def docker(whales: Any, daemon: DaemonProcess, busybox: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in daemon.environment.items():
        if name.startswith("DOCKER_"):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("DOCKER_HOST")
    return whales.DockerClient(host=f"unix://{daemon.socket}", client_call=[shutil.which("docker")])


@pytest.fixture
def sleeper(docker: Any) -> Any:
    return docker.run("busybox", ["sleep", "600"], detach=True, name="sleeper", stop_signal="KILL")


def test_the_system_tells_of_itself(docker: Any) -> None:
    info = docker.system.info()
    assert info.os_type == "linux"
    assert info.images >= 1
    assert docker.version().server.api_version == "1.51"
    used = docker.system.disk_free()
    assert used.images.total_count >= 1


def test_run_gives_what_the_program_wrote(docker: Any, whales: Any) -> None:
    assert docker.run("busybox", ["echo", "hello"], remove=True) == "hello"
    with pytest.raises(whales.exceptions.DockerException) as failure:
        docker.run("busybox", ["sh", "-c", "exit 4"], remove=True)
    assert failure.value.return_code == 4
    lines = docker.run("busybox", ["sh", "-c", "echo out; echo err >&2"], remove=True, stream=True)
    assert sorted(lines) == [("stderr", b"err\n"), ("stdout", b"out\n")]


def test_every_option_is_seen_inside(docker: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "env").write_text("FROM_FILE=yes\n")
    script = """
        echo "$A $FROM_FILE $(pwd) $(id -u) $(hostname)"
        cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max
        ulimit -n
        grep -c elsewhere /etc/hosts
        touch /file 2>/dev/null || echo read-only
        df -k /scratch | tail -1 | awk '{print $2}'
        cat /proc/1/comm
        cat /mounted/env
    """
    said = docker.run(
        "busybox",
        ["sh", "-c", script],
        envs={"A": "b"},
        env_files=[tmp_path / "env"],
        workdir="/tmp",
        user="1000",
        hostname="here",
        memory="64m",
        memory_swap="128m",
        cpus=0.5,
        cpu_shares=512,
        cpuset_cpus="0",
        pids_limit=50,
        ulimit=["nofile=99:99"],
        add_hosts=[("elsewhere", "192.0.2.1")],
        read_only=True,
        tmpfs=["/scratch:size=1m"],
        init=True,
        cap_add=["NET_ADMIN"],
        cap_drop=["MKNOD"],
        security_options=["no-new-privileges"],
        sysctl={"net.ipv4.ip_unprivileged_port_start": "99"},
        shm_size="1m",
        log_driver="json-file",
        log_options=["max-size=1m"],
        labels={"a": "b"},
        volumes=[(tmp_path, "/mounted", "ro")],
        health_cmd="true",
        restart="no",
        stop_signal="INT",
        stop_timeout=1,
        oom_score_adj=100,
        remove=True,
    )
    expected = ["b yes /tmp 1000 here", str(64 << 20), "99", "1", "read-only", "1024", "docker-init", "FROM_FILE=yes"]
    assert said.splitlines() == expected


def test_inspect_is_understood_whole(docker: Any, sleeper: Any) -> None:
    assert sleeper.state.running is True
    assert sleeper.state.pid > 0
    assert abs(datetime.datetime.now(datetime.UTC) - sleeper.state.started_at).total_seconds() < 600
    assert sleeper.config.cmd == ["sleep", "600"]
    assert sleeper.host_config.network_mode in ("default", "bridge")
    assert sleeper.network_settings.ip_address.startswith("10.")
    assert sleeper.exists()
    assert docker.container.inspect("sleeper").id == sleeper.id
    assert docker.container.exists("nothing") is False


def test_a_container_lives(docker: Any, sleeper: Any) -> None:
    sleeper.pause()
    assert sleeper.state.paused
    sleeper.unpause()
    sleeper.rename("renamed")
    assert docker.container.list(filters=[("name", "renamed")]) == [sleeper]
    docker.container.update(sleeper, memory="100m", memory_swap="100m", cpus=0.5)
    sleeper.restart(time=1)
    assert sleeper.state.running
    sleeper.stop(time=1)
    assert docker.container.wait(sleeper) == 137
    assert docker.container.list() == []
    assert [one.name for one in docker.container.list(all=True)] == ["renamed"]
    sleeper.start()
    sleeper.kill()
    eventually(lambda: not sleeper.state.running)
    docker.container.prune()
    assert docker.container.list(all=True) == []


def test_exec(docker: Any, sleeper: Any, whales: Any) -> None:
    options = {"envs": {"A": "b"}, "workdir": "/tmp", "user": "nobody"}
    assert sleeper.execute(["sh", "-c", "echo $A $(pwd) $(id -un)"], **options) == "b /tmp nobody"
    with pytest.raises(whales.exceptions.DockerException) as failure:
        sleeper.execute(["false"])
    assert failure.value.return_code == 1
    assert list(sleeper.execute(["echo", "line"], stream=True)) == [("stdout", b"line\n")]
    sleeper.execute(["touch", "/done"], detach=True)
    eventually(lambda: docker.container.diff(sleeper).get("/done") == "A")


def test_files_and_logs(docker: Any, sleeper: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    sleeper.copy_to(tmp_path / "file", "/tmp/file")
    sleeper.copy_from("/tmp/file", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "content"
    teller = docker.run("busybox", ["sh", "-c", "echo one; echo two"], detach=True)
    docker.container.wait(teller)
    assert teller.logs() == "one\ntwo\n"
    assert teller.logs(tail=1) == "two\n"
    assert [data for _, data in docker.container.logs(teller, follow=True, stream=True)] == [b"one\n", b"two\n"]
    sleeper.export(tmp_path / "root.tar")
    assert (tmp_path / "root.tar").stat().st_size > 1_000_000


def test_figures(docker: Any, sleeper: Any) -> None:
    figures = docker.stats()
    assert [one.container_name for one in figures] == ["sleeper"]
    assert figures[0].memory_used > 0


def test_images(docker: Any, sleeper: Any, tmp_path: Path) -> None:
    sleeper.execute(["sh", "-c", "echo kept >/kept"])
    image = sleeper.commit("kept:v1", message="why", author="who")
    assert image.repo_tags == ["kept:v1"]
    assert docker.run("kept:v1", ["cat", "/kept"], remove=True) == "kept"
    image.tag("other:v2")
    assert set(docker.image.inspect("kept:v1").repo_tags) == {"kept:v1", "other:v2"}
    docker.image.save(["kept:v1"], output=tmp_path / "kept.tar")
    docker.image.remove(["kept:v1", "other:v2"])
    assert not docker.image.exists("kept:v1")
    assert docker.image.load(tmp_path / "kept.tar") == ["kept:v1"]
    assert docker.image.list("kept")[0].config.cmd
    docker.image.remove("kept:v1")


def test_volumes(docker: Any) -> None:
    volume = docker.volume.create("things", labels={"kind": "test"})
    assert docker.volume.list(filters={"label": "kind=test"}) == [volume]
    docker.run("busybox", ["sh", "-c", "echo x >/v/file"], volumes=[(volume, "/v")], remove=True)
    assert docker.run("busybox", ["cat", "/v/file"], volumes=[(volume, "/v", "ro")], remove=True) == "x"
    volume.remove()
    assert docker.volume.list() == []


def test_a_container_as_context(docker: Any) -> None:
    with docker.run(
        "busybox", ["sleep", "600"], detach=True, remove=True, stop_signal="KILL", publish=[(0, 80)]
    ) as container:
        assert container.state.running
        assert container.network_settings.ports["80/tcp"][0]["HostPort"]
    eventually(lambda: docker.container.list(all=True) == [])


@pytest.fixture(autouse=True)
def no_image_stays(docker: Any) -> Iterator[None]:
    yield
    docker.image.prune()
