from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import plugin as fake

from carrack.engine.plugins.client import LIMIT, Plugin, PluginError, text, too_deep
from carrack.errors import Internal, Unavailable
from carrack.http.outgoing import Peer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[fake.Plugin]:
    with fake.Plugin(tmp_path / "p.sock", tmp_path / "volumes") as running:
        yield running


def call(server: fake.Plugin, method: str, timeout: float = 5, patience: float = 0.2) -> dict[str, Any]:
    plugin = Plugin("p", Peer(path=str(server.socket)), patience=patience)
    return asyncio.run(plugin.call(method, {"Name": "v"}, timeout=timeout))


def test_a_call(server: fake.Plugin) -> None:
    server.answers["M"] = {"a": [1]}
    assert call(server, "M") == {"a": [1]}
    assert server.calls == [("M", {"Name": "v"})]
    assert server.heads[0]["accept"] == "application/vnd.docker.plugins.v1.2+json"


def test_hands_are_shaken_once(server: fake.Plugin) -> None:
    async def play() -> None:
        plugin = Plugin("p", Peer(path=str(server.socket)))
        one, other = await asyncio.gather(plugin.activate(), plugin.activate())
        assert one == other == ("VolumeDriver",)

    asyncio.run(play())
    assert len(server.called("Plugin.Activate")) == 1


@pytest.mark.parametrize("answer", [{}, {"Implements": "x"}, {"Implements": [1]}])
def test_hands_are_not_shaken_so(server: fake.Plugin, answer: dict[str, Any]) -> None:
    server.answers["Plugin.Activate"] = answer
    with pytest.raises(Internal, match="does not tell what it implements"):
        asyncio.run(Plugin("p", Peer(path=str(server.socket))).activate())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((500, {"Err": "no room"}), "M: no room"),
        ((500, b"plain words\n"), "M: plain words"),
        ((404, b""), "M: status 404"),
        ((500, b"[" * 50_000), r"M: \[\["),
    ],
)
def test_refusals_have_the_plugins_words(server: fake.Plugin, answer: Any, told: str) -> None:
    server.answers["M"] = lambda body: answer
    with pytest.raises(PluginError, match=told):
        call(server, "M")


@pytest.mark.parametrize("answer", [b"{", b"[]", b"null", b'"x"', b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 50_000])
def test_what_is_no_object_is_refused(server: fake.Plugin, answer: bytes) -> None:
    server.answers["M"] = answer
    with pytest.raises(Internal, match="no JSON object"):
        call(server, "M")


def test_an_endless_answer_is_cut(server: fake.Plugin) -> None:
    server.answers["M"] = b" " * (LIMIT + 1)
    with pytest.raises(Unavailable, match="more than"):
        call(server, "M")


def test_a_slow_one_is_given_up(server: fake.Plugin) -> None:
    over = threading.Event()
    server.answers["M"] = lambda body: over.wait(10) and {}
    with pytest.raises(Unavailable, match=r"no answer within 0\.1 seconds"):
        call(server, "M", timeout=0.1)
    over.set()


def test_one_that_is_down_is_tried_again(server: fake.Plugin) -> None:
    server.stop()
    with pytest.raises(Unavailable, match="p cannot be reached"):
        call(server, "M", patience=0)
    later = threading.Timer(0.15, server.start)
    server.answers["M"] = {"up": 1}
    later.start()
    assert call(server, "M", patience=10) == {"up": 1}


def test_texts_are_checked(server: fake.Plugin) -> None:
    plugin = Plugin("p", Peer(path="/s"))
    assert text(plugin, "M", {"a": "b"}, "a") == "b"
    assert text(plugin, "M", {}, "a") == text(plugin, "M", {"a": None}, "a") == ""
    for wrong in (1, ["b"], "a\0b"):
        with pytest.raises(Internal, match="'a' of its answer is no text"):
            text(plugin, "M", {"a": wrong}, "a")


def test_depth() -> None:
    assert not too_deep({"a": [{"b": 1}]})
    assert too_deep({"a": [{"b": 1}]}, 3)
