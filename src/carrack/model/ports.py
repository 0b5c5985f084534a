"""Published ports as people type them (``-p 127.0.0.1:8080-8089:80/udp``): text in, bindings out.

The rules and the words of refusals are Docker's (its package ``nat``); no host is asked anything here. Ours is
``,allow=CIDR[,CIDR]``, always last: who may reach the port.
"""

from collections.abc import Iterable

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROTOCOLS = ("tcp", "udp", "sctp")
_NO_BRACKET = "missing ']' in address"


class PublishedPort:
    """One container port and where it is to be reached: ``container`` is ``80/tcp``.

    ``host_port`` is text as the API has it: empty for any free port, ``8000-8010`` for any of a range. ``allow`` holds
    the networks whose addresses may reach it (``10.0.0.0/8``); empty: whoever the host's firewall lets through.
    """

    __slots__ = ("allow", "container", "host_ip", "host_port")

    def __init__(self, container: str, host_ip: str, host_port: str, allow: tuple[str, ...] = ()) -> None:
        self.container = container
        self.host_ip = host_ip
        self.host_port = host_port
        self.allow = allow

    def binding(self) -> "dict[str, Any]":
        """The API's port binding: ``{"HostIp", "HostPort"}``, with ``Allow`` where it is limited."""
        binding: dict[str, Any] = {"HostIp": self.host_ip, "HostPort": self.host_port}
        return {**binding, "Allow": list(self.allow)} if self.allow else binding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublishedPort) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        allow = f", {self.allow!r}" if self.allow else ""
        return f"PublishedPort({self.container!r}, {self.host_ip!r}, {self.host_port!r}{allow})"

    def _key(self) -> tuple[str, str, str, tuple[str, ...]]:
        return self.container, self.host_ip, self.host_port, self.allow


def parse_published(text: str) -> list[PublishedPort]:
    """Bindings of ``[[ip:]host port:]container port[/protocol]`` or of ``target=80,published=8080,…``.

    Either may end in ``,allow=CIDR[,CIDR]``. Equal ranges on both sides pair up; a host range for one container port
    stays a range for the daemon to choose from.
    """
    text, limited, allow = text.partition(",allow=")
    if limited:
        allowed = parse_allowed(allow.replace(",allow=", ",").split(","))
        return [limit(port, allowed) for port in parse_published(text)]
    if "=" in text:
        return _long_syntax(text)
    rest, _, protocol = text.partition("/")
    host_ip, host, container = _split(rest)
    return _expand(text, host_ip, host, container, protocol or "tcp")


def parse_allowed(words: Iterable[str]) -> tuple[str, ...]:
    """Networks in their usual form, each once: ``10.0.0.0/8``; an address alone is a network of one."""
    from ipaddress import ip_interface

    found = []
    for word in map(str.strip, words):
        try:
            network = ip_interface(word)
        except ValueError:
            raise InvalidArgument(
                f'invalid network "{word}" in allow=: write an address or a CIDR, like 10.0.0.0/8 or fd00::/8'
            ) from None
        if network.ip != network.network.network_address:
            raise InvalidArgument(
                f'invalid network "{word}" in allow=: did you mean {network.network} or {network.ip}?'
            )
        found.append(str(network.network))
    return tuple(dict.fromkeys(found))


def limit(port: PublishedPort, allowed: tuple[str, ...]) -> PublishedPort:
    """The port for those networks only. Refuses where none of them can ever reach its address.

    The host's own programs may reach it whatever is allowed.
    """
    version6 = ":" in port.host_ip
    if port.host_ip and not any((":" in network) == version6 for network in allowed):
        kind = "IPv6" if version6 else "IPv4"
        raise InvalidArgument(
            f"allow={','.join(allowed)} names nobody who could reach {port.host_ip}: name {kind} networks"
        )
    return PublishedPort(port.container, port.host_ip, port.host_port, allowed)


def parse_withdrawn(text: str) -> list[str]:
    """What ``--publish-rm`` names: ``80/tcp`` for all places of a container port, ``8080:80/tcp`` for one of them."""
    named = parse_published(text)
    if any(port.host_ip or port.allow or "-" in port.host_port for port in named) or "=" in text:
        raise InvalidArgument(
            f'invalid published port "{text}": name it as [HOST-PORT:]CONTAINER-PORT[/PROTOCOL], like 8080:80/tcp'
        )
    return [f"{port.host_port}:{port.container}" if port.host_port else port.container for port in named]


