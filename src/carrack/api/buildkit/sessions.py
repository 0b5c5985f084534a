"""Sessions: connections on which we are the client and whoever builds is the server.

One lasts as long as its connection. A build names its session, which may come a moment later than the build does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument, NotFound
from carrack.http.grpc import Caller

if TYPE_CHECKING:
    from carrack.http.grpc import Stream

_UUID, _SHARED, METHOD = (f"X-Docker-Expose-Session-{part}" for part in ("Uuid", "Sharedkey", "Grpc-Method"))
_PATIENCE = 5.0


class Session:
    """One client: ``methods`` are the paths that it answers, ``shared`` what it calls the folders of this build by, the
    same from build to build; "" for folders that nobody will ask for again."""

    def __init__(self, identity: str, caller: Caller, methods: frozenset[str], shared: str = "") -> None:
        self.id = identity
        self.shared = shared
        self.caller = caller
        self._methods = methods

    def offers(self, path: str) -> bool:
        """Whether the client answers calls of a path."""
        return path.lower() in self._methods


class Sessions:
    """All that there are now."""

    def __init__(self) -> None:
        self._all: dict[str, Session] = {}
        self._news = asyncio.Event()

    async def serve(self, stream: Stream, headers: Mapping[str, str], methods: list[str]) -> None:
        """Keep a session until its connection is gone. Raises InvalidArgument without a name for it."""
        identity = headers.get(_UUID, "")
        if not identity:
            raise InvalidArgument(f"a session needs the header {_UUID}")
        async with Caller(stream) as caller:
            answered = frozenset(method.lower() for method in methods)
            session = Session(identity, caller, answered, headers.get(_SHARED, ""))
            self._all[identity] = session
            self._news.set()
            self._news = asyncio.Event()
            try:
                await asyncio.shield(caller.gone)
            finally:
                if self._all.get(identity) is session:
                    del self._all[identity]

    async def find(self, identity: str) -> Session:
        """The session of that name, waited for a little. Raises NotFound."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while identity not in self._all:
                    await self._news.wait()
        except TimeoutError:
            raise NotFound(f"no active session for {identity}: context deadline exceeded") from None
        return self._all[identity]
