"""Classic requests."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.building import Workshop

from carrack.engine.build import order
from carrack.engine.build.order import Asked
from carrack.engine.build.request import Files, Request
from carrack.errors import InvalidArgument, NotFound
from carrack.registry.credentials import ANONYMOUS, Credentials


def context_of(made: Request) -> Files:
    async def run() -> Files:
        return await made.context()

    return asyncio.run(run())


def test_request(workshop: Workshop) -> None:
    tree = workshop.context(
        {"d/File": "FROM a AS x\nRUN y\nFROM b", "d/File.dockerignore": "*.md", ".dockerignore": "*"}
    )
    made = order.request(Asked("d/File", ("n:1",), {"A": "1"}, {"l": "1"}, "x", "linux/arm64", "host"), tree)
    assert (made.target, str(made.platform), made.network, made.style) == ("x", "linux/arm64", "host", "classic")
    assert [stage.index for stage in order.told(made)] == [0]
    files = context_of(made)
    assert files.hidden is not None
    assert (files.hidden("a.md"), files.hidden("a.txt")) == (True, False)
    tree.close()


def test_without_ignored_files(workshop: Workshop) -> None:
    tree = workshop.context({"Dockerfile": "FROM a"})
    files = context_of(order.request(Asked(), tree))
    assert files.hidden is None
    tree.close()


def test_no_dockerfile(workshop: Workshop) -> None:
    tree = workshop.context({"d/x": "1"})
    with pytest.raises(NotFound, match="Cannot locate specified Dockerfile: Dockerfile"):
        order.request(Asked(), tree)
    with pytest.raises(InvalidArgument, match="must be a file"):
        order.request(Asked("d"), tree)
    tree.close()


def test_agents() -> None:
    async def run() -> None:
        me = Credentials(username="me", password="x")
        given = order.Given({"https://index.docker.io/v1/": me, "r:5000": me})
        assert await given.credentials("docker.io") == me
        assert await given.credentials("r:5000") == me
        assert await given.credentials("other") == ANONYMOUS
        assert await given.secret("s") is None
        async with given.ssh("default") as path:
            assert path is None

    asyncio.run(run())
