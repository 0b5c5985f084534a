"""The members of a tar stream, as engines send them: ustar, pax, and GNU's long names.

``tarfile`` would do, but takes 10 ms to import, as long as all else of a short ``cp``. What comes is foreign: numbers
and records are bounded; names are not judged here.
"""

from carrack.cli.tar_header import BLOCKS, CHARACTERS, FILE, FOLDER, LINK, PIPE, SYMLINK
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512
_PIECE = 64 * 1024
_RECORDS = 1 << 20  # bytes of what stands before a member
_MOST = 1 << 40  # seconds of a time
_DEVICES = 1 << 20
_PLAIN = (FILE, b"\0", b"7")


class Member:
    """One entry: ``kind`` is one of those of the heads, or another byte; ``mtime`` is in seconds.

    ``data`` gives a file's bytes once, before the next member is asked for.
    """

    def __init__(self, block: bytes, said: dict[str, bytes], stream: "_Stream") -> None:
        name = block[:100].partition(b"\0")[0]
        prefix = block[345:500].partition(b"\0")[0]
        if block[257:263] == b"ustar\0" and prefix:
            name = prefix + b"/" + name
        name = said.get("path", name)
        kind = block[156:157]
        self.kind = FOLDER if kind in (FILE, b"\0") and name.endswith(b"/") else FILE if kind in _PLAIN else kind
        self.name = _text(name)
        self.link = _text(said.get("linkpath", block[157:257].partition(b"\0")[0]))
        self.mode = _number(block[100:108]) & 0o7777
        self.mtime = _time(said["mtime"] if "mtime" in said else b"%d" % _number(block[136:148]))
        self.major, self.minor = (_number(block[at : at + 8]) % _DEVICES for at in (329, 337))
        self.size = _decimal(said["size"]) if "size" in said else _number(block[124:136])
        if self.size < 0 or kind == b"S" or any(key.startswith("GNU.sparse.") for key in said):
            raise InvalidArgument(f"the archive has {self.name!r} in a form that is not read here")
        if self.kind in (LINK, SYMLINK, CHARACTERS, BLOCKS, FOLDER, PIPE):
            self.size = 0
        self._stream = stream
        self._left = self.size

    def data(self) -> "Iterator[bytes]":
        while self._left:
            data = self._stream.some(self._left)
            self._left -= len(data)
            yield data

    def skip(self) -> None:
        """Pass over what was not read, and the padding."""
        for _ in self.data():
            pass
        self._stream.whole(-self.size % _BLOCK)


def members(chunks: "Iterator[bytes]") -> "Iterator[Member]":
    """The entries of an archive; :class:`InvalidArgument` where it is none, or ends in the midst of one."""
    stream = _Stream(chunks)
    common: dict[str, bytes] = {}
    said: dict[str, bytes] = {}
    if stream.ended:
        raise InvalidArgument("there is no archive where one was to come")
    while not stream.ended:
        block = stream.whole(_BLOCK)
        if not any(block):
            return
        if sum(block[:148]) + 8 * 0x20 + sum(block[156:]) != _number(block[148:156]):
            raise InvalidArgument("this is no tar archive, or a damaged one")
        kind = block[156:157]
        if kind in (b"x", b"g", b"L", b"K"):
            size = _number(block[124:136])
            if not 0 <= size <= _RECORDS:
                raise InvalidArgument("the archive has a name or records of more than a MiB")
            data = stream.whole(size + -size % _BLOCK)[:size]
            if kind in (b"L", b"K"):
                said["path" if kind == b"L" else "linkpath"] = data.partition(b"\0")[0]
            else:
                (said if kind == b"x" else common).update(_records(data))
            continue
        member = Member(block, {**common, **said}, stream)
        said = {}
        yield member
        member.skip()


class _Stream:
    """Chunks, read by sizes."""

    def __init__(self, chunks: "Iterator[bytes]") -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0

    @property
    def ended(self) -> bool:
        while self._at == len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._chunk, self._at = chunk, 0
        return False

    def some(self, most: int) -> bytes:
        """What is there, at least one byte."""
        if self.ended:
            raise InvalidArgument("the archive ends in the midst of a file")
        data = self._chunk[self._at : self._at + min(most, _PIECE)]
        self._at += len(data)
        return data

    def whole(self, size: int) -> bytes:
        parts = []
        while size:
            parts.append(self.some(size))
            size -= len(parts[-1])
        return b"".join(parts)


def _records(data: bytes) -> dict[str, bytes]:
    """Records of pax: ``LENGTH KEY=VALUE`` and the end of a line, the length of all that in figures."""
    found = {}
    while data:
        length = _decimal(data[:8].partition(b" ")[0])
        record, data = data[:length], data[length:]
        key, equals, value = record.partition(b" ")[2].partition(b"=")
        if not equals or len(record) != length or not value.endswith(b"\n"):
            raise InvalidArgument("the archive has a malformed record")
        found[_text(key)] = value[:-1]
    return found


def _number(field: bytes) -> int:
    """Octal figures, or GNU's bytes where the first has its highest bit set."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big", signed=True) if field[0] & 0x40 else int.from_bytes(field[1:], "big")
    figures = field.partition(b"\0")[0].strip(b" ")
    if figures.strip(b"01234567"):
        raise InvalidArgument("the archive has a malformed number")
    return int(figures or b"0", 8)


def _decimal(figures: bytes) -> int:
    if not figures or len(figures) > 18 or figures.strip(b"0123456789"):
        raise InvalidArgument("the archive has a malformed number")
    return int(figures)


def _time(text: bytes) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if abs(seconds) < _MOST else 0.0


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
