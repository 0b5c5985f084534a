"""The list of a context's files that our command sends before their bytes. Pure.

For each file, in byte order folder by folder: its path, its looks and where it leads, each followed by a NUL. Looks are
``kind mode size mtime mark``: the kind of a tar member (``0`` file, ``1`` another name of a file, ``2`` link, ``5``
folder, ``6`` pipe), the mode in octal, bytes, seconds since 1970, and what tells this version of the file from others,
``-`` for a file that must be sent in any case.
"""

from __future__ import annotations

from collections.abc import Iterator

from carrack.errors import InvalidArgument
from carrack.storage.tarheader import DIRECTORY, FIFO, HARDLINK, REGULAR, SYMLINK
from carrack.storage.trees.kept import ENTRIES_LIMIT, KeptEntry

_KINDS = (REGULAR, HARDLINK, SYMLINK, DIRECTORY, FIFO)
_UNSURE = b"-"


def rows(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Path, mark and target of each; the mark is all that is said of it. Raises InvalidArgument."""
    if data.count(b"\0") > 3 * ENTRIES_LIMIT:
        raise InvalidArgument(f"a list of files is longer than {ENTRIES_LIMIT}")
    fields = data.split(b"\0")
    if len(fields) % 3 != 1 or fields[-1]:
        raise InvalidArgument("the list of files is cut short")
    for path, looks, target in zip(fields[0:-1:3], fields[1:-1:3], fields[2:-1:3], strict=True):
        yield path, looks + b"\0" + target, target


def entry(path: bytes, mark: bytes, target: bytes) -> KeptEntry:
    """One of them. Raises InvalidArgument."""
    words = mark.partition(b"\0")[0].split(b" ")
    try:
        kind, mode, size, mtime, stamp = words
        made = KeptEntry(path, kind, int(mode, 8), b"" if stamp == _UNSURE else mark)
        made.size = int(size) if kind == REGULAR else 0
        made.mtime = int(mtime)
    except ValueError:
        raise InvalidArgument(f"the list of files says what is no file's looks: {mark[:80]!r}") from None
    if kind not in _KINDS or not 0 <= made.mode <= 0o7777 or not 0 <= made.size < 1 << 62 or abs(made.mtime) >= 1 << 62:
        raise InvalidArgument(f"the list of files says what no file can be: {mark[:80]!r}")
    made.link = target if kind == SYMLINK else b""
    return made
