"""One tar header block, and the extension records before it, as a value.

Pure, so that the reader, the fuzzers and the property tests share one judge of hostile bytes. Formats: ustar and PAX
(POSIX.1-2017, pax "ustar Interchange Format" and "pax Header Block"), the GNU additions (base-256 numbers, ``L`` and
``K`` long names; tar manual, "Basic Tar Format"), and pre-POSIX v7 headers.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from carrack.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.storage.tarsparse import Sparse

BLOCK: Final = 512

REGULAR: Final = b"0"
HARDLINK: Final = b"1"
SYMLINK: Final = b"2"
CHARACTER: Final = b"3"
BLOCK_DEVICE: Final = b"4"
DIRECTORY: Final = b"5"
FIFO: Final = b"6"
#: a regular file with holes, as GNU tar's old form has it
SPARSE: Final = b"S"

#: type bytes as found → the kind we give them (``7`` is "contiguous", which POSIX lets readers treat as regular)
_KINDS: Final = {bytes([code]): bytes([code]) for code in b"0123456"} | {b"\0": REGULAR, b"7": REGULAR, SPARSE: SPARSE}
EXTENSIONS: Final = frozenset((b"x", b"g", b"L", b"K"))

# where the fields of a header are
_NAME, _MODE, _OWNERS, _SIZE, _MTIME = slice(100), slice(100, 108), slice(108, 124), slice(124, 136), slice(136, 148)
_CHECKSUM, _KIND, _LINK_AT, _LINK, _MAGIC = slice(148, 156), slice(156, 157), 157, slice(157, 257), slice(257, 263)
_MAJOR, _MINOR, _PREFIX_AT, _PREFIX = slice(329, 337), slice(337, 345), 345, slice(345, 500)
#: of the keywords of PAX records that are extended attributes
XATTR_PREFIX: Final = b"SCHILY.xattr."
_ADLER = 65521
_MAX_ID = 0xFFFFFFFE  # 0xFFFFFFFF means "leave as it is" to chown(2)
_MAX_MAJOR, _MAX_MINOR = 0xFFF, 0xFFFFF
_MAX_SIZE = 1 << 62
_MIN_TIME, _MAX_TIME = -(1 << 62), 1 << 62


class TarError(InvalidArgument):
    """The archive is malformed, truncated, over a limit, or holds what no layer may hold."""


class TarEntry:
    """One member. ``path`` and ``link`` are as written (bytes, not normalised); ``kind`` is one of this module's
    constants; ``size`` is that of the data that follows (0 unless regular); ``mtime`` in seconds and ``mtime_ns``
    its fraction; ``xattrs`` holds only permitted names; ``offset`` is where the data starts in the archive; ``sparse``
    says where in the file that data belongs, None: it is the file."""

    __slots__ = (
        "gid",
        "kind",
        "link",
        "major",
        "minor",
        "mode",
        "mtime",
        "mtime_ns",
        "offset",
        "path",
        "size",
        "sparse",
        "uid",
        "xattrs",
    )

    def __init__(self, path: bytes, kind: bytes, mode: int) -> None:
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = self.gid = self.size = self.mtime = self.mtime_ns = self.major = self.minor = self.offset = 0
        self.link = b""
        self.xattrs: dict[bytes, bytes] | None = None
        self.sparse: Sparse | None = None

    def __repr__(self) -> str:
        return f"TarEntry({self.path!r}, {self.kind!r}, {self.mode:#o}, size={self.size})"


def parse_header(block: bytes) -> TarEntry:
    """The header in a block of 512 bytes; kinds of EXTENSIONS keep their payload length in ``size``, and members with
    holes in GNU tar's old form their kind SPARSE.

    TarError on a wrong checksum, a malformed number, or an entry type that no layer can hold.
    """
    _verify_checksum(block, block[_CHECKSUM])
    path, kind = _text(block[_NAME]), block[_KIND]
    if block[_PREFIX_AT] and block[_MAGIC] == b"ustar\0":
        path = _text(block[_PREFIX]) + b"/" + path
    entry = TarEntry(path, kind, number(block[_MODE], "mode") & 0o7777)
    entry.size = number(block[_SIZE], "size")
    if kind in EXTENSIONS:
        return entry
    if kind not in _KINDS:
        raise TarError(f"{path!r} has entry type {kind!r}, which is not supported in layers")
    entry.kind = _KINDS[kind]
    entry.uid, entry.gid = _owners(block[_OWNERS])
    entry.mtime = number(block[_MTIME], "mtime")
    if block[_LINK_AT]:
        entry.link = _text(block[_LINK])
    if kind in (CHARACTER, BLOCK_DEVICE):
        entry.major, entry.minor = number(block[_MAJOR], "device major"), number(block[_MINOR], "device minor")
    return entry


def parse_pax(payload: bytes) -> dict[bytes, bytes]:
    """The records of a PAX extended header: ``"%d %s=%s\\n" % (length, keyword, value)``; later ones win."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(payload):
        space = payload.find(b" ", position, position + 20)
        digits = payload[position:space]
        if space < 0 or not digits.isdigit():
            raise TarError(f"PAX record at byte {position} has no length")
        end = position + int(digits)
        if end > len(payload) or end <= space + 1 or payload[end - 1] != 0x0A:
            raise TarError(f"PAX record at byte {position} has the wrong length {int(digits)}")
        key, equals, value = payload[space + 1 : end - 1].partition(b"=")
        if not equals or not key:
            raise TarError(f"PAX record at byte {position} is not keyword=value")
        records[key] = value
        position = end
    return records


