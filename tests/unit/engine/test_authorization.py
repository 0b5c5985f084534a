"""What plugins answer, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import plugin as fake

from carrack.engine.authorization import REQUEST, RESPONSE, Authorizer
from carrack.engine.plugins.registry import Plugins
from carrack.errors import Forbidden, Internal, InvalidArgument


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[fake.Plugin]]:
    with ExitStack() as stack:
        made = [fake.Plugin(tmp_path / f"{name}.sock", tmp_path, ("authz",)) for name in ("first", "second")]
        for plugin in made:
            plugin.answers = {REQUEST: {"Allow": True}, RESPONSE: {"Allow": True}}
            stack.enter_context(plugin)
        yield made


def authorizer(tmp_path: Path, *names: str) -> Authorizer:
    return Authorizer(Plugins([str(tmp_path)], patience=0.05), names)


def test_all_are_asked_in_their_order_until_one_denies(tmp_path: Path, two: list[fake.Plugin]) -> None:
    first, second = two
    asked = authorizer(tmp_path, "second", "first", "second")
    assert asked.names == ("second", "first")
    asyncio.run(asked.ask(REQUEST, {"RequestMethod": "GET"}))
    assert first.called(REQUEST) == second.called(REQUEST) == [{"RequestMethod": "GET"}]
    second.answers[RESPONSE] = {"Allow": False, "Msg": "not this"}
    with pytest.raises(Forbidden, match=r"^authorization denied by plugin second: not this$"):
        asyncio.run(asked.ask(RESPONSE, {}))
    assert first.called(RESPONSE) == []


@pytest.mark.parametrize(
    ("answer", "failure", "words"),
    [
        ({}, Forbidden, "authorization denied by plugin first: $"),
        ({"Allow": 1}, Forbidden, "denied"),
        ({"Allow": "true"}, Forbidden, "denied"),
        ({"Allow": True, "allow": False}, Forbidden, "denied"),
        ({"Allow": None}, Forbidden, "denied"),
        ({"Allow": False, "Msg": 7}, Forbidden, "first: $"),
        ({"Allow": True, "Err": "broken"}, Internal, "^plugin first failed with error: broken$"),
        (500, Internal, "^plugin first failed with error: AuthZPlugin.AuthZReq"),
        (b"junk", Internal, "^plugin first failed with error: "),
        (b"[true]", Internal, "^plugin first failed with error: "),
    ],
)
def test_what_is_no_plain_yes_is_no(
    tmp_path: Path, two: list[fake.Plugin], answer: Any, failure: type[Exception], words: str
) -> None:
    two[0].answers[REQUEST] = answer
    with pytest.raises(failure, match=words):
        asyncio.run(authorizer(tmp_path, "first", "second").ask(REQUEST, {}))
    assert two[1].called(REQUEST) == []


def test_an_answer_in_lower_case_counts(tmp_path: Path, two: list[fake.Plugin]) -> None:
    two[0].answers[REQUEST] = {"allow": True}
    asyncio.run(authorizer(tmp_path, "first").ask(REQUEST, {}))


def test_a_plugin_that_is_down_or_gone_fails_closed_until_it_is_back(tmp_path: Path, two: list[fake.Plugin]) -> None:
    async def main() -> None:
        asked = authorizer(tmp_path, "first")
        await asked.ask(REQUEST, {})
        await asyncio.to_thread(two[0].stop)
        with pytest.raises(Internal, match=r"^plugin first failed with error: "):
            await asked.ask(REQUEST, {})
        await asyncio.to_thread(two[0].start)
        await asked.ask(REQUEST, {})

    asyncio.run(main())


def test_only_plugins_that_can_be_asked_are_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        asked = authorizer(tmp_path)
        with pytest.raises(
            InvalidArgument, match=r'^failed to validate authorization plugin: plugin "first" not found'
        ):
            await asked.change(["first"])
        with fake.Plugin(tmp_path / "first.sock", tmp_path, ("authz",)):
            await asked.change(["first"])
        with fake.Plugin(tmp_path / "volume.sock", tmp_path):
            await asked.take(["volume"])
        assert asked.names == ("first",)
        await asked.take([])
        assert not asked.names

    asyncio.run(main())
    assert "the authorization plugins stay as they were" in caplog.text
