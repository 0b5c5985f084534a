"""What the verbs of networks send and tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.api_server import ApiServer, serving

from carrack.cli.main import main

ID = "a" * 64
NETWORKS = [
    {"Id": ID, "Name": "web10", "Driver": "bridge", "Scope": "local", "Labels": {"k": "v"}},
    {"Id": "b" * 64, "Name": "web2", "Driver": "macvlan", "Scope": "local", "EnableIPv6": True, "Internal": True},
]
ANSWERS: dict[str, Any] = {
    "GET /networks": (200, NETWORKS),
    "POST /networks/create": (201, {"Id": ID, "Warning": ""}),
    "POST /networks/front/connect": (200, None),
    "POST /networks/front/disconnect": (200, None),
    "DELETE /networks/front": (204, None),
    "DELETE /networks/gone": (404, {"message": "network gone not found"}),
}


def sent(tmp_path: Path, *words: str, code: int = 0, answers: dict[str, Any] | None = None) -> ApiServer:
    with serving(tmp_path / "s", {**ANSWERS, **(answers or {})}) as server:
        assert main(["-H", f"unix://{tmp_path}/s", *words]) == code
    return server


def test_create_says_what_was_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "-d macvlan -o parent=eth0 -o flag --label a=b --internal --attachable --ipv6 --ipv4=false"
    body = sent(tmp_path, "network", "create", *words.split(), "front").requests[-1].document
    assert body == {
        "Name": "front",
        "Driver": "macvlan",
        "IPAM": {"Driver": "default", "Options": {}},
        "Options": {"parent": "eth0", "flag": ""},
        "Labels": {"a": "b"},
        "Attachable": True,
        "Internal": True,
        "EnableIPv4": False,
        "EnableIPv6": True,
    }
    assert capsys.readouterr().out == f"{ID}\n"


def test_create_with_addresses(tmp_path: Path) -> None:
    words = "--subnet 10.0.0.0/24,fd00::/64 --gateway 10.0.0.1 --ip-range 10.0.0.128/25 --aux-address a=10.0.0.5"
    more = "--ipam-driver null --ipam-opt a=b --scope local --config-from base --config-only --ingress"
    body = sent(tmp_path, "network", "create", *words.split(), *more.split(), "front").requests[-1].document
    pool = {"Subnet": "10.0.0.0/24", "IPRange": "10.0.0.128/25", "Gateway": "10.0.0.1"}
    assert body["IPAM"] == {
        "Driver": "null",
        "Options": {"a": "b"},
        "Config": [{**pool, "AuxiliaryAddresses": {"a": "10.0.0.5"}}, {"Subnet": "fd00::/64"}],
    }
    assert (body["Scope"], body["ConfigFrom"], body["ConfigOnly"], body["Ingress"]) == (
        "local", {"Network": "base"}, True, True,
    )  # fmt: skip


def test_create_tells_the_daemons_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent(
        tmp_path,
        "network",
        "create",
        "front",
        answers={"POST /networks/create": (201, {"Id": ID, "Warning": "beware"})},
    )
    assert capsys.readouterr().err == "WARNING: beware\n"


def test_connect_and_disconnect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--alias a,b --ip 10.0.0.4 --link db --link-local-ip fe80::1 --driver-opt c=d --gw-priority -3 front web"
    server = sent(tmp_path, "network", "connect", *words.split())
    assert server.requests[-1].document == {
        "Container": "web",
        "EndpointConfig": {
            "IPAMConfig": {"IPv4Address": "10.0.0.4", "IPv6Address": "", "LinkLocalIPs": ["fe80::1"]},
            "Links": ["db"],
            "Aliases": ["a", "b"],
            "DriverOpts": {"c": "d"},
            "GwPriority": -3,
        },
    }
    other = tmp_path / "other"
    other.mkdir()
    server = sent(other, "network", "disconnect", "-f", "front", "web")
    assert server.requests[-1].document == {"Container": "web", "Force": True}
    assert capsys.readouterr() == ("", "")


def test_a_driver_option_has_a_key_and_a_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not sent(tmp_path, "network", "connect", "--driver-opt", "x", "front", "web", code=1).requests
    assert capsys.readouterr().err == "invalid key/value pair format in driver options\n"


def test_rm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent(tmp_path, "network", "rm", "gone", "front", code=1)
    told = capsys.readouterr()
    assert told.out == "front\n"
    assert told.err == "Error response from daemon: network gone not found\nexit status 1\n"


def test_rm_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent(tmp_path, "network", "rm", "-f", "gone", "front")
    assert capsys.readouterr() == ("front\n", "")


def test_ls_counts_as_people_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent(tmp_path, "network", "ls", "--format", "{{.Name}} {{.IPv6}} {{.Internal}} {{.Labels}}", "-f", "name=web")
    assert capsys.readouterr().out == "web2 true true \nweb10 false false k=v\n"


def test_ls_as_a_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = {"Networks": {"web2": {"IPAddress": "10.1.0.2"}}}
    containers = [{"Id": ID, "Names": ["/db"], "State": "running", "NetworkSettings": endpoint}]
    sent(tmp_path, "network", "ls", "--tree", answers={"GET /containers/json": (200, containers)})
    assert capsys.readouterr().out == "web2  macvlan  internal\n└── db  10.1.0.2\nweb10  bridge\n"


def test_a_tree_has_one_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent(tmp_path, "network", "ls", "--tree", "-q", code=1)
    assert "cannot specify both --tree and --quiet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["network", "inspect", "web1"], ["web10"]),
        (["network", "rm", "web10", ""], ["web10", "web2"]),
        (["network", "connect", "--ip", "10.0.0.4", "w"], ["web10", "web2"]),
        (["network", "connect", "--ip", "10.0.0.4", "web2", ""], ["db", "front-end"]),
        (["network", "disconnect", "web2", "d"], ["db"]),
        (["network", "create", "-d", ""], ["bridge", "macvlan"]),
        (["network", "create", "-d", "bridge", ""], []),
        (["network", "create", "--config-from", "web2"], ["web2"]),
        (["run", "--network", "web"], ["web10", "web2"]),
        (["run", "--network=web2"], ["--network=web2"]),
        (["run", "--network", "=", "web2"], ["web2"]),
        (["run", "--network", "="], ["web10", "web2"]),
        (["run", "--link", "d"], ["db"]),
        (["network", "co"], ["connect"]),
        (["network", "connect", "--al"], ["--alias"]),
    ],
)
def test_completion(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], found: list[str]) -> None:
    containers = [{"Id": ID, "Names": ["/db"]}, {"Id": ID, "Names": ["/front-end"]}]
    info = {"Plugins": {"Network": ["bridge", "host", "macvlan", "null"]}}
    answers = {"GET /containers/json": (200, containers), "GET /info": (200, info)}
    sent(tmp_path, "__complete", *words, answers=answers)
    assert capsys.readouterr().out.split() == found
