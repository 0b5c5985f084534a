"""Where a URL leads to: scheme, host and port, which is what credentials and connections belong to. Pure."""

from __future__ import annotations

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