def parse_exposed(text: str) -> list[str]:
    """Container ports of ``--expose 80``, ``7000-7010/udp``: ``["80/tcp"]``."""
    if ":" in text:
        raise InvalidArgument(f"invalid port format for --expose: {text}")
    ports, _, protocol = text.partition("/")
    try:
        first, last = parse_range(ports)
    except InvalidArgument as refusal:
        error = refusal
        if not ports.replace("-", "").isdigit():
            error = InvalidArgument(f'strconv.ParseUint: parsing "{ports.partition("-")[0]}": invalid syntax')
        raise InvalidArgument(f"invalid range format for --expose: {text}, error: {error}") from None
    return [f"{port}/{_protocol(protocol or 'tcp')}" for port in range(first, last + 1)]


def parse_port(text: str) -> int:
    """A port number 0–65535."""
    if not (text.isascii() and text.isdigit() and len(text.lstrip("0")) < 6 and int(text[-6:]) < 65536):
        raise InvalidArgument(f"invalid port: {text}")
    return int(text[-6:])


def parse_range(text: str) -> tuple[int, int]:
    """First and last of ``80`` or ``8000-8010``."""
    if not text:
        raise InvalidArgument("empty string specified for ports")
    first, dash, last = text.partition("-")
    start = parse_port(first)
    end = parse_port(last) if dash else start
    if end < start:
        raise InvalidArgument(f"invalid range specified for port: {text}")
    return start, end


def _split(text: str) -> tuple[str, str, str]:
    """Address, host ports and container ports; the address may be IPv6 in brackets, or bare before two colons."""
    before, _, container = text.rpartition(":")
    host_ip, _, host = before.rpartition(":")
    return _unbracketed(host_ip) if host_ip.startswith("[") else host_ip, host, container


def _unbracketed(text: str) -> str:
    address, bracket, rest = text[1:].partition("]")
    if bracket and not rest:
        return address
    wrong = "too many colons in address" if rest.startswith(":") else "missing port in address"
    raise InvalidArgument(f"invalid IP address {text}: address {text}:: {wrong if bracket else _NO_BRACKET}")


def _expand(text: str, host_ip: str, host: str, container: str, protocol: str) -> list[PublishedPort]:
    if host_ip and not _is_address(host_ip):
        raise InvalidArgument(f"invalid IP address: {host_ip}")
    if not container:
        raise InvalidArgument(f"no port specified: {text}<empty>")
    first, last = _named_range(container, "containerPort")
    host_first, host_last = _named_range(host, "hostPort") if host else (0, -1)
    protocol = _protocol(protocol)
    if not host:
        return [PublishedPort(f"{port}/{protocol}", host_ip, "") for port in range(first, last + 1)]
    if last == first and host_last != host_first:
        return [PublishedPort(f"{first}/{protocol}", host_ip, f"{host_first}-{host_last}")]
    if last - first != host_last - host_first:
        raise InvalidArgument(f"invalid ranges specified for container and host Ports: {container} and {host}")
    shift = host_first - first
    return [PublishedPort(f"{port}/{protocol}", host_ip, str(port + shift)) for port in range(first, last + 1)]


def _named_range(text: str, name: str) -> tuple[int, int]:
    try:
        return parse_range(text)
    except InvalidArgument:
        raise InvalidArgument(f"invalid {name}: {text}") from None


def _protocol(text: str) -> str:
    if text.lower() not in _PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {text}")
    return text.lower()


def _is_address(text: str) -> bool:
    import _socket

    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text)
            return True
        except (OSError, ValueError):  # ValueError: a NUL, or bytes of the command line that are no UTF-8
            continue
    return False


def _long_syntax(text: str) -> list[PublishedPort]:
    fields = {"target": "", "published": "", "protocol": "tcp", "mode": "ingress"}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise InvalidArgument(f"invalid field: {part}")
        if key.lower() not in fields:
            raise InvalidArgument(f"invalid field key: {key}")
        fields[key.lower()] = value
    if not fields["target"]:
        raise InvalidArgument(f"missing mandatory field '{'target'}'")
    if fields["mode"] not in ("host", "ingress"):
        raise InvalidArgument(f"invalid publish mode value ({fields['mode']}): must be either 'ingress' or 'host'")
    return _expand(text, "", fields["published"], fields["target"], fields["protocol"])
