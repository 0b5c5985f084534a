"""Calls of one plugin: a method's name and a JSON object there, a JSON object back.

What a plugin answers is not trusted: it is bounded in bytes, depth and time, and nothing of it is used unchecked. The
words of failures are those that Docker's users know. Source: Docker's "Plugin API" and "Docker volume plugins" pages.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from carrack.errors import Internal, Unavailable
from carrack.http.outgoing import Answer, NotReached, Peer, request

MIME = "application/vnd.docker.plugins.v1.2+json"
LIMIT = 4 * 1024 * 1024
"""Bytes of an answer."""

DEPTH = 64
"""How deep an answer's values may nest."""

PATIENCE = 3.0
"""Seconds for which a plugin that does not listen (it may be starting again) is tried."""

_ERROR_LIMIT = 4096
_ACTIVATE = 10.0


class PluginError(Internal):
    """The plugin itself refuses; its words."""


class Plugin:
    """One plugin. ``implements`` is empty until `activate`."""

    def __init__(self, name: str, peer: Peer, *, patience: float = PATIENCE) -> None:
        self.name = name
        self.peer = peer
        self.implements: tuple[str, ...] = ()
        self._patience = patience
        self._lock = asyncio.Lock()

    async def activate(self) -> tuple[str, ...]:
        """Shake hands once; returns what the plugin implements, such as ``VolumeDriver``."""
        async with self._lock:
            if not self.implements:
                document = await self.call("Plugin.Activate", None, timeout=_ACTIVATE)
                names = document.get("Implements")
                if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                    raise Internal(
                        f"plugin {self.name}: its answer to Plugin.Activate does not tell what it implements"
                    )
                self.implements = tuple(names[:DEPTH])
        return self.implements

    async def call(self, method: str, document: dict[str, Any] | None, *, timeout: float) -> dict[str, Any]:
        """The answer of ``method`` to ``document`` as an object.

        Raises Unavailable for a plugin that does not listen, answer in time or hold, PluginError with its words when
        it answers with another status than 200, Internal for an answer that is none.
        """
        body = b"" if document is None else json.dumps(document, separators=(",", ":")).encode()
        answer = await self._send(method, body, timeout)
        if answer.status != 200:
            raise PluginError(f"{method}: {_told(answer)}")
        try:
            value = json.loads(answer.body or b"{}")
            if not isinstance(value, dict) or too_deep(value):
                raise ValueError
        except (ValueError, RecursionError):
            raise Internal(f"plugin {self.name}: {method}: what it answers is no JSON object") from None
        return value

    async def _send(self, method: str, body: bytes, timeout: float) -> Answer:
        started, pause = time.monotonic(), 0.1
        while True:
            try:
                headers = {"Accept": MIME, "Content-Type": "application/json"}
                return await request(self.peer, "POST", f"/{method}", headers, body, limit=LIMIT, timeout=timeout)
            except NotReached as error:
                if time.monotonic() + pause - started > self._patience:
                    told = f"Post {method!r}: dial {self.peer}: {error.strerror}"
                    raise Unavailable(f"plugin {self.name} cannot be reached: {told}") from error
            except TimeoutError as error:
                raise Unavailable(f"plugin {self.name}: {method}: no answer within {timeout:g} seconds") from error
            except OSError as error:
                raise Unavailable(f"plugin {self.name}: {method}: {error.strerror or error}") from error
            await asyncio.sleep(pause)
            pause *= 2


def _told(answer: Answer) -> str:
    """The words of a refusal: the object's ``Err``, else the body as it stands."""
    try:
        document = json.loads(answer.body)
        if isinstance(document, dict) and isinstance(document.get("Err"), str) and document["Err"]:
            return str(document["Err"][:_ERROR_LIMIT])
    except (ValueError, RecursionError):
        pass
    return answer.body[:_ERROR_LIMIT].decode("utf-8", "replace").strip() or f"status {answer.status}"


def too_deep(value: object, depth: int = DEPTH) -> bool:
    """Whether a value of JSON nests deeper than is used anywhere."""
    level: list[object] = [value]
    for _ in range(depth):
        level = [item for one in level for item in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def text(plugin: Plugin, method: str, document: dict[str, Any], key: str) -> str:
    """A string of an answer, empty when it is not there. Raises Internal when it is something else."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LIMIT or "\0" in value:
        raise Internal(f"plugin {plugin.name}: {method}: {key!r} of its answer is no text")
    return value
