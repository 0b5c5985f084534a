"""Heads of a tar's members, by hand: ``tarfile`` takes ten times as long for each, and 10 ms to import.

The form is what POSIX calls pax: ustar headers, and records for what does not fit them.
"""

from carrack.client import paths

FILE, LINK, SYMLINK, CHARACTERS, BLOCKS, FOLDER, PIPE = (b"%d" % number for number in range(7))
END = bytes(1024)
_BLOCK = 512


def header(
    name: str, kind: bytes, mode: int, size: int, mtime: int, link: str = "", owner: tuple[int, int] = (0, 0),
    device: tuple[int, int] = (0, 0),
) -> bytes:  # fmt: skip
    """What stands before a member's bytes, whose padding to whole blocks is the caller's."""
    path, target = paths.encoded(name), paths.encoded(link)
    records = [(b"path", path)] if len(path) > 100 or not path.isascii() else []
    records += [(b"linkpath", target)] if len(target) > 100 or not target.isascii() else []
    records += [(b"mtime", b"%d" % mtime)] if not 0 <= mtime < 8**11 else []
    records += [(b"size", b"%d" % size)] if size >= 8**11 else []
    for key, value in zip((b"uid", b"gid"), owner, strict=True):
        records += [(key, b"%d" % value)] if value >= 8**7 else []
    extra = b""
    if records:
        payload = b"".join(_record(key, value) for key, value in records)
        extra = _block(b"PaxHeaders.0/x", b"x", 0o644, len(payload), 0, b"") + payload + bytes(-len(payload) % _BLOCK)
    uid, gid = owner[0] % 8**7, owner[1] % 8**7
    return extra + _block(path[:100], kind, mode, size % 8**11, max(0, mtime) % 8**11, target[:100], uid, gid, *device)


def _block(
    name: bytes, kind: bytes, mode: int, size: int, mtime: int, link: bytes, uid: int = 0, gid: int = 0,
    major: int = 0, minor: int = 0,
) -> bytes:  # fmt: skip
    head = name.ljust(100, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    tail = kind + link.ljust(100, b"\0") + b"ustar\x0000" + bytes(64) + b"%07o\0%07o\0" % (major, minor) + bytes(167)
    return head + b"%06o\0 " % (sum(head) + 8 * 0x20 + sum(tail)) + tail


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
