"""The calls of act and of gitlab-runner's docker executor, in their order, with what must come of each."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import suppress
from urllib.parse import quote

import pytest
from tests.cli.running import DaemonProcess, eventually
from tests.clients.wire import Wire, all_of, apart, execute

pytestmark = pytest.mark.root


@pytest.fixture
def wire(daemon: DaemonProcess, busybox: str) -> Wire:
    return Wire(daemon)


def _tar(name: str, content: str, *, uid: int = 0, mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size, info.uid, info.gid, info.mode = len(content), uid, uid, mode
        archive.addfile(info, io.BytesIO(content.encode()))
    return buffer.getvalue()


def _untar(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: (archive.extractfile(member) or io.BytesIO()).read().decode() for member in archive}


@pytest.mark.census(
    "HEAD /_ping",
    "GET /info",
    "GET /images/{name}/json",
    "POST /containers/create",
    "PUT /containers/{id}/archive",
    "GET /containers/{id}/archive",
    "POST /containers/{id}/exec",
    "GET /exec/{id}/json",
    "DELETE /volumes/{name}",
)
def test_act_runs_a_job(wire: Wire, tmp_path: object) -> None:
    """One long container per job; files and steps go in by archive and exec; outputs come back as files."""
    wire.ask("HEAD", "/_ping")
    assert wire.ask("GET", "/info")["OSType"] == "linux"
    image = wire.ask("GET", "/images/busybox:latest/json")
    assert (image["Os"], image["Architecture"]) == ("linux", wire.ask("GET", "/version")["Arch"])
    assert wire.ask("GET", "/containers/json?all=1&limit=0") == []
    job = wire.create(
        "act-build",
        {
            "Binds": ["act-tools:/opt/hostedtoolcache"],
            "Mounts": [{"Type": "volume", "Source": "act-build-env", "Target": "/var/run/act"}],
            "NetworkMode": "host",
            "Privileged": False,
        },
        Image="busybox",
        Entrypoint=["tail", "-f", "/dev/null"],
        WorkingDir="/work",
        Env=["RUNNER_TOOL_CACHE=/opt/hostedtoolcache", "RUNNER_OS=Linux"],
    )
    wire.ask("POST", f"/containers/{job}/start", status=204)
    assert wire.ask("GET", f"/containers/{job}/json")["Config"]["Env"][0] == "RUNNER_TOOL_CACHE=/opt/hostedtoolcache"
    assert execute(wire, job, "mkdir", "-m", "0777", "-p", "/var/run/act", "/work")[0] == 0
    wire.ask(
        "PUT", f"/containers/{job}/archive?path={quote('/var/run/act/')}&copyUIDGID=true", raw=_tar("env", "", uid=1000)
    )
    wire.ask(
        "PUT",
        f"/containers/{job}/archive?path=/",
        raw=_tar("var/run/act/step.sh", "echo $STEP $(pwd); echo OUT=1 >>$GITHUB_ENV\n", mode=0o755),
    )
    step = {"Env": ["STEP=one", "GITHUB_ENV=/var/run/act/env"], "WorkingDir": "/work", "User": ""}
    assert execute(wire, job, "sh", "-e", "/var/run/act/step.sh", **step) == (0, "one /work\n", "")
    assert execute(wire, job, "sh", "-ec", "echo failing >&2; false; echo never", **step) == (1, "", "failing\n")
    assert _untar(wire.ask("GET", f"/containers/{job}/archive?path=/var/run/act/env")) == {"env": "OUT=1\n"}
    assert execute(wire, job, "stat", "-c", "%u", "/var/run/act/env")[1] == "1000\n"
    wire.ask("GET", f"/containers/{job}/archive?path=/no/such", status=404)
    wire.ask("DELETE", f"/containers/{job}?force=1&v=1", status=204)
    for volume in ("act-build-env", "act-tools"):
        assert volume in [one["Name"] for one in wire.ask("GET", "/volumes")["Volumes"]]
        wire.ask("DELETE", f"/volumes/{volume}?force=1", status=204)


@pytest.mark.census("POST /containers/{id}/attach", "POST /containers/{id}/wait", "POST /containers/{id}/start")
def test_act_runs_a_docker_action(wire: Wire) -> None:
    """A container of its own: attached first, then started, waited for, logs copied, removed."""
    action = wire.create(
        "act-action",
        {"AutoRemove": False},
        Image="busybox",
        Cmd=["sh", "-c", "echo $INPUT_NAME; exit 2"],
        Env=["INPUT_NAME=x"],
    )
    stream = wire.hijack(f"/containers/{action}/attach?stderr=1&stdout=1&stream=1")
    wire.ask("POST", f"/containers/{action}/start", status=204)
    assert apart(all_of(stream)) == ("x\n", "")
    assert wire.ask("POST", f"/containers/{action}/wait?condition=not-running") == {"StatusCode": 2}
    wire.ask("DELETE", f"/containers/{action}?force=1&v=1", status=204)


def _stage(wire: Wire, container: str, script: str) -> tuple[int, str, str]:
    """gitlab-runner's stage: attach, wait for the next exit, start, write the script, read, see the exit code."""
    stream = wire.hijack(f"/containers/{container}/attach?stderr=1&stdin=1&stdout=1&stream=1")
    wire.ask("POST", f"/containers/{container}/start", status=204)
    stream.sendall(script.encode())
    stream.shutdown(1)
    said = apart(all_of(stream))
    code = wire.ask("POST", f"/containers/{container}/wait?condition=not-running")["StatusCode"]
    return code, *said