def apply_pax(entry: TarEntry, records: Mapping[bytes, bytes]) -> None:
    """Let PAX records override the header; where a record's value is empty, the header holds (POSIX).

    Those of sparse files (tarsparse) are passed over.
    """
    for key, value in records.items():
        if key.startswith(XATTR_PREFIX):
            _add_xattr(entry, key[len(XATTR_PREFIX) :], value)
        elif not value:
            continue
        elif key == b"path":
            entry.path = value
        elif key == b"linkpath":
            entry.link = value
        elif key == b"size":
            entry.size = _decimal(value, "size")
        elif key == b"uid":
            entry.uid = _decimal(value, "uid")
        elif key == b"gid":
            entry.gid = _decimal(value, "gid")
        elif key == b"mtime":
            entry.mtime, entry.mtime_ns = _timestamp(value)


def permitted_xattr(name: bytes) -> bool:
    """Whether an archive may set this attribute.

    ``trusted.overlay.*`` and ``user.overlay.*`` would let a layer redirect a name to data of other layers, and
    ``user.fuseoverlayfs.*`` are the like of another program, so they are dropped; so is every name space that Linux
    does not have. ``security.selinux`` is what the policy of one machine says.
    """
    if name.startswith((b"trusted.overlay.", b"user.overlay.", b"user.fuseoverlayfs.")):
        return False
    if name == b"security.selinux":
        return False
    if name in (b"system.posix_acl_access", b"system.posix_acl_default"):
        return True
    prefix, dot, rest = name.partition(b".")
    return bool(dot and rest) and prefix in (b"user", b"trusted", b"security") and len(name) <= 255


