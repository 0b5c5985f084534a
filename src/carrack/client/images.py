"""Images over the API."""

from carrack.client import document
from carrack.client.transport import quote
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from carrack.client.account import Account
    from carrack.client.document import Document
    from carrack.client.transport import Daemon
    from carrack.http.client import Response


def path(image: str, verb: str = "") -> str:
    return f"/images/{quote(image, b'/:@')}{'/' if verb else ''}{verb}"


def listing(daemon: "Daemon", query: "dict[str, Any]") -> "list[Document]":
    answer: list[Document] = daemon.get("/images/json", query)
    return answer


def inspect(daemon: "Daemon", image: str, platform: str = "") -> "Document":
    answer: Document = daemon.get(path(image, "json"), {"platform": platform_document(platform)})
    return answer


def history(daemon: "Daemon", image: str, platform: str = "") -> "list[Document]":
    answer: list[Document] = daemon.get(path(image, "history"), {"platform": platform_document(platform)})
    return answer


def explain(daemon: "Daemon", image: str, most: int) -> "Document":
    """What of an image is waste (our extension), with at most so many findings of each kind."""
    answer: Document = daemon.get("/carrack" + path(image, "explain"), {"limit": most})
    return answer


def diff(daemon: "Daemon", old: str, new: str, *, full: bool, most: int) -> "Document":
    """How the second image differs from the first (our extension)."""
    query = {"from": old, "to": new, "full": full, "limit": most}
    answer: Document = daemon.get("/carrack/images/diff", query)
    return answer


def tag(daemon: "Daemon", image: str, repository: str, tag_name: str) -> None:
    daemon.post(path(image, "tag"), {"repo": repository, "tag": tag_name or None})


def remove(
    daemon: "Daemon", image: str, *, force: bool = False, prune: bool = True, platforms: "list[str] | None" = None
) -> "list[Document]":
    """``[{"Untagged"} or {"Deleted"}]`` in the order of doing."""
    wanted = [platform_document(each) for each in platforms or []]
    query = {"force": force, "noprune": not prune, "platforms": wanted}
    answer: list[Document] = daemon.delete(path(image), query)
    return answer


def load(daemon: "Daemon", data: "Iterable[bytes]", *, quiet: bool, platform: str = "") -> "Iterator[Any]":
    """Messages of progress while an archive is read."""
    query = {"quiet": "1" if quiet else "0", "platform": platform_document(platform)}
    return document.stream(daemon.upload("POST", "/images/load", query, data).chunks())


def save(daemon: "Daemon", names: list[str], platform: str = "") -> "Response":
    """A tar stream of the named images."""
    return daemon.call("GET", "/images/get", {"names": names, "platform": platform_document(platform)})


def import_(daemon: "Daemon", query: "dict[str, Any]", data: "Iterable[bytes] | None") -> "Iterator[Any]":
    """Make an image of a root file system, sent here or (``fromSrc`` a URL) fetched by the daemon."""
    if data is None:
        return daemon.events("POST", "/images/create", query)
    return document.stream(daemon.upload("POST", "/images/create", query, data).chunks())


def pull(daemon: "Daemon", name: str, tag: str, platform: str, account: "Account") -> "Iterator[Any]":
    """Messages of progress; ``tag`` may be a digest, an empty one means all tags."""
    query = {"fromImage": name, "tag": tag or None, "platform": platform or None}
    return daemon.events("POST", "/images/create", query, [("X-Registry-Auth", account.header())])


def bootstrap(daemon: "Daemon", name: str, query: "dict[str, Any] | None" = None) -> "Iterator[Any]":
    """Build a base image from the distribution's packages (our extension); messages of progress."""
    return daemon.events("POST", "/carrack/images/bootstrap", {"name": name, **(query or {})})


def prune(daemon: "Daemon", filters: "Document | None" = None) -> "Document":
    answer: Document = daemon.post("/images/prune", {"filters": filters or None})
    return answer


def platform_document(text: str) -> "Document | None":
    """``linux/arm64/v8`` as the API has it in queries about images; None for the empty text."""
    if not text:
        return None
    parts = text.split("/")
    if len(parts) > 3 or not all(parts):
        raise InvalidArgument(f"invalid platform {text!r}: os[/architecture[/variant]] is meant")
    return dict(zip(("os", "architecture", "variant"), parts, strict=False))


def split_reference(name: str) -> tuple[str, str]:
    """Repository and tag (or digest): ``registry:5000/a:b`` is ``registry:5000/a`` and ``b``; no tag is empty."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    repository, colon, tag_name = name.rpartition(":")
    if not colon or "/" in tag_name:
        return name, ""
    return repository, tag_name
