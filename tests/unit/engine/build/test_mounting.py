"""What a RUN has mounted, without any mount made; with them in tests/cli/test_build.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.fakes.building import NoAgents, Workshop
from tests.fakes.images import HOST

from carrack.dockerfile import file
from carrack.dockerfile.mounts import Mount
from carrack.engine.build.cachemounts import CacheMounts
from carrack.engine.build.mounting import Mounts
from carrack.engine.build.request import Files, Request
from carrack.engine.build.results import Result
from carrack.engine.build.running import Bound
from carrack.engine.build.scratch import Scratch
from carrack.engine.build.state import State
from carrack.engine.build.steps import RunStep
from carrack.errors import InvalidArgument


class Places(Scratch):
    """Folders where there would be mounts."""

    def memory(self, size: str = "") -> Path:
        return self._new()

    def remove(self, place: Path) -> None:
        for each in place.iterdir():
            each.unlink()
        place.rmdir()


class Agents(NoAgents):
    """A client with one secret and one agent."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "agent"

    async def secret(self, name: str) -> bytes | None:
        return b"hush" if name == "token" else None

    @asynccontextmanager
    async def ssh(self, name: str) -> AsyncIterator[str | None]:
        self._socket.touch()
        yield str(self._socket) if name == "default" else None


def open_all(
    workshop: Workshop, folder: Path, *mounts: Mount, scripts: tuple[tuple[str, str], ...] = ()
) -> tuple[list[Bound], Mapping[str, str], list[bytes]]:
    async def run() -> tuple[list[Bound], Mapping[str, str], list[bytes]]:
        tree = workshop.context({"sub/f": "1"})
        made = Mounts(
            workshop.tools, CacheMounts(folder / "caches"), Places(folder / "run", workshop.tools.snapshotter)
        )

        async def files(name: str) -> Files | Result:
            return Result(State({}), HOST, ("sha256:stage",)) if name else Files(tree)

        async def context() -> Files:
            return Files(tree)

        request = Request(file.parse("FROM x"), context, HOST, HOST, Agents(folder))
        step = RunStep(("x",), (), "/", "", mounts=mounts, scripts=scripts)
        async with made.open(step, files, request) as (bounds, env):
            read = [
                bound.source.read_bytes() for bound in bounds if bound.source is not None and bound.source.is_file()
            ]
        tree.close()
        return list(bounds), env, read

    return asyncio.run(run())


def test_binds(workshop: Workshop, tmp_path: Path) -> None:
    bounds, _, _ = open_all(
        workshop,
        tmp_path,
        Mount("bind", "/c", "sub", readonly=True),
        Mount("bind", "/s", "/a/../b", "stage", readonly=True),
    )
    context, stage = bounds
    assert len(context.layers) == 1
    assert workshop.world.layers.has(context.layers[0])
    assert (context.target, context.subpath) == ("/c", "context/sub")
    assert (stage.layers, stage.subpath) == (("sha256:stage",), "b")


def test_secrets(workshop: Workshop, tmp_path: Path) -> None:
    bounds, env, read = open_all(
        workshop, tmp_path,
        Mount("secret", id="token"), Mount("secret", id="token", env="TOKEN"), Mount("secret", id="none"),
        Mount("secret", "/etc/t", id="token", mode=0o444, uid=7),
    )  # fmt: skip
    assert [bound.target for bound in bounds] == ["/run/secrets/token", "/etc/t"]
    assert read == [b"hush", b"hush"]
    assert env == {"TOKEN": "hush"}
    assert list((tmp_path / "run").iterdir()) == []


def test_agents(workshop: Workshop, tmp_path: Path) -> None:
    bounds, env, _ = open_all(workshop, tmp_path, Mount("ssh"), Mount("ssh", id="other"))
    assert [bound.target for bound in bounds] == ["/run/buildkit/ssh_agent.0"]
    assert env == {"SSH_AUTH_SOCK": "/run/buildkit/ssh_agent.0"}


@pytest.mark.parametrize(
    "mount",
    [Mount("secret", id="none", required=True), Mount("ssh", id="none", required=True), Mount("tmpfs", "/a/..")],
)
def test_refused(workshop: Workshop, tmp_path: Path, mount: Mount) -> None:
    with pytest.raises(InvalidArgument):
        open_all(workshop, tmp_path, mount)


def test_others(workshop: Workshop, tmp_path: Path) -> None:
    bounds, _, read = open_all(
        workshop,
        tmp_path,
        Mount("tmpfs", "/t", size=5),
        Mount("cache", "/c", "../x"),
        scripts=(("/dev/pipes/E", "#!x"),),
    )
    assert bounds[0] == Bound("/t", tmpfs=True, size=5)
    assert (bounds[1].target, bounds[1].subpath) == ("/c", "x")
    assert (bounds[2].target, read) == ("/dev/pipes/E", [b"#!x"])


def test_digests(workshop: Workshop, tmp_path: Path) -> None:
    async def run(text: str) -> dict[str, str]:
        tree = workshop.context({"f": text})

        async def files(name: str) -> Files | Result:
            return Result(State({}), HOST, ("sha256:stage",)) if name else Files(tree)

        made = Mounts(workshop.tools, CacheMounts(tmp_path), Places(tmp_path, workshop.tools.snapshotter))
        mounts = (Mount("bind", "/c"), Mount("bind", "/s", origin="s"), Mount("cache", "/x"))
        found = await made.digests(RunStep(("x",), (), "/", "", mounts=mounts), files)
        tree.close()
        return found

    one, two = asyncio.run(run("1")), asyncio.run(run("2"))
    assert set(one) == {"context:", "s:"}
    assert one["context:"] != two["context:"]
    assert one["s:"] == two["s:"]
