"""``carrack network create``, ``ls``, ``rm``, ``connect`` and ``disconnect``."""

from carrack.cli.command import EMPTY_NETWORK, Command, checked, describe, write, write_error
from carrack.cli.render.fields import (
    FILTER,
    FORMAT,
    NO_TRUNC,
    joined_labels,
    label_getter,
    natural,
    short_id,
    wanted_filters,
    wanted_form,
)
from carrack.client import networks
from carrack.client.transport import Refused
from carrack.errors import InvalidArgument
from carrack.model.labels import labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}
_POOL_FLAGS = ("subnet", "ip-range", "gateway", "aux-address")
_TRUTHS = {
    "attachable": "Attachable",
    "config-only": "ConfigOnly",
    "ingress": "Ingress",
    "internal": "Internal",
    "ipv4": "EnableIPv4",
    "ipv6": "EnableIPv6",
}


def _create(session: "Session", parsed: "Parsed") -> int:
    ipam: Document = {"Driver": parsed.text("ipam-driver", "default"), "Options": dict(parsed.value("ipam-opt") or ())}
    if any(map(parsed.given, _POOL_FLAGS)):
        from carrack.cli.network_pools import pools

        subnets, ranges, gateways = (parsed.words(name) for name in _POOL_FLAGS[:3])
        ipam["Config"] = pools(subnets, ranges, gateways, parsed.value("aux-address") or ())
    body: Document = {
        "Name": parsed.arguments[0],
        "Driver": parsed.text("driver", "bridge"),
        "IPAM": ipam,
        "Options": dict(parsed.value("opt") or ()),
        "Labels": labels(parsed.words("label")),
    }
    if parsed.text("scope"):
        body["Scope"] = parsed.text("scope")
    body.update({key: parsed.flag(name) for name, key in _TRUTHS.items() if parsed.given(name)})
    if parsed.text("config-from"):
        body["ConfigFrom"] = {"Network": parsed.text("config-from")}
    made = networks.create(session.daemon, body)
    if made.get("Warning"):
        write_error(f"WARNING: {made['Warning']}")
    write(made["Id"])
    return 0


def _connect(session: "Session", parsed: "Parsed") -> int:
    network, container = parsed.arguments
    endpoint: Document = {
        "IPAMConfig": {
            "IPv4Address": parsed.text("ip"),
            "IPv6Address": parsed.text("ip6"),
            "LinkLocalIPs": parsed.words("link-local-ip") or None,
        },
        "Links": parsed.words("link") or None,
        "Aliases": parsed.words("alias") or None,
        "DriverOpts": dict(map(_driver_option, parsed.words("driver-opt"))),
        "GwPriority": parsed.number("gw-priority") or 0,
    }
    networks.connect(session.daemon, checked(network, EMPTY_NETWORK), checked(container), endpoint)
    return 0


def _driver_option(text: str) -> tuple[str, str]:
    from carrack.cli.container_networks import parse_driver_option

    try:
        return parse_driver_option(text)
    except InvalidArgument:
        raise InvalidArgument("invalid key/value pair format in driver options") from None


def _disconnect(session: "Session", parsed: "Parsed") -> int:
    network, container = parsed.arguments
    network, container = checked(network, EMPTY_NETWORK), checked(container)
    networks.disconnect(session.daemon, network, container, force=parsed.flag("force"))
    return 0


def _list(session: "Session", parsed: "Parsed") -> int:
    form, full = wanted_form(parsed, session.settings.text("networksFormat")), parsed.flag("no-trunc")
    found = networks.listing(session.daemon, wanted_filters(parsed))
    found.sort(key=lambda network: natural(network["Name"]))
    if parsed.flag("tree"):
        return _tree(session, parsed, found)
    rows = [_row(network, full) for network in found]
    if parsed.flag("quiet") and form in ("", "table"):
        for row in rows:
            write(row["ID"])
        return 0
    from carrack.cli.render.table import print_rows

    print_rows(rows, HEADINGS, "ID Name Driver Scope", form, "*network.networkContext", quiet=parsed.flag("quiet"))
    return 0


def _tree(session: "Session", parsed: "Parsed", found: "list[Document]") -> int:
    for name in ("format", "json", "no-trunc", "quiet"):
        if parsed.given(name):
            raise InvalidArgument(f"conflicting options: cannot specify both --tree and --{name}")
    from carrack.cli.network_tree import tree
    from carrack.client import containers

    for line in tree(found, containers.listing(session.daemon, everything=True)):
        write(line)
    return 0


