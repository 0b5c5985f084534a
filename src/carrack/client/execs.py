"""Extra processes in running containers, over the API."""

from carrack.client.transport import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.client.document import Document
    from carrack.client.transport import Daemon
    from carrack.http.client import Stream


def create(daemon: "Daemon", container: str, body: "Document") -> str:
    """The id of a prepared process."""
    answer: str = daemon.post(f"/containers/{quote(container)}/exec", None, body)["Id"]
    return answer


def start(daemon: "Daemon", exec_id: str, *, terminal: bool) -> None:
    """Start without being attached."""
    daemon.post(f"/exec/{exec_id}/start", None, {"Detach": True, "Tty": terminal})


def attach(daemon: "Daemon", exec_id: str, *, terminal: bool, size: "list[int] | None" = None) -> "Stream":
    """Start, attached; ``size`` is height and width of the terminal."""
    body: Document = {"Detach": False, "Tty": terminal}
    if size:
        body["ConsoleSize"] = size
    return daemon.hijack(f"/exec/{exec_id}/start", None, body)[0]


def inspect(daemon: "Daemon", exec_id: str) -> "Document":
    answer: Document = daemon.get(f"/exec/{exec_id}/json")
    return answer


def resize(daemon: "Daemon", exec_id: str, height: int, width: int) -> None:
    daemon.post(f"/exec/{exec_id}/resize", {"h": height, "w": width})
