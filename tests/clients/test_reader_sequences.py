"""What Portainer, lazydocker, dozzle, traefik and watchtower read and do, by the calls of their libraries."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from urllib.parse import quote

import pytest
from tests.cli.running import DaemonProcess, eventually
from tests.clients.wire import Wire, apart, execute

pytestmark = pytest.mark.root
_LABELS = {
    "traefik.enable": "true",
    "traefik.http.routers.web.rule": "Host(`web`)",
    "com.docker.compose.project": "shop",
}


@pytest.fixture
def wire(daemon: DaemonProcess, busybox: str) -> Wire:
    return Wire(daemon)


@pytest.fixture
def web(wire: Wire) -> str:
    made = wire.create(
        "web",
        {
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]},
            "Binds": ["pages:/pages"],
            "Memory": 64 << 20,
        },
        Image="busybox",
        Cmd=["sh", "-c", "echo one; echo two >&2; exec httpd -f -h /www"],
        ExposedPorts={"80/tcp": {}},
        Labels=_LABELS,
        Env=["A=b"],
        Healthcheck={"Test": ["CMD", "true"], "Interval": 200_000_000},
    )
    wire.ask("POST", f"/containers/{made}/start", status=204)
    return made


def _filters(**wanted: list[str]) -> str:
    return quote(json.dumps({name: dict.fromkeys(values, True) for name, values in wanted.items()}))


@pytest.mark.census("GET /images/json", "GET /volumes", "GET /networks", "GET /system/df", "GET /images/{name}/history")
def test_portainer_takes_its_snapshot(wire: Wire, web: str) -> None:
    wire.ask("GET", "/_ping")
    info, version = wire.ask("GET", "/info"), wire.ask("GET", "/version")
    assert info["ServerVersion"] == version["Version"]
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert {"Volume", "Network", "Log"} <= info["Plugins"].keys()
    eventually(lambda: "(healthy)" in wire.ask("GET", "/containers/json?all=1")[0]["Status"])
    listed = wire.ask("GET", "/containers/json?all=1&size=1")[0]
    assert (listed["State"], listed["Labels"], listed["SizeRootFs"] > 0) == ("running", _LABELS, True)
    assert listed["Ports"][0]["PrivatePort"] == 80
    assert listed["Mounts"][0]["Name"] == "pages"
    assert listed["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    images = wire.ask("GET", "/images/json?all=0")
    assert ["busybox:latest"] in [image["RepoTags"] for image in images]
    assert wire.ask("GET", "/images/busybox/history")[0]["Size"] > 0
    assert [
        volume["Name"] for volume in wire.ask("GET", f"/volumes?filters={_filters(dangling=['false'])}")["Volumes"]
    ] == ["pages"]
    assert {"bridge", "host", "none"} <= {network["Name"] for network in wire.ask("GET", "/networks")}
    assert wire.ask("GET", "/networks/bridge")["Containers"][web]["Name"] == "web"
    assert wire.ask("GET", "/system/df")["Containers"][0]["Id"] == web
    wire.ask("GET", "/nodes", status=503)
    wire.ask("GET", "/services", status=503)


@pytest.mark.census(
    "GET /containers/{id}/top", "GET /containers/{id}/stats", "POST /images/prune", "POST /volumes/prune"
)
def test_lazydocker_shows_and_prunes(wire: Wire, web: str) -> None:
    assert wire.ask("GET", f"/containers/{web}/top")["Processes"]
    first, second = (
        figures for figures, _ in zip(wire.events(f"/containers/{web}/stats?stream=1"), range(2), strict=False)
    )
    assert second["precpu_stats"]["cpu_usage"] == first["cpu_stats"]["cpu_usage"]
    assert second["read"] > first["read"]
    assert second["networks"]["eth0"]["rx_bytes"] >= 0
    said = apart(wire.ask("GET", f"/containers/{web}/logs?stdout=1&stderr=1&tail=1000&timestamps=1"))
    assert said[0].endswith(" one\n")
    assert said[1].endswith(" two\n")
    wire.ask("POST", f"/containers/{web}/restart?t=0", status=204)
    wire.ask("POST", f"/containers/{web}/pause", status=204)
    assert wire.ask("GET", f"/containers/{web}/json")["State"]["Paused"] is True
    wire.ask("POST", f"/containers/{web}/unpause", status=204)
    assert wire.ask("POST", "/images/prune?filters=" + _filters(dangling=["true"]))["SpaceReclaimed"] >= 0
    assert wire.ask("POST", "/volumes/prune")["SpaceReclaimed"] == 0
    assert wire.ask("POST", "/containers/prune")["ContainersDeleted"] in ([], None)


@pytest.mark.census(
    "GET /events", "GET /containers/{id}/logs", "GET /containers/{id}/logs?since", "GET /containers/{id}/logs?until"
)
def test_dozzle_follows_events_and_logs(wire: Wire) -> None:
    told: list[dict[str, Any]] = []
    wanted = _filters(type=["container"], event=["start", "die", "destroy", "rename", "health_status"])

    def listen() -> None:
        for event in wire.events(f"/events?filters={wanted}"):
            told.append(event)
            if event["Action"] == "destroy":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    talker = wire.create("talker", Image="busybox", Cmd=["sh", "-c", "echo early; sleep 0.4; echo late"])
    wire.ask("POST", f"/containers/{talker}/start", status=204)
    followed = b"".join(wire.stream(f"/containers/{talker}/logs?follow=1&stdout=1&stderr=1&timestamps=1&tail=300"))
    early, late = apart(followed)[0].splitlines()
    assert (early.split()[1], late.split()[1]) == ("early", "late")
    span = f"since={quote(late.split()[0])}&until={time.time() + 1:.9f}"
    again = apart(wire.ask("GET", f"/containers/{talker}/logs?stdout=1&stderr=1&timestamps=1&{span}"))[0]
    assert again.splitlines() == [late]
    wire.ask("POST", f"/containers/{talker}/rename?name=renamed", status=204)
    wire.ask("DELETE", f"/containers/{talker}?force=1", status=204)
    listener.join(20)
    assert [event["Action"] for event in told] == ["start", "die", "rename", "destroy"]
    assert told[1]["Actor"]["Attributes"]["exitCode"] == "0"
    assert told[2]["Actor"]["Attributes"]["oldName"] == "/talker"
    assert all(event["Type"] == "container" and event["timeNano"] > 0 for event in told)


@pytest.mark.census("filter /containers/json label", "filter /containers/json status", "filter /containers/json health")
def test_traefik_discovers_what_is_to_be_served(wire: Wire, web: str) -> None:
    other = wire.create("other", Image="busybox", Cmd=["sleep", "600"])
    wire.ask("POST", f"/containers/{other}/start", status=204)
    eventually(lambda: bool(wire.ask("GET", f"/containers/json?filters={_filters(health=['healthy'])}")))
    listed = wire.ask("GET", f"/containers/json?filters={_filters(label=['traefik.enable=true'], status=['running'])}")
    assert [one["Id"] for one in listed] == [web]
    shown = wire.ask("GET", f"/containers/{web}/json")
    assert shown["Config"]["Labels"] == _LABELS
    assert shown["State"]["Health"]["Status"] == "healthy"
    assert shown["HostConfig"]["NetworkMode"] in ("default", "bridge")
    assert shown["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert list(shown["NetworkSettings"]["Ports"]) == ["80/tcp"]


@pytest.mark.census("POST /containers/{id}/rename", "POST /containers/create", "GET /containers/{id}/json")
def test_watchtower_makes_a_container_anew_from_what_inspect_showed(wire: Wire, web: str) -> None:
    """Stop, rename, create with the shown configuration, start: the new one is as the old one was."""
    assert execute(wire, web, "touch", "/pages/kept")[0] == 0
    listed = wire.ask(
        "GET", f"/containers/json?filters={_filters(status=['running', 'restarting', 'created', 'exited'])}"
    )
    assert [one["Id"] for one in listed] == [web]
    old = wire.ask("GET", f"/containers/{web}/json")
    assert wire.ask("GET", f"/images/{old['Image']}/json")["Id"] == old["Image"]
    wire.ask("POST", f"/containers/{web}/kill?signal=SIGKILL", status=204)
    wire.ask("POST", f"/containers/{web}/wait")
    wire.ask("POST", f"/containers/{web}/rename?name=web-old", status=204)
    endpoints = {"EndpointsConfig": old["NetworkSettings"]["Networks"]}
    body = {**old["Config"], "Hostname": "", "HostConfig": old["HostConfig"], "NetworkingConfig": endpoints}
    new = wire.ask("POST", "/containers/create?name=web", body, status=201)["Id"]
    wire.ask("POST", f"/containers/{new}/start", status=204)
    shown = wire.ask("GET", f"/containers/{new}/json")
    assert shown["HostConfig"] == old["HostConfig"]
    assert {**shown["Config"], "Hostname": ""} == {**old["Config"], "Hostname": ""}
    assert execute(wire, new, "test", "-e", "/pages/kept")[0] == 0
    wire.ask("DELETE", f"/containers/{web}?force=1&v=1", status=204)
    assert wire.ask("GET", f"/containers/{new}/json")["State"]["Running"] is True
