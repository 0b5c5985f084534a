from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.suites.tarballs import END, Member, build, directory, file, hardlink, header, honest_archives, padded, pax

from carrack.storage.tar import TarEntry, TarError, TarLimits, TarReader, TarScanner


def read(archive: bytes, limits: TarLimits | None = None) -> list[tuple[bytes, bytes]]:
    reader = TarReader(io.BytesIO(archive), limits)
    return [(entry.path, b"".join(bytes(piece) for piece in reader.data())) for entry in reader]


def scan_in_pieces(archive: bytes, size: int) -> list[tuple[bytes, int, bytes]]:
    scanner = TarScanner()
    found: list[tuple[bytes, int, bytes]] = []
    for start in range(0, len(archive), size):
        for event in scanner.scan(archive[start : start + size]):
            if isinstance(event, TarEntry):
                found.append((event.path.rstrip(b"/"), event.offset, b""))
            else:
                path, offset, data = found[-1]
                found[-1] = (path, offset, data + bytes(event))
    scanner.finish()
    assert scanner.offset == len(archive)
    return found


@settings(max_examples=40)
@given(honest_archives(), st.integers(1, 1400))
def test_pieces_of_any_size_say_what_tarfile_says(members: list[Member], size: int) -> None:
    archive = build(members)
    with tarfile.open(fileobj=io.BytesIO(archive)) as oracle:
        expected = []
        for info in oracle:
            data = archive[info.offset_data : info.offset_data + info.size] if info.isreg() else b""
            expected.append((info.name.encode(), info.offset_data, data))
    assert scan_in_pieces(archive, size) == expected


@settings(max_examples=60)
@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_damage_gives_tar_error_or_entries_never_something_else(noise: bytes, at: int) -> None:
    archive = bytearray(file(b"a", b"x" * 700) + pax({b"path": b"p"}) + file(b"b", b"y") + END)
    archive[at : at + len(noise)] = noise
    try:
        read(bytes(archive))
    except TarError:
        pass


def test_data_is_optional_and_drain_reads_the_trailing_bytes() -> None:
    archive = file(b"a", b"1" * 3000) + file(b"b", b"2") + END + b"trailing" * 10_000
    reader = TarReader(io.BytesIO(archive))
    assert [entry.path for entry in reader] == [b"a", b"b"]
    assert reader.drain() == len(archive)
    assert TarReader(io.BytesIO(archive)).drain() == len(archive)


def test_pax_global_local_and_gnu_long_names() -> None:
    long_name = b"L" * 300
    archive = (
        pax({b"uid": b"7", b"gid": b"8"}, b"g")
        + pax({b"uid": b"9"})
        + file(b"one")
        + header(b"././@LongLink", b"L", 301)
        + padded(long_name + b"\0")
        + header(b"././@LongLink", b"K", 4)
        + padded(b"goal")
        + header(b"cut", b"2", link=b"cut")
        + END
    )
    entries = list(TarReader(io.BytesIO(archive)))
    assert [(entry.path, entry.uid, entry.gid, entry.link) for entry in entries] == [
        (b"one", 9, 8, b""),
        (long_name, 7, 8, b"goal"),
    ]


def test_pax_path_wins_over_long_name_wherever_it_stands() -> None:
    longer = header(b"x", b"L", 4) + padded(b"gnu\0")
    for extensions in (longer + pax({b"path": b"pax"}), pax({b"path": b"pax"}) + longer):
        assert read(extensions + file(b"short") + END) == [(b"pax", b"")]


def test_pax_size_moves_the_next_header() -> None:
    archive = pax({b"size": b"600"}) + header(b"f", size=1) + padded(b"z" * 600) + file(b"g") + END
    assert read(archive) == [(b"f", b"z" * 600), (b"g", b"")]


def test_no_end_mark_and_empty_archives_are_accepted() -> None:
    assert read(file(b"a", b"data")) == [(b"a", b"data")]
    assert read(b"") == []
    assert read(END) == []
    assert read(file(b"a") + bytes(512)) == [(b"a", b"")]


