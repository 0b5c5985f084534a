"""What is made of the examples against what a real dockerd makes of them: as recorded, and beside one that runs now.

Those that install packages are compared with what was recorded in tests/examples, where they are built; with
``CARRACK_TEST_LIVE`` a dockerd builds them, too, and the long chain, and all the projects.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.builds import dockerd, project, record
from tests.builds.examples import EXAMPLES, NOT_CLASSIC
from tests.builds.noise import settled
from tests.builds.outcome import Document, differences
from tests.cli import busybox
from tests.cli.running import CommandLine, DaemonProcess
from tests.clients import images, packages
from tests.examples import indexes
from tests.examples.kitchen import ssh_agent

pytestmark = pytest.mark.root

WAYS = [
    (name, way)
    for name in EXAMPLES
    for way in ("buildx", "classic", "carrack")
    if not (way == "classic" and name in NOT_CLASSIC) and not (way == "carrack" and EXAMPLES[name].session)
]
SMALL = [each for each in WAYS if not EXAMPLES[each[0]].needs]
LIVE = "CARRACK_TEST_LIVE" in os.environ


class Side:
    """An engine, and how each way to build is asked of it; ``lacks`` is why there is no buildx."""

    def __init__(self, environment: dict[str, str], carrack: list[str], lacks: str = "") -> None:
        self._environment = environment
        self._carrack = carrack
        self._lacks = lacks

    def build(self, name: str, way: str, folder: Path, base: bytes) -> Document:
        """What comes of an example."""
        example = EXAMPLES[name]
        below = record.debian()[1] if example.base.startswith("debian") else base
        return record.built_example(*self._words(way, bool(example.needs)), example, folder, below)

    def build_project(self, name: str, way: str, folder: Path, base: bytes) -> Document:
        """What comes of a project."""
        made = project.read(name)
        made.write(folder)
        return record.built(*self._words(way, False), (*made.options, "."), folder, base)

    def _words(self, way: str, network: bool) -> tuple[list[str], list[str], dict[str, str]]:
        if way == "carrack":
            return self._carrack, ["build"], self._environment
        if way == "buildx":
            if self._lacks:
                pytest.skip(self._lacks)
            return ["docker"], record.BUILDX, self._environment
        verb = record.CLASSIC[:2] if network else record.CLASSIC
        return ["docker"], verb, {**self._environment, "DOCKER_BUILDKIT": "0"}


@pytest.fixture(scope="module")
def base() -> bytes:
    """The tar of the files of the base image."""
    archive = busybox.root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    return archive


@pytest.fixture(scope="module")
def agent() -> Iterator[str]:
    """Of the keys that an example asks for, which is built where `LIVE`; else ""."""
    if not LIVE:
        yield ""
        return
    with ssh_agent() as sock:
        yield sock


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, base: bytes, agent: str) -> Iterator[Side]:
    """Our engine with the base images."""
    if not shutil.which("docker"):
        pytest.skip("the real docker command is not on the PATH")
    process = DaemonProcess(tmp_path_factory.mktemp("daemon"))
    try:
        process.start()
        command = CommandLine("carrack", process)
        for words in (record.IMPORT, busybox.IMPORT):
            command(*words, stdin=base)
        if LIVE:
            images.provide(process, images.BASE)
        yield Side({**process.environment, "SSH_AUTH_SOCK": agent}, command.program, _link_buildx(process))
    finally:
        process.stop()


def _link_buildx(process: DaemonProcess) -> str:
    """Give the docker command of a test buildx; why that cannot be, else ""."""
    try:
        program = packages.buildx()
    except packages.NotToBeHad as problem:
        return str(problem)
    plugins = process.root / "client" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(program)
    return ""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, ours: Side, base: bytes, agent: str) -> Iterator[Side]:
    """A real dockerd with the same."""
    if why := dockerd.missing():
        pytest.skip(why)
    own = dockerd.Dockerd(tmp_path_factory.mktemp("dockerd"), outside=LIVE)
    try:
        with record.client(own.host) as environment:
            record.provide(environment, base, with_debian=LIVE)
            yield Side({**environment, "SSH_AUTH_SOCK": agent}, [])
    except packages.NotToBeHad as problem:
        pytest.skip(str(problem))
    finally:
        own.close()


def same(way: str, document: Document, expected: Document) -> None:
    assert "error" not in document, document["error"]
    assert "error" not in expected, expected["error"]
    if way == "classic":  # what was copied has a digest of its contents in history, which is of another kind with us
        for each in (document, expected):
            each["history"] = [[re.sub("[0-9a-f]{64}", "…", line), *more] for line, *more in each["history"]]
    found = differences(document, expected)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("name", "way"), SMALL)
def test_as_recorded(name: str, way: str, ours: Side, base: bytes, tmp_path: Path) -> None:
    made = settled(ours.build(name, way, tmp_path, base), EXAMPLES[name], recorded=True)
    same(way, made, json.loads(record.path_of(name, way == "classic", examples=True).read_text()))


@pytest.mark.parametrize(("name", "way"), [each for each in WAYS if each[1] != "carrack"])
def test_as_a_dockerd_makes_it_now(name: str, way: str, ours: Side, theirs: Side, base: bytes, tmp_path: Path) -> None:
    if not LIVE and (EXAMPLES[name].needs or name == "chain"):
        pytest.skip("CARRACK_TEST_LIVE is not set, without which those are built that take seconds")
    for program in EXAMPLES[name].needs:
        indexes.needed(program)
    both: list[Document] = []
    for side in (ours, theirs):
        folder = tmp_path / f"{len(both)}"
        both.append(settled(side.build(name, way, folder, base), EXAMPLES[name], recorded=False))
    same(way, *both)


@pytest.mark.skipif(not LIVE, reason="CARRACK_TEST_LIVE is not set")
@pytest.mark.parametrize("way", ["buildx", "classic"])
@pytest.mark.parametrize("name", project.names())
def test_projects(name: str, way: str, ours: Side, theirs: Side, base: bytes, tmp_path: Path) -> None:
    if way == "classic" and name in record.NOT_CLASSIC:
        pytest.skip(record.NOT_CLASSIC[name])
    both: list[Document] = []
    for side in (ours, theirs):
        folder = tmp_path / f"{len(both)}"
        folder.mkdir()
        both.append(side.build_project(name, way, folder, base))
    same(way, record.without_attributes(name, both[0]), both[1])
