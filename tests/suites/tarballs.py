"""Archives for tests: raw headers, so that hostile ones can be written too, and a strategy of honest ones."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

END = bytes(1024)


def header(
    name: bytes,
    kind: bytes = b"0",
    size: int = 0,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 1_600_000_000,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
) -> bytes:
    """One ustar header block; numbers out of octal range are written in base-256."""
    block = bytearray(512)

    def put(offset: int, data: bytes) -> None:
        block[offset : offset + len(data)] = data

    put(0, name[:100])
    put(100, number(mode, 8))
    put(108, number(uid, 8))
    put(116, number(gid, 8))
    put(124, number(size, 12))
    put(136, number(mtime, 12))
    put(148, b" " * 8)
    put(156, kind)
    put(157, link[:100])
    put(257, magic)
    put(329, number(device[0], 8))
    put(337, number(device[1], 8))
    put(345, prefix)
    put(148, b"%06o\0 " % sum(block))
    return bytes(block)


def number(value: int, width: int) -> bytes:
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return bytes([0x80 if value >= 0 else 0xFF]) + value.to_bytes(width - 1, "big", signed=True)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(records: dict[bytes, bytes], kind: bytes = b"x") -> bytes:
    payload = b"".join(pax_record(key, value) for key, value in records.items())
    return header(b"PaxHeaders/x", kind, len(payload)) + padded(payload)


def pax_record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def file(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    return header(name, b"0", len(data), **fields) + padded(data)  # type: ignore[arg-type]


def directory(name: bytes, **fields: object) -> bytes:
    fields.setdefault("mode", 0o755)
    return header(name, b"5", **fields)  # type: ignore[arg-type]


def symlink(name: bytes, target: bytes, **fields: object) -> bytes:
    return header(name, b"2", link=target, **fields)  # type: ignore[arg-type]


def hardlink(name: bytes, target: bytes, **fields: object) -> bytes:
    return header(name, b"1", link=target, **fields)  # type: ignore[arg-type]


def whiteout(directory_name: bytes, name: bytes) -> bytes:
    return file((directory_name + b"/" if directory_name else b"") + b".wh." + name)


@dataclass(frozen=True)
class Member:
    """An entry of a generated archive, in terms of the standard library's tarfile."""

    name: str
    kind: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    data: bytes = b""
    link: str = ""
    xattrs: dict[str, str] = field(default_factory=dict)


def build(members: Sequence[Member]) -> bytes:
    """The members as the standard library writes them (PAX format)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.mode, info.uid, info.gid = member.kind, member.mode, member.uid, member.gid
            info.mtime, info.size, info.linkname = member.mtime, len(member.data), member.link
            if member.kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
                info.devmajor, info.devminor = 1, 3
            info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in member.xattrs.items()}
            archive.addfile(info, io.BytesIO(member.data))
    return out.getvalue()


_NAMES = ("a", "b", "c", "ü", "n" * 120)


@st.composite
def honest_archives(draw: st.DrawFn) -> list[Member]:
    """Members that every extractor must treat alike: names repeat, directories come late or never, links follow their
    targets; a name never changes between directory and something else (GNU tar would refuse)."""
    kinds: dict[str, bytes] = {}
    members: list[Member] = []
    for _ in range(draw(st.integers(0, 14))):
        member = draw(_member(kinds))
        if member is not None:
            members.append(member)
            kinds[member.name] = member.kind
            parent = member.name.rpartition("/")[0]
            while parent:
                kinds.setdefault(parent, tarfile.DIRTYPE)
                parent = parent.rpartition("/")[0]
    return members


@st.composite
def _member(draw: st.DrawFn, kinds: dict[str, bytes]) -> Member | None:
    folders = [""] + [f"{name}/" for name, kind in kinds.items() if kind == tarfile.DIRTYPE and len(name) < 300]
    name = draw(st.sampled_from(folders)) + draw(st.sampled_from(_NAMES))
    if draw(st.booleans()):
        name = f"{name}/{draw(st.sampled_from(_NAMES))}"
        if kinds.get(name.rpartition("/")[0], tarfile.DIRTYPE) != tarfile.DIRTYPE:
            return None
    old = kinds.get(name)
    files = [path for path, kind in kinds.items() if kind == tarfile.REGTYPE and path != name]
    choices = [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE] + [tarfile.LNKTYPE] * bool(files)
    kind = draw(st.sampled_from([*choices, tarfile.DIRTYPE])) if old is None else None
    if kind is None:
        kind = tarfile.DIRTYPE if old == tarfile.DIRTYPE else draw(st.sampled_from(choices))
    link = ""
    if kind == tarfile.LNKTYPE:
        link = draw(st.sampled_from(files))
    elif kind == tarfile.SYMTYPE:
        link = draw(st.sampled_from(["x", "dangling/" + "t" * 90, "l" * 460, "../up"]))
    return Member(
        name,
        kind,
        mode=draw(st.sampled_from([0o644, 0o755, 0o4755, 0o2750, 0o1777, 0])),
        uid=draw(st.sampled_from([0, 1000, 2_500_000])),
        gid=draw(st.sampled_from([0, 33, 100_000])),
        mtime=draw(st.integers(0, 2**33)),
        data=draw(st.binary(max_size=1600)) if kind == tarfile.REGTYPE else b"",
        link=link,
    )
