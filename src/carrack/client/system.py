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


def explained(daemon: "Daemon") -> "Document":
    """Who has each byte of the data root; ours, as are the next."""
    answer: Document = daemon.get("/system/df/explain")
    return answer


def collect(daemon: "Daemon", rules: "dict[str, str]", *, plan: bool = False) -> "Document":
    """Garbage collection by these rules, or the daemon's own where there are none; only planned with ``plan``."""
    answer: Document = daemon.post("/system/gc", {**rules, "plan": plan})
    return answer


def check(daemon: "Daemon", *, repair: bool = False, read: bool = True) -> "Iterator[Any]":
    """What is wrong with the data root, as it is found; a summary (without ``Level``) comes last."""
    return daemon.events("POST", "/system/fsck", {"repair": repair, "read": "1" if read else "0"})


def ports(daemon: "Daemon") -> "list[Document]":
    """Who can reach what."""
    answer: list[Document] = daemon.get("/system/ports")
    return answer


def doctor_network(daemon: "Daemon") -> "list[Document]":
    answer: list[Document] = daemon.get("/system/doctor/network")
    return answer
