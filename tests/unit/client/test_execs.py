from __future__ import annotations

from pathlib import Path

from tests.fakes.api_server import serving

from carrack.client import execs


def test_a_process_from_creation_to_its_code(tmp_path: Path) -> None:
    answers = {
        "POST /containers/c/exec": (201, {"Id": "e"}),
        "POST /exec/e/start": b"HTTP/1.1 101 UPGRADED\r\n\r\nout",
        "GET /exec/e/json": (200, {"ExitCode": 3}),
        "POST /exec/e/resize": (200, None),
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert execs.create(daemon, "c", {"Cmd": ["x"]}) == "e"
        stream = execs.attach(daemon, "e", terminal=True, size=[24, 80])
        assert stream.read() == b"out"
        stream.close()
        execs.resize(daemon, "e", 24, 80)
        assert execs.inspect(daemon, "e") == {"ExitCode": 3}
        daemon.close()
    assert server.requests[1].document == {"Detach": False, "Tty": True, "ConsoleSize": [24, 80]}
    assert server.requests[2].query == "h=24&w=80"


def test_detached(tmp_path: Path) -> None:
    with serving(tmp_path / "s", {"POST /exec/e/start": (200, None)}) as server:
        execs.start(server.daemon, "e", terminal=False)
    assert server.requests[0].document == {"Detach": True, "Tty": False}
