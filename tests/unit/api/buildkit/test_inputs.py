"""What a build reads, from its client and from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.fakes.building import NoAgents, NoFetcher, Workshop
from tests.fakes.buildkit import FakeCaller, FakeSession, Sender
from tests.unit.engine.build.test_service import builder

from carrack.api.buildkit import attributes
from carrack.api.buildkit.inputs import Inputs
from carrack.engine.build.fetching import Remote
from carrack.engine.build.policies import ALLOW, DENY, Policy, Rule
from carrack.engine.build.recording import Recording
from carrack.engine.build.request import Elsewhere
from carrack.errors import Forbidden, NotFound, NotSupported

URL = "http://h/c.tar"


class Upload:
    """Plays buildx that has an archive on its standard input."""

    def __init__(self) -> None:
        self._pieces = [b"arch", b"ive"]
        self.ended = False

    async def send_request(self) -> None:
        pass

    async def end(self) -> None:
        self.ended = True

    async def recv_message(self) -> Any:
        assert self.ended, "it would reset the call"
        return {"data": self._pieces.pop(0)} if self._pieces else None


def look(
    workshop: Workshop, attrs: dict[str, str], act: Callable[[Inputs], Awaitable[Any]], **folders: dict[str, str]
) -> tuple[Any, NoFetcher, FakeCaller, Recording]:
    trees = {
        URL: Remote(workshop.context({"Dockerfile": "FROM far", "f": "far"})),
        "http://h/d": Remote(workshop.context({"context": "FROM alone"}), "context"),
        "git://h/r": Remote(workshop.context({"Dockerfile": "FROM git"})),
        "http://h/deep": Remote(workshop.context({"Dockerfile": "FROM deep", "a/b/in": "x"})),
        "archive": Remote(workshop.context({"Dockerfile": "FROM sent"})),
    }
    fetcher, upload = NoFetcher(trees), Upload()
    caller = FakeCaller({name: Sender(files) for name, files in folders.items()}, target=upload)  # type: ignore[arg-type]
    session: Any = FakeSession(caller)
    made = builder(workshop)
    made.fetcher = fetcher
    watching = Recording()

    async def run() -> Any:
        async with AsyncExitStack() as held:
            return await act(Inputs(made, session, NoAgents(), attributes.read(attrs), watching, held))

    try:
        return asyncio.run(run()), fetcher, caller, watching
    finally:
        for each in trees.values():
            each.tree.close()


async def definition(inputs: Inputs) -> bytes:
    return await inputs.definition()


async def context(inputs: Inputs) -> list[bytes]:
    await inputs.definition()
    return (await inputs.context()).tree.names(b"")


def test_a_client_with_a_name_in_small_letters(workshop: Workshop) -> None:
    files = {"dockerfile": "FROM small", "dockerfile.dockerignore": "", ".dockerignore": "x"}
    assert look(workshop, {}, definition, dockerfile=files)[0] == b"FROM small"


@pytest.mark.parametrize(
    ("attrs", "text"),
    [
        ({"context": URL}, b"FROM far"),
        ({"context": "http://h/d"}, b"FROM alone"),
        ({"context": "git://h/r"}, b"FROM git"),
        ({"context": "http://buildkit-session/id"}, b"FROM sent"),
        ({"context": URL, "dockerfilekey": "dockerfile"}, b"FROM here"),
    ],
)
def test_contexts_from_elsewhere(workshop: Workshop, attrs: dict[str, str], text: bytes) -> None:
    found, _, caller, _ = look(workshop, attrs, definition, dockerfile={"Dockerfile": "FROM here"})
    assert found == text
    if "session" in attrs["context"]:
        assert caller.opened == [("/moby.upload.v1.Upload/Pull", [("urlpath", "/id"), ("urlhost", "buildkit-session")])]


def test_one_from_elsewhere_is_fetched_once(workshop: Workshop) -> None:
    keep = {"build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1"}
    names, fetcher, _, watching = look(workshop, {"context": URL, **keep}, context)
    assert names == [b"Dockerfile", b"f"]
    assert fetcher.asked == [(URL, {"keep_git_dir": True})]
    assert [event["what"] for event in watching.events if event["do"] == "move"] == [f"transferring {URL}"]


def test_a_folder_of_one_from_elsewhere(workshop: Workshop) -> None:
    assert look(workshop, {"context": "http://h/deep", "contextsubdir": "/a/b/"}, context)[0] == [b"in"]
    with pytest.raises(NotFound, match="no folder a/none"):
        look(workshop, {"context": "http://h/deep", "contextsubdir": "a/none"}, context)


def test_what_a_policy_denies_is_not_asked_for(workshop: Workshop) -> None:
    async def denied(inputs: Inputs) -> str:
        rules = Policy((Rule(DENY, "*"), Rule(ALLOW, "local://dockerfile")))
        inputs.policy = rules
        await inputs.definition()
        with pytest.raises(Forbidden) as raised:
            await inputs.context()
        return str(raised.value)

    text, _, _, _ = look(workshop, {}, denied, dockerfile={"Dockerfile": "FROM here"})
    assert 'evaluating the source policy: source "local://context" denied by policy' in text


def test_named_ones(workshop: Workshop) -> None:
    async def opened(inputs: Inputs, text: str) -> list[bytes]:
        found = inputs.named("n", text)
        assert not isinstance(found, str | Elsewhere)
        return (await found()).tree.names(b"")

    assert look(workshop, {}, lambda inputs: opened(inputs, "git://h/r"))[0] == [b"Dockerfile"]
    found, fetcher, _, _ = look(workshop, {}, lambda inputs: opened(inputs, URL))
    assert (found, fetcher.asked) == ([b"Dockerfile", b"f"], [(URL, {"unpack": False})])
    assert look(workshop, {}, lambda inputs: opened(inputs, "local:n"), n={"x": "1"})[0] == [b"x"]


def test_what_is_not_there(workshop: Workshop) -> None:
    async def named(inputs: Inputs) -> Any:
        return inputs.named("n", "docker-image://a:1")

    async def unknown(inputs: Inputs) -> Any:
        return inputs.named("n", "cvs://x")

    assert look(workshop, {}, named)[0] == "a:1"
    with pytest.raises(NotSupported, match="n=cvs"):
        look(workshop, {}, unknown)
    with pytest.raises(NotFound):
        look(workshop, {"context": "http://h/none"}, definition)
