"""A mirror that lies, breaks or spies, in front of a registry that is honest: the image comes all the same, is the
right one, and the mirror learns nothing of who the user is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.cli.running import DaemonProcess, api
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault
from tests.faults.pulling import Disk, images, pull, remove
from tests.security.registry_world import PASSWORD, locked, told

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[FakeRegistry, FakeRegistry]]:
    """The registry, and the mirror in front of it."""
    with FakeRegistry(auth=locked()) as registry, FakeRegistry(registry.content) as mirror:
        yield registry, mirror


@pytest.fixture(scope="module")
def daemon(
    places: tuple[FakeRegistry, FakeRegistry], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DaemonProcess]:
    registry, mirror = places
    process = DaemonProcess(tmp_path_factory.mktemp("lying-mirror"))
    rules = process.root / "registries.toml"
    rules.write_text(
        f'[[registry]]\nprefix = "{registry.host}"\n[[registry.mirror]]\nlocation = "{mirror.host}"\n'
        'pull-from-mirror = "digest-only"\n'
    )
    (process.root / "daemon.json").write_text(json.dumps({"registries-file": str(rules)}))
    try:
        process.start()
        yield process
    finally:
        process.stop()


FAULTS = {
    "nothing wrong": [],
    "other bytes of a layer": [Fault("/blobs/", corrupt=700, times=None)],
    "other bytes of all": [Fault("/", corrupt=20, times=None)],
    "half of each": [Fault("/blobs/", cut=300, times=None)],
    "half of each, in silence": [Fault("/blobs/", length=300, times=None)],
    "too much": [Fault("/blobs/", fill=1 << 30, times=None)],
    "500": [Fault("/", status=500, times=None)],
    "404": [Fault("/", status=404, times=None)],
    "403": [Fault("/", status=403, times=None)],
    "429": [Fault("/", status=429, headers={"Retry-After": "3600"}, times=None)],
    "asks who it is": [
        Fault("/", status=401, headers={"WWW-Authenticate": 'Basic realm="tell me"'}, times=None),
    ],
    "redirects without end": [Fault("/", redirect="{target}", times=None)],
    "web pages": [Fault("/", status=200, body=b"<html>", headers={"Content-Type": "text/html"}, times=None)],
    "other types": [Fault("/manifests/", headers={"Content-Type": "application/x-rpm"}, times=None)],
    "resets": [Fault("/", cut=0, reset=True, times=None)],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_the_image_comes_all_the_same(
    daemon: DaemonProcess,
    places: tuple[FakeRegistry, FakeRegistry],
    faults: list[Fault],
    request: pytest.FixtureRequest,
) -> None:
    registry, mirror = places
    layer = tar({"data": request.node.name.encode() * 200})
    stored = registry.content.add_image("app", "", [layer], compression="")
    registry.content.add_index("app", "1", [(stored, "linux/amd64")])
    mirror.faults, before = [replace(fault) for fault in faults], len(mirror.requests)
    pulled = pull(daemon, f"{registry.host}/app:1", "user", PASSWORD)
    assert pulled.error == ""
    assert images(daemon) == {stored.config}
    assert len(mirror.requests) > before
    assert told(mirror) == []
    assert told(registry)
    assert api(daemon, "GET", f"/images/{registry.host}/app:1/json")[0] == 200
    remove(daemon, f"{registry.host}/app:1")
    assert Disk(daemon.root).wrong() == []
    assert Disk(daemon.root).partial() == {}
    if not faults:
        assert not [request for request in registry.requests if "/blobs/" in request.path]
