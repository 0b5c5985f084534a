"""Which ports of a container are published where: bindings of requests checked, completed and changed. Pure.

A binding is a place on the host (``HostIp``, ``HostPort``) and, of ours, ``Allow``: the networks from which it may be
reached; bindings of a container stand by port (``80/tcp``) in ``HostConfig.PortBindings``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from carrack.errors import Conflict, InvalidArgument, NotFound
from carrack.model.container import Document
from carrack.model.ports import PublishedPort, parse_allowed, parse_range

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container

Bindings = dict[str, list[Document]]
#: NetworkSettings.Ports: what is exposed only has no places
Ports = Mapping[str, Sequence[Document] | None]


@functools.lru_cache(2048)  # a range of a thousand ports is asked for at each of its container's steps
def port_key(text: str) -> str:
    """``80/tcp`` of ``80`` or ``80/TCP``. Raises InvalidArgument."""
    number, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    known = protocol in ("tcp", "udp", "sctp") and number.isascii() and number.isdecimal()
    number = number.lstrip("0")
    if not known or len(number) > 5 or not 1 <= int(number or 0) <= 65535:
        raise InvalidArgument(f'invalid port specification: "{text}"')
    return f"{int(number)}/{protocol}"


def completed(given: Mapping[str, Sequence[Document] | None]) -> Bindings:
    """Bindings with their ports written one way; no place for a port is any. Raises InvalidArgument on what is none."""
    found: Bindings = {}
    for key, places in given.items():
        port = port_key(key)
        found.setdefault(port, []).extend(_place(place) for place in places or [{}])
    return found


def _place(given: Document) -> Document:
    place = {"HostIp": given.get("HostIp", ""), "HostPort": given.get("HostPort", "")}
    if place["HostPort"]:
        try:
            parse_range(place["HostPort"])
        except InvalidArgument:
            raise InvalidArgument(f'invalid port specification: "{place["HostPort"]}"') from None
    if given.get("Allow"):
        place["Allow"] = list(parse_allowed(given["Allow"]))
    return place


def published(bindings: Mapping[str, Sequence[Document]]) -> list[PublishedPort]:
    """What is to be published, ranges (`port_ranges`) also; bindings that name no address take their network's."""
    return [
        PublishedPort(
            port if "-" in port else port_key(port),
            place["HostIp"],
            place["HostPort"],
            tuple(place.get("Allow") or ()),
        )
        for port, places in bindings.items()
        for place in places or [{"HostIp": "", "HostPort": ""}]
    ]


def wanted(c: Container) -> list[PublishedPort]:
    """A container's ports to publish: its bindings, long ranges as one (`port_ranges`), and, with ``-P``, every exposed
    one that has none."""
    _, bindings = c.ranges
    ports = published(bindings)
    if c.host_config["PublishAllPorts"]:
        bound = c.host_config["PortBindings"] or {}
        exposed = map(port_key, c.config["ExposedPorts"] or {})
        ports += [PublishedPort(key, "", "") for key in exposed if key not in bound]
    return ports


def any_wanted(c: Container) -> bool:
    """Whether a container has ports to publish or to show."""
    return bool(c.host_config["PortBindings"] or c.config["ExposedPorts"])


def without(bindings: Mapping[str, Sequence[Document]], remove: Sequence[str]) -> Bindings:
    """The bindings after the removal of ``80/tcp`` (all places) or ``8080:80/tcp`` (the one with this host port).

    Raises NotFound for what is not published.
    """
    left = {port: list(places) for port, places in bindings.items()}
    for word in remove:
        host, _, container = word.rpartition(":")
        port = port_key(container)
        places = left.get(port, [])
        gone = _by_host_port(places, host) if host else places
        if not gone:
            raise NotFound(f"port {word} is not published, so it cannot be removed")
        left[port] = [place for place in places if place not in gone]
        if not left[port]:
            del left[port]
    return left


def _by_host_port(places: Sequence[Document], host: str) -> Sequence[Document]:
    """The places with this host port; else the first whose port was for us to choose."""
    found = [place for place in places if place["HostPort"] == host]
    return found or [place for place in places if place["HostPort"] in ("", "0") or "-" in place["HostPort"]][:1]


def together(bindings: Mapping[str, Sequence[Document]], more: Mapping[str, Sequence[Document]]) -> Bindings:
    """Bindings and more of them. Raises Conflict for a place that is there already."""
    result = {port: list(places) for port, places in bindings.items()}
    for port, places in more.items():
        own = result.setdefault(port, [])
        for place in places:
            if place["HostPort"] and any(_same_place(old, place) for old in own):
                where = f"{place['HostIp'] or '0.0.0.0'}:{place['HostPort']}"
                raise Conflict(f"port {port} is published at {where} already")
            own.append(place)
    return result


def _same_place(one: Document, other: Document) -> bool:
    return (one["HostIp"], one["HostPort"]) == (other["HostIp"], other["HostPort"])


def host_ports(ports: Ports) -> list[tuple[str, tuple[str, ...], int]]:
    """The host's ports in NetworkSettings.Ports, ranges not among them: protocol, address, number."""
    return [
        (port.partition("/")[2], (place["HostIp"],), int(place["HostPort"]))
        for port, places in ports.items()
        for place in places or ()
        if place["HostPort"]
    ]


def as_words(before: Ports, after: Ports) -> list[str]:
    """What ``after`` has more than ``before``, as words for its removal."""
    words = (
        f"{place['HostPort']}:{port}"
        for port, places in after.items()
        for place in places or ()
        if place not in (before.get(port) or ())
    )
    return list(dict.fromkeys(words))  # once for all its addresses
