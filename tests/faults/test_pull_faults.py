"""Pulls that go wrong: the error says which registry, which object and what to do; nothing is lost, nothing is left,
and the next try takes up where this one ended."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, api, eventually
from tests.fakes import certificates
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_content import Stored
from tests.fakes.registry_faults import Fault
from tests.faults.pulling import Disk, Pulled, credentials, images, pull, remove

pytestmark = pytest.mark.root

KIB = 1 << 10
PASSWORD = "canary-of-a-registry-7d1f"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path_factory.mktemp("pull-faults"), "--debug")
    (process.root / "daemon.json").write_text(json.dumps({"proxies": {"no-proxy": "10.0.0.0/8"}}))
    try:
        process.start()
        yield process
    finally:
        process.stop()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as started:
        yield started


def add(registry: FakeRegistry, size: int, path: str = "app", seed: int | None = None) -> Stored:
    """An image of one layer of so many bytes, plain and not to be compressed, as `path:1`."""
    data = random.Random(seed).randbytes(size)
    return registry.content.add_image(path, "1", [tar({"data": data})], compression="")


def settled(daemon: DaemonProcess) -> None:
    """Nothing is wrong with what lies there, and nothing is half there."""
    assert Disk(daemon.root).wrong() == []
    assert Disk(daemon.root).partial() == {}


def failed(daemon: DaemonProcess, registry: FakeRegistry, *words: str, user: str = "", password: str = "") -> Pulled:
    """A pull of `app:1` that fails in words that name the registry and hold all of these; it leaves nothing."""
    before, begun = images(daemon), time.monotonic()
    pulled = pull(daemon, f"{registry.host}/app:1", user, password)
    assert pulled.error
    for word in (registry.host, *words):
        assert word in pulled.error
    assert time.monotonic() - begun < 20
    assert images(daemon) == before
    settled(daemon)
    return pulled


def succeeds(daemon: DaemonProcess, registry: FakeRegistry, stored: Stored, user: str = "") -> Pulled:
    pulled = pull(daemon, f"{registry.host}/app:1", user, PASSWORD)
    assert pulled.error == ""
    assert stored.config in images(daemon)
    remove(daemon, f"{registry.host}/app:1")
    settled(daemon)
    return pulled


def test_an_unknown_tag(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    assert failed(daemon, registry, "app:1", "check the name and the tag").status == 404
    succeeds(daemon, registry, add(registry, 5000))


def test_denied(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    stored = add(registry, 5000)
    registry.faults = [Fault("/app/manifests/", status=403, code="DENIED", message="not for you", times=None)]
    assert failed(daemon, registry, "not for you", "docker login").status in (403, 404)
    registry.faults = []
    succeeds(daemon, registry, stored)


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_wrong_credentials_and_none(daemon: DaemonProcess, registry: FakeRegistry, scheme: str) -> None:
    stored = add(registry, 5000)
    registry.auth = Auth(scheme, users={"user": PASSWORD})
    failed(daemon, registry, "log")
    failed(daemon, registry, "log", user="user", password="wrong")
    succeeds(daemon, registry, stored, "user")


def test_too_many_requests(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """Waited for when that is soon; else told, with when."""
    stored = add(registry, 5000)
    registry.faults = [Fault("/manifests/", status=429, headers={"Retry-After": "1"}, times=1)]
    begun = time.monotonic()
    succeeds(daemon, registry, stored)
    assert time.monotonic() - begun >= 1
    registry.faults = [Fault("/manifests/", status=429, headers={"Retry-After": "3600"}, times=None)]
    failed(daemon, registry, "too many requests", "3600 seconds")
    registry.faults = []
    succeeds(daemon, registry, stored)


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("what", ["/manifests/", "/blobs/"])
def test_a_fault_of_the_registry_that_passes(
    daemon: DaemonProcess, registry: FakeRegistry, status: int, what: str
) -> None:
    stored = add(registry, 5000)
    registry.faults = [Fault(what, status=status)]
    succeeds(daemon, registry, stored)


def test_a_blob_that_is_gone(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    stored = add(registry, 5000)
    registry.faults = [Fault(f"/blobs/{stored.layers[0]}", status=404, code="BLOB_UNKNOWN", times=None)]
    failed(daemon, registry, stored.layers[0][7:19])
    registry.faults = []
    succeeds(daemon, registry, stored)


def test_nobody_is_there(daemon: DaemonProcess) -> None:
    registry = FakeRegistry().start()
    stored = add(registry, 5000)
    registry.stop()
    failed(daemon, registry, "check the registry's name")
    with registry:
        succeeds(daemon, registry, stored)


@contextmanager
def elsewhere(daemon: DaemonProcess, tls: ssl.SSLContext | None) -> Iterator[FakeRegistry]:
    """A registry at an address that is not this machine's loopback, which nobody has called insecure."""
    address = daemon.subnet.partition("/")[0]
    with FakeRegistry(name=address, address=address, tls=tls) as registry:
        yield registry