def _row(network: "Document", full: bool) -> "dict[str, Any]":
    def truth(key: str, default: bool = False) -> str:
        return "true" if network.get(key, default) else "false"

    return {
        "ID": short_id(network["Id"], full),
        "Name": network["Name"],
        "Driver": network.get("Driver", ""),
        "Scope": network.get("Scope", ""),
        "IPv4": truth("EnableIPv4", True),
        "IPv6": truth("EnableIPv6"),
        "Internal": truth("Internal"),
        "Labels": joined_labels(network.get("Labels")),
        "Label": label_getter(network.get("Labels")),
        "CreatedAt": _go_time(network.get("Created", "")),
    }


def _go_time(text: str) -> str:
    """``2026-11-21T04:54:57.7Z`` as Go prints it."""
    return text.replace("T", " ").replace("Z", " +0000 UTC")


def _remove(session: "Session", parsed: "Parsed") -> int:
    failed, force = 0, parsed.flag("force")
    for name in parsed.arguments:
        try:
            networks.remove(session.daemon, checked(name, EMPTY_NETWORK))
        except (Refused, InvalidArgument) as error:
            if force and isinstance(error, Refused) and error.status == 404:
                continue
            write_error(describe(error))
            failed = 1
        else:
            write(name)
    if failed:
        write_error("exit status 1")  # as docker ends it
    return failed


CREATE = Command(
    "[OPTIONS] NETWORK",
    "Create a network",
    _create,
    (
        ("attachable", "", "bool", "Enable manual container attachment"),
        ("aux-address", "", "option", "Auxiliary IPv4 or IPv6 addresses used by Network driver (default map[])"),
        ("config-from", "", "string", "The network from which to copy the configuration"),
        ("config-only", "", "bool", "Create a configuration only network"),
        ("driver", "d", "string", 'Driver to manage the Network (default "bridge")'),
        ("gateway", "", "strings", "IPv4 or IPv6 Gateway for the master subnet"),
        ("ingress", "", "bool", "Create swarm routing-mesh network"),
        ("internal", "", "bool", "Restrict external access to the network"),
        ("ip-range", "", "strings", "Allocate container ip from a sub-range"),
        ("ipam-driver", "", "string", 'IP Address Management Driver (default "default")'),
        ("ipam-opt", "", "option", "Set IPAM driver specific options (default map[])"),
        ("ipv4", "", "bool", "Enable or disable IPv4 address assignment (default true)"),
        ("ipv6", "", "bool", "Enable or disable IPv6 address assignment"),
        ("label", "", "label", "Set metadata on a network"),
        ("opt", "o", "option", "Set driver specific options (default map[])"),
        ("scope", "", "string", "Control the network's scope"),
        ("subnet", "", "strings", "Subnet in CIDR format that represents a network segment"),
    ),
    least=1,
    most=1,
    example="carrack network create front\n"
    "carrack network create --ipv6 --subnet 10.20.0.0/24 --gateway 10.20.0.1 --internal back",
)
CONNECT = Command(
    "[OPTIONS] NETWORK CONTAINER",
    "Connect a container to a network",
    _connect,
    (
        ("alias", "", "strings", "Add network-scoped alias for the container"),
        ("driver-opt", "", "strings", "driver options for the network"),
        (
            "gw-priority",
            "",
            "int",
            "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
        ),
        ("ip", "", "string", 'IPv4 address (e.g., "172.30.100.104")'),
        ("ip6", "", "string", 'IPv6 address (e.g., "2001:db8::33")'),
        ("link", "", "link", "Add link to another container"),
        ("link-local-ip", "", "strings", "Add a link-local address for the container"),
    ),
    least=2,
    most=2,
    example="carrack network connect --alias db --ip 10.20.0.9 back postgres",
)
DISCONNECT = Command(
    "[OPTIONS] NETWORK CONTAINER",
    "Disconnect a container from a network",
    _disconnect,
    (("force", "f", "bool", "Force the container to disconnect from a network"),),
    least=2,
    most=2,
    example="carrack network disconnect back postgres",
)
REMOVE = Command(
    "NETWORK [NETWORK...]",
    "Remove one or more networks",
    _remove,
    (("force", "f", "bool", "Do not error if the network does not exist"),),
    least=1,
    most=None,
    example="carrack network rm front",
)
LIST = Command(
    "[OPTIONS]",
    "List networks",
    _list,
    (
        FILTER,
        *FORMAT,
        NO_TRUNC,
        ("quiet", "q", "bool", "Only display network IDs"),
        ("tree", "", "bool", "Draw the networks with the containers on them"),
    ),
    example="carrack network ls\ncarrack network ls --tree --filter type=custom",
)
