"""The two older forms of rpm's database: ndb (SUSE), and the hash files of Berkeley DB (before rpm 4.16).

Both hold blobs by number, of which only the blobs are wanted. Of Berkeley DB only what a hash file is made of: its
pages in their order, each with keys and values in turn, a large value on pages of its own. Whatever is damaged raises
struct.error, IndexError or ValueError.
Source: rpm, lib/backend/ndb ("RpmP", slots, blobs); Berkeley DB, dbinc/db_page.h and db_hash.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_LIMIT = 64 << 20  # of a blob

_NDB, _SLOT, _BLOB = b"RpmP", b"Slot", b"BlbS"
_NDB_PAGE, _NDB_BLOCK, _NDB_HEAD = 4096, 16, 32

_HASH_MAGIC = 0x061561
_HASH_PAGES, _OVERFLOW = (2, 13), 7  # kinds of pages: keys and values, unsorted before 4.6; parts of large values
_INLINE, _OFF_PAGE = 1, 3  # kinds of items
_PAGE_HEAD = 26


def blobs(data: bytes) -> Iterator[bytes] | None:
    """What a database of either form holds; None for other files."""
    if data.startswith(_NDB):
        return _of_ndb(data)
    for order in "<>":
        if len(data) >= 512 and struct.unpack_from(f"{order}I", data, 12)[0] == _HASH_MAGIC:
            return _of_hash(data, order)
    return None


def _of_ndb(data: bytes) -> Iterator[bytes]:
    version, _, pages = struct.unpack_from("<III", data, 4)
    if version:
        raise ValueError(f"version {version} of ndb is not known")
    for at in range(_NDB_HEAD, min(pages * _NDB_PAGE, len(data)), _NDB_BLOCK):
        mark, number, block, _ = struct.unpack_from("<4sIII", data, at)
        if mark != _SLOT:
            raise ValueError("a slot has no mark")
        if block:
            start = block * _NDB_BLOCK
            mark, again, _, size = struct.unpack_from("<4sIII", data, start)
            if mark != _BLOB or again != number or start + _NDB_BLOCK + size > len(data):
                raise ValueError("a slot leads to no blob")
            yield data[start + _NDB_BLOCK : start + _NDB_BLOCK + size]


def _of_hash(data: bytes, order: str) -> Iterator[bytes]:
    size, kept = struct.unpack_from(f"{order}I", data, 20)[0], data[24]
    if size < 512 or kept:
        raise ValueError("its pages have no size, or are encrypted")
    for page in range(size, len(data) - size + 1, size):
        if data[page + 25] not in _HASH_PAGES:
            continue
        count = struct.unpack_from(f"{order}H", data, page + 20)[0]
        places = struct.unpack_from(f"{order}{count}H", data, page + _PAGE_HEAD)
        for number in range(1, count, 2):  # values, each behind its key
            at = page + places[number]
            if data[at] == _OFF_PAGE:
                first, length = struct.unpack_from(f"{order}II", data, at + 4)
                yield _large(data, order, size, first, length)
            elif data[at] == _INLINE:  # items lie from the page's end upwards: each ends where the one before begins
                yield data[at + 1 : page + places[number - 1]]


def _large(data: bytes, order: str, size: int, page: int, length: int) -> bytes:
    if length > min(_LIMIT, len(data)):
        raise ValueError("a value is too large")
    parts, left = [], length
    while left:
        at = page * size
        if not page or data[at + 25] != _OVERFLOW:
            raise ValueError("a value is cut short")
        page = struct.unpack_from(f"{order}I", data, at + 16)[0]
        held = struct.unpack_from(f"{order}H", data, at + 22)[0]
        if not 0 < held <= min(left, size - _PAGE_HEAD):
            raise ValueError("a value has a part of no size")
        parts.append(data[at + _PAGE_HEAD : at + _PAGE_HEAD + held])
        left -= held
    return b"".join(parts)
