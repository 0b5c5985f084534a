"""Members with holes: which bytes of a file an archive has, in the forms that GNU tar writes.

GNU tar manual, "Storing Sparse Files": the old form has its map in the header and in blocks after it, the PAX form 0.1
in a record, 1.0 in front of the data. (0.0 repeats keywords, which POSIX gives another meaning; it is not read.) In all
of them the data of the stretches follow one another without the holes. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from carrack.storage.tarheader import BLOCK, TarError, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: of the keywords of PAX records that are of sparse files
PREFIX: Final = b"GNU.sparse."
_OLD_MAP, _OLD_MORE, _OLD_SIZE = slice(386, 482), 482, slice(483, 495)
_NEXT_MAP, _NEXT_MORE = slice(0, 504), 504
_EARLY: Final = ((None, None), (b"0", b"0"), (b"0", b"1"))  # other versions are not sparse to every reader
_FIELD: Final = 12
_DIGITS: Final = 20
_MOST: Final = 100_000  # stretches: as many as a record of the greatest length could name


class Sparse(NamedTuple):
    """A file's real ``size``, and its stretches of data as (offset, length), in order."""

    size: int
    stretches: tuple[tuple[int, int], ...]


class SparseMap:
    """A member's map on its way in. ``path``: the member's name. Blocks are fed as long as ``wanted``; ``inside``: they
    are part of the member's data."""

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.wanted = self.inside = False
        self._numbers: list[int] = []
        self._size = 0
        self._text = b""

    @classmethod
    def of_header(cls, path: bytes, block: bytes) -> SparseMap:
        """Of a header of GNU tar's old form (type S)."""
        made = cls(path)
        made._size = number(block[_OLD_SIZE], "real size")
        made._take(block[_OLD_MAP], block[_OLD_MORE])
        return made

    @classmethod
    def of_records(cls, path: bytes, records: Mapping[bytes, bytes]) -> SparseMap:
        """Of PAX records, some of which are of sparse files."""
        made = cls(records.get(PREFIX + b"name", path))
        version = records.get(PREFIX + b"major"), records.get(PREFIX + b"minor")
        if version == (b"1", b"0"):
            made._size = made._decimal(records.get(PREFIX + b"realsize", b""))
            made.wanted = made.inside = True
        elif PREFIX + b"map" in records and version in _EARLY:
            made._size = made._decimal(records.get(PREFIX + b"size", b""))
            made._numbers = [made._decimal(word) for word in records[PREFIX + b"map"].split(b",")]
        else:
            raise TarError(f"{path!r} is a sparse file of an unknown form: archive it without --sparse")
        return made

    def feed(self, block: bytes) -> None:
        """The next block."""
        if not self.inside:
            self._take(block[_NEXT_MAP], block[_NEXT_MORE])
            return
        *lines, self._text = (self._text + block).split(b"\n")
        count = 1
        for line in lines:
            self._numbers.append(self._decimal(line))
            count = 1 + 2 * self._numbers[0]
            if len(self._numbers) == count:
                break
        self._check_count()
        self.wanted = not self._numbers or len(self._numbers) < count
        if not self.wanted:
            del self._numbers[0]
        elif len(self._text) > _DIGITS + BLOCK:
            raise TarError(f"sparse file {self.path!r} with a malformed map")

    def judged(self, held: int, most: int) -> Sparse:
        """The whole map of a member with so many bytes of data. TarError when it cannot be, or is of a file greater
        than ``most``."""
        numbers = self._numbers
        stretches = tuple((start, length) for start, length in _pairs(numbers) if length)
        end = 0
        for start, length in stretches:
            if start < end:
                raise TarError(f"sparse file {self.path!r} whose stretches are not in order")
            end = start + length
        if len(numbers) % 2 or end > self._size or sum(length for _, length in stretches) != held:
            raise TarError(f"sparse file {self.path!r} whose map does not fit its data")
        if self._size > most:
            raise TarError(f"sparse file {self.path!r} of {self._size} bytes: the limit is {most}")
        return Sparse(self._size, stretches)

    def _take(self, fields: bytes, more: int) -> None:
        for at in range(0, len(fields), 2 * _FIELD):
            pair = fields[at : at + 2 * _FIELD]
            if pair[:1] != b"\0":
                self._numbers += [number(pair[:_FIELD], "offset"), number(pair[_FIELD:], "length")]
        self._check_count()
        self.wanted = bool(more)

    def _check_count(self) -> None:
        if len(self._numbers) > 2 * _MOST or any(value < 0 for value in self._numbers[-2:]):
            raise TarError(f"sparse file {self.path!r} with a malformed map")

    def _decimal(self, word: bytes) -> int:
        if not word.isdigit() or len(word) > _DIGITS:
            raise TarError(f"sparse file {self.path!r} with a malformed map: {word[:40]!r}")
        return int(word)


def is_sparse(records: Mapping[bytes, bytes]) -> bool:
    """Whether PAX records are of a sparse file."""
    return any(key.startswith(PREFIX) for key in records)


def _pairs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=False))
