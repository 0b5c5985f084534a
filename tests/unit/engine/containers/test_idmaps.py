"""Namespaces of maps are made once, by whoever can; what is given is a duplicate."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from typing import Any

import pytest
from tests.fakes.containers import container, run

from carrack.engine.containers import idmaps as module
from carrack.engine.containers.idmaps import IdMaps
from carrack.engine.userns import Map, Remap
from carrack.errors import InvalidArgument, Unavailable
from carrack.linux import idmap
from carrack.oci.runtime_spec import IdMapping, Mount
from carrack.storage.snapshots.mappedparts import MOUNTER

EXTENTS: tuple[IdMapping, ...] = ({"containerID": 0, "hostID": 100000, "size": 65536},)
REMAP = Remap("me", EXTENTS, EXTENTS)


class Maker:
    def __init__(self) -> None:
        self.asked: list[tuple[Map, Map]] = []

    async def __call__(self, uids: Map, gids: Map) -> int:
        self.asked.append((uids, gids))
        if uids[0]["hostID"] == 666:
            raise OSError(22, "Invalid argument")
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)


def test_a_map_is_made_once_and_everything_is_closed() -> None:
    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        make = Maker()
        maps = IdMaps(make)
        with ExitStack() as held:
            owners = await maps.owners(REMAP, held)
            again = await maps.owners(REMAP, held)
            assert owners is not None
            assert again is not None
            assert len({*owners, *again}) == 4
            assert await maps.owners(None, held) is None
            for number in range(20):
                await maps.space([{"containerID": 0, "hostID": number, "size": 1}], EXTENTS, held)
        assert make.asked[0] == (EXTENTS, EXTENTS)
        assert make.asked[1][0][1] == {"containerID": MOUNTER, "hostID": 0, "size": 1}
        assert len(make.asked) == 22
        assert len(os.listdir("/proc/self/fd")) == before + 16
        maps.close()
        assert len(os.listdir("/proc/self/fd")) == before

    run(main)


def test_a_map_that_the_kernel_refuses_is_shown() -> None:
    async def main() -> None:
        with ExitStack() as held, pytest.raises(InvalidArgument, match="refuses the id map 0-666-1 and 0-100000-65536"):
            await IdMaps(Maker()).space([{"containerID": 0, "hostID": 666, "size": 1}], EXTENTS, held)

    run(main)


def test_only_mounts_with_the_option_are_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[tuple[int, str, bool]] = []

    def apply(kernel: object, tree: int, space: int, path: str, *, recursive: bool) -> None:
        applied.append((tree, path, recursive))

    monkeypatch.setattr(idmap, "apply", apply)
    monkeypatch.setattr(module, "_user", lambda c, root: (5, 6))
    mounts: list[Mount] = [
        {"destination": "/a", "type": "bind", "source": "/x", "options": ["rbind", "ro"]},
        {"destination": "/b", "type": "bind", "source": "/y", "options": ["rbind", "idmap", "ro"]},
        {"destination": "/c", "type": "bind", "source": "/z", "options": ["bind", "idmap=uids=7-8-1;gids=9-10-1"]},
    ]

    async def main() -> None:
        maps = IdMaps(Maker())
        trees = {str(index): os.open("/", os.O_PATH) for index in range(3)}
        await maps.map_mounts(container(1), None, mounts, 0, trees)
        assert applied == [(trees["1"], "/y", True), (trees["2"], "/z", False)]
        maps.close()
        for fd in trees.values():
            os.close(fd)

    run(main)
    assert mounts[0]["options"] == ["rbind", "ro"]
    assert mounts[1]["options"] == ["rbind", "ro", "ridmap"]
    assert mounts[1]["uidMappings"][-1] == {"containerID": 0, "hostID": 5, "size": 1}
    assert mounts[2]["options"] == ["bind", "idmap"]
    assert mounts[2]["gidMappings"] == [{"containerID": 9, "hostID": 10, "size": 1}]


def test_a_remapping_daemon_needs_a_driver_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = OSError(22, "no such thing")

    def trial(snapshotter: object, owners: object) -> None:
        raise failure

    class Driver:
        name = "erofs"

        def layers(self) -> list[str]:
            return ["one"]

    monkeypatch.setattr(module, "trial", trial)
    driver: Any = Driver()

    async def main() -> None:
        maps = IdMaps(Maker())
        await maps.try_remap(driver, None)
        with pytest.raises(Unavailable, match=r"driver erofs cannot show image layers .*no such thing.*ext4"):
            await maps.try_remap(driver, REMAP)
        failure.errno = errno.ENOSPC  # a full disk must not keep anybody from removing what fills it
        await maps.try_remap(driver, REMAP)
        maps.close()

    run(main)
