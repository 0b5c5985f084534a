"""rpm's database of installed packages, read without rpm: the SQLite form that it has since version 4.16.

Of SQLite only what it needs: the leaves of one table, with overflow pages. Older forms (Berkeley DB, ndb) are those of
:mod:`carrack.storage.rpmold`; they hold the same headers. The file comes from an image and may be anything.
Source: SQLite, "Database File Format"; rpm, docs/manual/format_v4 ("Header Format").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from carrack.storage import rpmold

_MAGIC = b"SQLite format 3\0"
_TABLE_LEAF, _TABLE_INNER = 0x0D, 0x05
_DEPTH, _ROWS, _BLOB = 20, 200_000, 64 << 20
_NAME, _VERSION, _RELEASE, _EPOCH, _LICENSE, _ARCHITECTURE = 1000, 1001, 1002, 1003, 1014, 1022
_STRING, _INT32, _I18N = 6, 4, 9


class Unreadable(Exception):
    """The file is not a database that is read here, or is damaged."""


@dataclass(frozen=True, slots=True)
class RpmPackage:
    """One package. ``epoch`` is "" for none."""

    name: str
    version: str
    release: str
    architecture: str
    epoch: str
    license: str


def packages(data: bytes) -> list[RpmPackage]:
    """The installed packages. Raises Unreadable."""
    try:
        old = rpmold.blobs(data)
        if old is None and not data.startswith(_MAGIC):
            raise Unreadable("this form of rpm's database is not known: neither SQLite, ndb nor Berkeley DB's hash")
        found = []
        for blob in _Database(data).blobs("Packages") if old is None else filter(_is_header, old):
            package = _header(blob)
            if package is not None:
                found.append(package)
        return found
    except (struct.error, IndexError, ValueError, UnicodeError) as error:
        raise Unreadable(f"damaged: {error}") from None


def _is_header(blob: bytes) -> bool:
    """Whether it is more than a number: Berkeley DB's form keeps the next one to give beside the headers."""
    return len(blob) > 8


class _Database:
    def __init__(self, data: bytes) -> None:
        self._data = data
        size = struct.unpack_from(">H", data, 16)[0]
        self._size = 65536 if size == 1 else size
        if self._size < 512:
            raise Unreadable("damaged: its pages have no size")
        self._usable = self._size - data[20]

    def blobs(self, table: str) -> Iterator[bytes]:
        """The last column, where it is a blob, of all rows of a table."""
        for row in self._rows(1):
            if row[0] == b"table" and row[1] == table.encode():
                root = int(row[3]) if isinstance(row[3], int) else 0
                for each in self._rows(root):
                    if isinstance(each[-1], bytes):
                        yield each[-1]

    def _rows(self, root: int) -> Iterator[list[bytes | int | None]]:
        waiting, seen, rows = [(root, 0)], set[int](), 0
        while waiting:
            number, depth = waiting.pop()
            if number in seen or depth > _DEPTH:
                raise Unreadable("damaged: its pages go in circles")
            seen.add(number)
            at = (number - 1) * self._size
            if number < 1 or at + self._size > len(self._data):
                raise Unreadable("damaged: a page is missing")
            head = at + (100 if number == 1 else 0)
            kind, count = self._data[head], struct.unpack_from(">H", self._data, head + 3)[0]
            start = head + (12 if kind == _TABLE_INNER else 8)
            cells = struct.unpack_from(f">{count}H", self._data, start)
            if kind == _TABLE_INNER:
                below = [struct.unpack_from(">I", self._data, at + cell)[0] for cell in cells]
                below.append(struct.unpack_from(">I", self._data, head + 8)[0])
                waiting += [(each, depth + 1) for each in reversed(below)]
            elif kind == _TABLE_LEAF:
                for cell in cells:
                    rows += 1
                    if rows > _ROWS:
                        raise Unreadable(f"it has more than {_ROWS} rows")
                    yield _record(self._payload(at + cell))
            else:
                raise Unreadable("damaged: a page is of no known kind")

    def _payload(self, at: int) -> bytes:
        size, at = _varint(self._data, at)
        _, at = _varint(self._data, at)
        if size > _BLOB:
            raise Unreadable("damaged: a row is too large")
        most = self._usable - 35
        if size <= most:
            return self._data[at : at + size]
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self._usable - 4)
        local = local if local <= most else least
        parts, left = [self._data[at : at + local]], size - local
        page = struct.unpack_from(">I", self._data, at + local)[0]
        while left > 0:
            start = (page - 1) * self._size
            if page < 1 or start + self._size > len(self._data):
                raise Unreadable("damaged: a row is cut short")
            piece = self._data[start + 4 : start + 4 + min(left, self._usable - 4)]
            parts.append(piece)
            left -= len(piece)
            page = struct.unpack_from(">I", self._data, start)[0]
        return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number in range(9):
        byte = data[at]
        at += 1
        if number == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at


def _record(payload: bytes) -> list[bytes | int | None]:
    """The columns of a row: blobs and texts as bytes, whole numbers, nothing for the rest."""
    length, at = _varint(payload, 0)
    kinds = []
    while at < length:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[bytes | int | None] = []
    at = length
    for kind in kinds:
        if kind >= 12:
            size = (kind - 12) // 2
            values.append(payload[at : at + size])
        else:
            size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]
            number = int.from_bytes(payload[at : at + size], "big", signed=True)
            values.append({0: None, 7: None, 8: 0, 9: 1}.get(kind, number))
        at += size
    return values


def _header(blob: bytes) -> RpmPackage | None:
    """A package of the header that rpm keeps of it: an index of (tag, type, offset, count), then a store of values."""
    count, size = struct.unpack_from(">II", blob, 0)
    store = 8 + count * 16
    if store + size > len(blob):
        raise Unreadable("damaged: a header is longer than its row")
    values: dict[int, str] = {}
    for number in range(count):
        tag, kind, offset, _ = struct.unpack_from(">IIiI", blob, 8 + number * 16)
        at = store + offset
        if kind in (_STRING, _I18N):
            values[tag] = blob[at : blob.index(b"\0", at)].decode("utf-8", "replace")
        elif kind == _INT32 and tag == _EPOCH:
            values[tag] = str(struct.unpack_from(">I", blob, at)[0])
    if _NAME not in values or values[_NAME] == "gpg-pubkey":
        return None
    return RpmPackage(
        values[_NAME], values.get(_VERSION, ""), values.get(_RELEASE, ""), values.get(_ARCHITECTURE, ""),
        values.get(_EPOCH, ""), values.get(_LICENSE, ""),
    )  # fmt: skip
