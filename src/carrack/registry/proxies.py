"""Which proxy leads to a server: the meaning of http_proxy, https_proxy and no_proxy. Pure.

As Go's programs read them, which is what Docker's users know: a domain in no_proxy holds for what is below it, too;
`.domain` for what is below it only; addresses and networks for addresses; loopback is never asked through a proxy.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from carrack.errors import InvalidArgument
from carrack.registry.origin import Origin

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, itself reached with TLS when `scheme` is https; `authorization` is a header's value or ""."""

    scheme: str
    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def choose(settings: Mapping[str, str], origin: Origin) -> Proxy | None:
    """The proxy for `origin`, None to go there directly. Raises InvalidArgument for one that cannot be used."""
    text = settings.get(f"{origin.scheme}_proxy", "")
    if not text or _direct(settings.get("no_proxy", ""), origin):
        return None
    return parse(text, f"{origin.scheme}_proxy")


def parse(text: str, what: str = "proxy") -> Proxy:
    """`http://[name:password@]host[:port]`; without a scheme http is meant. Raises InvalidArgument."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:  # its words may hold a part of the password
        raise InvalidArgument(
            f"{what}: {masked(text)[:160]!r} is no proxy: write http://[NAME:PASSWORD@]HOST:PORT"
        ) from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InvalidArgument(f"{what}: only http:// and https:// proxies are supported, not {parts.scheme}://")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
    return Proxy(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], authorization)


def masked(text: str) -> str:
    """A proxy's address as it may be shown: name and password are hidden, as dockerd does."""
    head, at, rest = text.rpartition("@")
    if not at:
        return text
    scheme, mark, _ = head.partition("://")
    return f"{scheme}{mark}xxxxx:xxxxx@{rest}" if mark else f"xxxxx:xxxxx@{rest}"


def _direct(no_proxy: str, origin: Origin) -> bool:
    address = _address(origin.host)
    if origin.host == "localhost" or (address and address.is_loopback):
        return True
    words = (word.strip().lower() for word in no_proxy.split(","))
    return any(_matches(word, origin, address) for word in words if word)


def _matches(word: str, origin: Origin, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if word == "*":
        return True
    if "/" in word:
        try:
            return address is not None and address in ipaddress.ip_network(word, strict=False)
        except ValueError:
            return False
    name, port = _split_port(word)
    if port and port != str(origin.port):
        return False
    if named := _address(name):
        return named == address
    name = name.removeprefix("*")
    return origin.host.endswith(name if name.startswith(".") else f".{name}") or origin.host == name


def _split_port(word: str) -> tuple[str, str]:
    if word.startswith("["):
        name, _, rest = word[1:].partition("]")
        return name, rest.removeprefix(":")
    if word.count(":") != 1:
        return word, ""  # an IPv6 address
    name, _, port = word.partition(":")
    return name, port


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
