"""The daemon itself over the API: what it is, what it holds, what happens in it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from carrack.client.document import Document
    from carrack.client.transport import Daemon


def version(daemon: "Daemon") -> "Document":
    answer: Document = daemon.get("/version")
    return answer


def info(daemon: "Daemon") -> "Document":
    answer: Document = daemon.get("/info")
    return answer


def disk_usage(daemon: "Daemon") -> "Document":
    answer: Document = daemon.get("/system/df")
    return answer


def events(daemon: "Daemon", query: "dict[str, Any]") -> "Iterator[Any]":
    """Events as they happen, after those since a moment; ends at ``until``."""
    return daemon.events("GET", "/events", query)


def build_prune(daemon: "Daemon", query: "dict[str, Any]") -> "Document":
    answer: Document = daemon.post("/build/prune", query)
    return answer


def ports(daemon: "Daemon") -> "list[Document]":
    """Who can reach what; ours, as is the next."""
    answer: list[Document] = daemon.get("/system/ports")
    return answer


def doctor_network(daemon: "Daemon") -> "list[Document]":
    answer: list[Document] = daemon.get("/system/doctor/network")
    return answer
