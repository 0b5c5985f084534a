"""Volumes."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from urllib.parse import quote

from tests.api.steps import ALL, Scenario, Step


def steps() -> Scenario:
    """Their documents, filters, pruning and refusals."""
    full = {"Name": "full", "Driver": "local", "DriverOpts": {}, "Labels": {"z": "1", "a": "2"}}
    run = {"Image": "golden/run:1", "Cmd": ["true"], "HostConfig": {"Binds": ["used:/data", "/anonymous"]}}
    filters = {
        "name": '{"name":["full"]}', "label": '{"label":["z"]}', "driver": '{"driver":["local"]}', "dangling": '{"dangling":["true"]}',
        "bad dangling": '{"dangling":["cake"]}', "no filter": '{"cake":["1"]}', "nonsense": "cake",
    }  # fmt: skip
    return [
        Step("list of none", "GET", "/volumes", versions=ALL),
        Step("create", "POST", "/volumes/create", json=full, versions=ALL),
        Step("create plainly", "POST", "/volumes/create", json={"Name": "plain"}),
        Step("create without a name", "POST", "/volumes/create", json={}, save={"nameless": "Name"}),
        Step("create again", "POST", "/volumes/create", json={"Name": "plain"}),
        Step("inspect", "GET", "/volumes/full", versions=ALL),
        Step("inspect plain", "GET", "/volumes/plain"),
        Step("list", "GET", "/volumes", versions=ALL),
        *(Step(f"list by {name}", "GET", "/volumes?filters=" + quote(text, safe="")) for name, text in filters.items()),
        Step("create badly", "POST", "/volumes/create", json={"Name": "ca/ke"}),
        Step("create with a short name", "POST", "/volumes/create", json={"Name": "a"}),
        Step("create with an absent driver", "POST", "/volumes/create", json={"Name": "other", "Driver": "cake"}),
        Step("create again with another driver", "POST", "/volumes/create", json={"Name": "plain", "Driver": "cake"}),
        Step(
            "create with a bad option",
            "POST",
            "/volumes/create",
            json={"Name": "optional", "DriverOpts": {"cake": "1"}},
        ),
        Step(
            "create with half the options",
            "POST",
            "/volumes/create",
            json={"Name": "optional", "DriverOpts": {"type": "tmpfs"}},
        ),
        Step(
            "create for a cluster",
            "POST",
            "/volumes/create",
            json={"Name": "cluster", "ClusterVolumeSpec": {"Group": "a"}},
        ),
        Step("make", "POST", "/containers/create?name=user", json=run, hidden=True, save={"user": "Id"}),
        Step("list with anonymous", "GET", "/volumes?filters=" + quote('{"dangling":["false"]}', safe="")),
        Step("inspect used", "GET", "/volumes/used"),
        Step("remove used", "DELETE", "/volumes/used"),
        Step("remove used by force", "DELETE", "/volumes/used?force=1"),
        Step("remove the container", "DELETE", "/containers/user?v=1", hidden=True),
        Step("remove", "DELETE", "/volumes/used"),
        Step("df", "GET", "/system/df?type=volume", versions=("1.42", "1.51")),
        Step("prune", "POST", "/volumes/prune", versions=("1.42",)),
        Step("prune all", "POST", "/volumes/prune?filters=" + quote('{"all":["true"]}', safe=""), versions=("1.42",)),
        Step("create once more", "POST", "/volumes/create", json={"Name": "old"}, hidden=True),
        Step("prune before 1.42", "POST", "/volumes/prune", versions=("1.41",)),
        Step(
            "prune all before 1.42",
            "POST",
            "/volumes/prune?filters=" + quote('{"all":["true"]}', safe=""),
            versions=("1.41",),
        ),
        Step("prune with an unknown filter", "POST", "/volumes/prune?filters=" + quote('{"cake":["true"]}', safe="")),
        Step("prune of none", "POST", "/volumes/prune"),
        Step("absent: inspect", "GET", "/volumes/cake"),
        Step("absent: remove", "DELETE", "/volumes/cake"),
        Step("absent: remove by force", "DELETE", "/volumes/cake?force=1"),
        Step("absent: update", "PUT", "/volumes/cake?version=1", json={}),
        Step("update without a version", "PUT", "/volumes/cake", json={}),
        Step("events", "GET", "/events?since={now}&until={clock}&filters=" + quote('{"type":["volume"]}', safe="")),
    ]
