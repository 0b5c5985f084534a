"""Published ports in the body of an update."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.api_server import serving

from carrack.cli.main import main


def test_ports_to_come_and_to_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--publish-add 8080-8081:80-81 --publish-add 80,allow=10.0.0.0/8 --publish-rm 443 --publish-rm 1:2/udp"
    with serving(tmp_path / "s", {"POST /containers/web/update": (200, {"Warnings": None})}) as server:
        assert main(["-H", f"unix://{tmp_path}/s", "update", *words.split(), "web"]) == 0
    assert server.requests[-1].document == {
        "PublishAdd": {
            "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": "", "Allow": ["10.0.0.0/8"]}],
            "81/tcp": [{"HostIp": "", "HostPort": "8081"}],
        },
        "PublishRemove": ["443/tcp", "1:2/udp"],
    }
    assert capsys.readouterr().out == "web\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--publish-add", "80:x"], "invalid containerPort: x"),
        (["--publish-rm", "127.0.0.1:80:80"], "name it as [HOST-PORT:]CONTAINER-PORT[/PROTOCOL]"),
        ([], "you must provide one or more flags"),
    ],
)
def test_refusals(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(["-H", "unix:///nowhere", "update", *words, "web"]) == 1
    assert message in capsys.readouterr().err
