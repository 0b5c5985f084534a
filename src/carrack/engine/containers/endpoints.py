"""What a container asks of one network, and what is shown of it: checked, made a plan of, and put into words. Pure.

Two documents describe an endpoint. The *wanted* one is what a client gave (the Engine API's EndpointSettings, its
fields of configuration); the *shown* one repeats it and adds what the network has given. Rules and words are Docker's
(`validateEndpointSettings`), but for what the kernel would refuse at start only: that is told at once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

from carrack.engine.containers import links
from carrack.engine.networks.addresses import address_of, listed
from carrack.errors import InvalidArgument
from carrack.model import schema
from carrack.model.container import ENDPOINT, Document
from carrack.network import option_names as names
from carrack.network.plan import EndpointPlan

PREDEFINED = ("bridge", "host", "none")

_CONFIGURED = ("IPAMConfig", "Links", "Aliases", "MacAddress", "DriverOpts", "GwPriority")
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}|(?:[0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}")
_INTERFACE = re.compile(r"[^/\s:]{1,15}")
_OPERATIONAL: Document = {
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "MacAddress": "",
}


def user_defined(network: str) -> bool:
    """Whether a network's name, or a mode, is none of the predefined ones."""
    return network not in (*PREDEFINED, "default", "") and not network.startswith("container:")


def wanted(given: Document | None = None) -> Document:
    """What is wanted of a network by who gives this document, or says nothing."""
    document = schema.check(given or {}, ENDPOINT, go="network.EndpointSettings")
    return {name: document[name] for name in _CONFIGURED}


def check(wanted: Document, name: str, subnets: Sequence[str] | None) -> None:
    """Refuse what a network of this name cannot give.

    Raises InvalidArgument with all reasons, in Docker's words; Internal, as it does, for a malformed link.

    ``subnets`` are those that its creator chose himself; None: the network is not known (yet).
    """
    addresses = wanted["IPAMConfig"] or {}
    given, more = (addresses.get("IPv4Address", ""), addresses.get("IPv6Address", "")), addresses.get("LinkLocalIPs")
    more = more or ()
    errors = []
    if not user_defined(name):
        if any(given):
            errors.append("user specified IP address is supported on user defined networks only")
        if wanted["Aliases"]:
            errors.append("network-scoped alias is supported only for containers in user defined networks")
    errors += [f"invalid IPv{v} address: {text}" for v, text in zip((4, 6), given, strict=True) if _bad(text, v)]
    errors += [f"invalid link-local IP address: {text}" for text in more if not _given(text)]
    if subnets is not None:
        errors += [told for v, text in zip((4, 6), given, strict=True) if (told := _outside(text, v, subnets))]
    if wanted["MacAddress"] and not is_mac(wanted["MacAddress"]):
        raise InvalidArgument(f"invalid MAC address {wanted['MacAddress']}")
    errors += _option_errors(wanted["DriverOpts"] or {})
    if errors:
        raise InvalidArgument(f"invalid endpoint settings:\n{listed(errors)}")
    for text in more:
        if (found := address_of(text)) is not None and not found.is_link_local:
            raise InvalidArgument(f"invalid link local IP address: {text}")
    for link in wanted["Links"] or ():
        links.parse(link)


def _bad(text: str, version: int) -> bool:
    return bool(text) and ((found := address_of(text)) is None or found.version != version or found.is_unspecified)


def _given(text: str) -> bool:
    return (found := address_of(text)) is not None and not found.is_unspecified


def _outside(text: str, version: int, subnets: Sequence[str]) -> str:
    """Why an address cannot be asked for; empty when it can."""
    if not text:
        return ""
    networks = [found for found in map(ipaddress.ip_network, subnets) if found.version == version]
    if not networks:
        return "user specified IP address is supported only when connecting to networks with user configured subnets"
    address = address_of(text)
    if address is not None and any(address in network for network in networks):
        return ""
    return f"no configured subnet or ip-range contain the IP address {text}"


