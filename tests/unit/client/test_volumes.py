from __future__ import annotations

from pathlib import Path

from tests.fakes.api_server import serving

from carrack.client import volumes


def test_requests(tmp_path: Path) -> None:
    answers = {
        "POST /volumes/create": (201, {"Name": "v"}),
        "GET /volumes": (200, {"Volumes": None}),
        "GET /volumes/v": (200, {"Name": "v"}),
        "DELETE /volumes/v": (204, None),
        "POST /volumes/prune": (200, {"VolumesDeleted": []}),
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert volumes.create(daemon, {"Name": "v"}) == {"Name": "v"}
        assert volumes.listing(daemon, {"dangling": {"true": True}}) == {"Volumes": None}
        assert volumes.inspect(daemon, "v") == {"Name": "v"}
        volumes.remove(daemon, "v", force=True)
        volumes.prune(daemon)
        daemon.close()
    assert server.requests[0].document == {"Name": "v"}
    assert server.requests[3].query == "force=1"
