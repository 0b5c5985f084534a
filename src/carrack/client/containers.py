"""Containers over the API: one function per request. Ids are names, ids or unique prefixes of ids."""

from carrack.client.document import loads
from carrack.client.transport import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from carrack.client.document import Document
    from carrack.client.transport import Daemon
    from carrack.http.client import Response, Stream


def path(container: str, verb: str = "") -> str:
    return f"/containers/{quote(container)}{'/' if verb else ''}{verb}"


def create(daemon: "Daemon", body: "Document", name: str = "", platform: str = "") -> "Document":
    """``{"Id", "Warnings"}`` of the new container."""
    answer: Document = daemon.post("/containers/create", {"name": name or None, "platform": platform or None}, body)
    return answer


def start(daemon: "Daemon", container: str) -> None:
    daemon.post(path(container, "start"))


def stop(
    daemon: "Daemon", container: str, signal: str = "", timeout: int | None = None, *, restart: bool = False
) -> None:
    """Stop (or restart) within ``timeout`` seconds, the container's own when None."""
    daemon.post(path(container, "restart" if restart else "stop"), {"signal": signal or None, "t": timeout})


def kill(daemon: "Daemon", container: str, signal: str = "") -> None:
    daemon.post(path(container, "kill"), {"signal": signal or None})


def act(daemon: "Daemon", container: str, verb: str) -> None:
    """``pause`` or ``unpause``."""
    daemon.post(path(container, verb))


def rename(daemon: "Daemon", container: str, name: str) -> None:
    daemon.post(path(container, "rename"), {"name": name})


def update(daemon: "Daemon", container: str, body: "Document") -> "Document":
    """Change limits or the restart policy; gives ``{"Warnings"}``."""
    answer: Document = daemon.post(path(container, "update"), None, body)
    return answer


def remove(daemon: "Daemon", container: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
    daemon.delete(path(container), {"force": force, "v": volumes, "link": link})


def listing(
    daemon: "Daemon",
    *,
    everything: bool = False,
    limit: int = 0,
    size: bool = False,
    filters: "Document | None" = None,
    fields: str = "",
) -> "list[Document]":
    """A row for each. ``fields`` are those that are needed of it, with commas between: our daemon tells no others,
    which of a thousand rows makes most of the time; others tell all."""
    some = {"limit": limit or None, "size": size, "filters": filters or None}
    query = {"all": everything, "fields": fields or None, **some}
    answer: list[Document] = daemon.get("/containers/json", query)
    return answer


def inspect(daemon: "Daemon", container: str, *, size: bool = False) -> "Document":
    answer: Document = daemon.get(path(container, "json"), {"size": size})
    return answer


def attach(
    daemon: "Daemon",
    container: str,
    *,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    logs: bool = False,
    detach_keys: str = "",
) -> "tuple[Stream, dict[str, str]]":
    """The container's streams: raw with a terminal, else in stdcopy frames; the headers tell which."""
    query = {"stream": True, "stdin": stdin, "stdout": stdout, "stderr": stderr, "logs": logs}
    return daemon.hijack(path(container, "attach"), {**query, "detachKeys": detach_keys or None})


def wait(daemon: "Daemon", container: str, condition: str = "") -> "Response":
    """The answer, whose body (``{"StatusCode", "Error"}``) comes when the condition is met."""
    return daemon.call("POST", path(container, "wait"), {"condition": condition or None})


def ask_wait(daemon: "Daemon", container: str, condition: str = "") -> "Callable[[], Response]":
    """`wait`, whose answer is taken later: the daemon hears of it while something else is asked."""
    return daemon.ask(path(container, "wait"), {"condition": condition or None})


def resize(daemon: "Daemon", container: str, height: int, width: int) -> None:
    daemon.post(path(container, "resize"), {"h": height, "w": width})


def logs(daemon: "Daemon", container: str, query: "dict[str, str | bool | None]") -> "Response":
    return daemon.call("GET", path(container, "logs"), query)


def top(daemon: "Daemon", container: str, arguments: str = "") -> "Document":
    answer: Document = daemon.get(path(container, "top"), {"ps_args": arguments or None})
    return answer


def stats(daemon: "Daemon", container: str) -> "Iterator[Any]":
    """Its figures each second."""
    return daemon.events("GET", path(container, "stats"), {"stream": "true"})


def ask_stats(daemon: "Daemon", container: str) -> "Callable[[], Document]":
    """Ask for the figures of now, on a connection of its own; the result waits for them."""
    answer = daemon.ask(path(container, "stats"), {"stream": "false"}, "GET")

    def figures() -> "Document":
        response = answer()
        document: Document = loads(response.read())
        response.leave()
        return document

    return figures


def changes(daemon: "Daemon", container: str) -> "list[Document]":
    """``[{"Path", "Kind"}]``: kind 0 changed, 1 added, 2 deleted."""
    return daemon.get(path(container, "changes")) or []


def export(daemon: "Daemon", container: str) -> "Response":
    return daemon.call("GET", path(container, "export"))


def commit(daemon: "Daemon", query: "dict[str, Any]", config: "Document") -> str:
    """The id of the new image."""
    answer: str = daemon.post("/commit", query, config)["Id"]
    return answer


def prune(daemon: "Daemon", filters: "Document | None" = None) -> "Document":
    answer: Document = daemon.post("/containers/prune", {"filters": filters or None})
    return answer
