"""An archive as one file: its bytes from a path or standard input, and to a path, as they are."""

import posix

from carrack.client import paths
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 64 * 1024


def from_file(path: str) -> "Iterator[bytes]":
    """A file's bytes in chunks; ``-`` is standard input."""
    if path == "-":
        while data := posix.read(0, _CHUNK):
            yield data
        return
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            yield data


def to_file(path: str, chunks: "Iterator[bytes]") -> None:
    """Write chunks to a file that appears under its name only when complete."""
    if paths.exists(path) and not paths.is_file(path):  # a device or pipe is written as it is
        with open(path, "wb") as device:
            for chunk in chunks:
                device.write(chunk)
        return
    directory = path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")
    if not paths.is_folder(directory):
        from os.path import normpath

        raise InvalidArgument(f"invalid output path: stat {normpath(directory)}: no such file or directory")
    temporary = f"{path}.{posix.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            for chunk in chunks:
                file.write(chunk)
        posix.replace(temporary, path)
    except BaseException:
        try:
            posix.unlink(temporary)
        except FileNotFoundError:
            pass
        raise
