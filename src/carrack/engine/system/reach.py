"""Who can reach what: every published port with the places it can be reached from, and what stands in the way.

What is told is what the rules let through. That an address is private says nothing of who is led to it, so a port on
every address of the host counts as reachable from anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from carrack.errors import InvalidArgument
from carrack.model import port_ranges
from carrack.model.ports import parse_range
from carrack.network.facts import Facts, Wall, is_loopback
from carrack.network.option_names import BRIDGE_NAME

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container

Document = dict[str, Any]

#: values of ``Reach``
HOST, CONTAINERS, LOCAL, ROUTED, ANYWHERE = "host", "containers", "local", "routed", "anywhere"
ALLOWED = "allowed"
_WILDCARDS = ("", "0.0.0.0", "::")


def reach(containers: Iterable[Container], networks: Iterable[Document], facts: Facts) -> list[Document]:
    """One document per published port or run of neighbouring ports, by container and port.

    ``Container`` and ``Name``, ``Network`` (by which it is published), ``Protocol``, ``HostIp``, ``HostPort`` and
    ``ContainerPort`` (``8000-8010`` for a run), ``Reach`` with ``From`` (for ``allowed``: networks, besides this host),
    ``Warnings``. A container on the host's own network has one without ports.
    """
    known = {str(network["Name"]): network for network in networks}
    rows: list[Document] = []
    for c in containers:
        if c.state.status in ("running", "paused"):
            rows += [_of_host(c)] if c.host_config["NetworkMode"] == "host" else _published(c, known, facts)
    return _joined(sorted(rows, key=_order))


def bridge_of(network: Document) -> str:
    """The name of a network's bridge; empty for one that has none."""
    if network["Driver"] != "bridge":
        return ""
    return (network.get("Options") or {}).get(BRIDGE_NAME) or f"br-{network['Id'][:12]}"


def obstacle(facts: Facts, version: int, bridge: str) -> str:
    """What keeps packets from elsewhere from a port published behind a bridge, in words; empty for nothing."""
    if not facts.forwarding.get(version, True):
        return f"IPv{version} forwarding is off on this host"
    return next((_dropped(wall) for wall in facts.walls if wall.sees(version) and not wall.admits(bridge)), "")


def _dropped(wall: Wall) -> str:
    return f"{wall.owner or 'another program'} drops it, unless a rule of its allows it ({wall.name})"


def _at_the_door(facts: Facts, version: int) -> str:
    """The same for a port that a relay of ours serves, which is a program of the host as any other."""
    return next((_dropped(door) for door in facts.doors if door.sees(version) and "*" not in door.into), "")


def _of_host(c: Container) -> Document:
    warning = "it shares the host's network: whatever it listens on is reachable as the host's firewall allows"
    return _row(c, "host", "", "", "", "", ANYWHERE, [], [warning])


def _published(c: Container, networks: Mapping[str, Document], facts: Facts) -> Iterator[Document]:
    network = networks.get(_way(c, networks), {"Name": "", "Id": "", "Driver": ""})
    gateways = {pool.get("Gateway") for pool in (network.get("IPAM") or {}).get("Config") or ()}
    for key, bindings in port_ranges.unfolded(c.ports).items():
        port, _, protocol = key.partition("/")
        for binding in bindings or ():
            place = binding if binding["HostPort"] else _of_container(c, network["Name"], binding, port)
            version = 6 if ":" in place["HostIp"] else 4
            asked = allowed_by(c, key, binding)
            allowed = [block for block in asked if (":" in block) == (version == 6)]
            where = HOST if asked and not allowed else _reach(place["HostIp"], allowed, gateways)
            if place is not binding and not asked:
                where = ROUTED
            relayed = version == 6 and not network.get("EnableIPv6")
            blocked = _at_the_door(facts, version) if relayed else obstacle(facts, version, bridge_of(network))
            blocked = "" if where in (HOST, CONTAINERS) else blocked
            yield _row(
                c, network["Name"], protocol, place["HostIp"], place["HostPort"], port, where, allowed,
                [blocked] if blocked else [],
            )  # fmt: skip


def _of_container(c: Container, network: str, binding: Document, port: str) -> Document:
    """The place of a port that no address of the host stands for: the container's own (the gateway mode ``routed``)."""
    endpoint = c.endpoints.get(network) or {}
    address = endpoint.get("GlobalIPv6Address" if ":" in binding["HostIp"] else "IPAddress") or ""
    return {"HostIp": address, "HostPort": port}


def _way(c: Container, networks: Mapping[str, Document]) -> str:
    """The network by which a container is reached: that of the highest priority that is not internal, then by name."""
    open_ones = [name for name in c.endpoints if name in networks and not networks[name].get("Internal")]
    return min(open_ones, key=lambda name: (-(c.endpoints[name].get("GwPriority") or 0), name), default="")


def allowed_by(c: Container, key: str, binding: Mapping[str, Any]) -> list[str]:
    """The networks that alone may reach a published port, as they were asked for; nothing where all may."""
    if binding.get("Allow"):
        return list(binding["Allow"])
    for wanted in (c.host_config["PortBindings"] or {}).get(key) or ():
        same_address = wanted["HostIp"] == binding["HostIp"] or {wanted["HostIp"], binding["HostIp"]} <= {*_WILDCARDS}
        if same_address and _covers(wanted["HostPort"], binding["HostPort"]):
            return list(wanted.get("Allow") or ())
    return []


def _covers(wanted: str, given: str) -> bool:
    try:
        first, last = parse_range(wanted) if wanted and wanted != "0" else (0, 65535)
        return first <= int(given) <= last
    except (InvalidArgument, ValueError):
        return False


def _reach(address: str, allowed: list[str], gateways: Collection[object]) -> str:
    if address and is_loopback(address):
        return HOST
    if allowed:
        return ALLOWED
    if address in gateways:
        return CONTAINERS
    if address not in _WILDCARDS and not ip_address(address).is_global:
        return LOCAL
    return ANYWHERE


def _row(
    c: Container, network: str, protocol: str, address: str, host_port: str, port: str, where: str,
    allowed: list[str], warnings: list[str],
) -> Document:  # fmt: skip
    return {
        "Container": c.id,
        "Name": c.name,
        "Network": network,
        "Protocol": protocol,
        "HostIp": address,
        "HostPort": host_port,
        "ContainerPort": port,
        "Reach": where,
        "From": allowed if where == ALLOWED else [],
        "Warnings": warnings,
    }


def _order(row: Document) -> tuple[Any, ...]:
    return row["Name"], row["Protocol"], ":" in row["HostIp"], row["HostIp"], int(row["HostPort"] or 0)


def _joined(rows: list[Document]) -> list[Document]:
    """Neighbouring ports that lead to neighbouring ports, as one."""
    found: list[Document] = []
    for row in rows:
        if found and _continues(found[-1], row):
            for key in ("HostPort", "ContainerPort"):
                found[-1][key] = f"{found[-1][key].partition('-')[0]}-{row[key]}"
        else:
            found.append(row)
    return found


def _continues(last: Document, row: Document) -> bool:
    ports = ("HostPort", "ContainerPort")
    return all(last[key] == row[key] for key in row if key not in ports) and all(
        last[key] and int(last[key].rpartition("-")[2]) + 1 == int(row[key]) for key in ports
    )