@pytest.mark.census(
    "POST /volumes/create",
    "HostConfig.VolumesFrom",
    "HostConfig.Binds",
    "Config.StdinOnce",
    "Config.OpenStdin",
    "HostConfig.OomKillDisable",
)
def test_gitlab_runner_runs_a_job(wire: Wire) -> None:
    """Volumes, a container that prepares them, and one container started once for each stage of the job."""
    labels = {"com.gitlab.gitlab-runner.managed": "true", "com.gitlab.gitlab-runner.job.id": "7"}
    wire.ask("GET", "/_ping")
    wire.ask(
        "POST",
        "/volumes/create",
        {"Name": "runner-cache", "Driver": "local", "DriverOpts": None, "Labels": labels},
        status=201,
    )
    prepare = wire.create(
        "runner-cache-init",
        {"Binds": ["runner-cache:/builds"], "LogConfig": {"Type": "json-file", "Config": None}, "NetworkMode": "none"},
        Image="busybox",
        Cmd=["chmod", "1777", "/builds"],
        Labels=labels,
    )
    wire.ask("POST", f"/containers/{prepare}/start", status=204)
    assert wire.ask("POST", f"/containers/{prepare}/wait?condition=not-running")["StatusCode"] == 0
    wire.ask("DELETE", f"/containers/{prepare}?force=1&v=1", status=204)
    build = wire.create(
        "runner-build",
        {
            "Binds": ["runner-cache:/builds"],
            "Memory": 128 << 20,
            "MemorySwap": 128 << 20,
            "MemoryReservation": 64 << 20,
            "CpuShares": 512,
            "NanoCpus": 500_000_000,
            "CapDrop": ["NET_ADMIN"],
            "CapAdd": None,
            "SecurityOpt": ["no-new-privileges"],
            "ShmSize": 4 << 20,
            "Tmpfs": {"/scratch": "rw,size=1m"},
            "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "99"},
            "ExtraHosts": ["service:192.0.2.1"],
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "LogConfig": {"Type": "json-file", "Config": None},
            "Init": True,
        },
        Image="busybox",
        Hostname="runner-7",
        Cmd=["sh"],
        Labels=labels,
        AttachStdin=True,
        AttachStdout=True,
        AttachStderr=True,
        OpenStdin=True,
        StdinOnce=True,
        Env=["CI=true"],
    )
    assert _stage(wire, build, "hostname; echo $CI; cat /proc/sys/net/ipv4/ip_unprivileged_port_start\n") == (
        0,
        "runner-7\ntrue\n99\n",
        "",
    )
    assert _stage(wire, build, "cd /builds; echo made >artifact; df -k /dev/shm /scratch | awk 'NR>1{print $2}'\n") == (
        0,
        "4096\n1024\n",
        "",
    )
    assert _stage(wire, build, "cat /builds/artifact; grep -c service /etc/hosts; echo bad >&2; exit 3\n") == (
        3,
        "made\n1\n",
        "bad\n",
    )
    assert wire.ask("GET", f"/containers/{build}/json")["RestartCount"] == 0
    # Every stage's lines are in the log.
    assert "made" in apart(wire.ask("GET", f"/containers/{build}/logs?stdout=1&stderr=1"))[0]
    found = wire.ask(
        "GET",
        f"/containers/json?all=1&filters={quote(json.dumps({'label': {'com.gitlab.gitlab-runner.job.id=7': True}}))}",
    )
    assert [one["Id"] for one in found] == [build]
    wire.ask("DELETE", f"/containers/{build}?force=1&v=1", status=204)
    wire.ask("DELETE", "/volumes/runner-cache", status=204)


@pytest.mark.census("POST /containers/{id}/kill", "POST /containers/{id}/stop", "GET /containers/{id}/logs")
def test_gitlab_runner_cancels_a_job_and_reads_its_services(wire: Wire) -> None:
    service = wire.create("runner-service", Image="busybox", Cmd=["httpd", "-f", "-p", "80", "-h", "/www"])
    wire.ask("POST", f"/containers/{service}/start", status=204)
    address = wire.ask("GET", f"/containers/{service}/json")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    build = wire.create(
        "runner-build",
        {"ExtraHosts": [f"service:{address}"]},
        Image="busybox",
        Cmd=["sh"],
        OpenStdin=True,
        StdinOnce=True,
    )
    stream = wire.hijack(f"/containers/{build}/attach?stderr=1&stdin=1&stdout=1&stream=1")
    wire.ask("POST", f"/containers/{build}/start", status=204)
    stream.sendall(b"until wget -q -O - http://service/ 2>/dev/null; do sleep 0.1; done; sleep 600\n")
    eventually(lambda: "carrack serves" in apart(wire.ask("GET", f"/containers/{build}/logs?stdout=1"))[0])
    assert execute(wire, build, "sh", "-c", "kill -TERM 1 2>/dev/null; ps | grep -c 'sleep 60[0]'")[1] == "1\n"
    wire.ask("POST", f"/containers/{build}/kill?signal=SIGKILL", status=204)
    with suppress(ConnectionError):
        assert apart(all_of(stream))[0] == "carrack serves\n"
    assert wire.ask("POST", f"/containers/{build}/wait?condition=not-running")["StatusCode"] == 137
    wire.ask("POST", f"/containers/{service}/stop?t=0", status=204)
    wire.ask("POST", f"/containers/{service}/stop?t=0", status=304)
    for container in (build, service):
        wire.ask("DELETE", f"/containers/{container}?force=1&v=1", status=204)
    wire.ask("DELETE", f"/containers/{build}?force=1&v=1", status=404)
