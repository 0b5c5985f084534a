"""Networks of a user's own: made in all ways, refused in all ways, filtered, removed, told of."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.api.steps import ALL, Scenario, Step

B, D = "com.docker.network.bridge.", "com.docker.network."


def _ipam(*pools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"IPAM": {"Config": list(pools), **more}}


def _pool(subnet: str, **more: Any) -> dict[str, Any]:
    return {"Subnet": subnet, **more}


def _made(name: str, **body: Any) -> Iterator[Step]:
    """Made, shown and removed."""
    target = f"/networks/{quote(body.get('Name', 'made'), safe='')}"
    yield Step(f"create: {name}", "POST", "/networks/create", json={"Name": "made", **body})
    yield Step(f"inspect: {name}", "GET", target)
    yield Step(f"remove: {name}", "DELETE", target)


def _of_version(version: str) -> Iterator[Step]:
    """What an older version has not is no part of a request."""
    body = {"Name": "old", "EnableIPv4": False, "EnableIPv6": True}
    yield Step(f"create of {version}", "POST", "/networks/create", json=body, versions=(version,))
    yield Step(f"inspect of {version}", "GET", "/networks/old", versions=(version, "1.51"))
    yield Step(f"remove of {version}", "DELETE", "/networks/old", versions=(version,))


def created() -> Scenario:
    """Each field of a create request, and what inspect shows of it."""
    both = [_pool("10.201.0.0/24"), _pool("fd00:201::/64")]
    ways: dict[str, dict[str, Any]] = {
        "nothing": {},
        "labels": {"Labels": {"b": "", "a": "1"}},
        "internal": {"Internal": True},
        "attachable": {"Attachable": True},
        "a scope": {"Scope": "local"},
        "another scope": {"Scope": "cake"},
        "a driver": {"Driver": "bridge"},
        "IPv6": {"EnableIPv6": True},
        "IPv6 only": {"EnableIPv4": False, "EnableIPv6": True},
        "IPv6 by option": {"Options": {D + "enable_ipv6": "true"}},
        "a subnet": _ipam(_pool("10.202.0.0/24")),
        "a subnet and its gateway": _ipam(_pool("10.203.0.0/24", Gateway="10.203.0.9")),
        "a range": _ipam(_pool("10.204.0.0/24", IPRange="10.204.0.128/25")),
        "a range and a gateway": _ipam(_pool("10.205.0.0/24", IPRange="10.205.0.128/25", Gateway="10.205.0.1")),
        "auxiliary addresses": _ipam(_pool("10.206.0.0/24", AuxiliaryAddresses={"a": "10.206.0.5", "b": "10.206.0.6"})),
        "both versions": {"EnableIPv6": True, **_ipam(*both)},
        "a subnet of IPv6": {"EnableIPv6": True, **_ipam(_pool("fd00:202::/64", Gateway="fd00:202::5"))},
        "a link-local subnet": {"EnableIPv6": True, **_ipam(_pool("fe80::/64"))},
        "a small subnet": _ipam(_pool("10.207.0.0/30")),
        "IPAM by name": _ipam(Driver="default"),
        "IPAM options": _ipam(Options={"a": "b"}),
        "no IPAM": {"IPAM": None},
        "IPAM of nothing": {"IPAM": {"Driver": "", "Config": None}},
        "an MTU": {"Options": {D + "driver.mtu": "1400"}},
        "an MTU that says nothing": {"Options": {D + "driver.mtu": "0"}},
        "options": {"Options": {B + "enable_icc": "false", B + "enable_ip_masquerade": "F", B + "host_binding_ipv4": "127.0.0.1"}},
        "a bridge's name": {"Options": {B + "name": "apibr0"}},
        "a bridge without a name": {"Options": {B + "name": ""}},
        "a routed gateway": {"Options": {B + "gateway_mode_ipv4": "routed"}},
        "no gateway": {"Internal": True, "EnableIPv6": True, "Options": {B + "gateway_mode_ipv4": "isolated", B + "gateway_mode_ipv6": "isolated"}},
        "a prefix of interfaces": {"Options": {D + "container_iface_prefix": "net"}},
        "no reference": {"ConfigFrom": {"Network": ""}},
        "a number as name": {"Name": "0123456789ab"},
        "blanks within": {"Name": "a b"},
        "a slash": {"Name": "a/b"},
        "a long name": {"Name": "x" * 70},
        "an accent": {"Name": "é"},
        "a hyphen first": {"Name": "-x"},
        "a field that is none": {"CheckDuplicate": True, "Cake": 1},
    }  # fmt: skip
    steps = [step for name, body in ways.items() for step in _made(name, **body)]
    return [
        *steps,
        *(step for version in ("1.41", "1.47", "1.48") for step in _of_version(version)),
        Step("make", "POST", "/networks/create", json={"Name": "api", "Labels": {"a": "1"}, **_ipam(_pool("10.208.0.0/24"))}, hidden=True, save={"api": "Id"}),
        Step("inspect in all versions", "GET", "/networks/api", versions=ALL),
        Step("list in all versions", "GET", "/networks?filters=" + quote('{"name":["api"]}', safe=""), versions=ALL),
        Step("inspect by id", "GET", "/networks/{api}"),
        Step("again", "POST", "/networks/create", json={"Name": "api"}),
        Step("its id as a name", "POST", "/networks/create", json={"Name": "{api}"}, save={"other": "Id"}),
        Step("by id before name", "GET", "/networks/{api}"),
        Step("remove what has an id for a name", "DELETE", "/networks/{other}"),
        Step("remove", "DELETE", "/networks/{api}"),
        Step("remove again", "DELETE", "/networks/{api}"),
    ]  # fmt: skip


def refused() -> Scenario:
    """What dockerd refuses. A subnet of its own for each: dockerd keeps those of refused networks."""
    number = iter(range(1, 250))

    def pool(**more: Any) -> dict[str, Any]:
        third = next(number)
        fill = {key: _filled(value, third) for key, value in more.items()}
        return _ipam({"Subnet": f"10.210.{third}.0/24", **fill})

    bodies: dict[str, dict[str, Any]] = {
        "predefined": {"Name": "none"}, "default": {"Name": "default"},
        "an unknown driver": {"Driver": "cake"}, "overlay": {"Driver": "overlay"}, "another host": {"Driver": "host"},
        "another none": {"Driver": "null"}, "a driver's case": {"Driver": "Bridge"},
        "the swarm's scope": {"Scope": "swarm"}, "ingress": {"Ingress": True}, "no version": {"EnableIPv4": False},
        "host bits": _ipam(_pool("10.209.0.7/24")), "no mask": _ipam(_pool("10.209.0.0")), "no subnet": _ipam({}),
        "an empty subnet": _ipam(_pool("")), "nonsense": _ipam(_pool("cake")), "host bits of IPv6": {"EnableIPv6": True, **_ipam(_pool("fd00::7/64"))},
        "a foreign gateway": pool(Gateway="10.8.0.5"), "a bad gateway": pool(Gateway="cake"), "a gateway with a mask": pool(Gateway="10.210.N.5/24"),
        "a gateway of IPv6": pool(Gateway="fd00::1"), "the subnet as gateway": pool(Gateway="10.210.N.0"), "the broadcast as gateway": pool(Gateway="10.210.N.255"),
        "a range with host bits": pool(IPRange="10.210.N.129/25"), "a foreign range": pool(IPRange="10.8.0.0/25"),
        "a large range": pool(IPRange="10.210.0.0/16"), "a bad range": pool(IPRange="cake"), "a range without a mask": pool(IPRange="10.210.N.1"),
        "a foreign auxiliary": pool(AuxiliaryAddresses={"a": "10.8.0.5"}), "a bad auxiliary": pool(AuxiliaryAddresses={"a": "cake"}),
        "an auxiliary of IPv6": pool(AuxiliaryAddresses={"a": "fd00::5"}), "the gateway as auxiliary": pool(AuxiliaryAddresses={"a": "10.210.N.1"}),
        "many faults": _ipam(_pool("cake"), _pool("10.0.0.1/24", IPRange="x"), {}),
        "two subnets": _ipam(_pool("10.211.0.0/24"), _pool("10.212.0.0/24")), "two equal subnets": _ipam(_pool("10.213.0.0/24"), _pool("10.213.0.0/24")),
        "nested subnets": _ipam(_pool("10.214.0.0/24"), _pool("10.214.0.0/16")),
        "another's subnet": _ipam(_pool("10.209.0.0/25")), "around another's subnet": _ipam(_pool("10.209.0.0/16")),
        "an unknown IPAM": _ipam(Driver="cake"), "null IPAM": _ipam(Driver="null"), "null IPAM with a subnet": _ipam(_pool("10.215.0.0/24"), Driver="null"),
        "a bad truth": {"Options": {B + "enable_icc": "cake"}}, "an empty truth": {"Options": {B + "inhibit_ipv4": ""}},
        "a bad MTU": {"Options": {D + "driver.mtu": "cake"}}, "a negative MTU": {"Options": {D + "driver.mtu": "-1"}}, "a small MTU": {"Options": {D + "driver.mtu": "67"}},
        "a bad binding": {"Options": {B + "host_binding_ipv4": "cake"}}, "a bad source": {"Options": {D + "host_ipv4": "cake"}},
        "a bad mode": {"Options": {B + "gateway_mode_ipv4": "cake"}}, "isolated, not internal": {"Options": {B + "gateway_mode_ipv4": "isolated"}},
        "a bridge's bad name": {"Options": {B + "name": "a/b"}}, "a bridge's long name": {"Options": {B + "name": "x" * 16}}, "not a bridge": {"Options": {B + "name": "lo"}},
        "a bad version option": {"Options": {D + "enable_ipv6": "cake"}},
        "a bad mode of macvlan": {"Driver": "macvlan", "Options": {"macvlan_mode": "cake"}}, "a bad mode of ipvlan": {"Driver": "ipvlan", "Options": {"ipvlan_mode": "cake"}},
        "a bad flag of ipvlan": {"Driver": "ipvlan", "Options": {"ipvlan_flag": "cake"}}, "loopback as parent": {"Driver": "macvlan", "Options": {"parent": "lo"}},
        "an internal configuration": {"ConfigOnly": True, "Internal": True}, "a configuration of another": {"ConfigOnly": True, "ConfigFrom": {"Network": "conf"}},
        "an unknown configuration": {"ConfigFrom": {"Network": "cake"}}, "a network as configuration": {"ConfigFrom": {"Network": "bridge"}},
        "options beside a configuration": {"ConfigFrom": {"Network": "conf"}, "Options": {"a": "b"}}, "labels beside a configuration": {"ConfigFrom": {"Network": "conf"}, "Labels": {"a": "b"}},
        "IPv6 beside a configuration": {"ConfigFrom": {"Network": "conf"}, "EnableIPv6": True}, "IPAM beside a configuration": {"ConfigFrom": {"Network": "conf"}, **_ipam(_pool("10.216.0.0/24"))},
    }  # fmt: skip
    orders: dict[str, dict[str, Any]] = {
        "predefined before addresses": {"Name": "bridge", **_ipam(_pool("cake"))}, "addresses before a name": {"Name": "", **_ipam(_pool("cake"))},
        "overlay before a name": {"Name": "held", "Driver": "overlay"}, "a name before a driver": {"Name": "held", "Driver": "cake"},
        "a driver before ingress": {"Driver": "cake", "Ingress": True}, "ingress before a scope": {"Scope": "swarm", "Ingress": True},
        "a scope before versions": {"EnableIPv4": False, "Scope": "swarm"}, "options before IPAM": {"IPAM": {"Driver": "cake"}, "Options": {B + "enable_icc": "cake"}},
        "a name before a configuration": {"Name": "held", "ConfigOnly": True, "Internal": True},
    }  # fmt: skip
    types = {
        "Name": 1, "Driver": [], "Internal": "yes", "Attachable": 1, "Ingress": "x", "ConfigOnly": 1, "ConfigFrom": "x", "EnableIPv4": "x", "EnableIPv6": 1,
        "Options": [], "Labels": {"a": 1}, "Scope": 1, "IPAM": [],
    }  # fmt: skip
    pools = {"Subnet": 1, "IPRange": [], "Gateway": {}, "AuxiliaryAddresses": []}
    return [
        Step("make", "POST", "/networks/create", json={"Name": "held", **_ipam(_pool("10.209.0.0/24"))}, hidden=True),
        Step("make a configuration", "POST", "/networks/create", json={"Name": "conf", "ConfigOnly": True}, hidden=True),
        *(Step(f"create: {name}", "POST", "/networks/create", json={"Name": "bad", **body}) for name, body in bodies.items()),
        *(Step(f"order: {name}", "POST", "/networks/create", json={"Name": "bad", **body}) for name, body in orders.items()),
        *(Step(f"type: {name}", "POST", "/networks/create", json={"Name": "bad", name: value}) for name, value in types.items()),
        *(Step(f"type: IPAM.Config.{name}", "POST", "/networks/create", json={"Name": "bad", **_ipam({name: value})}) for name, value in pools.items()),
        Step("type: IPAM.Config", "POST", "/networks/create", json={"Name": "bad", "IPAM": {"Config": {}}}),
        Step("type: IPAM.Options", "POST", "/networks/create", json={"Name": "bad", "IPAM": {"Options": []}}),
        Step("nothing was left", "GET", "/networks?filters=" + quote('{"name":["bad"]}', safe="")),
    ]  # fmt: skip


def _filled(value: Any, third: int) -> Any:
    return json.loads(json.dumps(value).replace(".N.", f".{third}."))


def listed() -> Scenario:
    """Filters of lists and prunes; configurations; events."""
    lists = [
        {"name": ["web"]}, {"name": ["^web$"]}, {"name": ["["]}, {"name": ["WEB"]}, {"name": ["web", "data"]}, {"label": ["a"]}, {"label": ["a=1"]},
        {"label": ["a", "b"]}, {"label": ["a=2"]}, {"label": [""]}, {"type": ["custom"]}, {"type": ["custom", "builtin"]}, {"dangling": ["1"]},
        {"dangling": ["true", "false"]}, {"dangling": ["T"]}, {"dangling": []}, {"driver": ["null"]}, {"driver": ["brid"]}, {"scope": ["swarm"]},
        {"name": ["web"], "label": ["a"]}, {"until": ["1h"]}, {"label!": ["a"]},
    ]  # fmt: skip
    prunes = [
        {"dangling": ["1"]},
        {"name": ["x"]},
        {"until": ["cake"]},
        {"until": ["1h", "2h"]},
        {"until": ["1h"]},
        {"label": ["a=2"]},
        {"label": ["a=1"]},
    ]
    return [
        Step("make", "POST", "/networks/create", json={"Name": "web", "Labels": {"a": "1", "b": ""}}, hidden=True, save={"web": "Id"}),
        Step("make another", "POST", "/networks/create", json={"Name": "data"}, hidden=True, save={"data": "Id"}),
        *(Step(f"list by {json.dumps(one)}", "GET", "/networks?filters=" + quote(json.dumps(one), safe="")) for one in lists),
        Step("list by old filters", "GET", "/networks?filters=" + quote('{"name":{"web":true}}', safe="")),
        Step("list by id", "GET", "/networks?filters=" + quote('{"id":["', safe="") + "{web}" + quote('"]}', safe="")),
        *(Step(f"prune by {json.dumps(one)}", "POST", "/networks/prune?filters=" + quote(json.dumps(one), safe="")) for one in prunes),
        Step("configuration", "POST", "/networks/create", json={"Name": "conf", "ConfigOnly": True, "EnableIPv6": True, "Driver": "macvlan", "Labels": {"q": "1"}, "Options": {D + "driver.mtu": "1400"}, **_ipam(_pool("10.221.0.0/24", Gateway="10.221.0.9"))}, save={"conf": "Id"}),
        Step("inspect the configuration", "GET", "/networks/conf"),
        Step("by configuration", "POST", "/networks/create", json={"Name": "by", "Internal": True, "ConfigFrom": {"Network": "conf"}}, save={"by": "Id"}),
        Step("inspect by configuration", "GET", "/networks/by"),
        Step("remove a used configuration", "DELETE", "/networks/conf"),
        Step("configuration by id", "POST", "/networks/create", json={"Name": "other", "ConfigFrom": {"Network": "{conf}"}}),
        Step("remove by configuration", "DELETE", "/networks/by"),
        Step("prune spares configurations", "POST", "/networks/prune"),
        Step("remove a configuration", "DELETE", "/networks/conf"),
        Step("events", "GET", "/events?since={now}&until={clock}&filters=" + quote('{"type":["network"]}', safe="")),
    ]  # fmt: skip


def connected() -> Scenario:
    """Containers put on networks and taken off, in good and bad ways."""
    run = {"Image": "golden/run:1", "Cmd": ["sleep", "1000"]}
    good: dict[str, dict[str, Any]] = {
        "nothing said": {}, "an address": {"IPAMConfig": {"IPv4Address": "10.231.0.7"}}, "aliases": {"Aliases": ["db", "cache"]},
        "both addresses": {"IPAMConfig": {"IPv4Address": "10.231.0.8", "IPv6Address": "fd00:231::8"}},
        "link-local addresses": {"IPAMConfig": {"LinkLocalIPs": ["169.254.3.4", "fe80::5"]}}, "a priority": {"GwPriority": -5},
        "an option": {"DriverOpts": {"cake": "1"}}, "a sysctl": {"DriverOpts": {D + "endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"}},
        "an interface's name": {"DriverOpts": {D + "endpoint.ifname": "foo0"}}, "what an engine says": {"IPAddress": "10.231.0.9"},
    }  # fmt: skip
    bad: dict[str, dict[str, Any]] = {
        "a bad address": {"IPAMConfig": {"IPv4Address": "cake"}}, "a foreign address": {"IPAMConfig": {"IPv4Address": "10.60.0.1"}}, "the other version": {"IPAMConfig": {"IPv4Address": "fd00::5"}},
        "the other version of 6": {"IPAMConfig": {"IPv6Address": "10.231.0.3"}}, "the gateway": {"IPAMConfig": {"IPv4Address": "10.231.0.1"}}, "the broadcast": {"IPAMConfig": {"IPv4Address": "10.231.0.255"}},
        "a bad link-local": {"IPAMConfig": {"LinkLocalIPs": ["cake"]}}, "not link-local": {"IPAMConfig": {"LinkLocalIPs": ["10.231.0.9"]}}, "a bad MAC": {"MacAddress": "cake"},
        "a short MAC": {"MacAddress": "02:42:ac:11:00"}, "a bad sysctl": {"DriverOpts": {D + "endpoint.sysctls": "cake"}}, "a long interface's name": {"DriverOpts": {D + "endpoint.ifname": "x" * 16}},
        "a present interface's name": {"DriverOpts": {D + "endpoint.ifname": "eth0"}}, "a link of three": {"Links": ["a:b:c"]}, "an empty link": {"Links": [""]},
    }  # fmt: skip
    types = {
        "IPAMConfig": 1,
        "Links": "x",
        "Aliases": {},
        "MacAddress": 1,
        "DriverOpts": [],
        "GwPriority": "1",
        "IPPrefixLen": "x",
    }
    net = "/networks/net"
    here = {"Container": "on"}

    def put(name: str, endpoint: dict[str, Any], network: str = net) -> Step:
        return Step(f"connect: {name}", "POST", network + "/connect", json={**here, "EndpointConfig": endpoint})

    def tried() -> Iterator[Step]:
        for name, endpoint in good.items():
            yield put(name, endpoint)
            yield Step(f"container: {name}", "GET", "/containers/on/json")
            if "IPAMConfig" in endpoint:
                yield Step(f"list: {name}", "GET", "/containers/json")
            yield Step(f"disconnect: {name}", "POST", net + "/disconnect", json=here)
        for name, endpoint in bad.items():
            yield put(name, endpoint)
            yield Step(f"clear: {name}", "POST", net + "/disconnect", json={**here, "Force": True})
        for name, value in types.items():
            yield put(f"type of {name}", {name: value})

    return [
        Step("make net", "POST", "/networks/create", json={"Name": "net", "EnableIPv6": True, **_ipam(_pool("10.231.0.0/24"), _pool("fd00:231::/64"))}, hidden=True, save={"net": "Id"}),
        Step("make plain", "POST", "/networks/create", json={"Name": "plain"}, hidden=True, save={"plain": "Id"}),
        Step("make", "POST", "/containers/create?name=on", json=run, hidden=True, save={"on": "Id"}),
        Step("start", "POST", "/containers/on/start", hidden=True),
        Step("make one without", "POST", "/containers/create?name=off", json={**run, "HostConfig": {"NetworkMode": "none"}}, hidden=True, save={"off": "Id"}),
        *tried(),
        put("an address of no choice", {"IPAMConfig": {"IPv4Address": "172.18.0.9"}}, "/networks/plain"),
        put("an address on the bridge", {"IPAMConfig": {"IPv4Address": "172.28.0.9"}}, "/networks/bridge"),
        put("an alias on the bridge", {"Aliases": ["q"]}, "/networks/bridge"),
        Step("connect", "POST", net + "/connect", json=here),
        Step("inspect with a container", "GET", net),
        Step("connect again", "POST", net + "/connect", json=here),
        Step("remove in use", "DELETE", net),
        Step("prune in use", "POST", "/networks/prune?filters=" + quote('{"label!":["x"]}', safe="")),
        Step("list dangling", "GET", "/networks?filters=" + quote('{"dangling":["true"]}', safe="")),
        Step("disconnect", "POST", net + "/disconnect", json=here),
        Step("disconnect again", "POST", net + "/disconnect", json=here),
        Step("disconnect by force again", "POST", net + "/disconnect", json={**here, "Force": True}),
        Step("connect from none", "POST", net + "/connect", json={"Container": "off"}),
        Step("connect to none", "POST", "/networks/none/connect", json=here),
        Step("connect to host", "POST", "/networks/host/connect", json=here),
        Step("connect nobody", "POST", net + "/connect", json={}),
        Step("connect a stranger", "POST", net + "/connect", json={"Container": "cake"}),
        Step("connect a stranger to nothing", "POST", "/networks/cake/connect", json={"Container": "cake"}),
        Step("connect to nothing", "POST", "/networks/cake/connect", json=here),
        Step("disconnect a stranger", "POST", net + "/disconnect", json={"Container": "cake"}),
        Step("disconnect a stranger by force", "POST", net + "/disconnect", json={"Container": "cake", "Force": True}),
        Step("disconnect from nothing", "POST", "/networks/cake/disconnect", json=here),
        Step("disconnect nobody", "POST", net + "/disconnect", json={"Container": ""}),
        Step("disconnect from host", "POST", "/networks/host/disconnect", json=here),
        Step("disconnect the stopped", "POST", "/networks/none/disconnect", json={"Container": "off"}),
        Step("connect the stopped", "POST", net + "/connect", json={"Container": "off"}),
        Step("container: connected when stopped", "GET", "/containers/off/json"),
        Step("remove what is only wanted", "DELETE", net),
        Step("start without its network", "POST", "/containers/off/start"),
        Step("events", "GET", "/events?since={now}&until={clock}&filters=" + quote('{"type":["network"],"network":["net"]}', safe="")),
    ]  # fmt: skip
