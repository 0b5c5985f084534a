"""Volumes over the API."""

from carrack.client.transport import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.client.document import Document
    from carrack.client.transport import Daemon


def create(daemon: "Daemon", body: "Document") -> "Document":
    answer: Document = daemon.post("/volumes/create", None, body)
    return answer


def listing(daemon: "Daemon", filters: "Document | None" = None) -> "Document":
    """``{"Volumes", "Warnings"}``."""
    answer: Document = daemon.get("/volumes", {"filters": filters or None})
    return answer


def inspect(daemon: "Daemon", name: str) -> "Document":
    answer: Document = daemon.get(f"/volumes/{quote(name)}")
    return answer


def remove(daemon: "Daemon", name: str, *, force: bool = False) -> None:
    daemon.delete(f"/volumes/{quote(name)}", {"force": force})


def prune(daemon: "Daemon", filters: "Document | None" = None) -> "Document":
    answer: Document = daemon.post("/volumes/prune", {"filters": filters or None})
    return answer