def test_no_tls_where_it_must_be(daemon: DaemonProcess) -> None:
    with elsewhere(daemon, None) as registry:
        failed(daemon, registry, "insecure-registries")
        assert registry.requests == []


def test_a_certificate_that_nobody_vouches_for(daemon: DaemonProcess, tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)
    with elsewhere(daemon, context) as registry:
        registry.auth = Auth("basic", users={"user": PASSWORD})
        failed(daemon, registry, "certificate", "certs.d", user="user", password=PASSWORD)
        assert registry.requests == []


@pytest.mark.parametrize("reset", [False, True])
def test_connections_that_break_are_gone_on_with(daemon: DaemonProcess, registry: FakeRegistry, reset: bool) -> None:
    """Each brings 100 KiB, and no byte is asked for twice."""
    stored = add(registry, 1000 * KIB)
    registry.faults = [Fault(f"/blobs/{stored.layers[0]}", cut=100 * KIB, reset=reset, times=None)]
    succeeds(daemon, registry, stored)
    asked = [request.headers.get("range", "") for request in registry.asked("GET", f"/blobs/{stored.layers[0]}")]
    starts = [int(text.removeprefix("bytes=").removesuffix("-") or 0) for text in asked]
    assert starts == sorted(set(starts))
    assert 10 <= len(starts) <= 13
    if not reset:
        assert starts == [number * 100 * KIB for number in range(len(starts))]


def test_a_registry_that_goes_away_in_the_middle_and_comes_back(daemon: DaemonProcess) -> None:
    registry = FakeRegistry().start()
    stored = add(registry, 500 * KIB)
    registry.faults = [Fault(f"/blobs/{stored.layers[0]}", stall_after=200 * KIB, stall=30)]
    results: list[Pulled] = []
    puller = threading.Thread(target=lambda: results.append(pull(daemon, f"{registry.host}/app:1")))
    puller.start()
    eventually(lambda: Disk(daemon.root).partial().get(stored.layers[0]) == 200 * KIB)
    registry.stop()
    puller.join(30)
    assert registry.host in results[0].error
    assert Disk(daemon.root).partial() == {stored.layers[0]: 200 * KIB}
    with registry:
        succeeds(daemon, registry, stored)
        assert registry.requests[-1].headers["range"] == f"bytes={200 * KIB}-"


