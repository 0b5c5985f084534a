"""Rewrites between today's documents and those of older API versions, as dockerd's own face does.

Handlers know version 1.51 only. Every function takes the version that a client speaks.
"""

from __future__ import annotations

from typing import Any

from carrack.api.versions import Version
from carrack.errors import InvalidArgument

Document = dict[str, Any]


def create_request(body: Document, version: Version) -> Document:
    """A create request without the fields that the client's version did not have, and with what they meant then."""
    if version >= (1, 44):
        return body
    body = _one_network(body)
    host = _field(body, "HostConfig")
    if not isinstance(host, dict):
        return body
    host = dict(host)
    if version < (1, 42):
        host = _without(host, "ConsoleSize")
    if version < (1, 43):
        host = _without(host, "Annotations")
    mounts = _field(host, "Mounts")
    if isinstance(mounts, list):
        # Read-only mounts were not recursively so.
        host = {**_without(host, "Mounts"), "Mounts": [_not_recursive(mount) for mount in mounts]}
    return {**_without(body, "HostConfig"), "HostConfig": host}


def network_request(body: Document, version: Version) -> Document:
    """A request for a network: one without IPv4 came with 1.48."""
    return body if version >= (1, 48) else _without(body, "EnableIPv4")


def container_rows(rows: list[Document], version: Version) -> list[Document]:
    """The list of containers: annotations came with 1.46, the image's manifest with 1.48."""
    if version >= (1, 48):
        return rows
    rows = [_without(row, "ImageManifestDescriptor") for row in rows]
    if version >= (1, 46):
        return rows
    return [{**row, "HostConfig": _without(row["HostConfig"], "Annotations")} for row in rows]


def rows_form(version: Version) -> int:
    """A number for the form that `container_rows` gives: versions with the same number have the same."""
    return (version >= (1, 48)) + (version >= (1, 46))


def container(document: Document, version: Version) -> Document:
    """A container: its image's manifest came with 1.48."""
    return document if version >= (1, 48) else _without(document, "ImageManifestDescriptor")


def info(document: Document, version: Version) -> Document:
    """The engine's information; below 1.50 dockerd makes it a map, whose keys come out sorted."""
    if version >= (1, 50):
        return document
    shown = {**document, "BridgeNfIptables": False, "BridgeNfIp6tables": False}
    shown.pop("DiscoveredDevices", None)
    if version < (1, 42):
        shown["KernelMemory"] = False
    if version < (1, 47):
        none = {"AllowNondistributableArtifactsCIDRs": None, "AllowNondistributableArtifactsHostnames": None}
        shown["RegistryConfig"] = {**shown["RegistryConfig"], **none}
    if version < (1, 49):
        shown.pop("FirewallBackend", None)
        shown["RuncCommit"] = {**shown["RuncCommit"], "Expected": shown["RuncCommit"]["ID"]}
    result: Document = _sorted(shown)
    return result


def _field(document: Document, name: str) -> Any:
    """A field by its name in any case."""
    return next((value for key, value in document.items() if key.lower() == name.lower()), None)


def _without(document: Document, name: str) -> Document:
    return {key: value for key, value in document.items() if key.lower() != name.lower()}


def _one_network(body: Document) -> Document:
    """A container was made for one network, and had one MAC address, whose place is at that network now.

    An endpoint's own address was what another container had, sent back by programs that copy containers.
    """
    mac, networking, host = (_field(body, name) for name in ("MacAddress", "NetworkingConfig", "HostConfig"))
    endpoints = _field(networking, "EndpointsConfig") if isinstance(networking, dict) else networking
    if not isinstance(endpoints, dict | None):
        return body
    endpoints = endpoints or {}
    if len(endpoints) > 1:
        names = ", ".join(sorted(endpoints))
        raise InvalidArgument(f"Container cannot be created with multiple network endpoints: {names}")
    if not endpoints and not (mac and _may_have_address(host)):
        return body
    given = {"MacAddress": mac} if mac else {}
    left = {
        name: {**_without(endpoint or {}, "MacAddress"), **given} if isinstance(endpoint, dict | None) else endpoint
        for name, endpoint in (endpoints or {"default": None}).items()
    }
    networking = {**_without(networking or {}, "EndpointsConfig"), "EndpointsConfig": left}
    return {**_without(_without(body, "NetworkingConfig"), "MacAddress"), "NetworkingConfig": networking}


def _may_have_address(host: Any) -> bool:
    mode = _field(host, "NetworkMode") if isinstance(host, dict) else ""
    return mode not in ("host", "none") and not str(mode or "").startswith("container:")


def _not_recursive(mount: Any) -> Any:
    if not isinstance(mount, dict) or _field(mount, "Type") != "bind" or not _field(mount, "ReadOnly"):
        return mount
    options = _field(mount, "BindOptions")
    if options is not None and not isinstance(options, dict):
        return mount
    options = {**_without(options or {}, "ReadOnlyNonRecursive"), "ReadOnlyNonRecursive": True}
    return {**_without(mount, "BindOptions"), "BindOptions": options}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in sorted(value.items())}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
