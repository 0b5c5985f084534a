from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.api_server import Answer, serving

from carrack.client import containers
from carrack.client.transport import Daemon


@pytest.mark.parametrize(
    ("action", "answer", "request_line"),
    [
        (
            lambda d: containers.create(d, {}, "n", "linux/amd64"),
            (201, {"Id": "1"}),
            "POST /containers/create?name=n&platform=linux%2Famd64",
        ),
        (lambda d: containers.start(d, "c"), (204, None), "POST /containers/c/start?"),
        (lambda d: containers.stop(d, "c", "INT", 3), (204, None), "POST /containers/c/stop?signal=INT&t=3"),
        (lambda d: containers.stop(d, "c", restart=True), (204, None), "POST /containers/c/restart?"),
        (lambda d: containers.stop(d, "c", timeout=0), (304, None), "POST /containers/c/stop?t=0"),
        (lambda d: containers.kill(d, "../x"), (204, None), "POST /containers/..%2Fx/kill?"),
        (lambda d: containers.act(d, "c", "pause"), (204, None), "POST /containers/c/pause?"),
        (lambda d: containers.rename(d, "c", "e f"), (204, None), "POST /containers/c/rename?name=e%20f"),
        (lambda d: containers.update(d, "c", {"Memory": 1}), (200, {"Warnings": []}), "POST /containers/c/update?"),
        (
            lambda d: containers.remove(d, "c", force=True, volumes=True),
            (204, None),
            "DELETE /containers/c?force=1&v=1",
        ),
        (lambda d: containers.listing(d, everything=True, limit=2), (200, []), "GET /containers/json?all=1&limit=2"),
        (
            lambda d: containers.listing(d, everything=True, fields="Id,Names"),
            (200, []),
            "GET /containers/json?all=1&fields=Id%2CNames",
        ),
        (lambda d: containers.inspect(d, "c", size=True), (200, {}), "GET /containers/c/json?size=1"),
        (lambda d: containers.wait(d, "c", "removed").read(), (200, {}), "POST /containers/c/wait?condition=removed"),
        (lambda d: containers.resize(d, "c", 2, 3), (200, None), "POST /containers/c/resize?h=2&w=3"),
        (lambda d: containers.logs(d, "c", {"tail": "3"}).read(), (200, None), "GET /containers/c/logs?tail=3"),
        (lambda d: containers.top(d, "c", "-ef"), (200, {}), "GET /containers/c/top?ps_args=-ef"),
        (lambda d: list(containers.stats(d, "c")), (200, {}), "GET /containers/c/stats?stream=true"),
        (lambda d: containers.ask_stats(d, "c")(), (200, {}), "GET /containers/c/stats?stream=false"),
        (lambda d: containers.changes(d, "c"), (200, None), "GET /containers/c/changes?"),
        (lambda d: containers.export(d, "c").read(), (200, None), "GET /containers/c/export?"),
        (lambda d: containers.commit(d, {"container": "c"}, {}), (201, {"Id": "i"}), "POST /commit?container=c"),
        (lambda d: containers.prune(d), (200, {}), "POST /containers/prune?"),
    ],
)
def test_requests(tmp_path: Path, action: Callable[[Daemon], object], answer: Answer, request_line: str) -> None:
    method, _, target = request_line.partition(" ")
    with serving(tmp_path / "s", {f"{method} {target.partition('?')[0]}": answer}) as server:
        daemon = server.daemon
        action(daemon)
        daemon.close()
    assert str(server.requests[-1]).replace("/v1.51", "") == request_line


def test_attach(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 101 UPGRADED\r\n\r\nhello"
    with serving(tmp_path / "s", {"POST /containers/c/attach": answer}) as server:
        stream, _ = containers.attach(server.daemon, "c", stdin=True, stdout=True, stderr=False, detach_keys="x")
        assert stream.read() == b"hello"
        stream.close()
    assert server.requests[0].query == "stream=1&stdin=1&stdout=1&detachKeys=x"
