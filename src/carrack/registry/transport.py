"""Requests to any server, on connections that are kept for the next one; proxies, TLS and redirects are seen to here.

Knows nothing of registries: no answer is judged, and no credential is kept. What a caller sends along goes to the
origin of its URL and nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from carrack import __version__
from carrack.registry import origin as origins
from carrack.registry import proxies, trust
from carrack.registry.dial import NotReached, connect
from carrack.registry.exchange import Answer, Body, Broken, Connection
from carrack.registry.failures import Untrue
from carrack.registry.origin import Origin
from carrack.registry.settings import RegistrySettings

IDLE_SECONDS = 30.0
_IDLE_MOST = 8
"""Connections that are kept to one server."""
REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_SAME_AGAIN = (307, 308)
"""Redirects of any request, with its body; that may be a password, and so does not leave the server."""
_SECRET = ("authorization", "cookie", "proxy-authorization")
_AGENT = f"carrack/{__version__}"


@dataclass(frozen=True, slots=True)
class _Key:
    origin: Origin
    proxy: str
    verify: bool
    stamp: tuple[tuple[str, int], ...]


class Transport:
    """Connections by server. All methods belong to one event loop."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._idle: dict[_Key, list[tuple[float, Connection]]] = {}
        self._contexts: dict[tuple[bool, tuple[tuple[str, int], ...]], ssl.SSLContext] = {}
        self._watched: set[_Key] = set()
        self._confined: set[str] = set()
        self._closed = False

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body = b"",
        *,
        verify: bool = True,
        hosts: tuple[str, ...] = (),
    ) -> Answer:
        """Send one request and follow redirects, as far as the body can be sent again; `hosts` are more names of it in
        certs.d.

        Raises NotReached, TlsFailed, Broken, Malformed (all OSError), and failures.Untrue for a bad redirect.
        """
        first, own = origins.split(url)[0], verify
        for _ in range(REDIRECTS + 1):
            answer = await self._one(method, url, headers, body, verify, hosts)
            answer.url = url
            location = answer.headers.get("location")
            followed = _REDIRECTS if method in ("GET", "HEAD") else _SAME_AGAIN if isinstance(body, bytes) else ()
            if answer.status not in followed or not location:
                return answer
            await answer.close()
            url, old = origins.join(url, location), origins.split(url)[0]
            there, _ = origins.split(url, f"redirect from {old} to")
            if body and there != old:
                raise Untrue(f"{old} redirects a request with its content to {there}, which is refused")
            origins.may_lead(old, there)
            if there != first:
                headers = {name: value for name, value in headers.items() if name.lower() not in _SECRET}
                hosts = ()
                verify = own if there.host == first.host else not self._settings.declared_insecure(there.authority)
        raise Untrue(f"{first} redirects more than {REDIRECTS} times")

    def close(self) -> None:
        """Close what is kept, and keep nothing more; requests under way are not waited for."""
        self._closed = True
        for kept in self._idle.values():
            for _, connection in kept:
                connection.close()
        self._idle.clear()

    async def _one(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, verify: bool, hosts: tuple[str, ...]
    ) -> Answer:
        origin, target = origins.split(url)
        proxy = proxies.choose(self._settings.proxies, origin)
        stamp = await self._stamp(origin, hosts)
        key = _Key(origin, str(proxy or ""), verify, stamp)
        sent = {"Host": origin.authority, "User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
        if isinstance(body, bytes) and (body or method in ("POST", "PUT", "PATCH")):
            sent["Content-Length"] = str(len(body))
        if proxy and origin.scheme == "http":
            target = f"{origin}{target}"
            if proxy.authorization:
                sent["Proxy-Authorization"] = proxy.authorization
        while True:
            connection = self._take(key) or await self._connect(key, proxy, hosts)
            reused = not connection.fresh
            try:
                answer = await connection.ask(method, target, sent, body)
            except Broken as error:
                connection.close()
                # A server may close a connection just when we begin to use it again.
                if not reused or error.begun or not isinstance(body, bytes):
                    raise
                continue
            except BaseException:
                connection.close()
                raise
            answer.done = lambda connection, reusable: self._give(key, connection, reusable)
            return answer

    def _take(self, key: _Key) -> Connection | None:
        kept = self._idle.get(key, [])
        while kept:
            since, connection = kept.pop()
            if time.monotonic() - since < IDLE_SECONDS and connection.idle():
                return connection
            connection.close()
        return None

    def _give(self, key: _Key, connection: Connection, reusable: bool) -> None:
        if not reusable or self._closed or len(self._idle.get(key, ())) >= _IDLE_MOST:
            connection.close()
            return
        self._idle.setdefault(key, []).append((time.monotonic(), connection))
        self._watch(key)

    def _watch(self, key: _Key) -> None:
        """Have the connections to one server looked at in a while, once for all of them."""
        if key not in self._watched:
            self._watched.add(key)
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._expire, key)

    def _expire(self, key: _Key) -> None:
        self._watched.discard(key)
        kept = self._idle.pop(key, [])
        fresh = [(since, connection) for since, connection in kept if time.monotonic() - since < IDLE_SECONDS * 0.9]
        for entry in kept:
            if entry not in fresh:
                entry[1].close()
        if fresh:
            self._idle[key] = fresh
            self._watch(key)

    def confine(self, host: str) -> None:
        """Connect to `host` only where a network is declared insecure: names may lead elsewhere the next time."""
        self._confined.add(host)

    async def _connect(self, key: _Key, proxy: proxies.Proxy | None, hosts: tuple[str, ...]) -> Connection:
        context = None
        if key.origin.scheme == "https":
            context = await self._context(key.verify, key.stamp, (key.origin.authority, *hosts))
        proxy_context = await self._context(True, (), ()) if proxy and proxy.scheme == "https" else None
        if key.origin.host not in self._confined:
            return await connect(key.origin, context, proxy, proxy_context)
        if proxy:
            raise NotReached(
                f"{key.origin} is insecure by its address, which a proxy need not see so: declare its name"
            )
        inside = partial(self._settings.insecure_address, loopback=False)
        return await connect(key.origin, context, None, None, inside)

    async def _stamp(self, origin: Origin, hosts: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
        if origin.scheme != "https":
            return ()
        return trust.stamp(self._settings.certs_dir, (origin.authority, *hosts))

    async def _context(
        self, verify: bool, stamp: tuple[tuple[str, int], ...], hosts: tuple[str, ...]
    ) -> ssl.SSLContext:
        """Made in a thread: reading all of a system's authorities takes tens of milliseconds."""
        key = (verify, stamp)
        if key not in self._contexts:
            self._contexts[key] = await asyncio.to_thread(
                trust.context, self._settings.certs_dir, hosts if stamp else (), verify=verify
            )
        return self._contexts[key]
