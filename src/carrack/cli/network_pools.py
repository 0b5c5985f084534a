"""``--subnet``, ``--ip-range``, ``--gateway`` and ``--aux-address`` → the pools of a network, as docker pairs them up.

Each address goes to the subnet that holds it; what belongs to none is refused here, in docker's words, because the API
has no way to say it. Whether a subnet is a good one, the daemon judges.
"""

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Interface, IPv6Interface

    from carrack.client.document import Document


def pools(
    subnets: "Sequence[str]", ranges: "Sequence[str]", gateways: "Sequence[str]", others: "Sequence[tuple[str, str]]"
) -> "list[Document]":
    """``IPAM.Config`` of a create request, in the order of the subnets. Raises InvalidArgument."""
    if len(subnets) < max(len(ranges), len(gateways)):
        raise InvalidArgument("every ip-range or gateway must have a corresponding subnet")
    found: list[Document] = [{"Subnet": subnet} for subnet in subnets]
    _check_apart(subnets)
    for text in ranges:
        _network(text)
        for pool in _holding(found, text, "range"):
            if "IPRange" in pool:
                told = f"({text}, {pool['IPRange']}) on the same subnet ({pool['Subnet']})"
                raise InvalidArgument(f"cannot configure multiple ranges {told}")
            pool["IPRange"] = text
    for text in gateways:
        for pool in _holding(found, text, "gateway"):
            if "Gateway" in pool:
                told = f"({text}, {pool['Gateway']}) for the same subnet ({pool['Subnet']})"
                raise InvalidArgument(f"cannot configure multiple gateways {told}")
            pool["Gateway"] = text
    for name, text in others:
        for pool in _holding(found, text, "aux-address"):
            pool.setdefault("AuxiliaryAddresses", {})[name] = text
    return found


def _check_apart(subnets: "Sequence[str]") -> None:
    for number, one in enumerate(subnets):
        for other in subnets[:number]:
            if _holds(one, other) or _holds(other, one):
                raise InvalidArgument("multiple overlapping subnet configuration is not supported")


def _holding(found: "list[Document]", text: str, what: str) -> "list[Document]":
    holding = [pool for pool in found if _holds(pool["Subnet"], text)]
    if not holding:
        raise InvalidArgument(f"no matching subnet for {what} {text}")
    return holding


def _holds(subnet: str, text: str) -> bool:
    """Whether an address, or the address of a network, is of the subnet."""
    try:
        network = _network(subnet).network
    except InvalidArgument as error:
        raise InvalidArgument(f"invalid subnet: {error}") from None
    if "/" in text:
        return _network(text).ip in network
    from ipaddress import ip_address

    try:
        return ip_address(text) in network
    except ValueError:
        return False


def _network(text: str) -> "IPv4Interface | IPv6Interface":
    from ipaddress import ip_interface

    try:
        if text.partition("/")[2].isdigit():
            return ip_interface(text)
    except ValueError:
        pass
    raise InvalidArgument(f"invalid CIDR address: {text}")
