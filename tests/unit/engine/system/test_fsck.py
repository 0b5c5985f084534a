"""The data root against the records: what is damaged, what nobody needs, and what is left alone."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.images import World

from carrack.engine.images import checks
from carrack.engine.images.checks import Finding, How, ImageChecks
from carrack.engine.system.fsck import OLD, Fsck, summary

LIVE, STRAY, COMING, RUNNING = "a" * 64, "b" * 64, "c" * 64, "d" * 64


class Containers(list[Any]):
    """Plays the container store."""

    names: dict[str, str]
    transient: set[str]


class Site:
    """A data root with one container, of the fake world's images."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.root = self.world.content.root
        self.keys = [LIVE]
        self.swept: list[set[str]] = []
        self.volumes = ["data"]
        self.containers = Containers([SimpleNamespace(id=LIVE, name="web")])
        self.containers.names = {"web": LIVE, "new": COMING}
        self.containers.transient = {RUNNING}
        (self.root / "containers" / LIVE).mkdir(parents=True)
        world = self.world
        made = ImageChecks(world.store, world.layers, world.content, world.files, world.judging)
        self.fsck = Fsck(
            self.root, world.records, world.store, made, world.content, self.containers, self.snapshots(),
            lambda: self.volumes,
        )  # fmt: skip

    def snapshots(self) -> Any:
        def sweep(keys: Collection[str]) -> None:
            self.swept.append(set(keys))

        return SimpleNamespace(name="erofs", keys=lambda: list(self.keys), remove=self.keys.remove, sweep=sweep)

    def run(self, *, mend: bool = False) -> list[Finding]:
        async def run() -> list[Finding]:
            return [finding async for finding in self.fsck.run(How(mend=mend))]

        return asyncio.run(run())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(checks, "PAUSE", 0)
    made = Site(tmp_path)
    yield made
    made.world.close()


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.level, finding.check, finding.mended) for finding in findings]


def test_all_is_well(site: Site) -> None:
    assert site.run() == []
    assert site.run(mend=True) == []
    assert site.swept == [{LIVE, COMING, RUNNING}]


def test_what_is_of_no_container(site: Site) -> None:
    (site.root / "containers" / STRAY).mkdir()
    (site.root / "containers" / COMING).mkdir()
    site.keys += [STRAY, COMING, RUNNING, "build-1"]
    assert told(site.run()) == [("garbage", "containers", "")] * 2
    found = site.run(mend=True)
    assert told(found) == [("garbage", "containers", "removed")] * 2
    assert [finding.subject for finding in found] == [
        str(site.root / "containers" / STRAY), str(site.root / "layers/erofs/containers" / STRAY),
    ]  # fmt: skip
    assert not (site.root / "containers" / STRAY).exists()
    assert (site.root / "containers" / COMING).exists()
    assert site.keys == [LIVE, COMING, RUNNING, "build-1"]
    assert site.run() == []


def test_nothing_is_removed_while_a_damaged_database_is_there(site: Site) -> None:
    (site.root / "containers" / STRAY).mkdir()
    Path(site.world.records.path + ".damaged").touch()
    assert told(site.run(mend=True)) == [("note", "records", "")]
    assert (site.root / "containers" / STRAY).exists()


def test_a_container_without_its_files(site: Site) -> None:
    site.keys.clear()
    (found,) = site.run(mend=True)
    assert (found.level, found.subject) == ("problem", LIVE)
    assert "the files that container web has written are gone" in found.text


def test_leftovers(site: Site) -> None:
    here = site.world.content.put(b"x")
    for digest in (here, "sha256:" + "5" * 64):
        with site.world.content.partial(digest) as partial:
            partial.write(b"x")
    old, new = site.root / "ingest" / "old", site.root / "ingest" / "new"
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - OLD - 5,) * 2)

    async def mended() -> list[Finding]:
        async with site.world.layers.hold([here]):
            return [finding async for finding in site.fsck.run(How(mend=True))]

    found = asyncio.run(mended())
    assert told(found) == [("garbage", "leftovers", "removed")] * 2
    assert f"an unfinished download of {here}, which is here" in found[0].text
    assert (old.exists(), new.exists()) == (False, True)
    assert [path.name for path in (site.root / "partial").iterdir()] == ["5" * 64]


def test_what_is_not_ours_is_left_alone(site: Site) -> None:
    for path in ("lost+found", "volumes/data", "volumes/strange", "quarantine", f"layers/copy/layers/{'d' * 64}"):
        (site.root / path).mkdir(parents=True)
    found = site.run(mend=True)
    assert {finding.subject.removeprefix(f"{site.root}/") for finding in found} == {
        "lost+found", "volumes/strange", "quarantine", f"layers/copy/layers/{'d' * 64}",
    }  # fmt: skip
    assert {finding.level for finding in found} == {"note"}
    assert (site.root / "volumes/strange").exists()


def test_records(site: Site) -> None:
    with closing(sqlite3.connect(site.world.records.path, isolation_level=None)) as db:
        db.execute("INSERT INTO image VALUES ('sha256:x', '{')")
        db.execute("INSERT INTO tag VALUES ('docker.io/library/x:1', 'nobody')")
    found = site.run()
    assert told(found) == [("problem", "records", "")] * 2
    assert "tag" in found[0].text
    assert "image sha256:x has a record that cannot be read" in found[1].text


def test_summary() -> None:
    findings = [
        Finding("problem", "layers", "a", "", "put into quarantine, made again of b"),
        Finding("problem", "layers", "c", "", "put into quarantine"),
        Finding("garbage", "content", "d", ""),
    ]
    assert summary(findings, How(seen=9)) == {
        "Problems": 2, "Garbage": 1, "Notes": 0, "Unmended": 1, "BytesRead": 9,
    }  # fmt: skip