def test_a_client_that_goes_away(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """The pull ends with it; what had come is of use to the next."""
    stored = add(registry, 500 * KIB)
    registry.faults = [Fault(f"/blobs/{stored.layers[0]}", stall_after=200 * KIB, stall=30)]
    connection = http.client.HTTPConnection("daemon", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(daemon.socket))
    connection.request("POST", f"/images/create?fromImage={registry.host}/app&tag=1")
    eventually(lambda: Disk(daemon.root).partial().get(stored.layers[0]) == 200 * KIB)
    connection.close()
    begun = time.monotonic()
    pulled = pull(daemon, f"{registry.host}/app:1")
    assert pulled.error == ""
    assert time.monotonic() - begun < 25
    assert registry.asked("GET", f"/blobs/{stored.layers[0]}")[-1].headers["range"] == f"bytes={200 * KIB}-"
    remove(daemon, f"{registry.host}/app:1")
    settled(daemon)


def test_two_pulls_share_one_download(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    stored = add(registry, 500 * KIB)
    registry.content.put_manifest("app", registry.content.manifests["app"][stored.manifest][1],
                                  registry.content.manifests["app"][stored.manifest][0], "2")  # fmt: skip
    registry.faults = [Fault(f"/blobs/{stored.layers[0]}", stall_after=200 * KIB, stall=1)]
    results: list[Pulled] = []
    pulls = [
        threading.Thread(target=lambda tag=tag: results.append(pull(daemon, f"{registry.host}/app:{tag}")))
        for tag in ("1", "2", "1")
    ]
    for each in pulls:
        each.start()
    for each in pulls:
        each.join(30)
    assert [result.error for result in results] == ["", "", ""]
    assert len(registry.asked("GET", f"/blobs/{stored.layers[0]}")) == 1
    remove(daemon, f"{registry.host}/app:1", f"{registry.host}/app:2")
    settled(daemon)


def test_a_registry_that_trickles_holds_up_no_other(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """As many layers as may come at a time are on their way from it, and do not come."""
    with FakeRegistry() as slow:
        tars = [tar({"data": random.randbytes(9000)}) for _ in range(3)]
        stored = slow.content.add_image("app", "1", tars, compression="")
        slow.faults = [Fault("|".join(stored.layers), stall=60, times=None)]
        puller = threading.Thread(target=pull, args=(daemon, f"{slow.host}/app:1"))
        puller.start()
        eventually(lambda: len(slow.asked("GET", "|".join(stored.layers))) == 3)
        begun = time.monotonic()
        add(registry, 5000)
        assert pull(daemon, f"{registry.host}/app:1").error == ""
        assert time.monotonic() - begun < 50
    puller.join(30)
    remove(daemon, f"{registry.host}/app:1")
    settled(daemon)


def test_a_registry_s_password_is_nowhere(daemon: DaemonProcess, registry: FakeRegistry) -> None:
    """Neither after a pull that went well nor after those that did not, with a daemon that logs all it can."""
    stored = add(registry, 5000)
    results, pair, answers = [], base64.b64encode(f"user:{PASSWORD}".encode()).decode(), []
    login = {"username": "user", "password": PASSWORD, "serveraddress": registry.host}
    for scheme in ("basic", "bearer"):
        registry.auth, registry.faults = Auth(scheme, users={"user": PASSWORD}), []
        results.append(pull(daemon, f"{registry.host}/app:1", "user", PASSWORD))
        results.append(pull(daemon, f"{registry.host}/gone:1", "user", PASSWORD))
        for name in ("app", "other"):
            header = {"X-Registry-Auth": credentials("user", PASSWORD)}
            api(daemon, "POST", f"/images/{stored.config}/tag?repo={registry.host}/{name}&tag=1")
            answers.append(ask(daemon, "POST", f"/images/{registry.host}/{name}/push?tag=1", header))
            answers.append(ask(daemon, "GET", f"/distribution/{registry.host}/{name}:1/json", header))
            answers.append(ask(daemon, "GET", f"/images/search?term={registry.host}/{name}", header))
        answers.append(api(daemon, "POST", "/auth", login)[1])
        registry.auth.users = {"user": "another"}
        registry.auth.revoke()
        results.append(pull(daemon, f"{registry.host}/app:1", "user", PASSWORD))
        answers.append(api(daemon, "POST", "/auth", login)[1])
        answers.append(ask(daemon, "POST", f"/images/{registry.host}/other/push?tag=1", header))
        # One that says back what it was told.
        for echo in (PASSWORD, pair):
            registry.auth = Auth()
            registry.faults = [Fault("/", status=403, message=f"your password {echo} is bad", times=None)]
            results.append(pull(daemon, f"{registry.host}/echo:1", "user", PASSWORD))
            answers.append(api(daemon, "POST", "/auth", login)[1])
            answers.append(ask(daemon, "POST", f"/images/{registry.host}/other/push?tag=1", header))
    assert b"Login Succeeded" in answers[6]
    assert b"digest: sha256:" in answers[0]
    assert [bool(result.error) for result in results] == [False, True, True, True, True] * 2
    inspected = api(daemon, "GET", f"/images/{registry.host}/app:1/json")[1]
    places = {
        "answers": json.dumps(
            [(result.error, result.messages) for result in results if "echo" not in result.error]
        ).encode(),
        "events": api(daemon, "GET", f"/events?since=1&until={int(time.time()) + 1}")[1],
        "the log": daemon.log.read_bytes(),
        "processes": subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout,
        "inspect": inspected,
        **{str(path): path.read_bytes() for path in (daemon.root / "data").glob("meta.db*")},
    }
    secret = [
        PASSWORD.encode(),
        credentials("user", PASSWORD)[:40].encode(),
        *(t.encode() for t in registry.auth.tokens),
    ]
    assert [name for name, text in places.items() if any(word in text for word in secret)] == []
    remove(daemon, f"{registry.host}/app:1", f"{registry.host}/other:1")
    assert stored.config not in images(daemon)


def ask(daemon: DaemonProcess, method: str, target: str, headers: dict[str, str]) -> bytes:
    """The body of the answer, whatever it is."""
    connection = http.client.HTTPConnection("daemon", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    with closing(connection):
        connection.sock.connect(str(daemon.socket))
        connection.request(method, target, headers=headers)
        return connection.getresponse().read()


@pytest.fixture
def dying(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon that may be killed."""
    process = DaemonProcess(tmp_path)
    try:
        process.start()
        yield process
    finally:
        process.stop()


def test_killed_after_each_64_kib(dying: DaemonProcess, registry: FakeRegistry) -> None:
    """The next daemon has what has come and nothing else, and asks for the rest."""
    size = 512 * KIB
    stored = add(registry, size)
    layer, disk = stored.layers[0], Disk(dying.root)
    have = 0

    def has(count: int) -> bool:
        return disk.partial().get(layer) == count

    for at in range(64 * KIB, size, 64 * KIB):
        registry.faults = [Fault(f"/blobs/{layer}", stall_after=at - have, stall=60)]
        puller = threading.Thread(target=pull, args=(dying, f"{registry.host}/app:1"))
        puller.start()
        eventually(partial(has, at))
        dying.crash()
        puller.join(30)
        registry.stop()
        registry.start()
        dying.start()
        assert disk.wrong() == []
        assert disk.partial() == {layer: at}
        assert disk.layers() == set()
        assert images(dying) == set()
        asked = registry.asked("GET", f"/blobs/{layer}")[-1].headers.get("range", "bytes=0-")
        assert asked == f"bytes={have}-"
        have = at
    succeeds(dying, registry, stored)


def test_a_disk_that_is_full_half_way(tmp_path: Path, registry: FakeRegistry) -> None:
    """A clear error, nothing left of the layer, and room enough for another image."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    image, data = tmp_path / "disk.img", tmp_path / "data"
    with image.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "1000", image], check=True)
    data.mkdir()
    subprocess.run(["mount", "-o", "loop", image, data], check=True)
    daemon = DaemonProcess(tmp_path)
    try:
        daemon.start()
        free = os.statvfs(data).f_bavail * os.statvfs(data).f_frsize
        add(registry, free)
        said = pull(daemon, f"{registry.host}/app:1").error
        assert "no space left on device" in said
        assert "remove" in said
        settled(daemon)
        assert Disk(daemon.root).layers() == set()
        assert os.statvfs(data).f_bavail * os.statvfs(data).f_frsize > free - (1 << 20)
        assert CommandLine("carrack", daemon)("images", "-q").stdout == ""
        succeeds(daemon, registry, add(registry, 100 * KIB))
    finally:
        daemon.stop()
        subprocess.run(["umount", "-R", data], check=True)
