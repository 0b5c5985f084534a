"""docker-py drives the daemon: the client behind most Python tools that speak Docker."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.cli.running import DaemonProcess, eventually
from tests.clients.packages import OF_OTHERS

pytestmark = [pytest.mark.root, *OF_OTHERS]


@pytest.mark.census("GET /version", "GET /info", "GET /_ping", "GET /system/df")
def test_the_system_tells_of_itself(client: Any) -> None:
    assert client.ping() is True
    assert client.version()["ApiVersion"] == "1.51"
    assert client.version(api_version=False)["Components"][0]["Name"] == "Engine"
    info = client.info()
    assert info["OSType"] == "linux"
    assert info["Images"] >= 1
    assert any("busybox:latest" in image["RepoTags"] for image in client.df()["Images"])


@pytest.mark.census("POST /auth")
def test_a_login_where_no_registry_is_fails_with_a_reason(client: Any, docker: Any) -> None:
    with pytest.raises(docker.errors.APIError) as failure:
        client.login("someone", "secret", registry="127.0.0.1:1")
    assert failure.value.explanation


def test_an_older_api_is_chosen_by_the_client(docker: Any, daemon: DaemonProcess) -> None:
    old = docker.DockerClient(base_url=f"unix://{daemon.socket}", version="1.41")
    assert old.containers.run("busybox", "echo old", remove=True) == b"old\n"
    old.close()


@pytest.mark.census("POST /containers/create", "POST /containers/{id}/start", "POST /containers/{id}/wait")
def test_run_gives_what_the_program_wrote(client: Any) -> None:
    assert client.containers.run("busybox", "echo hello world", remove=True) == b"hello world\n"
    both = client.containers.run("busybox", ["sh", "-c", "echo out; echo err >&2"], stderr=True, remove=True)
    assert sorted(both.split()) == [b"err", b"out"]
    assert client.containers.list(all=True) == []


def test_run_streams_lines(client: Any) -> None:
    lines = client.containers.run("busybox", ["sh", "-c", "echo one; echo two"], stream=True)
    assert b"".join(lines) == b"one\ntwo\n"


def test_run_raises_what_the_program_said(client: Any, docker: Any) -> None:
    with pytest.raises(docker.errors.ContainerError) as failure:
        client.containers.run("busybox", ["sh", "-c", "echo wrong >&2; exit 4"], remove=True)
    assert failure.value.exit_status == 4
    assert b"wrong" in failure.value.stderr


def test_run_of_nothing_says_what_is_missing(client: Any, docker: Any) -> None:
    with pytest.raises(docker.errors.APIError, match="executable file not found") as failure:
        client.containers.run("busybox", "no-such-program", name="nothing")
    assert failure.value.status_code == 400
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("not-there")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("not-there")
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get("not-there")


def test_two_containers_of_one_name_conflict(client: Any, docker: Any, sleeper: Any) -> None:
    with pytest.raises(docker.errors.APIError, match="already in use") as failure:
        client.containers.create("busybox", name="sleeper")
    assert failure.value.status_code == 409


@pytest.mark.census("Config.Env", "Config.WorkingDir", "Config.User", "Config.Hostname", "Config.Entrypoint")
def test_the_process_is_as_asked_for(client: Any) -> None:
    script = 'echo "$WHAT in $(pwd) as $(id -u):$(id -g) on $(hostname)"'
    said = client.containers.run(
        "busybox",
        [script],
        entrypoint=["sh", "-c"],
        environment={"WHAT": "set"},
        working_dir="/tmp",
        user="1000:50",
        hostname="here",
        remove=True,
    )
    assert said == b"set in /tmp as 1000:50 on here\n"


@pytest.mark.census(
    "HostConfig.Memory",
    "HostConfig.NanoCpus",
    "HostConfig.PidsLimit",
    "HostConfig.CapDrop",
    "HostConfig.ReadonlyRootfs",
    "HostConfig.Tmpfs",
    "HostConfig.ShmSize",
    "HostConfig.Sysctls",
    "HostConfig.Ulimits",
    "HostConfig.ExtraHosts",
    "HostConfig.Dns",
)
def test_limits_and_isolation_reach_the_container(client: Any, docker: Any) -> None:
    script = """
        touch /file 2>/dev/null || echo read-only
        touch /scratch/file && echo scratch
        df -k /dev/shm | tail -1 | awk '{print "shm", $2}'
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start
        ulimit -n
        grep CapEff /proc/self/status | cut -f 2
        grep -c elsewhere /etc/hosts
        grep -c 192.0.2.53 /etc/resolv.conf
    """
    said = client.containers.run(
        "busybox",
        ["sh", "-c", script],
        mem_limit="64m",
        nano_cpus=500_000_000,
        pids_limit=50,
        cap_drop=["ALL"],
        read_only=True,
        tmpfs={"/scratch": "size=1m"},
        shm_size="2m",
        sysctls={"net.ipv4.ip_unprivileged_port_start": "99"},
        ulimits=[docker.types.Ulimit(name="nofile", soft=123, hard=456)],
        extra_hosts={"elsewhere": "192.0.2.1"},
        dns=["192.0.2.53"],
        remove=True,
    )
    expected = ["read-only", "scratch", "shm 2048", "99", "123", "0000000000000000", "1", "1"]
    assert said.decode().splitlines() == expected


def test_what_was_asked_for_is_shown(client: Any) -> None:
    made = client.containers.create(
        "busybox",
        "true",
        mem_limit="64m",
        cpu_shares=512,
        cpuset_cpus="0",
        labels={"a": "b"},
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 3},
    )
    host = made.attrs["HostConfig"]
    assert (host["Memory"], host["CpuShares"], host["CpusetCpus"]) == (64 << 20, 512, "0")
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert made.labels == {"a": "b"}
    assert made.status == "created"
    assert made.image.tags == ["busybox:latest"]


@pytest.mark.census("GET /containers/json", "filter /containers/json label", "filter /containers/json status")
def test_containers_are_listed_and_filtered(client: Any, sleeper: Any) -> None:
    client.containers.create("busybox", "true", name="idle", labels={"kind": "idle"})
    assert [one.name for one in client.containers.list()] == ["sleeper"]
    assert {one.name for one in client.containers.list(all=True)} == {"sleeper", "idle"}
    assert [one.name for one in client.containers.list(all=True, filters={"label": "kind=idle"})] == ["idle"]
    assert [one.name for one in client.containers.list(all=True, filters={"status": "created"})] == ["idle"]
    assert [one.name for one in client.containers.list(all=True, limit=1)] == ["idle"]
    assert [one.name for one in client.containers.list(all=True, filters={"since": "sleeper"})] == ["idle"]
    assert [one.id for one in client.containers.list(sparse=True)] == [sleeper.id]
    assert client.api.containers(size=True)[0]["SizeRootFs"] > 0


@pytest.mark.census("POST /containers/{id}/pause", "POST /containers/{id}/unpause", "POST /containers/{id}/rename")
def test_a_container_lives(client: Any, sleeper: Any) -> None:
    sleeper.pause()
    sleeper.reload()
    assert sleeper.status == "paused"
    sleeper.unpause()
    sleeper.rename("renamed")
    assert client.containers.get("renamed").id == sleeper.id
    before = sleeper.attrs["State"]["StartedAt"]
    sleeper.restart(timeout=1)
    sleeper.reload()
    assert sleeper.attrs["State"]["StartedAt"] > before
    sleeper.stop(timeout=1)
    assert sleeper.wait()["StatusCode"] == 137
    sleeper.start()
    sleeper.kill("TERM")
    assert sleeper.wait(condition="not-running", timeout=60)["StatusCode"] == 143
    sleeper.remove()
    assert client.containers.list(all=True) == []


@pytest.mark.census("POST /containers/{id}/exec", "POST /exec/{id}/start", "GET /exec/{id}/json")
def test_exec(sleeper: Any, client: Any) -> None:
    code, output = sleeper.exec_run("sh -c 'echo out; echo err >&2; exit 3'")
    assert (code, sorted(output.split())) == (3, [b"err", b"out"])
    assert sleeper.exec_run("sh -c 'echo out; echo err >&2'", demux=True) == (0, (b"out\n", b"err\n"))
    _, stream = sleeper.exec_run("sh -c 'echo 1; echo 2'", stream=True)
    assert b"".join(stream) == b"1\n2\n"
    options = {"environment": {"A": "b"}, "workdir": "/tmp", "user": "nobody", "privileged": True}
    assert sleeper.exec_run("sh -c 'echo $A $(pwd) $(id -un)'", **options).output == b"b /tmp nobody\n"
    assert not sleeper.exec_run("touch /done", detach=True).output
    eventually(lambda: sleeper.exec_run("test -e /done").exit_code == 0)
    assert sleeper.exec_run("no-such").exit_code == 127


@pytest.mark.census("POST /exec/{id}/resize", "POST /containers/{id}/resize")
def test_exec_on_a_terminal_over_a_socket(client: Any, sleeper: Any) -> None:
    made = client.api.exec_create(sleeper.id, "sh", stdin=True, tty=True)
    stream = client.api.exec_start(made["Id"], tty=True, socket=True)
    client.api.exec_resize(made["Id"], height=40, width=120)
    stream._sock.sendall(b"stty size; exit\n")
    said = _all(stream)
    assert b"40 120" in said
    eventually(lambda: not client.api.exec_inspect(made["Id"])["Running"])
    assert client.api.exec_inspect(made["Id"])["ExitCode"] == 0


@pytest.mark.census("POST /containers/{id}/attach", "Config.OpenStdin", "Config.StdinOnce")
def test_attach_writes_and_reads(client: Any, docker: Any) -> None:
    container = client.containers.create("busybox", "cat", stdin_open=True)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    stream._sock.sendall(b"through\n")
    stream._sock.shutdown(1)
    frames = list(docker.utils.socket.frames_iter(stream, tty=False))
    assert b"".join(data for _, data in frames) == b"through\n"
    assert container.wait()["StatusCode"] == 0


def test_attach_gives_both_streams_apart(client: Any) -> None:
    container = client.containers.create("busybox", ["sh", "-c", "echo out; echo err >&2"])
    output = container.attach(stream=True, logs=True, demux=True)
    container.start()
    pieces = list(output)
    assert b"".join(out or b"" for out, _ in pieces) == b"out\n"
    assert b"".join(err or b"" for _, err in pieces) == b"err\n"


def test_a_terminal_shows_its_size(client: Any) -> None:
    container = client.containers.run("busybox", "sh", tty=True, stdin_open=True, detach=True)
    container.resize(height=21, width=77)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    stream._sock.sendall(b"stty size; exit\n")
    assert b"21 77" in _all(stream)


@pytest.mark.census("GET /containers/{id}/logs")
def test_logs(client: Any, sleeper: Any) -> None:
    script = "echo one; echo two >&2; sleep 1.1; echo three"
    container = client.containers.run("busybox", ["sh", "-c", script], detach=True)
    assert b"".join(container.logs(stream=True, follow=True)) == b"one\ntwo\nthree\n"
    assert container.logs(stdout=True, stderr=False) == b"one\nthree\n"
    assert container.logs(tail=1) == b"three\n"
    stamped = container.logs(timestamps=True).decode().splitlines()
    assert [line.split()[1] for line in stamped] == ["one", "two", "three"]
    second = int(time.mktime(time.strptime(stamped[2][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone)
    assert container.logs(since=second) == b"three\n"
    assert container.logs(until=second) == b"one\ntwo\n"
    following = container.logs(stream=True, follow=True)
    following.close()


@pytest.mark.census("GET /containers/{id}/stats", "GET /containers/{id}/top", "GET /containers/{id}/changes")
def test_a_running_container_is_looked_at(sleeper: Any) -> None:
    figures = sleeper.stats(stream=False)
    assert figures["memory_stats"]["usage"] > 0
    assert figures["pids_stats"]["current"] >= 1
    assert figures["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert "eth0" in figures["networks"]
    first = next(sleeper.stats(decode=True))
    assert first["id"] == sleeper.id
    table = sleeper.top()
    assert any("sleep 600" in " ".join(row) for row in table["Processes"])
    assert sleeper.top(ps_args="-o pid,comm")["Titles"] == ["PID", "COMMAND"]
    sleeper.exec_run("touch /new")
    assert {"Path": "/new", "Kind": 1} in sleeper.diff()


def _all(stream: Any) -> bytes:
    data = b""
    while piece := stream.read(4096) if hasattr(stream, "read") else stream.recv(4096):
        data += piece
    return data