def check_entry(entry: TarEntry, max_path: int) -> None:
    """Judge the finished entry: TarError on names and numbers that no Linux file system could hold."""
    path, link = entry.path, entry.link
    if len(path) > max_path or len(link) > max_path:
        raise TarError(f"name of {max(len(path), len(link))} bytes: {path[:60]!r}…; the limit is {max_path}")
    if b"\0" in path or b"\0" in link:
        raise TarError(f"name with a NUL byte: {path!r}")
    if not (0 <= entry.uid <= _MAX_ID and 0 <= entry.gid <= _MAX_ID):
        raise TarError(f"{path!r} has owner {entry.uid}:{entry.gid}, outside 0..{_MAX_ID}")
    if not 0 <= entry.size <= _MAX_SIZE:
        raise TarError(f"{path!r} has size {entry.size}")
    if not _MIN_TIME <= entry.mtime <= _MAX_TIME:
        raise TarError(f"{path!r} has modification time {entry.mtime}")
    if not (0 <= entry.major <= _MAX_MAJOR and 0 <= entry.minor <= _MAX_MINOR):
        raise TarError(f"{path!r} has device number {entry.major}:{entry.minor}")
    if entry.kind != REGULAR:
        entry.size = 0
    elif path[-1:] == b"/":  # how v7 archives wrote directories
        entry.kind, entry.size = DIRECTORY, 0


def normalise(path: bytes) -> bytes:
    """``path`` relative to the root: no leading slash, no ``.``, no doubled slash; the root itself is ``b""``.

    TarError on ``..`` (no honest layer has it) and on components over 255 bytes.
    """
    path = path.strip(b"/")
    if b"." in path or b"//" in path:
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise TarError(f"name with '..': {path!r}")
        path = b"/".join(parts)
    if len(path) > 255 and any(len(part) > 255 for part in path.split(b"/")):
        raise TarError(f"name with a component over 255 bytes: {path[:60]!r}…")
    return path


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _verify_checksum(block: bytes, field: bytes) -> None:
    wanted, claimed = _claimed(field)
    # The low half of an Adler-32 is 1 + the sum of the bytes, modulo 65521 (RFC 1950), and much quicker than sum().
    if 0 <= claimed <= 255 * BLOCK and (claimed + 1 - (zlib.adler32(block) & 0xFFFF)) % _ADLER == 0:
        return
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 8 * 0x20
    if signed != wanted:  # some old programs summed signed characters
        raise TarError("header with a wrong checksum: this is not a tar archive, or it is damaged")


@lru_cache(4096)
def _claimed(field: bytes) -> tuple[int, int]:
    """The checksum that a header has, and what all its bytes would then add up to."""
    wanted = number(field, "checksum")
    return wanted, wanted - 8 * 0x20 + sum(field)


@lru_cache(1024)
def _owners(fields: bytes) -> tuple[int, int]:
    return number(fields[:8], "uid"), number(fields[8:], "gid")


@lru_cache(4096)  # most members of an archive have their owners, modes and times from few
def number(field: bytes, what: str) -> int:
    """A number of a header: octal, or base-256 when the top bit is set. TarError."""
    first = field[0]
    if first & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if first & 0x40 else value
    digits = field.partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    try:
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:
        pass
    raise TarError(f"header with a malformed {what}: {field!r}")


def _decimal(value: bytes, what: str) -> int:
    if not value.isdigit() or len(value) > 20:
        raise TarError(f"PAX record with a malformed {what}: {value[:40]!r}")
    return int(value)


def _timestamp(value: bytes) -> tuple[int, int]:
    whole, dot, fraction = value.partition(b".")
    digits = whole[1:] if whole[:1] == b"-" else whole
    if not digits.isdigit() or len(digits) > 20 or (dot and fraction and not fraction.isdigit()):
        raise TarError(f"PAX record with a malformed mtime: {value[:40]!r}")
    seconds, nanoseconds = int(whole), int((fraction + b"000000000")[:9])
    if whole[:1] == b"-" and nanoseconds:
        return seconds - 1, 10**9 - nanoseconds
    return seconds, nanoseconds


def _add_xattr(entry: TarEntry, name: bytes, value: bytes) -> None:
    if not permitted_xattr(name):
        return
    if b"\0" in name or len(value) > 65535:
        raise TarError(f"{entry.path!r} has an extended attribute over the limits of Linux: {name[:60]!r}")
    if entry.xattrs is None:
        entry.xattrs = {}
    entry.xattrs[name] = value
