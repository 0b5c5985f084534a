"""The predefined networks."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from urllib.parse import quote

from tests.api.steps import ALL, Scenario, Step


def steps() -> Scenario:
    """Their documents, with and without a container on them, filters and refusals."""
    run = {"Image": "golden/run:1", "Cmd": ["sleep", "1000"]}
    filters = {
        "name": '{"name":["bridge"]}', "driver": '{"driver":["null"]}', "type": '{"type":["builtin"]}', "custom": '{"type":["custom"]}',
        "bad type": '{"type":["cake"]}', "dangling": '{"dangling":["true"]}', "not dangling": '{"dangling":["false"]}',
        "bad dangling": '{"dangling":["cake"]}', "scope": '{"scope":["local"]}', "label": '{"label":["a"]}', "no filter": '{"cake":["1"]}',
        "nonsense": "cake",
    }  # fmt: skip
    return [
        Step("list", "GET", "/networks", versions=ALL),
        Step("inspect bridge", "GET", "/networks/bridge", versions=ALL),
        Step("inspect host", "GET", "/networks/host", versions=ALL),
        Step("inspect none", "GET", "/networks/none", versions=ALL),
        Step("make", "POST", "/containers/create?name=on", json=run, hidden=True, save={"on": "Id"}),
        Step("start", "POST", "/containers/on/start", hidden=True),
        Step("inspect with a container", "GET", "/networks/bridge", versions=ALL),
        Step("list with a container", "GET", "/networks", versions=("1.41", "1.51")),
        Step("inspect verbosely", "GET", "/networks/bridge?verbose=1"),
        Step("inspect badly verbosely", "GET", "/networks/bridge?verbose=cake"),
        Step("inspect in a scope", "GET", "/networks/bridge?scope=local"),
        Step("inspect in another scope", "GET", "/networks/bridge?scope=swarm"),
        Step("inspect in a bad scope", "GET", "/networks/bridge?scope=cake"),
        *(
            Step(f"list by {name}", "GET", "/networks?filters=" + quote(text, safe=""))
            for name, text in filters.items()
        ),
        Step("create again", "POST", "/networks/create", json={"Name": "bridge"}),
        Step("create like host", "POST", "/networks/create", json={"Name": "host"}),
        Step("create without a name", "POST", "/networks/create", json={"Name": ""}),
        Step("create of nothing", "POST", "/networks/create", json={}),
        Step("create with blanks", "POST", "/networks/create", json={"Name": "  "}),
        Step("remove bridge", "DELETE", "/networks/bridge"),
        Step("remove host", "DELETE", "/networks/host"),
        Step("connect again", "POST", "/networks/bridge/connect", json={"Container": "on"}),
        Step("connect nothing", "POST", "/networks/bridge/connect", json={}),
        Step("connect an absent one", "POST", "/networks/bridge/connect", json={"Container": "cake"}),
        Step("connect to the host", "POST", "/networks/host/connect", json={"Container": "on"}),
        Step("disconnect an absent one", "POST", "/networks/bridge/disconnect", json={"Container": "cake"}),
        Step("prune", "POST", "/networks/prune"),
        Step("prune with an unknown filter", "POST", "/networks/prune?filters=" + quote('{"cake":["1"]}', safe="")),
        Step("prune until nonsense", "POST", "/networks/prune?filters=" + quote('{"until":["cake"]}', safe="")),
        Step("absent: inspect", "GET", "/networks/cake"),
        Step("absent: remove", "DELETE", "/networks/cake"),
        Step("absent: connect", "POST", "/networks/cake/connect", json={"Container": "on"}),
        Step("absent: disconnect", "POST", "/networks/cake/disconnect", json={"Container": "on"}),
    ]
