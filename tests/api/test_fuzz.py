"""Bytes on the socket: never a hang, never a 500, never a dead daemon."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.play import Player
from tests.api.steps import Step
from tests.api.wire import Answer, Closed, Wire

pytestmark = pytest.mark.root

PATIENCE = 5.0
_SETTINGS = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CAKE", "", "get"])
PATHS = st.sampled_from([
    "/_ping", "/version", "/info", "/containers/json", "/containers/create", "/containers/x/json",
    "/containers/x/start",
    "/containers/x/attach", "/containers/x/logs", "/containers/x/archive", "/containers/x/wait", "/containers/prune",
    "/exec/x/start", "/exec/x/json", "/images/json", "/images/load", "/images/create", "/images/x/y/json",
    "/images/get",
    "/volumes", "/volumes/create", "/volumes/prune", "/networks", "/networks/bridge", "/networks/create", "/events",
    "/system/df", "/commit", "/auth", "/build", "/swarm", "//", "/../..", "/%2e%2e/%00", "*", "http://x/_ping", "",
])  # fmt: skip
WORDS = st.sampled_from(
    ["", "0", "1", "-1", "true", "cake", "1e9", "99999999999999999999", "{}", "[]", "%", "%zz", "\u00e9", "a;b"]
)
NAMES = st.sampled_from(
    ["all", "limit", "size", "filters", "path", "since", "until", "name", "repo", "tag", "h", "w", "t", "type"]
)
QUERIES = st.lists(st.tuples(NAMES, WORDS), max_size=3).map(lambda pairs: "&".join(f"{k}={v}" for k, v in pairs))
VERSIONS = st.sampled_from(["", "/v1.41", "/v1.51", "/v1.20", "/v9.9", "/v1", "/v..", "/vx"])
HEADERS = st.lists(
    st.sampled_from([
        "Host: d", "Content-Type: application/json", "Content-Type: cake", "Content-Length: 4", "Content-Length: 0",
        "Content-Length: -1", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Expect: 100-continue",
        "Connection: close", "Connection: Upgrade", "Upgrade: tcp", "Upgrade: websocket", "Upgrade: h2c",
        "Sec-WebSocket-Key: cake", "Sec-WebSocket-Version: 13", "Range: bytes=0-1", "X: \u00e9",
        "X-Registry-Auth: cake",
    ]),
    max_size=5,
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Image", "Cmd", "HostConfig", "Env", "Mounts", "Name", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
BODIES = st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode())


def exchange(player: Player, data: bytes) -> Answer | None:
    """The first answer to bytes after which we half-close; None when the server just closes."""
    with Wire(player.socket, PATIENCE) as wire:
        wire.send(data)
        wire.shut()
        try:
            return wire.head()
        except Closed:
            return None
        except TimeoutError:
            pytest.fail(f"silence after {data!r}")


@_SETTINGS
@given(METHODS, VERSIONS, PATHS, QUERIES, HEADERS, BODIES)
def test_requests_put_together_at_random(
    player: Player, method: str, version: str, path: str, query: str, headers: list[str], body: bytes
) -> None:
    head = "\r\n".join([f"{method} {version}{path}?{query} HTTP/1.1", *headers])
    answer = exchange(player, head.encode("latin-1", "replace") + b"\r\n\r\n" + body)
    if answer is not None:
        assert answer.status != 500, (head, body, answer)


@_SETTINGS
@given(st.binary(max_size=200))
def test_bytes_at_random(player: Player, data: bytes) -> None:
    answer = exchange(player, data)
    assert answer is None or answer.status != 500


@settings(_SETTINGS, max_examples=60)
@given(JSON, st.sampled_from(["/containers/create", "/volumes/create", "/networks/create", "/containers/x/exec"]))
def test_bodies_at_random(player: Player, value: object, target: str) -> None:
    answer = player.request(Step("fuzz", "POST", target, json=value))
    assert answer.status < 500 or answer.status in (501, 503), answer.body


def test_the_daemon_is_as_alive_as_before(player: Player) -> None:
    player.clean()
    assert player.request(Step("ping", "GET", "/_ping")).body == b"OK"
