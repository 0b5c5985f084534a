from __future__ import annotations

from pathlib import Path

from tests.fakes.api_server import serving

from carrack.client import networks


def test_requests(tmp_path: Path) -> None:
    answers = {
        "GET /networks": (200, []),
        "GET /networks/bridge": (200, {"Name": "bridge"}),
        "POST /networks/prune": (200, {}),
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert networks.listing(daemon) == []
        assert networks.inspect(daemon, "bridge", verbose=True) == {"Name": "bridge"}
        assert networks.prune(daemon) == {}
        daemon.close()
    assert server.requests[1].query == "verbose=1"
