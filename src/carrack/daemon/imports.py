"""Importing the daemon's services without what importing them costs in vain.

aiohttp loads all the certificate authorities of the system when it is imported, for a client that the daemon does not
use: some 50 ms of each start. Until its import is over the context it makes trusts nobody, so that a client which
somebody uses after all would refuse every server instead of trusting any.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_authorities() -> Iterator[None]:
    """What is imported inside finds ``ssl.create_default_context`` to make contexts that trust no authority."""
    original = ssl.create_default_context
    ssl.create_default_context = _bare
    try:
        yield
    finally:
        ssl.create_default_context = original


def _bare(*_: Any, **__: Any) -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
