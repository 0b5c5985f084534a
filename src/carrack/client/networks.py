"""Networks over the API."""

from carrack.client.transport import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.client.document import Document
    from carrack.client.transport import Daemon


def listing(daemon: "Daemon", filters: "Document | None" = None) -> "list[Document]":
    answer: list[Document] = daemon.get("/networks", {"filters": filters or None})
    return answer


def create(daemon: "Daemon", body: "Document") -> "Document":
    """``{"Id", "Warning"}``."""
    answer: Document = daemon.post("/networks/create", body=body)
    return answer


def connect(daemon: "Daemon", name: str, container: str, endpoint: "Document") -> None:
    daemon.post(f"/networks/{quote(name)}/connect", body={"Container": container, "EndpointConfig": endpoint})


def disconnect(daemon: "Daemon", name: str, container: str, *, force: bool = False) -> None:
    daemon.post(f"/networks/{quote(name)}/disconnect", body={"Container": container, "Force": force})


def remove(daemon: "Daemon", name: str) -> None:
    daemon.delete(f"/networks/{quote(name)}")


def inspect(daemon: "Daemon", name: str, *, verbose: bool = False) -> "Document":
    answer: Document = daemon.get(f"/networks/{quote(name)}", {"verbose": verbose})
    return answer


def prune(daemon: "Daemon", filters: "Document | None" = None) -> "Document":
    answer: Document = daemon.post("/networks/prune", {"filters": filters or None})
    return answer
