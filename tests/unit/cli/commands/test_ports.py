"""Who can reach what, as it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.api_server import serving

from carrack.cli.main import main


def port(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "Container": "a" * 64,
        "Name": "web",
        "Network": "front",
        "Protocol": "tcp",
        "HostIp": "0.0.0.0",
    }
    usual |= {"HostPort": "8080", "ContainerPort": "80", "Reach": "anywhere", "From": [], "Warnings": []}
    return {**usual, **changes}


def shown(tmp_path: Path, found: list[dict[str, Any]], *words: str) -> None:
    with serving(tmp_path / "s", {"GET /system/ports": (200, found)}):
        assert main(["-H", f"unix://{tmp_path}/s", "system", "ports", *words]) == 0


def test_by_a_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        port(),
        port(HostIp="::1", HostPort="90-91", ContainerPort="90-91", Protocol="udp", Reach="host"),
        port(Name="db", Reach="allowed", From=["10.0.0.0/8", "fd00::/8"]),
    ]
    shown(tmp_path, found, "--format", "{{.Name}} {{.Published}} {{.Port}} {{.Reach}} {{.Network}}")
    assert capsys.readouterr().out.splitlines() == [
        "web 0.0.0.0:8080/tcp 80 anywhere front",
        "web [::1]:90-91/udp 90-91 this host front",
        "db 0.0.0.0:8080/tcp 80 this host, 10.0.0.0/8, fd00::/8 front",
    ]


def test_warnings_have_a_column_where_there_are_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = port(HostPort="", ContainerPort="", HostIp="", Network="host", Warnings=["beware"])
    shown(tmp_path, [host])
    title, line = capsys.readouterr().out.splitlines()
    assert title.split() == ["CONTAINER", "PUBLISHED", "PORT", "REACHABLE", "FROM", "NETWORK", "WARNING"]
    assert line.split() == ["web", "-", "-", "anywhere", "host", "beware"]


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown(tmp_path, [port(Reach="containers")], "--json")
    assert '"Reach":"this host and its containers"' in capsys.readouterr().out
