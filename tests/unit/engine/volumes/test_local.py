"""The local driver's options: which are refused (texts of dockerd 28.5), what the kernel is asked, what is told."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import run
from tests.fakes.kernel import FakeKernel

from carrack.engine.volumes.local import LocalDriver, check_options, resolve_address
from carrack.engine.volumes.volume import Volume
from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument
from carrack.linux.mount import MNT_DETACH, MS_BIND, MS_RDONLY, MS_REMOUNT, UMOUNT_NOFOLLOW

LINE = "30 20 0:50 / {} rw - tmpfs tmpfs rw\n"


class World:
    """A driver whose mount table is a file that follows what the kernel is asked."""

    def __init__(self, folder: Path) -> None:
        self.table = folder / "mountinfo"
        self.table.write_text("")
        self.kernel = Kernel(self.table)
        kernel: Any = self.kernel
        self.driver = LocalDriver(folder / "volumes", kernel, str(self.table))
        self.driver.prepare()
        self.place = str(folder / "volumes/v/_data")

    def volume(self, **options: str) -> Volume:
        volume = Volume("v", 1, options=options)
        run(lambda: self.driver.create("v", options))
        return volume


class Kernel(FakeKernel):
    def __init__(self, table: Path) -> None:
        super().__init__()
        self.table = table

    def mount(self, source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
        super().mount(source, target, fstype, flags, data)
        if source is not None:
            self.table.write_text(self.table.read_text() + LINE.format(target))

    def umount(self, target: str, flags: int = 0) -> None:
        super().umount(target, flags)
        self.table.write_text("".join(self.table.read_text().splitlines(keepends=True)[:-1]))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bogus": "1"}, 'invalid option: "bogus"'),
        ({"type": "tmpfs"}, 'missing required option: "device"'),
        ({"device": "tmpfs"}, 'missing required option: "type"'),
        ({"o": "size=1m"}, 'missing required option: "device"'),
        ({"o": "bind", "device": "/x"}, 'missing required option: "type"'),
        ({"size": "x"}, "invalid size: 'x'"),
        ({"size": "10m"}, "quota size requested but no quota support: "),
    ],
)
def test_options_that_are_refused(world: World, options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        world.volume(**options)
    assert str(failure.value).startswith(text)
    assert not Path(world.place).exists()


def test_options_that_are_not(world: World) -> None:
    for options in ({}, {"size": "0"}, {"type": "", "device": "x"}, {"type": "none", "o": "bind", "device": "/nosuch"}):
        check_options(options)


def test_mounted_once_and_taken_away_after_the_last(world: World) -> None:
    volume = world.volume(type="tmpfs", device="tmpfs", o="size=1m,uid=5,nodev,nosuid")

    async def main() -> None:
        assert await world.driver.mount(volume, "a") == world.place
        assert await world.driver.mount(volume, "b") == world.place
        assert world.kernel.named("mount") == [("mount", "tmpfs", world.place, "tmpfs", 6, "size=1m,uid=5")]
        await world.driver.unmount(volume, "a", last=False)
        assert world.kernel.named("umount") == []
        await world.driver.unmount(volume, "b", last=True)
        assert world.kernel.named("umount") == [("umount", world.place, MNT_DETACH | UMOUNT_NOFOLLOW)]

    run(main)


def test_a_bind_that_is_read_only_and_shared(world: World) -> None:
    volume = world.volume(type="none", device="/srv", o="bind,ro,rshared")

    async def main() -> None:
        await world.driver.mount(volume, "a")

    run(main)
    assert world.kernel.named("mount") == [
        ("mount", "/srv", world.place, "none", MS_BIND | MS_RDONLY, ""),
        ("mount", None, world.place, None, (1 << 20) | 16384, None),
        ("mount", None, world.place, None, MS_BIND | MS_RDONLY | MS_REMOUNT, None),
    ]


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"type": "ext4", "device": "/dev/nosuch"}, errno.ENOENT, "mount /dev/nosuch:{}: no such file or directory"),
        (
            {"type": "none", "device": "/x", "o": "bind"},
            errno.ENOENT,
            "mount /x:{}, flags: 0x1000: no such file or directory",
        ),
        ({"type": "nosuch", "device": "x"}, errno.ENODEV, "no such device: the kernel has no file system 'nosuch'"),
        (
            {"type": "cifs", "device": "//127.0.0.1/x", "o": "username=a,password=secret,vers=3"},
            errno.ENODEV,
            "mount //127.0.0.1/x:{}, data: username=a,password=********,vers=3: no such device",
        ),
        ({"type": "nfs", "device": ":/x", "o": "addr=localhost,rw"}, errno.ENODEV, "data: addr=127.0.0.1: no such"),
    ],
)
def test_the_kernels_refusal_is_told(world: World, options: dict[str, str], error: int, told: str) -> None:
    volume = world.volume(**options)
    world.kernel.fail("mount", error)

    async def main() -> None:
        await world.driver.mount(volume, "a")

    with pytest.raises(Internal) as failure:
        run(main)
    assert str(failure.value).startswith(f"error while mounting volume '{world.place}': failed to mount local volume: ")
    assert told.format(world.place) in str(failure.value)
    assert "secret" not in str(failure.value)


def test_what_is_mounted_is_not_deleted_with_the_volume(world: World, tmp_path: Path) -> None:
    volume = world.volume(type="none", device=str(tmp_path), o="bind")

    async def main() -> None:
        await world.driver.mount(volume, "a")
        await world.driver.remove(volume)

    run(main)
    assert [call[0] for call in world.kernel.calls] == ["mount", "umount"]
    assert not Path(world.place).exists()


def test_what_cannot_be_unmounted_is_not_deleted(world: World) -> None:
    volume = world.volume(type="tmpfs", device="tmpfs")
    world.kernel.fail("umount", errno.EBUSY)

    async def main() -> None:
        await world.driver.mount(volume, "a")
        await world.driver.remove(volume)

    with pytest.raises(Internal, match="error while unmounting volume"):
        run(main)
    assert Path(world.place).exists()


def test_a_mount_below_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = world.volume()

    def busy(*names: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr("os.rename", busy)
    with pytest.raises(Conflict, match="unmount it first"):
        run(lambda: world.driver.remove(volume))


def test_names_of_hosts_become_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, *rest: object, **more: object) -> list[Any]:
        if host == "nosuch":
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", ("fd00::1", 0)), (0, 0, 0, "", ("10.0.0.9", 0))]

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    assert resolve_address("nfs", ":/x", "addr=server,rw") == (":/x", "addr=10.0.0.9,rw")
    assert resolve_address("nfs", ":/x", "rw,addr=10.0.0.1") == (":/x", "rw,addr=10.0.0.1")
    assert resolve_address("nfs", "server:/x", "rw") == ("server:/x", "rw")
    assert resolve_address("cifs", "//server/share", "") == ("//10.0.0.9/share", "")
    assert resolve_address("cifs", "//10.0.0.1/share", "") == ("//10.0.0.1/share", "")
    assert resolve_address("ext4", "server", "addr=server") == ("server", "addr=server")
    with pytest.raises(ValueError, match="lookup nosuch: Name or service not known"):
        resolve_address("nfs", ":/x", "addr=nosuch")


def test_a_name_that_cannot_be_resolved_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*given: object, **more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    volume = world.volume(type="nfs", device=":/x", o="addr=nosuch.invalid")

    async def main() -> None:
        await world.driver.mount(volume, "a")

    with pytest.raises(CarrackError, match=r"resolving passed in network volume address: lookup nosuch\.invalid: "):
        run(main)
    assert world.kernel.calls == []


def test_what_a_crash_left_is_swept(world: World, tmp_path: Path) -> None:
    world.volume()
    (tmp_path / "volumes/.deleted-0/sub").mkdir(parents=True)
    world.driver.sweep()
    assert [path.name for path in (tmp_path / "volumes").iterdir()] == ["v"]


@pytest.mark.root
def test_new_volumes_belong_to_the_root_of_containers_and_mapped_ones_to_the_hosts(world: World) -> None:
    world.driver.owner = (7, 8)
    world.volume()
    place = Path(world.place)
    assert (place.stat().st_uid, place.stat().st_gid) == (7, 8)
    (place / "f").touch()
    world.driver.disown("v")  # not with files in it
    assert place.stat().st_uid == 7
    (place / "f").unlink()
    world.driver.disown("v")
    assert (place.stat().st_uid, place.stat().st_gid) == (0, 0)
