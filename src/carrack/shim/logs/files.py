"""The files of one container's log, opened as a request describes them."""

from __future__ import annotations

from carrack.shim.logfile import LogFile
from carrack.shim.logs.localfile import LocalFile
from carrack.shim.logs.task import Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.shim.logs.lines import Message


def open_file(directory_fd: int, document: dict[str, Any]) -> LogFile | LocalFile:
    """``document``: kind (json-file or local), name, max_size, max_file, compress, attributes. Raises OSError."""
    name, size, files = document["name"], document["max_size"], document["max_file"]
    if document["kind"] == "local":
        return LocalFile(directory_fd, name, size, files, bool(document.get("compress")))
    return LogFile(directory_fd, name, size, files, bool(document.get("compress")), document.get("attributes", ""))


class FileDriver(Driver):
    """A file as a driver, for ``mode=non-blocking``: a disk that hangs does not stop the container either."""

    def __init__(self, directory_fd: int, document: dict[str, Any]) -> None:
        self._directory = directory_fd
        self._document = document
        self._file: LogFile | LocalFile | None = None

    def connect(self) -> None:
        self._file = open_file(self._directory, self._document)

    def send(self, message: Message) -> None:
        assert self._file is not None
        lost = self._file.lost
        self._file.add([message])
        if self._file.lost > lost:
            raise OSError("the log file cannot be written")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
