"""Networks over the API, as far as they are built: to look at."""

from carrack.client.transport import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.client.document import Document
    from carrack.client.transport import Daemon


def listing(daemon: "Daemon", filters: "Document | None" = None) -> "list[Document]":
    answer: list[Document] = daemon.get("/networks", {"filters": filters or None})
    return answer


def remove(daemon: "Daemon", name: str) -> None:
    daemon.delete(f"/networks/{quote(name)}")


def inspect(daemon: "Daemon", name: str, *, verbose: bool = False) -> "Document":
    answer: Document = daemon.get(f"/networks/{quote(name)}", {"verbose": verbose})
    return answer


def prune(daemon: "Daemon", filters: "Document | None" = None) -> "Document":
    answer: Document = daemon.post("/networks/prune", {"filters": filters or None})
    return answer