@pytest.mark.parametrize("cut", [1, 100, 511, 512, 600, 1024, 1100, 1535])
def test_truncation(cut: int) -> None:
    archive = file(b"a", b"q" * 600) + END
    with pytest.raises(TarError, match="truncated"):
        read(archive[:cut])


@pytest.mark.parametrize("cut", [100, 512, 700, 1024])
def test_truncation_in_extensions(cut: int) -> None:
    archive = pax({b"path": b"p"}) + file(b"a")
    with pytest.raises(TarError, match="truncated"):
        read(archive[:cut])


def test_something_after_a_single_zero_block() -> None:
    with pytest.raises(TarError, match="single zero block"):
        read(file(b"a") + bytes(512) + file(b"b") + END)


def test_not_a_tar_at_all() -> None:
    with pytest.raises(TarError, match="checksum"):
        read(b"<html>" * 200)


@pytest.mark.parametrize(
    ("archive", "limits"),
    [
        (file(b"a") * 4 + END, TarLimits(entries=3)),
        (pax({b"comment": b"c" * 5000}) + file(b"a") + END, TarLimits(extension=4096)),
        (pax({b"comment": b"c" * 3000}, b"g") * 2 + file(b"a") + END, TarLimits(extension=4096)),
        (pax({b"path": b"d/" * 600}) + directory(b"a") + END, TarLimits(path=1000)),
        (file(b"a", b"x" * 4000) + END, TarLimits(size=2048)),
        (hardlink(b"a", b"b" * 90) + END, TarLimits(path=80)),
    ],
)
def test_limits(archive: bytes, limits: TarLimits) -> None:
    with pytest.raises(TarError, match=r"limit|more than"):
        read(archive, limits)
    read(archive, TarLimits())


@settings(max_examples=40)
@given(honest_archives(), st.integers(1, 1400))
def test_passing_over_data_changes_no_entry(members: list[Member], size: int) -> None:
    archive = build(members)
    scanner, found, position = TarScanner(), list[tuple[bytes, int, int]](), 0
    while position < len(archive):
        piece = archive[position : position + size]
        found += [(e.path, e.offset, e.size) for e in scanner.scan(piece) if isinstance(e, TarEntry)]
        position += len(piece)
        position += scanner.pass_over(len(archive) - position)
    scanner.finish()
    assert scanner.offset == position == len(archive)
    assert found == [(e.path, e.offset, e.size) for e in TarReader(io.BytesIO(archive))]


@settings(max_examples=40)
@given(honest_archives(), st.integers(1, 1400))
def test_entries_without_their_data_are_the_same(members: list[Member], size: int) -> None:
    archive = build(members)
    scanner = TarScanner()
    pieces = (archive[start : start + size] for start in range(0, len(archive), size))
    found = [(e.path, e.offset, e.size) for piece in pieces for e in scanner.entries(piece)]
    scanner.finish()
    assert scanner.offset == len(archive)
    assert found == [(e.path, e.offset, e.size) for e in TarReader(io.BytesIO(archive))]
    small = TarScanner(TarLimits(size=100))
    with pytest.raises(TarError, match="limit of 100"):
        list(small.entries(bytes(101)))


def test_passing_over_stops_at_what_is_there_and_at_the_limit() -> None:
    scanner = TarScanner()
    list(scanner.scan(file(b"a", b"x" * 3000)[:600]))
    assert scanner.pass_over(100) == 100
    with pytest.raises(TarError, match="truncated"):
        scanner.finish()
    assert scanner.pass_over(1 << 20) == 3072 - 88 - 100
    assert scanner.pass_over(1 << 20) == 0
    list(scanner.scan(END))
    assert scanner.pass_over(77) == 77
    scanner.finish()
    small = TarScanner(TarLimits(size=2000))
    list(small.scan(file(b"a", b"x" * 3000)[:600]))
    with pytest.raises(TarError, match="limit of 2000"):
        small.pass_over(2000)
