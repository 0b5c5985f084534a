"""``config.json`` of the directory of client files, which the docker command shares: read whole, replaced whole.

Whoever changes it leaves every other setting as it is; two programs that do so at once take turns by a lock on the
directory.
"""

import os
from contextlib import contextmanager

from carrack.client import document
from carrack.errors import InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from carrack.client.document import Document

_LIMIT = 1 << 20


def path_in(directory: str) -> str:
    return f"{directory}/config.json"


def load(directory: str) -> "Document":
    """All settings, none where there is no file; :class:`InvalidArgument` when the file is no JSON object."""
    path = path_in(directory)
    try:
        with open(path, "rb") as file:
            settings = document.loads(file.read(_LIMIT))
    except FileNotFoundError:
        return {}
    except Unavailable:
        raise InvalidArgument(f"{path}: it is not JSON") from None
    if not isinstance(settings, dict):
        raise InvalidArgument(f"{path}: an object is expected")
    return settings


@contextmanager
def change(directory: str, *, private: bool = False) -> "Iterator[Document]":
    """The settings, to be changed in place; they are written when the block ends without a failure.

    ``private``: what is written is nobody's business but the owner's, whatever mode the file has had.
    """
    import fcntl

    os.makedirs(directory, 0o700, exist_ok=True)
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        settings = load(directory)
        yield settings
        path = os.path.realpath(path_in(directory))
        mode = 0o600 if private or not os.path.exists(path) else os.stat(path).st_mode & 0o777
        write(path, _text(settings), mode, folder_mode=0o700)
    finally:
        os.close(lock)


def write(path: str, data: bytes, mode: int, folder_mode: int = 0o755) -> None:
    """Write a file that appears only when complete and on the disk."""
    folder = os.path.dirname(path)
    os.makedirs(folder, folder_mode, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _text(settings: "Document") -> bytes:
    """As docker lays it out: a tab a level."""
    lines = document.indented(settings, 1).split("\n")
    return "\n".join(line.replace(" ", "\t", len(line) - len(line.lstrip(" "))) for line in lines).encode()
