"""Files in and out of containers, over the API: tar streams, and what a path is."""

from carrack.client import document
from carrack.client.containers import path
from carrack.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from carrack.client.document import Document
    from carrack.client.transport import Daemon
    from carrack.http.client import Response

_STAT = "x-docker-container-path-stat"


def stat(daemon: "Daemon", container: str, name: str) -> "Document":
    """``{"name", "size", "mode", "mtime", "linkTarget"}``; ``mode`` has Go's bits (directory 1 << 31, link 1 << 27)."""
    response = daemon.call("HEAD", path(container, "archive"), {"path": name})
    return _decoded(response)


def get(daemon: "Daemon", container: str, name: str) -> "tuple[Response, Document]":
    """A tar stream of a file or tree, and the stat of its root."""
    response = daemon.call("GET", path(container, "archive"), {"path": name})
    return response, _decoded(response)


def put(daemon: "Daemon", container: str, directory: str, data: "Iterable[bytes]", *, keep_owner: bool = False) -> None:
    """Unpack a tar stream below ``directory``; a directory does not replace a file, nor the reverse."""
    query: dict[str, str | bool] = {"path": directory, "noOverwriteDirNonDir": "true", "copyUIDGID": keep_owner}
    daemon.upload("PUT", path(container, "archive"), query, data).read()


def _decoded(response: "Response") -> "Document":
    from binascii import Error, a2b_base64

    try:
        answer: Document = document.loads(a2b_base64(response.headers[_STAT]))
    except (KeyError, Error):
        raise Unavailable("the daemon's answer says nothing of the path") from None
    return answer
