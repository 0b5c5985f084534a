"""Checking a user's credentials with a registry, as `docker login` has the daemon do."""

from __future__ import annotations

from carrack.errors import Unauthorized
from carrack.registry.session import Session
from carrack.registry.tokens import Tokens


async def check(session: Session, tokens: Tokens) -> str:
    """An identity token, or "" when the registry gives none. Raises Unauthorized and what Session.ask raises."""
    host = session.host.name
    answer = await session.ask("GET", "/v2/", f"login to {host}", passed=(401,))
    async with answer:
        service = session.bearer()
        if service is not None and session.credentials:
            token = await tokens.fetch(service, session.credentials, (), offline=True)
            return token.refresh
        if answer.status == 401:
            raise Unauthorized(f"login attempt to {host} failed with status: 401 Unauthorized: check name and password")
    return ""
