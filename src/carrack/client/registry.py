"""What the daemon asks registries for, over the API: logins, searches, what a name stands for there, pushes."""

from carrack.client import images
from carrack.client.transport import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from carrack.client.account import Account
    from carrack.client.document import Document
    from carrack.client.transport import Daemon

_AUTH = "X-Registry-Auth"


def login(daemon: "Daemon", account: "Account") -> "Document":
    """``{"Status", "IdentityToken"}`` of an account that the registry accepts."""
    answer: Document = daemon.post("/auth", None, account.document()) or {}
    return answer


def search(daemon: "Daemon", term: str, query: "dict[str, Any]", account: "Account") -> "list[Document]":
    """``[{"name", "description", "star_count", "is_official", "is_automated"}]``."""
    headers = [(_AUTH, account.header())]
    answer: list[Document] = daemon.get("/images/search", {"term": term, **query}, headers) or []
    return answer


def distribution(daemon: "Daemon", name: str, account: "Account") -> "Document":
    """``{"Descriptor", "Platforms"}`` of what a name stands for at its registry."""
    headers = [(_AUTH, account.header())]
    answer: Document = daemon.get(f"/distribution/{quote(name, b'/:@')}/json", None, headers)
    return answer


def push(daemon: "Daemon", name: str, tag: str, platform: str, account: "Account") -> "Iterator[Any]":
    """Messages of progress; an empty tag means all."""
    query = {"tag": tag or None, "platform": images.platform_document(platform)}
    return daemon.events("POST", images.path(name, "push"), query, [(_AUTH, account.header())])
