"""What ``--network`` and its kin become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.cli.container_flags import CREATE_FLAGS
from carrack.cli.container_networks import endpoints, is_user_defined, parse_driver_option, parse_link, parse_network
from carrack.cli.flags import UsageError, parse
from carrack.errors import CarrackError, InvalidArgument


def made(*words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    host: dict[str, Any] = {}
    return endpoints(parse(CREATE_FLAGS, list(words)), host), host


def test_the_first_is_the_mode() -> None:
    assert made("--network", "front") == ({}, {"NetworkMode": "front"})
    assert made("--network", "name=front") == ({}, {"NetworkMode": "front"})
    assert made("--net", "front", "--network", "back") == ({"front": {}, "back": {}}, {"NetworkMode": "front"})


def test_settings_belong_to_the_first() -> None:
    found, _ = made("--network", "front", "--network", "back", "--network-alias", "web", "--link", "db:x")
    assert found == {"front": {"Aliases": ["web"], "Links": ["db:x"]}, "back": {}}
    found, _ = made("--network", "front", "--mac-address", "02-00-00-00-00-01")
    assert found == {"front": {"MacAddress": "02-00-00-00-00-01"}}
    assert made("--ip", "10.0.0.4") == ({"default": {"IPAMConfig": {"IPv4Address": "10.0.0.4"}}}, {})
    found, _ = made("--network", "name=front,ip=10.0.0.4", "--ip6", "fd00::4", "--link-local-ip", "169.254.1.1")
    ipam = {"IPv4Address": "10.0.0.4", "IPv6Address": "fd00::4", "LinkLocalIPs": ["169.254.1.1"]}
    assert found == {"front": {"IPAMConfig": ipam}}


def test_links_of_the_default_network_are_the_hosts() -> None:
    assert made("--link", "db") == ({}, {})


def test_the_long_form() -> None:
    text = (
        "NAME=Front, alias=web,alias=w,ip=10.0.0.4,ip6=fd00::4,link-local-ip=169.254.1.1,link-local-ip=fe80::1,"
        'mac-address=02:00:00:00:00:01,gw-priority=-5,driver-opt=a=b,"driver-opt=c=d,e"'
    )
    assert parse_network(text) == (
        "Front",
        {
            "Aliases": ["web", "w"],
            "IPAMConfig": {
                "IPv4Address": "10.0.0.4",
                "IPv6Address": "fd00::4",
                "LinkLocalIPs": ["169.254.1.1", "fe80::1"],
            },
            "MacAddress": "02:00:00:00:00:01",
            "GwPriority": -5,
            "DriverOpts": {"a": "b", "c": "d,e"},
        },
    )


@pytest.mark.parametrize("text", ["front", "name=", "=x", "a= b", "", "a=-b"])
def test_what_is_a_name(text: str) -> None:
    assert parse_network(text) == (text, {})


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--network-alias", "web"], "network-scoped aliases are only supported for user-defined networks"),
        (["--network", "container:x", "--network-alias", "web"], "network-scoped aliases"),
        (["--network", "name=bridge,alias=web"], "network-scoped aliases"),
        (["--mac-address", "nonsense"], "nonsense is not a valid mac address"),
        (["--network", "name=x,mac-address=02:0:0:0:0:1"], "02:0:0:0:0:1 is not a valid mac address"),
        (["--network", "x", "--network", "x"], 'network "x" is specified multiple times'),
        (["--network", "x", "--network", "host"], "cannot attach both user-defined and non-user-defined"),
        (["--network", " "], "no name set for network"),
        (["--network", "name=x,alias=a", "--network-alias", "b"], "both --network-alias and per-network alias"),
        (["--network", "name=x,ip=1.2.3.4", "--ip", "1.2.3.5"], "both --ip and per-network IPv4 address"),
        (["--network", "name=x,ip6=::1", "--ip6", "::2"], "both --ip6 and per-network IPv6 address"),
        (["--network", "name=x,mac-address=02:00:00:00:00:01", "--mac-address", "02:00:00:00:00:02"], "MAC address"),
        (["--network", "name=x,link-local-ip=::1", "--link-local-ip", "::2"], "per-network link-local IP addresses"),
    ],
)
def test_refusals(words: list[str], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        made(*words)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--network", "alias=x"], "network name/id is not specified"),
        (["--network", "name=x,colour=red"], "invalid field key colour"),
        (["--network", "name=x,alias"], "invalid field alias"),
        (["--network", "name=x,gw-priority=high"], r"invalid gw-priority \(high\): invalid syntax"),
        (["--network", f"name=x,gw-priority={1 << 64}"], "value out of range"),
        (["--network", "name=x,driver-opt=y"], "invalid key value pair format in driver options"),
        (["--link", ""], "empty string specified for links"),
        (["--link", "a:b:c"], "bad format for links: a:b:c"),
    ],
)
def test_what_is_no_value_of_its_flag(words: list[str], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        made(*words)


@pytest.mark.parametrize("mac", ["02:00:00:00:00:01", "02-00-00-00-00-01", "0200.0000.0001", "02:00:00:00:00:00:00:01"])
def test_hardware_addresses(mac: str) -> None:
    assert made("--mac-address", mac)[0]["default"] == {"MacAddress": mac}


def test_parts() -> None:
    assert parse_driver_option(" a = b=c ") == ("a", "b=c")
    assert parse_link("db:x") == "db:x"
    assert is_user_defined("front")
    assert not any(map(is_user_defined, ("bridge", "default", "host", "none", "container:x")))


@given(st.text(max_size=30) | st.from_regex(r"name=\w+(,[a-z0-9-]{1,12}=\w*){0,3}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        name, settings = parse_network(text)
    except CarrackError:
        return
    assert name or not text
    assert isinstance(settings, dict)
