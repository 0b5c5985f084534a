"""What is asked of one network: refused in Docker's words, planned, and shown."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.engine.containers import endpoints
from carrack.errors import Internal, InvalidArgument
from carrack.network.option_names import IFNAME, SYSCTLS
from carrack.network.plan import EndpointPlan

SUBNETS = ("10.77.0.0/24", "fd00:77::/64")


def told(document: dict[str, Any], name: str = "net", subnets: tuple[str, ...] | None = SUBNETS) -> list[str]:
    """The reasons of a refusal, none when there is none."""
    try:
        endpoints.check(endpoints.wanted(document), name, subnets)
    except InvalidArgument as error:
        first, *rest = str(error).split("\n")
        return [line.removeprefix("* ") for line in rest] if first == "invalid endpoint settings:" else [first]
    return []


def address(four: str = "", six: str = "", *more: str) -> dict[str, Any]:
    return {"IPAMConfig": {"IPv4Address": four, "IPv6Address": six, "LinkLocalIPs": list(more)}}


OUTSIDE = "no configured subnet or ip-range contain the IP address "
NOT_CHOSEN = "user specified IP address is supported only when connecting to networks with user configured subnets"


@pytest.mark.parametrize(
    ("document", "name", "subnets", "reasons"),
    [
        (address("10.77.0.9", "fd00:77::9", "169.254.1.2", "fe80::7"), "net", SUBNETS, []),
        (address("10.99.0.1"), "net", SUBNETS, [OUTSIDE + "10.99.0.1"]),
        (address("10.77.0.9"), "net", (), [NOT_CHOSEN]),
        (address("", "fd00:77::9"), "net", SUBNETS[:1], [NOT_CHOSEN]),
        (address("10.99.0.1"), "net", None, []),
        (address("zzz"), "net", SUBNETS, ["invalid IPv4 address: zzz", OUTSIDE + "zzz"]),
        (address("fd00:77::9"), "net", SUBNETS,
         ["invalid IPv4 address: fd00:77::9", OUTSIDE + "fd00:77::9"]),
        (address("0.0.0.0"), "net", None, ["invalid IPv4 address: 0.0.0.0"]),
        (address("", "fe80::1%eth0"), "net", None, ["invalid IPv6 address: fe80::1%eth0"]),
        (address("", "", "x", "10.5.5.5"), "net", SUBNETS, ["invalid link-local IP address: x"]),
        (address("", "", "10.5.5.5"), "net", SUBNETS, ["invalid link local IP address: 10.5.5.5"]),
        (address("172.17.0.9"), "bridge", ("172.17.0.0/16",),
         ["user specified IP address is supported on user defined networks only"]),
        ({"Aliases": ["a"]}, "bridge", None,
         ["network-scoped alias is supported only for containers in user defined networks"]),
        ({"MacAddress": "qq"}, "net", SUBNETS, ["invalid MAC address qq"]),
        ({"MacAddress": "03:00:00:00:00:01"}, "net", SUBNETS, ["invalid MAC address 03:00:00:00:00:01"]),
        ({"MacAddress": "00:00:00:00:00:00"}, "net", SUBNETS, ["invalid MAC address 00:00:00:00:00:00"]),
    ],
)  # fmt: skip
def test_what_cannot_be_given(
    document: dict[str, Any], name: str, subnets: tuple[str, ...] | None, reasons: list[str]
) -> None:
    assert told(document, name, subnets) == reasons


def test_a_malformed_link() -> None:
    with pytest.raises(Internal, match="bad format for links: a:b:c"):
        told({"Links": ["a:b:c"]})


@pytest.mark.parametrize("text", ["02:00:00:00:00:07", "02-AA-00-00-00-01", "02aa.0000.0001"])
def test_addresses_in_all_ways_of_writing(text: str) -> None:
    assert told({"MacAddress": text}) == []
    assert endpoints.plan(endpoints.wanted({"MacAddress": text})).mac in ("02:00:00:00:00:07", "02:aa:00:00:00:01")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({IFNAME: "a/b"}, "invalid interface name 'a/b'"),
        ({IFNAME: "a" * 16}, "it has 1 to 15 characters"),
        ({IFNAME: "lo"}, "invalid interface name 'lo'"),
        ({SYSCTLS: "net.ipv4.conf.eth0.forwarding=1"}, "unrecognised network interface sysctl"),
        ({SYSCTLS: "net.ipv4.conf.IFNAME.forwarding"}, "to have format name=value"),
        ({SYSCTLS: "net.ipv4.conf.IFNAME./../../x=1"}, "invalid network interface sysctl"),
        ({"com.docker.network.endpoint.mtu": "9"}, "unknown endpoint option com.docker.network.endpoint.mtu"),
    ],
)
def test_options_that_cannot_be(options: dict[str, str], reason: str) -> None:
    [found] = told({"DriverOpts": options})
    assert reason in found


def test_what_is_planned() -> None:
    document = {
        **address("10.77.0.9", "fd00:77::9", "169.254.1.2"), "GwPriority": 7, "MacAddress": "02-00-00-00-00-0A",
        "DriverOpts": {IFNAME: "wan0", "foreign": "x", SYSCTLS:
                       "net.ipv4.conf.ifname.forwarding=1,net.ipv6.conf.IFNAME.accept_ra=2"},
    }  # fmt: skip
    assert told(document) == []
    assert endpoints.plan(endpoints.wanted(document)) == EndpointPlan(
        "10.77.0.9", "fd00:77::9", ("169.254.1.2",), "02:00:00:00:00:0a", "wan0", 7,
        (("net.ipv4.conf.IFNAME.forwarding", "1"), ("net.ipv6.conf.IFNAME.accept_ra", "2")),
    )  # fmt: skip
    assert endpoints.plan(endpoints.wanted()) == EndpointPlan()


def test_names_are_told_once_and_the_containers_own_first() -> None:
    assert endpoints.dns_names("web", "4" * 64, "4" * 12, ["www", "web"]) == ["web", "www", "4" * 12]
    assert endpoints.dns_names("web", "4" * 64, "host", None) == ["web", "4" * 12, "host"]


def test_what_is_shown_before_while_and_after() -> None:
    wanted = endpoints.wanted({**address("10.77.0.9"), "MacAddress": "02:00:00:00:00:07", "Aliases": ["www"]})
    before = endpoints.shown(wanted, network_id="n", names=["web"])
    assert (
        list(before)
        == """IPAMConfig Links Aliases MacAddress DriverOpts GwPriority NetworkID EndpointID Gateway
        IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen DNSNames""".split()
    )
    assert before["IPAMConfig"] == {"IPv4Address": "10.77.0.9"}
    assert (before["MacAddress"], before["Aliases"], before["DNSNames"]) == ("02:00:00:00:00:07", ["www"], ["web"])
    now = endpoints.connected(before, {"IPAddress": "10.77.0.9", "EndpointID": "e", "NetworkID": "n"})
    assert (now["IPAddress"], now["EndpointID"], now["Aliases"]) == ("10.77.0.9", "e", ["www"])
    after = endpoints.ended(now)
    assert (after["IPAddress"], after["EndpointID"], after["MacAddress"]) == ("", "", "")
    assert (after["NetworkID"], after["DNSNames"], list(after)) == ("n", ["web"], list(before))
    assert endpoints.shown(endpoints.wanted())["DNSNames"] is None


@pytest.mark.parametrize("name", ["bridge", "default", "none", "host", "", "container:x"])
def test_networks_of_the_users_own(name: str) -> None:
    assert not endpoints.user_defined(name)
    assert endpoints.user_defined("net")
