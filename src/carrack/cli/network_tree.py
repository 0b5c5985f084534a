"""``network ls --tree``: the networks as one draws them, with their subnets and the containers on them."""

from carrack.cli.commands.ps import ports
from carrack.cli.render.fields import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.client.document import Document


def tree(networks: "Sequence[Document]", containers: "Sequence[Document]") -> list[str]:
    """Lines: each network, and below it its containers with address and published ports, or their state."""
    lines = []
    for network in networks:
        lines.append("  ".join([network["Name"], network.get("Driver", ""), *_marks(network)]))
        found = [(_name(each), each) for each in containers if network["Name"] in _endpoints(each)]
        found.sort(key=lambda pair: natural(pair[0]))
        width = max((len(name) for name, _ in found), default=0)
        for number, (name, each) in enumerate(found, 1):
            branch = "└── " if number == len(found) else "├── "
            lines.append(f"{branch}{name:{width}}  {_place(each, network['Name'])}".rstrip())
    return lines


def _marks(network: "Document") -> list[str]:
    pools = (network.get("IPAM") or {}).get("Config") or []
    marks = [", ".join(pool["Subnet"] for pool in pools if pool.get("Subnet"))]
    return [mark for mark in [*marks, "internal" if network.get("Internal") else ""] if mark]


def _place(container: "Document", network: str) -> str:
    endpoint = _endpoints(container)[network] or {}
    addresses = [endpoint.get(key) or "" for key in ("IPAddress", "GlobalIPv6Address")]
    if container.get("State") not in ("running", "paused"):
        return f"({container.get('State', '')})"
    return "  ".join(word for word in [*addresses, ports(container.get("Ports") or [])] if word)


def _endpoints(container: "Document") -> "Document":
    found: Document = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return found


def _name(container: "Document") -> str:
    """The container's own name, not one that a link gave it."""
    names: list[str] = [name.removeprefix("/") for name in container.get("Names") or []]
    return next((name for name in names if "/" not in name), str(container["Id"])[:12])
