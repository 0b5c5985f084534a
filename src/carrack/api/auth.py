"""Who may speak to the API at the door: requests that a web page made a browser send are refused.

Access to the socket is access to the host, and TCP is served with mutual TLS only; what is left is a browser on a
machine that holds a client certificate (DNS rebinding, cross-site requests). Browsers name the page in `Origin`.
"""

from __future__ import annotations

import socket

from aiohttp import web

from carrack.errors import Forbidden


def check(raw: web.BaseRequest) -> None:
    """Raise Forbidden for a request over TCP that carries an Origin."""
    origin = raw.headers.get("Origin")
    if origin is None or raw.transport is None:
        return
    wire = raw.transport.get_extra_info("socket")
    if wire is not None and wire.family != socket.AF_UNIX:
        raise Forbidden(f"requests from web pages are refused (Origin: {origin[:200]})")
