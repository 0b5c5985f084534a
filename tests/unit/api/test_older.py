"""What older API versions sent and saw."""

from __future__ import annotations

import pytest

from carrack.api import older
from carrack.errors import InvalidArgument

BODY = {
    "Image": "x",
    "hostConfig": {
        "ConsoleSize": [1, 2],
        "annotations": {"a": "b"},
        "Mounts": [{"Type": "bind", "ReadOnly": True}, {"Type": "bind"}, {"Type": "tmpfs", "ReadOnly": True}],
    },
}


def test_requests_of_today_are_left_alone() -> None:
    assert older.create_request(BODY, (1, 44)) is BODY
    odds: list[dict[str, object]] = [{}, {"HostConfig": None}, {"HostConfig": []}, {"HostConfig": {"Mounts": "x"}}]
    for odd in odds:
        assert older.create_request(odd, (1, 43)) == odd


def test_fields_that_a_version_did_not_have_are_dropped() -> None:
    before: dict[str, dict[str, object]] = older.create_request(BODY, (1, 41))
    assert set(before["HostConfig"]) == {"Mounts"}
    assert set(older.create_request(BODY, (1, 42))["HostConfig"]) == {"Mounts", "ConsoleSize"}
    assert set(older.create_request(BODY, (1, 43))["HostConfig"]) == {"Mounts", "ConsoleSize", "annotations"}


def test_read_only_mounts_were_not_recursively_so() -> None:
    mounts = older.create_request(BODY, (1, 43))["HostConfig"]["Mounts"]
    assert mounts[0]["BindOptions"] == {"ReadOnlyNonRecursive": True}
    assert mounts[1:] == BODY["hostConfig"]["Mounts"][1:]  # type: ignore[index]
    odd = {"HostConfig": {"Mounts": [1, {"Type": "bind", "ReadOnly": True, "BindOptions": 1}]}}
    assert older.create_request(odd, (1, 43)) == odd


def test_addresses_of_endpoints_were_of_the_container_that_they_were_copied_from() -> None:
    endpoints = {"bridge": {"macAddress": "02:42:00:00:00:01", "Aliases": ["a"]}}
    body = {"Image": "x", "networkingConfig": {"EndpointsConfig": endpoints}}
    assert older.create_request(body, (1, 44)) is body
    before = older.create_request(body, (1, 43))
    assert before["NetworkingConfig"]["EndpointsConfig"] == {"bridge": {"Aliases": ["a"]}}
    odds: list[dict[str, object]] = [{"NetworkingConfig": []}, {"NetworkingConfig": {"EndpointsConfig": 1}}]
    for odd in odds:
        assert older.create_request(odd, (1, 43)) == odd
    assert older.create_request({"NetworkingConfig": {"EndpointsConfig": {"x": 1}}}, (1, 43)) == {
        "NetworkingConfig": {"EndpointsConfig": {"x": 1}}
    }


def test_a_container_had_one_network_and_one_address() -> None:
    mac = "02:00:00:00:00:05"
    body = {"macAddress": mac, "HostConfig": {"NetworkMode": "front"}}
    now = older.create_request(body, (1, 43))
    assert "macAddress" not in now
    assert now["NetworkingConfig"] == {"EndpointsConfig": {"default": {"MacAddress": mac}}}
    now = older.create_request({**body, "NetworkingConfig": {"EndpointsConfig": {"back": None}}}, (1, 43))
    assert now["NetworkingConfig"] == {"EndpointsConfig": {"back": {"MacAddress": mac}}}
    for mode in ("host", "none", "container:x"):
        refused = {"MacAddress": mac, "HostConfig": {"NetworkMode": mode}}
        assert older.create_request(refused, (1, 43))["MacAddress"] == mac
    two: dict[str, object] = {"NetworkingConfig": {"EndpointsConfig": {"front": {}, "back": {}}}}
    with pytest.raises(InvalidArgument, match="cannot be created with multiple network endpoints: back, front"):
        older.create_request(two, (1, 43))


def test_lists_showed_no_annotations() -> None:
    rows = [{"Id": "1", "HostConfig": {"NetworkMode": "host", "Annotations": {"a": "b"}}}]
    assert older.container_rows(rows, (1, 48)) is rows
    assert older.container_rows(rows, (1, 46)) == rows
    assert older.container_rows(rows, (1, 45)) == [{"Id": "1", "HostConfig": {"NetworkMode": "host"}}]


def test_containers_told_nothing_of_their_images_manifests() -> None:
    shown = {"Id": "1", "ImageManifestDescriptor": {}, "HostConfig": {}}
    assert older.container(shown, (1, 48)) == shown
    assert older.container(shown, (1, 47)) == {"Id": "1", "HostConfig": {}}
    assert older.container_rows([shown], (1, 47)) == [{"Id": "1", "HostConfig": {}}]


@pytest.mark.parametrize(
    ("version", "more", "less"),
    [
        ((1, 50), set(), set()),
        ((1, 49), {"BridgeNfIptables", "BridgeNfIp6tables"}, set()),
        ((1, 48), {"BridgeNfIptables", "BridgeNfIp6tables"}, {"FirewallBackend"}),
        ((1, 41), {"BridgeNfIptables", "BridgeNfIp6tables", "KernelMemory"}, {"FirewallBackend"}),
    ],
)
def test_info(version: tuple[int, int], more: set[str], less: set[str]) -> None:
    document = {"RegistryConfig": {"Mirrors": None}, "FirewallBackend": {}, "RuncCommit": {"ID": "r"}, "Containers": 1}
    shown = older.info(document, version)
    assert set(shown) == (set(document) | more) - less
    if version < (1, 50):
        assert list(shown) == sorted(shown)
    assert ("AllowNondistributableArtifactsCIDRs" in shown["RegistryConfig"]) == (version < (1, 47))
    assert shown["RuncCommit"].get("Expected") == ("r" if version < (1, 49) else None)


def test_a_network_without_ipv4_is_of_a_later_version() -> None:
    body = {"Name": "web", "enableipv4": False, "EnableIPv6": True}
    assert older.network_request(body, (1, 48)) == body
    assert older.network_request(body, (1, 47)) == {"Name": "web", "EnableIPv6": True}
