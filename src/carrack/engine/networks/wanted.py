"""What a create request asks for, made a network or refused: Docker's rules in Docker's order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from carrack.engine.networks import addresses, options
from carrack.engine.networks.allot import Room, Wish, allot
from carrack.engine.networks.network import DRIVERS, Network
from carrack.errors import Conflict, Forbidden, InvalidArgument, NotFound
from carrack.model.container import Document
from carrack.network.option_names import BRIDGE_NAME

_NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)
_OPERATOR_ONLY = (
    "configuration network can only contain network specific fields. Network operator fields like "
    "[ ingress | internal | attachable | scope ] are not supported."
)
_CONFIGURED = "user specified configurations are not supported if the network depends on a configuration network"

Usual = Mapping[str, Mapping[str, str]]
"""Options that networks of a driver have unless they say otherwise (the daemon's ``default-network-opts``)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A network that may be made as soon as it has subnets (`allotted`). ``unknown``: options without an effect."""

    network: Network
    pools: tuple[Document, ...] = ()
    unknown: tuple[str, ...] = field(default=())


def read(body: Document, identity: str, created: int, others: Iterable[Network], usual: Usual) -> Wanted:
    """The network of a request's body that has all its fields; ``others`` are those that there are.

    Forbidden, InvalidArgument, NotFound and Conflict as dockerd answers.
    """
    name, driver = body["Name"], body["Driver"] or "bridge"
    if name in DRIVERS or name == "default":
        raise Forbidden(f"operation is not permitted on predefined {name} network ")
    if driver == "overlay":
        raise Forbidden(_NO_SWARM)
    found = Network(identity, name, driver, created, options=_options(body, driver, usual), labels=body["Labels"] or {})
    four, six = _families(body, found.options)
    found = replace(found, ipv4=four, ipv6=six)
    ipam = body["IPAM"] or {}
    pools = tuple(ipam.get("Config") or ())
    addresses.check(pools)
    _refuse_name(name, others)
    if body["ConfigOnly"]:
        return Wanted(_configuration(body, found, pools))
    if body["ConfigFrom"] and body["ConfigFrom"]["Network"]:
        found, pools = _configured(body, found, pools, others)
    return Wanted(*_settled(body, found, pools))


def allotted(wanted: Wanted, room: Room, others: Iterable[Network]) -> Network:
    """The same with its subnets. Errors as of `allot.allot`, and Forbidden for another's bridge name."""
    network = wanted.network
    if network.config_only:
        return network
    _refuse_bridge(network, others)
    bridge = network.driver == "bridge"
    wish = Wish(
        wanted.pools,
        [version for version, on in ((4, network.ipv4), (6, network.ipv6)) if on],
        options.gateways(network.driver, network.options, internal=network.internal),
        several=not bridge,
        shares_link=not bridge,
    )
    found = allot(wish, room)
    return replace(network, config=found.config, subnets=found.subnets, chosen_subnets=found.chosen)


def warning(wanted: Wanted) -> str:
    """What the user should know though the network can be made; empty for nothing."""
    network = wanted.network
    told = [f"driver {network.driver} does not know option {key}: it has no effect" for key in wanted.unknown]
    for version, on in ((4, network.ipv4), (6, network.ipv6)):
        for pool in wanted.pools:
            if not on and (":" in pool["Subnet"]) == (version == 6):
                told.append(f"subnet {pool['Subnet']} has no effect: IPv{version} is not enabled (--ipv{version})")
    return "; ".join(told)


def _options(body: Document, driver: str, usual: Usual) -> dict[str, str]:
    given: dict[str, str] = body["Options"] or {}
    if body["ConfigOnly"] or (body["ConfigFrom"] and body["ConfigFrom"]["Network"]):
        return given
    return dict(sorted({**usual.get(driver, {}), **given}.items()))


def _families(body: Document, given: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether it has IPv4 and IPv6: a field says it before an option does."""
    four, six = options.enabled(given, 4), options.enabled(given, 6)
    if body["EnableIPv4"] is not None:
        four = body["EnableIPv4"]
    if body["EnableIPv6"] is not None:
        six = body["EnableIPv6"]
    return four is not False, six is True


def _refuse_name(name: str, others: Iterable[Network]) -> None:
    if not name.strip():
        raise InvalidArgument("invalid name: name is empty")
    if any(other.name == name for other in others):
        raise Conflict(f"network with name {name} already exists")


def _configuration(body: Document, found: Network, pools: tuple[Document, ...]) -> Network:
    """A configuration: kept as it stands, for what it says counts where it is used."""
    if body["Internal"] or body["Attachable"] or body["Ingress"] or body["Scope"] not in ("", "local"):
        raise Forbidden(_OPERATOR_ONLY)
    if body["ConfigFrom"] and body["ConfigFrom"]["Network"]:
        raise Forbidden("a configuration network cannot depend on another configuration network")
    config = tuple({key: value for key, value in pool.items() if value} for pool in pools) or None
    return replace(found, driver="null", config_only=True, config=config, **_ipam(body))


def _configured(
    body: Document, found: Network, pools: tuple[Document, ...], others: Iterable[Network]
) -> tuple[Network, tuple[Document, ...]]:
    """The network with what the configuration says that it is made from."""
    name = body["ConfigFrom"]["Network"]
    source = next((other for other in others if other.name == name and other.config_only), None)
    if source is None:
        raise NotFound(f'configuration network "{name}" does not exist')
    ipam = _ipam(body)
    if pools or ipam["ipam_options"] or ipam["ipam_driver"] != "default" or found.labels or body["EnableIPv6"]:
        raise Forbidden(_CONFIGURED)
    if found.options:
        raise Forbidden("network driver options are not supported if the network depends on a configuration network")
    found = replace(
        found, config_from=name, options=source.options, labels=source.labels, ipv4=source.ipv4, ipv6=source.ipv6,
        ipam_driver=source.ipam_driver, ipam_options=source.ipam_options,
    )  # fmt: skip
    return found, tuple({**_EMPTY_POOL, **pool} for pool in source.config or ())


_EMPTY_POOL = {"Subnet": "", "IPRange": "", "Gateway": "", "AuxiliaryAddresses": None}


def _ipam(body: Document) -> Document:
    ipam = body["IPAM"] or {}
    return {"ipam_driver": ipam.get("Driver") or "default", "ipam_options": ipam.get("Options")}


def _settled(
    body: Document, found: Network, pools: tuple[Document, ...]
) -> tuple[Network, tuple[Document, ...], tuple[str, ...]]:
    """The network as its driver takes it, its pools, and the options that its driver does not know."""
    options.check(found.driver, {}, internal=True)  # is there such a driver?
    if body["Ingress"]:
        raise Forbidden("Ingress network can only be global scope network")
    if body["Scope"] == "swarm":
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if found.driver in ("host", "null"):
        raise Forbidden(f'only one instance of "{found.driver}" network is allowed')
    if not found.config_from:
        found = replace(found, **_ipam(body))
    if not found.ipv4 and not found.ipv6:
        raise InvalidArgument("IPv4 or IPv6 must be enabled")
    unknown = options.check(found.driver, found.options, internal=body["Internal"], ipv6=found.ipv6)
    _refuse_ipam_driver(found, pools)
    return (
        replace(found, internal=body["Internal"], attachable=body["Attachable"], scope=body["Scope"] or found.scope),
        pools,
        tuple(unknown),
    )


def _refuse_ipam_driver(found: Network, pools: tuple[Document, ...]) -> None:
    if found.ipam_driver == "null":
        if pools:
            raise InvalidArgument("null ipam driver does not handle specific address pool requests")
        raise InvalidArgument(f"ipv{4 if found.ipv4 else 6} pool is empty")
    if found.ipam_driver != "default":
        raise NotFound(f'plugin "{found.ipam_driver}" not found: the one IPAM driver here is default')


def _refuse_bridge(network: Network, others: Iterable[Network]) -> None:
    name = network.options.get(BRIDGE_NAME)
    for other in others:
        if name and network.driver == other.driver == "bridge" and other.options.get(BRIDGE_NAME) == name:
            raise Forbidden(
                f"cannot create network {network.id} ({name}): conflicts with network {other.id} ({name}): networks "
                f"have same bridge name: {other.name} has it, choose another {BRIDGE_NAME}"
            )
