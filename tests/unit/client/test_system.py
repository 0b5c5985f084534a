from __future__ import annotations

from pathlib import Path

from tests.fakes.api_server import serving

from carrack.client import system


def test_requests(tmp_path: Path) -> None:
    answers = {
        "GET /version": (200, {"Version": "1"}),
        "GET /info": (200, {"NCPU": 2}),
        "GET /system/df": (200, {"LayersSize": 0}),
        "GET /events": (200, {"Action": "start"}),
        "POST /build/prune": (200, {}),
        "GET /system/df/explain": (200, {"Rows": []}),
        "POST /system/gc": (200, {"Steps": []}),
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert system.version(daemon) == {"Version": "1"}
        assert system.info(daemon) == {"NCPU": 2}
        assert system.disk_usage(daemon) == {"LayersSize": 0}
        assert list(system.events(daemon, {"since": "1"})) == [{"Action": "start"}]
        assert system.build_prune(daemon, {"all": True}) == {}
        assert system.explained(daemon) == {"Rows": []}
        assert system.collect(daemon, {"keep-last": "3"}, plan=True) == {"Steps": []}
        daemon.close()
    assert [request.query for request in server.requests[3:]] == ["since=1", "all=1", "", "keep-last=3&plan=1"]
