"""Stored content as an answer: whole, or a range of it (RFC 9110 section 14)."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.wire import Wire

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class FilePart:
    """`message.Content`: `size` bytes of an open file, which is closed with it."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self.size = size
        self._file = file
        self._offset = offset

    def send(self, wire: Wire) -> None:
        """message.Content."""
        wire.send_file(self._file.fileno(), self._offset, self.size)

    def close(self) -> None:
        """message.Content."""
        self._file.close()


def answer(request: Request, file: BinaryIO, digest: str, media_type: str) -> Answer:
    """The file, or the range of it that is asked for; 304 when the client has it. The answer owns the file."""
    try:
        size = os.fstat(file.fileno()).st_size
        headers = headers_of(digest, media_type)
        if unchanged(request, digest):
            file.close()
            return Answer(304, headers)
        wanted = _range(request, size, digest)
    except BaseException:
        file.close()
        raise
    if wanted is None:
        return Answer(200, headers, content=FilePart(file, 0, size))
    first, last = wanted
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Answer(206, headers, content=FilePart(file, first, last - first + 1))


def headers_of(digest: str, media_type: str) -> dict[str, str]:
    """The headers of content by digest, which never changes."""
    return {
        "Content-Type": media_type,
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=31536000",
    }


def unchanged(request: Request, digest: str) -> bool:
    """Whether the client says that it has this already."""
    known = request.headers.get("if-none-match", "")
    return bool(known) and (f'"{digest}"' in known or known == digest or known == "*")


def _range(request: Request, size: int, digest: str) -> tuple[int, int] | None:
    """First and last byte wanted; None for the whole. More than one range, or a malformed one, means the whole."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range", "")
    if match is None or match.group() == "bytes=-" or (condition and condition.strip('"') != digest):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size - 1
    else:
        begin, end = int(first), min(int(last) if last else size - 1, size - 1)
        if last and int(last) < begin:
            return None
    if begin >= size or begin > end:
        text = f"the blob has {size} bytes; {match.group()} is outside"
        raise Problem("RANGE_INVALID", text, headers={"Content-Range": f"bytes */{size}"})
    return begin, end
