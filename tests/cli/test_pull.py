"""Pulls by both commands through a real daemon: its workers, its mounts, its death."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.busybox import root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def base() -> bytes:
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    return archive


@pytest.fixture
def registry(cli: Cli) -> Iterator[FakeRegistry]:
    """A registry; what was pulled from it is removed."""
    with FakeRegistry() as running:
        yield running
        _forget(cli, running)


def _forget(cli: Cli, registry: FakeRegistry) -> None:
    for container in cli("ps", "-aq").stdout.split():
        cli("rm", "-f", container)
    for image in set(cli("images", "-aq", "--no-trunc", "--filter", f"reference={registry.host}/*").stdout.split()):
        cli("rmi", "-f", image)
    cli("image", "prune", "-f")


def add(registry: FakeRegistry, base: bytes, tag: str = "1", **more: Any) -> Any:
    """An image whose top layer nobody has seen before."""
    top = tar({"srv/file": b"from the registry\n", "srv/salt": os.urandom(100_000)})
    return registry.content.add_image("app", tag, [base, top], config={"config": {"Cmd": ["cat", "/srv/file"]}}, **more)


@pytest.mark.census("image pull", "image pull --quiet", "image pull --disable-content-trust", "event image pull")
def test_pull_and_run(cli: Cli, registry: FakeRegistry, base: bytes) -> None:
    stored = add(registry, base, "latest")
    since = str(int(time.time()))
    told = cli("pull", f"{registry.host}/app").stdout.splitlines()
    assert told[:2] == ["Using default tag: latest", "latest: Pulling from app"]
    assert told[-3:] == [
        f"Digest: {stored.manifest}",
        f"Status: Downloaded newer image for {registry.host}/app:latest",
        f"{registry.host}/app:latest",
    ]
    shared, fresh = (layer[7:19] for layer in stored.layers)
    assert told[2:-3] == [
        f"{shared}: Already exists",
        *(f"{fresh}: {stage}" for stage in ("Pulling fs layer", "Verifying Checksum", "Download complete")),
        f"{fresh}: Pull complete",
    ]
    name = f"{registry.host}/app:latest"
    assert cli("run", "--rm", name).stdout == "from the registry\n"
    assert cli("pull", "-q", name).stdout == f"{name}\n"
    digests = json.loads(cli("inspect", "-f", "{{json .RepoDigests}}", name).stdout)
    assert digests == [f"{registry.host}/app@{stored.manifest}"]
    shown = cli("events", "--since", since, "--until", str(int(time.time()) + 1), "--filter", "event=pull").stdout
    assert shown.count(f"image pull {name} (name={registry.host}/app)") == 2
    refused = cli("pull", "--disable-content-trust=false", name, check=False)
    assert refused.returncode == 1


@pytest.mark.census("image pull by digest", "image pull -a", "image pull --all-tags")
def test_digests_and_all_tags(cli: Cli, registry: FakeRegistry, base: bytes) -> None:
    stored = add(registry, base)
    add(registry, base, "2", docker=True)
    name = f"{registry.host}/app@{stored.manifest}"
    assert cli("pull", "-q", name).stdout == f"{name}\n"
    assert cli("run", "--rm", name).stdout == "from the registry\n"
    told = cli("pull", "-a", f"{registry.host}/app").stdout.splitlines()
    assert [line for line in told if "Pulling from" in line] == ["1: Pulling from app", "2: Pulling from app"]
    assert told[-1] == f"{registry.host}/app"
    tags = cli("images", "--format", "{{.Tag}}", f"{registry.host}/app").stdout.split()
    assert sorted(tags) == ["1", "2"]
    refused = cli("pull", "-a", f"{registry.host}/app:1", check=False)
    assert (refused.returncode, refused.stderr) == (1, "tag can't be used with --all-tags/-a\n")


@pytest.mark.census(
    *("image pull --platform", "image multi-platform store", "image manifest list / OCI index"),
    *("run --platform", "create --platform", "POST /containers/create?platform"),
)
def test_platforms(cli: Cli, registry: FakeRegistry, base: bytes) -> None:
    arm = add(registry, base, "", architecture="arm64")
    amd = add(registry, base, "")
    registry.content.add_index("app", "1", [(arm, "linux/arm64"), (amd, "linux/amd64")])
    name = f"{registry.host}/app:1"
    cli("pull", "-q", "--platform", "linux/arm64", name)
    assert cli("inspect", "-f", "{{.Architecture}}", name).stdout == "arm64\n"
    cli("pull", "-q", name)
    assert cli("inspect", "-f", "{{.Architecture}}", name).stdout == "amd64\n"
    assert cli("run", "--rm", "--platform", "linux/amd64", name).stdout == "from the registry\n"
    chosen = []
    for words in ([], ["--platform", "linux/amd64"], ["--platform", "linux/arm64"]):
        made = cli("create", *words, name).stdout.strip()
        chosen.append(json.loads(cli("inspect", "-f", "{{json .Image}}", made).stdout))
        cli("rm", made)
    assert chosen[0] == chosen[1] != chosen[2]
    refused = cli("pull", "--platform", "linux/s390x", name, check=False)
    assert refused.returncode == 1
    assert "no matching manifest for linux/s390x in the manifest list entries" in refused.stderr


@pytest.mark.census("run --pull", "create --pull", "create --quiet")
def test_run_pulls(cli: Cli, registry: FakeRegistry, base: bytes) -> None:
    add(registry, base)
    name = f"{registry.host}/app:1"
    done = cli("run", "--rm", name)
    assert done.stdout == "from the registry\n"
    assert done.stderr.startswith(f"Unable to find image '{name}' locally\n1: Pulling from app\n")
    assert f"Status: Downloaded newer image for {name}" in done.stderr
    registry.requests.clear()
    assert cli("run", "--rm", name).stderr == ""
    assert registry.requests == []
    done = cli("create", "--pull", "always", "--name", "made", name)
    assert f"Status: Image is up to date for {name}" in done.stderr + done.stdout
    assert cli("create", "--pull", "always", "-q", name).stderr == ""
    missing = cli("run", "--rm", f"{registry.host}/app:9", check=False)
    assert missing.returncode == 125
    assert "app:9" in missing.stderr


@pytest.mark.census(
    "image gzip/zstd/uncompressed layers", "image OCI image", "image manifest v2 schema 2", "run --quiet"
)
@pytest.mark.parametrize("compression", ["gzip", "zstd", ""])
def test_layers_of_each_form(cli: Cli, registry: FakeRegistry, base: bytes, compression: str) -> None:
    add(registry, base, compression=compression, docker=compression == "gzip")
    done = cli("run", "--rm", "-q", f"{registry.host}/app:1")
    assert (done.stdout, done.stderr) == ("from the registry\n", "")


@pytest.mark.census("image schema1 (removed)", "image foreign layers")
def test_what_is_refused(cli: Cli, registry: FakeRegistry, base: bytes) -> None:
    old = json.dumps({"schemaVersion": 1, "name": "app", "tag": "1", "fsLayers": [], "history": []}).encode()
    registry.content.put_manifest("app", old, "application/vnd.docker.distribution.manifest.v1+prettyjws", "old")
    refused = cli("pull", f"{registry.host}/app:old", check=False)
    assert refused.returncode == 1
    assert "schema 1" in refused.stderr
    stored = add(registry, base, "foreign")
    document = json.loads(registry.content.manifest("app", "foreign")[2])  # type: ignore[index]
    for layer in document["layers"]:
        layer["urls"] = ["http://127.0.0.1:1/elsewhere"]
        layer["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    data = json.dumps(document).encode()
    registry.content.put_manifest("app", data, document["mediaType"], "foreign")
    assert cli("run", "--rm", "-q", f"{registry.host}/app:foreign").stdout == "from the registry\n"
    assert registry.asked("GET", stored.layers[1]), "from the registry itself, whatever other places are told"


def test_progress_on_a_terminal(daemon: DaemonProcess, image: str, base: bytes) -> None:
    cli = CommandLine("carrack", daemon)
    with FakeRegistry() as registry:
        stored = add(registry, base)
        registry.faults.append(Fault(f"/blobs/{stored.layers[1]}", times=None, speed=500_000))
        shown, code = cli.on_terminal(["pull", f"{registry.host}/app:1"], [])
        _forget(cli, registry)
    assert code == 0
    assert f"\x1b[2K{stored.layers[1][7:19]}: Downloading [".encode() in shown


@pytest.fixture
def own(tmp_path: Path) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path, "--max-concurrent-downloads", "1", "--max-download-attempts", "2")
    try:
        process.start()
        yield process
    finally:
        process.stop()


def _partials(process: DaemonProcess) -> list[Path]:
    return list((process.root / "data" / "partial").iterdir())


def _size(process: DaemonProcess) -> int:
    return sum(path.stat().st_size for path in _partials(process))


def _grown(process: DaemonProcess, size: int) -> bool:
    return _size(process) > size


def _workers(process: DaemonProcess) -> list[int]:
    pid = int((process.root / "pid").read_text())
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"storage.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.append(int(child))
    return found


def _daemon_dies(process: DaemonProcess, _: object) -> None:
    workers = _workers(process)
    assert workers
    process.crash()
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))
    process.start()


def _worker_dies(process: DaemonProcess, _: object) -> None:
    os.kill(_workers(process)[0], signal.SIGKILL)


@pytest.mark.census(
    "image resume within session", "image max-concurrent-downloads", "image retry",
    "dockerd --max-concurrent-downloads", "dockerd --max-download-attempts",
    "daemon.json max-concurrent-downloads", "daemon.json max-download-attempts",
)  # fmt: skip
def test_deaths_on_the_way(own: DaemonProcess) -> None:
    """Whoever dies, the next pull goes on where the last one ended, and nothing else is left."""
    cli = CommandLine("carrack", own)
    layers = [tar({"a": os.urandom(3_000_000)}), tar({"b": os.urandom(1_000_000)})]
    with FakeRegistry() as registry:
        stored = registry.content.add_image("app", "1", layers)
        name = f"{registry.host}/app:1"
        slow = Fault("/blobs/sha256", times=None, speed=100_000, when=lambda r: r.path.endswith(stored.layers[0]))
        registry.faults.append(slow)
        for strike in (_daemon_dies, _worker_dies, lambda process, client: client.terminate()):
            client = cli.start("pull", name)
            before = _size(own)
            eventually(partial(_grown, own, before + 50_000))
            strike(own, client)
            client.communicate(timeout=60)
            assert client.returncode != 0
            eventually(lambda: not [*own.root.glob("data/layers/*/ingest/*"), *own.root.glob("data/ingest/*")])
            assert [path.name for path in _partials(own)] == [stored.layers[0][7:]]
            assert cli("images", "-q").stdout == ""
        registry.faults.clear()
        told = cli("pull", name).stdout
        assert f"{stored.layers[1][7:19]}: Waiting" in told
        ranges = [r.headers.get("range", "") for r in registry.asked("GET", stored.layers[0])]
        assert ranges[0] == ""
        assert all(text.startswith("bytes=") for text in ranges[1:])
        assert len(ranges) == 4
        assert _partials(own) == []
        registry.faults.append(Fault("/manifests/2", times=None, status=503))
        assert cli("pull", f"{registry.host}/app:2", check=False).returncode == 1
        assert len(registry.asked("", "/manifests/2")) == 2
