"""Where a URL leads to: scheme, host and port, which is what credentials and connections belong to. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from carrack.registry.failures import Untrue

_PORTS = {"http": 80, "https": 443}
URL_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """`host` is without brackets, in lower case; `port` is always there."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """host[:port] as it stands in a URL and in the field `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def split(url: str, what: str = "URL") -> tuple[Origin, str]:
    """The origin of an absolute URL and the rest of it, which is what a request asks for.

    Raises failures.Untrue for what is no http or https URL, or carries a name and password: a registry sent it.
    """
    problem = _problem(url)
    if problem:
        raise Untrue(f"{what} {url[:160]!r}: {problem}")
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme]), target


def join(base: str, location: str, what: str = "redirect") -> str:
    """The absolute URL that a `Location` or `Link` means beside `base`. Raises failures.Untrue for no URL."""
    try:
        return urljoin(base, location)
    except ValueError as error:
        raise Untrue(f"{what}: {split(base)[0]} leads to {location[:160]!r}: {error}") from None


def may_lead(old: Origin, there: Origin) -> None:
    """Whether a server may lead us on from `old` to `there`: not out of TLS, nor from elsewhere to this machine, whose
    services trust who is here. Raises Untrue.
    """
    if old.scheme != "https":
        return
    if there.scheme != "https":
        raise Untrue(f"{old} leads from https to {there}, which is refused")
    if _is_local(there.host) and not _is_local(old.host):
        raise Untrue(f"{old} leads to {there}, which is this machine or its neighbour, and is refused")


def _is_local(host: str) -> bool:
    """Whether a host is loopback or a link-local address (metadata services are) by its name alone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified


def _problem(url: str) -> str:
    if len(url) > URL_LIMIT:
        return f"longer than {URL_LIMIT} characters"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "holds characters that no URL has"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is no number
    except ValueError as error:
        return str(error)
    if parts.scheme not in _PORTS or not parts.hostname:
        return "is not an absolute http or https URL"
    return "carries a user's name" if parts.username is not None else ""
