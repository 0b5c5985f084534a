"""The history of builds over the API; ours."""

from carrack.client.transport import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from carrack.client.document import Document
    from carrack.client.transport import Daemon


def listing(daemon: "Daemon") -> "list[Document]":
    """Newest first."""
    answer: list[Document] = daemon.get("/builds/json")
    return answer


def inspect(daemon: "Daemon", name: str) -> "Document":
    """One build with its steps; by its name, the beginning of it, or ``^1`` for the last but one."""
    answer: Document = daemon.get(f"/builds/{quote(name)}/json")
    return answer


def logs(daemon: "Daemon", name: str) -> "Iterator[Any]":
    """What it told, event by event, and tells until it is over."""
    return daemon.events("GET", f"/builds/{quote(name)}/logs")


def remove(daemon: "Daemon", name: str) -> None:
    daemon.delete(f"/builds/{quote(name)}")
