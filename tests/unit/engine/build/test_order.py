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
    assert not files.hidden("d/File"), "the patterns say nothing of it"
    tree.close()


def test_what_the_client_had_to_send_is_left_out_where_it_says_so(workshop: Workshop) -> None:
    tree = workshop.context({"Dockerfile": "FROM a", ".dockerignore": "*"})
    files = context_of(order.request(Asked(), tree))
    assert files.hidden is not None
    assert [files.hidden(name) for name in ("Dockerfile", ".dockerignore", "other")] == [True, True, False]
    files = context_of(order.request(Asked(remote="http://x/", style="buildkit"), tree))
    assert files.hidden is None
    tree.close()


def test_a_name_in_small_letters(workshop: Workshop) -> None:
    tree = workshop.context({"dockerfile": "FROM a"})
    assert order.read(tree, "Dockerfile") == b"FROM a"
    with pytest.raises(NotFound):
        order.read(tree, "Other")
    tree.close()


def test_a_dockerfile_alone_is_no_context(workshop: Workshop) -> None:
    tree = workshop.context({"context": "FROM a"})
    made = order.request(Asked("context", remote="http://x/y"), tree, alone=True)
    with pytest.raises(InvalidArgument, match="missing build context: http://x/y"):
        context_of(made)
    tree.close()


@pytest.mark.parametrize(
    ("value", "style", "kept"), [("1", "buildkit", True), ("false", "buildkit", False), ("", "classic", True)]
)
def test_whether_a_repository_keeps_its_git_folder(value: str, style: str, kept: bool) -> None:
    assert order.keeps_git(Asked(arguments={order.KEEP_GIT_DIR: value}, style=style)) == kept
    with pytest.raises(InvalidArgument, match="must be true or false"):
        order.git_dir_kept({order.KEEP_GIT_DIR: "maybe"})


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
        assert await order.Given({}, {"s": b"x"}).secret("s") == b"x"
        assert await given.secret("s") is None
        async with given.ssh("default") as path:
            assert path is None

    asyncio.run(run())
