"""Images on real drivers: what goes in comes out, is mounted, and survives; base images made from packages."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import stat
import tarfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from tests.fakes.images import config_for, docker_archive, sha, stream, tar

from carrack.engine.events import Events
from carrack.engine.images import busybox
from carrack.engine.images.service import Images
from carrack.errors import InvalidArgument
from carrack.linux.syscalls import LINUX
from carrack.oci import reference
from carrack.registry.client import RegistryClient
from carrack.registry.settings import RegistrySettings
from carrack.storage.content import ContentStore
from carrack.storage.records import Records
from carrack.storage.snapshots.probe import choose

pytestmark = pytest.mark.root

T = TypeVar("T")

BASE, TOP = tar({"etc/hosts": b"x" * 20_000, "bin/old": b"old"}), tar({"bin/.wh.old": b"", "bin/app": b"y"})


class Containers(list[Any]):
    def find(self, name: str) -> Any:
        return next(c for c in self if c.name == name)


class Engine:
    """The image services over a real driver."""

    def __init__(self, folder: Path, driver: str) -> None:
        self.folder = folder
        self.driver = driver
        self.containers = Containers()
        self.runner = asyncio.Runner()
        (folder / "layers").mkdir(exist_ok=True)
        (folder / "run").mkdir(exist_ok=True)

    def open(self) -> None:
        self.records = Records(self.folder / "meta.db")
        self.records.start()
        self.snapshotter = choose(self.folder / "layers", self.folder / "run", LINUX, self.driver)
        self.images = Images.build(
            records=self.records,
            content=ContentStore(self.folder),
            snapshotter=self.snapshotter,
            events=Events(),
            containers=self.containers,
            client=RegistryClient(RegistrySettings()),
        )
        self.run(self.images.start())

    def reopen(self) -> None:
        """Play a restart of the daemon."""
        self.run(self.images.close())
        self.records.close()
        self.open()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """On the one loop of this daemon's life."""
        return self.runner.run(work)

    def close(self) -> None:
        self.run(self.images.close())
        self.runner.close()
        self.records.close()
        kept = self.snapshotter.keys()
        for key in kept:
            self.snapshotter.remove(key)
        self.snapshotter.sweep(())


