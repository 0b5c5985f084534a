from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.suites.tarballs import header, pax_record

from carrack.storage import tarheader
from carrack.storage.tarheader import TarError, apply_pax, check_entry, normalise, parse_header, parse_pax


def test_fields_of_a_ustar_header() -> None:
    entry = parse_header(
        header(b"f", b"0", 7, mode=0o104755, uid=5, gid=6, mtime=9, prefix=b"dir/deep", link=b"target")
    )
    assert (entry.path, entry.kind, entry.mode) == (b"dir/deep/f", tarheader.REGULAR, 0o4755)
    assert (entry.uid, entry.gid, entry.size, entry.mtime, entry.link) == (5, 6, 7, 9, b"target")


def test_gnu_magic_has_no_prefix_and_v7_has_neither() -> None:
    assert parse_header(header(b"f", magic=b"ustar  \0", prefix=b"atime")).path == b"f"
    assert parse_header(header(b"f", magic=b"", prefix=b"junk")).path == b"f"


def test_base256_numbers_both_signs() -> None:
    entry = parse_header(header(b"f", b"0", 9 * 2**30, uid=3_000_000, mtime=-5))
    assert (entry.size, entry.uid, entry.mtime) == (9 * 2**30, 3_000_000, -5)


def test_device_numbers_only_for_devices() -> None:
    device = parse_header(header(b"d", b"4", device=(259, 70000)))
    assert (device.major, device.minor) == (259, 70000)
    assert parse_header(header(b"d", b"0", device=(1, 3))).major == 0


@pytest.mark.parametrize("kind", [b"V", b"M", b"D", b"z"])
def test_unsupported_types_are_named(kind: bytes) -> None:
    with pytest.raises(TarError, match="not supported"):
        parse_header(header(b"odd", kind))


def test_wrong_checksum_and_signed_checksum() -> None:
    block = bytearray(header(b"f"))
    block[0] ^= 1
    with pytest.raises(TarError, match="checksum"):
        parse_header(bytes(block))
    high = bytearray(header(b"\xff\xfe"))
    high[148:156] = b"%06o\0 " % (sum(high) - sum(high[148:156]) + 256 - 512)
    assert parse_header(bytes(high)).path == b"\xff\xfe"


@pytest.mark.parametrize("field", [b"0o7", b"1_0", b"-1", b"9", b"+7", b"7 7"])
def test_malformed_numbers(field: bytes) -> None:
    block = bytearray(header(b"f"))
    block[124:136] = field.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(TarError, match="size"):
        parse_header(bytes(block))


def test_pax_records() -> None:
    payload = pax_record(b"path", b"a=b\nc") + pax_record(b"uid", b"1") + pax_record(b"uid", b"2")
    assert parse_pax(payload) == {b"path": b"a=b\nc", b"uid": b"2"}


@pytest.mark.parametrize(
    "payload", [b"x", b"5 a=b", b"99 a=b\n", b"0 a=b\n", b"6 a=bX", b"6 ab\n\n", b"-6 a=b\n", b"6 =bb\n", b" a=b\n"]
)
def test_malformed_pax(payload: bytes) -> None:
    with pytest.raises(TarError):
        parse_pax(payload)


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_pax_never_fails_otherwise(payload: bytes) -> None:
    try:
        parse_pax(payload)
    except TarError:
        pass


def test_pax_overrides() -> None:
    entry = parse_header(header(b"short", b"2"))
    records = {
        b"path": b"long",
        b"linkpath": b"goal",
        b"uid": b"4000000",
        b"gid": b"",
        b"mtime": b"-1.25",
        b"SCHILY.xattr.user.x": b"\0y",
        b"SCHILY.xattr.trusted.overlay.redirect": b"/etc",
        b"comment": b"ignored",
    }
    apply_pax(entry, records)
    assert (entry.path, entry.link, entry.uid, entry.gid) == (b"long", b"goal", 4_000_000, 0)
    assert (entry.mtime, entry.mtime_ns) == (-2, 750_000_000)
    assert entry.xattrs == {b"user.x": b"\0y"}


@pytest.mark.parametrize(
    "records",
    [
        {b"size": b"-1"},
        {b"size": b"1e3"},
        {b"uid": b"+1"},
        {b"mtime": b"1.x"},
        {b"mtime": b"."},
        {b"SCHILY.xattr.user.big": bytes(70000)},
        {b"SCHILY.xattr.user.a\0b": b""},
    ],
)
def test_bad_pax_values(records: dict[bytes, bytes]) -> None:
    with pytest.raises(TarError):
        apply_pax(parse_header(header(b"f")), records)


@pytest.mark.parametrize(
    "records",
    [
        {b"path": b"n" * 5000},
        {b"path": b"a\0b"},
        {b"linkpath": b"a\0b"},
        {b"uid": b"4294967295"},
        {b"size": b"9999999999999999999"},
        {b"mtime": b"99999999999999999999"},
    ],
)
def test_what_no_file_system_holds(records: dict[bytes, bytes]) -> None:
    entry = parse_header(header(b"f"))
    apply_pax(entry, records)
    with pytest.raises(TarError):
        check_entry(entry, 4096)


def test_only_regular_files_have_data_and_a_slash_means_directory() -> None:
    link = parse_header(header(b"l", b"1", 99))
    check_entry(link, 4096)
    folder = parse_header(header(b"old/", b"\0", 99))
    check_entry(folder, 4096)
    assert (link.size, folder.kind, folder.size) == (0, tarheader.DIRECTORY, 0)


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"/a//b/./c/", b"a/b/c"), (b"./", b""), (b".", b""), (b"", b""), (b"a.b/..c", b"a.b/..c"), (b"./.x", b".x")],
)
def test_normalise(path: bytes, expected: bytes) -> None:
    assert normalise(path) == expected


@pytest.mark.parametrize("path", [b"..", b"../x", b"a/../../b", b"a/..", b"/../x", b"a/" + b"n" * 256])
def test_normalise_refuses(path: bytes) -> None:
    with pytest.raises(TarError):
        normalise(path)


@pytest.mark.parametrize(
    ("name", "permitted"),
    [
        (b"security.capability", True),
        (b"user.x", True),
        (b"trusted.x", True),
        (b"system.posix_acl_access", True),
        (b"trusted.overlay.opaque", False),
        (b"user.overlay.opaque", False),
        (b"system.other", False),
        (b"user.", False),
        (b"odd", False),
        (b"user." + b"n" * 300, False),
    ],
)
def test_permitted_xattrs(name: bytes, permitted: bool) -> None:
    assert tarheader.permitted_xattr(name) is permitted
