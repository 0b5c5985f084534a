"""docker-py drives the daemon: files, images, volumes, networks and events."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import eventually
from tests.clients.packages import OF_OTHERS

pytestmark = [pytest.mark.root, *OF_OTHERS]


@pytest.mark.census("PUT /containers/{id}/archive", "GET /containers/{id}/archive", "HEAD /containers/{id}/archive")
def test_files_go_in_and_out(sleeper: Any, client: Any, docker: Any) -> None:
    assert sleeper.put_archive("/tmp", _tar({"a/file": b"content"}))
    assert sleeper.exec_run("cat /tmp/a/file").output == b"content"
    chunks, stat = sleeper.get_archive("/tmp/a", chunk_size=10)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile("a/file")
        assert member is not None
        assert member.read() == b"content"
    assert stat["name"] == "a"
    assert stat["linkTarget"] == ""
    with pytest.raises(docker.errors.NotFound):
        sleeper.get_archive("/not/there")
    compressed, _ = sleeper.get_archive("/tmp/a", encode_stream=True)
    assert b"".join(compressed)


@pytest.mark.census("GET /containers/{id}/export", "POST /images/create", "POST /commit")
def test_a_container_becomes_an_image(client: Any, sleeper: Any, tmp_path: Path) -> None:
    sleeper.exec_run("sh -c 'echo kept >/kept'")
    image = sleeper.commit(
        "kept", "v1", message="why", author="who", changes=["ENV A=b"], conf={"Cmd": ["cat", "/kept"]}
    )
    assert client.containers.run("kept:v1", remove=True) == b"kept\n"
    assert client.images.get("kept:v1").attrs["Author"] == "who"
    assert image.history()[0]["Comment"] == "why"
    exported = tmp_path / "root.tar"
    exported.write_bytes(b"".join(sleeper.export()))
    client.api.import_image(str(exported), repository="imported", tag="v1")
    assert client.containers.run("imported:v1", "cat /kept", remove=True) == b"kept\n"
    for name in ("kept:v1", "imported:v1"):
        client.images.remove(name)


@pytest.mark.census(
    "GET /images/json",
    "POST /images/{name}/tag",
    "GET /images/{name}/get",
    "POST /images/load",
    "DELETE /images/{name}",
)
def test_images_are_kept_and_moved(client: Any, docker: Any) -> None:
    image = client.images.get("busybox")
    assert image.tag("other", "v2")
    assert {"busybox:latest", "other:v2"} <= set(client.images.get(image.id).tags)
    assert [one.tags for one in client.images.list("other")] == [client.images.get("other:v2").tags]
    saved = b"".join(client.images.get("other:v2").save(named="other:v2"))
    client.images.remove("other:v2")
    loaded = client.images.load(saved)
    assert loaded[0].id == image.id
    client.images.remove("other:v2", noprune=True)
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.remove("other:v2")
    assert image.attrs["RootFS"]["Layers"]
    assert client.images.prune(filters={"dangling": True})["SpaceReclaimed"] >= 0


def test_a_registry_that_does_not_answer_is_told_of(client: Any, docker: Any) -> None:
    with pytest.raises(docker.errors.APIError) as failure:
        client.images.pull("127.0.0.1:1/nothing", tag="v1")
    assert failure.value.explanation


@pytest.mark.census("POST /volumes/create", "GET /volumes", "GET /volumes/{name}", "DELETE /volumes/{name}")
def test_volumes(client: Any, docker: Any, tmp_path: Path) -> None:
    volume = client.volumes.create("things", driver="local", labels={"kind": "test"})
    assert volume.attrs["Labels"] == {"kind": "test"}
    client.containers.run(
        "busybox", "sh -c 'echo x >/v/file'", volumes={"things": {"bind": "/v", "mode": "rw"}}, remove=True
    )
    mount = docker.types.Mount("/v", "things", type="volume", read_only=True)
    assert client.containers.run("busybox", "cat /v/file", mounts=[mount], remove=True) == b"x\n"
    with pytest.raises(docker.errors.ContainerError):
        client.containers.run("busybox", "touch /v/other", mounts=[mount], remove=True)
    assert [one.name for one in client.volumes.list(filters={"label": "kind=test"})] == ["things"]
    holder = client.containers.create("busybox", "true", volumes=["things:/v"])
    with pytest.raises(docker.errors.APIError, match="in use") as failure:
        volume.remove()
    assert failure.value.status_code == 409
    holder.remove()
    volume.remove()
    assert client.volumes.list() == []
    client.volumes.create()
    assert len(client.volumes.prune()["VolumesDeleted"]) == 1


@pytest.mark.census("HostConfig.Binds", "HostConfig.Mounts[].Type", "HostConfig.VolumesFrom")
def test_folders_of_the_host_and_of_others(client: Any, docker: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host\n")
    script = "cat /in/file; echo back >/in/back"
    assert client.containers.run("busybox", ["sh", "-c", script], volumes=[f"{tmp_path}:/in"], remove=True) == b"host\n"
    assert (tmp_path / "back").read_text() == "back\n"
    mounts = [
        docker.types.Mount("/in", str(tmp_path), type="bind", read_only=True),
        docker.types.Mount("/t", None, type="tmpfs", tmpfs_size=1 << 20),
    ]
    keeper = client.containers.run("busybox", "sleep 600", mounts=mounts, detach=True)
    assert keeper.exec_run("touch /in/x").exit_code == 1
    assert b"1024" in keeper.exec_run("df -k /t").output
    assert client.containers.run("busybox", "cat /in/file", volumes_from=[keeper.id], remove=True) == b"host\n"
    assert {mount["Type"] for mount in keeper.attrs["Mounts"]} == {"bind", "tmpfs"}


@pytest.mark.census("HostConfig.PortBindings", "GET /containers/{id}/json")
def test_ports_are_published(client: Any) -> None:
    web = client.containers.run("busybox", "httpd -f -h /www", ports={"80/tcp": ("127.0.0.1", None)}, detach=True)
    eventually(lambda: bool(client.containers.get(web.id).ports["80/tcp"]))
    web.reload()
    port = web.ports["80/tcp"][0]["HostPort"]

    def fetch() -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read() == b"carrack serves\n")
        except OSError:
            return False

    eventually(fetch)
    assert client.api.port(web.id, 80) == [{"HostIp": "127.0.0.1", "HostPort": port}]


@pytest.mark.census("GET /events")
def test_events_are_told(client: Any) -> None:
    since = int(time.time()) - 1
    told: list[Any] = []
    stream = client.events(decode=True, filters={"type": "container"})

    def listen() -> None:
        for event in stream:
            told.append(event)
            if event["Action"] == "destroy":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    client.containers.run("busybox", "true", remove=True, name="told")
    listener.join(20)
    stream.close()
    actions = [event["Action"] for event in told]
    assert [action for action in actions if action != "attach"] == ["create", "start", "die", "destroy"]
    assert told[0]["Actor"]["Attributes"]["name"] == "told"
    past = [
        json.loads(line) for line in client.events(since=since, until=int(time.time()) + 1, filters={"event": "die"})
    ]
    assert past[-1]["Actor"]["Attributes"]["exitCode"] == "0"


@pytest.mark.census("POST /containers/{id}/update", "POST /containers/prune")
def test_update_and_prune(client: Any, sleeper: Any) -> None:
    sleeper.update(mem_limit="100m", memswap_limit="200m", cpu_shares=200, restart_policy={"Name": "always"})
    sleeper.reload()
    assert sleeper.attrs["HostConfig"]["Memory"] == 100 << 20
    assert sleeper.attrs["HostConfig"]["RestartPolicy"]["Name"] == "always"
    sleeper.update(restart_policy={"Name": "no"})
    sleeper.kill()
    sleeper.wait()
    assert client.containers.prune()["ContainersDeleted"] == [sleeper.id]


@pytest.mark.census("Config.Healthcheck")
def test_health(client: Any, docker: Any) -> None:
    check = docker.types.Healthcheck(
        test=["CMD-SHELL", "test -e /well"], interval=200_000_000, retries=2, start_period=0
    )
    container = client.containers.run("busybox", "sleep 600", healthcheck=check, detach=True)
    eventually(lambda: client.containers.get(container.id).health == "unhealthy")
    container.exec_run("touch /well")
    eventually(lambda: client.containers.get(container.id).health == "healthy")
    assert container.id in [one.id for one in client.containers.list(filters={"health": "healthy"})]


def test_modes_of_networks_and_namespaces(client: Any, sleeper: Any) -> None:
    assert b"eth0" not in client.containers.run("busybox", "ip link", network_mode="none", remove=True)
    shared = client.containers.run("busybox", "hostname", network_mode=f"container:{sleeper.id}", remove=True)
    assert shared.decode().strip() == sleeper.attrs["Config"]["Hostname"]
    seen = client.containers.run("busybox", "ps", pid_mode=f"container:{sleeper.id}", remove=True)
    assert b"sleep 600" in seen
    assert [one.name for one in client.networks.list(names=["bridge"])] == ["bridge"]
    assert client.networks.get("bridge").attrs["Driver"] == "bridge"


def test_many_at_once_from_threads(client: Any) -> None:
    failures: list[Exception] = []

    def one(number: int) -> None:
        try:
            said = client.containers.run("busybox", f"echo {number}", remove=True)
            assert said == f"{number}\n".encode()
        except Exception as problem:
            failures.append(problem)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