@pytest.fixture(params=["erofs", "overlay"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path, request.param)
    made.open()
    yield made
    made.close()


def load(engine: Engine, data: bytes) -> Any:
    return engine.run(engine.images.loader.load(stream(data, 60_000)))[0]


def files(fd: int) -> dict[str, bytes]:
    top = Path(f"/proc/self/fd/{fd}")
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def test_load_mount_save(engine: Engine) -> None:
    image = load(engine, docker_archive([(config_for([BASE, TOP]), [BASE, TOP], ["app:1"])]))
    fd = engine.snapshotter.view(image.diff_ids)
    assert files(fd) == {"etc/hosts": b"x" * 20_000, "bin/app": b"y"}
    os.close(fd)
    saved = engine.run(joined(engine.images.saver.save(["app:1"])))
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        for layer in (BASE, TOP):
            member = archive.extractfile("blobs/sha256/" + sha(layer)[7:])
            assert member is not None
            assert member.read() == layer
    engine.run(engine.images.remover.remove("app:1"))
    assert list(engine.snapshotter.layers()) == []
    assert load(engine, saved).id == image.id
    assert engine.run(joined(engine.images.saver.save(["app:1"]))) == saved


def test_restart(engine: Engine) -> None:
    image = load(engine, docker_archive([(config_for([BASE]), [BASE], ["app:1"])]))
    engine.reopen()
    assert engine.run(engine.images.store.resolve("app:1")) == image
    assert engine.images.layers.has(sha(BASE))


def test_a_wrong_layer_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(InvalidArgument):
        load(engine, docker_archive([(config_for([BASE]), [TOP], ["app:1"])]))
    assert list(engine.snapshotter.layers()) == []
    assert list((engine.folder / "ingest").iterdir()) == []


def test_commit_of_a_snapshot(engine: Engine) -> None:
    image = load(engine, docker_archive([(config_for([BASE]), [BASE], ["app:1"])]))
    engine.snapshotter.prepare("box", image.diff_ids)
    fd = engine.snapshotter.mount("box")
    top = Path(f"/proc/self/fd/{fd}")
    (top / "bin/old").unlink()
    (top / "bin/new").write_bytes(b"new")
    os.close(fd)
    state = SimpleNamespace(status="exited", running=False)
    container = SimpleNamespace(
        id="box", name="box", image="app:1", image_id=image.id, layers=image.diff_ids, config={"Cmd": ["x"]},
        state=state, shim=None,
    )  # fmt: skip
    engine.containers.append(container)
    commits = engine.images.commits
    made = engine.run(commits.commit("box", reference.parse("made:1"), instructions=["ENV A=b"], comment="c"))
    assert made.parent == image.id
    fd = engine.snapshotter.view(made.diff_ids)
    assert files(fd) == {"etc/hosts": b"x" * 20_000, "bin/new": b"new"}
    os.close(fd)
    engine.containers.clear()


# Mount points below every container, made when it is: their times are no image's.
OF_THE_ENGINE = {
    ".dockerenv",
    "dev",
    "dev/pts",
    "dev/shm",
    "etc/hostname",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sys",
}


def facts(fd: int) -> dict[str, tuple[object, ...]]:
    """Everything that a file system says of every file below a mount."""
    top = Path(f"/proc/self/fd/{fd}")
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(top.rglob("*")):
        entry = path.lstat()
        if str(path.relative_to(top)) in OF_THE_ENGINE:
            continue
        data = path.read_bytes() if stat.S_ISREG(entry.st_mode) else os.readlink(path) if path.is_symlink() else b""
        links = entry.st_nlink if stat.S_ISREG(entry.st_mode) else 0
        attributes = (
            [] if path.is_symlink() else [(name, os.getxattr(path, name)) for name in sorted(os.listxattr(path))]
        )
        owner = (entry.st_mode, entry.st_uid, entry.st_gid, entry.st_rdev, links, int(entry.st_mtime))
        found[str(path.relative_to(top))] = (*owner, data, *attributes)
    return found


def change_much(top: Path) -> None:
    shutil.rmtree(top / "opaque")
    (top / "opaque").mkdir(mode=0o700)
    (top / "opaque" / "a").write_bytes(b"again")
    (top / "bin" / "old").unlink()
    (top / "bin" / "old").symlink_to("../etc/hosts")
    with (top / "etc" / "hosts").open("ab") as file:
        file.write(b"more")
    os.link(top / "etc" / "hosts", top / "twin")
    shutil.move(top / "etc" / "deep", top / "moved")  # without redirects a directory is moved by copying
    os.mknod(top / "null", 0o020666, os.makedev(1, 3))
    os.mkfifo(top / "pipe", 0o640)
    os.chown(top / "pipe", 1000, 3_000_000)
    (top / ("n" * 200)).write_bytes(b"")
    (top / "t\u00e4g").write_bytes(b"capable")
    os.setxattr(top / "t\u00e4g", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.utime(top / "etc", (1_000_000_000, 1_000_000_000))


def test_a_committed_layer_shows_what_the_container_saw(engine: Engine) -> None:
    names = ("etc/hosts", "etc/deep/x/y", "bin/old", "opaque/a", "opaque/b", "opaque/c/d")
    base = tar({name: name.encode() for name in names})
    image = load(engine, docker_archive([(config_for([base]), [base], ["app:1"])]))
    engine.snapshotter.prepare("box", image.diff_ids)
    fd = engine.snapshotter.mount("box")
    change_much(Path(f"/proc/self/fd/{fd}"))
    seen = facts(fd)
    os.close(fd)
    state = SimpleNamespace(status="exited", running=False)
    engine.containers.append(
        SimpleNamespace(
            id="box", name="box", image="", image_id=image.id, layers=image.diff_ids, config={}, state=state, shim=None
        )
    )
    made = engine.run(engine.images.commits.commit("box", None))
    saved = engine.run(joined(engine.images.saver.save([made.id])))
    engine.snapshotter.remove("box")
    engine.containers.clear()
    engine.run(engine.images.remover.remove(made.id, force=True))
    again = load(engine, saved)
    engine.snapshotter.prepare("again", again.diff_ids)
    fd = engine.snapshotter.mount("again")
    shown = facts(fd)
    os.close(fd)
    assert shown == seen


def test_bootstrap_busybox_twice(engine: Engine) -> None:
    if not any(Path(place).is_file() and busybox.is_static(Path(place).read_bytes()) for place in busybox.PLACES):
        pytest.skip("busybox-static is not installed")

    async def say(message: dict[str, Any]) -> None:
        assert "stream" in message

    first = engine.run(engine.images.bootstrapper.make("busybox", say))
    engine.run(engine.images.remover.remove("busybox"))
    second = engine.run(engine.images.bootstrapper.make("busybox", say))
    assert first.id == second.id
    fd = engine.snapshotter.view(second.diff_ids)
    assert os.readlink(f"/proc/self/fd/{fd}/bin/sh") == "busybox"
    os.close(fd)
