"""From a network's plan, with options as Docker names them, to the settings of its bridge."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from carrack.errors import Forbidden, InvalidArgument
from carrack.network import option_names as names
from carrack.network.bridge import GATEWAY_MODES, ISOLATED, NAT, ROUTED, BridgeSettings
from carrack.network.plan import NetworkPlan, Subnet

_ETHERNET_MTU = 1500
_LARGEST_MTU = 65535


def bridge_name(plan: NetworkPlan) -> str:
    """The interface's name: as wanted, else made of the network's id."""
    return plan.options.get(names.BRIDGE_NAME) or f"br-{plan.id[:12]}"


def settings_of(plan: NetworkPlan) -> BridgeSettings:
    """What the bridge of a network is to be. InvalidArgument or Forbidden name the option that is wrong."""
    options = plan.options
    four, six = _only(plan, 4), _only(plan, 6)
    mode4, mode6 = _mode(options, 4), _mode(options, 6)
    if ISOLATED in (mode4, mode6) and not plan.internal:
        raise InvalidArgument(f"gateway mode '{ISOLATED}' can only be used for an internal network")
    masquerade = truth(options, names.MASQUERADE, default=True)
    return BridgeSettings(
        name=bridge_name(plan),
        address=_gateway(four),
        address6=_gateway(six),
        mtu=mtu_of(options, _ETHERNET_MTU),
        isolated=not truth(options, names.ICC, default=True),
        internal=plan.internal,
        masquerade=masquerade and mode4 != ROUTED,
        masquerade6=masquerade and mode6 != ROUTED,
        gateway_mode4=mode4,
        gateway_mode6=mode6,
        source4=options.get(names.SOURCE[4], ""),
        source6=options.get(names.SOURCE[6], ""),
        host_binding=options.get(names.HOST_BINDING, ""),
        trusted_interfaces=tuple(filter(None, options.get(names.TRUSTED, "").split(":"))),
        inhibit_ipv4=truth(options, names.INHIBIT_IPV4, default=False),
        interface_prefix=options.get(names.INTERFACE_PREFIX) or "eth",
        lent=bool(options.get(names.BRIDGE_NAME)) and not truth(options, names.DEFAULT_BRIDGE, default=False),
    )


def truth(options: Mapping[str, str], key: str, *, default: bool) -> bool:
    """An option that is a truth value, in the words that Go takes."""
    word = options.get(key, "")
    if word == "":
        return default
    if word not in names.TRUE + names.FALSE:
        raise InvalidArgument(
            f'failed to parse {key} value: {word} (strconv.ParseBool: parsing "{word}": invalid syntax)'
        )
    return word in names.TRUE


def mtu_of(options: Mapping[str, str], default: int) -> int:
    """The largest packet in bytes that is asked for. InvalidArgument for what is no such number."""
    word = options.get(names.MTU, "")
    if word == "":
        return default
    if not (word.isascii() and word.isdigit() and 68 <= int(word[:9]) <= _LARGEST_MTU):
        raise InvalidArgument(f"failed to parse {names.MTU} value: {word} (not 68 to {_LARGEST_MTU} bytes)")
    return int(word)


def _mode(options: Mapping[str, str], version: int) -> str:
    key = names.GATEWAY_MODE[version]
    word = options.get(key) or NAT
    if word not in GATEWAY_MODES:
        raise InvalidArgument(f"failed to parse {key} value: {word} (unknown gateway mode {word})")
    return word


def _only(plan: NetworkPlan, version: int) -> Subnet | None:
    found = [subnet for subnet in plan.subnets if subnet.version == version]
    if len(found) > 1:
        raise Forbidden("bridge driver doesn't support multiple subnets")
    return found[0] if found else None


def _gateway(subnet: Subnet | None) -> str:
    """Where a plan has none (the mode ``isolated``) the first address stands for it, which no interface gets."""
    if subnet is None:
        return ""
    network = ip_network(subnet.subnet)
    return f"{ip_address(subnet.gateway) if subnet.gateway else network[1]}/{network.prefixlen}"
