"""Targets: what arrives on connections and lies in log files."""

from __future__ import annotations

import io
import os
import struct
import tempfile

from carrack.engine.containers import jsonlog, locallog, logs
from carrack.errors import CarrackError
from carrack.http.client import Connection
from carrack.http.framing import RequestFramer
from carrack.http.head import MAX_HEAD, FramingError
from carrack.http.stdcopy import FrameError, FrameReader, frame
from carrack.shim.logfile import LogFile
from carrack.shim.logs import localformat
from carrack.storage.zstdframes import FrameWalker


def http_requests(data: bytes) -> None:
    """However the bytes are cut, the same requests end at the same places, and none has two lengths."""
    whole = _requests(data, len(data) or 1)
    assert whole[2] == 0 or 400 <= whole[2] < 600
    for step in (1, 1 + len(data) // 3):
        done, present, status = _requests(data, step)
        assert (done, present, status > 0) == (*whole[:2], whole[2] > 0)
    for request in whole[0]:
        head, _, _ = request.partition(b"\r\n\r\n")
        names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
        if b"upgrade" not in names:
            assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1


def _requests(data: bytes, step: int) -> tuple[list[bytes], bytes, int]:
    framer, done, present = RequestFramer(), [], b""
    try:
        for start in range(0, len(data), step):
            present += framer.feed(data[start : start + step])
            while framer.complete:
                done.append(present)
                framer.next()
                present = framer.feed(b"")
            assert len(framer._buffer) <= MAX_HEAD + step
    except FramingError as error:
        return done, b"", error.status
    return done, present, 0


class _Peer:
    """A socket that gives these bytes, some at a time, and then ends."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def recv(self, size: int) -> bytes:
        return self._data.read(min(size, self._step))

    def sendall(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


def http_answers(data: bytes) -> None:
    """The command line's client: an answer or a clear failure, the same however it is cut."""
    assert _answer(data, 1) == _answer(data, 65536)


def _answer(data: bytes, step: int) -> tuple[object, ...]:
    try:
        response = Connection(_Peer(data, step)).request("GET", "/x")  # type: ignore[arg-type]
        if response.status == 101:
            return (101,)
        return response.status, sorted(response.headers.items()), response.read(1 << 20)
    except CarrackError as error:
        return (type(error).__name__,)


def multiplexed(data: bytes) -> None:
    """However cut, the same frames; and frames written are read."""
    whole = _frames(data, len(data) or 1)
    assert _frames(data, 3) == whole
    assert _frames(b"".join(frame(number, payload) for number, payload in whole[0]), 5)[0] == whole[0]


def _frames(data: bytes, step: int) -> tuple[list[tuple[int, bytes]], bool]:
    reader, found = FrameReader(), list[tuple[int, bytes]]()
    try:
        for start in range(0, len(data), step):
            pieces = reader.feed(data[start : start + step])
            while (piece := next(pieces, None)) is not None:  # what came before noise counts
                found.append(piece)
    except FrameError:
        return found, True
    return found, False


def log_files(data: bytes) -> None:
    """Lines of a file as found on disk: each is an entry or is passed over; the last ones are the last of all. The same
    bytes as files of the other format, plain and compressed, are read as far as they make sense."""
    every = [entry for line in data.split(b"\n")[:-1] if (entry := jsonlog.parse(line))]
    with tempfile.TemporaryDirectory(prefix="crk-fuzz-") as name:
        for suffix, head in (("", localformat.MAGIC), (".z", localformat.PACKED_MAGIC), (".gz", b"")):
            with open(os.path.join(name, "log" + suffix), "wb") as file:
                file.write(head + data)
        with open(os.path.join(name, "plain"), "wb") as file:
            file.write(data)
        for tail in (0, 1, 3, 1000):
            query = logs.LogQuery(tail=tail)
            found = _last(jsonlog.JsonSource(os.path.join(name, "plain")), query)
            assert found == (every[-tail:] if tail else [])
            _last(locallog.LocalSource(os.path.join(name, "log")), query)
            _last(locallog.LocalSource(os.path.join(name, "log.z")), query)
            _last(jsonlog.JsonSource(os.path.join(name, "log.gz")), query)


def _last(source: logs.Source, query: logs.LogQuery) -> list[logs.LogLine]:
    try:
        return logs.last([source], query)
    finally:
        source.close()


def log_lines(data: bytes) -> None:
    """A program's output in pieces: every byte that is text comes back, in order, whatever it is."""
    with tempfile.TemporaryDirectory(prefix="crk-fuzz-") as name:
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            log = LogFile(directory, "log")
            step = 1 + (data[0] if data else 0)
            for start in range(0, len(data), step):
                log.write("stdout", data[start : start + step])
            log.close()
        finally:
            os.close(directory)
        with open(os.path.join(name, "log"), "rb") as file:
            lines = file.read().split(b"\n")
    assert lines.pop() == b""
    entries = [jsonlog.parse(line) for line in lines]
    assert None not in entries
    text = b"".join(entry.text for entry in entries if entry)
    assert text == data.decode("utf-8", "replace").encode() or not _is_text(data)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def zstd_frames(data: bytes) -> None:
    """The walker's answer does not depend on the cuts; skippable frames alone are whole."""
    walkers = [FrameWalker(), FrameWalker()]
    walkers[0].feed(data)
    for start in range(len(data)):
        walkers[1].feed(data[start : start + 1])
    assert walkers[0].complete == walkers[1].complete
    skippable = struct.pack("<II", 0x184D2A50, len(data)) + data
    walker = FrameWalker()
    walker.feed(skippable)
    assert walker.complete
