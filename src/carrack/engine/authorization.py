"""Authorization plugins, by Docker's protocol: all of them must allow each request to the API, and each answer.

A plugin that does not answer, or answers anything but ``{"Allow": true}``, stops the request: it fails closed. Source:
Docker's "Access authorization plugin" page; the words of refusals are dockerd's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from carrack.engine.plugins.registry import Plugins
from carrack.errors import CarrackError, Forbidden, Internal, InvalidArgument

log = logging.getLogger(__name__)

CAPABILITY = "authz"
REQUEST, RESPONSE = "AuthZPlugin.AuthZReq", "AuthZPlugin.AuthZRes"

TIMEOUT = 30.0
"""Seconds a plugin may take to decide."""

_MESSAGE_LIMIT = 4096


class Authorizer:
    """Asks the plugins ``names``, one after another; who says no first is who is named."""

    def __init__(self, plugins: Plugins, names: Sequence[str]) -> None:
        self._plugins = plugins
        self._names = tuple(dict.fromkeys(names))

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins that are asked, in their order; none lets everything pass."""
        return self._names

    async def change(self, names: Sequence[str]) -> None:
        """Ask these from now on. Raises InvalidArgument when one of them cannot be asked; then nothing changes."""
        for name in names:
            try:
                await self._plugins.get(name, CAPABILITY)
            except CarrackError as error:
                raise InvalidArgument(f"failed to validate authorization plugin: {error}") from error
        self._names = tuple(dict.fromkeys(names))

    async def take(self, names: Sequence[str]) -> None:
        """`change` for a configuration that was reloaded: what is wrong with it is logged, and changes nothing."""
        try:
            await self.change(names)
        except InvalidArgument as error:
            log.error("the authorization plugins stay as they were: %s", error)
        else:
            log.info("authorization plugins: %s", ", ".join(self._names) or "none")

    async def ask(self, method: str, document: dict[str, Any]) -> None:
        """Have ``document`` judged. Raises Forbidden when a plugin denies, Internal when one fails."""
        for name in self._names:
            try:
                plugin = await self._plugins.get(name, CAPABILITY)
                answer = await plugin.call(method, document, timeout=TIMEOUT)
            except CarrackError as error:
                raise _failed(name, str(error)) from error
            _judge(name, answer)


def _judge(name: str, answer: dict[str, Any]) -> None:
    # Plugins are written in Go, whose decoder and encoder take names in any case; two that differ count as no.
    allowed = [value for key, value in answer.items() if key.lower() == "allow"]
    words = {key.lower(): value[:_MESSAGE_LIMIT] for key, value in answer.items() if isinstance(value, str)}
    if words.get("err"):
        raise _failed(name, words["err"])
    if not allowed or any(value is not True for value in allowed):
        raise Forbidden(f"authorization denied by plugin {name}: {words.get('msg', '')}")


def _failed(name: str, words: str) -> Internal:
    return Internal(f"plugin {name} failed with error: {words}")
