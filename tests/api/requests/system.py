"""The engine as a whole."""

from __future__ import annotations

from tests.api.steps import ALL, Scenario, Step

_KINDS = ("container", "image", "volume", "build-cache")


def steps() -> Scenario:
    """Ping, version, info, disk usage, events without anything happening, and what has no service behind it."""
    return [
        Step("ping", "GET", "/_ping", versions=ALL),
        Step("ping head", "HEAD", "/_ping", versions=ALL),
        Step("ping without version", "GET", "=/_ping"),
        Step("ping post", "POST", "/_ping"),
        Step("version", "GET", "/version", versions=ALL, types=True),
        Step("version without version", "GET", "=/version", types=True),
        Step("info", "GET", "/info", versions=ALL, types=True),
        Step("df of nothing", "GET", "/system/df?type=build-cache&type=container&type=volume", versions=ALL),
        Step("make", "POST", "/containers/create?name=used", json=_CONTAINER, hidden=True, save={"used": "Id"}),
        Step("volume", "POST", "/volumes/create", json={"Name": "measured"}, hidden=True),
        Step("df", "GET", "/system/df", versions=ALL),
        *(
            Step(f"df of {kind}", "GET", f"/system/df?type={kind}", versions=("1.41", "1.42", "1.51"))
            for kind in _KINDS
        ),
        Step("df of two", "GET", "/system/df?type=image&type=volume"),
        Step("df of what is none", "GET", "/system/df?type=cake"),
        Step("df of an empty type", "GET", "/system/df?type="),
        Step("events of the past", "GET", "/events?since=1&until=2", versions=ALL),
        Step("events turned round", "GET", "/events?since=2&until=1"),
        Step("events since nonsense", "GET", "/events?since=cake&until=1"),
        Step("events until nonsense", "GET", "/events?since=1&until=cake"),
        Step(
            "events with an unknown filter", "GET", "/events?since=1&until=2&filters=%7B%22cake%22%3A%5B%22a%22%5D%7D"
        ),
        Step("events with a bad filter", "GET", "/events?since=1&until=2&filters=cake"),
        Step("auth without a body", "POST", "/auth"),
        Step("auth with a bad body", "POST", "/auth", json=[]),
        Step("no swarm", "GET", "/swarm"),
        Step("no nodes", "GET", "/nodes"),
        Step("no services", "GET", "/services"),
        Step("no tasks", "GET", "/tasks"),
        Step("no secrets", "GET", "/secrets"),
        Step("no configs", "GET", "/configs"),
        Step("a node", "GET", "/nodes/self"),
        Step("a service", "GET", "/services/web"),
        Step("leave no swarm", "POST", "/swarm/leave"),
        Step("update no swarm", "POST", "/swarm/update?version=1", json={}),
        Step("unlock no swarm", "POST", "/swarm/unlock", json={}),
        Step("no key of a swarm", "GET", "/swarm/unlockkey"),
        Step("plugins", "GET", "/plugins"),
        Step("a plugin", "GET", "/plugins/cake/json"),
        Step("build prune", "POST", "/build/prune", versions=("1.41", "1.51")),
        Step("build cancel", "POST", "/build/cancel?id=1"),
    ]


_CONTAINER = {
    "Image": "golden/run:1",
    "Cmd": ["true"],
    "HostConfig": {"Mounts": [{"Type": "volume", "Source": "measured", "Target": "/data"}]},
}
