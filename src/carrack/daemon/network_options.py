"""The daemon's options about networks, checked and made into one value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Interface
from typing import Any

from carrack.daemon import values
from carrack.engine.networks import options as driver_options
from carrack.errors import CarrackError, InvalidArgument
from carrack.network.stance import USUAL, Stance

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_MARK = re.compile(r"(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})(?:/(0x[0-9a-fA-F]{1,8}|[0-9]{1,10}))?")
NO_BRIDGE = "none"


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """``bridge`` is the default bridge's name, ``none`` for a daemon without one; ``address`` and ``address6`` its
    addresses with prefix length, ``fixed`` and ``fixed6`` the parts of its subnets that containers get addresses from,
    ``gateway`` and ``gateway6`` where they leave by instead of the bridge; each may be empty. ``pools`` are (base,
    prefix length) of the subnets of networks. ``binding`` is the default bridge's address of published ports that name
    none. ``usual``: by driver, the options that networks have unless they say otherwise.
    """

    bridge: str = "carrack0"
    address: str = ""
    address6: str = ""
    fixed: str = ""
    fixed6: str = ""
    ipv6: bool = False
    gateway: str = ""
    gateway6: str = ""
    pools: tuple[tuple[str, int], ...] = ()
    icc: bool = True
    masquerade: bool = True
    mtu: int = 1500
    binding: str = "0.0.0.0"
    usual: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stance: Stance = USUAL


def network_options(settings: Mapping[str, Any]) -> NetworkOptions:
    """The value of merged settings. Raises InvalidArgument naming the key."""
    found = NetworkOptions(
        bridge=values.matching(settings, "bridge", "carrack0", values.BRIDGE_NAME),
        address=values.bridge_address(settings.get("bip", "")),
        address6=_address6(settings.get("bip6", "")),
        fixed=_block(settings, "fixed-cidr", 4),
        fixed6=_block(settings, "fixed-cidr-v6", 6),
        ipv6=settings.get("ipv6", False),
        gateway=_address(settings, "default-gateway", 4),
        gateway6=_address(settings, "default-gateway-v6", 6),
        pools=values.pools(settings.get("default-address-pools", [])),
        icc=settings.get("icc", True),
        masquerade=settings.get("ip-masq", True),
        mtu=values.within(settings, "mtu", 1500, 68, 65535, zero=True),
        binding=_address(settings, "ip", None) or "0.0.0.0",
        usual=_usual(settings.get("default-network-opts", {})),
        stance=Stance(
            forward=settings.get("ip-forward", True),
            guard=not settings.get("ip-forward-no-drop", False),
            relay=settings.get("userland-proxy", True),
            direct_routing=settings.get("allow-direct-routing", False),
            mark=_mark(settings.get("bridge-accept-fwmark", "")),
        ),
    )
    _refuse_unused(found)
    _refuse_outside("fixed-cidr", found.fixed, found.address)
    _refuse_outside("fixed-cidr-v6", found.fixed6, found.address6)
    _refuse_outside("default-gateway", found.gateway, found.address or found.fixed)
    _refuse_outside("default-gateway-v6", found.gateway6, found.address6 or found.fixed6)
    return found


def _refuse_unused(found: NetworkOptions) -> None:
    """What would have no effect beside other options is told, not ignored."""
    six = {"bip6": found.address6, "fixed-cidr-v6": found.fixed6, "default-gateway-v6": found.gateway6}
    for key, value in six.items():
        if value and not found.ipv6:
            raise InvalidArgument(f"{key}: {value} is for a default bridge with IPv6: add --ipv6")
    if found.bridge == NO_BRIDGE:
        for key, value in {"bip": found.address, "fixed-cidr": found.fixed, **six}.items():
            if value:
                raise InvalidArgument(f"{key}: {value} is for the default bridge, which --bridge none switches off")
    if found.gateway and not (found.address or found.fixed):
        raise InvalidArgument(f"default-gateway: {found.gateway} needs a known subnet: add --bip")
    if found.gateway6 and not (found.address6 or found.fixed6):
        raise InvalidArgument(f"default-gateway-v6: {found.gateway6} needs a known subnet: add --bip6")


def _refuse_outside(key: str, inner: str, outer: str) -> None:
    if inner and outer:
        subnet: Any = ipaddress.ip_interface(outer).network
        if not ipaddress.ip_network(inner).subnet_of(subnet):
            raise InvalidArgument(f"{key}: {inner} is not inside the default bridge's subnet {subnet}")


def _address6(value: str) -> str:
    if not value:
        return ""
    try:
        interface = IPv6Interface(value)
    except ValueError:
        raise InvalidArgument(f"bip6: {value!r} is no IPv6 address with a prefix length") from None
    if "/" not in value or "%" in value or interface.ip == interface.network.network_address:
        raise InvalidArgument(f"bip6: {value!r} is not an address that a host in its network can have")
    return interface.with_prefixlen


def _block(settings: Mapping[str, Any], key: str, version: int) -> str:
    value = settings.get(key) or ""
    if not value:
        return ""
    try:
        block: IPNetwork = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise InvalidArgument(f"{key}: {error}") from None
    if block.version != version or "/" not in value:
        raise InvalidArgument(f"{key}: {value} is no IPv{version} block such as {_EXAMPLES[version]}")
    return str(block)


_EXAMPLES = {4: "172.17.5.0/24", 6: "fd00:1::/64"}


def _address(settings: Mapping[str, Any], key: str, version: int | None) -> str:
    value = settings.get(key) or ""
    if not value:
        return ""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise InvalidArgument(f"{key}: invalid IP address: {value}") from None
    if version is not None and address.version != version:
        raise InvalidArgument(f"{key}: {value} is no IPv{version} address")
    return str(address)


def _usual(given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    for driver, wanted in given.items():
        try:
            unknown = driver_options.check(driver, wanted, internal=False)
            driver_options.enabled(wanted, 4), driver_options.enabled(wanted, 6)
        except CarrackError as error:
            raise InvalidArgument(f"default-network-opts: {error}") from None
        if unknown:
            raise InvalidArgument(f"default-network-opts: driver {driver} does not know option {unknown[0]}")
    return {driver: dict(wanted) for driver, wanted in given.items()}


def _mark(word: str) -> tuple[int, int] | None:
    if not word:
        return None
    found = _MARK.fullmatch(word)
    mark, mask = (int(found[1], 0), int(found[2] or "0xffffffff", 0)) if found and _decimal(found) else (-1, 0)
    if not 0 <= mark < 2**32 or not 0 <= mask < 2**32:
        raise InvalidArgument(f"bridge-accept-fwmark: {word} is no firewall mark: MARK or MARK/MASK, each of 32 bits")
    return mark, mask


def _decimal(found: re.Match[str]) -> bool:
    """Whether no number starts with a zero that might make it an octal one."""
    return not any(part and re.match("0[0-9]", part) for part in found.groups())
