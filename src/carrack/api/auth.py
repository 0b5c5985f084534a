"""Who may speak to the API at the door: requests that a web page made a browser send are refused.

Access to the API is access to the host. A browser on a machine that reaches the daemon over TCP can be led there by
any page, across origins or by a name that is made to point at the daemon's address (DNS rebinding). Browsers name the
page in `Origin` and `Sec-Fetch-Site`; the page's own name stands in `Host`. No browser reaches the unix socket.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aiohttp import web_request

from carrack.errors import Forbidden

_SHOWN = 200
_PRIVATE = (".localhost", ".internal")
"""Domains in which nobody can register a name."""


class Door:
    """`names` are those under which the daemon may be spoken to over TCP, beside addresses and names without a dot,
    which no foreign page can have; `*.example.org` stands for one label more."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower().rstrip(".") for name in names)

    def check(self, raw: web_request.BaseRequest) -> None:
        """Raise Forbidden for a request over TCP that may come from a web page."""
        if raw.transport is None:
            return
        if not isinstance(raw.transport.get_extra_info("sockname"), tuple):  # of a unix socket it is a path
            return
        host = raw.headers.get("Host", "")
        if not self._is_ours(host):
            raise Forbidden(
                f"requests to the host name {host[:_SHOWN]!r} are refused: it is none of this daemon's names; use its "
                "address or a name in its certificate, or have the daemon know it by --host-name"
            )
        origin = raw.headers.get("Origin")
        if origin is not None and not _own_websocket(raw, origin, host):
            raise Forbidden(f"requests from web pages are refused (Origin: {origin[:_SHOWN]})")
        site = raw.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin"):
            raise Forbidden(f"requests from web pages are refused (Sec-Fetch-Site: {site[:_SHOWN]})")

    def _is_ours(self, host: str) -> bool:
        name = _name(host).lower().rstrip(".")
        if "." not in name or name in self._names or name.endswith(_PRIVATE):
            return True
        if "*." + name.partition(".")[2] in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _name(host: str) -> str:
    """The name in a Host field, without its port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return "localhost"  # only an address can stand in brackets
    return host.partition(":")[0]


def _own_websocket(raw: web_request.BaseRequest, origin: str, host: str) -> bool:
    """Whether it is a WebSocket of a client that names the daemon itself, as libraries outside browsers do."""
    return raw.headers.get("Upgrade", "").lower() == "websocket" and origin.partition("://")[2] == host
