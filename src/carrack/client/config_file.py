"""``config.json`` of the directory of client files, which the docker command shares: read whole, replaced whole.

Whoever changes it leaves every other setting as it is; two programs that do so at once take turns by a lock on the
directory.
"""

from carrack.client import document
from carrack.errors import InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

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


def change(directory: str, *, private: bool = False) -> "AbstractContextManager[Document]":
    """The settings, to be changed in place; they are written when the block ends without a failure.

    ``private``: what is written is nobody's business but the owner's, whatever mode the file has had.
    """
    return _Change(directory, private)


class _Change:
    def __init__(self, directory: str, private: bool) -> None:
        self._directory = directory
        self._private = private

    def __enter__(self) -> "Document":
        import fcntl
        import os

        os.makedirs(self._directory, 0o700, exist_ok=True)
        self._lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._settings = load(self._directory)
        except BaseException:
            os.close(self._lock)
            raise
        return self._settings

    def __exit__(self, kind: object, *_: object) -> None:
        import os

        try:
            if kind is None:
                path = os.path.realpath(path_in(self._directory))
                mode = 0o600 if self._private or not os.path.exists(path) else os.stat(path).st_mode & 0o777
                write(path, _text(self._settings), mode, folder_mode=0o700)
        finally:
            os.close(self._lock)


def write(path: str, data: bytes, mode: int, folder_mode: int = 0o755) -> None:
    """Write a file that appears only when complete and on the disk."""
    import os

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
