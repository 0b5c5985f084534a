from __future__ import annotations

from pathlib import Path

from tests.fakes.api_server import serving

from carrack.client import builds


def test_requests(tmp_path: Path) -> None:
    answers = {
        "GET /builds/json": (200, [{"Ref": "a"}]),
        "GET /builds/%5E1/json": (200, {"Ref": "b"}),
        "GET /builds/b/logs": (200, {"do": "log"}),
        "DELETE /builds/b": (204, None),
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert builds.listing(daemon) == [{"Ref": "a"}]
        assert builds.inspect(daemon, "^1") == {"Ref": "b"}
        assert list(builds.logs(daemon, "b")) == [{"do": "log"}]
        builds.remove(daemon, "b")
        daemon.close()
