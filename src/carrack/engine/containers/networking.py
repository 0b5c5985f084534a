"""Which networks a container is made for: the request's mode and endpoints, completed and checked. Pure.

What is recorded of a container names its networks by their names; a network that there is not stays as the client
named it and is told when the container starts, as with Docker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from carrack.engine.containers import endpoints
from carrack.errors import Forbidden, InvalidArgument, NotFound
from carrack.model.container import Document
from carrack.network.option_names import IFNAME
from carrack.network.plan import Subnet

SHARED = "container sharing network namespace with another container or host cannot be connected to any other network"
NO_HOST = "cannot connect container to host network - container must be created in host network mode"
NO_NONE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"
#: bytes of a part of a name (RFC 1035 section 2.3.4)
_LABEL = 63
_DEPRECATED_MAC = (
    "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
)


class Known(Protocol):
    """What is asked of a network here. ``chosen_subnets``: those that its creator gave himself."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def config_only(self) -> bool: ...
    @property
    def chosen_subnets(self) -> Sequence[str]: ...
    @property
    def subnets(self) -> Sequence[Subnet]: ...


N = TypeVar("N")
Find = Callable[[str], Known]
"""The network of a name, an id, or the beginning of an id. Raises NotFound."""


def nowhere(term: str) -> Known:
    """A `Find` of a world without networks."""
    raise NotFound(f"network {term} not found")


def known(find: Callable[[str], N], term: str) -> N | None:
    """The network, None when there is none."""
    try:
        return find(term)
    except NotFound:
        return None


def complete(given: Document, host: Document, config: Document, find: Find) -> list[str]:
    """Complete the networks of a create request in place; returns warnings. Raises InvalidArgument.

    Afterwards ``EndpointsConfig`` has the container's networks by name, ``NetworkMode`` no beginning of an id, and
    the container-wide MAC address stands at its network, too.
    """
    mode = host["NetworkMode"]
    if mode.startswith("container:"):
        _no_address((), config["MacAddress"])
        for one in given["EndpointsConfig"].values():
            check(endpoints.wanted(one), mode, None)
        # What clients say of the other's network says nothing; another network is refused at start.
        others = {name: one for name, one in given["EndpointsConfig"].items() if not name.startswith("container:")}
        others.pop("default", None)
        given["EndpointsConfig"] = {name: endpoints.wanted(one) for name, one in others.items()}
        return []
    main = known(find, mode)
    if main is not None and mode not in (main.id, main.name):
        host["NetworkMode"] = main.id
    name = main.name if main is not None else mode
    wanted = _by_name(given["EndpointsConfig"], name, find)
    given["EndpointsConfig"] = wanted or {name: endpoints.wanted()}
    warnings = _address(given["EndpointsConfig"], name, config)
    for network, endpoint in given["EndpointsConfig"].items():
        check(endpoint, network, known(find, network))
        warnings += [
            f"The alias {alias} cannot be looked up: a name has at most {_LABEL} characters between its dots"
            for alias in endpoint["Aliases"] or ()
            if max(map(len, alias.encode().split(b"."))) > _LABEL
        ]
    return warnings


def _by_name(given: Mapping[str, Document], mode: str, find: Find) -> dict[str, Document]:
    found: dict[str, Document] = {}
    words: dict[str, str] = {}
    for word, endpoint in given.items():
        network = known(find, word)
        name = mode if word == "default" else network.name if network is not None else word
        if name in found:
            raise InvalidArgument(f"network {name} is given twice, as {words[name]} and as {word}")
        found[name], words[name] = endpoints.wanted(endpoint), word
    return found


def _no_address(given: Iterable[Document], mac: str) -> None:
    if mac or any(endpoint["MacAddress"] for endpoint in given):
        raise InvalidArgument("conflicting options: mac-address and the network mode")


def _address(wanted: dict[str, Document], main: str, config: Document) -> list[str]:
    """Lead the container-wide MAC address to its network, and the other way round, so that it is shown at both."""
    mac = config["MacAddress"]
    if main in ("host", "none"):
        _no_address(wanted.values(), mac)
        return []
    if not mac:
        config["MacAddress"] = wanted[main]["MacAddress"] if main in wanted else ""
        return []
    if not endpoints.is_mac(mac):
        raise InvalidArgument(f"invalid config for network {main}: invalid MAC address {mac}")
    if main not in wanted:
        told = "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks"
        raise InvalidArgument(f"if a container-wide MAC address is supplied, {told}")
    endpoint = wanted[main]
    if endpoint["MacAddress"] not in ("", mac):
        told = "must match the endpoint-specific MAC address for the main network, or be left empty"
        raise InvalidArgument(f"the container-wide MAC address {told}")
    endpoint["MacAddress"] = mac
    return [_DEPRECATED_MAC]


def check(endpoint: Document, name: str, network: Known | None, told: str = "invalid config for network {}: ") -> None:
    """Refuse what the network cannot give. Raises InvalidArgument; ``told`` comes before the reason."""
    subnets = None if network is None else network.chosen_subnets
    if network is not None and not endpoints.user_defined(name):
        subnets = [subnet.subnet for subnet in network.subnets]
    try:
        endpoints.check(endpoint, name, subnets)
    except InvalidArgument as error:
        raise InvalidArgument(f"{told.format(name)}{error}") from None


def check_joinable(network: Known) -> None:
    """Raise Forbidden for what is only the configuration of other networks."""
    if network.config_only:
        raise Forbidden("cannot create endpoint on configuration-only network")


def check_together(mode: str, names: Iterable[str]) -> None:
    """Raise InvalidArgument for networks that one container cannot be on, of one with this mode."""
    wanted = list(names)
    if mode.startswith("container:"):
        if wanted:
            raise InvalidArgument(SHARED)
        return
    if "host" in wanted and mode != "host":
        raise InvalidArgument(NO_HOST)
    if mode == "host" and wanted != ["host"]:
        raise InvalidArgument(SHARED)
    if "none" in wanted and len(wanted) > 1:
        raise InvalidArgument(NO_NONE)


def shown(wanted: Mapping[str, Document]) -> Document:
    """The endpoints that are shown of a container before its first start."""
    return {name: endpoints.shown(one) for name, one in sorted(wanted.items())}


def order(wanted: Mapping[str, Document]) -> list[str]:
    """The networks in the order in which they are connected, always the same: ``eth0`` leads to the one of the highest
    priority, then the default bridge comes first, then the names decide. Who names his interface has it before all.
    """

    def place(name: str) -> tuple[bool, int, bool, str]:
        named = IFNAME in (wanted[name]["DriverOpts"] or {})
        return not named, -wanted[name]["GwPriority"], name != "bridge", name

    return sorted(wanted, key=place)