def is_mac(text: str) -> bool:
    """Whether an interface can have this address: six bytes, and of one interface (not a group's, not zero)."""
    if not _MAC.fullmatch(text):
        return False
    digits = re.sub("[^0-9a-fA-F]", "", text)
    return not int(digits[:2], 16) & 1 and int(digits, 16) != 0


def mac(text: str) -> str:
    """An address as the kernel shows it: ``02:42:ac:11:00:02``."""
    digits = re.sub("[^0-9a-fA-F]", "", text).lower()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _option_errors(options: Document) -> list[str]:
    errors = []
    for key, value in options.items():
        if key == names.SYSCTLS:
            errors += [told for line in value.split(",") if (told := _sysctl_error(line))]
        elif key == names.IFNAME:
            if not _INTERFACE.fullmatch(value) or value in (".", "..", "lo"):
                told = "it has 1 to 15 characters, none of them a slash, a colon or a space"
                errors.append(f"invalid interface name '{value}' in {names.IFNAME}: {told}")
        elif key.startswith(names.ENDPOINT):
            errors.append(f"unknown endpoint option {key}: there are {names.IFNAME} and {names.SYSCTLS}")
    return errors


def _sysctl_error(line: str) -> str:
    words = line.split(".", 4)
    if len(words) != 5 or words[0] != "net" or words[1] not in ("ipv4", "ipv6", "mpls") or words[3].upper() != "IFNAME":
        return (
            f"unrecognised network interface sysctl '{line}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', "
            "'X' must be 'ipv4', 'ipv6' or 'mpls'"
        )
    if "=" not in words[4]:
        return f"expected sysctl '{line}' to have format name=value"
    if "/" in line.partition("=")[0] or ".." in line.partition("=")[0]:
        return f"invalid network interface sysctl '{line}'"
    return ""


def plan(wanted: Document) -> EndpointPlan:
    """What the fabric is to give, of a document that was checked."""
    addresses, options = wanted["IPAMConfig"] or {}, wanted["DriverOpts"] or {}
    sysctls = []
    for line in filter(None, options.get(names.SYSCTLS, "").split(",")):
        name, _, value = line.partition("=")
        words = name.split(".", 4)
        sysctls.append((".".join([*words[:3], "IFNAME", words[4]]), value))
    return EndpointPlan(
        address=addresses.get("IPv4Address", ""),
        address6=addresses.get("IPv6Address", ""),
        link_local=tuple(addresses.get("LinkLocalIPs") or ()),
        mac=mac(wanted["MacAddress"]),
        interface=options.get(names.IFNAME, ""),
        priority=wanted["GwPriority"],
        sysctls=tuple(sysctls),
    )


def dns_names(name: str, identity: str, hostname: str, aliases: Iterable[str] | None) -> list[str]:
    """The names of a container on a network, without repetition; the first is the one its address is told by."""
    return list(dict.fromkeys(word for word in (name, *(aliases or ()), identity[:12], hostname) if word))


def shown(wanted: Document, *, network_id: str = "", names: Sequence[str] | None = None) -> Document:
    """The endpoint as inspect shows it before it is connected; the order of fields is Docker's."""
    addresses = wanted["IPAMConfig"]
    configured = {name: wanted[name] for name in _CONFIGURED}
    configured["IPAMConfig"] = addresses and {key: value for key, value in addresses.items() if value}
    rest = {name: value for name, value in _OPERATIONAL.items() if name != "MacAddress"}
    return {**configured, "NetworkID": network_id, **rest, "DNSNames": list(names) if names is not None else None}


def connected(before: Document, given: Document) -> Document:
    """The same with what a network has given (`Fabric.connect`)."""
    return {**before, **{name: given[name] for name in ("NetworkID", *_OPERATIONAL) if name in given}}


def ended(before: Document) -> Document:
    """The same of a container that has ended: no address is its own any more."""
    return {**before, **_OPERATIONAL}
